//! Events of the original: every command carries their files along, says what is damaged in them, and retention leaves them alone.
//! What should be there is what was sent to the original, which wrote the directories.

use crate::common::bench::{Bench, int, send, try_send};
use crate::common::oracle::ROOT;
use nanotdb_core::config::{FsyncPolicy, Manifest, RetentionAction, RollupJob};
use nanotdb_core::engine::{Engine, MaintenanceReport};
use nanotdb_core::format::events::{
    EventNames, EventRow, EventType, Frame, decode_catalog, decode_log, log_name, part_of_file,
};
use nanotdb_core::maintenance::archive::{self, Wanted};
use nanotdb_core::maintenance::convert::{ConvertRequest, Target, convert};
use nanotdb_core::maintenance::databases::LockedRoot;
use nanotdb_core::maintenance::recover::{RecoverReport, RecoverRequest, recover};
use nanotdb_core::maintenance::snapshot::{SnapshotRequest, snapshot};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::storage::vfs::Vfs;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const CASES: [&str; 5] = ["archived", "clean-day", "frame-torn", "wal-killed-two-open", "wal-torn"];
const DAY: i64 = 86_400_000_000_000;

/// Database, name, id, type, time, value bits, payload.
type Sent = (String, String, u16, &'static str, i64, Option<u32>, Vec<u8>);
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn directory(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden-events").join(case)
}

fn golden(case: &str) -> Bench {
    let vfs = SimVfs::new(5);
    vfs.load_tree(&directory(case).join("root"), Path::new(ROOT)).unwrap();
    Bench::on(vfs, crate::common::oracle::config(FsyncPolicy::Always, 100))
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = text.chars().filter_map(|c| DIGITS.find(c)).map(|at| at as u32).collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let value = four.iter().fold(0, |value, digit| value << 6 | digit) << (6 * (4 - four.len()));
        value.to_be_bytes()[1..four.len()].to_vec()
    });
    bytes.collect()
}

fn expected(case: &str, file: &str) -> Vec<Sent> {
    let text = std::fs::read_to_string(directory(case).join(file)).unwrap();
    let mut sent: Vec<Sent> = text
        .lines()
        .map(|line| {
            let f: Vec<&str> = line.split('\t').collect();
            let (value_type, value) = match f[3] {
                "none" => ("none", None),
                "int32" => ("int32", Some(f[5].parse::<i32>().unwrap() as u32)),
                _ => ("float32", Some(f[5].parse::<f32>().unwrap().to_bits())),
            };
            (f[0].into(), f[1].into(), f[2].parse().unwrap(), value_type, f[4].parse().unwrap(), value, base64(f[6]))
        })
        .collect();
    sent.sort();
    sent
}

/// The files of events below a root, by path within it.
fn events_files(vfs: &SimVfs, root: &str) -> Files {
    let is_theirs = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("events") || name.contains(".events.wal")
    };
    let files = vfs.snapshot().into_iter().filter(|(path, _)| path.starts_with(root) && is_theirs(path));
    files.map(|(path, bytes)| (path.strip_prefix(root).unwrap().to_owned(), bytes)).collect()
}

fn frames(bytes: &[u8], names: &EventNames) -> Vec<EventRow> {
    let codec = registry().codec("s2").unwrap();
    let mut rows = Vec::new();
    let mut at = 0;
    while let Ok(Some(frame)) = Frame::decode(&bytes[at..]) {
        rows.extend(frame.rows(codec, names).unwrap());
        at += frame.len();
    }
    rows
}

/// Every event of a root, once: rows of the log that are in frames already are not counted again.
fn events(vfs: &SimVfs, root: &str) -> Vec<Sent> {
    let files = events_files(vfs, root);
    let mut databases: Vec<String> =
        files.keys().map(|path| path.iter().next().unwrap().to_string_lossy().into_owned()).collect();
    databases.dedup();
    let mut found = Vec::new();
    for database in databases {
        let file = |name: &str| files.get(&Path::new(&database).join(name)).cloned().unwrap_or_default();
        let mut names = decode_catalog(&file("events.json")).unwrap();
        let log = decode_log(&file(&log_name(&database)), &mut names);
        assert_eq!(log.damage, None, "{database}");
        let of_database = files.iter().filter(|(path, _)| path.starts_with(&database));
        let is_frames = |path: &Path| part_of_file(&path.file_name().unwrap().to_string_lossy()).is_some();
        let mut rows: Vec<EventRow> =
            of_database.filter(|(path, _)| is_frames(path)).flat_map(|(_, bytes)| frames(bytes, &names)).collect();
        let mut in_frames = rows.clone();
        for record in log.records {
            match in_frames.iter().position(|row| *row == record.row) {
                Some(at) => drop(in_frames.remove(at)),
                None => rows.push(record.row),
            }
        }
        found.extend(rows.into_iter().map(|row| {
            let name = &names[&row.id];
            let value_type = match name.value_type {
                EventType::None => "none",
                EventType::Int32 => "int32",
                EventType::Float32 => "float32",
            };
            (database.clone(), name.name.clone(), row.id, value_type, row.timestamp, row.value, row.payload)
        }));
    }
    found.sort();
    found
}

