//! An engine on a simulated disk with a clock of its own, for tests that kill it.

use super::Content;
use super::oracle::{ROOT, START, config};
use nanotdb_core::Result;
use nanotdb_core::clock::ManualClock;
use nanotdb_core::config::{EngineConfig, FsyncPolicy};
use nanotdb_core::engine::{Batch, BatchOutcome, Engine, EngineOptions};
use nanotdb_core::model::{Number, Sample, Timestamp, Value};
use nanotdb_core::storage::vfs::sim::{CrashModel, SimVfs};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One second in nanoseconds.
pub const SECOND: i64 = 1_000_000_000;

/// A sample for `database`/`metric`.
pub type Line = (&'static str, &'static str, Value, Timestamp);

pub struct Bench {
    pub vfs: SimVfs,
    pub clock: Arc<ManualClock>,
    pub config: EngineConfig,
}

impl Bench {
    pub fn new(policy: FsyncPolicy, max_records: u32) -> Self {
        Self::on(SimVfs::new(7), config(policy, max_records))
    }

    pub fn on(vfs: SimVfs, config: EngineConfig) -> Self {
        Self { vfs, clock: Arc::new(ManualClock::new(START)), config }
    }

    /// The same configuration on another disk.
    pub fn fork(&self, vfs: SimVfs) -> Self {
        Self { vfs, clock: Arc::new(ManualClock::new(START)), config: self.config.clone() }
    }

    /// The same machine after it died at that moment: killed with the first two seeds, without power with the others.
    pub fn died(&self, at: &SimVfs, seed: u64) -> Self {
        let disk = self.fork(at.fork(seed));
        disk.vfs.set_crash_model([CrashModel::Arbitrary, CrashModel::Ordered][seed as usize % 2]);
        match seed {
            0 | 1 => disk.vfs.kill(),
            _ => disk.vfs.crash(),
        }
        disk
    }

    pub fn options(&self) -> EngineOptions {
        EngineOptions { vfs: Arc::new(self.vfs.process()), clock: self.clock.clone(), background: false }
    }

    pub fn try_open(&self) -> Result<Engine> {
        Engine::open_with(Path::new(ROOT), self.config.clone(), self.options())
    }

    /// Opens and expects that nothing is wrong.
    pub fn open(&self) -> Engine {
        let engine = self.try_open().unwrap();
        assert_eq!(engine.health(), []);
        engine
    }

    /// Its queries use several threads.
    pub fn open_read_only(&self) -> Engine {
        let options = EngineOptions { background: true, ..self.options() };
        Engine::open_read_only_with(Path::new(ROOT), self.config.clone(), options).unwrap()
    }

    /// Ends the process without a word; what was written stays.
    pub fn kill(&self, engine: Engine) {
        self.vfs.kill();
        drop(engine);
    }

    pub fn power_loss(&self, engine: Engine) {
        self.vfs.crash();
        drop(engine);
    }

    /// Content of a file below the root.
    pub fn file(&self, path: &str) -> Vec<u8> {
        self.vfs.snapshot().remove(&self.path(path)).unwrap_or_else(|| panic!("no file {path}: {:?}", self.paths()))
    }

    pub fn path(&self, path: &str) -> PathBuf {
        Path::new(ROOT).join(path)
    }

    pub fn paths(&self) -> Vec<PathBuf> {
        self.vfs.snapshot().into_keys().collect()
    }
}

/// The number that a sender writes for a value: integers have no width there.
pub fn number(value: Value) -> Number {
    match value {
        Value::Int32(v) => Number::integer(i64::from(v)),
        Value::Int64(v) => Number::integer(v),
        other => Number::from(other),
    }
}

pub fn try_send(engine: &Engine, lines: &[Line]) -> Result<BatchOutcome> {
    let mut batch = Batch::new();
    for (database, metric, value, timestamp) in lines {
        batch.push(database, metric, number(*value), Some(*timestamp));
    }
    engine.write_batch(&mut batch)
}

/// Sends one batch and expects that all of it is taken.
pub fn send(engine: &Engine, lines: &[Line]) {
    let outcome = try_send(engine, lines).unwrap();
    assert_eq!((outcome.accepted, outcome.rejected), (lines.len() as u64, 0), "{:?}", outcome.rejections);
}

/// What a reader must find after these lines, in this order.
pub fn content_of(lines: &[Line]) -> Content {
    let mut content = Content::new();
    for (database, metric, value, timestamp) in lines {
        let series = ((*database).to_owned(), (*metric).to_owned());
        content.entry(series).or_default().push(Sample { timestamp: *timestamp, value: *value });
    }
    content
}

pub fn int(v: i32) -> Value {
    Value::Int32(v)
}

pub fn float(v: f32) -> Value {
    Value::Float32(v)
}
