//! Files that are taken away, under the engine and between two starts; and what is told until somebody has seen it.

use crate::common::bench::{Bench, SECOND, content_of, int, send, try_send};
use crate::common::oracle::{ROOT, START as T};
use crate::common::{assert_same, read_all};
use nanotdb_core::Error;
use nanotdb_core::config::{FsyncPolicy, MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{BuildOptions, Engine, Selection};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::storage::vfs::Vfs;
use std::ops::ControlFlow;
use std::path::Path;

fn problems(bench: &Bench) -> Vec<String> {
    let report = verify(Path::new(ROOT), None, bench.config.clone(), bench.options()).unwrap();
    report.problems.into_iter().map(|problem| problem.what).collect()
}

fn notes(bench: &Bench) -> Vec<String> {
    verify(Path::new(ROOT), None, bench.config.clone(), bench.options()).unwrap().notes
}

fn texts(engine: &Engine) -> Vec<String> {
    engine.warnings().into_iter().map(|warning| warning.text).collect()
}

#[test]
fn r24_what_goes_away_under_the_engine_is_refused_within_a_round() {
    for gone in ["home", "home/catalog.json", "home/home.wal", ""] {
        let bench = Bench::new(FsyncPolicy::Always, 1_000);
        let engine = bench.open();
        send(&engine, &[("home", "a", int(1), T), ("well", "a", int(1), T)]);
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
        assert_eq!(engine.health(), []);
        let path = if gone.is_empty() { Path::new(ROOT).to_owned() } else { bench.path(gone) };
        match bench.vfs.entry(&path).unwrap().unwrap().is_dir {
            true => bench.vfs.remove_tree(&path).unwrap(),
            false => bench.vfs.remove_file(&path).unwrap(),
        }
        engine.tick();
        let health = engine.health();
        assert!(health.iter().any(|(database, _)| database == "home"), "{gone}: {health:?}");
        assert!(health.iter().all(|(_, reason)| reason.contains("went away")), "{gone}: {health:?}");
        let refused = try_send(&engine, &[("home", "a", int(2), T + SECOND)]).unwrap_err();
        assert!(matches!(refused, Error::ReadOnly { .. }), "{gone}: {refused}");
        if gone.is_empty() {
            let refused = try_send(&engine, &[("new", "a", int(2), T + SECOND)]).unwrap_err();
            assert!(matches!(refused, Error::ReadOnly { .. }), "no database is made in a root that is gone: {refused}");
            assert!(bench.vfs.entry(Path::new(ROOT)).unwrap().is_none());
        } else {
            send(&engine, &[("well", "a", int(2), T + SECOND)]);
        }
    }
}

/// Before it was noticed, and afterwards.
#[test]
fn r24_a_query_of_files_that_went_away_says_so() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T)]);
    engine.flush().unwrap();
    bench.vfs.remove_tree(&bench.path("home")).unwrap();
    for noticed in [false, true] {
        let answer = engine.query_range("home", "a", i64::MIN, i64::MAX, 1, |_| ControlFlow::Continue(())).map(drop);
        assert!(
            matches!(&answer, Err(Error::Unavailable { reason, .. }) if reason.contains("went away")),
            "{noticed}: {answer:?}"
        );
        engine.tick();
    }
}

/// Renamed under the engine, it is written to under its old name until that is noticed; under the new one after the next start.
#[test]
fn r24_a_directory_is_open_under_one_name() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    send(&engine, &[("garden", "a", int(1), T)]);
    bench.vfs.rename(&bench.path("garden"), &bench.path("weg")).unwrap();
    let refused = try_send(&engine, &[("weg", "a", int(100), T + SECOND)]).unwrap_err();
    assert!(matches!(&refused, Error::Unavailable { reason, .. } if reason.contains("\"garden\"")), "{refused}");
    engine.tick();
    try_send(&engine, &[("garden", "a", int(3), T + 2 * SECOND)]).unwrap_err();
    try_send(&engine, &[("weg", "a", int(101), T + 3 * SECOND)]).unwrap_err();
    drop(engine);
    let engine = bench.open();
    assert_eq!(engine.database_names(false), ["weg"]);
    send(&engine, &[("weg", "a", int(4), T + 4 * SECOND)]);
    let expected = content_of(&[("weg", "a", int(1), T), ("weg", "a", int(4), T + 4 * SECOND)]);
    assert_same(&read_all(&engine), &expected, "under the new name");
}

