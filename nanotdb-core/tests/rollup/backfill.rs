//! Destinations computed anew: late samples, cascades, what is left alone, what is taken over, writes and queries meanwhile.

use crate::common::hooked::{HookedVfs, Hooks};
use crate::common::read;
use crate::support::{Bench, DAY, HOUR, MINUTE, SECOND, START, Spec, check};
use nanotdb_core::Error;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::maintenance::archive::list;
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::model::{Sample, Value};
use nanotdb_core::rollup::BackfillReport;
use nanotdb_core::storage::vfs::sim::SimVfs;
use nanotdb_core::storage::vfs::{OpenMode, Vfs};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

const AGGREGATES: [&str; 3] = ["min", "avg", "count"];

fn job(interval: &str, pattern: &str, destination: &str) -> String {
    format!(
        "[rollups]\nenabled = true\n[[rollups.jobs]]\nid = \"{destination}\"\nsource_pattern = \"{pattern}\"\n\
         interval = \"{interval}\"\naggregates = [\"min\", \"avg\", \"count\"]\ndestination_db = \"{destination}\"\n"
    )
}

/// pi, hourly into pi_1h, and of its averages daily into pi_1d.
fn cascade(bench: &Bench) -> Engine {
    bench.manifest("pi", &job("1h", "*", "pi_1h"));
    bench.manifest("pi_1h", &job("1d", "*.avg", "pi_1d"));
    bench.open()
}

fn write(engine: &Engine, metric: &str, at: i64) {
    let value = (at / MINUTE % 97) as f32 * 0.25;
    engine.add_sample("pi", metric, Value::Float32(value), Some(at)).unwrap();
}

/// Three days of two metrics, one every ten minutes; `late` misses the last minutes of some buckets, which come later.
fn three_days(bench: &Bench, engine: &Engine) {
    for step in 0..3 * 24 * 6 {
        let at = START + step * 10 * MINUTE;
        bench.advance_to(at);
        write(engine, "a", at);
        // Silent from the end of a bucket until one more sample of it comes.
        if step % 6 < 3 && !matches!(step % 48, 6 | 7) {
            write(engine, "late", at);
        }
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
        if step % 48 == 7 {
            // The bucket before was emitted at its end.
            write(engine, "late", at - 25 * MINUTE);
        }
    }
    bench.advance_to(START + 3 * DAY);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
}

fn check_all(engine: &Engine, due: i64, metrics: &[&str], context: &str) {
    let hours = Spec { source: "pi", destination: "pi_1h", interval: HOUR, due, aggregates: &AGGREGATES };
    let days = Spec { source: "pi_1h", destination: "pi_1d", interval: DAY, due, aggregates: &AGGREGATES };
    for metric in metrics {
        check(engine, &hours, metric, context);
        check(engine, &days, &format!("{metric}.avg"), context);
    }
}

fn backfill(engine: &Engine, sources: Option<&[&str]>) -> nanotdb_core::Result<BackfillReport> {
    let sources: Option<Vec<String>> = sources.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    engine.backfill_rollups(sources.as_deref(), &mut |_| ControlFlow::Continue(()))
}

#[test]
fn late_samples_are_taken_in() {
    let bench = Bench::new(1);
    let engine = cascade(&bench);
    three_days(&bench, &engine);
    assert_eq!(engine.rollup_counters().late_samples, 9);
    check_all(&engine, START + 3 * DAY, &["a"], "before");
    let before = read(&engine, "pi_1h", "late.count");
    let manifest = bench.text("pi_1h/manifest.toml");
    let report = backfill(&engine, None).unwrap();
    assert_eq!(report.sources, ["pi", "pi_1h"]);
    let names: Vec<_> = report.destinations.iter().map(|d| d.database.as_str()).collect();
    assert_eq!((names.as_slice(), report.passes), (["pi_1h", "pi_1d"].as_slice(), 2));
    assert_eq!((report.destinations[0].samples, report.destinations[0].carried), (2 * 3 * 72, 0));
    assert_ne!(read(&engine, "pi_1h", "late.count"), before);
    check_all(&engine, START + 3 * DAY, &["a", "late"], "after");
    assert_eq!(bench.text("pi_1h/manifest.toml"), manifest);
    // Who reads beside the engine sees it at once, and so does who restarts; and it goes on from there.
    let reader = Engine::open_read_only_with(&bench.root, bench.config.clone(), bench.options()).unwrap();
    check_all(&reader, START + 3 * DAY, &["a", "late"], "read only");
    assert_eq!(bench.checkpoints("pi")["pi_1h::a"], START + 3 * DAY);
    for step in 0..30 {
        let at = START + 3 * DAY + step * 10 * MINUTE;
        bench.advance_to(at);
        write(&engine, "a", at);
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    }
    check_all(&engine, START + 3 * DAY + 4 * HOUR, &["a"], "goes on");
    engine.close().unwrap();
    check_all(&bench.open(), START + 3 * DAY + 4 * HOUR, &["a", "late"], "restarted");
    assert_eq!(verify(&bench.root, None, bench.config.clone(), bench.options()).unwrap().problems, []);
}

