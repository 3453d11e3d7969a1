//! The server of this crate's own binary takes the format by name and by content type, and so does nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

#[path = "../../testing/server.rs"]
mod server;

use server::{Server, run};

const BINARY: &str = env!("CARGO_BIN_EXE_nanotdb-csv");

#[test]
fn samples_go_in_as_semicolon_csv_and_come_out_over_http() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(BINARY, &directory.path().join("root"));

    let csv = "database;metric;value;timestamp_ns\n\
               prod;room.temp;21.5;1715000000000000000\n\
               prod;room.door;1;1715000000000000000\n\
               prod;room.temp;21.75;1715000010000000007\n";
    let (status, answer) = server.post("/api/v1/import?format=semicolon_csv", None, csv);
    assert_eq!((status, &answer["data"]["imported"]), (200, &3.into()), "{answer}");

    let later = "prod;room.temp;-1e-3;1715000020000000000\r\nprod;room.door;2;1715000020000000000\r\n";
    let (status, answer) = server.post("/api/v1/import", Some("text/csv; charset=utf-8"), later);
    assert_eq!((status, &answer["data"]["imported"]), (200, &2.into()), "{answer}");

    let (values, answer) = server.values("prod/room.temp");
    assert_eq!(values, ["21.5", "21.75", "-0.001"]);
    // The answer's numbers are exact as text; a JSON library would round them.
    assert!(answer.to_string().contains("1715000010"), "{answer}");
    assert_eq!(server.values("prod/room.door").0, ["1", "2"]);
    let (_, metrics) = server.get("/api/v1/metrics?db=prod&details=true");
    let types: Vec<_> = metrics["data"]["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (m["name"].as_str().unwrap(), m["type"].as_str().unwrap()))
        .collect();
    assert_eq!(types, [("room.door", "int32"), ("room.temp", "float32")]);
    assert!(server.stop().success());
}

#[test]
fn bad_lines_are_named_and_the_good_ones_stored() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(BINARY, &directory.path().join("root"));
    let csv = "prod;t;1.5;1715000000000000000\nprod;t;warm;1715000001000000000\nprod;t;2.5;1715000002000000000\n";
    let (status, answer) = server.post("/api/v1/import?format=semicolon_csv", None, csv);
    assert_eq!((status, &answer["status"]), (400, &"error".into()), "{answer}");
    assert_eq!(answer["data"]["imported"], 2);
    assert_eq!(answer["data"]["errors"][0]["line"], 2);
    assert!(answer["data"]["errors"][0]["error"].as_str().unwrap().starts_with(r#"value "warm" is not"#), "{answer}");
    assert_eq!(server.values("prod/t").0, ["1.5", "2.5"]);
}

#[test]
fn the_binary_lists_the_format() {
    let (code, table, _) = run(BINARY, &["--plugins"]);
    assert_eq!(code, 0);
    let line = table.lines().find(|line| line.contains("semicolon_csv")).unwrap();
    assert!(line.starts_with("ingest format") && line.contains("text/csv"), "{line}");
    assert!(table.contains("line_protocol"), "what ships with NanoTDB is still there: {table}");

    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(BINARY, &directory.path().join("root"));
    let (status, answer) = server.post("/api/v1/import?format=comma_csv", None, "prod;t;1;1\n");
    assert_eq!((status, &answer["errorType"]), (400, &"bad_data".into()));
    let error = answer["error"].as_str().unwrap();
    assert!(error.contains("comma_csv") && error.contains("semicolon_csv"), "{error}");
    assert!(error.contains("line_protocol"), "{error}");
}
