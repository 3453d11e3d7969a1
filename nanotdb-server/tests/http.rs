//! What holds for every request.

mod common;

use common::Server;
use std::io::Read;

#[test]
fn health_metrics_and_the_page_answer() {
    let server = Server::start();
    assert_eq!(server.get("/health").text(), r#"{"status":"ok"}"#);
    server.post("/api/v1/import", b"demo/a 1\ndemo/b 2\nbad\n");
    let text = server.get("/metrics").text();
    for line in [
        "nanotdb_ingest_samples_total 2",
        "nanotdb_ingest_rejected_syntax_total 1",
        "nanotdb_http_requests_total{endpoint=\"health\",status=\"200\"} 1",
        "nanotdb_http_requests_total{endpoint=\"import\",status=\"400\"} 1",
        "nanotdb_http_received_bytes_total 22",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
    let page = server.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("<title>NanoTDB</title>"));
    assert_eq!(server.get("/icon.svg").header("content-type"), Some("image/svg+xml"));
}

#[test]
fn unknown_paths_and_methods_have_the_envelope() {
    let server = Server::start();
    for path in ["/nothing", "/api/v1/nothing", "/api/v1/import/x"] {
        let answer = server.get(path);
        assert_eq!((answer.status, &answer.json()["errorType"]), (404, &serde_json::json!("not_found")), "{path}");
    }
    assert_eq!(server.post("/nothing", b"x").status, 404);
    for (method, path, allow) in [
        ("GET", "/api/v1/import", "POST"),
        ("DELETE", "/api/v1/query", "GET, HEAD, POST"),
        ("POST", "/health", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
    ] {
        let answer = server.connect().send(method, path, &[], b"");
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
        assert_eq!(answer.json()["errorType"], "bad_data");
    }
}

#[test]
fn head_is_get_without_the_body_and_connections_are_kept() {
    let server = Server::start();
    let mut client = server.connect();
    for path in ["/health", "/api/v1/databases", "/"] {
        let head = client.send("HEAD", path, &[], b"");
        let get = client.send("GET", path, &[], b"");
        assert_eq!((head.status, get.status), (200, 200));
        assert_eq!(head.header("content-length"), get.header("content-length"));
        assert!(head.body.is_empty() && !get.body.is_empty());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn requests_over_the_limit_are_told_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[limits]\nmax_concurrent_requests = 1\n[web]\ndashboard_config = \"pipe\"\n";
    std::fs::write(dir.path().join("engine.toml"), config).unwrap();
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let server = Server::start_in(dir, &[]);
    // A request that is worked on for as long as this test wants: nothing comes out of the pipe.
    let ask = || {
        let mut client = server.connect();
        client.write(b"GET /api/dashboard-config HTTP/1.1\r\nHost: x\r\n\r\n");
        client
    };
    let mut working = ask();
    let refused = (0..2_000).find_map(|n| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        if n % 100 == 99 {
            // It came while another of these had the place, and was refused itself.
            working = ask();
        }
        Some(server.get("/api/v1/databases")).filter(|answer| answer.status != 200)
    });
    let answer = refused.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    assert_eq!(answer.json()["errorType"], "too_many");
    // Senders drop what a 429 refuses.
    for path in ["/api/v1/import", "/api/v1/import/prometheus", "/api/v1/rollup/backfill"] {
        let answer = server.post(path, b"demo/a 1\n");
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{path}");
        assert_eq!(answer.json()["errorType"], "unavailable");
    }
    assert_eq!(server.get("/health").status, 200);
    // The server may have closed it by the time that something is written: it is no file.
    let _ = std::fs::write(&pipe, b"{}");
    working.answer(false);
    // The place is free once the answer is out, which the client may see a moment before the server does.
    let free = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        server.get("/api/v1/databases").status == 200
    });
    assert!(free);
}

#[test]
fn garbage_closes_the_connection_and_nothing_else() {
    let server = Server::start();
    let mut garbage = server.connect();
    garbage.write(b"\x16\x03\x01 not http at all\r\n\r\n");
    let mut rest = Vec::new();
    let _ = garbage.reader.read_to_end(&mut rest);
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"));
    assert_eq!(server.get("/health").status, 200);
}
