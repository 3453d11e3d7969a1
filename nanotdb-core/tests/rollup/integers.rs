//! Results of integers that leave 64 bits, and the ids of results through a backfill.

use crate::common::read;
use crate::support::{Bench, HOUR, MINUTE, START};
use nanotdb_core::config::Mixing;
use nanotdb_core::engine::Engine;
use nanotdb_core::model::{Sample, Value};
use std::ops::ControlFlow;

const JOB: &str = "[rollups]\nenabled = true\n[[rollups.jobs]]\nid = \"h\"\nsource_pattern = \"*\"\ninterval = \"1h\"\n\
                   aggregates = [\"sum\", \"max\"]\ndestination_db = \"pi_1h\"\n";
/// Not a multiple of 1024: float64 does not have it.
const LARGE: i64 = (1 << 62) + 1;

/// Hours with one, two, one and two values whose sums are 2^62 + 1, 2^63 + 2 (beyond int64), and the same again.
fn hours(bench: &Bench, engine: &Engine) -> Vec<String> {
    let mut errors = Vec::new();
    for (hour, values) in (0..).zip([1, 2, 1, 2]) {
        for at in 0..values {
            let time = START + hour * HOUR + at * MINUTE;
            bench.advance_to(time);
            engine.add_sample("pi", "m", Value::Int64(LARGE), Some(time)).unwrap();
        }
        bench.advance_to(START + (hour + 1) * HOUR);
        errors.extend(engine.tick().errors().iter().map(|error| (*error).to_owned()));
    }
    bench.advance_to(START + 5 * HOUR);
    errors.extend(engine.tick().errors().iter().map(|error| (*error).to_owned()));
    errors
}

fn backfill(engine: &Engine) -> nanotdb_core::rollup::BackfillReport {
    engine.backfill_rollups(None, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// Entries of a catalog: id, name, type.
fn catalog(bench: &Bench) -> Vec<(u64, String, String)> {
    let document: serde_json::Value = serde_json::from_str(&bench.text("pi_1h/catalog.json")).unwrap();
    let entries = document["metrics"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    entries.map(|e| (e["id"].as_u64().unwrap(), text(&e["name"]), text(&e["type"]))).collect()
}

#[test]
fn r26_a_sum_beyond_64_bits_widens_its_metric_in_a_round_and_in_a_backfill_alike() {
    let bench = Bench::new(40);
    bench.manifest("pi", JOB);
    let engine = bench.open();
    assert_eq!(hours(&bench, &engine), Vec::<String>::new());
    let at = |hour: i64, value: Value| Sample { timestamp: START + hour * HOUR, value };
    // The sums of all hours, as the float64 next to each.
    let (one, two) = (2f64.powi(62), 2f64.powi(63));
    let sums: Vec<_> = (0..).zip([one, two, one, two]).map(|(hour, sum)| at(hour, Value::Float64(sum))).collect();
    let most: Vec<_> = (0..4).map(|hour| at(hour, Value::Int64(LARGE))).collect();
    let check = |engine: &Engine, context: &str| {
        assert_eq!(read(engine, "pi_1h", "m.sum"), sums, "{context}");
        assert_eq!(read(engine, "pi_1h", "m.max"), most, "{context}");
        assert_eq!(engine.rollup_counters().refused, 0, "{context}");
        assert_eq!(engine.warnings(), [], "{context}");
    };
    check(&engine, "rounds");
    engine.flush().unwrap();
    let before = catalog(&bench);
    assert_eq!(before.iter().filter(|(_, name, _)| name == "m.sum").count(), 2, "{before:?}");
    let report = backfill(&engine);
    assert_eq!((report.skipped.len(), report.destinations[0].refused), (0, 0));
    check(&engine, "a backfill");
    // Archives of before may hold rows of any of the ids.
    let after = catalog(&bench);
    assert!(before.iter().all(|entry| after.contains(entry)), "{before:?} {after:?}");
    engine.close().unwrap();
    check(&bench.open(), "a restart");
}

/// Where metrics do not widen, a result that is not taken is told by the report, by health and by a backfill.
#[test]
fn a_result_that_its_destination_refuses_is_told() {
    let mut bench = Bench::new(41);
    bench.config.values.mixing = Mixing::Reject;
    bench.manifest("pi", JOB);
    let engine = bench.open();
    let errors = hours(&bench, &engine);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors.iter().all(|error| error.contains("pi_1h") && error.contains("1 result")), "{errors:?}");
    assert_eq!(engine.rollup_counters().refused, 2);
    let texts: Vec<_> = engine.warnings().into_iter().map(|warning| warning.text).collect();
    assert!(texts.len() == 1 && texts[0].contains("pi_1h refused results"), "{texts:?}");
    assert_eq!(backfill(&engine).destinations[0].refused, 2);
}

/// A name that comes into the destination while it is rebuilt has an id there that the new one knows nothing of.
#[test]
fn a_metric_that_appears_during_a_backfill_is_not_lost_and_keeps_its_id() {
    let bench = Bench::new(42);
    bench.manifest("pi", JOB);
    let engine = bench.open();
    assert_eq!(hours(&bench, &engine), Vec::<String>::new());
    // Results of it have names, and none is due yet.
    engine.add_sample("pi", "young", Value::Int64(1), Some(START + 5 * HOUR)).unwrap();
    let before = read(&engine, "pi_1h", "m.sum");
    let mut came = false;
    let mut progress = |_: &nanotdb_core::engine::BackfillStep| {
        if !std::mem::replace(&mut came, true) {
            engine.add_sample("pi_1h", "young.max", Value::Int64(7), Some(START)).unwrap();
        }
        ControlFlow::Continue(())
    };
    let report = engine.backfill_rollups(None, &mut progress).unwrap();
    assert!(came && report.destinations.is_empty());
    assert!(report.skipped[0].reason.contains("run the backfill again"), "{report:?}");
    let young = [Sample { timestamp: START, value: Value::Int64(7) }];
    assert_eq!(
        (read(&engine, "pi_1h", "young.max"), read(&engine, "pi_1h", "m.sum")),
        (young.to_vec(), before.clone())
    );
    let id = engine.metric("pi_1h", "young.max").unwrap().unwrap().id;
    assert_eq!(backfill(&engine).skipped, []);
    assert_eq!(engine.metric("pi_1h", "young.max").unwrap().unwrap().id, id);
    assert_eq!(read(&engine, "pi_1h", "m.sum"), before);
}
