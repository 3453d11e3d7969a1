//! The files that the engine writes, read by a second reader: written from the description of the formats alone, and
//! without a line of the production decoders. It finds exactly the rows that were written, and no byte left over.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;
mod reader;

use common::files::copy_directory;
use nanotdb_core::config::EngineConfig;
use nanotdb_core::engine::{Batch, Engine, EngineOptions};
use nanotdb_core::model::{Number, Value};
use reader::{Row, catalog, frames, wal};
use std::collections::BTreeMap;
use std::path::Path;

/// 2026-05-23T22:00:00Z, two hours before a partition ends (date -u -d @1779573600).
const START: i64 = 1_779_573_600_000_000_000;
const TICK: i64 = 5_000_000_000;
/// Ticks of the whole run: 27 hours and 46 minutes, so three days are touched.
const TICKS: i64 = 20_000;
const METRICS: [&str; 4] = ["temp.out", "count", "bytes.total", "a.late"];

/// Samples of one series by time.
type Series = BTreeMap<String, Vec<(i64, Value)>>;

/// Writes ticks of all metrics, in batches, and returns what was accepted. `bytes.total` grows beyond 32 bits half way.
fn write(engine: &Engine, wide: bool) -> Series {
    let mut written = Series::new();
    let mut batch = Batch::new();
    for tick in 0..TICKS {
        // Within a tick some rows share their timestamp, and some are a few nanoseconds apart.
        let at = START + tick * TICK + (tick * 7_919) % 3_000_003;
        let rows = [
            (METRICS[0], at, Value::Float32((tick % 977) as f32 / 8.0 - 40.0)),
            (METRICS[1], at, Value::Int32((tick as i32).wrapping_mul(-2_147_483))),
            (METRICS[2], at + 3, if wide { Value::Int64(tick * 400_000) } else { Value::Int32(tick as i32) }),
            (METRICS[3], at + 1, Value::Float32(f32::MIN_POSITIVE / (1 + tick % 3) as f32)),
        ];
        for (name, at, value) in rows.into_iter().filter(|row| row.0 != METRICS[3] || tick % 100 == 99) {
            let number = match value {
                Value::Int32(v) => Number::integer(i64::from(v)),
                Value::Int64(v) => Number::integer(v),
                typed => Number::from(typed),
            };
            batch.push("pi", name, number, Some(at));
            written.entry(name.to_owned()).or_default().push((at, value));
        }
        if tick % 113 == 112 || tick == TICKS - 1 {
            let outcome = engine.write_batch(&mut batch).unwrap();
            assert_eq!(outcome.rejections, []);
        }
    }
    written
}

fn config() -> EngineConfig {
    let mut config = EngineConfig::default();
    config.stats.enabled = false;
    config
}

fn open(root: &Path) -> Engine {
    Engine::open_with(root, config(), EngineOptions { background: false, ..EngineOptions::default() }).unwrap()
}

/// All rows of a database's data files, in the order of their partitions and frames; checks what every file promises.
fn rows_of_files(directory: &Path, types: &BTreeMap<u16, (String, u8)>) -> Vec<Row> {
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".dat"))
        .collect();
    files.sort();
    let mut rows = Vec::new();
    for file in files {
        for frame in frames(&std::fs::read(directory.join(&file)).unwrap(), types) {
            // 86,400 s a day; 2026-05-23 is day 20,596 after 1970-01-01.
            let day = frame.start.div_euclid(86_400_000_000_000);
            let expected = format!("data-2026-05-{:02}.dat", day - 20_596 + 23);
            assert_eq!(file, expected, "rows of one day are in its file");
            assert_eq!(frame.end.div_euclid(86_400_000_000_000), day, "a page never spans two days");
            rows.extend(frame.rows);
        }
    }
    rows
}

/// Rows by name. Values of a metric that is 64 bits wide by now are widened, as a reader does.
fn series(rows: &[Row], types: &BTreeMap<u16, (String, u8)>) -> Series {
    let mut found = Series::new();
    for row in rows {
        let (name, value_type) = &types[&row.id];
        let low = row.low;
        let value = match (value_type, row.high) {
            (1, None) => Value::Int32(low as i32),
            (2, None) => Value::Float32(f32::from_bits(low)),
            (1, Some(_)) => Value::Int32(low as i32),
            (2, Some(_)) => Value::Float32(f32::from_bits(low)),
            (3, None) => Value::Int64(i64::from(low as i32)),
            (3, Some(high)) => Value::Int64(((u64::from(high) << 32) | u64::from(low)) as i64),
            other => panic!("{other:?}"),
        };
        found.entry(name.clone()).or_default().push((row.timestamp, value));
    }
    found
}

fn assert_same(found: &Series, written: &Series) {
    assert_eq!(found.keys().collect::<Vec<_>>(), written.keys().collect::<Vec<_>>());
    for (name, rows) in written {
        assert_eq!(found[name].len(), rows.len(), "{name}: number of rows");
        for (got, expected) in found[name].iter().zip(rows) {
            let same = got.0 == expected.0 && got.1.to_bits() == expected.1.to_bits();
            assert!(same, "{name}: {got:?} is not {expected:?}");
        }
    }
}

