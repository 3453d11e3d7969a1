//! How much memory it takes to scan a month of metric files and to build a partition that does not fit into memory at once, and
//! that a scan allocates nothing per row. One test alone in this file, because the counters are the process's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use nanotdb_codecs as _;
use nanotdb_core::config::{EngineConfig, FsyncPolicy, MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{Batch, BuildOptions, Engine, EngineOptions, ScanSlice, Selection};
use nanotdb_core::model::Number;
use nanotdb_ingest as _;
use nanotdb_partitioners as _;
use std::ops::ControlFlow;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Bytes that are allocated at most while something runs, beyond what was before it; and the number of allocations.
fn measure<T>(what: impl FnOnce() -> T) -> (T, usize, u64) {
    let profiler = dhat::Profiler::builder().testing().build();
    let result = what();
    let stats = dhat::HeapStats::get();
    drop(profiler);
    println!("{} KiB at most, {} allocations", stats.max_bytes / 1_024, stats.total_blocks);
    (result, stats.max_bytes, stats.total_blocks)
}

const MIB: usize = 1 << 20;
const SECOND: i64 = 1_000_000_000;
/// 2025-01-01T00:00:00Z
const START: i64 = 1_735_689_600 * SECOND;

fn fill(engine: &Engine, database: &str, metrics: usize, ticks: i64, step: i64) {
    let names: Vec<String> = (0..metrics).map(|at| format!("metric{at}")).collect();
    let mut batch = Batch::new();
    let mut at = 0;
    while at < ticks {
        let to = ticks.min(at + 4_000 / metrics as i64);
        for tick in at..to {
            for (number, name) in names.iter().enumerate() {
                // Not so regular that nothing has to be stored.
                let value = (tick * (number as i64 + 3) * 2_654_435_761) % 100_003;
                batch.push(database, name, Number::integer(value), Some(START + tick * step));
            }
        }
        let outcome = engine.write_batch(&mut batch).unwrap();
        assert_eq!(outcome.rejected, 0, "{:?}", outcome.rejections);
        at = to;
    }
    engine.flush().unwrap();
}

fn build(engine: &Engine, database: &str, action: RawIngestAction) -> u64 {
    let options = BuildOptions { verify: true, ..BuildOptions::new(MetricFileFormat::V3, "", action).unwrap() };
    let go_on = &mut |_| ControlFlow::Continue(());
    let reports = engine.build_metric_files(database, Selection::Sealed, options, go_on).unwrap();
    reports.iter().map(|report| report.rows).sum()
}

fn scan(engine: &Engine, metric: &str) -> u64 {
    let mut rows = 0;
    let mut count = |slice: ScanSlice<'_>| {
        rows += slice.len() as u64;
        Ok(ControlFlow::Continue(()))
    };
    let report = engine.scan("month", &[metric], i64::MIN, i64::MAX, &mut count).unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
    rows
}

#[test]
fn memory_is_bounded_by_what_is_configured_and_not_by_what_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = EngineConfig::default();
    config.wal.fsync_policy = FsyncPolicy::Segment;
    // The WAL is not what this is about.
    config.manifest_defaults.wal.enabled = false;
    let options = EngineOptions { background: false, ..EngineOptions::default() };
    let engine = Engine::open_with(directory.path(), config, options).unwrap();

    // 30 days of a row every ten seconds, of two metrics: 518,400 rows, in 30 files.
    fill(&engine, "month", 2, 30 * 8_640, 10 * SECOND);
    assert_eq!(build(&engine, "month", RawIngestAction::Delete), 2 * 30 * 8_640);
    let (rows, peak, blocks) = measure(|| scan(&engine, "metric1"));
    assert_eq!(rows, 30 * 8_640);
    assert!(peak < 16 * MIB, "a scan of 30 files took {} KiB", peak / 1_024);
    // Per file and block, perhaps, but not per row.
    assert!(blocks < 30 * 200, "{blocks} allocations for {rows} rows");
    let (rows, peak, again) = measure(|| scan(&engine, "metric1"));
    assert_eq!(rows, 30 * 8_640);
    assert!(peak < 16 * MIB && again <= blocks, "the second time {} KiB, {again} allocations", peak / 1_024);

    // One day of more rows than a build holds in memory.
    fill(&engine, "large", 40, 42_000, 2 * SECOND);
    let (rows, peak, _) = measure(|| build(&engine, "large", RawIngestAction::Keep));
    assert_eq!(rows, 40 * 42_000);
    assert!(rows > 1_500_000);
    assert!(peak < 64 * MIB, "a build of {rows} rows took {} KiB", peak / 1_024);
    // And of what is in a metric file and in late rows.
    let late = Some(START + 42_000 * 2 * SECOND);
    engine.add_sample("large", "metric7", Number::integer(1), late).unwrap();
    let (rows, peak, _) = measure(|| build(&engine, "large", RawIngestAction::Delete));
    assert_eq!(rows, 40 * 42_000 + 1);
    assert!(peak < 64 * MIB, "a build of {rows} rows from a metric file took {} KiB", peak / 1_024);
}
