//! Neither ingest nor a scan allocates per sample: allocations are counted with a counting allocator.
//! One test alone in this file, because the counter is the process's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use nanotdb_codecs as _;
use nanotdb_core::config::EngineConfig;
use nanotdb_core::engine::{Batch, Engine, EngineOptions};
use nanotdb_core::plugin::IngestOptions;
use nanotdb_core::plugin::registry::registry;
use nanotdb_ingest as _;
use nanotdb_partitioners as _;
use std::fmt::Write;
use std::ops::ControlFlow;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const METRICS: usize = 83;

fn tick(at: usize) -> String {
    let mut text = String::new();
    for metric in 0..METRICS {
        let timestamp = 1_777_593_600_000_000_000 + at as i64 * 10_000_000_000;
        match metric % 2 {
            0 => writeln!(text, "pi0/metric.number{metric} {} {timestamp}", at * metric).unwrap(),
            _ => writeln!(text, "pi0/metric.number{metric} {}.5 {timestamp}", at * metric % 1_000).unwrap(),
        }
    }
    text
}

#[test]
fn neither_ingest_nor_scan_allocates_per_sample() {
    let directory = tempfile::tempdir().unwrap();
    let options = EngineOptions { background: false, ..EngineOptions::default() };
    let engine = Engine::open_with(directory.path(), EngineConfig::default(), options).unwrap();
    let ticks: Vec<String> = (0..2_000).map(tick).collect();
    let format = registry().ingest_format("line_protocol").unwrap();
    let mut batch = Batch::new();
    let mut store = |ticks: &[String]| {
        for text in ticks {
            let mut parser = format.parser(&IngestOptions::default());
            parser.parse(text.as_bytes(), true, &mut batch).unwrap();
            assert_eq!(engine.write_batch(&mut batch).unwrap().accepted, METRICS as u64);
        }
    };
    // Names are learned and buffers grow.
    store(&ticks[..1_000]);
    let profiler = dhat::Profiler::builder().testing().build();
    let before = dhat::HeapStats::get().total_blocks;
    store(&ticks[1_000..]);
    let ingest = dhat::HeapStats::get().total_blocks - before;
    let samples = 1_000 * METRICS as u64;
    // A few per request (the parser, what is owed), and the growing columns of new pages.
    assert!(ingest < 1_000 * 8, "{ingest} allocations for {samples} samples in 1,000 requests");

    engine.flush().unwrap();
    let scan = || {
        let mut rows = 0;
        let mut callback = |slice: nanotdb_core::engine::ScanSlice<'_>| {
            rows += slice.timestamps.len();
            Ok(ControlFlow::Continue(()))
        };
        engine.scan("pi0", &["metric.number7", "metric.number8"], i64::MIN, i64::MAX, &mut callback).unwrap();
        rows
    };
    assert_eq!(scan(), 4_000);
    let before = dhat::HeapStats::get().total_blocks;
    assert_eq!(scan(), 4_000);
    let scanned = dhat::HeapStats::get().total_blocks - before;
    drop(profiler);
    assert!(scanned < 200, "{scanned} allocations for a scan of 166,000 rows in {} requests", 1);
}
