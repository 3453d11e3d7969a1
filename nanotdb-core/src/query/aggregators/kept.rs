//! The state of an aggregate that needs all values, where nothing shares them.

use crate::plugin::{AggregateState, Aggregator, WindowValues};
use std::any::Any;

/// Keeps the values for one aggregate.
pub(super) struct ValuesState<A> {
    pub(super) aggregator: A,
    pub(super) values: WindowValues,
}

impl<A: Aggregator> AggregateState for ValuesState<A> {
    fn push(&mut self, values: &[f64]) {
        // Without a limit on its memory there is always room.
        let _ = self.values.push(values);
    }

    fn merge(&mut self, later: Box<dyn AggregateState>) {
        if let Ok(later) = later.into_any().downcast::<Self>()
            && later.aggregator.name() == self.aggregator.name()
        {
            let _ = self.values.append(&later.values);
        }
    }

    fn finish(&mut self) -> Option<f64> {
        self.aggregator.of_values(&mut self.values)
    }

    fn reset(&mut self) {
        self.values.clear();
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
