//! Damage of every kind of file: what is whole is saved once, what is lost is told, and the source stays as it is.

use crate::common::bench::{Bench, Line, content_of, send};
use crate::common::oracle::{ROOT, START, content};
use crate::common::{Content, assert_same};
use crate::support::{ACTIONS, FORMATS, build, first_rows, late_rows, options, sealed, store};
use nanotdb_core::Error;
use nanotdb_core::config::{MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::Engine;
use nanotdb_core::maintenance::recover::{Damage, RecoverReport, RecoverRequest, recover};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::model::{Value, ValueType};
use nanotdb_core::storage::vfs::Vfs;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::path::{Path, PathBuf};

/// Recovers into `/new`, checks that the source is as before and the new root without problems, and reads it.
#[track_caller]
fn saved(bench: &Bench, context: &str) -> (RecoverReport, Content) {
    let before = bench.vfs.snapshot();
    let request = RecoverRequest { root: Path::new(ROOT), out: Path::new("/new"), database: None };
    let report = recover(request, bench.config.clone(), &bench.options(), &mut |_, _| {})
        .unwrap_or_else(|e| panic!("{context}: {e}"));
    let source: Vec<_> = bench.vfs.snapshot().into_iter().filter(|(path, _)| path.starts_with(ROOT)).collect();
    assert!(source == before.into_iter().collect::<Vec<_>>(), "{context}: the source was changed");
    assert_eq!(report.problems, [], "{context}");
    let checked = verify(Path::new("/new"), None, bench.config.clone(), bench.options()).unwrap();
    assert_eq!(checked.problems, [], "{context}");
    let engine = Engine::open_with(Path::new("/new"), bench.config.clone(), bench.options()).unwrap();
    assert_eq!(engine.health(), [], "{context}");
    let found = content(&engine);
    let rows: usize = found.values().map(Vec::len).sum();
    assert_eq!(report.databases.iter().map(|d| d.samples).sum::<u64>(), rows as u64, "{context}: {report:?}");
    (report, found)
}

/// Files, late rows in the log, and a metric file when asked for; the engine was killed.
fn damaged_later(format: Option<(MetricFileFormat, RawIngestAction)>) -> (Bench, Vec<Line>) {
    let bench = sealed(SimVfs::new(3), 10);
    let engine = bench.open();
    let mut lines = first_rows();
    store(&engine, &lines);
    if let Some((format, action)) = format {
        build(&engine, options(format, action)).unwrap();
    }
    for round in 0..2 {
        let late = late_rows(round);
        send(&engine, &late);
        lines.extend(late);
        if round == 0 {
            engine.flush().unwrap();
        }
    }
    bench.kill(engine);
    (bench, lines)
}

fn paths(bench: &Bench, part: &str) -> Vec<PathBuf> {
    bench.paths().into_iter().filter(|path| path.to_string_lossy().contains(part)).collect()
}

/// What is there is what was sent, without some rows; in order, none twice.
#[track_caller]
fn missing(found: &Content, lines: &[Line], context: &str) -> u64 {
    let mut missing = 0;
    for (series, sent) in content_of(lines) {
        let mut found = found.get(&series).map(Vec::as_slice).unwrap_or_default().iter().peekable();
        for sample in sent {
            match found.next_if(|f| f.timestamp == sample.timestamp && f.value.to_bits() == sample.value.to_bits()) {
                Some(_) => {}
                None => missing += 1,
            }
        }
        assert_eq!(found.next(), None, "{context}: {series:?} has a sample that was never sent, or twice");
    }
    missing
}

#[test]
fn a_whole_root_is_the_same_afterwards() {
    let mut cases = vec![None];
    cases.extend(FORMATS.iter().flat_map(|format| ACTIONS.map(|action| Some((*format, action)))));
    for case in cases {
        let (bench, lines) = damaged_later(case);
        let (report, found) = saved(&bench, &format!("{case:?}"));
        assert_same(&found, &content_of(&lines), &format!("{case:?}"));
        assert_eq!((report.lost, report.harmless), (vec![], vec![]), "{case:?}");
    }
}

/// One bit of every byte of every file, one at a time.
#[test]
fn any_flipped_bit_costs_at_most_what_is_told() {
    for case in [
        None,
        Some((MetricFileFormat::V3, RawIngestAction::Keep)),
        Some((MetricFileFormat::V2, RawIngestAction::Delete)),
    ] {
        let (bench, lines) = damaged_later(case);
        for path in
            bench.paths().into_iter().filter(|path| !path.ends_with(".lock") && !path.ends_with("manifest.toml"))
        {
            let len = bench.vfs.snapshot()[&path].len() as u64;
            for offset in (0..len).step_by(3) {
                let disk = bench.fork(bench.vfs.fork(offset));
                disk.vfs.corrupt(&path, offset, 1 << (offset % 8)).unwrap();
                let context = format!("{case:?}, {} byte {offset}", path.display());
                if path.ends_with("catalog.json") {
                    // Without a checksum a letter of a name may be another letter.
                    saved(&disk, &context);
                    continue;
                }
                let (report, found) = saved(&disk, &context);
                let missing = missing(&found, &lines, &context);
                assert!(missing == 0 || !report.lost.is_empty(), "{context}: {missing} rows are gone: {report:?}");
                assert!(
                    missing <= 18 || path.to_string_lossy().contains("metric-"),
                    "{context}: {missing} rows are gone"
                );
            }
        }
    }
}

#[test]
fn any_cut_file_is_saved_up_to_the_cut() {
    for case in [
        None,
        Some((MetricFileFormat::V1, RawIngestAction::Delete)),
        Some((MetricFileFormat::V3, RawIngestAction::Delete)),
    ] {
        let (bench, lines) = damaged_later(case);
        for path in bench.paths().into_iter().filter(|path| path.to_string_lossy().ends_with(".dat")) {
            let len = bench.vfs.snapshot()[&path].len() as u64;
            for to in (0..len).step_by(7) {
                let disk = bench.fork(bench.vfs.fork(to));
                disk.vfs.truncate(&path, to).unwrap();
                let context = format!("{case:?}, {} cut to {to}", path.display());
                let (report, found) = saved(&disk, &context);
                let missing = missing(&found, &lines, &context);
                // A data file that ends between two frames tells nothing of what was there.
                let is_told = !report.lost.is_empty() || !path.to_string_lossy().contains("metric-");
                assert!(missing == 0 || is_told, "{context}: {missing} rows are gone: {report:?}");
            }
        }
    }
}

#[test]
fn blocks_of_metric_files_without_a_directory_are_found() {
    for format in FORMATS {
        let (bench, lines) = damaged_later(Some((format, RawIngestAction::Delete)));
        for path in paths(&bench, "metric-") {
            let len = bench.vfs.snapshot()[&path].len() as u64;
            bench.vfs.corrupt(&path, len - 3, 0xff).unwrap();
            bench.vfs.corrupt(&path, 20, 0xff).unwrap();
        }
        let (report, found) = saved(&bench, &format!("{format:?}"));
        assert_same(&found, &content_of(&lines), &format!("{format:?}"));
        // Of version 3 nothing tells how long the directory was.
        let unknown = |damage: &Damage| format == MetricFileFormat::V3 && damage.what.contains("nothing says");
        assert!(report.lost.iter().all(unknown), "{format:?}: {report:?}");
        assert!(report.harmless.iter().any(|damage| damage.what.contains("found frame by frame")), "{report:?}");
    }
}

#[test]
fn a_lost_catalog_costs_names_and_nothing_else() {
    for format in [None, Some((MetricFileFormat::V2, RawIngestAction::Delete))] {
        let (bench, lines) = damaged_later(format);
        bench.vfs.remove_file(&bench.path("pi/catalog.json")).unwrap();
        let (report, found) = saved(&bench, "no catalog");
        // The log names `late`, which came when the catalog was written last.
        let unnamed = &report.databases[0].unnamed;
        assert!(!unnamed.is_empty() && unnamed.iter().all(|name| name.starts_with("recovered.metric_")), "{unnamed:?}");
        let values = |content: &Content| {
            let mut all: Vec<_> = content.values().cloned().collect();
            all.sort_by_key(|samples| samples.iter().map(|s| (s.timestamp, s.value.to_bits())).collect::<Vec<_>>());
            all
        };
        assert_eq!(values(&found), values(&content_of(&lines)), "types are told by the samples");
        assert!(report.lost.iter().any(|damage| damage.what.contains("recovered.metric_1")), "{report:?}");
    }
}

#[test]
fn a_torn_catalog_gives_the_names_that_are_left() {
    let (bench, lines) = damaged_later(None);
    let path = bench.path("pi/catalog.json");
    let len = bench.vfs.snapshot()[&path].len() as u64;
    bench.vfs.truncate(&path, len / 2).unwrap();
    let (report, found) = saved(&bench, "torn catalog");
    let rows = |content: &Content| content.values().map(Vec::len).sum::<usize>();
    assert_eq!(rows(&found), rows(&content_of(&lines)));
    let named: Vec<_> = found.keys().filter(|(_, name)| !name.starts_with("recovered.")).collect();
    assert!(!named.is_empty() && !report.databases[0].unnamed.is_empty(), "{named:?}");
    for series in named {
        assert_eq!(found[series], content_of(&lines)[series]);
    }
}

#[test]
fn a_manifest_that_cannot_be_read_is_written_anew() {
    let (bench, lines) = damaged_later(None);
    let path = bench.path("pi/manifest.toml");
    bench.vfs.remove_file(&path).unwrap();
    bench.vfs.put(&path, b"[retention\npartition = 5").unwrap();
    let (report, found) = saved(&bench, "manifest");
    assert_same(&found, &content_of(&lines), "manifest");
    assert!(report.lost.len() == 1 && report.lost[0].what.contains("written anew"), "{report:?}");
}

/// The bytes beside a damaged log hold batches that no catalog knew then.
#[test]
fn bytes_that_were_kept_are_looked_at() {
    let (bench, mut lines) = damaged_later(None);
    let engine = bench.open();
    let more: Vec<Line> = vec![("pi", "count", Value::Int32(77), START), ("pi", "level", Value::Float32(0.5), START)];
    send(&engine, &more);
    let batches = bench.file("pi/pi.wal");
    engine.close().unwrap();
    drop(engine);
    lines.extend(more);
    // As though they had been cut off: once they are in the data file, too, once there alone.
    bench.vfs.put(&bench.path("pi/pi.wal.damaged-0"), &batches).unwrap();
    let frame = bench.file("pi/data-2026-05-22.dat");
    bench.vfs.put(&bench.path("pi/data-2026-05-22.dat.damaged-40"), &frame).unwrap();
    let (_, found) = saved(&bench.fork(bench.vfs.fork(1)), "in both");
    assert_same(&found, &content_of(&lines), "in both");
    bench.vfs.remove_file(&bench.path("pi/data-2026-05-22.dat")).unwrap();
    let (_, found) = saved(&bench.fork(bench.vfs.fork(2)), "in the kept bytes alone");
    assert_same(&found, &content_of(&lines), "in the kept bytes alone");
}

#[test]
fn a_device_that_refuses_to_read_costs_what_it_refuses() {
    let (bench, lines) = damaged_later(None);
    let expected = content_of(&lines);
    let start = bench.vfs.read_count();
    let disk = bench.fork(bench.vfs.fork(1));
    saved(&disk, "counting");
    assert!(disk.vfs.read_count() > start + 20);
    for at in 1..60 {
        let disk = bench.fork(bench.vfs.fork(at));
        // Once: the second attempt succeeds.
        disk.vfs.fail_read_at(at);
        let request = RecoverRequest { root: Path::new(ROOT), out: Path::new("/new"), database: None };
        let report = match recover(request, disk.config.clone(), &disk.options(), &mut |_, _| {}) {
            Ok(report) => report,
            // Of the new root nothing is taken that cannot be read.
            Err(Error::Io { path, .. }) if path.starts_with("/new.partial") => {
                assert!(at > 20, "read {at}: {}", path.display());
                assert_eq!(disk.vfs.snapshot(), bench.vfs.snapshot(), "read {at}");
                continue;
            }
            Err(e) => panic!("read {at}: {e}"),
        };
        assert_eq!(report.lost, [], "read {at}");
        let engine = Engine::open_with(Path::new("/new"), disk.config.clone(), disk.options()).unwrap();
        assert_same(&content(&engine), &expected, &format!("read {at}"));
    }
}

#[test]
fn wide_values_and_samples_of_a_metric_that_widened_keep_their_type() {
    let bench = sealed(SimVfs::new(3), 10);
    let engine = bench.open();
    let mut lines = first_rows();
    store(&engine, &lines);
    let time = START;
    engine.add_sample("pi", "count", nanotdb_core::model::Number::integer(9_000_000_000), Some(time)).unwrap();
    engine.flush().unwrap();
    bench.kill(engine);
    lines.push(("pi", "count", Value::Int64(9_000_000_000), time));
    let count = ("pi".to_owned(), "count".to_owned());
    let expected: Vec<i64> = content_of(&lines)[&count].iter().map(|s| s.value.as_f64() as i64).collect();
    for lost in [false, true] {
        let disk = bench.fork(bench.vfs.fork(1));
        if lost {
            disk.vfs.remove_file(&disk.path("pi/catalog.json")).unwrap();
        }
        let (_, found) = saved(&disk, "wide");
        let wide = found.values().find(|samples| samples[0].value.value_type() == ValueType::Int64).unwrap();
        assert_eq!(wide.iter().map(|s| s.value.as_f64() as i64).collect::<Vec<_>>(), expected, "lost: {lost}");
    }
}

/// An archive whose entries come from the engine's own retention, with one damaged in it.
#[test]
fn of_a_damaged_archive_the_whole_entries_are_saved_and_the_rest_is_kept_aside() {
    use nanotdb_core::config::RetentionAction;
    use nanotdb_core::maintenance::archive::{Wanted, list, restore};
    const DAY: i64 = 86_400_000_000_000;
    let mut bench = Bench::new(nanotdb_core::config::FsyncPolicy::Always, 10);
    bench.config.manifest_defaults.retention.retention_action = RetentionAction::Archive;
    bench.config.manifest_defaults.retention.retention_days = 3;
    let start = START - START.rem_euclid(DAY);
    let engine = bench.open();
    let mut lines: Vec<Line> = Vec::new();
    for day in 0..5i32 {
        let at = start + i64::from(day) * DAY + 1;
        lines.push(("pi", ["a", "b", "c", "d", "e"][day as usize], crate::common::bench::int(day), at));
        send(&engine, &lines[day as usize..]);
    }
    engine.flush().unwrap();
    bench.clock.set_wall(start + 6 * DAY);
    engine.trust_clock().unwrap();
    assert_eq!(engine.tick().errors(), [""; 0]);
    assert_eq!(list(&engine, "pi").unwrap()[0].partitions.len(), 3);
    engine.close().unwrap();
    let bytes = bench.file("pi/archive-2026-05.tar");
    let path = bench.path("pi/archive-2026-05.tar");
    let second = bytes.windows(10).enumerate().filter(|(_, w)| w == b"data-2026-").map(|(at, _)| at).nth(1).unwrap();
    // In the content of the second entry; in the header of the third, behind which nothing is found; and whole, without the
    // catalog, so that the names of archived metrics are lost.
    for (context, at, without_catalog, left) in [
        ("content", Some(second + 512 + 20), false, 2),
        ("header", Some(second + 1024 + 124), false, 2),
        ("names", None, true, 3),
    ] {
        let broken = bench.fork(bench.vfs.fork(1));
        if let Some(at) = at {
            broken.vfs.corrupt(&path, at as u64, 0x11).unwrap();
        }
        if without_catalog {
            broken.vfs.put(&bench.path("pi/catalog.json"), b"{").unwrap();
        }
        let (report, _) = saved(&broken, context);
        let copy = broken.vfs.snapshot();
        let aside = Path::new("/new/pi/archive-2026-05.tar.damaged-0");
        assert_eq!(copy.contains_key(aside), at.is_some(), "{context}");
        if at.is_some() {
            assert!(copy[aside] == broken.file("pi/archive-2026-05.tar"), "{context}");
            assert!(report.lost.iter().any(|damage| damage.file == path), "{context}: {report:?}");
        }
        let mut config = broken.config.clone();
        config.manifest_defaults.retention.retention_action = RetentionAction::Keep;
        let manifest = Path::new("/new/pi/manifest.toml");
        let text = String::from_utf8(copy[manifest].clone()).unwrap();
        broken.vfs.put(manifest, text.replace("= \"archive\"", "= \"keep\"").as_bytes()).unwrap();
        let engine = Engine::open_with(Path::new("/new"), config, broken.options()).unwrap();
        let partitions = list(&engine, "pi").unwrap()[0].partitions.len();
        assert_eq!(partitions, left, "{context}: {report:?}");
        restore(&engine, "pi", Wanted::Bucket("2026-05")).unwrap();
        let found: usize = content(&engine).values().map(Vec::len).sum();
        assert_eq!(found, 2 + left, "{context}");
    }
}
