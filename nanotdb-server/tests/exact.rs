//! Numbers over HTTP and back, by every route (number 26 of the list).
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::Server;
use serde_json::{Value, json};

/// 2024-05-06T12:53:20Z
const T: i64 = 1_715_000_000;

/// What each route answers for the samples of a metric, in order: newest value, range, the page's batch.
fn read(server: &Server, metric: &str) -> (Value, Vec<Value>, Vec<Value>) {
    let newest = server.get(&format!("/api/v1/query?query=demo/{metric}")).json();
    let range = server.get(&format!("/api/v1/query_range?query=demo/{metric}&start={T}&end={}", T + 100)).json();
    let range = range["data"]["result"][0]["values"].as_array().unwrap_or_else(|| panic!("{range}")).clone();
    let ranges = json!([{"start_ms": T * 1_000, "end_ms": (T + 100) * 1_000, "buckets": 1_000}]);
    let body = json!({"ranges": ranges, "series": [{"db": "demo", "metric": metric}]}).to_string();
    let headers = [("Content-Type", "application/json")];
    let batch = server.connect().send("POST", "/api/v1/ui/batch", &headers, body.as_bytes()).json();
    let batch = batch["series"][0]["v"].as_array().unwrap_or_else(|| panic!("{batch}")).clone();
    (newest["data"]["result"][0]["value"][1].clone(), range.into_iter().map(|row| row[1].clone()).collect(), batch)
}

fn import(server: &Server, metric: &str, values: &[&str]) {
    let line = |(at, value): (usize, &&str)| format!("demo/{metric} {value} {}\n", (T + at as i64) * 1_000_000_000);
    let lines: String = values.iter().enumerate().map(line).collect();
    let answer = server.post("/api/v1/import", lines.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A metric becomes as wide as its numbers need, and what it held before stays the same number.
#[test]
fn r26_numbers_come_back_over_http_as_they_were_sent() {
    let server = Server::start();
    let cases: [(&str, &[&str]); 7] = [
        ("decimals", &["21.3", "0.1", "21.5"]),
        ("then_more_digits", &["21.3", "0.1", "123456.789", "21.3"]),
        ("then_decimals", &["7", "-3", "7.25", "123456.789"]),
        ("counter", &["3456789.12", "3456789.13", "3456789.14"]),
        ("integers", &["16777217", "2147483647", "-2147483648"]),
        ("then_large", &["1", "9007199254740993", "-9223372036854775808"]),
        ("digits", &["0.30000000000000004", "1715000000.123456"]),
    ];
    for (metric, values) in cases {
        import(&server, metric, values);
    }
    for (metric, values) in cases {
        let (newest, range, batch) = read(&server, metric);
        assert_eq!(newest, *values.last().unwrap(), "{metric}");
        assert_eq!(range, values, "{metric}");
        let numbers: Vec<Value> = values.iter().map(|value| serde_json::from_str(value).unwrap()).collect();
        assert_eq!(batch, numbers, "{metric}");
    }
    // Prometheus text is float64 from its first sample.
    let text = format!("rx_total 1234567890123 {}\nrx_total 1234567891123 {}\n", T * 1_000, T * 1_000 + 1);
    assert_eq!(server.post("/api/v1/import/prometheus?db=demo", text.as_bytes()).status, 204);
    let (newest, range, batch) = read(&server, "rx_total");
    assert_eq!(
        (newest, batch),
        (json!("1234567891123"), vec![json!(1_234_567_890_123_i64), json!(1_234_567_891_123_i64)])
    );
    assert_eq!(range, ["1234567890123", "1234567891123"]);
}

/// Who asks for narrow metrics gets rounded decimals, is told so at the start, and can see how many.
#[test]
fn rounding_that_was_asked_for_is_told_and_counted() {
    let server = Server::with_config("[values]\nwidth = \"32\"\n[[logging.logger]]\noutput = \"server.log\"\n");
    let log = std::fs::read_to_string(server.dir.path().join("server.log")).unwrap();
    let warning = "width = \"32\": decimals that float32 does not give back are rounded";
    assert!(log.lines().any(|line| line.contains("WARN") && line.contains(warning)), "{log}");
    // Of these, float32 gives two back.
    import(&server, "a", &["21.3", "123456.789", "0.5", "3456789.12"]);
    let (newest, range, _) = read(&server, "a");
    assert_eq!(
        (newest, range),
        (json!("3456789"), vec![json!("21.3"), json!("123456.79"), json!("0.5"), json!("3456789")])
    );
    let metrics = server.get("/metrics").text();
    assert!(metrics.lines().any(|line| line == "nanotdb_ingest_rounded_total 2"), "{metrics}");
}
