//! Data directories of the original return exactly what was sent to it, by reading beside it and after recovery.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::files::{copy_directory, golden, golden_cases};
use common::{Content, assert_same, expected, read_all};
use nanotdb_core::config::EngineConfig;
use nanotdb_core::engine::Engine;
use std::ops::ControlFlow;

/// expected.tsv lists the database that was written to; the rollup case has a second one that was derived from it.
fn check(engine: &Engine, case: &str, context: &str) {
    let expected = expected(case);
    let mut found: Content = read_all(engine);
    found.retain(|(database, _), _| database == "pi");
    assert_same(&found, &expected, &format!("{case}, {context}"));
}

#[test]
fn read_only_returns_every_sample_and_changes_nothing() {
    for case in golden_cases() {
        let root = golden().join(&case).join("root");
        let engine = Engine::open_read_only(&root, EngineConfig::default()).unwrap();
        check(&engine, &case, "read only");
    }
}

#[test]
fn recovery_returns_every_sample_and_so_does_a_second_start() {
    for case in golden_cases() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        copy_directory(&golden().join(&case).join("root"), &root);
        for start in ["first", "second", "third"] {
            let engine = Engine::open(&root, EngineConfig::default()).unwrap();
            assert_eq!(engine.health(), [], "{case}");
            check(&engine, &case, start);
            engine.close().unwrap();
        }
        for database in ["pi", "pi_1h"] {
            if let Ok(wal) = std::fs::metadata(root.join(database).join(format!("{database}.wal"))) {
                assert_eq!(wal.len(), 0, "{case}: the WAL is empty after a clean shutdown");
            }
        }
    }
}

#[test]
fn a_damaged_metric_file_without_its_raw_file_is_named_in_the_answer() {
    let scratch = tempfile::tempdir().unwrap();
    copy_directory(&golden().join("metric-v2-s2/root"), scratch.path());
    let path = scratch.path().join("pi/metric-2026-05-23.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let engine = Engine::open_read_only(scratch.path(), EngineConfig::default()).unwrap();
    for ((database, metric), mut rows) in expected("metric-v2-s2") {
        let mut found = Vec::new();
        let mut each = |sample| {
            found.push(sample);
            ControlFlow::Continue(())
        };
        let report = engine.query_range(&database, &metric, i64::MIN, i64::MAX, 1, &mut each).unwrap();
        assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
        assert!(report.warnings[0].contains("metric-2026-05-23.dat"), "{:?}", report.warnings);
        // 2026-05-24T00:00:00Z: the other day is read as before.
        rows.retain(|row| row.timestamp >= 1_779_580_800_000_000_000);
        assert_eq!(found, rows, "{metric}");
    }
}