#[track_caller]
fn assert_events(vfs: &SimVfs, root: &str, case: &str, context: &str) {
    let (found, sent) = (events(vfs, root), expected(case, "expected-events.tsv"));
    assert!(found == sent, "{case}, {context}: {} of {} events", found.len(), sent.len());
}

fn problems(bench: &Bench) -> Vec<(String, Option<u64>, String)> {
    let report = verify(Path::new(ROOT), None, bench.config.clone(), bench.options()).unwrap();
    let name = |path: &Path| path.strip_prefix(ROOT).unwrap().to_string_lossy().into_owned();
    report.problems.into_iter().map(|p| (name(&p.file), p.offset, p.what)).collect()
}

fn recovered(bench: &Bench, context: &str) -> RecoverReport {
    let request = RecoverRequest { root: Path::new(ROOT), out: Path::new("/new"), database: None };
    let report = recover(request, bench.config.clone(), &bench.options(), &mut |_, _| {}).unwrap();
    assert_eq!(report.problems, [], "{context}");
    report
}

#[test]
fn r28_verify_reads_them_and_finds_nothing_wrong() {
    for case in CASES {
        let bench = golden(case);
        assert_events(&bench.vfs, ROOT, case, "as the original left it");
        assert_eq!(problems(&bench), [], "{case}");
        let report = verify(Path::new(ROOT), None, bench.config.clone(), bench.options()).unwrap();
        assert!(report.event_files > 0 || case == "wal-torn", "{case}");
        assert!(report.events >= expected(case, "expected-events.tsv").len() as u64, "{case}");
    }
}

#[test]
fn r28_each_damaged_byte_is_told_with_its_place() {
    let whole = golden("clean-day");
    let files = events_files(&whole.vfs, ROOT);
    let of_frames: Vec<_> = files.iter().filter(|(path, _)| path.to_string_lossy().contains("events-")).collect();
    assert_eq!(of_frames.len(), 3);
    for (path, bytes) in of_frames {
        let name = path.to_string_lossy().into_owned();
        for at in (0..bytes.len()).step_by(29) {
            let bench = whole.fork(whole.vfs.fork(1));
            bench.vfs.corrupt(&bench.path(&name), at as u64, 0x40).unwrap();
            let found = problems(&bench);
            assert!(
                found.iter().any(|(file, offset, _)| *file == name && offset.unwrap() <= at as u64),
                "{name} {at}: {found:?}"
            );
        }
        let bench = whole.fork(whole.vfs.fork(1));
        bench.vfs.truncate(&bench.path(&name), bytes.len() as u64 - 7).unwrap();
        assert!(problems(&bench).iter().any(|(file, ..)| *file == name), "{name} cut");
    }
    let bench = whole.fork(whole.vfs.fork(1));
    bench.vfs.put(&bench.path("pi/events.json"), b"{\"events\": [").unwrap();
    assert!(problems(&bench).iter().any(|(file, ..)| file == "pi/events.json"));
    // In the log: flags that nobody knows.
    let bench = golden("wal-killed-two-open");
    bench.vfs.corrupt(&bench.path("pi/pi.events.wal"), 11, 0x01).unwrap();
    assert!(problems(&bench).iter().any(|(file, offset, _)| file == "pi/pi.events.wal" && *offset == Some(0)));
}

