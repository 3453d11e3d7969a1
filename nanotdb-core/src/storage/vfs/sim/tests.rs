//! The simulation itself: crashes, faults, helpers.

use super::{CrashModel, Fault, SimVfs};
use crate::storage::vfs::{OpenMode, Vfs};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

const MODELS: [CrashModel; 2] = [CrashModel::Ordered, CrashModel::Arbitrary];

fn p(path: &str) -> &Path {
    Path::new(path)
}

fn create(vfs: &SimVfs, path: &str, content: &[u8]) -> io::Result<()> {
    let file = vfs.open(p(path), OpenMode::Create)?;
    file.write_all_at(content, 0)?;
    file.sync()
}

/// The file names that crashes of forks of `vfs` leave.
fn names_after_crash(vfs: &SimVfs, model: CrashModel) -> BTreeSet<String> {
    (0..600)
        .map(|seed| {
            let fork = vfs.fork(seed);
            fork.set_crash_model(model);
            fork.crash();
            assert_eq!(fork.snapshot(), fork.durable_snapshot(), "what remains is durable");
            let names: Vec<_> = fork.snapshot().into_keys().map(|path| path.display().to_string()).collect();
            names.join(" ")
        })
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_synced_file_needs_its_name_synced() {
    let vfs = SimVfs::new(1);
    create(&vfs, "/f", b"x").unwrap();
    for model in MODELS {
        assert_eq!(names_after_crash(&vfs, model), set(&["", "/f"]));
    }
    vfs.sync_dir(p("/")).unwrap();
    for model in MODELS {
        assert_eq!(names_after_crash(&vfs, model), set(&["/f"]));
    }
}

#[test]
fn a_synced_name_does_not_sync_the_content() {
    let vfs = SimVfs::new(1);
    vfs.open(p("/f"), OpenMode::Create).unwrap().write_all_at(b"content", 0).unwrap();
    vfs.sync_dir(p("/")).unwrap();
    let contents: BTreeSet<Vec<u8>> = (0..200)
        .map(|seed| {
            let fork = vfs.fork(seed);
            fork.crash();
            fork.read(p("/f"), 100).unwrap()
        })
        .collect();
    assert_eq!(contents, BTreeSet::from([b"".to_vec(), vec![0; 7], b"content".to_vec()]));
}

#[test]
fn a_directory_needs_its_parent_synced() {
    let vfs = SimVfs::new(1);
    vfs.create_dir_all(p("/a/b")).unwrap();
    create(&vfs, "/a/b/f", b"x").unwrap();
    vfs.sync_dir(p("/a/b")).unwrap();
    vfs.sync_dir(p("/")).unwrap();
    assert_eq!(names_after_crash(&vfs, CrashModel::Arbitrary), set(&["", "/a/b/f"]));
    vfs.sync_dir(p("/a")).unwrap();
    assert_eq!(names_after_crash(&vfs, CrashModel::Arbitrary), set(&["/a/b/f"]));
}

#[test]
fn names_survive_in_order_or_in_any_subset() {
    let vfs = SimVfs::new(1);
    for name in ["/a", "/b"] {
        create(&vfs, name, b"x").unwrap();
    }
    vfs.remove_file(p("/a")).unwrap();
    assert_eq!(names_after_crash(&vfs, CrashModel::Ordered), set(&["", "/a", "/a /b", "/b"]));
    create(&vfs, "/c", b"x").unwrap();
    let ordered = names_after_crash(&vfs, CrashModel::Ordered);
    assert_eq!(ordered, set(&["", "/a", "/a /b", "/b", "/b /c"]));
    let arbitrary = names_after_crash(&vfs, CrashModel::Arbitrary);
    assert_eq!(arbitrary, set(&["", "/a", "/b", "/c", "/a /b", "/a /c", "/b /c", "/a /b /c"]));
}

#[test]
fn directories_do_not_order_each_other() {
    let vfs = SimVfs::new(1);
    vfs.create_dir_all(p("/a")).unwrap();
    vfs.create_dir_all(p("/b")).unwrap();
    vfs.sync_dir(p("/")).unwrap();
    create(&vfs, "/a/f", b"x").unwrap();
    create(&vfs, "/b/g", b"x").unwrap();
    assert_eq!(names_after_crash(&vfs, CrashModel::Ordered), set(&["", "/a/f", "/b/g", "/a/f /b/g"]));
}

#[test]
fn a_rename_is_whole() {
    let vfs = SimVfs::new(1);
    vfs.put(p("/old"), b"x").unwrap();
    vfs.rename(p("/old"), p("/new")).unwrap();
    for model in MODELS {
        assert_eq!(names_after_crash(&vfs, model), set(&["/old", "/new"]), "one of the two, never none or both");
    }
    vfs.create_dir_all(p("/d")).unwrap();
    vfs.settle();
    vfs.rename(p("/new"), p("/d/new")).unwrap();
    for model in MODELS {
        assert_eq!(names_after_crash(&vfs, model), set(&["/new", "/d/new"]));
    }
    // One sync moves both halves.
    vfs.sync_dir(p("/d")).unwrap();
    for model in MODELS {
        assert_eq!(names_after_crash(&vfs, model), set(&["/d/new"]));
    }
}

#[test]
fn one_file_has_one_name_whatever_is_dropped() {
    let vfs = SimVfs::new(1);
    vfs.put(p("/a"), b"x").unwrap();
    vfs.rename(p("/a"), p("/b")).unwrap();
    vfs.rename(p("/b"), p("/c")).unwrap();
    assert_eq!(names_after_crash(&vfs, CrashModel::Arbitrary), set(&["/a", "/b", "/c"]));
}

#[test]
fn an_unsynced_removal_may_come_back() {
    let vfs = SimVfs::new(1);
    vfs.put(p("/f"), b"x").unwrap();
    vfs.remove_file(p("/f")).unwrap();
    assert!(vfs.entry(p("/f")).unwrap().is_none());
    for model in MODELS {
        assert_eq!(names_after_crash(&vfs, model), set(&["", "/f"]));
    }
    vfs.sync_dir(p("/")).unwrap();
    for model in MODELS {
        assert_eq!(names_after_crash(&vfs, model), set(&[""]));
    }
}

#[test]
fn a_removed_directory_takes_its_content_along() {
    let vfs = SimVfs::new(1);
    vfs.put(p("/d/f"), b"x").unwrap();
    vfs.put(p("/d/g"), b"x").unwrap();
    vfs.remove_file(p("/d/f")).unwrap();
    vfs.rename(p("/d/g"), p("/g")).unwrap();
    vfs.remove_dir(p("/d")).unwrap();
    for model in MODELS {
        for names in names_after_crash(&vfs, model) {
            assert!(names.contains("/d/g") != names.split(' ').any(|n| n == "/g"), "{model:?}: {names}");
        }
    }
    vfs.sync_dir(p("/")).unwrap();
    for model in MODELS {
        assert_eq!(names_after_crash(&vfs, model), set(&["/g"]));
    }
}

#[test]
fn dropped_directory_renames_make_no_cycle() {
    let vfs = SimVfs::new(1);
    vfs.put(p("/a/f"), b"x").unwrap();
    vfs.put(p("/b/g"), b"x").unwrap();
    vfs.rename(p("/a"), p("/b/a")).unwrap();
    vfs.rename(p("/b/a"), p("/c")).unwrap();
    vfs.rename(p("/b"), p("/c/b")).unwrap();
    for names in names_after_crash(&vfs, CrashModel::Arbitrary) {
        assert_eq!(names.split(' ').count(), 2, "no file is out of reach: {names}");
    }
}

#[test]
fn kill_keeps_what_was_written_and_makes_nothing_durable() {
    let vfs = SimVfs::new(1);
    let file = vfs.open(p("/f"), OpenMode::Create).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    let lock = vfs.lock(p("/LOCK")).unwrap();
    vfs.kill();
    assert!(file.len().is_err() && file.sync().is_err());
    assert_eq!(vfs.read(p("/f"), 10).unwrap(), b"x");
    assert!(vfs.durable_snapshot().is_empty());
    let again = vfs.lock(p("/LOCK")).unwrap();
    drop(lock);
    assert_eq!(vfs.lock(p("/LOCK")).err().map(|e| e.kind()), Some(ErrorKind::WouldBlock), "not the old one's to end");
    assert_eq!(vfs.open_handles(), [p("/LOCK")]);
    drop(again);
    // A later sync by the next process covers the writes of the dead one.
    vfs.open(p("/f"), OpenMode::Read).unwrap().sync().unwrap();
    vfs.sync_dir(p("/")).unwrap();
    assert_eq!(vfs.durable_snapshot().get(p("/f")), Some(&b"x".to_vec()));
}

#[test]
fn handles_and_locks_die_in_a_crash() {
    let vfs = SimVfs::new(1);
    let engine = vfs.process();
    vfs.put(p("/f"), b"x").unwrap();
    let file = engine.open(p("/f"), OpenMode::Write).unwrap();
    let _lock = engine.lock(p("/f")).unwrap();
    let id = vfs.process_id();
    vfs.crash();
    assert!(file.write_all_at(b"y", 0).is_err());
    assert!(file.read_at(&mut [0], 0).is_err());
    assert!(engine.open(p("/f"), OpenMode::Read).is_err(), "the dead process cannot come back by path");
    assert!(engine.remove_file(p("/f")).is_err());
    let _lock = vfs.process().lock(p("/f")).unwrap();
    assert_ne!(vfs.process_id(), id);
}

#[test]
fn each_error_fault_strikes_once_and_changes_nothing() {
    for (fault, code) in [(Fault::Eio, 5), (Fault::Enospc, 28), (Fault::Emfile, 24), (Fault::Erofs, 30)] {
        let steps: [fn(&SimVfs) -> io::Result<()>; 8] = [
            |v| v.open(p("/f"), OpenMode::Write)?.write_all_at(b"XY", 0),
            |v| v.open(p("/f"), OpenMode::Write)?.set_len(1),
            |v| v.open(p("/new"), OpenMode::Create).map(drop),
            |v| v.open(p("/f"), OpenMode::Truncate).map(drop),
            |v| v.rename(p("/f"), p("/g")),
            |v| v.remove_file(p("/f")),
            |v| v.create_dir_all(p("/d")),
            |v| v.remove_dir(p("/e")),
        ];
        for (number, step) in steps.iter().enumerate() {
            let vfs = SimVfs::new(1);
            vfs.put(p("/f"), b"ab").unwrap();
            vfs.create_dir_all(p("/e")).unwrap();
            vfs.settle();
            let dirs = vfs.read_dir(p("/")).unwrap();
            vfs.fail_at(1, fault);
            let error = step(&vfs).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(code), "step {number} {fault:?}");
            assert_eq!(vfs.read_dir(p("/")).unwrap(), dirs, "step {number} {fault:?}");
            assert_eq!(vfs.read(p("/f"), 10).unwrap(), b"ab", "step {number} {fault:?}");
            assert_eq!(vfs.open_handles(), Vec::<PathBuf>::new());
            step(&vfs).unwrap();
            assert_eq!(vfs.operation_count(), 3, "create_dir, the failed one, the good one");
        }
    }
}

