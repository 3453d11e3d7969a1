//! Buckets as time goes by: when they are emitted, offline collectors, late samples, clocks that leap.

use crate::common::read;
use crate::support::{Bench, DAY, HOUR, MINUTE, SECOND, START, Spec, check};
use nanotdb_core::engine::Engine;
use nanotdb_core::model::{Value, ValueType};

const HOURLY: &str = r#"
[rollups]
enabled = true
default_grace = "5m"
default_interval = "1h"
default_destination_db = "pi_1h"
default_aggregates = ["min", "max", "sum", "avg", "count", "p95"]
[[rollups.jobs]]
id = "all"
source_pattern = "*"
exclude_patterns = ["*.debug"]
"#;
const AGGREGATES: [&str; 6] = ["min", "max", "sum", "avg", "count", "p95"];

fn hourly(bench: &Bench) -> Engine {
    bench.manifest("pi", HOURLY);
    bench.open()
}

fn write(engine: &Engine, metric: &str, at: i64, value: f64) {
    engine.add_sample("pi", metric, Value::Float32(value as f32), Some(at)).unwrap();
}

fn spec(due: i64) -> Spec<'static> {
    Spec { source: "pi", destination: "pi_1h", interval: HOUR, due, aggregates: &AGGREGATES }
}

#[test]
fn a_bucket_is_emitted_when_the_clock_has_passed_its_end_and_the_grace() {
    let bench = Bench::new(1);
    let engine = hourly(&bench);
    for minute in 0..61 {
        bench.advance_to(START + minute * MINUTE);
        write(&engine, "a", START + minute * MINUTE, minute as f64);
        write(&engine, "a.debug", START + minute * MINUTE, 1.0);
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    }
    bench.advance_to(START + 65 * MINUTE - 1);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert!(!engine.has_database("pi_1h"), "the grace is not over");
    bench.advance(1);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    check(&engine, &spec(START + HOUR), "a", "after the grace");
    let [first] = read(&engine, "pi_1h", "a.avg")[..] else { panic!() };
    assert_eq!((first.timestamp, first.value), (START, Value::Float32(29.5)), "stamped with the start");
    let names: Vec<_> = engine.metrics("pi_1h").unwrap().into_iter().map(|m| m.name).collect();
    assert_eq!(names, ["a.avg", "a.count", "a.max", "a.min", "a.p95", "a.sum"]);
    let manifest = bench.text("pi_1h/manifest.toml");
    for line in ["partition = \"month\"", "max_age = \"24h\"", "enabled = false"] {
        assert!(manifest.contains(line), "{line} in {manifest}");
    }
}

#[test]
fn a_collector_that_was_offline_gets_its_buckets_when_it_sends() {
    let bench = Bench::new(2);
    let engine = hourly(&bench);
    for minute in 0..300 {
        bench.advance_to(START + minute * MINUTE);
        write(&engine, "steady", START + minute * MINUTE, minute as f64);
        if minute < 30 {
            write(&engine, "offline", START + minute * MINUTE, 1.0);
        }
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    }
    check(&engine, &spec(START + 4 * HOUR), "steady", "before");
    check(&engine, &spec(START + 4 * HOUR), "offline", "before");
    // What it kept from 01:10 on, all at once.
    for minute in 70..290 {
        write(&engine, "offline", START + minute * MINUTE, 2.0);
    }
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    check(&engine, &spec(START + 4 * HOUR), "offline", "what it sent is rolled up at once");
    assert_eq!(engine.rollup_counters().late_samples, 0);
}

#[test]
fn what_is_sent_in_pieces_is_not_rolled_up_in_the_middle_of_a_bucket() {
    let bench = Bench::new(12);
    let engine = hourly(&bench);
    bench.advance_to(START + 10 * HOUR);
    // An import of the past, while buckets are looked for every second.
    for minute in 0..210 {
        write(&engine, "old", START + minute * MINUTE, minute as f64);
        bench.advance(SECOND);
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    }
    check(&engine, &spec(START + 3 * HOUR), "old", "complete buckets are there");
    bench.advance(5 * MINUTE);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    check(&engine, &spec(START + 4 * HOUR), "old", "and the last one, when nothing came for the grace");
    assert_eq!(engine.rollup_counters().late_samples, 0);
}

