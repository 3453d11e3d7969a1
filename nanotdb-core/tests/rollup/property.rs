//! Random manifests, clocks and data: what is emitted equals a recomputation from scratch; what came late, after a backfill.

use crate::common::read;
use crate::support::{Bench, HOUR, MINUTE, SECOND, START, Spec, check};
use nanotdb_core::clock::Clock;
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::Engine;
use nanotdb_core::model::Value;
use proptest::prelude::*;
use std::ops::ControlFlow;

const METRICS: [&str; 3] = ["a", "b", "c.debug"];
const AGGREGATES: [&str; 4] = ["min", "sum", "count", "p95"];

#[derive(Debug, Clone)]
struct Config {
    /// Minutes of a bucket, of the first job and of the cascade's.
    intervals: (i64, i64),
    /// Seconds.
    grace: i64,
    excluded: bool,
    /// Whether the destination was made by hand: partition, and WAL.
    by_hand: Option<(&'static str, bool)>,
}

#[derive(Debug, Clone)]
enum Step {
    /// Metric, how many minutes behind the clock, how many samples.
    Write(usize, i64, i64),
    /// Seconds that pass.
    Wait(i64),
    /// The wall clock is wrong by so many minutes, for one tick.
    Wrong(i64),
    Flush,
    Restart,
    Kill,
}

fn config() -> impl Strategy<Value = Config> {
    let intervals = (prop::sample::select(vec![1, 7, 15, 60, 90]), prop::sample::select(vec![60, 420, 1_440]));
    let by_hand = prop::option::of((prop::sample::select(vec!["day", "month", "forever"]), any::<bool>()));
    (intervals, prop::sample::select(vec![0, 30, 300]), any::<bool>(), by_hand)
        .prop_map(|(intervals, grace, excluded, by_hand)| Config { intervals, grace, excluded, by_hand })
}

fn steps(wrong: bool) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0usize..3, prop_oneof![Just(0i64), 0i64..600], 1i64..20).prop_map(|(m, behind, n)| Step::Write(m, behind, n)),
        6 => (1i64..4_000).prop_map(Step::Wait),
        if wrong { 1 } else { 0 } => (-3_000i64..3_000).prop_map(Step::Wrong),
        1 => Just(Step::Flush),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..60)
}

fn manifests(bench: &Bench, config: &Config) {
    let (interval, cascade) = config.intervals;
    let exclude = if config.excluded { "\"*.debug\"" } else { "" };
    let head = "[rollups]\nenabled = true\ndefault_aggregates = [\"min\", \"sum\", \"count\", \"p95\"]\n[[rollups.jobs]]\nid = \"j\"\n";
    let first = format!(
        "{head}source_pattern = \"*\"\nexclude_patterns = [{exclude}]\ninterval = \"{interval}m\"\ngrace = \"{}s\"\n\
         destination_db = \"one\"\n",
        config.grace
    );
    bench.manifest("pi", &first);
    let mut second = String::new();
    if let Some((partition, wal)) = config.by_hand {
        second = format!("[retention]\npartition = \"{partition}\"\n[wal]\nenabled = {wal}\n");
    }
    second += &format!("{head}source_pattern = \"*.sum\"\ninterval = \"{cascade}m\"\ndestination_db = \"two\"\n");
    bench.manifest("one", &second);
}

fn take(bench: &Bench, engine: &mut Option<Engine>, last: &mut [i64; 3], step: &Step) {
    let open = |engine: &mut Option<Engine>| *engine = Some(bench.open());
    match step {
        Step::Write(metric, behind, count) => {
            for at in 0..*count {
                let at = (bench.clock.now() - behind * MINUTE + at * 20 * SECOND).min(bench.clock.now());
                let at = at.max(last[*metric]);
                last[*metric] = at;
                let value = (at / SECOND % 977) as f32 * 0.5;
                engine.as_ref().unwrap().add_sample("pi", METRICS[*metric], Value::Float32(value), Some(at)).unwrap();
            }
        }
        Step::Wait(seconds) => bench.advance(seconds * SECOND),
        Step::Wrong(minutes) => {
            let now = bench.clock.now();
            bench.clock.set_wall(now + minutes * MINUTE);
            assert_eq!(engine.as_ref().unwrap().tick().errors(), Vec::<&str>::new());
            bench.clock.set_wall(now);
        }
        Step::Flush => engine.as_ref().unwrap().flush().unwrap(),
        Step::Restart => {
            engine.take().unwrap().close().unwrap();
            open(engine);
        }
        Step::Kill => {
            bench.vfs.stop();
            drop(engine.take());
            bench.vfs.kill();
            open(engine);
        }
    }
    assert_eq!(engine.as_ref().unwrap().tick().errors(), Vec::<&str>::new());
}

