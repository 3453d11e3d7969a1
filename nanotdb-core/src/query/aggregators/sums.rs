//! Sum, mean and count.

use crate::plugin::{AggregateState, Aggregator, BlockStatistics};
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
        Box::new(SumState::new(Outcome::Sum))
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
        Box::new(SumState::new(Outcome::Mean))
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Sum,
    Mean,
}

struct SumState {
    result: Outcome,
    sum: f64,
    count: u64,
}

impl SumState {
    fn new(result: Outcome) -> Self {
        Self { result, sum: 0.0, count: 0 }
    }

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
            && later.result == self.result
            && later.count > 0
        {
            self.add(later.sum, later.count);
        }
    }

    fn finish(&mut self) -> Option<f64> {
        (self.count > 0).then(|| match self.result {
            Outcome::Sum => self.sum,
            Outcome::Mean => self.sum / self.count as f64,
        })
    }

    fn reset(&mut self) {
        *self = Self::new(self.result);
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
