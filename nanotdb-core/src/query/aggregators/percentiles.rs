//! Percentiles, linear between the closest ranks.

use super::kept::ValuesState;
use crate::plugin::{AggregateState, Aggregator, WindowValues};

/// The value below which a share of the values lies. It needs the values of the window: 8 bytes each.
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

    fn shares_values(&self) -> bool {
        true
    }

    fn of_values(&self, values: &mut WindowValues) -> Option<f64> {
        let last = values.len().checked_sub(1)?;
        // The rank is exact in integers: whole is its integer part, hundredths the rest.
        let rank = last as u128 * u128::from(self.percent);
        let whole = usize::try_from(rank / 100).unwrap_or(last).min(last);
        let hundredths = (rank % 100) as f64;
        let (lower, upper) = values.at_rank(whole)?;
        // Equal neighbours need no arithmetic, which for infinities would give NaN.
        Some(if hundredths == 0.0 || upper == lower { lower } else { lower + (upper - lower) * (hundredths / 100.0) })
    }

    fn state(&self) -> Box<dyn AggregateState> {
        Box::new(ValuesState { aggregator: *self, values: WindowValues::default() })
    }
}
