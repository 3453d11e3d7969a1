//! Number 7 of the list: a full disk, a failing disk, too few handles, a read-only disk.

use crate::common::bench::{Bench, Line, SECOND, content_of, float, int, send, try_send};
use crate::common::hooked::{HookedVfs, Hooks};
use crate::common::oracle::{ROOT, START as T, config, content};
use crate::common::{Content, assert_same};
use nanotdb_core::Error;
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::{Batch, Engine, EngineOptions};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::model::{Number, Sample, Value};
use nanotdb_core::storage::vfs::sim::{Fault, SimVfs};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// While the last batch of a database failed for lack of space its health says so; other mistakes do not count.
#[test]
fn r07_health_tells_of_a_full_disk_until_a_batch_is_stored_again() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T)]);
    send(&engine, &[("well", "a", int(1), T)]);
    bench.vfs.set_capacity(Some(bench.vfs.used()));
    let later = [("home", "a", int(2), T + SECOND)];
    for _ in 0..3 {
        assert!(matches!(try_send(&engine, &later), Err(Error::Full { .. })));
        let health = engine.health();
        assert_eq!(health.len(), 1, "{health:?}");
        assert!(health[0].0 == "home" && health[0].1.contains("no space left on device"), "{health:?}");
    }
    // Who does not send again is no reason to call the disk full for ever.
    bench.clock.advance(Duration::from_secs(301));
    assert_eq!(engine.health(), []);
    assert!(try_send(&engine, &later).is_err());
    assert_eq!(engine.health().len(), 1);
    bench.vfs.set_capacity(None);
    // Nothing of it is stored, so it shows nothing.
    let late = try_send(&engine, &[("home", "a", int(0), T - SECOND)]).unwrap();
    assert_eq!((late.accepted, late.rejected, engine.health().len()), (0, 1, 1));
    send(&engine, &later);
    assert_eq!(engine.health(), []);
}

/// Where one database has no room and another has, the outcome says which samples are to come again.
#[test]
fn r07_what_the_machine_could_not_store_is_told_apart_from_what_was_wrong() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T)]);
    // Enough for a row, but not for the files of a new database.
    bench.vfs.set_capacity(Some(bench.vfs.used() + 500));
    let outcome = try_send(
        &engine,
        &[("home", "a", int(2), T + SECOND), ("new", "a", int(1), T), ("home", "a", int(0), T - SECOND)],
    );
    let outcome = outcome.unwrap();
    assert_eq!((outcome.accepted, outcome.rejected, outcome.failed), (1, 2, 1), "{:?}", outcome.rejections);
    assert!(outcome.failure.unwrap().contains("no space left on device"));
}

/// One row of one series with its fate.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// It must be there, once.
    Acknowledged,
    /// Its call failed because an fsync did: it may be there, once.
    Unknown,
}

struct Sent {
    rows: Vec<(Line, Fate)>,
}

impl Sent {
    /// Compares what is found with what was promised; order within each series is the order of sending.
    fn check(&self, found: &Content, context: &str) {
        for ((database, metric), samples) in found {
            let mut left = samples.iter().peekable();
            for ((_, _, value, timestamp), fate) in
                self.rows.iter().filter(|((d, m, ..), _)| d == database && m == metric)
            {
                let here = left.peek().is_some_and(|s| s.timestamp == *timestamp && same_number(s.value, *value));
                if here {
                    left.next();
                } else {
                    assert_eq!(*fate, Fate::Unknown, "{context}: lost {metric} {value:?}; found {samples:?}");
                }
            }
            let left: Vec<_> = left.collect();
            assert!(
                left.is_empty(),
                "{context}: {database}/{metric}: twice, refused before, or out of order: {left:?}"
            );
        }
        for ((database, metric, value, _), fate) in &self.rows {
            let series = ((*database).to_owned(), (*metric).to_owned());
            assert!(
                found.contains_key(&series) || *fate == Fate::Unknown,
                "{context}: {series:?} is gone with {value:?}"
            );
        }
    }
}

