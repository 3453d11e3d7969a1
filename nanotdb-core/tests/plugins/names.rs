//! Whose partition a file is of: a partitioner of another kind hides no file and has none cut, and one that is gone takes no
//! row with it.

use crate::common::bench::{Bench, Line, SECOND, content_of, int, send};
use crate::common::{assert_same, read_all};
use crate::partitions::{LocalDay, Week};
use nanotdb_core::config::{FsyncPolicy, MetricFileFormat, RawIngestAction, RetentionAction};
use nanotdb_core::engine::{BuildOptions, Engine, Selection};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::plugin::conformance;
use nanotdb_core::plugin::{Partitioner, part_name};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

/// 2026-05-22T23:30:00Z, which is the 23rd two hours further east.
const LATE: i64 = 1_779_492_600_000_000_000;
/// 2026-05-22T12:00:00Z.
const NOON: i64 = 1_779_451_200_000_000_000;

/// 2026-04-21T12:00:00Z.
const APRIL: i64 = NOON - 31 * 86_400 * SECOND;

fn bench(partition: &str) -> Bench {
    let mut bench = Bench::new(FsyncPolicy::Always, 1_000);
    bench.config.manifest_defaults.retention.partition = partition.into();
    bench
}

fn close(engine: Engine) {
    engine.close().unwrap();
    drop(engine);
}

fn set_partition(bench: &Bench, to: &str) {
    let text = String::from_utf8(bench.file("pi/manifest.toml")).unwrap();
    let changed = text.lines().map(|line| {
        let is_it = line.trim_start().starts_with("partition =");
        if is_it { format!("partition = {to:?}\n") } else { format!("{line}\n") }
    });
    let changed: String = changed.collect();
    assert!(changed.contains(&format!("{to:?}")), "{text}");
    bench.vfs.put(&bench.path("pi/manifest.toml"), changed.as_bytes()).unwrap();
}

fn names(bench: &Bench) -> Vec<String> {
    let name = |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut names: Vec<_> = bench.paths().iter().map(name).filter(|name| name.ends_with(".dat")).collect();
    names.sort();
    names
}

fn rename(bench: &Bench, from: &str, to: &str) {
    let bytes = bench.file(&format!("pi/{from}"));
    bench.vfs.put(&bench.path(&format!("pi/{to}")), &bytes).unwrap();
    bench.options().vfs.remove_file(&bench.path(&format!("pi/{from}"))).unwrap();
}

fn ten(from: i64, value: i32) -> Vec<Line> {
    (0..10).map(|at| ("pi", "m", int(value + at), from + i64::from(at) * SECOND)).collect()
}

fn check_verify(bench: &Bench, context: &str) {
    let report = verify(Path::new("/root"), None, bench.config.clone(), bench.options()).unwrap();
    assert!(report.problems.is_empty(), "{context}: {:?}", report.problems);
}

#[test]
fn names_of_third_parties_carry_their_kind_and_ours_stay() {
    for (partition, expected) in [
        ("day", "data-2026-05-22.dat"),
        ("month", "data-2026-05.dat"),
        ("year", "data-2026.dat"),
        ("forever", "data-forever.dat"),
        ("local_day", "data-local_day~2026-05-23.dat"),
        ("week", "data-week~w2942.dat"),
    ] {
        let bench = bench(partition);
        let engine = bench.open();
        send(&engine, &ten(LATE, 0));
        close(engine);
        assert_eq!(names(&bench), [expected]);
        assert_same(&read_all(&bench.open()), &content_of(&ten(LATE, 0)), partition);
        check_verify(&bench, partition);
    }
    assert_eq!(part_name(&Week, Week.partition_of(NOON)), "week~w2942");
}

#[test]
fn the_kit_refuses_names_of_ours_for_other_times() {
    conformance::partitioner(&Week).unwrap();
    let error = conformance::partitioner(&LocalDay).unwrap_err();
    assert!(error.contains("names of day, month, year and forever mean what they mean there"), "{error}");
    assert!(error.contains("local_day_"), "the idiom: {error}");
}

