//! Logs that were emptied, shortened or removed between two starts, and one damaged bit in what is remembered of a database.

use crate::common::bench::{Bench, Line, SECOND, int, send};
use crate::common::oracle::{ROOT, START as T};
use crate::common::rng::Rng;
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::Engine;
use nanotdb_core::maintenance::inspect;
use nanotdb_core::maintenance::verify::{VerifyReport, verify};
use nanotdb_core::storage::vfs::Vfs;
use std::ops::ControlFlow;
use std::path::Path;

fn checked(bench: &Bench) -> VerifyReport {
    verify(Path::new(ROOT), None, bench.config.clone(), bench.options()).unwrap()
}

/// What is told of what is missing or damaged.
fn told(engine: &Engine) -> Vec<String> {
    let all = engine.warnings().into_iter().map(|warning| warning.text);
    all.filter(|text| text.contains("missing") || text.contains("damaged")).collect()
}

/// The warnings of an answer, all rows with it.
fn answer(engine: &Engine, metric: &str) -> (usize, Vec<String>) {
    let mut rows = 0;
    let mut count = |_| {
        rows += 1;
        ControlFlow::Continue(())
    };
    let report = engine.query_range("home", metric, i64::MIN, i64::MAX, 1, &mut count).unwrap();
    (rows, report.warnings)
}

