//! Number 26 of the list: a number is kept as it was sent, whatever its metric held before, by every way of reading it.

use crate::common::bench::{Bench, SECOND};
use crate::common::oracle::{ROOT, START as T};
use crate::common::rng::Rng;
use nanotdb_core::Error;
use nanotdb_core::config::{FsyncPolicy, MetricFileFormat, Mixing, RawIngestAction, ValueWidth};
use nanotdb_core::engine::{Batch, BatchOutcome, BuildOptions, Engine, EngineOptions, MetricFiles, Selection, Windows};
use nanotdb_core::maintenance::convert::{ConvertRequest, Target, convert};
use nanotdb_core::maintenance::recover::{RecoverRequest, recover};
use nanotdb_core::maintenance::verify::{Problem, verify};
use nanotdb_core::model::{Number, Sample, Timestamp, Value, ValueType};
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::storage::vfs::Vfs;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// A metric, what is sent of it, and when.
type Sent = (&'static str, String, Timestamp);

/// What readers are to find: of each metric the times and texts.
type Texts = BTreeMap<String, Vec<(Timestamp, String)>>;

fn number(text: &str) -> Number {
    match text.parse::<i64>() {
        Ok(v) => Number::integer(v),
        Err(_) => Number::decimal(text.parse().unwrap(), text.parse().unwrap()),
    }
}

/// The text of a number without what it does not mean: 20.0 and 2e1 are 20.
fn canonical(text: &str) -> String {
    match text.parse::<i64>() {
        Ok(v) => v.to_string(),
        Err(_) => Value::Float64(text.parse().unwrap()).to_string(),
    }
}

fn try_send(engine: &Engine, sent: &[Sent]) -> BatchOutcome {
    let mut batch = Batch::new();
    for (metric, text, at) in sent {
        batch.push("home", metric, number(text), Some(*at));
    }
    engine.write_batch(&mut batch).unwrap()
}

fn send(engine: &Engine, sent: &[Sent]) {
    let outcome = try_send(engine, sent);
    assert_eq!((outcome.accepted, outcome.rejected), (sent.len() as u64, 0), "{:?}", outcome.rejections);
}

fn texts(sent: &[Sent]) -> Texts {
    let mut texts = Texts::new();
    for (metric, text, at) in sent {
        texts.entry((*metric).to_owned()).or_default().push((*at, canonical(text)));
    }
    texts
}

fn samples(engine: &Engine, metric: &str) -> Vec<Sample> {
    let mut samples = Vec::new();
    let each = |sample| {
        samples.push(sample);
        ControlFlow::Continue(())
    };
    let report = engine.query_range("home", metric, i64::MIN, i64::MAX, 1, each).unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
    samples
}

fn text_of(samples: &[Sample]) -> Vec<(Timestamp, String)> {
    samples.iter().map(|sample| (sample.timestamp, sample.value.to_string())).collect()
}

/// What all metrics of an engine give, each by one type.
fn found(engine: &Engine) -> Texts {
    let mut texts = Texts::new();
    if !engine.has_database("home") {
        return texts;
    }
    for metric in engine.metrics("home").unwrap() {
        let samples = samples(engine, &metric.name);
        assert!(samples.iter().all(|s| s.value.value_type() == metric.value_type), "{metric:?}: {samples:?}");
        if !samples.is_empty() {
            assert!(texts.insert(metric.name, text_of(&samples)).is_none(), "a name is listed once");
        }
    }
    texts
}

fn type_of(engine: &Engine, metric: &str) -> ValueType {
    engine.metric("home", metric).unwrap().unwrap().value_type
}

fn build(engine: &Engine, action: RawIngestAction) {
    let mut options = BuildOptions::new(MetricFileFormat::V3, "", action).unwrap();
    options.verify = true;
    for partition in engine.partitions("home").unwrap() {
        engine
            .build_metric_files("home", Selection::Named(&partition), options, &mut |_| ControlFlow::Continue(()))
            .unwrap();
    }
}

/// What `nanocli verify` finds.
fn problems(bench: &Bench) -> Vec<Problem> {
    verify(Path::new(ROOT), None, bench.config.clone(), bench.options()).unwrap().problems
}

fn lines(metric: &'static str, texts: &[&str], from: Timestamp) -> Vec<Sent> {
    (0..).zip(texts).map(|(i, text)| (metric, (*text).to_owned(), from + i * SECOND)).collect()
}

#[test]
fn r26_each_number_is_kept_and_the_type_follows() {
    for (texts_sent, value_type) in [
        (&["21.5", "0.1", "98765.4", "-3", "0"][..], ValueType::Float32),
        (&["123456.781", "123456.784", "123456.789"], ValueType::Float64),
        (&["18228934.0", "18228935.0", "18228937.0"], ValueType::Float64),
        (&["21.5", "52.5200066", "21.3", "0.1"], ValueType::Float64),
        (&["20", "20.1", "20.0", "19.9"], ValueType::Float64),
        (&["20", "3000000000", "-5"], ValueType::Int64),
        (&["20", "3000000000", "0.5", "7"], ValueType::Float64),
        (&["21.3", "16777217", "9007199254740992"], ValueType::Float64),
        (&["1e-46", "1e39", "0.1"], ValueType::Float64),
    ] {
        for one_batch in [true, false] {
            let bench = Bench::new(FsyncPolicy::Always, 1_000);
            let engine = bench.open();
            let sent = lines("m", texts_sent, T);
            match one_batch {
                true => send(&engine, &sent),
                false => sent.iter().for_each(|line| send(&engine, std::slice::from_ref(line))),
            }
            assert_eq!(found(&engine), texts(&sent));
            assert_eq!(type_of(&engine, "m"), value_type, "{texts_sent:?}");
            bench.kill(engine);
            let engine = bench.open();
            assert_eq!((found(&engine), type_of(&engine, "m")), (texts(&sent), value_type), "after a kill");
            engine.close().unwrap();
            let engine = bench.open();
            assert_eq!((found(&engine), type_of(&engine, "m")), (texts(&sent), value_type), "after a stop");
        }
    }
}

#[test]
fn r26_typed_values_make_metrics_of_their_type() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    let values = [Value::Float64(0.1), Value::Int64(1), Value::Float32(0.1), Value::Int32(1)];
    for (name, value) in ["f64", "i64", "f32", "i32"].into_iter().zip(values) {
        engine.add_sample("home", name, value, Some(T)).unwrap();
        assert_eq!(samples(&engine, name), [Sample { timestamp: T, value }]);
    }
    // Its text as float64 is another number: a float32 metric of an embedder's does not widen by it.
    engine.add_sample("home", "f32", Value::Float32(21.3), Some(T + 1)).unwrap();
    assert_eq!(type_of(&engine, "f32"), ValueType::Float32);
    engine.add_sample("home", "f32", Value::Float64(1.0 / 3.0), Some(T + 2)).unwrap();
    assert_eq!(samples(&engine, "f32")[2].value, Value::Float64(1.0 / 3.0));
}

