//! Imports against the real binary.
#![allow(clippy::unwrap_used, reason = "test support")]

mod common;

use common::Server;
use std::io::Write;

const T: i64 = 1_715_000_000_000_000_000;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lines(metric: &str, count: i64) -> Vec<u8> {
    (0..count).flat_map(|i| format!("demo/{metric} {i} {}\n", T + i * 1_000_000_000).into_bytes()).collect()
}

fn count(server: &Server, metric: &str) -> usize {
    let path = format!("/api/v1/query_range?query=demo/{metric}&start=1715000000&end=1716000000");
    let answer = server.get(&path).json();
    answer["data"]["result"][0]["values"].as_array().map_or(0, Vec::len)
}

#[test]
fn good_lines_are_counted() {
    let server = Server::start();
    let answer = server.post("/api/v1/import", b"demo/room.temp 21.5\ndemo/room.humidity 48");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.text(), r#"{"status":"success","data":{"imported":2}}"#);
}

#[test]
fn bad_lines_are_reported_and_the_good_ones_stored() {
    let server = Server::start();
    let answer =
        server.post("/api/v1/import", b"demo/a 1 1715000000000000000\nnonsense\ndemo/b 2 1715000000000000000\n");
    assert_eq!(answer.status, 400);
    let json = answer.json();
    assert_eq!(json["status"], "error");
    assert_eq!(json["errorType"], "bad_data");
    assert_eq!(json["data"]["imported"], 2);
    assert_eq!(json["data"]["rejected"], 1);
    assert_eq!(json["data"]["errors"][0]["line"], 2);
    assert_eq!(count(&server, "b"), 1);
}

#[test]
fn only_the_first_twenty_bad_lines_are_listed() {
    let server = Server::start();
    let json = server.post("/api/v1/import", "bad\n".repeat(50).as_bytes()).json();
    assert_eq!(json["data"]["rejected"], 50);
    assert_eq!(json["data"]["errors"].as_array().unwrap().len(), 20);
}

#[test]
fn bodies_may_come_in_any_pieces() {
    let server = Server::start();
    let body = lines("pieces", 500);
    let pieces: Vec<&[u8]> = body.chunks(37).collect();
    let answer = server.connect().send_chunked("/api/v1/import", &[], &pieces);
    assert_eq!(answer.json()["data"]["imported"], 500);
    assert_eq!(count(&server, "pieces"), 500);
}

#[test]
fn a_large_body_becomes_several_batches() {
    let server = Server::start();
    let body = lines("large", 100_000);
    assert_eq!(server.post("/api/v1/import", &body).json()["data"]["imported"], 100_000);
    assert_eq!(count(&server, "large"), 100_000);
}

