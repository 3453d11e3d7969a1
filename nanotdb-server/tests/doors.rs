//! One question has one answer, through whichever door it is asked: the library, query_range (plain and compressed), the batch of the
//! web interface, the command line; from pages, from metric files, and from the destination of a rollup.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::Server;
use nanotdb_core::config::EngineConfig;
use nanotdb_core::engine::{Engine, MetricFiles, WindowRow, WindowRows, Windows};
use nanotdb_core::model::ValueType;
use nanotdb_core::plugin::Aggregator;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::query::result_value;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::io::Read;
use std::ops::ControlFlow;
use std::process::Command;
use {nanotdb_codecs as _, nanotdb_ingest as _, nanotdb_partitioners as _};

/// 2024-05-06T00:00:00Z
const T0_MS: i64 = 1_714_953_600_000;
const MILLI: i64 = 1_000_000;
const NAMES: [&str; 7] = ["avg", "count", "max", "median", "min", "p95", "sum"];

/// Rows by the end of their window: the text of each aggregate.
type Rows = Vec<(i64, Vec<String>)>;

/// The command line, in a process of its own: this test's program, which is told to be one.
#[test]
fn as_nanocli() {
    let Ok(arguments) = std::env::var("TEST_AS_NANOCLI") else { return };
    let arguments: Vec<String> = serde_json::from_str(&arguments).unwrap();
    println!("\n--- output ---");
    let code = nanotdb_cli::run_with(arguments);
    assert_eq!(code, std::process::ExitCode::SUCCESS);
    std::process::exit(0);
}

fn nanocli(arguments: &[&str]) -> String {
    let mut all = vec!["nanocli"];
    all.extend(arguments);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["as_nanocli", "--exact", "--nocapture", "--test-threads=1"])
        .env("TEST_AS_NANOCLI", json!(all).to_string())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
    text.split_once("--- output ---\n").unwrap().1.to_owned()
}

/// One metric: how its values are written, and the samples.
#[derive(Debug, Clone)]
struct Metric {
    value_type: ValueType,
    /// Milliseconds after the one before, and the value's text.
    samples: Vec<(i64, String)>,
}

fn metric() -> impl Strategy<Value = Metric> {
    let bases = prop_oneof![Just(0.1f64), Just(21.3), Just(123_456_789.0), Just(16_777_215.0), -1e6..1e6f64];
    let samples = prop::collection::vec((1i64..400, 0u16..5), 1..120);
    (0usize..4, bases, samples).prop_map(|(at, base, samples)| {
        let value_type = [ValueType::Int32, ValueType::Int64, ValueType::Float32, ValueType::Float64][at];
        let text = |step: u16| match value_type {
            ValueType::Int32 => format!("{}i", base as i64 + i64::from(step)),
            // Odd ones beyond 2^53, which float64 has not.
            ValueType::Int64 => format!("{}i", (base as i64 + i64::from(step)) * 10_000_000_001 + (1 << 55) + 1),
            ValueType::Float32 => format!("{:?}", base as f32 + f32::from(step) * 0.1),
            ValueType::Float64 => format!("{:?}", base + f64::from(step) * 1e-9),
        };
        Metric { value_type, samples: samples.into_iter().map(|(after, step)| (after, text(step))).collect() }
    })
}

fn by_library(root: &std::path::Path, metric: &str, (from, to): (i64, i64), width: i64) -> Rows {
    let engine = Engine::open_read_only(root, EngineConfig::default()).unwrap();
    let aggregators: Vec<_> = NAMES.iter().map(|name| registry().aggregator(name).unwrap()).collect();
    let operands = engine.metric("demo", metric).unwrap().unwrap().operands();
    let mut rows = Rows::new();
    let take = |_: usize, end: i64, row: WindowRow<'_>| {
        let shown = |(at, (a, v)): (usize, (&&'static dyn Aggregator, &Option<f64>))| {
            result_value(*a, operands, v.unwrap(), row.integer(at)).to_string()
        };
        rows.push((end, aggregators.iter().zip(row.values).enumerate().map(shown).collect()));
        ControlFlow::Continue(())
    };
    let windows = Windows { width, aggregators: &aggregators };
    engine.aggregate("demo", &[metric], from, to, windows, MetricFiles::Preferred, &mut WindowRows(take)).unwrap();
    rows
}

