//! Damaged files are found out or read right; nothing panics.

use crate::rng::Rng;
use crate::support::{DAY, Data, SECOND, arbitrary, assert_same, bits, layout, read, ticks, values, write};
use nanotdb_core::format::metric::v3::{self, Kind};
use nanotdb_core::format::metric::{HEADER_LEN, Rows};
use nanotdb_core::model::{Column, ValueType};
use nanotdb_core::plugin::registry::registry;
use proptest::prelude::*;
use std::collections::HashMap;

/// A few series on one vector, one of their own, gaps, and parts.
fn small() -> Data {
    let mut rng = Rng(21);
    let all = ticks(&mut rng, 60);
    let mut gaps = all.clone();
    gaps.retain(|_| rng.below(4) > 0);
    let other = ticks(&mut rng, 7);
    Data::from([
        (1, (all.clone(), values(&mut rng, ValueType::Int32, 0, 60))),
        (2, (gaps.clone(), values(&mut rng, ValueType::Float32, 3, gaps.len()))),
        (9, (all[30..].to_vec(), values(&mut rng, ValueType::Float64, 0, 30))),
        (300, (other, values(&mut rng, ValueType::Int64, 2, 7))),
    ])
}

fn with_parts() -> Data {
    let mut rng = Rng(22);
    let all: Vec<i64> = (0..2_100).map(|i| DAY + i * SECOND).collect();
    let mut gaps = all.clone();
    gaps.retain(|_| rng.below(40) > 0);
    Data::from([
        (1, (all, Column::Int32(vec![5; 2_100]))),
        (2, (gaps.clone(), values(&mut rng, ValueType::Int32, 1, gaps.len()))),
    ])
}

