//! The newest sample of a metric while what came after it is damaged: the answer says so, and no other does.

use crate::common::bench::{Bench, Line, SECOND, float, send};
use crate::common::oracle::START as T;
use nanotdb_core::config::{FsyncPolicy, MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{BuildOptions, Engine, Selection};
use std::ops::ControlFlow;
use std::time::Duration;

/// Frames of a partition, as `(from, to)`; the last one has every metric but `late`, which came before.
fn pages(bench: &Bench) -> Vec<(usize, usize)> {
    let engine = bench.open();
    let mut ends = vec![0];
    let pages: [&[&'static str]; 3] = [&["a", "b", "early"], &["a", "b", "middle"], &["a", "new"]];
    for (page, metrics) in pages.iter().enumerate() {
        let rows: Vec<Line> = metrics
            .iter()
            .zip(0..)
            .map(|(metric, i)| ("home", *metric, float(page as f32 + 0.5), T + (10 * page as i64 + i) * SECOND))
            .collect();
        send(&engine, &rows);
        engine.flush().unwrap();
        ends.push(bench.file("home/data-2026-05-22.dat").len());
    }
    // Another database, and a day of this one that nothing happens to.
    send(&engine, &[("other", "a", float(1.5), T), ("home", "tomorrow", float(2.5), T + 86_400 * SECOND)]);
    engine.close().unwrap();
    ends.windows(2).map(|w| (w[0], w[1])).collect()
}

fn flip(bench: &Bench, path: &str, at: usize) {
    let mut bytes = bench.file(path);
    bytes[at] ^= 0x10;
    bench.vfs.put(&bench.path(path), &bytes).unwrap();
}

/// Time of the newest sample in seconds after the first, and how many warnings.
fn newest(engine: &Engine, database: &str, metric: &str) -> (Option<i64>, usize) {
    let found = engine.newest(database, metric).unwrap();
    let at = engine.newest_at(database, metric, i64::MAX, Duration::MAX).unwrap();
    assert_eq!(found, at, "{metric}");
    assert_eq!(engine.query_last(database, metric).unwrap(), found.sample);
    (found.sample.map(|sample| (sample.timestamp - T) / SECOND), found.warnings.len())
}

#[test]
fn a_damaged_page_is_told_with_the_newest_sample_of_those_it_may_hold() {
    let clean = Bench::new(FsyncPolicy::Segment, 1_000);
    let frames = pages(&clean);
    let path = "home/data-2026-05-22.dat";
    // Of each page its payload, and of the first ones the header too: after a bad header of the last one nothing is behind it.
    for (page, at) in [(2, frames[2].1 - 6), (1, frames[1].1 - 6), (1, frames[1].0 + 1), (0, frames[0].1 - 6)] {
        // The wanted one first, or behind others: what is found on the way to another is remembered.
        for order in [["a", "b", "early", "middle", "new"], ["early", "new", "middle", "b", "a"]] {
            let bench = clean.fork(clean.vfs.fork(1));
            flip(&bench, path, at);
            let engine = bench.open_read_only();
            for metric in order {
                let expected = match (page, metric) {
                    (2, "a") => (Some(10), 1),
                    (2, "b") => (Some(11), 1),
                    (2, "middle") => (Some(12), 1),
                    (2, "new") | (1, "middle") => (None, 1),
                    (_, "a") => (Some(20), 0),
                    (_, "new") => (Some(21), 0),
                    (1, "b") => (Some(1), 1),
                    (2 | 1, "early") => (Some(2), 1),
                    (_, "b") => (Some(11), 0),
                    (_, "middle") => (Some(12), 0),
                    (_, "early") => (None, 1),
                    other => panic!("{other:?}"),
                };
                assert_eq!(newest(&engine, "home", metric), expected, "page {page} at {at}: {metric} of {order:?}");
            }
            assert_eq!(newest(&engine, "home", "tomorrow"), (Some(86_400), 0));
            assert_eq!(newest(&engine, "other", "a"), (Some(0), 0));
        }
    }
}

/// What comes later is newer than whatever was lost.
#[test]
fn the_next_sample_ends_the_doubt() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let frames = pages(&bench);
    flip(&bench, "home/data-2026-05-22.dat", frames[1].1 - 6);
    let engine = bench.try_open().unwrap();
    assert_eq!(newest(&engine, "home", "b"), (Some(1), 1));
    assert_eq!(newest(&engine, "home", "early"), (Some(2), 1));
    send(&engine, &[("home", "b", float(7.5), T + 30 * SECOND)]);
    assert_eq!(newest(&engine, "home", "b"), (Some(30), 0));
    assert_eq!(newest(&engine, "home", "early"), (Some(2), 1));
    // In the open page of that day, and looked up after a restart.
    bench.kill(engine);
    let engine = bench.try_open().unwrap();
    assert_eq!(newest(&engine, "home", "b"), (Some(30), 0));
    assert_eq!(newest(&engine, "home", "early"), (Some(2), 1));
}

/// Bytes that a start cut off count as younger than what came before that start.
#[test]
fn a_page_that_a_start_cut_off_is_told_until_something_newer_comes() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let frames = pages(&bench);
    flip(&bench, "home/data-2026-05-22.dat", frames[2].1 - 6);
    bench.clock.advance(Duration::from_secs(60));
    let engine = bench.try_open().unwrap();
    assert_eq!(newest(&engine, "home", "a"), (Some(10), 1));
    // That opens the file to be appended to.
    send(&engine, &[("home", "b", float(7.5), T + 30 * SECOND)]);
    engine.flush().unwrap();
    // By what was found in the file, and by what is remembered of it.
    assert_eq!(newest(&engine, "home", "middle").1, 2);
    bench.kill(engine);
    let engine = bench.try_open().unwrap();
    let (time, warnings) = newest(&engine, "home", "a");
    assert_eq!(time, Some(10));
    assert!(warnings >= 1);
    send(&engine, &[("home", "a", float(7.5), T + 90 * SECOND)]);
    assert_eq!(newest(&engine, "home", "a"), (Some(90), 0));
}

/// A block that cannot be read is passed over for the one before it, as by a scan, and told.
#[test]
fn a_damaged_block_of_a_metric_file_is_told_with_its_metric_alone() {
    for keep_raw in [true, false] {
        let bench = Bench::new(FsyncPolicy::Segment, 1_000);
        let engine = bench.open();
        let rows: Vec<Line> = (0..4_000)
            .flat_map(|i| ["a", "b"].map(|m| ("home", m, float((i % 97) as f32 + 0.5), T + (i - 4_000) * SECOND)))
            .collect();
        for rows in rows.chunks(500) {
            send(&engine, rows);
        }
        engine.flush().unwrap();
        let action = if keep_raw { RawIngestAction::Keep } else { RawIngestAction::Delete };
        let options = BuildOptions::new(MetricFileFormat::V3, "", action).unwrap();
        let part = Selection::Named("2026-05-22");
        engine.build_metric_files("home", part, options, &mut |_| ControlFlow::Continue(())).unwrap();
        engine.close().unwrap();
        let path = "home/metric-2026-05-22.dat";
        let whole = bench.file(path);
        let mut told = 0;
        for at in (16..whole.len()).step_by(61) {
            bench.vfs.put(&bench.path(path), &whole).unwrap();
            flip(&bench, path, at);
            let engine = bench.open_read_only();
            let found: Vec<_> = ["a", "b"].map(|metric| newest(&engine, "home", metric)).into();
            for (time, warnings) in &found {
                let is_newest = *time == Some(-1);
                assert!(is_newest || (!keep_raw && *warnings > 0), "byte {at}: {found:?}");
            }
            told += usize::from(found.iter().any(|(_, warnings)| *warnings > 0));
        }
        bench.vfs.put(&bench.path(path), &whole).unwrap();
        assert!(keep_raw || told > 0, "{} bytes; {:?}", whole.len(), bench.paths());
    }
}