/// An integer metric is read as wide as its widest value.
/// Whoever sends for several databases and is told of refusals does not send again. So when none of them could store its part for
/// a reason of the machine's, that is an error; when one could, the refusals say whose samples are missing.
#[test]
fn r07_a_batch_that_no_database_could_store_is_an_error() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T), ("well", "a", int(1), T)]);
    bench.vfs.set_capacity(Some(bench.vfs.used()));
    let later = [("home", "a", int(2), T + SECOND), ("well", "a", int(2), T + SECOND)];
    let outcome = try_send(&engine, &later);
    assert!(matches!(outcome, Err(Error::Full { .. })), "{outcome:?}");
    bench.vfs.set_capacity(None);
    send(&engine, &later);
    assert_same(
        &content(&engine),
        &content_of(&[("home", "a", int(1), T), ("well", "a", int(1), T), later[0], later[1]]),
        "",
    );
}

fn same_number(a: Value, b: Value) -> bool {
    let integer = |v| match v {
        Value::Int32(v) => Some(i64::from(v)),
        Value::Int64(v) => Some(v),
        _ => None,
    };
    a == b || (integer(a).is_some() && integer(a) == integer(b))
}

/// The batches of the script, each to one database. Both sides of midnight, so that the WAL is rewritten with what stays open.
fn batches() -> Vec<Vec<Line>> {
    const NEXT_DAY: i64 = T + 120 * SECOND;
    vec![
        vec![("alpha", "a", int(1), T), ("alpha", "b", float(1.5), T)],
        vec![("alpha", "a", int(2), T + SECOND), ("alpha", "b", float(2.5), NEXT_DAY)],
        vec![("alpha", "a", int(3), T + SECOND), ("alpha", "c", Value::Int64(1 << 40), NEXT_DAY)],
        vec![("beta", "a", int(10), T)],
        vec![("alpha", "a", int(4), NEXT_DAY), ("alpha", "a", Value::Int64(1 << 33), NEXT_DAY + SECOND)],
        vec![("alpha", "a", int(6), NEXT_DAY + 2 * SECOND), ("alpha", "b", float(3.5), NEXT_DAY + SECOND)],
        vec![("beta", "a", int(11), T + SECOND), ("beta", "new", float(0.25), T)],
        vec![("alpha", "a", int(7), NEXT_DAY + 3 * SECOND), ("alpha", "d", float(9.0), T)],
    ]
}

/// Whether an operation of the trace that a fault struck was an fsync.
fn an_fsync_failed(bench: &Bench) -> bool {
    bench.vfs.trace().iter().any(|line| {
        let struck = line.ends_with("Eio") || line.ends_with("Enospc") || line.ends_with("ShortWrite");
        struck && (line.contains(" sync ") || line.contains(" sync_dir "))
    })
}

/// Runs the script on an engine that is open; calls may fail.
fn run_script(bench: &Bench, engine: &Engine) -> Sent {
    let mut sent = Sent { rows: Vec::new() };
    for (i, batch) in batches().into_iter().enumerate() {
        match try_send(engine, &batch) {
            Ok(outcome) => {
                assert_eq!(outcome.rejected, 0, "{:?}", outcome.rejections);
                sent.rows.extend(batch.into_iter().map(|line| (line, Fate::Acknowledged)));
            }
            Err(_) if an_fsync_failed(bench) => sent.rows.extend(batch.into_iter().map(|line| (line, Fate::Unknown))),
            Err(_) => {}
        }
        // Reading works whatever happened.
        sent.check(&content(engine), &format!("while running, after batch {i}"));
        match i {
            0 | 5 => drop(engine.begin_flush()),
            2 => drop(engine.flush()),
            4 | 6 => drop(engine.tick()),
            _ => {}
        }
    }
    sent
}

/// After the trouble: everything promised is there once, and the database works on.
fn check_after(bench: &Bench, sent: &Sent, context: &str) {
    bench.vfs.clear_faults();
    bench.vfs.set_capacity(None);
    let engine = bench.try_open().unwrap_or_else(|e| panic!("{context}: {e}"));
    assert_eq!(engine.health(), [], "{context}");
    let found = content(&engine);
    sent.check(&found, context);
    let mut expected = found;
    for ((database, metric), samples) in &mut expected {
        let last = samples.last().unwrap();
        let next = Sample { timestamp: last.timestamp, value: last.value };
        engine.add_sample(database, metric, crate::common::bench::number(next.value), Some(next.timestamp)).unwrap();
        samples.push(next);
    }
    engine.close().unwrap();
    let report = verify(Path::new(ROOT), None, bench.config.clone(), bench.options()).unwrap();
    assert_eq!(report.problems, [], "{context}");
    let engine = bench.open();
    assert_same(&content(&engine), &expected, &format!("{context}, after writing on"));
}

