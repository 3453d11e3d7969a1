//! Conformance kit for [`Aggregator`].

use super::random::{Random, check_name, no_panic};
use crate::plugin::{AggregateState, Aggregator, BlockStatistics};
use std::any::Any;

const ROUNDS: usize = 300;
const LONGEST: usize = 200;

/// Checks the laws of [`Aggregator`]; the error says which one does not hold, and for what input.
pub fn aggregator(plugin: &dyn Aggregator) -> Result<(), String> {
    for name in [plugin.name()].iter().chain(plugin.aliases()) {
        check_name(name, plugin.about())?;
    }
    let empty = no_panic("finish of an empty state", || plugin.state().finish())?;
    if empty.is_some() {
        return Err(format!("no value gives {empty:?} instead of None"));
    }
    let of_nothing = no_panic("push of an empty slice", || result(plugin, &[&[]]))?;
    if of_nothing.is_some() {
        return Err(format!("an empty slice gives {of_nothing:?} instead of None"));
    }
    let mut random = Random::new(2);
    for _ in 0..ROUNDS {
        check_finite(plugin, &mut random)?;
        // The original's files hold NaN and infinities: the result is free, a panic is not.
        let values: Vec<f64> = (0..random.below(LONGEST)).map(|_| f64::from_bits(random.next())).collect();
        let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, f64::MAX, f64::MIN];
        for values in [&values[..], &special, &special[..3], &special[..1]] {
            no_panic(&format!("a window of {}", shown(values)), || result(plugin, &[values]))?;
        }
    }
    Ok(())
}

fn check_finite(plugin: &dyn Aggregator, random: &mut Random) -> Result<(), String> {
    let values: Vec<f64> = (0..=random.below(LONGEST)).map(|_| (random.below(200_001) as f64 - 1e5) / 100.0).collect();
    // Rounding grows with the sum of magnitudes; a wrong weight or a lost value is orders of magnitude above this.
    let tolerance = 1e-10 * values.iter().map(|v| v.abs()).sum::<f64>();
    let whole = no_panic("a window", || result(plugin, &[&values]))?;
    if whole.is_none() {
        return Err(format!("{} finite values give None: {}", values.len(), shown(&values)));
    }
    let same = |law: &str, found: Option<f64>| match (whole, found) {
        (Some(a), Some(b)) if (a - b).abs() <= tolerance || a.to_bits() == b.to_bits() => Ok(()),
        _ => Err(format!("{law}: {found:?} instead of {whole:?} for {}", shown(&values))),
    };
    let (a, rest) = values.split_at(random.below(values.len() + 1));
    let (b, c) = rest.split_at(random.below(rest.len() + 1));
    same("cut into slices", result(plugin, &[a, &[], b, c]))?;
    same("one value at a time", result(plugin, &values.chunks(1).collect::<Vec<_>>()))?;
    let state_of = |values: &[f64]| {
        let mut state = plugin.state();
        state.push(values);
        state
    };
    let mut merged = state_of(a);
    merged.merge(state_of(b));
    merged.merge(plugin.state());
    merged.merge(state_of(c));
    same("merged from three states", merged.finish())?;
    let mut tail = state_of(b);
    tail.merge(state_of(c));
    let mut merged = plugin.state();
    merged.merge(state_of(a));
    merged.merge(tail);
    same("merged into an empty state", merged.finish())?;
    let mut state = state_of(&[1.0, -5e8, 7.0]);
    state.reset();
    if let Some(left) = state.finish() {
        return Err(format!("after reset, {left} is left"));
    }
    state.push(&values);
    state.merge(Box::new(Foreign));
    same("after a reset, and merging a state of another kind", state.finish())?;
    if plugin.uses_statistics() {
        let mut state = plugin.state();
        for part in [a, b, c] {
            if let Some(block) = statistics(part) {
                state.push_block(&block);
            }
        }
        same("from block statistics", state.finish())?;
        let mut state = state_of(a);
        if let Some(block) = statistics(b) {
            state.push_block(&block);
        }
        state.push(c);
        same("from values and block statistics", state.finish())?;
    }
    if plugin.is_count() && whole.is_some_and(|v| v.fract() != 0.0) {
        return Err(format!("is_count, but {whole:?} is not an integer"));
    }
    Ok(())
}

