//! Windowed aggregation over column slices: the one that the server and the command line answer with.

use super::scan::{Needs, ScanBlock, ScanSlice};
use crate::model::decimal::Decimals;
use crate::model::{Operands, Timestamp, Values};
use crate::plugin::{AggregateState, Aggregator, BlockStatistics, ValueMemory, WindowValues};
use std::cell::RefCell;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// Values converted at once: small enough to stay in the first-level cache while every aggregate reads them.
const STEP: usize = 2_048;

/// The results of one window, in the order in which aggregates were asked for.
#[derive(Debug, Clone, Copy)]
pub struct WindowRow<'a> {
    /// One per aggregate.
    pub values: &'a [Option<f64>],
    /// The same, exactly, where the result of integers is one of 64 bits; none at all where values are no integers.
    pub integers: &'a [Option<i64>],
}

impl WindowRow<'_> {
    /// The result of one aggregate as an integer, where it is exactly that.
    #[must_use]
    pub fn integer(&self, at: usize) -> Option<i64> {
        self.integers.get(at).copied().flatten()
    }
}

/// Receives the end of a window and its results; `Break` ends it.
pub type WindowCallback<'c> = dyn FnMut(Timestamp, WindowRow<'_>) -> ControlFlow<()> + 'c;

/// Cuts the samples of one series into windows and aggregates each.
///
/// Windows have the same width and align to the epoch. Each is half-open and stamped with its end; the first and the
/// last are clipped to the range, and the last takes the sample at the range's very end too, so that no two rows have
/// the same timestamp. Only windows with samples give a row.
pub struct Windower {
    width: i64,
    to: Timestamp,
    results: Vec<Computed>,
    /// What those that share them are computed of.
    values: Option<WindowValues>,
    /// There was no memory for the values.
    refused: bool,
    /// Whether every aggregate can take a block by its statistics.
    by_statistics: bool,
    needs: Needs,
    /// Everything is a decimal that float32 stores.
    of_decimals: bool,
    decimals: Decimals,
    /// End of the window that has samples.
    open: Option<Timestamp>,
    row: Vec<Option<f64>>,
    /// Whether there are integers in the window.
    has_integers: bool,
    integers: Vec<Option<i64>>,
}

