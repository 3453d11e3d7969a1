//! The threads: what hangs in one place keeps nothing else from its turn.

use crate::common::bench::{int, send};
use crate::common::hooked::{HookedVfs, Hooks};
use crate::common::oracle::ROOT;
use crate::support::{DAY, HOUR, MAY_20, keeping};
use nanotdb_core::clock::{Clock, ManualClock};
use nanotdb_core::config::{EngineConfig, FsyncPolicy, RetentionAction};
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::storage::vfs::OpenMode;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Opening some files for writing takes until it is released.
struct Hanging {
    what: &'static str,
    /// Whether it hangs, and how many opens have come to it.
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Hanging {
    fn release(&self) {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0 = false;
        self.changed.notify_all();
    }

    fn waiting(&self) -> usize {
        self.state.lock().unwrap().1
    }
}

impl Hooks for Hanging {
    fn open(&self, path: &Path, mode: OpenMode) {
        if mode != OpenMode::Read && path.to_string_lossy().contains(self.what) {
            let mut state = self.state.lock().unwrap();
            state.1 += 1;
            while state.0 {
                state = self.changed.wait(state).unwrap();
            }
        }
    }
}

/// Released when it is dropped, also by an assertion that fails: or the engine would wait for its threads for ever.
struct Released(Arc<Hanging>);

impl std::ops::Deref for Released {
    type Target = Hanging;

    fn deref(&self) -> &Hanging {
        &self.0
    }
}

impl Drop for Released {
    fn drop(&mut self) {
        self.release();
    }
}

/// What is first is dropped first.
struct Server {
    hanging: Released,
    disk: SimVfs,
    clock: Arc<ManualClock>,
    engine: Engine,
}

fn start(what: &'static str, mut config: EngineConfig) -> Server {
    config.wal.fsync_policy = FsyncPolicy::Interval;
    config.wal.fsync_interval = Duration::from_millis(20);
    config.maintenance.interval = Duration::from_millis(20);
    let disk = SimVfs::new(3);
    let hooks = Arc::new(Hanging { what, state: Mutex::new((true, 0)), changed: Condvar::new() });
    let vfs = Arc::new(HookedVfs { inner: disk.clone(), hooks: Arc::clone(&hooks) });
    let clock = Arc::new(ManualClock::new(MAY_20));
    let options = EngineOptions { vfs, clock: clock.clone(), background: true };
    let engine = Engine::open_with(Path::new(ROOT), config, options).unwrap();
    Server { hanging: Released(hooks), disk, clock, engine }
}

impl Server {
    /// Waits for it, while time passes.
    #[track_caller]
    fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::sleep(Duration::from_millis(5));
            self.clock.advance(Duration::from_millis(50));
        }
    }

    fn has(&self, path: &str) -> bool {
        self.disk.snapshot().contains_key(&Path::new(ROOT).join(path))
    }

    fn row(&self, database: &'static str, n: i32) {
        send(&self.engine, &[(database, "count", int(n), self.clock.now())]);
    }

    /// Bytes of a log that are on the device.
    fn durable(&self, path: &str) -> usize {
        self.disk.durable_snapshot().get(&Path::new(ROOT).join(path)).map_or(0, Vec::len)
    }
}

#[test]
fn a_database_whose_disk_hangs_keeps_no_other_from_its_turn() {
    let server = start("/stuck/data-", keeping(2, RetentionAction::Delete, "day"));
    server.row("stuck", 1);
    server.row("pi", 1);
    server.clock.advance(Duration::from_secs(3_700));
    server.wait("the flush of the one hangs", |s| s.hanging.waiting() == 1);
    server.wait("the other is flushed", |s| s.has("pi/data-2026-05-20.dat"));
    for n in 2..5 {
        server.row("pi", n);
        let before = server.durable("pi/pi.wal");
        server.wait("and its log is forced to the device", |s| s.durable("pi/pi.wal") > before);
    }
    server.clock.advance(Duration::from_nanos(5 * DAY as u64));
    server.wait("a page of an ended day is flushed", |s| s.durable("pi/pi.wal") == 0);
    server.engine.trust_clock().unwrap();
    server.wait("and what is expired goes", |s| !s.has("pi/data-2026-05-20.dat"));
    assert_eq!(server.hanging.waiting(), 1, "and the one is tried once");
    server.hanging.release();
    server.engine.close().unwrap();
    // Once its disk answered, it got its turn.
    assert_eq!(server.durable("stuck/stuck.wal"), 0);
}