fn result(plugin: &dyn Aggregator, slices: &[&[f64]]) -> Option<f64> {
    let mut state = plugin.state();
    for slice in slices {
        state.push(slice);
    }
    state.finish()
}

fn statistics(values: &[f64]) -> Option<BlockStatistics> {
    Some(BlockStatistics {
        count: values.len() as u64,
        min: values.iter().copied().min_by(f64::total_cmp)?,
        max: values.iter().copied().max_by(f64::total_cmp)?,
        sum: values.iter().sum(),
        first: *values.first()?,
        last: *values.last()?,
    })
}

fn shown(values: &[f64]) -> String {
    let head = values.get(..8).unwrap_or(values);
    format!("{head:?}{}", if head.len() < values.len() { " and more" } else { "" })
}

/// A state no aggregator can know.
struct Foreign;

impl AggregateState for Foreign {
    fn push(&mut self, _: &[f64]) {}

    fn merge(&mut self, _: Box<dyn AggregateState>) {}

    fn finish(&mut self) -> Option<f64> {
        None
    }

    fn reset(&mut self) {}

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, PartialEq)]
    enum Fault {
        None,
        ZeroForNothing,
        KeepsAfterReset,
        MeanOfMeans,
        MergeForgets,
        BlockMin,
        PanicsOnNan,
        BadName,
    }

    /// The span between largest and smallest value, with one law broken at a time.
    struct Span(Fault);
    struct SpanState(Fault, Option<(f64, f64)>);

    impl Aggregator for Span {
        fn name(&self) -> &'static str {
            if self.0 == Fault::BadName { "Span!" } else { "span" }
        }
        fn about(&self) -> &'static str {
            "for tests"
        }
        fn uses_statistics(&self) -> bool {
            true
        }
        fn state(&self) -> Box<dyn AggregateState> {
            Box::new(SpanState(self.0, None))
        }
    }

    impl SpanState {
        fn add(&mut self, min: f64, max: f64) {
            let (low, high) = self.1.unwrap_or((min, max));
            self.1 = Some(match self.0 {
                Fault::MeanOfMeans => ((low + min) / 2.0, (high + max) / 2.0),
                _ => (low.min(min), high.max(max)),
            });
        }
    }

    impl AggregateState for SpanState {
        fn push(&mut self, values: &[f64]) {
            if let Some(s) = statistics(values) {
                assert!(self.0 != Fault::PanicsOnNan || !s.max.is_nan(), "not a number");
                self.add(s.min, s.max);
            }
        }
        fn push_block(&mut self, block: &BlockStatistics) {
            self.add(if self.0 == Fault::BlockMin { block.first } else { block.min }, block.max);
        }
        fn merge(&mut self, later: Box<dyn AggregateState>) {
            if let Ok(later) = later.into_any().downcast::<Self>()
                && let Some((min, max)) = later.1
                && self.0 != Fault::MergeForgets
            {
                self.add(min, max);
            }
        }
        fn finish(&mut self) -> Option<f64> {
            let nothing = (self.0 == Fault::ZeroForNothing).then_some(0.0);
            self.1.map(|(min, max)| max - min).or(nothing)
        }
        fn reset(&mut self) {
            if self.0 != Fault::KeepsAfterReset {
                self.1 = None;
            }
        }
        fn into_any(self: Box<Self>) -> Box<dyn Any> {
            self
        }
    }

    #[test]
    fn a_right_one_passes_and_each_broken_law_is_found() {
        aggregator(&Span(Fault::None)).unwrap();
        for (fault, law) in [
            (Fault::ZeroForNothing, "instead of None"),
            (Fault::KeepsAfterReset, "after reset"),
            (Fault::MeanOfMeans, "cut into slices"),
            (Fault::MergeForgets, "merged"),
            (Fault::BlockMin, "block statistics"),
            (Fault::PanicsOnNan, "panics: not a number"),
            (Fault::BadName, "Span!"),
        ] {
            let error = aggregator(&Span(fault)).unwrap_err();
            assert!(error.contains(law), "{error}");
        }
    }
}
