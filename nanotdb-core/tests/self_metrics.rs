//! The engine's numbers about itself: that they are right, and what writing them does and does not do.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::bench::{Bench, SECOND, float, int, send};
use common::oracle::{ROOT, START as T, config};
use common::read;
use nanotdb_core::Error;
use nanotdb_core::clock::Clock;
use nanotdb_core::config::{FsyncPolicy, Manifest, MetricFileFormat, Mixing, RawIngestAction, RetentionAction};
use nanotdb_core::engine::{
    Batch, BuildOptions, Engine, EngineOptions, INTERNAL_DATABASE, MetricFiles, Selection, Windows,
};
use nanotdb_core::model::{Number, Value};
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::stats::{Metric, Recorder};
use nanotdb_core::storage::vfs::Vfs;
use nanotdb_core::storage::vfs::sim::{Fault, SimVfs};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// All numbers, by their name in `internal`.
#[derive(Default)]
struct Numbers(BTreeMap<String, u64>);

impl Recorder for Numbers {
    fn record(&mut self, metric: &'static Metric, labels: &[&str], value: u64) {
        assert_eq!(labels.len(), metric.labels.len(), "{}", metric.name);
        let mut name = String::new();
        metric.push_internal_name(labels, &mut name);
        assert_eq!(self.0.insert(name.clone(), value), None, "{name} came twice");
    }
}

fn numbers(engine: &Engine) -> BTreeMap<String, u64> {
    let mut numbers = Numbers::default();
    engine.collect_stats(&mut numbers);
    numbers.0
}

fn assert_numbers(engine: &Engine, expected: &[(&str, u64)]) {
    let numbers = numbers(engine);
    for (name, value) in expected {
        assert_eq!(numbers.get(*name), Some(value), "{name} in {numbers:#?}");
    }
}

/// The newest values in `internal`, and the number of samples of each.
fn stored(engine: &Engine) -> BTreeMap<String, (usize, Value)> {
    let metrics = engine.metrics(INTERNAL_DATABASE).unwrap();
    let newest = |name: String| {
        let samples = read(engine, INTERNAL_DATABASE, &name);
        (name, (samples.len(), samples.last().unwrap().value))
    };
    metrics.into_iter().map(|metric| newest(metric.name)).collect()
}

