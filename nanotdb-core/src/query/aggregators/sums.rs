//! Sum, mean and count.

use super::extremes::range_of;
use crate::plugin::{AggregateState, Aggregator, BlockStatistics};
use crate::query::present::mean;
use std::any::Any;

/// The sum of the values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum;

/// The arithmetic mean.
#[derive(Debug, Clone, Copy, Default)]
pub struct Average;

/// The number of values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count;

impl Aggregator for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn about(&self) -> &'static str {
        "sum of the values"
    }

    fn uses_statistics(&self) -> bool {
        true
    }

    fn state(&self) -> Box<dyn AggregateState> {
        Box::<SumState>::default()
    }
}

impl Aggregator for Average {
    fn name(&self) -> &'static str {
        "avg"
    }

    fn about(&self) -> &'static str {
        "arithmetic mean (the default)"
    }

    fn uses_statistics(&self) -> bool {
        true
    }

    fn state(&self) -> Box<dyn AggregateState> {
        Box::<MeanState>::default()
    }
}

impl Aggregator for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn about(&self) -> &'static str {
        "number of values"
    }

    fn uses_statistics(&self) -> bool {
        true
    }

    fn is_count(&self) -> bool {
        true
    }

    fn state(&self) -> Box<dyn AggregateState> {
        Box::<CountState>::default()
    }
}

#[derive(Default)]
struct SumState {
    sum: f64,
    count: u64,
}

impl SumState {
    fn add(&mut self, sum: f64, count: u64) {
        // A state that saw nothing must not turn -0.0 into 0.0.
        self.sum = if self.count == 0 { sum } else { self.sum + sum };
        self.count += count;
    }
}

impl AggregateState for SumState {
    fn push(&mut self, values: &[f64]) {
        let Some((first, rest)) = values.split_first() else { return };
        // One value after the other from where the last slice ended: cutting into slices does not change the result.
        self.add(*first, values.len() as u64);
        self.sum = rest.iter().fold(self.sum, |sum, v| sum + v);
    }

    fn push_block(&mut self, block: &BlockStatistics) {
        if block.count > 0 {
            self.add(block.sum, block.count);
        }
    }

    fn merge(&mut self, later: Box<dyn AggregateState>) {
        if let Ok(later) = later.into_any().downcast::<Self>()
            && later.count > 0
        {
            self.add(later.sum, later.count);
        }
    }

    fn finish(&mut self) -> Option<f64> {
        (self.count > 0).then_some(self.sum)
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// A sum, and the range that its mean must not leave.
struct MeanState {
    sum: SumState,
    min: f64,
    max: f64,
}

impl Default for MeanState {
    fn default() -> Self {
        Self { sum: SumState::default(), min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl MeanState {
    fn reach(&mut self, min: f64, max: f64) {
        self.min = if min < self.min { min } else { self.min };
        self.max = if max > self.max { max } else { self.max };
    }
}

impl AggregateState for MeanState {
    fn push(&mut self, values: &[f64]) {
        self.sum.push(values);
        let (min, max) = range_of(values);
        self.reach(min, max);
    }

    fn push_block(&mut self, block: &BlockStatistics) {
        if block.count > 0 {
            self.sum.push_block(block);
            self.reach(block.min, block.max);
        }
    }

    fn merge(&mut self, later: Box<dyn AggregateState>) {
        if let Ok(later) = later.into_any().downcast::<Self>()
            && later.sum.count > 0
        {
            self.sum.add(later.sum.sum, later.sum.count);
            self.reach(later.min, later.max);
        }
    }

    fn finish(&mut self) -> Option<f64> {
        (self.sum.count > 0).then(|| mean(self.sum.sum, self.sum.count, self.min, self.max))
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[derive(Default)]
struct CountState(u64);

impl AggregateState for CountState {
    fn push(&mut self, values: &[f64]) {
        self.0 += values.len() as u64;
    }

    fn push_block(&mut self, block: &BlockStatistics) {
        self.0 += block.count;
    }

    fn merge(&mut self, later: Box<dyn AggregateState>) {
        if let Ok(later) = later.into_any().downcast::<Self>() {
            self.0 += later.0;
        }
    }

    fn finish(&mut self) -> Option<f64> {
        (self.0 > 0).then_some(self.0 as f64)
    }

    fn reset(&mut self) {
        self.0 = 0;
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
