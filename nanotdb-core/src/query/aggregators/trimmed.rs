//! The mean without outliers.

use crate::plugin::{AggregateState, Aggregator};
use std::any::Any;

/// The mean of what is left after dropping 5 % of the values (rounded down) at each end, or one at each end of fewer than
/// 20; of one or two values nothing is dropped. Its state keeps the values of the window: 8 bytes each.
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

    fn state(&self) -> Box<dyn AggregateState> {
        Box::<TrimmedState>::default()
    }
}

#[derive(Default)]
struct TrimmedState(Vec<f64>);

impl AggregateState for TrimmedState {
    fn push(&mut self, values: &[f64]) {
        self.0.extend_from_slice(values);
    }

    fn merge(&mut self, later: Box<dyn AggregateState>) {
        if let Ok(later) = later.into_any().downcast::<Self>() {
            self.0.extend_from_slice(&later.0);
        }
    }

    fn finish(&mut self) -> Option<f64> {
        trimmed_mean(&mut self.0)
    }

    fn reset(&mut self) {
        self.0.clear();
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Reorders `values`.
fn trimmed_mean(values: &mut [f64]) -> Option<f64> {
    let dropped = match values.len() {
        0 => return None,
        1 | 2 => 0,
        n if n < 20 => 1,
        n => n / 20,
    };
    let mut kept = values;
    if dropped > 0 {
        // The smallest `dropped` values go in front of the one selected, which stays.
        let (low, _, _) = kept.select_nth_unstable_by(dropped, f64::total_cmp);
        let low = low.len();
        kept = kept.get_mut(low..)?;
        let last = kept.len().checked_sub(dropped + 1)?;
        kept.select_nth_unstable_by(last, f64::total_cmp);
        kept = kept.get_mut(..=last)?;
    }
    Some(kept.iter().sum::<f64>() / kept.len() as f64)
}
