//! Whose samples they are: names that are lost with catalog.json, and logs in directories of another name.

use crate::common::bench::{Bench, SECOND, content_of, float, int, send, try_send};
use crate::common::oracle::{ROOT, START as T};
use crate::common::{assert_same, read_all};
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::maintenance::recover::{RecoverRequest, recover};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::storage::vfs::{OpenMode, Vfs};
use std::path::Path;

/// What the check of a root says.
fn problems(bench: &Bench) -> Vec<String> {
    let report = verify(Path::new(ROOT), None, bench.config.clone(), bench.options()).unwrap();
    report.problems.into_iter().map(|problem| format!("{}: {}", problem.file.display(), problem.what)).collect()
}

fn rename_all(bench: &Bench, from: &str, to: &str) {
    let (from, to) = (bench.path(from), bench.path(to));
    bench.vfs.create_dir_all(&to).unwrap();
    for entry in bench.vfs.read_dir(&from).unwrap() {
        bench.vfs.rename(&from.join(&entry.name), &to.join(&entry.name)).unwrap();
    }
    bench.vfs.remove_dir(&from).unwrap();
    bench.vfs.settle();
}

#[test]
fn r20_an_empty_or_missing_catalog_beside_samples_is_damage() {
    for missing in [false, true] {
        let bench = Bench::new(FsyncPolicy::Always, 1_000);
        let engine = bench.open();
        send(&engine, &[("home", "room.temp", float(21.5), T), ("home", "door", int(3), T), ("well", "a", int(1), T)]);
        engine.close().unwrap();
        let catalog = bench.path("home/catalog.json");
        match missing {
            true => bench.vfs.remove_file(&catalog).unwrap(),
            false => bench.vfs.put(&catalog, b"").unwrap(),
        }
        let before = bench.vfs.snapshot();
        for writes in [false, true] {
            let engine = if writes { bench.try_open().unwrap() } else { bench.open_read_only() };
            let health = engine.health();
            assert!(
                matches!(health.as_slice(), [(db, why)] if db == "home" && why.contains("catalog.json")),
                "{health:?}"
            );
            assert!(engine.query_last("home", "room.temp").is_err(), "it must not look empty");
            assert!(try_send(&engine, &[("home", "bitcoin", int(60_000), T + SECOND)]).is_err());
            assert!(engine.query_last("well", "a").unwrap().is_some(), "the others are served");
            engine.close().unwrap();
        }
        let found = problems(&bench);
        assert!(found.iter().any(|what| what.contains("catalog.json")), "{found:?}");
        let of_home = |files: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>| -> Vec<_> {
            files
                .iter()
                .filter(|(path, _)| path.starts_with(bench.path("home")))
                .map(|(p, b)| (p.clone(), b.clone()))
                .collect()
        };
        assert_eq!(of_home(&bench.vfs.snapshot()), of_home(&before), "nothing of it was changed");
    }
}

#[test]
fn r20_a_database_without_samples_is_empty_whatever_its_catalog() {
    for content in [Some(&b""[..]), Some(b"{\"metrics\": null}"), None] {
        let bench = Bench::new(FsyncPolicy::Always, 1_000);
        bench.open().create_database("home").unwrap();
        let catalog = bench.path("home/catalog.json");
        match content {
            Some(content) => bench.vfs.put(&catalog, content).unwrap(),
            None => bench.vfs.remove_file(&catalog).unwrap(),
        }
        let engine = bench.open();
        send(&engine, &[("home", "a", int(1), T)]);
        engine.close().unwrap();
        assert_eq!(problems(&bench), Vec::<String>::new());
    }
}

/// Names that the log alone has, as after a kill before the first flush, are enough; a log whose names are in a catalog that is
/// lost is not.
#[test]
fn r20_an_empty_catalog_beside_a_log_is_damage_unless_the_log_has_the_names() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    let lines = [("home", "room.temp", float(21.5), T), ("home", "door", int(3), T)];
    send(&engine, &lines);
    bench.kill(engine);
    bench.vfs.put(&bench.path("home/catalog.json"), b"").unwrap();
    let engine = bench.open();
    assert_same(&read_all(&engine), &content_of(&lines), "the log has the names");
    engine.flush().unwrap();
    send(&engine, &[("home", "door", int(4), T + SECOND)]);
    bench.kill(engine);
    // The samples of the data file have no name now, and those of the log neither.
    bench.vfs.put(&bench.path("home/catalog.json"), b"").unwrap();
    assert_eq!(bench.try_open().unwrap().health().len(), 1);
    bench.vfs.remove_file(&bench.path("home/data-2026-05-22.dat")).unwrap();
    let health = bench.try_open().unwrap().health();
    assert!(matches!(health.as_slice(), [(_, why)] if why.contains("home.wal")), "{health:?}");
    assert!(!bench.file("home/home.wal").is_empty(), "nothing is cut out of the log");
}

#[test]
fn r20_recover_takes_names_from_the_log_and_keeps_the_others_apart() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    send(&engine, &[("home", "old", int(1), T)]);
    engine.flush().unwrap();
    send(&engine, &[("home", "new", int(2), T + SECOND)]);
    bench.kill(engine);
    bench.vfs.put(&bench.path("home/catalog.json"), b"").unwrap();
    let request = RecoverRequest { root: Path::new(ROOT), out: Path::new("/recovered"), database: None };
    let report = recover(request, bench.config.clone(), &bench.options(), &mut |_, _| {}).unwrap();
    assert_eq!(report.databases[0].unnamed, ["recovered.metric_1"]);
    assert_eq!(report.problems, []);
    let fresh = nanotdb_core::engine::Engine::open_with(Path::new("/recovered"), bench.config.clone(), bench.options());
    let expected = content_of(&[("home", "recovered.metric_1", int(1), T), ("home", "new", int(2), T + SECOND)]);
    assert_same(&read_all(&fresh.unwrap()), &expected, "recovered");
}

