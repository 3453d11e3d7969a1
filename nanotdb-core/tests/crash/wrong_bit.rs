//! A crash, and at that moment one bit that flips, or one byte that is lost, in one file: at most the batch or the frame that
//! holds it is missing, which is told; nothing comes twice, and nothing that was not sent.

use super::common::Content;
use super::common::oracle::{Death, ROOT, Run, config};
use super::common::rng::Rng;
use super::die;
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::maintenance::inspect;
use nanotdb_core::model::{Sample, Value};
use nanotdb_core::storage::vfs::sim::{CrashModel, SimVfs};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many crashes of a run are looked at, each with some damages. `NANOTDB_CRASH_SEEDS` makes more runs.
const CRASHES: usize = 60;
const DAMAGES: usize = 4;

#[derive(Debug, Clone, Copy)]
enum Damage {
    Bit(u64, u8),
    LostByte(u64),
}

/// What one damage may cost: so many samples, of these times.
#[derive(Debug, Clone, PartialEq)]
struct Unit {
    rows: usize,
    times: Vec<i64>,
}

fn open(run: &Run, disk: &SimVfs) -> Engine {
    let options = EngineOptions { vfs: Arc::new(disk.process()), clock: run.clock.clone(), background: false };
    Engine::open_with(Path::new(ROOT), run.config.clone(), options).unwrap()
}

/// Everything, and what is said of what is not there.
fn look(engine: &Engine) -> (Content, Vec<String>) {
    let (mut content, mut told) = (Content::new(), Vec::new());
    for database in engine.database_names(true) {
        for metric in engine.metrics(&database).unwrap() {
            let mut samples = Vec::new();
            let read = engine.query_range(&database, &metric.name, i64::MIN, i64::MAX, 1, |sample| {
                samples.push(sample);
                ControlFlow::Continue(())
            });
            told.extend(read.unwrap().warnings);
            if !samples.is_empty() {
                content.insert((database.clone(), metric.name), samples);
            }
        }
    }
    told.extend(engine.warnings().into_iter().map(|warning| warning.text));
    told.extend(engine.health().into_iter().map(|(_, reason)| reason));
    (content, told)
}

/// Logs and data files, whose parts have checksums.
fn targets(disk: &SimVfs) -> Vec<(PathBuf, Vec<u8>)> {
    let is_target = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.ends_with(".wal") || name.ends_with(".wal.next") || name.starts_with("data-")
    };
    disk.snapshot().into_iter().filter(|(path, bytes)| is_target(path) && !bytes.is_empty()).collect()
}

/// The batch or the frame around a byte.
fn unit_around(disk: &SimVfs, path: &Path, at: u64) -> Unit {
    if path.file_name().unwrap().to_string_lossy().starts_with("data-") {
        let report = inspect::data_file(disk, path).unwrap();
        let frame = report.frames.iter().rev().find(|frame| frame.offset <= at);
        return frame.map_or(Unit { rows: 0, times: Vec::new() }, |frame| {
            let times = (frame.start..=frame.end).step_by(1_000_000_000).collect();
            Unit { rows: usize::from(frame.rows), times }
        });
    }
    let directory = path.parent().unwrap();
    let catalog = inspect::read_catalog(disk, directory).unwrap();
    let mut batch = Vec::new();
    let logs = inspect::wal_files(disk, directory, &catalog).unwrap();
    for record in &logs.iter().find(|log| log.path == path).unwrap().records {
        batch.push(record.timestamp);
        if record.checksummed {
            if at < record.offset + u64::from(record.len) {
                return Unit { rows: batch.len(), times: batch };
            }
            batch.clear();
        }
    }
    // Behind the last whole batch: nothing is lost that was there.
    Unit { rows: 0, times: Vec::new() }
}

/// An integer metric is as wide as the widest of its values, which may be the one that is lost.
fn is_same(a: &Sample, b: &Sample) -> bool {
    let integer = |value| match value {
        Value::Int32(v) => Some(i64::from(v)),
        Value::Int64(v) => Some(v),
        _ => None,
    };
    let same_number = integer(a.value).is_some() && integer(a.value) == integer(b.value);
    a.timestamp == b.timestamp && (a.value == b.value || same_number)
}

