//! Long random runs against a plain map: what is accepted and refused, content, order and newest samples, across flushes,
//! restarts, kills and power cuts. `NANOTDB_MODEL_SEED=7` repeats one run, `NANOTDB_MODEL_RUNS=1000` makes more of them.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::bench::Bench;
use common::oracle::{ROOT, START, config, content};
use common::rng::Rng;
use common::{Content, assert_same};
use nanotdb_core::config::{FsyncPolicy, ValueWidth};
use nanotdb_core::engine::{Batch, Engine};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::model::{Number, Sample, Timestamp, Value, ValueType};
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::storage::vfs::sim::{CrashModel, SimVfs};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;

#[derive(Debug, Clone)]
struct Series {
    value_type: ValueType,
    rows: Vec<Sample>,
    /// How many of `rows`, from the front of their sending, must survive a power cut.
    durable: usize,
}

type Key = (String, String);

/// What the engine is expected to hold.
#[derive(Default, Clone)]
struct Model {
    series: BTreeMap<Key, Series>,
}

/// What a sender writes.
#[derive(Debug, Clone, Copy)]
enum Sent {
    Integer(i64),
    Suffixed(i64),
    /// A float64 that is no text.
    Float(f64),
    /// Decimal text.
    Text(f64),
}

/// Whether a float32 has this text.
fn same_text(single: f32, number: f64) -> bool {
    single.is_finite() && Value::Float32(single).to_string() == Value::Float64(number).to_string()
}

fn is_exact(v: i64) -> bool {
    (v as f64) as i128 == i128::from(v)
}

impl Sent {
    fn number(self) -> Number {
        match self {
            Sent::Integer(v) => Number::integer(v),
            Sent::Suffixed(v) => Number::suffixed_integer(v),
            Sent::Float(v) => Number::float(v),
            Sent::Text(v) => Number::decimal(v, v as f32),
        }
    }

    fn fits_float32(self) -> bool {
        match self {
            Sent::Integer(v) => is_exact(v) && same_text(v as f32, v as f64),
            Sent::Float(v) => same_text(v as f32, v) && f64::from(v as f32).to_bits() == v.to_bits(),
            Sent::Text(v) => same_text(v as f32, v),
            Sent::Suffixed(_) => false,
        }
    }

    /// The value in a metric of this type, by the laws; `None` when it is refused, or the metric has to widen.
    fn value(self, value_type: ValueType, width: ValueWidth) -> Option<Value> {
        let rounds = width == ValueWidth::Bits32;
        match (value_type, self) {
            (ValueType::Int32, Sent::Integer(v) | Sent::Suffixed(v)) => i32::try_from(v).ok().map(Value::Int32),
            (ValueType::Int64, Sent::Integer(v) | Sent::Suffixed(v)) => Some(Value::Int64(v)),
            (ValueType::Int32 | ValueType::Int64, Sent::Float(_) | Sent::Text(_)) => None,
            (_, Sent::Suffixed(_)) => None,
            (ValueType::Float32, Sent::Integer(v)) => {
                Some(Value::Float32(v as f32)).filter(|_| rounds || self.fits_float32())
            }
            (ValueType::Float32, Sent::Float(v) | Sent::Text(v)) => {
                Some(Value::Float32(v as f32)).filter(|_| (v as f32).is_finite() && (rounds || self.fits_float32()))
            }
            (ValueType::Float64, Sent::Integer(v)) => Some(Value::Float64(v as f64)).filter(|_| is_exact(v)),
            (ValueType::Float64, Sent::Float(v) | Sent::Text(v)) => Some(Value::Float64(v)).filter(|_| v.is_finite()),
        }
    }

    fn first_type(self, width: ValueWidth) -> ValueType {
        match (self, width) {
            (Sent::Float(_) | Sent::Text(_), ValueWidth::Bits64) | (Sent::Float(_), ValueWidth::Auto) => {
                ValueType::Float64
            }
            (Sent::Text(_), ValueWidth::Auto) if !self.fits_float32() => ValueType::Float64,
            (Sent::Float(_) | Sent::Text(_), _) => ValueType::Float32,
            (_, ValueWidth::Bits64) => ValueType::Int64,
            (Sent::Integer(v) | Sent::Suffixed(v), ValueWidth::Auto) if i32::try_from(v).is_err() => ValueType::Int64,
            _ => ValueType::Int32,
        }
    }

