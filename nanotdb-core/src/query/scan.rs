//! Range scans: column slices of metrics, partition by partition, in time order.

mod metric;
mod partition;
mod raw;

use super::joined::Joins;
use super::parallel::{Consumer, Proceed, in_order};
use super::pieces::{Grain, cut};
use crate::Result;
use crate::database::{Database, OpenPartition, PartitionSnapshot};
pub use crate::database::{MetricFiles, ScanReport};
use crate::format::metric::Rows;
use crate::model::{MetricId, Sample, Timestamp, ValueType, Values};
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
    /// About their values, as far as [`ScanSink::needs`] says that they are looked at.
    pub statistics: &'a BlockStatistics,
    /// They are integers, and what is looked at of their statistics is exact.
    pub is_exact: bool,
}

/// What a sink makes of statistics, which decides whether those of a block are what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Values of float32 mean their shortest decimals.
    pub decimals: bool,
    /// It looks at sums.
    pub sums: bool,
    /// Integers must be exact.
    pub exact: bool,
    /// Their sums, too.
    pub exact_sums: bool,
}

impl Default for Needs {
    fn default() -> Self {
        Self { decimals: false, sums: true, exact: false, exact_sums: false }
    }
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

    /// What statistics of a metric must be, for [`ScanSink::block`].
    fn needs(&self, metric: usize) -> Needs {
        let _ = metric;
        Needs::default()
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

/// Metrics of which pieces are kept in memory while others are read. With more of them, one thread scans.
const MOST_METRICS: usize = 4;
/// Blocks or pages in a piece, and so in memory, per thread.
const BLOCKS_PER_PIECE: usize = 4;

/// Scans `metrics` in `from..=to` into a sink; id 0 is a metric without samples.
pub fn scan(
    database: &Database,
    metrics: &[MetricId],
    from: Timestamp,
    to: Timestamp,
    metric_files: MetricFiles,
    sink: &mut dyn ScanSink,
) -> Result<ScanReport> {
    match Joins::of(database, metrics) {
        None => scan_ids(database, metrics, from, to, metric_files, sink),
        Some(joins) => scan_ids(database, &joins.ids, from, to, metric_files, &mut joins.sink(sink)),
    }
}

/// The same of ids that are each a metric.
fn scan_ids(
    database: &Database,
    metrics: &[MetricId],
    from: Timestamp,
    to: Timestamp,
    metric_files: MetricFiles,
    sink: &mut dyn ScanSink,
) -> Result<ScanReport> {
    let snapshot = database.snapshot(metrics, from, to)?;
    let wanted = snapshot.metrics.clone();
    let mut report = ScanReport::default();
    let scan = PieceScan { database, metrics: &wanted, metric_files };
    // Blocks of metric files are decoded faster than whoever takes the samples can do anything with them.
    let pages = |p: &PartitionSnapshot| p.metric_file.is_none() || metric_files == MetricFiles::Ignored;
    if metrics.len() > MOST_METRICS || !snapshot.partitions.iter().any(pages) {
        let _ = scan.partitions((from, to), snapshot.partitions, &mut report, sink)?;
        return Ok(report);
    }
    let grain = Grain { width: 1, most: BLOCKS_PER_PIECE };
    let mut pieces = cut(database, &snapshot, (from, to), metric_files, grain);
    if let [piece] = pieces.as_mut_slice() {
        let partitions = std::mem::take(&mut piece.partitions);
        let _ = scan.partitions(piece.range, partitions, &mut report, sink)?;
        return Ok(report);
    }
    let work = |at: usize, proceed: &mut Proceed<'_>| -> Result<(Vec<Chunk>, ScanReport)> {
        let mut report = ScanReport::default();
        let mut chunks = Chunks { chunks: Vec::new(), proceed };
        if let Some(piece) = pieces.get(at) {
            let _ = scan.partitions(piece.range, piece.partitions.clone(), &mut report, &mut chunks)?;
        }
        Ok((chunks.chunks, report))
    };
    let _ = in_order(pieces.len(), &work, &mut ChunkConsumer { report: &mut report, sink })?;
    Ok(report)
}

/// What the scans of all pieces have in common.
#[derive(Clone, Copy)]
pub(super) struct PieceScan<'a> {
    pub(super) database: &'a Database,
    pub(super) metrics: &'a [(MetricId, ValueType)],
    pub(super) metric_files: MetricFiles,
}

impl PieceScan<'_> {
    /// Scans partitions on this thread.
    pub(super) fn partitions(
        &self,
        (from, to): (Timestamp, Timestamp),
        partitions: Vec<PartitionSnapshot>,
        report: &mut ScanReport,
        sink: &mut dyn ScanSink,
    ) -> Result<ControlFlow<()>> {
        let mut scanner = Scanner::new(self.database, self.metrics, from, to, self.metric_files);
        if !overlap(&partitions) {
            for partition in partitions {
                if scanner.partition(partition, report, sink)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            return Ok(ControlFlow::Continue(()));
        }
        let mut all = Collected::new(self.metrics);
        // The database changed its partitioning. Files of the partitioning it has now are the younger ones, so that rows
        // of equal time come in the order in which they arrived.
        let partitions = self.database.foreign_first(partitions);
        for partition in partitions {
            let _ = scanner.partition(partition, report, &mut all)?;
        }
        for (metric, rows) in all.0.iter_mut().enumerate() {
            rows.sort();
            if emit(metric, rows, sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Whether partitions, in the order of their starts, share some time.
pub(super) fn overlap(partitions: &[PartitionSnapshot]) -> bool {
    partitions.windows(2).any(|w| match w {
        [a, b] => b.partition.start < a.partition.end,
        _ => false,
    })
}

/// Scans one partition that is open already, without its open page.
pub(crate) fn scan_open(
    database: &Database,
    metrics: &[(MetricId, ValueType)],
    (from, to): (Timestamp, Timestamp),
    open: &OpenPartition,
    report: &mut ScanReport,
    sink: &mut dyn ScanSink,
) -> Result<ControlFlow<()>> {
    Scanner::new(database, metrics, from, to, MetricFiles::Preferred).open(open, report, sink)
}

/// Consecutive samples of one metric, by its index.
type Chunk = (usize, Rows);

/// Slices in memory.
struct Chunks<'p, 'f> {
    chunks: Vec<Chunk>,
    proceed: &'p mut Proceed<'f>,
}

impl ScanSink for Chunks<'_, '_> {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        match self.chunks.last_mut().filter(|(metric, _)| *metric == slice.metric) {
            Some((_, rows)) => rows.extend(slice.timestamps, slice.values),
            None => {
                let mut rows = Rows::new(slice.values.value_type());
                rows.extend(slice.timestamps, slice.values);
                self.chunks.push((slice.metric, rows));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        (self.proceed)()
    }
}

struct ChunkConsumer<'c> {
    report: &'c mut ScanReport,
    sink: &'c mut dyn ScanSink,
}

impl Consumer<Result<(Vec<Chunk>, ScanReport)>> for ChunkConsumer<'_> {
    fn proceed(&mut self) -> ControlFlow<()> {
        self.sink.proceed()
    }

    fn take(&mut self, result: Result<(Vec<Chunk>, ScanReport)>) -> Result<ControlFlow<()>> {
        let (chunks, report) = result?;
        self.report.merge(report);
        for (metric, rows) in &chunks {
            if emit(*metric, rows, self.sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(self.sink.proceed())
    }
}

/// Rows of all metrics in memory.
struct Collected(Vec<Rows>);

impl Collected {
    fn new(metrics: &[(MetricId, ValueType)]) -> Self {
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
