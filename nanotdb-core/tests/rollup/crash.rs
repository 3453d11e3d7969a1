//! Dying at every operation, by kill and by power loss: of runs with their flushes and checkpoints, and of a backfill.

use crate::common::changing::Changing;
use crate::common::oracle::Death;
use crate::common::read;
use crate::common::rng::Rng;
use crate::support::{Bench, DAY, HOUR, MINUTE, START, Spec, check};
use nanotdb_core::clock::{Clock, ManualClock};
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::maintenance::recover::{RecoverRequest, recover};
use nanotdb_core::maintenance::snapshot::{SnapshotRequest, snapshot};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::model::{Sample, Value};
use nanotdb_core::storage::vfs::Vfs;
use nanotdb_core::storage::vfs::sim::{CrashModel, Fault, SimVfs};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

const AGGREGATES: [&str; 2] = ["avg", "count"];
/// 2026-05-30T12:00:00Z: the end of a month comes soon.
const BEGIN: i64 = START + 8 * DAY + 12 * HOUR;

fn job(interval: &str, grace: &str, pattern: &str, destination: &str) -> String {
    format!(
        "[rollups]\nenabled = true\n[[rollups.jobs]]\nid = \"j\"\nsource_pattern = \"{pattern}\"\ninterval = \"{interval}\"\n\
         grace = \"{grace}\"\naggregates = [\"avg\", \"count\"]\ndestination_db = \"{destination}\"\n"
    )
}

fn bench(seed: u64) -> Bench {
    let mut bench = Bench::new(seed);
    bench.config.wal.fsync_policy = FsyncPolicy::Always;
    bench.advance_to(BEGIN);
    bench.manifest("pi", &job("1h", "5m", "*", "pi_1h"));
    bench
}

fn write(engine: &Engine, metric: &str, at: i64) {
    engine.add_sample("pi", metric, Value::Float32((at / MINUTE % 89) as f32), Some(at)).unwrap();
}

/// Two days over the end of a month: a steady metric, and one that sends half a day late. Flushes, ticks, a restart.
fn run(bench: &Bench) {
    let mut engine = bench.open();
    let mut rng = Rng(bench.vfs.operation_count());
    for step in 0..2 * 24 * 2 {
        let at = BEGIN + step * 30 * MINUTE;
        bench.advance_to(at);
        write(&engine, "steady", at);
        if step % 24 == 23 {
            (0..24).rev().for_each(|back| write(&engine, "offline", at - back * 30 * MINUTE));
        }
        match rng.below(12) {
            0 => engine.flush().unwrap(),
            1 => engine.begin_flush().unwrap(),
            2 => engine.finish_flush().unwrap(),
            _ => {}
        }
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
        if step == 50 {
            engine.close().unwrap();
            engine = bench.open();
        }
    }
    engine.close().unwrap();
}

/// An engine on a copy of the disk, at the time at which the run ended.
struct After {
    disk: SimVfs,
    clock: Arc<ManualClock>,
}

impl After {
    fn options(&self) -> EngineOptions {
        EngineOptions { vfs: Arc::new(self.disk.process()), clock: self.clock.clone(), background: false }
    }

    fn open(&self, bench: &Bench) -> Engine {
        Engine::open_with(&bench.root, bench.config.clone(), self.options()).unwrap()
    }

    fn die(&self, death: Death) {
        match death {
            Death::Killed => self.disk.kill(),
            Death::PowerLoss => self.disk.crash(),
        }
    }
}

/// What was left of the disk before each operation since recording began, in both ways to die.
fn deaths(bench: &Bench, seed: u64, mut each: impl FnMut(After, Death, &mut Rng, &str)) {
    let forks = bench.vfs.take_forks();
    bench.vfs.record_forks(false);
    let mut rng = Rng(seed);
    for fork in forks {
        for death in [Death::Killed, Death::PowerLoss] {
            let disk = fork.fork(rng.next());
            let model = if rng.below(2) == 0 { CrashModel::Arbitrary } else { CrashModel::Ordered };
            disk.set_crash_model(model);
            let after = After { disk, clock: Arc::new(ManualClock::new(bench.clock.now())) };
            after.die(death);
            let context = format!("seed {seed}, {death:?} before operation {}, {model:?}", fork.operation_count());
            if rng.below(3) == 0 {
                let fault = [Fault::CrashBefore, Fault::CrashMid, Fault::CrashAfter][rng.below(3) as usize];
                after.disk.fail_at(1 + rng.below(30), fault);
                let opened = Engine::open_with(&bench.root, bench.config.clone(), after.options());
                if let Ok(engine) = &opened {
                    let _ = engine.roll_up().and_then(|_| engine.flush()).and_then(|()| engine.roll_up());
                }
                drop(opened);
                after.disk.clear_faults();
                after.die(death);
            }
            each(after, death, &mut rng, &context);
        }
    }
}