fn by_query_range(server: &Server, metric: &str, (from, to): (i64, i64), width_ms: i64, gzip: bool) -> Rows {
    let names = NAMES.join(",");
    let path = format!(
        "/api/v1/query_range?query=demo/{metric}&start={from}&end={to}&timestamp_unit=ns&aggregate={names}&window={width_ms}ms"
    );
    let headers: &[(&str, &str)] = if gzip { &[("Accept-Encoding", "gzip")] } else { &[] };
    let answer = server.connect().send("GET", &path, headers, b"");
    assert_eq!(answer.status, 200);
    let mut text = answer.body;
    if answer.headers.iter().any(|(name, value)| name == "content-encoding" && value == "gzip") {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(text.as_slice()).read_to_end(&mut plain).unwrap();
        text = plain;
    }
    let document: Value = serde_json::from_slice(&text).unwrap();
    let mut rows = Rows::new();
    for series in document["data"]["result"].as_array().unwrap() {
        for (at, row) in series["values"].as_array().unwrap().iter().enumerate() {
            // Windows end at whole milliseconds here, which a float of seconds holds.
            let end = (row[0].as_f64().unwrap() * 1e3).round() as i64 * MILLI;
            if rows.len() <= at {
                rows.push((end, Vec::new()));
            }
            assert_eq!(rows[at].0, end);
            rows[at].1.push(row[1].as_str().unwrap().to_owned());
        }
    }
    rows
}

fn by_command_line(root: &std::path::Path, metric: &str, (from, to): (i64, i64), width_ms: i64) -> Rows {
    let (pattern, names, window) = (format!("^{metric}$"), NAMES.join(","), format!("{width_ms}ms"));
    let (start, end) = (from.to_string(), to.to_string());
    let text = nanocli(&[
        "query",
        "--root",
        root.to_str().unwrap(),
        "--db",
        "demo",
        "--metric",
        &pattern,
        "--start",
        &start,
        "--end",
        &end,
        "--aggregate",
        &names,
        "--window",
        &window,
        "--format",
        "csv",
    ]);
    let mut lines = text.lines();
    assert_eq!(lines.next().unwrap(), format!("metric,time,timestamp_ns,{names}"));
    let rows = lines.map(|line| {
        let mut fields = line.split(',').skip(2);
        (fields.next().unwrap().parse().unwrap(), fields.map(str::to_owned).collect())
    });
    rows.collect()
}

/// The batch: one series for each aggregate, and one with all three columns.
fn by_batch(server: &Server, metric: &str, (from, to): (i64, i64), width_ms: i64) -> (Rows, Rows) {
    let mut series: Vec<Value> = NAMES
        .iter()
        .map(|name| json!({"db": "demo", "metric": metric, "aggregate": name, "window_ms": width_ms}))
        .collect();
    series.push(json!({"db": "demo", "metric": metric, "window_ms": width_ms}));
    let range = json!({"start_ms": from / MILLI, "end_ms": to / MILLI + 1, "buckets": 600});
    let body = json!({"ranges": [range], "series": series}).to_string();
    let answer =
        server.connect().send("POST", "/api/v1/ui/batch", &[("Content-Type", "application/json")], body.as_bytes());
    let document: Document = serde_json::from_slice(&answer.body).unwrap();
    let rows = |columns: &[&Vec<Box<RawValue>>], of: &Columns| -> Rows {
        assert_eq!(of.step_ms, width_ms);
        let end = |at: usize| ((of.t0 + (at as i64 + 1) * width_ms) * MILLI).min(to);
        let filled = (0..columns[0].len()).filter(|at| columns[0][*at].get() != "null");
        filled.map(|at| (end(at), columns.iter().map(|column| column[at].get().to_owned()).collect())).collect()
    };
    let (buckets, single) = document.series.split_last().unwrap();
    let of_each: Vec<_> = single.iter().map(|one| one.v.as_ref().unwrap()).collect();
    let three = [&buckets.min, &buckets.avg, &buckets.max].map(|column| column.as_ref().unwrap());
    (rows(&of_each, &single[0]), rows(&three, buckets))
}