#[test]
fn r28_a_damaged_event_in_an_archive_is_found_and_not_restored() {
    let bench = golden("archived");
    let path = bench.path("pi/archive-2026-05.tar");
    let bytes = bench.file("pi/archive-2026-05.tar");
    let at = bytes.windows(10).position(|w| w == b"events-202").unwrap() + 512 + 160;
    bench.vfs.corrupt(&path, at as u64, 0x01).unwrap();
    let found = problems(&bench);
    assert!(matches!(&found[..], [(file, ..)] if file.starts_with("pi/archive-2026-05.tar/events-")), "{found:?}");
    let mut manifest = String::from_utf8(bench.file("pi/manifest.toml")).unwrap();
    manifest = manifest.replace("retention_action = \"archive\"", "retention_action = \"keep\"");
    bench.vfs.put(&bench.path("pi/manifest.toml"), manifest.as_bytes()).unwrap();
    let engine = bench.open();
    let restored = archive::restore(&engine, "pi", Wanted::Bucket("2026-05")).unwrap();
    assert_eq!((restored.partitions.len(), restored.refused.len()), (3, 1));
    let mut there = expected("archived", "expected-archived-events.tsv");
    let refused = &restored.refused[0].0;
    let day = i64::from(refused[8..].parse::<u8>().unwrap());
    // 2026-05-22T00:00:00Z
    let start = 1_779_408_000_000_000_000 + (day - 22) * DAY;
    there.retain(|sent| !(start..start + DAY).contains(&sent.4));
    there.extend(expected("archived", "expected-events.tsv"));
    there.sort();
    assert!(events(&bench.vfs, ROOT) == there);
}

#[test]
fn r28_snapshots_conversions_and_recoveries_carry_them_along() {
    for case in CASES {
        let bench = golden(case);
        let before = events_files(&bench.vfs, ROOT);
        let request =
            SnapshotRequest { root: Path::new(ROOT), out: Path::new("/copy"), database: None, copy_all: true };
        let report = snapshot(request, bench.config.clone(), &bench.options(), &mut |_, _| {}).unwrap();
        assert_eq!(report.problems, [], "{case}");
        assert!(events_files(&bench.vfs, "/copy") == before, "{case}: snapshot");
        for (target, out) in [(Target::Original, "/theirs"), (Target::Nanotdb, "/ours")] {
            let request =
                ConvertRequest { root: Path::new(ROOT), out: Path::new(out), database: None, target, lossy: false };
            convert(request, bench.config.clone(), &bench.options(), &mut |_, _| {}).unwrap();
            assert!(events_files(&bench.vfs, out) == before, "{case}: {target:?}");
        }
        let report = recovered(&bench, case);
        assert_events(&bench.vfs, "/new", case, "recovered");
        // What was being written is kept beside, and told.
        let told =
            report.lost.iter().chain(&report.harmless).filter(|d| d.file.to_string_lossy().contains("events")).count();
        assert_eq!(told, usize::from(case.contains("torn")), "{case}: {report:?}");
        assert!(events_files(&bench.vfs, ROOT) == before, "{case}: the source was changed");
    }
}

/// Frames that are whole are saved, the others kept beside them; so is a catalog that cannot be read.
#[test]
fn r28_recover_saves_what_is_whole_and_names_the_rest() {
    let bench = golden("clean-day");
    let (file, bytes) = ("pi/events-2026-05-23.dat", bench.file("pi/events-2026-05-23.dat"));
    let first = Frame::decode(&bytes).unwrap().unwrap();
    let (len, rows, from, to) = (first.len(), first.rows, first.start, first.end);
    assert!(len < bytes.len(), "several frames");
    bench.vfs.corrupt(&bench.path(file), 160, 0x10).unwrap();
    let report = recovered(&bench, "a frame");
    let lost: Vec<_> = report.lost.iter().filter(|d| d.file == bench.path(file)).collect();
    assert!(
        matches!(&lost[..], [d] if d.bytes == Some((0, len as u64)) && d.rows == Some(u64::from(rows)) && d.span == Some((from, to))),
        "{lost:?}"
    );
    let new = events_files(&bench.vfs, "/new");
    assert!(new[Path::new(file)] == bytes[len..]);
    assert_eq!(new[Path::new("pi/events-2026-05-23.dat.damaged-0")].len(), len);
    assert_eq!(events(&bench.vfs, "/new").len(), expected("clean-day", "expected-events.tsv").len() - rows as usize);

    let bench = golden("clean-day");
    bench.vfs.put(&bench.path("pi/events.json"), b"not a catalog").unwrap();
    let report = recovered(&bench, "no catalog");
    assert!(report.lost.iter().any(|d| d.file == bench.path("pi/events.json")), "{report:?}");
    let new = events_files(&bench.vfs, "/new");
    assert_eq!(new[Path::new("pi/events.json.damaged-0")], b"not a catalog");
    // Without names nothing can be decoded, and nothing of it is thrown away.
    let kept: usize =
        new.iter().filter(|(path, _)| path.to_string_lossy().contains(".dat.damaged-")).map(|(_, b)| b.len()).sum();
    let before = events_files(&bench.vfs, ROOT);
    let frames: usize =
        before.iter().filter(|(path, _)| path.to_string_lossy().ends_with(".dat")).map(|(_, b)| b.len()).sum();
    assert_eq!(kept, frames);
}

