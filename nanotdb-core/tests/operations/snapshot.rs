//! A copy of a root in use: whole, of one moment, and nothing of the source is touched.

use crate::common::bench::{Bench, Line, SECOND, content_of, float, int, send};
use crate::common::changing::Changing;
use crate::common::files;
use crate::common::hooked::{HookedVfs, Hooks};
use crate::common::oracle::{ROOT, START, config, content};
use crate::common::rng::Rng;
use crate::common::{SetWhenDropped, assert_same};
use crate::support::{ACTIONS, DAY, FORMATS, build, first_rows, late_rows, options, sealed, store};
use nanotdb_core::config::{FsyncPolicy, MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{Batch, Engine, EngineOptions};
use nanotdb_core::maintenance::snapshot::{SnapshotReport, SnapshotRequest, snapshot};
use nanotdb_core::model::{Number, Value};
use nanotdb_core::storage::vfs::sim::{Fault, SimVfs};
use nanotdb_core::storage::vfs::{OpenMode, Vfs};
use nanotdb_core::{Error, Result};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn take(bench: &Bench, out: &str) -> Result<SnapshotReport> {
    let request = SnapshotRequest { root: Path::new(ROOT), out: Path::new(out), database: None, copy_all: false };
    snapshot(request, bench.config.clone(), &bench.options(), &mut |_, _| {})
}

fn open(bench: &Bench, root: &str) -> Engine {
    let engine = Engine::open_with(Path::new(root), bench.config.clone(), bench.options()).unwrap();
    assert_eq!(engine.health(), []);
    engine
}

/// Source files by path, the lock file aside.
fn source(bench: &Bench) -> Vec<(PathBuf, Vec<u8>)> {
    bench.vfs.snapshot().into_iter().filter(|(path, _)| path.starts_with(ROOT) && !path.ends_with(".lock")).collect()
}

/// Between any two steps of flushes, builds and restarts. What is linked is never changed in place afterwards: the
/// simulated file system refuses that.
#[test]
fn a_snapshot_at_any_moment_is_the_database_of_that_moment() {
    for seed in 0..6 {
        for format in FORMATS {
            let mut rng = Rng(seed);
            let bench = sealed(nanotdb_core::storage::vfs::sim::SimVfs::new(seed), 10 + seed as u32 * 7);
            let engine = bench.open();
            let mut lines = first_rows();
            store(&engine, &lines);
            let mut links = 0;
            for round in 0..40i64 {
                match rng.below(8) {
                    0 => engine.begin_flush().unwrap(),
                    1 => engine.finish_flush().unwrap(),
                    2 => drop(build(&engine, options(format, ACTIONS[rng.below(3) as usize])).unwrap()),
                    3 => {
                        let late = late_rows(round);
                        send(&engine, &late);
                        lines.extend(late);
                    }
                    _ => {
                        let time = START + round * SECOND;
                        let more: Vec<Line> =
                            vec![("pi", "live", int(round as i32), time), ("other", "x", float(0.5), time)];
                        send(&engine, &more);
                        lines.extend(more);
                    }
                }
                let context = format!("seed {seed}, {format:?}, round {round}");
                let before = source(&bench);
                let out = format!("/copies/{round}");
                let report = take(&bench, &out).unwrap_or_else(|e| panic!("{context}: {e}"));
                assert_eq!(source(&bench), before, "{context}: the source");
                assert_eq!(report.problems, [], "{context}");
                let counted: u64 = report.databases.iter().map(|d| d.samples).sum();
                assert_eq!(counted, lines.len() as u64, "{context}: {report:?}");
                links += report.databases.iter().map(|d| d.linked_files).sum::<u64>();
                let copy = open(&bench, &out);
                assert_same(&content(&copy), &content_of(&lines), &context);
                copy.close().unwrap();
            }
            assert!(links > 0, "nothing was ever linked");
        }
    }
}

#[test]
fn a_crash_at_every_operation_leaves_the_source_and_no_half_snapshot() {
    let bench = sealed(nanotdb_core::storage::vfs::sim::SimVfs::new(5), 10);
    let engine = bench.open();
    let mut lines = first_rows();
    store(&engine, &lines);
    build(&engine, options(MetricFileFormat::V2, RawIngestAction::Rename)).unwrap();
    let late = late_rows(1);
    send(&engine, &late);
    lines.extend(late);
    let expected = content_of(&lines);
    bench.vfs.record_forks(true);
    take(&bench, "/copy").unwrap();
    let mut forks = bench.vfs.take_forks();
    assert!(forks.len() > 10, "{}", forks.len());
    forks.push(bench.vfs.fork(1));
    let last = forks.len() - 1;
    for (at, fork) in forks.into_iter().enumerate() {
        for seed in 0..6u64 {
            let disk = bench.died(&fork, seed);
            let context = format!("operation {at}, seed {seed}");
            assert_same(&content(&disk.open()), &expected, &format!("{context}: the source"));
            let is_there = disk.vfs.entry(Path::new("/copy")).unwrap().is_some();
            assert!(is_there || at < last, "{context}: what was reported is durable");
            if is_there {
                let copy = open(&disk, "/copy");
                assert_same(&content(&copy), &expected, &format!("{context}: the copy"));
                drop(copy);
            } else if let Err(e) = take(&disk, "/copy") {
                assert!(matches!(&e, Error::BadInput(text) if text.contains(".partial")), "{context}: {e}");
            }
        }
    }
}

#[test]
fn an_error_at_any_operation_leaves_nothing_behind() {
    let bench = sealed(nanotdb_core::storage::vfs::sim::SimVfs::new(5), 10);
    let engine = bench.open();
    store(&engine, &first_rows());
    build(&engine, options(MetricFileFormat::V3, RawIngestAction::Keep)).unwrap();
    let before = bench.vfs.snapshot();
    let counted = bench.fork(bench.vfs.fork(0));
    let start = counted.vfs.operation_count();
    take(&counted, "/copy").unwrap();
    let operations = counted.vfs.operation_count() - start;
    assert!(operations > 10, "{operations}");
    let mut failures = 0;
    for at in 1..=operations {
        for fault in [Fault::Enospc, Fault::Eio] {
            let disk = bench.fork(bench.vfs.fork(at));
            disk.vfs.fail_at(at, fault);
            let outcome = take(&disk, "/copy");
            disk.vfs.clear_faults();
            // A link that fails becomes a copy; the last operations follow the rename.
            if outcome.is_err() && disk.vfs.entry(Path::new("/copy")).unwrap().is_none() {
                failures += 1;
                assert_eq!(disk.vfs.snapshot(), before, "{fault:?} at operation {at}");
            }
        }
    }
    assert!(failures > operations, "{failures} of {operations} operations failed");
}

#[test]
fn a_target_that_is_not_empty_or_lies_inside_is_refused() {
    let bench = sealed(nanotdb_core::storage::vfs::sim::SimVfs::new(1), 10);
    let engine = bench.open();
    store(&engine, &first_rows());
    let before = bench.vfs.snapshot();
    for out in [ROOT, "/root/pi", "/root/backup/x", "/"] {
        let e = take(&bench, out).unwrap_err();
        assert!(matches!(e, Error::BadInput(_)), "{out}: {e}");
    }
    assert_eq!(bench.vfs.snapshot(), before);
    let request =
        SnapshotRequest { root: Path::new(ROOT), out: Path::new("/copy"), database: Some("none"), copy_all: false };
    let e = snapshot(request, bench.config.clone(), &bench.options(), &mut |_, _| {}).unwrap_err();
    assert!(matches!(&e, Error::NotFound(text) if text.contains("it holds pi")), "{e}");
    assert_eq!(bench.vfs.snapshot(), before);
}

#[test]
fn damage_of_the_source_is_copied_and_told() {
    let bench = sealed(nanotdb_core::storage::vfs::sim::SimVfs::new(1), 10);
    let engine = bench.open();
    store(&engine, &first_rows());
    let path = bench.path("pi/data-2026-05-20.dat");
    bench.vfs.corrupt(&path, 40, 1).unwrap();
    let report = take(&bench, "/copy").unwrap();
    let files: Vec<_> = report.problems.iter().map(|p| p.file.clone()).collect();
    assert_eq!(files, [Path::new("/copy/pi/data-2026-05-20.dat")]);
    assert_eq!(bench.vfs.snapshot()[Path::new("/copy/pi/data-2026-05-20.dat")], bench.vfs.snapshot()[&path]);
}

/// Raw files that go and come again with more rows than before, on a file system that tells them from each other only while they
/// are there.
#[test]
fn a_file_that_is_made_again_is_not_taken_for_the_former_one() {
    let bench = sealed(SimVfs::new(1), 10);
    let engine = bench.open();
    let mut lines = first_rows();
    store(&engine, &lines);
    let mut states = vec![(bench.vfs.fork(0), content_of(&lines))];
    let mut add = |lines: &[Line]| states.push((bench.vfs.fork(0), content_of(lines)));
    for round in 0..3 {
        build(&engine, options(MetricFileFormat::V3, RawIngestAction::Delete)).unwrap();
        add(&lines);
        let late: Vec<Line> = (0..40 + 40 * round).flat_map(|at| late_rows(round * 200 + at)).collect();
        store(&engine, &late);
        lines.extend(late);
        add(&lines);
    }
    let request = |out| SnapshotRequest { root: Path::new(ROOT), out, database: None, copy_all: true };
    let out = Path::new("/copies/copy");
    for seed in 0..600 {
        let mut rng = Rng(seed);
        let mut three = [0; 3].map(|_| rng.below(states.len() as u64) as usize);
        three.sort_unstable();
        let mut calls = [0; 2].map(|_| rng.below(60) as usize);
        calls.sort_unstable();
        let context = format!("seed {seed}: {three:?} after {calls:?} calls");
        let at = |n: usize| states[three[n]].0.clone();
        let disk = Changing::reusing(vec![(0, at(0)), (calls[0], at(1)), (calls[1], at(2))]);
        let options = EngineOptions { vfs: Arc::new(disk.clone()), ..bench.options() };
        let report = snapshot(request(out), bench.config.clone(), &options, &mut |_, _| {})
            .unwrap_or_else(|e| panic!("{context}: {e}"));
        assert_eq!(report.problems, [], "{context}");
        let options = EngineOptions { vfs: Arc::new(disk.copy.clone()), ..options };
        let found = content(&Engine::open_with(out, bench.config.clone(), options).unwrap());
        assert!(states.iter().any(|(_, expected)| found == *expected), "{context}: {found:?}");
    }
}

/// What an editor puts beside a file while it saves it.
struct Editor(SimVfs);

impl Hooks for Editor {
    fn open(&self, path: &Path, _: OpenMode) {
        if path.ends_with("root/engine.toml~") {
            self.0.remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_file_of_the_root_that_is_gone_again_is_left_out() {
    let bench = sealed(SimVfs::new(1), 10);
    let engine = bench.open();
    store(&engine, &first_rows());
    for name in ["engine.toml~", "note.txt"] {
        bench.vfs.put(&bench.path(name), b"x").unwrap();
    }
    let hooks = Arc::new(Editor(bench.vfs.process()));
    let options = EngineOptions { vfs: Arc::new(HookedVfs { inner: bench.vfs.process(), hooks }), ..bench.options() };
    let request = SnapshotRequest { root: Path::new(ROOT), out: Path::new("/copy"), database: None, copy_all: false };
    let report = snapshot(request, bench.config.clone(), &options, &mut |_, _| {}).unwrap();
    assert_eq!(report.problems, []);
    let names: Vec<_> = bench.vfs.read_dir(Path::new("/copy")).unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(names, ["note.txt", "pi"]);
}

const METRICS: [&str; 3] = ["a", "b", "c"];

/// The values of a metric, which must be 0, 1, 2 and so on.
fn check_sequence(engine: &Engine, metric: &str, least: u64, most: u64, context: &str) {
    let mut found = 0u64;
    let report = engine
        .query_range("pi", metric, i64::MIN, i64::MAX, 1, |sample| {
            assert_eq!(sample.value, Value::Int32(found as i32), "{context}: {metric}: missing or twice");
            found += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(report.warnings, Vec::<String>::new(), "{context}");
    assert!(least <= found && found <= most, "{context}: {metric}: {found} rows, not {least} to {most}");
}

/// Real files: writers, background flushes of small pages, builds that remove raw files, and snapshots meanwhile. Every
/// sample that was acknowledged before a snapshot began is in it once.
#[test]
fn snapshots_under_load_hold_every_acknowledged_sample_once() {
    for (round, action) in ACTIONS.into_iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        let config = config(FsyncPolicy::Segment, 60);
        let engine = Engine::open(&root, config.clone()).unwrap();
        engine.create_database("pi").unwrap();
        let (acknowledged, sent, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _done = SetWhenDropped(&done);
                let mut batch = Batch::new();
                while !done.load(Ordering::SeqCst) {
                    let from = acknowledged.load(Ordering::SeqCst);
                    let to = from + 1 + from % 7;
                    sent.store(to, Ordering::SeqCst);
                    for n in from..to {
                        for metric in METRICS {
                            let time = DAY + (n / 3) as i64 * 100_000_000;
                            batch.push("pi", metric, Number::integer(n as i64), Some(time));
                        }
                    }
                    let outcome = engine.write_batch(&mut batch).unwrap();
                    assert_eq!(outcome.rejected, 0, "{:?}", outcome.rejections);
                    acknowledged.store(to, Ordering::SeqCst);
                }
            });
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    build(&engine, options(FORMATS[round % 3], action)).unwrap();
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
            });
            // Also when an assertion fails, so that the others end.
            let _done = SetWhenDropped(&done);
            let goes_on = |at: &i32| *at < 12 || acknowledged.load(Ordering::SeqCst) <= 100;
            for at in (0..).take_while(|at| goes_on(at) && !done.load(Ordering::SeqCst)) {
                let out = directory.path().join(format!("copy{at}"));
                let least = acknowledged.load(Ordering::SeqCst);
                let request = SnapshotRequest { root: &root, out: &out, database: None, copy_all: at % 2 == 0 };
                let report = snapshot(request, config.clone(), &EngineOptions::default(), &mut |_, _| {}).unwrap();
                let most = sent.load(Ordering::SeqCst);
                let context = format!("{action:?}, snapshot {at}");
                assert_eq!(report.problems, [], "{context}");
                // Twice: the first start replays and writes, the second finds what that left.
                for _ in 0..2 {
                    let options = EngineOptions { background: false, ..EngineOptions::default() };
                    let copy = Engine::open_with(&out, config.clone(), options).unwrap();
                    assert_eq!(copy.health(), []);
                    METRICS.iter().for_each(|metric| check_sequence(&copy, metric, least, most, &context));
                    copy.close().unwrap();
                }
                std::fs::remove_dir_all(&out).unwrap();
            }
        });
        assert!(acknowledged.load(Ordering::SeqCst) > 100);
        METRICS.iter().for_each(|metric| {
            let all = acknowledged.load(Ordering::SeqCst);
            check_sequence(&engine, metric, all, all, "the source");
        });
        engine.close().unwrap();
    }
}

#[test]
fn real_metric_files_become_links_and_the_source_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let (root, out) = (directory.path().join("root"), directory.path().join("copy"));
    let config = config(FsyncPolicy::Segment, 60);
    let engine = Engine::open(&root, config.clone()).unwrap();
    store(&engine, &first_rows());
    build(&engine, options(MetricFileFormat::V3, RawIngestAction::Rename)).unwrap();
    send(&engine, &late_rows(0));
    let before = files::snapshot(&root);
    let request = SnapshotRequest { root: &root, out: &out, database: Some("pi"), copy_all: false };
    let report = snapshot(request, config, &EngineOptions::default(), &mut |_, _| {}).unwrap();
    assert_eq!(files::snapshot(&root), before);
    assert_eq!(report.databases.len(), 1);
    assert_eq!(report.databases[0].linked_files, 4, "two metric files and two raw files: {report:?}");
    assert_eq!(report.databases[0].samples, first_rows().len() as u64 + 3);
    assert!(!out.with_file_name("copy.partial").exists() && !out.join(".lock").exists());
}
