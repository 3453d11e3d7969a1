//! Metrics that have widened: rows of several ids, of different types, read as one series.

use super::scan::{Needs, ScanBlock, ScanSink, ScanSlice};
use crate::Result;
use crate::database::Database;
use crate::model::{Column, MetricId, Timestamp, ValueType};
use std::ops::ControlFlow;

/// Which of the ids that are read belong to which metric that is wanted.
pub(super) struct Joins {
    /// Former ids of a metric stand before the one that it has now, so that its rows come in time order.
    pub(super) ids: Vec<MetricId>,
    parts: Vec<Part>,
}

/// What one id is.
#[derive(Clone, Copy)]
struct Part {
    /// Index of the metric in the request.
    metric: usize,
    /// Type of the metric.
    to: ValueType,
    /// Its float32 values mean themselves, and no decimals.
    typed: bool,
}

impl Joins {
    /// For a request of these metrics; `None` when none of them has widened, as is usual.
    pub(super) fn of(database: &Database, metrics: &[MetricId]) -> Option<Self> {
        let groups = database.with_former(metrics)?;
        let mut this = Self { ids: Vec::new(), parts: Vec::new() };
        for (metric, group) in groups.iter().enumerate() {
            let to = group.last().map_or(ValueType::Int32, |(_, value_type)| *value_type);
            for (id, _) in group {
                this.ids.push(*id);
                this.parts.push(Part { metric, to, typed: database.is_typed(*id) });
            }
        }
        Some(this)
    }

    /// A sink for a scan of [`Joins::ids`] that gives the wanted metrics to `sink`.
    pub(super) fn sink<'s>(&'s self, sink: &'s mut dyn ScanSink) -> Joined<'s> {
        Joined { joins: self, sink, column: Column::new(ValueType::Float64) }
    }
}

pub(super) struct Joined<'s> {
    joins: &'s Joins,
    sink: &'s mut dyn ScanSink,
    column: Column,
}

impl ScanSink for Joined<'_> {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        let Some(part) = self.joins.parts.get(slice.metric) else { return Ok(ControlFlow::Continue(())) };
        let metric = part.metric;
        if slice.values.value_type() == part.to {
            return self.sink.slice(ScanSlice { metric, ..slice });
        }
        self.column.reset(part.to);
        self.column.extend_became(slice.values, part.typed);
        self.sink.slice(ScanSlice { metric, timestamps: slice.timestamps, values: self.column.values() })
    }

    fn takes_block(&self, metric: usize, start: Timestamp, end: Timestamp) -> bool {
        self.joins.parts.get(metric).is_some_and(|part| self.sink.takes_block(part.metric, start, end))
    }

    fn needs(&self, metric: usize) -> Needs {
        let Some(part) = self.joins.parts.get(metric) else { return Needs::default() };
        Needs { decimals: !part.typed, ..self.sink.needs(part.metric) }
    }

    fn block(&mut self, block: ScanBlock<'_>) -> Result<ControlFlow<()>> {
        match self.joins.parts.get(block.metric) {
            // What was an integer is a float now.
            Some(part) => {
                let is_exact = block.is_exact && part.to.is_integer();
                self.sink.block(ScanBlock { metric: part.metric, is_exact, ..block })
            }
            None => Ok(ControlFlow::Continue(())),
        }
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        self.sink.proceed()
    }
}
