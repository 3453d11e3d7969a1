//! Rollups in a running server: emitted by themselves, computed anew on request, and listed with the metrics.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::Server;
use std::time::{Duration, Instant};

/// 2024-05-06T12:00:00Z.
const T: i64 = 1_714_996_800;
const HOUR: i64 = 3_600;

fn job(interval: &str, destination: &str) -> String {
    format!(
        "[rollups]\nenabled = true\n[[rollups.jobs]]\nid = \"{interval}\"\nsource_pattern = \"*\"\n\
         interval = \"{interval}\"\naggregates = [\"sum\", \"count\"]\ndestination_db = \"{destination}\"\n"
    )
}

/// A server on a root whose database `pi` is rolled up into `pi_1h`.
fn start() -> Server {
    let dir = tempfile::tempdir().unwrap();
    for (database, text) in [("pi", job("1h", "pi_1h")), ("pi_1h", job("1d", "pi_1d"))] {
        std::fs::create_dir(dir.path().join(database)).unwrap();
        std::fs::write(dir.path().join(database).join("manifest.toml"), text).unwrap();
    }
    Server::start_in(dir, &[])
}

fn send(server: &Server, minutes: std::ops::Range<i64>) {
    let line = |m| format!("pi/t {m}.5 {}\n", (T + m * 60) * 1_000_000_000);
    let body: String = minutes.map(line).collect();
    assert_eq!(server.post("/api/v1/import", body.as_bytes()).status, 200);
}

fn values(server: &Server, database: &str, metric: &str) -> Vec<(i64, f64)> {
    let path = format!(
        "/api/v1/query_range?query={database}/{metric}&start={}&end={}&timestamp_unit=s",
        T - 24 * HOUR,
        T + 72 * HOUR
    );
    let answer = server.get(&path).json();
    let Some(series) = answer["data"]["result"].get(0) else { return Vec::new() };
    let row = |row: &serde_json::Value| (row[0].as_i64().unwrap(), row[1].as_str().unwrap().parse().unwrap());
    series["values"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn buckets_come_by_themselves_and_a_backfill_takes_in_what_came_late() {
    let server = start();
    send(&server, 0..150);
    let began = Instant::now();
    while values(&server, "pi_1h", "t.count").len() < 3 {
        assert!(began.elapsed() < Duration::from_secs(120), "no rollups: {:?}", values(&server, "pi_1h", "t.count"));
        std::thread::sleep(Duration::from_millis(100));
    }
    let hours = [(T, 60.0), (T + HOUR, 60.0), (T + 2 * HOUR, 30.0)];
    assert_eq!(values(&server, "pi_1h", "t.count"), hours);
    send(&server, 150..180);
    let report = server.post("/api/v1/rollup/backfill", b"").json();
    assert_eq!(report["status"], "success");
    let data = &report["data"];
    assert_eq!(
        (&data["sources"], &data["destinations"]),
        (&serde_json::json!(["pi", "pi_1h"]), &serde_json::json!(["pi_1h", "pi_1d"]))
    );
    assert_eq!((&data["passes"], &data["skipped"]), (&2.into(), &serde_json::json!([])));
    assert_eq!(values(&server, "pi_1h", "t.count"), [(T, 60.0), (T + HOUR, 60.0), (T + 2 * HOUR, 60.0)]);
    let sum = |hour: i64| (hour * 60..hour * 60 + 60).map(|m| m as f64 + 0.5).sum::<f64>();
    let sums: Vec<_> = (0..3).map(|hour| (T + hour * HOUR, sum(hour))).collect();
    assert_eq!(values(&server, "pi_1h", "t.sum"), sums);
    assert_eq!(values(&server, "pi_1d", "t.sum.count"), [(T - 12 * HOUR, 3.0)]);
    assert!(server.dir.path().join("pi_1h/data-2024-05-06.dat").exists(), "offline tools can read it");
    let one = server.post("/api/v1/rollup/backfill", b"{\"source_db\":\"pi_1h\"}").json();
    assert_eq!(one["data"]["destinations"], serde_json::json!(["pi_1d"]));
    let listed = server.post("/api/v1/rollup/backfill", b"{\"source_dbs\":[\"pi_1h\",\"pi\"]}").json();
    assert_eq!(
        listed["data"]["cleared_files"],
        serde_json::json!(["pi_1h/data-2024-05-06.dat", "pi_1d/data-2024.dat"])
    );
}

#[test]
fn wrong_requests_are_refused_with_a_reason() {
    let server = start();
    for (body, status, says) in [
        ("{\"source_db\":\"nowhere\"}", 404, "nowhere"),
        ("{\"source\":\"pi\"}", 400, "source_dbs"),
        ("[1,", 400, "request body"),
    ] {
        let answer = server.post("/api/v1/rollup/backfill", body.as_bytes());
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, status, "{body}: {error}");
        assert!(error.contains(says), "{body}: {error}");
    }
    assert_eq!(server.get("/api/v1/rollup/backfill").status, 405);
}

#[test]
fn lineage_lists_what_is_made_of_a_metric() {
    let server = start();
    send(&server, 0..1);
    let get = |hops: &str| server.get(&format!("/api/v1/metrics?db=pi&lineage=rollups&details=true{hops}")).json();
    let one = get("");
    let rollups = &one["data"]["result"][0]["rollups"];
    assert_eq!((&rollups["max_hops"], &rollups["truncated"]), (&1.into(), &true.into()));
    let first = serde_json::json!({
        "hop": 1, "db": "pi_1h", "metric": "t.sum", "aggregate": "sum", "interval": "1h", "job": "1h",
        "source_db": "pi", "source_metric": "t"
    });
    assert_eq!(rollups["downstream"][0], first);
    let two = get("&max_hops=2");
    let rollups = &two["data"]["result"][0]["rollups"];
    let named = |d: &serde_json::Value| format!("{}/{}", d["db"].as_str().unwrap(), d["metric"].as_str().unwrap());
    let names: Vec<_> = rollups["downstream"].as_array().unwrap().iter().map(named).collect();
    let expected = [
        "pi_1h/t.sum",
        "pi_1h/t.count",
        "pi_1d/t.sum.sum",
        "pi_1d/t.sum.count",
        "pi_1d/t.count.sum",
        "pi_1d/t.count.count",
    ];
    assert_eq!(names, expected);
    assert_eq!(rollups["truncated"], false);
    assert_eq!(get("&max_hops=6")["status"], "error");
}
