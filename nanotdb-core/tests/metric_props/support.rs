//! A small database on a simulated disk whose partitions are all sealed, and the rows that it must hold.

use crate::common::bench::{Bench, Line, content_of, send};
use crate::common::oracle::config;
use crate::common::{Content, assert_same};
use nanotdb_core::Result;
use nanotdb_core::config::{EngineConfig, FsyncPolicy, MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{BuildOptions, BuildReport, Engine, Selection};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::model::Value;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::ops::ControlFlow;
use std::path::Path;

pub const FORMATS: [MetricFileFormat; 3] = [MetricFileFormat::V1, MetricFileFormat::V2, MetricFileFormat::V3];
pub const ACTIONS: [RawIngestAction; 3] = [RawIngestAction::Keep, RawIngestAction::Rename, RawIngestAction::Delete];

/// 2026-05-20T00:00:00Z: two days before the clock of a [`Bench`], so that this day and the next are sealed.
pub const DAY: i64 = 1_779_235_200_000_000_000;
pub const HOUR: i64 = 3_600 * crate::common::bench::SECOND;

pub fn sealed(vfs: SimVfs, max_records: u32) -> Bench {
    Bench::on(vfs, sealed_config(max_records))
}

pub fn sealed_config(max_records: u32) -> EngineConfig {
    config(FsyncPolicy::Always, max_records)
}

pub fn options(format: MetricFileFormat, action: RawIngestAction) -> BuildOptions {
    BuildOptions::new(format, "", action).unwrap()
}

pub fn build(engine: &Engine, options: BuildOptions) -> Result<Vec<BuildReport>> {
    engine.build_metric_files("pi", Selection::Sealed, options, &mut |_| ControlFlow::Continue(()))
}

/// Two days of three metrics in several pages.
pub fn first_rows() -> Vec<Line> {
    let mut lines = Vec::new();
    for at in 0..24i64 {
        let time = DAY + at * 2 * HOUR;
        lines.push(("pi", "count", Value::Int32(at as i32 * 3), time));
        lines.push(("pi", "level", Value::Float32(at as f32 / 4.0), time));
        if at % 3 == 0 {
            lines.push(("pi", "rare", Value::Int32(-(at as i32)), time + 5));
        }
    }
    lines
}

/// Later rows of the second day, some at the newest timestamp of their metric.
pub fn late_rows(round: i64) -> Vec<Line> {
    let time = DAY + 46 * HOUR + round * 60_000_000_000;
    vec![
        ("pi", "count", Value::Int32(1_000 + round as i32), time),
        ("pi", "count", Value::Int32(2_000 + round as i32), time),
        ("pi", "late", Value::Int32(7 + round as i32), time),
    ]
}

pub fn store(engine: &Engine, lines: &[Line]) {
    for part in lines.chunks(9) {
        send(engine, part);
    }
    engine.flush().unwrap();
}

/// Everything of the database, with the warnings.
pub fn read(engine: &Engine) -> (Content, Vec<String>) {
    let mut content = Content::new();
    let mut warnings = Vec::new();
    for metric in engine.metrics("pi").unwrap() {
        let mut samples = Vec::new();
        let report = engine
            .query_range("pi", &metric.name, i64::MIN, i64::MAX, 1, |sample| {
                samples.push(sample);
                ControlFlow::Continue(())
            })
            .unwrap();
        warnings.extend(report.warnings);
        if !samples.is_empty() {
            content.insert(("pi".to_owned(), metric.name), samples);
        }
    }
    (content, warnings)
}

/// Content and newest samples are those of these lines, nobody warns, and nothing temporary is left.
pub fn check(engine: &Engine, lines: &[Line], context: &str) {
    let expected = content_of(lines);
    let (found, warnings) = read(engine);
    assert_same(&found, &expected, context);
    assert_eq!(warnings, Vec::<String>::new(), "{context}");
    for ((database, metric), rows) in &expected {
        assert_eq!(engine.query_last(database, metric).unwrap().as_ref(), rows.last(), "{context}: newest of {metric}");
    }
}

pub fn check_disk(bench: &Bench, context: &str) {
    for path in bench.paths() {
        assert!(!path.to_string_lossy().ends_with(".tmp"), "{context}: {path:?} is left over");
    }
}

pub fn check_verify(bench: &Bench, context: &str) {
    let report = verify(Path::new(crate::common::oracle::ROOT), None, bench.config.clone(), bench.options()).unwrap();
    assert_eq!(report.problems, [], "{context}: verify");
}

/// Names of the files of the database that start so.
pub fn files(bench: &Bench, prefix: &str) -> Vec<String> {
    let name = |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    bench.paths().iter().map(name).filter(|name| name.starts_with(prefix) && name.ends_with(".dat")).collect()
}