#[test]
fn ingest_the_log_and_flushes_are_counted() {
    let mut bench = Bench::new(FsyncPolicy::Always, 1_000);
    bench.config.limits.max_future = Duration::from_secs(600);
    bench.config.values.mixing = Mixing::Reject;
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T), ("home", "b", float(1.5), T), ("shed", "a", int(1), T)]);
    let mut batch = Batch::new();
    batch.push("home", "a", Number::integer(9), Some(T - SECOND));
    batch.push("home", "a", Number::integer(9), Some(T - 2 * SECOND));
    batch.push("home", "a", Number::float(0.5), Some(T));
    batch.push("home", "a b", Number::integer(9), Some(T));
    batch.push("home", "a", Number::integer(9), Some(T + 3_600 * SECOND));
    batch.push("home", "a", Number::integer(2), Some(T + SECOND));
    assert_eq!(engine.write_batch(&mut batch).unwrap().rejected, 5);
    assert!(engine.add_line("home/a").is_err());
    assert_numbers(
        &engine,
        &[
            ("nanotdb.ingest.batches", 3),
            ("nanotdb.ingest.failed_batches", 0),
            ("nanotdb.ingest.samples", 4),
            ("nanotdb.ingest.lines", 10),
            ("nanotdb.ingest.rejected_syntax", 1),
            ("nanotdb.ingest.rejected_name", 1),
            ("nanotdb.ingest.rejected_type", 1),
            ("nanotdb.ingest.rejected_order", 2),
            ("nanotdb.ingest.rejected_future", 1),
            // One write and one fsync per batch and database.
            ("nanotdb.wal.appends", 3),
            ("nanotdb.wal.syncs", 3),
            ("nanotdb.flush.pages", 0),
            ("nanotdb.database.metrics.home", 2),
            ("nanotdb.database.open_rows.home", 3),
            ("nanotdb.database.open_rows.shed", 1),
            ("nanotdb.database.files.home", 0),
        ],
    );
    let wal = [bench.file("home/home.wal").len() as u64, bench.file("shed/shed.wal").len() as u64];
    assert_numbers(
        &engine,
        &[
            ("nanotdb.wal.appended_bytes", wal[0] + wal[1]),
            ("nanotdb.database.wal_bytes.home", wal[0]),
            ("nanotdb.database.wal_bytes.shed", wal[1]),
        ],
    );
    engine.begin_flush().unwrap();
    assert_numbers(&engine, &[("nanotdb.database.wal_bytes.home", wal[0])]);
    engine.finish_flush().unwrap();
    let data =
        [bench.file("home/data-2026-05-22.dat").len() as u64, bench.file("shed/data-2026-05-22.dat").len() as u64];
    let expected = [
        ("nanotdb.flush.pages", 2),
        ("nanotdb.flush.rows", 4),
        // Rows of 4-byte values have 14 bytes.
        ("nanotdb.flush.raw_bytes", 4 * 14),
        ("nanotdb.flush.encoded_bytes", data[0] + data[1]),
        ("nanotdb.flush.syncs", 2),
        ("nanotdb.database.open_rows.home", 0),
        ("nanotdb.database.wal_bytes.home", 0),
        ("nanotdb.database.partitions.home", 1),
        ("nanotdb.database.files.home", 1),
        ("nanotdb.database.bytes.home", data[0]),
        ("nanotdb.database.bytes.shed", data[1]),
        ("nanotdb.database.read_only.home", 0),
    ];
    assert_numbers(&engine, &expected);
    // What is not read yet after a start is known by its length.
    bench.kill(engine);
    assert_numbers(&bench.open(), &expected[6..]);
}

#[test]
fn limits_and_failures_are_counted() {
    let mut bench = Bench::new(FsyncPolicy::Always, 1_000);
    bench.config.limits.max_databases = 1;
    bench.config.limits.max_metrics_per_database = 1;
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T)]);
    let mut batch = Batch::new();
    batch.push("home", "b", Number::integer(1), Some(T));
    batch.push("shed", "a", Number::integer(1), Some(T));
    assert_eq!(engine.write_batch(&mut batch).unwrap().rejected, 2);
    assert_numbers(&engine, &[("nanotdb.ingest.rejected_limit", 2), ("nanotdb.ingest.failed_batches", 0)]);
    bench.vfs.fail_from(1, Fault::Eio);
    assert!(engine.add_sample("home", "a", int(2), Some(T + 1)).is_err());
    bench.vfs.clear_faults();
    assert!(engine.add_sample("home", "a", int(2), Some(T + 1)).is_err());
    let numbers = numbers(&engine);
    assert_eq!(numbers["nanotdb.database.read_only.home"], 1);
    assert_eq!(numbers["nanotdb.ingest.failed_batches"], 2);
}

