//! Power cuts: what was made durable stays, also when a kill came first.

use crate::common::assert_same;
use crate::common::bench::{Bench, Line, SECOND, content_of, float, int, send};
use crate::common::oracle::{Death, ROOT, Run, START as T, config, content};
use crate::common::rng::Rng;
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::storage::vfs::sim::{CrashModel, SimVfs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Number 8 of the list: the page is durable, so its file's name must be.
#[test]
fn r08_new_data_file_without_directory_fsync() {
    let lines: Vec<Line> =
        vec![("home", "a", int(1), T), ("home", "b", float(2.5), T), ("home", "a", int(2), T + SECOND)];
    for policy in [FsyncPolicy::Always, FsyncPolicy::Segment] {
        let bench = Bench::new(policy, 1_000);
        let engine = bench.open();
        send(&engine, &lines);
        engine.flush().unwrap();
        for seed in 0..40 {
            let cut = bench.fork(bench.vfs.fork(seed));
            cut.vfs.set_crash_model(if seed % 2 == 0 { CrashModel::Ordered } else { CrashModel::Arbitrary });
            cut.vfs.crash();
            assert_same(&content(&cut.open()), &content_of(&lines), &format!("{policy:?}, seed {seed}"));
        }
    }
}

/// Number 8 of the list, in two blows: a kill between making a file and making its name durable, a restart that finds
/// the file there, and a power cut after the restart acknowledged more.
#[test]
fn r08_power_loss_after_a_kill_between_a_file_and_its_name() {
    let first: Vec<Line> = vec![("home", "a", int(1), T), ("home", "b", float(2.5), T)];
    let later: Vec<Line> = vec![("home", "a", int(2), T + SECOND), ("new", "a", int(3), T)];
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    bench.vfs.record_forks(true);
    let engine = bench.open();
    send(&engine, &first);
    let acknowledged = bench.vfs.operation_count();
    engine.flush().unwrap();
    let forks = bench.vfs.take_forks();
    for fork in forks {
        let count = fork.operation_count();
        let killed = bench.fork(fork);
        killed.vfs.kill();
        let engine = killed.open();
        send(&engine, &later);
        let seen = content(&engine);
        let all: Vec<Line> = first.iter().chain(&later).copied().collect();
        if count >= acknowledged {
            assert_same(&seen, &content_of(&all), &format!("killed at {count}"));
        }
        for seed in 0..8 {
            let cut = killed.fork(killed.vfs.fork(seed));
            cut.vfs.crash();
            let found = content(&cut.open());
            let context = format!("killed at {count}, then power loss with seed {seed}");
            match count >= acknowledged {
                true => assert_same(&found, &content_of(&all), &context),
                // The first batch was on its way: it may be there as the restart saw it.
                false => later.iter().for_each(|(database, metric, value, _)| {
                    let series = ((*database).to_owned(), (*metric).to_owned());
                    let newest = found.get(&series).and_then(|s| s.last()).map(|s| s.value);
                    assert_eq!(newest, Some(*value), "{context}: {found:?}");
                }),
            }
        }
    }
}

/// A kill at some operation of a scripted run; then the power fails at an operation of the recovery, or after it.
fn power_loss_after_a_kill(policy: FsyncPolicy) {
    for seed in 0..2 {
        let vfs = SimVfs::new(seed);
        let mut run = Run::new(vfs.clone(), config(policy, 20 + (seed as u32 % 2) * 15), seed);
        vfs.record_forks(true);
        run.script(80);
        let forks = vfs.take_forks();
        let mut rng = Rng(seed ^ 0xbeef);
        for fork in forks.into_iter().step_by(3) {
            let count = fork.operation_count();
            let disk = fork.fork(rng.next());
            disk.kill();
            disk.record_forks(true);
            let options = EngineOptions { vfs: Arc::new(disk.process()), clock: run.clock.clone(), background: false };
            let engine = Engine::open_with(Path::new(ROOT), run.config.clone(), options).unwrap();
            let seen = content(&engine);
            engine.close().unwrap();
            let moments = disk.take_forks();
            for _ in 0..3 {
                let moment = &moments[rng.below(moments.len() as u64) as usize];
                let cut = moment.fork(rng.next());
                cut.set_crash_model(if rng.below(2) == 0 { CrashModel::Arbitrary } else { CrashModel::Ordered });
                cut.crash();
                let context = format!(
                    "{policy:?}, seed {seed}, killed at operation {count}, power loss at {}",
                    cut.operation_count()
                );
                run.check(&cut, Death::PowerLoss, count, &context);
            }
            // Once it was closed cleanly, everything that the restart showed is durable.
            disk.crash();
            let options = EngineOptions { vfs: Arc::new(disk.process()), clock: run.clock.clone(), background: false };
            let engine = Engine::open_with(Path::new(ROOT), run.config.clone(), options).unwrap();
            assert_same(&content(&engine), &seen, &format!("{policy:?}, seed {seed}, killed at {count}, closed, cut"));
        }
    }
}

#[test]
fn power_loss_in_the_recovery_of_a_kill_with_fsync_always() {
    power_loss_after_a_kill(FsyncPolicy::Always);
}

#[test]
fn power_loss_in_the_recovery_of_a_kill_with_fsync_interval() {
    power_loss_after_a_kill(FsyncPolicy::Interval);
}

#[test]
fn power_loss_in_the_recovery_of_a_kill_with_fsync_segment() {
    power_loss_after_a_kill(FsyncPolicy::Segment);
}

/// The interval's promise covers rows that the process before the last kill acknowledged.
#[test]
fn the_fsync_interval_holds_across_a_kill() {
    let lines: Vec<Line> = (0..40).map(|i| ("home", "a", int(i), T + i64::from(i) * SECOND / 100)).collect();
    for seed in 0..20 {
        let bench = Bench::on(SimVfs::new(seed), config(FsyncPolicy::Interval, 1_000));
        let engine = bench.open();
        for line in &lines {
            send(&engine, std::slice::from_ref(line));
        }
        bench.kill(engine);
        let engine = bench.open();
        bench.clock.advance(Duration::from_secs(2));
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
        bench.power_loss(engine);
        assert_same(&content(&bench.open()), &content_of(&lines), &format!("seed {seed}"));
    }
}
