//! `nanocli rollup`: what is computed, what is left alone, and what is refused.

use crate::helpers::Bench;
use crate::samples::files::{copy_directory, golden, snapshot};
use std::collections::BTreeMap;

fn manifest(interval: &str, destination: &str) -> String {
    format!(
        "[rollups]\nenabled = true\n[[rollups.jobs]]\nid = \"j\"\nsource_pattern = \"*\"\ninterval = \"{interval}\"\n\
         aggregates = [\"min\", \"avg\", \"count\"]\ndestination_db = \"{destination}\"\n"
    )
}

fn put_manifest(bench: &Bench, database: &str, text: &str) {
    std::fs::create_dir_all(bench.path("root").join(database)).unwrap();
    std::fs::write(bench.path("root").join(database).join("manifest.toml"), text).unwrap();
}

/// Two hours of one metric: 0, 1, 2, ... every minute.
fn two_hours(bench: &Bench) {
    put_manifest(bench, "s", &manifest("1h", "s_1h"));
    let lines: String = (0..120).map(|m| format!("s/t {m}.0 2024-05-20 {:02}:{:02}:00\n", m / 60, m % 60)).collect();
    bench.import("root", &lines);
}

/// Lines of an export: series and time, with the value as a number.
fn exported(bench: &Bench, database: &str) -> BTreeMap<(String, String), f64> {
    let text = bench.run(&["export", "--root", "root", "--db", database]).ok();
    text.lines().filter(|line| !line.starts_with('#')).map(parse).collect()
}

fn parse(line: &str) -> ((String, String), f64) {
    let (series, rest) = line.split_once(' ').unwrap();
    let (value, time) = rest.split_once(' ').unwrap();
    ((series.to_owned(), time.to_owned()), value.trim_end_matches('i').parse().unwrap())
}

#[test]
fn buckets_of_imported_data_are_computed_and_can_be_read_at_once() {
    let bench = Bench::new();
    two_hours(&bench);
    let done = bench.run(&["rollup", "--root", "root", "--json"]).json();
    assert_eq!((&done["sources"], &done["skipped"]), (&serde_json::json!(["s"]), &serde_json::json!([])));
    assert_eq!(
        (&done["destinations"][0]["database"], &done["destinations"][0]["samples"]),
        (&"s_1h".into(), &6.into())
    );
    let at = |hour: u8| format!("2024-05-20 {hour:02}:00:00.000000000");
    let expected = BTreeMap::from([
        (("s_1h/t.min".to_owned(), at(0)), 0.0),
        (("s_1h/t.avg".to_owned(), at(0)), 29.5),
        (("s_1h/t.count".to_owned(), at(0)), 60.0),
        (("s_1h/t.min".to_owned(), at(1)), 60.0),
        (("s_1h/t.avg".to_owned(), at(1)), 89.5),
        (("s_1h/t.count".to_owned(), at(1)), 60.0),
    ]);
    assert_eq!(exported(&bench, "s_1h"), expected);
    assert!(bench.path("root/s_1h/data-2024-05.dat").exists(), "in pages, not in a log");
    // Again, after samples that came late, and as a table.
    bench.import("root", "s/t 300.0 2024-05-20 01:59:30\n");
    let text = bench.run(&["rollup", "--root", "root", "--db", "s"]).ok();
    assert!(text.starts_with("DESTINATION") && text.contains("s_1h") && text.contains("1 pass"), "{text}");
    assert_eq!(exported(&bench, "s_1h")[&("s_1h/t.count".to_owned(), at(1))], 61.0);
    assert_eq!(bench.run(&["verify", "--root", "root"]).code, 0);
}

#[test]
fn the_originals_case_gives_what_the_original_exported() {
    let bench = Bench::new();
    copy_directory(&golden().join("rollup/root"), &bench.path("root"));
    // All of the source is in the past now, so that the hour in which the original was stopped is over, too.
    let done = bench.run(&["rollup", "--root", "root", "--json"]).json();
    assert_eq!(done["destinations"][0]["cleared_files"], serde_json::json!(["pi_1h/data-2026-05.dat"]));
    let mut found = exported(&bench, "pi_1h");
    let text = std::fs::read_to_string(golden().join("rollup/rollup-export.lp")).unwrap();
    for ((series, time), value) in text.lines().map(parse) {
        let ours = found.remove(&(series.clone(), time.clone())).unwrap();
        // Both are rounded to float32, and the original computes with float32 values, half of this from their decimals.
        assert!((ours - value).abs() <= value.abs() * 1.5 * f64::from(f32::EPSILON), "{series} {time}: {ours} {value}");
    }
    assert!(found.keys().all(|(_, time)| time == "2026-05-24 09:00:00.000000000"), "{found:?}");
}

