//! An engine on a simulated disk with a clock of its own, and rollups computed a second time, by the definition.

use crate::common::read;
use nanotdb_core::clock::{Clock, ManualClock};
use nanotdb_core::config::EngineConfig;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::model::{Sample, Value};
use nanotdb_core::storage::vfs::Vfs;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub const SECOND: i64 = 1_000_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
/// 2026-05-22T00:00:00Z.
pub const START: i64 = 1_779_408_000_000_000_000;

/// One disk and one clock; engines come and go.
pub struct Bench {
    pub vfs: SimVfs,
    pub clock: Arc<ManualClock>,
    pub config: EngineConfig,
    pub root: PathBuf,
}

impl Bench {
    pub fn new(seed: u64) -> Self {
        let mut config = EngineConfig::default();
        // Samples of hours come at once, and the clock follows.
        config.limits.max_future = Duration::ZERO;
        Self { vfs: SimVfs::new(seed), clock: Arc::new(ManualClock::new(START)), config, root: PathBuf::from("/root") }
    }

    /// Puts a manifest into a database that does not exist yet.
    pub fn manifest(&self, database: &str, text: &str) {
        let directory = self.root.join(database);
        self.vfs.create_dir_all(&directory).unwrap();
        self.vfs.replace(&directory.join("manifest.toml"), text.as_bytes()).unwrap();
        self.vfs.sync_dir(&self.root).unwrap();
        self.vfs.sync_dir(Path::new("/")).unwrap();
    }

    pub fn options(&self) -> EngineOptions {
        EngineOptions { vfs: Arc::new(self.vfs.process()), clock: self.clock.clone(), background: false }
    }

    pub fn open(&self) -> Engine {
        Engine::open_with(&self.root, self.config.clone(), self.options()).unwrap()
    }

    pub fn advance(&self, nanos: i64) {
        self.clock.advance(Duration::from_nanos(nanos.unsigned_abs()));
    }

    /// Moves the clock to a time that is not in its past.
    pub fn advance_to(&self, at: i64) {
        let now = self.clock.now();
        assert!(at >= now);
        self.advance(at - now);
    }

    pub fn text(&self, path: &str) -> String {
        String::from_utf8(self.vfs.read(&self.root.join(path), 1 << 20).unwrap()).unwrap()
    }

    /// The checkpoint log of a database: the last line of each key.
    pub fn checkpoints(&self, database: &str) -> BTreeMap<String, i64> {
        let path = self.root.join(database).join("rollup.checkpoints.log");
        let bytes = self.vfs.read(&path, 1 << 20).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let parse = |line: &str| {
            let (key, at) = line.trim_end().rsplit_once(',')?;
            Some((key.to_owned(), at.parse().ok()?))
        };
        lines.filter_map(parse).collect()
    }
}

/// Aggregates of one bucket, by the definition.
pub fn naive(aggregate: &str, values: &[f64]) -> f64 {
    let sum = || values.iter().fold(0.0, |sum, v| sum + v);
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match aggregate {
        "min" => sorted[0],
        "max" => sorted[sorted.len() - 1],
        "sum" => sum(),
        "avg" => sum() / values.len() as f64,
        "count" => values.len() as f64,
        "p95" => {
            let rank = 0.95 * (sorted.len() - 1) as f64;
            let below = sorted[rank as usize];
            let above = sorted[(rank as usize + 1).min(sorted.len() - 1)];
            below + (above - below) * (rank - rank.floor())
        }
        other => panic!("{other}"),
    }
}

/// All buckets of a series that end no later than `due`: start and values.
pub fn buckets(samples: &[Sample], interval: i64, due: i64) -> BTreeMap<i64, Vec<f64>> {
    let mut buckets: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for sample in samples {
        let start = sample.timestamp.div_euclid(interval) * interval;
        if start + interval <= due {
            buckets.entry(start).or_default().push(sample.value.as_f64());
        }
    }
    buckets
}

/// A result as a metric of that type stores it.
pub fn stored(like: Value, result: f64) -> Value {
    match like {
        Value::Int32(_) => Value::Int32(result as i32),
        Value::Float32(_) => Value::Float32(result as f32),
        Value::Int64(_) => Value::Int64(result as i64),
        Value::Float64(_) => Value::Float64(result),
    }
}

/// What one job does.
pub struct Spec<'a> {
    pub source: &'a str,
    pub destination: &'a str,
    pub interval: i64,
    pub due: i64,
    pub aggregates: &'a [&'a str],
}

/// Panics unless the results of a metric are there, each once and right, and nothing else is.
pub fn check(engine: &Engine, spec: &Spec<'_>, metric: &str, context: &str) {
    let source = read(engine, spec.source, metric);
    for aggregate in spec.aggregates {
        let name = format!("{metric}.{aggregate}");
        let found = read(engine, spec.destination, &name);
        let expected: Vec<(i64, f64)> = buckets(&source, spec.interval, spec.due)
            .iter()
            .map(|(start, values)| (*start, naive(aggregate, values)))
            .collect();
        let times = |samples: &[Sample]| samples.iter().map(|s| s.timestamp).collect::<Vec<_>>();
        let expected_times: Vec<i64> = expected.iter().map(|(at, _)| *at).collect();
        assert_eq!(times(&found), expected_times, "{context}: {}/{name}", spec.destination);
        for (found, (at, result)) in found.iter().zip(expected) {
            // Statistics of blocks add in another order than a plain sum: the last digit of a float64 may differ.
            let wanted = stored(found.value, result).as_f64();
            let near = (found.value.as_f64() - wanted).abs() <= wanted.abs() * 2e-7;
            assert!(near, "{context}: {}/{name} at {at}: {:?}, not {result}", spec.destination, found.value);
        }
    }
}
