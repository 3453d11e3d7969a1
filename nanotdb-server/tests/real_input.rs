//! Real samples (the Numenta Anomaly Benchmark) and the workload W1: in over HTTP with a kill in the middle, and out
//! again, equal to what went in, by `/api/v1/query_range` and by export. `nanotdb-cli` has the same for its import.
//!
//! The data lies beside the repository; without it the tests say so and pass.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;
mod series;

use common::Server;
use nanotdb_core::model::{Value, ValueType};
use series::{Content, assert_same, exported, nanocli, over_http, types_over_http, value_of};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::Command;

/// Lines of one request.
const LINES_PER_REQUEST: usize = 20_000;
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

/// `database/metric value nanoseconds`, as it is sent. An integer may say that it is one (`42i`).
fn fields(line: &str) -> (&str, &str, i64) {
    let fields: Vec<_> = line.split(' ').collect();
    let [key, value, at] = fields[..] else { panic!("{line}") };
    (key, value.trim_end_matches('i'), at.parse().unwrap())
}

/// What the lines mean. A metric is what its first value looks like, and an integer that meets a value beyond 32 bits is
/// 64 bits wide from its beginning.
fn meaning(lines: &[&str]) -> Content {
    let mut types = HashMap::new();
    for (key, value, _) in lines.iter().map(|line| fields(line)) {
        let is_float = value.contains(['.', 'e', 'E']);
        let narrow = if is_float { ValueType::Float32 } else { ValueType::Int32 };
        let value_type = types.entry(key).or_insert(narrow);
        if *value_type == ValueType::Int32 && value.parse::<i32>().is_err() {
            *value_type = ValueType::Int64;
        }
    }
    let mut content = Content::new();
    for (key, value, at) in lines.iter().map(|line| fields(line)) {
        let (database, metric) = key.split_once('/').unwrap();
        let rows = content.entry((database.to_owned(), metric.to_owned())).or_default();
        rows.push((at, value_of(types[key], value)));
    }
    content
}

fn send(server: &Server, lines: &[&str]) {
    for part in lines.chunks(LINES_PER_REQUEST) {
        let answer = server.post("/api/v1/import", part.join("\n").as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["data"]["imported"], part.len());
    }
}

/// Every series of a database that the server has, as far as `all` has it.
fn served(server: &Server, all: &Content) -> Content {
    let mut found = Content::new();
    for ((database, metric), rows) in all {
        let known = server.get(&format!("/api/v1/metrics?db={database}"));
        if known.status == 200 && types_over_http(server, database).contains_key(metric) {
            let times = (rows[0].0, rows[rows.len() - 1].0);
            found.insert((database.clone(), metric.clone()), over_http(server, database, metric, times));
        }
    }
    found
}

/// The lines that are not stored yet. What is stored must be a beginning of every series, with all that was acknowledged.
fn unsent<'a>(lines: &[&'a str], found: &Content, acknowledged: usize) -> Vec<&'a str> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rest = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let (key, value, at) = fields(line);
        let (database, metric) = key.split_once('/').unwrap();
        let position = seen.entry(key).or_default();
        match found.get(&(database.to_owned(), metric.to_owned())).and_then(|rows| rows.get(*position)) {
            Some((stored_at, stored)) => {
                let same = match stored {
                    Value::Int32(v) => value.parse() == Ok(*v),
                    Value::Int64(v) => value.parse() == Ok(*v),
                    Value::Float32(v) => value.parse() == Ok(*v),
                    Value::Float64(v) => value.parse() == Ok(*v),
                };
                assert!(same && *stored_at == at, "{line} was stored as {stored:?} at {stored_at}");
            }
            None => {
                assert!(number >= acknowledged, "line {number} was acknowledged and is lost: {line}");
                rest.push(*line);
            }
        }
        *position += 1;
    }
    for ((database, metric), rows) in found {
        let sent = seen.get(format!("{database}/{metric}").as_str()).copied().unwrap_or(0);
        assert!(rows.len() <= sent, "{metric}: {} rows of {sent} that were sent", rows.len());
    }
    rest
}

fn in_with_a_kill_and_out_again(lines: &[&str]) {
    let expected = meaning(lines);
    let server = Server::start();
    let (first, second) = lines.split_at(lines.len() / 2 / LINES_PER_REQUEST * LINES_PER_REQUEST);
    send(&server, first);

    // The server dies with a request under way: nobody knows whether it is stored.
    let body = second[..second.len().min(LINES_PER_REQUEST)].join("\n");
    let head =
        format!("POST /api/v1/import HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut client = server.connect();
    client.write(head.as_bytes());
    server.signal("KILL");
    let (_, dir) = server.wait();

    // The sender asks what is there, and goes on from it.
    let server = Server::start_in(dir, &[]);
    let rest = unsent(lines, &served(&server, &expected), first.len());
    assert!(!rest.is_empty());
    send(&server, &rest);
    assert_same(&served(&server, &expected), &expected, "query_range");

    // By export, from the files of the running server.
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("export.lp");
    let database = &expected.keys().next().unwrap().0;
    assert_eq!(nanocli(&["export", "--db", database], server.dir.path(), &[("--out", &file)]), 0);
    assert_same(&exported(&std::fs::read_to_string(&file).unwrap()), &expected, "export");
    assert_eq!(nanocli(&["verify"], server.dir.path(), &[]), 0);

    server.signal("TERM");
    let (status, dir) = server.wait();
    assert!(status.success());
    let server = Server::start_in(dir, &[]);
    assert_same(&served(&server, &expected), &expected, "query_range after a clean shutdown");
}

#[test]
fn the_numenta_benchmark() {
    let Some(path) = shared("data/nab.lp.zst") else { return };
    let text = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 321_206);
    in_with_a_kill_and_out_again(&lines);
}

#[test]
fn two_hours_of_w1() {
    let Some(generator) = shared("bench/gen.py") else { return };
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new("python3").arg(generator).arg(dir.path()).args(["--formats", "lp"]).output();
    let Ok(made) = made else {
        eprintln!("skipped: python3, which makes W1, is not here");
        return;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = std::fs::read_to_string(dir.path().join("w1.lp")).unwrap();
    let lines: Vec<&str> = text.lines().take(W1_LINES).collect();
    assert_eq!(lines.len(), W1_LINES);
    in_with_a_kill_and_out_again(&lines);
}
