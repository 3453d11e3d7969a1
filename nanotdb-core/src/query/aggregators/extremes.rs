//! Minimum and maximum.

use crate::plugin::{AggregateState, Aggregator, BlockStatistics};
use std::any::Any;

/// The smallest value.
#[derive(Debug, Clone, Copy, Default)]
pub struct Min;

/// The largest value.
#[derive(Debug, Clone, Copy, Default)]
pub struct Max;

impl Aggregator for Min {
    fn name(&self) -> &'static str {
        "min"
    }

    fn about(&self) -> &'static str {
        "smallest value"
    }

    fn uses_statistics(&self) -> bool {
        true
    }

    fn uses_sums(&self) -> bool {
        false
    }

    fn keeps_integers(&self) -> bool {
        true
    }

    fn state(&self) -> Box<dyn AggregateState> {
        Box::<MinState>::default()
    }
}

impl Aggregator for Max {
    fn name(&self) -> &'static str {
        "max"
    }

    fn about(&self) -> &'static str {
        "largest value"
    }

    fn uses_statistics(&self) -> bool {
        true
    }

    fn uses_sums(&self) -> bool {
        false
    }

    fn keeps_integers(&self) -> bool {
        true
    }

    fn state(&self) -> Box<dyn AggregateState> {
        Box::<MaxState>::default()
    }
}

/// `None` before the first value; NaN as long as nothing else was seen. Integers are kept apart, as float64 has not all of them.
#[derive(Default)]
struct MinState {
    float: Option<f64>,
    integer: Option<i64>,
}

#[derive(Default)]
struct MaxState {
    float: Option<f64>,
    integer: Option<i64>,
}

impl AggregateState for MinState {
    fn push(&mut self, values: &[f64]) {
        keep(&mut self.float, smallest(values), |new, old| new < old);
    }

    fn push_integers(&mut self, values: &[i64]) -> bool {
        self.integer =
            values.iter().copied().min().map(|min| self.integer.map_or(min, |before| before.min(min))).or(self.integer);
        true
    }

    fn push_block(&mut self, block: &BlockStatistics) {
        if block.count > 0 {
            self.push(&[block.min]);
        }
    }

    fn push_integer_block(&mut self, block: &BlockStatistics) {
        if block.count > 0 {
            self.push_integers(&[block.min as i64]);
        }
    }

    fn merge(&mut self, later: Box<dyn AggregateState>) {
        if let Ok(later) = later.into_any().downcast::<Self>() {
            keep(&mut self.float, later.float, |new, old| new < old);
            self.integer = self.integer.into_iter().chain(later.integer).min();
        }
    }

    fn finish(&mut self) -> Option<f64> {
        let mut result = self.float;
        keep(&mut result, self.integer.map(|v| v as f64), |new, old| new < old);
        result
    }

    fn finish_integer(&self) -> Option<i64> {
        self.integer.filter(|_| self.float.is_none())
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl AggregateState for MaxState {
    fn push(&mut self, values: &[f64]) {
        keep(&mut self.float, largest(values), |new, old| new > old);
    }

    fn push_integers(&mut self, values: &[i64]) -> bool {
        self.integer =
            values.iter().copied().max().map(|max| self.integer.map_or(max, |before| before.max(max))).or(self.integer);
        true
    }

    fn push_block(&mut self, block: &BlockStatistics) {
        if block.count > 0 {
            self.push(&[block.max]);
        }
    }

    fn push_integer_block(&mut self, block: &BlockStatistics) {
        if block.count > 0 {
            self.push_integers(&[block.max as i64]);
        }
    }

    fn merge(&mut self, later: Box<dyn AggregateState>) {
        if let Ok(later) = later.into_any().downcast::<Self>() {
            keep(&mut self.float, later.float, |new, old| new > old);
            self.integer = self.integer.into_iter().chain(later.integer).max();
        }
    }

    fn finish(&mut self) -> Option<f64> {
        let mut result = self.float;
        keep(&mut result, self.integer.map(|v| v as f64), |new, old| new > old);
        result
    }

    fn finish_integer(&self) -> Option<i64> {
        self.integer.filter(|_| self.float.is_none())
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Replaces `kept` by `found` if that is better, or the first that is not NaN.
fn keep(kept: &mut Option<f64>, found: Option<f64>, better: impl Fn(f64, f64) -> bool) {
    let Some(found) = found else { return };
    match *kept {
        Some(old) if !better(found, old) && (found.is_nan() || !old.is_nan()) => {}
        _ => *kept = Some(found),
    }
}

/// The smallest and the largest value; infinities the other way round where there is none but NaN.
pub(super) fn range_of(values: &[f64]) -> (f64, f64) {
    let min = fold_lanes(values, f64::INFINITY, |a, b| if b < a { b } else { a });
    let max = fold_lanes(values, f64::NEG_INFINITY, |a, b| if b > a { b } else { a });
    (min, max)
}

fn smallest(values: &[f64]) -> Option<f64> {
    let found = fold_lanes(values, f64::INFINITY, |a, b| if b < a { b } else { a });
    resolve(values, found, f64::INFINITY)
}

fn largest(values: &[f64]) -> Option<f64> {
    let found = fold_lanes(values, f64::NEG_INFINITY, |a, b| if b > a { b } else { a });
    resolve(values, found, f64::NEG_INFINITY)
}

/// Folds in eight independent lanes, which the compiler turns into vector instructions. A comparison with NaN is
/// false, so NaN never replaces a value.
#[inline]
fn fold_lanes(values: &[f64], start: f64, pick: impl Fn(f64, f64) -> f64) -> f64 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut lanes = [start; 8];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = pick(*lane, *value);
        }
    }
    lanes.iter().chain(rest).fold(start, |a, b| pick(a, *b))
}

/// The start value is left when the slice is empty, holds only NaN, or really holds that infinity.
fn resolve(values: &[f64], found: f64, start: f64) -> Option<f64> {
    if found != start || values.contains(&start) {
        return Some(found);
    }
    values.first().copied()
}
