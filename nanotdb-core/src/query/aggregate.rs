//! Windowed aggregates of several metrics in one pass.

use super::joined::Joins;
use super::parallel::{Consumer, Proceed, in_order};
use super::pieces::{Grain, Piece, cut};
use super::scan::{MetricFiles, Needs, PieceScan, ScanBlock, ScanReport, ScanSink, ScanSlice};
use super::windows::{WindowRow, Windower};
use crate::database::Database;
use crate::model::{MetricId, Operands, Timestamp};
use crate::plugin::{Aggregator, ValueMemory};
use crate::{Error, Result};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What is computed of each metric.
#[derive(Clone, Copy)]
pub struct Windows<'a> {
    /// Width of the windows in nanoseconds; they align to the epoch.
    pub width: i64,
    /// The aggregates.
    pub aggregators: &'a [&'static dyn Aggregator],
}

/// Receives the windows of an aggregation. Per metric in time order; metrics alternate.
pub trait AggregateSink {
    /// Takes index of the metric, end of the window, and one result per aggregate. `Break` ends the aggregation.
    fn row(&mut self, metric: usize, end: Timestamp, row: &[Option<f64>]) -> ControlFlow<()>;

    /// The same with what is an integer as an integer, also where float64 does not have it. What is called; by itself it calls
    /// [`AggregateSink::row`].
    fn window(&mut self, metric: usize, end: Timestamp, row: WindowRow<'_>) -> ControlFlow<()> {
        self.row(metric, end, row.values)
    }

    /// Asked before each read from disk, whether or not it brings a window: where a deadline is looked at.
    fn proceed(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Who decides on the memory of windows whose values are needed all at once (percentiles). Where it has none left the aggregation
    /// ends in [`Error::Limit`], in the name of [`MAX_REQUEST_MEMORY`].
    fn memory(&self) -> Option<Arc<dyn ValueMemory>> {
        None
    }
}

/// The key that limits the memory of requests.
pub const MAX_REQUEST_MEMORY: &str = "limits.max_request_memory";

impl<F: FnMut(usize, Timestamp, &[Option<f64>]) -> ControlFlow<()>> AggregateSink for F {
    fn row(&mut self, metric: usize, end: Timestamp, row: &[Option<f64>]) -> ControlFlow<()> {
        self(metric, end, row)
    }
}

/// A callback that takes [`AggregateSink::window`].
pub struct WindowRows<F>(pub F);

impl<F: FnMut(usize, Timestamp, WindowRow<'_>) -> ControlFlow<()>> AggregateSink for WindowRows<F> {
    fn row(&mut self, metric: usize, end: Timestamp, row: &[Option<f64>]) -> ControlFlow<()> {
        self.window(metric, end, WindowRow { values: row, integers: &[] })
    }

    fn window(&mut self, metric: usize, end: Timestamp, row: WindowRow<'_>) -> ControlFlow<()> {
        (self.0)(metric, end, row)
    }
}

/// Results, of all metrics and aggregates together, of a piece that is kept in memory while others are read. With more,
/// one thread aggregates.
const MOST_RESULTS: i64 = 1 << 16;

/// Aggregates `metrics` in `from..=to` by windows, the last of which ends at `end` or before; `end` is not before `to`. Id 0 is
/// a metric without samples.
pub fn aggregate(
    database: &Database,
    metrics: &[MetricId],
    (from, to): (Timestamp, Timestamp),
    end: Timestamp,
    windows: Windows<'_>,
    metric_files: MetricFiles,
    sink: &mut dyn AggregateSink,
) -> Result<ScanReport> {
    let joins = Joins::of(database, metrics);
    let snapshot = database.snapshot(joins.as_ref().map_or(metrics, |joins| &joins.ids), from, to)?;
    let wanted = snapshot.metrics.clone();
    let scan = PieceScan { database, metrics: &wanted, metric_files };
    let pass = |range, partitions, report: &mut ScanReport, aggregation: &mut Aggregation<'_>| match &joins {
        None => scan.partitions(range, partitions, report, aggregation),
        Some(joins) => scan.partitions(range, partitions, report, &mut joins.sink(aggregation)),
    };
    let mut report = ScanReport::default();
    let operands = database.operands(metrics);
    let memory = sink.memory();
    // Windows begin and end in the same piece, so that results are the same however the range is cut.
    let grain = Grain { width: windows.width, most: usize::MAX };
    let per_window = metrics.len().saturating_mul(windows.aggregators.len()).max(1) as i64;
    let mut pieces = cut(database, &snapshot, (from, to), metric_files, grain);
    if pieces.iter().any(|piece| (piece.span() / windows.width.max(1)).saturating_mul(per_window) > MOST_RESULTS) {
        pieces = vec![Piece { range: (from, to), partitions: snapshot.partitions }];
    }
    if let [piece] = pieces.as_mut_slice() {
        let mut aggregation = Aggregation::new(&operands, end, windows, memory, sink);
        let partitions = std::mem::take(&mut piece.partitions);
        let _ = pass(piece.range, partitions, &mut report, &mut aggregation)?;
        aggregation.finish();
        return Ok(report);
    }
    let work = |at: usize, proceed: &mut Proceed<'_>| -> Result<(Results, ScanReport)> {
        let mut report = ScanReport::default();
        let mut results = Collector { results: Results::default(), proceed };
        if let Some(piece) = pieces.get(at) {
            let mut aggregation = Aggregation::new(&operands, end, windows, memory.clone(), &mut results);
            let _ = pass(piece.range, piece.partitions.clone(), &mut report, &mut aggregation)?;
            aggregation.finish();
        }
        Ok((results.results, report))
    };
    let width = windows.aggregators.len();
    let _ = in_order(pieces.len(), &work, &mut ResultConsumer { report: &mut report, width, sink })?;
    Ok(report)
}

