//! Writing: batches, lines, samples.

use super::Engine;
use super::flusher::FlushQueue;
use crate::config::check_new_database_name;
use crate::database::{Batch, BatchOutcome, Database, Receipt};
use crate::model::{Number, Timestamp};
use crate::plugin::registry::registry;
use crate::plugin::{CheckedParser, IngestOptions};
use crate::{Error, Result};
use std::sync::{Arc, PoisonError};

/// A batch that is in the WAL and in the open pages, but whose fsync or page flush may still be owed.
#[must_use = "settle it before acknowledging"]
pub struct Submitted {
    outcome: BatchOutcome,
    owed: Vec<Owed>,
}

/// What one database still has to do for a batch.
struct Owed {
    database: Arc<Database>,
    receipt: Receipt,
    /// Samples of the batch that it has taken.
    rows: u64,
}

impl Submitted {
    /// Whether [`Engine::settle`] will flush pages, or wait for a flush, which takes much longer than the fsync of a batch.
    pub fn must_flush(&self) -> bool {
        self.owed.iter().any(|owed| owed.receipt.flush)
    }

    /// Whether [`Engine::settle`] will wait for the disk. When false it returns at once.
    pub fn must_wait(&self) -> bool {
        !self.owed.is_empty()
    }
}

impl Engine {
    /// First step of a write: the WAL (one write call per database) and the open pages. Waits for no fsync or page flush,
    /// except when pages pile up that could not be flushed before. Empties the batch.
    ///
    /// Bad samples are counted in the outcome and never block the good ones. An error means that nothing was stored.
    pub fn submit(&self, batch: &mut Batch) -> Result<Submitted> {
        self.inner.check_open()?;
        let mut submitted = Submitted { outcome: std::mem::take(&mut batch.outcome), owed: Vec::new() };
        let counters = self.counters();
        counters.ingest_lines.add(submitted.outcome.rejected.saturating_add(batch.rows.len() as u64));
        if submitted.outcome.rejected > 0 {
            counters.rejected_syntax.add(submitted.outcome.rejected);
        }
        let stored = self.route(batch, &mut submitted);
        batch.clear();
        if stored.is_ok() { &counters.ingest_batches } else { &counters.ingest_failed }.add(1);
        stored?;
        submitted.outcome.sort_rejections();
        Ok(submitted)
    }

