//! Damage is contained, reported, and never served as data.

use crate::common::bench::{Bench, Line, SECOND, content_of, float, int, send, try_send};
use crate::common::hooked::{HookedVfs, Hooks};
use crate::common::oracle::{ROOT, START as T};
use crate::common::{Content, assert_same};
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::maintenance::verify::verify;
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that is returned, and the warnings.
fn read_with_warnings(engine: &Engine, database: &str) -> (Content, Vec<String>) {
    let mut content = Content::new();
    let mut warnings = Vec::new();
    for metric in engine.metrics(database).unwrap() {
        let mut samples = Vec::new();
        let take = |sample| {
            samples.push(sample);
            ControlFlow::Continue(())
        };
        let report = engine.query_range(database, &metric.name, i64::MIN, i64::MAX, 1, take).unwrap();
        warnings.extend(report.warnings);
        if !samples.is_empty() {
            content.insert((database.to_owned(), metric.name), samples);
        }
    }
    (content, warnings)
}

/// Three pages of one partition; returns their rows and where each frame ends.
fn three_pages(bench: &Bench) -> (Vec<Line>, Vec<usize>) {
    let engine = bench.open();
    let mut lines = Vec::new();
    let mut ends = Vec::new();
    for page in 0..3 {
        let rows: Vec<Line> = (0..4)
            .map(|i| {
                ("home", ["a", "b"][i as usize % 2], float(page as f32 + i as f32 / 8.0), T + (4 * page + i) * SECOND)
            })
            .collect();
        send(&engine, &rows);
        engine.flush().unwrap();
        lines.extend(rows);
        ends.push(bench.file("home/data-2026-05-22.dat").len());
    }
    engine.close().unwrap();
    (lines, ends)
}

/// A directory that this user may not open: neither listed nor searched.
struct Forbidden(PathBuf);

impl Hooks for Forbidden {
    fn list(&self, path: &Path) -> io::Result<()> {
        if path == self.0 { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }

    fn look_up(&self, path: &Path) -> io::Result<()> {
        if path.parent() == Some(&self.0) { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }
}

#[test]
fn a_directory_that_may_not_be_opened_does_not_keep_the_other_databases_from_being_served() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let engine = bench.open();
    send(&engine, &[("home", "a", int(1), T), ("well", "a", int(2), T)]);
    bench.kill(engine);
    let before = bench.vfs.snapshot();
    let options = || EngineOptions {
        vfs: Arc::new(HookedVfs { inner: bench.vfs.process(), hooks: Arc::new(Forbidden(bench.path("home"))) }),
        ..bench.options()
    };
    let root = Path::new(ROOT);
    let check = |engine: &Engine| {
        let health = engine.health();
        assert!(health.len() == 1 && health[0].0 == "home", "{health:?}");
        assert_eq!(engine.database_names(true), ["well"]);
        assert_eq!(engine.query_last("well", "a").unwrap().map(|s| s.value), Some(int(2)));
        assert!(engine.query_last("home", "a").is_err());
    };
    check(&Engine::open_read_only_with(root, bench.config.clone(), options()).unwrap());
    let report = verify(root, None, bench.config.clone(), options()).unwrap();
    assert_eq!((report.databases, report.problems.len()), (1, 1), "{report:?}");
    assert_eq!(report.problems[0].file, bench.path("home"));
    let engine = Engine::open_with(root, bench.config.clone(), options()).unwrap();
    check(&engine);
    let batch = || [("home", "a", int(3), T + SECOND)];
    assert!(try_send(&engine, &batch()).is_err());
    send(&engine, &[("well", "a", int(3), T + SECOND)]);
    engine.close().unwrap();
    let home = |files: &BTreeMap<PathBuf, Vec<u8>>| -> Vec<_> {
        files
            .iter()
            .filter(|(path, _)| path.starts_with(bench.path("home")))
            .map(|(p, b)| (p.clone(), b.clone()))
            .collect()
    };
    assert_eq!(home(&bench.vfs.snapshot()), home(&before), "something was written");
    assert_eq!(bench.open().query_last("home", "a").unwrap().map(|s| s.value), Some(int(1)));
}

/// Number 4 of the list.
#[test]
fn r04_one_torn_frame_or_flipped_bit_does_not_take_the_partition_down() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let (lines, ends) = three_pages(&bench);
    let file = bench.path("home/data-2026-05-22.dat");
    // A flipped bit in the payload of the middle page.
    let flipped = bench.fork(bench.vfs.fork(1));
    flipped.vfs.corrupt(&file, ends[0] as u64 + 25, 0x10).unwrap();
    for engine in [flipped.open_read_only(), flipped.open()] {
        let (found, warnings) = read_with_warnings(&engine, "home");
        let rest: Vec<Line> = lines[..4].iter().chain(&lines[8..]).copied().collect();
        assert_same(&found, &content_of(&rest), "a bit of the middle page");
        assert!(warnings.iter().all(|w| w.contains("data-2026-05-22.dat") && w.contains(&ends[0].to_string())));
        assert_eq!(warnings.len(), 2, "one per query: {warnings:?}");
    }
    // A torn last page, at every length.
    for cut in ends[1] + 1..ends[2] {
        let torn = bench.fork(bench.vfs.fork(cut as u64));
        torn.vfs.truncate(&file, cut as u64).unwrap();
        let engine = torn.open();
        let (found, _) = read_with_warnings(&engine, "home");
        assert_same(&found, &content_of(&lines[..8]), &format!("cut at {cut}"));
        // It is cut off before the next page is written, and the partition is whole again.
        let more: Vec<Line> = vec![("home", "a", float(99.0), T + 30 * SECOND)];
        send(&engine, &more);
        engine.close().unwrap();
        let engine = torn.open();
        let (found, warnings) = read_with_warnings(&engine, "home");
        let all: Vec<Line> = lines[..8].iter().chain(&more).copied().collect();
        assert_same(&found, &content_of(&all), &format!("cut at {cut}, then written to"));
        // Until somebody has seen it.
        let names_it = |w: &String| w.contains("data-2026-05-22.dat: ") && w.contains(&ends[1].to_string());
        assert!(!warnings.is_empty() && warnings.iter().all(names_it), "cut at {cut}: {warnings:?}");
        engine.acknowledge(None).unwrap();
        assert_eq!(read_with_warnings(&engine, "home").1, Vec::<String>::new());
    }
}

