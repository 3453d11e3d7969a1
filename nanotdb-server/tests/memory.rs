//! What one request may take of the memory, with the real binary.
#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(target_os = "linux")]

mod common;

use common::Server;
use serde_json::{Value, json};
use std::io::Write;

/// 2024-05-06T12:53:20Z
const T: i64 = 1_715_000_000;
const CONFIG: &str = "[limits]\nmax_request_memory = \"8MiB\"\nmax_query_time = \"10m\"\n[stats]\nenabled = false\n";

/// A number of bytes of the process's state.
fn bytes_of(server: &Server, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

/// The most that the server had in memory so far.
fn most_resident(server: &Server) -> u64 {
    bytes_of(server, "VmHWM:")
}

/// A document of 20 MB in 20 KB: kept whole and parsed at once, it took more than 200 MB.
#[test]
fn a_json_body_takes_no_more_memory_than_its_lines() {
    let server = Server::with_config(CONFIG);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(b"{\"lines\":\"").unwrap();
    let lines = 2_000_000;
    for _ in 0..lines / 1_000 {
        encoder.write_all("demo/m 1\\n".repeat(1_000).as_bytes()).unwrap();
    }
    encoder.write_all(b"\"}").unwrap();
    let body = encoder.finish().unwrap();
    let headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    let answer = server.connect().send("POST", "/api/v1/import", &headers, &body);
    assert_eq!(answer.json()["data"]["imported"], lines, "{}", answer.text());
    let most = most_resident(&server);
    assert!(most < 100 << 20, "{most} bytes");
}

/// All kinds of large requests at once, and a thousand series that go on coming: what a server in a control group of 64 MiB, whose
/// budget is 16 MiB, must live through. (It sets the environment by itself there.)
#[test]
fn large_requests_of_all_kinds_at_once_fit_beside_a_thousand_series() {
    let directory = tempfile::tempdir().unwrap();
    let config = "[limits]\nmax_request_memory = \"16MiB\"\n[stats]\nenabled = false\n";
    std::fs::write(directory.path().join("engine.toml"), config).unwrap();
    let environment =
        [("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "131072"), ("MALLOC_ARENA_MAX", "2")];
    let server = Server::start_with(directory, &[], &environment);
    fill(&server, 600_000);
    let range = format!("/api/v1/query_range?query=demo/m&start={T}&end={}", T + 600_000);
    let json = format!("{{\"lines\":\"{}\"}}", "many/m 1\\n".repeat(800_000));
    let lines: String = (0..500_000).map(|i| format!("more/b{} {i} {}\n", i % 100, T * 1_000_000_000 + i)).collect();
    let series = vec![json!({"db": "demo", "metric": "m"}); 1_000];
    let ranges = json!([{"start_ms": T * 1_000, "end_ms": (T + 600_000) * 1_000, "buckets": 2_000}]);
    let batch = json!({"ranges": ranges, "series": series}).to_string();
    let media = [("Content-Type", "application/json")];
    let requests: [(&str, &str, &str); 5] = [
        ("GET", &range, ""),
        ("GET", &format!("{range}&aggregate=p50,p99,median&window=100000h"), ""),
        ("POST", "/api/v1/import", &json),
        ("POST", "/api/v1/import?format=line_protocol", &lines),
        ("POST", "/api/v1/ui/batch", &batch),
    ];
    let left = std::sync::atomic::AtomicUsize::new(requests.len());
    std::thread::scope(|scope| {
        for (method, path, body) in requests {
            let (server, left) = (&server, &left);
            scope.spawn(move || {
                let _one_less = Less(left);
                for _ in 0..2 {
                    let answer = server.connect().send(method, path, &media, body.as_bytes());
                    // What finds no share in time is to come again.
                    assert!([200, 400, 503].contains(&answer.status), "{path}: {}", answer.text());
                }
            });
        }
        let (mut most, mut rounds) = (0, 0);
        while left.load(std::sync::atomic::Ordering::SeqCst) > 0 {
            let lines: String = (0..1_000).map(|i| format!("live/m{i:04} {rounds}.5\n")).collect();
            let answer = server.post("/api/v1/import", lines.as_bytes());
            assert_eq!(answer.status, 200, "round {rounds}: {}", answer.text());
            most = most.max(bytes_of(&server, "RssAnon:"));
            rounds += 1;
        }
        assert!(most < 56 << 20, "{most} bytes, after {rounds} rounds");
    });
}

/// Counts down when it is dropped, also by an assertion that fails.
struct Less<'a>(&'a std::sync::atomic::AtomicUsize);

impl Drop for Less<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }
}

fn fill(server: &Server, samples: i64) {
    for from in (0..samples).step_by(100_000) {
        let line = |i: i64| format!("demo/m {} {}\n", (i * 7_919) % 10_007, (T + i) * 1_000_000_000);
        let lines: String = (from..samples.min(from + 100_000)).map(line).collect();
        assert_eq!(server.post("/api/v1/import", lines.as_bytes()).status, 200);
    }
}

#[test]
fn percentiles_are_exact_within_the_budget_and_refused_by_its_name_beyond() {
    let server = Server::with_config(CONFIG);
    let samples = 2_000_000;
    fill(&server, samples);
    let range = format!("query=demo/m&start={T}&end={}", T + samples - 1);
    let path = format!("/api/v1/query_range?{range}&aggregate=p50,p99,median&window=100000h");
    let answer = server.get(&path);
    assert_eq!((answer.status, answer.json()["errorType"].as_str()), (503, Some("unavailable")), "{}", answer.text());
    assert!(answer.text().contains("limits.max_request_memory = 8388608"), "{}", answer.text());
    // The values of a day are fewer; the three share them. Values are a permutation of 0..10,007 over and over.
    let path = format!("/api/v1/query_range?query=demo/m&start={T}&end={}", T + 10_007 * 20 - 1);
    let answer = server.get(&format!("{path}&aggregate=p50,p99,median,trimmed_avg&window=100000h"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let result = answer.json();
    let values: Vec<&Value> =
        result["data"]["result"].as_array().unwrap().iter().map(|series| &series["values"][0][1]).collect();
    // 20 of each of 10,007 values: rank 0.5 * 200,139 = 100,069.5 is in 5,003; rank 198,137.61 in 9,906. 5 % are 500 of them.
    assert_eq!(values, [&json!("5003"), &json!("9906"), &json!("5003"), &json!("5003")]);
    // The server goes on, and gives back what it took.
    for _ in 0..20 {
        assert_eq!(server.get(&format!("{path}&aggregate=p95&window=1h")).status, 200);
    }
}

#[test]
fn a_batch_of_a_thousand_series_is_read_in_turns() {
    let server = Server::with_config(CONFIG);
    fill(&server, 10_000);
    let before = most_resident(&server);
    let series = vec![json!({"db": "demo", "metric": "m"}); 1_000];
    let range = json!({"start_ms": T * 1_000, "end_ms": (T + 10_000) * 1_000, "buckets": 2_000});
    let body = json!({"ranges": [range], "series": series}).to_string();
    let headers = [("Content-Type", "application/json")];
    let answer = server.connect().send("POST", "/api/v1/ui/batch", &headers, body.as_bytes());
    assert_eq!(answer.status, 200);
    let document = answer.json();
    let series = document["series"].as_array().unwrap();
    assert_eq!(series.len(), 1_000);
    assert!(series.iter().all(|one| one["kind"] == "buckets" && one["avg"] == series[0]["avg"]));
    // All of them at once are 64 MB in columns alone.
    let grown = most_resident(&server) - before;
    assert!(grown < 48 << 20, "{grown} bytes more");
}
