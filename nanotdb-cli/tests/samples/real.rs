//! Real input: the samples of the Numenta Anomaly Benchmark and the workload W1. It lies beside the repository; without
//! it a test says so and passes.

use super::{Content, add, value_of};
use nanotdb_core::model::{Value, ValueType};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

/// Samples of one day of W1: 83 metrics every ten seconds.
pub const W1_SAMPLES: usize = 83 * 8_640;

/// A file beside the repository; `None`, with a line about it, when it is not there.
pub fn shared(name: &str) -> Option<PathBuf> {
    // Cargo says at run time where the crate is, too.
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let path = package.join("../../shared").join(name);
    let here = path.exists();
    if !here {
        eprintln!("skipped: ../shared/{name} is not here");
    }
    here.then_some(path)
}

/// The compressed lines of the benchmark: 47 series.
pub fn numenta_file() -> Option<PathBuf> {
    shared("data/nab.lp.zst")
}

/// The lines of the benchmark.
pub fn numenta() -> Option<String> {
    let bytes = zstd::decode_all(std::fs::File::open(numenta_file()?).unwrap()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.lines().count(), 321_206);
    Some(text)
}

/// The lines of one day of W1.
pub fn w1() -> Option<String> {
    let generator = shared("bench/gen.py")?;
    let dir = tempfile::tempdir().unwrap();
    let Ok(made) = Command::new("python3").arg(generator).arg(dir.path()).args(["--formats", "lp"]).output() else {
        eprintln!("skipped: python3, which makes W1, is not here");
        return None;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = std::fs::read_to_string(dir.path().join("w1.lp")).unwrap();
    assert_eq!(text.lines().count(), W1_SAMPLES);
    Some(text)
}

/// `database/metric value nanoseconds`, as it is sent. An integer may say that it is one (`42i`).
fn fields(line: &str) -> (&str, &str, &str) {
    let (rest, at) = line.rsplit_once(' ').unwrap();
    let (key, value) = rest.split_once(' ').unwrap();
    (key, value.strip_suffix('i').unwrap_or(value), at)
}

/// What the lines mean. A metric is what its first value looks like; an integer that meets a value beyond 32 bits is 64 bits
/// wide from its beginning, and what meets a decimal that float32 or an integer does not give back is float64.
pub fn meaning(text: &str) -> Content {
    let mut types = HashMap::new();
    for (key, value, _) in text.lines().map(fields) {
        let value_type = types.entry(key).or_insert_with(|| {
            let is_float = value.contains(['.', 'e', 'E']);
            if is_float { ValueType::Float32 } else { ValueType::Int32 }
        });
        *value_type = match *value_type {
            ValueType::Int32 | ValueType::Int64 if value.contains(['.', 'e', 'E']) => ValueType::Float64,
            ValueType::Int32 if value.parse::<i32>().is_err() => ValueType::Int64,
            ValueType::Float32 if !float32_gives_back(value) => ValueType::Float64,
            same => same,
        };
    }
    let mut content = Content::new();
    for (key, value, at) in text.lines().map(fields) {
        add(&mut content, key, (at.parse().unwrap(), value_of(types[key], value)));
    }
    content
}

/// Whether the shortest decimal of the float32 is this number.
fn float32_gives_back(value: &str) -> bool {
    let single: f32 = value.parse().unwrap();
    single.to_string().parse::<f64>().unwrap() == value.parse::<f64>().unwrap()
}

/// The lines that are not stored yet. What is stored must be a beginning of every series, with all of the first
/// `acknowledged` lines.
pub fn unsent(text: &str, expected: &Content, stored: &Content, acknowledged: usize) -> String {
    // As long as no value needs 64 bits, a metric has 32: then a float is what its shortest decimal says.
    let number = |value: Value| match value {
        Value::Int32(v) => f64::from(v),
        Value::Int64(v) => v as f64,
        Value::Float32(v) => v.to_string().parse().unwrap(),
        Value::Float64(v) => v,
    };
    for (key, rows) in stored {
        let sent = &expected[key];
        assert!(rows.len() <= sent.len(), "{key}: {} rows of {} that were sent", rows.len(), sent.len());
        for (a, b) in rows.iter().zip(sent) {
            assert!(a.0 == b.0 && number(a.1) == number(b.1), "{key}: {b:?} was stored as {a:?}");
        }
    }
    let mut left: HashMap<&str, usize> = stored.iter().map(|(key, rows)| (key.as_str(), rows.len())).collect();
    let mut rest = String::new();
    for (line, number) in text.lines().zip(0..) {
        match left.get_mut(fields(line).0) {
            Some(left) if *left > 0 => *left -= 1,
            _ => {
                assert!(number >= acknowledged, "line {number} was acknowledged and is lost: {line}");
                rest.push_str(line);
                rest.push('\n');
            }
        }
    }
    rest
}
