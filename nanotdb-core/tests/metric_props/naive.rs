//! Aggregates as their documentation defines them, over a plain list.

use nanotdb_core::model::{Sample, Timestamp, Value};
use nanotdb_core::plugin::Aggregator;
use std::collections::BTreeMap;

pub fn number(value: Value) -> f64 {
    match value {
        Value::Int32(v) => f64::from(v),
        Value::Int64(v) => v as f64,
        Value::Float32(v) => f64::from(v),
        Value::Float64(v) => v,
    }
}

/// Values by the end of their window. Windows align to the epoch; the last one is clipped to the range and takes its end, too.
pub fn windows(rows: &[Sample], from: Timestamp, to: Timestamp, width: i64) -> BTreeMap<Timestamp, Vec<f64>> {
    let mut windows = BTreeMap::<Timestamp, Vec<f64>>::new();
    for row in rows.iter().filter(|r| from <= r.timestamp && r.timestamp <= to) {
        let end = (i128::from(row.timestamp).div_euclid(i128::from(width)) + 1) * i128::from(width);
        let end = i64::try_from(end.min(i128::from(to))).unwrap();
        windows.entry(end).or_default().push(number(row.value));
    }
    windows
}

/// A window as a query gives it: its end, and a result per aggregate.
pub type Window = (Timestamp, Vec<Option<f64>>);

/// These are the windows of one metric.
pub fn check_windows(
    aggregators: &[&'static dyn Aggregator],
    found: &[Window],
    expected: &BTreeMap<Timestamp, Vec<f64>>,
    context: &str,
) {
    let ends: Vec<_> = found.iter().map(|(end, _)| *end).collect();
    assert_eq!(ends, expected.keys().copied().collect::<Vec<_>>(), "{context}");
    for ((end, row), values) in found.iter().zip(expected.values()) {
        for (aggregator, result) in aggregators.iter().zip(row) {
            let (wanted, tolerance) = aggregate(aggregator.name(), values);
            let result = result.unwrap();
            let same = result == wanted || (result - wanted).abs() <= tolerance;
            assert!(same, "{context}: {} until {end}: {result} is not {wanted}", aggregator.name());
        }
    }
}

/// The result, and by how much another order of summing may differ from it.
pub fn aggregate(name: &str, values: &[f64]) -> (f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rounding = |values: &[f64]| values.iter().map(|v| v.abs()).sum::<f64>() * 1e-12;
    let sum = |values: &[f64]| values.iter().sum::<f64>();
    match name {
        "count" => (values.len() as f64, 0.0),
        "min" => (sorted[0], 0.0),
        "max" => (sorted[sorted.len() - 1], 0.0),
        "sum" => (sum(values), rounding(values)),
        "avg" => (sum(values) / values.len() as f64, rounding(values)),
        "trimmed_avg" => {
            let cut = match values.len() {
                1 | 2 => 0,
                n if n < 20 => 1,
                n => n / 20,
            };
            let kept = &sorted[cut..sorted.len() - cut];
            (sum(kept) / kept.len() as f64, rounding(values))
        }
        "median" | "p50" => percentile(&sorted, 50),
        "p95" => percentile(&sorted, 95),
        "p99" => percentile(&sorted, 99),
        other => panic!("no naive {other}: write one"),
    }
}

fn percentile(sorted: &[f64], percent: usize) -> (f64, f64) {
    let rank = percent * (sorted.len() - 1);
    let (low, rest) = (sorted[rank / 100], (rank % 100) as f64 / 100.0);
    let high = sorted[(rank / 100 + 1).min(sorted.len() - 1)];
    if rest == 0.0 || low == high {
        return (low, 0.0);
    }
    // The last digit may differ by the order of the operations.
    (low + (high - low) * rest, (low.abs() + high.abs()) * f64::EPSILON * 4.0)
}
