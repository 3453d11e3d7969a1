//! Pages that are flushed while others are written: nothing waits that need not, and nothing is lost, doubled or unseen.

use crate::common::assert_same;
use crate::common::bench::{Bench, Line, SECOND, content_of, float, int, send, try_send};
use crate::common::hooked::{HookedVfs, Hooks};
use crate::common::oracle::{ROOT, START as T, content};
use nanotdb_core::Error;
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::{Batch, Engine, EngineOptions};
use nanotdb_core::maintenance::{inspect, verify::verify};
use nanotdb_core::model::{Number, Value};
use nanotdb_core::storage::vfs::sim::{CrashModel, Fault, SimVfs};
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Lets fsyncs of data files through, or holds them.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    closed: bool,
    waiting: usize,
    passed: usize,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| state.closed).unwrap();
        state.waiting -= 1;
        state.passed += 1;
        self.changed.notify_all();
    }

    fn set_closed(&self, closed: bool) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = closed;
        self.changed.notify_all();
    }

    /// Returns when an fsync is held.
    fn wait_until_held(&self) {
        drop(self.changed.wait_while(self.state.lock().unwrap(), |state| state.waiting == 0).unwrap());
    }

    fn passed(&self) -> usize {
        self.state.lock().unwrap().passed
    }
}

/// Opens the gate when a test ends, also by failing: or the engine would wait for its thread for ever.
struct Opened(Arc<Gate>);

impl Deref for Opened {
    type Target = Gate;

    fn deref(&self) -> &Gate {
        &self.0
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.set_closed(false);
    }
}

impl Hooks for Gate {
    fn sync(&self, path: &Path) -> io::Result<()> {
        if path.extension().is_some_and(|e| e == "dat") {
            self.pass();
        }
        Ok(())
    }
}

/// An engine with its threads on a disk with a gate.
fn open_gated(bench: &Bench) -> (Engine, Opened) {
    let gate = Arc::new(Gate::default());
    let vfs = HookedVfs { inner: bench.vfs.process(), hooks: Arc::clone(&gate) };
    let options = EngineOptions { vfs: Arc::new(vfs), clock: bench.clock.clone(), background: true };
    (Engine::open_with(Path::new(ROOT), bench.config.clone(), options).unwrap(), Opened(gate))
}

fn lines(range: std::ops::Range<i32>) -> Vec<Line> {
    range.map(|i| ("home", ["a", "b"][i as usize % 2], int(i), T + i64::from(i) / 2 * SECOND / 10)).collect()
}

fn has_next_wal(bench: &Bench) -> bool {
    bench.paths().iter().any(|path| path.to_string_lossy().ends_with(".wal.next"))
}

const POLICIES: [FsyncPolicy; 3] = [FsyncPolicy::Always, FsyncPolicy::Interval, FsyncPolicy::Segment];

/// While the fsync of a page hangs, batches are acknowledged and read; a kill then loses none of them.
#[test]
fn writes_are_acknowledged_while_a_page_is_flushed() {
    for policy in POLICIES {
        let bench = Bench::new(policy, 10);
        let (engine, gate) = open_gated(&bench);
        gate.set_closed(true);
        send(&engine, &lines(0..10));
        gate.wait_until_held();
        for i in 10..25 {
            send(&engine, &lines(i..i + 1));
            assert_same(&content(&engine), &content_of(&lines(0..i + 1)), "while a flush hangs");
        }
        assert_eq!(gate.passed(), 0);
        assert!(has_next_wal(&bench));
        let newest = engine.query_last("home", "a").unwrap().map(|s| s.value);
        assert_eq!(newest, Some(int(24)));
        assert!(engine.add_sample("home", "b", int(0), Some(T)).is_err(), "order is checked against frozen rows");
        let killed = bench.fork(bench.vfs.fork(1));
        killed.vfs.kill();
        assert_same(&content(&killed.open()), &content_of(&lines(0..25)), "killed while a flush hangs");
        if policy == FsyncPolicy::Always {
            for seed in 0..20 {
                let cut = bench.fork(bench.vfs.fork(seed));
                cut.vfs.crash();
                assert_same(&content(&cut.open()), &content_of(&lines(0..25)), "power loss while a flush hangs");
            }
        }
        gate.set_closed(false);
        engine.close().unwrap();
        assert!(!has_next_wal(&bench) && bench.file("home/home.wal").is_empty());
        assert_same(&content(&bench.open()), &content_of(&lines(0..25)), "after a clean stop");
    }
}