#[test]
fn only_the_sources_that_were_asked_for_and_what_hangs_on_them() {
    let bench = Bench::new(2);
    bench.manifest("other", &job("1h", "*", "other_1h"));
    let engine = cascade(&bench);
    engine.add_sample("other", "m", Value::Float32(1.0), Some(START)).unwrap();
    three_days(&bench, &engine);
    let rebuilt = |sources: &[&str]| {
        let report = backfill(&engine, Some(sources)).unwrap();
        report.destinations.into_iter().map(|d| d.database).collect::<Vec<_>>()
    };
    assert_eq!(rebuilt(&["pi"]), ["pi_1h", "pi_1d"]);
    assert_eq!(rebuilt(&["pi_1h"]), ["pi_1d"]);
    assert_eq!(rebuilt(&["other"]), ["other_1h"]);
    let error = backfill(&engine, Some(&["nobody"])).unwrap_err();
    assert!(matches!(&error, Error::NotFound(m) if m.contains("nobody") && m.contains("other, pi, pi_1h")), "{error}");
}

#[test]
fn the_end_of_a_cascade_alone_waits_for_what_feeds_it() {
    let bench = Bench::new(3);
    let engine = cascade(&bench);
    three_days(&bench, &engine);
    engine.close().unwrap();
    let engine = bench.open();
    // Nothing ran in this process yet.
    let report = backfill(&engine, Some(&["pi_1h"])).unwrap();
    assert_eq!((report.destinations.len(), report.skipped.len()), (1, 0), "{report:?}");
    check_all(&engine, START + 3 * DAY, &["a"], "after");
}

#[test]
fn a_database_with_samples_of_its_own_is_left_alone() {
    let bench = Bench::new(4);
    let engine = cascade(&bench);
    three_days(&bench, &engine);
    engine.add_sample("pi_1h", "mine", Value::Int32(7), Some(START)).unwrap();
    let before = read(&engine, "pi_1h", "late.count");
    let report = backfill(&engine, None).unwrap();
    assert_eq!(report.destinations.iter().map(|d| d.database.as_str()).collect::<Vec<_>>(), ["pi_1d"]);
    assert_eq!(report.skipped.len(), 1);
    assert!(report.skipped[0].reason.contains("mine"), "{report:?}");
    assert_eq!(read(&engine, "pi_1h", "late.count"), before);
    assert_eq!(read(&engine, "pi_1h", "mine").len(), 1);
    assert!(bench.vfs.read_dir(&bench.root).unwrap().iter().all(|e| !e.name.starts_with(".re")));
}

#[test]
fn results_whose_source_is_gone_are_taken_over() {
    let bench = Bench::new(5);
    let engine = cascade(&bench);
    three_days(&bench, &engine);
    engine.close().unwrap();
    let engine = bench.open();
    let hours = read(&engine, "pi_1h", "a.avg");
    let days = read(&engine, "pi_1d", "a.avg.avg");
    engine.close().unwrap();
    // As retention does it.
    bench.vfs.remove_file(&bench.root.join("pi/data-2026-05-22.dat")).unwrap();
    let engine = bench.open();
    let report = backfill(&engine, None).unwrap();
    assert_eq!((report.destinations[0].carried, report.destinations[0].samples), (2 * 3 * 24, 2 * 3 * 48));
    assert_eq!(read(&engine, "pi_1h", "a.avg"), hours);
    assert_eq!(read(&engine, "pi_1d", "a.avg.avg"), days);
}