/// The log bears the database's name: at no moment is it another one's.
#[test]
fn r28_a_rename_takes_the_log_along_wherever_it_dies() {
    let case = "wal-killed-two-open";
    let renamed: Vec<Sent> = expected(case, "expected-events.tsv")
        .into_iter()
        .map(|(_, name, id, value_type, at, value, payload)| {
            ("cellar".to_owned(), name, id, value_type, at, value, payload)
        })
        .collect();
    let bench = golden(case);
    let locked = |bench: &Bench| LockedRoot::open(Path::new(ROOT), bench.config.clone(), &bench.options());
    bench.vfs.record_forks(true);
    locked(&bench).unwrap().rename_database("pi", "cellar").unwrap();
    let forks = bench.vfs.take_forks();
    assert!(events(&bench.vfs, ROOT) == renamed);
    assert!(!events_files(&bench.vfs, ROOT).contains_key(Path::new("cellar/pi.events.wal")));
    for fork in forks {
        for seed in 0..4 {
            let disk = bench.died(&fork, seed);
            let context = format!("operation {}, seed {seed}", fork.operation_count());
            let name = disk.paths().iter().any(|path| path.ends_with("pi/manifest.toml"));
            let (from, to) = if name { ("pi", "cellar") } else { ("cellar", "pi") };
            let found = events(&disk.vfs, ROOT);
            assert!(found.len() == renamed.len() && found.iter().all(|sent| sent.0 == from), "{context}");
            assert_eq!(problems(&disk), [], "{context}");
            // And again, over whatever is left.
            locked(&disk).unwrap().rename_database(from, to).unwrap();
            let found = events(&disk.vfs, ROOT);
            assert!(found.len() == renamed.len() && found.iter().all(|sent| sent.0 == to), "{context}, again");
        }
    }
}

/// A directory that was renamed or restored under another name: its log of events is the database's all the same.
#[test]
fn r22_the_log_of_a_directory_that_was_renamed_by_hand_is_adopted() {
    let case = "wal-killed-two-open";
    let bench = golden(case);
    let count = expected(case, "expected-events.tsv").len();
    bench.vfs.rename(&bench.path("pi"), &bench.path("house")).unwrap();
    bench.vfs.remove_file(&bench.path("house/pi.wal")).unwrap();
    assert_eq!(problems(&bench), []);
    bench.open().close().unwrap();
    assert_eq!(events(&bench.vfs, ROOT).len(), count);
    assert!(events_files(&bench.vfs, ROOT).contains_key(Path::new("house/house.events.wal")));
    // With two of them nobody knows which is which: both stay, and it is said.
    let log = bench.file("house/house.events.wal");
    bench.vfs.put(&bench.path("house/other.events.wal"), &log[..log.len() / 2]).unwrap();
    assert!(matches!(&problems(&bench)[..], [(file, ..)] if file == "house/other.events.wal"));
}

