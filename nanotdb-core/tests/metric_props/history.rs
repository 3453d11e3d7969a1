//! Random histories: rows of all types over several days, late ones too, flushes, builds of every kind, restarts and kills.
//! After each step ranges, newest samples and all aggregates are those of a plain list.

use crate::common::assert_same;
use crate::common::bench::{Bench, number};
use crate::common::rng::Rng;
use crate::naive;
use crate::support::{ACTIONS, DAY, FORMATS, build, check_disk, check_verify, read, sealed_config};
use nanotdb_core::config::{RawIngestAction, ValueWidth};
use nanotdb_core::engine::{Batch, BuildOptions, Engine, MetricFiles, ScanSlice, Selection, Slices, Windows};
use nanotdb_core::model::{Sample, Value};
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::storage::vfs::sim::SimVfs;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;
const NAMES: [&str; 6] = ["regular", "gaps", "same", "constant", "floats", "single"];

#[derive(Debug, Clone)]
enum Step {
    Rows {
        series: usize,
        count: usize,
        seed: u64,
    },
    /// All series at the same timestamps, so that they share them.
    Ticks {
        count: usize,
        seed: u64,
    },
    Flush,
    Build {
        format: usize,
        codec: usize,
        action: usize,
        rebuild: bool,
        one: Option<usize>,
    },
    /// What the maintenance threads do: pages past their age, metric files of sealed partitions when they are enabled.
    Tick,
    Reopen,
    Kill,
    PowerLoss,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..NAMES.len(), 1usize..60, any::<u64>())
            .prop_map(|(series, count, seed)| Step::Rows { series, count, seed }),
        1 => (0..NAMES.len(), 2_000usize..6_000, any::<u64>())
            .prop_map(|(series, count, seed)| Step::Rows { series, count, seed }),
        2 => (1usize..40, any::<u64>()).prop_map(|(count, seed)| Step::Ticks { count, seed }),
        1 => (3_100usize..4_000, any::<u64>()).prop_map(|(count, seed)| Step::Ticks { count, seed }),
        2 => Just(Step::Flush),
        6 => (0usize..3, 0usize..64, 0usize..3, prop::bool::weighted(0.2), prop::option::weighted(0.3, 0usize..5))
            .prop_map(|(format, codec, action, rebuild, one)| Step::Build { format, codec, action, rebuild, one }),
        2 => Just(Step::Tick),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => Just(Step::PowerLoss),
    ]
}

struct History {
    bench: Bench,
    engine: Option<Engine>,
    rows: BTreeMap<&'static str, Vec<Sample>>,
    /// Which integer metrics needed 64 bits.
    wide: bool,
    widened: BTreeMap<&'static str, bool>,
    counter: i64,
    rng: Rng,
}