/// Number 4 of the list: a flipped bit that makes a page longer must not swallow the pages behind it.
#[test]
fn r04_a_wrong_length_does_not_take_the_next_page_along() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let (lines, ends) = three_pages(&bench);
    let file = bench.path("home/data-2026-05-22.dat");
    let starts = [0, ends[0], ends[1]];
    for (page, start) in starts.into_iter().enumerate() {
        // The length is one or two bytes at 18; flip each of its bits.
        for bit in 0..16 {
            let flipped = bench.fork(bench.vfs.fork(bit));
            flipped.vfs.corrupt(&file, start as u64 + 18 + bit / 8, 1 << (bit % 8)).unwrap();
            let rest: Vec<Line> =
                lines.chunks(4).enumerate().filter(|(i, _)| *i != page).flat_map(|(_, l)| l).copied().collect();
            let context = format!("bit {bit} of the length of page {page}");
            for engine in [flipped.open_read_only(), flipped.open()] {
                let (found, warnings) = read_with_warnings(&engine, "home");
                assert_same(&found, &content_of(&rest), &context);
                assert!(!warnings.is_empty(), "{context}");
                // Appending does not throw the other pages away either.
                if engine.add_sample("home", "a", float(50.5), Some(T + 40 * SECOND)).is_ok() {
                    engine.close().unwrap();
                    let (found, _) = read_with_warnings(&flipped.open(), "home");
                    let mut more = rest.clone();
                    more.push(("home", "a", float(50.5), T + 40 * SECOND));
                    assert_same(&found, &content_of(&more), &format!("{context}, then written to"));
                }
            }
        }
    }
}

/// Number 5 of the list, WAL: every bit of three batches.
#[test]
fn r05_a_flipped_bit_in_the_wal_is_not_served_as_data() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    let batches: Vec<Vec<Line>> = (0..4)
        .map(|i| {
            let at = T + i * SECOND;
            vec![("home", "a", int(i as i32), at), ("home", "b", float(0.5 + i as f32), at), ("home", "a", int(-1), at)]
        })
        .collect();
    for batch in &batches {
        send(&engine, batch);
    }
    bench.kill(engine);
    let len = bench.file("home/home.wal").len() as u64;
    let mut expected: Vec<Content> = Vec::new();
    // The first record of a file is a batch of its own, so its sender's batch counts as two.
    let parts: Vec<&[Line]> =
        [&batches[0][..1], &batches[0][1..]].into_iter().chain(batches[1..].iter().map(Vec::as_slice)).collect();
    for lost in 0..parts.len() {
        let rest: Vec<Line> =
            parts.iter().enumerate().filter(|(i, _)| *i != lost).flat_map(|(_, p)| *p).copied().collect();
        expected.push(content_of(&rest));
    }
    for bit in 0..len * 8 {
        let flipped = bench.fork(bench.vfs.fork(bit));
        flipped.vfs.corrupt(&flipped.path("home/home.wal"), bit / 8, 1 << (bit % 8)).unwrap();
        let engine = flipped.open();
        let (found, _) = read_with_warnings(&engine, "home");
        assert!(expected.contains(&found), "bit {bit} of byte {}: {found:?}", bit / 8);
        engine.close().unwrap();
        assert_eq!(read_with_warnings(&flipped.open(), "home").0, found, "bit {bit}: after a clean restart");
    }
}

/// Number 5 of the list, page header: every bit in front of the payload.
#[test]
fn r05_a_flipped_bit_in_a_page_header_is_not_served_as_data() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let (lines, ends) = three_pages(&bench);
    let file = bench.path("home/data-2026-05-22.dat");
    let rest: Vec<Line> = lines[..4].iter().chain(&lines[8..]).copied().collect();
    for bit in 0..18 * 8 {
        let flipped = bench.fork(bench.vfs.fork(bit));
        flipped.vfs.corrupt(&file, ends[0] as u64 + bit / 8, 1 << (bit % 8)).unwrap();
        let (found, warnings) = read_with_warnings(&flipped.open(), "home");
        assert_same(&found, &content_of(&rest), &format!("bit {bit}"));
        assert!(!warnings.is_empty(), "bit {bit}");
        // A narrow range in the flipped page: its header must not hide the page's damage, or show its rows.
        let engine = flipped.open_read_only();
        let mut samples = Vec::new();
        let report = engine.query_range("home", "a", T + 4 * SECOND, T + 7 * SECOND, 1, |s| {
            samples.push(s);
            ControlFlow::Continue(())
        });
        assert_eq!(samples, [], "bit {bit}");
        assert!(!report.unwrap().warnings.is_empty(), "bit {bit}: a range whose page is damaged");
    }
}