/// How an aggregate of a window is computed.
enum Computed {
    ByState(Box<dyn AggregateState>, &'static dyn Aggregator),
    OfValues(&'static dyn Aggregator),
}

/// Values on their way to the aggregates.
#[derive(Default)]
struct Scratch {
    floats: Vec<f64>,
    integers: Vec<i64>,
}

thread_local! {
    /// There is one window at a time, and may be thousands of series.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Windower {
    /// Windows of `width` nanoseconds (at least 1) up to and including `to`.
    pub fn new(width: i64, to: Timestamp, aggregators: &[&'static dyn Aggregator]) -> Self {
        Self::within(width, to, aggregators, None)
    }

    /// The same, with `memory` deciding on what the values of a window may take, where they are needed all at once.
    pub fn within(
        width: i64,
        to: Timestamp,
        aggregators: &[&'static dyn Aggregator],
        memory: Option<Arc<dyn ValueMemory>>,
    ) -> Self {
        let computed = |a: &&'static dyn Aggregator| match a.shares_values() {
            true => Computed::OfValues(*a),
            false => Computed::ByState(a.state(), *a),
        };
        let keeps = |a: &&'static dyn Aggregator| a.keeps_integers() || a.keeps_range();
        let needs = Needs {
            decimals: true,
            sums: aggregators.iter().any(|a| a.uses_sums()),
            exact: aggregators.iter().any(keeps),
            exact_sums: aggregators.iter().any(|a| a.keeps_integers() && a.uses_sums()),
        };
        let shares = aggregators.iter().any(|a| a.shares_values());
        Self {
            width: width.max(1),
            to,
            results: aggregators.iter().map(computed).collect(),
            values: shares.then(|| WindowValues::within(memory)),
            refused: false,
            by_statistics: aggregators.iter().all(|a| a.uses_statistics()),
            needs,
            of_decimals: false,
            decimals: Decimals::default(),
            open: None,
            row: Vec::with_capacity(aggregators.len()),
            has_integers: false,
            integers: Vec::new(),
        }
    }

    /// What the values are: those of float32 are decimals of a text, or mean themselves.
    #[must_use]
    pub fn of(mut self, operands: Operands) -> Self {
        self.needs.decimals = !operands.typed;
        self.of_decimals = operands.is_short_decimal();
        self
    }

    /// What statistics must be, for [`Windower::push_block`].
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Whether it ended because there was no memory for the values of a window.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// Where the window of `at` ends.
    fn end_of(&self, at: Timestamp) -> Timestamp {
        at.div_euclid(self.width).saturating_add(1).saturating_mul(self.width).min(self.to)
    }

    /// Adds samples in time order, all within the range. `emit` gets the end and the aggregates of each window that
    /// is complete; when it breaks, so does this.
    pub fn push(&mut self, slice: &ScanSlice<'_>, emit: &mut WindowCallback<'_>) -> ControlFlow<()> {
        let mut times = slice.timestamps;
        let mut at = 0;
        while let Some(&first) = times.first() {
            let end = self.turn_to(first, emit)?;
            let count = if end == self.to { times.len() } else { run_length(times, end) };
            self.add(slice.values, at..at + count)?;
            at += count;
            times = times.get(count..).unwrap_or_default();
        }
        ControlFlow::Continue(())
    }

    /// Whether all samples between these times fall into one window, and their statistics are all that is needed of them.
    pub fn takes_block(&self, start: Timestamp, end: Timestamp) -> bool {
        self.by_statistics && self.end_of(start) == self.end_of(end)
    }

    /// Adds a block that [`Windower::takes_block`] agreed to, as [`Windower::push`] adds its samples.
    pub fn push_block(&mut self, block: &ScanBlock<'_>, emit: &mut WindowCallback<'_>) -> ControlFlow<()> {
        self.turn_to(block.start, emit)?;
        self.has_integers |= block.is_exact;
        for computed in &mut self.results {
            match computed {
                Computed::ByState(state, a) if block.is_exact && (a.keeps_integers() || a.keeps_range()) => {
                    state.push_integer_block(block.statistics);
                }
                Computed::ByState(state, _) => state.push_block(block.statistics),
                Computed::OfValues(_) => {}
            }
        }
        ControlFlow::Continue(())
    }

    /// Opens the window of `first`, completing the one before it, and returns its end.
    fn turn_to(&mut self, first: Timestamp, emit: &mut WindowCallback<'_>) -> ControlFlow<(), Timestamp> {
        let end = match self.open {
            Some(end) if end == self.to || first < end => end,
            Some(end) => {
                self.emit(end, emit)?;
                self.end_of(first)
            }
            None => self.end_of(first),
        };
        self.open = Some(end);
        ControlFlow::Continue(end)
    }

    /// Emits the last window.
    pub fn finish(&mut self, emit: &mut WindowCallback<'_>) -> ControlFlow<()> {
        match self.open.take() {
            Some(end) => self.emit(end, emit),
            None => ControlFlow::Continue(()),
        }
    }

    fn emit(&mut self, end: Timestamp, emit: &mut WindowCallback<'_>) -> ControlFlow<()> {
        self.row.clear();
        self.integers.clear();
        for computed in &mut self.results {
            if self.has_integers {
                self.integers.push(match computed {
                    Computed::ByState(state, _) => state.finish_integer(),
                    Computed::OfValues(_) => None,
                });
            }
            self.row.push(match computed {
                Computed::ByState(state, _) => {
                    let result = if self.of_decimals { state.finish_of_decimals() } else { state.finish() };
                    state.reset();
                    result
                }
                Computed::OfValues(aggregator) => self.values.as_mut().and_then(|values| aggregator.of_values(values)),
            });
        }
        if let Some(values) = &mut self.values {
            values.clear();
        }
        self.has_integers = false;
        emit(end, WindowRow { values: &self.row, integers: &self.integers })
    }

    fn add(&mut self, values: Values<'_>, range: Range<usize>) -> ControlFlow<()> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut at = range.start;
            while at < range.end {
                let to = range.end.min(at + STEP);
                self.add_some(values.slice(at..to), scratch)?;
                at = to;
            }
            ControlFlow::Continue(())
        })
    }

    /// Adds as many values as scratch memory is for.
    fn add_some(&mut self, values: Values<'_>, scratch: &mut Scratch) -> ControlFlow<()> {
        scratch.floats.clear();
        scratch.integers.clear();
        match values {
            Values::Float32(singles) if self.needs.decimals => self.add_decimals(singles, &mut scratch.floats),
            Values::Int32(_) | Values::Int64(_) => self.add_integers(values, scratch),
            _ => {
                values.extend_f64(&mut scratch.floats);
                for computed in &mut self.results {
                    if let Computed::ByState(state, _) = computed {
                        state.push(&scratch.floats);
                    }
                }
            }
        }
        if let Some(kept) = &mut self.values {
            if scratch.floats.is_empty() {
                values.extend_f64(&mut scratch.floats);
            }
            if !kept.push(&scratch.floats) {
                self.refused = true;
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Adds integers: as a block where an aggregate takes blocks and float64 has all of it exactly.
    fn add_integers(&mut self, values: Values<'_>, scratch: &mut Scratch) {
        self.has_integers = true;
        let takes = |computed: &Computed| matches!(computed, Computed::ByState(_, a) if a.uses_statistics());
        let statistics = if self.results.iter().any(takes) { statistics_of_integers(values) } else { None };
        for computed in &mut self.results {
            let Computed::ByState(state, aggregator) = computed else { continue };
            if let Some(statistics) = statistics.as_ref().filter(|_| aggregator.uses_statistics()) {
                state.push_integer_block(statistics);
                continue;
            }
            let integers = match values {
                Values::Int64(wide) => wide,
                Values::Int32(narrow) if scratch.integers.is_empty() => {
                    scratch.integers.extend(narrow.iter().map(|v| i64::from(*v)));
                    &scratch.integers
                }
                _ => &scratch.integers,
            };
            if !state.push_integers(integers) {
                if scratch.floats.is_empty() {
                    values.extend_f64(&mut scratch.floats);
                }
                state.push(&scratch.floats);
            }
        }
    }

    /// Adds values of text: as a block where an aggregate takes blocks, so that most decimals need not be made.
    fn add_decimals(&mut self, singles: &[f32], floats: &mut Vec<f64>) {
        let takes = |computed: &Computed| matches!(computed, Computed::ByState(_, a) if a.uses_statistics());
        let range = if self.results.iter().any(takes) { self.decimals.range(singles) } else { None };
        let statistics = range.zip(singles.first()).zip(singles.last()).map(|((range, first), last)| BlockStatistics {
            count: singles.len() as u64,
            min: range.min,
            max: range.max,
            sum: range.sum,
            first: self.decimals.of(*first),
            last: self.decimals.of(*last),
        });
        if self.values.is_some() {
            self.decimals.extend(singles, floats);
        }
        for computed in &mut self.results {
            let Computed::ByState(state, aggregator) = computed else { continue };
            match &statistics {
                Some(statistics) if aggregator.uses_statistics() => state.push_block(statistics),
                _ => {
                    if floats.is_empty() {
                        self.decimals.extend(singles, floats);
                    }
                    state.push(floats);
                }
            }
        }
    }
}

/// What integers are together, where float64 has all of it exactly.
fn statistics_of_integers(values: Values<'_>) -> Option<BlockStatistics> {
    match values {
        Values::Int32(v) => statistics_of(v),
        Values::Int64(v) => statistics_of(v),
        _ => None,
    }
}

#[inline]
fn statistics_of<T: Copy + Ord + Into<i64>>(values: &[T]) -> Option<BlockStatistics> {
    // Up to there float64 has every integer.
    const EVERY_INTEGER: u128 = 1 << 53;
    let (first, last) = (*values.first()?, *values.last()?);
    let (mut min, mut max, mut sum) = (first, first, 0i64);
    for v in values {
        min = min.min(*v);
        max = max.max(*v);
        sum = sum.wrapping_add((*v).into());
    }
    let (min, max): (i64, i64) = (min.into(), max.into());
    let largest = min.unsigned_abs().max(max.unsigned_abs());
    // No part of a sum of so many that are so small has wrapped.
    let is_exact = u128::from(largest) * (values.len() as u128) < EVERY_INTEGER;
    let [min, max, sum, first, last] = [min, max, sum, first.into(), last.into()].map(|v: i64| v as f64);
    is_exact.then_some(BlockStatistics { count: values.len() as u64, min, max, sum, first, last })
}

/// How many of the sorted `times` are before `end`; the first is. Gallops, because windows are often much shorter
/// than slices.
fn run_length(times: &[Timestamp], end: Timestamp) -> usize {
    let mut bound = 8;
    while times.get(bound).is_some_and(|t| *t < end) {
        bound *= 2;
    }
    let from = bound / 2;
    let window = times.get(from.min(times.len())..bound.min(times.len())).unwrap_or_default();
    match times.get(from) {
        Some(t) if *t < end => from + window.partition_point(|t| *t < end),
        _ => times.get(..from.min(times.len())).unwrap_or_default().partition_point(|t| *t < end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::AggregatorPlugin;
    use proptest::prelude::*;
    use std::any::Any;

    /// Count and sum in one number each, made here so that the tests stand on nothing but the trait.
    struct Count;
    struct Sum;
    #[derive(Default)]
    struct State {
        sums: bool,
        count: u64,
        sum: f64,
    }

    impl Aggregator for Count {
        fn name(&self) -> &'static str {
            "test_count"
        }
        fn about(&self) -> &'static str {
            "number of values"
        }
        fn is_count(&self) -> bool {
            true
        }
        fn state(&self) -> Box<dyn AggregateState> {
            Box::new(State::default())
        }
    }

    impl Aggregator for Sum {
        fn name(&self) -> &'static str {
            "test_sum"
        }
        fn about(&self) -> &'static str {
            "sum of values"
        }
        fn state(&self) -> Box<dyn AggregateState> {
            Box::new(State { sums: true, ..State::default() })
        }
    }

    impl AggregateState for State {
        fn push(&mut self, values: &[f64]) {
            self.count += values.len() as u64;
            self.sum += values.iter().sum::<f64>();
        }
        fn merge(&mut self, _: Box<dyn AggregateState>) {}
        fn finish(&mut self) -> Option<f64> {
            (self.count > 0).then_some(if self.sums { self.sum } else { self.count as f64 })
        }
        fn reset(&mut self) {
            (self.count, self.sum) = (0, 0.0);
        }
        fn into_any(self: Box<Self>) -> Box<dyn Any> {
            self
        }
    }

    const BOTH: [&dyn Aggregator; 2] = [&Count, &Sum];
    // Keeps the plugin type in view: registering is what real aggregators do.
    const _: fn(&'static dyn Aggregator) -> AggregatorPlugin = AggregatorPlugin;

    fn rows(width: i64, to: i64, samples: &[(i64, i32)], cut: usize) -> Vec<(i64, f64, f64)> {
        let mut windower = Windower::new(width, to, &BOTH);
        let mut out = Vec::new();
        let mut emit = |end: i64, row: WindowRow<'_>| {
            out.push((end, row.values[0].unwrap(), row.values[1].unwrap()));
            ControlFlow::Continue(())
        };
        for part in samples.chunks(cut) {
            let timestamps: Vec<_> = part.iter().map(|s| s.0).collect();
            let values: Vec<_> = part.iter().map(|s| s.1).collect();
            let slice = ScanSlice { metric: 0, timestamps: &timestamps, values: Values::Int32(&values) };
            assert!(windower.push(&slice, &mut emit).is_continue());
        }
        assert!(windower.finish(&mut emit).is_continue());
        out
    }

    #[test]
    fn windows_align_to_the_epoch_and_are_stamped_with_their_end() {
        // The range is 7..=34; windows of ten: the first and the last are clipped.
        let samples = [(7, 1), (9, 2), (10, -4), (19, 5), (30, 6), (34, 7)];
        assert_eq!(rows(10, 34, &samples, 100), [(10, 2.0, 3.0), (20, 2.0, 1.0), (34, 2.0, 13.0)]);
    }

    #[test]
    fn the_sample_at_the_end_of_the_range_joins_the_last_window() {
        assert_eq!(rows(10, 20, &[(10, 1), (20, 2)], 1), [(20, 2.0, 3.0)]);
        assert_eq!(rows(10, 20, &[(20, 2), (20, 3)], 1), [(20, 2.0, 5.0)]);
    }

    #[test]
    fn times_before_the_epoch_and_at_the_edges_of_i64() {
        assert_eq!(
            rows(10, 100, &[(-11, 1), (-10, 2), (-1, 3), (0, 4)], 2),
            [(-10, 1.0, 1.0), (0, 2.0, 5.0), (10, 1.0, 4.0)]
        );
        let edges = [(i64::MIN, 1), (i64::MAX, 2)];
        assert_eq!(rows(1_000, i64::MAX, &edges, 2).len(), 2);
    }

    #[test]
    fn values_of_all_types_are_read() {
        for (values, expected) in [
            (Values::Float32(&[1.5]), 1.5),
            (Values::Float64(&[-2.25]), -2.25),
            (Values::Int32(&[-3]), -3.0),
            (Values::Int64(&[i64::MIN]), -9_223_372_036_854_775_808.0),
        ] {
            let mut windower = Windower::new(10, 10, &[&Sum]);
            let mut seen = None;
            let mut emit = |_: i64, row: WindowRow<'_>| {
                seen = row.values[0];
                ControlFlow::Continue(())
            };
            let slice = ScanSlice { metric: 0, timestamps: &[1], values };
            let _ = windower.push(&slice, &mut emit);
            let _ = windower.finish(&mut emit);
            assert_eq!(seen, Some(expected));
        }
    }

    #[test]
    fn breaking_stops_at_once() {
        let mut windower = Windower::new(1, 100, &BOTH);
        let mut calls = 0;
        let mut emit = |_: i64, _: WindowRow<'_>| {
            calls += 1;
            ControlFlow::Break(())
        };
        let times: Vec<i64> = (0..50).collect();
        let slice = ScanSlice { metric: 0, timestamps: &times, values: Values::Int64(&[0; 50]) };
        assert!(windower.push(&slice, &mut emit).is_break());
        assert_eq!(calls, 1);
    }

