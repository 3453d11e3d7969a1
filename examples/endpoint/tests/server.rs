//! The server of this crate's own binary has the endpoints, as if they were its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

#[path = "../../testing/server.rs"]
mod server;

use server::{Server, run};

const BINARY: &str = env!("CARGO_BIN_EXE_nanotdb-devices");

fn start(directory: &tempfile::TempDir) -> Server {
    Server::start(BINARY, &directory.path().join("root"))
}

#[test]
fn reports_are_stored_counted_and_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory);
    let report = |device: &str, query: &str, body: &str| {
        server.post(&format!("/devices/{device}/report{query}"), Some("application/json"), body)
    };
    let (status, answer) = report("porch", "", r#"{"temperature":21.5}"#);
    assert_eq!((status, &answer["data"]["celsius"]), (200, &21.5.into()), "{answer}");
    let (status, answer) = report("porch", "?db=other", r#"{"temperature":50,"unit":"F"}"#);
    assert_eq!((status, &answer["data"]["celsius"]), (200, &10.0.into()), "{answer}");
    assert_eq!(report("cellar", "", r#"{"temperature":9}"#).0, 200);

    let (_, answer) = server.get("/api/v1/query?query=devices/porch.temp");
    assert_eq!(answer["data"]["result"][0]["value"][1], "21.5", "{answer}");
    let (_, answer) = server.get("/api/v1/query?query=other/porch.temp");
    assert_eq!(answer["data"]["result"][0]["value"][1], "10", "{answer}");

    let (status, answer) = server.get("/devices");
    assert_eq!((status, answer["data"].to_string()), (200, r#"{"cellar":1,"porch":2}"#.to_owned()));

    let (status, head, text) = server.get_text("/devices/porch/history?since=-1h");
    assert_eq!(status, 200, "{text}");
    assert!(head.to_ascii_lowercase().contains("content-type: text/plain; charset=utf-8"), "{head}");
    let (time, value) = text.trim_end().split_once(' ').unwrap();
    assert!(time.parse::<i64>().is_ok() && value == "21.5", "{text}");
    assert!(server.stop().success());

    // Another server of the same directory begins to count anew, with the samples of before.
    let server = start(&directory);
    assert_eq!(server.get("/devices").1["data"].to_string(), "{}");
    assert_eq!(server.get("/api/v1/query?query=devices/cellar.temp").1["data"]["result"][0]["value"][1], "9");
}

#[test]
fn its_section_of_the_configuration_is_written_checked_and_held() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let file = root.join("engine.toml");
    let (code, _, error) = run(BINARY, &["--init", "--data", root.to_str().unwrap()]);
    assert_eq!(code, 0, "{error}");
    let text = std::fs::read_to_string(&file).unwrap();
    let shown = "[devices]\n# Database of reports that name none: letters, digits, _ . -\ndatabase = \"devices\"\n";
    assert!(text.contains(shown), "{text}");

    let wrong = text
        .replace("database = \"devices\"", "database = \"../x\"")
        .replace("refresh_seconds = 10", "refresh_seconds = 0");
    std::fs::write(&file, wrong).unwrap();
    let (code, _, error) = run(BINARY, &["--listen", "127.0.0.1:0", "--data", root.to_str().unwrap()]);
    assert_eq!(code, 2, "{error}");
    for says in ["2 mistakes", "devices.database = \"../x\"", "web.refresh_seconds = 0"] {
        assert!(error.contains(says), "{error}");
    }

    std::fs::write(&file, text.replace("database = \"devices\"", "database = \"porches\"")).unwrap();
    let server = Server::start(BINARY, &root);
    assert_eq!(server.post("/devices/porch/report", None, "{\"temperature\":4}").0, 200);
    let (_, answer) = server.get("/api/v1/query?query=porches/porch.temp");
    assert_eq!(answer["data"]["result"][0]["value"][1], "4", "{answer}");
}

#[test]
fn a_body_of_many_pieces_is_taken_as_it_comes() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory);
    // Larger than what the server reads at once.
    let numbers: Vec<String> = (0..200_000).map(|n| format!("{}.25", n % 1_000)).collect();
    let body = numbers.join("\n") + "\n";
    assert!(body.len() > 1 << 20);
    let (status, answer) = server.post("/devices/kiln/readings", None, &body);
    assert_eq!((status, &answer["data"]), (200, &200_000.into()), "{answer}");
    let (_, _, text) = server.get_text("/devices/kiln/history");
    let values: Vec<&str> = text.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(values, numbers);

    let (status, answer) = server.post("/devices/kiln/readings", None, "1\nwarm\n");
    assert_eq!((status, &answer["error"]), (400, &"send a number a line".into()), "{answer}");
}

#[test]
fn what_the_row_says_is_held() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory);
    let refused = |(status, answer): (u16, serde_json::Value)| (status, answer["error"].as_str().unwrap().to_owned());
    let json = Some("application/json");

    let (status, error) = refused(server.post("/devices/porch/report?dbb=x", json, r#"{"temperature":1}"#));
    assert_eq!((status, error.as_str()), (400, "unknown parameter \"dbb\": did you mean db? known are db"));
    let (status, error) = refused(server.get("/devices/porch/report"));
    assert_eq!((status, error.as_str()), (405, "GET /devices/porch/report: the method must be POST"));
    let (status, error) = refused(server.post("/devices/porch/report", json, r#"{"temp":1}"#));
    assert!(status == 400 && error.contains("unknown field") && error.contains("send {"), "{error}");
    let (status, error) = refused(server.post("/devices/porch/report", json, &" ".repeat(5_000)));
    assert!(status == 413 && error.contains("4096 bytes"), "{error}");
    let (status, error) = refused(server.get("/devices/nobody/history"));
    assert_eq!((status, error.as_str()), (404, r#"no device has reported as "nobody""#));
    let (status, error) = refused(server.get("/devices/nobody/history?since=soon"));
    assert!(status == 400 && error.starts_with("parameter since = \"soon\""), "{error}");
    let (status, _) = refused(server.get("/devices/porch"));
    assert_eq!(status, 404);

    let (_, shown) = server.get("/api/v1/ui/endpoints");
    let ours: Vec<_> = shown["endpoints"].as_array().unwrap().iter().filter(|e| e["group"] == "Devices").collect();
    let said: Vec<_> =
        ours.iter().map(|e| [&e["id"], &e["method"], &e["access"]].map(|v| v.as_str().unwrap())).collect();
    let expected = [
        ["devices", "GET", "read"],
        ["device_history", "GET", "read"],
        ["device_readings", "POST", "write"],
        ["device_report", "POST", "write"],
    ];
    assert_eq!(said, expected);
    let (_, _, numbers) = server.get_text("/metrics");
    let counted = "nanotdb_http_requests_total{endpoint=\"device_report\",status=\"400\"} 2";
    assert!(numbers.lines().any(|line| line == counted), "{numbers}");
}

#[test]
fn an_endpoint_that_is_there_already_is_refused_with_both_names() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let started =
        run(env!("CARGO_BIN_EXE_nanotdb-twice"), &["--listen", "127.0.0.1:0", "--data", root.to_str().unwrap()]);
    for (code, _, error) in [started, run(env!("CARGO_BIN_EXE_nanotdb-twice"), &["--plugins"])] {
        assert_eq!(code, 2, "{error}");
        assert!(error.contains("two endpoints have GET /api/v1/query: "), "{error}");
        assert!(error.contains(r#""my_query" of "#) && error.contains("tests/bin/twice.rs:"), "{error}");
        assert!(error.contains(r#""query" of "#) && error.contains("routes/query.rs:"), "{error}");
    }
    assert!(!root.exists(), "a server that cannot start leaves nothing behind");
}
