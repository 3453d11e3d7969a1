//! Queries while rows come, pages are flushed, metric files are built and raw files go, on a real file system: each query
//! sees every row that was acknowledged before it once, and none twice.

use crate::common::oracle::config;
use crate::support::{DAY, FORMATS, build, options};
use nanotdb_core::config::{EngineConfig, FsyncPolicy, MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{Batch, Engine, EngineOptions, MetricFiles, Windows};
use nanotdb_core::model::{Number, Value};
use nanotdb_core::plugin::registry::registry;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const METRICS: [&str; 3] = ["a", "b", "c"];

fn quiet() -> EngineConfig {
    config(FsyncPolicy::Segment, 40)
}

fn open(root: &Path) -> Engine {
    let options = EngineOptions { background: false, ..EngineOptions::default() };
    Engine::open_with(root, quiet(), options).unwrap()
}

/// Row `n` of every metric. Several have the same timestamp, and all lie in one sealed day.
fn add(engine: &Engine, from: u64, to: u64) {
    let mut batch = Batch::new();
    for n in from..to {
        for metric in METRICS {
            batch.push("pi", metric, Number::integer(n as i64), Some(DAY + (n / 3) as i64 * 1_000_000));
        }
    }
    let outcome = engine.write_batch(&mut batch).unwrap();
    assert_eq!(outcome.accepted, (to - from) * METRICS.len() as u64, "{:?}", outcome.rejections);
}

/// The values of a metric, which must be 0, 1, 2 and so on.
fn values(engine: &Engine, metric: &str) -> (Vec<i64>, Vec<String>) {
    try_values(engine, metric).unwrap()
}

fn try_values(engine: &Engine, metric: &str) -> nanotdb_core::Result<(Vec<i64>, Vec<String>)> {
    let mut values = Vec::new();
    let report = engine.query_range("pi", metric, i64::MIN, i64::MAX, 1, |sample| {
        values.push(if let Value::Int32(v) = sample.value { i64::from(v) } else { -1 });
        ControlFlow::Continue(())
    })?;
    Ok((values, report.warnings))
}

fn check_values(found: &[i64], at_least: u64, at_most: u64, context: &str) {
    for (at, value) in found.iter().enumerate() {
        assert_eq!(*value, at as i64, "{context}: of {} rows one is missing or there twice", found.len());
    }
    let len = found.len() as u64;
    assert!(
        at_least <= len && len <= at_most,
        "{context}: {len} rows, at least {at_least} and at most {at_most} expected"
    );
}

fn count(engine: &Engine) -> u64 {
    let aggregators = [registry().aggregator("count").unwrap()];
    let windows = Windows { width: 365 * 86_400_000_000_000, aggregators: &aggregators };
    let mut total = 0;
    let mut add = |_: usize, _: i64, row: &[Option<f64>]| {
        total += row[0].unwrap() as u64;
        ControlFlow::Continue(())
    };
    let report = engine.aggregate("pi", &["b"], i64::MIN, i64::MAX, windows, MetricFiles::Preferred, &mut add).unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
    total
}

/// What has been sent, and what of it was acknowledged.
#[derive(Default)]
struct Progress {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    done: AtomicBool,
}

impl Progress {
    fn write(&self, engine: &Engine, rounds: u64, format: MetricFileFormat, action: RawIngestAction) {
        // Also when it panics, so that nobody waits for it.
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let _done = Done(&self.done);
        for round in 0..rounds {
            let from = self.acknowledged.load(Ordering::SeqCst);
            let to = from + 1 + round % 7;
            self.sent.store(to, Ordering::SeqCst);
            add(engine, from, to);
            self.acknowledged.store(to, Ordering::SeqCst);
            match round % 4 {
                0 => engine.flush().unwrap(),
                1 => drop(build(engine, options(format, action)).unwrap()),
                _ => {}
            }
        }
    }
}

/// A database with its first ten rows.
fn begun(directory: &Path) -> (Engine, Progress) {
    let engine = open(directory);
    add(&engine, 0, 10);
    let progress = Progress::default();
    progress.acknowledged.store(10, Ordering::SeqCst);
    progress.sent.store(10, Ordering::SeqCst);
    (engine, progress)
}

#[test]
fn queries_see_each_acknowledged_row_once_while_metric_files_are_built() {
    for format in FORMATS {
        for action in [RawIngestAction::Delete, RawIngestAction::Rename, RawIngestAction::Keep] {
            let directory = tempfile::tempdir().unwrap();
            let (engine, progress) = begun(directory.path());
            let asked = AtomicU64::new(0);
            std::thread::scope(|scope| {
                scope.spawn(|| progress.write(&engine, 100, format, action));
                for kind in 0..3 {
                    let (progress, engine, asked) = (&progress, &engine, &asked);
                    scope.spawn(move || {
                        let mut last_round = false;
                        loop {
                            let context = format!("{format:?}, {action:?}, kind {kind}");
                            let at_least = progress.acknowledged.load(Ordering::SeqCst);
                            match kind {
                                0 => {
                                    let (found, warnings) = values(engine, METRICS[at_least as usize % 3]);
                                    let at_most = progress.sent.load(Ordering::SeqCst);
                                    assert_eq!(warnings, Vec::<String>::new(), "{context}");
                                    check_values(&found, at_least, at_most, &context);
                                }
                                1 => {
                                    let found = count(engine);
                                    let at_most = progress.sent.load(Ordering::SeqCst);
                                    assert!(
                                        at_least <= found && found <= at_most,
                                        "{context}: {at_least} <= {found} <= {at_most}"
                                    );
                                }
                                _ => {
                                    let newest = engine.query_last("pi", "c").unwrap().unwrap();
                                    let Value::Int32(newest) = newest.value else { panic!("{newest:?}") };
                                    assert!(newest as u64 + 1 >= at_least, "{context}");
                                }
                            }
                            asked.fetch_add(1, Ordering::SeqCst);
                            if last_round {
                                break;
                            }
                            last_round = progress.done.load(Ordering::SeqCst);
                        }
                    });
                }
            });
            assert!(asked.load(Ordering::SeqCst) > 6);
            let total = progress.acknowledged.load(Ordering::SeqCst);
            engine.close().unwrap();
            let engine = open(directory.path());
            for metric in METRICS {
                let context = format!("{format:?}, {action:?}: after a restart");
                check_values(&values(&engine, metric).0, total, total, &context);
            }
        }
    }
}

#[test]
fn readers_beside_a_server_see_whole_answers_or_say_that_they_do_not() {
    for format in FORMATS {
        for action in [RawIngestAction::Delete, RawIngestAction::Rename, RawIngestAction::Keep] {
            let directory = tempfile::tempdir().unwrap();
            let (engine, progress) = begun(directory.path());
            let whole = AtomicU64::new(0);
            std::thread::scope(|scope| {
                scope.spawn(|| progress.write(&engine, 80, format, action));
                for _ in 0..2 {
                    scope.spawn(|| {
                        let mut last_round = false;
                        while !last_round {
                            last_round = progress.done.load(Ordering::SeqCst);
                            let at_least = progress.acknowledged.load(Ordering::SeqCst);
                            let Ok(reader) = Engine::open_read_only(directory.path(), quiet()) else { continue };
                            if !reader.health().is_empty() {
                                continue;
                            }
                            // It was opened when there were so many rows, and may see more of them later.
                            for again in 0..3 {
                                for metric in METRICS {
                                    // Files may change faster than they can be read: that is an error, then.
                                    let Ok((found, warnings)) = try_values(&reader, metric) else { continue };
                                    let at_most = progress.sent.load(Ordering::SeqCst);
                                    let context = format!("{format:?}, {action:?}, query {again}");
                                    if warnings.is_empty() {
                                        whole.fetch_add(1, Ordering::SeqCst);
                                        check_values(&found, at_least, at_most, &context);
                                    }
                                }
                            }
                        }
                    });
                }
            });
            assert!(whole.load(Ordering::SeqCst) > 0, "{format:?}, {action:?}: no answer was whole");
        }
    }
}

/// One step after the other: what a reader knows goes stale under it.
#[test]
fn a_reader_that_was_opened_before_a_build_counts_nothing_twice() {
    for format in FORMATS {
        for first in [RawIngestAction::Delete, RawIngestAction::Rename, RawIngestAction::Keep] {
            for second in [RawIngestAction::Delete, RawIngestAction::Rename, RawIngestAction::Keep] {
                for rows_in_wal in [false, true] {
                    let context = format!("{format:?}, {first:?}, {second:?}, rows in the WAL {rows_in_wal}");
                    let directory = tempfile::tempdir().unwrap();
                    let engine = open(directory.path());
                    add(&engine, 0, 10);
                    engine.flush().unwrap();
                    build(&engine, options(format, first)).unwrap();
                    add(&engine, 10, 15);
                    if !rows_in_wal {
                        engine.flush().unwrap();
                    }
                    let fresh = Engine::open_read_only(directory.path(), quiet()).unwrap();
                    let reader = Engine::open_read_only(directory.path(), quiet()).unwrap();
                    check_values(&values(&reader, "a").0, 15, 15, &context);
                    engine.flush().unwrap();
                    build(&engine, options(format, second)).unwrap();
                    for round in 0..3u64 {
                        let total = 15 + round * 4;
                        for (which, reader) in [("asked before", &reader), ("never asked", &fresh)] {
                            for metric in METRICS {
                                let (found, warnings) = values(reader, metric);
                                let context = format!("{context}, round {round}, {which}: {warnings:?}");
                                assert!(warnings.is_empty(), "{context}");
                                check_values(&found, 15, total, &context);
                            }
                        }
                        add(&engine, total, total + 4);
                        engine.flush().unwrap();
                        build(&engine, options(format, if round == 0 { first } else { second })).unwrap();
                    }
                }
            }
        }
    }
}