/// How many of `whole` are missing in `found`; panics when there is something else in it, or in another order.
fn missing(whole: &Content, found: &Content, unit: &Unit, context: &str) -> usize {
    let mut count = 0;
    for (series, samples) in found {
        let expected = whole.get(series).unwrap_or_else(|| panic!("{context}: {series:?} is invented"));
        let mut rest = expected.iter();
        for sample in samples {
            assert!(
                rest.any(|one| is_same(one, sample)),
                "{context}: {series:?}: {sample:?} is twice, invented or out of order"
            );
        }
    }
    for (series, expected) in whole {
        let mut found = found.get(series).map(Vec::as_slice).unwrap_or_default().iter().peekable();
        for sample in expected {
            if found.peek().is_some_and(|one| is_same(one, sample)) {
                found.next();
                continue;
            }
            count += 1;
            assert!(
                unit.times.contains(&sample.timestamp),
                "{context}: {series:?}: {sample:?} is lost with another part"
            );
        }
    }
    count
}

fn damage_crashes(policy: FsyncPolicy) {
    let seeds = std::env::var("NANOTDB_CRASH_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(2_u64);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..seeds {
        let vfs = SimVfs::new(seed);
        let mut run = Run::new(vfs.clone(), config(policy, 20 + (seed as u32 % 3) * 15), seed);
        vfs.record_forks(true);
        run.script(120);
        let forks = vfs.take_forks();
        let mut rng = Rng(seed ^ 0xb17);
        for _ in 0..CRASHES {
            let fork = &forks[rng.below(forks.len() as u64) as usize];
            let disk = fork.fork(rng.next());
            let death = if rng.below(3) == 0 { Death::PowerLoss } else { Death::Killed };
            disk.set_crash_model(CrashModel::Ordered);
            die(&disk, death);
            let whole = look(&open(&run, &disk.fork(1))).0;
            let targets = targets(&disk);
            for _ in 0..DAMAGES {
                let Some((path, bytes)) = targets.get(rng.below(targets.len().max(1) as u64) as usize) else { break };
                let at = rng.below(bytes.len() as u64);
                let damage = if rng.below(2) == 0 { Damage::Bit(at, 1 << rng.below(8)) } else { Damage::LostByte(at) };
                let context = format!(
                    "{policy:?}, seed {seed}, {death:?} at operation {}, {damage:?} in {}",
                    fork.operation_count(),
                    path.display()
                );
                let damaged = disk.fork(1);
                match damage {
                    Damage::Bit(at, mask) => damaged.corrupt(path, at, mask).unwrap(),
                    Damage::LostByte(at) => {
                        let mut left = bytes.clone();
                        left.remove(at as usize);
                        damaged.put(path, &left).unwrap();
                    }
                }
                let unit = unit_around(&disk, path, at);
                let engine = open(&run, &damaged);
                let (found, told) = look(&engine);
                let lost = missing(&whole, &found, &unit, &context);
                assert!(lost <= unit.rows, "{context}: {lost} samples are lost, {} were there", unit.rows);
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let is_told = told.iter().any(|text| text.contains(&*path.to_string_lossy()));
                assert!(lost == 0 || is_told, "{context}: {lost} samples are lost, and nothing says so: {told:?}");
                engine.close().unwrap();
                // What a start made of it stays.
                let again = look(&open(&run, &damaged)).0;
                assert_eq!(missing(&found, &again, &Unit { rows: 0, times: Vec::new() }, &context), 0, "{context}");
                let kind = if name.starts_with("data-") { "data".to_owned() } else { name.replace("alpha", "x") };
                *kinds.entry(kind).or_default() += 1;
            }
        }
    }
    assert!(kinds.len() >= 3, "logs of both kinds and data files: {kinds:?}");
}

#[test]
fn r21_one_wrong_bit_or_byte_at_a_crash_costs_its_batch_or_frame_with_fsync_always() {
    damage_crashes(FsyncPolicy::Always);
}

#[test]
fn r21_one_wrong_bit_or_byte_at_a_crash_costs_its_batch_or_frame_with_fsync_interval() {
    damage_crashes(FsyncPolicy::Interval);
}

#[test]
fn r21_one_wrong_bit_or_byte_at_a_crash_costs_its_batch_or_frame_with_fsync_segment() {
    damage_crashes(FsyncPolicy::Segment);
}
