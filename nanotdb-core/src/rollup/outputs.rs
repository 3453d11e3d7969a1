//! Writing results into a destination.

use crate::database::{Batch, BatchOutcome, Database};
use crate::model::decimal::shortest;
use crate::model::{Number, Sample, Timestamp, Value, ValueType};
use crate::plugin::Aggregator;
use crate::query::{Operands, aggregate_value};
use crate::{Error, Result};

/// Rows that are written at once.
const BATCH_ROWS: usize = 8_192;

/// One metric of a destination.
pub(super) struct Output {
    name: String,
    aggregator: &'static dyn Aggregator,
    /// Newest sample that was there before: what is not younger was written by a run that a crash ended.
    newest: Option<Timestamp>,
    /// What it is computed of.
    source: Operands,
    /// Its results are exact integers as long as they are of integers: it is no metric of floats, and may take 64 bits.
    takes_integers: bool,
    /// Its own values are a program's float32.
    typed: bool,
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
    outputs: Vec<Output>,
    rows: Vec<Row>,
    batch: Batch,
    pub(super) result: Written,
}

impl<'a> Outputs<'a> {
    pub(super) fn new(destination: &'a Database) -> Self {
        let (outputs, rows, mut batch) = (Vec::new(), Vec::new(), Batch::new());
        // A bucket of data that is ahead of the clock is emitted when a clock was: the source took it.
        batch.take_any_time();
        // A sum that leaves 64 bits is a float64 from then on, and those before it are read as such.
        batch.is_computed = true;
        Self { destination, outputs, rows, batch, result: Written::default() }
    }

    /// Adds a metric and returns its index.
    pub(super) fn add(&mut self, name: &str, aggregator: &'static dyn Aggregator, source: Operands) -> Result<usize> {
        let newest = self.destination.last(name)?.map(|sample| sample.timestamp);
        let known = self.destination.metric(name);
        let takes_integers = aggregator.keeps_integers()
            && known.as_ref().is_none_or(|metric| metric.value_type.is_integer())
            && self.destination.takes_64_bits();
        let typed = known.is_some_and(|metric| self.destination.is_typed(metric.id));
        self.outputs.push(Output { name: name.to_owned(), aggregator, newest, source, takes_integers, typed });
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
        let number = match sample.value {
            // What it means there it means here.
            Value::Float32(v) if !to.typed => Number::decimal(shortest(v), v),
            value => Number::from(value),
        };
        self.rows.push(Row { timestamp: sample.timestamp, output, number });
        if self.rows.len() >= BATCH_ROWS {
            self.flush()?;
        }
        Ok(true)
    }

    /// Takes the result of the bucket that starts at `timestamp`, with what it is as an integer if it is exactly one.
    pub(super) fn push(
        &mut self,
        output: usize,
        timestamp: Timestamp,
        result: f64,
        integer: Option<i64>,
    ) -> Result<()> {
        let Some(to) = self.outputs.get_mut(output) else { return Ok(()) };
        if to.newest.is_some_and(|newest| timestamp <= newest) {
            self.result.present = self.result.present.saturating_add(1);
            return Ok(());
        }
        // What follows in this batch is for the float64 metric that this makes of it.
        to.takes_integers &= integer.is_some() || !self.destination.mixes();
        match to.number(result, integer) {
            Ok(number) => self.rows.push(Row { timestamp, output, number }),
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
    /// A result as it is stored: counts and whole results of integers as integers, the rest as it is shown. The destination widens where it has to.
    fn number(&self, result: f64, integer: Option<i64>) -> std::result::Result<Number, String> {
        if self.aggregator.is_count() {
            return Ok(Number::integer(result as i64));
        }
        if !result.is_finite() {
            return Err(format!("{}: {result} is not a finite number", self.name));
        }
        if let Some(integer) = integer.filter(|_| self.takes_integers) {
            return Ok(Number::integer(integer));
        }
        Ok(match aggregate_value(self.aggregator, self.source, result) {
            // As it is shown.
            Value::Float32(v) => Number::decimal(shortest(v), v),
            Value::Float64(v) if self.source.value_type == ValueType::Float32 => Number::decimal(v, v as f32),
            _ => Number::computed(result),
        })
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