#[test]
fn r26_what_cannot_be_kept_is_refused_with_the_reason() {
    let mut bench = Bench::new(FsyncPolicy::Always, 1_000);
    let refused = |engine: &Engine, metric: &'static str, text: &str| {
        let outcome = try_send(engine, &[(metric, text.to_owned(), T + 100 * SECOND)]);
        assert_eq!(outcome.rejected, 1, "{metric} {text}");
        outcome.rejections[0].reason.clone()
    };
    let engine = bench.open();
    // 2^53 + 1 is in a metric file, in a page, and in the batch itself.
    let far = lines("filed", &["5", "9007199254740993"], T);
    send(&engine, &far);
    engine.flush().unwrap();
    build(&engine, RawIngestAction::Delete);
    assert!(refused(&engine, "filed", "0.5").contains("2^53"));
    assert!(refused(&engine, "filed", "0.5").contains("2^53"), "and again");
    send(&engine, &lines("paged", &["9007199254740993"], T));
    assert!(refused(&engine, "paged", "0.5").contains("2^53"));
    let both = [lines("staged", &["9007199254740993"], T), lines("staged", &["0.5"], T + SECOND)].concat();
    assert_eq!(try_send(&engine, &both).rejected, 1);
    // Not beyond: it widens, from a metric file and from a page.
    let near = lines("near", &["9007199254740991", "3", "0.5"], T);
    send(&engine, &near[..1]);
    engine.flush().unwrap();
    build(&engine, RawIngestAction::Delete);
    send(&engine, &near[1..]);
    assert_eq!(found(&engine)["near"], texts(&near)["near"]);
    // An integer that no float holds.
    assert!(refused(&engine, "near", "9007199254740993").contains("no float holds"));
    bench.kill(engine);

    bench.config.values.mixing = Mixing::Reject;
    let engine = bench.open();
    send(&engine, &lines("whole", &["20"], T));
    assert!(refused(&engine, "whole", "20.5").contains("mixing = \"widen\""));
    send(&engine, &lines("decimal", &["20.5", "123456.789"], T));
    assert_eq!(type_of(&engine, "decimal"), ValueType::Float64, "no mixture");
    bench.kill(engine);

    bench.config.values = nanotdb_core::config::ValuesSection { width: ValueWidth::Bits32, mixing: Mixing::Widen };
    let engine = bench.open();
    send(&engine, &lines("narrow", &["20.5", "123456.789"], T));
    assert_eq!(samples(&engine, "narrow")[1].value, Value::Float32(123_456.79));
    assert_eq!(engine.counters().ingest_rounded.get(), 1);
    send(&engine, &lines("ints", &["20"], T));
    assert!(refused(&engine, "ints", "20.5").contains("width"));
}