#[test]
fn r24_another_directory_in_its_place_is_another_database() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T)]);
    let (home, aside) = (bench.path("home"), bench.path(".aside"));
    bench.vfs.rename(&home, &aside).unwrap();
    bench.vfs.create_dir_all(&home).unwrap();
    for name in ["catalog.json", "home.wal"] {
        bench.vfs.put(&home.join(name), b"").unwrap();
    }
    engine.tick();
    assert!(
        matches!(engine.health().as_slice(), [(_, reason)] if reason.contains("took its place")),
        "{:?}",
        engine.health()
    );
}

#[test]
fn mended_damage_is_told_until_it_is_acknowledged() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    for at in 0..3 {
        send(&engine, &[("home", "a", int(at), T + i64::from(at) * SECOND)]);
    }
    bench.kill(engine);
    let wal = bench.path("home/home.wal");
    let len = bench.file("home/home.wal").len() as u64;
    bench.vfs.corrupt(&wal, len / 2, 4).unwrap();
    bench.vfs.settle();
    let before = bench.vfs.snapshot();
    let reader = bench.open_read_only();
    assert_eq!(bench.vfs.snapshot(), before, "reading commands never write");
    drop(reader);
    for start in 0..2 {
        let engine = bench.try_open().unwrap();
        assert_eq!(engine.health(), [], "everything can be written");
        let told = engine.warnings();
        assert!(
            matches!(told.as_slice(), [one] if one.text.contains("home.wal") && one.can_be_acknowledged()),
            "{told:?}"
        );
        let report = engine.query_range("home", "a", i64::MIN, i64::MAX, 1, |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(report.warnings, texts(&engine), "start {start}: answers say so, too");
        engine.close().unwrap();
    }
    let engine = bench.open();
    assert!(engine.acknowledge(Some("other")).is_err());
    assert_eq!(engine.acknowledge(None).unwrap(), 1);
    assert_eq!(engine.warnings(), []);
    engine.close().unwrap();
    let engine = bench.open();
    assert_eq!(engine.warnings(), []);
    assert_eq!(engine.acknowledge(Some("home")).unwrap(), 0);
}

#[test]
fn names_that_run_out_are_told_at_four_fifths() {
    let mut bench = Bench::new(FsyncPolicy::Always, 1_000);
    bench.config.limits.max_metrics_per_database = 5;
    let engine = bench.open();
    for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
        send(&engine, &[("home", name, int(1), T + at as i64)]);
    }
    assert_eq!(engine.warnings(), []);
    send(&engine, &[("home", "d", int(1), T + 9)]);
    let told = engine.warnings();
    assert!(matches!(told.as_slice(), [one] if one.text.contains("4 of 5") && !one.can_be_acknowledged()), "{told:?}");
}

fn build(engine: &Engine, part: &str, action: RawIngestAction) {
    let options = BuildOptions::new(MetricFileFormat::V3, "", action).unwrap();
    engine.build_metric_files("home", Selection::Named(part), options, &mut |_| ControlFlow::Continue(())).unwrap();
}

