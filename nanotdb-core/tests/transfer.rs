//! Files of samples through the embedding API, on the simulated file system as well.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use common::{assert_same, read_all};
use nanotdb_core::Error;
use nanotdb_core::config::EngineConfig;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::storage::vfs::sim::SimVfs;
use nanotdb_core::storage::vfs::{OpenMode, Vfs};
use std::path::Path;
use std::sync::Arc;

const LINES: &str = "\
# type pi/total int64
pi/count 7i 2026-05-22 00:00:00.000000000
pi/temp 48.0 2026-05-22 00:00:00.000000000
pi/total 5i 2026-05-22 00:00:00.000000001
pi/temp -0.5 2026-05-23 12:30:00.123456789
";

fn open(vfs: &Arc<SimVfs>, root: &str) -> Engine {
    let mut config = EngineConfig::default();
    config.stats.enabled = false;
    let options = EngineOptions { vfs: vfs.clone(), background: false, ..EngineOptions::default() };
    Engine::open_with(Path::new(root), config, options).unwrap()
}

fn put(vfs: &SimVfs, path: &str, content: &str) {
    vfs.create_dir_all(Path::new("/files")).unwrap();
    vfs.open(Path::new(path), OpenMode::Truncate).unwrap().write_all_at(content.as_bytes(), 0).unwrap();
}

fn text(vfs: &SimVfs, path: &str) -> String {
    String::from_utf8(vfs.read(Path::new(path), 1 << 20).unwrap()).unwrap()
}

#[test]
fn what_is_imported_is_exported_with_its_types() {
    let vfs = Arc::new(SimVfs::new(1));
    let engine = open(&vfs, "/root");
    put(&vfs, "/files/in.lp", LINES);
    let report = engine.import_file(Path::new("/files/in.lp"), None).unwrap();
    assert_eq!((report.accepted, report.rejected, report.bytes), (4, 0, LINES.len() as u64));
    let report = engine.export_file("pi", Path::new("/files/out.lp")).unwrap();
    assert_eq!((report.rows, report.non_finite, report.warnings.len()), (4, 0, 0));
    assert_eq!(text(&vfs, "/files/out.lp"), LINES);

    let copy = open(&vfs, "/copy");
    copy.import_file(Path::new("/files/out.lp"), Some("line_protocol")).unwrap();
    assert_same(&read_all(&copy), &read_all(&engine), "the copy");
}

#[test]
fn bad_lines_are_reported_and_the_others_stored() {
    let vfs = Arc::new(SimVfs::new(1));
    let engine = open(&vfs, "/root");
    put(&vfs, "/files/in.lp", "pi/a 1i\npi/a x\npi/a 3i");
    let report = engine.import_file(Path::new("/files/in.lp"), None).unwrap();
    assert_eq!((report.accepted, report.rejected), (2, 1));
    assert_eq!(report.rejections[0].line, 2);
}

#[test]
fn what_cannot_be_done_is_said_and_leaves_nothing() {
    let vfs = Arc::new(SimVfs::new(1));
    let engine = open(&vfs, "/root");
    let missing = engine.import_file(Path::new("/files/none.lp"), None).unwrap_err();
    assert!(matches!(&missing, Error::NotFound(text) if text.contains("/files/none.lp")), "{missing}");
    put(&vfs, "/files/in.lp", LINES);
    let unknown = engine.import_file(Path::new("/files/in.lp"), Some("xml")).unwrap_err();
    assert!(unknown.to_string().contains("line_protocol"), "{unknown}");
    let nowhere = engine.export_file("nowhere", Path::new("/files/out.lp")).unwrap_err();
    assert!(matches!(&nowhere, Error::NotFound(_)), "{nowhere}");
    let names: Vec<_> = vfs.read_dir(Path::new("/files")).unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(names, ["in.lp"]);
}
