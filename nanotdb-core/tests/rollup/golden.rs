//! The original's own case: its source database gives what an independent computation gives, and what it exported.

use crate::common::files::{copy_directory, golden};
use crate::common::{expected, read};
use crate::support::{HOUR, buckets, naive};
use nanotdb_core::clock::ManualClock;
use nanotdb_core::config::EngineConfig;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::model::{Sample, Value, ValueType};
use nanotdb_core::storage::vfs::RealVfs;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// 2026-05-24T09:19:00Z: when the last sample of the case was sent.
const NOW: i64 = 1_779_614_340_243_634_668;
/// 2026-05-24T09:00:00Z: what the checkpoints of the original say.
const COMPLETED: i64 = 1_779_613_200_000_000_000;
const AGGREGATES: [&str; 5] = ["min", "max", "sum", "avg", "count"];
const METRICS: [&str; 4] = ["counter.m01", "gauge.m04", "pct.m02", "temp.m00"];

fn open(root: &Path) -> Engine {
    let clock = Arc::new(ManualClock::new(NOW));
    let options = EngineOptions { vfs: Arc::new(RealVfs), clock, background: false };
    Engine::open_with(root, EngineConfig::default(), options).unwrap()
}

/// rollup-export.lp: times and values by metric.
fn exported() -> BTreeMap<String, Vec<(i64, f64)>> {
    let text = std::fs::read_to_string(golden().join("rollup/rollup-export.lp")).unwrap();
    let mut metrics: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
    for line in text.lines() {
        let (series, rest) = line.split_once(' ').unwrap();
        let (value, time) = rest.split_once(' ').unwrap();
        let at = nanotdb_core::model::time::parse_time(time, None, 0).unwrap();
        let metric = series.strip_prefix("pi_1h/").unwrap().to_owned();
        metrics.entry(metric).or_default().push((at, value.parse().unwrap()));
    }
    metrics
}

/// How a float32 of the source is meant: the original computes with it, we with the decimal that it is the text of.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Original,
    Us,
}

fn meant(by: By, sample: &Sample) -> Sample {
    match sample.value {
        Value::Float32(_) if by == By::Us => {
            Sample { value: Value::Float64(sample.value.to_string().parse().unwrap()), ..*sample }
        }
        _ => *sample,
    }
}

/// What an independent computation in float64 gives for the source, rounded to the stored type.
fn check(engine: &Engine, by: By) {
    let source = expected("rollup");
    let exported = exported();
    assert_eq!(exported.len(), METRICS.len() * AGGREGATES.len());
    for metric in METRICS {
        let samples = &source[&("pi".to_owned(), metric.to_owned())];
        let samples: Vec<Sample> = samples.iter().map(|sample| meant(by, sample)).collect();
        let buckets = buckets(&samples, HOUR, COMPLETED);
        for aggregate in AGGREGATES {
            let name = format!("{metric}.{aggregate}");
            let found: Vec<Sample> = read(engine, "pi_1h", &name);
            assert_eq!(found.len(), buckets.len(), "{name}");
            for ((found, (start, values)), (at, original)) in found.iter().zip(&buckets).zip(&exported[&name]) {
                assert_eq!((found.timestamp, *at), (*start, *start), "{name}");
                let exact = naive(aggregate, values);
                match found.value {
                    Value::Float32(value) => assert_eq!(value, exact as f32, "{name} at {at}"),
                    Value::Int32(value) => assert_eq!(f64::from(value), exact, "{name} at {at}"),
                    // Of integers exactly; of float32 with its digits.
                    Value::Float64(value) if samples[0].value.value_type().is_integer() => {
                        assert_eq!(value, exact, "{name} at {at}");
                    }
                    Value::Float64(value) => assert_eq!(value as f32, exact as f32, "{name} at {at}"),
                    other => panic!("{name}: {other:?}"),
                }
                let error = (found.value.as_f64() - original).abs();
                // The original's is rounded to float32; so is ours, and a float32 of the source is half of this from its decimal.
                let steps = if by == By::Us { 1.5 } else { 1.0 };
                assert!(
                    error <= original.abs() * steps * f64::from(f32::EPSILON),
                    "{name} at {at}: {:?} {original}",
                    found.value
                );
            }
        }
    }
    let names: Vec<_> = engine.metrics("pi_1h").unwrap().into_iter().map(|m| m.name).collect();
    assert_eq!(names, exported.into_keys().collect::<Vec<_>>());
}

fn last_checkpoints(root: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(root.join("pi/rollup.checkpoints.log")).unwrap();
    text.lines().map(|line| line.rsplit_once(',').unwrap()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[test]
fn the_originals_source_gives_the_originals_rollups_and_checkpoints() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path();
    copy_directory(&golden().join("rollup/root"), root);
    let original = last_checkpoints(root);
    std::fs::remove_dir_all(root.join("pi_1h")).unwrap();
    std::fs::remove_file(root.join("pi/rollup.checkpoints.log")).unwrap();
    let engine = open(root);
    let report = engine.roll_up().unwrap();
    assert_eq!((report.problems.as_slice(), report.sources.len()), ([].as_slice(), 1));
    let source = &report.sources[0];
    assert_eq!((source.buckets, source.written, source.refused), (4 * 33, 4 * 33 * 5, 0), "{source:?}");
    check(&engine, By::Us);
    let types: BTreeMap<_, _> = engine.metrics("pi_1h").unwrap().into_iter().map(|m| (m.name, m.value_type)).collect();
    assert_eq!(types["temp.m00.count"], ValueType::Int32);
    // Of integers, and no float32.
    assert_eq!(types["temp.m00.avg"], ValueType::Float64);
    engine.close().unwrap();
    assert_eq!(last_checkpoints(root), original);
    assert!(root.join("pi_1h/data-2026-05.dat").exists(), "a month for buckets below a day");
}

#[test]
fn the_originals_checkpoints_are_gone_on_from() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path();
    copy_directory(&golden().join("rollup/root"), root);
    let manifest = std::fs::read(root.join("pi_1h/manifest.toml")).unwrap();
    let engine = open(root);
    let report = engine.roll_up().unwrap();
    assert_eq!(report.sources[0].buckets, 0, "{report:?}");
    check(&engine, By::Original);
    engine.close().unwrap();
    assert_eq!(std::fs::read(root.join("pi_1h/manifest.toml")).unwrap(), manifest);
}

#[test]
fn results_that_the_original_had_written_without_a_checkpoint_are_not_written_again() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path();
    copy_directory(&golden().join("rollup/root"), root);
    let original = last_checkpoints(root);
    std::fs::remove_file(root.join("pi/rollup.checkpoints.log")).unwrap();
    let engine = open(root);
    let source = engine.roll_up().unwrap().sources.remove(0);
    assert_eq!((source.buckets, source.written, source.present), (4 * 33, 0, 4 * 33 * 5), "{source:?}");
    check(&engine, By::Original);
    engine.close().unwrap();
    assert_eq!(last_checkpoints(root), original);
}
