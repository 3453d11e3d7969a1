//! Reading a live root, two writers, and reads that must leave no trace.

use crate::common::bench::{Bench, SECOND, float, int, send};
use crate::common::hooked::{HookedVfs, Hooks};
use crate::common::oracle::{ROOT, START as T, config, content};
use crate::common::{Content, assert_same, read_all};
use nanotdb_core::Error;
use nanotdb_core::config::{EngineConfig, FsyncPolicy};
use nanotdb_core::engine::{Batch, Engine, EngineOptions};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::model::{Number, Value};
use nanotdb_core::storage::vfs::sim::SimVfs;
use nanotdb_core::storage::vfs::{OpenMode, Vfs};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Number 13 of the list: each metric counts 0, 1, 2, ...; whatever moment a reader comes at, it sees a prefix of that,
/// without a gap and nothing twice, and at least what was acknowledged before it came.
#[test]
fn r13_reading_a_live_root_duplicates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(FsyncPolicy::Segment, 40);
    let engine = Engine::open(directory.path(), config.clone()).unwrap();
    let acknowledged = AtomicI64::new(0);
    let stop = AtomicBool::new(false);
    let mut reads = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut batch = Batch::new();
            for i in 0i64.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                for metric in ["a", "b", "c"] {
                    batch.push("home", metric, Number::integer(i), Some(T + i * SECOND));
                }
                let outcome = engine.write_batch(&mut batch).unwrap();
                assert_eq!(outcome.rejected, 0);
                acknowledged.store(i + 1, Ordering::Release);
                if i % 16 == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let _stop = crate::common::SetWhenDropped(&stop);
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(2_500) {
            let before = acknowledged.load(Ordering::Acquire);
            let reader = Engine::open_read_only(directory.path(), config.clone()).unwrap();
            assert_eq!(reader.health(), []);
            for ((_, metric), samples) in read_all(&reader) {
                let values: Vec<Value> = samples.iter().map(|s| s.value).collect();
                let expected: Vec<Value> = (0..values.len()).map(|i| int(i as i32)).collect();
                assert_eq!(values, expected, "read {reads}: {metric}");
                assert!(values.len() as i64 >= before, "read {reads}: {} of {before}", values.len());
            }
            reads += 1;
        }
    });
    assert!(reads >= 10, "{reads}");
    engine.close().unwrap();
}

/// Renames the data file as a server does after a build, just before the reader opens it for the `when`-th time.
struct RenamesData {
    disk: SimVfs,
    when: usize,
    seen: AtomicUsize,
}

impl Hooks for RenamesData {
    fn open(&self, path: &Path, _: OpenMode) {
        let is_data = path.file_name().is_some_and(|name| name == "data-2026-05-22.dat");
        if is_data && self.seen.fetch_add(1, Ordering::SeqCst) + 1 == self.when {
            self.disk.rename(path, &path.with_file_name("raw-2026-05-22.dat")).unwrap();
        }
    }
}

/// Number 13 of the list: whenever a raw file goes between two steps of an opening reader, it starts over.
#[test]
fn r13_a_raw_file_that_is_renamed_while_a_reader_opens_is_read_by_its_new_name() {
    let mut times = 0;
    loop {
        let bench = Bench::new(FsyncPolicy::Segment, 1_000);
        let engine = bench.open();
        send(&engine, &[("home", "a", int(1), T), ("home", "a", int(2), T + SECOND)]);
        engine.flush().unwrap();
        send(&engine, &[("home", "a", int(3), T + 2 * SECOND), ("home", "a", int(4), T + 2 * SECOND)]);
        let expected = content(&engine);
        times += 1;
        let hooks = Arc::new(RenamesData { disk: bench.vfs.process(), when: times, seen: AtomicUsize::new(0) });
        let vfs = Arc::new(HookedVfs { inner: bench.vfs.process(), hooks: Arc::clone(&hooks) });
        let options = EngineOptions { vfs, clock: bench.clock.clone(), background: false };
        let reader = Engine::open_read_only_with(Path::new(ROOT), bench.config.clone(), options).unwrap();
        assert_eq!(reader.health(), [], "renamed before opening {times}");
        assert_same(&read_all(&reader), &expected, &format!("renamed before opening {times}"));
        if hooks.seen.load(Ordering::SeqCst) < times {
            break;
        }
    }
    // To index it, to compare the rows of the WAL with its last frame, and for the query.
    assert!(times > 3, "{times}");
}

