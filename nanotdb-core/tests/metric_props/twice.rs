//! The same metric several times in one request: each time it has all of its rows, wherever they are.

use crate::common::bench::{Line, int};
use crate::support::{DAY, FORMATS, HOUR, build, options, sealed};
use nanotdb_core::config::RawIngestAction;
use nanotdb_core::engine::{Engine, MetricFiles, ScanSlice, Slices, Windows};
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::ops::ControlFlow;
use std::time::Duration;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn lines(days: std::ops::Range<i64>) -> Vec<Line> {
    let times = days.flat_map(|day| (0..8).map(move |at| DAY + (day * 24 + at * 3) * HOUR));
    times.flat_map(|time| NAMES.map(|name| ("pi", name, int((time / HOUR % 1_000) as i32), time))).collect()
}

/// Rows per metric of the request: of a scan, of one that gives one metric after the other, and counted by windows.
fn rows(engine: &Engine, names: &[&str]) -> [Vec<usize>; 3] {
    let mut found = [(); 3].map(|()| vec![0; names.len()]);
    let [scanned, each, counted] = &mut found;
    let mut add = |slice: ScanSlice<'_>| {
        scanned[slice.metric] += slice.len();
        Ok(ControlFlow::Continue(()))
    };
    engine.scan("pi", names, i64::MIN, i64::MAX, &mut add).unwrap();
    let mut add = |slice: ScanSlice<'_>| {
        each[slice.metric] += slice.len();
        Ok(ControlFlow::Continue(()))
    };
    let files = MetricFiles::Preferred;
    engine.scan_each("pi", names, i64::MIN, i64::MAX, files, 1 << 20, &mut Slices(&mut add)).unwrap();
    let mut add = |metric: usize, _: i64, row: &[Option<f64>]| {
        counted[metric] += row[0].unwrap() as usize;
        ControlFlow::Continue(())
    };
    let aggregators = [registry().aggregator("count").unwrap()];
    let windows = Windows { width: 5 * HOUR, aggregators: &aggregators };
    engine.aggregate("pi", names, i64::MIN, i64::MAX, windows, files, &mut add).unwrap();
    found
}

#[test]
fn a_metric_that_is_asked_for_twice_is_whole_twice() {
    // Flushed, built into a metric file, in open pages.
    for places in 1..8 {
        let bench = sealed(SimVfs::new(5), 30);
        bench.clock.advance(Duration::from_secs(40 * 86_400));
        let engine = bench.open();
        let mut all = 0;
        let mut store = |from| {
            crate::common::bench::send(&engine, &lines(from..from + 1));
            all += 8;
        };
        if places & 1 != 0 {
            store(0);
            engine.flush().unwrap();
            build(&engine, options(FORMATS[2], RawIngestAction::Delete)).unwrap();
        }
        if places & 2 != 0 {
            store(1);
            engine.flush().unwrap();
        }
        if places & 4 != 0 {
            store(2);
        }
        let requests: [&[&str]; 4] = [
            &["a", "b", "a"],
            &["a", "b", "c", "a", "d", "e", "f"],
            &["a", "a", "a", "b", "b", "f", "f"],
            // An unknown metric is no metric, however often.
            &["x", "b", "y", "c", "b", "x", "a"],
        ];
        for names in requests {
            let expected: Vec<usize> = names.iter().map(|name| if NAMES.contains(name) { all } else { 0 }).collect();
            for (engine, who) in [(&engine, "writer"), (&bench.open_read_only(), "reader")] {
                for found in rows(engine, names) {
                    assert_eq!(found, expected, "places {places:03b}, {names:?}, {who}");
                }
            }
        }
    }
}

/// Where the raw file was removed, rows that are sent again exactly as they were make the same frame at the same place. It must
/// not pass for the one that was built in.
#[test]
fn rows_that_are_sent_again_after_their_raw_file_was_removed_are_there_twice() {
    for codec in ["s2", "none", "zstd_fastest"] {
        let mut bench = sealed(SimVfs::new(6), 100);
        bench.config.manifest_defaults.page.codec = codec.into();
        let engine = bench.open();
        // Each metric at one time: sent again, they are in order.
        let once: Vec<Line> = NAMES.iter().map(|name| ("pi", *name, int(7), DAY)).collect();
        crate::common::bench::send(&engine, &once);
        engine.flush().unwrap();
        build(&engine, options(FORMATS[2], RawIngestAction::Delete)).unwrap();
        assert_eq!(crate::support::files(&bench, "data-"), Vec::<String>::new());
        crate::common::bench::send(&engine, &once);
        engine.flush().unwrap();
        let twice = [once.clone(), once].concat();
        crate::support::check(&engine, &twice, codec);
        engine.close().unwrap();
        drop(engine);
        crate::support::check(&bench.open(), &twice, codec);
    }
}
