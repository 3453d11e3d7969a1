//! A database on a simulated disk that gets rows day by day.

use crate::common::bench::{Bench, Line, content_of, int, send};
use crate::common::oracle::{ROOT, config};
use crate::common::{Content, assert_same, read_all};
use nanotdb_core::clock::Clock;
use nanotdb_core::config::{EngineConfig, FsyncPolicy, RetentionAction};
use nanotdb_core::engine::{Engine, Removed};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::model::Value;
use nanotdb_core::storage::vfs::Vfs;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::path::Path;
use std::time::Duration;

pub const HOUR: i64 = 3_600_000_000_000;
pub const DAY: i64 = 24 * HOUR;
/// 2026-05-20T00:00:00Z.
pub const MAY_20: i64 = 1_779_235_200_000_000_000;

pub fn keeping(days: u32, action: RetentionAction, partition: &str) -> EngineConfig {
    let mut config = config(FsyncPolicy::Always, 6);
    let retention = &mut config.manifest_defaults.retention;
    retention.retention_days = days;
    retention.retention_action = action;
    retention.partition = partition.into();
    config
}

/// A machine whose clock shows `now`.
pub fn machine(config: EngineConfig, now: i64) -> Bench {
    let bench = Bench::on(SimVfs::new(11), config);
    bench.clock.set_wall(now);
    bench
}

/// Rows of the day that begins at `day`, every eight hours; "gone" is a metric of the first day alone.
pub fn rows_of(day: i64, first: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for hour in [1, 9, 17] {
        let time = day + hour * HOUR;
        lines.push(("pi", "count", int((time / HOUR) as i32), time));
        lines.push(("pi", "level", Value::Float32(hour as f32 + 0.5), time));
        if first {
            lines.push(("pi", "gone", int(7), time));
        }
    }
    lines
}

/// Lets days pass, with rows on each. The clock stands at the end of the last.
pub fn live(bench: &Bench, engine: &Engine, days: i64) -> Vec<Line> {
    let mut lines = Vec::new();
    for day in 0..days {
        let rows = rows_of(bench.clock.now(), day == 0);
        bench.clock.advance(Duration::from_nanos(DAY as u64));
        send(engine, &rows);
        lines.extend(rows);
    }
    lines
}

/// One round; what it removed. Nothing may go wrong.
pub fn sweep(engine: &Engine) -> Vec<Removed> {
    let report = engine.tick();
    assert_eq!(report.errors(), Vec::<&str>::new());
    report.databases.into_iter().flat_map(|database| database.removed).collect()
}

/// A round by an operator who knows that the clock is right.
pub fn sweep_now(engine: &Engine) -> Vec<Removed> {
    engine.trust_clock().unwrap();
    sweep(engine)
}

pub fn names(removed: &[Removed]) -> Vec<&str> {
    removed.iter().map(|removed| removed.partition.as_str()).collect()
}

pub fn since(lines: &[Line], from: i64) -> Vec<Line> {
    lines.iter().filter(|line| line.3 >= from).copied().collect()
}

pub fn check(engine: &Engine, lines: &[Line], context: &str) {
    let expected: Content = content_of(lines);
    assert_same(&read_all(engine), &expected, context);
    for metric in engine.metrics("pi").unwrap() {
        let newest = expected.get(&("pi".to_owned(), metric.name.clone())).and_then(|rows| rows.last().copied());
        assert_eq!(engine.query_last("pi", &metric.name).unwrap(), newest, "{context}: newest of {}", metric.name);
    }
}

pub fn check_verify(bench: &Bench, context: &str) {
    let report = verify(Path::new(ROOT), None, bench.config.clone(), bench.options()).unwrap();
    assert_eq!(report.problems, [], "{context}: verify");
}

/// Names of files in the directory of the database.
pub fn files(bench: &Bench) -> Vec<String> {
    let directory = bench.path("pi");
    let all = bench.vfs.read_dir(&directory).unwrap();
    all.into_iter().map(|entry| entry.name).collect()
}

/// Names of the files of partitions.
pub fn partition_files(bench: &Bench) -> Vec<String> {
    let is_one = |name: &String| ["data-", "raw-", "metric-", "built-", "events-"].iter().any(|p| name.starts_with(p));
    files(bench).into_iter().filter(is_one).collect()
}