fn check_all(bench: &Bench, engine: &Engine, config: &Config, context: &str) {
    let (interval, cascade) = (config.intervals.0 * MINUTE, config.intervals.1 * MINUTE);
    let due = (bench.clock.now() - config.grace * SECOND).div_euclid(interval) * interval;
    let one = Spec { source: "pi", destination: "one", interval, due, aggregates: &AGGREGATES };
    let two = Spec {
        source: "one",
        destination: "two",
        interval: cascade,
        due: due.div_euclid(cascade) * cascade,
        aggregates: &AGGREGATES,
    };
    for metric in METRICS.into_iter().filter(|m| engine.metric("pi", m).unwrap().is_some()) {
        if config.excluded && metric.ends_with(".debug") {
            assert_eq!(engine.metric("one", &format!("{metric}.sum")).unwrap(), None, "{context}");
            continue;
        }
        check(engine, &one, metric, context);
        check(engine, &two, &format!("{metric}.sum"), context);
    }
}

/// No result is there twice, whatever it is.
fn check_order(engine: &Engine, context: &str) {
    for database in ["one", "two"].into_iter().filter(|d| engine.has_database(d)) {
        for metric in engine.metrics(database).unwrap() {
            let times: Vec<_> = read(engine, database, &metric.name).into_iter().map(|s| s.timestamp).collect();
            assert!(times.is_sorted_by(|a, b| a < b), "{context}: {database}/{}: {times:?}", metric.name);
        }
    }
}

/// Returns how many samples came late.
fn run(config: &Config, steps: &[Step], seed: u64) -> u64 {
    let mut bench = Bench::new(seed);
    bench.config.wal.fsync_policy = FsyncPolicy::Always;
    bench.advance_to(START + 700 * HOUR);
    manifests(&bench, config);
    let mut engine = Some(bench.open());
    let mut last = [i64::MIN; 3];
    let mut late = 0;
    let mut furthest = bench.clock.now();
    for step in steps {
        if let Step::Wrong(minutes) = step {
            furthest = furthest.max(bench.clock.now() + minutes * MINUTE);
        }
        if matches!(step, Step::Restart | Step::Kill) {
            late += engine.as_ref().unwrap().rollup_counters().late_samples;
        }
        take(&bench, &mut engine, &mut last, step);
        check_order(engine.as_ref().unwrap(), "on the way");
    }
    let engine = engine.unwrap();
    // What was over by a clock that was ahead may be emitted already: it is over by the right one, too, when results are compared.
    bench.advance((furthest - bench.clock.now()).max(0));
    for _ in 0..4 {
        bench.advance(20 * MINUTE);
        assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    }
    late += engine.rollup_counters().late_samples;
    if late == 0 {
        check_all(&bench, &engine, config, "emitted");
    }
    engine.backfill_rollups(None, &mut |_| ControlFlow::Continue(())).unwrap();
    check_order(&engine, "backfilled");
    check_all(&bench, &engine, config, "backfilled");
    engine.close().unwrap();
    let engine = bench.open();
    assert_eq!(engine.tick().errors(), Vec::<&str>::new());
    check_all(&bench, &engine, config, "restarted");
    late
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn rollups_equal_a_recomputation(config in config(), steps in steps(false), seed in any::<u64>()) {
        run(&config, &steps, seed);
    }

    #[test]
    fn also_when_the_clock_leaps_and_steps_back(config in config(), steps in steps(true), seed in any::<u64>()) {
        run(&config, &steps, seed);
    }
}

#[test]
fn nothing_is_late_when_samples_come_in_time() {
    let config = Config { intervals: (15, 60), grace: 30, excluded: false, by_hand: None };
    let one = [Step::Write(0, 0, 3), Step::Wait(70), Step::Write(1, 0, 1), Step::Wait(400), Step::Flush];
    let steps: Vec<Step> = one.iter().cycle().take(200).cloned().collect();
    assert_eq!(run(&config, &steps, 1), 0);
}