fn rows(from: i64, to: i64) -> Vec<Line> {
    (from..to).map(|i| ("home", "a", int(i as i32), T + i * SECOND)).collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Harm {
    Removed,
    Emptied,
    /// To the end of its first batches, so that what is left is whole.
    Cut,
}

/// Ends of the whole batches of a log.
fn batch_ends(bench: &Bench) -> Vec<u64> {
    let catalog = inspect::read_catalog(&bench.vfs, &bench.path("home")).unwrap();
    let logs = inspect::wal_files(&bench.vfs, &bench.path("home"), &catalog).unwrap();
    let records = &logs[0].records;
    records.iter().filter(|record| record.checksummed).map(|record| record.offset + u64::from(record.len)).collect()
}

fn harm(bench: &Bench, harm: Harm) {
    let path = bench.path("home/home.wal");
    let ends = batch_ends(bench);
    let whole = bench.file("home/home.wal");
    assert!(ends.len() > 4 && *ends.last().unwrap() == whole.len() as u64);
    match harm {
        Harm::Removed => bench.vfs.remove_file(&path).unwrap(),
        Harm::Emptied => bench.vfs.put(&path, b"").unwrap(),
        Harm::Cut => bench.vfs.put(&path, &whole[..ends[3] as usize]).unwrap(),
    }
}

#[test]
fn a_log_that_lost_what_was_in_it_is_told_by_every_door() {
    for policy in [FsyncPolicy::Always, FsyncPolicy::Segment] {
        for with_page in [false, true] {
            for what in [Harm::Removed, Harm::Emptied, Harm::Cut] {
                let context = format!("{policy:?}, a page before: {with_page}, {what:?}");
                let bench = Bench::new(policy, 1_000);
                let engine = bench.open();
                if with_page {
                    send(&engine, &rows(0, 10));
                    engine.flush().unwrap();
                }
                (10..20).for_each(|at| send(&engine, &rows(at, at + 1)));
                engine.tick();
                bench.kill(engine);
                assert_eq!((checked(&bench).problems, checked(&bench).notes), (vec![], vec![]), "{context}");
                harm(&bench, what);
                // Where nothing was forced to the device, a loss of power could have done that: it is told all the same.
                let is_certain = policy == FsyncPolicy::Always;
                let report = checked(&bench);
                let (problems, notes) = (report.problems.len(), report.notes.len());
                assert_eq!(
                    (problems, notes),
                    (usize::from(is_certain), usize::from(!is_certain)),
                    "{context}: {report:?}"
                );
                let reader = bench.open_read_only();
                assert_eq!(reader.log_notes().len(), notes, "{context}");
                if reader.metric("home", "a").unwrap().is_some() {
                    assert_eq!(answer(&reader, "a").1.len(), problems, "{context}");
                }
                drop(reader);
                let engine = bench.open();
                let texts = told(&engine);
                assert!(texts.len() == 1 && texts[0].contains("home.wal: it "), "{context}: {texts:?}");
                assert_eq!(texts[0].contains("loss of power"), !is_certain, "{context}: {texts:?}");
                // Once, until it is acknowledged, whatever comes next.
                bench.kill(engine);
                let engine = bench.open();
                assert_eq!(told(&engine), texts, "{context}");
                engine.acknowledge(None).unwrap();
                send(&engine, &rows(30, 31));
                engine.tick();
                bench.kill(engine);
                assert_eq!(told(&bench.open()), Vec::<String>::new(), "{context}");
                assert_eq!((checked(&bench).problems, checked(&bench).notes), (vec![], vec![]), "{context}");
            }
        }
    }
}

/// A second log says that the first one had something, also where nobody noted how much.
#[test]
fn a_first_log_that_is_gone_beside_the_second_is_told() {
    for policy in [FsyncPolicy::Always, FsyncPolicy::Segment] {
        for what in [Harm::Removed, Harm::Emptied] {
            let context = format!("{policy:?} {what:?}");
            let bench = Bench::new(policy, 1_000);
            let engine = bench.open();
            // The name is in catalog.json then; else a second log without the first is refused.
            send(&engine, &rows(0, 1));
            engine.flush().unwrap();
            (1..10).for_each(|at| send(&engine, &rows(at, at + 1)));
            engine.begin_flush().unwrap();
            send(&engine, &rows(10, 12));
            bench.kill(engine);
            harm(&bench, what);
            let report = checked(&bench);
            let certain = usize::from(what == Harm::Removed);
            assert_eq!(
                (report.problems.len() >= certain, report.notes.len()),
                (true, 1 - certain),
                "{context}: {report:?}"
            );
            let engine = bench.try_open().unwrap();
            let texts = told(&engine);
            assert!(texts.iter().any(|text| text.contains("home.wal: it is ")), "{context}: {texts:?}");
        }
    }
}

/// Kills and losses of power at every step of scripts with rounds, flushes and halves of flushes: nothing is told of logs that
/// are what they can be.
#[test]
fn nothing_is_told_of_logs_that_only_a_crash_has_touched() {
    let mut told_of_power = 0;
    for seed in 0..40u64 {
        let mut rng = Rng(seed);
        let policy = [FsyncPolicy::Always, FsyncPolicy::Segment, FsyncPolicy::Interval][rng.below(3) as usize];
        let bench = Bench::new(policy, 1_000);
        let engine = bench.open();
        let mut at = 0;
        for step in 0..25 {
            match rng.below(8) {
                0..=3 => {
                    send(&engine, &rows(at, at + 3));
                    at += 3;
                }
                4 => engine.flush().unwrap(),
                5 => engine.begin_flush().unwrap(),
                6 => engine.finish_flush().unwrap(),
                _ => {}
            }
            if rng.below(3) == 0 {
                engine.tick();
            }
            for died in 0..4 {
                let disk = bench.died(&bench.vfs, died);
                let context = format!("{policy:?}, seed {seed}, step {step}, crash {died}");
                let report = checked(&disk);
                let again = disk.try_open().unwrap();
                let mut texts = told(&again);
                texts.extend(report.problems.into_iter().map(|problem| problem.what));
                // Ends that were cut short are no matter of this.
                texts.retain(|text| text.contains(": it ") || text.contains(".files") || text.contains(".warnings"));
                if died >= 2 && policy != FsyncPolicy::Always {
                    let before = texts.len();
                    texts.retain(|text| !text.contains("loss of power explains"));
                    told_of_power += before - texts.len();
                }
                assert_eq!(texts, Vec::<String>::new(), "{context}");
            }
        }
    }
    assert!(told_of_power > 0, "scripts that reach the case");
}

/// What is remembered of a database says so when it is damaged.
#[test]
fn one_bit_in_the_warnings_or_the_list_of_files_is_told() {
    let clean = Bench::new(FsyncPolicy::Segment, 1_000);
    let engine = clean.open();
    send(&engine, &rows(0, 10));
    engine.flush().unwrap();
    send(&engine, &rows(10, 20));
    engine.tick();
    clean.kill(engine);
    // A batch in the middle of the log is damaged: a start mends it and tells it.
    let mut log = clean.file("home/home.wal");
    let at = log.len() / 2;
    log[at] ^= 1;
    clean.vfs.put(&clean.path("home/home.wal"), &log).unwrap();
    clean.kill(clean.try_open().unwrap());
    for (name, step) in [(".warnings", 7), (".files", 3)] {
        let path = format!("home/{name}");
        let whole = clean.file(&path);
        assert!(!whole.is_empty());
        for bit in (0..whole.len() * 8).step_by(step) {
            let bench = clean.fork(clean.vfs.fork(1));
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bench.vfs.put(&bench.path(&path), &bytes).unwrap();
            let is_last = bit / 8 == whole.len() - 1;
            let problems = checked(&bench).problems;
            let is_told = problems.iter().any(|problem| problem.what.contains(name));
            assert!(is_told || (is_last && name == ".files"), "{name} bit {bit}: {problems:?}");
            let reader = bench.open_read_only();
            assert!(!answer(&reader, "a").1.is_empty(), "{name} bit {bit}");
            drop(reader);
            let engine = bench.open();
            let texts = told(&engine);
            assert_eq!(texts.iter().any(|text| text.contains(name)), is_told, "{name} bit {bit}: {texts:?}");
            engine.close().unwrap();
            let problems = checked(&bench).problems;
            assert!(name == ".warnings" || problems.is_empty(), "the list is written anew: {problems:?}");
        }
    }
}