fn check_run(bench: &Bench, after: &After, context: &str) {
    let engine = after.open(bench);
    assert_eq!(engine.health(), [], "{context}");
    let log = Bench {
        vfs: after.disk.clone(),
        config: bench.config.clone(),
        root: bench.root.clone(),
        clock: after.clock.clone(),
    };
    for (key, completed) in log.checkpoints("pi") {
        let metric = key.strip_prefix("j::").unwrap();
        let found = read(&engine, "pi_1h", &format!("{metric}.count"));
        let source = read(&engine, "pi", metric);
        let expected = crate::support::buckets(&source, HOUR, completed);
        let has = |start: &i64| found.iter().any(|sample| sample.timestamp == *start);
        assert!(expected.keys().all(has), "{context}: the checkpoint {key},{completed} is ahead of the destination");
    }
    // Twice: the second finds what the first has written.
    engine.roll_up().unwrap();
    engine.roll_up().unwrap();
    let due = (after.clock.now() - 5 * MINUTE).div_euclid(HOUR) * HOUR;
    let spec = Spec { source: "pi", destination: "pi_1h", interval: HOUR, due, aggregates: &AGGREGATES };
    for metric in ["steady", "offline"] {
        check(&engine, &spec, metric, context);
    }
    engine.close().unwrap();
    let checkpoints = log.checkpoints("pi");
    let engine = after.open(bench);
    for metric in ["steady", "offline"] {
        check(&engine, &spec, metric, &format!("{context}: after a restart"));
        let newest = read(&engine, "pi", metric).into_iter().map(|s| s.timestamp).filter(|at| *at < due).max();
        let end = newest.map(|at| at.div_euclid(HOUR) * HOUR + HOUR);
        assert_eq!(checkpoints.get(&format!("j::{metric}")).copied(), end, "{context}: {metric}");
    }
    drop(engine);
    let report = verify(&bench.root, None, bench.config.clone(), after.options()).unwrap();
    assert_eq!(report.problems, [], "{context}");
}

#[test]
fn r15_no_checkpoint_is_ahead_of_its_destination() {
    for seed in 0..2 {
        let bench = bench(seed);
        bench.vfs.record_forks(true);
        run(&bench);
        deaths(&bench, seed, |after, _, _, context| check_run(&bench, &after, context));
    }
}

#[test]
fn r15_nor_when_the_destination_has_a_wal_for_its_younger_pages_only() {
    let bench = bench(7);
    let manifest =
        "[wal]\nenabled = true\nskip_before = \"8h\"\n[retention]\npartition = \"day\"\n[page]\nmax_age = \"3h\"\n";
    bench.manifest("pi_1h", manifest);
    bench.vfs.record_forks(true);
    run(&bench);
    deaths(&bench, 7, |after, _, _, context| check_run(&bench, &after, context));
}

/// Under "throughput" a flush forces nothing to the device; a checkpoint does all the same.
#[test]
fn r15_nor_when_flushes_leave_the_device_to_the_system() {
    let mut bench = bench(8);
    bench.config.wal.fsync_policy = FsyncPolicy::Segment;
    bench.config.durability = nanotdb_core::config::DurabilityProfile::Throughput;
    let engine = bench.open();
    for step in 0..48 {
        bench.advance_to(BEGIN + step * HOUR / 2);
        write(&engine, "steady", BEGIN + step * HOUR / 2);
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    }
    engine.flush().unwrap();
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    let completed = bench.checkpoints("pi")["j::steady"];
    bench.vfs.crash();
    let engine = bench.open();
    let found = read(&engine, "pi_1h", "steady.count");
    assert_eq!(found.last().map(|s| s.timestamp + HOUR), Some(completed));
    assert_eq!(found.len() as i64, (completed - BEGIN) / HOUR);
}

type Content = BTreeMap<String, Vec<Sample>>;

fn content(engine: &Engine, database: &str) -> Content {
    let metrics = engine.metrics(database).unwrap().into_iter();
    metrics.map(|m| (m.name.clone(), read(engine, database, &m.name))).collect()
}

