//! The numbers of the engine, the server and the process: at `/metrics`, and in the database `internal`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::Server;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// One family of an exposition.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    /// By labels.
    samples: BTreeMap<Vec<(String, String)>, f64>,
}

fn is_name(text: &str, more: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || more.contains(c);
    text.starts_with(is_first) && text.chars().all(|c| is_first(c) || c.is_ascii_digit())
}

/// `{name="value",...}` from its start; the rest behind it.
fn labels(mut text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    text = text.strip_prefix('{')?;
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    c @ ('"' | '\\') => c,
                    _ => return None,
                }),
                (_, c) => value.push(c),
            }
        };
        if !is_name(name, "") {
            return None;
        }
        labels.push((name.to_owned(), value));
        text = &rest[end + 1..];
        text = text.strip_prefix(',').unwrap_or(text);
    }
}

/// Reads an exposition as strictly as the description of the format is: families in one piece, HELP and TYPE first, no
/// series twice.
fn parse(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n'));
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(name, ":"), "{line}");
            let family = Family { help: help.to_owned(), ..Family::default() };
            assert!(families.insert(name.to_owned(), family).is_none(), "{name} is there twice");
            name.clone_into(&mut current);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, current, "{line}");
            let family = families.get_mut(name).unwrap();
            assert!(["counter", "gauge"].contains(&kind) && family.samples.is_empty(), "{line}");
            kind.clone_into(&mut family.kind);
        } else {
            let end = line.find([' ', '{']).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(&line[..end], current, "outside its family: {line}");
            let (labels, rest) = match line[end..].starts_with('{') {
                true => labels(&line[end..]).unwrap_or_else(|| panic!("{line}")),
                false => (Vec::new(), &line[end..]),
            };
            let value = rest.strip_prefix(' ').unwrap().parse::<f64>().unwrap_or_else(|e| panic!("{line}: {e}"));
            let family = families.get_mut(&current).unwrap();
            assert!(!family.kind.is_empty(), "{line} comes before its TYPE");
            assert!(family.samples.insert(labels, value).is_none(), "{line} is there twice");
        }
    }
    families
}

#[test]
fn the_exposition_is_one_that_prometheus_reads() {
    let server = Server::start();
    server.post("/api/v1/import", b"demo/a 1\nde.mo-2/b 2\n");
    server.get("/api/v1/query?query=demo/a");
    let families = parse(&server.get("/metrics").text());
    assert!(families.len() > 50, "{}", families.len());
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/SELF_METRICS.md")).unwrap();
    for (name, family) in &families {
        assert!(name.starts_with("nanotdb_"), "{name}");
        assert_eq!(name.ends_with("_total"), family.kind == "counter", "{name} is a {}", family.kind);
        assert!(family.help.ends_with('.') && !family.samples.is_empty(), "{name}: {family:?}");
        let documented = page.lines().any(|l| l.contains(&format!("| `{name}")) && l.contains(&family.help));
        assert!(documented, "{name} is not in docs/SELF_METRICS.md");
    }
    let databases: BTreeSet<&str> =
        families["nanotdb_database_metrics"].samples.keys().map(|labels| labels[0].1.as_str()).collect();
    assert_eq!(databases, ["de.mo-2", "demo"].into());
    let value = |name: &str| families[name].samples[&Vec::new()];
    assert_eq!(value("nanotdb_ingest_samples_total"), 2.0);
    assert_eq!(value("nanotdb_query_newest_total"), 1.0);
    assert_eq!(value("nanotdb_http_in_flight"), 1.0);
    // Those that the kernel knows, within what a small server can be.
    if cfg!(target_os = "linux") {
        let resident = value("nanotdb_process_resident_memory_bytes");
        assert!((1e6..1e9).contains(&resident), "{resident}");
        assert!(value("nanotdb_process_threads") >= 3.0);
        let sockets_and_files = value("nanotdb_process_open_files");
        let listed = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count() as f64;
        assert!((sockets_and_files - listed).abs() <= 4.0, "{sockets_and_files}, {listed}");
        assert!(value("nanotdb_process_cpu_seconds_total") < 60.0);
    }
}

#[test]
fn the_same_numbers_are_in_the_hidden_database() {
    let server = Server::with_config("[stats]\ninterval = \"100ms\"\n");
    server.post("/api/v1/import", b"demo/a 1\ndemo/a 2\n");
    let value = |metric: &str| {
        let answer = server.get(&format!("/api/v1/query?query=internal/{metric}")).json();
        answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    };
    let began = Instant::now();
    while value("nanotdb.http.requests.import.200").as_deref() != Some("1") {
        assert!(began.elapsed() < Duration::from_secs(120));
        std::thread::sleep(Duration::from_millis(50));
    }
    for (metric, expected) in [
        ("nanotdb.database.open_rows.demo", "2"),
        ("nanotdb.http.received_bytes", "18"),
        (concat!("nanotdb.build_info.", env!("CARGO_PKG_VERSION")), "1"),
    ] {
        assert_eq!(value(metric).as_deref(), Some(expected), "{metric}");
    }
    assert!(value("nanotdb.process.uptime_s").is_some());
    let names = |query: &str| server.get(&format!("/api/v1/databases{query}")).json()["data"]["result"].clone();
    assert_eq!(names(""), serde_json::json!(["demo"]));
    assert_eq!(names("?include_internal=true"), serde_json::json!(["demo", "internal"]));
    // Nothing of it keeps the server from ending, and after the end all of it is in data files.
    server.signal("TERM");
    let (status, directory) = server.wait();
    assert!(status.success());
    let internal = directory.path().join("internal");
    assert_eq!(std::fs::metadata(internal.join("internal.wal")).unwrap().len(), 0);
    let files = std::fs::read_dir(internal).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(files.into_iter().any(|name| name.starts_with("data-")));
}
