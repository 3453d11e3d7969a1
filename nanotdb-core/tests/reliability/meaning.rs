//! What a stored value means in aggregates, and later as float64: a float32 that came as text is the decimal of its text, one of a program is
//! itself, and integers are exact however large.

use crate::common::bench::{Bench, SECOND};
use crate::common::oracle::START as T;
use nanotdb_core::config::{FsyncPolicy, MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{Batch, BuildOptions, Engine, MetricFiles, Selection, WindowRow, WindowRows, Windows};
use nanotdb_core::model::{Number, Timestamp, Value, ValueType};
use nanotdb_core::plugin::registry::registry;
use std::ops::ControlFlow;

const NAMES: [&str; 8] = ["avg", "sum", "min", "max", "median", "p95", "trimmed_avg", "count"];

fn decimal(text: &str) -> Number {
    Number::decimal(text.parse().unwrap(), text.parse().unwrap())
}

fn send(engine: &Engine, metric: &str, numbers: &[Number], from: Timestamp) {
    let mut batch = Batch::new();
    for (number, i) in numbers.iter().zip(0..) {
        batch.push("home", metric, *number, Some(from + i * SECOND));
    }
    let outcome = engine.write_batch(&mut batch).unwrap();
    assert_eq!((outcome.accepted, outcome.rejected), (numbers.len() as u64, 0), "{:?}", outcome.rejections);
}

/// Aggregates of all of a metric by one window, each as a float and as an integer.
fn aggregates(engine: &Engine, metric: &str, names: &[&str]) -> Vec<(f64, Option<i64>)> {
    let aggregators: Vec<_> = names.iter().map(|name| registry().aggregator(name).unwrap()).collect();
    let windows = Windows { width: i64::MAX, aggregators: &aggregators };
    let mut found = Vec::new();
    let each = |_: usize, _: Timestamp, row: WindowRow<'_>| {
        found.extend(row.values.iter().enumerate().map(|(at, value)| (value.unwrap(), row.integer(at))));
        ControlFlow::Continue(())
    };
    let (from, to) = (T - SECOND, T + 100_000 * SECOND);
    engine.aggregate("home", &[metric], from, to, windows, MetricFiles::Preferred, &mut WindowRows(each)).unwrap();
    found
}

fn floats(engine: &Engine, metric: &str) -> Vec<f64> {
    aggregates(engine, metric, &NAMES).into_iter().map(|(value, _)| value).collect()
}

fn build(engine: &Engine) {
    engine.flush().unwrap();
    let options = BuildOptions::new(MetricFileFormat::V3, "", RawIngestAction::Delete).unwrap();
    for partition in engine.partitions("home").unwrap() {
        engine
            .build_metric_files("home", Selection::Named(&partition), options, &mut |_| ControlFlow::Continue(()))
            .unwrap();
    }
}

fn skipped(engine: &Engine) -> u64 {
    engine.counters().query_skipped_blocks.get()
}

/// 21.5, 21.6: average, sum, extremes, median and 95th percentile (between ranks), trimmed average, count.
const OF_TEXT: [f64; 8] = [21.55, 43.1, 21.5, 21.6, 21.55, 21.595, 21.55, 2.0];

fn of_singles() -> [f64; 8] {
    let (low, high) = (21.5, f64::from(21.6f32));
    let sum = low + high;
    [sum / 2.0, sum, low, high, low + (high - low) * 0.5, low + (high - low) * 0.95, sum / 2.0, 2.0]
}

fn close(found: &[f64], expected: &[f64; 8], context: &str) {
    for ((found, expected), name) in found.iter().zip(expected).zip(NAMES) {
        assert!((found - expected).abs() <= 4e-15, "{context}: {name}: {found:?} is not {expected:?}");
    }
    assert_eq!(found.len(), expected.len(), "{context}");
}

#[test]
fn r26_aggregates_of_text_are_those_of_its_decimals_and_of_a_program_those_of_its_values() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let mut engine = bench.open();
    send(&engine, "text", &[decimal("21.5"), decimal("21.6")], T);
    let typed = [21.5f32, 21.6].map(|v| Number::from(Value::Float32(v)));
    send(&engine, "typed", &typed, T);
    let check = |engine: &Engine, context: &str| {
        close(&floats(engine, "text"), &OF_TEXT, context);
        close(&floats(engine, "typed"), &of_singles(), context);
        for (metric, sum, min, max) in
            [("text", 43.1, 21.5, 21.6), ("typed", 21.5 + f64::from(21.6f32), 21.5, f64::from(21.6f32))]
        {
            let exact = aggregates(engine, metric, &["sum", "min", "max"]);
            assert_eq!(exact, [(sum, None), (min, None), (max, None)], "{context}: {metric}");
        }
        for metric in ["text", "typed"] {
            let info = engine.metric("home", metric).unwrap().unwrap();
            assert_eq!(info.value_type, ValueType::Float32, "{context}: {metric}");
        }
    };
    check(&engine, "in a page");
    bench.kill(engine);
    engine = bench.open();
    check(&engine, "from the log alone, which knows whose values are a program's");
    engine.flush().unwrap();
    check(&engine, "in a file");
    bench.kill(engine);
    engine = bench.open();
    check(&engine, "by the catalog");
    build(&engine);
    let before = skipped(&engine);
    check(&engine, "in a metric file");
    assert_eq!(skipped(&engine) - before, 2, "sum, min and max of both came from statistics");
    bench.kill(engine);
    check(&bench.open_read_only(), "read beside it");
    // What comes later is of another kind: nobody's number is bent.
    engine = bench.open();
    send(&engine, "text", &[Number::from(Value::Float32(0.1))], T + 10 * SECOND);
    send(&engine, "typed", &[decimal("0.1")], T + 10 * SECOND);
    for (metric, expected) in [("text", [21.5, 21.6, f64::from(0.1f32)]), ("typed", [21.5, f64::from(21.6f32), 0.1])] {
        assert_eq!(engine.metric("home", metric).unwrap().unwrap().value_type, ValueType::Float64);
        let mut values = Vec::new();
        let each = |sample: nanotdb_core::model::Sample| {
            values.push(sample.value.as_f64());
            ControlFlow::Continue(())
        };
        engine.query_range("home", metric, i64::MIN, i64::MAX, 1, each).unwrap();
        assert_eq!(values, expected, "{metric}");
        let sum = aggregates(&engine, metric, &["sum"])[0].0;
        assert!((sum - expected.iter().sum::<f64>()).abs() <= 8e-15, "{metric}: {sum}");
    }
}

