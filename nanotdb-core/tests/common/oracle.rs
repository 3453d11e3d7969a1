//! What a scripted run promised, and whether a reopened engine keeps it.

use super::Content;
use super::rng::Rng;
use nanotdb_core::clock::ManualClock;
use nanotdb_core::config::{EngineConfig, FsyncPolicy};
use nanotdb_core::engine::{Batch, Engine, EngineOptions};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::model::{Number, Sample, Value};
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub const ROOT: &str = "/root";
/// 2026-05-22T23:59:00Z.
pub const START: i64 = 1_779_494_340_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// A sample that was sent. Operation counts say when: sent, acknowledged, promised to survive a power cut.
#[derive(Debug, Clone)]
struct Attempt {
    timestamp: i64,
    value: Value,
    sent: u64,
    acknowledged: Option<u64>,
    durable: Option<u64>,
}

/// How the machine died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    Killed,
    PowerLoss,
}

/// Drives an engine on a simulated disk and remembers what it promised.
pub struct Run {
    pub vfs: SimVfs,
    pub clock: Arc<ManualClock>,
    pub config: EngineConfig,
    engine: Option<Engine>,
    attempts: BTreeMap<(String, String), Vec<Attempt>>,
    rng: Rng,
    counter: i64,
    now: i64,
}

pub fn config(policy: FsyncPolicy, max_records: u32) -> EngineConfig {
    let mut config = EngineConfig::default();
    config.wal.fsync_policy = policy;
    config.manifest_defaults.page.max_records = max_records;
    // Scripts write at times of their own.
    config.limits.max_future = std::time::Duration::ZERO;
    config
}

