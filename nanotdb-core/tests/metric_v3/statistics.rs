//! Statistics of blocks and parts are what a naive computation over the rows gives.

use crate::rng::Rng;
use crate::support::{Data, arbitrary, bytes, layout, ticks, values, write};
use nanotdb_core::format::metric::v3::{self, Chunk};
use nanotdb_core::model::{Value, ValueType, Values};
use nanotdb_core::plugin::BlockStatistics;
use nanotdb_core::plugin::registry::registry;

/// None for no values and where one is NaN, infinite or -0.0, or where their sum is infinite. Sums of float32 are of what is their
/// text, as the files are written here.
fn naive(values: Values<'_>) -> Option<BlockStatistics> {
    let all: Vec<f64> = (0..values.len()).map(|i| values.get(i).map(Value::as_f64).unwrap()).collect();
    let meant = |i: usize| match values.get(i).unwrap() {
        value @ Value::Float32(v) if v.is_finite() => value.to_string().parse().unwrap(),
        value => value.as_f64(),
    };
    let odd = |v: &f64| !v.is_finite() || (*v == 0.0 && v.is_sign_negative());
    let sum = (0..values.len()).map(meant).fold(0.0, |sum, v: f64| sum + v);
    if all.is_empty() || all.iter().any(odd) || !f64::is_finite(sum) {
        return None;
    }
    Some(BlockStatistics {
        count: all.len() as u64,
        min: all.iter().copied().fold(f64::INFINITY, f64::min),
        max: all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        sum,
        first: all[0],
        last: all[all.len() - 1],
    })
}

/// Checks all statistics of a file; returns the number of parts, and of those with statistics.
fn check(data: &Data, file: &[u8]) -> (usize, usize) {
    let layout = layout(file).unwrap();
    let (mut number, mut known) = (0, 0);
    for series in &layout.series {
        let (timestamps, column) = &data[&series.id];
        let mut at = 0;
        for block in &series.blocks {
            let end = at + block.count as usize;
            assert_eq!((block.start, block.end), (timestamps[at], timestamps[end - 1]));
            assert_eq!(block.statistics, naive(column.values().slice(at..end)));
            let has_sums = block.statistics.is_some() || block.parts.is_some();
            assert_eq!(block.decimal_sums, has_sums && series.value_type == ValueType::Float32);
            if let Some(of) = &block.parts {
                let time = &layout.times[block.time.unwrap() as usize];
                let parts = v3::Chunk::decode(bytes(file, of.chunk), registry())
                    .and_then(|c| c.parts(series.value_type, block, time))
                    .unwrap();
                let chunk = Chunk::decode(bytes(file, of.chunk), registry()).unwrap();
                assert_eq!(format!("{:?}", chunk.parts(series.value_type, block, time).unwrap()), format!("{parts:?}"));
                assert_eq!(parts.len(), of.count as usize);
                assert!(parts.len() >= 3);
                let mut from = at;
                for part in parts {
                    let to = from + part.count as usize;
                    let rows = &timestamps[from..to];
                    assert!(rows.iter().all(|t| part.start <= *t && *t <= part.end));
                    let expected = naive(column.values().slice(from..to));
                    assert_eq!(part.statistics, expected);
                    known += usize::from(expected.is_some());
                    number += 1;
                    from = to;
                }
                assert_eq!(from, end, "parts are the rows of their block");
            }
            at = end;
        }
        assert_eq!(at, timestamps.len());
    }
    (number, known)
}

#[test]
fn statistics_are_those_of_the_rows() {
    let (mut number, mut known) = (0, 0);
    for seed in 0..40 {
        let mut rng = Rng(seed * 977);
        let data = arbitrary(&mut rng, 12, 30_000);
        let (n, k) = check(&data, &write(&data, ["none", "zstd_default"][seed as usize % 2]));
        number += n;
        known += k;
    }
    assert!(known > 500 && number > known + 50, "{known} of {number}");
}

#[test]
fn a_sparse_series_has_wider_parts() {
    let mut rng = Rng(5);
    let all = ticks(&mut rng, 16_000);
    let sparse: Vec<i64> = all.iter().step_by(6).copied().collect();
    let data = Data::from([
        (1, (all.clone(), values(&mut rng, ValueType::Float32, 0, all.len()))),
        (2, (sparse.clone(), values(&mut rng, ValueType::Float32, 0, sparse.len()))),
    ]);
    let file = write(&data, "none");
    check(&data, &file);
    let parts = |i: usize| layout(&file).unwrap().series[i].blocks[0].parts.unwrap();
    // 16,000 timestamps, one every ten seconds, are 45 hours; an hour has 360 of the one and 60 of the other.
    assert_eq!((parts(0).count, parts(0).shift), (45, 0));
    assert_eq!((parts(1).count, parts(1).shift), (12, 2));
}

#[test]
fn many_parts_make_several_chunks() {
    let mut rng = Rng(6);
    let all = ticks(&mut rng, 40_000);
    let types = [ValueType::Int32, ValueType::Float64];
    let data: Data = (1..=240u16)
        .map(|id| (id, (all.clone(), values(&mut rng, types[usize::from(id) % 2], 0, all.len()))))
        .collect();
    let file = write(&data, "lz4");
    let (number, known) = check(&data, &file);
    // 111 hours and a bit, of which two are in two segments.
    assert_eq!((number, known), (240 * 114, 240 * 114));
    let layout = layout(&file).unwrap();
    let mut chunks: Vec<u64> =
        layout.series.iter().flat_map(|s| &s.blocks).map(|b| b.parts.unwrap().chunk.offset).collect();
    chunks.sort_unstable();
    chunks.dedup();
    assert_eq!(chunks.len(), 8, "13,680 parts of each type, in chunks of 36 metrics with 114 parts each");
}
