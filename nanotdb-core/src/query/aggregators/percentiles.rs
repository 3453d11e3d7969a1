//! Percentiles, linear between the closest ranks.

use crate::plugin::{AggregateState, Aggregator};
use std::any::Any;

/// The value below which a share of the values lies. Its state keeps the values of the window: 8 bytes each.
#[derive(Debug, Clone, Copy)]
pub struct Percentile {
    name: &'static str,
    about: &'static str,
    /// 0..=100
    percent: u8,
}

/// The middle value, or the mean of the two in the middle.
pub static MEDIAN: Percentile = Percentile { name: "median", about: "middle value, linear between ranks", percent: 50 };
/// The same as [`MEDIAN`].
pub static P50: Percentile = Percentile { name: "p50", about: "50th percentile, linear between ranks", percent: 50 };
/// Nineteen of twenty values lie below it.
pub static P95: Percentile = Percentile { name: "p95", about: "95th percentile, linear between ranks", percent: 95 };
/// Ninety-nine of a hundred values lie below it.
pub static P99: Percentile = Percentile { name: "p99", about: "99th percentile, linear between ranks", percent: 99 };

impl Aggregator for Percentile {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn state(&self) -> Box<dyn AggregateState> {
        Box::new(PercentileState { percent: self.percent, keys: Vec::new() })
    }
}

struct PercentileState {
    percent: u8,
    /// The values as integers in their order: those are compared much faster.
    keys: Vec<i64>,
}

/// An integer for each float, in the order of [`f64::total_cmp`].
fn key(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The inverse of [`key`].
fn value(key: i64) -> f64 {
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

impl AggregateState for PercentileState {
    fn push(&mut self, values: &[f64]) {
        self.keys.extend(values.iter().map(|v| key(*v)));
    }

    fn merge(&mut self, later: Box<dyn AggregateState>) {
        if let Ok(later) = later.into_any().downcast::<Self>()
            && later.percent == self.percent
        {
            self.keys.extend_from_slice(&later.keys);
        }
    }

    fn finish(&mut self) -> Option<f64> {
        percentile(&mut self.keys, self.percent)
    }

    fn reset(&mut self) {
        self.keys.clear();
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Reorders `keys`.
fn percentile(keys: &mut [i64], percent: u8) -> Option<f64> {
    let last = keys.len().checked_sub(1)?;
    // The rank is exact in integers: whole is its integer part, hundredths the rest.
    let rank = last as u128 * u128::from(percent);
    let whole = usize::try_from(rank / 100).unwrap_or(last).min(last);
    let hundredths = (rank % 100) as f64;
    let (_, lower, above) = keys.select_nth_unstable(whole);
    let lower = value(*lower);
    if hundredths == 0.0 {
        return Some(lower);
    }
    let upper = above.iter().copied().min().map_or(lower, value);
    // Equal neighbours need no arithmetic, which for infinities would give NaN.
    Some(if upper == lower { lower } else { lower + (upper - lower) * (hundredths / 100.0) })
}
