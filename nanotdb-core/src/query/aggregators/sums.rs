//! Sum, mean and count.

use super::extremes::range_of;
use crate::plugin::{AggregateState, Aggregator, BlockStatistics};
use crate::query::present::{fourteen_digits, large_mean, mean};
use std::any::Any;

/// The sum of the values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum;

/// The sum in float64, also of integers: what a mean is made of needs no exact one, and can be had from blocks. Not registered.
#[derive(Debug, Clone, Copy, Default)]
pub struct RoundedSum;

impl Aggregator for RoundedSum {
    fn name(&self) -> &'static str {
        "rounded_sum"
    }

    fn about(&self) -> &'static str {
        "sum of the values in float64"
    }

    fn uses_statistics(&self) -> bool {
        true
    }

    /// As the mean does, so that integers are added up alike.
    fn keeps_range(&self) -> bool {
        true
    }

    fn state(&self) -> Box<dyn AggregateState> {
        Box::<SumState>::default()
    }
}

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

    fn keeps_integers(&self) -> bool {
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

    fn keeps_range(&self) -> bool {
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

    fn uses_sums(&self) -> bool {
        false
    }

    fn is_count(&self) -> bool {
        true
    }

    fn state(&self) -> Box<dyn AggregateState> {
        Box::<CountState>::default()
    }
}

/// Floats and integers apart, as float64 has not all integers.
#[derive(Default)]
struct SumState {
    sum: f64,
    /// Of floats.
    count: u64,
    integers: i128,
    integer_count: u64,
}

impl SumState {
    fn add(&mut self, sum: f64, count: u64) {
        // A state that saw nothing must not turn -0.0 into 0.0.
        self.sum = if self.count == 0 { sum } else { self.sum + sum };
        self.count += count;
    }

    fn add_integers(&mut self, sum: i128, count: u64) {
        self.integers = self.integers.saturating_add(sum);
        self.integer_count += count;
    }

    fn all(&self) -> f64 {
        let integers = || match i64::try_from(self.integers) {
            Ok(sum) => sum as f64,
            Err(_) => of_128_bits(self.integers),
        };
        match (self.count, self.integer_count) {
            (_, 0) => self.sum,
            (0, _) => integers(),
            _ => self.sum + integers(),
        }
    }

    fn counted(&self) -> u64 {
        self.count + self.integer_count
    }

    fn merge_with(&mut self, later: &Self) {
        if later.count > 0 {
            self.add(later.sum, later.count);
        }
        self.add_integers(later.integers, later.integer_count);
    }
}

/// A function of its own, because it calls one.
#[cold]
fn of_128_bits(sum: i128) -> f64 {
    sum as f64
}

/// Halves of 64 bits apart, each of which can be added 2^31 times.
fn sum_of_integers(values: &[i64]) -> i128 {
    let mut sum = 0i128;
    for part in values.chunks(1 << 16) {
        let (low, high) = part.iter().fold((0i64, 0i64), |(low, high), v| (low + (v & 0xffff_ffff), high + (v >> 32)));
        sum += (i128::from(high) << 32) + i128::from(low);
    }
    sum
}

impl AggregateState for SumState {
    fn push(&mut self, values: &[f64]) {
        let Some((first, rest)) = values.split_first() else { return };
        // One value after the other from where the last slice ended: cutting into slices does not change the result.
        self.add(*first, values.len() as u64);
        self.sum = rest.iter().fold(self.sum, |sum, v| sum + v);
    }

    fn push_integers(&mut self, values: &[i64]) -> bool {
        self.add_integers(sum_of_integers(values), values.len() as u64);
        true
    }

    fn push_block(&mut self, block: &BlockStatistics) {
        if block.count > 0 {
            self.add(block.sum, block.count);
        }
    }

    fn push_integer_block(&mut self, block: &BlockStatistics) {
        self.add_integers(block.sum as i128, block.count);
    }

    fn merge(&mut self, later: Box<dyn AggregateState>) {
        if let Ok(later) = later.into_any().downcast::<Self>() {
            self.merge_with(&later);
        }
    }

    fn finish(&mut self) -> Option<f64> {
        (self.counted() > 0).then(|| self.all())
    }

    fn finish_integer(&self) -> Option<i64> {
        let whole = self.count == 0 && self.integer_count > 0;
        i64::try_from(self.integers).ok().filter(|_| whole)
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Below it float64 has every integer.
const EVERY_INTEGER: u128 = 1 << 53;

/// A sum, and the range that its mean must not leave.
struct MeanState {
    sum: SumState,
    min: f64,
    max: f64,
    /// The same of integers, of which float64 has not all; `None` once there was anything else.
    integers: Option<(i64, i64)>,
}

impl Default for MeanState {
    fn default() -> Self {
        let integers = Some((i64::MAX, i64::MIN));
        Self { sum: SumState::default(), min: f64::INFINITY, max: f64::NEG_INFINITY, integers }
    }
}

impl MeanState {
    fn reach(&mut self, min: f64, max: f64) {
        self.min = if min < self.min { min } else { self.min };
        self.max = if max > self.max { max } else { self.max };
    }

    fn reach_integers(&mut self, (min, max): (i64, i64)) {
        self.integers = self.integers.map(|(least, most)| (least.min(min), most.max(max)));
    }

    fn mean(&self, sum: f64) -> f64 {
        mean(sum, self.sum.counted(), self.min, self.max)
    }
}

impl AggregateState for MeanState {
    fn push(&mut self, values: &[f64]) {
        self.sum.push(values);
        let (min, max) = range_of(values);
        self.reach(min, max);
        self.integers = None;
    }

    fn push_integers(&mut self, values: &[i64]) -> bool {
        self.sum.push_integers(values);
        if let (Some(min), Some(max)) = (values.iter().min(), values.iter().max()) {
            self.reach(*min as f64, *max as f64);
            self.reach_integers((*min, *max));
        }
        true
    }

    fn push_block(&mut self, block: &BlockStatistics) {
        if block.count > 0 {
            self.sum.push_block(block);
            self.reach(block.min, block.max);
            self.integers = None;
        }
    }

    fn push_integer_block(&mut self, block: &BlockStatistics) {
        if block.count > 0 {
            self.sum.push_integer_block(block);
            self.reach(block.min, block.max);
            self.reach_integers((block.min as i64, block.max as i64));
        }
    }

    fn merge(&mut self, later: Box<dyn AggregateState>) {
        if let Ok(later) = later.into_any().downcast::<Self>()
            && later.sum.counted() > 0
        {
            self.sum.merge_with(&later.sum);
            self.reach(later.min, later.max);
            match later.integers {
                Some(range) => self.reach_integers(range),
                None => self.integers = None,
            }
        }
    }

    fn finish(&mut self) -> Option<f64> {
        (self.sum.counted() > 0).then(|| self.mean(self.sum.all()))
    }

    fn finish_of_decimals(&mut self) -> Option<f64> {
        (self.sum.counted() > 0).then(|| self.mean(fourteen_digits(self.sum.all())))
    }

    fn finish_integer(&self) -> Option<i64> {
        let (min, max) = self.integers?;
        if self.sum.count == 0 && self.sum.integers.unsigned_abs() < EVERY_INTEGER {
            return None;
        }
        large_mean(self.mean(self.sum.all()), min, max)
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

    fn push_integers(&mut self, values: &[i64]) -> bool {
        self.0 += values.len() as u64;
        true
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