#[test]
fn queries_builds_and_the_cache_are_counted() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    bench.clock.advance(Duration::from_secs(3 * 86_400));
    let engine = bench.open();
    for page in 0..2i64 {
        for at in 0..10 {
            send(&engine, &[("home", "a", int(at), T + (page * 10 + i64::from(at)) * SECOND)]);
        }
        engine.flush().unwrap();
    }
    let go_on = |_| ControlFlow::Continue(());
    assert_eq!(read(&engine, "home", "a").len(), 20);
    engine.query_last("home", "a").unwrap();
    engine.query_at("home", "a", T + 5 * SECOND).unwrap();
    // Two pages each for the query and for the time in the past.
    assert_numbers(
        &engine,
        &[
            ("nanotdb.query.raw", 1),
            ("nanotdb.query.newest", 2),
            ("nanotdb.query.aggregates", 0),
            ("nanotdb.query.pages", 3),
            ("nanotdb.query.samples", 26),
            ("nanotdb.query.blocks", 0),
        ],
    );
    let options = BuildOptions::new(MetricFileFormat::V3, "", RawIngestAction::Delete).unwrap();
    engine.build_metric_files("home", Selection::Sealed, options, &mut { go_on }).unwrap();
    let bytes = bench.file("home/metric-2026-05-22.dat").len() as u64;
    let before = numbers(&engine);
    assert_eq!(before["nanotdb.build.files"], 1);
    assert_eq!(before["nanotdb.build.samples"], 20);
    assert_eq!(before["nanotdb.build.bytes"], bytes);
    assert_eq!((before["nanotdb.database.files.home"], before["nanotdb.database.bytes.home"]), (1, bytes));
    assert_eq!(read(&engine, "home", "a").len(), 20);
    let aggregators = [registry().aggregator("max").unwrap()];
    let windows = Windows { width: 86_400 * SECOND, aggregators: &aggregators };
    let mut none = |_: usize, _: i64, _: &[Option<f64>]| ControlFlow::Continue(());
    engine.aggregate("home", &["a"], i64::MIN, i64::MAX, windows, MetricFiles::Preferred, &mut none).unwrap();
    let after = numbers(&engine);
    let grown = |name: &str| after[name] - before[name];
    assert_eq!(grown("nanotdb.query.blocks"), 1);
    assert_eq!(grown("nanotdb.query.skipped_blocks"), 1);
    assert_eq!(grown("nanotdb.query.aggregates"), 1);
    assert_eq!(grown("nanotdb.query.samples"), 20);
    assert!(grown("nanotdb.cache.hits") > 0, "the directory of the file");
    assert!(after["nanotdb.cache.bytes"] > 0);
    assert!(after["nanotdb.cache.misses"] > 0);
}

#[test]
fn one_sample_per_number_goes_to_internal() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T), ("home", "a", int(2), T)]);
    let before = numbers(&engine);
    engine.write_stats().unwrap();
    let stored = stored(&engine);
    for (name, value) in &before {
        // The database itself was created in between.
        assert_eq!(stored[name], (1, Value::Int32(i32::try_from(*value).unwrap())), "{name}");
    }
    let times: Vec<i64> = stored.keys().map(|n| read(&engine, INTERNAL_DATABASE, n)[0].timestamp).collect();
    assert!(times.iter().all(|time| *time == bench.clock.now()), "{times:?}");
    // Users do not see it unless they ask, and it costs the device nothing until its page is full or old.
    assert_eq!(engine.database_names(false), ["home"]);
    assert_eq!(engine.database_names(true), ["home", INTERNAL_DATABASE]);
    assert_eq!(bench.file("internal/internal.wal"), b"");
    let manifest = bench.path("internal/manifest.toml");
    let manifest = Manifest::load(&bench.vfs, &manifest, &Manifest::default()).unwrap().value;
    assert_eq!(
        (manifest.retention.retention_days, manifest.retention.retention_action, manifest.retention.partition.as_str()),
        (30, RetentionAction::Delete, "day")
    );
    assert!(!manifest.wal.enabled);
    // It goes on after a stop, from where it was.
    engine.close().unwrap();
    drop(engine);
    let engine = bench.open();
    bench.clock.advance(Duration::from_secs(30));
    engine.write_stats().unwrap();
    assert_eq!(self::stored(&engine)["nanotdb.ingest.samples"], (2, int(0)));
}

#[test]
fn numbers_widen_and_a_clock_that_steps_back_refuses_none() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    engine.write_stats().unwrap();
    let began = bench.clock.now();
    bench.clock.set_wall(began - 3_600 * SECOND);
    let large = i64::from(i32::MAX) + 7;
    engine.counters().query_samples.add(large.unsigned_abs());
    engine.write_stats().unwrap();
    let samples = read(&engine, INTERNAL_DATABASE, "nanotdb.query.samples");
    assert_eq!(samples.iter().map(|s| s.value).collect::<Vec<_>>(), [Value::Int64(0), Value::Int64(large)]);
    assert_eq!(samples[1].timestamp, began);
    assert_numbers(&engine, &[("nanotdb.ingest.rejected_order", 0), ("nanotdb.ingest.rejected_type", 0)]);
}

