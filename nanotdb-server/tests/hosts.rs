//! Under which names the server may be asked for, by the bytes of whole requests: DNS rebinding, and pages of other sites.

mod common;

use common::{Answer, Server};

/// Sends this text as it is.
fn raw(server: &Server, request: &str) -> Answer {
    let mut client = server.connect();
    client.write(request.as_bytes());
    client.answer(request.starts_with("HEAD"))
}

/// One request of each kind of route: API, catalog, stream, action, dashboard, page, file of the page, nothing.
const TARGETS: [(&str, &str); 16] = [
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/"),
    ("GET", "/dashboard"),
    ("GET", "/icon.svg"),
    ("GET", "/nothing"),
    ("GET", "/api/v1/databases"),
    ("GET", "/api/v1/query?query=demo/a"),
    ("GET", "/api/v1/query_range?query=demo/a&start=-1h"),
    ("GET", "/api/v1/ui/stream?s=demo/a"),
    ("GET", "/api/v1/ui/engine"),
    ("GET", "/api/dashboard-config"),
    ("POST", "/api/v1/import"),
    ("POST", "/api/v1/import/prometheus"),
    ("POST", "/api/v1/rollup/backfill"),
    ("PUT", "/api/dashboard-config"),
];

#[test]
fn a_rebound_name_is_refused_before_every_route() {
    let server = Server::start();
    for (method, target) in TARGETS {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: evil.example:8428\r\nOrigin: http://evil.example:8428\r\nSec-Fetch-Site: same-origin\r\n\
             Content-Type: application/json\r\nContent-Length: 9\r\n\r\ndemo/a 1\n"
        );
        let answer = raw(&server, &request);
        assert_eq!(answer.status, 403, "{method} {target}");
        assert!(answer.text().contains(r#"hosts = [\"evil.example\"]"#), "{method} {target}: {}", answer.text());
        // The request line's name counts, whatever Host says.
        let absolute =
            format!("{method} http://evil.example{target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(raw(&server, &absolute).status, 403, "{method} {target}");
    }
    assert!(!server.dir.path().join("demo").exists(), "nothing was stored");
}

#[test]
fn there_is_exactly_one_host() {
    let server = Server::start();
    for (method, target) in TARGETS {
        for hosts in
            ["", "Host: localhost\r\nHost: localhost\r\n", "Host: localhost\r\nHost: evil.example\r\n", "Host: a b\r\n"]
        {
            let answer = raw(&server, &format!("{method} {target} HTTP/1.1\r\n{hosts}Content-Length: 0\r\n\r\n"));
            assert_eq!(answer.status, 400, "{method} {target} with {hosts:?}");
        }
    }
    assert_eq!(raw(&server, "GET /health HTTP/1.0\r\n\r\n").status, 200);
    let without = raw(&server, "GET /api/v1/databases HTTP/1.0\r\n\r\n");
    assert!(without.status == 400 && without.text().contains("the header Host is missing"), "{}", without.text());
    assert_eq!(raw(&server, "GET /api/v1/databases HTTP/1.0\r\nHost: localhost\r\n\r\n").status, 200);
}

#[test]
fn names_of_this_machine_and_listed_ones_are_answered() {
    let server = Server::with_config("[access]\nhosts = [\"nanotdb.example.org\"]\n");
    for host in
        ["127.0.0.1", "[::1]:8428", "localhost:1", "pi", "pi.local", "nanotdb.example.org", "NANOTDB.example.org:443"]
    {
        assert_eq!(raw(&server, &format!("GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n")).status, 200, "{host}");
    }
    for host in ["example.org", "other.example.org"] {
        assert_eq!(raw(&server, &format!("GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n")).status, 403, "{host}");
    }
}

#[test]
fn another_site_cannot_make_the_server_work() {
    let server = Server::start();
    server.post("/api/v1/import", b"demo/a 1\n");
    let image = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")];
    let form = [("Sec-Fetch-Site", "cross-site"), ("Content-Type", "application/x-www-form-urlencoded")];
    for target in
        ["/api/v1/query_range?query=demo/a&start=-1h", "/api/v1/ui/engine", "/api/v1/ui/stream?s=demo/a", "/metrics"]
    {
        assert_eq!(server.connect().send("GET", target, &image, b"").status, 403, "{target}");
    }
    let query = b"query=demo/a&start=-1h";
    assert_eq!(server.connect().send("POST", "/api/v1/query_range", &form, query).status, 403);
    assert_eq!(server.connect().send("POST", "/api/v1/query_range", &form[1..], query).status, 200);
    // A link to a page may stand anywhere.
    assert_eq!(server.connect().send("GET", "/dashboard", &image, b"").status, 200);
}