#[test]
fn samples_that_come_into_an_emitted_bucket_are_counted() {
    let bench = Bench::new(3);
    let engine = hourly(&bench);
    write(&engine, "a", START + MINUTE, 1.0);
    bench.advance_to(START + HOUR + 5 * MINUTE);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    write(&engine, "a", START + 2 * MINUTE, 2.0);
    write(&engine, "a", START + 3 * MINUTE, 3.0);
    let source = engine.roll_up().unwrap().sources.remove(0);
    assert_eq!(source.late.len(), 1);
    let late = &source.late[0];
    assert_eq!((late.job.as_str(), late.destination.as_str(), late.metrics, late.samples), ("all", "pi_1h", 1, 2));
    // One more, together with the first of a bucket that is still open: the former is late.
    write(&engine, "a", START + 4 * MINUTE, 4.0);
    write(&engine, "a", START + HOUR, 5.0);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(engine.rollup_counters().late_samples, 3);
    assert_eq!(read(&engine, "pi_1h", "a.count")[0].value, Value::Int32(1), "no bucket is emitted twice");
    bench.advance_to(START + 2 * HOUR + 5 * MINUTE);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(read(&engine, "pi_1h", "a.count").len(), 2);
    assert_eq!(engine.rollup_counters().late_samples, 3);
}

#[test]
fn late_samples_are_counted_after_a_restart_too() {
    let bench = Bench::new(4);
    let engine = hourly(&bench);
    write(&engine, "a", START + MINUTE, 1.0);
    bench.advance_to(START + HOUR + 5 * MINUTE);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    engine.close().unwrap();
    let engine = bench.open();
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    write(&engine, "a", START + 2 * MINUTE, 2.0);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(engine.rollup_counters().late_samples, 1);
}

/// Buckets of all jobs are counted in one pass, in which a metric is then several times.
#[test]
fn late_samples_are_counted_for_each_of_two_jobs() {
    let bench = Bench::new(13);
    let second = "[[rollups.jobs]]\nid = \"again\"\nsource_pattern = \"*\"\ndestination_db = \"pi_again\"\n";
    bench.manifest("pi", &format!("{HOURLY}{second}"));
    let engine = bench.open();
    let metrics = ["a", "b", "c"];
    metrics.iter().for_each(|metric| write(&engine, metric, START + MINUTE, 1.0));
    bench.advance_to(START + HOUR + 5 * MINUTE);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    metrics.iter().for_each(|metric| write(&engine, metric, START + 2 * MINUTE, 2.0));
    write(&engine, "a", START + 3 * MINUTE, 3.0);
    // In pages, not in memory.
    engine.flush().unwrap();
    let mut late = engine.roll_up().unwrap().sources.remove(0).late;
    late.sort_by(|a, b| a.job.cmp(&b.job));
    let found: Vec<_> = late.iter().map(|late| (late.job.as_str(), late.metrics, late.samples)).collect();
    assert_eq!(found, [("again", 3, 4), ("all", 3, 4)]);
}

#[test]
fn a_clock_that_leaps_and_steps_back_neither_doubles_nor_loses_a_bucket() {
    let bench = Bench::new(5);
    let engine = hourly(&bench);
    write(&engine, "a", START + MINUTE, 1.0);
    bench.advance_to(START + 10 * MINUTE);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    bench.clock.set_wall(START + 400 * DAY);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert!(!engine.has_database("pi_1h"), "not believed at once");
    bench.advance(MINUTE);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(read(&engine, "pi_1h", "a.count").len(), 1, "as that clock has it, the bucket is over");
    bench.clock.set_wall(START + 11 * MINUTE);
    for minute in 11..200 {
        bench.advance_to(START + minute * MINUTE);
        write(&engine, "a", START + minute * MINUTE, 1.0);
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    }
    let counts: Vec<_> = read(&engine, "pi_1h", "a.count").iter().map(|s| (s.timestamp, s.value)).collect();
    let expected = [(START, Value::Int32(1)), (START + HOUR, Value::Int32(60)), (START + 2 * HOUR, Value::Int32(60))];
    assert_eq!(counts, expected);
    assert_eq!(engine.rollup_counters().late_samples, 49, "the rest of the bucket that was emitted early");
}

