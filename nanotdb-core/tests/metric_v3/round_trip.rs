//! What is written is read back, bit for bit; the same rows give the same bytes.

use crate::rng::Rng;
use crate::support::{
    DAY, Data, TYPES, arbitrary, assert_same, bits, bytes, layout, read, ticks, try_write, values, write,
};
use nanotdb_core::format::metric::{Encoder, Rows, SeriesRows, v3};
use nanotdb_core::model::{Column, ValueType, Values};
use nanotdb_core::plugin::registry::registry;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn any_series_round_trip(seed: u64, series in 0..12u64, longest in prop_oneof![1..20u64, 1..4_000u64], codec in 0..4usize) {
        let data = arbitrary(&mut Rng(seed), series, longest);
        let codec = ["none", "zstd_default", "s2", "lz4"][codec];
        let file = write(&data, codec);
        assert_same(&read(&file).unwrap(), &data);
        prop_assert!(file == write(&data, codec), "the same rows give the same bytes");
    }
}

#[test]
fn long_series_are_cut_into_segments() {
    for (seed, longest) in [(3, 100_000), (4, 60_000), (5, 40_000)] {
        let mut rng = Rng(seed);
        let mut data = arbitrary(&mut rng, 12, longest);
        let all = ticks(&mut rng, 50_000);
        let late = all[20_000..].to_vec();
        data.insert(7, (all.clone(), values(&mut rng, ValueType::Float64, 0, all.len())));
        data.insert(8, (late.clone(), values(&mut rng, ValueType::Int32, 0, late.len())));
        let file = write(&data, "zstd_default");
        assert_same(&read(&file).unwrap(), &data);
        let layout = layout(&file).unwrap();
        let of = |id| &layout.series.iter().find(|s| s.id == id).unwrap().blocks;
        assert_eq!(of(7).len(), 4, "50,000 rows need four blocks");
        assert!(of(7).iter().all(|b| b.count == 12_500), "of about equal size");
        assert_eq!(of(8).len(), 3, "a late series has no block where it has no row");
        assert_eq!(of(8)[2].time, of(7)[3].time);
        assert!(layout.times.iter().all(|t| t.count <= 16_384));
    }
}

/// A tick that occurs twice may be cut by the end of a segment.
#[test]
fn equal_timestamps_across_segments_stay_in_order() {
    let timestamps: Vec<i64> = (0..40_000).map(|i| DAY + i / 50).collect();
    let some: Vec<i64> = timestamps.iter().enumerate().filter(|(i, _)| i % 3 > 0).map(|(_, t)| *t).collect();
    let numbers = |n: usize| Column::Int32((0..n as i32).collect());
    let data = Data::from([
        (1, (timestamps.clone(), numbers(timestamps.len()))),
        (2, (some.clone(), numbers(some.len()))),
        (3, (vec![DAY; 20_000], numbers(20_000))),
        (4, (vec![DAY; 20_000], numbers(20_000))),
    ]);
    let file = write(&data, "s2");
    assert_same(&read(&file).unwrap(), &data);
    assert_eq!(layout(&file).unwrap().times.len(), 5);
}

#[test]
fn no_series_and_one_row_are_files_too() {
    assert_same(&read(&write(&Data::new(), "none")).unwrap(), &Data::new());
    for value_type in TYPES {
        let data = Data::from([(65_535, (vec![i64::MIN], values(&mut Rng(1), value_type, 2, 1)))]);
        assert_same(&read(&write(&data, "zstd_default")).unwrap(), &data);
    }
    // A metric without rows leaves no trace.
    let mut data = Data::from([(3, (vec![5, 5], Column::Int64(vec![1, 2])))]);
    let file = write(&data, "none");
    data.insert(2, (Vec::new(), Column::new(ValueType::Float32)));
    assert!(write(&data, "none") == file);
}

#[test]
fn series_that_miss_ticks_share_one_vector() {
    let mut rng = Rng(11);
    let all = ticks(&mut rng, 8_640);
    let mut data = Data::new();
    for id in 1..=20u16 {
        let mut timestamps = all.clone();
        match id % 4 {
            0 => timestamps.retain(|_| rng.below(50) > 0),
            1 => timestamps = all.iter().step_by(6).copied().collect(),
            2 => {
                // Ticks that no other has.
                for t in timestamps.iter_mut().step_by(900) {
                    *t += 1;
                }
            }
            _ => timestamps = timestamps.split_off(5_000),
        }
        let column = values(&mut rng, TYPES[usize::from(id % 4)], 0, timestamps.len());
        data.insert(id, (timestamps, column));
    }
    let file = write(&data, "zstd_default");
    assert_same(&read(&file).unwrap(), &data);
    assert_eq!(layout(&file).unwrap().times.len(), 1);
}

