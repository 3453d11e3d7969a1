//! Concurrent writers share one fsync of the WAL, and a failed one is never tried again.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::hooked::{HookedVfs, Hooks};
use common::oracle::{ROOT, START as T, config, content};
use nanotdb_core::Error;
use nanotdb_core::clock::ManualClock;
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::model::Number;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

/// What the slow disk counts and does.
#[derive(Default)]
struct Disk {
    wal_syncs: AtomicU64,
    fail: AtomicBool,
}

/// An fsync of a WAL takes milliseconds.
impl Hooks for Disk {
    fn sync(&self, path: &Path) -> io::Result<()> {
        if path.extension().is_some_and(|e| e == "wal") {
            self.wal_syncs.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(4));
            if self.fail.load(Ordering::SeqCst) {
                return Err(io::Error::from_raw_os_error(5));
            }
        }
        Ok(())
    }
}

fn open(inner: &SimVfs) -> (Engine, Arc<Disk>) {
    let disk = Arc::new(Disk::default());
    let vfs = HookedVfs { inner: inner.process(), hooks: Arc::clone(&disk) };
    let options = EngineOptions { vfs: Arc::new(vfs), clock: Arc::new(ManualClock::new(T)), background: false };
    (Engine::open_with(Path::new(ROOT), config(FsyncPolicy::Always, 30_000), options).unwrap(), disk)
}

const THREADS: i64 = 8;
const WRITES: i64 = 25;

#[test]
fn concurrent_writers_share_fsyncs_and_lose_nothing() {
    let inner = SimVfs::new(1);
    let (engine, disk) = open(&inner);
    engine.add_sample("home", "first", Number::integer(0), Some(T)).unwrap();
    disk.wal_syncs.store(0, Ordering::SeqCst);
    let start = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (engine, start) = (&engine, &start);
            scope.spawn(move || {
                start.wait();
                for i in 0..WRITES {
                    engine.add_sample("home", &format!("t{thread}"), Number::integer(i), Some(T + i)).unwrap();
                }
            });
        }
    });
    let syncs = disk.wal_syncs.load(Ordering::SeqCst) as i64;
    // Each thread waits for its own samples, so there are as many rounds as samples per thread; not as many as samples.
    assert!((WRITES..THREADS * WRITES / 2).contains(&syncs), "{syncs} fsyncs for {} samples", THREADS * WRITES);
    inner.crash();
    drop(engine);
    let (engine, _) = open(&inner);
    let found = content(&engine);
    assert_eq!(found.len() as i64, THREADS + 1);
    for thread in 0..THREADS {
        assert_eq!(found[&("home".to_owned(), format!("t{thread}"))].len() as i64, WRITES);
    }
}

#[test]
fn a_failed_fsync_fails_every_waiter_and_is_never_tried_again() {
    let inner = SimVfs::new(2);
    let (engine, disk) = open(&inner);
    engine.add_sample("home", "a", Number::integer(0), Some(T)).unwrap();
    disk.fail.store(true, Ordering::SeqCst);
    let start = Barrier::new(THREADS as usize);
    let acknowledged = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (engine, start, acknowledged) = (&engine, &start, &acknowledged);
            scope.spawn(move || {
                start.wait();
                if engine.add_sample("home", &format!("t{thread}"), Number::integer(1), Some(T)).is_ok() {
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(acknowledged.load(Ordering::SeqCst), 0);
    // The disk would take it now; what the failed fsync dropped is unknown all the same.
    disk.fail.store(false, Ordering::SeqCst);
    let before = disk.wal_syncs.load(Ordering::SeqCst);
    let refused = engine.add_sample("home", "a", Number::integer(2), Some(T + 1));
    assert!(matches!(refused, Err(Error::ReadOnly { .. })), "{refused:?}");
    assert!(engine.flush().is_err());
    engine.tick();
    engine.close().ok();
    assert_eq!(disk.wal_syncs.load(Ordering::SeqCst), before, "the fsync was tried again");
    let [(database, reason)] = &engine.health()[..] else { panic!("{:?}", engine.health()) };
    assert!(database == "home" && reason.contains("home.wal"), "{reason}");
}