/// Rows in memory.
#[derive(Default)]
struct Results {
    windows: Vec<(usize, Timestamp)>,
    /// As many for each window as there are aggregates.
    values: Vec<Option<f64>>,
    /// The same of windows that have integers, which are noted by their place in `windows`.
    integers: Vec<Option<i64>>,
    with_integers: Vec<usize>,
}

struct Collector<'p, 'f> {
    results: Results,
    proceed: &'p mut Proceed<'f>,
}

impl AggregateSink for Collector<'_, '_> {
    fn row(&mut self, metric: usize, end: Timestamp, row: &[Option<f64>]) -> ControlFlow<()> {
        self.window(metric, end, WindowRow { values: row, integers: &[] })
    }

    fn window(&mut self, metric: usize, end: Timestamp, row: WindowRow<'_>) -> ControlFlow<()> {
        if row.integers.iter().any(Option::is_some) {
            self.results.with_integers.push(self.results.windows.len());
            self.results.integers.extend_from_slice(row.integers);
        }
        self.results.windows.push((metric, end));
        self.results.values.extend_from_slice(row.values);
        ControlFlow::Continue(())
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        (self.proceed)()
    }
}

struct ResultConsumer<'c> {
    report: &'c mut ScanReport,
    width: usize,
    sink: &'c mut dyn AggregateSink,
}

impl Consumer<Result<(Results, ScanReport)>> for ResultConsumer<'_> {
    fn proceed(&mut self) -> ControlFlow<()> {
        self.sink.proceed()
    }

    fn take(&mut self, result: Result<(Results, ScanReport)>) -> Result<ControlFlow<()>> {
        let (results, report) = result?;
        self.report.merge(report);
        let width = self.width.max(1);
        let mut integers = results.with_integers.iter().zip(results.integers.chunks_exact(width)).peekable();
        for (at, ((metric, end), values)) in results.windows.iter().zip(results.values.chunks_exact(width)).enumerate()
        {
            let integers = integers.next_if(|(of, _)| **of == at).map_or(&[][..], |(_, integers)| integers);
            if self.sink.window(*metric, *end, WindowRow { values, integers }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(self.sink.proceed())
    }
}

/// A sink that aggregates. Rows of one metric come in time order; metrics alternate.
struct Aggregation<'s> {
    windowers: Vec<Windower>,
    memory: Option<Arc<dyn ValueMemory>>,
    sink: &'s mut dyn AggregateSink,
    stopped: bool,
}

impl<'s> Aggregation<'s> {
    /// For metrics of these values, with windows that end at `end` or before.
    fn new(
        operands: &[Operands],
        end: Timestamp,
        windows: Windows<'_>,
        memory: Option<Arc<dyn ValueMemory>>,
        sink: &'s mut dyn AggregateSink,
    ) -> Self {
        let windower =
            |of: &Operands| Windower::within(windows.width, end, windows.aggregators, memory.clone()).of(*of);
        Self { windowers: operands.iter().map(windower).collect(), memory, sink, stopped: false }
    }

    /// Gives the last window of each metric, unless the sink ended the scan.
    fn finish(self) {
        let Self { windowers, sink, stopped, .. } = self;
        for (metric, mut windower) in windowers.into_iter().enumerate() {
            if stopped || windower.finish(&mut |end, row| sink.window(metric, end, row)).is_break() {
                break;
            }
        }
    }

    fn note(&mut self, flow: ControlFlow<()>) -> ControlFlow<()> {
        self.stopped |= flow.is_break();
        flow
    }
}

/// The values of a window take more memory than there is.
#[cold]
pub fn no_memory(memory: Option<&dyn ValueMemory>) -> Error {
    let limit = memory.map_or(0, ValueMemory::limit);
    let detail = "the values of a window take more bytes than requests have left: ask for smaller windows, fewer series or again later";
    Error::Limit { key: MAX_REQUEST_MEMORY, limit, detail: detail.to_owned() }
}

impl ScanSink for Aggregation<'_> {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        let Self { windowers, sink, .. } = self;
        let Some(windower) = windowers.get_mut(slice.metric) else { return Ok(ControlFlow::Continue(())) };
        let flow = windower.push(&slice, &mut |end, row| sink.window(slice.metric, end, row));
        if windower.is_refused() {
            return Err(no_memory(self.memory.as_deref()));
        }
        Ok(self.note(flow))
    }

    fn takes_block(&self, metric: usize, start: Timestamp, end: Timestamp) -> bool {
        self.windowers.get(metric).is_some_and(|windower| windower.takes_block(start, end))
    }

    fn needs(&self, metric: usize) -> Needs {
        self.windowers.get(metric).map_or_else(Needs::default, Windower::needs)
    }

    fn block(&mut self, block: ScanBlock<'_>) -> Result<ControlFlow<()>> {
        let Self { windowers, sink, .. } = self;
        let Some(windower) = windowers.get_mut(block.metric) else { return Ok(ControlFlow::Continue(())) };
        let flow = windower.push_block(&block, &mut |end, row| sink.window(block.metric, end, row));
        Ok(self.note(flow))
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        let flow = self.sink.proceed();
        self.note(flow)
    }
}