/// A disk that does not keep up holds writers before the next page has grown to twice its size, and no batch earlier.
#[test]
fn writers_wait_for_a_flush_before_another_is_needed_twice() {
    let bench = Bench::new(FsyncPolicy::Segment, 10);
    let (engine, gate) = open_gated(&bench);
    gate.set_closed(true);
    send(&engine, &lines(0..10));
    gate.wait_until_held();
    let submit = |i: i32| {
        let mut batch = Batch::new();
        for (database, metric, value, timestamp) in lines(i..i + 1) {
            batch.push(database, metric, crate::common::bench::number(value), Some(timestamp));
        }
        engine.submit(&mut batch).unwrap()
    };
    for i in 10..29 {
        let submitted = submit(i);
        assert!(!submitted.must_flush(), "row {i}");
        engine.settle(submitted).unwrap();
    }
    let submitted = submit(29);
    assert!(submitted.must_flush());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            engine.settle(submitted).unwrap();
            gate.passed()
        });
        gate.set_closed(false);
        assert!(waiting.join().unwrap() >= 1, "acknowledged before the page before it was flushed");
    });
    assert_same(&content(&engine), &content_of(&lines(0..30)), "after the wait");
    engine.close().unwrap();
}

/// A stop waits for the flush that is under way.
#[test]
fn close_waits_for_the_flush_that_is_under_way() {
    let bench = Bench::new(FsyncPolicy::Segment, 10);
    let (engine, gate) = open_gated(&bench);
    gate.set_closed(true);
    send(&engine, &lines(0..10));
    gate.wait_until_held();
    send(&engine, &lines(10..15));
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| {
            engine.close().unwrap();
            gate.passed()
        });
        gate.set_closed(false);
        assert_eq!(closing.join().unwrap(), 2, "one page that was under way, and one that was open");
    });
    assert!(!has_next_wal(&bench) && bench.file("home/home.wal").is_empty());
    assert_same(&content(&bench.open()), &content_of(&lines(0..15)), "after the stop");
}

/// Each metric counts 0, 1, 2, ...; at whatever moment of a flush a query comes, it sees each row once, and every row
/// that was acknowledged before it came.
#[test]
fn a_query_sees_each_row_once_at_every_moment_of_a_flush() {
    const TICKS: i64 = 4_000;
    let bench = Bench::new(FsyncPolicy::Segment, 30);
    let (engine, _gate) = open_gated(&bench);
    let acknowledged = AtomicI64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for metric in ["a", "b"] {
            let (engine, acknowledged, done) = (&engine, &acknowledged, &done);
            scope.spawn(move || {
                loop {
                    let last_round = done.load(Ordering::Acquire);
                    let before = acknowledged.load(Ordering::Acquire);
                    let mut found = 0;
                    let read = engine.query_range("home", metric, i64::MIN, i64::MAX, 1, |sample| {
                        let expected = (Value::Int32(found as i32), T + found * SECOND);
                        assert_eq!((sample.value, sample.timestamp), expected, "{metric}");
                        found += 1;
                        std::ops::ControlFlow::Continue(())
                    });
                    assert_eq!(read.unwrap().warnings, Vec::<String>::new());
                    assert!(found >= before, "{metric}: {found} of {before}");
                    let newest = engine.query_last("home", metric).unwrap().map_or(-1, |s| (s.timestamp - T) / SECOND);
                    assert!(newest + 1 >= found, "{metric}: the newest is {newest}, and {found} were found");
                    if last_round {
                        assert!(found == TICKS || acknowledged.load(Ordering::Acquire) < TICKS, "{found}");
                        return;
                    }
                }
            });
        }
        let _done = crate::common::SetWhenDropped(&done);
        let mut batch = Batch::new();
        for i in 0..TICKS {
            for metric in ["a", "b"] {
                batch.push("home", metric, Number::integer(i), Some(T + i * SECOND));
            }
            assert_eq!(engine.write_batch(&mut batch).unwrap().rejected, 0);
            acknowledged.store(i + 1, Ordering::Release);
        }
    });
    engine.close().unwrap();
}

/// In the middle of a flush, reading commands know both logs.
#[test]
fn reading_commands_know_both_logs() {
    let [before, between, _] = parts();
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let engine = bench.open();
    send(&engine, &before);
    engine.begin_flush().unwrap();
    send(&engine, &between);
    let sent = [&before[..], &between].concat();
    let unchanged = (bench.vfs.snapshot(), bench.vfs.operation_count());
    let report = verify(Path::new(ROOT), None, bench.config.clone(), bench.options()).unwrap();
    assert_eq!((report.problems, report.wal_records, report.rows), (vec![], sent.len() as u64, 0));
    let logs = inspect::wal_files(&bench.vfs, &bench.path("home"), &[]).unwrap();
    let records: Vec<_> = logs.iter().map(|log| log.records.len()).collect();
    assert_eq!(records, [before.len(), between.len()]);
    assert!(logs.iter().flat_map(|log| &log.records).all(|record| record.name.is_some()));
    let reader = bench.open_read_only();
    assert_same(&content(&reader), &wide_content(&sent), "beside the engine");
    reader.close().unwrap();
    drop(reader);
    assert!((bench.vfs.snapshot(), bench.vfs.operation_count()) == unchanged, "a reader changed the root");
    engine.finish_flush().unwrap();
    let report = verify(Path::new(ROOT), None, bench.config.clone(), bench.options()).unwrap();
    let found = (report.problems, report.wal_records, report.rows);
    assert_eq!(found, (vec![], between.len() as u64, before.len() as u64));
    bench.kill(engine);
    assert_same(&content(&bench.open()), &wide_content(&sent), "after a kill");
}

