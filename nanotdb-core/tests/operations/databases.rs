//! Databases made, renamed and removed: a crash at any operation leaves each of them wholly or not at all.

use crate::common::bench::{Bench, Line, float, int, send};
use crate::common::oracle::{ROOT, START, content};
use crate::common::{Content, assert_same, bench::content_of};
use nanotdb_core::Result;
use nanotdb_core::config::{FsyncPolicy, Manifest};
use nanotdb_core::maintenance::databases::LockedRoot;
use nanotdb_core::storage::vfs::Vfs;
use std::path::{Path, PathBuf};

fn locked(bench: &Bench) -> Result<LockedRoot> {
    LockedRoot::open(Path::new(ROOT), bench.config.clone(), &bench.options())
}

/// Samples in files and in the log, of two databases.
fn killed() -> (Bench, Vec<Line>) {
    let bench = Bench::new(FsyncPolicy::Always, 3);
    let engine = bench.open();
    let mut lines: Vec<Line> = Vec::new();
    for at in 0..5 {
        let more: Vec<Line> = vec![("old", "a", int(at), START + i64::from(at)), ("other", "b", float(0.5), START)];
        send(&engine, &more);
        lines.extend(more);
    }
    bench.kill(engine);
    (bench, lines)
}

fn renamed(content: &Content) -> Content {
    let name = |name: &String| if name == "old" { "new".to_owned() } else { name.clone() };
    content.iter().map(|((db, metric), samples)| ((name(db), metric.clone()), samples.clone())).collect()
}

fn without(content: &Content) -> Content {
    content.iter().filter(|((db, _), _)| db != "old").map(|(key, samples)| (key.clone(), samples.clone())).collect()
}

/// Runs it once, then dies before each of its operations; what is found must be one of the two.
fn die_everywhere(run: &dyn Fn(&LockedRoot) -> Result<()>, before: &Content, after: &Content, bench: &Bench) {
    let probe = bench.fork(bench.vfs.fork(1));
    probe.vfs.record_forks(true);
    run(&locked(&probe).unwrap()).unwrap();
    let forks = probe.vfs.take_forks();
    assert!(forks.len() > 3, "{}", forks.len());
    let (mut old, mut new) = (0, 0);
    for fork in forks {
        for seed in 0..10u64 {
            let disk = bench.died(&fork, seed);
            let context = format!("operation {}, seed {seed}", fork.operation_count());
            let found = content(&disk.open());
            if found.keys().eq(before.keys()) {
                old += 1;
                assert_same(&found, before, &context);
            } else {
                new += 1;
                assert_same(&found, after, &context);
            }
            // The next command clears what was left.
            drop(locked(&disk).unwrap());
            let left = disk.paths();
            let hidden =
                |path: &PathBuf| path.strip_prefix(ROOT).is_ok_and(|path| path.to_string_lossy().starts_with('.'));
            assert!(left.iter().all(|path| !hidden(path) || path.ends_with(".lock")), "{left:?}");
        }
    }
    probe.vfs.crash();
    assert_same(&content(&probe.open()), after, "done is durable");
    assert!(old > 0 && (new > 0 || before.keys().eq(after.keys())), "{old} {new}");
}

#[test]
fn a_rename_dies_at_every_operation() {
    let (bench, lines) = killed();
    let before = content_of(&lines);
    die_everywhere(&|root| root.rename_database("old", "new"), &before, &renamed(&before), &bench);
}

/// As a server leaves it that dies while it replaces a database.
#[test]
fn a_database_between_two_names_is_put_in_its_place_first() {
    let (bench, lines) = killed();
    bench.vfs.rename(&bench.path("old"), &bench.path(".ready-old")).unwrap();
    let root = locked(&bench).unwrap();
    assert!(root.create("old", &Manifest::default()).is_err());
    root.rename_database("old", "new").unwrap();
    drop(root);
    assert_same(&content(&bench.open()), &renamed(&content_of(&lines)), "renamed");
}

#[test]
fn a_removal_dies_at_every_operation() {
    let (bench, lines) = killed();
    let before = content_of(&lines);
    die_everywhere(&|root| root.remove("old"), &before, &without(&before), &bench);
}

#[test]
fn a_creation_dies_at_every_operation() {
    let (bench, lines) = killed();
    let before = content_of(&lines);
    die_everywhere(&|root| root.create("fresh", &Manifest::default()), &before, &before, &bench);
    let root = locked(&bench).unwrap();
    root.create("fresh", &Manifest::default()).unwrap();
    assert!(root.create("fresh", &Manifest::default()).is_err());
    assert!(locked(&bench).is_err(), "the lock is taken");
    drop(root);
    assert!(bench.open().has_database("fresh"));
}

/// One line with a name of a file took that file's place for ever; the hidden database could be taken over by a rename.
#[test]
fn names_of_files_and_devices_are_for_no_new_database_and_existing_ones_open() {
    use nanotdb_core::engine::Batch;
    let bench = Bench::new(FsyncPolicy::Always, 3);
    // One that was made by an earlier version.
    let engine = bench.open();
    send(&engine, &[("old", "a", int(1), START)]);
    engine.close().unwrap();
    bench.vfs.rename(&bench.path("old"), &bench.path("nul.data")).unwrap();
    bench.vfs.rename(&bench.path("nul.data/old.wal"), &bench.path("nul.data/nul.data.wal")).unwrap();
    let engine = bench.open();
    send(&engine, &[("nul.data", "a", int(2), START + 1)]);
    for (round, name) in ["dashboard.json", "engine.toml", "CON", "com3.x", "tokens", "a.wal"].into_iter().enumerate() {
        let error = engine.create_database(name).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("choose another"), "{error}");
        // The lines beside it are stored, wherever it stands; also when there is nothing else.
        let mut batch = Batch::new();
        for (at, database) in ["old", name, "old"].into_iter().enumerate() {
            batch.push(database, "b", int(1), Some(START + (10 * round + at) as i64));
        }
        let outcome = engine.write_batch(&mut batch).unwrap();
        assert_eq!((outcome.rejected, outcome.rejections.len()), (1, 1), "{outcome:?}");
        assert!(outcome.rejections[0].reason.contains("choose another"), "{outcome:?}");
        batch.push(name, "b", int(1), Some(START));
        let outcome = engine.write_batch(&mut batch).unwrap();
        assert_eq!((outcome.accepted, outcome.rejected), (0, 1), "{outcome:?}");
        assert!(!bench.paths().iter().any(|path| path.starts_with(bench.path(name))), "{name}");
    }
    let mut outside = Batch::from_outside();
    outside.push("internal", "x", int(1), Some(START));
    outside.push("old", "c", int(1), Some(START));
    let outcome = engine.write_batch(&mut outside).unwrap();
    assert_eq!((outcome.accepted, outcome.rejected), (1, 1));
    assert!(outcome.rejections[0].reason.contains("only the engine"), "{outcome:?}");
    engine.close().unwrap();
    let locked = locked(&bench).unwrap();
    for name in ["engine.toml", "PRN", "x.json", "internal"] {
        let error = locked.rename_database("old", name).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    locked.create("lpt1", &Manifest::default()).unwrap_err();
    locked.rename_database("nul.data", "new").unwrap();
}
