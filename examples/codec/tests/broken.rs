//! A server whose plugins break what they promise: what they break is told with their name, and nothing else breaks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

#[path = "../../testing/server.rs"]
mod server;

use server::Server;
use std::path::Path;

const BINARY: &str = env!("CARGO_BIN_EXE_nanotdb-broken");
const T: i64 = 1_715_000_000_000_000_000;

/// A root whose database `bad` has the codec, with pages of 10 rows, and whose `well` has not.
fn root(directory: &Path) -> std::path::PathBuf {
    let root = directory.join("root");
    for (database, codec) in [("bad", "moody"), ("well", "s2")] {
        let manifest = format!("[page]\ncodec = {codec:?}\nmax_records = 10\n");
        std::fs::create_dir_all(root.join(database)).unwrap();
        std::fs::write(root.join(database).join("manifest.toml"), manifest).unwrap();
    }
    root
}

fn lines(database: &str, range: std::ops::Range<i64>) -> String {
    range.map(|at| format!("{database}/m {at} {}\n", T + at * 1_000_000_000)).collect()
}

fn values(server: &Server, database: &str) -> Vec<String> {
    server.values(&format!("{database}/m")).0
}

fn numbers(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|at| at.to_string()).collect()
}

/// Until a warning says so: the page is flushed by a thread of the engine.
fn wait_for_trouble(server: &Server) -> String {
    let began = std::time::Instant::now();
    loop {
        let (_, engine) = server.get("/api/v1/ui/engine");
        let text = engine["warnings"].to_string();
        if text.contains("moody") {
            return text;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(120), "warnings stay {text}");
        std::thread::yield_now();
    }
}

#[test]
fn a_codec_that_breaks_is_the_trouble_of_its_database() {
    for (mood, reason) in [("panics", "it panicked"), ("fails", "the accelerator is gone")] {
        let directory = tempfile::tempdir().unwrap();
        let root = root(directory.path());
        let server = Server::start(BINARY, &root);
        let text = lines("bad", 0..5) + &lines("well", 0..5);
        assert_eq!(server.post("/api/v1/import", None, &text).0, 200);
        assert!(server.stop().success());

        // While it runs.
        let server = Server::start_with(BINARY, &root, &[("NANOTDB_MOODY", mood)]);
        for at in 5..60 {
            let text = lines("bad", at..at + 1) + &lines("well", at..at + 1);
            let (status, answer) = server.post("/api/v1/import", None, &text);
            assert_eq!((status, &answer["data"]["imported"]), (200, &2.into()), "{mood}: {answer}");
        }
        let warnings = wait_for_trouble(&server);
        for part in ["bad", "data-2024-05-06.dat", "codec moody", reason] {
            assert!(warnings.contains(part), "{mood}: {part} in {warnings}");
        }
        assert!(!warnings.contains("well/"), "{warnings}");
        // It takes samples: something to know, and no failure.
        let (status, health) = server.get("/health");
        assert_eq!((status, &health["status"], &health["warnings"]), (200, &"ok".into(), &1.into()), "{mood}");
        assert_eq!(values(&server, "bad"), numbers(0..60), "{mood}");
        assert_eq!(values(&server, "well"), numbers(0..60), "{mood}");
        assert!(server.stop().success(), "{mood}: a stop is no error");

        // The next start, while it is as bad.
        let server = Server::start_with(BINARY, &root, &[("NANOTDB_MOODY", mood)]);
        assert_eq!(values(&server, "well"), numbers(0..60), "{mood}");
        assert_eq!(values(&server, "bad"), numbers(0..60), "{mood}");
        assert_eq!(server.post("/api/v1/import", None, &lines("well", 60..61)).0, 200, "{mood}");
        assert!(server.stop().success(), "{mood}: a second stop");

        // And when it works again.
        let server = Server::start(BINARY, &root);
        assert_eq!(server.post("/api/v1/import", None, &lines("bad", 60..90)).0, 200);
        assert_eq!(values(&server, "bad"), numbers(0..90), "{mood}");
        assert!(server.stop().success());
        let server = Server::start(BINARY, &root);
        assert_eq!(values(&server, "bad"), numbers(0..90), "{mood}: from its pages");
        assert_eq!(server.get("/health").0, 200);
        assert!(server.stop().success());
    }
}

#[test]
fn a_parser_that_breaks_its_contract_is_told_and_what_it_gave_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let server = Server::start(BINARY, &root);
    let mut stored = 0;
    for (format, status, reason) in [
        ("leaves_all", 500, "left 6 bytes unused"),
        ("takes_more", 500, "used 11 bytes of 6"),
        ("panics", 500, "it panicked"),
        // Not a breach: the input is unusable. The lines before that are stored and counted all the same.
        ("gives_up", 400, "no footer"),
    ] {
        let (found, answer) = server.post(&format!("/api/v1/import?format={format}"), None, "a\nb\nc\n");
        let text = answer["error"].as_str().unwrap();
        assert_eq!(found, status, "{format}: {answer}");
        assert!(text.contains(reason), "{format}: {text}");
        assert_eq!(text.contains(&format!("format {format:?} broke its contract")), status == 500, "{text}");
        assert_eq!(answer["data"]["imported"], 3, "{format}: {answer}");
        stored += 3;
        let (_, found) = server.get("/api/v1/query_range?query=broken/n&start=-1h");
        let rows = found["data"]["result"][0]["values"].as_array().unwrap_or_else(|| panic!("{found}"));
        assert_eq!(rows.len(), stored, "{format}: {found}");
    }
    assert!(server.stop().success());
}
