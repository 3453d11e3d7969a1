//! Real samples through `nanocli import`, with a kill in the middle too, and out again by query and export, equal to
//! what went in.

use crate::golden::from_csv;
use crate::helpers::Bench;
use crate::samples::{Content, assert_same, exported, real};
use std::io::Write;

/// Compares a database with what was imported, by query and by export.
fn compare(bench: &Bench, database: &str, expected: &Content) {
    let csv = bench.run(&["query", "--root", "root", "--db", database, "--metric", ".", "--format", "csv"]).ok();
    let types = expected.iter().map(|(key, rows)| (key.clone(), rows[0].1.value_type())).collect();
    assert_same(&from_csv(database, &csv, &types), expected, "query");
    let export = bench.run(&["export", "--root", "root", "--db", database]).ok();
    assert_same(&exported(&export), expected, "export");
    bench.run(&["verify", "--root", "root"]).ok();
}

fn import(bench: &Bench, file: &str, samples: usize) {
    let summary = bench.run(&["import", "--root", "root", "--in", file, "--json"]).json();
    assert_eq!((&summary["accepted"], &summary["rejected"]), (&samples.into(), &0.into()));
}

/// Sends the first half to an import that is killed, and then what it had not stored.
fn import_with_a_kill(bench: &Bench, database: &str, text: &str, expected: &Content) {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("nanocli"))
        .args(["import", "--in", "-", "--root"])
        .arg(bench.path("root"))
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&text.as_bytes()[..text.len() / 2]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    // What is there is a beginning of every series. The sender goes on from it.
    let stored = exported(&bench.run(&["export", "--root", "root", "--db", database]).ok());
    assert!(!stored.is_empty(), "batches before the kill are stored");
    let rest = real::unsent(text, expected, &stored, 0);
    import(bench, &bench.file("rest.lp", &rest), rest.lines().count());
}

#[test]
fn the_numenta_benchmark() {
    let (Some(file), Some(text)) = (real::numenta_file(), real::numenta()) else { return };
    let bench = Bench::new();
    import(&bench, file.to_str().unwrap(), text.lines().count());
    compare(&bench, "nab", &real::meaning(&text));
}

#[test]
fn the_numenta_benchmark_with_a_kill_in_the_middle() {
    let Some(text) = real::numenta() else { return };
    let (bench, expected) = (Bench::new(), real::meaning(&text));
    import_with_a_kill(&bench, "nab", &text, &expected);
    compare(&bench, "nab", &expected);
}

#[test]
fn a_day_of_w1_with_a_kill_in_the_middle() {
    let Some(text) = real::w1() else { return };
    let (bench, expected) = (Bench::new(), real::meaning(&text));
    import_with_a_kill(&bench, "pi0", &text, &expected);
    compare(&bench, "pi0", &expected);
}
