use crate::helpers::Bench;
use crate::samples::files::{copy_directory, snapshot};
use std::path::{Path, PathBuf};

#[test]
fn the_catalog_lists_ids_names_and_types() {
    let bench = Bench::new();
    bench.import("root", "d/b 1.5 1000\nd/a 7i 1000\n");
    let text = bench.run(&["inspect", "catalog", "--root", "root", "--db", "d"]).ok();
    assert_eq!(text, "d: 2 metrics\nID  METRIC  TYPE\n 2  a       int32\n 1  b       float32\n");
    let json = bench.run(&["inspect", "catalog", "--root", "root", "--json"]).json();
    assert_eq!(json["databases"][0]["metrics"][1]["type"], "float32");
}

/// The golden directory of a server of the original that was killed: its WAL holds rows that no page has.
fn killed_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../nanotdb-core/tests/golden/wal-killed-mid-tick/root")
}

#[test]
fn reading_commands_leave_a_killed_root_untouched_and_see_its_wal() {
    let bench = Bench::new();
    let root = bench.path("root");
    copy_directory(&killed_root(), &root);
    let before = snapshot(&root);
    let catalog = bench.run(&["inspect", "catalog", "--root", "root", "--json"]).json();
    let database = catalog["databases"][0]["database"].as_str().unwrap().to_owned();
    let exported = bench.run(&["export", "--root", "root", "--db", &database]).ok();
    for what in ["db", "dat", "wal", "catalog"] {
        bench.run(&["inspect", what, "--root", "root", "--verbose"]).ok();
        bench.run(&["inspect", what, "--root", "root", "--verbose", "--json"]).json();
    }
    bench.run(&["verify", "--root", "root"]).ok();
    bench.run(&["query", "--root", "root", "--db", &database, "--metric", "."]).ok();
    bench.run(&["query", "--root", "root", "--db", &database, "--metric", ".", "--last", "--json"]).json();
    assert!(before == snapshot(&root), "a reading command changed the directory");
    let expected = std::fs::read_to_string(killed_root().with_file_name("expected.tsv")).unwrap();
    let rows = expected.lines().filter(|l| l.split('\t').next() == Some(&database)).count();
    assert_eq!(exported.lines().filter(|l| !l.starts_with('#')).count(), rows);
}

/// A root whose one data file has two frames: a database is flushed when the importing process ends.
fn two_frames() -> Bench {
    let bench = Bench::new();
    for hour in 0..2 {
        let lines: String =
            (0..500).map(|i| format!("d/a {i} {}\nd/b {i}.5 {}\n", stamp(hour, i), stamp(hour, i))).collect();
        bench.import("root", &lines);
    }
    bench
}

fn stamp(hour: i64, second: i64) -> i64 {
    (1_779_624_000 + hour * 3_600 + second) * 1_000_000_000
}

#[test]
fn databases_and_frames_are_listed_with_exact_figures_in_json() {
    let bench = two_frames();
    let db = bench.run(&["inspect", "db", "--root", "root", "--json"]).json();
    let db = &db["databases"][0];
    assert_eq!((&db["name"], &db["metrics"], &db["rows"]), (&"d".into(), &2.into(), &2_000.into()));
    assert_eq!((&db["start_ns"], &db["end_ns"]), (&stamp(0, 0).into(), &stamp(1, 499).into()));
    assert_eq!(db["problems"], serde_json::json!([]));
    let dat = bench.run(&["inspect", "dat", "--root", "root", "--db", "d", "--json"]).json();
    let frames = dat["files"][0]["frames"].as_array().unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1]["start_ns"], stamp(1, 0));
    assert_eq!(frames[1]["decoded_bytes"], 14_000);
    assert_eq!(frames[0]["codec"], "s2");
    let table = bench.run(&["inspect", "dat", "--root", "root", "--db", "d", "--verbose"]).ok();
    assert!(table.contains("d/data-2026-05-24.dat") && table.contains("2026-05-24 13:00:00  8m19s"), "{table}");
}

#[test]
fn the_wal_of_a_killed_server_is_shown_record_by_record() {
    let bench = Bench::new();
    copy_directory(&killed_root(), &bench.path("root"));
    let wal = bench.run(&["inspect", "wal", "--root", "root", "--verbose", "--json"]).json();
    let wal = wal["wals"].as_array().unwrap().iter().find(|w| w["records"] != 0).unwrap();
    // The original writes no checksums.
    assert_eq!(wal["checksummed"], false);
    let entries = wal["entries"].as_array().unwrap();
    assert_eq!(entries.len() as u64, wal["records"].as_u64().unwrap());
    assert_eq!(entries[0]["new_baseline"], true);
    assert!(entries.iter().all(|e| e["metric"].is_string()));
}

#[test]
fn verify_finds_a_flipped_bit_and_the_rest_stays_readable() {
    let bench = two_frames();
    let sound = bench.run(&["verify", "--root", "root", "--json"]).json();
    assert_eq!(
        (&sound["frames"], &sound["rows"], &sound["problems"]),
        (&2.into(), &2_000.into(), &serde_json::json!([]))
    );

    let path = bench.path("root/d/data-2026-05-24.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let run = bench.run(&["verify", "--root", "root"]);
    assert!(run.stdout.contains("d/data-2026-05-24.dat: byte ") && run.stdout.contains("1 problem"), "{}", run.stdout);
    assert_eq!(run.code, 1);
    let exported = bench.run(&["export", "--root", "root", "--db", "d"]);
    assert_eq!(exported.code, 1, "an incomplete export must not look complete");
    assert!(exported.stderr.contains("data-2026-05-24.dat"), "{}", exported.stderr);
    assert_eq!(exported.stdout.lines().count(), 1_000);
    let shown = bench.run(&["inspect", "db", "--root", "root"]).ok();
    assert!(shown.contains("problem"), "{shown}");
}

#[test]
fn inspection_of_missing_things_is_3() {
    let bench = Bench::new();
    bench.import("root", "d/a 1 1000\n");
    for args in [&["inspect", "wal"][..], &["inspect", "dat"], &["inspect", "db"], &["inspect", "catalog"], &["verify"]]
    {
        let e = bench.run(&[args, &["--root", "root", "--db", "nope"]].concat()).fails(3);
        assert!(e.contains("it holds d"), "{args:?}: {e}");
        bench.run(&[args, &["--root", "absent"]].concat()).fails(3);
    }
}
