//! One metric in a metric file.

use super::partition::Scanner;
use super::raw::RawScanner;
use super::{ScanBlock, ScanReport, ScanSink, ScanSlice};
use crate::database::OpenPartition;
use crate::format::metric::{Block, Series};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::plugin::BlockStatistics;
use crate::storage::MetricFile;
use crate::{Error, Result};
use std::ops::ControlFlow;

/// Index in the request, id and type of a metric.
pub(super) type Wanted = (usize, MetricId, ValueType);

impl Scanner<'_> {
    pub(super) fn series(
        &mut self,
        open: &OpenPartition,
        file: &MetricFile,
        wanted: Wanted,
        report: &mut ScanReport,
        sink: &mut dyn ScanSink,
    ) -> Result<ControlFlow<()>> {
        let Some(series) = file.series(wanted.1) else { return Ok(ControlFlow::Continue(())) };
        let mut given = 0u64;
        let (from, to) = (self.from, self.to);
        let blocks = series.blocks.iter().filter(|b| b.start <= to && b.end >= from);
        for block in blocks {
            if sink.proceed().is_break() {
                return Ok(ControlFlow::Break(()));
            }
            match self.block(file, series, block, wanted, &mut given, sink) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Ok(ControlFlow::Break(())),
                Err(error @ (Error::Corrupt { .. } | Error::Incompatible { .. })) => {
                    let instead =
                        if open.has_all_raw { "its raw pages are read instead" } else { "its samples are missing" };
                    self.database.note_left_out(report, file.path(), &format!("{error}; {instead}"));
                    if open.has_all_raw {
                        return self.raw_instead(open, wanted, given, report, sink);
                    }
                }
                Err(e) => return Err(e),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn block(
        &mut self,
        file: &MetricFile,
        series: &Series,
        block: &Block,
        (metric, _, value_type): Wanted,
        given: &mut u64,
        sink: &mut dyn ScanSink,
    ) -> Result<ControlFlow<()>> {
        let whole = block.start >= self.from && block.end <= self.to;
        if let Some(statistics) = &block.statistics
            && whole
            && sink.takes_block(metric, block.start, block.end)
        {
            *given = given.saturating_add(statistics.count);
            self.database.counters().query_skipped_blocks.add(1);
            return sink.block(ScanBlock { metric, start: block.start, end: block.end, statistics });
        }
        if let Some(parts) = self.parts(file, series, block, metric, sink)? {
            self.database.counters().query_skipped_blocks.add(1);
            for (start, end, statistics) in &parts {
                *given = given.saturating_add(statistics.count);
                if sink.block(ScanBlock { metric, start: *start, end: *end, statistics })?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            return Ok(ControlFlow::Continue(()));
        }
        let rows = file.block(self.database.metric_cache(), series, block, &mut self.blocks)?;
        self.database.counters().query_blocks.add(1);
        let from = if block.start >= self.from { 0 } else { rows.timestamps.partition_point(|t| *t < self.from) };
        let to = if block.end <= self.to {
            rows.timestamps.len()
        } else {
            rows.timestamps.partition_point(|t| *t <= self.to)
        };
        let timestamps = rows.timestamps.get(from..to).unwrap_or_default();
        if timestamps.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let mut values = rows.values.values().slice(from..to);
        if values.value_type() != value_type {
            self.widened.reset(value_type);
            if !self.widened.extend(values) {
                let reason = format!("metric {} is {value_type}, and its block {}", series.id, values.value_type());
                return Err(Error::Corrupt { file: file.path().to_owned(), offset: block.extent.offset, reason });
            }
            values = self.widened.values();
        }
        *given = given.saturating_add(timestamps.len() as u64);
        sink.slice(ScanSlice { metric, timestamps, values })
    }

    /// The parts of a block within the range, when the sink takes every one of them. A block is decoded whole or not at
    /// all, so that taking some would save nothing.
    fn parts(
        &self,
        file: &MetricFile,
        series: &Series,
        block: &Block,
        metric: usize,
        sink: &dyn ScanSink,
    ) -> Result<Option<Vec<(Timestamp, Timestamp, BlockStatistics)>>> {
        // The cheapest question first: a sink that has no use for statistics takes none.
        if block.parts.is_none() || !sink.takes_block(metric, block.start, block.start) {
            return Ok(None);
        }
        let mut taken = Vec::new();
        let parts = match file.parts(self.database.metric_cache(), series, block) {
            Ok(parts) => parts,
            // The samples themselves may be whole.
            Err(error @ (Error::Corrupt { .. } | Error::Incompatible { .. })) => {
                tracing::warn!(database = self.database.name(), %error, "read samples instead of statistics");
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        for part in parts {
            if part.count == 0 || part.end < self.from || part.start > self.to {
                continue;
            }
            match part.statistics {
                Some(statistics)
                    if part.start >= self.from
                        && part.end <= self.to
                        && sink.takes_block(metric, part.start, part.end) =>
                {
                    taken.push((part.start, part.end, statistics));
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(taken))
    }

    /// Reads one metric from the raw pages that the metric file was built from, after its first `given` rows.
    fn raw_instead(
        &mut self,
        open: &OpenPartition,
        (metric, id, value_type): Wanted,
        given: u64,
        report: &mut ScanReport,
        sink: &mut dyn ScanSink,
    ) -> Result<ControlFlow<()>> {
        let mut scanner = RawScanner::new(&[(id, value_type)], self.from, self.to);
        let mut rest = Rest { metric, skip: usize::try_from(given).unwrap_or(usize::MAX), sink };
        for raw in &open.raw {
            let offsets = 0..open.covered.of(raw.kind);
            if scanner.file(self.database, &open.snapshot, raw, offsets, report, &mut rest)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Passes on the rows of one metric after the first `skip`.
struct Rest<'s> {
    metric: usize,
    skip: usize,
    sink: &'s mut dyn ScanSink,
}

impl ScanSink for Rest<'_> {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        let from = self.skip.min(slice.len());
        self.skip -= from;
        let timestamps = slice.timestamps.get(from..).unwrap_or_default();
        if timestamps.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        self.sink.slice(ScanSlice { metric: self.metric, timestamps, values: slice.values.slice(from..slice.len()) })
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        self.sink.proceed()
    }
}