#[test]
fn r20_an_older_catalog_over_newer_files_gives_no_id_away() {
    for with_list in [true, false] {
        let bench = Bench::new(FsyncPolicy::Always, 1_000);
        let engine = bench.open();
        send(&engine, &[("h", "attic", float(1.5), T)]);
        engine.close().unwrap();
        let monday = bench.file("h/catalog.json");
        let list = bench.vfs.snapshot().remove(&bench.path("h/.files"));
        let engine = bench.open();
        send(&engine, &[("h", "attic", float(1.7), T + SECOND), ("h", "boiler", float(65.5), T + 100 * SECOND)]);
        engine.close().unwrap();
        bench.vfs.put(&bench.path("h/catalog.json"), &monday).unwrap();
        match list.filter(|_| with_list) {
            Some(list) => bench.vfs.put(&bench.path("h/.files"), &list).unwrap(),
            None => bench.vfs.remove_file(&bench.path("h/.files")).unwrap(),
        }
        let told = |engine: &nanotdb_core::engine::Engine| {
            engine.warnings().iter().any(|warning| warning.text.contains("catalog.json") && warning.database == "h")
        };
        let engine = bench.open();
        assert!(told(&engine), "{:?}", engine.warnings());
        send(&engine, &[("h", "cellar", float(7.5), T + 200 * SECOND)]);
        let expected = content_of(&[
            ("h", "attic", float(1.5), T),
            ("h", "attic", float(1.7), T + SECOND),
            ("h", "cellar", float(7.5), T + 200 * SECOND),
        ]);
        engine.close().unwrap();
        let engine = bench.open();
        assert!(told(&engine), "it is told until somebody has seen it");
        assert_eq!(engine.acknowledge(None).unwrap(), 1);
        assert_same(&read_all(&engine), &expected, "after another start");
        engine.close().unwrap();
        assert!(problems(&bench).iter().any(|what| what.contains("metric id 2 is in no catalog")));
    }
}

#[test]
fn r22_a_directory_of_another_name_keeps_its_log() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    let flushed = ("h", "t", float(1.4), T);
    send(&engine, &[flushed]);
    engine.flush().unwrap();
    let first = ("h", "t", float(1.5), T + SECOND);
    send(&engine, &[first]);
    // In the middle of a flush there are two.
    engine.begin_flush().unwrap();
    let second = ("h", "t", float(1.6), T + 2 * SECOND);
    send(&engine, &[second]);
    bench.kill(engine);
    rename_all(&bench, "h", "house");
    let expected = content_of(&[flushed, first, second].map(|(_, metric, value, at)| ("house", metric, value, at)));
    assert_eq!(problems(&bench), Vec::<String>::new());
    assert_same(&read_all(&bench.open_read_only()), &expected, "a reader");
    assert!(bench.paths().contains(&bench.path("house/h.wal")), "a reader changes nothing");
    // A start that is killed at each of its steps, and one that is not.
    for operation in 0..12 {
        let disk = bench.fork(bench.vfs.fork(operation));
        if operation > 0 {
            disk.vfs.fail_at(operation, nanotdb_core::storage::vfs::sim::Fault::CrashBefore);
            drop(disk.try_open());
            disk.vfs.clear_faults();
            disk.vfs.crash();
        }
        let context = format!("died at step {operation}");
        assert_same(&read_all(&disk.open_read_only()), &expected, &context);
        let engine = disk.open();
        assert_same(&read_all(&engine), &expected, &context);
        engine.close().unwrap();
        let logs: Vec<_> = disk.paths().into_iter().filter(|path| path.to_string_lossy().contains(".wal")).collect();
        assert_eq!(logs, [disk.path("house/house.wal")], "{context}");
        assert_eq!(problems(&disk), Vec::<String>::new(), "{context}");
        assert_same(&read_all(&disk.open()), &expected, &context);
    }
    let request = RecoverRequest { root: Path::new(ROOT), out: Path::new("/recovered"), database: None };
    let report = recover(request, bench.config.clone(), &bench.options(), &mut |_, _| {}).unwrap();
    assert_eq!((report.lost, report.databases[0].samples), (Vec::new(), 3));
}

#[test]
fn r22_of_two_logs_the_own_one_is_read_and_the_other_is_told() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    send(&engine, &[("h", "t", float(1.5), T), ("house", "t", float(2.5), T)]);
    bench.kill(engine);
    let stranger = bench.path("house/h.wal");
    bench.vfs.rename(&bench.path("h/h.wal"), &stranger).unwrap();
    let expected = content_of(&[("house", "t", float(2.5), T)]);
    assert!(problems(&bench).iter().any(|what| what.contains("house/h.wal")), "{:?}", problems(&bench));
    let before = bench.file("house/h.wal");
    let engine = bench.open();
    assert_same(&read_all(&engine), &expected, "its own log");
    assert!(engine.warnings().iter().any(|warning| warning.text.contains("house/h.wal")), "{:?}", engine.warnings());
    engine.close().unwrap();
    assert_eq!(bench.file("house/h.wal"), before, "it stays as it is");
    bench.vfs.open(&stranger, OpenMode::Read).unwrap();
}