#[test]
fn cascades_wait_for_what_feeds_them() {
    let bench = Bench::new(6);
    bench.manifest("pi", HOURLY);
    // No grace, so that by its own clock it would come before the last hour of the day.
    let daily = r#"
[rollups]
enabled = true
[[rollups.jobs]]
id = "days"
source_pattern = "*.sum"
interval = "1d"
aggregates = ["sum", "count"]
destination_db = "pi_1d"
"#;
    bench.manifest("pi_1h", daily);
    let engine = bench.open();
    for minute in 0..2 * 24 * 6 {
        let at = START + minute * 10 * MINUTE;
        bench.advance_to(at);
        write(&engine, "a", at, 2.0);
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    }
    bench.advance_to(START + 2 * DAY + 4 * MINUTE);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    let spec = |due| Spec { source: "pi_1h", destination: "pi_1d", interval: DAY, due, aggregates: &["sum", "count"] };
    check(&engine, &spec(START + DAY), "a.sum", "the last hour is not there yet");
    bench.advance(MINUTE);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    check(&engine, &spec(START + 2 * DAY), "a.sum", "it is");
    assert_eq!(read(&engine, "pi_1d", "a.sum.count")[1].value, Value::Int32(24));
    assert_eq!(read(&engine, "pi_1d", "a.sum.sum")[1].value, Value::Float32(288.0));
    assert_eq!(engine.rollup_counters().late_samples, 0);
    assert!(bench.text("pi_1d/manifest.toml").contains("partition = \"year\""));
}

#[test]
fn databases_in_a_ring_are_named_and_the_others_go_on() {
    let bench = Bench::new(7);
    let job = |destination: &str| {
        format!(
            "[rollups]\nenabled = true\n[[rollups.jobs]]\nid = \"j\"\nsource_pattern = \"*\"\ninterval = \"1h\"\n\
             aggregates = [\"avg\"]\ndestination_db = \"{destination}\"\n"
        )
    };
    bench.manifest("a", &job("b"));
    bench.manifest("b", &job("a"));
    bench.manifest("pi", &job("pi_1h"));
    let engine = bench.open();
    for database in ["a", "b", "pi"] {
        engine.add_sample(database, "m", Value::Int32(7), Some(START)).unwrap();
    }
    bench.advance(3 * HOUR);
    let report = engine.roll_up().unwrap();
    assert_eq!(report.problems.len(), 1);
    assert!(report.problems[0].contains("a -> b -> a"), "{:?}", report.problems);
    assert_eq!(engine.metrics("a").unwrap().len(), 1);
    assert_eq!(read(&engine, "pi_1h", "m.avg")[0].value, Value::Float32(7.0));
}

#[test]
fn two_jobs_may_make_the_same_and_not_different_things_under_one_name() {
    let bench = Bench::new(8);
    // The seed's own example: one metric is taken by both jobs, the second adds an aggregate.
    let both = r#"
[rollups]
enabled = true
default_interval = "1h"
default_destination_db = "pi_1h"
default_aggregates = ["min"]
[[rollups.jobs]]
id = "all"
source_pattern = "*"
[[rollups.jobs]]
id = "more"
source_metric = "a"
aggregates = ["min", "sum"]
[[rollups.jobs]]
id = "clash"
source_metric = "b"
destination_metric_prefix = "a"
"#;
    bench.manifest("pi", both);
    let engine = bench.open();
    write(&engine, "a", START, 3.0);
    write(&engine, "b", START, 4.0);
    bench.advance(HOUR);
    let report = engine.roll_up().unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert!(report.problems[0].contains("pi_1h/a.min") && report.problems[0].contains("clash"));
    for (name, value) in [("a.min", 3.0), ("a.sum", 3.0), ("b.min", 4.0)] {
        let found = read(&engine, "pi_1h", name);
        assert_eq!(found.iter().map(|s| s.value).collect::<Vec<_>>(), [Value::Float32(value)], "{name}");
    }
}

