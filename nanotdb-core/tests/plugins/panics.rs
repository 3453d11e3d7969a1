//! Partitioners that panic: the trouble of the databases that use them, and none of their samples.

use crate::common::bench::{Bench, Line, SECOND, content_of, int, send, try_send};
use crate::common::oracle::START;
use crate::common::{assert_same, read_all};
use crate::partitions::Week;
use nanotdb_core::Error;
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::model::Timestamp;
use nanotdb_core::plugin::{Partition, Partitioner, PartitionerPlugin, inventory};
use std::sync::atomic::{AtomicBool, Ordering};

/// Weeks, of a program whose author forgot something.
struct Forgetful {
    kind: u8,
    name: &'static str,
    cannot_place: AtomicBool,
    cannot_name: AtomicBool,
}

impl Forgetful {
    const fn new(kind: u8, name: &'static str) -> Self {
        Self { kind, name, cannot_place: AtomicBool::new(false), cannot_name: AtomicBool::new(false) }
    }
}

impl Partitioner for Forgetful {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        "for tests"
    }
    fn kind_id(&self) -> u8 {
        self.kind
    }
    fn partition_of(&self, timestamp: Timestamp) -> Partition {
        assert!(!self.cannot_place.load(Ordering::SeqCst), "no calendar, on purpose");
        Week.partition_of(timestamp)
    }
    fn file_part(&self, partition: Partition) -> String {
        assert!(!self.cannot_name.load(Ordering::SeqCst), "no words, on purpose");
        Week.file_part(partition)
    }
    fn parse_part(&self, part: &str) -> Option<Partition> {
        Week.parse_part(part)
    }
    fn archive_bucket(&self, partition: Partition) -> String {
        Week.archive_bucket(partition)
    }
}

// There is one for each test, since tests run at the same time.
static PLACES: Forgetful = Forgetful::new(140, "places");
static NAMES: Forgetful = Forgetful::new(141, "names");

inventory::submit! { PartitionerPlugin(&PLACES) }
inventory::submit! { PartitionerPlugin(&NAMES) }

/// Two databases: `bad` with that partitioner, `well` with days.
fn bench(partitioner: &str) -> (Bench, Vec<Line>) {
    let mut bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    let mut lines = rows("well", 0..3);
    send(&engine, &lines);
    engine.close().unwrap();
    bench.config.manifest_defaults.retention.partition = partitioner.into();
    let engine = bench.open();
    lines.extend(rows("bad", 0..3));
    send(&engine, &rows("bad", 0..3));
    engine.close().unwrap();
    (bench, lines)
}

fn rows(database: &'static str, range: std::ops::Range<i32>) -> Vec<Line> {
    range.map(|at| (database, "m", int(at), START + i64::from(at) * SECOND)).collect()
}

fn is_told(error: &Error, parts: [&str; 2]) -> bool {
    matches!(error, Error::Incompatible { reason, .. } if parts.iter().all(|part| reason.contains(part)))
}

#[test]
fn a_partitioner_that_panics_at_a_sample_refuses_its_batch() {
    let (bench, mut lines) = bench("places");
    let engine = bench.open();
    PLACES.cannot_place.store(true, Ordering::SeqCst);
    let error = try_send(&engine, &rows("bad", 3..6)).unwrap_err();
    assert!(is_told(&error, ["partitioner places", "it panicked: no calendar, on purpose"]), "{error}");
    assert!(error.may_pass(), "nothing is wrong with the samples");
    // Of a batch for both, the other's part is stored, and the rest is to come again.
    let outcome = try_send(&engine, &[rows("bad", 3..6), rows("well", 3..6)].concat()).unwrap();
    assert_eq!((outcome.accepted, outcome.failed), (3, 3), "{outcome:?}");
    lines.extend(rows("well", 3..6));
    PLACES.cannot_place.store(false, Ordering::SeqCst);
    send(&engine, &rows("bad", 3..6));
    lines.extend(rows("bad", 3..6));
    assert_same(&read_all(&engine), &content_of(&lines), "once it works again");
    bench.kill(engine);
    // A start that meets it leaves that database closed, and serves the other.
    PLACES.cannot_place.store(true, Ordering::SeqCst);
    let engine = bench.try_open().unwrap();
    let health = engine.health();
    assert!(health.len() == 1 && health[0].0 == "bad" && health[0].1.contains("it panicked"), "{health:?}");
    send(&engine, &rows("well", 6..9));
    lines.extend(rows("well", 6..9));
    engine.close().unwrap();
    drop(engine);
    PLACES.cannot_place.store(false, Ordering::SeqCst);
    assert_same(&read_all(&bench.open()), &content_of(&lines), "the next start");
}

#[test]
fn a_partitioner_that_panics_at_a_flush_leaves_the_samples_in_the_log() {
    let (bench, mut lines) = bench("names");
    let engine = bench.open();
    // Of another week, so that there is a file to be named.
    const LATER: i64 = 14 * 86_400 * SECOND;
    let later = |range: std::ops::Range<i32>| {
        rows("bad", range).into_iter().map(|(d, m, v, t)| (d, m, v, t + LATER)).collect::<Vec<Line>>()
    };
    NAMES.cannot_name.store(true, Ordering::SeqCst);
    send(&engine, &later(3..6));
    lines.extend(later(3..6));
    let error = engine.flush().unwrap_err();
    assert!(is_told(&error, ["partitioner names", "it panicked: no words, on purpose"]), "{error}");
    let warnings = engine.warnings();
    assert!(warnings.iter().any(|w| w.database == "bad" && w.text.contains("no words")), "{warnings:?}");
    send(&engine, &later(6..9));
    lines.extend(later(6..9));
    send(&engine, &rows("well", 3..6));
    lines.extend(rows("well", 3..6));
    engine.close().unwrap();
    drop(engine);
    NAMES.cannot_name.store(false, Ordering::SeqCst);
    let engine = bench.open();
    assert_same(&read_all(&engine), &content_of(&lines), "once it works again");
    engine.flush().unwrap();
    assert_eq!(engine.warnings(), []);
}
