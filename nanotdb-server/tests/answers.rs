//! Answers are the same however they are sent: compressed or not, of any length, from every route.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Answer, Client, Server};
use serde_json::json;
use std::io::Read;

/// 2024-05-06T12:53:20Z
const T: i64 = 1_715_000_000;
const METRICS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const JSON: (&str, &str) = ("Content-Type", "application/json");
const GZIP: (&str, &str) = ("Accept-Encoding", "gzip");

/// The bytes that the client is to see.
fn decoded(answer: &Answer) -> Vec<u8> {
    match answer.header("content-encoding") {
        None => answer.body.clone(),
        Some("gzip") => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(answer.body.as_slice()).read_to_end(&mut plain).unwrap();
            plain
        }
        Some(other) => panic!("Content-Encoding: {other}"),
    }
}

/// A request for an answer of about the given number of samples.
struct Route {
    name: &'static str,
    method: &'static str,
    samples_per_step: i64,
    path: fn(i64) -> String,
    body: fn(i64) -> String,
}

fn batch(samples: i64, more: &serde_json::Value) -> String {
    let series: Vec<_> = METRICS
        .iter()
        .map(|metric| {
            let mut series = json!({"db": "demo", "metric": metric});
            series.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            series
        })
        .collect();
    let range = json!({"start_ms": T * 1_000, "end_ms": (T + samples) * 1_000 + 1, "buckets": 4_096});
    json!({"ranges": [range], "series": series}).to_string()
}

/// All that stream, in each of their shapes.
const ROUTES: [Route; 5] = [
    Route {
        name: "query_range",
        method: "GET",
        samples_per_step: 34,
        path: |n| format!("/api/v1/query_range?query=demo/a&start={T}&end={}", T + n),
        body: |_| String::new(),
    },
    Route {
        name: "query_range by step",
        method: "GET",
        samples_per_step: 34,
        path: |n| format!("/api/v1/query_range?query=demo/b&start={T}&end={}&step=1s", T + n),
        body: |_| String::new(),
    },
    Route {
        name: "query_range of three aggregates",
        method: "GET",
        samples_per_step: 12,
        path: |n| format!("/api/v1/query_range?query=demo/b&start={T}&end={}&aggregate=min,p95,count&window=1s", T + n),
        body: |_| String::new(),
    },
    Route {
        name: "batch of samples",
        method: "POST",
        samples_per_step: 12,
        path: |_| "/api/v1/ui/batch".into(),
        body: |n| batch(n, &json!({})),
    },
    Route {
        name: "batch of an aggregate",
        method: "POST",
        samples_per_step: 12,
        path: |_| "/api/v1/ui/batch".into(),
        body: |n| batch(n, &json!({"aggregate": "max", "window_ms": 1_000})),
    },
];

/// Leaves the time out that an answer of the batch begins with.
fn without_now(text: &[u8]) -> &[u8] {
    let at = text.windows(10).position(|w| w == b",\"series\":").unwrap_or(0);
    text.get(at..).unwrap()
}

#[test]
fn every_streaming_route_answers_the_same_in_every_encoding_and_length() {
    let server = Server::start();
    let mut state = 88_172_645_463_325_252u64;
    let mut lines = String::new();
    for i in 0..16_000 {
        for (at, metric) in METRICS.iter().enumerate() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Some that compress well and some that hardly do.
            let value = if at % 2 == 0 { 1_000_000 + i } else { i64::from((state >> 33) as u32) };
            lines.push_str(&format!("demo/{metric} {value} {}\n", (T + i) * 1_000_000_000));
        }
    }
    assert_eq!(server.post("/api/v1/import", lines.as_bytes()).status, 200);
    let mut client = server.connect();
    for route in &ROUTES {
        let (mut samples, mut length) = (0, 0);
        while length < 300 << 10 {
            let (path, body) = ((route.path)(samples), (route.body)(samples));
            let context = format!("{}, {samples} samples", route.name);
            let plain = client.send(route.method, &path, &[JSON], body.as_bytes());
            assert_eq!((plain.status, plain.header("content-encoding")), (200, None), "{context}");
            let zipped = client.send(route.method, &path, &[JSON, GZIP], body.as_bytes());
            assert_eq!(zipped.status, 200, "{context}");
            let is_gzip = zipped.header("content-encoding").is_some();
            assert_eq!(is_gzip, plain.body.len() >= 1_024, "{context}: {} bytes", plain.body.len());
            let (found, expected) = (decoded(&zipped), &plain.body);
            assert!(without_now(&found) == without_now(expected), "{context}: {} of {}", found.len(), expected.len());
            assert!(serde_json::from_slice::<serde::de::IgnoredAny>(expected).is_ok(), "{context}");
            if route.method == "GET" && samples % (16 * route.samples_per_step) == 0 {
                heads_have_no_body(&mut client, &path, [&plain, &zipped], &context);
            }
            let grown = plain.body.len().saturating_sub(length);
            assert!(samples == 0 || grown < 1_024, "{context}: steps of {grown} bytes");
            length = plain.body.len();
            samples += route.samples_per_step;
            assert!(samples < 16_000, "{context}: {length} bytes");
        }
    }
}

/// HEAD has the headers of GET, and what follows on the connection is the next answer.
fn heads_have_no_body(client: &mut Client, path: &str, answers: [&Answer; 2], context: &str) {
    for (headers, get) in [(&[][..], answers[0]), (&[GZIP][..], answers[1])] {
        let head = client.send("HEAD", path, headers, b"");
        for name in ["content-type", "content-encoding", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{context}: {name}");
        }
        assert_eq!((head.status, client.send("GET", "/health", &[], b"").status), (200, 200), "{context}");
    }
}

/// The others are made whole before they are sent.
#[test]
fn every_other_route_answers_the_same_in_every_encoding() {
    let server = Server::start();
    let mut lines = String::new();
    for i in 0..2_000 {
        lines.push_str(&format!("demo/room.{i}.temperature {i} {}\n", T * 1_000_000_000));
    }
    assert_eq!(server.post("/api/v1/import", lines.as_bytes()).status, 200);
    for path in [
        "/api/v1/metrics?db=demo",
        "/api/v1/metrics?db=demo&details=true",
        "/api/v1/databases",
        "/api/v1/aggregates",
        "/api/v1/query?query=demo/room.7.temperature",
        "/api/v1/ui/endpoints",
        "/api/v1/ui/settings",
        "/metrics",
    ] {
        let plain = server.get(path);
        let zipped = server.connect().send("GET", path, &[GZIP], b"");
        assert_eq!((plain.status, zipped.status), (200, 200), "{path}");
        // Its own numbers change from one answer to the next.
        if path != "/metrics" {
            assert!(decoded(&zipped) == plain.body, "{path}");
        }
        assert_eq!(decoded(&zipped).last(), plain.body.last(), "{path}");
        if path != "/metrics" {
            heads_have_no_body(&mut server.connect(), path, [&plain, &zipped], path);
        }
    }
    // It has the time in it, too.
    let catalog = server.connect().send("GET", "/api/v1/ui/catalog", &[GZIP], b"");
    assert_eq!(catalog.header("content-encoding"), Some("gzip"));
    let catalog: serde_json::Value = serde_json::from_slice(&decoded(&catalog)).unwrap();
    assert_eq!(catalog["databases"][0]["metrics"].as_array().unwrap().len(), 2_000);
}