/// A destination of rollups is built anew beside the old one: its events go along.
#[test]
fn r28_a_backfill_keeps_the_events_of_its_destination() {
    let bench = golden("wal-killed-two-open");
    let mut manifest = Manifest::default();
    manifest.rollups.enabled = true;
    manifest.rollups.jobs.push(RollupJob {
        id: "hour".into(),
        source_metric: None,
        source_pattern: Some("*".into()),
        exclude_patterns: Vec::new(),
        interval: Some(std::time::Duration::from_secs(3_600)),
        aggregates: vec!["avg".into()],
        destination_db: Some("pi".into()),
        destination_metric_prefix: None,
        grace: None,
    });
    let text = manifest.to_toml();
    bench.vfs.create_dir_all(&bench.path("source")).unwrap();
    bench.vfs.put(&bench.path("source/manifest.toml"), text.as_bytes()).unwrap();
    let before = events_files(&bench.vfs, ROOT);
    bench.clock.set_wall(crate::common::oracle::START + DAY);
    let engine = bench.open();
    let start = crate::common::oracle::START - crate::common::oracle::START % (3_600 * 1_000_000_000);
    for minute in 0..180 {
        send(&engine, &[("source", "a", int(minute), start + i64::from(minute) * 60_000_000_000)]);
    }
    let report = engine.backfill_rollups(None, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(report.destinations.len(), 1, "{report:?}");
    assert!(report.destinations[0].samples > 0, "{report:?}");
    assert!(events_files(&bench.vfs, ROOT) == before);
    engine.close().unwrap();
    assert_events(&bench.vfs, ROOT, "wal-killed-two-open", "after the backfill");
}

fn sweep(engine: &Engine) -> MaintenanceReport {
    engine.trust_clock().unwrap();
    let report = engine.tick();
    assert_eq!(report.errors(), [""; 0]);
    report
}

/// Neither files of events nor rows of their log go, nor metrics beside them; what has none goes as ever.
#[test]
fn r28_retention_keeps_partitions_that_hold_events_and_says_so() {
    for case in ["clean-day", "wal-killed-two-open"] {
        for action in [RetentionAction::Delete, RetentionAction::Archive] {
            let bench = golden(case);
            let mut manifest = Manifest::default();
            manifest.retention.partition = "day".into();
            manifest.page.codec = "s2".into();
            bench.vfs.put(&bench.path("pi/manifest.toml"), manifest.to_toml().as_bytes()).unwrap();
            let before = events_files(&bench.vfs, ROOT);
            // 2026-05-22 and 23 have events; 20 has none.
            bench.clock.set_wall(1_779_235_200_000_000_000);
            let engine = bench.open();
            for day in [0, 2, 3] {
                send(&engine, &[("pi", "beside", int(day), 1_779_235_200_000_000_000 + i64::from(day) * DAY + 1)]);
            }
            engine.close().unwrap();
            manifest.retention.retention_days = 3;
            manifest.retention.retention_action = action;
            bench.vfs.put(&bench.path("pi/manifest.toml"), manifest.to_toml().as_bytes()).unwrap();
            bench.clock.set_wall(1_779_235_200_000_000_000 + 30 * DAY);
            let engine = bench.open();
            let report = sweep(&engine);
            let context = format!("{case}, {action:?}: {report:?}");
            let done = &report.databases[0];
            let removed: Vec<&str> = done.removed.iter().map(|removed| removed.partition.as_str()).collect();
            assert_eq!(removed, ["2026-05-20"], "{context}");
            let held: Vec<&str> = done.held.iter().map(|(part, _)| part.as_str()).collect();
            assert!(held.contains(&"2026-05-22") && held.contains(&"2026-05-23"), "{context}");
            assert!(done.held.iter().all(|(_, reason)| reason.contains("events")), "{context}");
            let plan = engine.maintenance_plan("pi").unwrap();
            assert_eq!((plan.remove.len(), plan.held.len()), (0, done.held.len()), "{context}");
            engine.close().unwrap();
            assert!(events_files(&bench.vfs, ROOT) == before, "{context}");
            assert_events(&bench.vfs, ROOT, case, "swept");
            assert!(bench.paths().iter().any(|path| path.ends_with("data-2026-05-22.dat")), "{context}");
        }
    }
}

#[test]
fn r28_checkpoints_are_written_over_no_file_of_events() {
    let defaults = Manifest::default();
    for name in
        ["events.json", "events-2026-05-22.dat", "pi.events.wal", "pi.events.log", "Events.JSON", "series.log", "x.tar"]
    {
        let text = format!("[rollups]\ncheckpoint_file = \"{name}\"\n");
        let error = Manifest::parse(&text, Path::new("manifest.toml"), &defaults).unwrap_err().to_string();
        assert!(error.contains("checkpoint_file") && error.contains(name), "{error}");
    }
    let text = "[rollups]\ncheckpoint_file = \"rollup.checkpoints.log\"\n";
    Manifest::parse(text, Path::new("manifest.toml"), &defaults).unwrap();
}

/// Opening, writing, and the end of a process leave them as they were.
#[test]
fn r28_a_server_changes_none_of_them() {
    for case in CASES {
        let bench = golden(case);
        let before = events_files(&bench.vfs, ROOT);
        let engine = bench.open();
        let now = 1_780_000_000_000_000_000;
        assert_eq!(try_send(&engine, &[("pi", "beside", int(1), now)]).unwrap().accepted, 1);
        engine.tick();
        engine.close().unwrap();
        assert!(events_files(&bench.vfs, ROOT) == before, "{case}");
    }
}
