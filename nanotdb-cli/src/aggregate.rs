//! Windowed aggregates of one series.

use nanotdb_core::model::{Timestamp, Value, ValueType};
use nanotdb_core::plugin::{AggregateState, Aggregator};

/// One non-empty bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateRow {
    /// The bucket's end, or the end of the range where that comes first.
    pub timestamp: Timestamp,
    /// One result per aggregate, in the order they were asked for.
    pub values: Vec<Option<f64>>,
}

/// Cuts a series into half-open buckets that are aligned to the epoch, and aggregates each. Column slices go in, in time
/// order; rows come out as buckets fill, so that memory does not grow with the range. The last bucket takes the sample
/// at the very end of the range too: on an edge it would otherwise be a bucket of no width, with the same timestamp.
pub struct WindowAggregator {
    window: i64,
    to: Timestamp,
    states: Vec<Box<dyn AggregateState>>,
    bucket: Option<i64>,
    values: Vec<f64>,
}

impl WindowAggregator {
    /// Buckets of `window` nanoseconds (at least 1) up to `to`, one state per aggregator.
    pub fn new(aggregators: &[&'static dyn Aggregator], window: i64, to: Timestamp) -> Self {
        let states = aggregators.iter().map(|a| a.state()).collect();
        Self { window: window.max(1), to, states, bucket: None, values: Vec::new() }
    }

    /// Adds samples, not older than those before, as row bits. Calls `emit` for each bucket that they complete.
    pub fn push<E>(
        &mut self,
        value_type: ValueType,
        mut timestamps: &[Timestamp],
        mut bits: &[u64],
        emit: &mut impl FnMut(AggregateRow) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(first) = timestamps.first() {
            let bucket = self.bucket_of(*first);
            if self.bucket.is_some_and(|open| open != bucket) {
                self.finish(emit)?;
            }
            self.bucket = Some(bucket);
            let inside = timestamps.partition_point(|t| self.bucket_of(*t) <= bucket);
            self.values.clear();
            self.values.extend(bits.iter().take(inside).map(|b| Value::from_bits(value_type, *b).as_f64()));
            for state in &mut self.states {
                state.push(&self.values);
            }
            timestamps = timestamps.get(inside..).unwrap_or_default();
            bits = bits.get(inside..).unwrap_or_default();
        }
        Ok(())
    }

    fn bucket_of(&self, timestamp: Timestamp) -> i64 {
        timestamp.min(self.to.saturating_sub(1)).div_euclid(self.window)
    }

    /// Completes the open bucket, if there is one.
    pub fn finish<E>(&mut self, emit: &mut impl FnMut(AggregateRow) -> Result<(), E>) -> Result<(), E> {
        let Some(bucket) = self.bucket.take() else { return Ok(()) };
        let end = bucket.saturating_add(1).saturating_mul(self.window);
        let mut values = Vec::with_capacity(self.states.len());
        for state in &mut self.states {
            values.push(state.finish());
            state.reset();
        }
        emit(AggregateRow { timestamp: end.min(self.to), values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::any::Any;
    use std::convert::Infallible;

    struct Total;
    struct TotalState(Option<f64>);

    impl Aggregator for Total {
        fn name(&self) -> &'static str {
            "total"
        }
        fn about(&self) -> &'static str {
            "sum, for this test"
        }
        fn state(&self) -> Box<dyn AggregateState> {
            Box::new(TotalState(None))
        }
    }

    impl AggregateState for TotalState {
        fn push(&mut self, values: &[f64]) {
            if !values.is_empty() {
                self.0 = Some(self.0.unwrap_or(0.0) + values.iter().sum::<f64>());
            }
        }
        fn merge(&mut self, _: Box<dyn AggregateState>) {}
        fn finish(&mut self) -> Option<f64> {
            self.0
        }
        fn reset(&mut self) {
            self.0 = None;
        }
        fn into_any(self: Box<Self>) -> Box<dyn Any> {
            self
        }
    }

    fn run(slices: &[(&[i64], &[i32])], window: i64, to: i64) -> Vec<(i64, f64)> {
        let mut out = Vec::new();
        let mut emit = |row: AggregateRow| {
            out.push((row.timestamp, row.values[0].unwrap()));
            Ok::<_, Infallible>(())
        };
        let mut aggregator = WindowAggregator::new(&[&Total], window, to);
        for (timestamps, values) in slices {
            let bits: Vec<u64> = values.iter().map(|v| Value::Int32(*v).to_bits()).collect();
            aggregator.push(ValueType::Int32, timestamps, &bits, &mut emit).unwrap();
        }
        aggregator.finish(&mut emit).unwrap();
        out
    }

    #[test]
    fn rows_carry_the_end_of_their_bucket_and_empty_buckets_none() {
        assert_eq!(
            run(&[(&[-5, 0, 9, 10, 35], &[1, 2, 3, 4, 5])], 10, 100),
            [(0, 1.0), (10, 5.0), (20, 4.0), (40, 5.0)]
        );
    }

    #[test]
    fn a_bucket_may_span_slices_and_the_last_is_clipped() {
        assert_eq!(run(&[(&[1, 2], &[1, 2]), (&[3], &[4]), (&[12], &[8])], 10, 15), [(10, 7.0), (15, 8.0)]);
    }

    #[test]
    fn a_sample_at_the_very_end_is_in_the_last_bucket() {
        assert_eq!(run(&[(&[5, 10, 19, 20], &[1, 2, 4, 8])], 10, 20), [(10, 1.0), (20, 14.0)]);
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let rows = run(&[(&[i64::MIN, i64::MAX], &[1, 2])], i64::MAX, i64::MAX);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1], (i64::MAX, 2.0));
    }
}
