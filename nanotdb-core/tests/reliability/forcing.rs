//! Number 7 of the list: what cannot be forced to the device, and what could not even be tried.

use crate::common::bench::{Bench, Line, SECOND, content_of, int, send, try_send};
use crate::common::hooked::{HookedVfs, Hooks};
use crate::common::oracle::{ROOT, START as T, content};
use crate::common::{Content, assert_same};
use nanotdb_core::Error;
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::{Engine, EngineOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// A disk of which directories cannot be opened for a while, for lack of descriptors, and on which one log cannot be forced.
struct Troubled {
    /// How many directories can be opened before it begins; never, when negative.
    directories: AtomicI64,
    bad_log: AtomicBool,
}

impl Hooks for Troubled {
    fn sync(&self, path: &Path) -> io::Result<()> {
        match self.bad_log.load(Ordering::SeqCst) && path.ends_with("well/well.wal") {
            true => Err(io::Error::from_raw_os_error(5)),
            false => Ok(()),
        }
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        const EMFILE: i32 = 24;
        match self.directories.load(Ordering::SeqCst) {
            0 => Err(io::Error::from_raw_os_error(EMFILE)),
            _ => {
                self.directories.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
        }
    }
}

fn open(bench: &Bench) -> (Engine, Arc<Troubled>) {
    let hooks = Arc::new(Troubled { directories: AtomicI64::new(-1), bad_log: AtomicBool::new(false) });
    let vfs = Arc::new(HookedVfs { inner: bench.vfs.process(), hooks: Arc::clone(&hooks) });
    let options = EngineOptions { vfs, clock: bench.clock.clone(), background: false };
    (Engine::open_with(Path::new(ROOT), bench.config.clone(), options).unwrap(), hooks)
}

/// Which of `home/a` there are: a batch that was acknowledged once, any other one at most once.
fn check(found: &Content, acknowledged: &[i64], context: &str) {
    let samples = found.get(&("home".to_owned(), "a".to_owned())).map(Vec::as_slice).unwrap_or_default();
    let times: Vec<i64> = samples.iter().map(|sample| (sample.timestamp - T) / SECOND).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{context}: doubled or out of order: {times:?}");
    for batch in acknowledged {
        assert!(times.contains(batch), "{context}: batch {batch} is gone: {times:?}");
    }
}

/// Nothing is unknown after an fsync that was not made: the database goes on when there are descriptors again.
#[test]
fn r07_a_directory_that_could_not_be_opened_is_forced_later() {
    for policy in [FsyncPolicy::Always, FsyncPolicy::Interval, FsyncPolicy::Segment] {
        for before in 0..16 {
            let context = format!("{policy:?}, {before} directories before");
            let bench = Bench::new(policy, 4);
            let (engine, disk) = open(&bench);
            disk.directories.store(before, Ordering::SeqCst);
            let mut acknowledged = Vec::new();
            let mut send_some = |range: std::ops::Range<i64>| {
                for batch in range {
                    if try_send(&engine, &[("home", "a", int(batch as i32), T + batch * SECOND)]).is_ok() {
                        acknowledged.push(batch);
                    }
                    engine.tick();
                    assert_eq!(engine.health(), [], "{context}: after batch {batch}");
                }
                acknowledged.clone()
            };
            send_some(0..40);
            let _ = engine.flush();
            assert_eq!(engine.health(), [], "{context}: after a flush");
            disk.directories.store(-1, Ordering::SeqCst);
            let acknowledged = send_some(40..60);
            assert!((40..60).all(|batch| acknowledged.contains(&batch)), "{context}: {acknowledged:?}");
            engine.flush().unwrap();
            check(&content(&engine), &acknowledged, &context);
            bench.power_loss(engine);
            check(&content(&bench.open()), &acknowledged, &format!("{context}: after a loss of power"));
        }
    }
}

/// Where one of several databases cannot force its log, the others' samples are stored, and the outcome says how many are to come
/// again.
#[test]
fn r07_a_database_whose_log_cannot_be_forced_keeps_the_others_from_nothing() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let (engine, disk) = open(&bench);
    let first: [Line; 2] = [("home", "a", int(1), T), ("well", "a", int(1), T)];
    send(&engine, &first);
    disk.bad_log.store(true, Ordering::SeqCst);
    let later = T + SECOND;
    let batch: [Line; 3] = [("home", "a", int(2), later), ("well", "a", int(2), later), ("well", "b", int(3), later)];
    let outcome = try_send(&engine, &batch).unwrap();
    assert_eq!((outcome.accepted, outcome.failed), (1, 2), "{outcome:?}");
    assert!(outcome.failure.unwrap().contains("fsync"));
    let health = engine.health();
    assert!(health.len() == 1 && health[0].0 == "well", "{health:?}");
    // It is not tried again as though nothing had been.
    disk.bad_log.store(false, Ordering::SeqCst);
    let again = try_send(&engine, &[("well", "a", int(4), T + 2 * SECOND)]);
    assert!(matches!(again, Err(Error::ReadOnly { .. })), "{again:?}");
    assert_eq!(engine.unsure("home"), None);
    assert!(engine.unsure("well").unwrap().contains("fsync"), "its newest samples are shown, and may not be stored");
    send(&engine, &[("home", "a", int(4), T + 2 * SECOND)]);
    bench.power_loss(engine);
    let mut found = content(&bench.open());
    // What became of the two batches of that database is unknown.
    found.retain(|(database, _), _| database == "home");
    let home = [first[0], batch[0], ("home", "a", int(4), T + 2 * SECOND)];
    assert_same(&found, &content_of(&home), "after a loss of power");
}
