//! Flags, the configuration file, start and stop.

mod common;

use common::{Server, run};

#[test]
fn init_writes_a_configuration_once() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, _) = run(&["--init", "--config", "data/engine.toml"], dir.path());
    assert_eq!(code, 0);
    assert!(out.contains("data/engine.toml"), "{out}");
    let text = std::fs::read_to_string(dir.path().join("data/engine.toml")).unwrap();
    assert!(text.contains("[engine]"), "{text}");
    std::fs::write(dir.path().join("data/engine.toml"), "# mine\n").unwrap();
    let (code, _, error) = run(&["--init", "--config", "data/engine.toml"], dir.path());
    assert_ne!(code, 0);
    assert!(error.contains("exists already"), "{error}");
    assert_eq!(std::fs::read_to_string(dir.path().join("data/engine.toml")).unwrap(), "# mine\n");
}

#[test]
fn init_without_a_place_is_a_wrong_argument() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, error) = run(&["--init"], dir.path());
    assert_eq!(code, 2);
    assert!(error.contains("--config PATH or --data DIR"), "{error}");
}

#[test]
fn a_wrong_address_is_a_wrong_argument_and_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["--listen", "nonsense"][..], &["--listen", ":99999"], &["demo", "--listen", "x"]] {
        let (code, _, error) = run(args, dir.path());
        assert_eq!(code, 2, "{error}");
        assert!(error.contains("--listen") && error.contains("accepted is host:port"), "{error}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn data_that_is_a_file_is_a_wrong_argument() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "mine").unwrap();
    for args in [&["--data", "file"][..], &["--init", "--data", "file"]] {
        let (code, _, error) = run(args, dir.path());
        assert_eq!(code, 2, "{error}");
        assert!(error.contains("file is a file; --data takes a directory"), "{error}");
    }
    assert_eq!(std::fs::read_to_string(dir.path().join("file")).unwrap(), "mine");
}

#[test]
fn a_missing_configuration_is_answered_with_how_to_make_it() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, error) = run(&["--config", "nowhere/engine.toml"], dir.path());
    assert_eq!(code, 3);
    assert!(error.contains("nanotdb --init --config nowhere/engine.toml"), "{error}");
    assert!(!dir.path().join("nowhere").exists());
}

#[test]
fn a_server_that_cannot_listen_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, error) = run(&["--data", "data", "--listen", &address], dir.path());
    assert_eq!(code, 1);
    assert!(error.contains(&address), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn plugins_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, _) = run(&["--plugins"], dir.path());
    assert_eq!(code, 0);
    for (kind, name) in
        [("codec", "s2"), ("partition", "day"), ("ingest format", "line_protocol"), ("aggregate", "p95")]
    {
        let found = out.lines().any(|l| l.starts_with(kind) && l.split_whitespace().any(|w| w == name));
        assert!(found, "{kind} {name} is missing in\n{out}");
    }
}

#[test]
fn the_first_start_makes_engine_toml_and_a_stop_keeps_everything() {
    let server = Server::start();
    assert!(server.dir.path().join("engine.toml").exists());
    assert_eq!(server.post("/api/v1/import", b"demo/a 1 1715000000000000000\n").status, 200);
    server.signal("TERM");
    let (status, dir) = server.wait();
    assert_eq!(status.code(), Some(0));
    let again = Server::start_in(dir, &[]);
    let answer = again.get("/api/v1/query?query=demo/a").json();
    assert_eq!(answer["data"]["result"][0]["value"][1], "1");
}

#[test]
fn a_killed_server_loses_nothing_that_was_acknowledged() {
    let server = Server::start();
    for i in 0..50 {
        let line = format!("demo/a {i} {}\n", 1_715_000_000_000_000_000i64 + i * 1_000_000_000);
        assert_eq!(server.post("/api/v1/import", line.as_bytes()).status, 200);
    }
    server.signal("KILL");
    let (_, dir) = server.wait();
    let again = Server::start_in(dir, &[]);
    let answer = again.get("/api/v1/query_range?query=demo/a&start=1715000000&end=1715000100").json();
    let values = answer["data"]["result"][0]["values"].as_array().unwrap();
    assert_eq!(values.len(), 50);
    assert_eq!(values[49][1], "49");
}

/// Number 13 of the list of known ways to lose data.
#[test]
fn r13_a_second_server_on_the_directory_is_refused() {
    let server = Server::start();
    let path = server.dir.path().to_str().unwrap().to_owned();
    let (code, _, error) = run(&["--data", &path, "--listen", "127.0.0.1:0"], server.dir.path());
    assert_eq!(code, 4, "{error}");
    assert!(error.contains("in use by another process"), "{error}");
}

/// Number 18 of the list of known ways to lose data; answers are in reliability.rs.
#[test]
fn r18_shutdown_finishes_requests_that_are_being_sent() {
    let server = Server::start();
    let mut client = server.connect();
    let body = b"demo/slow 7 1715000000000000000\n";
    let head = format!("POST /api/v1/import HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    client.write(head.as_bytes());
    client.write(&body[..10]);
    std::thread::sleep(std::time::Duration::from_millis(200));
    server.signal("TERM");
    std::thread::sleep(std::time::Duration::from_millis(200));
    client.write(&body[10..]);
    let answer = client.answer(false);
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"status":"success","data":{"imported":1}}"#));
    assert_eq!(server.wait().0.code(), Some(0));
}

#[test]
fn a_new_directory_gets_metric_files_and_one_with_databases_stays_as_it_is() {
    let engine_toml = |dir: &tempfile::TempDir| std::fs::read_to_string(dir.path().join("engine.toml")).unwrap();
    let enabled = |text: &str| {
        let section = text.split("\n[metrics]\n").nth(1).unwrap();
        section.lines().find_map(|line| line.strip_prefix("enabled = ")).unwrap() == "true"
    };
    let server = Server::start();
    server.signal("TERM");
    let (_, dir) = server.wait();
    assert!(enabled(&engine_toml(&dir)));
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("pi")).unwrap();
    std::fs::write(dir.path().join("pi/catalog.json"), "{\"metrics\":[]}").unwrap();
    let server = Server::start_in(dir, &[]);
    server.signal("TERM");
    let (_, dir) = server.wait();
    assert!(!enabled(&engine_toml(&dir)));
}

#[test]
fn every_mistake_in_engine_toml_is_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[wal]\nmax_segment_size = 0\nfsync_policy = \"sometimes\"\n[metrics]\ncompression = \"nonsense\"\n";
    std::fs::write(dir.path().join("engine.toml"), text).unwrap();
    let (code, _, said) = run(&["--listen", "127.0.0.1:0", "--data", "."], dir.path());
    assert_eq!(code, 2, "{said}");
    for key in ["3 mistakes", "wal.max_segment_size", "wal.fsync_policy", "metrics.compression"] {
        assert!(said.contains(key), "{key} is missing in {said}");
    }
}
