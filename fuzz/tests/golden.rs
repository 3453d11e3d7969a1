//! Every target on the golden files of its kind, and on copies of them with random damages.

#![allow(clippy::unwrap_used)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Damaged copies of each file.
const COPIES: u64 = 40;
/// Larger files are for `scripts/fuzz`.
const MOST_BYTES: usize = 64 << 10;

fn files(directory: &Path, is_wanted: &dyn Fn(&str) -> bool, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, is_wanted, into);
        } else if path.file_name().and_then(OsStr::to_str).is_some_and(is_wanted) {
            into.push(path);
        }
    }
}

/// A number that looks random, the same in every run.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

fn run(is_wanted: &dyn Fn(&str) -> bool, target: &dyn Fn(&[u8])) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nanotdb-core/tests/golden");
    let mut found = Vec::new();
    files(&golden, is_wanted, &mut found);
    found.sort();
    assert!(!found.is_empty(), "no such golden file");
    for path in found {
        let bytes = fs::read(&path).unwrap();
        target(&bytes);
        if bytes.is_empty() || bytes.len() > MOST_BYTES {
            continue;
        }
        for copy in 0..COPIES {
            let mut state = copy * 7_919 + bytes.len() as u64;
            let mut damaged = bytes.clone();
            for _ in 0..=copy % 4 {
                let at = random(&mut state) % damaged.len();
                match random(&mut state) % 4 {
                    0 => damaged.truncate(at.max(1)),
                    1 => damaged[at] = 0xff,
                    2 => drop(damaged.remove(at)),
                    _ => damaged[at] ^= 1 << (random(&mut state) % 8),
                }
                if damaged.is_empty() {
                    damaged.push(0);
                }
            }
            target(&damaged);
        }
    }
}

#[test]
fn logs() {
    run(&|name| name.ends_with(".wal"), &nanotdb_fuzz::wal);
}

#[test]
fn frames() {
    run(&|name| name.starts_with("data-") && name.ends_with(".dat"), &nanotdb_fuzz::frame);
}

#[test]
fn metric_files() {
    run(&|name| name.starts_with("metric-") && name.ends_with(".dat"), &nanotdb_fuzz::metric_file);
}

#[test]
fn catalogs() {
    run(&|name| name == "catalog.json", &nanotdb_fuzz::catalog);
}

#[test]
fn texts_of_every_format() {
    // Whatever a format is for, it gets texts of the others too.
    run(&|name| name.ends_with(".lp") || name.ends_with(".json") || name.ends_with(".toml"), &|bytes| {
        for cut in [0, 100, 200] {
            let text = [&[cut], bytes.get(..2_000).unwrap_or(bytes)].concat();
            nanotdb_fuzz::ingest(&text, None);
        }
    });
}
