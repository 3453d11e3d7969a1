//! What a sweep removes and what it leaves.

use crate::common::bench::{int, send, try_send};
use crate::common::oracle::ROOT;
use crate::support::{
    DAY, HOUR, MAY_20, check, check_verify, files, keeping, live, machine, names, partition_files, since, sweep,
    sweep_now,
};
use nanotdb_core::clock::Clock;
use nanotdb_core::config::{MetricFileFormat, RawIngestAction, RetentionAction};
use nanotdb_core::engine::{BuildOptions, Engine, Selection};
use nanotdb_core::storage::vfs::Vfs;
use nanotdb_core::storage::vfs::sim::Fault;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

/// 2099-01-01T00:00:00Z.
const FUTURE: i64 = 4_070_908_800_000_000_000;

fn days(n: i64) -> Duration {
    Duration::from_nanos((n * DAY) as u64)
}

#[test]
fn partitions_go_when_their_end_is_old_enough() {
    let bench = machine(keeping(3, RetentionAction::Delete, "day"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 6);
    // The clock stands at May 26 00:00. What ended at May 23 00:00 is three days old.
    assert_eq!(names(&sweep_now(&engine)), ["2026-05-20", "2026-05-21", "2026-05-22"]);
    check(&engine, &since(&lines, MAY_20 + 3 * DAY), "swept");
    assert_eq!(sweep(&engine), []);
    bench.clock.advance(days(1) - Duration::from_nanos(1));
    assert_eq!(names(&sweep_now(&engine)), Vec::<&str>::new(), "a nanosecond too early");
    bench.clock.advance(Duration::from_nanos(1));
    assert_eq!(names(&sweep_now(&engine)), ["2026-05-23"]);
    engine.close().unwrap();
    let engine = bench.open();
    check(&engine, &since(&lines, MAY_20 + 4 * DAY), "after a restart");
    check_verify(&bench, "swept");
}

/// reliability.md 14: the start of a month is older than the days that are kept long before its last day is.
#[test]
fn r14_a_month_goes_when_its_last_day_does() {
    let bench = machine(keeping(10, RetentionAction::Delete, "month"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 13);
    // June 2: May 20 is 13 days old, May 31 two.
    assert_eq!(sweep_now(&engine), []);
    bench.clock.advance(days(9) - Duration::from_nanos(1));
    assert_eq!(sweep_now(&engine), [], "May ended less than ten days ago");
    check(&engine, &lines, "all of May is kept");
    bench.clock.advance(Duration::from_nanos(1));
    assert_eq!(names(&sweep_now(&engine)), ["2026-05"]);
    check(&engine, &since(&lines, MAY_20 + 12 * DAY), "June is kept");
}

#[test]
fn nothing_of_a_database_without_an_action_and_nothing_of_a_partition_without_an_end_goes() {
    for (action, partition) in [(RetentionAction::Keep, "day"), (RetentionAction::Delete, "forever")] {
        let bench = machine(keeping(1, action, partition), MAY_20);
        let engine = bench.open();
        let lines = live(&bench, &engine, 5);
        assert_eq!(sweep_now(&engine), []);
        check(&engine, &lines, partition);
        assert!(engine.add_sample("pi", "count", int(5), Some(MAY_20 + 4 * DAY + 20 * HOUR)).is_ok());
    }
    let bench = machine(keeping(1, RetentionAction::Keep, "day"), MAY_20);
    let engine = bench.open();
    live(&bench, &engine, 3);
    assert!(engine.tick().errors().is_empty());
    engine.close().unwrap();
    assert_eq!(bench.vfs.entry(&bench.path(".clock")).unwrap(), None, "no file that nobody needs");
}

/// reliability.md 9: what was sent with a time in the future is not "now".
#[test]
fn r09_future_dated_samples_make_nothing_expire() {
    let bench = machine(keeping(3, RetentionAction::Delete, "day"), MAY_20);
    let engine = bench.open();
    let mut lines = live(&bench, &engine, 3);
    engine.trust_clock().unwrap();
    let future = [("pi", "sunny", int(1), FUTURE), ("pi", "sunny", int(2), FUTURE + 400 * DAY)];
    send(&engine, &future);
    lines.extend(future);
    assert_eq!(sweep_now(&engine), []);
    engine.flush().unwrap();
    assert_eq!(sweep_now(&engine), []);
    check(&engine, &lines, "all is there");
    engine.close().unwrap();
    let engine = bench.open();
    assert_eq!(sweep_now(&engine), []);
    check(&engine, &lines, "after a restart");
    // Today's ingest goes on.
    send(&engine, &[("pi", "count", int(1_000_000), bench.clock.now())]);
}

/// reliability.md 9: the default refuses them from a live sender, and says by how much they are ahead.
#[test]
fn r09_samples_too_far_ahead_are_refused_with_the_distance() {
    let mut config = keeping(3, RetentionAction::Keep, "day");
    config.limits = nanotdb_core::config::EngineConfig::default().limits;
    let bench = machine(config, MAY_20);
    let engine = bench.open();
    let minute = HOUR / 60;
    send(&engine, &[("pi", "count", int(1), MAY_20 + 10 * minute)]);
    let refused = try_send(&engine, &[("pi", "level", int(2), MAY_20 + 25 * HOUR + 30 * minute)]).unwrap();
    assert_eq!((refused.accepted, refused.rejected), (0, 1));
    let reason = &refused.rejections[0].reason;
    assert!(reason.contains("25h30m ahead of the clock") && reason.contains("limits.max_future = 10m"), "{reason}");
    let mut batch = nanotdb_core::engine::Batch::new();
    batch.take_any_time();
    batch.push("pi", "level", int(2), Some(MAY_20 + 25 * HOUR));
    assert_eq!(engine.write_batch(&mut batch).unwrap().accepted, 1);
    // A metric that was imported ahead of the clock goes on from there, also after a restart; none gets there in steps.
    let accepted = |engine: &nanotdb_core::engine::Engine, metric, at| {
        try_send(engine, &[("pi", metric, int(3), at)]).unwrap().accepted
    };
    assert_eq!(accepted(&engine, "count", MAY_20 + 11 * minute), 0);
    assert_eq!(accepted(&engine, "level", MAY_20 + 25 * HOUR + 5 * minute), 1);
    engine.close().unwrap();
    let engine = bench.open();
    assert_eq!(accepted(&engine, "level", MAY_20 + 25 * HOUR + 10 * minute), 1);
    assert_eq!(accepted(&engine, "level", MAY_20 + 25 * HOUR + 21 * minute), 0);
}

/// reliability.md 9 and 10: a clock that leaps, with restarts in between, and comes back.
#[test]
fn r09_a_clock_that_leaps_and_comes_back_has_removed_nothing() {
    let bench = machine(keeping(3, RetentionAction::Delete, "day"), MAY_20);
    let mut engine = bench.open();
    let lines = live(&bench, &engine, 3);
    engine.trust_clock().unwrap();
    for hour in 0..20 {
        // Right time goes on, and the wall clock shows 2099.
        bench.clock.set_wall(FUTURE + hour * HOUR);
        assert_eq!(sweep(&engine), [], "hour {hour}");
        bench.clock.advance(Duration::from_secs(3_600));
        if hour % 7 == 6 {
            engine.close().unwrap();
            engine = bench.open();
            assert_eq!(sweep(&engine), [], "hour {hour}, restarted");
        }
    }
    bench.clock.set_wall(MAY_20 + 3 * DAY + 20 * HOUR);
    assert_eq!(sweep(&engine), []);
    check(&engine, &lines, "the clock is right again");
    // Back in 1970: nothing comes back, nothing breaks.
    bench.clock.set_wall(0);
    assert_eq!(sweep(&engine), []);
    send(&engine, &[("pi", "count", int(5), MAY_20 + 3 * DAY + 21 * HOUR)]);
    bench.clock.set_wall(MAY_20 + 5 * DAY);
    assert_eq!(names(&sweep_now(&engine)), ["2026-05-20", "2026-05-21"]);
}

#[test]
fn a_leap_that_stays_for_a_day_is_believed_and_a_new_root_waits_for_a_day() {
    let bench = machine(keeping(3, RetentionAction::Delete, "day"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 3);
    bench.clock.set_wall(MAY_20 + 40 * DAY);
    for hour in 0..24 {
        assert_eq!(sweep(&engine), [], "hour {hour}");
        bench.clock.advance(Duration::from_secs(3_600));
    }
    check(&engine, &lines, "before");
    assert_eq!(names(&sweep(&engine)), ["2026-05-20", "2026-05-21", "2026-05-22"]);
    check(&engine, &[], "after");
}

#[test]
fn metrics_keep_their_ids_and_have_no_last_value_when_nothing_is_left() {
    let bench = machine(keeping(2, RetentionAction::Delete, "day"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 4);
    let before = engine.metrics("pi").unwrap();
    assert_eq!(names(&sweep_now(&engine)), ["2026-05-20", "2026-05-21"]);
    assert_eq!(engine.metrics("pi").unwrap(), before);
    assert_eq!(engine.query_last("pi", "gone").unwrap(), None);
    check(&engine, &since(&lines, MAY_20 + 2 * DAY), "swept");
    // Stating its type is no sample.
    let mut batch = nanotdb_core::engine::Batch::new();
    use nanotdb_core::plugin::SampleSink;
    batch.declare(1, b"pi", b"gone", nanotdb_core::model::ValueType::Int64);
    batch.push("pi", "other", int(1), Some(bench.clock.now()));
    assert_eq!(engine.write_batch(&mut batch).unwrap().rejected, 0);
    assert_eq!(engine.query_last("pi", "gone").unwrap(), None);
    engine.close().unwrap();
    let engine = bench.open();
    let ids = |engine: &Engine| engine.metrics("pi").unwrap().into_iter().map(|m| (m.name, m.id)).collect::<Vec<_>>();
    let old: Vec<_> = before.iter().map(|m| (m.name.clone(), m.id)).collect();
    assert!(old.iter().all(|metric| ids(&engine).contains(metric)), "{old:?}");
    engine.add_sample("pi", "gone", int(9), None).unwrap();
    engine.add_sample("pi", "brand.new", int(9), None).unwrap();
    assert!(ids(&engine).iter().filter(|(_, id)| old.iter().any(|(_, o)| o == id)).count() == old.len());
}

#[test]
fn samples_of_an_expired_partition_are_refused_and_order_is_kept() {
    let bench = machine(keeping(2, RetentionAction::Delete, "day"), MAY_20);
    let engine = bench.open();
    live(&bench, &engine, 4);
    sweep_now(&engine);
    let outcome = try_send(&engine, &[("pi", "gone", int(1), MAY_20 + 22 * HOUR)]).unwrap();
    assert_eq!(outcome.rejected, 1);
    let reason = &outcome.rejections[0].reason;
    assert!(reason.contains("2026-05-20") && reason.contains("retention_days = 2"), "{reason}");
    // Of the partitions that are kept, a metric's samples still come in order.
    send(&engine, &[("pi", "gone", int(2), MAY_20 + 3 * DAY)]);
    assert_eq!(try_send(&engine, &[("pi", "gone", int(3), MAY_20 + 2 * DAY)]).unwrap().rejected, 1);
    engine.close().unwrap();
    let engine = bench.open();
    assert_eq!(
        try_send(&engine, &[("pi", "gone", int(1), MAY_20 + 22 * HOUR)]).unwrap().rejected,
        1,
        "after a restart"
    );
    assert_eq!(try_send(&engine, &[("pi", "count", int(3), MAY_20 + 2 * DAY)]).unwrap().rejected, 1);
}

#[test]
fn the_whole_family_goes_with_open_pages_and_rows_of_the_wal() {
    let bench = machine(keeping(2, RetentionAction::Delete, "day"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 4);
    for (format, action) in
        [(MetricFileFormat::V2, RawIngestAction::Rename), (MetricFileFormat::V3, RawIngestAction::Keep)]
    {
        let part = if format == MetricFileFormat::V2 { "2026-05-20" } else { "2026-05-21" };
        let options = BuildOptions::new(format, "", action).unwrap();
        engine.build_metric_files("pi", Selection::Named(part), options, &mut |_| ControlFlow::Continue(())).unwrap();
    }
    // Late rows, one of them in the log alone.
    send(&engine, &[("pi", "gone", int(8), MAY_20 + 23 * HOUR)]);
    engine.flush().unwrap();
    send(&engine, &[("pi", "gone", int(9), MAY_20 + 23 * HOUR)]);
    bench.vfs.put(&bench.path("pi/data-2026-05-20.dat.damaged-77"), b"kept").unwrap();
    bench.vfs.put(&bench.path("pi/events-2026-05-20.dat"), b"of the original").unwrap();
    let had = partition_files(&bench);
    for name in ["built-2026-05-20.sources", "raw-2026-05-20.dat", "data-2026-05-20.dat", "metric-2026-05-21.dat"] {
        assert!(had.iter().any(|file| file == name), "{name} of {had:?}");
    }
    // Events are kept, with everything of their partition.
    assert_eq!(names(&sweep_now(&engine)), ["2026-05-21"]);
    assert!(had.iter().all(|file| !file.contains("2026-05-20") || partition_files(&bench).contains(file)), "{had:?}");
    bench.vfs.remove_file(&bench.path("pi/events-2026-05-20.dat")).unwrap();
    let removed = sweep_now(&engine);
    assert_eq!(names(&removed), ["2026-05-20"]);
    assert_eq!(removed[0].files, 5);
    assert_eq!(partition_files(&bench), ["data-2026-05-22.dat", "data-2026-05-23.dat"]);
    assert!(!files(&bench).iter().any(|name| name.contains("journal") || name.ends_with(".tmp")));
    check(&engine, &since(&lines, MAY_20 + 2 * DAY), "swept");
    bench.kill(engine);
    check(&bench.open(), &since(&lines, MAY_20 + 2 * DAY), "and killed");
}

#[test]
fn a_gate_holds_what_somebody_still_needs() {
    let bench = machine(keeping(2, RetentionAction::Delete, "day"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 5);
    let held = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = std::sync::Arc::clone(&held);
    engine.add_retention_gate(Box::new(move |database, partition| {
        let holds = asked.load(std::sync::atomic::Ordering::SeqCst) && partition.start == MAY_20 + DAY;
        (database == "pi" && holds).then(|| "not rolled up".to_owned())
    }));
    engine.trust_clock().unwrap();
    let report = engine.tick();
    assert_eq!(names(&report.databases[0].removed), ["2026-05-20", "2026-05-22"]);
    assert_eq!(report.databases[0].held, [("2026-05-21".to_owned(), "not rolled up".to_owned())]);
    let left: Vec<_> =
        lines.iter().filter(|l| l.3 / DAY != MAY_20 / DAY && l.3 / DAY != MAY_20 / DAY + 2).copied().collect();
    check(&engine, &left, "held");
    held.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(names(&sweep(&engine)), ["2026-05-21"]);
}

#[test]
fn a_sweep_makes_room_on_a_full_disk() {
    let bench = machine(keeping(2, RetentionAction::Delete, "day"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 4);
    engine.flush().unwrap();
    engine.trust_clock().unwrap();
    bench.vfs.set_capacity(Some(bench.vfs.used()));
    let report = engine.tick();
    assert_eq!(names(&report.databases[0].removed), ["2026-05-20", "2026-05-21"], "{report:?}");
    check(&engine, &since(&lines, MAY_20 + 2 * DAY), "swept");
    bench.vfs.set_capacity(None);
    bench.kill(engine);
    check(&bench.open(), &since(&lines, MAY_20 + 2 * DAY), "killed");
}

/// `nanocli maintain --trust-clock` on a disk without room for `.clock`.
#[test]
fn a_clock_is_believed_on_a_full_disk_and_saved_when_there_is_room() {
    let bench = machine(keeping(2, RetentionAction::Delete, "day"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 4);
    engine.flush().unwrap();
    let has_clock = || bench.vfs.read_dir(Path::new(ROOT)).unwrap().iter().any(|e| e.name == ".clock");
    bench.vfs.set_capacity(Some(bench.vfs.used()));
    assert_eq!(names(&sweep_now(&engine)), ["2026-05-20", "2026-05-21"]);
    check(&engine, &since(&lines, MAY_20 + 2 * DAY), "swept");
    assert!(!has_clock());
    bench.vfs.set_capacity(None);
    engine.close().unwrap();
    assert!(has_clock());
    check_verify(&bench, "swept");
}

#[test]
fn an_error_is_tried_again_and_other_databases_go_on() {
    let bench = machine(keeping(2, RetentionAction::Delete, "day"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 4);
    let other: Vec<_> = lines.iter().map(|l| ("zero", l.1, l.2, l.3)).collect();
    send(&engine, &other);
    engine.flush().unwrap();
    engine.trust_clock().unwrap();
    // The first thing that a sweep writes is the journal.
    bench.vfs.fail_at(1, Fault::Eio);
    let report = engine.tick();
    bench.vfs.clear_faults();
    assert_eq!(report.errors().len(), 1, "{report:?}");
    let zero = report.databases.iter().find(|d| d.database == "zero").unwrap();
    assert_eq!(names(&zero.removed), ["2026-05-20", "2026-05-21"]);
    sweep(&engine);
    assert_eq!(partition_files(&bench), ["data-2026-05-22.dat", "data-2026-05-23.dat"]);
}

#[test]
fn a_query_that_began_before_the_sweep_ends_as_it_began() {
    let bench = machine(keeping(2, RetentionAction::Delete, "month"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 20);
    engine.flush().unwrap();
    bench.clock.advance(days(10));
    engine.trust_clock().unwrap();
    let mut seen = 0;
    engine
        .query_range("pi", "count", i64::MIN, i64::MAX, 1, |_| {
            if seen == 0 {
                assert_eq!(names(&sweep(&engine)), ["2026-05"]);
            }
            seen += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    // The files of May were open when it began.
    assert_eq!(seen, lines.iter().filter(|l| l.1 == "count").count());
    check(&engine, &since(&lines, MAY_20 + 12 * DAY), "swept");
}

#[test]
fn a_reader_beside_the_server_sees_the_old_or_the_new() {
    let bench = machine(keeping(2, RetentionAction::Delete, "day"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 4);
    engine.flush().unwrap();
    let reader = bench.open_read_only();
    engine.trust_clock().unwrap();
    sweep(&engine);
    check(&bench.open_read_only(), &since(&lines, MAY_20 + 2 * DAY), "a reader that came later");
    let old = crate::common::read(&reader, "pi", "count");
    assert!(old.len() == 6, "a reader that was there before: {old:?}");
    assert_eq!(bench.vfs.read_dir(Path::new(ROOT)).unwrap().iter().filter(|e| e.name == ".clock").count(), 1);
}

#[test]
fn many_expired_partitions_go_over_several_rounds() {
    let bench = machine(keeping(5, RetentionAction::Delete, "day"), MAY_20);
    let engine = bench.open();
    let lines = live(&bench, &engine, 80);
    engine.trust_clock().unwrap();
    assert_eq!([0, 1, 2, 3].map(|_| sweep(&engine).len()), [32, 32, 11, 0]);
    check(&engine, &since(&lines, MAY_20 + 75 * DAY), "swept");
}
