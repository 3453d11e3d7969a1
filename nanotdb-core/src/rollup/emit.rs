//! From samples of a source to results in a destination.

use super::jobs::Job;
use super::outputs::Outputs;
use crate::database::{Database, MetricFiles};
use crate::model::{MetricId, Timestamp};
use crate::plugin::Aggregator;
use crate::plugin::registry::registry;
use crate::query::aggregate::{WindowRows, aggregate};
use crate::query::scan::{self, ScanReport, ScanSlice, Slices};
use crate::query::{Operands, WindowRow, Windows};
use crate::{Error, Result};
use std::ops::ControlFlow;

/// Metrics of one pass. Each needs 16 KiB while it is read.
const METRICS: usize = 1_024;
/// The same when an aggregate keeps every value of a bucket.
const METRICS_BY_VALUE: usize = 64;

/// A metric to roll up.
pub(super) struct Wanted {
    pub(super) id: MetricId,
    /// Buckets that start earlier are done.
    pub(super) from: Timestamp,
    /// Buckets that end later are not due.
    pub(super) due: Timestamp,
    /// For each aggregate of the job, its place among the [`Outputs`]; `None` when another job makes it.
    pub(super) outputs: Vec<Option<usize>>,
}

impl Wanted {
    /// A metric whose results have these names, one for each aggregate of the job, between two times.
    pub(super) fn new(
        (id, source): (MetricId, Operands),
        names: &[Option<String>],
        job: &Job,
        (from, due): (Timestamp, Timestamp),
        outputs: &mut Outputs<'_>,
    ) -> Result<Self> {
        let mut places = Vec::with_capacity(names.len());
        for (name, aggregator) in names.iter().zip(&job.aggregators) {
            places.push(match name {
                Some(name) => Some(outputs.add(name, *aggregator, source)?),
                None => None,
            });
        }
        Ok(Self { id, from, due, outputs: places })
    }
}

/// What was done of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Emitted {
    /// Buckets with samples.
    pub(super) buckets: u64,
    /// End of the last of them.
    pub(super) end: Option<Timestamp>,
    /// Samples in the last of them.
    pub(super) count: u64,
}

/// How many metrics are read at once, so that memory is bounded.
pub(super) fn metrics_at_once(job: &Job) -> usize {
    if job.aggregators.iter().all(|a| a.uses_statistics()) { METRICS } else { METRICS_BY_VALUE }
}

/// Aggregates every bucket that is wanted and hands the results over, written when this returns. `proceed` is asked now
/// and then.
pub(super) fn emit(
    source: &Database,
    job: &Job,
    wanted: &[Wanted],
    outputs: &mut Outputs<'_>,
    proceed: &dyn Fn() -> ControlFlow<()>,
) -> Result<(Vec<Emitted>, ScanReport)> {
    let mut emitted = vec![Emitted::default(); wanted.len()];
    let from = wanted.iter().map(|w| w.from).min().unwrap_or(Timestamp::MAX);
    let due = wanted.iter().map(|w| w.due).max().unwrap_or(Timestamp::MIN);
    if from >= due {
        return Ok((emitted, ScanReport::default()));
    }
    let mut aggregators: Vec<&'static dyn Aggregator> = job.aggregators.clone();
    // What was counted tells later whether samples came late.
    aggregators.push(registry().aggregator("count")?);
    let windows = Windows { width: job.interval, aggregators: &aggregators };
    let ids: Vec<MetricId> = wanted.iter().map(|w| w.id).collect();
    let mut failure = None;
    let each = |metric: usize, end: Timestamp, row: WindowRow<'_>| {
        let start = end.saturating_sub(job.interval);
        let (Some(wanted), Some(emitted)) = (wanted.get(metric), emitted.get_mut(metric)) else {
            return ControlFlow::Continue(());
        };
        if start < wanted.from || end > wanted.due {
            return ControlFlow::Continue(());
        }
        let count = row.values.last().copied().flatten().unwrap_or_default();
        *emitted = Emitted { buckets: emitted.buckets.saturating_add(1), end: Some(end), count: count as u64 };
        let results = wanted.outputs.iter().zip(row.values).enumerate();
        let results = results.filter_map(|(at, (output, result))| Some((at, (*output)?, (*result)?)));
        for (at, output, result) in results {
            if let Err(error) = outputs.push(output, start, result, row.integer(at)) {
                failure = Some(error);
                return ControlFlow::Break(());
            }
        }
        if proceed().is_break() {
            failure = Some(Error::Cancelled("the rollup was stopped".into()));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    };
    // The last window ends where it should, and the sample at that very time is not read.
    let range = (from, due.saturating_sub(1));
    let report = aggregate(source, &ids, range, due, windows, MetricFiles::Preferred, &mut WindowRows(each))?;
    if let Some(error) = failure {
        return Err(error);
    }
    outputs.flush()?;
    Ok((emitted, report))
}

/// Samples of each metric in `from..to`.
pub(super) fn count(source: &Database, ids: &[MetricId], from: Timestamp, to: Timestamp) -> Result<Vec<u64>> {
    let mut counts = vec![0u64; ids.len()];
    let mut add = |slice: ScanSlice<'_>| {
        if let Some(count) = counts.get_mut(slice.metric) {
            *count = count.saturating_add(slice.len() as u64);
        }
        Ok(ControlFlow::Continue(()))
    };
    scan::scan(source, ids, from, to.saturating_sub(1), MetricFiles::Preferred, &mut Slices(&mut add))?;
    Ok(counts)
}

/// Whether any of the metrics has a sample in `from..to`.
pub(super) fn has_samples(source: &Database, ids: &[MetricId], from: Timestamp, to: Timestamp) -> Result<bool> {
    let mut found = false;
    let mut first = |_: ScanSlice<'_>| {
        found = true;
        Ok(ControlFlow::Break(()))
    };
    scan::scan(source, ids, from, to.saturating_sub(1), MetricFiles::Preferred, &mut Slices(&mut first))?;
    Ok(found)
}
