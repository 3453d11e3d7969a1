//! Small frames become pages: the same rows in the same order, whatever dies, fails or happens meanwhile.

use crate::common::bench::{Bench, Line, SECOND, int, number, send};
use crate::common::oracle::{START, config};
use crate::common::rng::Rng;
use crate::support::{ACTIONS, DAY, FORMATS, HOUR, build, check, check_verify, late_rows, options, sealed, store};
use nanotdb_core::config::{FsyncPolicy, MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{Batch, Compaction, Engine, EngineOptions};
use nanotdb_core::model::{Number, Value};
use nanotdb_core::storage::vfs::sim::{CrashModel, Fault, SimVfs};
use nanotdb_core::{Error, Result};
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Two days in frames of a few rows; some rows are late, some metrics have several samples of one time.
fn rows() -> Vec<Line> {
    let mut lines = Vec::new();
    for at in 0..60i64 {
        let time = DAY + at / 2 * HOUR * 3 / 2;
        lines.push(("pi", "count", int(at as i32), time));
        lines.push(("pi", "level", Value::Float32(at as f32 / 4.0), time - HOUR / 2));
        if at % 7 == 0 {
            lines.push(("pi", "wide", Value::Float64(1e300 / (at + 1) as f64), time));
        }
    }
    lines
}

/// Stores lines in frames of three or so.
fn store_small(engine: &Engine, lines: &[Line]) {
    for part in lines.chunks(3) {
        let mut batch = Batch::new();
        for (database, metric, value, time) in part {
            batch.push(database, metric, number(*value), Some(*time));
        }
        let outcome = engine.write_batch(&mut batch).unwrap();
        assert_eq!(outcome.rejected, 0, "{:?}", outcome.rejections);
        engine.flush().unwrap();
    }
}

fn compact_all(engine: &Engine) -> Result<Vec<Compaction>> {
    engine.partitions("pi")?.iter().map(|part| engine.compact("pi", part, false)).collect()
}

fn frames(compactions: &[Compaction]) -> (u64, u64) {
    let files = compactions.iter().flat_map(|c| match c {
        Compaction::Done(files) => files.as_slice(),
        _ => &[],
    });
    files.fold((0, 0), |(before, after), f| (before + f.frames_before, after + f.frames_after))
}

fn small() -> (Bench, Vec<Line>) {
    let mut lines = rows();
    lines.retain(|(_, metric, ..)| *metric != "wide");
    let bench = sealed(SimVfs::new(4), 30);
    (bench, lines)
}

#[test]
fn frames_become_pages_of_the_configured_size() {
    let (bench, lines) = small();
    let engine = bench.open();
    store_small(&engine, &lines);
    check(&engine, &lines, "before");
    let planned: Vec<_> =
        engine.partitions("pi").unwrap().iter().map(|p| engine.compact("pi", p, true).unwrap()).collect();
    let before = bench.vfs.snapshot();
    let done = compact_all(&engine).unwrap();
    assert_ne!(before, bench.vfs.snapshot());
    assert_eq!(frames(&planned), frames(&done));
    let (frames_before, frames_after) = frames(&done);
    assert!(frames_before > 30 && frames_after < 10, "{done:?}");
    check(&engine, &lines, "after");
    assert!(compact_all(&engine).unwrap().iter().all(|c| *c == Compaction::NothingToDo));
    // Appending goes on.
    let late = late_rows(5);
    store(&engine, &late);
    let all: Vec<Line> = lines.iter().chain(&late).copied().collect();
    check(&engine, &all, "appended");
    bench.kill(engine);
    check(&bench.open(), &all, "after a restart");
    check_verify(&bench, "after a restart");
}

#[test]
fn what_a_metric_file_holds_is_held_as_before() {
    for format in FORMATS {
        for action in ACTIONS {
            let (bench, mut lines) = small();
            let engine = bench.open();
            store_small(&engine, &lines);
            build(&engine, options(format, action)).unwrap();
            for round in 0..5 {
                let late = late_rows(round);
                store(&engine, &late);
                lines.extend(late);
            }
            let context = format!("{format:?}, {action:?}");
            let done = compact_all(&engine).unwrap();
            check(&engine, &lines, &context);
            let is_skipped =
                done.iter().any(|c| matches!(c, Compaction::Skipped(why) if why.contains("build it anew")));
            assert_eq!(is_skipped, action == RawIngestAction::Delete, "{context}: {done:?}");
            bench.kill(engine);
            let engine = bench.open();
            check(&engine, &lines, &format!("{context}: after a restart"));
            check_verify(&bench, &context);
            build(&engine, options(format, action)).unwrap();
            check(&engine, &lines, &format!("{context}: built again"));
            assert_eq!(build(&engine, options(format, action)).unwrap(), [], "{context}: nothing is left to do");
        }
    }
}

#[test]
fn dying_at_every_operation_leaves_the_old_or_the_new() {
    for built in [None, Some(MetricFileFormat::V3), Some(MetricFileFormat::V1)] {
        let (bench, mut lines) = small();
        let engine = bench.open();
        store_small(&engine, &lines);
        if let Some(format) = built {
            build(&engine, options(format, RawIngestAction::Keep)).unwrap();
            for round in 0..3 {
                store(&engine, &late_rows(round));
                lines.extend(late_rows(round));
            }
        }
        let live: Vec<Line> = vec![("pi", "count", int(1), START), ("pi", "new", int(2), START)];
        send(&engine, &live);
        lines.extend(live);
        bench.vfs.record_forks(true);
        compact_all(&engine).unwrap();
        let forks = bench.vfs.take_forks();
        assert!(forks.len() > 8, "{}", forks.len());
        let mut rng = Rng(9);
        for fork in forks {
            for round in 0..8 {
                let disk = bench.fork(fork.fork(rng.next()));
                disk.vfs.set_crash_model([CrashModel::Arbitrary, CrashModel::Ordered][round % 2]);
                if round < 2 {
                    disk.vfs.kill()
                } else {
                    disk.vfs.crash()
                }
                let context = format!("{built:?}, operation {}, round {round}", fork.operation_count());
                let engine = disk.open();
                check(&engine, &lines, &context);
                compact_all(&engine).unwrap();
                check(&engine, &lines, &format!("{context}: compacted again"));
                let more: Vec<Line> = vec![("pi", "count", int(3), START + SECOND)];
                send(&engine, &more);
                disk.vfs.crash();
                drop(engine);
                let all: Vec<Line> = lines.iter().chain(&more).copied().collect();
                check(&disk.open(), &all, &format!("{context}: power loss later"));
                check_verify(&disk, &context);
            }
        }
    }
}

#[test]
fn an_error_at_any_operation_changes_nothing() {
    let (bench, lines) = small();
    let engine = bench.open();
    store_small(&engine, &lines);
    bench.kill(engine);
    for at in 1..40 {
        for fault in [Fault::Enospc, Fault::Eio] {
            let disk = bench.fork(bench.vfs.fork(at));
            let engine = disk.open();
            disk.vfs.fail_at(at, fault);
            let outcome = compact_all(&engine);
            disk.vfs.clear_faults();
            let context = format!("{fault:?} at operation {at}: {outcome:?}");
            check(&engine, &lines, &context);
            disk.kill(engine);
            check(&disk.open(), &lines, &context);
            check_verify(&disk, &context);
        }
    }
}

#[test]
fn damage_is_refused() {
    let (bench, lines) = small();
    let engine = bench.open();
    store_small(&engine, &lines);
    bench.kill(engine);
    let path = bench.path("pi/data-2026-05-20.dat");
    bench.vfs.corrupt(&path, 30, 1).unwrap();
    let engine = bench.open();
    let before = bench.file("pi/data-2026-05-20.dat");
    let e = engine.compact("pi", "2026-05-20", false).unwrap_err();
    assert!(matches!(e, Error::BadInput(_) | Error::Corrupt { .. }), "{e}");
    assert_eq!(bench.file("pi/data-2026-05-20.dat"), before);
    let e = engine.compact("pi", "2026-04-01", false).unwrap_err();
    assert!(matches!(&e, Error::NotFound(text) if text.contains("2026-05-20")), "{e}");
}

/// Rows sent again exactly as they were would be taken for flushed ones after a crash: also when merging made the frame that
/// they look like.
#[test]
fn rows_sent_again_after_a_merge_survive_a_kill() {
    let bench = sealed(SimVfs::new(4), 30);
    let engine = bench.open();
    let first: Vec<Line> = vec![("pi", "b", int(1), DAY), ("pi", "a", int(2), DAY + SECOND)];
    for line in &first {
        send(&engine, &[*line]);
        engine.flush().unwrap();
    }
    let again = [first[1], first[0]];
    send(&engine, &again);
    let lines: Vec<Line> = vec![first[0], first[0], first[1], first[1]];
    compact_all(&engine).unwrap();
    check(&engine, &lines, "before");
    send(&engine, &again);
    let lines: Vec<Line> = [vec![first[0]; 3], vec![first[1]; 3]].concat();
    bench.kill(engine);
    check(&bench.open(), &lines, "after the kill");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn any_frames_keep_their_rows(
        steps in prop::collection::vec((0u8..4, 0i64..5, any::<i32>(), 0u8..6), 1..120),
        page in 1u32..40,
    ) {
        let bench = sealed(SimVfs::new(4), 1_000);
        let engine = bench.open();
        let mut newest = [DAY; 4];
        let mut lines: Vec<Line> = Vec::new();
        for (metric, ahead, value, then) in steps {
            let at = &mut newest[usize::from(metric)];
            *at += ahead * HOUR;
            let name = ["a", "b", "c", "d"][usize::from(metric)];
            let value = if metric == 3 { Value::Float32(f32::from_bits(value as u32 & 0xbf7f_ffff)) } else { int(value) };
            let line = ("pi", name, value, *at);
            send(&engine, &[line]);
            lines.push(line);
            match then {
                0..=2 => engine.flush().unwrap(),
                3 => drop(build(&engine, options(MetricFileFormat::V3, RawIngestAction::Keep)).unwrap()),
                _ => {}
            }
        }
        engine.close().unwrap();
        let manifest = String::from_utf8(bench.file("pi/manifest.toml")).unwrap();
        let manifest = manifest.replace("max_records = 1000", &format!("max_records = {page}"));
        let path = bench.path("pi/manifest.toml");
        bench.vfs.put(&path, manifest.as_bytes()).unwrap();
        let engine = bench.open();
        check(&engine, &lines, "before");
        compact_all(&engine).unwrap();
        check(&engine, &lines, "after");
        bench.kill(engine);
        check(&bench.open(), &lines, "restarted");
        check_verify(&bench, "verified");
    }
}

/// Real files: a writer, a flusher, compactions, readers in this process and beside it.
#[test]
fn readers_see_every_row_once_while_frames_are_merged() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(FsyncPolicy::Segment, 400);
    let engine = Engine::open(directory.path(), config.clone()).unwrap();
    engine.create_database("pi").unwrap();
    let (acknowledged, done) = (AtomicU64::new(0), AtomicBool::new(false));
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let read = |engine: &Engine, least: u64, context: &str| {
        let mut found = 0u64;
        let report = engine
            .query_range("pi", "a", i64::MIN, i64::MAX, 1, |sample| {
                assert_eq!(sample.value, Value::Int32(found as i32), "{context}");
                found += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(report.warnings, Vec::<String>::new(), "{context}");
        assert!(found >= least, "{context}: {found} of {least}");
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            for round in 0..300u64 {
                let from = acknowledged.load(Ordering::SeqCst);
                let mut batch = Batch::new();
                for n in from..from + 3 {
                    batch.push("pi", "a", Number::integer(n as i64), Some(DAY + n as i64 * SECOND));
                }
                assert_eq!(engine.write_batch(&mut batch).unwrap().accepted, 3);
                acknowledged.store(from + 3, Ordering::SeqCst);
                engine.flush().unwrap();
                if round % 10 == 9 {
                    engine.compact("pi", "2026-05-20", false).unwrap();
                }
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                read(&engine, acknowledged.load(Ordering::SeqCst), "in this process");
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let least = acknowledged.load(Ordering::SeqCst);
                let options = EngineOptions { background: false, ..EngineOptions::default() };
                let reader = Engine::open_read_only_with(directory.path(), config.clone(), options).unwrap();
                for _ in 0..5 {
                    if reader.has_database("pi") {
                        read(&reader, least, "beside it");
                    }
                }
            }
        });
    });
    read(&engine, 900, "at the end");
}