/// What a chart of the pages asks for: no aggregate and no width, as many buckets as it has pixels. Width of its buckets in nanoseconds, and
/// minimum, average and maximum of each; `None` where there are so few samples that they come themselves.
fn by_page(server: &Server, metric: &str, (from, to): (i64, i64)) -> (i64, Option<Rows>) {
    let range = json!({"start_ms": from / MILLI, "end_ms": to / MILLI + 1, "buckets": 20});
    let body = json!({"ranges": [range], "series": [{"db": "demo", "metric": metric, "range": 0}]}).to_string();
    let headers = [("Content-Type", "application/json")];
    let answer = server.connect().send("POST", "/api/v1/ui/batch", &headers, body.as_bytes());
    let document: Document = serde_json::from_slice(&answer.body).unwrap();
    let found = &document.series[0];
    let (Some(min), Some(avg), Some(max)) = (&found.min, &found.avg, &found.max) else { return (0, None) };
    let end = |at: usize| ((found.t0 + (at as i64 + 1) * found.step_ms) * MILLI).min(to);
    let row = |at: usize| (end(at), [min, avg, max].map(|column| column[at].get().to_owned()).to_vec());
    (found.step_ms * MILLI, Some((0..avg.len()).filter(|at| avg[*at].get() != "null").map(row).collect()))
}

/// A batch answer, with its numbers as they stand: a JSON library may read them a little differently.
#[derive(Deserialize)]
struct Document {
    series: Vec<Columns>,
}

#[derive(Deserialize)]
struct Columns {
    #[serde(default)]
    t0: i64,
    #[serde(default)]
    step_ms: i64,
    v: Option<Vec<Box<RawValue>>>,
    min: Option<Vec<Box<RawValue>>>,
    avg: Option<Vec<Box<RawValue>>>,
    max: Option<Vec<Box<RawValue>>>,
}

/// The same numbers, whatever zeros stand behind the point.
fn canonical(rows: &Rows) -> Rows {
    let plain = |text: &String| match text.strip_suffix(".0") {
        Some(whole) if text.contains('.') => whole.to_owned(),
        _ => text.clone(),
    };
    rows.iter().map(|(end, texts)| (*end, texts.iter().map(plain).collect())).collect()
}

fn numbers(rows: &Rows) -> Vec<(i64, Vec<f64>)> {
    rows.iter().map(|(end, texts)| (*end, texts.iter().map(|text| text.parse().unwrap()).collect())).collect()
}

