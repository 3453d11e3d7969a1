//! Many databases under one root: routing, lifecycle, and the embedding API.

use crate::config::EngineConfig;
use crate::model::{MetricId, Number, Sample, Timestamp, ValueType};
use crate::{Result, clock::Clock, storage::vfs::Vfs};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

pub use batch::Batch;
mod batch;

/// How an engine is opened.
pub struct EngineOptions {
    /// The file system.
    pub vfs: Arc<dyn Vfs>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Whether a maintenance thread runs (flush of old pages, interval fsync). Without it, call [`Engine::tick`].
    pub background: bool,
}

/// One rejected line or sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Line number in the input, from 1; 0 for samples that did not come from lines.
    pub line: u64,
    /// Why, and what would be accepted.
    pub reason: String,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchOutcome {
    /// Samples stored.
    pub accepted: u64,
    /// Lines and samples refused.
    pub rejected: u64,
    /// The first [`Batch::MAX_REPORTED`] of them.
    pub rejections: Vec<Rejection>,
}

/// A metric as its catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricInfo {
    /// Name within the database.
    pub name: String,
    /// Id in this database.
    pub id: MetricId,
    /// Value type.
    pub value_type: ValueType,
}

/// Values of one metric, consecutive in time, as row bits ([`crate::model::Value::from_bits`]).
pub struct ScanSlice<'a> {
    /// Index of the metric in the request.
    pub metric: usize,
    /// Its type.
    pub value_type: ValueType,
    /// Timestamps, non-decreasing.
    pub timestamps: &'a [Timestamp],
    /// As many row bits.
    pub bits: &'a [u64],
}

/// What a scan could not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanReport {
    /// One text per damaged frame or file that was skipped.
    pub warnings: Vec<String>,
}

/// The engine. Thread-safe; clones share it.
#[derive(Clone)]
pub struct Engine;

/// A batch that is in the WAL and in the open pages, but whose fsync or page flush is still owed.
#[must_use]
pub struct Submitted {
    /// What became of the batch, once settled.
    pub outcome: BatchOutcome,
}

impl Submitted {
    /// Whether [`Engine::settle`] will wait for the disk. When false it returns at once.
    pub fn must_wait(&self) -> bool {
        todo!()
    }
}

#[allow(missing_docs)]
impl Engine {
    /// Opens (or creates) a root for writing: takes the lock, recovers every database.
    pub fn open(root: &Path, config: EngineConfig) -> Result<Engine> {
        todo!()
    }
    pub fn open_with(root: &Path, config: EngineConfig, options: EngineOptions) -> Result<Engine> {
        todo!()
    }
    /// Opens a root for reading only: no lock, writes nothing, works beside a running server and sees its WAL rows.
    pub fn open_read_only(root: &Path, config: EngineConfig) -> Result<Engine> {
        todo!()
    }
    pub fn config(&self) -> &EngineConfig {
        todo!()
    }
    /// First step of a write: WAL (one write call per database) and open pages. Never waits for an fsync or a page flush.
    pub fn submit(&self, batch: &mut Batch) -> Result<Submitted> {
        todo!()
    }
    /// Second step: waits until the batch is as durable as `wal.fsync_policy` says, and flushes pages that are due.
    pub fn settle(&self, submitted: Submitted) -> Result<BatchOutcome> {
        todo!()
    }
    /// `submit` and `settle`.
    pub fn write_batch(&self, batch: &mut Batch) -> Result<BatchOutcome> {
        todo!()
    }
    /// One line of line protocol; an error when it is rejected.
    pub fn add_line(&self, line: &str) -> Result<()> {
        todo!()
    }
    pub fn add_sample(
        &self,
        database: &str,
        metric: &str,
        value: impl Into<Number>,
        timestamp: Option<Timestamp>,
    ) -> Result<()> {
        todo!()
    }
    /// Creates a database if it is missing.
    pub fn create_database(&self, name: &str) -> Result<()> {
        todo!()
    }
    /// Names, sorted; `internal` only when asked for.
    pub fn database_names(&self, include_internal: bool) -> Vec<String> {
        todo!()
    }
    pub fn has_database(&self, name: &str) -> bool {
        todo!()
    }
    /// Metrics of a database, sorted by name. `Error::NotFound` for an unknown database.
    pub fn metrics(&self, database: &str) -> Result<Vec<MetricInfo>> {
        todo!()
    }
    pub fn metric(&self, database: &str, metric: &str) -> Result<Option<MetricInfo>> {
        todo!()
    }
    /// The newest sample; `None` for an unknown database or metric.
    pub fn query_last(&self, database: &str, metric: &str) -> Result<Option<Sample>> {
        todo!()
    }
    /// The newest sample at or before `at`.
    pub fn query_at(&self, database: &str, metric: &str, at: Timestamp) -> Result<Option<Sample>> {
        todo!()
    }
    /// Every `stride`-th sample of `from..=to` (1 = every one), in time order.
    pub fn query_range(
        &self,
        database: &str,
        metric: &str,
        from: Timestamp,
        to: Timestamp,
        stride: usize,
        callback: impl FnMut(Sample) -> ControlFlow<()>,
    ) -> Result<ScanReport> {
        todo!()
    }
    /// Column slices of several metrics (by name; unknown ones give nothing) in `from..=to`. Per metric in time order; metrics interleave by file.
    pub fn scan(
        &self,
        database: &str,
        metrics: &[&str],
        from: Timestamp,
        to: Timestamp,
        callback: &mut dyn FnMut(ScanSlice<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<ScanReport> {
        todo!()
    }
    /// Flushes every open page and empties the WALs.
    pub fn flush(&self) -> Result<()> {
        todo!()
    }
    /// What the maintenance thread does, once, now.
    pub fn tick(&self) -> Result<()> {
        todo!()
    }
    /// Why writes are refused, per database that is read-only after an I/O error. Empty when healthy.
    pub fn health(&self) -> Vec<(String, String)> {
        todo!()
    }
    /// Flushes, closes, releases the lock. Later calls fail with `Error::BadInput`. Idempotent.
    pub fn close(&self) -> Result<()> {
        todo!()
    }
}