#[test]
fn other_files_of_the_destination_stay() {
    let bench = Bench::new(6);
    let engine = cascade(&bench);
    three_days(&bench, &engine);
    bench.vfs.replace(&bench.root.join("pi_1h/archive-2025.tar"), b"an archive").unwrap();
    let checkpoint = |bench: &Bench| bench.checkpoints("pi_1h");
    engine.flush().unwrap();
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(checkpoint(&bench)["pi_1d::a.avg"], START + 3 * DAY);
    backfill(&engine, Some(&["pi"])).unwrap();
    assert_eq!(bench.text("pi_1h/archive-2025.tar"), "an archive");
    assert_eq!(checkpoint(&bench)["pi_1d::a.avg"], START + 3 * DAY);
}

#[test]
fn a_ring_is_a_configuration_error_that_names_it() {
    let bench = Bench::new(7);
    bench.manifest("a", &job("1h", "*", "b"));
    bench.manifest("b", &job("1d", "*", "a"));
    let engine = bench.open();
    let error = backfill(&engine, None).unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("a -> b -> a") && text.contains("a/manifest.toml"), "{text}");
}

#[test]
fn a_stopped_backfill_changes_nothing_and_a_second_one_is_refused_meanwhile() {
    let bench = Bench::new(8);
    let engine = cascade(&bench);
    three_days(&bench, &engine);
    let before = read(&engine, "pi_1h", "late.count");
    let mut refused = None;
    let stopped = engine.backfill_rollups(None, &mut |step| {
        assert_eq!((step.database.as_str(), step.number, step.of), ("pi_1h", 1, 2));
        refused = Some(backfill(&engine, None));
        ControlFlow::Break(())
    });
    assert!(matches!(stopped, Err(Error::Cancelled(_))));
    assert!(matches!(refused, Some(Err(Error::Busy(_)))));
    assert_eq!(read(&engine, "pi_1h", "late.count"), before);
    backfill(&engine, None).unwrap();
    check_all(&engine, START + 3 * DAY, &["a", "late"], "after");
}

#[test]
fn a_damaged_source_does_not_take_results_away() {
    let bench = Bench::new(9);
    let engine = cascade(&bench);
    three_days(&bench, &engine);
    engine.close().unwrap();
    let path = bench.root.join("pi/data-2026-05-23.dat");
    let mut bytes = bench.vfs.read(&path, 1 << 20).unwrap();
    bytes[60] ^= 1;
    bench.vfs.replace(&path, &bytes).unwrap();
    let engine = bench.open();
    let before = read(&engine, "pi_1h", "a.avg");
    let report = backfill(&engine, Some(&["pi"])).unwrap();
    assert_eq!(report.skipped[0].database, "pi_1h");
    assert!(report.skipped[0].reason.contains("damaged"), "{report:?}");
    assert_eq!(read(&engine, "pi_1h", "a.avg"), before);
}

/// Threads write to the source and read the destination while it is rebuilt again and again: every answer is a whole one.
#[test]
fn writes_and_queries_go_on_meanwhile() {
    let bench = Bench::new(10);
    let engine = cascade(&bench);
    three_days(&bench, &engine);
    let before = read(&engine, "pi_1h", "late.count");
    let stop = Arc::new(AtomicBool::new(false));
    let (reads, written) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let reader = {
        let (engine, stop, reads) = (engine.clone(), Arc::clone(&stop), Arc::clone(&reads));
        std::thread::spawn(move || {
            let mut answers: Vec<Vec<Sample>> = Vec::new();
            while !stop.load(Ordering::Acquire) {
                let found = read(&engine, "pi_1h", "late.count");
                reads.fetch_add(1, Ordering::AcqRel);
                if !answers.contains(&found) {
                    answers.push(found);
                }
            }
            answers
        })
    };
    let writer = {
        let (engine, stop, written) = (engine.clone(), Arc::clone(&stop), Arc::clone(&written));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Acquire) {
                write(&engine, "live", START + 3 * DAY + written.load(Ordering::Acquire) * SECOND);
                assert_eq!(engine.tick().errors(), Vec::<&str>::new());
                written.fetch_add(1, Ordering::AcqRel);
            }
        })
    };
    let mut rounds = 0;
    let is_failed = || reader.is_finished() || writer.is_finished();
    while !is_failed() && (rounds < 5 || reads.load(Ordering::Acquire) < 20 || written.load(Ordering::Acquire) < 20) {
        backfill(&engine, None).unwrap();
        rounds += 1;
    }
    stop.store(true, Ordering::Release);
    let answers = reader.join().unwrap();
    writer.join().unwrap();
    let after = read(&engine, "pi_1h", "late.count");
    assert!(answers.iter().all(|answer| *answer == before || *answer == after), "neither old nor new");
    assert_eq!(read(&engine, "pi", "live").len() as i64, written.load(Ordering::Acquire));
    check_all(&engine, START + 3 * DAY, &["a", "late"], "after");
}

