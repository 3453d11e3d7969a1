//! Columns of buckets.

use nanotdb_core::model::Timestamp;
use nanotdb_core::query::Operands;
use nanotdb_core::query::present::{fourteen_digits, mean};

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
    /// Whether smallest and largest values are kept as integers, of which float64 has not all.
    integers: bool,
    /// Whether the values are decimals that float32 stores.
    decimals: bool,
    /// Smallest value per bucket, as the bits of an integer or a float64; meaningless where `count` is 0.
    min: Vec<u64>,
    /// Sum per bucket.
    sum: Vec<f64>,
    /// Largest value per bucket, like the smallest.
    max: Vec<u64>,
}

/// What is known of samples of one bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) count: u64,
    pub(super) min: f64,
    pub(super) sum: f64,
    pub(super) max: f64,
    /// Smallest and largest value, where they are integers.
    pub(super) integers: Option<(i64, i64)>,
}

impl Columns {
    /// Empty buckets for a range that begins at `from`.
    pub(super) fn new(from: Timestamp, step: i64) -> Self {
        let step = step.max(1);
        let t0 = from.div_euclid(step).saturating_mul(step);
        let (min, sum, max) = (Vec::new(), Vec::new(), Vec::new());
        Self { t0, step, count: Vec::new(), integers: false, decimals: false, min, sum, max }
    }

    /// The same of such a metric.
    pub(super) fn of(self, operands: Operands) -> Self {
        Self { integers: operands.value_type.is_integer(), decimals: operands.is_short_decimal(), ..self }
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
            // Whatever it is: the first values take their place.
            self.min.resize(at + 1, 0);
            self.sum.resize(at + 1, 0.0);
            self.max.resize(at + 1, 0);
        }
        true
    }

    /// Adds what is known of samples of one bucket.
    pub(super) fn add(&mut self, at: usize, most: usize, part: Part) {
        if part.count == 0 || !self.reach(at, most) {
            return;
        }
        if part.integers.is_none() {
            self.use_floats();
        }
        let slots = (self.count.get_mut(at), self.min.get_mut(at), self.sum.get_mut(at), self.max.get_mut(at));
        let (Some(count), Some(min), Some(sum), Some(max)) = slots else { return };
        let is_first = *count == 0;
        *count += part.count;
        *sum += part.sum;
        match part.integers.filter(|_| self.integers) {
            Some((smallest, largest)) => {
                *min = (if is_first { smallest } else { smallest.min(*min as i64) }) as u64;
                *max = (if is_first { largest } else { largest.max(*max as i64) }) as u64;
            }
            None => {
                *min = (if is_first { part.min } else { part.min.min(f64::from_bits(*min)) }).to_bits();
                *max = (if is_first { part.max } else { part.max.max(f64::from_bits(*max)) }).to_bits();
            }
        }
    }

    /// The metric has become one of floats while it was read.
    fn use_floats(&mut self) {
        if self.integers {
            self.integers = false;
            self.min.iter_mut().chain(&mut self.max).for_each(|bits| *bits = (*bits as i64 as f64).to_bits());
        }
    }

    /// Adds a sample.
    pub(super) fn push(&mut self, time: Timestamp, value: f64, most: usize) {
        self.add(self.at(time), most, Part { count: 1, min: value, sum: value, max: value, integers: None });
    }

    /// Smallest and largest value of a bucket with samples, where they are integers.
    pub(super) fn exact(&self, at: usize) -> Option<(i64, i64)> {
        self.integers.then(|| Some((*self.min.get(at)? as i64, *self.max.get(at)? as i64))).flatten()
    }

    /// Start of the first bucket with samples.
    pub(super) fn begin(&self) -> Option<Timestamp> {
        let at = self.count.iter().position(|count| *count > 0)?;
        Some(self.t0.saturating_add((at as i64).saturating_mul(self.step)))
    }

    /// Samples in all buckets.
    pub(super) fn samples(&self) -> u64 {
        self.count.iter().sum()
    }

    /// Buckets with their numbers: count, min, average, max; `None` for an empty one.
    pub(super) fn rows(&self) -> impl Iterator<Item = Option<(u64, f64, f64, f64)>> + '_ {
        let float = |bits: u64| if self.integers { bits as i64 as f64 } else { f64::from_bits(bits) };
        self.count.iter().zip(&self.min).zip(&self.sum).zip(&self.max).map(move |(((count, min), sum), max)| {
            let (min, max) = (float(*min), float(*max));
            // As an average of a window is made.
            let sum = if self.decimals { fourteen_digits(*sum) } else { *sum };
            (*count > 0).then(|| (*count, min, mean(sum, *count, min, max), max))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nanotdb_core::model::ValueType;
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

    #[test]
    fn integers_that_float64_has_not_are_kept() {
        let large = (1 << 53) + 1;
        let part = |min: i64, max: i64| Part {
            count: 1,
            min: min as f64,
            sum: min as f64,
            max: max as f64,
            integers: Some((min, max)),
        };
        let mut columns = Columns::new(0, 10).of(Operands::text(ValueType::Int64));
        columns.add(1, 9, part(large, large + 2));
        columns.add(1, 9, part(large + 1, large + 3));
        assert_eq!(columns.exact(1), Some((large, large + 3)));
        assert_eq!(columns.rows().next(), Some(None));
        columns.add(2, 9, Part { integers: None, ..part(-5, 5) });
        assert_eq!(columns.exact(1), None, "it is one of floats by now");
        assert_eq!(columns.rows().nth(2), Some(Some((1, -5.0, -5.0, 5.0))));
        assert_eq!(columns.rows().nth(1).flatten().map(|row| row.1), Some(large as f64));
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