    /// The type that a metric takes which does not hold it as it is.
    fn wider(self, value_type: ValueType, rows: &[Sample]) -> Option<ValueType> {
        match (value_type, self) {
            (_, Sent::Float(v) | Sent::Text(v)) if !v.is_finite() => None,
            (ValueType::Int32, Sent::Integer(_) | Sent::Suffixed(_)) => Some(ValueType::Int64),
            (ValueType::Int32 | ValueType::Int64, Sent::Float(_) | Sent::Text(_)) => {
                let beyond = |row: &Sample| matches!(row.value, Value::Int64(v) if v.unsigned_abs() > 1 << 53);
                Some(ValueType::Float64).filter(|_| !rows.iter().any(beyond))
            }
            (ValueType::Float32, Sent::Integer(_) | Sent::Float(_) | Sent::Text(_)) => Some(ValueType::Float64),
            _ => None,
        }
    }
}

/// A value of a metric that has become of another type.
fn became(value: Value, value_type: ValueType) -> Value {
    match value_type {
        ValueType::Int64 => Value::Int64(value.to_string().parse().unwrap()),
        ValueType::Float64 => Value::Float64(value.to_string().parse().unwrap()),
        _ => value,
    }
}

impl Model {
    /// Applies one sample; whether it is accepted.
    fn take(&mut self, key: Key, sent: Sent, timestamp: Option<Timestamp>, now: Timestamp, width: ValueWidth) -> bool {
        let known = self.series.get(&key);
        let mut value_type = known.map_or(sent.first_type(width), |s| s.value_type);
        let last = known.and_then(|s| s.rows.last()).map(|s| s.timestamp);
        let timestamp = timestamp.unwrap_or_else(|| now.max(last.unwrap_or(i64::MIN)));
        if last.is_some_and(|last| timestamp < last) {
            return false;
        }
        let mut value = sent.value(value_type, width);
        if value.is_none() && width != ValueWidth::Bits32 {
            let rows = known.map_or(&[][..], |s| &s.rows);
            if let Some(wider) = sent.wider(value_type, rows) {
                value = sent.value(wider, width);
                value_type = wider;
            }
        }
        let Some(value) = value else { return false };
        let series = self.series.entry(key).or_insert(Series { value_type, rows: Vec::new(), durable: 0 });
        if series.value_type != value_type {
            series.value_type = value_type;
            for row in &mut series.rows {
                row.value = became(row.value, value_type);
            }
        }
        series.rows.push(Sample { timestamp, value });
        true
    }

    fn promise_everything(&mut self) {
        self.series.values_mut().for_each(|s| s.durable = s.rows.len());
    }

    fn content(&self) -> Content {
        self.series.iter().filter(|(_, s)| !s.rows.is_empty()).map(|(k, s)| (k.clone(), s.rows.clone())).collect()
    }

    /// After a power cut: what is found must be a subsequence that holds everything durable; it is what counts from now on.
    fn settle(&mut self, found: &Content, engine: &Engine, context: &str) {
        for key in found.keys() {
            assert!(self.series.contains_key(key), "{context}: {key:?} was never accepted");
        }
        for (key, series) in &mut self.series {
            let rows = found.get(key).map(Vec::as_slice).unwrap_or_default();
            let mut left = rows.iter().peekable();
            for (i, row) in series.rows.iter().enumerate() {
                // What widened the metric may be lost.
                let value_type = |s: &Sample| s.value.value_type();
                let same = |s: &&Sample| {
                    let equal = match value_type(s) == value_type(row) {
                        true => s.value.to_bits() == row.value.to_bits(),
                        false => s.value.to_string() == row.value.to_string(),
                    };
                    s.timestamp == row.timestamp && equal
                };
                match left.peek().is_some_and(same) {
                    true => drop(left.next()),
                    false => assert!(i >= series.durable, "{context}: {key:?} lost {row:?}, row {i}"),
                }
            }
            let left: Vec<_> = left.collect();
            assert!(left.is_empty(), "{context}: {key:?}: twice, out of order, or never sent: {left:?}");
            let metric = engine.metric(&key.0, &key.1).unwrap();
            let value_type = metric.map_or(ValueType::Int32, |m| m.value_type);
            *series = Series { value_type, rows: rows.to_vec(), durable: rows.len() };
        }
        self.series.retain(|key, _| engine.metric(&key.0, &key.1).unwrap().is_some());
    }
}

struct Machine {
    bench: Bench,
    engine: Option<Engine>,
    model: Model,
    rng: Rng,
    counter: i64,
    seed: u64,
    step: usize,
}