fn one_fault_at_every_operation(policy: FsyncPolicy) {
    for fault in [Fault::Enospc, Fault::Eio, Fault::ShortWrite] {
        for n in 1.. {
            let bench = Bench::on(SimVfs::new(n), config(policy, 4));
            bench.vfs.set_trace(true);
            bench.vfs.fail_at(n, fault);
            let context = format!("{policy:?}, {fault:?} at operation {n}");
            let opened = bench.try_open();
            let Ok(engine) = opened else {
                drop(opened);
                // It did not start; the next start does.
                bench.vfs.kill();
                check_after(&bench, &Sent { rows: Vec::new() }, &context);
                continue;
            };
            let sent = run_script(&bench, &engine);
            let struck = bench.vfs.trace().iter().any(|line| line.ends_with(&format!("{fault:?}")));
            // A full disk is no reason to stop for good, as long as no fsync was refused.
            if fault == Fault::Enospc && !an_fsync_failed(&bench) {
                bench.clock.advance(Duration::from_secs(301));
                assert_eq!(engine.health(), [], "{context}");
            }
            if !struck {
                assert!(sent.rows.iter().all(|(_, fate)| *fate == Fate::Acknowledged), "{context}");
                assert!(n > 40, "{context}: the script is too short");
                break;
            }
            let power = policy == FsyncPolicy::Always && n % 2 == 0;
            match power {
                true => bench.power_loss(engine),
                false => bench.kill(engine),
            }
            check_after(&bench, &sent, &format!("{context}, {}", if power { "power loss" } else { "killed" }));
        }
    }
}

#[test]
fn r07_one_fault_at_every_operation_with_fsync_always() {
    one_fault_at_every_operation(FsyncPolicy::Always);
}

#[test]
fn r07_one_fault_at_every_operation_with_fsync_segment() {
    one_fault_at_every_operation(FsyncPolicy::Segment);
}

/// From some operation on the disk is full (or broken), for good; then the process is killed.
#[test]
fn r07_a_disk_that_stays_full_or_broken() {
    for fault in [Fault::Enospc, Fault::Eio] {
        for n in (1..140).step_by(3) {
            let bench = Bench::on(SimVfs::new(n), config(FsyncPolicy::Always, 4));
            bench.vfs.set_trace(true);
            bench.vfs.fail_from(n, fault);
            let sent = match bench.try_open() {
                Ok(engine) => {
                    let sent = run_script(&bench, &engine);
                    bench.kill(engine);
                    sent
                }
                Err(_) => Sent { rows: Vec::new() },
            };
            bench.vfs.kill();
            check_after(&bench, &sent, &format!("{fault:?} from operation {n} on"));
        }
    }
}

/// Every size of the disk, byte by byte up to what the script needs, with space freed at the end.
#[test]
fn r07_enospc_by_size() {
    let whole = Bench::on(SimVfs::new(0), config(FsyncPolicy::Always, 4));
    run_script(&whole, &whole.open());
    let needed = whole.vfs.used() + 600;
    for capacity in (0..needed).step_by(13) {
        let bench = Bench::on(SimVfs::new(capacity), config(FsyncPolicy::Always, 4));
        bench.vfs.set_trace(true);
        bench.vfs.set_capacity(Some(capacity));
        let context = format!("a disk of {capacity} bytes");
        let sent = match bench.try_open() {
            Ok(engine) => {
                let mut sent = run_script(&bench, &engine);
                // Space is freed: the engine takes samples again without a restart.
                bench.vfs.set_capacity(None);
                let more: Line = ("alpha", "after", int(1), T);
                send(&engine, &[more]);
                sent.rows.push((more, Fate::Acknowledged));
                engine.flush().unwrap();
                bench.clock.advance(Duration::from_secs(301));
                assert_eq!(engine.health(), [], "{context}");
                bench.kill(engine);
                sent
            }
            Err(error) => {
                assert!(matches!(error, Error::Full { .. }), "{context}: {error}");
                bench.vfs.kill();
                Sent { rows: Vec::new() }
            }
        };
        check_after(&bench, &sent, &context);
    }
}