fn backfill(engine: &Engine) -> nanotdb_core::Result<()> {
    let report = engine.backfill_rollups(None, &mut |_| ControlFlow::Continue(()))?;
    assert_eq!(report.skipped, []);
    Ok(())
}

/// Two days, hourly and daily, with a late sample in most hours; flushed, with checkpoints.
fn before_backfill(bench: &Bench) -> Engine {
    bench.manifest("pi_1h", &job("1d", "0s", "*.count", "pi_1d"));
    let engine = bench.open();
    for step in 0..2 * 24 {
        let hour = BEGIN + step * HOUR;
        bench.advance_to(hour + 10 * MINUTE);
        write(&engine, "late", hour);
        bench.advance_to(hour + HOUR + 6 * MINUTE);
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
        write(&engine, "late", hour + 59 * MINUTE);
    }
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    engine.flush().unwrap();
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    engine
}

#[test]
fn dying_at_every_operation_of_a_backfill_leaves_the_old_or_the_new() {
    let bench = bench(3);
    let engine = before_backfill(&bench);
    let databases = ["pi_1h", "pi_1d"];
    let old = databases.map(|database| content(&engine, database));
    bench.vfs.record_forks(true);
    backfill(&engine).unwrap();
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    let new = databases.map(|database| content(&engine, database));
    assert!(old[0] != new[0] && old[1] != new[1], "the late samples make a difference");
    engine.close().unwrap();
    let mut seen = [false; 2];
    deaths(&bench, 3, |after, _, _, context| {
        let beside = {
            let reader = Engine::open_read_only_with(&bench.root, bench.config.clone(), after.options()).unwrap();
            databases.map(|database| content(&reader, database))
        };
        let engine = after.open(&bench);
        assert_eq!(engine.health(), [], "{context}");
        for (((database, old), new), beside) in databases.iter().zip(&old).zip(&new).zip(beside) {
            let found = content(&engine, database);
            assert!(found == *old || found == *new, "{context}: {database} is neither: {found:?}");
            // Who mends nothing may still see the old one where the new one is complete.
            assert!(beside == *old || beside == found, "{context}: {database} as a reader sees it");
            seen[usize::from(found == *new)] = true;
        }
        let names: Vec<_> = after.disk.read_dir(&bench.root).unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, [".lock", "pi", "pi_1d", "pi_1h"], "{context}");
        engine.roll_up().unwrap();
        for ((database, old), new) in databases.iter().zip(&old).zip(&new) {
            let found = content(&engine, database);
            assert!(found == *old || found == *new, "{context}: {database} after going on: {found:?}");
        }
        backfill(&engine).unwrap();
        assert_eq!([content(&engine, "pi_1h"), content(&engine, "pi_1d")], new, "{context}: backfilled again");
        engine.close().unwrap();
        let report = verify(&bench.root, None, bench.config.clone(), after.options()).unwrap();
        assert_eq!(report.problems, [], "{context}");
    });
    assert_eq!(seen, [true, true]);
}

/// The disk before every operation of a backfill, and what its databases hold before and after it.
fn replacing(bench: &Bench) -> (Vec<SimVfs>, [Content; 2], [Content; 2]) {
    let engine = before_backfill(bench);
    let contents = || ["pi_1h", "pi_1d"].map(|database| content(&engine, database));
    let old = contents();
    bench.vfs.record_forks(true);
    backfill(&engine).unwrap();
    let new = contents();
    let mut forks = bench.vfs.take_forks();
    forks.push(bench.vfs.fork(1));
    (forks, old, new)
}

fn check_replaced(engine: &Engine, old: &[Content; 2], new: &[Content; 2], context: &str) {
    assert_eq!(engine.health(), [], "{context}");
    assert_eq!(engine.database_names(true), ["pi", "pi_1d", "pi_1h"], "{context}");
    for ((database, old), new) in ["pi_1h", "pi_1d"].iter().zip(old).zip(new) {
        let found = content(engine, database);
        assert!(found == *old || found == *new, "{context}: {database} is neither: {found:?}");
    }
}