#[test]
fn values_that_need_64_bits_have_them() {
    let bench = Bench::new(9);
    let engine = hourly(&bench);
    let bytes = (1i64 << 53) - 1;
    engine.add_sample("pi", "bytes", Value::Int64(bytes), Some(START)).unwrap();
    engine.add_sample("pi", "huge", Value::Float32(3e38), Some(START)).unwrap();
    engine.add_sample("pi", "huge", Value::Float32(3e38), Some(START + SECOND)).unwrap();
    bench.advance(HOUR + 5 * MINUTE);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(read(&engine, "pi_1h", "bytes.max")[0].value, Value::Int64(bytes));
    assert_eq!(read(&engine, "pi_1h", "bytes.count")[0].value, Value::Int32(1));
    assert_eq!(read(&engine, "pi_1h", "huge.sum")[0].value, Value::Float64(2.0 * f64::from(3e38f32)));
    assert_eq!(read(&engine, "pi_1h", "huge.max")[0].value, Value::Float32(3e38));
}

#[test]
fn a_result_that_the_destination_cannot_take_is_reported_and_holds_up_nothing() {
    let mut bench = Bench::new(10);
    bench.config.values.mixing = nanotdb_core::config::Mixing::Reject;
    let engine = hourly(&bench);
    // The user's own integer metric has the name of a result.
    engine.add_sample("pi_1h", "a.avg", Value::Int32(1), Some(START - DAY)).unwrap();
    assert_eq!(engine.metric("pi_1h", "a.avg").unwrap().unwrap().value_type, ValueType::Int32);
    for hour in 0..3 {
        write(&engine, "a", START + hour * HOUR, 1.5);
    }
    bench.advance(2 * HOUR + 5 * MINUTE);
    let source = engine.roll_up().unwrap().sources.remove(0);
    assert_eq!((source.refused, source.written), (2, 2 * 5), "{source:?}");
    assert_eq!(read(&engine, "pi_1h", "a.avg").len(), 1);
    assert_eq!(read(&engine, "pi_1h", "a.max").len(), 2);
    assert_eq!(engine.roll_up().unwrap().sources[0].refused, 0, "not tried again");
}

#[test]
fn checkpoints_follow_the_flush_of_the_destination() {
    let bench = Bench::new(11);
    let engine = hourly(&bench);
    write(&engine, "a", START, 1.0);
    bench.advance_to(START + HOUR + 5 * MINUTE);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(read(&engine, "pi_1h", "a.avg").len(), 1);
    assert_eq!(bench.checkpoints("pi").len(), 0, "the page of the destination is open");
    bench.advance(23 * HOUR);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(bench.checkpoints("pi").len(), 0);
    bench.advance(HOUR);
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    assert_eq!(bench.checkpoints("pi").into_iter().collect::<Vec<_>>(), [("all::a".to_owned(), START + HOUR)]);
}

#[test]
fn r15_an_expired_partition_stays_until_its_rollups_are_durable() {
    let bench = Bench::new(15);
    bench.manifest("pi", &format!("[retention]\nretention_days = 1\nretention_action = \"delete\"\n{HOURLY}"));
    // Its pages are flushed after four days.
    bench.manifest("pi_1h", "[page]\nmax_age = \"96h\"\n[retention]\npartition = \"month\"\n[wal]\nenabled = false\n");
    let engine = bench.open();
    for hour in 0..30 {
        bench.advance_to(START + hour * HOUR);
        write(&engine, "a", START + hour * HOUR, hour as f64);
    }
    let first = engine.partitions("pi").unwrap()[0].clone();
    let round = || {
        engine.trust_clock().unwrap();
        engine.tick()
    };
    bench.advance(3 * DAY);
    let report = round();
    assert_eq!(report.errors(), Vec::<&str>::new());
    let pi = report.databases.iter().find(|d| d.database == "pi").unwrap();
    assert!(pi.held.iter().any(|(part, reason)| *part == first && reason.contains("\"all\"")), "{:?}", pi.held);
    assert!(engine.partitions("pi").unwrap().contains(&first), "its rollups are in an open page only");
    bench.advance(5 * DAY);
    // The page of the results is flushed, then their checkpoints are written, then the partition goes.
    for _ in 0..3 {
        assert_eq!(round().errors(), Vec::<&str>::new());
    }
    assert!(!engine.partitions("pi").unwrap().contains(&first));
    assert_eq!(read(&engine, "pi_1h", "a.count").len(), 30);
}