impl Machine {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let policy = [FsyncPolicy::Always, FsyncPolicy::Interval, FsyncPolicy::Segment][rng.below(3) as usize];
        let mut config = config(policy, 2 + rng.below(60) as u32);
        config.values.width =
            [ValueWidth::Auto, ValueWidth::Auto, ValueWidth::Bits64, ValueWidth::Bits32][rng.below(4) as usize];
        let codecs = registry().codecs();
        config.manifest_defaults.page.codec = codecs[rng.below(codecs.len() as u64) as usize].name().to_owned();
        let partitions = registry().partitioners();
        config.manifest_defaults.retention.partition =
            partitions[rng.below(partitions.len() as u64) as usize].name().to_owned();
        config.manifest_defaults.retention.max_active_days = 1 + rng.below(3) as u32;
        if rng.below(3) == 0 {
            config.wal.max_segment_size = 2_000;
        }
        let bench = Bench::on(SimVfs::new(seed), config);
        bench.vfs.set_crash_model(if rng.below(2) == 0 { CrashModel::Arbitrary } else { CrashModel::Ordered });
        Self { bench, engine: None, model: Model::default(), rng, counter: 0, seed, step: 0 }
    }

    fn context(&self, what: &str) -> String {
        format!("NANOTDB_MODEL_SEED={}, step {}, {what}", self.seed, self.step)
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn run(&mut self, steps: usize) {
        self.engine = Some(self.bench.open());
        for step in 0..steps {
            self.step = step;
            match self.rng.below(44) {
                40 | 41 => self.engine().begin_flush().unwrap(),
                42 => self.engine().finish_flush().unwrap(),
                0 => self.flush(),
                1 => self.close_and_open(),
                2 => self.kill(),
                3 => self.power_loss(),
                4 => self.read_only(),
                5..=8 => self.tick(),
                9..=12 => self.query(),
                _ => self.write(),
            }
        }
        self.close_and_open();
        let report = verify(Path::new(ROOT), None, self.bench.config.clone(), self.bench.options()).unwrap();
        assert_eq!(report.problems, [], "{}", self.context("verify"));
    }

    fn sent(&mut self, metric: usize) -> Sent {
        self.counter += 1;
        let c = self.counter;
        match (metric, self.rng.below(30)) {
            (_, 0) => Sent::Float(f64::NAN),
            // No two samples are equal in time and value, in float32 either: recovery tells the rows of a page from those
            // behind it by their content, so that a page which is sent again as it was counts once.
            (_, 1) => Sent::Float(c as f64 * 1e290),
            (_, 2) => Sent::Suffixed(c),
            (_, 3) => Sent::Text(c as f64 + 0.25),
            (5, 5) => Sent::Text(c as f64 / 1024.0 + 1.0e6),
            (0 | 1, 4) if c > 100 => Sent::Integer(-c << 33),
            (0 | 1, _) => Sent::Integer(c),
            (2, _) => Sent::Integer(c << 33),
            (3, n) if n % 2 == 0 => Sent::Integer(c),
            (_, n) if n % 5 == 1 => Sent::Float(c as f64 + 0.5),
            _ => Sent::Text(c as f64 + 0.5),
        }
    }

    fn write(&mut self) {
        let mut batch = Batch::new();
        let now = nanotdb_core::clock::Clock::now(&*self.bench.clock);
        let width = self.bench.config.values.width;
        let (mut accepted, mut rejected) = (0, 0);
        let databases = 1 + self.rng.below(2);
        for _ in 0..1 + self.rng.below(25) {
            let database = ["alpha", "beta"][self.rng.below(databases) as usize];
            let at = self.rng.below(6) as usize;
            let metric = ["int", "wide", "big", "mixed", "float", "late"][at];
            let timestamp = match (at, self.rng.below(20)) {
                (_, 0) => None,
                (_, 1) => Some(now - 5 * 24 * HOUR),
                // Two days behind, so that old partitions are written to again.
                (5, n) => Some(now - 50 * HOUR + n as i64),
                // The same moment again and again.
                (_, 2..=9) => Some(now - now % (60 * SECOND)),
                _ => Some(now),
            };
            let sent = self.sent(at);
            batch.push(database, metric, sent.number(), timestamp);
            match self.model.take((database.into(), metric.into()), sent, timestamp, now, width) {
                true => accepted += 1,
                false => rejected += 1,
            }
        }
        let outcome = self.engine().write_batch(&mut batch).unwrap();
        let found = (outcome.accepted, outcome.rejected);
        assert_eq!(found, (accepted, rejected), "{}: {:?}", self.context("write"), outcome.rejections);
        if self.bench.config.wal.fsync_policy == FsyncPolicy::Always {
            self.model.promise_everything();
        }
    }

    fn flush(&mut self) {
        self.engine().flush().unwrap();
        self.model.promise_everything();
    }

    fn tick(&mut self) {
        let step =
            [Duration::from_millis(16), Duration::from_secs(2), Duration::from_secs(900), Duration::from_secs(40_000)];
        self.bench.clock.advance(step[self.rng.below(4) as usize]);
        if self.rng.below(10) == 0 {
            let now = nanotdb_core::clock::Clock::now(&*self.bench.clock);
            self.bench.clock.set_wall((now - 600 * SECOND).max(START));
        }
        // Some engines are never ticked for long.
        if self.rng.below(3) > 0 {
            assert_eq!(self.engine().tick().errors(), Vec::<&str>::new());
        }
    }

    fn reopened(&mut self, what: &str) {
        let engine = self.bench.try_open().unwrap_or_else(|e| panic!("{}: {e}", self.context(what)));
        assert_eq!(engine.health(), [], "{}", self.context(what));
        self.engine = Some(engine);
    }

    fn close_and_open(&mut self) {
        self.engine().close().unwrap();
        self.engine = None;
        self.model.promise_everything();
        self.reopened("close");
        self.compare("after a clean restart");
    }

    fn kill(&mut self) {
        self.bench.kill(self.engine.take().unwrap());
        self.reopened("kill");
        self.compare("after a kill");
    }

    fn power_loss(&mut self) {
        self.bench.power_loss(self.engine.take().unwrap());
        self.reopened("power loss");
        let found = content(self.engine());
        let context = self.context("after a power cut");
        let Self { model, engine, .. } = self;
        model.settle(&found, engine.as_ref().unwrap(), &context);
        self.compare("after a power cut");
    }

    fn read_only(&mut self) {
        let before = self.bench.vfs.operation_count();
        let reader = self.bench.open_read_only();
        assert_same(&content(&reader), &self.model.content(), &self.context("reading beside the engine"));
        reader.close().unwrap();
        drop(reader);
        assert_eq!(self.bench.vfs.operation_count(), before, "{}", self.context("a reader wrote"));
    }

    /// Content, order, types, newest samples.
    fn compare(&mut self, what: &str) {
        let context = self.context(what);
        // Sometimes newest samples first, so that they are looked up in files that nothing indexed yet.
        let last_first = self.rng.below(2) == 0;
        if !last_first {
            assert_same(&content(self.engine()), &self.model.content(), &context);
        }
        for ((database, metric), series) in &self.model.series {
            let newest = self.engine().query_last(database, metric).unwrap();
            assert_eq!(newest, series.rows.last().copied(), "{context}: newest of {database}/{metric}");
            let info = self.engine().metric(database, metric).unwrap();
            assert_eq!(info.map(|m| m.value_type), Some(series.value_type), "{context}: {database}/{metric}");
        }
        if last_first {
            assert_same(&content(self.engine()), &self.model.content(), &context);
        }
    }

    /// A random range with a stride, and the sample at a time.
    fn query(&mut self) {
        let keys: Vec<Key> = self.model.series.keys().cloned().collect();
        if keys.is_empty() {
            return;
        }
        let key = &keys[self.rng.below(keys.len() as u64) as usize];
        let now = nanotdb_core::clock::Clock::now(&*self.bench.clock);
        let from = now - self.rng.below(100) as i64 * HOUR;
        let to = from + self.rng.below(60) as i64 * HOUR;
        let stride = 1 + self.rng.below(4) as usize;
        let mut found = Vec::new();
        let report = self.engine().query_range(&key.0, &key.1, from, to, stride, |sample| {
            found.push(sample);
            ControlFlow::Continue(())
        });
        let context = self.context(&format!("{key:?} from {from} to {to} by {stride}"));
        assert_eq!(report.unwrap().warnings, Vec::<String>::new(), "{context}");
        let rows = &self.model.series[key].rows;
        let inside = |s: &&Sample| from <= s.timestamp && s.timestamp <= to;
        let expected: Vec<Sample> = rows.iter().filter(inside).step_by(stride).copied().collect();
        assert_eq!(found, expected, "{context}");
        let at = self.engine().query_at(&key.0, &key.1, to).unwrap();
        assert_eq!(at, rows.iter().rfind(|s| s.timestamp <= to).copied(), "{context}: at its end");
    }
}

#[test]
fn the_engine_behaves_like_a_map() {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    if let Some(seed) = number("NANOTDB_MODEL_SEED") {
        return Machine::new(seed).run(250);
    }
    // The last two lose the batch that names a metric, and keep one behind it.
    for seed in (0..number("NANOTDB_MODEL_RUNS").unwrap_or(60)).chain([278, 323]) {
        Machine::new(seed).run(250);
    }
}
