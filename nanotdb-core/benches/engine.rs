//! The engine's hot paths over W1-like data: WAL encoding and append, engine write, raw scan. `memcpy` and `append_fsync` are the
//! machine's own limits, to read the others against.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher, black_box};
use nanotdb_codecs as _;
use nanotdb_core::config::EngineConfig;
use nanotdb_core::engine::{Batch, Engine, EngineOptions};
use nanotdb_core::format::wal::BatchEncoder;
use nanotdb_core::model::ValueType;
use nanotdb_core::plugin::IngestOptions;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::storage::vfs::{OpenMode, RealVfs, Vfs};
use nanotdb_ingest as _;
use nanotdb_partitioners as _;
use std::fmt::Write;
use std::ops::ControlFlow;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const METRICS: usize = 83;
const START: i64 = 1_777_593_600_000_000_000;

fn main() {
    divan::main();
}

/// Lines of `ticks` ticks from tick `from` on: counters, gauges and constants in turn.
fn lines(from: usize, ticks: usize) -> String {
    let mut text = String::new();
    for at in from..from + ticks {
        for metric in 0..METRICS {
            let timestamp = START + at as i64 * 10_000_000_000 + 532_182_665;
            let value = match metric % 4 {
                0 => (at * 31 + metric).to_string(),
                1 => format!("{}.{:02}", (at * 7 + metric) % 90, (at * 13) % 100),
                2 => "3884316".to_owned(),
                _ => (12_345_678_901 + at * metric).to_string(),
            };
            writeln!(text, "pi0/host.metric.{metric} {value} {timestamp}").unwrap();
        }
    }
    text
}

fn open(directory: &std::path::Path) -> Engine {
    let options = EngineOptions { background: false, ..EngineOptions::default() };
    Engine::open_with(directory, EngineConfig::default(), options).unwrap()
}

fn store(engine: &Engine, batch: &mut Batch, text: &str) -> u64 {
    let mut parser = registry().ingest_format("line_protocol").unwrap().parser(&IngestOptions::default());
    parser.parse(text.as_bytes(), true, batch).unwrap();
    engine.write_batch(batch).unwrap().accepted
}

#[divan::bench]
fn memcpy(bencher: Bencher) {
    let from = vec![1u8; 16 << 20];
    let mut to = vec![0u8; 16 << 20];
    bencher.counter(BytesCount::new(from.len())).bench_local(|| to.copy_from_slice(black_box(&from)));
}

#[divan::bench]
fn append_fsync(bencher: Bencher) {
    let directory = tempfile::tempdir().unwrap();
    let file = RealVfs.open(&directory.path().join("file"), OpenMode::Create).unwrap();
    let mut at = 0;
    bencher.bench_local(|| {
        file.write_all_at(&[7; 1024], at).unwrap();
        file.sync().unwrap();
        at += 1024;
    });
}

#[divan::bench]
fn wal_encode(bencher: Bencher) {
    let mut out = Vec::new();
    bencher.counter(ItemsCount::new(10_000u32)).bench_local(|| {
        out.clear();
        let mut encoder = BatchEncoder::new(&mut out, false);
        for i in 0..10_000i64 {
            encoder.record((i % 83) as u16 + 1, START + i / 83 * 10_000_000_000, i as u64, ValueType::Int32, None);
        }
        encoder.finish();
        out.len()
    });
}

/// Parse, check, WAL, pages, and the flush of full pages, as a server does for requests of so many lines.
#[divan::bench(args = [1, 12, 120], max_time = 5)]
fn engine_write(bencher: Bencher, ticks: usize) {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path());
    let mut batch = Batch::new();
    let mut at = 0;
    bencher
        .counter(ItemsCount::new(ticks * METRICS))
        .with_inputs(|| {
            at += ticks;
            lines(at, ticks)
        })
        .bench_local_values(|text| assert_eq!(store(&engine, &mut batch, &text), (ticks * METRICS) as u64));
}

/// One metric of a day, from raw files.
#[divan::bench]
fn raw_scan_day(bencher: Bencher) {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path());
    let mut batch = Batch::new();
    for hour in 0..24 {
        store(&engine, &mut batch, &lines(hour * 360, 360));
    }
    engine.flush().unwrap();
    bencher.counter(ItemsCount::new(8_640 * METRICS)).bench_local(|| {
        let mut rows = 0;
        let mut callback = |slice: nanotdb_core::engine::ScanSlice<'_>| {
            rows += slice.timestamps.len();
            Ok(ControlFlow::Continue(()))
        };
        engine.scan("pi0", &["host.metric.40"], i64::MIN, i64::MAX, &mut callback).unwrap();
        assert_eq!(rows, 8_640);
    });
}