/// The WAL's fsync fails once: the database says so, takes no more, and goes on being read.
#[test]
fn r07_after_eio_on_fsync_the_database_is_read_only() {
    for seed in 0..20 {
        let bench = Bench::on(SimVfs::new(seed), config(FsyncPolicy::Always, 1_000));
        let engine = bench.open();
        let first: Vec<Line> = vec![("alpha", "a", int(1), T), ("alpha", "b", float(1.5), T)];
        send(&engine, &first);
        send(&engine, &[("beta", "a", int(1), T)]);
        // The write, then the fsync.
        bench.vfs.fail_at(2, Fault::Eio);
        let lost: Line = ("alpha", "a", int(2), T + SECOND);
        let error = try_send(&engine, &[lost]).unwrap_err();
        assert!(error.to_string().contains("fsync"), "{error}");
        let [(database, reason)] = &engine.health()[..] else { panic!("{:?}", engine.health()) };
        assert_eq!(database, "alpha");
        assert!(reason.contains("alpha.wal"), "{reason}");
        // No later fsync makes up for it.
        let operations = bench.vfs.operation_count();
        for _ in 0..3 {
            assert!(matches!(try_send(&engine, &[lost]), Err(Error::ReadOnly { .. })));
            assert!(engine.flush().is_err());
            engine.tick();
        }
        let beta_was_flushed = bench.vfs.operation_count() > operations;
        assert!(beta_was_flushed, "the other database goes on");
        assert_eq!(engine.query_last("alpha", "b").unwrap().map(|s| s.value), Some(float(1.5)));
        send(&engine, &[("beta", "a", int(2), T + SECOND)]);
        match seed % 2 {
            0 => bench.power_loss(engine),
            _ => bench.kill(engine),
        }
        let mut sent: Vec<_> = first.iter().map(|line| (*line, Fate::Acknowledged)).collect();
        sent.push((lost, Fate::Unknown));
        sent.push((("beta", "a", int(1), T), Fate::Acknowledged));
        sent.push((("beta", "a", int(2), T + SECOND), Fate::Acknowledged));
        check_after(&bench, &Sent { rows: sent }, &format!("seed {seed}"));
    }
}

/// A page's fsync fails: its rows stay in the WAL, and are there once after the restart whether the page made it or not.
#[test]
fn r07_eio_on_the_fsync_of_a_page_duplicates_nothing() {
    let lines: Vec<Line> = (0..6).map(|i| ("alpha", "a", int(i), T + i64::from(i) * SECOND)).collect();
    let mut struck = 0;
    for n in 1..=12 {
        for seed in 0..8 {
            let bench = Bench::on(SimVfs::new(seed), config(FsyncPolicy::Always, 1_000));
            let engine = bench.open();
            send(&engine, &lines);
            bench.vfs.set_trace(true);
            bench.vfs.fail_at(n, Fault::Eio);
            let failed = engine.flush().is_err();
            let trace = bench.vfs.trace();
            if trace
                .iter()
                .any(|l| l.ends_with("Eio") && l.contains(" sync ") && (l.contains(".dat:") || l.contains(".wal:")))
            {
                assert!(!engine.health().is_empty(), "{trace:?}");
            }
            struck += usize::from(failed);
            assert_same(&content(&engine), &content_of(&lines), &format!("EIO at {n}: reads go on"));
            match seed % 2 {
                0 => bench.power_loss(engine),
                _ => bench.kill(engine),
            }
            bench.vfs.clear_faults();
            assert_same(&content(&bench.open()), &content_of(&lines), &format!("EIO at {n}, seed {seed}"));
        }
    }
    assert!(struck >= 16, "{struck}");
}

