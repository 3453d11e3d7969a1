//! Samples as they come out: over HTTP, from an export, from expected.tsv. Exact: timestamps to the nanosecond and values
//! bit for bit.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use crate::common::Server;
use nanotdb_core::model::{Value, ValueType};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// Samples by database and metric.
pub type Content = BTreeMap<(String, String), Vec<(i64, Value)>>;

/// `database, metric, type, timestamp, value`, separated by tabs.
pub fn expected_tsv(text: &str) -> Content {
    let mut content = Content::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [database, metric, value_type, timestamp, value] = fields[..] else { panic!("{line}") };
        let value_type = if value_type == "int32" { ValueType::Int32 } else { ValueType::Float32 };
        let rows = content.entry((database.to_owned(), metric.to_owned())).or_default();
        rows.push((timestamp.parse().unwrap(), value_of(value_type, value)));
    }
    content
}

/// A value of this type, read by the standard library.
pub fn value_of(value_type: ValueType, text: &str) -> Value {
    match value_type {
        ValueType::Int32 => Value::Int32(text.parse().unwrap()),
        ValueType::Float32 => Value::Float32(text.parse().unwrap()),
        ValueType::Int64 => Value::Int64(text.parse().unwrap()),
        ValueType::Float64 => Value::Float64(text.parse().unwrap()),
    }
}

/// Types by metric.
pub fn types_over_http(server: &Server, database: &str) -> BTreeMap<String, ValueType> {
    let answer = server.get(&format!("/api/v1/metrics?db={database}&details=true")).json();
    let metrics = answer["data"]["result"].as_array().unwrap();
    let code = |name: &str| {
        let all = [ValueType::Int32, ValueType::Float32, ValueType::Int64, ValueType::Float64];
        all.into_iter().find(|t| t.name() == name).unwrap()
    };
    metrics.iter().map(|m| (m["name"].as_str().unwrap().to_owned(), code(m["type"].as_str().unwrap()))).collect()
}

/// One series between two times, both included.
pub fn over_http(server: &Server, database: &str, metric: &str, (from, to): (i64, i64)) -> Vec<(i64, Value)> {
    let value_type = types_over_http(server, database)[metric];
    let path = format!("/api/v1/query_range?db={database}&query={metric}&start={from}&end={to}&timestamp_unit=ns");
    let answer = server.get(&path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let text = answer.text();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(document["data"]["warnings"].is_null(), "{}", document["data"]["warnings"]);
    // The digits as they stand: a JSON library would read the timestamps into a float64.
    let (_, rows) = text.split_once(r#""values":["#).unwrap_or_else(|| panic!("{path}: no rows in {text}"));
    let (rows, _) = rows.split_once("]]").unwrap();
    rows.split("],")
        .map(|row| {
            let (seconds, value) = row.trim_start_matches('[').split_once(',').unwrap();
            (nanoseconds(seconds), value_of(value_type, value.trim_matches('"')))
        })
        .collect()
}

/// Seconds with a fraction, exactly. None of the tests' times is before 1970.
fn nanoseconds(seconds: &str) -> i64 {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    assert!(fraction.len() <= 9, "{seconds}");
    whole.parse::<i64>().unwrap() * 1_000_000_000 + format!("{fraction:0<9}").parse::<i64>().unwrap()
}

/// The lines of an export. The value's form is its type, `# type` lines aside.
pub fn exported(text: &str) -> Content {
    let mut wide = BTreeMap::new();
    let mut content = Content::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        if let ["#", "type", key, name] = fields[..] {
            let value_type = if name == "int64" { ValueType::Int64 } else { ValueType::Float64 };
            wide.insert(key.to_owned(), value_type);
            continue;
        }
        let [key, value, date, time] = fields[..] else { panic!("{line}") };
        let narrow = if value.ends_with('i') { ValueType::Int32 } else { ValueType::Float32 };
        let value_type = wide.get(key).copied().unwrap_or(narrow);
        let value = value_of(value_type, value.trim_end_matches('i'));
        let (database, metric) = key.split_once('/').unwrap();
        let at: nanotdb_core::model::Timestamp =
            nanotdb_core::model::time::parse_date_and_time(date.as_bytes(), time.as_bytes()).unwrap();
        content.entry((database.to_owned(), metric.to_owned())).or_default().push((at, value));
    }
    content
}

/// Runs `nanocli` in this process; its exit code. What it prints goes to the test's output.
pub fn nanocli(command: &[&str], root: &Path, paths: &[(&str, &Path)]) -> u8 {
    let mut arguments = vec!["nanocli".to_owned()];
    arguments.extend(command.iter().map(|a| (*a).to_owned()));
    for (flag, path) in [("--root", root)].iter().chain(paths) {
        arguments.extend([(*flag).to_owned(), path.to_str().unwrap().to_owned()]);
    }
    let code = nanotdb_cli::run_with(arguments);
    (0..=u8::MAX).find(|n| ExitCode::from(*n) == code).unwrap()
}

/// Equality bit for bit.
pub fn assert_same(found: &Content, expected: &Content, context: &str) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{context}: series");
    for (series, rows) in expected {
        let got = &found[series];
        assert_eq!(got.len(), rows.len(), "{context}: {series:?}: number of samples");
        for (a, b) in got.iter().zip(rows) {
            let same = a.0 == b.0 && a.1.value_type() == b.1.value_type() && a.1.to_bits() == b.1.to_bits();
            assert!(same, "{context}: {series:?}: {a:?} is not {b:?}");
        }
    }
}