#[test]
fn a_real_disk_too() {
    let scratch = tempfile::tempdir().unwrap();
    let bench = Bench { root: scratch.path().to_owned(), ..Bench::new(11) };
    let options = EngineOptions { vfs: Arc::new(nanotdb_core::storage::vfs::RealVfs), ..bench.options() };
    for (name, text) in [("pi", job("1h", "*", "pi_1h")), ("pi_1h", job("1d", "*.avg", "pi_1d"))] {
        std::fs::create_dir(scratch.path().join(name)).unwrap();
        std::fs::write(scratch.path().join(name).join("manifest.toml"), text).unwrap();
    }
    let engine = Engine::open_with(Path::new(scratch.path()), bench.config.clone(), options).unwrap();
    three_days(&bench, &engine);
    backfill(&engine, None).unwrap();
    check_all(&engine, START + 3 * DAY, &["a", "late"], "after");
    let mut names: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".lock", "pi", "pi_1d", "pi_1h"]);
}

/// pi, hourly into pi_1h, which archives its days after one; nothing is rolled up from there.
fn archiving(bench: &Bench) {
    bench.manifest("pi", &job("1h", "*", "pi_1h"));
    let retention = "[retention]\npartition = \"day\"\nretention_days = 1\nretention_action = \"archive\"\n";
    bench.manifest("pi_1h", retention);
}

const HELD: &str = "held by the test";

/// While `is_held`, nothing of pi_1h is archived.
fn hold(engine: &Engine, is_held: &Arc<AtomicBool>) {
    let is_held = Arc::clone(is_held);
    let is_wanted = move |database: &str| database == "pi_1h" && is_held.load(Ordering::Acquire);
    engine.add_retention_gate(Box::new(move |database, _| is_wanted(database).then(|| HELD.to_owned())));
}

/// Days of pi_1h that are archived, each of which must be there once.
fn archived_days(engine: &Engine) -> Vec<String> {
    let archives = list(engine, "pi_1h").unwrap();
    let partitions = archives.into_iter().flat_map(|archive| {
        assert_eq!(archive.problem, None);
        archive.partitions
    });
    partitions
        .map(|partition| {
            assert_eq!(partition.generation, 1, "{} was archived twice", partition.partition);
            partition.partition
        })
        .collect()
}

/// Retention is late after a restart, when it does not believe the clock yet, and may be held: what it has left is not lost.
#[test]
fn expired_results_that_are_still_there_stay() {
    for source_is_gone in [false, true] {
        let bench = Bench::new(12);
        archiving(&bench);
        let engine = bench.open();
        let is_held = Arc::new(AtomicBool::new(true));
        hold(&engine, &is_held);
        three_days(&bench, &engine);
        engine.close().unwrap();
        if source_is_gone {
            bench.vfs.remove_file(&bench.root.join("pi/data-2026-05-22.dat")).unwrap();
        }
        let engine = bench.open();
        hold(&engine, &is_held);
        let before = read(&engine, "pi_1h", "a.avg");
        assert_eq!(before.len(), 3 * 24);
        let report = backfill(&engine, None).unwrap();
        assert_eq!(report.skipped, []);
        assert_eq!(read(&engine, "pi_1h", "a.avg"), before, "{source_is_gone}");
        is_held.store(false, Ordering::Release);
        engine.trust_clock().unwrap();
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
        assert_eq!(archived_days(&engine), ["2026-05-22", "2026-05-23"]);
        assert_eq!(read(&engine, "pi_1h", "a.avg"), before[2 * 24..], "{source_is_gone}");
        // What is archived does not come back.
        backfill(&engine, None).unwrap();
        assert_eq!(read(&engine, "pi_1h", "a.avg"), before[2 * 24..], "{source_is_gone}");
        assert_eq!(archived_days(&engine), ["2026-05-22", "2026-05-23"]);
    }
}