impl History {
    fn new(seed: u64, wide: bool, page: u32) -> Self {
        let mut config = sealed_config(page);
        // Half of them build by themselves.
        config.metrics.enabled = seed.is_multiple_of(2);
        config.metrics.format = FORMATS[(seed / 2 % 3) as usize];
        config.metrics.raw_ingest_action = ACTIONS[(seed / 6 % 3) as usize];
        config.values.width = if wide { ValueWidth::Bits64 } else { ValueWidth::Auto };
        let bench = Bench::on(SimVfs::new(seed), config);
        // All that is ever written lies in sealed partitions.
        bench.clock.advance(Duration::from_secs(40 * 86_400));
        let engine = Some(bench.open());
        let (rows, widened) = (BTreeMap::new(), BTreeMap::new());
        Self { bench, engine, rows, wide, widened, counter: 0, rng: Rng(seed) }
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// A value of the kind that a series has. No two rows of a series are equal in time and value.
    fn value(&mut self, series: usize, rng: &mut Rng) -> Value {
        self.counter += 1;
        let c = self.counter;
        match NAMES[series] {
            // Wide values of a metric that was narrow, some day.
            "regular" if c > 9_000 && rng.below(50) == 0 => Value::Int64((c << 33) + 1),
            "regular" | "gaps" | "single" => Value::Int64(c % 100_000),
            "constant" => Value::Int64(7),
            "same" => self.float((c % 1_000) as f64 / 8.0),
            _ => self.odd_float(rng),
        }
    }

    fn odd_float(&self, rng: &mut Rng) -> Value {
        let odd = [0.0, -0.0, f64::from(f32::MAX), f64::from(f32::MIN_POSITIVE), 1.0 / 3.0, 0.1, -1e30, 16_777_217.0];
        let v = match rng.below(12) {
            n if n < 8 => odd[n as usize],
            8 if self.wide => f64::from_bits(rng.next() & 0x5fff_ffff_ffff_ffff),
            9 if self.wide => 5e-324,
            _ => self.counter as f64 + 0.25,
        };
        self.float(v)
    }

    fn float(&self, v: f64) -> Value {
        if self.wide { Value::Float64(v) } else { Value::Float32(v as f32) }
    }

    fn stored(&mut self, name: &'static str, sent: Value) -> Value {
        match sent {
            Value::Int64(v) => {
                let needs = self.wide || i32::try_from(v).is_err();
                *self.widened.entry(name).or_default() |= needs;
                sent
            }
            other => other,
        }
    }

    fn step_of(name: &str, rng: &mut Rng) -> i64 {
        match name {
            "regular" => 10 * SECOND,
            "gaps" if rng.below(40) == 0 => 3 * 3_600 * SECOND,
            "same" if rng.below(3) > 0 => 0,
            "constant" if rng.below(60) == 0 => 0,
            "single" => 30 * 3_600 * SECOND,
            _ => SECOND * (1 + rng.below(12) as i64),
        }
    }

    fn send(&mut self, rows: &[(usize, i64, Value)]) {
        for part in rows.chunks(500) {
            let mut batch = Batch::new();
            for (series, timestamp, value) in part {
                batch.push("pi", NAMES[*series], number(*value), Some(*timestamp));
            }
            let outcome = self.engine().write_batch(&mut batch).unwrap();
            assert_eq!((outcome.accepted, outcome.rejected), (part.len() as u64, 0), "{:?}", outcome.rejections);
        }
        for (series, timestamp, value) in rows {
            let value = self.stored(NAMES[*series], *value);
            self.rows.entry(NAMES[*series]).or_default().push(Sample { timestamp: *timestamp, value });
        }
    }

    fn last(&self, series: usize) -> i64 {
        self.rows.get(NAMES[series]).and_then(|r| r.last()).map_or(DAY, |r| r.timestamp)
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Rows { series, count, seed } => {
                let mut rng = Rng(*seed);
                let count = if NAMES[*series] == "single" { 1 } else { *count };
                let mut at = self.last(*series);
                let rows: Vec<_> = (0..count)
                    .map(|_| {
                        at += Self::step_of(NAMES[*series], &mut rng);
                        (*series, at, self.value(*series, &mut rng))
                    })
                    .collect();
                self.send(&rows);
            }
            Step::Ticks { count, seed } => {
                let mut rng = Rng(*seed);
                let mut at = (0..NAMES.len()).map(|series| self.last(series)).max().unwrap();
                let mut rows = Vec::new();
                for _ in 0..*count {
                    at += 10 * SECOND;
                    for series in 0..NAMES.len() - 1 {
                        if rng.below(30) > 0 {
                            rows.push((series, at, self.value(series, &mut rng)));
                        }
                    }
                }
                self.send(&rows);
            }
            Step::Flush => self.engine().flush().unwrap(),
            Step::Build { format, codec, action, rebuild, one } => {
                let codecs = registry().codecs();
                let action = ACTIONS[*action];
                let options = BuildOptions {
                    rebuild: *rebuild,
                    ..BuildOptions::new(FORMATS[*format], codecs[codec % codecs.len()].name(), action).unwrap()
                };
                let names = self.engine().database_names(false);
                if names.is_empty() {
                    return;
                }
                let partitions = self.engine().partitions("pi").unwrap();
                match one.and_then(|one| partitions.get(one)) {
                    Some(name) => {
                        let go_on = &mut |_| ControlFlow::Continue(());
                        self.engine().build_metric_files("pi", Selection::Named(name), options, go_on).unwrap();
                    }
                    None => {
                        build(self.engine(), options).unwrap();
                        let left = build(self.engine(), BuildOptions { rebuild: false, ..options }).unwrap();
                        // Raw files that are renamed already stay, so that late rows beside them cannot be renamed.
                        assert!(left.is_empty() || action == RawIngestAction::Rename, "{left:?}");
                    }
                }
            }
            Step::Tick => {
                self.bench.clock.advance(Duration::from_secs(1_000));
                assert_eq!(self.engine().tick().errors(), Vec::<&str>::new());
            }
            Step::PowerLoss => {
                // Everything that was acknowledged is durable: the WAL is forced to the device each time.
                self.bench.power_loss(self.engine.take().unwrap());
                self.engine = Some(self.bench.open());
            }
            Step::Reopen => {
                self.engine().close().unwrap();
                self.engine = None;
                self.engine = Some(self.bench.open());
            }
            Step::Kill => {
                self.bench.kill(self.engine.take().unwrap());
                self.engine = Some(self.bench.open());
            }
        }
    }