#[test]
fn a_ring_is_named() {
    let bench = Bench::new();
    put_manifest(&bench, "a", &manifest("1h", "b"));
    put_manifest(&bench, "b", &manifest("1d", "a"));
    let before = snapshot(&bench.path("root"));
    let error = bench.run(&["rollup", "--root", "root"]).fails(2);
    assert!(error.contains("a -> b -> a"), "{error}");
    let mut after = snapshot(&bench.path("root"));
    after.retain(|path, _| before.contains_key(path));
    assert_eq!(after, before);
}

#[test]
fn a_destination_with_metrics_of_its_own_is_left_alone() {
    let bench = Bench::new();
    two_hours(&bench);
    bench.import("root", "s_1h/mine 7i 2024-05-20 00:00:00\n");
    let before = exported(&bench, "s_1h");
    let run = bench.run(&["rollup", "--root", "root"]);
    let error = run.fails(1);
    assert!(error.contains("s_1h") && error.contains("mine"), "{error}");
    let mut after = exported(&bench, "s_1h");
    after.retain(|key, _| before.contains_key(key));
    assert_eq!(after, before);
}

#[test]
fn after_an_aggregate_was_removed_it_is_said_what_to_do() {
    let bench = Bench::new();
    two_hours(&bench);
    bench.run(&["rollup", "--root", "root"]).ok();
    let before = std::fs::read_to_string(bench.path("root/s/manifest.toml")).unwrap();
    let fewer = before.replace("aggregates = [", "aggregates = [\"min\"] #");
    assert_ne!(before, fewer);
    put_manifest(&bench, "s", &fewer);
    let e = bench.run(&["rollup", "--root", "root"]).fails(1);
    assert!(e.contains("put it back, or give the jobs a new destination_db"), "{e}");
    put_manifest(&bench, "s", &before);
    bench.run(&["rollup", "--root", "root"]).ok();
    put_manifest(&bench, "s", &fewer.replace("s_1h", "s_hours"));
    bench.run(&["rollup", "--root", "root"]).ok();
}

#[test]
fn what_cannot_be_done_is_said() {
    let bench = Bench::new();
    assert!(bench.run(&["rollup", "--root", "none"]).fails(3).contains("none"));
    bench.import("root", "s/t 1.0 2024-05-20 00:00:00\n");
    assert!(bench.run(&["rollup", "--root", "root"]).ok().contains("no database has enabled rollups"));
    assert!(bench.run(&["rollup", "--root", "root", "--db", "x"]).fails(3).contains("x"));
    let error = bench.run(&["rollup", "--root", "root", "--db", "s"]).fails(3);
    assert!(error.contains("\"s\" has no enabled rollups"), "{error}");
}

#[test]
fn maintain_rolls_up_before_it_removes_what_is_expired() {
    let bench = Bench::new();
    two_hours(&bench);
    let with_retention = manifest("1h", "s_1h") + "[retention]\nretention_days = 1\nretention_action = \"delete\"\n";
    put_manifest(&bench, "s", &with_retention);
    let done = bench.run(&["maintain", "--root", "root", "--trust-clock", "--json"]).json();
    let of = |name: &str| done["databases"].as_array().unwrap().iter().find(|d| d["database"] == name).unwrap().clone();
    assert_eq!(of("s")["rolled_up"], 2, "{done}");
    assert_eq!(of("s")["removed"][0]["partition"], "2024-05-20", "{done}");
    assert_eq!(exported(&bench, "s").len(), 0);
    let at = |hour: u8| ("s_1h/t.count".to_owned(), format!("2024-05-20 {hour:02}:00:00.000000000"));
    let rollups = exported(&bench, "s_1h");
    assert_eq!((rollups.len(), rollups[&at(0)], rollups[&at(1)]), (6, 60.0, 60.0));
    let again = bench.run(&["maintain", "--root", "root"]).ok();
    assert!(again.contains("ROLLED UP"), "{again}");
}
