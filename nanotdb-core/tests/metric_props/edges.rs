//! Ranges that end where windows, samples, pages, blocks and partitions do: there it matters how a query is cut into pieces.

use crate::common::bench::{Bench, Line, content_of, int, send};
use crate::naive::{self, Window};
use crate::support::{DAY, FORMATS, HOUR, build, options, sealed};
use nanotdb_core::config::RawIngestAction;
use nanotdb_core::engine::{Engine, MetricFiles, ScanSlice, Slices, Windows};
use nanotdb_core::model::{Sample, Timestamp};
use nanotdb_core::plugin::Aggregator;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::storage::vfs::sim::SimVfs;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

const DAY_LEN: i64 = 24 * HOUR;
const NAMES: [&str; 2] = ["every", "other"];

/// Where the rows are: in pages, in metric files of one of the formats.
const PLACES: usize = 1 + FORMATS.len();

struct Stored {
    bench: Bench,
    /// Asks with one thread.
    writer: Engine,
    /// Asks with several.
    reader: Engine,
    rows: BTreeMap<&'static str, Vec<Sample>>,
}

impl Stored {
    /// `lines` at `place`, and `open` in open pages behind them.
    fn new(place: usize, page: u32, lines: &[Line], open: &[Line]) -> Self {
        let bench = sealed(SimVfs::new(3), page);
        bench.clock.advance(Duration::from_secs(40 * 86_400));
        let writer = bench.open();
        for part in lines.chunks(500) {
            send(&writer, part);
        }
        writer.flush().unwrap();
        if let Some(format) = place.checked_sub(1).and_then(|at| FORMATS.get(at)) {
            build(&writer, options(*format, RawIngestAction::Delete)).unwrap();
        }
        if !open.is_empty() {
            send(&writer, open);
        }
        let reader = bench.open_read_only();
        let all: Vec<Line> = lines.iter().chain(open).copied().collect();
        let mut content = content_of(&all);
        let mut of = |name: &str| content.remove(&("pi".to_owned(), name.to_owned())).unwrap_or_default();
        let rows = NAMES.iter().map(|name| (*name, of(name))).collect();
        let this = Self { bench, writer, reader, rows };
        // A query is cut at pages once they were read.
        this.check((i64::MIN, i64::MAX), DAY_LEN, "at first");
        this
    }

    /// Windows and samples of a range are the same with several threads, with one, and as they are defined.
    fn check(&self, (from, to): (Timestamp, Timestamp), width: i64, context: &str) {
        let context = format!("{context}: {from} to {to} in windows of {width}");
        let every = registry().aggregators();
        let by_statistics: Vec<_> = every.iter().copied().filter(|a| a.uses_statistics()).collect();
        for aggregators in [every.to_vec(), by_statistics] {
            let one = windows(&self.writer, (from, to), width, &aggregators);
            let several = windows(&self.reader, (from, to), width, &aggregators);
            for (at, name) in NAMES.iter().enumerate() {
                let expected = naive::windows(&self.rows[name], from, to, width);
                naive::check_windows(&aggregators, &one[at], &expected, &format!("{context}, one thread, {name}"));
                naive::check_windows(&aggregators, &several[at], &expected, &format!("{context}, {name}"));
            }
            assert_eq!(several, one, "{context}");
        }
        for engine in [&self.writer, &self.reader] {
            let found = samples(engine, (from, to));
            for (name, found) in NAMES.iter().zip(found) {
                let inside = |row: &&Sample| from <= row.timestamp && row.timestamp <= to;
                let expected: Vec<Sample> = self.rows[name].iter().filter(inside).copied().collect();
                assert_eq!(found, expected, "{context}, samples of {name}");
            }
        }
    }
}