#[test]
fn a_file_missing_out_of_a_partition_is_damage_and_a_whole_partition_is_not() {
    // Three partitions: raw pages alone, a metric file with late pages beside it, and both kinds with the same samples.
    const DAY: i64 = 86_400 * SECOND;
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    let lines = [0, 1, 2].map(|day| ("home", "a", int(day), T + i64::from(day) * DAY));
    lines.iter().for_each(|line| send(&engine, &[*line]));
    build(&engine, "2026-05-23", RawIngestAction::Delete);
    let late = ("home", "b", int(7), T + DAY + SECOND);
    send(&engine, &[late]);
    build(&engine, "2026-05-24", RawIngestAction::Keep);
    engine.close().unwrap();
    assert_eq!(problems(&bench), Vec::<String>::new());
    let [first, second, third] = lines;
    let without = |files: &[&str]| {
        let disk = bench.fork(bench.vfs.fork(3));
        files.iter().for_each(|name| disk.vfs.remove_file(&disk.path(&format!("home/{name}"))).unwrap());
        disk
    };
    // Samples are missing: told by the check, and from a start on until it is acknowledged.
    for (name, left) in
        [("metric-2026-05-23.dat", vec![first, late, third]), ("data-2026-05-23.dat", vec![first, second, third])]
    {
        let disk = without(&[name]);
        let found = problems(&disk);
        assert!(matches!(found.as_slice(), [what] if what.contains(name)), "{name}: {found:?}");
        for start in 0..2 {
            let engine = disk.open();
            let told = texts(&engine);
            assert!(matches!(told.as_slice(), [what] if what.contains(name)), "{name}, start {start}: {told:?}");
            engine.close().unwrap();
        }
        let engine = disk.open();
        engine.acknowledge(None).unwrap();
        assert_same(&read_all(&engine), &content_of(&left), name);
        engine.close().unwrap();
        assert_eq!(problems(&disk), Vec::<String>::new(), "{name}: accepted");
    }
    // A partition that is gone as a whole is told once, by every door, and accepted.
    for (part, files, left) in [
        ("2026-05-22", &["data-2026-05-22.dat"][..], vec![second, late, third]),
        ("2026-05-23", &["data-2026-05-23.dat", "metric-2026-05-23.dat"], vec![first, third]),
    ] {
        let disk = without(files);
        let is_told =
            |texts: &[String]| matches!(texts, [text] if text.contains(part) && text.contains("removed by hand"));
        assert!(is_told(&notes(&disk)), "{part}: {:?}", notes(&disk));
        assert_eq!(problems(&disk), Vec::<String>::new(), "{part}: no damage");
        let engine = disk.open();
        assert!(is_told(&texts(&engine)), "{part}: {:?}", texts(&engine));
        assert_same(&read_all(&engine), &content_of(&left), part);
        engine.close().unwrap();
        assert_eq!(notes(&disk), Vec::<String>::new(), "{part}: accepted");
        let engine = disk.open();
        assert!(is_told(&texts(&engine)), "{part}: until it is acknowledged");
        engine.acknowledge(None).unwrap();
        engine.close().unwrap();
        assert_eq!(texts(&disk.open()), Vec::<String>::new(), "{part}: and not again");
    }
    // Nothing is missing.
    for (files, left) in [
        (&["data-2026-05-24.dat"][..], vec![first, second, late, third]),
        (&["metric-2026-05-24.dat"], vec![first, second, late, third]),
        (&[".files"], vec![first, second, late, third]),
    ] {
        let disk = without(files);
        assert_eq!(problems(&disk), Vec::<String>::new(), "{files:?}");
        let engine = disk.open();
        assert_eq!(texts(&engine), Vec::<String>::new(), "{files:?}");
        assert_same(&read_all(&engine), &content_of(&left), &format!("{files:?}"));
        engine.close().unwrap();
        assert_eq!(problems(&disk), Vec::<String>::new(), "{files:?}, after a start");
    }
}

#[test]
fn a_database_that_lacked_descriptors_is_opened_when_there_are_some() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T)]);
    engine.close().unwrap();
    // Fewer and fewer, until the root itself can be opened and the database cannot.
    let found = (1..20).find_map(|handles| {
        bench.vfs.set_max_handles(Some(handles));
        let engine = bench.try_open().ok()?;
        if engine.health().is_empty() {
            return None;
        }
        Some(engine)
    });
    let engine = found.unwrap();
    assert!(try_send(&engine, &[("home", "a", int(2), T + SECOND)]).is_err());
    bench.vfs.set_max_handles(None);
    engine.tick();
    assert_eq!(engine.health(), []);
    send(&engine, &[("home", "a", int(2), T + SECOND)]);
    let expected = content_of(&[("home", "a", int(1), T), ("home", "a", int(2), T + SECOND)]);
    assert_same(&read_all(&engine), &expected, "after the flood");
}
