//! Whether a metric holds integers that float64 does not: asked before it becomes float64.

use super::scan::{MetricFiles, ScanBlock, ScanSink, ScanSlice, scan};
use crate::Result;
use crate::database::Database;
use crate::model::value::{EVERY_INTEGER, is_beyond_float64};
use crate::model::{MetricId, Timestamp, Values};
use std::ops::ControlFlow;

/// Whether it holds one, or may: what cannot be read may be anything.
pub(crate) fn has_large_integers(database: &Database, id: MetricId) -> Result<bool> {
    let mut largest = Largest { is_beyond: false };
    let report = scan(database, &[id], Timestamp::MIN, Timestamp::MAX, MetricFiles::Preferred, &mut largest)?;
    Ok(largest.is_beyond || !report.warnings.is_empty())
}

/// Looks for an integer beyond 2^53, by statistics where there are some.
struct Largest {
    is_beyond: bool,
}

impl Largest {
    fn flow(&self) -> Result<ControlFlow<()>> {
        Ok(if self.is_beyond { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

impl ScanSink for Largest {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        self.is_beyond |= match slice.values {
            Values::Int64(values) => values.iter().any(|v| is_beyond_float64(*v)),
            _ => false,
        };
        self.flow()
    }

    fn takes_block(&self, _: usize, _: Timestamp, _: Timestamp) -> bool {
        true
    }

    fn block(&mut self, block: ScanBlock<'_>) -> Result<ControlFlow<()>> {
        // They are rounded to float64 themselves: at 2^53 it is not known.
        self.is_beyond |= block.statistics.min.abs().max(block.statistics.max.abs()) >= EVERY_INTEGER as f64;
        self.flow()
    }
}
