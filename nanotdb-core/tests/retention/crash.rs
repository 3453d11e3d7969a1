//! Dying at every operation of a sweep and of a restore, by kill and by power loss, and again while that is mended.

use crate::common::bench::{Bench, Line, int, send};
use crate::common::read_all;
use crate::common::rng::Rng;
use crate::support::{
    DAY, HOUR, MAY_20, check, check_verify, files, keeping, live, machine, names, since, sweep, sweep_now,
};
use nanotdb_core::clock::Clock;
use nanotdb_core::config::RetentionAction;
use nanotdb_core::engine::{BuildOptions, Engine, Selection};
use nanotdb_core::maintenance::archive::{Wanted, list, restore};
use nanotdb_core::storage::vfs::Vfs;
use nanotdb_core::storage::vfs::sim::{CrashModel, Fault, SimVfs};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

fn die(disk: &SimVfs, by_power_loss: bool) {
    if by_power_loss { disk.crash() } else { disk.kill() }
}

/// Four days, the first with all kinds of files, the clock two days behind the second.
fn ready(action: RetentionAction) -> (Bench, Engine, Vec<Line>) {
    let bench = machine(keeping(2, action, "day"), MAY_20);
    let engine = bench.open();
    let mut lines = live(&bench, &engine, 4);
    let options = BuildOptions::new(Default::default(), "", nanotdb_core::config::RawIngestAction::Rename).unwrap();
    engine
        .build_metric_files("pi", Selection::Named("2026-05-20"), options, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    let late = [("pi", "gone", int(8), MAY_20 + 23 * HOUR), ("pi", "gone", int(9), MAY_20 + 23 * HOUR)];
    send(&engine, &late[..1]);
    engine.flush().unwrap();
    // Today's and a late one are in the log.
    let today = [("pi", "gone", int(9), MAY_20 + 23 * HOUR), ("pi", "today", int(1), bench.clock.now())];
    send(&engine, &today);
    lines.extend(late);
    lines.push(today[1]);
    engine.trust_clock().unwrap();
    (bench, engine, lines)
}

/// Partitions of which samples are there, and whether each is there as it was.
fn days_of(engine: &Engine, lines: &[Line], context: &str) -> BTreeSet<i64> {
    let content = read_all(engine);
    let found: BTreeSet<(String, i64)> =
        content.iter().flat_map(|((_, metric), rows)| rows.iter().map(|s| (metric.clone(), s.timestamp))).collect();
    let days: BTreeSet<i64> = found.iter().map(|(_, time)| (time - MAY_20).div_euclid(DAY)).collect();
    let expected: Vec<Line> =
        lines.iter().filter(|l| days.contains(&(l.3 - MAY_20).div_euclid(DAY))).copied().collect();
    check(engine, &expected, context);
    days
}

#[test]
fn a_sweep_dies_at_every_operation() {
    let mut rng = Rng(5);
    for action in [RetentionAction::Delete, RetentionAction::Archive] {
        let (bench, engine, lines) = ready(action);
        bench.vfs.record_forks(true);
        assert_eq!(names(&sweep(&engine)), ["2026-05-20", "2026-05-21"]);
        let forks = bench.vfs.take_forks();
        assert!(forks.len() > 20, "{}", forks.len());
        let now = bench.clock.now();
        for (at, fork) in forks.iter().enumerate() {
            for (by_power_loss, model) in
                [(false, CrashModel::Ordered), (true, CrashModel::Ordered), (true, CrashModel::Arbitrary)]
            {
                let disk = bench.fork(fork.fork(rng.next()));
                disk.clock.set_wall(now);
                disk.vfs.set_crash_model(model);
                die(&disk.vfs, by_power_loss);
                let context =
                    format!("{action:?}, operation {at} of {}, power loss {by_power_loss}, {model:?}", forks.len());
                if rng.below(2) == 0 {
                    // Dies again while it is mended, or swept once more.
                    let fault = [Fault::CrashBefore, Fault::CrashMid, Fault::CrashAfter][rng.below(3) as usize];
                    disk.vfs.fail_at(1 + rng.below(25), fault);
                    if let Ok(engine) = disk.try_open() {
                        engine.tick();
                        drop(engine);
                    }
                    disk.vfs.clear_faults();
                    die(&disk.vfs, by_power_loss);
                }
                // A reader that comes before anybody mends. What a kill leaves is no damage.
                let reader = disk.open_read_only();
                if !by_power_loss {
                    check_unmended(&disk, &reader, &context);
                }
                let engine = disk.open();
                let days = days_of(&engine, &lines, &context);
                assert!(days.is_superset(&BTreeSet::from([2, 3, 4])), "{context}: {days:?}");
                if action == RetentionAction::Archive {
                    let archived: BTreeSet<i64> = list(&engine, "pi")
                        .unwrap()
                        .iter()
                        .flat_map(|archive| {
                            assert_eq!(archive.problem, None, "{context}");
                            archive.partitions.iter().map(|p| (p.range.unwrap().start - MAY_20) / DAY)
                        })
                        .collect();
                    for day in [0, 1] {
                        assert!(
                            archived.contains(&day) != days.contains(&day),
                            "{context}: day {day}: {archived:?}, {days:?}"
                        );
                    }
                }
                sweep_now(&engine);
                check(&engine, &since(&lines, MAY_20 + 2 * DAY), &format!("{context}: swept again"));
                let left = files(&disk);
                assert!(!left.iter().any(|n| n.contains("journal") || n.ends_with(".tmp")), "{context}: {left:?}");
                assert!(
                    !left.iter().any(|n| n.contains("2026-05-20") || n.contains("2026-05-21")),
                    "{context}: {left:?}"
                );
                engine.close().unwrap();
                check_verify(&disk, &context);
                if action == RetentionAction::Archive {
                    check_all_restored(&disk, &lines, &context);
                }
            }
        }
    }
}

/// What was interrupted is not taken for damage by somebody who comes before it is mended.
fn check_unmended(disk: &Bench, reader: &Engine, context: &str) {
    check_verify(disk, &format!("{context}: not mended yet"));
    for archive in list(reader, "pi").unwrap() {
        assert_eq!(archive.problem, None, "{context}: not mended yet");
    }
}

fn keep_from_now_on(disk: &Bench) {
    let text = String::from_utf8(disk.file("pi/manifest.toml")).unwrap();
    let text = text.replace("retention_action = \"archive\"", "retention_action = \"keep\"");
    disk.vfs.replace(&disk.path("pi/manifest.toml"), text.as_bytes()).unwrap();
}

/// Archive and database together are everything, once.
fn check_all_restored(disk: &Bench, lines: &[Line], context: &str) {
    keep_from_now_on(disk);
    let engine = disk.open();
    restore(&engine, "pi", Wanted::Bucket("2026-05")).unwrap_or_else(|e| panic!("{context}: {e}"));
    check(&engine, lines, &format!("{context}: restored"));
    engine.close().unwrap();
    check_verify(disk, &format!("{context}: restored"));
}

#[test]
fn a_restore_dies_at_every_operation() {
    let mut rng = Rng(6);
    let (bench, engine, lines) = ready(RetentionAction::Archive);
    sweep(&engine);
    engine.close().unwrap();
    keep_from_now_on(&bench);
    let engine = bench.open();
    bench.vfs.record_forks(true);
    restore(&engine, "pi", Wanted::Bucket("2026-05")).unwrap();
    let forks = bench.vfs.take_forks();
    check(&engine, &lines, "restored");
    assert!(forks.len() > 20, "{}", forks.len());
    for (at, fork) in forks.iter().enumerate() {
        for (by_power_loss, model) in
            [(false, CrashModel::Ordered), (true, CrashModel::Ordered), (true, CrashModel::Arbitrary)]
        {
            let disk = bench.fork(fork.fork(rng.next()));
            disk.clock.set_wall(bench.clock.now());
            disk.vfs.set_crash_model(model);
            die(&disk.vfs, by_power_loss);
            let context = format!("operation {at} of {}, power loss {by_power_loss}, {model:?}", forks.len());
            if rng.below(2) == 0 {
                let fault = [Fault::CrashBefore, Fault::CrashMid, Fault::CrashAfter][rng.below(3) as usize];
                disk.vfs.fail_at(1 + rng.below(25), fault);
                if let Ok(engine) = disk.try_open() {
                    let _ = restore(&engine, "pi", Wanted::Bucket("2026-05"));
                    drop(engine);
                }
                disk.vfs.clear_faults();
                die(&disk.vfs, by_power_loss);
            }
            if !by_power_loss {
                check_unmended(&disk, &disk.open_read_only(), &context);
            }
            let engine = disk.open();
            let days = days_of(&engine, &lines, &context);
            for archive in list(&engine, "pi").unwrap() {
                assert_eq!(archive.problem, None, "{context}");
                for partition in &archive.partitions {
                    let day = (partition.range.unwrap().start - MAY_20) / DAY;
                    assert!(!days.contains(&day), "{context}: day {day} is here and there");
                }
            }
            let more = restore(&engine, "pi", Wanted::Bucket("2026-05"));
            assert!(more.is_ok() || days.len() == 5, "{context}: {more:?}, {days:?}");
            check(&engine, &lines, &format!("{context}: restored"));
            engine.close().unwrap();
            let left = files(&disk);
            assert!(
                !left.iter().any(|n| n.contains("journal") || n.ends_with(".tmp") || n.ends_with(".tar")),
                "{left:?}"
            );
            check_verify(&disk, &context);
        }
    }
}

/// Every single operation of a sweep and of a restore fails once, by an error or for want of room.
#[test]
fn a_sweep_and_a_restore_survive_an_error_at_every_operation() {
    for fault in [Fault::Eio, Fault::Enospc] {
        let (bench, engine, lines) = ready(RetentionAction::Archive);
        bench.kill(engine);
        for at in 1.. {
            let disk = bench.fork(bench.vfs.fork(at));
            disk.clock.set_wall(bench.clock.now());
            let engine = disk.open();
            disk.vfs.fail_at(at, fault);
            let swept = engine.tick();
            disk.vfs.clear_faults();
            let context = format!("{fault:?} at operation {at} of a sweep");
            if engine.health().is_empty() {
                days_of(&engine, &lines, &context);
                sweep_now(&engine);
                check(&engine, &since(&lines, MAY_20 + 2 * DAY), &context);
            }
            disk.kill(engine);
            let engine = disk.open();
            sweep_now(&engine);
            check(&engine, &since(&lines, MAY_20 + 2 * DAY), &context);
            engine.close().unwrap();
            if swept.errors().is_empty() && at > 30 {
                check_all_restored(&disk, &lines, &context);
                break;
            }
            keep_from_now_on(&disk);
            let engine = disk.open();
            disk.vfs.fail_at(at, fault);
            let _ = restore(&engine, "pi", Wanted::Bucket("2026-05"));
            disk.vfs.clear_faults();
            let context = format!("{fault:?} at operation {at} of a restore");
            if engine.health().is_empty() {
                days_of(&engine, &lines, &context);
            }
            disk.kill(engine);
            let engine = disk.open();
            let _ = restore(&engine, "pi", Wanted::Bucket("2026-05"));
            check(&engine, &lines, &context);
            engine.close().unwrap();
            check_verify(&disk, &context);
        }
    }
}