    fn exactly(values: &[i64]) -> Option<(i64, i64, i128)> {
        Some((*values.iter().min()?, *values.iter().max()?, values.iter().map(|v| i128::from(*v)).sum()))
    }

    proptest! {
        #[test]
        fn statistics_of_integers_are_exact_or_not_given(
            values in proptest::collection::vec(
                prop_oneof![-9i64..9, any::<i32>().prop_map(i64::from), -(1i64 << 52)..1 << 52, any::<i64>()], 0..40),
            bits in 0..64,
        ) {
            let values: Vec<i64> = values.iter().map(|v| v >> bits).collect();
            let narrow: Vec<i32> = values.iter().map(|v| *v as i32).collect();
            let wide: Vec<i64> = narrow.iter().map(|v| i64::from(*v)).collect();
            for (given, values) in [(Values::Int64(&values), &values), (Values::Int32(&narrow), &wide)] {
                let found = statistics_of_integers(given);
                let small = values.iter().all(|v| v.unsigned_abs() < 1 << 46);
                prop_assert!(found.is_some() || !small || values.is_empty());
                if let Some(found) = found {
                    let (min, max, sum) = exactly(values).unwrap();
                    prop_assert_eq!((found.min as i64, found.max as i64, found.sum as i128), (min, max, sum));
                    prop_assert_eq!((found.first as i64, found.last as i64), (values[0], values[values.len() - 1]));
                    prop_assert_eq!(found.count, values.len() as u64);
                }
            }
        }

        #[test]
        fn cutting_never_matters_and_rows_agree_with_a_plain_map(
            mut times in prop::collection::vec(-500i64..500, 0..200),
            width in 1i64..90,
            cut in 1usize..40,
        ) {
            times.sort_unstable();
            let to = times.last().copied().unwrap_or(0).max(17);
            let samples: Vec<_> = times.iter().enumerate().map(|(i, t)| (*t, i as i32 - 50)).collect();
            let mut expected = std::collections::BTreeMap::<i64, (f64, f64)>::new();
            for (at, value) in &samples {
                let mut end = (at.div_euclid(width) + 1) * width;
                if end > to { end = to }
                let entry = expected.entry(end).or_default();
                entry.0 += 1.0;
                entry.1 += f64::from(*value);
            }
            let expected: Vec<_> = expected.into_iter().map(|(t, (c, s))| (t, c, s)).collect();
            prop_assert_eq!(rows(width, to, &samples, cut), expected);
        }

        #[test]
        fn runs_are_found(mut times in prop::collection::vec(0i64..60, 1..100), end in 1i64..70) {
            times.sort_unstable();
            times[0] = 0;
            prop_assert_eq!(run_length(&times, end), times.iter().filter(|t| **t < end).count());
        }
    }
}