#[test]
fn every_door_gives_the_same_rows() {
    let server = Server::start();
    let root = server.dir.path();
    let made = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    let cases = (prop::collection::vec(metric(), 2), 20i64..5_000);
    let outcome = runner.run(&cases, |(metrics, width_ms)| {
        for metric in metrics {
            made.set(made.get() + 1);
            let name = format!("m{}", made.get());
            let mut at = T0_MS + 137;
            let mut lines = match metric.value_type {
                ValueType::Float64 => format!("# type demo/{name} float64\n"),
                _ => String::new(),
            };
            for (after, value) in &metric.samples {
                at += after;
                lines.push_str(&format!("demo/{name} {value} {}\n", at * MILLI));
            }
            let answer = server.post("/api/v1/import", lines.as_bytes());
            prop_assert_eq!(answer.status, 200, "{}", answer.text());
            let range = ((T0_MS + 200) * MILLI, at * MILLI);
            if range.0 > range.1 {
                continue;
            }
            let library = by_library(root, &name, range, width_ms * MILLI);
            for gzip in [false, true] {
                prop_assert_eq!(&by_query_range(&server, &name, range, width_ms, gzip), &library);
            }
            prop_assert_eq!(&by_command_line(root, &name, range, width_ms), &library);
            let (single, columns) = by_batch(&server, &name, range, width_ms);
            // To the last digit, which a comparison of floats does not see.
            prop_assert_eq!(canonical(&single), canonical(&library));
            let at = |name: &str| NAMES.iter().position(|n| *n == name).unwrap();
            let three = |(end, row): &(i64, Vec<String>)| {
                (*end, ["min", "avg", "max"].map(|name| row[at(name)].clone()).to_vec())
            };
            prop_assert_eq!(canonical(&columns), canonical(&library.iter().map(three).collect()));
            let (step, page) = by_page(&server, &name, range);
            if let Some(page) = page {
                let library = by_library(root, &name, range, step);
                prop_assert_eq!(canonical(&page), canonical(&library.iter().map(three).collect()));
            }
            for (end, row) in numbers(&columns) {
                prop_assert!(row[0] <= row[1] && row[1] <= row[2], "{end}: {row:?}");
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

/// Expected values are worked out by hand.
#[test]
fn digits_of_averages() {
    let server = Server::start();
    let mut lines = String::new();
    for i in 0..100 {
        let at = (T0_MS + i * 1_000) * MILLI;
        lines.push_str(&format!("demo/big 123456789i {at}\ndemo/temp 21.3 {at}\n"));
    }
    assert_eq!(server.post("/api/v1/import", lines.as_bytes()).status, 200);
    let range = json!({"start_ms": T0_MS, "end_ms": T0_MS + 100_000, "buckets": 2});
    let body =
        json!({"ranges": [range], "series": [{"db": "demo", "metric": "big"}, {"db": "demo", "metric": "temp"}]});
    let headers = [("Content-Type", "application/json")];
    let answer = server.connect().send("POST", "/api/v1/ui/batch", &headers, body.to_string().as_bytes()).json();
    for (at, expected) in [(0, json!([123_456_789, 123_456_789])), (1, json!([21.3, 21.3]))] {
        for column in ["min", "avg", "max"] {
            assert_eq!(answer["series"][at][column], expected, "{column}");
        }
    }
    // A bare step is seconds, as clients of Prometheus send it.
    let path = |step: &str| {
        format!("/api/v1/query_range?query=demo/temp&start={}&end={}&step={step}", T0_MS / 1_000, T0_MS / 1_000 + 99)
    };
    let expected = server.get(&path("30s"));
    assert_eq!(expected.json()["data"]["result"][0]["values"][0][1], "21.3");
    assert_eq!(server.get(&path("30")).text(), expected.text());
    assert_eq!(server.get(&path("30.0")).text(), expected.text());
    for wrong in ["0", "-5", "1e400", "nan"] {
        assert_eq!(server.get(&path(wrong)).status, 400, "{wrong}");
    }
}

/// Results are those of the numbers as they were sent, to the digits that they have; worked out by hand, as are the windows' ends.
#[test]
fn sums_and_averages_have_all_their_digits() {
    let server = Server::start();
    let root = server.dir.path();
    let mut lines = String::new();
    // 1001 times 50000.0 and once 500.5: a sum that float32 has not.
    for i in 0..1_001 {
        lines.push_str(&format!("demo/wide 50000.0 {}\n", (T0_MS + i) * MILLI));
    }
    lines.push_str(&format!("demo/wide 500.5 {}\n", (T0_MS + 1_001) * MILLI));
    for (i, (tenth, whole, most, least)) in [
        ("0.1", 2, "9223372036854775806", "-9223372036854775807"),
        ("0.2", 2, "9223372036854775806", "-9223372036854775806"),
        ("21.3", 4, "9223372036854775806", "-9223372036854775807"),
    ]
    .into_iter()
    .enumerate()
    {
        let at = (T0_MS + i as i64) * MILLI;
        lines.push_str(&format!(
            "demo/tenth {tenth} {at}\ndemo/whole {whole} {at}\ndemo/most {most}i {at}\ndemo/least {least}i {at}\n"
        ));
    }
    assert_eq!(server.post("/api/v1/import", lines.as_bytes()).status, 200);
    let range = (T0_MS * MILLI, (T0_MS + 10_000) * MILLI);
    for (metric, sum, avg, min, max) in [
        ("wide", "50050500.5", "49950.599301397", "500.5", "50000"),
        ("tenth", "21.6", "7.2", "0.1", "21.3"),
        ("whole", "8", "2.6666666666666665", "2", "4"),
        // The sum is of 65 bits. Its third is within the range, which float64 does not say: the next one is 2^63.
        ("most", "27670116110564327000", "9223372036854775806", "9223372036854775806", "9223372036854775806"),
        ("least", "-27670116110564327000", "-9223372036854775807", "-9223372036854775807", "-9223372036854775806"),
    ] {
        let at = |name: &str| NAMES.iter().position(|n| *n == name).unwrap();
        for rows in [
            by_library(root, metric, range, 10_000 * MILLI),
            by_query_range(&server, metric, range, 10_000, true),
            by_command_line(root, metric, range, 10_000),
            by_batch(&server, metric, range, 10_000).0,
        ] {
            let row = &canonical(&rows)[0].1;
            let found = ["sum", "avg", "min", "max"].map(|name| row[at(name)].as_str());
            assert_eq!(found, [sum, avg, min, max], "{metric}");
        }
        let columns = canonical(&by_batch(&server, metric, range, 10_000).1);
        assert_eq!(columns[0].1, [min, avg, max], "{metric}");
    }
}

/// A program's float32 is that very value, and is shown as one; so is what is computed of it.
#[test]
fn a_programs_float32_keeps_its_digits() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path();
    let engine = Engine::open(root, EngineConfig::default()).unwrap();
    let mut batch = nanotdb_core::engine::Batch::new();
    for i in 0..3 {
        let value = nanotdb_core::model::Value::Float32(21.3);
        batch.push("demo", "typed", value, Some((T0_MS + i) * MILLI));
    }
    engine.write_batch(&mut batch).unwrap();
    engine.close().unwrap();
    let range = (T0_MS * MILLI, (T0_MS + 10_000) * MILLI);
    let rows = by_library(root, "typed", range, 10_000 * MILLI);
    assert_eq!(by_command_line(root, "typed", range, 10_000), rows);
    // Three times 21.299999237060547.
    assert_eq!(rows[0].1, ["21.3", "3", "21.3", "21.3", "21.3", "21.3", "63.899998"]);
}

/// A window that is not over ends when it is asked for, and not in the future.
#[test]
fn the_window_that_is_not_over_ends_now_through_every_door() {
    let server = Server::start();
    let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as i64;
    assert_eq!(server.post("/api/v1/import", b"demo/m 1\ndemo/m 2\n").status, 200);
    // Windows of a thousand days end within a year or two of the present, and never just now.
    let before = now();
    let path = "/api/v1/query_range?query=demo/m&start=-1h&aggregate=count&window=1000d";
    let answer = server.get(path).json();
    let row = &answer["data"]["result"][0]["values"][0];
    assert_eq!(row[1], "2", "{answer}");
    let by_http = (row[0].as_f64().unwrap() * 1e9) as i64;
    let root = server.dir.path().to_str().unwrap();
    let query = ["query", "--root", root, "--db", "demo", "--metric", "^m$", "--start", "-1h", "--aggregate", "count"];
    let text = nanocli(&[&query[..], &["--window", "1000d", "--format", "csv"]].concat());
    let fields: Vec<&str> = text.lines().nth(1).unwrap_or_default().split(',').collect();
    let [_, _, by_command_line, "2"] = fields[..] else { panic!("{text}") };
    let after = now();
    // A float of seconds holds microseconds.
    for end in [by_http, by_command_line.parse().unwrap()] {
        assert!((before - 1_000..=after + 1_000).contains(&end), "{end} is not from {before} to {after}");
    }
}

/// Lines that name no database go to the same one.
#[test]
fn samples_of_no_database_go_to_the_same_one_through_every_door() {
    const TEXT: &[u8] = b"load1 0.25 1715000000000\n";
    let server = Server::start();
    assert_eq!(server.post("/api/v1/import?format=prometheus", TEXT).status, 200);
    assert_eq!(server.post("/api/v1/import/prometheus", b"load2 0.25 1715000000000\n").status, 204);
    assert_eq!(server.get("/api/v1/databases").json()["data"]["result"], json!(["prometheus"]));
    let directory = tempfile::tempdir().unwrap();
    let (root, file) = (directory.path().join("root"), directory.path().join("metrics.txt"));
    std::fs::write(&file, TEXT).unwrap();
    let (root, file) = (root.to_str().unwrap(), file.to_str().unwrap());
    nanocli(&["import", "--root", root, "--in", file, "--format", "prometheus"]);
    let listed: Value = serde_json::from_str(&nanocli(&["db", "list", "--root", root, "--json"])).unwrap();
    assert_eq!(listed["databases"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed["databases"][0]["name"], "prometheus");
}

/// An hour of seconds: the unit of the rollup below.
const HOUR_MS: i64 = 3_600_000;
const HOURS: i64 = 5;

/// Values of a metric, one every minute; `ValueType::Float32` with the decimals that a sensor sends.
fn sensor() -> impl Strategy<Value = Vec<String>> {
    let base =
        prop_oneof![Just(215i64), Just(-73), Just(99_999), Just((1 << 53) + 1), Just(18_228_935), 0..1_000_000i64];
    let steps = prop::collection::vec(0i64..7, usize::try_from(HOURS * 60).unwrap());
    (0usize..3, base, steps).prop_map(|(kind, base, steps)| {
        let mut value = base;
        let text = |step: i64| {
            value += step - 3;
            match kind {
                0 => format!("{value}i"),
                1 => format!("{}.{}", value % 10_000, (value % 10).abs()),
                _ => format!("{}.{:06}", value % 100_000, (value % 1_000_000).abs()),
            }
        };
        steps.into_iter().map(text).collect()
    })
}

/// Windows by query_range of one aggregate.
fn one_by_query_range(server: &Server, query: &str, (from, to): (i64, i64), options: &str) -> Vec<(i64, String)> {
    let path = format!("/api/v1/query_range?query={query}&start={from}&end={to}&timestamp_unit=ns{options}");
    let answer = server.get(&path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let document = answer.json();
    let Some(series) = document["data"]["result"].get(0) else { panic!("{path}: {document}") };
    let row = |row: &Value| ((row[0].as_f64().unwrap() * 1e3).round() as i64, row[1].as_str().unwrap().to_owned());
    series["values"].as_array().unwrap().iter().map(row).collect()
}

/// The rollup of an hour, a window of an hour over pages, and the same over metric files.
#[test]
fn a_rollup_and_a_metric_file_answer_as_the_samples_do() {
    const NAMES: [&str; 5] = ["min", "max", "sum", "avg", "count"];
    let mut runner = TestRunner::new(Config { cases: 3, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&prop::collection::vec(sensor(), 3..6), |metrics| {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        std::fs::create_dir_all(root.join("demo")).unwrap();
        let manifest = "[rollups]\nenabled = true\ndefault_interval = \"1h\"\ndefault_grace = \"5m\"\n\
            default_destination_db = \"demo_1h\"\ndefault_aggregates = [\"min\", \"max\", \"sum\", \"avg\", \"count\"]\n\
            [[rollups.jobs]]\nid = \"all\"\nsource_pattern = \"*\"\n";
        std::fs::write(root.join("demo/manifest.toml"), manifest).unwrap();
        let mut lines = String::new();
        for minute in 0..HOURS * 60 {
            for (at, values) in metrics.iter().enumerate() {
                let value = &values[usize::try_from(minute).unwrap()];
                lines.push_str(&format!("demo/m{at} {value} {}\n", (T0_MS + minute * 60_000) * MILLI));
            }
        }
        let file = root.join("lines.lp");
        std::fs::write(&file, lines).unwrap();
        let path = root.to_str().unwrap();
        nanocli(&["import", "--root", path, "--in", file.to_str().unwrap()]);
        nanocli(&["rollup", "--root", path]);
        let range = (T0_MS * MILLI, (T0_MS + HOURS * HOUR_MS) * MILLI - 1);
        let ask = |server: &Server| {
            let mut rows = Vec::new();
            for at in 0..metrics.len() {
                for name in NAMES {
                    let options = format!("&aggregate={name}&window=1h");
                    let mut found = one_by_query_range(server, &format!("demo/m{at}"), range, &options);
                    // The last window is clipped to the range, a nanosecond before the hour.
                    found.iter_mut().for_each(|(end, _)| *end = (*end + HOUR_MS / 2) / HOUR_MS * HOUR_MS);
                    rows.push((format!("m{at}.{name}"), found));
                }
            }
            rows
        };
        let server = Server::start_in(directory, &[]);
        let of_samples = ask(&server);
        for (name, rows) in &of_samples {
            let of_rollup = one_by_query_range(&server, &format!("demo_1h/{name}"), range, "");
            let starts: Vec<(i64, String)> = rows.iter().map(|(end, text)| (end - HOUR_MS, text.clone())).collect();
            prop_assert_eq!(&of_rollup, &starts, "{}", name);
        }
        server.signal("TERM");
        let (_, directory) = server.wait();
        nanocli(&[
            "build", "metric", "--root", path, "--db", "demo", "--part", "2024-05-06", "--raw-ingest-action", "delete",
        ]);
        prop_assert!(root.join("demo/metric-2024-05-06.dat").exists() && !root.join("demo/data-2024-05-06.dat").exists());
        let server = Server::start_in(directory, &[]);
        prop_assert_eq!(ask(&server), of_samples);
        Ok(())
    });
    outcome.unwrap();
}
