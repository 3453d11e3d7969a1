//! Series over HTTP, and `nanocli` on the files of a server.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use crate::common::Server;
use crate::samples::{Content, type_named, value_of};
use nanotdb_core::model::{Value, ValueType};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// Types by `database/metric`.
pub fn types_over_http(server: &Server, database: &str) -> BTreeMap<String, ValueType> {
    let answer = server.get(&format!("/api/v1/metrics?db={database}&details=true"));
    if answer.status == 404 {
        return BTreeMap::new();
    }
    let document = answer.json();
    let text = |metric: &serde_json::Value, field: &str| metric[field].as_str().unwrap().to_owned();
    let metrics = document["data"]["result"].as_array().unwrap().iter();
    metrics.map(|m| (format!("{database}/{}", text(m, "name")), type_named(&text(m, "type")))).collect()
}

/// Every series of `expected` that the server has, between its first and last time there.
pub fn over_http(server: &Server, expected: &Content) -> Content {
    let mut types = BTreeMap::new();
    let mut found = Content::new();
    for (key, rows) in expected {
        let (database, metric) = key.split_once('/').unwrap();
        let types = types.entry(database).or_insert_with(|| types_over_http(server, database));
        if let Some(value_type) = types.get(key) {
            let (from, to) = (rows[0].0, rows[rows.len() - 1].0);
            found.insert(key.clone(), one_over_http(server, database, metric, *value_type, (from, to)));
        }
    }
    found
}

fn one_over_http(
    server: &Server,
    database: &str,
    metric: &str,
    value_type: ValueType,
    (from, to): (i64, i64),
) -> Vec<(i64, Value)> {
    let path = format!("/api/v1/query_range?db={database}&query={metric}&start={from}&end={to}&timestamp_unit=ns");
    let answer = server.get(&path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let text = answer.text();
    // The digits as they stand: a JSON library would read the timestamps into a float64.
    let (head, rows) = text.split_once(r#""values":["#).unwrap_or_else(|| panic!("{path}: no rows in {text}"));
    let (rows, tail) = rows.split_once("]]").unwrap();
    assert!(![head, tail].iter().any(|text| text.contains("warnings")), "{head}...{tail}");
    rows.split("],")
        .map(|row| {
            let (seconds, value) = row.trim_start_matches('[').split_once(',').unwrap();
            (nanoseconds(seconds), value_of(value_type, value.trim_matches('"')))
        })
        .collect()
}

/// Seconds with a fraction, exactly. None of the tests' times is before 1970.
fn nanoseconds(seconds: &str) -> i64 {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let missing = 9_u32.checked_sub(fraction.len() as u32).unwrap_or_else(|| panic!("{seconds}"));
    whole.parse::<i64>().unwrap() * 1_000_000_000 + fraction.parse::<i64>().unwrap() * 10_i64.pow(missing)
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
