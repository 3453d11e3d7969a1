//! Clients that say nothing, or say it slowly, keep nobody out.

mod common;

use common::{Client, Server};

/// What a client sees who opens a connection for each request.
fn check_healthy(server: &Server, context: &str) {
    for _ in 0..5 {
        assert_eq!(server.get("/health").status, 200, "{context}");
        assert_eq!(server.get("/api/v1/databases").status, 200, "{context}");
        assert_eq!(server.post("/api/v1/import", b"healthy/a 1\n").status, 200, "{context}");
    }
}

fn many(server: &Server, count: usize, text: &[u8]) -> Vec<Client> {
    let open = |_| {
        let mut client = server.connect();
        client.write(text);
        client
    };
    (0..count).map(open).collect()
}

const STALLED: &[u8] = b"POST /api/v1/import HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\nslow/a";

#[test]
fn connections_that_ask_nothing_give_way() {
    let server = Server::with_config("[limits]\nmax_connections = 8\n");
    let mut kept = server.connect();
    assert_eq!(kept.send("GET", "/health", &[], b"").status, 200);
    for (text, context) in
        [(&b""[..], "nothing was sent"), (b"POST /api/v1/import HTTP/1.1\r\nHost: x\r\n", "half a head")]
    {
        let _idle = many(&server, 60, text);
        check_healthy(&server, context);
    }
    // Who never asked goes before who did.
    let _idle = many(&server, 60, b"");
    assert_eq!(kept.send("GET", "/health", &[], b"").status, 200);
}

#[test]
fn bodies_that_stall_lend_their_places_and_get_them_back() {
    let server = Server::with_config("[limits]\nmax_concurrent_requests = 1\n");
    let mut slow = many(&server, 1, STALLED).remove(0);
    check_healthy(&server, "one place, and a body that stalls");
    slow.write(b" 1\nb 2\n");
    let answer = slow.answer(false);
    assert_eq!((answer.status, answer.json()["data"]["imported"].as_u64()), (400, Some(1)), "{}", answer.text());
}

#[test]
fn a_crowd_of_bodies_that_stall_keeps_nobody_out() {
    let server = Server::with_config("[limits]\nmax_concurrent_requests = 4\nmax_connections = 40\n");
    let slow = many(&server, 120, STALLED);
    check_healthy(&server, "four places, and 120 bodies that stall");
    drop(slow);
    // Fewer than there may be connections, so that none gives way before it was read what it asks for.
    let server = Server::with_config("[limits]\nmax_concurrent_requests = 4\n");
    let slow = many(&server, 30, STALLED);
    check_healthy(&server, "four places, and 30 bodies that stall");
    // Each is answered: stored, or told to come again. Of those the connection is closed already, so that they may not be able to go on.
    let mut stored = 0;
    for mut client in slow {
        let _ = std::io::Write::write_all(client.reader.get_mut(), b" 1\nb 2\n");
        let answer = client.answer(false);
        match answer.status {
            400 => stored += 1,
            other => assert_eq!((other, answer.header("retry-after")), (503, Some("5")), "{}", answer.text()),
        }
    }
    assert!(stored > 0, "some were in time");
}

#[test]
fn a_body_has_a_whole_time() {
    let server = Server::with_config("[limits]\nmax_body_time = \"200ms\"\n");
    let mut slow = many(&server, 1, STALLED).remove(0);
    let answer = slow.answer(false);
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("limits.max_body_time"), "{}", answer.text());
    assert_eq!(answer.json()["data"]["imported"], 0);
    assert_eq!(server.get("/api/v1/databases").json()["data"]["result"], serde_json::json!([]));
    // 4xx is for what changes nothing: senders drop what it refuses.
    for (method, path, media, expected) in [
        ("POST", "/api/v1/ui/jobs", "application/json", 503),
        ("POST", "/api/v1/ui/acknowledge", "application/json", 503),
        ("POST", "/api/v1/rollup/backfill", "application/json", 503),
        ("POST", "/api/dashboard-config/restore", "application/json", 503),
        ("PUT", "/api/dashboard-config", "application/json", 503),
        ("POST", "/api/v1/ui/batch", "application/json", 408),
        ("POST", "/api/v1/query", "application/x-www-form-urlencoded", 408),
    ] {
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {media}\r\nContent-Length: 99\r\n\r\n{{");
        let answer = many(&server, 1, head.as_bytes()).remove(0).answer(false);
        assert_eq!(answer.status, expected, "{path}: {}", answer.text());
        assert!(answer.text().contains("limits.max_body_time"), "{}", answer.text());
    }
}

#[test]
fn readers_that_do_not_read_lend_their_places() {
    let server = Server::with_config("[limits]\nmax_concurrent_requests = 1\n");
    let body: String =
        (0..600_000).map(|i| format!("big/a {i} {}\n", 1_715_000_000_000_000_000_i64 + i * 1_000_000)).collect();
    assert_eq!(server.post("/api/v1/import", body.as_bytes()).status, 200);
    let request = b"GET /api/v1/query_range?query=big/a&start=1715000000&end=1715000600 HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut lazy = many(&server, 1, request).remove(0);
    // It is under way, and more than the sockets hold.
    let mut first = [0];
    std::io::Read::read_exact(&mut lazy.reader, &mut first).unwrap();
    let served = (0..2_000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        server.get("/api/v1/databases").status == 200
    });
    assert!(served);
    check_healthy(&server, "an answer that is not read");
}

/// Closed with bytes unread, a connection is reset, and the reset overtakes the answer.
#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::with_config("[limits]\nmax_body_bytes = 100000\n");
    let body = vec![b'a'; 24 << 20];
    for (method, path, status) in [
        ("PUT", "/api/dashboard-config", 413),
        ("POST", "/api/v1/query_range", 413),
        ("POST", "/api/v1/ui/batch", 413),
        ("POST", "/api/v1/import", 413),
        ("POST", "/api/v1/import?format=none", 400),
        ("POST", "/none", 404),
        ("PUT", "/health", 405),
    ] {
        let mut client = server.connect();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
        client.write(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        client.write(&body);
        let answer = client.answer(false);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
}
