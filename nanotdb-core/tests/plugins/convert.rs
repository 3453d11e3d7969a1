//! `nanocli convert --to original` of partitions that the original has no name for.

use crate::common::bench::{Bench, Line, SECOND, content_of, float, int, send};
use crate::common::oracle::ROOT;
use crate::common::{assert_same, read_all};
use nanotdb_core::config::{FsyncPolicy, MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{BuildOptions, Engine, EngineOptions, Selection};
use nanotdb_core::maintenance::convert::{ConvertReport, ConvertRequest, Target, convert};
use nanotdb_core::maintenance::verify::verify;
use std::ops::ControlFlow;
use std::path::Path;

/// 2026-05-22T12:00:00Z.
const NOON: i64 = 1_779_451_200_000_000_000;
const OUT: &str = "/original";

fn to_original(bench: &Bench, database: Option<&str>) -> nanotdb_core::Result<ConvertReport> {
    let request =
        ConvertRequest { root: Path::new(ROOT), out: Path::new(OUT), target: Target::Original, lossy: false, database };
    let options = EngineOptions { background: false, ..bench.options() };
    convert(request, bench.config.clone(), &options, &mut |_, _| ())
}

/// A week, every hour, of two databases; some samples have equal times.
fn lines() -> Vec<Line> {
    (0..168)
        .flat_map(|hour| {
            let at = NOON + hour * 3_600 * SECOND;
            let value = i32::try_from(hour).unwrap();
            [
                ("pi", "m", int(value), at),
                ("pi", "m", int(-value), at),
                ("pi", "t", float(0.5), at),
                ("day", "m", int(1), at),
            ]
        })
        .collect()
}

fn written(bench: &Bench) -> Vec<String> {
    let paths = bench.paths().into_iter().filter(|path| path.starts_with(Path::new(OUT).join("pi")));
    let names = paths.map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".dat")).collect()
}

fn check(bench: &Bench, expected: &[Line]) {
    let engine = Engine::open_with(Path::new(OUT), bench.config.clone(), bench.options()).unwrap();
    assert_same(&read_all(&engine), &content_of(expected), "converted");
    engine.close().unwrap();
    let report = verify(Path::new(OUT), None, bench.config.clone(), bench.options()).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn partitions_of_other_kinds_become_days() {
    let mut bench = Bench::new(FsyncPolicy::Always, 50);
    let engine = bench.open();
    send(&engine, &lines().into_iter().filter(|line| line.0 == "day").collect::<Vec<_>>());
    engine.close().unwrap();
    bench.config.manifest_defaults.retention.partition = "week".into();
    let engine = bench.open();
    send(&engine, &lines().into_iter().filter(|line| line.0 == "pi").collect::<Vec<_>>());
    engine.flush().unwrap();
    // The first week is in a metric file alone, the rest in pages, and the last row in the log.
    let options = BuildOptions::new(MetricFileFormat::V3, "", RawIngestAction::Delete).unwrap();
    let partitions = engine.partitions("pi").unwrap();
    assert!(partitions.len() > 1 && partitions[0].starts_with("week~"), "{partitions:?}");
    let selection = Selection::Named(&partitions[0]);
    engine.build_metric_files("pi", selection, options, &mut |_| ControlFlow::Continue(())).unwrap();
    let mut expected = lines();
    let last = ("pi", "m", int(7), NOON + 168 * 3_600 * SECOND);
    send(&engine, &[last]);
    expected.push(last);
    bench.kill(engine);
    let report = to_original(&bench, None).unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
    assert!(report.notes.iter().any(|note| note.contains("\"week\"") && note.contains("days")), "{:?}", report.notes);
    // Twelve to twelve: eight days.
    let days = (22..=29).map(|day| format!("2026-05-{day}.dat"));
    let mut names: Vec<_> = days.flat_map(|day| [format!("data-{day}"), format!("metric-{day}")]).collect();
    names.sort();
    assert_eq!(written(&bench), names);
    assert_eq!(report.databases.iter().map(|d| (&*d.name, d.rows)).collect::<Vec<_>>(), [("day", 168), ("pi", 505)]);
    let manifest = String::from_utf8(bench.vfs.snapshot()[&Path::new(OUT).join("pi/manifest.toml")].clone()).unwrap();
    assert!(manifest.contains("partition = \"day\""), "{manifest}");
    check(&bench, &expected);
}

#[test]
fn a_database_that_cannot_be_opened_keeps_no_other_from_it() {
    let bench = Bench::new(FsyncPolicy::Always, 50);
    let engine = bench.open();
    send(&engine, &lines());
    engine.close().unwrap();
    bench.vfs.put(&bench.path("pi/catalog.json"), b"no catalog").unwrap();
    let error = to_original(&bench, Some("pi")).unwrap_err();
    assert!(error.to_string().contains("pi"), "{error}");
    let report = to_original(&bench, None).unwrap();
    assert_eq!(report.databases.iter().map(|d| &*d.name).collect::<Vec<_>>(), ["day"]);
    assert!(
        report.warnings.iter().any(|w| w.contains("\"pi\"") && w.contains("not converted")),
        "{:?}",
        report.warnings
    );
    check(&bench, &lines().into_iter().filter(|line| line.0 == "day").collect::<Vec<_>>());
}