#[test]
fn a_copy_of_a_root_holds_a_database_that_is_between_two_names() {
    let bench = bench(5);
    let (forks, old, new) = replacing(&bench);
    for fork in forks {
        let context = format!("operation {}", fork.operation_count());
        let (root, out) = (bench.root.as_path(), Path::new("/copies/snapshot"));
        let options = EngineOptions { vfs: Arc::new(fork.process()), ..bench.options() };
        let request = SnapshotRequest { root, out, database: None, copy_all: false };
        let report = snapshot(request, bench.config.clone(), &options, &mut |_, _| {}).unwrap();
        assert_eq!(report.problems, [], "{context}");
        let engine = Engine::open_with(out, bench.config.clone(), options.clone()).unwrap();
        check_replaced(&engine, &old, &new, &format!("{context}: snapshot"));
        let out = Path::new("/copies/recovered");
        let request = RecoverRequest { root, out, database: None };
        let report = recover(request, bench.config.clone(), &options, &mut |_, _| {}).unwrap();
        assert_eq!((report.problems, report.lost), (vec![], vec![]), "{context}");
        let engine = Engine::open_with(out, bench.config.clone(), options.clone()).unwrap();
        check_replaced(&engine, &old, &new, &format!("{context}: recovered"));
        let request = SnapshotRequest { root, out: Path::new("/copies/one"), database: Some("pi_1h"), copy_all: false };
        snapshot(request, bench.config.clone(), &options, &mut |_, _| {}).unwrap();
    }
}

#[test]
fn a_replacement_under_a_reader_takes_no_database_from_it() {
    let bench = bench(6);
    let (forks, old, new) = replacing(&bench);
    let names = |disk: &SimVfs| disk.read_dir(&bench.root).unwrap().into_iter().map(|e| e.name).collect::<Vec<_>>();
    // One of each state in which the root is.
    let mut states: Vec<SimVfs> = Vec::new();
    for fork in forks {
        if states.last().is_none_or(|last| names(last) != names(&fork)) {
            states.push(fork);
        }
    }
    assert!(states.len() > 8, "{}", states.len());
    for (at, pair) in states.windows(2).enumerate() {
        for calls in 1.. {
            let context = format!("state {at}, the next one after {calls} calls");
            let disk = Changing::new(vec![(0, pair[0].clone()), (calls, pair[1].clone())]);
            let options = EngineOptions { vfs: Arc::new(disk.clone()), ..bench.options() };
            let reader = Engine::open_read_only_with(&bench.root, bench.config.clone(), options.clone()).unwrap();
            assert_eq!(reader.health(), [], "{context}");
            assert_eq!(reader.database_names(true), ["pi", "pi_1d", "pi_1h"], "{context}");
            let disk = Changing::new(vec![(0, pair[0].clone()), (calls, pair[1].clone())]);
            let options = EngineOptions { vfs: Arc::new(disk.clone()), ..options };
            let out = Path::new("/copies/copy");
            let request = SnapshotRequest { root: &bench.root, out, database: None, copy_all: false };
            let report = snapshot(request, bench.config.clone(), &options, &mut |_, _| {})
                .unwrap_or_else(|e| panic!("{context}: {e}"));
            assert_eq!(report.problems, [], "{context}");
            let options = EngineOptions { vfs: Arc::new(disk.copy.clone()), ..options };
            let engine = Engine::open_with(out, bench.config.clone(), options).unwrap();
            check_replaced(&engine, &old, &new, &context);
            if disk.calls.load(std::sync::atomic::Ordering::SeqCst) < calls {
                break;
            }
        }
    }
}

/// EIO and ENOSPC at every operation: an error, and the old or the new, now and after a restart; nothing is lost.
#[test]
fn a_failing_disk_leaves_the_old_or_the_new() {
    let prepare = || {
        let bench = bench(4);
        let engine = before_backfill(&bench);
        (bench, engine)
    };
    let (bench, engine) = prepare();
    let old = content(&engine, "pi_1h");
    let from = bench.vfs.operation_count();
    backfill(&engine).unwrap();
    let operations = bench.vfs.operation_count() - from;
    let new = content(&engine, "pi_1h");
    drop(engine);
    for at in 1..=operations {
        for fault in [Fault::Eio, Fault::Enospc] {
            let (bench, engine) = prepare();
            let context = format!("{fault:?} at operation {at}");
            bench.vfs.fail_at(at, fault);
            let outcome = engine.backfill_rollups(None, &mut |_| ControlFlow::Continue(()));
            bench.vfs.clear_faults();
            if engine.health().is_empty() {
                let found = content(&engine, "pi_1h");
                assert!(found == old || found == new, "{context}: {outcome:?}");
            }
            drop(engine);
            bench.vfs.kill();
            let engine = bench.open();
            assert_eq!(engine.health(), [], "{context}");
            let found = content(&engine, "pi_1h");
            assert!(found == old || found == new, "{context}: after a restart");
            backfill(&engine).unwrap();
            assert_eq!(content(&engine, "pi_1h"), new, "{context}");
        }
    }
}