#[test]
fn nothing_is_archived_twice_when_it_expires_during_a_backfill() {
    let bench = Bench::new(13);
    archiving(&bench);
    let engine = bench.open();
    let is_held = Arc::new(AtomicBool::new(true));
    hold(&engine, &is_held);
    three_days(&bench, &engine);
    engine.trust_clock().unwrap();
    is_held.store(false, Ordering::Release);
    let mut rounds = 0;
    let progress = &mut |_: &nanotdb_core::engine::BackfillStep| {
        let report = engine.maintain("pi_1h").unwrap();
        assert_eq!(report.errors(), Vec::<&str>::new());
        rounds += 1;
        ControlFlow::Continue(())
    };
    engine.backfill_rollups(None, progress).unwrap();
    assert!(rounds > 0);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(archived_days(&engine), ["2026-05-22", "2026-05-23"]);
    assert_eq!(read(&engine, "pi_1h", "a.avg").len(), 24);
}

/// An archive that is being written to while other files of the database are copied.
struct Appending {
    appends: AtomicI64,
    /// Whether a sweep is writing to it, and whether one ever was.
    state: std::sync::Mutex<(bool, bool)>,
    changed: std::sync::Condvar,
    overlaps: AtomicBool,
}

impl Appending {
    fn set(&self, state: (bool, bool)) {
        *self.state.lock().unwrap() = state;
        self.changed.notify_all();
    }
}

/// Whoever waits for a sweep that writes waits no longer when the sweep is over.
struct Ever<'a>(&'a Appending);

impl Drop for Ever<'_> {
    fn drop(&mut self) {
        self.0.set((false, true));
    }
}

impl Hooks for Appending {
    fn open(&self, path: &Path, mode: OpenMode) {
        let path = path.to_string_lossy();
        // The second day: the archive is there already.
        let is_append = path.contains("/pi_1h/archive-") && mode == OpenMode::Create;
        if is_append && self.appends.fetch_add(1, Ordering::AcqRel) == 1 {
            self.set((true, true));
            // Long enough for a backfill that does not wait.
            std::thread::sleep(std::time::Duration::from_millis(400));
            self.set((false, true));
        }
        if path.contains("/.rebuild-pi_1h/archive-") && self.state.lock().unwrap().0 {
            self.overlaps.store(true, Ordering::Release);
        }
    }
}

#[test]
fn no_archive_is_copied_while_it_is_written_to() {
    let bench = Bench::new(14);
    archiving(&bench);
    let hooks = Arc::new(Appending {
        appends: AtomicI64::new(0),
        state: std::sync::Mutex::default(),
        changed: std::sync::Condvar::new(),
        overlaps: AtomicBool::new(false),
    });
    let vfs = Arc::new(HookedVfs::<Appending> { inner: SimVfs::process(&bench.vfs), hooks: Arc::clone(&hooks) });
    let options = EngineOptions { vfs, ..bench.options() };
    let engine = Engine::open_with(&bench.root, bench.config.clone(), options).unwrap();
    let is_held = Arc::new(AtomicBool::new(true));
    hold(&engine, &is_held);
    three_days(&bench, &engine);
    engine.trust_clock().unwrap();
    is_held.store(false, Ordering::Release);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ever = Ever(&hooks);
            let report = engine.maintain("pi_1h").unwrap();
            assert_eq!(report.errors(), Vec::<&str>::new());
        });
        let state = hooks.state.lock().unwrap();
        drop(hooks.changed.wait_while(state, |(_, ever)| !*ever).unwrap());
        assert_eq!(backfill(&engine, None).unwrap().skipped, []);
    });
    assert!(!hooks.overlaps.load(Ordering::Acquire), "copied in the middle of it");
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(archived_days(&engine), ["2026-05-22", "2026-05-23"]);
    assert_eq!(read(&engine, "pi_1h", "a.avg").len(), 24);
    engine.close().unwrap();
    assert_eq!(verify(&bench.root, None, bench.config.clone(), bench.options()).unwrap().problems, []);
}
