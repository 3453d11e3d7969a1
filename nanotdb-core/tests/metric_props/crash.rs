//! Dying at every operation of a build, by kill and by power loss, and again while that is mended.

use crate::common::bench::{Bench, Line, int, send};
use crate::common::oracle::START;
use crate::common::rng::Rng;
use crate::support::{
    ACTIONS, FORMATS, build, check, check_disk, check_verify, files, first_rows, late_rows, options, sealed, store,
};
use nanotdb_core::config::RawIngestAction;
use nanotdb_core::engine::BuildOptions;
use nanotdb_core::storage::vfs::sim::{CrashModel, Fault, SimVfs};

/// `NANOTDB_CRASH_SEEDS=100` for a long run.
fn seeds() -> u64 {
    std::env::var("NANOTDB_CRASH_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(2)
}

/// Today's.
fn live_rows(round: i64) -> Vec<Line> {
    let time = START + round * 1_000;
    let new = ["new0", "new1", "new2"][round as usize % 3];
    vec![("pi", "live", int(round as i32), time), ("pi", new, int(5), time), ("pi", "live", int(-1), time)]
}

/// Builds, late rows, builds again in another way: the disks before each operation of the builds, with what they hold.
fn script(seed: u64, first: BuildOptions, second: BuildOptions) -> (Bench, Vec<(SimVfs, Vec<Line>, BuildOptions)>) {
    let bench = sealed(SimVfs::new(seed), 10);
    let engine = bench.open();
    let mut lines = first_rows();
    store(&engine, &lines);
    let mut forks = Vec::new();
    for (round, options) in [first, second, second].into_iter().enumerate() {
        // Rows of today stay in an open page, one of them of a metric that the WAL alone knows.
        let live = live_rows(round as i64);
        send(&engine, &live);
        lines.extend(live);
        bench.vfs.record_forks(true);
        build(&engine, options).unwrap();
        forks.extend(bench.vfs.take_forks().into_iter().map(|fork| (fork, lines.clone(), options)));
        let late = late_rows(round as i64);
        store(&engine, &late);
        lines.extend(late);
        check(&engine, &lines, "while it was running");
    }
    (bench, forks)
}

fn die(disk: &SimVfs, by_power_loss: bool) {
    if by_power_loss { disk.crash() } else { disk.kill() }
}

/// Dies at some operation of the recovery, or of the next build.
fn die_again(disk: &Bench, options: BuildOptions, by_power_loss: bool, rng: &mut Rng) {
    let fault = [Fault::CrashBefore, Fault::CrashMid, Fault::CrashAfter][rng.below(3) as usize];
    disk.vfs.fail_at(1 + rng.below(20), fault);
    if let Ok(engine) = disk.try_open() {
        let _ = build(&engine, options);
        drop(engine);
    }
    disk.vfs.clear_faults();
    die(&disk.vfs, by_power_loss);
}

fn check_all(bench: &Bench, lines: &[Line], options: BuildOptions, context: &str) {
    let engine = bench.open();
    check_disk(bench, context);
    check(&engine, lines, context);
    let built = build(&engine, options).unwrap_or_else(|e| panic!("{context}: a later build: {e}"));
    check(&engine, lines, &format!("{context}: built again: {built:?}"));
    assert_eq!(build(&engine, options).unwrap(), [], "{context}: something is left to do");
    assert_eq!(files(bench, "metric-").len(), 2, "{context}");
    match options.raw_ingest_action {
        RawIngestAction::Delete => {
            let today = |name: &String| name.contains("2026-05-22");
            let raw = files(bench, "data-").into_iter().chain(files(bench, "raw-"));
            assert_eq!(raw.filter(|name| !today(name)).collect::<Vec<_>>(), Vec::<String>::new(), "{context}");
        }
        RawIngestAction::Rename | RawIngestAction::Keep => {}
    }
    engine.close().unwrap();
    check(&bench.open(), lines, &format!("{context}: after a restart"));
    check_verify(bench, context);
}

#[test]
fn a_build_dies_at_every_operation() {
    for seed in 0..seeds() {
        let mut rng = Rng(seed ^ 0xb111d);
        for format in FORMATS {
            for first in ACTIONS {
                for second in ACTIONS {
                    let (bench, forks) = script(seed, options(format, first), options(format, second));
                    assert!(forks.len() > 20, "{}", forks.len());
                    for (fork, lines, options) in forks {
                        let count = fork.operation_count();
                        for by_power_loss in [false, true] {
                            let disk = bench.fork(fork.fork(rng.next()));
                            let model = [CrashModel::Arbitrary, CrashModel::Ordered][rng.below(2) as usize];
                            disk.vfs.set_crash_model(model);
                            die(&disk.vfs, by_power_loss);
                            let context = format!(
                                "{format:?}, {first:?} then {second:?}, seed {seed}, operation {count}, power loss {by_power_loss}, {model:?}"
                            );
                            if rng.below(2) == 0 {
                                die_again(&disk, options, by_power_loss, &mut rng);
                            }
                            check_all(&disk, &lines, options, &context);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn flushed_rows_that_the_full_disk_left_in_the_wal_are_not_counted_twice_once_the_raw_file_is_gone() {
    for action in ACTIONS {
        for format in FORMATS {
            let bench = sealed(SimVfs::new(3), 1_000);
            let engine = bench.open();
            // Two open pages, so that the WAL is written anew when one of them is flushed.
            let lines = first_rows();
            for part in lines.chunks(9) {
                send(&engine, part);
            }
            bench.kill(engine);
            let probe = bench.fork(bench.vfs.fork(2));
            let other = probe.open();
            let opened = probe.vfs.operation_count();
            other.flush().unwrap();
            let operations = probe.vfs.operation_count() - opened;
            drop(other);
            assert!(operations > 3, "{operations}");
            for at in 1..=operations {
                let disk = bench.fork(bench.vfs.fork(at));
                let engine = disk.open();
                disk.vfs.fail_at(at, Fault::Enospc);
                let _ = engine.flush();
                disk.vfs.clear_faults();
                let context = format!("{format:?}, {action:?}, full at operation {at} of a flush");
                if !engine.health().is_empty() {
                    continue;
                }
                check(&engine, &lines, &context);
                let _ = build(&engine, options(format, action));
                check(&engine, &lines, &context);
                disk.kill(engine);
                check(&disk.open(), &lines, &format!("{context}: killed after the build"));
            }
        }
    }
}
