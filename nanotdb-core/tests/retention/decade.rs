//! Ten years of a box that nobody looks after.

use crate::common::bench::Bench;
use crate::common::oracle::config;
use crate::support::{DAY, HOUR, check_verify};
use nanotdb_core::clock::Clock;
use nanotdb_core::config::{FsyncPolicy, RawIngestAction, RetentionAction};
use nanotdb_core::engine::{Batch, Engine};
use nanotdb_core::maintenance::archive::list;
use nanotdb_core::model::Value;
use nanotdb_core::storage::vfs::Vfs;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::path::Path;
use std::time::Duration;

/// 2016-01-01T00:00:00Z.
const START: i64 = 1_451_606_400_000_000_000;
const MINUTE: i64 = HOUR / 60;
const YEARS: i64 = 10;
const KEPT_DAYS: i64 = 30;
/// As many as the host metrics of `bench/gen.py`.
const METRICS: usize = 83;

fn name(metric: usize) -> String {
    format!("host.metric{metric:02}")
}

fn value(metric: usize, minute: i64) -> Value {
    let wave = (minute % 1_440 - 720).abs() + metric as i64 * 7;
    if metric.is_multiple_of(2) {
        Value::Int32((wave * 3 + minute % 5) as i32)
    } else {
        Value::Float32(wave as f32 / 8.0)
    }
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

struct House {
    names: Vec<String>,
    bench: Bench,
    engine: Engine,
    most_files: usize,
    most_wal: u64,
}

impl House {
    /// One day: all metrics every minute, one an hour in another database, a round of maintenance every hour.
    fn day(&mut self, batch: &mut Batch) {
        for hour in 0..24 {
            let began = self.bench.clock.now();
            for minute in 0..60 {
                let at = began + minute * MINUTE;
                for (n, metric) in self.names.iter().enumerate() {
                    batch.push("house", metric, value(n, at / MINUTE), Some(at));
                }
                assert_eq!(self.engine.write_batch(batch).unwrap().rejected, 0);
            }
            if hour % 6 == 0 {
                batch.push("meter", "energy", Value::Int64(began / HOUR), Some(began));
                assert_eq!(self.engine.write_batch(batch).unwrap().rejected, 0);
            }
            self.bench.clock.advance(Duration::from_nanos(HOUR as u64));
            assert_eq!(self.engine.tick().errors(), Vec::<&str>::new());
        }
        for database in ["house", "meter"] {
            let entries = self.bench.vfs.read_dir(&self.bench.path(database)).unwrap();
            let wal = entries.iter().filter(|e| e.name.contains(".wal")).map(|e| e.len).sum();
            self.most_wal = self.most_wal.max(wal);
            self.most_files = self.most_files.max(entries.len());
        }
    }

    fn restart(&mut self, killed: bool) {
        if killed {
            self.bench.vfs.kill();
        } else {
            self.engine.close().unwrap();
        }
        self.bench.clock.set_wall(self.bench.clock.now() + 10 * MINUTE);
        self.engine = self.bench.open();
        // To the next full hour.
        let rest = HOUR - self.bench.clock.now() % HOUR;
        self.bench.clock.advance(Duration::from_nanos(rest as u64));
    }
}

#[test]
fn ten_years_leave_files_memory_and_log_as_they_were() {
    let mut config = config(FsyncPolicy::Segment, 32_000);
    config.metrics.enabled = true;
    config.metrics.raw_ingest_action = RawIngestAction::Delete;
    config.manifest_defaults.retention.retention_days = KEPT_DAYS as u32;
    config.manifest_defaults.retention.retention_action = RetentionAction::Delete;
    let bench = Bench::on(SimVfs::new(1), config);
    bench.clock.set_wall(START);
    // The meter is kept for 400 days by the month and archived then.
    let mut meter = bench.config.manifest_defaults.clone();
    meter.retention.partition = "month".into();
    meter.retention.retention_days = 400;
    meter.retention.retention_action = RetentionAction::Archive;
    bench.vfs.create_dir_all(&bench.path("meter")).unwrap();
    bench.vfs.put(&bench.path("meter/manifest.toml"), meter.to_toml().as_bytes()).unwrap();
    let engine = bench.open();
    let mut house = House { names: (0..METRICS).map(name).collect(), bench, engine, most_files: 0, most_wal: 0 };
    let mut batch = Batch::new();
    let mut memory = Vec::new();
    for day in 0..YEARS * 365 {
        house.day(&mut batch);
        if day % 91 == 90 {
            house.restart(day % 2 == 0);
        }
        if day % 365 == 364 {
            memory.push((resident(), house.bench.vfs.used()));
        }
    }
    // 31 days of metric files, the newest day's raw file, catalog, manifest, log; ten archives of the meter and fifteen months.
    assert!(house.most_files <= 40, "{} files", house.most_files);
    assert!(house.most_wal < 2 << 20, "{} bytes of log", house.most_wal);
    let (first, last) = (memory[1], memory[memory.len() - 1]);
    assert!(last.0 < first.0 + (24 << 20), "resident memory per year: {memory:?}");
    assert!(last.1 < first.1 * 11 / 10 + (1 << 20), "bytes on disk per year: {memory:?}");

    // What is there is what should be, to the sample.
    let now = house.bench.clock.now();
    let oldest = (now / DAY - KEPT_DAYS) * DAY;
    for (n, metric) in house.names.iter().enumerate() {
        let rows = crate::common::read(&house.engine, "house", metric);
        let first = rows.first().unwrap().timestamp;
        // The page of the day that is kept last may go up to a day later, when the clock is believed.
        assert!((oldest - 2 * DAY..=oldest).contains(&first) && first % DAY == 0, "{metric}: {first}");
        assert!(rows.len() as i64 > (KEPT_DAYS - 1) * 1_440, "{}", rows.len());
        for pair in rows.windows(2) {
            assert!(pair[0].timestamp < pair[1].timestamp);
        }
        assert!(rows.iter().all(|row| row.value == value(n, row.timestamp / MINUTE)));
    }
    let rows = crate::common::read(&house.engine, "meter", "energy");
    assert!(rows.iter().all(|row| row.value == Value::Int64(row.timestamp / HOUR)));
    assert!((400..=435).contains(&((now - rows[0].timestamp) / DAY)), "{}", (now - rows[0].timestamp) / DAY);
    let archives = list(&house.engine, "meter").unwrap();
    let buckets: Vec<_> = archives.iter().map(|a| a.bucket.as_str()).collect();
    assert_eq!(buckets, ["2016", "2017", "2018", "2019", "2020", "2021", "2022", "2023", "2024"]);
    assert!(archives[..8].iter().all(|archive| archive.partitions.len() == 12), "{archives:?}");
    house.engine.close().unwrap();
    check_verify(&house.bench, "after ten years");
    assert!(house.bench.vfs.entry(Path::new("/root/.clock")).unwrap().is_some());
}