    /// The rows as they are read: an integer metric is as wide as its widest value.
    fn expected(&self, name: &str) -> Vec<Sample> {
        let wide = self.widened.get(name).copied().unwrap_or_default();
        let narrow = |value| match value {
            Value::Int64(v) if !wide => Value::Int32(i32::try_from(v).unwrap()),
            other => other,
        };
        self.rows[name].iter().map(|r| Sample { value: narrow(r.value), ..*r }).collect()
    }

    fn compare(&mut self, context: &str) {
        if self.rows.is_empty() {
            return;
        }
        let all: BTreeMap<&str, Vec<Sample>> = self.rows.keys().map(|name| (*name, self.expected(name))).collect();
        // Newest samples first, sometimes: they are looked up in files that nobody has read yet.
        let newest_first = self.rng.below(2) == 0;
        if newest_first {
            self.newest(&all, context);
        }
        let (found, warnings) = read(self.engine());
        assert_eq!(warnings, Vec::<String>::new(), "{context}");
        let content = all.iter().map(|(name, rows)| (("pi".to_owned(), (*name).to_owned()), rows.clone())).collect();
        assert_same(&found, &content, context);
        if !newest_first {
            self.newest(&all, context);
        }
        // A reader answers with several threads, the writer with one.
        let reader = self.bench.open_read_only();
        assert_same(&read(&reader).0, &content, &format!("{context}: to a reader"));
        let span = all.values().filter_map(|rows| rows.last()).map(|r| r.timestamp).max().unwrap() - DAY;
        let at = |rng: &mut Rng, edge: &[Sample]| match rng.below(3) {
            // Exactly at a row.
            0 => edge[rng.below(edge.len() as u64) as usize].timestamp,
            _ => DAY + rng.below(span.unsigned_abs() + 2) as i64 - 1,
        };
        for _ in 0..2 {
            let names: Vec<&str> = all.keys().copied().collect();
            let edge = &all[names[self.rng.below(names.len() as u64) as usize]];
            let (a, b) = (at(&mut self.rng, edge), at(&mut self.rng, edge));
            self.each(&all, a.min(b), a.max(b), context);
            let writer = self.engine().clone();
            for (engine, who) in [(&writer, "writer"), (&reader, "reader")] {
                let context = format!("{context}: {who}");
                self.range(engine, &all, a.min(b), a.max(b), &context);
            }
            let width =
                [SECOND, 60 * SECOND, 3_600 * SECOND, 12_000 * SECOND, 36_000 * SECOND, 86_400 * SECOND, i64::MAX]
                    [self.rng.below(7) as usize];
            for (engine, who) in [(&writer, "writer"), (&reader, "reader")] {
                let context = format!("{context}: {who}");
                self.aggregates(engine, &all, (a.min(b), a.max(b)), width.max(span / 20_000), &context);
                self.aggregates(engine, &all, (i64::MIN, i64::MAX), width.max(span / 20_000), &context);
            }
        }
    }

    fn newest(&mut self, all: &BTreeMap<&str, Vec<Sample>>, context: &str) {
        for (name, rows) in all {
            assert_eq!(
                self.engine().query_last("pi", name).unwrap().as_ref(),
                rows.last(),
                "{context}: newest of {name}"
            );
            let at = rows[self.rng.below(rows.len() as u64) as usize].timestamp + self.rng.below(3) as i64 - 1;
            let expected = rows.iter().rev().find(|r| r.timestamp <= at);
            let found = self.engine().query_at("pi", name, at).unwrap();
            assert_eq!(found.as_ref(), expected, "{context}: {name} at {at}");
        }
    }

    fn range(&mut self, engine: &Engine, all: &BTreeMap<&str, Vec<Sample>>, from: i64, to: i64, context: &str) {
        let stride = 1 + self.rng.below(3) as usize;
        for (name, rows) in all {
            let mut found = Vec::new();
            let report = engine.query_range("pi", name, from, to, stride, |sample| {
                found.push(sample);
                ControlFlow::Continue(())
            });
            assert_eq!(report.unwrap().warnings, Vec::<String>::new(), "{context}");
            let inside = rows.iter().filter(|r| from <= r.timestamp && r.timestamp <= to);
            let expected: Vec<_> = inside.step_by(stride).copied().collect();
            assert_eq!(found, expected, "{context}: {name} from {from} to {to} by {stride}");
        }
    }

