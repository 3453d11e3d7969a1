//! Shared by the integration tests.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

pub mod bench;
pub mod changing;
pub mod files;
pub mod hooked;
pub mod oracle;
pub mod rng;

use nanotdb_codecs as _;
use nanotdb_core::engine::Engine;
use nanotdb_core::model::{Sample, Value};
use nanotdb_ingest as _;
use nanotdb_partitioners as _;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Sets a flag when it is dropped, also by an assertion that fails: those who wait for it end, and so does the test.
pub struct SetWhenDropped<'a>(pub &'a std::sync::atomic::AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

/// Samples by database and metric.
pub type Content = BTreeMap<(String, String), Vec<Sample>>;

pub fn expected(case: &str) -> Content {
    let text = std::fs::read_to_string(files::golden().join(case).join("expected.tsv")).unwrap();
    let mut content = Content::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [database, metric, value_type, timestamp, value] = fields[..] else { panic!("{line}") };
        let value = match value_type {
            "int32" => Value::Int32(value.parse().unwrap()),
            "float32" => Value::Float32(value.parse().unwrap()),
            other => panic!("{other}"),
        };
        let sample = Sample { timestamp: timestamp.parse().unwrap(), value };
        content.entry((database.to_owned(), metric.to_owned())).or_default().push(sample);
    }
    content
}

/// Everything that an engine returns.
pub fn read_all(engine: &Engine) -> Content {
    let mut content = Content::new();
    for database in engine.database_names(true) {
        for metric in engine.metrics(&database).unwrap() {
            let samples = read(engine, &database, &metric.name);
            if !samples.is_empty() {
                content.insert((database.clone(), metric.name), samples);
            }
        }
    }
    content
}

pub fn read(engine: &Engine, database: &str, metric: &str) -> Vec<Sample> {
    let mut samples = Vec::new();
    let report = engine
        .query_range(database, metric, i64::MIN, i64::MAX, 1, |sample| {
            samples.push(sample);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
    samples
}

/// Equality bit for bit: NaN equals itself, -0.0 is not 0.0.
pub fn assert_same(found: &Content, expected: &Content, context: &str) {
    let names = |c: &Content| c.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected), "{context}: series");
    for (series, rows) in expected {
        let got = &found[series];
        assert_eq!(got.len(), rows.len(), "{context}: {series:?}: number of samples");
        for (a, b) in got.iter().zip(rows) {
            let same = a.timestamp == b.timestamp
                && a.value.value_type() == b.value.value_type()
                && a.value.to_bits() == b.value.to_bits();
            assert!(same, "{context}: {series:?}: {a:?} is not {b:?}");
        }
    }
}