#[test]
fn an_fsync_that_is_due_waits_for_no_build() {
    let mut config = keeping(2, RetentionAction::Keep, "day");
    config.metrics.enabled = true;
    let server = start("/metric-", config);
    server.row("pi", 1);
    server.engine.flush().unwrap();
    server.clock.advance(Duration::from_nanos((DAY + HOUR) as u64));
    server.wait("the build hangs", |s| s.hanging.waiting() == 1);
    for n in 2..5 {
        let before = server.durable("pi/pi.wal");
        server.row("pi", n);
        server.wait("the log is forced to the device", |s| s.durable("pi/pi.wal") > before);
    }
    server.hanging.release();
    server.wait("the build ends", |s| s.has("pi/metric-2026-05-20.dat"));
    server.engine.close().unwrap();
}

#[test]
fn threads_are_there_while_there_is_work_and_end_with_the_engine() {
    let server = start("/none", keeping(2, RetentionAction::Delete, "day"));
    server.row("pi", 1);
    server.wait("forced", |s| s.durable("pi/pi.wal") > 0);
    let clone = server.engine.clone();
    drop(server.engine);
    clone.close().unwrap();
    assert!(clone.add_sample("pi", "count", int(1), None).is_err());
    let names = || -> Vec<String> {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        tasks.filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("comm")).ok()).collect()
    };
    let began = Instant::now();
    while names().iter().any(|name| name.starts_with("nanotdb-")) {
        assert!(began.elapsed() < Duration::from_secs(120), "{:?}", names());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn queries_and_writes_go_on_during_a_sweep() {
    for action in [RetentionAction::Delete, RetentionAction::Archive] {
        let mut config = keeping(3, action, "day");
        config.metrics.enabled = true;
        let server = start("/none", config);
        let stop = std::sync::atomic::AtomicBool::new(false);
        server.row("pi", 0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                        let mut last = None;
                        let report = server.engine.query_range("pi", "count", i64::MIN, i64::MAX, 1, |sample| {
                            // In order, each once; what is missing has expired meanwhile.
                            let nanotdb_core::model::Value::Int32(n) = sample.value else { panic!("{sample:?}") };
                            let gone = server.clock.now() - 3 * DAY >= MAY_20 + i64::from(n - 1) * 3 * HOUR;
                            assert!(last.is_none_or(|last| n == last + 1 || (n > last && gone)), "{n} after {last:?}");
                            last = Some(n);
                            std::ops::ControlFlow::Continue(())
                        });
                        match report {
                            Ok(report) => assert_eq!(report.warnings, Vec::<String>::new()),
                            Err(nanotdb_core::Error::NotFound(_)) => {}
                            Err(e) => panic!("{e}"),
                        }
                        let _ = server.engine.query_last("pi", "count").map(|s| assert!(s.is_some()));
                    }
                });
            }
            let _stop = crate::common::SetWhenDropped(&stop);
            for n in 1..600 {
                server.row("pi", n);
                server.clock.advance(Duration::from_nanos(3 * HOUR as u64));
                if n % 8 == 0 {
                    server.engine.trust_clock().unwrap();
                    std::thread::sleep(Duration::from_millis(4));
                }
            }
            server.wait("old days go", |s| !s.has("pi/data-2026-07-25.dat"));
        });
        server.engine.close().unwrap();
        assert!(!server.has("pi/data-2026-05-20.dat"));
    }
}