#[test]
fn the_nth_operation_fails_and_reads_do_not_count() {
    let vfs = SimVfs::new(1);
    let file = vfs.open(p("/f"), OpenMode::Create).unwrap();
    vfs.fail_at(3, Fault::Eio);
    vfs.fail_at(5, Fault::Enospc);
    let results: Vec<bool> = (0..6)
        .map(|i| {
            file.read_at(&mut [0], 0).unwrap();
            vfs.read_dir(p("/")).unwrap();
            vfs.open(p("/f"), OpenMode::Create).unwrap(); // exists: makes nothing
            file.write_all_at(&[i], 0).is_ok()
        })
        .collect();
    assert_eq!(results, [true, true, false, true, false, true]);
    assert_eq!(vfs.operation_count(), 7);
}

#[test]
fn a_lasting_fault_lasts_until_cleared() {
    let vfs = SimVfs::new(1);
    vfs.fail_from(2, Fault::Erofs);
    vfs.create_dir_all(p("/a")).unwrap();
    for _ in 0..3 {
        assert_eq!(vfs.create_dir_all(p("/b")).unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    }
    vfs.clear_faults();
    vfs.create_dir_all(p("/b")).unwrap();
}

#[test]
fn a_failed_sync_dir_makes_no_name_durable() {
    let vfs = SimVfs::new(1);
    create(&vfs, "/f", b"x").unwrap();
    vfs.fail_at(1, Fault::Eio);
    vfs.sync_dir(p("/")).unwrap_err();
    assert!(vfs.durable_snapshot().is_empty());
}

#[test]
fn a_failed_sync_may_lose_data_that_reads_show() {
    let lost = (0..100).filter(|&seed| {
        let vfs = SimVfs::new(seed);
        vfs.put(p("/f"), b"old").unwrap();
        let file = vfs.open(p("/f"), OpenMode::Write).unwrap();
        file.write_all_at(b"new", 0).unwrap();
        vfs.fail_at(1, Fault::Eio);
        file.sync().unwrap_err();
        file.sync().unwrap(); // the retry that proves nothing
        assert_eq!(vfs.read(p("/f"), 10).unwrap(), b"new");
        vfs.crash();
        vfs.read(p("/f"), 10).unwrap() == b"old"
    });
    let lost = lost.count();
    assert!((25..75).contains(&lost), "{lost}");
}

#[test]
fn a_short_write_keeps_a_part_from_the_start() {
    let mut kept = BTreeSet::new();
    for seed in 0..200 {
        let vfs = SimVfs::new(seed);
        let file = vfs.open(p("/f"), OpenMode::Create).unwrap();
        vfs.fail_at(1, Fault::ShortWrite);
        assert_eq!(file.write_all_at(b"abcd", 0).unwrap_err().kind(), ErrorKind::WriteZero);
        let content = vfs.read(p("/f"), 10).unwrap();
        assert!(b"abcd".starts_with(&content));
        kept.insert(content.len());
        vfs.fail_at(1, Fault::ShortWrite);
        assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(5));
    }
    assert_eq!(kept, BTreeSet::from([0, 1, 2, 3]));
}