/// The report: ten samples were invisible after the change, and cut off their file by the first flush.
#[test]
fn a_partitioner_with_the_same_names_neither_hides_rows_nor_has_them_cut() {
    let bench = bench("day");
    let engine = bench.open();
    let mut lines = ten(LATE, 0);
    send(&engine, &lines);
    close(engine);
    let before = bench.file("pi/data-2026-05-22.dat");
    set_partition(&bench, "local_day");
    let engine = bench.open();
    assert_same(&read_all(&engine), &content_of(&lines), "read by the other partitioner");
    let newest = engine.query_last("pi", "m").unwrap().unwrap();
    assert_eq!(newest.timestamp, LATE + 9 * SECOND);
    // The local day that the old file's name would be.
    let more: Vec<Line> = vec![("pi", "n", int(1), NOON), ("pi", "m", int(99), LATE + 60 * SECOND)];
    send(&engine, &more);
    lines.extend(more);
    engine.flush().unwrap();
    close(engine);
    assert_eq!(bench.file("pi/data-2026-05-22.dat"), before);
    let expected = ["data-2026-05-22.dat", "data-local_day~2026-05-22.dat", "data-local_day~2026-05-23.dat"];
    assert_eq!(names(&bench), expected);
    check_verify(&bench, "both kinds");
    set_partition(&bench, "day");
    let engine = bench.open();
    assert_same(&read_all(&engine), &content_of(&lines), "day again");
}

/// Before kinds were in the names, third parties' files had none.
#[test]
fn old_names_of_third_parties_are_read_and_written_on() {
    let bench = bench("week");
    let engine = bench.open();
    let mut lines = ten(NOON, 0);
    send(&engine, &lines);
    close(engine);
    rename(&bench, "data-week~w2942.dat", "data-w2942.dat");
    let engine = bench.open();
    assert_same(&read_all(&engine), &content_of(&lines), "old name");
    let more = ten(NOON + 60 * SECOND, 50);
    send(&engine, &more);
    lines.extend(more);
    close(engine);
    assert_eq!(names(&bench), ["data-w2942.dat"]);
    assert_same(&read_all(&bench.open()), &content_of(&lines), "old name, more rows");
    check_verify(&bench, "old name");
}

/// Which of two kinds wrote a file of the name that both give, what is in it says.
#[test]
fn an_old_name_that_two_kinds_give_is_of_the_one_whose_times_are_in_it() {
    let bench = bench("local_day");
    let engine = bench.open();
    let lines = ten(LATE, 0);
    send(&engine, &lines);
    close(engine);
    // The day of this name is the 23rd in UTC, which is over two hours later.
    rename(&bench, "data-local_day~2026-05-23.dat", "data-2026-05-23.dat");
    let engine = bench.open();
    assert_same(&read_all(&engine), &content_of(&lines), "by content");
    close(engine);
    check_verify(&bench, "by content");
    set_partition(&bench, "day");
    assert_same(&read_all(&bench.open()), &content_of(&lines), "by content, day configured");
}

fn build(engine: &Engine, action: RawIngestAction) {
    let options = BuildOptions::new(MetricFileFormat::V3, "", action).unwrap();
    for part in engine.partitions("pi").unwrap() {
        engine.build_metric_files("pi", Selection::Named(&part), options, &mut |_| ControlFlow::Continue(())).unwrap();
    }
}

