//! Samples as they go in and come out: from lines that were sent, from an export, from expected.tsv. Exact: timestamps to
//! the nanosecond and values bit for bit. `nanotdb-server`'s tests use it, too.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

#[path = "../../../nanotdb-core/tests/common/files.rs"]
pub mod files;
pub mod real;

use nanotdb_core::model::{Value, ValueType, time};
use std::collections::BTreeMap;
use std::path::Path;

/// Samples by `database/metric`.
pub type Content = BTreeMap<String, Vec<(i64, Value)>>;

/// The type of this name.
pub fn type_named(name: &str) -> ValueType {
    let all = [ValueType::Int32, ValueType::Float32, ValueType::Int64, ValueType::Float64];
    all.into_iter().find(|t| t.name() == name).unwrap_or_else(|| panic!("no type {name}"))
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

/// `database, metric, type, timestamp, value`, separated by tabs.
pub fn expected_tsv(text: &str) -> Content {
    let mut content = Content::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [database, metric, value_type, timestamp, value] = fields[..] else { panic!("{line}") };
        let rows = content.entry(format!("{database}/{metric}")).or_default();
        rows.push((timestamp.parse().unwrap(), value_of(type_named(value_type), value)));
    }
    content
}

/// Copies a case's root, and says what it holds.
pub fn copy_golden(case: &str, to: &Path) -> Content {
    files::copy_directory(&files::golden().join(case).join("root"), to);
    expected_tsv(&std::fs::read_to_string(files::golden().join(case).join("expected.tsv")).unwrap())
}

/// The lines of an export. The value's form is its type, `# type` lines aside.
pub fn exported(text: &str) -> Content {
    let mut wide = BTreeMap::new();
    let mut content = Content::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# type ") {
            let (key, name) = declared.split_once(' ').unwrap();
            wide.insert(key, type_named(name));
            continue;
        }
        let mut fields = line.splitn(4, ' ');
        let [key, value, date, clock] = [(); 4].map(|()| fields.next().unwrap_or_else(|| panic!("{line}")));
        let narrow = if value.ends_with('i') { ValueType::Int32 } else { ValueType::Float32 };
        let value_type = wide.get(key).copied().unwrap_or(narrow);
        let at = time::parse_date_and_time(date.as_bytes(), clock.as_bytes()).unwrap();
        add(&mut content, key, (at, value_of(value_type, value.trim_end_matches('i'))));
    }
    content
}

/// Adds a row to its series, without a copy of a key that is there.
pub fn add(content: &mut Content, key: &str, row: (i64, Value)) {
    match content.get_mut(key) {
        Some(rows) => rows.push(row),
        None => drop(content.insert(key.to_owned(), vec![row])),
    }
}

/// Equality bit for bit.
#[track_caller]
pub fn assert_same(found: &Content, expected: &Content, context: &str) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{context}: series");
    for (series, rows) in expected {
        let got = &found[series];
        assert_eq!(got.len(), rows.len(), "{context}: {series}: number of samples");
        for (a, b) in got.iter().zip(rows) {
            let same = a.0 == b.0 && a.1.value_type() == b.1.value_type() && a.1.to_bits() == b.1.to_bits();
            assert!(same, "{context}: {series}: {a:?} is not {b:?}");
        }
    }
}
