//! Windowed aggregates of several metrics in one pass.

use super::scan::{ScanBlock, ScanSink, ScanSlice};
use super::windows::Windower;
use crate::Result;
use crate::model::Timestamp;
use crate::plugin::Aggregator;
use std::ops::ControlFlow;

/// What is computed of each metric.
#[derive(Clone, Copy)]
pub struct Windows<'a> {
    /// Width of the windows in nanoseconds; they align to the epoch.
    pub width: i64,
    /// The aggregates.
    pub aggregators: &'a [&'static dyn Aggregator],
}

/// Receives index of the metric, end of the window, and one result per aggregate. `Break` ends the scan.
pub type AggregateCallback<'c> = dyn FnMut(usize, Timestamp, &[Option<f64>]) -> ControlFlow<()> + 'c;

/// A sink that aggregates. Rows of one metric come in time order; metrics alternate.
pub struct Aggregation<'c> {
    windowers: Vec<Windower>,
    emit: &'c mut AggregateCallback<'c>,
    stopped: bool,
}

impl<'c> Aggregation<'c> {
    /// For `metrics` metrics in a range that ends at `to`.
    pub fn new(metrics: usize, to: Timestamp, windows: Windows<'_>, emit: &'c mut AggregateCallback<'c>) -> Self {
        let windower = |_| Windower::new(windows.width, to, windows.aggregators);
        Self { windowers: (0..metrics).map(windower).collect(), emit, stopped: false }
    }

    /// Gives the last window of each metric, unless the callback ended the scan.
    pub fn finish(self) {
        let Self { windowers, emit, stopped } = self;
        for (metric, mut windower) in windowers.into_iter().enumerate() {
            if stopped || windower.finish(&mut |end, row| emit(metric, end, row)).is_break() {
                break;
            }
        }
    }
}

impl ScanSink for Aggregation<'_> {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        let Self { windowers, emit, stopped } = self;
        let Some(windower) = windowers.get_mut(slice.metric) else { return Ok(ControlFlow::Continue(())) };
        let flow = windower.push(&slice, &mut |end, row| emit(slice.metric, end, row));
        *stopped |= flow.is_break();
        Ok(flow)
    }

    fn takes_block(&self, metric: usize, start: Timestamp, end: Timestamp) -> bool {
        self.windowers.get(metric).is_some_and(|windower| windower.takes_block(start, end))
    }

    fn block(&mut self, block: ScanBlock<'_>) -> Result<ControlFlow<()>> {
        let Self { windowers, emit, stopped } = self;
        let Some(windower) = windowers.get_mut(block.metric) else { return Ok(ControlFlow::Continue(())) };
        let flow = windower.push_block(&block, &mut |end, row| emit(block.metric, end, row));
        *stopped |= flow.is_break();
        Ok(flow)
    }
}