/// W5: the program lacks the partitioner that named the files.
#[test]
fn rows_of_a_partitioner_that_is_gone_are_read_by_their_times() {
    for action in [None, Some(RawIngestAction::Keep), Some(RawIngestAction::Rename), Some(RawIngestAction::Delete)] {
        let context = format!("built {action:?}");
        let mut bench = bench("week");
        bench.clock.advance(Duration::from_secs(60 * 86_400));
        bench.config.manifest_defaults.retention.retention_days = 10;
        bench.config.manifest_defaults.retention.retention_action = RetentionAction::Keep;
        let engine = bench.open();
        let mut lines = ten(NOON, 0);
        lines.extend(ten(NOON + 20 * 86_400 * SECOND, 20));
        send(&engine, &lines);
        engine.flush().unwrap();
        if let Some(action) = action {
            build(&engine, action);
        }
        close(engine);
        let theirs = names(&bench);
        for name in &theirs {
            rename(&bench, name, &name.replace("week~", "gone~"));
        }
        let theirs = names(&bench);
        let text = String::from_utf8(bench.file("pi/manifest.toml")).unwrap();
        let text = text.replace("\"keep\"", "\"delete\"");
        bench.vfs.put(&bench.path("pi/manifest.toml"), text.as_bytes()).unwrap();
        set_partition(&bench, "day");
        let before: Vec<_> = theirs.iter().map(|name| bench.file(&format!("pi/{name}"))).collect();

        let engine = bench.open();
        assert_same(&read_all(&engine), &content_of(&lines), &context);
        // Law 7 holds over them.
        let mut older = nanotdb_core::engine::Batch::new();
        older.push("pi", "m", crate::common::bench::number(int(1)), Some(NOON + SECOND));
        let outcome = engine.write_batch(&mut older).unwrap();
        assert_eq!((outcome.accepted, outcome.rejected), (0, 1), "{context}");
        let newest = engine.query_last("pi", "m").unwrap().unwrap();
        assert_eq!(newest.timestamp, NOON + (20 * 86_400 + 9) * SECOND, "{context}");
        // Retention, builds and compaction leave them alone.
        let plan = engine.maintenance_plan("pi").unwrap();
        assert_eq!((plan.build.len(), plan.remove.len(), plan.unbelieved.len()), (0, 0, 0), "{context}: {plan:?}");
        engine.tick();
        let more = ten(NOON + 21 * 86_400 * SECOND, 50);
        send(&engine, &more);
        lines.extend(more);
        engine.flush().unwrap();
        assert_same(&read_all(&engine), &content_of(&lines), &context);
        close(engine);
        let after: Vec<_> = theirs.iter().map(|name| bench.file(&format!("pi/{name}"))).collect();
        assert_eq!(before, after, "{context}");
        check_verify(&bench, &context);
        let reader = bench.open_read_only();
        assert_same(&read_all(&reader), &content_of(&lines), &context);
        drop(reader);
        // And with the partitioner back, they are its own again.
        for name in &theirs {
            rename(&bench, name, &name.replace("gone~", "week~"));
        }
        set_partition(&bench, "week");
        assert_same(&read_all(&bench.open()), &content_of(&lines), &context);
    }
}

fn warnings_at(engine: &Engine, from: i64, to: i64) -> (usize, Vec<String>) {
    let mut rows = 0;
    let report = engine
        .query_range("pi", "m", from, to, 1, |_| {
            rows += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    (rows, report.warnings)
}

/// A frame whose checksum is good is no torn end, whatever its header says.
#[test]
fn a_whole_frame_of_another_time_is_kept_in_place_and_told_with_every_answer() {
    let bench = bench("month");
    let engine = bench.open();
    send(&engine, &ten(LATE, 0));
    close(engine);
    // Somebody renamed the file: no kind that this program knows gives this name for these times; `month` does for another month.
    rename(&bench, "data-2026-05.dat", "data-2026-04.dat");
    let bytes = bench.file("pi/data-2026-04.dat");
    let engine = bench.open();
    let new = ("pi", "m", int(5), APRIL);
    send(&engine, &[new]);
    engine.flush().unwrap();
    for (from, to, expected) in [(APRIL, APRIL + SECOND, 1), (LATE, LATE + SECOND, 0)] {
        let (rows, warnings) = warnings_at(&engine, from, to);
        assert_eq!(rows, expected);
        assert!(warnings.iter().any(|text| text.contains("kept and not read")), "{warnings:?}");
    }
    close(engine);
    assert!(bench.file("pi/data-2026-04.dat").starts_with(&bytes), "nothing was cut");
    let kept = bench.paths().into_iter().filter(|path| path.to_string_lossy().contains(".damaged-"));
    assert_eq!(kept.count(), 0, "nothing is damaged");
    let report = verify(Path::new("/root"), None, bench.config.clone(), bench.options()).unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
}
