//! Data directories of the original, served: every sample over HTTP, again after writes and a kill, and again after a
//! clean shutdown. And read by `nanocli` while the server has them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;
#[path = "../../nanotdb-cli/tests/samples/mod.rs"]
mod samples;
mod series;

use common::Server;
use samples::files::{golden_cases, snapshot};
use samples::{Content, assert_same, copy_golden, exported};
use series::{nanocli, over_http};

/// A copy of a case's root, and what it holds.
fn case(name: &str) -> (tempfile::TempDir, Content) {
    let dir = tempfile::tempdir().unwrap();
    let content = copy_golden(name, dir.path());
    // What the original wrote is of times that may lie ahead.
    let path = dir.path().join("engine.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, config + "\n[limits]\nmax_future = \"0s\"\n").unwrap();
    (dir, content)
}

/// Compares every sample over HTTP, and every type.
fn check(server: &Server, expected: &Content, context: &str) {
    assert_same(&over_http(server, expected), expected, context);
}

/// Sends two more samples of every metric, and the first two of a new one.
fn write_more(server: &Server, content: &mut Content) {
    let newest = content.values().flat_map(|rows| rows.last()).map(|row| row.0).max().unwrap();
    content.insert("pi/new.metric".to_owned(), Vec::new());
    let mut lines = Vec::new();
    for tick in 1..=2 {
        for (key, rows) in content.iter_mut() {
            let value = match rows.first().map(|row| row.1) {
                Some(first) if first.value_type().is_integer() => nanotdb_core::model::Value::Int32(-5 * tick),
                _ => nanotdb_core::model::Value::Float32(tick as f32 / 3.0),
            };
            let at = newest + i64::from(tick) * 1_000_000_007;
            rows.push((at, value));
            lines.extend_from_slice(format!("{key} ").as_bytes());
            value.write_line_protocol(&mut lines);
            lines.extend_from_slice(format!(" {at}\n").as_bytes());
        }
    }
    let answer = server.post("/api/v1/import", &lines);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["data"]["imported"], 2 * content.len());
}

fn served_killed_and_stopped(name: &str) {
    let (dir, mut content) = case(name);
    let server = Server::start_in(dir, &[]);
    check(&server, &content, &format!("{name}, as it came"));
    write_more(&server, &mut content);
    check(&server, &content, &format!("{name}, with more"));

    server.signal("KILL");
    let (_, dir) = server.wait();
    let server = Server::start_in(dir, &[]);
    check(&server, &content, &format!("{name}, after a kill"));

    server.signal("TERM");
    let (status, dir) = server.wait();
    assert!(status.success(), "{name}: {status}");
    let log = std::fs::metadata(dir.path().join("pi/pi.wal")).unwrap();
    assert_eq!(log.len(), 0, "{name}: the WAL is empty after a clean shutdown");
    let server = Server::start_in(dir, &[]);
    check(&server, &content, &format!("{name}, after a clean shutdown"));
}

#[test]
fn every_sample_over_http_through_a_kill_and_a_shutdown() {
    for name in golden_cases() {
        served_killed_and_stopped(&name);
    }
}

#[test]
fn nanocli_reads_the_root_of_a_running_server_and_leaves_every_byte() {
    let out = tempfile::tempdir().unwrap();
    for name in ["clean-day", "wal-killed-midnight"] {
        let (dir, mut content) = case(name);
        let server = Server::start_in(dir, &[]);
        write_more(&server, &mut content);
        let root = server.dir.path();
        let before = snapshot(root);
        assert!(!before[&root.join("pi/pi.wal")].is_empty(), "{name}: rows that are in the WAL alone");
        let file = out.path().join("export.lp");
        assert_eq!(nanocli(&["export", "--db", "pi"], root, &[("--out", &file)]), 0, "{name}");
        assert_same(&exported(&std::fs::read_to_string(&file).unwrap()), &content, name);
        for command in [["query", "--db", "pi", "--metric", ".", "--last"].as_slice(), &["verify"], &["inspect", "db"]]
        {
            assert_eq!(nanocli(command, root, &[]), 0, "{name}: {command:?}");
        }
        assert!(snapshot(root) == before, "{name}: a reading command wrote");
        // And the server goes on as if nobody had looked.
        check(&server, &content, name);
    }
}