/// Groups of one series have their time blocks beside their values.
#[test]
fn series_that_share_nothing_bring_their_own_vector() {
    let mut rng = Rng(12);
    let mut data = Data::new();
    for id in 1..=5u16 {
        let timestamps = ticks(&mut rng, 2_000);
        let column = values(&mut rng, ValueType::Int64, 0, timestamps.len());
        data.insert(id, (timestamps, column));
    }
    let file = write(&data, "none");
    assert_same(&read(&file).unwrap(), &data);
    let layout = layout(&file).unwrap();
    assert_eq!(layout.times.len(), 5);
    for (series, time) in layout.series.iter().zip(&layout.times) {
        assert_eq!(series.blocks[0].extent.offset, time.extent.offset + u64::from(time.extent.len));
    }
}

/// Header, directory, and the blocks that overlap the range are all that a reader of a range looks at.
#[test]
fn a_range_is_read_from_its_blocks_alone() {
    let mut rng = Rng(31);
    let all = ticks(&mut rng, 100_000);
    let mut data = Data::new();
    for id in 1..=6u16 {
        let mut timestamps = all.clone();
        timestamps.retain(|_| rng.below(10) > 0);
        let column = values(&mut rng, ValueType::Float32, 0, timestamps.len());
        data.insert(id, (timestamps, column));
    }
    let mut file = write(&data, "none");
    let layout = layout(&file).unwrap();
    let (from, to) = (all[30_000], all[40_000]);
    let series = &layout.series[3];
    let overlapping: Vec<_> = series.blocks.iter().filter(|b| b.start <= to && b.end >= from).collect();
    assert!(overlapping.len() <= 2, "of {}", series.blocks.len());
    // Nothing else is there any more.
    let mut needed = vec![false; file.len()];
    for block in &overlapping {
        for extent in [block.extent, layout.times[block.time.unwrap() as usize].extent] {
            needed[extent.offset as usize..][..extent.len as usize].fill(true);
        }
    }
    file.iter_mut().zip(&needed).filter(|(_, needed)| !**needed).for_each(|(byte, _)| *byte = 0);
    let mut found = Vec::new();
    let mut rows = Rows { timestamps: Vec::new(), values: Column::new(ValueType::Float32) };
    for block in overlapping {
        let (index, mut times) = (block.time.unwrap(), Vec::new());
        let time = &layout.times[index as usize];
        v3::decode_times(bytes(&file, time.extent), index, time, registry(), &mut times).unwrap();
        let of = (series.id, series.value_type);
        v3::decode_block(bytes(&file, block.extent), of, block, &times, registry(), &mut rows).unwrap();
        found.extend(rows.timestamps.iter().copied().zip(bits(rows.values.values())));
    }
    found.retain(|(t, _)| (from..=to).contains(t));
    let (timestamps, column) = &data[&series.id];
    let expected = timestamps.iter().copied().zip(bits(column.values()));
    assert!(found == expected.filter(|(t, _)| (from..=to).contains(t)).collect::<Vec<_>>());
}

#[test]
fn misuse_is_refused() {
    let codec = crate::support::codec("none");
    let mut out = Vec::new();
    let row = |id, timestamps| SeriesRows { id, timestamps, values: Values::Int32(&[1, 2]), decimals: false };
    let mut writer = v3::Writer::new(1, codec, Vec::new());
    assert!(writer.series(row(1, &[1, 2]), &mut out).is_err(), "not begun");
    assert!(writer.plan(1, &[2, 1], &mut out).is_err(), "not in order");
    assert!(writer.plan(0, &[1, 2], &mut out).is_err(), "id 0");
    for id in 1..=4 {
        writer.plan(id, &[1, 2], &mut out).unwrap();
    }
    assert!(writer.plan(1, &[1, 2], &mut out).is_err(), "twice");
    writer.begin(&mut out).unwrap();
    assert!(writer.begin(&mut out).is_err(), "begun twice");
    assert!(writer.plan(5, &[1], &mut out).is_err(), "too late");
    assert!(writer.series(row(9, &[1, 2]), &mut out).is_err(), "not planned");
    assert!(writer.series(row(1, &[1]), &mut out).is_err(), "lengths differ");
    writer.series(row(3, &[1, 2]), &mut out).unwrap();
    assert!(writer.series(row(2, &[1, 2]), &mut out).is_err(), "not ascending");
    assert!(writer.series(row(3, &[1, 2]), &mut out).is_err(), "twice");
    assert!(writer.finish(&mut out).is_err(), "not all came");
    assert!(writer.series(row(4, &[1, 3]), &mut out).is_err(), "other timestamps");
    assert!(writer.finish(&mut out).is_err(), "one failed");
    let unsorted = Data::from([(1, (vec![2, 1], Column::Int32(vec![1, 2])))]);
    assert!(try_write(&unsorted, "none").is_err());
}
