//! Data directories of the original: `nanocli query` and `nanocli export` print exactly what was sent to it, and leave
//! every byte as it was.

use crate::helpers::{Bench, copy_directory, snapshot};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `(nanoseconds, type, bits of the value)` by metric.
pub(crate) type Content = BTreeMap<String, Vec<(i64, &'static str, u64)>>;

/// A value of this type, read by the standard library.
pub(crate) fn row(at: i64, value_type: &str, value: &str) -> (i64, &'static str, u64) {
    match value_type {
        "int32" => (at, "int32", value.parse::<i32>().unwrap() as u64),
        "int64" => (at, "int64", value.parse::<i64>().unwrap() as u64),
        "float32" => (at, "float32", u64::from(value.parse::<f32>().unwrap().to_bits())),
        other => panic!("{other}"),
    }
}

/// What `nanocli query --format csv` printed, with types taken from elsewhere.
pub(crate) fn from_csv(text: &str, types: &BTreeMap<String, String>) -> Content {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("metric,time,timestamp_ns,value"));
    let mut content = Content::new();
    for line in lines {
        let fields: Vec<_> = line.split(',').collect();
        let [metric, _, at, value] = fields[..] else { panic!("{line}") };
        content.entry(metric.to_owned()).or_default().push(row(at.parse().unwrap(), &types[metric], value));
    }
    content
}

/// What `nanocli query --format json` printed, and the types it names.
pub(crate) fn from_json(document: &serde_json::Value) -> (Content, BTreeMap<String, String>) {
    assert_eq!(document["warnings"], serde_json::json!([]));
    let (mut content, mut types) = (Content::new(), BTreeMap::new());
    for series in document["series"].as_array().unwrap() {
        let (metric, value_type) = (series["metric"].as_str().unwrap(), series["type"].as_str().unwrap());
        types.insert(metric.to_owned(), value_type.to_owned());
        for sample in series["rows"].as_array().unwrap() {
            let at = sample["timestamp_ns"].as_i64().unwrap();
            let sample = row(at, value_type, &sample["value"].to_string());
            content.entry(metric.to_owned()).or_default().push(sample);
        }
    }
    (content, types)
}

/// What `nanocli export` printed. The form of a value is its type, except where a `# type` line says it.
pub(crate) fn from_export(text: &str) -> Content {
    let mut wide = BTreeMap::new();
    let mut content = Content::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        if let ["#", "type", key, value_type] = fields[..] {
            wide.insert(key, value_type);
            continue;
        }
        let [key, value, date, time] = fields[..] else { panic!("{line}") };
        let narrow = if value.ends_with('i') { "int32" } else { "float32" };
        let value_type = wide.get(key).copied().unwrap_or(narrow);
        let at = nanotdb_core::model::time::parse_date_and_time(date.as_bytes(), time.as_bytes()).unwrap();
        let metric = key.split_once('/').unwrap().1.to_owned();
        content.entry(metric).or_default().push(row(at, value_type, value.trim_end_matches('i')));
    }
    content
}

pub(crate) fn assert_same(found: &Content, expected: &Content, context: &str) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{context}: metrics");
    for (metric, rows) in expected {
        assert_eq!(found[metric].len(), rows.len(), "{context}: {metric}: number of samples");
        for (a, b) in found[metric].iter().zip(rows) {
            assert_eq!(a, b, "{context}: {metric}");
        }
    }
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../nanotdb-core/tests/golden")
}

#[test]
fn query_and_export_return_every_sample_and_change_nothing() {
    let mut cases = 0;
    for entry in std::fs::read_dir(golden()).unwrap() {
        let case = entry.unwrap().file_name().into_string().unwrap();
        let Ok(tsv) = std::fs::read_to_string(golden().join(&case).join("expected.tsv")) else { continue };
        // Metric files are another matter.
        if case.starts_with("metric-") {
            continue;
        }
        cases += 1;
        let bench = Bench::new();
        copy_directory(&golden().join(&case).join("root"), &bench.path("root"));
        let before = snapshot(&bench.path("root"));
        let mut expected = Content::new();
        for line in tsv.lines() {
            let fields: Vec<_> = line.split('\t').collect();
            let [_, metric, value_type, at, value] = fields[..] else { panic!("{line}") };
            expected.entry(metric.to_owned()).or_default().push(row(at.parse().unwrap(), value_type, value));
        }
        let query = ["query", "--root", "root", "--db", "pi", "--metric", ".", "--format"];
        let document = bench.run(&[&query[..], &["json"]].concat()).json();
        let (found, types) = from_json(&document);
        assert_same(&found, &expected, &format!("{case}, query as JSON"));
        let csv = bench.run(&[&query[..], &["csv"]].concat()).ok();
        assert_same(&from_csv(&csv, &types), &expected, &format!("{case}, query as CSV"));
        let lines = bench.run(&["export", "--root", "root", "--db", "pi"]).ok();
        assert_same(&from_export(&lines), &expected, &format!("{case}, export"));
        assert!(snapshot(&bench.path("root")) == before, "{case}: a reading command wrote");
    }
    assert!(cases >= 10, "{cases} cases");
}
