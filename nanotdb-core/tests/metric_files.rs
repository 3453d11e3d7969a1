//! Metric files through the engine: built, read, beside late rows, and without the raw files that they were built from.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::files::{copy_directory, golden};
use common::{Content, assert_same, expected, read_all};
use nanotdb_core::config::{EngineConfig, MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{BuildOptions, BuildReport, Engine, EngineOptions, Selection};
use nanotdb_core::maintenance::verify::verify;
use std::ops::ControlFlow;
use std::path::Path;

const FORMATS: [MetricFileFormat; 3] = [MetricFileFormat::V1, MetricFileFormat::V2, MetricFileFormat::V3];
const ACTIONS: [RawIngestAction; 3] = [RawIngestAction::Keep, RawIngestAction::Rename, RawIngestAction::Delete];

fn build(engine: &Engine, format: MetricFileFormat, action: RawIngestAction) -> Vec<BuildReport> {
    let options = BuildOptions { verify: true, ..BuildOptions::new(format, "", action).unwrap() };
    engine.build_metric_files("pi", Selection::Sealed, options, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn pi(engine: &Engine) -> Content {
    let mut found = read_all(engine);
    found.retain(|(database, _), _| database == "pi");
    found
}

fn files(root: &Path, prefix: &str) -> usize {
    let names = std::fs::read_dir(root.join("pi")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(prefix)).count()
}

#[test]
fn what_was_built_reads_as_before_whatever_happens_to_the_raw_files() {
    for case in ["clean-day", "partition-month", "wal-killed-two-open"] {
        for format in FORMATS {
            for action in ACTIONS {
                let scratch = tempfile::tempdir().unwrap();
                copy_directory(&golden().join(case).join("root"), scratch.path());
                let context = format!("{case}, {format:?}, {action:?}");
                let expected = expected(case);
                let engine = Engine::open(scratch.path(), EngineConfig::default()).unwrap();
                let reports = build(&engine, format, action);
                let rows: u64 = reports.iter().map(|r| r.rows).sum();
                assert_eq!(rows, expected.values().map(|rows| rows.len() as u64).sum::<u64>(), "{context}");
                assert_same(&pi(&engine), &expected, &context);
                assert_eq!(build(&engine, format, action), [], "{context}: nothing is left to do");
                engine.close().unwrap();
                let partitions = reports.len();
                assert_eq!(files(scratch.path(), "metric-"), partitions, "{context}");
                let beside = if format == MetricFileFormat::V3 { 0 } else { partitions };
                assert_eq!(files(scratch.path(), "built-"), beside, "{context}");
                let (data, raw) = (files(scratch.path(), "data-"), files(scratch.path(), "raw-"));
                let left = match action {
                    RawIngestAction::Keep => (partitions, 0),
                    RawIngestAction::Rename => (0, partitions),
                    RawIngestAction::Delete => (0, 0),
                };
                assert_eq!((data, raw), left, "{context}");
                let again = Engine::open_read_only(scratch.path(), EngineConfig::default()).unwrap();
                assert_same(&pi(&again), &expected, &format!("{context}, opened again"));
            }
        }
    }
}

#[test]
fn r11_late_rows_are_seen_at_once_and_merged_by_the_next_build() {
    for format in FORMATS {
        for action in ACTIONS {
            let context = format!("{format:?}, {action:?}");
            let scratch = tempfile::tempdir().unwrap();
            copy_directory(&golden().join("clean-day/root"), scratch.path());
            let mut expected = expected("clean-day");
            let engine = Engine::open(scratch.path(), EngineConfig::default()).unwrap();
            build(&engine, format, action);
            for round in 0..3 {
                for (at, ((_, metric), rows)) in expected.iter_mut().enumerate() {
                    // At the newest timestamp of the metric, and a new row for some only.
                    let newest = *rows.last().unwrap();
                    if at % 3 == round {
                        let line = format!("pi/{metric} {} {}", newest.value, newest.timestamp);
                        assert_eq!(engine.add_line(&line).unwrap(), (), "{context}: {line}");
                        rows.push(newest);
                    }
                }
                assert_same(&pi(&engine), &expected, &format!("{context}: in the open page"));
                engine.flush().unwrap();
                assert_same(&pi(&engine), &expected, &format!("{context}: beside the metric file"));
                {
                    let reader = Engine::open_read_only(scratch.path(), EngineConfig::default()).unwrap();
                    assert_same(&pi(&reader), &expected, &format!("{context}: to another process"));
                }
                assert!(!build(&engine, format, action).is_empty(), "{context}");
                assert_same(&pi(&engine), &expected, &format!("{context}: merged"));
                for ((database, metric), rows) in &expected {
                    assert_eq!(engine.query_last(database, metric).unwrap().as_ref(), rows.last(), "{context}");
                }
            }
            engine.close().unwrap();
            let engine = Engine::open(scratch.path(), EngineConfig::default()).unwrap();
            assert_same(&pi(&engine), &expected, &format!("{context}: after a restart"));
            for ((database, metric), rows) in &expected {
                assert_eq!(engine.query_last(database, metric).unwrap().as_ref(), rows.last(), "{context}");
            }
        }
    }
}

#[test]
fn a_file_of_version_3_leaves_nothing_of_the_one_before_it() {
    let scratch = tempfile::tempdir().unwrap();
    copy_directory(&golden().join("clean-day/root"), scratch.path());
    let engine = Engine::open(scratch.path(), EngineConfig::default()).unwrap();
    assert!(!build(&engine, MetricFileFormat::V2, RawIngestAction::Keep).is_empty());
    assert!(files(scratch.path(), "built-") > 0);
    assert!(!build(&engine, MetricFileFormat::V3, RawIngestAction::Keep).is_empty());
    assert_eq!(files(scratch.path(), "built-"), 0);
    assert_same(&pi(&engine), &expected("clean-day"), "built twice");
}

/// Queries do without it; `verify` reads every byte.
#[test]
fn verify_finds_damage_of_what_is_written_beside_a_metric_file() {
    let scratch = tempfile::tempdir().unwrap();
    copy_directory(&golden().join("clean-day/root"), scratch.path());
    let engine = Engine::open(scratch.path(), EngineConfig::default()).unwrap();
    assert!(!build(&engine, MetricFileFormat::V2, RawIngestAction::Keep).is_empty());
    engine.close().unwrap();
    let problems = || verify(scratch.path(), None, EngineConfig::default(), EngineOptions::default()).unwrap().problems;
    assert_eq!(problems(), []);
    let directory = std::fs::read_dir(scratch.path().join("pi")).unwrap().map(|entry| entry.unwrap().path());
    let beside = directory.filter(|path| path.extension().is_some_and(|e| e == "sources")).collect::<Vec<_>>();
    let Some(path) = beside.first() else { panic!("there is none") };
    let whole = std::fs::read(path).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        bytes
    };
    let middle = whole.len() / 2;
    for bytes in [flipped(0), flipped(middle), flipped(whole.len() - 1), whole[..middle].to_vec(), Vec::new()] {
        std::fs::write(path, &bytes).unwrap();
        let problems = problems();
        assert!(problems.len() == 1 && problems[0].file == *path, "{bytes:?}: {problems:?}");
        let engine = Engine::open_read_only(scratch.path(), EngineConfig::default()).unwrap();
        assert_same(&pi(&engine), &expected("clean-day"), "with a damaged record");
    }
}
