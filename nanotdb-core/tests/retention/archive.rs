//! Where expired partitions go, and the way back.

use crate::common::bench::{Bench, Line, int, send};
use crate::common::files::copy_directory;
use crate::support::{
    DAY, HOUR, MAY_20, check, check_verify, files, keeping, live, machine, names, partition_files, since, sweep_now,
};
use nanotdb_core::Error;
use nanotdb_core::config::RetentionAction;
use nanotdb_core::engine::{BuildOptions, Engine, Selection};
use nanotdb_core::maintenance::archive::{Wanted, list, restore};
use nanotdb_core::storage::vfs::Vfs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

/// A machine after six days of which three are archived.
fn archived() -> (Bench, Engine, Vec<Line>) {
    let bench = machine(keeping(3, RetentionAction::Archive, "day"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 6);
    engine
        .build_metric_files(
            "pi",
            Selection::Named("2026-05-21"),
            BuildOptions::new(Default::default(), "", Default::default()).unwrap(),
            &mut |_| ControlFlow::Continue(()),
        )
        .unwrap();
    assert_eq!(names(&sweep_now(&engine)), ["2026-05-20", "2026-05-21", "2026-05-22"]);
    (bench, engine, lines)
}

/// The same disk, where everything is kept from now on.
fn kept(bench: Bench) -> Bench {
    let path = bench.path("pi/manifest.toml");
    let text = String::from_utf8(bench.vfs.read(&path, 1 << 20).unwrap()).unwrap();
    let text = text.replace("retention_action = \"archive\"", "retention_action = \"keep\"");
    assert!(text.contains("retention_action = \"keep\""), "{text}");
    bench.vfs.replace(&path, text.as_bytes()).unwrap();
    bench
}

#[test]
fn what_expired_is_in_the_archive_and_nowhere_else() {
    let (bench, engine, lines) = archived();
    check(&engine, &since(&lines, MAY_20 + 3 * DAY), "archived");
    let all = files(&bench);
    assert!(all.contains(&"archive-2026-05.tar".to_owned()) && !all.iter().any(|n| n.contains("journal")), "{all:?}");
    assert_eq!(partition_files(&bench).len(), 3);
    let archives = list(&engine, "pi").unwrap();
    let [archive] = &archives[..] else { panic!("{archives:?}") };
    let found: Vec<_> = archive.partitions.iter().map(|p| (&*p.partition, p.generation, p.files.len())).collect();
    assert_eq!(found, [("2026-05-20", 1, 1), ("2026-05-21", 1, 2), ("2026-05-22", 1, 1)]);
    assert_eq!((&*archive.bucket, &archive.problem), ("2026-05", &None));
    engine.close().unwrap();
    check_verify(&bench, "archived");
}

#[test]
fn any_tar_reads_it_and_its_files_are_what_they_were() {
    let (bench, engine, _) = archived();
    engine.close().unwrap();
    let directory = tempfile::tempdir().unwrap();
    bench.vfs.save_tree(directory.path()).unwrap();
    let root = directory.path().join("root/pi");
    let root = if root.exists() { root } else { directory.path().join("pi") };
    let listed = Command::new("tar").arg("tf").arg(root.join("archive-2026-05.tar")).output().unwrap();
    assert!(listed.status.success() && listed.stderr.is_empty(), "{listed:?}");
    let text = String::from_utf8(listed.stdout).unwrap();
    let entries: Vec<_> = text.lines().collect();
    assert_eq!(entries, ["data-2026-05-20.dat", "data-2026-05-21.dat", "metric-2026-05-21.dat", "data-2026-05-22.dat"]);
    let long = Command::new("tar").arg("tvf").arg(root.join("archive-2026-05.tar")).arg("--utc").output().unwrap();
    let long = String::from_utf8(long.stdout).unwrap();
    assert!(long.lines().all(|line| line.contains("2026-05-26")), "the time is the clock's: {long}");
    let out = directory.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let done =
        Command::new("tar").arg("xf").arg(root.join("archive-2026-05.tar")).arg("-C").arg(&out).status().unwrap();
    assert!(done.success());
    copy_directory(&out, &root);
    // Unpacked by hand into a copy of the directory, they are a database.
    let everything = 3 * 3 * 2;
    let mut config = bench.config.clone();
    config.stats.enabled = false;
    let engine = Engine::open_read_only(root.parent().unwrap(), config).unwrap();
    assert_eq!(crate::common::read(&engine, "pi", "count").len(), everything);
}

#[test]
fn an_archive_made_by_another_tar_is_appended_to() {
    let bench = machine(keeping(3, RetentionAction::Archive, "day"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 6);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("data-2026-05-02.dat"), vec![9u8; 1_300]).unwrap();
    let tar = directory.path().join("a.tar");
    let made =
        Command::new("tar").arg("cf").arg(&tar).arg("-C").arg(directory.path()).arg("./data-2026-05-02.dat").status();
    assert!(made.unwrap().success());
    let original = std::fs::read(&tar).unwrap();
    assert_eq!(original.len(), 10_240, "GNU tar pads");
    bench.vfs.put(&bench.path("pi/archive-2026-05.tar"), &original).unwrap();
    sweep_now(&engine);
    check(&engine, &since(&lines, MAY_20 + 3 * DAY), "archived");
    let archives = list(&engine, "pi").unwrap();
    let found: Vec<_> = archives[0].partitions.iter().map(|p| &*p.partition).collect();
    assert_eq!(found, ["2026-05-02", "2026-05-20", "2026-05-21", "2026-05-22"]);
    std::fs::write(&tar, bench.file("pi/archive-2026-05.tar")).unwrap();
    assert!(Command::new("tar").arg("tf").arg(&tar).output().unwrap().status.success());
}

#[test]
fn a_damaged_archive_is_not_appended_to_and_its_partitions_stay() {
    let bench = machine(keeping(3, RetentionAction::Archive, "day"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 6);
    bench.vfs.put(&bench.path("pi/archive-2026-05.tar"), &[7u8; 3_000]).unwrap();
    engine.trust_clock().unwrap();
    let report = engine.tick();
    assert!(report.errors().iter().any(|e| e.contains("archive-2026-05.tar")), "{report:?}");
    check(&engine, &lines, "nothing went");
    assert_eq!(bench.file("pi/archive-2026-05.tar"), [7u8; 3_000]);
    assert!(list(&engine, "pi").unwrap()[0].problem.is_some());
}

#[test]
fn what_is_restored_is_as_before_and_leaves_the_archive() {
    let (bench, engine, lines) = archived();
    engine.close().unwrap();
    let bench = kept(bench);
    let engine = bench.open();
    let restored = restore(&engine, "pi", Wanted::Partition("2026-05-21")).unwrap();
    assert_eq!(restored.partitions.len(), 1);
    let with = |days: &[i64]| -> Vec<Line> {
        let is_in = |l: &&Line| l.3 >= MAY_20 + 3 * DAY || days.contains(&((l.3 - MAY_20) / DAY));
        lines.iter().filter(is_in).copied().collect()
    };
    check(&engine, &with(&[1]), "one day restored");
    assert_eq!(list(&engine, "pi").unwrap()[0].partitions.len(), 2);
    // Order is that of what is there now.
    assert!(engine.add_sample("pi", "count", int(1), Some(MAY_20 + DAY)).is_err());
    restore(&engine, "pi", Wanted::Bucket("2026-05")).unwrap();
    check(&engine, &lines, "all restored");
    assert_eq!(list(&engine, "pi").unwrap(), []);
    assert!(!files(&bench).iter().any(|n| n.ends_with(".tar") || n.contains("journal") || n.ends_with(".tmp")));
    engine.close().unwrap();
    check(&bench.open(), &lines, "after a restart");
    check_verify(&bench, "restored");
}

#[test]
fn a_restore_that_would_not_last_or_would_overwrite_is_refused() {
    let (bench, engine, lines) = archived();
    let error = restore(&engine, "pi", Wanted::Partition("2026-05-21")).unwrap_err();
    assert!(matches!(error, Error::BadInput(_)), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("retention_days = 3") && text.contains("manifest.toml") && text.contains("4 days ago"),
        "{text}"
    );
    engine.close().unwrap();
    let bench = kept(bench);
    let engine = bench.open();
    send(&engine, &[("pi", "late", int(1), MAY_20 + DAY + 3 * HOUR)]);
    let error = restore(&engine, "pi", Wanted::Partition("2026-05-21")).unwrap_err();
    assert!(error.to_string().contains("data-2026-05-21.dat is there already"), "{error}");
    let unknown = restore(&engine, "pi", Wanted::Partition("2020-01-01")).unwrap_err();
    assert!(matches!(&unknown, Error::NotFound(t) if t.contains("2026-05-20, 2026-05-21")), "{unknown}");
    let unknown = restore(&engine, "pi", Wanted::Bucket("2020-01")).unwrap_err();
    assert!(matches!(&unknown, Error::NotFound(t) if t.contains("2026-05")), "{unknown}");
    let mut expected = since(&lines, MAY_20 + 3 * DAY);
    expected.push(("pi", "late", int(1), MAY_20 + DAY + 3 * HOUR));
    check(&engine, &expected, "nothing was changed");
}

#[test]
fn damage_in_an_archive_is_found_by_verify_and_is_not_restored() {
    let (bench, engine, lines) = archived();
    engine.close().unwrap();
    let bench = kept(bench);
    let tar = bench.file("pi/archive-2026-05.tar");
    // The first entry is data-2026-05-20.dat; its content begins behind its header.
    for at in [512 + 30, 512 + 60] {
        let damaged = bench.fork(bench.vfs.fork(1));
        damaged.vfs.corrupt(&damaged.path("pi/archive-2026-05.tar"), at, 0x10).unwrap();
        let report = nanotdb_core::maintenance::verify::verify(
            Path::new("/root"),
            None,
            damaged.config.clone(),
            damaged.options(),
        )
        .unwrap();
        assert_eq!(report.archives, 1);
        assert!(!report.problems.is_empty(), "byte {at}");
        let engine = damaged.open();
        let error = restore(&engine, "pi", Wanted::Partition("2026-05-20")).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        check(&engine, &since(&lines, MAY_20 + 3 * DAY), "nothing is restored");
        // The others are whole.
        restore(&engine, "pi", Wanted::Partition("2026-05-22")).unwrap();
    }
    for len in [100, 600, tar.len() as u64 / 2] {
        let torn = bench.fork(bench.vfs.fork(2));
        torn.vfs.truncate(&torn.path("pi/archive-2026-05.tar"), len).unwrap();
        let report =
            nanotdb_core::maintenance::verify::verify(Path::new("/root"), None, torn.config.clone(), torn.options());
        assert!(!report.unwrap().problems.is_empty(), "cut to {len}");
    }
}

#[test]
fn what_comes_to_an_archived_partition_is_archived_beside_it() {
    let (bench, engine, lines) = archived();
    engine.close().unwrap();
    let bench = kept(bench);
    let engine = bench.open();
    let late = [("pi", "late", int(1), MAY_20 + 23 * HOUR), ("pi", "late", int(2), MAY_20 + 23 * HOUR + 5)];
    send(&engine, &late);
    engine.close().unwrap();
    let path = bench.path("pi/manifest.toml");
    let text = String::from_utf8(bench.file("pi/manifest.toml")).unwrap();
    bench.vfs.replace(&path, text.replace("\"keep\"", "\"archive\"").as_bytes()).unwrap();
    let engine = bench.open();
    assert_eq!(names(&sweep_now(&engine)), ["2026-05-20"]);
    check(&engine, &since(&lines, MAY_20 + 3 * DAY), "archived again");
    let archives = list(&engine, "pi").unwrap();
    let found: Vec<_> = archives[0].partitions.iter().map(|p| (&*p.partition, p.generation)).collect();
    assert_eq!(found, [("2026-05-20", 1), ("2026-05-20", 2), ("2026-05-21", 1), ("2026-05-22", 1)]);
    // The same once more, as an operator's copy: it is not there twice.
    engine.close().unwrap();
    check_verify(&bench, "two generations");
    let before = bench.file("pi/archive-2026-05.tar");
    let old = list(&bench.open(), "pi").unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.tar"), &before).unwrap();
    let out =
        Command::new("tar").arg("xf").arg(directory.path().join("a.tar")).arg("-C").arg(directory.path()).status();
    assert!(out.unwrap().success());
    let copy = std::fs::read(directory.path().join("data-2026-05-21.dat")).unwrap();
    let metric = std::fs::read(directory.path().join("metric-2026-05-21.dat")).unwrap();
    bench.vfs.put(&bench.path("pi/data-2026-05-21.dat"), &copy).unwrap();
    bench.vfs.put(&bench.path("pi/metric-2026-05-21.dat"), &metric).unwrap();
    let engine = bench.open();
    assert_eq!(names(&sweep_now(&engine)), ["2026-05-21"]);
    assert_eq!(list(&engine, "pi").unwrap(), old);
    // Both come back, one after the other.
    engine.close().unwrap();
    let bench = kept(bench);
    let engine = bench.open();
    restore(&engine, "pi", Wanted::Partition("2026-05-20")).unwrap();
    assert!(restore(&engine, "pi", Wanted::Partition("2026-05-20")).is_err(), "the second would overwrite the first");
    check(
        &engine,
        &lines.iter().filter(|l| l.3 < MAY_20 + DAY || l.3 >= MAY_20 + 3 * DAY).copied().collect::<Vec<_>>(),
        "first",
    );
}

/// What somebody else put into an archive is not restored, and keeps nothing else from it.
#[test]
fn an_entry_that_leads_out_of_the_directory_blocks_no_restore_of_the_others() {
    let (bench, engine, lines) = archived();
    engine.close().unwrap();
    let bench = kept(bench);
    let path = bench.path("pi/archive-2026-05.tar");
    let mut bytes = bench.file("pi/archive-2026-05.tar");
    bytes.truncate(bytes.len() - 1024);
    let mut header = tar_header("../engine.toml", 5);
    header.extend_from_slice(b"bad!\n");
    header.resize(1024, 0);
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&[0; 1024]);
    bench.vfs.put(&path, &bytes).unwrap();
    let engine = bench.open();
    for part in ["2026-05-21", "2026-05-20"] {
        restore(&engine, "pi", Wanted::Partition(part)).unwrap();
    }
    let rest: Vec<_> = lines.iter().filter(|l| l.3 < MAY_20 + 2 * DAY || l.3 >= MAY_20 + 3 * DAY).copied().collect();
    check(&engine, &rest, "two restored");
    restore(&engine, "pi", Wanted::Partition("2026-05-22")).unwrap();
    check(&engine, &lines, "all restored");
    assert!(!bench.paths().iter().any(|path| path.ends_with("engine.toml")), "{:?}", bench.paths());
    // The foreign entry is where it was.
    assert!(bench.file("pi/archive-2026-05.tar").windows(14).any(|bytes| bytes == b"../engine.toml"));
}

/// A header as tar programs write it.
fn tar_header(name: &str, len: usize) -> Vec<u8> {
    let mut header = vec![0u8; 512];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\x000000000\x000000000\0");
    put(124, format!("{len:011o}\0").as_bytes());
    put(136, b"00000000000\0        0");
    put(257, b"ustar  \0");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
