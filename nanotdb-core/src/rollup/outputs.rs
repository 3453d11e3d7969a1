//! Writing results into a destination.

use crate::config::ValueWidth;
use crate::database::{Batch, BatchOutcome, Database};
use crate::model::{Number, Sample, Timestamp, ValueType};
use crate::plugin::{Aggregator, SampleSink};
use crate::{Error, Result};

/// Rows that are written at once.
const BATCH_ROWS: usize = 8_192;

/// One metric of a destination.
pub(super) struct Output {
    name: String,
    aggregator: &'static dyn Aggregator,
    /// Newest sample that was there before: what is not younger was written by a run that a crash ended.
    newest: Option<Timestamp>,
    /// `None` until it has its first sample.
    value_type: Option<ValueType>,
    /// Whether its source has 64-bit values.
    wide: bool,
}

struct Row {
    timestamp: Timestamp,
    output: usize,
    number: Number,
}

/// What became of results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) written: u64,
    /// There already.
    pub(super) present: u64,
    /// The destination cannot take them.
    pub(super) refused: u64,
    pub(super) reason: Option<String>,
}

/// Takes results of several metrics, in time order for each, and writes them in batches.
pub(super) struct Outputs<'a> {
    destination: &'a Database,
    width: ValueWidth,
    outputs: Vec<Output>,
    rows: Vec<Row>,
    batch: Batch,
    pub(super) result: Written,
}

impl<'a> Outputs<'a> {
    pub(super) fn new(destination: &'a Database, width: ValueWidth) -> Self {
        let (outputs, rows, mut batch) = (Vec::new(), Vec::new(), Batch::new());
        // A bucket of data that is ahead of the clock is emitted when a clock was: the source took it.
        batch.take_any_time();
        Self { destination, width, outputs, rows, batch, result: Written::default() }
    }

    /// Adds a metric and returns its index.
    pub(super) fn add(&mut self, name: &str, aggregator: &'static dyn Aggregator, wide: bool) -> Result<usize> {
        let newest = self.destination.last(name)?.map(|sample| sample.timestamp);
        let value_type = self.destination.metric(name).map(|metric| metric.value_type);
        self.outputs.push(Output { name: name.to_owned(), aggregator, newest, value_type, wide });
        Ok(self.outputs.len().saturating_sub(1))
    }

    /// Name of a metric that was added.
    pub(super) fn name(&self, output: usize) -> Option<&str> {
        self.outputs.get(output).map(|output| output.name.as_str())
    }

    /// Takes a sample of a metric as it is, unless it is there already.
    pub(super) fn carry(&mut self, output: usize, sample: Sample) -> Result<bool> {
        let Some(to) = self.outputs.get_mut(output) else { return Ok(false) };
        if to.newest.is_some_and(|newest| sample.timestamp <= newest) {
            return Ok(false);
        }
        to.newest = Some(sample.timestamp);
        self.rows.push(Row { timestamp: sample.timestamp, output, number: Number::from(sample.value) });
        if self.rows.len() >= BATCH_ROWS {
            self.flush()?;
        }
        Ok(true)
    }

    /// Takes the result of the bucket that starts at `timestamp`.
    pub(super) fn push(&mut self, output: usize, timestamp: Timestamp, result: f64) -> Result<()> {
        let Some(to) = self.outputs.get_mut(output) else { return Ok(()) };
        if to.newest.is_some_and(|newest| timestamp <= newest) {
            self.result.present = self.result.present.saturating_add(1);
            return Ok(());
        }
        match to.number(result, self.width) {
            Ok((number, value_type)) => {
                if to.value_type.is_none() && value_type == ValueType::Float64 {
                    let (database, metric) = (self.destination.name().as_bytes(), to.name.as_bytes());
                    self.batch.declare(0, database, metric, value_type);
                }
                to.value_type.get_or_insert(value_type);
                self.rows.push(Row { timestamp, output, number });
            }
            Err(reason) => {
                self.result.refused = self.result.refused.saturating_add(1);
                self.result.reason.get_or_insert(reason);
            }
        }
        if self.rows.len() >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    /// Writes what was taken.
    pub(super) fn flush(&mut self) -> Result<()> {
        let mut rows = std::mem::take(&mut self.rows);
        // In time order over all metrics, so that after a crash none of them has a hole: the pages of older partitions
        // are flushed first. A page whose rows are in no WAL must not lose them while a younger one has its rows there.
        rows.sort_by_key(|row| row.timestamp);
        let logged = match self.destination.manifest().wal.enabled {
            true => rows.partition_point(|row| !self.destination.is_logged(row.timestamp)),
            false => rows.len(),
        };
        let (unlogged, logged) = rows.split_at(logged);
        self.submit(unlogged)?;
        if !unlogged.is_empty() && self.destination.manifest().wal.enabled {
            self.destination.flush()?;
        }
        self.submit(logged)?;
        rows.clear();
        self.rows = rows;
        Ok(())
    }

    fn submit(&mut self, rows: &[Row]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            let Some(output) = self.outputs.get(row.output) else { continue };
            self.batch.push(self.destination.name(), &output.name, row.number, Some(row.timestamp));
        }
        let mut outcome = BatchOutcome::default();
        let submitted = self.destination.submit(&mut self.batch, None, &mut outcome);
        self.batch.clear();
        self.destination.settle(submitted?, false)?;
        self.result.written = self.result.written.saturating_add(outcome.accepted);
        self.result.refused = self.result.refused.saturating_add(outcome.rejected);
        if let Some(rejection) = outcome.rejections.into_iter().next() {
            self.result.reason.get_or_insert(rejection.reason);
        }
        Ok(())
    }
}

impl Output {
    /// A result as it is stored: counts as integers, the rest as floats, of 64 bits where 32 would lose too much. A
    /// metric that exists keeps its type.
    fn number(&self, result: f64, width: ValueWidth) -> std::result::Result<(Number, ValueType), String> {
        let refuse = |why: String| Err(format!("{}: {why}", self.name));
        if self.aggregator.is_count() {
            return Ok((Number::integer(result as i64), ValueType::Int32));
        }
        if !result.is_finite() {
            return refuse(format!("{result} is not a finite number"));
        }
        let fits = (result as f32).is_finite();
        match self.value_type {
            Some(ValueType::Int32 | ValueType::Int64) => {
                refuse("an integer metric cannot take an aggregate, which may have a fraction".to_owned())
            }
            Some(ValueType::Float32) if !fits => refuse(format!("{result:e} does not fit float32")),
            Some(value_type) => Ok((Number::float(result), value_type)),
            None if width == ValueWidth::Bits64 => Ok((Number::float(result), ValueType::Float64)),
            None if width == ValueWidth::Auto && (self.wide || !fits) => {
                Ok((Number::float(result), ValueType::Float64))
            }
            None if fits => Ok((Number::float(result), ValueType::Float32)),
            None => refuse(format!("{result:e} does not fit float32, and [values] width = \"32\"")),
        }
    }
}

/// After writing with a clock that stepped back, samples may have been refused as too far in its future: such a run counts
/// as failed and is repeated.
pub(super) fn check_clock(destination: &Database, began: Timestamp, now: Timestamp) -> Result<()> {
    if now >= began {
        return Ok(());
    }
    Err(Error::Cancelled(format!("the clock stepped back while results were written to {:?}", destination.name())))
}
