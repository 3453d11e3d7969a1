//! Real samples through `nanocli import`, and out again by query and export, equal to what went in.

use crate::golden::{Content, assert_same, from_csv, from_export, row};
use crate::helpers::Bench;
use std::collections::BTreeMap;
use std::io::Write;
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

/// Compares a database with what was imported, by query and by export.
fn compare(bench: &Bench, database: &str, (expected, types): &(Content, BTreeMap<String, String>)) {
    let csv = bench.run(&["query", "--root", "root", "--db", database, "--metric", ".", "--format", "csv"]).ok();
    assert_same(&from_csv(&csv, types), expected, "query");
    let export = bench.run(&["export", "--root", "root", "--db", database]).ok();
    assert_same(&from_export(&export), expected, "export");
    bench.run(&["verify", "--root", "root"]).ok();
}

fn import(bench: &Bench, file: &str, samples: usize) {
    let summary = bench.run(&["import", "--root", "root", "--in", file, "--json"]).json();
    assert_eq!((&summary["accepted"], &summary["rejected"]), (&samples.into(), &0.into()));
}

#[test]
fn the_numenta_benchmark() {
    let Some(path) = shared("data/nab.lp.zst") else { return };
    let lines = zstd::decode_all(std::fs::File::open(&path).unwrap()).unwrap();
    let bench = Bench::new();
    let lines = String::from_utf8(lines).unwrap();
    import(&bench, path.to_str().unwrap(), lines.lines().count());
    compare(&bench, "nab", &meaning(&lines));
}

#[test]
fn the_numenta_benchmark_with_a_kill_in_the_middle() {
    let Some(path) = shared("data/nab.lp.zst") else { return };
    let lines = String::from_utf8(zstd::decode_all(std::fs::File::open(&path).unwrap()).unwrap()).unwrap();
    let expected = meaning(&lines);
    let bench = Bench::new();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("nanocli"))
        .args(["import", "--in", "-", "--root"])
        .arg(bench.path("root"))
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&lines.as_bytes()[..lines.len() / 2]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    // What is there is a beginning of every series. The sender goes on from it.
    let stored = from_export(&bench.run(&["export", "--root", "root", "--db", "nab"]).ok());
    assert!(!stored.is_empty(), "batches before the kill are stored");
    for (metric, rows) in &stored {
        let beginning: Vec<_> = expected.0[metric].iter().take(rows.len()).map(|row| (row.0, row.2)).collect();
        assert_eq!(rows.iter().map(|row| (row.0, row.2)).collect::<Vec<_>>(), beginning, "{metric}");
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rest = String::new();
    for line in lines.lines() {
        let metric = line.split([' ', '/']).nth(1).unwrap();
        let position = seen.entry(metric).or_default();
        if stored.get(metric).is_none_or(|rows| *position >= rows.len()) {
            rest.push_str(line);
            rest.push('\n');
        }
        *position += 1;
    }
    let file = bench.file("rest.lp", &rest);
    import(&bench, &file, rest.lines().count());
    compare(&bench, "nab", &expected);
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
    import(&bench, &file, W1_LINES);
    compare(&bench, "pi0", &meaning(&lines));
}
