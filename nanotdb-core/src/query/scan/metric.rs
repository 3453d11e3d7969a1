//! One metric in a metric file.

use super::partition::Scanner;
use super::raw::RawScanner;
use super::{Needs, ScanBlock, ScanReport, ScanSink, ScanSlice};
use crate::database::OpenPartition;
use crate::format::metric::{Block, Series};
use crate::model::decimal::Decimals;
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
        let mut meaning = Meaning::of(series, block, sink.needs(metric));
        let is_exact = series.value_type.is_integer();
        if let Some(statistics) = &block.statistics
            && whole
            && sink.takes_block(metric, block.start, block.end)
            && let Some(statistics) = &meaning.of_statistics(statistics)
        {
            *given = given.saturating_add(statistics.count);
            self.database.counters().query_skipped_blocks.add(1);
            return sink.block(ScanBlock { metric, start: block.start, end: block.end, statistics, is_exact });
        }
        if let Some(parts) = self.parts(file, series, block, metric, &mut meaning, sink)? {
            self.database.counters().query_skipped_blocks.add(1);
            for (start, end, statistics) in &parts {
                *given = given.saturating_add(statistics.count);
                let (start, end) = (*start, *end);
                if sink.block(ScanBlock { metric, start, end, statistics, is_exact })?.is_break() {
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
        meaning: &mut Meaning,
        sink: &dyn ScanSink,
    ) -> Result<Option<Vec<(Timestamp, Timestamp, BlockStatistics)>>> {
        // The cheapest question first: a sink that has no use for statistics takes none.
        if block.parts.is_none() || !meaning.has_sums || !sink.takes_block(metric, block.start, block.start) {
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
            match part.statistics.and_then(|statistics| meaning.of_statistics(&statistics)) {
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

/// What statistics in a file say of what values mean.
struct Meaning {
    value_type: ValueType,
    needs: Needs,
    /// Sums are those of the meaning, or nobody looks at them.
    has_sums: bool,
    decimals: Decimals,
}

impl Meaning {
    fn of(series: &Series, block: &Block, needs: Needs) -> Self {
        let value_type = series.value_type;
        let has_sums = !needs.sums || value_type != ValueType::Float32 || block.decimal_sums == needs.decimals;
        Self { value_type, needs, has_sums, decimals: Decimals::default() }
    }

    /// Statistics as they are meant; `None` where they do not say it.
    fn of_statistics(&mut self, statistics: &BlockStatistics) -> Option<BlockStatistics> {
        if !self.has_sums || self.needs.exact && self.value_type.is_integer() && !self.is_exact(statistics) {
            return None;
        }
        let mut meant = *statistics;
        if self.needs.decimals && self.value_type == ValueType::Float32 {
            for value in [&mut meant.min, &mut meant.max, &mut meant.first, &mut meant.last] {
                *value = self.decimals.of(*value as f32);
            }
        }
        Some(meant)
    }

    /// Whether float64 has these integers. A sum has not been rounded on its way where no part of it was beyond what float64 has.
    fn is_exact(&self, statistics: &BlockStatistics) -> bool {
        /// 2^53.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let BlockStatistics { count, min, max, sum, .. } = *statistics;
        let largest = min.abs().max(max.abs());
        let largest_sum = if min >= 0.0 || max <= 0.0 { sum.abs() } else { largest * count as f64 };
        largest < EXACT && (!self.needs.exact_sums || largest_sum < EXACT)
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
