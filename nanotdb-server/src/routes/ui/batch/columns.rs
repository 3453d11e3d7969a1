//! Columns of buckets.

use nanotdb_core::model::Timestamp;
use nanotdb_core::query::present::mean;

/// Buckets that are made room for at once.
const MOST_AT_ONCE: usize = 1 << 15;

/// Dense buckets of one series: `[t0 + k * step, t0 + (k + 1) * step)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Columns {
    /// Start of the first bucket.
    pub(super) t0: Timestamp,
    /// Width.
    pub(super) step: i64,
    /// Samples per bucket.
    pub(super) count: Vec<u64>,
    /// Smallest value per bucket; meaningless where `count` is 0.
    pub(super) min: Vec<f64>,
    /// Sum per bucket.
    pub(super) sum: Vec<f64>,
    /// Largest value per bucket.
    pub(super) max: Vec<f64>,
}

impl Columns {
    /// Empty buckets for a range that begins at `from`.
    pub(super) fn new(from: Timestamp, step: i64) -> Self {
        let step = step.max(1);
        let t0 = from.div_euclid(step).saturating_mul(step);
        Self { t0, step, count: Vec::new(), min: Vec::new(), sum: Vec::new(), max: Vec::new() }
    }

    /// Which bucket a time belongs to.
    pub(super) fn at(&self, time: Timestamp) -> usize {
        usize::try_from(time.saturating_sub(self.t0).max(0) / self.step).unwrap_or(usize::MAX)
    }

    /// Makes buckets up to this one, and no more than `most`. Returns whether it is there.
    fn reach(&mut self, at: usize, most: usize) -> bool {
        if at >= most {
            return false;
        }
        if self.count.len() <= at {
            // To their end at once: what grows by doubling takes twice as much.
            if at >= self.count.capacity() {
                let more = most.min(MOST_AT_ONCE).max(at + 1) - self.count.len();
                self.count.reserve_exact(more);
                self.min.reserve_exact(more);
                self.sum.reserve_exact(more);
                self.max.reserve_exact(more);
            }
            self.count.resize(at + 1, 0);
            self.min.resize(at + 1, f64::INFINITY);
            self.sum.resize(at + 1, 0.0);
            self.max.resize(at + 1, f64::NEG_INFINITY);
        }
        true
    }

    /// Adds what is known of samples of one bucket.
    pub(super) fn add(&mut self, at: usize, most: usize, count: u64, min: f64, sum: f64, max: f64) {
        if !self.reach(at, most) {
            return;
        }
        if let Some(slot) = self.count.get_mut(at) {
            *slot += count;
        }
        if let Some(slot) = self.min.get_mut(at) {
            *slot = slot.min(min);
        }
        if let Some(slot) = self.sum.get_mut(at) {
            *slot += sum;
        }
        if let Some(slot) = self.max.get_mut(at) {
            *slot = slot.max(max);
        }
    }

    /// Adds a sample.
    pub(super) fn push(&mut self, time: Timestamp, value: f64, most: usize) {
        self.add(self.at(time), most, 1, value, value, value);
    }

    /// Samples in all buckets.
    pub(super) fn samples(&self) -> u64 {
        self.count.iter().sum()
    }

    /// Buckets with their numbers: count, min, average, max; `None` for an empty one.
    pub(super) fn rows(&self) -> impl Iterator<Item = Option<(u64, f64, f64, f64)>> + '_ {
        self.count.iter().zip(&self.min).zip(&self.sum).zip(&self.max).map(|(((count, min), sum), max)| {
            (*count > 0).then(|| (*count, *min, mean(*sum, *count, *min, *max), *max))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_spike_among_a_month_is_the_maximum_of_its_bucket() {
        let step = 7_200_000_000_000;
        let mut columns = Columns::new(0, step);
        for i in 0..259_200i64 {
            columns.push(i * 10_000_000_000, if i == 123_456 { 99.0 } else { 1.0 }, 600);
        }
        let at = columns.at(123_456 * 10_000_000_000);
        for (k, row) in columns.rows().enumerate() {
            let (count, min, avg, max) = row.unwrap();
            assert_eq!((count, min), (720, 1.0));
            assert_eq!(max, if k == at { 99.0 } else { 1.0 });
            assert_eq!(avg > 1.0, k == at);
        }
        assert_eq!(columns.count.len(), 360);
    }

    proptest! {
        #[test]
        fn buckets_agree_with_a_plain_map(
            from in -1_000i64..1_000,
            step in 1i64..300,
            samples in prop::collection::vec((0i64..5_000, -100i32..100), 0..200),
        ) {
            let mut columns = Columns::new(from, step);
            let mut plain: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
            for (after, value) in &samples {
                let time = from + after;
                columns.push(time, f64::from(*value), usize::MAX);
                plain.entry(time.div_euclid(step)).or_default().push(f64::from(*value));
            }
            prop_assert!(columns.t0 <= from && from - columns.t0 < step && columns.t0.rem_euclid(step) == 0);
            prop_assert_eq!(columns.samples(), samples.len() as u64);
            for (k, row) in columns.rows().enumerate() {
                let start = columns.t0 + k as i64 * step;
                let expected = plain.remove(&start.div_euclid(step)).map(|values| {
                    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
                    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    (values.len() as u64, min, values.iter().sum::<f64>() / values.len() as f64, max)
                });
                prop_assert_eq!(row, expected);
            }
            prop_assert!(plain.is_empty());
        }
    }
}