/// What is written before, between and after the halves of a flush, on both sides of midnight; new metrics, a metric that
/// widens.
fn parts() -> [Vec<Line>; 3] {
    const NEXT_DAY: i64 = T + 120 * SECOND;
    [
        vec![("home", "a", int(1), T), ("home", "b", float(1.5), T), ("home", "c", int(1), NEXT_DAY)],
        vec![
            ("home", "a", int(2), T),
            ("home", "b", float(2.5), T + SECOND),
            ("home", "c", Value::Int64(1 << 40), NEXT_DAY),
            ("home", "new", float(0.5), NEXT_DAY),
        ],
        vec![("home", "a", int(3), NEXT_DAY), ("home", "new", float(1.5), NEXT_DAY + SECOND)],
    ]
}

/// Content after these lines; where a metric was widened by them, all its values are wide.
fn wide_content(lines: &[Line]) -> crate::common::Content {
    let mut content = content_of(lines);
    for samples in content.values_mut() {
        if samples.iter().any(|s| matches!(s.value, Value::Int64(_))) {
            for sample in samples {
                if let Value::Int32(v) = sample.value {
                    sample.value = Value::Int64(i64::from(v));
                }
            }
        }
    }
    content
}

/// A full disk or a failing one at every operation of the second half: rows stay visible, a full disk only delays the flush,
/// and a failed fsync ends all writing; after a restart everything is there once.
#[test]
fn r07_one_fault_at_every_operation_of_a_flush_in_two_halves() {
    let [before, between, after] = parts();
    for fault in [Fault::Enospc, Fault::Eio] {
        for n in 1.. {
            let bench = Bench::new(FsyncPolicy::Always, 1_000);
            let engine = bench.open();
            send(&engine, &before);
            engine.begin_flush().unwrap();
            send(&engine, &between);
            bench.vfs.set_trace(true);
            bench.vfs.fail_at(n, fault);
            let finished = engine.finish_flush();
            let context = format!("{fault:?} at operation {n}: {:?}", bench.vfs.trace());
            let struck = |what: &str| {
                bench.vfs.trace().iter().any(|line| line.contains(what) && line.ends_with(&format!("{fault:?}")))
            };
            let mut sent = [&before[..], &between].concat();
            assert_same(&content(&engine), &wide_content(&sent), &context);
            if !struck("") {
                finished.unwrap();
                assert!(n > 8, "{n} operations");
                break;
            }
            let error = finished.unwrap_err();
            if engine.health().is_empty() {
                // The flush goes on where it failed; catalog.json is written again as a whole.
                let of_catalog = error.to_string().contains("catalog.json");
                assert!(of_catalog || !(struck(" sync ") || struck(" sync_dir ")), "{context}: {error}");
                assert!(fault != Fault::Enospc || matches!(error, Error::Full { .. }), "{context}: {error}");
                send(&engine, &after);
                sent.extend_from_slice(&after);
                engine.flush().unwrap();
                assert!(!has_next_wal(&bench) && bench.file("home/home.wal").is_empty(), "{context}");
            } else {
                assert!(struck(" sync ") || struck(" sync_dir ") || fault == Fault::Eio, "{context}: {error}");
                assert!(matches!(try_send(&engine, &after), Err(Error::ReadOnly { .. })), "{context}");
            }
            assert_same(&content(&engine), &wide_content(&sent), &context);
            match n % 2 {
                0 => bench.power_loss(engine),
                _ => bench.kill(engine),
            }
            bench.vfs.clear_faults();
            assert_same(&content(&bench.open()), &wide_content(&sent), &context);
        }
    }
}

