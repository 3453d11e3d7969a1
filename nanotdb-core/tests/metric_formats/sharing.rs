//! Which timestamps are written once.

use super::independent::{assert_holds, second};
use super::support::{Written, assert_same, codec, layout, read, ticks, write, writer};
use nanotdb_core::format::metric::{HEADER_LEN, SeriesRows};
use nanotdb_core::model::{Column, Timestamp, Values};

fn series(id: u16, timestamps: &[Timestamp]) -> Written {
    let values = Column::Int32((0..timestamps.len() as i32).map(|n| n * i32::from(id)).collect());
    Written { id, timestamps: timestamps.to_vec(), values }
}

#[test]
fn a_thousand_series_of_the_same_ticks_have_one_vector() {
    let all = ticks(500);
    let written: Vec<_> = (1..=1_000).map(|id| series(id, &all)).collect();
    let file = write(2, codec("none"), &written);
    assert_eq!(layout(&file).unwrap().times.len(), 1);
    assert_eq!(file.len(), 64 + (52 + 500 * 8) + 1_000 * (52 + 500 * 4) + 40 + 1_000 * 44 + 16);
    assert_same(&read(&file).unwrap(), &written);
}

#[test]
fn late_starters_and_early_enders_are_slices() {
    let all = ticks(2_000);
    let mut written: Vec<_> = (1..=500).map(|id| series(id, &all[usize::from(id) * 3..])).collect();
    written.extend((501..=900).map(|id| series(id, &all[..usize::from(id)])));
    written.extend((901..=999).map(|id| series(id, &all[usize::from(id)..usize::from(id) + 500])));
    written.push(series(1_000, &all));
    let file = second(&write(2, codec("s2"), &written), codec("s2"));
    assert_holds(&file, &written);
    assert_eq!(file.times.len(), 1);
    assert_eq!(file.metrics[&500].frames[0].time, Some((1, 1_500)));
    assert_eq!(file.metrics[&900].frames[0].time, Some((1, 0)));
    assert_eq!(file.metrics[&950].frames[0].time, Some((1, 950)));
}

#[test]
fn gaps_need_a_vector_of_their_own_which_others_share() {
    let all = ticks(1_000);
    let gaps: Vec<_> = all.iter().enumerate().filter(|(n, _)| n % 10 != 3).map(|(_, t)| *t).collect();
    let written: Vec<_> = (1..=100).map(|id| series(id, if id % 2 == 0 { &all } else { &gaps })).collect();
    let file = second(&write(2, codec("s2"), &written), codec("s2"));
    assert_holds(&file, &written);
    assert_eq!(file.times.len(), 2);
    assert_eq!(file.times[&1].len(), 1_000, "vectors are written in the order they are planned, the longest first");
}

#[test]
fn the_rows_that_are_written_are_those_that_were_planned() {
    let mut out = vec![0; HEADER_LEN];
    let mut writer = writer(2, codec("none"));
    writer.plan(1, &[1, 2, 3], &mut out).unwrap();
    assert!(writer.finish(&mut out).is_err(), "before the second pass");
    writer.begin(&mut out).unwrap();
    assert!(writer.plan(2, &[1, 2, 3], &mut out).is_err(), "after the first pass");
    let before = out.len();
    for (id, timestamps) in [(1, [1, 2, 4]), (2, [1, 2, 3])] {
        let rows = SeriesRows { id, timestamps: &timestamps, values: Values::Int32(&[7, 8, 9]), decimals: false };
        let error = writer.series(rows, &mut out).unwrap_err();
        assert!(error.to_string().contains("not those that were planned"), "{error}");
    }
    assert_eq!(out.len(), before);
}