/// The batches of the crash tests: metrics that widen alone, in one batch with others, twice, and across a flush.
fn script() -> Vec<Vec<Sent>> {
    let at = |i: i64| T + i * SECOND;
    let line = |metric: &'static str, text: &str, i: i64| (metric, text.to_owned(), at(i));
    vec![
        vec![line("temp", "20", 0), line("kwh", "21.3", 0), line("count", "7", 0)],
        vec![line("temp", "21", 1), line("kwh", "0.1", 1), line("count", "3000000000", 1)],
        vec![line("temp", "20.5", 2), line("kwh", "21.4", 2)],
        vec![line("kwh", "123456.789", 3), line("kwh", "0.3", 3), line("temp", "20.1", 3), line("count", "8", 3)],
        vec![line("count", "0.5", 4), line("new", "1", 4)],
        vec![line("temp", "1e-46", 5), line("new", "1.5", 5), line("count", "9", 5), line("kwh", "2", 5)],
    ]
}

#[test]
fn r26_dying_at_every_operation_of_widening_loses_and_bends_nothing() {
    for flushes in [&[][..], &[1], &[2], &[0, 3], &[1, 2, 3, 4]] {
        let bench = Bench::new(FsyncPolicy::Always, 1_000);
        let engine = bench.open();
        bench.vfs.record_forks(true);
        let mut acknowledged = Vec::new();
        for (i, batch) in script().iter().enumerate() {
            send(&engine, batch);
            acknowledged.push(bench.vfs.operation_count());
            if flushes.contains(&i) {
                engine.flush().unwrap();
            }
        }
        engine.close().unwrap();
        assert_eq!(found(&engine), texts(&script().concat()));
        let forks = bench.vfs.take_forks();
        assert!(forks.len() > 20, "{}", forks.len());
        for (i, fork) in forks.into_iter().enumerate() {
            let count = fork.operation_count();
            let whole = acknowledged.iter().filter(|since| **since <= count).count();
            let disk = bench.fork(fork);
            match i % 2 {
                0 => disk.vfs.kill(),
                _ => disk.vfs.crash(),
            }
            let context = format!("flushes after {flushes:?}, died at {count}, {whole} batches acknowledged");
            let engine = disk.open();
            let all = found(&engine);
            let promised: Vec<Sent> = script()[..whole].concat();
            let begun: Vec<Sent> = script()[..(whole + 1).min(script().len())].concat();
            assert!(all == texts(&promised) || all == texts(&begun), "{context}: {all:?}");
            // What comes next goes on where it was, in type and order.
            let next =
                [("temp", "0.25".to_owned(), T + 60 * SECOND), ("kwh", "7654321.25".to_owned(), T + 60 * SECOND)];
            send(&engine, &next);
            assert_eq!(try_send(&engine, &[("temp", "1".to_owned(), T)]).rejected, 1, "{context}: order");
            let mut expected = all;
            for (metric, rows) in texts(&next) {
                expected.entry(metric).or_default().extend(rows);
            }
            assert_eq!(found(&engine), expected, "{context}");
            disk.kill(engine);
            let engine = disk.open();
            assert_eq!(found(&engine), expected, "{context}: a second start");
            engine.close().unwrap();
            assert_eq!(problems(&disk), [], "{context}");
        }
    }
}

/// Random decimals of up to 17 digits, whole numbers and both, with flushes, metric files, kills and restarts.
struct Random {
    bench: Bench,
    engine: Option<Engine>,
    sent: Vec<Sent>,
    rng: Rng,
    at: Timestamp,
}