    /// Second step: waits until the batch is as durable as `wal.fsync_policy` promises; and for the flush of pages when more
    /// came during the last one than it could keep up with, or when no thread of the engine flushes.
    ///
    /// A database that fails keeps the others from nothing: its samples are counted as [`BatchOutcome::failed`]. An error means that no
    /// sample is known to be durable.
    pub fn settle(&self, submitted: Submitted) -> Result<BatchOutcome> {
        let Submitted { mut outcome, owed } = submitted;
        let mut failure = None;
        for Owed { database, receipt, rows } in owed {
            let queue = if receipt.flush { self.flush_queue() } else { None };
            match database.settle(receipt, queue.is_some()) {
                Ok(wake) => {
                    if let Some(queue) = queue.filter(|_| wake) {
                        queue.wake(&database);
                    }
                }
                Err(error) => {
                    outcome.take_back(rows, &error);
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(error) if outcome.accepted == 0 => Err(error),
            _ => Ok(outcome),
        }
    }

    /// Stores a batch: `submit`, then `settle`.
    pub fn write_batch(&self, batch: &mut Batch) -> Result<BatchOutcome> {
        let submitted = self.submit(batch)?;
        self.settle(submitted)
    }

    /// Stores one line of line protocol. An error when it is rejected.
    pub fn add_line(&self, line: &str) -> Result<()> {
        let format = registry().ingest_format("line_protocol")?;
        let mut batch = Batch::new();
        let parsed = CheckedParser::new(format, &IngestOptions::default())
            .and_then(|mut parser| parser.parse(line.as_bytes(), true, &mut batch));
        parsed.map_err(|failure| Error::BadInput(failure.reason()))?;
        self.write_one(&mut batch)
    }

    /// Stores one sample; without a timestamp, at the current time. An error when it is rejected.
    pub fn add_sample(
        &self,
        database: &str,
        metric: &str,
        value: impl Into<Number>,
        timestamp: Option<Timestamp>,
    ) -> Result<()> {
        let mut batch = Batch::new();
        batch.push(database, metric, value, timestamp);
        self.write_one(&mut batch)
    }

    fn write_one(&self, batch: &mut Batch) -> Result<()> {
        match self.write_batch(batch)?.rejections.into_iter().next() {
            Some(rejection) => Err(Error::BadInput(rejection.reason)),
            None => Ok(()),
        }
    }

    fn route(&self, batch: &mut Batch, submitted: &mut Submitted) -> Result<()> {
        let Some(name) = batch.only_database() else { return self.route_many(batch, submitted) };
        let database = match self.get_or_create(name) {
            Err(error) if self.is_for_ever(name, &error) => {
                self.count_refused(&error, batch.rows.len());
                reject_all(batch, None, &error, &mut submitted.outcome);
                return Ok(());
            }
            other => other?,
        };
        let before = submitted.outcome.accepted;
        let receipt = database.submit(batch, None, &mut submitted.outcome)?;
        self.owe(submitted, database, receipt, before);
        Ok(())
    }

    /// Rows of several databases: each gets its own, in order. When one of them fails as a whole, its rows are rejected with that
    /// reason, so that the sender knows which were stored.
    fn route_many(&self, batch: &mut Batch, submitted: &mut Submitted) -> Result<()> {
        let mut by_database: Vec<Vec<u32>> = batch.databases.iter().map(|_| Vec::new()).collect();
        let mut invalid = 0;
        for (at, row) in batch.rows.iter().enumerate() {
            let Some(series) = batch.series.get(row.series as usize) else { continue };
            match by_database.get_mut(series.database as usize) {
                Some(rows) => rows.push(at as u32),
                None => {
                    let reason = || series.invalid.clone().unwrap_or_default();
                    invalid += 1;
                    submitted.outcome.reject(u64::from(row.line), reason);
                }
            }
        }
        if invalid > 0 {
            self.counters().rejected_name.add(invalid);
        }
        let mut failure = None;
        for (at, rows) in by_database.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            let Some(name) = batch.databases.get(at).cloned() else { continue };
            let before = submitted.outcome.accepted;
            let stored = self.get_or_create(&name).and_then(|database| {
                let receipt = database.submit(batch, Some(&rows), &mut submitted.outcome)?;
                Ok((database, receipt))
            });
            match stored {
                Ok((database, receipt)) => self.owe(submitted, database, receipt, before),
                Err(error) => {
                    self.count_refused(&error, rows.len());
                    reject_all(batch, Some(&rows), &error, &mut submitted.outcome);
                    if !self.is_for_ever(&name, &error) {
                        failure = Some(error);
                    }
                }
            }
        }
        match failure {
            Some(error) if submitted.outcome.accepted == 0 => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether a database is refused for what it is, so that its rows are rejected like any other bad line, and what comes behind
    /// them is stored: it would be one too many, or no new database may have its name.
    fn is_for_ever(&self, name: &str, error: &Error) -> bool {
        match error {
            Error::Limit { .. } => true,
            Error::BadInput(_) => !self.has_database(name) && check_new_database_name(name, self.config()).is_err(),
            _ => false,
        }
    }

    fn count_refused(&self, error: &Error, rows: usize) {
        let counters = self.counters();
        let counter = match error {
            Error::Limit { .. } => &counters.rejected_limit,
            Error::BadInput(_) => &counters.rejected_name,
            _ => &counters.rejected_failed,
        };
        counter.add(rows as u64);
    }

    /// `None` when no thread of the engine flushes.
    fn flush_queue(&self) -> Option<FlushQueue> {
        self.inner.flusher.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.queue()
    }

    /// Leaves what the flusher can do to it, and notes the rest. `before` is how many samples were stored before those of this database.
    fn owe(&self, submitted: &mut Submitted, database: Arc<Database>, mut receipt: Receipt, before: u64) {
        if receipt.flush
            && !receipt.flush_first
            && let Some(queue) = self.flush_queue()
        {
            queue.wake(&database);
            receipt.flush = false;
        }
        if receipt.must_wait() {
            let rows = submitted.outcome.accepted.saturating_sub(before);
            submitted.owed.push(Owed { database, receipt, rows });
        }
    }
}

fn reject_all(batch: &Batch, which: Option<&[u32]>, error: &Error, outcome: &mut BatchOutcome) {
    let mut reject = |at: usize| {
        if let Some(row) = batch.rows.get(at) {
            outcome.reject(u64::from(row.line), || error.to_string());
        }
    };
    let rows = match which {
        Some(which) => {
            which.iter().for_each(|at| reject(*at as usize));
            which.len()
        }
        None => {
            (0..batch.rows.len()).for_each(reject);
            batch.rows.len()
        }
    };
    if error.may_pass() {
        outcome.fail(rows as u64, error);
    }
}
