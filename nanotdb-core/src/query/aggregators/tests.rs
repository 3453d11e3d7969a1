//! Each function against its definition, computed the slow way.

use crate::plugin::registry::registry;
use crate::plugin::{Aggregator, BlockStatistics, conformance};
use proptest::prelude::*;

const NAMES: [&str; 10] = ["avg", "count", "max", "median", "min", "p50", "p95", "p99", "sum", "trimmed_avg"];

fn aggregator(name: &str) -> &'static dyn Aggregator {
    registry().aggregator(name).unwrap()
}

fn result(name: &str, values: &[f64]) -> Option<f64> {
    let mut state = aggregator(name).state();
    state.push(values);
    state.finish()
}

#[test]
fn the_registry_knows_them_all() {
    let names: Vec<_> = registry().aggregators().iter().map(|a| a.name()).collect();
    assert_eq!(names, NAMES);
    assert_eq!(aggregator("trimmed_average").name(), "trimmed_avg");
    assert_eq!(aggregator(super::DEFAULT).name(), "avg");
    let by_statistics: Vec<_> = NAMES.into_iter().filter(|n| aggregator(n).uses_statistics()).collect();
    assert_eq!(by_statistics, ["avg", "count", "max", "min", "sum"]);
}

#[test]
fn they_hold_the_laws_of_aggregators() {
    for name in NAMES {
        conformance::aggregator(aggregator(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn worked_examples() {
    let values = [4.0, 1.0, 3.0, 2.0];
    let expected = [2.5, 4.0, 4.0, 2.5, 1.0, 2.5, 3.85, 3.97, 10.0, 2.5];
    for (name, expected) in NAMES.into_iter().zip(expected) {
        let found = result(name, &values).unwrap();
        assert!((found - expected).abs() < 1e-12, "{name}: {found} instead of {expected}");
    }
    for name in NAMES {
        let expected = if name == "count" { 1.0 } else { 7.5 };
        assert_eq!(result(name, &[7.5]), Some(expected), "{name}");
        assert_eq!(result(name, &[]), None, "{name}");
    }
}

#[test]
fn trimming_starts_at_three_values_and_turns_to_five_per_cent_at_twenty() {
    let trimmed = |values: &[f64]| result("trimmed_avg", values).unwrap();
    assert_eq!(trimmed(&[1.0, 100.0]), 50.5);
    assert_eq!(trimmed(&[100.0, 5.0, -100.0]), 5.0);
    // n ones, and outliers at both ends: one pair is dropped up to 39 values, two from 40 on.
    let with_outliers = |n: usize, pairs: usize| {
        let mut values = vec![1.0; n - 2 * pairs];
        values.extend(std::iter::repeat_n(1_000.0, pairs).chain(std::iter::repeat_n(-1_000_000.0, pairs)));
        trimmed(&values)
    };
    for n in [19, 20, 39] {
        assert_eq!(with_outliers(n, 1), 1.0, "{n}");
        assert_ne!(with_outliers(n, 2), 1.0, "{n}");
    }
    assert_eq!(with_outliers(40, 2), 1.0);
    assert_ne!(with_outliers(40, 3), 1.0);
    assert_eq!(with_outliers(1_000, 50), 1.0);
    assert_ne!(with_outliers(1_000, 51), 1.0);
}

#[test]
fn extremes_leave_nan_out_unless_there_is_nothing_else() {
    let nan = f64::NAN;
    let spread: Vec<f64> = (0..40).map(|i| if i % 3 == 0 { nan } else { f64::from(i) - 20.0 }).collect();
    assert_eq!((result("min", &spread), result("max", &spread)), (Some(-19.0), Some(18.0)));
    for name in ["min", "max"] {
        assert!(result(name, &[nan; 20]).unwrap().is_nan());
        assert_eq!(result(name, &[nan, f64::INFINITY]), Some(f64::INFINITY));
        assert_eq!(result(name, &[f64::NEG_INFINITY, nan]), Some(f64::NEG_INFINITY));
        let mut state = aggregator(name).state();
        state.push(&[nan]);
        state.push(&[3.0]);
        state.push(&[nan]);
        assert_eq!(state.finish(), Some(3.0));
    }
}

#[test]
fn blocks_count_as_their_values() {
    let block = BlockStatistics { count: 3, min: -2.0, max: 5.0, sum: 6.0, first: 3.0, last: -2.0 };
    let none = BlockStatistics { count: 0, min: 0.0, max: 0.0, sum: 0.0, first: 0.0, last: 0.0 };
    for (name, expected) in [("avg", 4.0), ("count", 4.0), ("max", 10.0), ("min", -2.0), ("sum", 16.0)] {
        let mut state = aggregator(name).state();
        state.push_block(&none);
        assert_eq!(state.finish(), None, "{name}");
        state.push_block(&block);
        state.push(&[10.0]);
        assert_eq!(state.finish(), Some(expected), "{name}");
    }
}

/// Values like sensors give them, and all others.
fn values() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        prop::collection::vec((-50_000_i32..50_000).prop_map(|v| f64::from(v) / 100.0), 1..200),
        prop::collection::vec(prop::num::f64::NORMAL.prop_filter("no overflow in sums", |v| v.abs() < 1e300), 1..60),
    ]
}

proptest! {
    #[test]
    fn percentiles_are_those_of_the_sorted_values(values in values()) {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        for (name, percent) in [("median", 50.0), ("p50", 50.0), ("p95", 95.0), ("p99", 99.0)] {
            let rank = percent * (sorted.len() - 1) as f64 / 100.0;
            let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
            let expected = low * (1.0 - rank.fract()) + high * rank.fract();
            let found = result(name, &values).unwrap();
            let tolerance = 1e-12 * low.abs().max(high.abs());
            prop_assert!((found - expected).abs() <= tolerance, "{name}: {found} instead of {expected}");
            prop_assert!((low..=high).contains(&found), "{name}: {found} is not in {low}..={high}");
        }
    }

    #[test]
    fn the_others_are_those_of_a_plain_loop(values in values()) {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        prop_assert_eq!(result("min", &values), sorted.first().copied());
        prop_assert_eq!(result("max", &values), sorted.last().copied());
        prop_assert_eq!(result("count", &values), Some(values.len() as f64));
        let sum: f64 = values.iter().sum();
        prop_assert_eq!(result("sum", &values), Some(sum));
        prop_assert_eq!(result("avg", &values), Some(sum / values.len() as f64));
        let n = sorted.len();
        let dropped = if n < 20 { 1 } else { (n as f64 * 0.05).floor() as usize };
        let kept = if 2 * dropped >= n { &sorted[..] } else { &sorted[dropped..n - dropped] };
        let expected = kept.iter().sum::<f64>() / kept.len() as f64;
        let scale = kept.iter().fold(0.0_f64, |scale, v| scale.max(v.abs()));
        let found = result("trimmed_avg", &values).unwrap();
        prop_assert!((found - expected).abs() <= 1e-12 * scale, "{found} instead of {expected}");
    }
}
