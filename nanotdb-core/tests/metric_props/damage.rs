//! Every flipped bit and every truncation of a metric file, and files that are not where they belong.

use crate::common::bench::{Bench, Line, content_of, float, int};
use crate::common::{Content, assert_same};
use crate::support::{
    ACTIONS, DAY, FORMATS, HOUR, build, check, files, first_rows, late_rows, options, read, sealed, store,
};
use nanotdb_core::config::{MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{Engine, MetricFiles, Windows};
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

const FILE: &str = "pi/metric-2026-05-20.dat";

/// Of so many bits one is flipped: `NANOTDB_EVERY_BIT=1` for all of them.
fn stride() -> usize {
    if std::env::var("NANOTDB_EVERY_BIT").is_ok() { 1 } else { 11 }
}

/// A day of a regular metric that is long enough for statistics of its parts, and of a short one.
fn rows() -> Vec<Line> {
    let mut lines: Vec<Line> =
        (0..2_200).map(|at| ("pi", "long", int(at % 2), DAY + at as i64 * 1_000_000_000)).collect();
    lines.extend((0..9).map(|at| ("pi", "short", float(at as f32 / 8.0), DAY + at * HOUR)));
    lines
}

fn built(format: MetricFileFormat, action: RawIngestAction, lines: &[Line]) -> Bench {
    let bench = sealed(SimVfs::new(9), 700);
    let engine = bench.open();
    for part in lines.chunks(500) {
        crate::common::bench::send(&engine, part);
    }
    engine.flush().unwrap();
    build(&engine, options(format, action)).unwrap();
    engine.close().unwrap();
    bench
}

/// Number of rows per metric, from statistics where there are some.
fn counts(engine: &Engine) -> (BTreeMap<String, u64>, Vec<String>) {
    let names: Vec<String> = engine.metrics("pi").unwrap().into_iter().map(|m| m.name).collect();
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    let aggregators = [registry().aggregator("count").unwrap()];
    let windows = Windows { width: 365 * 24 * HOUR, aggregators: &aggregators };
    let mut counts = BTreeMap::new();
    let mut add = |metric: usize, _: i64, row: &[Option<f64>]| {
        *counts.entry(names[metric].clone()).or_default() += row[0].unwrap() as u64;
        ControlFlow::Continue(())
    };
    let report =
        engine.aggregate("pi", &wanted, DAY, DAY + 30 * 24 * HOUR, windows, MetricFiles::Preferred, &mut add).unwrap();
    (counts, report.warnings)
}

/// Whether each metric's rows are some of those expected, in order.
fn assert_some_of(found: &Content, expected: &Content, context: &str) {
    for (series, rows) in found {
        let mut all = expected[series].iter();
        for row in rows {
            assert!(all.any(|r| r == row), "{context}: {series:?}: {row:?} was never sent, or comes twice");
        }
    }
}

fn check_damaged(disk: &Bench, expected: &Content, complete: bool, context: &str) -> bool {
    let engine = disk.open();
    let (found, warnings) = read(&engine);
    if complete || warnings.is_empty() {
        assert_same(&found, expected, &format!("{context}: {warnings:?}"));
    } else {
        assert_some_of(&found, expected, context);
    }
    let (counts, aggregate_warnings) = counts(&engine);
    for ((_, metric), rows) in expected {
        let count = counts.get(metric).copied().unwrap_or_default();
        let all = rows.len() as u64;
        assert!(
            count == all || (!complete && !aggregate_warnings.is_empty() && count < all),
            "{context}: {count} of {metric}"
        );
        if complete {
            assert_eq!(engine.query_last("pi", metric).unwrap().as_ref(), rows.last(), "{context}");
        }
    }
    !warnings.is_empty()
}

fn every_damage(action: RawIngestAction, complete: bool) {
    for format in FORMATS {
        let lines = rows();
        let bench = built(format, action, &lines);
        let expected = content_of(&lines);
        let whole = bench.file(FILE);
        let path = bench.path(FILE);
        let mut warned = 0;
        // Densely where it matters most: header, directory, footer.
        let len = whole.len() * 8;
        let bits = (0..len).filter(|bit| *bit < 64 * 8 || *bit > len - 64 * 8 || bit % stride() == 0);
        for bit in bits {
            let disk = bench.fork(bench.vfs.fork(1));
            disk.vfs.corrupt(&path, bit as u64 / 8, 1 << (bit % 8)).unwrap();
            let context = format!("{format:?}, {action:?}, bit {bit} of {len}");
            warned += usize::from(check_damaged(&disk, &expected, complete, &context));
        }
        assert!(warned > 500, "{warned} of {len}");
        for to in (0..whole.len()).filter(|to| to % stride() == 0 || *to > whole.len() - 40) {
            let disk = bench.fork(bench.vfs.fork(1));
            disk.vfs.truncate(&path, to as u64).unwrap();
            let context = format!("{format:?}, {action:?}, cut to {to} of {}", whole.len());
            assert!(check_damaged(&disk, &expected, complete, &context), "{context}: nobody warns");
        }
    }
}

#[test]
fn a_damaged_metric_file_is_replaced_by_the_raw_pages_it_was_built_from() {
    every_damage(RawIngestAction::Keep, true);
}

#[test]
fn a_damaged_metric_file_without_raw_pages_serves_what_is_whole() {
    every_damage(RawIngestAction::Delete, false);
}

/// Damage of a raw file that was built in changes nothing: its rows are in the metric file, and not read twice.
#[test]
fn a_damaged_raw_file_beside_its_metric_file_changes_nothing() {
    for format in FORMATS {
        for late in [false, true] {
            let mut lines = first_rows();
            let bench = sealed(SimVfs::new(9), 10);
            let engine = bench.open();
            store(&engine, &lines);
            build(&engine, options(format, RawIngestAction::Keep)).unwrap();
            if late {
                store(&engine, &late_rows(0));
                lines.extend(late_rows(0));
            }
            engine.close().unwrap();
            let expected = content_of(&lines);
            let name = "pi/data-2026-05-21.dat";
            let len = bench.file(name).len();
            for bit in (0..len * 8).filter(|bit| bit % 3 == 0) {
                let disk = bench.fork(bench.vfs.fork(1));
                disk.vfs.corrupt(&bench.path(name), bit as u64 / 8, 1 << (bit % 8)).unwrap();
                let context = format!("{format:?}, late {late}, bit {bit} of {len}");
                let engine = disk.open();
                let (found, warnings) = read(&engine);
                if warnings.is_empty() {
                    assert_same(&found, &expected, &context);
                } else {
                    assert!(late, "{context}: {warnings:?}");
                    assert_some_of(&found, &expected, &context);
                    let built_in = content_of(&first_rows());
                    assert_some_of(&built_in, &found, &context);
                }
            }
        }
    }
}

/// The raw file of a built partition is gone, and late rows are in a new one, of which a frame is damaged: no row is lost
/// without a word, whatever the damage hides of whether the file was built in.
#[test]
fn damage_among_late_rows_is_reported() {
    for format in FORMATS {
        let bench = sealed(SimVfs::new(9), 10);
        let engine = bench.open();
        let mut lines = first_rows();
        store(&engine, &lines);
        for round in 0..4 {
            store(&engine, &late_rows(round));
            lines.extend(late_rows(round));
        }
        build(&engine, options(format, RawIngestAction::Delete)).unwrap();
        for round in 4..8 {
            store(&engine, &late_rows(round));
            lines.extend(late_rows(round));
        }
        engine.close().unwrap();
        let expected = content_of(&lines);
        let name = "pi/data-2026-05-21.dat";
        let len = bench.file(name).len();
        for bit in (0..len * 8).filter(|bit| bit % 3 == 0) {
            let disk = bench.fork(bench.vfs.fork(1));
            disk.vfs.corrupt(&bench.path(name), bit as u64 / 8, 1 << (bit % 8)).unwrap();
            let context = format!("{format:?}, bit {bit} of {len}");
            let (found, warnings) = read(&disk.open());
            if warnings.is_empty() {
                assert_same(&found, &expected, &context);
            } else {
                assert_some_of(&found, &expected, &context);
                let lost: usize = expected.iter().map(|(series, rows)| rows.len() - found[series].len()).sum();
                assert!(lost <= late_rows(0).len(), "{context}: more than a frame is lost: {warnings:?}");
            }
        }
    }
}

/// The last frame that was built in is damaged, so that it is cut off before late rows are appended in its place.
#[test]
fn a_raw_file_that_lost_its_end_is_appended_to() {
    for format in FORMATS {
        for lost in 1..=3 {
            let bench = sealed(SimVfs::new(9), 10);
            let engine = bench.open();
            let mut lines = first_rows();
            store(&engine, &lines);
            let name = "pi/data-2026-05-21.dat";
            let mut ends = vec![bench.file(name).len()];
            for round in 0..3 {
                store(&engine, &late_rows(round));
                lines.extend(late_rows(round));
                ends.push(bench.file(name).len());
            }
            build(&engine, options(format, RawIngestAction::Keep)).unwrap();
            engine.close().unwrap();
            // One bit in each of the last frames, before their checksums.
            for end in &ends[4 - lost..] {
                bench.vfs.corrupt(&bench.path(name), *end as u64 - 6, 4).unwrap();
            }
            let context = format!("{format:?}, {lost} frames");
            let engine = bench.open();
            check(&engine, &lines, &context);
            for round in 3..6 {
                store(&engine, &late_rows(round));
                lines.extend(late_rows(round));
                check(&engine, &lines, &format!("{context}, round {round}"));
            }
            engine.close().unwrap();
            let engine = bench.open();
            check(&engine, &lines, &format!("{context}: after a restart"));
            check(&bench.open_read_only(), &lines, &format!("{context}: to a reader"));
            build(&engine, options(format, RawIngestAction::Keep)).unwrap();
            check(&engine, &lines, &format!("{context}: built"));
        }
    }
}

/// A metric file of another partition or of another database in place of the right one.
#[test]
fn a_file_that_belongs_elsewhere_is_reported_and_not_served() {
    for format in FORMATS {
        for action in [RawIngestAction::Keep, RawIngestAction::Delete] {
            let lines = first_rows();
            let bench = sealed(SimVfs::new(9), 10);
            let engine = bench.open();
            store(&engine, &lines);
            build(&engine, options(format, action)).unwrap();
            engine.close().unwrap();
            let (today, tomorrow) = (bench.file(FILE), bench.file("pi/metric-2026-05-21.dat"));
            // Of another database, whose first metric has another type.
            let other = sealed(SimVfs::new(9), 10);
            let engine = other.open();
            let mut theirs: Vec<Line> = lines.iter().map(|l| ("pi", l.1, float(1.5), l.3)).collect();
            theirs.extend((0..3).map(|at| ("pi", "more", int(4), DAY + at)));
            store(&engine, &theirs);
            build(&engine, options(format, RawIngestAction::Delete)).unwrap();
            let foreign = other.file(FILE);
            for (what, bytes) in [("tomorrow's", &tomorrow), ("another database's", &foreign)] {
                let disk = bench.fork(bench.vfs.fork(1));
                assert_ne!(*bytes, today);
                disk.vfs.put(&bench.path(FILE), bytes).unwrap();
                let context = format!("{format:?}, {action:?}, {what}");
                let (found, warnings) = read(&disk.open());
                assert!(!warnings.is_empty(), "{context}");
                let mut expected = content_of(&lines);
                if action == RawIngestAction::Delete {
                    for rows in expected.values_mut() {
                        rows.retain(|row| row.timestamp >= DAY + 24 * HOUR);
                    }
                }
                assert_same(&found, &expected, &context);
            }
        }
    }
}

#[test]
fn a_metric_file_that_is_gone_leaves_its_raw_pages() {
    for format in FORMATS {
        for action in [RawIngestAction::Keep, RawIngestAction::Rename] {
            for while_open in [false, true] {
                let lines = first_rows();
                let bench = sealed(SimVfs::new(9), 10);
                let mut engine = bench.open();
                store(&engine, &lines);
                build(&engine, options(format, action)).unwrap();
                check(&engine, &lines, "before");
                if !while_open {
                    engine.close().unwrap();
                }
                nanotdb_core::storage::vfs::Vfs::remove_file(&bench.vfs.process(), &bench.path(FILE)).unwrap();
                if !while_open {
                    drop(engine);
                    engine = bench.open();
                }
                let context = format!("{format:?}, {action:?}, while open {while_open}");
                check(&engine, &lines, &context);
                build(&engine, options(format, action)).unwrap();
                check(&engine, &lines, &context);
                assert_eq!(files(&bench, "metric-").len(), 2, "{context}");
            }
        }
    }
}

/// Reading raw pages alone says what it leaves out.
#[test]
fn what_only_metric_files_hold_is_missed_aloud_when_they_are_not_read() {
    for format in FORMATS {
        for first in ACTIONS {
            for second in ACTIONS {
                let bench = sealed(SimVfs::new(9), 10);
                let engine = bench.open();
                let mut lines = first_rows();
                store(&engine, &lines);
                build(&engine, options(format, first)).unwrap();
                store(&engine, &late_rows(0));
                lines.extend(late_rows(0));
                build(&engine, options(format, second)).unwrap();
                let context = format!("{format:?}, {first:?}, {second:?}");
                check(&engine, &lines, &context);
                let mut rows = 0;
                let mut count = |slice: nanotdb_core::engine::ScanSlice<'_>| {
                    rows += slice.len();
                    Ok(ControlFlow::Continue(()))
                };
                let mut sink = nanotdb_core::engine::Slices(&mut count);
                let names = ["count", "level", "rare", "late"];
                let report =
                    engine.scan_into("pi", &names, i64::MIN, i64::MAX, MetricFiles::Ignored, &mut sink).unwrap();
                let is_short = rows < lines.len();
                assert!(rows <= lines.len(), "{context}: {rows}");
                assert_eq!(is_short, !report.warnings.is_empty(), "{context}: {rows} of {}: {report:?}", lines.len());
            }
        }
    }
}
