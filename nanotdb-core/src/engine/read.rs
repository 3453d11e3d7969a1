//! Reading: catalogs, newest samples, ranges.

use super::{
    Engine, INTERNAL_DATABASE, MetricFiles, MetricInfo, ScanBlock, ScanCallback, ScanReport, ScanSink, ScanSlice,
};
use crate::model::{MetricId, Sample, Timestamp};
use crate::query::aggregate::{AggregateCallback, Aggregation, Windows};
use crate::query::scan::{self, Slices, Stride};
use crate::{Error, Result};
use std::ops::ControlFlow;
use std::sync::PoisonError;

impl Engine {
    /// Names of the databases, sorted; `internal` only when asked for.
    pub fn database_names(&self, include_internal: bool) -> Vec<String> {
        self.inner.replacing.wait_any();
        let databases = self.inner.databases.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> =
            databases.keys().filter(|name| include_internal || name.as_str() != INTERNAL_DATABASE).cloned().collect();
        names.sort();
        names
    }

    /// Whether there is such a database.
    pub fn has_database(&self, name: &str) -> bool {
        self.database(name).is_some()
    }

    /// Metrics of a database, sorted by name. [`Error::NotFound`] for an unknown database.
    pub fn metrics(&self, database: &str) -> Result<Vec<MetricInfo>> {
        Ok(self.known_database(database)?.metrics())
    }

    /// One metric; `None` for an unknown database or metric.
    pub fn metric(&self, database: &str, metric: &str) -> Result<Option<MetricInfo>> {
        Ok(self.database(database).and_then(|d| d.metric(metric)))
    }

    /// The newest sample; `None` for an unknown database or metric.
    pub fn query_last(&self, database: &str, metric: &str) -> Result<Option<Sample>> {
        match self.readable(database)? {
            Some(database) => database.last(metric),
            None => Ok(None),
        }
    }

    /// The newest sample at or before `at`.
    pub fn query_at(&self, database: &str, metric: &str, at: Timestamp) -> Result<Option<Sample>> {
        let newest = self.query_last(database, metric)?;
        if newest.is_none_or(|newest| newest.timestamp <= at) {
            return Ok(newest);
        }
        // Look back in growing steps, so that a recent time reads little.
        let mut span = 3_600_000_000_000i64;
        let mut to = at;
        loop {
            let from = to.saturating_sub(span);
            let mut found = None;
            self.scan(database, &[metric], from, to, &mut |slice| {
                found = slice.sample(slice.len().saturating_sub(1)).or(found);
                Ok(ControlFlow::Continue(()))
            })?;
            if found.is_some() || from == Timestamp::MIN {
                return Ok(found);
            }
            to = from.saturating_sub(1);
            span = span.saturating_mul(8);
        }
    }

    /// Every `stride`-th sample of `from..=to` (1 = every one), in time order. Unknown databases and metrics have none.
    pub fn query_range(
        &self,
        database: &str,
        metric: &str,
        from: Timestamp,
        to: Timestamp,
        stride: usize,
        mut callback: impl FnMut(Sample) -> ControlFlow<()>,
    ) -> Result<ScanReport> {
        if stride == 0 {
            return Err(Error::bad_input("stride 0; 1 (every sample) or more is accepted"));
        }
        let mut stride = Stride::new(stride);
        self.scan(database, &[metric], from, to, &mut |slice| {
            for at in stride.next(slice.len()) {
                if let Some(sample) = slice.sample(at)
                    && callback(sample).is_break()
                {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Column slices of several metrics in `from..=to`. Per metric in time order; metrics alternate.
    /// Unknown databases and metrics give nothing.
    pub fn scan(
        &self,
        database: &str,
        metrics: &[&str],
        from: Timestamp,
        to: Timestamp,
        callback: &mut ScanCallback<'_>,
    ) -> Result<ScanReport> {
        self.scan_into(database, metrics, from, to, MetricFiles::Preferred, &mut Slices(callback))
    }

    /// As [`Engine::scan`], into a sink, which may take blocks by their statistics and stop between reads.
    pub fn scan_into(
        &self,
        database: &str,
        metrics: &[&str],
        from: Timestamp,
        to: Timestamp,
        metric_files: MetricFiles,
        sink: &mut dyn ScanSink,
    ) -> Result<ScanReport> {
        let Some(database) = self.readable(database)? else { return Ok(ScanReport::default()) };
        let known: Vec<(usize, MetricId)> =
            metrics.iter().enumerate().filter_map(|(at, name)| Some((at, database.metric(name)?.id))).collect();
        if known.is_empty() || from > to {
            return Ok(ScanReport::default());
        }
        let ids: Vec<MetricId> = known.iter().map(|(_, id)| *id).collect();
        scan::scan(&database, &ids, from, to, metric_files, &mut Known { known: &known, sink })
    }

    /// Windowed aggregates of several metrics in `from..=to`, in one pass. Windows are half-open, stamped with their end and
    /// clipped to the range; those without samples give no row. Per metric in time order; metrics alternate.
    ///
    /// Blocks of metric files that lie within one window are not read when their statistics are all that is needed.
    #[allow(clippy::too_many_arguments)]
    pub fn aggregate(
        &self,
        database: &str,
        metrics: &[&str],
        from: Timestamp,
        to: Timestamp,
        windows: Windows<'_>,
        metric_files: MetricFiles,
        callback: &mut AggregateCallback<'_>,
    ) -> Result<ScanReport> {
        let mut aggregation = Aggregation::new(metrics.len(), to, windows, callback);
        let report = self.scan_into(database, metrics, from, to, metric_files, &mut aggregation)?;
        aggregation.finish();
        Ok(report)
    }

    /// `None` for an unknown database; an error for one that could not be opened.
    fn readable(&self, name: &str) -> Result<Option<std::sync::Arc<crate::database::Database>>> {
        match self.database(name) {
            None if self.inner.failure_of(name).is_some() => self.known_database(name).map(Some),
            found => Ok(found),
        }
    }
}

/// Gives a sink the indexes of the request, in which unknown metrics have a place too.
struct Known<'s> {
    known: &'s [(usize, MetricId)],
    sink: &'s mut dyn ScanSink,
}

impl Known<'_> {
    fn index(&self, metric: usize) -> usize {
        self.known.get(metric).map_or(metric, |(at, _)| *at)
    }
}

impl ScanSink for Known<'_> {
    fn slice(&mut self, mut slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        slice.metric = self.index(slice.metric);
        self.sink.slice(slice)
    }

    fn takes_block(&self, metric: usize, start: Timestamp, end: Timestamp) -> bool {
        self.sink.takes_block(self.index(metric), start, end)
    }

    fn block(&mut self, mut block: ScanBlock<'_>) -> Result<ControlFlow<()>> {
        block.metric = self.index(block.metric);
        self.sink.block(block)
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        self.sink.proceed()
    }
}