#[test]
fn json_and_compressed_bodies_are_taken() {
    let server = Server::start();
    let mut client = server.connect();
    let json = format!(r#"{{"lines":"demo/j 1 {T}\ndemo/j 2 {}"}}"#, T + 1);
    let answer = client.send("POST", "/api/v1/import", &[("Content-Type", "application/json")], json.as_bytes());
    assert_eq!(answer.text(), r#"{"status":"success","data":{"imported":2}}"#);
    let answer = client.send("POST", "/api/v1/import?format=json", &[], json.as_bytes());
    // The second sending is older than the newest: the first of its lines is late, the second is equal and kept.
    assert_eq!(answer.json()["data"]["imported"], 1);

    let zstd = zstd::encode_all(lines("z", 300).as_slice(), 3).unwrap();
    for (encoding, metric, body) in [("gzip", "g", gzip(&lines("g", 300))), ("zstd", "z", zstd)] {
        let answer = client.send("POST", "/api/v1/import", &[("Content-Encoding", encoding)], &body);
        assert_eq!(answer.json()["data"]["imported"], 300, "{encoding}");
        assert_eq!(count(&server, metric), 300);
    }
    let answer = client.send("POST", "/api/v1/import", &[("Content-Encoding", "br")], b"x");
    assert_eq!(answer.status, 400);
    let answer = client.send("POST", "/api/v1/import?format=xml", &[], b"x");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("line_protocol"), "{}", answer.text());
}

#[test]
fn prometheus_text_is_answered_with_204_and_line_protocol_as_before() {
    let server = Server::start();
    let text = "# HELP up Up.\n# TYPE up gauge\nup 1 1715000000000\nload{core=\"0\"} 0.5 1715000000000\n";
    let answer = server.post("/api/v1/import/prometheus", text.as_bytes());
    assert_eq!(answer.status, 204, "{}", answer.text());
    let names = server.get("/api/v1/metrics?db=prometheus").json();
    assert_eq!(names["data"]["result"].as_array().unwrap().len(), 2, "{names}");
    let answer = server.post("/api/v1/import/prometheus?db=other", text.as_bytes());
    assert_eq!(answer.status, 204);
    assert_eq!(server.get("/api/v1/query?query=other/up").json()["data"]["result"][0]["value"][1], "1");
    let answer = server.post("/api/v1/import/prometheus", b"demo/lp 5 1715000000000000000");
    assert_eq!(answer.text(), r#"{"status":"success","data":{"imported":1}}"#);
}

#[test]
fn a_body_over_the_limit_is_told_the_limit_and_what_was_stored() {
    let server = Server::with_config("[limits]\nmax_body_bytes = 2000000\nmax_decoded_body_bytes = 2000000\n");
    let body = lines("over", 100_000);
    assert!(body.len() > 2_000_000);
    let pieces: Vec<&[u8]> = body.chunks(50_000).collect();
    let answer = server.connect().send_chunked("/api/v1/import", &[], &pieces);
    assert_eq!(answer.status, 413);
    let json = answer.json();
    assert!(json["error"].as_str().unwrap().contains("limits.max_body_bytes = 2000000"), "{json}");
    let stored = json["data"]["imported"].as_u64().unwrap();
    assert!(stored > 32_768, "{json}");
    assert_eq!(count(&server, "over") as u64, stored);
    // Announced lengths are refused before the body is parsed.
    let answer = server.post("/api/v1/import", &body);
    assert_eq!(answer.status, 413);
    let answer =
        server.connect().send("POST", "/api/v1/import", &[("Content-Encoding", "gzip")], &gzip(&lines("zip", 100_000)));
    assert_eq!(answer.status, 413);
    assert!(answer.text().contains("limits.max_decoded_body_bytes"), "{}", answer.text());
}

#[test]
fn lines_before_what_makes_a_body_unusable_are_stored_and_counted() {
    let server = Server::start();
    let mut client = server.connect();
    for (end, metric) in [("\", nonsense", "before"), ("demo/cut", "early")] {
        let body = format!("{{\"lines\": \"demo/{metric} 1 {T}\\ndemo/{metric} 2 {}\\n{end}", T + 1);
        let answer = client.send("POST", "/api/v1/import", &[("Content-Type", "application/json")], body.as_bytes());
        assert_eq!(answer.status, 400);
        let json = answer.json();
        assert!(json["error"].as_str().unwrap().starts_with("not a JSON document: "), "{json}");
        assert_eq!((&json["data"]["imported"], count(&server, metric)), (&2.into(), 2), "{json}");
    }
}

/// reliability.md 9: a sender whose clock is ahead is told by how much, and neither blocks today's samples nor anybody else.
#[test]
fn r09_samples_far_ahead_are_rejected_with_the_distance() {
    let server = Server::start();
    let answer = server.post("/api/v1/import", b"demo/wrong 5 4070908800000000000\ndemo/right 6\n");
    let json = answer.json();
    assert_eq!((&json["data"]["imported"], &json["data"]["rejected"]), (&1.into(), &1.into()), "{json}");
    let reason = json["data"]["errors"][0]["error"].as_str().unwrap();
    assert!(reason.contains(" days ahead of the clock; limits.max_future = 10m"), "{reason}");
    assert_eq!(server.get("/api/v1/query?query=demo/wrong").json()["data"]["result"], serde_json::json!([]));
    server.post("/api/v1/import", b"demo/wrong 7\n");
    assert_eq!(server.get("/api/v1/query?query=demo/wrong").json()["data"]["result"][0]["value"][1], "7");
}

/// By a rename or a link: two names would write one log.
#[test]
fn a_directory_is_written_under_one_name() {
    let server = Server::start();
    let send = |line: &str| server.post("/api/v1/import", line.as_bytes());
    assert_eq!(send("garden/a 1\n").status, 200);
    let at = |name: &str| server.dir.path().join(name);
    std::os::unix::fs::symlink(at("garden"), at("alias")).unwrap();
    let refused = send("alias/a 100\n");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(
        refused.text().contains("is the directory of database \\\"garden\\\", which is open"),
        "{}",
        refused.text()
    );
    assert_eq!(send("garden/a 2\n").status, 200);
    assert!(at("garden/garden.wal").exists() && !at("garden/alias.wal").exists());
}

/// A file where the directory of a database would be: the machine's trouble, not the sender's.
#[test]
fn trouble_of_the_machine_is_503_and_says_what_was_stored() {
    let server = Server::start();
    std::fs::write(server.dir.path().join("blocked"), "x").unwrap();
    let answer = server.post("/api/v1/import", b"demo/a 1\nblocked/a 1\nnonsense\ndemo/b 2\n");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["errorType"], "unavailable");
    let data = &json["data"];
    assert_eq!((&data["imported"], &data["rejected"], &data["failed"]), (&2.into(), &2.into(), &1.into()), "{json}");
    let lines: Vec<_> =
        data["errors"].as_array().unwrap().iter().map(|error| error["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 3]);
    assert!(
        json["error"].as_str().unwrap().starts_with("1 sample could not be stored now and should come again: "),
        "{json}"
    );
    // Alone it is the same, and so it is in a batch that another one follows.
    let alone = server.post("/api/v1/import", b"blocked/a 1\n");
    let data = alone.json()["data"].clone();
    let of = |name: &str| data[name].as_u64();
    assert_eq!(
        (alone.status, of("imported"), of("rejected"), of("failed")),
        (503, Some(0), Some(1), Some(1)),
        "{data}"
    );
    // What the sender can mend is 400, however often it is sent.
    assert_eq!(server.post("/api/v1/import", b"demo/a 1\nnonsense\n").status, 400);
}

#[test]
fn unknown_parameters_of_a_write_are_refused_where_they_are_ours() {
    let server = Server::start();
    let answer = server.post("/api/v1/import?formt=json", b"demo/a 1\n");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("did you mean format?"), "{}", answer.text());
    assert_eq!(server.post("/api/v1/import?_=1", b"demo/a 1\n").status, 200);
    assert_eq!(server.post("/api/v1/import/prometheus?extra_label=x", b"a 1\n").status, 204);
    assert_eq!(server.get("/api/v1/databases").json()["data"]["result"], serde_json::json!(["demo", "prometheus"]));
}

#[test]
fn a_bare_time_is_read_in_the_unit_that_is_said_on_every_write_route() {
    let server = Server::start();
    let cases = [
        ("/api/v1/import", "1715000000", "timestamp_unit=s"),
        ("/api/v1/import", "1715000000000", "precision=ms"),
        ("/api/v1/import", "1715000000000000", "timestamp_unit=us&precision=us"),
        ("/api/v1/import", "1715000000000000000", "timestamp_unit=ns"),
        ("/api/v1/import/prometheus", "1715000000", "timestamp_unit=s&db=demo"),
    ];
    for (case, (route, time, parameters)) in cases.into_iter().enumerate() {
        let database = if route.ends_with("prometheus") { "" } else { "demo/" };
        let line = format!("{database}m{case} 21.5 {time}\n");
        let answer = server.post(&format!("{route}?{parameters}"), line.as_bytes());
        assert!([200, 204].contains(&answer.status), "{route}?{parameters}: {}", answer.text());
        let read =
            server.get(&format!("/api/v1/query?query=demo/m{case}")).json()["data"]["result"][0]["value"].clone();
        assert_eq!(read, serde_json::json!([1_715_000_000, "21.5"]), "{route}?{parameters}");
    }
    let json = [("Content-Type", "application/json")];
    let body = br#"{"lines":"demo/json 21.5 1715000000"}"#;
    assert_eq!(server.connect().send("POST", "/api/v1/import?precision=s", &json, body).status, 200);
    // Without a unit it is refused with the one that it looks like, whatever the unit was meant to be.
    for (time, unit) in [("1715000000", "s"), ("1715000000000", "ms"), ("1715000000000000", "us")] {
        let answer = server.post("/api/v1/import", format!("demo/bare 21.5 {time}\n").as_bytes());
        assert_eq!(answer.status, 400, "{time}");
        assert!(answer.text().contains(&format!("timestamp_unit={unit}")), "{}", answer.text());
    }
    for (parameters, says) in
        [("timestamp_unit=m", "accepted are ns, us, ms, s"), ("timestamp_unit=s&precision=ms", "another unit")]
    {
        let answer = server.post(&format!("/api/v1/import?{parameters}"), b"demo/bare 21.5 5\n");
        assert!(answer.status == 400 && answer.text().contains(says), "{}", answer.text());
    }
    assert!(!server.dir.path().join("demo/data-1970-01-01.dat").exists());
}