/// Number 13 of the list: the system makes a file longer page by page, so that a reader can come when a part of a frame is there, as
/// it can after a kill. Its rows are in the WAL: nothing is missing, and nothing is damaged.
#[test]
fn r13_a_frame_that_is_being_written_is_no_damage() {
    let data = "home/data-2026-05-22.dat";
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T), ("home", "b", float(0.5), T + SECOND)]);
    engine.flush().unwrap();
    send(&engine, &[("home", "a", int(2), T + 3 * SECOND), ("home", "b", float(1.5), T + 2 * SECOND)]);
    engine.begin_flush().unwrap();
    send(&engine, &[("home", "a", int(3), T + 4 * SECOND)]);
    let expected = content(&engine);
    let before = bench.file(data);
    // What the start after a kill makes of it is what the flush would have written.
    let killed = bench.fork(bench.vfs.fork(0));
    killed.vfs.kill();
    let restarted = killed.open();
    let after = killed.file(data);
    drop(restarted);
    assert!(after.starts_with(&before) && after.len() > before.len() + 18, "{} and {}", before.len(), after.len());
    let problems = |disk: &Bench| verify(Path::new(ROOT), None, disk.config.clone(), disk.options()).unwrap().problems;
    for cut in before.len() + 1..after.len() {
        let disk = bench.fork(bench.vfs.fork(1));
        disk.vfs.put(&disk.path(data), &after[..cut]).unwrap();
        assert_same(&read_all(&disk.open_read_only()), &expected, &format!("{cut} bytes"));
        assert_eq!(problems(&disk), [], "{cut} bytes");
        disk.vfs.corrupt(&disk.path(data), cut.min(before.len() + 18) as u64 - 1, 1).unwrap();
        let found = problems(&disk);
        assert_eq!(found.len(), 1, "{cut} bytes, the header is another: {found:?}");
    }
}

/// Number 13 of the list.
#[test]
fn r13_the_second_writer_is_refused_and_told_who_has_the_root() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(directory.path(), EngineConfig::default()).unwrap();
    engine.add_sample("home", "a", int(1), Some(T)).unwrap();
    let began = Instant::now();
    match Engine::open(directory.path(), EngineConfig::default()) {
        Err(error @ Error::Locked { pid, .. }) => {
            assert_eq!(pid, Some(std::process::id()));
            let text = error.to_string();
            assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two writers"),
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    // The first is none the worse, and the root is free once it is closed.
    engine.add_sample("home", "a", int(2), Some(T + 1)).unwrap();
    engine.close().unwrap();
    Engine::open(directory.path(), EngineConfig::default()).unwrap().close().unwrap();
}

/// Number 13 of the list: also what is torn or damaged is left as it is by a reader.
#[test]
fn r13_a_reading_open_leaves_every_byte_as_it_was() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T), ("home", "b", float(1.5), T)]);
    engine.flush().unwrap();
    send(&engine, &[("home", "a", int(2), T + SECOND)]);
    engine.flush().unwrap();
    send(&engine, &[("home", "a", int(3), T + 2 * SECOND)]);
    send(&engine, &[("home", "a", int(4), T + 3 * SECOND)]);
    bench.kill(engine);
    let wal = bench.path("home/home.wal");
    let cut = bench.file("home/home.wal").len() as u64 - 3;
    bench.vfs.truncate(&wal, cut).unwrap();
    bench.vfs.corrupt(&bench.path("home/data-2026-05-22.dat"), 30, 4).unwrap();
    bench.vfs.put(&bench.path("home/catalog.json.tmp"), b"left over").unwrap();
    let before = (bench.vfs.snapshot(), bench.vfs.operation_count());
    let engine = bench.open_read_only();
    let found = content(&engine);
    let rows: Vec<Value> = found[&("home".to_owned(), "a".to_owned())].iter().map(|s| s.value).collect();
    assert_eq!(rows, [int(2), int(3)]);
    assert!(engine.add_sample("home", "a", int(5), None).is_err());
    assert!(engine.flush().is_err());
    engine.close().unwrap();
    assert!((bench.vfs.snapshot(), bench.vfs.operation_count()) == before, "a reader changed the root");
}

/// Number 16 of the list.
#[test]
fn r16_a_read_creates_nothing_on_disk() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T)]);
    let before = (bench.vfs.snapshot(), bench.vfs.operation_count());
    for (database, metric) in [("nosuch", "a"), ("home", "nosuch"), ("../evil", "a"), ("", ""), ("home", "a")] {
        assert_eq!(engine.query_last(database, metric).unwrap().is_some(), (database, metric) == ("home", "a"));
        engine.query_at(database, metric, T - 1).unwrap();
        engine.query_range(database, metric, 0, i64::MAX, 1, |_| ControlFlow::Continue(())).unwrap();
        engine.metric(database, metric).unwrap();
        assert_eq!(engine.metrics(database).is_ok(), database == "home");
    }
    assert_eq!(engine.database_names(true), ["home"]);
    assert!((bench.vfs.snapshot(), bench.vfs.operation_count()) == before, "a read changed the root");
    assert_eq!(bench.vfs.entry(&bench.path("nosuch")).unwrap(), None);
    let nothing = Bench::new(FsyncPolicy::Segment, 1_000);
    let missing = Engine::open_read_only_with(&nothing.path(""), nothing.config.clone(), nothing.options());
    assert!(matches!(missing, Err(Error::NotFound(_))));
    assert_eq!(nothing.paths(), Vec::<std::path::PathBuf>::new());
}

/// Number 16 of the list: a batch of nothing but bad lines makes no database either.
#[test]
fn r16_a_batch_without_a_good_sample_makes_no_metric() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let engine = bench.open();
    let mut batch = Batch::new();
    batch.push("bad/name", "a", int(1), Some(T));
    batch.push("home", "has space", int(1), Some(T));
    batch.push("home", "nan", float(f32::NAN), Some(T));
    assert_eq!(engine.write_batch(&mut batch).unwrap().rejected, 3);
    assert_same(&content(&engine), &Content::new(), "nothing was stored");
    for database in engine.database_names(true) {
        assert_eq!(engine.metrics(&database).unwrap(), []);
    }
}