fn damages(file: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> {
    let flipped = (0..file.len() * 8).map(|bit| {
        let mut damaged = file.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        (format!("bit {bit}"), damaged)
    });
    flipped.chain((0..file.len()).map(|len| (format!("cut to {len}"), file[..len].to_vec())))
}

#[test]
fn every_bit_flip_and_truncation_is_found() {
    for (data, codec) in [(small(), "none"), (small(), "zstd_default"), (with_parts(), "zstd_default")] {
        let file = write(&data, codec);
        assert!(file.len() < 8_000, "{}", file.len());
        for (what, damaged) in damages(&file) {
            // Every byte is under a checksum, so nothing is harmless.
            assert!(read(&damaged).is_err(), "{codec}, {what} of {}", file.len());
        }
    }
}

/// The same with checksums made right again, so that everything behind them is reached: any answer, but no panic.
#[test]
fn damage_with_right_checksums_does_not_panic() {
    for (data, codec) in [(small(), "none"), (with_parts(), "zstd_default")] {
        let file = write(&data, codec);
        let blocks: Vec<_> = v3::walk(&file).map(|f| (f.offset as usize, f.bytes.len())).collect();
        let directory_at = u64::from_le_bytes(file[40..48].try_into().unwrap()) as usize;
        let fix = |bytes: &mut [u8]| {
            let (body, crc) = bytes.split_at_mut(bytes.len() - 4);
            crc.copy_from_slice(&crc32fast::hash(body).to_le_bytes());
        };
        let mut rng = Rng(77);
        // One flipped bit, then several bytes at once, most of them in the directory.
        let several = (0..20_000).map(|i| {
            let mut damaged = file.clone();
            for _ in 0..=rng.below(4) {
                let from = if i % 4 == 0 { 0 } else { directory_at };
                let at = from + rng.below((file.len() - from) as u64) as usize;
                damaged[at] = [0, 1, 0x7f, 0x80, 0xff, rng.next() as u8][rng.below(6) as usize];
            }
            (String::new(), damaged)
        });
        let mut accepted = 0;
        for (_, mut damaged) in damages(&file).take(file.len() * 8).chain(several) {
            for (at, len) in &blocks {
                fix(&mut damaged[*at..][..*len]);
            }
            let footer_at = file.len() - 16;
            let directory = crc32fast::hash(&damaged[directory_at..footer_at]);
            damaged[footer_at + 8..][..4].copy_from_slice(&directory.to_le_bytes());
            fix(&mut damaged[footer_at..]);
            fix(&mut damaged[..HEADER_LEN]);
            accepted += usize::from(read(&damaged).is_ok());
        }
        assert!(accepted > 0, "values may be anything");
    }
}

#[test]
fn newer_versions_and_unknown_codecs_are_incompatible_not_damaged() {
    let file = write(&small(), "none");
    let mut newer = file.clone();
    newer[4] = 4;
    let crc = crc32fast::hash(&newer[..60]);
    newer[60..64].copy_from_slice(&crc.to_le_bytes());
    assert!(read(&newer).unwrap_err().incompatible);
    let mut other = file.clone();
    let extent = layout(&file).unwrap().times[0].extent;
    let block = &mut other[extent.offset as usize..][..extent.len as usize];
    block[6..8].copy_from_slice(&60_000u16.to_le_bytes());
    let (body, crc) = block.split_at_mut(extent.len as usize - 4);
    crc.copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    let error = read(&other).unwrap_err();
    assert!(error.incompatible && error.reason.contains("60000"), "{error}");
}

/// All rows that the blocks of a file hold, found without header and directory.
fn salvage(file: &[u8]) -> Data {
    let mut times = HashMap::new();
    for found in v3::walk(file) {
        if let Kind::Times { index, count } = found.kind {
            let mut ticks = Vec::new();
            assert_eq!(v3::decode_ticks(found.bytes, registry(), &mut ticks), Ok(index));
            assert_eq!(ticks.len(), count as usize);
            times.insert(index, ticks);
        }
    }
    let mut data = Data::new();
    let mut rows = Rows { timestamps: Vec::new(), values: Column::new(ValueType::Int32) };
    for found in v3::walk(file) {
        if let Kind::Values(head) = found.kind
            && let Some(ticks) = times.get(&head.time)
        {
            assert_eq!(v3::decode_rows(found.bytes, ticks, registry(), &mut rows), Ok(head));
            let empty = || (Vec::new(), Column::new(head.value_type));
            let (timestamps, values) = data.entry(head.id).or_insert_with(empty);
            timestamps.extend_from_slice(&rows.timestamps);
            assert!(values.extend(rows.values.values()));
        }
    }
    data
}

#[test]
fn without_header_and_directory_the_blocks_tell_every_row() {
    for seed in 0..10 {
        let data = arbitrary(&mut Rng(seed), 12, 30_000);
        let mut file = write(&data, ["none", "zstd_default"][seed as usize % 2]);
        let directory_at = u64::from_le_bytes(file[40..48].try_into().unwrap()) as usize;
        file.truncate(directory_at);
        file[..HEADER_LEN].fill(0xff);
        assert_same(&salvage(&file), &data);
    }
}

#[test]
fn a_damaged_block_costs_its_own_rows_only() {
    let data = small();
    let file = write(&data, "zstd_default");
    for (found, next) in v3::walk(&file).zip(v3::walk(&file).skip(1)) {
        assert_eq!(found.offset + found.bytes.len() as u64, next.offset, "blocks follow each other");
    }
    for series in layout(&file).unwrap().series {
        let mut damaged = file.clone();
        damaged[series.blocks[0].extent.offset as usize + 12] ^= 0x10;
        let mut expected = data.clone();
        expected.remove(&series.id);
        assert_same(&salvage(&damaged), &expected);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused(bytes: Vec<u8>, at in 0..2_000usize) {
        prop_assert!(read(&bytes).is_err());
        let mut file = write(&small(), "none");
        let at = at % file.len();
        let end = (at + bytes.len()).min(file.len());
        let before = file.clone();
        file[at..end].copy_from_slice(&bytes[..end - at]);
        match read(&file) {
            Ok(data) => prop_assert!(file == before && data.values().all(|(_, v)| !bits(v.values()).is_empty())),
            Err(_) => prop_assert!(file != before),
        }
        let _ = v3::walk(&bytes).count();
    }
}
