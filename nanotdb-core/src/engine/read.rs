//! Reading: catalogs, newest samples, ranges.

use super::{
    Engine, INTERNAL_DATABASE, MetricFiles, MetricInfo, ScanBlock, ScanCallback, ScanReport, ScanSink, ScanSlice,
};
use crate::database::Database;
use crate::model::{MetricId, Sample, Timestamp};
use crate::query::aggregate::{AggregateSink, Windows, aggregate};
use crate::query::each::scan_each;
use crate::query::scan::{self, Needs, Slices, Stride};
use crate::{Error, Result};
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

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
        self.counters().query_newest.add(1);
        match self.readable(database)? {
            Some(database) => database.last(metric),
            None => Ok(None),
        }
    }

    /// The newest sample, and why it may not be: what came later cannot be read.
    pub fn newest(&self, database: &str, metric: &str) -> Result<Newest> {
        let sample = self.query_last(database, metric)?;
        let warnings = self.database(database).map(|found| found.newest_doubts(metric, sample)).unwrap_or_default();
        Ok(Newest { sample, warnings })
    }

    /// The newest sample at or before `at`.
    pub fn query_at(&self, database: &str, metric: &str, at: Timestamp) -> Result<Option<Sample>> {
        Ok(self.newest_at(database, metric, at, Duration::MAX)?.sample)
    }

    /// [`Engine::newest`] at or before `at`, which reads no further once it took longer than `most`: [`Error::Limit`], in the
    /// name of `limits.max_query_time`.
    pub fn newest_at(&self, database: &str, metric: &str, at: Timestamp, most: Duration) -> Result<Newest> {
        let began = self.clock().monotonic();
        let newest = self.newest(database, metric)?;
        if newest.sample.is_none_or(|newest| newest.timestamp <= at) {
            return Ok(newest);
        }
        // Look back in growing steps, so that a recent time reads little.
        let mut span = 3_600_000_000_000i64;
        let mut to = at;
        let mut report = ScanReport::default();
        loop {
            let from = to.saturating_sub(span);
            let mut sink = LastOf { found: None, in_time: &|| self.clock().monotonic().saturating_sub(began) <= most };
            let scanned = self.counted(&mut sink, |sink| match self.wanted(database, &[metric])? {
                Some((database, ids)) => scan::scan(&database, &ids, from, to, MetricFiles::Preferred, sink),
                None => Ok(ScanReport::default()),
            })?;
            report.merge(scanned);
            let LastOf { found, in_time } = sink;
            if !in_time() {
                let detail = "seconds; ask for a time at which the metric has samples, or a later one".to_owned();
                return Err(Error::Limit { key: "limits.max_query_time", limit: most.as_secs(), detail });
            }
            if found.is_some() || from == Timestamp::MIN {
                return self.with_losses_after(database, found, report);
            }
            to = from.saturating_sub(1);
            span = span.saturating_mul(8);
        }
    }

    /// Adds what is not known to lie before a sample.
    fn with_losses_after(&self, database: &str, sample: Option<Sample>, report: ScanReport) -> Result<Newest> {
        let mut report = report;
        if let Some(found) = self.database(database) {
            found.losses_after(sample.map(|sample| sample.timestamp)).into_iter().for_each(|text| report.warn(text));
        }
        Ok(Newest { sample, warnings: report.warnings })
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
        self.counters().query_raw.add(1);
        let scanned = self.counted(sink, |sink| match self.wanted(database, metrics)? {
            Some((database, ids)) if from <= to => scan::scan(&database, &ids, from, to, metric_files, sink),
            _ => Ok(ScanReport::default()),
        });
        self.with_log_damage(database, scanned)
    }

    /// As [`Engine::scan_into`], but a sink gets all of one metric before any of the next. Keeps at most `memory` bytes of
    /// samples to read pages once for several metrics.
    #[allow(clippy::too_many_arguments)]
    pub fn scan_each(
        &self,
        database: &str,
        metrics: &[&str],
        from: Timestamp,
        to: Timestamp,
        metric_files: MetricFiles,
        memory: usize,
        sink: &mut dyn ScanSink,
    ) -> Result<ScanReport> {
        self.counters().query_raw.add(1);
        let scanned = self.counted(sink, |sink| match self.wanted(database, metrics)? {
            Some((database, ids)) if from <= to => scan_each(&database, &ids, (from, to), metric_files, memory, sink),
            _ => Ok(ScanReport::default()),
        });
        self.with_log_damage(database, scanned)
    }

    /// What an engine that only reads found damaged in the logs of a database: one text each. The samples there are in none of
    /// its answers. (An engine that writes says it in its log when it opens, keeps the bytes, and goes on with a mended one.)
    pub fn log_damage(&self, database: &str) -> Vec<String> {
        self.database(database).map(|database| database.log_damage()).unwrap_or_default()
    }

    /// What an engine that only reads has to say of the logs of all databases, and no answer repeats: ends that a crash cut off, or
    /// that are being written.
    pub fn log_notes(&self) -> Vec<String> {
        self.inner.all_databases().iter().flat_map(|database| database.log_notes()).collect()
    }

    /// The same, and what a start mended and nobody has acknowledged: answers may lack samples for either.
    fn losses(&self, database: &str) -> Vec<String> {
        let Some(database) = self.database(database) else { return Vec::new() };
        let mended = database.mended().into_iter().filter(|mended| mended.lost).map(|mended| mended.text);
        database.log_damage().into_iter().chain(mended).collect()
    }

    /// Nothing tells of which metric and time the damaged samples are, so that each answer may lack some.
    fn with_log_damage(&self, database: &str, report: Result<ScanReport>) -> Result<ScanReport> {
        let mut report = report?;
        self.losses(database).into_iter().for_each(|warning| report.warn(warning));
        Ok(report)
    }

    /// Counts what a scan gives to its sink, and the time that both take.
    fn counted(
        &self,
        sink: &mut dyn ScanSink,
        scan: impl FnOnce(&mut dyn ScanSink) -> Result<ScanReport>,
    ) -> Result<ScanReport> {
        let began = self.clock().monotonic();
        let mut counting = Counting { sink, samples: 0 };
        let report = scan(&mut counting);
        self.counters().query_samples.add(counting.samples);
        self.counters().query_time.add_time(self.clock().monotonic().saturating_sub(began));
        report
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
        sink: &mut dyn AggregateSink,
    ) -> Result<ScanReport> {
        self.counters().query_aggregates.add(1);
        let began = self.clock().monotonic();
        let report = match self.wanted(database, metrics)? {
            Some((database, ids)) if from <= to => {
                aggregate(&database, &ids, (from, to), to, windows, metric_files, sink)
            }
            _ => Ok(ScanReport::default()),
        };
        self.counters().query_time.add_time(self.clock().monotonic().saturating_sub(began));
        self.with_log_damage(database, report)
    }

    /// A database and the ids of metrics, 0 for those that it does not have. `None` when there is nothing to read.
    fn wanted(&self, database: &str, metrics: &[&str]) -> Result<Option<(Arc<Database>, Vec<MetricId>)>> {
        let Some(database) = self.readable(database)? else { return Ok(None) };
        let ids: Vec<MetricId> = metrics.iter().map(|name| database.metric(name).map_or(0, |m| m.id)).collect();
        Ok(ids.iter().any(|id| *id != 0).then_some((database, ids)))
    }

    /// `None` for an unknown database; an error for one that could not be opened.
    fn readable(&self, name: &str) -> Result<Option<Arc<Database>>> {
        match self.database(name) {
            None if self.inner.failure_of(name).is_some() => self.known_database(name).map(Some),
            found => Ok(found),
        }
    }
}

/// The newest sample of a metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Newest {
    /// It; `None` for an unknown database or metric.
    pub sample: Option<Sample>,
    /// One text for each damaged part that may hold a younger one.
    pub warnings: Vec<String>,
}

/// Keeps the last sample of one metric.
struct LastOf<'a> {
    found: Option<Sample>,
    in_time: &'a dyn Fn() -> bool,
}

impl ScanSink for LastOf<'_> {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        self.found = slice.sample(slice.len().saturating_sub(1)).or(self.found);
        Ok(ControlFlow::Continue(()))
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        if (self.in_time)() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// Counts samples on their way.
struct Counting<'s> {
    sink: &'s mut dyn ScanSink,
    samples: u64,
}

impl ScanSink for Counting<'_> {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        self.samples = self.samples.saturating_add(slice.len() as u64);
        self.sink.slice(slice)
    }

    fn takes_block(&self, metric: usize, start: Timestamp, end: Timestamp) -> bool {
        self.sink.takes_block(metric, start, end)
    }

    fn needs(&self, metric: usize) -> Needs {
        self.sink.needs(metric)
    }

    fn block(&mut self, block: ScanBlock<'_>) -> Result<ControlFlow<()>> {
        self.sink.block(block)
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        self.sink.proceed()
    }
}