const METRICS: [&str; 5] = ["mixed", "short", "long", "whole", "late"];

impl Random {
    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn text(&mut self, metric: usize) -> String {
        let digits = match metric {
            1 => 1 + self.rng.below(6),
            2 => 1 + self.rng.below(17),
            4 if self.sent.len() < 150 => 1 + self.rng.below(5),
            _ => 1 + self.rng.below(9),
        };
        let mantissa = self.rng.next() % 10u64.pow(digits as u32);
        let sign = if self.rng.below(3) == 0 { "-" } else { "" };
        match (metric, self.rng.below(3)) {
            (3, _) | (0 | 4, 0) => format!("{sign}{mantissa}"),
            (2, 1) => format!("{sign}{mantissa}.0e-{}", self.rng.below(30)),
            _ => {
                let text = format!("{mantissa:0>width$}", width = digits as usize + 1);
                let places = self.rng.below(digits + 1) as usize;
                let (whole, fraction) = text.split_at(text.len() - places);
                format!("{sign}{whole}.{fraction}0")
            }
        }
    }

    fn step(&mut self) {
        match self.rng.below(12) {
            0 => self.engine().flush().unwrap(),
            1 => {
                let action = [RawIngestAction::Keep, RawIngestAction::Delete][self.rng.below(2) as usize];
                self.engine().flush().unwrap();
                build(self.engine(), action);
            }
            2 => {
                let engine = self.engine.take().unwrap();
                self.bench.kill(engine);
                self.engine = Some(self.bench.open());
            }
            3 => {
                self.engine.take().unwrap().close().unwrap();
                self.engine = Some(self.bench.open());
            }
            _ => {
                let mut batch = Vec::new();
                for _ in 0..1 + self.rng.below(6) {
                    self.at += self.rng.below(3) as i64 * 7_000 * SECOND;
                    let metric = self.rng.below(METRICS.len() as u64) as usize;
                    let text = self.text(metric);
                    batch.push((METRICS[metric], text, self.at));
                }
                send(self.engine(), &batch);
                self.sent.extend(batch);
            }
        }
    }

    /// Every way of reading.
    fn check(&self, context: &str) {
        let expected = texts(&self.sent);
        let engine = self.engine();
        assert_eq!(found(engine), expected, "{context}");
        assert_eq!(found(&self.bench.open_read_only()), expected, "{context}: read-only, with threads");
        for (metric, rows) in &expected {
            let last = engine.query_last("home", metric).unwrap().map(|s| (s.timestamp, s.value.to_string()));
            assert_eq!(last.as_ref(), rows.last(), "{context}: {metric}");
            let middle = rows[rows.len() / 2].0;
            let at = engine.query_at("home", metric, middle).unwrap().map(|s| (s.timestamp, s.value.to_string()));
            assert_eq!(at.as_ref(), rows.iter().rfind(|(at, _)| *at <= middle), "{context}: {metric}");
            self.check_aggregates(metric, rows, context);
        }
    }

    /// Aggregates are those of the texts.
    fn check_aggregates(&self, metric: &str, rows: &[(Timestamp, String)], context: &str) {
        let values: Vec<f64> = rows.iter().map(|(_, text)| text.parse().unwrap()).collect();
        let names = ["min", "max", "sum", "count"];
        let aggregators: Vec<_> = names.iter().map(|name| registry().aggregator(name).unwrap()).collect();
        let windows = Windows { width: i64::MAX, aggregators: &aggregators };
        let mut results = Vec::new();
        let mut each = |_: usize, _: Timestamp, row: &[Option<f64>]| {
            results.push(row.to_vec());
            ControlFlow::Continue(())
        };
        let (from, to) = (T - SECOND, self.at + SECOND);
        self.engine().aggregate("home", &[metric], from, to, windows, MetricFiles::Preferred, &mut each).unwrap();
        let fold = |f: fn(f64, f64) -> f64| values.iter().copied().reduce(f).unwrap();
        let [row] = results.as_slice() else { panic!("{context}: {results:?}") };
        let [Some(min), Some(max), Some(sum), Some(count)] = row[..] else { panic!("{context}: {row:?}") };
        assert_eq!((min, max, count), (fold(f64::min), fold(f64::max), values.len() as f64), "{context}: {metric}");
        let size = values.iter().map(|v| v.abs()).sum::<f64>();
        assert!((sum - values.iter().sum::<f64>()).abs() <= size * 1e-13, "{context}: {metric}: {sum}");
    }