impl Run {
    pub fn new(vfs: SimVfs, config: EngineConfig, seed: u64) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        Self { vfs, clock, config, engine: None, attempts: BTreeMap::new(), rng: Rng(seed), counter: 0, now: START }
    }

    fn options(&self, vfs: &SimVfs) -> EngineOptions {
        EngineOptions { vfs: Arc::new(vfs.process()), clock: self.clock.clone(), background: false }
    }

    pub fn open(&mut self) {
        let options = self.options(&self.vfs);
        self.engine = Some(Engine::open_with(Path::new(ROOT), self.config.clone(), options).unwrap());
    }

    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// Some hundred operations: batches over several databases and both sides of midnight, flushes (whole, or begun here and
    /// finished some batches later), ticks, restarts.
    pub fn script(&mut self, steps: usize) {
        self.open();
        for _ in 0..steps {
            match self.rng.below(24) {
                0 => self.flush(),
                1 | 2 => self.tick(),
                3 => self.reopen(),
                // As when a thread of the engine flushes. A page that fills up meanwhile finishes it too.
                4..=6 => self.engine().begin_flush().unwrap(),
                7 => self.engine().finish_flush().unwrap(),
                _ => self.write(),
            }
        }
    }

    fn write(&mut self) {
        let mut batch = Batch::new();
        let mut sent = Vec::new();
        let mut refused = 0;
        let at = self.vfs.operation_count();
        self.now += SECOND * self.rng.below(4) as i64;
        for _ in 0..1 + self.rng.below(30) {
            let database =
                if at.is_multiple_of(2) { "alpha" } else { ["alpha", "beta", "gamma"][self.rng.below(3) as usize] };
            let (metric, lag) = [("count", 0), ("level", 0), ("bytes", 0), ("late", 90)][self.rng.below(4) as usize];
            self.counter += 1;
            let value = match metric {
                // Every tenth value needs 64 bits once the run is old enough, so that the metric widens.
                "count" if self.counter > 400 && self.counter % 10 == 0 => Value::Int64((1 << 40) + self.counter),
                "count" => Value::Int64(self.counter),
                "bytes" => Value::Int64((1 << 33) + self.counter),
                _ => Value::Float32(self.counter as f32 + 0.5),
            };
            let timestamp = self.now - lag * SECOND;
            let series = (database.to_owned(), metric.to_owned());
            if self.rng.below(25) == 0 && self.attempts.get(&series).is_some_and(|a| !a.is_empty()) {
                // Older than the newest: refused, and must never come back.
                batch.push(database, metric, value, Some(START - 200 * SECOND));
                refused += 1;
                continue;
            }
            let number = match value {
                Value::Int64(v) => Number::integer(v),
                other => Number::from(other),
            };
            batch.push(database, metric, number, Some(timestamp));
            self.attempts.entry(series.clone()).or_default().push(Attempt {
                timestamp,
                value,
                sent: at,
                acknowledged: None,
                durable: None,
            });
            sent.push(series);
        }
        let outcome = self.engine().write_batch(&mut batch).unwrap();
        assert_eq!((outcome.accepted, outcome.rejected), (sent.len() as u64, refused), "{:?}", outcome.rejections);
        let count = self.vfs.operation_count();
        let always = self.config.wal.fsync_policy == FsyncPolicy::Always;
        for attempt in self.attempts.values_mut().flatten().filter(|a| a.acknowledged.is_none()) {
            attempt.acknowledged = Some(count);
            attempt.durable = always.then_some(count);
        }
    }

    fn promise_everything(&mut self) {
        let count = self.vfs.operation_count();
        for attempt in self.attempts.values_mut().flatten() {
            attempt.durable.get_or_insert(count);
        }
    }

    fn flush(&mut self) {
        self.engine().flush().unwrap();
        self.promise_everything();
    }

    fn tick(&mut self) {
        self.clock.advance(Duration::from_secs(2));
        assert_eq!(self.engine().tick().errors(), Vec::<&str>::new());
        if self.config.wal.fsync_policy == FsyncPolicy::Interval {
            self.promise_everything();
        }
    }

    fn reopen(&mut self) {
        self.engine().close().unwrap();
        self.engine = None;
        self.promise_everything();
        self.open();
    }

    /// Checks that an engine on `vfs`, which died at operation `count`, keeps every promise; then that it works on:
    /// writes, closes, opens, verifies.
    pub fn check(&self, vfs: &SimVfs, death: Death, count: u64, context: &str) {
        let engine = Engine::open_with(Path::new(ROOT), self.config.clone(), self.options(vfs))
            .unwrap_or_else(|e| panic!("{context}: does not open: {e}"));
        assert_eq!(engine.health(), [], "{context}");
        let content = content(&engine);
        self.compare(&content, death, count, context);
        let more = self.write_more(&engine, &content, context);
        engine.close().unwrap();
        let report = verify(Path::new(ROOT), None, self.config.clone(), self.options(vfs)).unwrap();
        assert_eq!(report.problems, [], "{context}: verify");
        for (path, bytes) in vfs.snapshot() {
            let path = path.to_string_lossy();
            assert!(!path.ends_with(".wal") || bytes.is_empty(), "{context}: {path:?} after close");
            assert!(!path.ends_with(".next"), "{context}: {path:?} after close");
        }
        let engine = Engine::open_with(Path::new(ROOT), self.config.clone(), self.options(vfs)).unwrap();
        super::assert_same(&self::content(&engine), &more, &format!("{context}: after writing on"));
    }

    fn compare(&self, content: &Content, death: Death, count: u64, context: &str) {
        for (series, found) in content {
            let attempts = self.attempts.get(series).unwrap_or_else(|| panic!("{context}: {series:?} was never sent"));
            let mut found = found.iter().peekable();
            for attempt in attempts {
                let is_here = found.peek().is_some_and(|s| same(s, attempt));
                if is_here {
                    assert!(attempt.sent <= count, "{context}: {series:?}: {attempt:?} came back from the future");
                    found.next();
                } else {
                    assert!(!self.promised(attempt, death, count), "{context}: {series:?}: lost {attempt:?}");
                }
            }
            let rest: Vec<_> = found.collect();
            assert!(rest.is_empty(), "{context}: {series:?}: never sent, twice, or out of order: {rest:?}");
        }
        for (series, attempts) in &self.attempts {
            if !content.contains_key(series) {
                for attempt in attempts {
                    assert!(!self.promised(attempt, death, count), "{context}: {series:?} is gone with {attempt:?}");
                }
            }
        }
    }

    fn promised(&self, attempt: &Attempt, death: Death, count: u64) -> bool {
        let since = match death {
            Death::Killed => attempt.acknowledged,
            Death::PowerLoss => attempt.durable,
        };
        since.is_some_and(|since| since <= count)
    }

    /// Two samples for every series, and one that is too old.
    fn write_more(&self, engine: &Engine, content: &Content, context: &str) -> Content {
        let mut expected = content.clone();
        for ((database, metric), samples) in &mut expected {
            let newest = *samples.last().unwrap();
            assert_eq!(engine.query_last(database, metric).unwrap(), Some(newest), "{context}: newest of {metric}");
            let too_old = engine.add_sample(database, metric, newest.value, Some(newest.timestamp - 1));
            assert!(too_old.is_err(), "{context}: order is checked after recovery");
            for timestamp in [newest.timestamp, newest.timestamp + SECOND] {
                engine.add_sample(database, metric, newest.value, Some(timestamp)).unwrap();
                samples.push(Sample { timestamp, value: newest.value });
            }
        }
        expected
    }
}

fn same(found: &Sample, sent: &Attempt) -> bool {
    let integer = |v: Value| match v {
        Value::Int32(v) => Some(i64::from(v)),
        Value::Int64(v) => Some(v),
        _ => None,
    };
    found.timestamp == sent.timestamp
        && match integer(sent.value) {
            // An integer metric is 32 bits wide until a value needs more.
            Some(sent) => integer(found.value) == Some(sent),
            None => found.value == sent.value,
        }
}

pub fn content(engine: &Engine) -> Content {
    let mut content = Content::new();
    for database in engine.database_names(true) {
        for metric in engine.metrics(&database).unwrap() {
            let mut samples = Vec::new();
            engine
                .query_range(&database, &metric.name, i64::MIN, i64::MAX, 1, |s| {
                    samples.push(s);
                    ControlFlow::Continue(())
                })
                .unwrap();
            if !samples.is_empty() {
                content.insert((database.clone(), metric.name), samples);
            }
        }
    }
    content
}
