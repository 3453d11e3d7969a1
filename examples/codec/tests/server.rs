//! Pages of the codec: written and read by the binary that has it, reported and passed over by one that has not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

#[path = "../../testing/server.rs"]
mod server;

use server::{Server, run};
use std::path::Path;

const WITH: &str = env!("CARGO_BIN_EXE_nanotdb-rle");
const WITHOUT: &str = env!("CARGO_BIN_EXE_nanotdb-without-rle");

fn send(server: &Server, line: &str) {
    let (status, answer) = server.post("/api/v1/import", None, line);
    assert_eq!((status, &answer["data"]["imported"]), (200, &1.into()), "{answer}");
}

/// Replaces the codec in a manifest.toml, whether it is set there or left to the default.
fn set_codec(manifest: &Path, codec: &str) {
    let text = std::fs::read_to_string(manifest).unwrap();
    let mut lines: Vec<String> = text.lines().filter(|line| !line.starts_with("codec = ")).map(str::to_owned).collect();
    let page = lines.iter().position(|line| line.trim() == "[page]").unwrap();
    lines.insert(page + 1, format!("codec = \"{codec}\""));
    std::fs::write(manifest, lines.join("\n")).unwrap();
}

/// Codec id of each page of a data file, read as docs/FORMATS.md describes it; `None` for a bare S2 page.
fn codecs_of_pages(file: &Path) -> Vec<Option<u16>> {
    let bytes = std::fs::read(file).unwrap();
    let (mut at, mut codecs) = (0, Vec::new());
    while at < bytes.len() {
        at += 8 + 8 + 2;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = bytes[at];
            at += 1;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        let payload = &bytes[at..at + length];
        codecs.push((payload[0] == 0).then(|| u16::from_le_bytes([payload[2], payload[3]])));
        at += length + 4;
    }
    codecs
}

#[test]
fn pages_are_read_by_whoever_has_the_codec_and_reported_by_whoever_has_not() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");

    // A database of the server as it ships.
    let plain = Server::start(WITHOUT, &root);
    send(&plain, "old/t 1.5 1715000000000000000\n");
    assert!(plain.stop().success());

    // The codec becomes the default of new databases, and the choice of the old one.
    std::fs::write(root.join("engine.toml"), "[manifest_defaults.page]\ncodec = \"rle\"\n").unwrap();
    set_codec(&root.join("old/manifest.toml"), "rle");
    let with = Server::start(WITH, &root);
    send(&with, "old/t 2.5 1715000010000000000\n");
    send(&with, "new/t 42i 1715000010000000000\n");
    assert!(with.stop().success());

    let old = root.join("old/data-2024-05-06.dat");
    assert_eq!(codecs_of_pages(&old), [None, Some(40_960)]);
    assert_eq!(codecs_of_pages(&root.join("new/data-2024-05-06.dat")), [Some(40_960)]);
    let written = std::fs::read(&old).unwrap();

    let with = Server::start(WITH, &root);
    assert_eq!(with.values("old/t").0, ["1.5", "2.5"]);
    assert_eq!(with.values("new/t").0, ["42"]);
    assert!(with.stop().success());

    // The server as it ships does not know the name, and says which it knows.
    let (code, _, error) = run(WITHOUT, &["--listen", "127.0.0.1:0", "--data", root.to_str().unwrap()]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("engine.toml") && error.contains("rle") && error.contains("s2_better"), "{error}");

    // With names it knows it serves what it can read, and says what it cannot.
    std::fs::write(root.join("engine.toml"), "").unwrap();
    set_codec(&root.join("old/manifest.toml"), "s2");
    set_codec(&root.join("new/manifest.toml"), "s2");
    let plain = Server::start(WITHOUT, &root);
    let warned = |answer: &serde_json::Value| {
        answer["data"]["warnings"].to_string().contains("uses codec 40960, which this binary does not have")
    };
    let (values, answer) = plain.values("old/t");
    assert_eq!(values, ["1.5"]);
    assert!(warned(&answer), "{answer}");
    let (values, answer) = plain.values("new/t");
    assert!(values.is_empty() && warned(&answer), "{answer}");
    send(&plain, "old/t 3.5 1715000020000000000\n");
    assert!(plain.stop().success());

    // It took nothing away: the page is where it was, and whole.
    assert!(std::fs::read(&old).unwrap().starts_with(&written));
    let with = Server::start(WITH, &root);
    assert_eq!(with.values("old/t").0, ["1.5", "2.5", "3.5"]);
    assert_eq!(with.values("new/t").0, ["42"]);
    assert!(with.stop().success());
}

#[test]
fn the_binary_lists_the_codec_with_its_id() {
    let (code, table, _) = run(WITH, &["--plugins"]);
    let line = table.lines().find(|line| line.contains(" rle ")).unwrap();
    assert!(code == 0 && line.starts_with("codec") && line.contains(" 40960 "), "{line}");
    let (_, table, _) = run(WITHOUT, &["--plugins"]);
    assert!(!table.contains(" rle "), "{table}");
}