#[test]
fn a_crash_fault_stops_the_process_before_in_or_after_the_operation() {
    for (fault, lengths) in [
        (Fault::CrashBefore, BTreeSet::from([0])),
        (Fault::CrashMid, BTreeSet::from([0, 1, 2, 3])),
        (Fault::CrashAfter, BTreeSet::from([4])),
    ] {
        let seen: BTreeSet<usize> = (0..200)
            .map(|seed| {
                let vfs = SimVfs::new(seed);
                let file = vfs.open(p("/f"), OpenMode::Create).unwrap();
                vfs.fail_at(1, fault);
                let error = file.write_all_at(b"abcd", 0).unwrap_err();
                assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Other, "simulated crash"));
                assert!(vfs.is_stopped());
                assert!(file.len().is_err() && vfs.read_dir(p("/")).is_err() && vfs.lock(p("/g")).is_err());
                assert_eq!(vfs.operation_count(), 2, "what fails because of the stop does not count");
                vfs.kill();
                assert!(!vfs.is_stopped() && file.len().is_err());
                vfs.read(p("/f"), 10).unwrap().len()
            })
            .collect();
        assert_eq!(seen, lengths, "{fault:?}");
    }
}

#[test]
fn a_crash_after_a_sync_has_synced() {
    for (fault, durable) in [(Fault::CrashBefore, false), (Fault::CrashAfter, true)] {
        let vfs = SimVfs::new(1);
        let file = vfs.open(p("/f"), OpenMode::Create).unwrap();
        file.write_all_at(b"x", 0).unwrap();
        vfs.sync_dir(p("/")).unwrap();
        vfs.fail_at(1, fault);
        file.sync().unwrap_err();
        assert_eq!(vfs.durable_snapshot().get(p("/f")).is_some_and(|c| c == b"x"), durable);
    }
}