#[test]
fn a_database_that_takes_no_writes_gets_no_samples() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    engine.write_stats().unwrap();
    engine.flush().unwrap();
    engine.write_stats().unwrap();
    bench.vfs.fail_from(1, Fault::Eio);
    assert!(engine.flush().is_err());
    bench.vfs.clear_faults();
    let before = numbers(&engine)["nanotdb.ingest.lines"];
    assert!(matches!(engine.write_stats(), Err(Error::ReadOnly { .. })));
    assert_numbers(&engine, &[("nanotdb.ingest.lines", before), ("nanotdb.ingest.failed_batches", 0)]);
    assert_eq!(read(&engine, INTERNAL_DATABASE, "nanotdb.ingest.samples").len(), 2);
    bench.kill(engine);
    let reader = bench.open_read_only();
    let operations = bench.vfs.operation_count();
    assert!(matches!(reader.write_stats(), Err(Error::ReadOnly { .. })));
    assert_eq!(bench.vfs.operation_count(), operations);
}

#[test]
fn dying_while_internal_is_created_leaves_a_root_that_opens() {
    let bench = Bench::on(SimVfs::new(11), config(FsyncPolicy::Always, 1_000));
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T)]);
    bench.vfs.record_forks(true);
    engine.write_stats().unwrap();
    engine.flush().unwrap();
    let forks = bench.vfs.take_forks();
    assert!(forks.len() > 8, "{}", forks.len());
    for (at, fork) in forks.into_iter().enumerate() {
        for by_power_loss in [false, true] {
            let disk = bench.fork(fork.fork(at as u64));
            if by_power_loss {
                disk.vfs.crash()
            } else {
                disk.vfs.kill()
            }
            let engine = disk.open();
            assert_eq!(read(&engine, "home", "a").len(), 1);
            engine.write_stats().unwrap();
            engine.close().unwrap();
            let manifest = disk.file("internal/manifest.toml");
            assert_eq!(manifest, bench.file("internal/manifest.toml"), "operation {at}, power loss {by_power_loss}");
        }
    }
}

fn threaded(bench: &Bench, background: bool) -> Engine {
    let vfs: Arc<dyn Vfs> = Arc::new(bench.vfs.process());
    let options = EngineOptions { vfs, clock: bench.clock.clone(), background };
    Engine::open_with(Path::new(ROOT), bench.config.clone(), options).unwrap()
}

#[test]
fn threads_write_them_every_interval_and_an_engine_without_threads_does_not() {
    let mut bench = Bench::new(FsyncPolicy::Interval, 1_000);
    // The threads look every millisecond of real time; the interval is one of the clock that the test moves.
    bench.config.wal.fsync_interval = Duration::from_millis(1);
    let samples = |engine: &Engine| read(engine, INTERNAL_DATABASE, "nanotdb.maintenance.rounds").len();
    let engine = threaded(&bench, true);
    let wait_for = |what: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !what() {
            assert!(began.elapsed() < Duration::from_secs(120));
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    let rounds = |n: u64| {
        let now = engine.counters().maintenance_rounds.get();
        wait_for(&|| engine.counters().maintenance_rounds.get() >= now + n);
    };
    rounds(3);
    assert!(!engine.has_database(INTERNAL_DATABASE), "nothing before the first interval is over");
    for expected in 1..4 {
        bench.clock.advance(Duration::from_secs(30));
        wait_for(&|| engine.has_database(INTERNAL_DATABASE) && samples(&engine) == expected);
        rounds(3);
        assert_eq!(samples(&engine), expected);
    }
    engine.close().unwrap();
    drop(engine);

    let engine = threaded(&bench, false);
    bench.clock.advance(Duration::from_secs(300));
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(samples(&engine), 3);
    drop(engine);

    bench.config.stats.enabled = false;
    let engine = threaded(&bench, true);
    bench.clock.advance(Duration::from_secs(300));
    let now = engine.counters().maintenance_rounds.get();
    wait_for(&|| engine.counters().maintenance_rounds.get() >= now + 3);
    assert_eq!(samples(&engine), 3);
}