/// Number 2 of the list, while the page that is sent again is being flushed; with a kill or a power cut at every operation.
/// The page before it, which is in the file, may be a part of what is repeated.
#[test]
fn r02_a_page_that_is_sent_again_during_its_flush_counts_twice() {
    let first: Vec<Line> = vec![("home", "x", int(7), T)];
    let page: Vec<Line> = vec![("home", "a", int(1), T), ("home", "b", int(2), T)];
    let both = [&first[..], &page].concat();
    for (already, again) in [(&[][..], &page), (&first[..], &page), (&first[..], &both)] {
        for end_first in [false, true] {
            let bench = Bench::new(FsyncPolicy::Always, 1_000);
            let engine = bench.open();
            // Names are known: the crashes below are about rows.
            send(&engine, already);
            engine.flush().unwrap();
            send(&engine, &page);
            engine.begin_flush().unwrap();
            bench.vfs.record_forks(true);
            if end_first {
                engine.finish_flush().unwrap();
            }
            let begun = bench.vfs.operation_count();
            send(&engine, again);
            let acknowledged = bench.vfs.operation_count();
            engine.finish_flush().unwrap();
            bench.kill(engine);
            let once = content_of(&[already, &page].concat());
            let twice = content_of(&[already, &page, again].concat());
            assert_same(&content(&bench.open()), &twice, "sent twice, then killed");
            for (i, fork) in bench.vfs.take_forks().into_iter().enumerate() {
                let count = fork.operation_count();
                let disk = bench.fork(fork);
                match i % 2 {
                    0 => disk.vfs.kill(),
                    _ => disk.vfs.crash(),
                }
                let engine = disk.open();
                let found = content(&engine);
                let context = format!("died at {count}; sent again at {begun}, acknowledged at {acknowledged}");
                assert!(found == twice || (count < acknowledged && found == once), "{context}: {found:?}");
                disk.kill(engine);
                assert_same(&content(&disk.open()), &found, &format!("{context}; a second start"));
            }
        }
    }
}

/// A kill or a power cut at every operation of a flush in two halves, and then again at every operation of the recovery: each
/// start finds every row that was acknowledged, and a reading open finds what the start does.
#[test]
fn dying_at_every_operation_of_a_flush_and_of_the_recovery_from_it() {
    let [before, between, after] = parts();
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    send(&engine, &before);
    let mut acknowledged = vec![(bench.vfs.operation_count(), before.clone())];
    bench.vfs.record_forks(true);
    engine.begin_flush().unwrap();
    send(&engine, &between);
    acknowledged.push((bench.vfs.operation_count(), between));
    engine.finish_flush().unwrap();
    send(&engine, &after);
    acknowledged.push((bench.vfs.operation_count(), after));
    bench.kill(engine);
    let mut recoveries = 0;
    for fork in bench.vfs.take_forks() {
        let count = fork.operation_count();
        let promised = acknowledged.iter().filter(|(since, _)| *since <= count).flat_map(|(_, rows)| rows);
        let promised: Vec<Line> = promised.copied().collect();
        let check = |disk: &Bench, context: &str| {
            let reader = disk.open_read_only();
            let seen = content(&reader);
            drop(reader);
            let found = content(&disk.open());
            assert_same(&seen, &found, &format!("{context}: read only"));
            for (series, rows) in content_of(&promised) {
                let found = &found[&series];
                assert!(found.len() >= rows.len(), "{context}: {series:?}: {found:?}");
            }
            let sent: usize = acknowledged.iter().map(|(_, rows)| rows.len()).sum();
            let found_rows: usize = found.values().map(Vec::len).sum();
            assert!((promised.len()..=sent).contains(&found_rows), "{context}: {found:?}");
            let mut values: Vec<_> =
                found.iter().flat_map(|(s, rows)| rows.iter().map(move |r| (s, r.value.to_bits()))).collect();
            values.sort();
            values.dedup();
            assert_eq!(values.len(), found_rows, "{context}: twice: {found:?}");
        };
        for seed in 0..4u64 {
            let died = |disk: &SimVfs| match seed {
                0 => disk.kill(),
                _ => {
                    disk.set_crash_model(if seed == 1 { CrashModel::Ordered } else { CrashModel::Arbitrary });
                    disk.crash();
                }
            };
            let disk = bench.fork(fork.fork(seed));
            died(&disk.vfs);
            // Once to count the operations of the recovery, then dying at each of them.
            let whole = disk.fork(disk.vfs.fork(seed));
            let from = whole.vfs.operation_count();
            drop(whole.try_open());
            let operations = whole.vfs.operation_count() - from;
            for n in 1..=operations {
                let again = disk.fork(disk.vfs.fork(seed ^ n));
                again.vfs.fail_at(n, Fault::CrashMid);
                drop(again.try_open());
                again.vfs.clear_faults();
                died(&again.vfs);
                check(&again, &format!("died at {count} (seed {seed}), and at operation {n} of the recovery"));
                recoveries += 1;
            }
            check(&disk, &format!("died at {count}, seed {seed}"));
        }
    }
    assert!(recoveries > 300, "{recoveries}");
}