    /// All of one metric before any of the next, however little memory there is.
    fn each(&mut self, all: &BTreeMap<&str, Vec<Sample>>, from: i64, to: i64, context: &str) {
        let mut names: Vec<&str> = all.keys().copied().collect();
        names.insert(self.rng.below(names.len() as u64 + 1) as usize, "unknown");
        let mut found: Vec<(usize, Sample)> = Vec::new();
        let mut add = |slice: ScanSlice<'_>| {
            found.extend((0..slice.len()).map(|at| (slice.metric, slice.sample(at).unwrap())));
            Ok(ControlFlow::Continue(()))
        };
        let memory = [0, 500, 5_000, 1 << 20][self.rng.below(4) as usize];
        let (files, mut sink) = (MetricFiles::Preferred, Slices(&mut add));
        let report = self.engine().scan_each("pi", &names, from, to, files, memory, &mut sink).unwrap();
        assert_eq!(report.warnings, Vec::<String>::new(), "{context}");
        let inside = |name: &&str| {
            let rows = all.get(name).map(Vec::as_slice).unwrap_or_default().iter();
            rows.filter(|r| from <= r.timestamp && r.timestamp <= to).copied().collect::<Vec<_>>()
        };
        let expected: Vec<(usize, Sample)> =
            names.iter().enumerate().flat_map(|(at, name)| inside(name).into_iter().map(move |r| (at, r))).collect();
        assert_eq!(found, expected, "{context}: one metric after the other in {memory} bytes");
    }

    fn aggregates(
        &mut self,
        engine: &Engine,
        all: &BTreeMap<&str, Vec<Sample>>,
        (from, to): (i64, i64),
        width: i64,
        context: &str,
    ) {
        let mut names: Vec<&str> = all.keys().copied().collect();
        // A metric that nobody knows keeps its place, too.
        names.insert(self.rng.below(names.len() as u64 + 1) as usize, "unknown");
        let every = registry().aggregators();
        let by_statistics: Vec<_> = every.iter().copied().filter(|a| a.uses_statistics()).collect();
        for aggregators in [every.to_vec(), by_statistics] {
            let mut found = BTreeMap::<usize, Vec<naive::Window>>::new();
            let mut add = |metric: usize, end: i64, row: &[Option<f64>]| {
                found.entry(metric).or_default().push((end, row.to_vec()));
                ControlFlow::Continue(())
            };
            let windows = Windows { width, aggregators: &aggregators };
            let report = engine.aggregate("pi", &names, from, to, windows, MetricFiles::Preferred, &mut add).unwrap();
            assert_eq!(report.warnings, Vec::<String>::new(), "{context}");
            for (metric, name) in names.iter().enumerate() {
                let rows = all.get(name).map(Vec::as_slice).unwrap_or_default();
                let expected = naive::windows(rows, from, to, width);
                let found = found.remove(&metric).unwrap_or_default();
                let context = format!("{context}: {name} in windows of {width} from {from} to {to}");
                naive::check_windows(&aggregators, &found, &expected, &context);
            }
        }
    }
}

fn run(seed: u64, wide: bool, page: u32, steps: &[Step]) {
    let mut history = History::new(seed, wide, page);
    for (at, step) in steps.iter().enumerate() {
        history.apply(step);
        history.compare(&format!("after step {at}, {step:?}"));
    }
    let context = "at the end";
    history.apply(&Step::Reopen);
    history.compare(context);
    check_disk(&history.bench, context);
    check_verify(&history.bench, context);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_built_the_answers_are_those_of_a_plain_list(
        seed in any::<u64>(),
        wide in any::<bool>(),
        page in 3u32..900,
        steps in prop::collection::vec(step(), 1..16),
    ) {
        run(seed, wide, page, &steps);
    }
}

/// `NANOTDB_HISTORIES=1000 cargo test --release --test metric_props history` for a long run.
fn cases() -> u32 {
    std::env::var("NANOTDB_HISTORIES").ok().and_then(|s| s.parse().ok()).unwrap_or(24)
}

/// Raw files go while a page is open whose metric has its name in the WAL alone.
#[test]
fn names_that_only_the_wal_has_survive_a_build() {
    let steps = |action| {
        let build = Step::Build { format: 2, codec: 0, action, rebuild: false, one: Some(1) };
        [
            Step::Rows { series: 5, count: 1, seed: 0 },
            Step::Flush,
            Step::Rows { series: 0, count: 1, seed: 0 },
            build,
            Step::Kill,
        ]
    };
    for action in 0..3 {
        run(0, false, 33, &steps(action));
    }
}

/// Long series, so that statistics of blocks and of their parts answer, in every format and codec.
#[test]
fn long_series_in_every_format_and_codec() {
    let codecs = registry().codecs().len();
    for format in 0..FORMATS.len() {
        for codec in 0..codecs {
            let build = |action| Step::Build { format, codec, action, rebuild: false, one: None };
            let steps = [
                Step::Ticks { count: 3_300, seed: 5 },
                Step::Rows { series: codec % 5, count: 5_000, seed: 6 },
                build(codec % 3),
                Step::Rows { series: codec % 5, count: 40, seed: 8 },
                Step::Rows { series: 2, count: 40, seed: 9 },
                build((codec + 1) % 3),
            ];
            run(codec as u64, codec % 2 == 0, 2_000, &steps);
        }
    }
}
