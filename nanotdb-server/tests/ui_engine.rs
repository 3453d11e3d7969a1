//! What the page about the engine shows, its actions, and the stream, of a real server.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Client, Server};
use serde_json::{Value, json};
use std::io::BufRead;
use std::time::{Duration, Instant};

/// 2026-05-01T00:00:00Z
const T0: i64 = 1_777_593_600_000;
const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

fn import(server: &Server, lines: &str) {
    let answer = server.post("/api/v1/import", lines.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn day(metric: &str, count: i64) -> String {
    (0..count).map(|i| format!("pi0/{metric} {i}.5 {}\n", (T0 + i * 10_000) * 1_000_000)).collect()
}

/// Reads events of a stream until one of this name comes.
struct Stream(Client);

impl Stream {
    fn open(server: &Server, query: &str) -> Self {
        let mut client = server.connect();
        client.write(format!("GET /api/v1/ui/stream?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(client.reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("text/event-stream"), "{head}");
        Self(client)
    }

    fn until(&mut self, name: &str) -> Value {
        let mut line = String::new();
        let mut is_it = false;
        loop {
            line.clear();
            assert!(self.0.reader.read_line(&mut line).unwrap() > 0, "the stream ended before {name}");
            if let Some(event) = line.trim().strip_prefix("event: ") {
                is_it = event == name;
            } else if let Some(data) = line.trim().strip_prefix("data: ").filter(|_| is_it) {
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}

#[test]
fn points_come_as_they_are_written() {
    let server = Server::start();
    import(&server, &day("a", 3));
    let mut stream = Stream::open(&server, "s=pi0/a&s=pi0/later&every_ms=250");
    let status = stream.until("status");
    assert_eq!((&status["samples_total"], &status["metrics"]), (&json!(3), &json!(1)));
    let t = T0 + 60_000;
    import(&server, &format!("pi0/a 7.25 {}\npi0/later 5 {}\n", t * 1_000_000, t * 1_000_000));
    // Those who are new to the stream begin where it began, by the clock: these times are past.
    let mut backed = Stream::open(&server, "s=pi0/a&every_ms=250");
    backed.until("status");
    import(&server, "pi0/a 8.5\npi0/later 6\n");
    let points = stream.until("points");
    let newest = points.as_array().unwrap().last().unwrap().as_array().unwrap().clone();
    assert_eq!(newest[1..], [json!(0), json!(8.5), json!(1), json!(6)]);
    assert_eq!(backed.until("points")[0][2], 8.5);
    // The new metric changed the catalog.
    assert_eq!(stream.until("catalog")["metrics"], 2);
}

#[test]
fn a_stream_begins_where_the_page_left_off() {
    let server = Server::start();
    import(&server, "pi0/a 1\n");
    let first = server.get("/api/v1/ui/catalog").json()["databases"][0]["last_ms"][0].as_i64().unwrap();
    for value in 2..5 {
        std::thread::sleep(Duration::from_millis(3));
        import(&server, &format!("pi0/a {value}\n"));
    }
    let mut stream = Stream::open(&server, &format!("s=pi0/a&since_ms={}&every_ms=60000", first + 1));
    let points = stream.until("points");
    let values: Vec<i64> = points.as_array().unwrap().iter().map(|row| row[2].as_i64().unwrap()).collect();
    assert_eq!(values, [2, 3, 4]);
    let mut late = Stream::open(&server, "s=pi0/a&since_ms=1000");
    late.until("reset");
}

#[test]
fn dashboards_that_are_saved_are_told() {
    let server = Server::start();
    let mut stream = Stream::open(&server, "");
    stream.until("status");
    let saved = server.connect().send("PUT", "/api/dashboard-config", &JSON, br#"{"title":"x","groups":[{"id":"a"}]}"#);
    assert_eq!(stream.until("dashboard")["etag"].as_str(), saved.header("etag"));
}

#[test]
fn streams_are_limited_and_do_not_delay_the_end() {
    let server = Server::with_config("[limits]\nmax_concurrent_requests = 2\n");
    let mut streams: Vec<Stream> = (0..64).map(|_| Stream::open(&server, "")).collect();
    assert_eq!(server.get("/api/v1/ui/stream").status, 429);
    // They do not count as requests that are being answered.
    assert_eq!(server.get("/api/v1/ui/settings").status, 200);
    assert_eq!(server.get("/api/v1/ui/stream?every_ms=1").status, 400);
    assert_eq!(server.get("/api/v1/ui/stream?s=x").status, 400);
    // A tab that is closed makes room for another.
    drop(streams.pop());
    let began = Instant::now();
    let free = || {
        let mut client = server.connect();
        client.write(b"GET /api/v1/ui/stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut line = String::new();
        client.reader.read_line(&mut line).unwrap();
        line.contains(" 200 ").then_some(client)
    };
    let another = loop {
        match free() {
            Some(client) => break client,
            None => assert!(began.elapsed() < Duration::from_secs(120), "the stream stays open"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let began = Instant::now();
    server.signal("TERM");
    let (status, _) = server.wait();
    assert!(status.success());
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    drop((streams, another));
}

#[test]
fn times_of_flushes_and_fsyncs_are_told() {
    let server = Server::with_config("[wal]\nfsync_policy = \"always\"\n");
    import(&server, "pi0/b 3 1777593600000000000\n");
    let engine = server.get("/api/v1/ui/engine").json();
    let timing = |name: &str| engine["timings"].as_array().unwrap().iter().find(|t| t["name"] == name).unwrap().clone();
    let log = timing("log fsync");
    assert!(log["count"].as_u64().unwrap() >= 1, "{log}");
    let number = |name: &str| log[name].as_f64().unwrap_or_else(|| panic!("{name}: {log}"));
    assert!(number("last_ms") <= number("max_ms") && number("mean_ms") <= number("max_ms"), "{log}");
    assert!(number("p99_ms") <= number("max_ms"), "{log}");
    let now = engine["now_ms"].as_i64().unwrap();
    assert!((now - 60_000..=now).contains(&log["last_at_ms"].as_i64().unwrap()), "{log}");
    // What did not happen has no times.
    assert_eq!((&timing("page flush")["count"], &timing("page flush")["last_ms"]), (&json!(0), &json!(null)));
    let wal = server.get("/api/v1/ui/engine/pi0").json()["wal"].clone();
    assert_eq!(wal["unsynced_batches"], 0);
    assert!((now - 60_000..=now + 60_000).contains(&wal["last_fsync_ms"].as_i64().unwrap()), "{wal}");
}

#[test]
fn databases_are_described() {
    let server = Server::start();
    import(&server, &day("a", 100));
    import(&server, "pi0/b 3 1777593600000000000\n");
    let engine = server.get("/api/v1/ui/engine").json();
    let database = &engine["databases"].as_array().unwrap().iter().find(|d| d["name"] == "pi0").unwrap().clone();
    assert_eq!((&database["points"], &database["metrics"]), (&json!(101), &json!(2)));
    assert_eq!((&database["first_ms"], &database["last_ms"]), (&json!(T0), &json!(T0 + 990_000)));
    assert_eq!(engine["runtime"]["pid"], server.pid());
    let setting = |key: &str| engine["settings"].as_array().unwrap().iter().find(|s| s["key"] == key).unwrap().clone();
    assert_eq!(setting("wal.fsync_policy")["value"], "segment");
    assert!(setting("wal.fsync_policy")["explain"].as_str().unwrap().contains("forced to the device"));
    let counters = engine["counters"].as_array().unwrap();
    assert!(counters.iter().any(|c| c["name"] == "Samples stored" && c["value"] == 101), "{counters:?}");

    let one = server.get("/api/v1/ui/engine/pi0").json();
    assert_eq!(
        (&one["state"], &one["wal"]["enabled"], &one["wal"]["tail"]),
        (&json!("ok"), &json!(true), &json!("clean"))
    );
    assert_eq!(one["wal"]["records"], 101);
    assert_eq!(one["wal_tail"][0], json!({"metric": "b", "t_ms": T0, "v": 3}));
    assert_eq!(one["wal_tail"].as_array().unwrap().len(), 20);
    assert_eq!(
        (&one["open_pages"][0]["partition"], &one["open_pages"][0]["points"]),
        (&json!("2026-05-01"), &json!(101))
    );
    let partition = &one["partitions"][0];
    assert_eq!((&partition["key"], &partition["points"]), (&json!("2026-05-01"), &json!(101)));
    assert_eq!((&partition["start_ms"], &partition["end_ms"]), (&json!(T0), &json!(T0 + 86_400_000)));
    let manifest = one["manifest"].as_array().unwrap();
    assert!(
        manifest.iter().any(|s| s["key"] == "retention.partition" && s["value"] == "day" && s["source"] == "manifest")
    );
    assert_eq!(server.get("/api/v1/ui/engine/none").status, 404);
}

/// A name that became float64 has a second id, which is no second metric.
#[test]
fn a_metric_that_widened_is_counted_once() {
    let server = Server::start();
    let t = T0 * 1_000_000;
    import(&server, &format!("pi0/a 5i {t}\npi0/a 5000000000i {}\npi0/a 0.5 {}\npi0/b 1i {t}\n", t + 1, t + 2));
    let engine = server.get("/api/v1/ui/engine").json();
    let databases = engine["databases"].as_array().unwrap();
    let pi = databases.iter().find(|database| database["name"] == "pi0").unwrap();
    assert_eq!(pi["metrics"], 2, "{pi}");
    assert_eq!(server.get("/api/v1/ui/catalog").json()["status"]["metrics"], 2);
    let text = server.get("/metrics").text();
    assert!(text.lines().any(|line| line == "nanotdb_database_metrics{database=\"pi0\"} 2"), "{text}");
}

#[test]
fn actions_run_with_progress() {
    let server = Server::with_config("[maintenance]\ninterval = \"0s\"\n[metrics]\nenabled = true\n");
    import(&server, &day("a", 5_000));
    let mut stream = Stream::open(&server, "");
    stream.until("status");
    let start = |body: Value| server.connect().send("POST", "/api/v1/ui/jobs", &JSON, body.to_string().as_bytes());
    let started = start(json!({"kind": "build_metric", "db": "pi0", "partition": "2026-05-01"}));
    assert_eq!(started.status, 202, "{}", started.text());
    let id = started.json()["id"].as_str().unwrap().to_owned();
    let ended = loop {
        let job = stream.until("job");
        if job["state"] != "running" {
            break job;
        }
    };
    assert_eq!(
        (&ended["id"], &ended["state"], &ended["progress"]),
        (&json!(id), &json!("done"), &json!(1.0)),
        "{ended}"
    );
    assert!(ended["result"].as_str().unwrap().starts_with("1 partition, "), "{ended}");
    assert_eq!(server.get(&format!("/api/v1/ui/jobs/{id}")).json()["state"], "done");
    assert_eq!(server.get("/api/v1/ui/jobs").json()["jobs"].as_array().unwrap().len(), 1);
    let one = server.get("/api/v1/ui/engine/pi0").json();
    let files = one["partitions"][0]["files"].as_array().unwrap();
    let metric = files.iter().find(|f| f["kind"] == "metric").unwrap();
    assert_eq!((&metric["points"], &metric["codec"]), (&json!(5_000), &json!("columnar")));
    assert!(metric["bytes"].as_u64().unwrap() > 100);
    assert_eq!(one["partitions"][0]["points"], 5_000);
    assert_eq!(one["partitions"][0]["can_build"], false);

    for (body, status) in [
        (json!({"kind": "compact", "db": "none"}), 404),
        (json!({"kind": "compact", "db": "pi0", "partition": "2026-05-02"}), 404),
        (json!({"kind": "drop", "db": "pi0"}), 400),
        (json!({"kind": "compact", "db": "pi0", "force": true}), 400),
    ] {
        assert_eq!(start(body.clone()).status, status, "{body}");
    }
    let foreign = [JSON[0], ("Origin", "http://evil.example")];
    let body = json!({"kind": "compact", "db": "pi0"}).to_string();
    assert_eq!(server.connect().send("POST", "/api/v1/ui/jobs", &foreign, body.as_bytes()).status, 403);
    assert_eq!(server.connect().send("DELETE", "/api/v1/ui/jobs/99", &[], b"").status, 404);
}

#[test]
fn refused_lines_are_shown_with_their_reasons_and_senders() {
    let server = Server::start();
    let engine = || server.get("/api/v1/ui/engine").json();
    assert_eq!(engine()["rejections"], json!([]));
    assert_eq!(server.get("/api/v1/ui/catalog").json()["status"]["rejected_ms"], Value::Null);
    let lines = b"pi0/a 1\npi0/a one\nnothing\n";
    let answer = server.connect().send("POST", "/api/v1/import", &[("User-Agent", "meter/2")], lines);
    assert_eq!(answer.status, 400);
    let told = &answer.json()["data"]["errors"];
    let found = engine()["rejections"].clone();
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(
        (&found[0]["sender"], &found[0]["accepted"], &found[0]["rejected"]),
        (&json!("meter/2"), &json!(1), &json!(2))
    );
    assert_eq!(&found[0]["lines"], told);
    assert_eq!(server.get("/api/v1/ui/catalog").json()["status"]["rejected_ms"], found[0]["t_ms"]);
}

#[test]
fn every_plugin_of_the_program_is_listed() {
    let server = Server::start();
    let plugins = server.get("/api/v1/ui/engine").json()["plugins"].clone();
    let listed: Vec<&str> = plugins.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    for name in ["columnar", "month", "line_protocol", "p99"] {
        assert!(listed.contains(&name), "{name} in {listed:?}");
    }
    let aggregates = server.get("/api/v1/aggregates").json();
    for name in aggregates["data"]["result"].as_array().unwrap() {
        assert!(
            plugins.as_array().unwrap().iter().any(|one| one["kind"] == "aggregate" && one["name"] == *name),
            "{name}"
        );
    }
}

/// A bit of the log flips while the server is down: the next one mends it, and says so until somebody has seen it.
#[test]
fn what_a_start_mended_is_told_until_it_is_acknowledged() {
    let server = Server::start();
    for second in 0..3 {
        import(&server, &format!("pi0/a {second} {}\n", (T0 + second * 1_000) * 1_000_000));
    }
    server.signal("KILL");
    let (_, dir) = server.wait();
    let log = dir.path().join("pi0/pi0.wal");
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&log, bytes).unwrap();
    let server = Server::start_in(dir, &[]);
    let health = server.get("/health");
    assert_eq!((health.status, health.text().as_str()), (200, r#"{"status":"ok","warnings":1}"#));
    let of_all = server.get("/api/v1/ui/engine").json()["warnings"].clone();
    let of_one = server.get("/api/v1/ui/engine/pi0").json()["warnings"].clone();
    assert_eq!(of_all, of_one);
    assert_eq!((&of_all[0]["db"], &of_all[0]["can_acknowledge"]), (&json!("pi0"), &json!(true)));
    assert_eq!(server.get("/api/v1/ui/catalog").json()["status"]["warnings"], 1);
    let text = of_all[0]["text"].as_str().unwrap();
    assert!(text.contains("pi0.wal"), "{text}");
    let answer = server.get("/api/v1/query_range?query=pi0/a&start=2026-05-01&end=2026-05-02").json();
    assert_eq!(answer["data"]["warnings"], json!([text]), "{answer}");

    let path = "/api/v1/ui/acknowledge";
    assert_eq!(server.connect().send("POST", path, &[], b"{}").status, 415);
    assert_eq!(server.connect().send("POST", path, &JSON, b"{\"database\":\"pi0\"}").status, 400);
    assert_eq!(server.connect().send("POST", path, &JSON, b"{\"db\":\"other\"}").status, 404);
    // A list that could be read as the values of the object is none.
    for list in [&b"[]"[..], b"[\"pi0\"]", b""] {
        let answer = server.connect().send("POST", path, &JSON, list);
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains("no JSON object"), "{}", answer.text());
    }
    assert_eq!(server.connect().send("POST", path, &JSON, b"{\"db\":\"pi0\"}").json(), json!({"acknowledged": 1}));
    assert_eq!(server.get("/health").text(), r#"{"status":"ok"}"#);
    server.signal("KILL");
    let (_, dir) = server.wait();
    let server = Server::start_in(dir, &[]);
    assert_eq!(server.get("/health").text(), r#"{"status":"ok"}"#);
}
