//! Range scans: column slices of metrics, partition by partition, in time order.

mod metric;
mod partition;
mod raw;

use crate::Result;
use crate::database::{Database, OpenPartition};
pub use crate::database::{MetricFiles, ScanReport};
use crate::format::metric::Rows;
use crate::model::{MetricId, Sample, Timestamp, Values};
use crate::plugin::BlockStatistics;
use partition::Scanner;
use std::ops::ControlFlow;

/// Samples of one metric, consecutive in time, as columns of equal length.
#[derive(Debug, Clone, Copy)]
pub struct ScanSlice<'a> {
    /// Index of the metric in the request.
    pub metric: usize,
    /// Timestamps, non-decreasing.
    pub timestamps: &'a [Timestamp],
    /// As many values, of the metric's type.
    pub values: Values<'a>,
}

impl ScanSlice<'_> {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// One sample; `None` beyond the end.
    #[inline]
    pub fn sample(&self, at: usize) -> Option<Sample> {
        Some(Sample { timestamp: *self.timestamps.get(at)?, value: self.values.get(at)? })
    }
}

/// Samples of one metric, consecutive in time, as what is known of them without reading them.
#[derive(Debug, Clone, Copy)]
pub struct ScanBlock<'a> {
    /// Index of the metric in the request.
    pub metric: usize,
    /// None is older.
    pub start: Timestamp,
    /// None is younger.
    pub end: Timestamp,
    /// About their values.
    pub statistics: &'a BlockStatistics,
}

/// Receives slices; `Break` ends the scan.
pub type ScanCallback<'c> = dyn FnMut(ScanSlice<'_>) -> Result<ControlFlow<()>> + 'c;

/// Every n-th of samples that come in slices.
#[derive(Debug, Clone, Copy)]
pub struct Stride {
    step: usize,
    /// Samples to pass over before the next wanted one.
    skip: usize,
}

impl Stride {
    /// Every `step`-th sample, the first one among them; 0 is taken as 1.
    pub fn new(step: usize) -> Self {
        Self { step: step.max(1), skip: 0 }
    }

    /// Positions of the wanted samples among the next `len`.
    pub fn next(&mut self, len: usize) -> impl Iterator<Item = usize> + use<> {
        let positions = (self.skip..len).step_by(self.step);
        self.skip = match len.checked_sub(self.skip) {
            Some(visited) => (self.step - visited % self.step) % self.step,
            None => self.skip - len,
        };
        positions
    }
}

/// Receives what a scan finds, per metric in time order; metrics alternate. `Break` ends the scan.
pub trait ScanSink {
    /// Takes samples.
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>>;

    /// Whether the samples of a metric that lie between these times, both included, may come as [`ScanSink::block`].
    fn takes_block(&self, metric: usize, start: Timestamp, end: Timestamp) -> bool {
        let _ = (metric, start, end);
        false
    }

    /// Takes samples by their statistics. Only called after [`ScanSink::takes_block`] agreed.
    fn block(&mut self, block: ScanBlock<'_>) -> Result<ControlFlow<()>> {
        let _ = block;
        Ok(ControlFlow::Continue(()))
    }

    /// Asked before each read from disk, whether or not it brings samples: where a deadline is looked at.
    fn proceed(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// A callback as sink.
pub struct Slices<'s, 'c>(pub &'s mut ScanCallback<'c>);

impl ScanSink for Slices<'_, '_> {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        (self.0)(slice)
    }
}

/// Scans `metrics` in `from..=to` into a sink.
pub fn scan(
    database: &Database,
    metrics: &[MetricId],
    from: Timestamp,
    to: Timestamp,
    metric_files: MetricFiles,
    sink: &mut dyn ScanSink,
) -> Result<ScanReport> {
    let snapshot = database.snapshot(metrics, from, to)?;
    let mut report = ScanReport::default();
    let overlap = snapshot.partitions.windows(2).any(|w| match w {
        [a, b] => b.partition.start < a.partition.end,
        _ => false,
    });
    let mut scanner = Scanner::new(database, &snapshot.metrics, from, to, metric_files);
    if overlap {
        let mut all = Collected::new(&snapshot.metrics);
        // The database changed its partitioning. Files of the partitioning it has now are the younger ones, so that rows
        // of equal time come in the order in which they arrived.
        let mut partitions = snapshot.partitions;
        partitions.sort_by_key(|p| !database.is_foreign(p.partition));
        for partition in partitions {
            let _ = scanner.partition(partition, &mut report, &mut all)?;
        }
        for (metric, rows) in all.0.iter_mut().enumerate() {
            rows.sort();
            if emit(metric, rows, sink)?.is_break() {
                break;
            }
        }
    } else {
        for partition in snapshot.partitions {
            if scanner.partition(partition, &mut report, sink)?.is_break() {
                break;
            }
        }
    }
    Ok(report)
}

/// Scans one partition that is open already, without its open page.
pub(crate) fn scan_open(
    database: &Database,
    metrics: &[(MetricId, crate::model::ValueType)],
    (from, to): (Timestamp, Timestamp),
    open: &OpenPartition,
    report: &mut ScanReport,
    sink: &mut dyn ScanSink,
) -> Result<ControlFlow<()>> {
    Scanner::new(database, metrics, from, to, MetricFiles::Preferred).open(open, report, sink)
}

/// Rows of all metrics in memory.
struct Collected(Vec<Rows>);

impl Collected {
    fn new(metrics: &[(MetricId, crate::model::ValueType)]) -> Self {
        Self(metrics.iter().map(|(_, value_type)| Rows::new(*value_type)).collect())
    }
}

impl ScanSink for Collected {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        if let Some(rows) = self.0.get_mut(slice.metric) {
            rows.extend(slice.timestamps, slice.values);
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn emit(metric: usize, rows: &Rows, sink: &mut dyn ScanSink) -> Result<ControlFlow<()>> {
    if rows.timestamps.is_empty() {
        return Ok(ControlFlow::Continue(()));
    }
    sink.slice(ScanSlice { metric, timestamps: &rows.timestamps, values: rows.values.values() })
}
