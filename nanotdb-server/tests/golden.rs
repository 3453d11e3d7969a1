//! Data directories of the original, served: every sample over HTTP, again after writes and a kill, and again after a
//! clean shutdown. And read by `nanocli` while the server has them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;
mod series;

use common::Server;
use series::{Content, assert_same, expected_tsv, over_http, types_over_http};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../nanotdb-core/tests/golden")
}

/// Cases with raw files or a WAL; metric files are another matter.
fn cases() -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("expected.tsv").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("metric-"))
        .collect();
    names.sort();
    assert!(names.len() >= 10, "{names:?}");
    names
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::write(target, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// A copy of a case's root, and what it holds.
fn case(name: &str) -> (tempfile::TempDir, Content) {
    let dir = tempfile::tempdir().unwrap();
    copy(&golden().join(name).join("root"), dir.path());
    (dir, expected_tsv(&std::fs::read_to_string(golden().join(name).join("expected.tsv")).unwrap()))
}

/// Compares every sample and every type over HTTP.
fn check(server: &Server, expected: &Content, context: &str) {
    let mut found = Content::new();
    for ((database, metric), rows) in expected {
        let times = (rows[0].0, rows[rows.len() - 1].0);
        found.insert((database.clone(), metric.clone()), over_http(server, database, metric, times));
    }
    assert_same(&found, expected, context);
    let databases: std::collections::BTreeSet<_> = expected.keys().map(|(database, _)| database).collect();
    for database in databases {
        let types = types_over_http(server, database);
        for ((_, metric), rows) in expected.iter().filter(|(key, _)| key.0 == *database) {
            assert_eq!(types[metric], rows[0].1.value_type(), "{context}: type of {metric}");
        }
    }
}

/// Sends two more samples of every metric, and the first two of a new one.
fn write_more(server: &Server, content: &mut Content) {
    let newest = content.values().flat_map(|rows| rows.last()).map(|row| row.0).max().unwrap();
    content.insert(("pi".to_owned(), "new.metric".to_owned()), Vec::new());
    let mut lines = Vec::new();
    for tick in 1..=2 {
        for ((database, metric), rows) in content.iter_mut() {
            let value = match rows.first().map(|row| row.1) {
                Some(first) if first.value_type().is_integer() => nanotdb_core::model::Value::Int32(-5 * tick),
                _ => nanotdb_core::model::Value::Float32(tick as f32 / 3.0),
            };
            let at = newest + i64::from(tick) * 1_000_000_007;
            rows.push((at, value));
            lines.extend_from_slice(format!("{database}/{metric} ").as_bytes());
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
    for name in cases() {
        served_killed_and_stopped(&name);
    }
}

/// Every file with its content.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.insert(path.clone(), Vec::new());
            files.extend(snapshot(&path));
        } else {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
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
        let exported = series::nanocli(&["export", "--db", "pi"], root, &[("--out", &file)]);
        assert_eq!(exported, 0, "{name}");
        assert_same(&series::exported(&std::fs::read_to_string(&file).unwrap()), &content, name);
        for command in [["query", "--db", "pi", "--metric", ".", "--last"].as_slice(), &["verify"], &["inspect", "db"]]
        {
            assert_eq!(series::nanocli(command, root, &[]), 0, "{name}: {command:?}");
        }
        assert!(snapshot(root) == before, "{name}: a reading command wrote");
        // And the server goes on as if nobody had looked.
        check(&server, &content, name);
    }
}