    /// Export, import and export, recovery, and conversions.
    fn check_copies(&mut self, context: &str) {
        let expected = texts(&self.sent);
        let vfs = &self.bench.vfs;
        vfs.create_dir_all(Path::new("/files")).unwrap();
        let (first, again) = (Path::new("/files/first.lp"), Path::new("/files/again.lp"));
        self.engine().export_file("home", first).unwrap();
        let options = self.bench.options();
        let open = |root: &str| Engine::open_with(Path::new(root), self.bench.config.clone(), options.clone()).unwrap();
        let copy = open("/copy");
        let report = copy.import_file(first, None).unwrap();
        assert_eq!(report.rejected, 0, "{context}: {:?}", report.rejections);
        assert_eq!(found(&copy), expected, "{context}: imported");
        copy.export_file("home", again).unwrap();
        assert!(vfs.read(first, 1 << 24).unwrap() == vfs.read(again, 1 << 24).unwrap(), "{context}: exported twice");
        copy.close().unwrap();
        self.engine.take().unwrap().close().unwrap();

        let config = || self.bench.config.clone();
        let quiet = EngineOptions { background: false, ..options.clone() };
        let request = RecoverRequest { root: Path::new(ROOT), out: Path::new("/recovered"), database: None };
        let report = recover(request, config(), &quiet, &mut |_, _| ()).unwrap();
        assert!(report.lost.is_empty() && report.problems.is_empty(), "{context}: {report:?}");
        assert_eq!(found(&open("/recovered")), expected, "{context}: recovered");
        for (target, out) in [(Target::Nanotdb, "/nanotdb"), (Target::Original, "/original")] {
            let request =
                ConvertRequest { root: Path::new(ROOT), out: Path::new(out), target, lossy: false, database: None };
            let report = convert(request, config(), &quiet, &mut |_, _| ()).unwrap();
            let mut kept = expected.clone();
            for loss in &report.left_out {
                assert!(kept.remove(&loss.metric).is_some() && target == Target::Original, "{context}: {loss:?}");
            }
            assert_eq!(found(&open(out)), kept, "{context}: {target:?}");
        }
        assert_eq!(problems(&self.bench), [], "{context}");
        self.engine = Some(self.bench.open());
    }
}

#[test]
fn r26_any_numbers_in_any_order_come_back_by_every_reader() {
    let runs = std::env::var("NANOTDB_MODEL_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(12);
    for seed in 0..runs {
        let bench = Bench::new(FsyncPolicy::Segment, 5 + (seed as u32 % 4) * 30);
        let engine = Some(bench.open());
        let mut random = Random { bench, engine, sent: Vec::new(), rng: Rng(seed), at: T };
        for step in 0..90 {
            random.step();
            if step % 15 == 14 {
                random.check(&format!("seed {seed}, step {step}"));
            }
        }
        random.check_copies(&format!("seed {seed}"));
        random.check(&format!("seed {seed}, at the end"));
    }
}

#[test]
fn r26_a_catalog_with_a_name_twice_is_damage_unless_it_went_on() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    send(&engine, &lines("m", &["20", "20.5"], T));
    engine.close().unwrap();
    let path = bench.path("home/catalog.json");
    let text = String::from_utf8(bench.file("home/catalog.json")).unwrap();
    assert!(text.contains("\"then\": 2"), "{text}");
    for (from, to) in [("\"then\": 2", "\"then\": 3"), ("\"type\": 4", "\"type\": 1"), (",\n      \"then\": 2", "")] {
        let disk = bench.fork(bench.vfs.clone());
        assert!(text.contains(from), "{from}: {text}");
        disk.vfs.replace(&path, text.replace(from, to).as_bytes()).unwrap();
        let opened = disk.try_open().map(|engine| engine.health());
        assert!(opened.as_ref().map_or(true, |health| !health.is_empty()), "{from}: {opened:?}");
        if let Ok(engine) = disk.try_open() {
            let unavailable = engine.query_last("home", "m").unwrap_err();
            assert!(matches!(unavailable, Error::Unavailable { .. } | Error::Corrupt { .. }), "{unavailable}");
        }
        bench.vfs.replace(&path, text.as_bytes()).unwrap();
    }
    assert_eq!(found(&bench.open()), texts(&lines("m", &["20", "20.5"], T)));
}