#[test]
fn a_full_disk_takes_what_fits() {
    let vfs = SimVfs::new(1);
    vfs.set_capacity(Some(10));
    let a = vfs.open(p("/a"), OpenMode::Create).unwrap();
    a.write_all_at(b"123456", 0).unwrap();
    let b = vfs.open(p("/b"), OpenMode::Create).unwrap();
    assert_eq!(b.write_all_at(b"123456", 0).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(vfs.read(p("/b"), 10).unwrap(), b"1234");
    assert_eq!(vfs.used(), 10);
    a.write_all_at(b"abcdef", 0).unwrap(); // takes no more room
    assert_eq!(a.set_len(7).unwrap_err().kind(), ErrorKind::StorageFull);
    vfs.remove_file(p("/b")).unwrap();
    assert_eq!(vfs.used(), 10, "an open file holds its space");
    drop(b);
    assert_eq!(vfs.used(), 6);
    a.set_len(10).unwrap();
    vfs.set_capacity(None);
    a.set_len(1_000).unwrap();
}

#[test]
fn a_read_fault_strikes_once() {
    let vfs = SimVfs::new(1);
    vfs.put(p("/f"), b"x").unwrap();
    let file = vfs.open(p("/f"), OpenMode::Read).unwrap();
    vfs.fail_read_at(2);
    file.read_at(&mut [0], 0).unwrap();
    assert_eq!(file.read_at(&mut [0], 0).unwrap_err().raw_os_error(), Some(5));
    file.read_at(&mut [0], 0).unwrap();
    assert_eq!(vfs.read_count(), 3);
}

#[test]
fn handles_are_limited_and_listed() {
    let vfs = SimVfs::new(1);
    vfs.set_max_handles(Some(2));
    let a = vfs.open(p("/a"), OpenMode::Create).unwrap();
    let _l = vfs.lock(p("/LOCK")).unwrap();
    assert_eq!(vfs.open(p("/a"), OpenMode::Read).err().and_then(|e| e.raw_os_error()), Some(24));
    assert_eq!(vfs.open_handles(), [p("/LOCK"), p("/a")]);
    drop(a);
    vfs.open(p("/a"), OpenMode::Read).unwrap();
}

#[test]
fn damage_is_visible_and_durable() {
    let vfs = SimVfs::new(1);
    vfs.put(p("/f"), b"abc").unwrap();
    vfs.corrupt(p("/f"), 1, 0x20).unwrap();
    vfs.truncate(p("/f"), 2).unwrap();
    assert_eq!(vfs.operation_count(), 0);
    assert_eq!(vfs.read(p("/f"), 10).unwrap(), b"aB");
    vfs.crash();
    assert_eq!(vfs.read(p("/f"), 10).unwrap(), b"aB");
    assert!(vfs.corrupt(p("/f"), 2, 1).unwrap_err().to_string().contains("it has 2 bytes"));
    assert_eq!(vfs.truncate(p("/missing"), 0).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn real_trees_load_and_save() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(from.path().join("sub/empty")).unwrap();
    std::fs::write(from.path().join("sub/f"), b"1").unwrap();
    std::fs::write(from.path().join("g"), b"22").unwrap();
    let vfs = SimVfs::new(1);
    vfs.load_tree(from.path(), p("/data/db")).unwrap();
    let expected: BTreeMap<PathBuf, Vec<u8>> =
        [("/data/db/g", b"22".to_vec()), ("/data/db/sub/f", b"1".to_vec())].map(|(k, v)| (k.into(), v)).into();
    assert_eq!(vfs.snapshot(), expected);
    vfs.crash();
    assert_eq!(vfs.snapshot(), expected, "it is durable");
    assert!(vfs.entry(p("data/db/sub/empty")).unwrap().is_some_and(|e| e.is_dir));
    vfs.save_tree(to.path()).unwrap();
    assert_eq!(std::fs::read(to.path().join("data/db/sub/f")).unwrap(), b"1");
}

#[test]
fn the_trace_names_operations_and_faults() {
    let vfs = SimVfs::new(1);
    vfs.set_trace(true);
    let file = vfs.open(p("/f"), OpenMode::Create).unwrap();
    vfs.fail_at(1, Fault::Enospc);
    file.write_all_at(b"abc", 4).unwrap_err();
    file.sync().unwrap();
    vfs.kill();
    assert_eq!(vfs.trace(), ["#1 open create /f", "#2 write /f 4+3: Enospc", "#3 sync /f", "kill"]);
}

/// A run with every kind of operation; fails at the first error.
fn script(vfs: &SimVfs) -> io::Result<()> {
    vfs.create_dir_all(p("/db/parts"))?;
    let wal = vfs.open(p("/db/wal"), OpenMode::Create)?;
    for i in 0..6u8 {
        wal.write_all_at(&[i; 700], 700 * u64::from(i))?;
        if i % 3 == 0 {
            wal.sync()?;
        }
    }
    create(vfs, "/db/tmp", &[9; 2_000])?;
    vfs.rename(p("/db/tmp"), p("/db/parts/part"))?;
    wal.set_len(100)?;
    vfs.sync_dir(p("/db"))?;
    vfs.replace(p("/db/catalog"), b"names")?;
    vfs.remove_file(p("/db/parts/part"))?;
    vfs.remove_dir(p("/db/parts"))
}

#[test]
fn the_same_seed_gives_the_same_crash() {
    let run = |seed, n| {
        let vfs = SimVfs::new(seed);
        vfs.fail_at(n, Fault::CrashMid);
        script(&vfs).unwrap_err();
        vfs.crash();
        vfs.snapshot()
    };
    let mut differs = false;
    for n in [8, 12, 16] {
        for seed in 0..40 {
            assert_eq!(run(seed, n), run(seed, n));
            differs |= run(seed, n) != run(seed + 1, n);
        }
    }
    assert!(differs, "and another seed another one");
}

#[test]
fn forks_are_the_states_before_each_operation_and_do_not_change_the_run() {
    let (plain, recorded) = (SimVfs::new(3), SimVfs::new(3));
    script(&plain).unwrap();
    recorded.record_forks(true);
    script(&recorded).unwrap();
    let forks = recorded.take_forks();
    assert_eq!(forks.len() as u64, plain.operation_count());
    for (number, fork) in forks.iter().enumerate() {
        assert_eq!(fork.operation_count(), number as u64);
        let stopped = SimVfs::new(3);
        stopped.fail_at(number as u64 + 1, Fault::CrashBefore);
        script(&stopped).unwrap_err();
        assert_eq!(fork.snapshot(), stopped.snapshot());
        assert_eq!(fork.durable_snapshot(), stopped.durable_snapshot());
    }
    plain.crash();
    recorded.crash();
    assert_eq!(plain.snapshot(), recorded.snapshot());
}

#[test]
fn a_fork_goes_its_own_way() {
    let vfs = SimVfs::new(1);
    let file = vfs.open(p("/f"), OpenMode::Create).unwrap();
    file.write_all_at(b"base", 0).unwrap();
    let fork = vfs.fork(2);
    file.write_all_at(b"main", 0).unwrap();
    fork.open(p("/f"), OpenMode::Write).unwrap().write_all_at(b"fork", 0).unwrap();
    assert_eq!(vfs.read(p("/f"), 10).unwrap(), b"main");
    assert_eq!(fork.read(p("/f"), 10).unwrap(), b"fork");
    assert_eq!(fork.open_handles(), Vec::<PathBuf>::new());
}

#[test]
fn replace_is_old_or_new_after_a_crash_at_every_operation() {
    let old = vec![1; 1_300];
    let new = vec![2; 1_500];
    let count = {
        let vfs = SimVfs::new(0);
        vfs.put(p("/d/f"), &old).unwrap();
        vfs.replace(p("/d/f"), &new).unwrap();
        vfs.operation_count()
    };
    assert_eq!(count, 5, "create, write, sync, rename, sync of the directory");
    let (mut olds, mut news) = (0, 0);
    for model in MODELS {
        for fault in [Fault::CrashBefore, Fault::CrashMid, Fault::CrashAfter, Fault::Eio, Fault::ShortWrite] {
            for (n, seed) in (1..=count).flat_map(|n| (0..60).map(move |seed| (n, seed))) {
                let vfs = SimVfs::new(seed);
                vfs.set_crash_model(model);
                vfs.put(p("/d/f"), &old).unwrap();
                vfs.fail_at(n, fault);
                vfs.replace(p("/d/f"), &new).unwrap_err();
                vfs.crash();
                let content = vfs.read(p("/d/f"), 10_000).unwrap();
                assert!(content == old || content == new, "{model:?} {fault:?} at {n}, seed {seed}");
                if content == old {
                    olds += 1
                } else {
                    news += 1
                }
                // A second try works on what the first left behind.
                vfs.replace(p("/d/f"), &new).unwrap();
                vfs.crash();
                assert_eq!(vfs.read(p("/d/f"), 10_000).unwrap(), new);
            }
        }
    }
    assert!(olds > 100 && news > 100, "both happen: {olds} {news}");
}

#[test]
fn replacing_without_a_sync_is_caught() {
    // The simulation must find the classic mistake, else it proves nothing.
    let torn = (0..200).filter(|&seed| {
        let vfs = SimVfs::new(seed);
        vfs.put(p("/f"), b"old").unwrap();
        vfs.open(p("/t"), OpenMode::Create).unwrap().write_all_at(&[2; 2_000], 0).unwrap();
        vfs.rename(p("/t"), p("/f")).unwrap();
        vfs.crash();
        let content = vfs.read(p("/f"), 10_000).unwrap();
        content != b"old" && content != [2; 2_000]
    });
    assert!(torn.count() > 30);
}

#[test]
fn threads_share_one_file_system() {
    let vfs = SimVfs::new(1);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let vfs = vfs.clone();
            scope.spawn(move || {
                for i in 0..50 {
                    create(&vfs, &format!("/{thread}-{i}"), b"x").unwrap();
                }
            });
        }
    });
    assert_eq!(vfs.snapshot().len(), 200);
    assert_eq!(vfs.operation_count(), 600);
}

#[test]
fn removed_files_are_freed() {
    let vfs = SimVfs::new(1);
    for _ in 0..2_000 {
        create(&vfs, "/f", b"x").unwrap();
        vfs.remove_file(p("/f")).unwrap();
        vfs.sync_dir(p("/")).unwrap();
    }
    assert!(vfs.state().tree.inode_count() < 200);
}
