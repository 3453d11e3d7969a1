//! Files that were written once and are read for ever.
//!
//! `METRIC_V3_GOLDEN=1 cargo test -p nanotdb-core --test metric_v3 make_golden` writes those that are not there. It never
//! replaces one: a file of a released version stays as it was written.

use crate::reader;
use crate::support::{DAY, Data, SECOND, assert_same, layout, read, write};
use nanotdb_core::model::Column;
use std::path::PathBuf;

/// Name of the file, codec, and the number of ticks: enough for parts where the codec keeps them short. The first three are cut
/// every 1,024 timestamps, as was done at first; the others by time. Sums in the last two are of decimals.
const FILES: [(&str, &str, i64); 7] = [
    ("none", "none", 150),
    ("zstd_default", "zstd_default", 150),
    ("zstd_default-parts", "zstd_default", 2_100),
    ("by-time-none", "none", 150),
    ("by-time-zstd_default-parts", "zstd_default", 2_100),
    ("decimals-none", "none", 150),
    ("decimals-zstd_default-parts", "zstd_default", 2_100),
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metric-v3").join(format!("{name}.dat"))
}

/// The rows, by formulas that stand here and nowhere else.
fn expected(ticks: i64) -> Data {
    let every =
        |start: i64, step: usize| -> Vec<i64> { (start..ticks).step_by(step).map(|i| DAY + i * 10 * SECOND).collect() };
    let all = every(0, 1);
    let gaps: Vec<i64> = all.iter().enumerate().filter(|(i, _)| i % 50 != 7).map(|(_, t)| *t).collect();
    let mut twice = all.clone();
    twice.insert(5, all[5]);
    let n = all.len();
    let odd = [f32::NAN, f32::INFINITY, -0.0, f32::MIN_POSITIVE / 2.0, f32::MAX, 1.5];
    Data::from([
        (1, (all.clone(), Column::Float32((0..n).map(|i| 20.0 + (i % 40) as f32 / 8.0).collect()))),
        (2, (all, Column::Int32((0..n as i32).map(|i| i * i % 1_000 - 500).collect()))),
        (3, (gaps.clone(), Column::Int64((0..gaps.len() as i64).map(|i| i64::MAX - i * 4_096).collect()))),
        (40, (every(ticks / 2, 1), Column::Float64((ticks / 2..ticks).map(|i| 0.1 * (i % 16) as f64).collect()))),
        (41, (every(0, 6), Column::Float32(every(0, 6).iter().map(|t| odd[(t / SECOND % 7) as usize % 6]).collect()))),
        (500, (twice.clone(), Column::Int32(vec![7; twice.len()]))),
        (501, (vec![-1, -1, 0], Column::Int64(vec![i64::MIN, 0, i64::MAX]))),
        (65_535, (vec![DAY + 1], Column::Float64(vec![-0.0]))),
    ])
}

#[test]
fn files_of_the_past_are_read() {
    for (name, codec, ticks) in FILES {
        let file = std::fs::read(path(name)).unwrap();
        assert_same(&read(&file).unwrap(), &expected(ticks));
        let layout = layout(&file).unwrap();
        assert_eq!((layout.version, layout.start), (3, -1));
        let parts = layout.series.iter().flat_map(|s| &s.blocks).filter(|b| b.parts.is_some()).count();
        assert_eq!(parts > 0, name.ends_with("parts"), "{name}");
        let of_decimals = layout.series.iter().flat_map(|s| &s.blocks).any(|b| b.decimal_sums);
        assert_eq!(of_decimals, name.starts_with("decimals"), "{name}");
        if codec == "none" {
            let rows: usize = reader::read(&file).values().flat_map(|(_, blocks)| blocks).map(|b| b.rows.len()).sum();
            assert_eq!(rows, expected(ticks).values().map(|(t, _)| t.len()).sum::<usize>());
        }
    }
}

#[test]
fn make_golden() {
    if std::env::var_os("METRIC_V3_GOLDEN").is_none() {
        return;
    }
    for (name, codec, ticks) in FILES {
        if !path(name).exists() {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), write(&expected(ticks), codec)).unwrap();
        }
    }
}
