use super::*;

const HOUR_NS: i64 = 3_600_000_000_000;

fn config(dir: &Path, max_bytes: u64) -> SpoolConfig {
    SpoolConfig {
        enabled: true,
        dir: dir.to_owned(),
        max_bytes,
        max_age: Duration::from_secs(10 * 3_600),
        fsync: Duration::ZERO,
    }
}

fn cycle(n: i64) -> CycleText {
    let text = format!("pi/a {n} {n}\npi/b {n}.5 {n}\n");
    CycleText { timestamp_ns: n, lines: 2, text }
}

fn fill(spool: &mut Spool, range: std::ops::Range<i64>) -> Lost {
    let mut lost = Lost::default();
    range.for_each(|n| spool.append(&cycle(n), &mut lost).unwrap());
    lost
}

/// Takes everything, as a server that answers would. The times in order.
fn drain(spool: &mut Spool, now: i64) -> (Vec<i64>, Lost) {
    let mut lost = Lost::default();
    let mut times = Vec::new();
    while let Some(batch) = spool.next_batch(now, &mut lost) {
        times.extend(batch.cycles.iter().map(|cycle| cycle.timestamp_ns));
        spool.done(batch.number);
    }
    (times, lost)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|e| e == "lp")).collect();
    found.sort();
    found
}

#[test]
fn cycles_come_out_in_order_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&config(dir.path(), 1 << 20)).unwrap();
    assert!(spool.is_empty() && files(dir.path()).is_empty());
    assert_eq!(fill(&mut spool, 1..5_000), Lost::default());
    assert!(files(dir.path()).len() > 1);
    let on_disk: u64 = files(dir.path()).iter().map(|f| f.metadata().unwrap().len()).sum();
    assert_eq!(spool.bytes(), on_disk);
    assert_eq!(drain(&mut spool, 5_000), ((1..5_000).collect(), Lost::default()));
    assert!(spool.is_empty() && spool.bytes() == 0 && files(dir.path()).is_empty());
}

#[test]
fn what_was_not_sent_is_there_after_a_restart_before_what_comes_then() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&config(dir.path(), 1 << 20)).unwrap();
    fill(&mut spool, 1..50);
    drop(spool);
    let mut spool = Spool::open(&config(dir.path(), 1 << 20)).unwrap();
    assert!(!spool.is_empty());
    fill(&mut spool, 50..60);
    assert_eq!(drain(&mut spool, 60).0, (1..60).collect::<Vec<_>>());
}

#[test]
fn cycles_that_come_while_a_segment_is_sent_stay_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&config(dir.path(), 1 << 20)).unwrap();
    fill(&mut spool, 1..10);
    let batch = spool.next_batch(10, &mut Lost::default()).unwrap();
    fill(&mut spool, 10..20);
    // The server went away once more: the same batch comes again.
    spool.keep();
    let again = spool.next_batch(20, &mut Lost::default()).unwrap();
    assert_eq!(batch.cycles, again.cycles);
    spool.done(again.number);
    assert_eq!(drain(&mut spool, 20).0, (10..20).collect::<Vec<_>>());
}

#[test]
fn a_full_spool_drops_the_oldest_and_counts_every_cycle_and_sample() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&config(dir.path(), 65_536)).unwrap();
    let lost = fill(&mut spool, 1..5_000);
    assert!(spool.bytes() <= 65_536);
    let (times, _) = drain(&mut spool, 5_000);
    let dropped = lost.no_room.cycles;
    assert!(dropped > 0);
    assert_eq!(times, (1 + dropped as i64..5_000).collect::<Vec<_>>());
    assert_eq!(lost, Lost { no_room: Amount { cycles: dropped, samples: 2 * dropped }, ..Lost::default() });
    // Most of the room is used: what is dropped at once is a small part.
    assert!(times.len() as u64 * 60 > 65_536 * 3 / 4, "{}", times.len());
}

#[test]
fn the_segment_that_is_being_sent_is_not_dropped_under_the_request() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&config(dir.path(), 65_536)).unwrap();
    fill(&mut spool, 1..900);
    let batch = spool.next_batch(900, &mut Lost::default()).unwrap();
    let lost = fill(&mut spool, 900..5_000);
    spool.done(batch.number);
    let (times, _) = drain(&mut spool, 5_000);
    assert_eq!(batch.cycles.len() as u64 + lost.no_room.cycles + times.len() as u64, 4_999);
    assert!(times.is_sorted() && times[0] > batch.cycles.last().unwrap().timestamp_ns);
}

#[test]
fn cycles_that_are_too_old_are_counted_and_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&config(dir.path(), 1 << 20)).unwrap();
    for hour in 0..8 {
        spool.append(&cycle(hour * HOUR_NS), &mut Lost::default()).unwrap();
    }
    // Ten hours are kept; at hour 13 those of 0, 1 and 2 are older.
    let (times, lost) = drain(&mut spool, 13 * HOUR_NS);
    assert_eq!(times, (3..8).map(|hour| hour * HOUR_NS).collect::<Vec<_>>());
    assert_eq!(lost, Lost { too_old: Amount { cycles: 3, samples: 6 }, ..Lost::default() });
}

#[test]
fn old_segments_go_while_the_server_stays_away() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&config(dir.path(), 65_536)).unwrap();
    let mut lost = Lost::default();
    // More than a segment in the first hour, then one cycle a day later.
    (0..400).for_each(|n| spool.append(&cycle(n), &mut lost).unwrap());
    let before = files(dir.path()).len();
    assert!(before >= 2);
    spool.append(&cycle(24 * HOUR_NS), &mut lost).unwrap();
    assert!(files(dir.path()).len() < before);
    assert!(lost.too_old.cycles > 0 && lost.too_old.samples == 2 * lost.too_old.cycles);
}

#[test]
fn a_torn_end_is_skipped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&config(dir.path(), 1 << 20)).unwrap();
    fill(&mut spool, 1..4);
    drop(spool);
    let file = &files(dir.path())[0];
    let length = file.metadata().unwrap().len();
    OpenOptions::new().write(true).open(file).unwrap().set_len(length - 7).unwrap();
    let mut spool = Spool::open(&config(dir.path(), 1 << 20)).unwrap();
    fill(&mut spool, 4..6);
    let (times, lost) = drain(&mut spool, 6);
    assert_eq!(times, [1, 2, 4, 5]);
    let whole = {
        let mut v = Vec::new();
        record::write(&cycle(3), &mut v);
        v.len() as u64
    };
    assert_eq!(lost.damaged_bytes, whole - 7);
}

#[test]
fn a_spool_has_one_user() {
    let dir = tempfile::tempdir().unwrap();
    let first = Spool::open(&config(dir.path(), 1 << 20)).unwrap();
    let refused = Spool::open(&config(dir.path(), 1 << 20)).unwrap_err();
    assert!(refused.contains("another drip"), "{refused}");
    drop(first);
    assert!(Spool::open(&config(dir.path(), 1 << 20)).is_ok());
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(Spool::open(&config(&file, 1 << 20)).is_err());
}