#[test]
fn after_a_clean_shutdown_the_wal_is_empty_and_the_files_hold_every_row() {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path());
    let written = write(&engine, false);
    engine.close().unwrap();

    let database = directory.path().join("pi");
    assert_eq!(std::fs::metadata(database.join("pi.wal")).unwrap().len(), 0);
    let types = catalog(&std::fs::read(database.join("catalog.json")).unwrap());
    let listed: Vec<_> = types.iter().map(|(id, (name, code))| (*id, name.as_str(), *code)).collect();
    // Ids in order of first sight; int32 is 1 and float32 is 2.
    assert_eq!(listed, [(1, "temp.out", 2), (2, "count", 1), (3, "bytes.total", 1), (4, "a.late", 2)]);
    let rows = rows_of_files(&database, &types);
    assert!(rows.iter().all(|row| row.high.is_none()), "without 64-bit metrics, pages are those of the original");
    assert_same(&series(&rows, &types), &written);
}

#[test]
fn pages_with_64_bit_values_carry_an_envelope_and_the_others_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path());
    let written = write(&engine, true);
    engine.close().unwrap();

    let database = directory.path().join("pi");
    let types = catalog(&std::fs::read(database.join("catalog.json")).unwrap());
    assert_eq!(types[&3], ("bytes.total".to_owned(), 3));
    let rows = rows_of_files(&database, &types);
    assert!(rows.iter().any(|row| row.high.is_some()));
    assert_same(&series(&rows, &types), &written);
}

#[test]
fn after_a_kill_files_and_wal_together_hold_every_row_once() {
    for wide in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        let engine = open(&root);
        let written = write(&engine, wide);
        // What a killed process leaves is what is in the files now.
        let killed = directory.path().join("killed");
        copy_directory(&root, &killed);
        drop(engine);

        let database = killed.join("pi");
        let mut types = catalog(&std::fs::read(database.join("catalog.json")).unwrap());
        let log = std::fs::read(database.join("pi.wal")).unwrap();
        let replayed = wal(&log, &mut types);
        assert!(!replayed.is_empty(), "the last rows were not flushed");
        let mut found = series(&rows_of_files(&database, &types), &types);
        for (name, rows) in series(&replayed, &types) {
            found.entry(name).or_default().extend(rows);
        }
        assert_same(&found, &written);
    }
}

#[test]
fn before_the_first_page_the_wal_alone_holds_names_and_rows() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let engine = open(&root);
    engine.add_line(&format!("pi/first 1.5 {START}")).unwrap();
    engine.add_line(&format!("pi/second -7 {}", START + (1 << 24) - 1)).unwrap();
    engine.add_line(&format!("pi/first 2.5 {}", START + (1 << 24))).unwrap();
    let log = std::fs::read(root.join("pi/pi.wal")).unwrap();
    let mut types = BTreeMap::new();
    let rows = series(&wal(&log, &mut types), &types);
    let expected = Series::from([
        ("first".to_owned(), vec![(START, Value::Float32(1.5)), (START + (1 << 24), Value::Float32(2.5))]),
        ("second".to_owned(), vec![(START + (1 << 24) - 1, Value::Int32(-7))]),
    ]);
    assert_same(&rows, &expected);
    engine.close().unwrap();
}

/// The golden directories were written by the original: a reader that agrees with it there is worth its name.
#[test]
fn the_reader_agrees_with_the_original() {
    for case in ["clean-day", "wal-killed-midnight", "wal-killed-mid-tick"] {
        let database = common::files::golden().join(case).join("root/pi");
        let mut types = catalog(&std::fs::read(database.join("catalog.json")).unwrap());
        let log = std::fs::read(database.join("pi.wal")).unwrap();
        let replayed = reader::wal_of_the_original(&log, &mut types);
        let mut rows = Vec::new();
        let mut files: Vec<_> = std::fs::read_dir(&database)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "dat"))
            .collect();
        files.sort();
        for file in files {
            rows.extend(frames(&std::fs::read(file).unwrap(), &types).into_iter().flat_map(|frame| frame.rows));
        }
        let mut found = series(&rows, &types);
        let on_disk: std::collections::HashSet<_> = rows.iter().map(|r| (r.id, r.timestamp)).collect();
        for (name, rows) in series(&replayed, &types) {
            let id = types.iter().find(|(_, t)| t.0 == name).map(|(id, _)| *id).unwrap();
            let new = rows.into_iter().filter(|(at, _)| !on_disk.contains(&(id, *at)));
            found.entry(name).or_default().extend(new);
        }
        let mut expected = Series::new();
        for ((_, metric), samples) in common::expected(case) {
            expected.insert(metric, samples.into_iter().map(|s| (s.timestamp, s.value)).collect());
        }
        assert_same(&found, &expected);
    }
}
