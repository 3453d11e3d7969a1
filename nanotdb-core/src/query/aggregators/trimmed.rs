//! The mean without outliers.

use super::kept::ValuesState;
use crate::plugin::{AggregateState, Aggregator, WindowValues};

/// The mean of what is left after dropping 5 % of the values (rounded down) at each end, or one at each end of fewer than
/// 20; of one or two values nothing is dropped. It needs the values of the window: 8 bytes each.
#[derive(Debug, Clone, Copy, Default)]
pub struct TrimmedAverage;

impl Aggregator for TrimmedAverage {
    fn name(&self) -> &'static str {
        "trimmed_avg"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["trimmed_average"]
    }

    fn about(&self) -> &'static str {
        "mean without the lowest and highest 5 %"
    }

    fn shares_values(&self) -> bool {
        true
    }

    fn of_values(&self, values: &mut WindowValues) -> Option<f64> {
        let dropped = match values.len() {
            0 => return None,
            1 | 2 => 0,
            n if n < 20 => 1,
            n => n / 20,
        };
        let kept = values.len() - 2 * dropped;
        // In order, so that the sum is the same whatever else is computed of the values.
        Some(values.in_order(dropped).sum::<f64>() / kept as f64)
    }

    fn state(&self) -> Box<dyn AggregateState> {
        Box::new(ValuesState { aggregator: *self, values: WindowValues::default() })
    }
}
