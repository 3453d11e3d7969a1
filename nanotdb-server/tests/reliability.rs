//! Over HTTP, the known ways to lose data that only a server has: bodies, answers and ranges built whole in memory
//! (number 16), and a shutdown that cuts requests off (number 18).

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::Server;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const T: i64 = 1_779_494_400;
const MIB: u64 = 1 << 20;

impl Server {
    /// A line of /proc/<pid>/status, in bytes: `VmRSS` now, `VmHWM` at most so far.
    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Forgets the peak so far.
    fn reset_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").unwrap();
    }
}

/// Fills `demo/big` with so many points, one a second, in bodies of 100,000 lines.
fn fill(server: &Server, points: i64) {
    for from in (0..points).step_by(100_000) {
        let mut body = String::with_capacity(4 << 20);
        for i in from..(from + 100_000).min(points) {
            body.push_str(&format!("demo/big {} {}\n", i % 1_000, (T + i) * 1_000_000_000));
        }
        assert_eq!(server.post("/api/v1/import", body.as_bytes()).status, 200);
    }
}

/// Sends a GET and reads the answer piece by piece; returns the bytes of the body (chunk frames included) and how many `[` it holds.
fn read_away(server: &Server, path: &str) -> (u64, u64) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.contains(" 200 "), "{line}");
    let (mut bytes, mut rows) = (0, 0);
    loop {
        let buffer = reader.fill_buf().unwrap();
        if buffer.is_empty() {
            return (bytes, rows);
        }
        rows += buffer.iter().filter(|b| **b == b'[').count() as u64;
        bytes += buffer.len() as u64;
        let len = buffer.len();
        reader.consume(len);
    }
}

/// Number 16 of the list: an open-ended range of two million points is streamed, and so is an aggregate over it.
#[test]
fn r16_an_open_ended_range_is_not_built_in_memory() {
    let server = Server::with_config("[stats]\nenabled = false\n");
    const POINTS: i64 = 2_000_000;
    fill(&server, POINTS);
    // One small query warms up what every query needs.
    read_away(&server, &format!("/api/v1/query_range?query=demo/big&start={T}&end={}", T + 10));
    for (path, least) in [
        (format!("/api/v1/query_range?query=demo/big&start={T}"), POINTS as u64),
        (format!("/api/v1/query_range?query=demo/big&start={T}&aggregate=avg&window=10s"), POINTS as u64 / 10),
    ] {
        server.reset_peak();
        let idle = server.memory("VmRSS");
        let (bytes, rows) = read_away(&server, &path);
        let grown = server.memory("VmHWM").saturating_sub(idle);
        assert!(rows >= least, "{path}: {rows} rows in {bytes} bytes");
        assert!(grown < 40 * MIB, "{path}: {} MiB more for an answer of {} MiB", grown / MIB, bytes / MIB);
    }
}

/// Number 16 of the list: a body of 40 MB, plain, is taken piece by piece.
#[test]
fn r16_a_request_body_is_not_built_in_memory() {
    let server = Server::with_config("[stats]\nenabled = false\n");
    fill(&server, 1_000);
    let line = |i: i64| format!("demo/body {} {}\n", i, (T + i) * 1_000_000_000);
    let piece = |from: i64| (from..from + 10_000).map(line).collect::<String>();
    let pieces: Vec<String> = (0..100).map(|p| piece(p * 10_000)).collect();
    let len: usize = pieces.iter().map(String::len).sum();
    assert!(len as u64 > 30 * MIB, "{len}");
    server.reset_peak();
    let idle = server.memory("VmRSS");
    let mut client = server.connect();
    client.write(format!("POST /api/v1/import HTTP/1.1\r\nHost: x\r\nContent-Length: {len}\r\n\r\n").as_bytes());
    for piece in &pieces {
        client.write(piece.as_bytes());
    }
    let answer = client.answer(false);
    assert_eq!(answer.text(), r#"{"status":"success","data":{"imported":1000000}}"#);
    let grown = server.memory("VmHWM").saturating_sub(idle);
    // The rows of the open page are kept in memory until it is flushed: 32,000 of them at most.
    assert!(grown < 40 * MIB, "{} MiB more for a body of {} MiB", grown / MIB, len as u64 / MIB);
}

/// Number 16 of the list: reads of what does not exist leave the data directory as it was.
#[test]
fn r16_a_get_creates_nothing_on_disk() {
    let server = Server::with_config("[stats]\nenabled = false\n");
    fill(&server, 10);
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(server.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    for path in [
        "/api/v1/query?query=nosuch/a".to_owned(),
        format!("/api/v1/query_range?query=nosuch/a&start={T}"),
        "/api/v1/metrics?db=nosuch".to_owned(),
        "/api/v1/query?query=..%2Fevil/a".to_owned(),
        "/nosuch".to_owned(),
    ] {
        server.get(&path);
        assert_eq!(names(), before, "{path}");
    }
}

/// Number 18 of the list: the answer that is being read when the server is told to stop comes to its end.
#[test]
fn r18_shutdown_finishes_requests_that_are_being_answered() {
    let server = Server::with_config("[stats]\nenabled = false\n");
    const POINTS: i64 = 400_000;
    fill(&server, POINTS);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let request = format!("GET /api/v1/query_range?query=demo/big&start={T} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut first = [0; 1_000];
    stream.read_exact(&mut first).unwrap();
    server.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    let mut text = first.to_vec();
    stream.read_to_end(&mut text).unwrap();
    assert!(text.ends_with(b"0\r\n\r\n"), "cut off after {} bytes", text.len());
    let rows = text.iter().filter(|b| **b == b'[').count() as i64;
    assert!(rows >= POINTS, "{rows}");
    let (status, dir) = server.wait();
    assert_eq!(status.code(), Some(0));
    // What it had acknowledged is in data files: the WAL is empty.
    assert_eq!(std::fs::metadata(dir.path().join("demo/demo.wal")).unwrap().len(), 0);
}
