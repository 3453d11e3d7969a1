//! Functions over the values of a time window.

use super::window_values::WindowValues;
use std::any::Any;

/// What a block's index knows of its values, all computed in f64 over finite values in time order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockStatistics {
    /// Number of values.
    pub count: u64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Sum.
    pub sum: f64,
    /// First value in time.
    pub first: f64,
    /// Last value in time.
    pub last: f64,
}

/// An aggregate function.
///
/// Laws, checked by [`super::conformance::aggregator`]: no value gives `None`; how the values are cut into slices, and
/// merging states of consecutive parts, changes the result by rounding at most; `reset` gives a fresh state.
pub trait Aggregator: Send + Sync + 'static {
    /// Name in `?aggregate=`.
    fn name(&self) -> &'static str;

    /// Other names for it.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// One line for `--plugins`.
    fn about(&self) -> &'static str;

    /// Whether [`AggregateState::push_block`] is exact, so that blocks wholly inside a window need not be decoded.
    fn uses_statistics(&self) -> bool {
        false
    }

    /// Whether [`AggregateState::push_block`] looks at sums. Those of a block are left out of account where nobody does, and a
    /// block whose sum is not that of what its values mean can be taken all the same.
    fn uses_sums(&self) -> bool {
        true
    }

    /// Whether the result of integers is an integer of theirs, or their sum: [`AggregateState::finish_integer`] gives it exactly then,
    /// and blocks are taken by their statistics only where these are exact.
    fn keeps_integers(&self) -> bool {
        false
    }

    /// Whether the result lies between the least and the largest value, and may only say so of integers that float64 has not when it knows these
    /// two exactly: [`AggregateState::finish_integer`] gives an integer between them then. Blocks are taken as for
    /// [`Aggregator::keeps_integers`], but for their sums.
    fn keeps_range(&self) -> bool {
        false
    }

    /// Whether the result of integers is an integer whatever they are (count).
    fn is_count(&self) -> bool {
        false
    }

    /// Whether [`Aggregator::of_values`] computes it. All aggregates of a window that say so share one copy of its values, and have no
    /// states of their own.
    fn shares_values(&self) -> bool {
        false
    }

    /// The result from all values of a window, in whatever order they are; `None` when there are none. Must agree with what a state gives.
    fn of_values(&self, values: &mut WindowValues) -> Option<f64> {
        let _ = values;
        None
    }

    /// An empty state.
    fn state(&self) -> Box<dyn AggregateState>;
}

/// The values of one window so far.
pub trait AggregateState: Send {
    /// Adds values in time order.
    fn push(&mut self, values: &[f64]);

    /// Adds integers in time order, exactly. `false` when it has no use for them; then they come as floats.
    fn push_integers(&mut self, values: &[i64]) -> bool {
        let _ = values;
        false
    }

    /// [`AggregateState::push_block`] of integers, whose statistics are exactly those that float64 says.
    fn push_integer_block(&mut self, block: &BlockStatistics) {
        self.push_block(block);
    }

    /// Adds a block by its statistics. Only called when [`Aggregator::uses_statistics`].
    fn push_block(&mut self, block: &BlockStatistics) {
        let _ = block;
    }

    /// Adds a later state of the same aggregator; another kind is ignored.
    fn merge(&mut self, later: Box<dyn AggregateState>);

    /// The result; `None` when nothing was added.
    fn finish(&mut self) -> Option<f64>;

    /// The result, when everything added was a decimal that float32 stores: sums of them have few digits, and what stands behind these is of
    /// their rounding. A mean takes it out before it divides, so that it does not depend on how the sum was put together.
    fn finish_of_decimals(&mut self) -> Option<f64> {
        self.finish()
    }

    /// The result as an integer, when nothing but integers was added and it is one of 64 bits. Asked before
    /// [`AggregateState::finish`].
    fn finish_integer(&self) -> Option<i64> {
        None
    }

    /// Back to empty, keeping allocations.
    fn reset(&mut self);

    /// For [`AggregateState::merge`].
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Registers an aggregator.
pub struct AggregatorPlugin(pub &'static dyn Aggregator);
inventory::collect!(AggregatorPlugin);