/// Too few file handles: calls fail, and nothing is lost once there are more.
#[test]
fn emfile_loses_nothing() {
    for handles in 0..12 {
        let bench = Bench::on(SimVfs::new(handles), config(FsyncPolicy::Always, 4));
        bench.vfs.set_trace(true);
        bench.vfs.set_max_handles(Some(handles as usize));
        let mut sent = Sent { rows: Vec::new() };
        if let Ok(engine) = bench.try_open() {
            for batch in batches() {
                if let Ok(outcome) = try_send(&engine, &batch) {
                    assert_eq!(outcome.rejected, 0);
                    sent.rows.extend(batch.into_iter().map(|line| (line, Fate::Acknowledged)));
                }
                engine.tick();
            }
            bench.vfs.set_max_handles(None);
            sent.check(&content(&engine), &format!("{handles} handles, while running"));
            bench.kill(engine);
        }
        bench.vfs.kill();
        bench.vfs.set_max_handles(None);
        check_after(&bench, &sent, &format!("{handles} handles"));
    }
}

/// The file system turned read-only under the engine: it answers reads, refuses writes, and says why at the next start.
#[test]
fn erofs_leaves_a_root_that_can_be_read() {
    let bench = Bench::on(SimVfs::new(3), config(FsyncPolicy::Always, 1_000));
    let engine = bench.open();
    let lines: Vec<Line> = vec![("alpha", "a", int(1), T), ("alpha", "b", float(1.5), T)];
    send(&engine, &lines);
    bench.vfs.fail_from(1, Fault::Erofs);
    assert!(try_send(&engine, &[("alpha", "a", int(2), T + SECOND)]).is_err());
    assert!(try_send(&engine, &[("new", "a", int(2), T + SECOND)]).is_err());
    assert!(engine.flush().is_err());
    assert_same(&content(&engine), &content_of(&lines), "while running");
    bench.kill(engine);
    match bench.try_open() {
        Err(error) => assert!(error.to_string().contains("Read-only file system"), "{error}"),
        Ok(engine) => assert!(!engine.health().is_empty()),
    }
    bench.vfs.kill();
    assert_same(&content(&bench.open_read_only()), &content_of(&lines), "a reading open needs no writing");
    bench.vfs.clear_faults();
    assert_same(&content(&bench.open()), &content_of(&lines), "once it can be written again");
}

/// A file system that sets no blocks aside, as some cannot, and remembers what it was asked for.
#[derive(Default)]
struct NothingReserved(Mutex<Vec<(PathBuf, u64, u64)>>);

impl Hooks for NothingReserved {
    fn reserve(&self, path: &Path, offset: u64, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().push((path.to_owned(), offset, offset + len));
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The log is the only file for which blocks are set aside, in large steps, and it does without.
#[test]
fn a_log_whose_blocks_cannot_be_set_aside_is_written_all_the_same() {
    let bench = Bench::new(FsyncPolicy::Segment, 60_000);
    let hooks = Arc::new(NothingReserved::default());
    let vfs = Arc::new(HookedVfs { inner: bench.vfs.process(), hooks: Arc::clone(&hooks) });
    let options = EngineOptions { vfs, clock: bench.clock.clone(), background: false };
    let engine = Engine::open_with(Path::new(ROOT), bench.config.clone(), options).unwrap();
    let mut batch = Batch::new();
    for i in 0..500i64 {
        for row in 0..80 {
            batch.push("home", "a", Number::integer(row), Some(T + (i * 80 + row) * SECOND / 1_000));
        }
        assert_eq!(engine.write_batch(&mut batch).unwrap().accepted, 80);
    }
    let len = bench.file("home/home.wal").len() as u64;
    let asked = hooks.0.lock().unwrap().clone();
    assert!(asked.iter().all(|(path, ..)| *path == bench.path("home/home.wal")), "{asked:?}");
    assert_eq!(asked.len() as u64, len.div_ceil(256 << 10), "{len}: {asked:?}");
    assert!(len > 256 << 10 && asked.last().unwrap().2 >= len);
    bench.kill(engine);
    assert_eq!(content(&bench.open())[&("home".to_owned(), "a".to_owned())].len(), 40_000);
}
