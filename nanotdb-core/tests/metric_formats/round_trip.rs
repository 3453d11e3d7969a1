//! Arbitrary series come back bit for bit.

use super::independent::{assert_holds, second};
use super::support::{Written, assert_same, codec, layout, read, try_write, write};
use nanotdb_core::model::{Column, Timestamp};
use nanotdb_core::plugin::registry::registry;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

/// Timestamps in order, with steps from none (duplicates) to years.
fn timeline(max: usize) -> impl Strategy<Value = Vec<Timestamp>> {
    let steps = prop_oneof![
        vec(Just(10_000_000_000_i64), 1..max),
        vec(prop_oneof![Just(0_i64), 0..3_i64, 9_999_000_000..10_001_000_000_i64, Just(1 << 55)], 1..max),
        Just(vec![0]),
    ];
    let start = prop_oneof![Just(1_779_577_200_000_000_000_i64), Just(i64::MIN), -5..5_i64];
    (start, steps).prop_map(|(start, steps)| {
        let next = |at: &mut i64, step: &i64| {
            let now = *at;
            *at = at.saturating_add(*step);
            Some(now)
        };
        steps.iter().scan(start, next).collect()
    })
}

/// Timestamps of one series, from a timeline that others use too: all, a part, with gaps, or its own.
fn stamps(shared: Vec<Timestamp>) -> impl Strategy<Value = Vec<Timestamp>> {
    let len = shared.len();
    let part = shared.clone();
    prop_oneof![
        3 => Just(shared.clone()),
        2 => any::<(Index, Index)>().prop_map(move |(a, b)| {
            let (a, b) = (a.index(len), b.index(len));
            part[a.min(b)..=a.max(b)].to_vec()
        }),
        2 => subsequence(shared, 0..=len),
        1 => timeline(20),
    ]
}

fn column(rows: usize) -> BoxedStrategy<Column> {
    let floats = select(vec![
        0.0,
        -0.0,
        0.1,
        -1.5,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        f64::from_bits(0x7ff0_0000_0000_0001),
        f64::from_bits(0xffff_ffff_ffff_ffff),
        f64::from(f32::MAX),
        f64::MAX,
        f64::from_bits(1),
        f64::from(f32::from_bits(1)),
    ]);
    let narrow = any::<i32>().prop_map(i64::from);
    prop_oneof![
        vec(any::<i32>(), rows).prop_map(Column::Int32),
        any::<i32>().prop_map(move |v| Column::Int32(vec![v; rows])),
        vec(any::<u32>().prop_map(f32::from_bits), rows).prop_map(Column::Float32),
        vec((0..9_u8).prop_map(|v| f32::from(v) / 8.0), rows).prop_map(Column::Float32),
        vec(prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)], rows).prop_map(Column::Int64),
        vec(narrow, rows).prop_map(Column::Int64),
        vec(any::<u64>().prop_map(f64::from_bits), rows).prop_map(Column::Float64),
        vec(floats, rows).prop_map(Column::Float64),
        vec((0..9_u8).prop_map(|v| f64::from(v) / 8.0), rows).prop_map(Column::Float64),
    ]
    .boxed()
}

fn database() -> impl Strategy<Value = Vec<Written>> {
    let shared = timeline(300);
    let series = shared.prop_flat_map(|shared| {
        let one = stamps(shared).prop_flat_map(|timestamps| (column(timestamps.len()), Just(timestamps)));
        proptest::collection::btree_map(1..=u16::MAX, one, 0..9)
    });
    series
        .prop_map(|all| all.into_iter().map(|(id, (values, timestamps))| Written { id, timestamps, values }).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_written_is_read(written in database(), codec in any::<Index>()) {
        let codec = *codec.get(registry().codecs());
        for version in [1, 2] {
            let file = write(version, codec, &written);
            prop_assert_eq!(&file, &write(version, codec, &written), "the same rows give the same bytes");
            assert_same(&read(&file).unwrap(), &written);
            assert_holds(&second(&file, codec), &written);
            prop_assert!(layout(&file).unwrap().times.len() <= written.len());
        }
    }
}

#[test]
fn rows_that_no_reader_would_take_are_refused() {
    let series = |id, timestamps: &[i64], values: &[i32]| Written {
        id,
        timestamps: timestamps.to_vec(),
        values: Column::Int32(values.to_vec()),
    };
    for version in [1, 2] {
        let refused = |all: &[Written], reason: &str| {
            let error = try_write(version, codec("none"), all).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        };
        refused(&[series(1, &[2, 1], &[0, 0])], "not in timestamp order");
        refused(&[series(1, &[1, 2], &[0])], "2 timestamps and 1 values");
        refused(&[series(0, &[1], &[0])], "ids have to ascend");
        refused(&[series(2, &[1], &[0]), series(1, &[1], &[0])], "ids have to ascend");
        refused(&[series(2, &[1], &[0]), series(2, &[1], &[0])], "ids have to ascend");
    }
}
