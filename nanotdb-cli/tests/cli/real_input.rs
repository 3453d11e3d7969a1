//! Real samples through `nanocli import`, and out again by query and export, equal to what went in.

use crate::golden::{Content, assert_same, from_csv, from_export, row};
use crate::helpers::Bench;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Lines of the first two hours of W1: 83 metrics every ten seconds.
const W1_LINES: usize = 83 * 720;

/// A file beside the repository; `None`, with a line about it, when it is not there.
fn shared(name: &str) -> Option<PathBuf> {
    // Cargo says at run time where the crate is, too.
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let path = package.join("../../shared").join(name);
    let here = path.exists();
    if !here {
        eprintln!("skipped: ../shared/{name} is not here");
    }
    here.then_some(path)
}

/// What `database/metric value nanoseconds` lines mean, and the types of their metrics: that of the first value (`42`
/// and `42i` are integers), or int64 where an integer does not fit into 32 bits.
fn meaning(lines: &str) -> (Content, BTreeMap<String, String>) {
    let mut types: BTreeMap<String, String> = BTreeMap::new();
    let fields = |line: &str| {
        let fields: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let [key, value, at] = &fields[..] else { panic!("{line}") };
        (key.split_once('/').unwrap().1.to_owned(), value.trim_end_matches('i').to_owned(), at.parse::<i64>().unwrap())
    };
    for (metric, value, _) in lines.lines().map(fields) {
        let narrow = if value.contains(['.', 'e', 'E']) { "float32" } else { "int32" };
        let value_type = types.entry(metric).or_insert(narrow.to_owned());
        if value_type == "int32" && value.parse::<i32>().is_err() {
            *value_type = "int64".to_owned();
        }
    }
    let mut content = Content::new();
    for (metric, value, at) in lines.lines().map(fields) {
        let sample = row(at, &types[&metric], &value);
        content.entry(metric).or_default().push(sample);
    }
    (content, types)
}

/// Imports a file, and compares what comes out with `lines`.
fn in_and_out(bench: &Bench, file: &str, database: &str, lines: &str) {
    let (expected, types) = meaning(lines);
    let summary = bench.run(&["import", "--root", "root", "--in", file, "--json"]).json();
    assert_eq!((&summary["accepted"], &summary["rejected"]), (&lines.lines().count().into(), &0.into()));
    let csv = bench.run(&["query", "--root", "root", "--db", database, "--metric", ".", "--format", "csv"]).ok();
    assert_same(&from_csv(&csv, &types), &expected, "query");
    let export = bench.run(&["export", "--root", "root", "--db", database]).ok();
    assert_same(&from_export(&export), &expected, "export");
    bench.run(&["verify", "--root", "root"]).ok();
}

#[test]
fn the_numenta_benchmark() {
    let Some(path) = shared("data/nab.lp.zst") else { return };
    let lines = zstd::decode_all(std::fs::File::open(&path).unwrap()).unwrap();
    let bench = Bench::new();
    in_and_out(&bench, path.to_str().unwrap(), "nab", &String::from_utf8(lines).unwrap());
}

#[test]
fn two_hours_of_w1() {
    let Some(generator) = shared("bench/gen.py") else { return };
    let bench = Bench::new();
    let made =
        std::process::Command::new("python3").arg(generator).arg(bench.path("w1")).args(["--formats", "lp"]).output();
    let Ok(made) = made else {
        eprintln!("skipped: python3, which makes W1, is not here");
        return;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = std::fs::read_to_string(bench.path("w1").join("w1.lp")).unwrap();
    let mut lines: String = text.lines().take(W1_LINES).collect::<Vec<_>>().join("\n");
    lines.push('\n');
    let file = bench.file("two-hours.lp", &lines);
    in_and_out(&bench, &file, "pi0", &lines);
}
