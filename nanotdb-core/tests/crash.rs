//! Dying at every operation of a scripted run, by kill and by power loss, and again during recovery: what was promised
//! is there exactly once, and nothing else is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "crash/wrong_bit.rs"]
mod wrong_bit;

use common::oracle::{Death, ROOT, Run, config};
use common::rng::Rng;
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::storage::vfs::sim::{CrashModel, Fault, SimVfs};
use std::path::Path;
use std::sync::Arc;

/// `NANOTDB_CRASH_SEEDS=100 cargo test --release --test crash` for a long run.
fn seeds() -> u64 {
    std::env::var("NANOTDB_CRASH_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(3)
}

fn die_at_every_operation(policy: FsyncPolicy) {
    for seed in 0..seeds() {
        let vfs = SimVfs::new(seed);
        let mut run = Run::new(vfs.clone(), config(policy, 20 + (seed as u32 % 3) * 15), seed);
        vfs.record_forks(true);
        vfs.set_trace(true);
        run.script(120);
        let forks = vfs.take_forks();
        assert!(forks.len() > 200, "{}", forks.len());
        let mut rng = Rng(seed ^ 0xdead);
        for fork in forks {
            let count = fork.operation_count();
            for death in [Death::Killed, Death::PowerLoss] {
                let disk = fork.fork(rng.next());
                let model = if rng.below(2) == 0 { CrashModel::Arbitrary } else { CrashModel::Ordered };
                disk.set_crash_model(model);
                die(&disk, death);
                if std::env::var("NANOTDB_CRASH_TRACE").is_ok_and(|at| at == count.to_string()) {
                    for line in vfs.trace().iter().take(count as usize).rev().take(60).rev() {
                        println!("{line}");
                    }
                    for (path, bytes) in disk.snapshot() {
                        println!("{} {}", path.display(), bytes.len());
                    }
                }
                let context = format!("{policy:?}, seed {seed}, {death:?} at operation {count}, {model:?}");
                if std::env::var("NANOTDB_CRASH_TRACE").is_ok_and(|at| at == count.to_string()) {
                    use nanotdb_core::maintenance::inspect;
                    println!("{context}");
                    for db in ["alpha", "beta", "gamma"] {
                        let dir = Path::new(ROOT).join(db);
                        let catalog = inspect::read_catalog(&disk, &dir).unwrap_or_default();
                        println!("{db} {catalog:?}");
                        for w in inspect::wal_files(&disk, &dir, &catalog).unwrap() {
                            println!("{:?} {:?}", w.path, w.summary);
                            for r in w.records {
                                println!("{r:?}");
                            }
                        }
                        for f in inspect::data_files(&disk, &dir).unwrap_or_default() {
                            println!("{:?}", inspect::data_file(&disk, &f));
                        }
                    }
                }
                // Half of them die once more while they recover.
                if rng.below(2) == 0 {
                    die_in_recovery(&run, &disk, death, &mut rng);
                }
                run.check(&disk, death, count, &context);
            }
        }
    }
}

fn die(disk: &SimVfs, death: Death) {
    match death {
        Death::Killed => disk.kill(),
        Death::PowerLoss => disk.crash(),
    }
}

fn die_in_recovery(run: &Run, disk: &SimVfs, death: Death, rng: &mut Rng) {
    let fault = match rng.below(3) {
        0 => Fault::CrashBefore,
        1 => Fault::CrashMid,
        _ => Fault::CrashAfter,
    };
    disk.fail_at(1 + rng.below(8), fault);
    let options = EngineOptions { vfs: Arc::new(disk.process()), clock: run.clock.clone(), background: false };
    // Recovery may be over before the fault strikes.
    drop(Engine::open_with(Path::new(ROOT), run.config.clone(), options));
    disk.clear_faults();
    die(disk, death);
}

#[test]
fn dying_at_every_operation_with_fsync_always() {
    die_at_every_operation(FsyncPolicy::Always);
}

#[test]
fn dying_at_every_operation_with_fsync_interval() {
    die_at_every_operation(FsyncPolicy::Interval);
}

#[test]
fn dying_at_every_operation_with_fsync_segment() {
    die_at_every_operation(FsyncPolicy::Segment);
}
