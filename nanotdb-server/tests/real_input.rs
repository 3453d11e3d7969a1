//! Real samples (the Numenta Anomaly Benchmark) and the workload W1: in over HTTP with a kill in the middle, and out
//! again, equal to what went in, by `/api/v1/query_range` and by export. `nanotdb-cli` has the same for its import.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;
#[path = "../../nanotdb-cli/tests/samples/mod.rs"]
mod samples;
mod series;

use common::Server;
use samples::{assert_same, exported, real};
use series::{nanocli, over_http};

/// Lines of one request.
const LINES_PER_REQUEST: usize = 20_000;

fn send(server: &Server, lines: &[&str]) {
    for part in lines.chunks(LINES_PER_REQUEST) {
        let answer = server.post("/api/v1/import", part.join("\n").as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["data"]["imported"], part.len());
    }
}

fn in_with_a_kill_and_out_again(database: &str, text: &str) {
    let expected = real::meaning(text);
    let lines: Vec<&str> = text.lines().collect();
    // Whatever the date is on the machine that runs this.
    let server = Server::with_config("[limits]\nmax_future = \"0s\"\n");
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
    let rest = real::unsent(text, &expected, &over_http(&server, &expected), first.len());
    assert!(!rest.is_empty());
    send(&server, &rest.lines().collect::<Vec<_>>());
    assert_same(&over_http(&server, &expected), &expected, "query_range");

    // By export, from the files of the running server.
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("export.lp");
    assert_eq!(nanocli(&["export", "--db", database], server.dir.path(), &[("--out", &file)]), 0);
    assert_same(&exported(&std::fs::read_to_string(&file).unwrap()), &expected, "export");
    assert_eq!(nanocli(&["verify"], server.dir.path(), &[]), 0);

    server.signal("TERM");
    let (status, dir) = server.wait();
    assert!(status.success());
    let server = Server::start_in(dir, &[]);
    assert_same(&over_http(&server, &expected), &expected, "query_range after a clean shutdown");
}

#[test]
fn the_numenta_benchmark() {
    let Some(text) = real::numenta() else { return };
    in_with_a_kill_and_out_again("nab", &text);
}

#[test]
fn a_day_of_w1() {
    let Some(text) = real::w1() else { return };
    in_with_a_kill_and_out_again("pi0", &text);
}