fn windows(
    engine: &Engine,
    (from, to): (Timestamp, Timestamp),
    width: i64,
    aggregators: &[&'static dyn Aggregator],
) -> Vec<Vec<Window>> {
    let mut found = vec![Vec::new(); NAMES.len()];
    let mut add = |metric: usize, end: Timestamp, row: &[Option<f64>]| {
        found[metric].push((end, row.to_vec()));
        ControlFlow::Continue(())
    };
    let windows = Windows { width, aggregators };
    let report = engine.aggregate("pi", &NAMES, from, to, windows, MetricFiles::Preferred, &mut add).unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
    found
}

/// Samples per metric, of a scan that gives all of one before any of the next.
fn samples(engine: &Engine, (from, to): (Timestamp, Timestamp)) -> Vec<Vec<Sample>> {
    let mut found = vec![Vec::new(); NAMES.len()];
    let mut add = |slice: ScanSlice<'_>| {
        found[slice.metric].extend((0..slice.len()).map(|at| slice.sample(at).unwrap()));
        Ok(ControlFlow::Continue(()))
    };
    let mut sink = Slices(&mut add);
    engine.scan_each("pi", &NAMES, from, to, MetricFiles::Preferred, 1 << 20, &mut sink).unwrap();
    found
}

/// A sample of both metrics at each of these times.
fn lines(times: impl IntoIterator<Item = Timestamp>) -> Vec<Line> {
    let values = |(at, time): (usize, Timestamp)| {
        let value = at as i32;
        [("pi", NAMES[0], int(value), time), ("pi", NAMES[1], int(-7 * value), time)]
    };
    times.into_iter().enumerate().flat_map(values).collect()
}

/// As the web interface asks: whole days up to a midnight, at which there is a sample.
#[test]
fn days_up_to_a_midnight_with_a_sample_have_one_last_window() {
    for place in 0..PLACES {
        for page in [10, 1_000] {
            let stored = Stored::new(place, page, &lines((0..=96).map(|at| DAY + at * HOUR)), &[]);
            for days in 3..=4 {
                let to = DAY + days * DAY_LEN;
                for to in [to - 1, to, to + 1] {
                    let context = format!("place {place}, {page} rows a page");
                    stored.check((DAY, to), DAY_LEN, &context);
                    stored.check((DAY - 1, to), DAY_LEN, &context);
                    stored.check((DAY + 1, to), 6 * HOUR, &context);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn however_a_range_is_cut_its_windows_are_the_same(
        place in 0..PLACES,
        page in 4u32..400,
        days in 3i64..10,
        // Hours between samples: now and then two at once, and a gap.
        gaps in prop::collection::vec(prop_oneof![1 => Just(0i64), 8 => 1i64..4, 1 => 20i64..40], 4..8),
        open in 0usize..30,
        ranges in prop::collection::vec((0usize..8, any::<[(u8, u16, i64); 2]>()), 1..12),
    ) {
        let mut times = vec![DAY];
        for gap in gaps.iter().chain([&1]).cycle() {
            let next = times[times.len() - 1] + gap * HOUR;
            if next > DAY + days * DAY_LEN {
                break;
            }
            times.push(next);
        }
        let all = lines(times.iter().copied());
        let (stored, open) = all.split_at(all.len().saturating_sub(2 * open).max(2));
        let stored = Stored::new(place, page, stored, open);
        for (width, ends) in ranges {
            let width = [HOUR, 2 * HOUR, 5 * HOUR, 6 * HOUR, DAY_LEN, 2 * DAY_LEN, 7 * DAY_LEN, i64::MAX][width];
            let mut ends = ends.map(|(kind, at, near)| {
                let place = match kind % 3 {
                    // An edge of a window, a sample, anywhere.
                    0 => (DAY + i64::from(at) % (days * 24 + 24) * HOUR).div_euclid(width) * width,
                    1 => times[usize::from(at) % times.len()],
                    _ => DAY + i64::from(at) % (days * 24 + 24) * HOUR + near % HOUR,
                };
                // Mostly there, now and then one beside it.
                place + [0, 0, 0, -1, 1][near.rem_euclid(5) as usize]
            });
            ends.sort_unstable();
            stored.check((ends[0], ends[1]), width, &format!("place {place}, {page} rows a page, {days} days"));
        }
        stored.bench.kill(stored.writer);
    }
}
