//! A database whose `[retention] partition` is changed when it has raw and metric files of the former one.

use crate::common::bench::{Bench, Line, float, int, send};
use crate::support::{ACTIONS, DAY, FORMATS, HOUR, build, check, check_verify, options, sealed};
use nanotdb_core::engine::Engine;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::time::Duration;

/// Writes another partitioner into manifest.toml, as an operator does while the server is stopped.
fn repartition(bench: &Bench, engine: Engine, to: &str) -> Engine {
    engine.close().unwrap();
    drop(engine);
    let text = String::from_utf8(bench.file("pi/manifest.toml")).unwrap();
    let changed: Vec<String> = text
        .lines()
        .map(
            |line| {
                if line.trim_start().starts_with("partition =") { format!("partition = {to:?}") } else { line.into() }
            },
        )
        .collect();
    assert_ne!(changed.join("\n"), text.trim_end(), "{text}");
    bench.vfs.put(&bench.path("pi/manifest.toml"), changed.join("\n").as_bytes()).unwrap();
    bench.open()
}

struct Story {
    bench: Bench,
    lines: Vec<Line>,
    value: i32,
}

impl Story {
    /// Rows at the very time of the newest and shortly after.
    fn write(&mut self, engine: &Engine, at: i64) {
        let mut rows: Vec<Line> = Vec::new();
        for (metric, lag) in [("a", 0), ("a", 0), ("b", 0), ("a", 1), ("b", 1)] {
            self.value += 1;
            let value = if metric == "a" { int(self.value) } else { float(self.value as f32 / 2.0) };
            rows.push(("pi", metric, value, at + lag));
        }
        send(engine, &rows);
        self.lines.extend(rows);
    }
}

#[test]
fn changing_the_partitioning_keeps_order_newest_and_builds() {
    for format in FORMATS {
        for action in ACTIONS {
            for (from, to) in
                [("day", "month"), ("month", "day"), ("day", "forever"), ("year", "day"), ("month", "year")]
            {
                for built_before in [false, true] {
                    let context = format!("{format:?}, {action:?}, {from} to {to}, built before {built_before}");
                    let mut bench = sealed(SimVfs::new(4), 7);
                    bench.config.manifest_defaults.retention.partition = from.into();
                    // Months and years end, too.
                    bench.clock.advance(Duration::from_secs(2 * 366 * 86_400));
                    let engine = bench.open();
                    let mut story = Story { bench, lines: Vec::new(), value: 0 };
                    for at in 0..3 {
                        story.write(&engine, DAY + at * 9 * HOUR);
                    }
                    engine.flush().unwrap();
                    if built_before {
                        build(&engine, options(format, action)).unwrap();
                    }
                    check(&engine, &story.lines, &format!("{context}: before"));
                    let newest = DAY + 18 * HOUR + 1;
                    let engine = repartition(&story.bench, engine, to);
                    check(&engine, &story.lines, &format!("{context}: changed"));
                    // At the newest timestamp: these came later, and are in a file of the other partitioning.
                    story.write(&engine, newest);
                    check(&engine, &story.lines, &format!("{context}: open page"));
                    engine.flush().unwrap();
                    check(&engine, &story.lines, &format!("{context}: flushed"));
                    check_verify(&story.bench, &format!("{context}: flushed"));
                    story.bench.kill(engine);
                    let engine = story.bench.open();
                    check(&engine, &story.lines, &format!("{context}: killed"));
                    build(&engine, options(format, action)).unwrap();
                    check(&engine, &story.lines, &format!("{context}: built"));
                    story.write(&engine, newest + 1);
                    story.write(&engine, newest + 30 * HOUR);
                    check(&engine, &story.lines, &format!("{context}: late"));
                    engine.flush().unwrap();
                    check(&engine, &story.lines, &format!("{context}: late, flushed"));
                    build(&engine, options(format, action)).unwrap();
                    check(&engine, &story.lines, &format!("{context}: late, built"));
                    engine.close().unwrap();
                    drop(engine);
                    check_verify(&story.bench, &context);
                    check(&story.bench.open(), &story.lines, &format!("{context}: after a restart"));
                    check(&story.bench.open_read_only(), &story.lines, &format!("{context}: to a reader"));
                }
            }
        }
    }
}

/// Back and forth within one day, so that files of both partitioners get rows in turn.
#[test]
fn verify_finds_nothing_wrong_with_a_database_that_was_repartitioned() {
    let bench = sealed(SimVfs::new(4), 7);
    let mut engine = bench.open();
    let mut story = Story { bench, lines: Vec::new(), value: 0 };
    for (round, to) in ["month", "day", "forever", "day", "year"].into_iter().enumerate() {
        for hour in 0..2 {
            story.write(&engine, DAY + (round as i64 * 2 + hour) * HOUR);
        }
        engine.flush().unwrap();
        check_verify(&story.bench, &format!("before {to}"));
        engine = repartition(&story.bench, engine, to);
    }
    check(&engine, &story.lines, "repartitioned");
    check_verify(&story.bench, "in the end");
}