#[test]
fn r26_what_both_kinds_mean_alike_changes_no_type() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    send(&engine, "text", &[decimal("21.6"), Number::from(Value::Float32(0.5)), Number::integer(7)], T);
    send(&engine, "typed", &[Number::from(Value::Float32(21.6)), decimal("0.5"), Number::integer(7)], T);
    for metric in ["text", "typed"] {
        assert_eq!(engine.metric("home", metric).unwrap().unwrap().value_type, ValueType::Float32, "{metric}");
    }
}

/// Metric files of before have sums of the float32 values and no mark, and their catalogs neither.
#[test]
fn r26_sums_in_files_of_before_are_not_taken_for_sums_of_decimals() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    send(&engine, "m", &[21.5f32, 21.6].map(|v| Number::from(Value::Float32(v))), T);
    build(&engine);
    engine.close().unwrap();
    let path = bench.path("home/catalog.json");
    let catalog = String::from_utf8(bench.file("home/catalog.json")).unwrap();
    let former = catalog.replace(",\n      \"typed\": true", "");
    assert_ne!(catalog, former);
    let rewrite = |text: &str| {
        use nanotdb_core::storage::vfs::Vfs;
        bench.vfs.process().replace(&path, text.as_bytes()).unwrap();
    };
    rewrite(&former);
    let engine = bench.open();
    close(&floats(&engine, "m"), &OF_TEXT, "without the mark");
    assert_eq!(aggregates(&engine, "m", &["sum"]), [(43.1, None)]);
    let before = skipped(&engine);
    assert_eq!(aggregates(&engine, "m", &["min", "max", "count"]).len(), 3);
    assert_eq!(skipped(&engine) - before, 1, "extremes and counts need no other statistics");
    assert_eq!(aggregates(&engine, "m", &["min", "max"]), [(21.5, None), (21.6, None)]);
    build(&engine);
    engine.close().unwrap();
    rewrite(&catalog);
    let engine = bench.open();
    close(&floats(&engine, "m"), &of_singles(), "with the mark again");
}

#[test]
fn r26_sums_and_extremes_of_integers_are_exact_beyond_float64() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    const EDGE: i64 = 1 << 53;
    let integers = |metric: &str, values: &[i64]| {
        let numbers: Vec<_> = values.iter().map(|v| Number::integer(*v)).collect();
        send(&engine, metric, &numbers, T);
    };
    // The sum of the second is beyond 2^53, its values are not; of the third nothing is; the last has a sum beyond 64 bits.
    integers("large", &[EDGE + 1, EDGE + 3, -(EDGE + 5), i64::MIN + 1]);
    integers("sum", &[EDGE - 1, EDGE - 2, 4]);
    integers("small", &[5, -7, 2_000_000_000]);
    integers("beyond", &[i64::MAX, i64::MAX]);
    let check = |context: &str| {
        let of = |metric: &str| -> Vec<Option<i64>> {
            aggregates(&engine, metric, &["sum", "min", "max"]).into_iter().map(|(_, integer)| integer).collect()
        };
        let sum = (EDGE + 1) + (EDGE + 3) - (EDGE + 5) + (i64::MIN + 1);
        assert_eq!(of("large"), [Some(sum), Some(i64::MIN + 1), Some(EDGE + 3)], "{context}");
        assert_eq!(of("sum"), [Some(2 * EDGE + 1), Some(4), Some(EDGE - 1)], "{context}");
        assert_eq!(of("small"), [Some(1_999_999_998), Some(-7), Some(2_000_000_000)], "{context}");
        assert_eq!(of("beyond"), [None, Some(i64::MAX), Some(i64::MAX)], "{context}");
        assert_eq!(aggregates(&engine, "beyond", &["sum"])[0].0, 2f64.powi(64), "{context}");
        // Float64 has not all integers of this size: a mean is one of them, and not above the largest (which is not 2^63).
        assert_eq!(aggregates(&engine, "large", &["avg"])[0].1, Some((1 << 51) - (1 << 61)), "{context}");
        assert_eq!(aggregates(&engine, "beyond", &["avg"])[0].1, Some(i64::MAX), "{context}");
        assert_eq!(aggregates(&engine, "large", &["count", "median"]).iter().filter_map(|v| v.1).count(), 0);
        assert_eq!(aggregates(&engine, "small", &["avg"])[0].0, 1_999_999_998.0 / 3.0, "{context}");
    };
    check("in pages");
    build(&engine);
    check("in a metric file");
    let before = skipped(&engine);
    check("once more");
    // sum, min and max of "small" alone, and each average, of whatever size.
    assert_eq!(skipped(&engine) - before, 2);
}
