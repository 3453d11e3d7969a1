//! Closing an engine that others still use: what was acknowledged is there for whoever opens the root next, and nothing is
//! written to it any more.

use crate::common::bench::{SECOND, int};
use crate::common::oracle::{START as T, config};
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::model::Value;
use std::ops::ControlFlow;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Writers run on while one thread closes, and opens the root anew at once.
#[test]
fn writers_in_flight_are_refused_or_their_samples_are_there() {
    for round in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let config = config(FsyncPolicy::Segment, 40);
        let engine = Engine::open(directory.path(), config.clone()).unwrap();
        let acknowledged = [const { AtomicI32::new(0) }; 3];
        let begin = Barrier::new(4);
        let ended = AtomicBool::new(false);
        let next = std::thread::scope(|scope| {
            for (metric, acknowledged) in ["a", "b", "c"].iter().zip(&acknowledged) {
                let (engine, begin, ended) = (engine.clone(), &begin, &ended);
                scope.spawn(move || {
                    begin.wait();
                    // The engine is closed, or an assertion failed.
                    let _ended = crate::common::SetWhenDropped(ended);
                    // The third creates a database each time, which must not appear under the next owner either.
                    for n in 0..100_000 {
                        let database = if *metric == "c" { format!("c{n}") } else { "pi".to_owned() };
                        if engine.add_sample(&database, metric, int(n), Some(T + i64::from(n) * SECOND)).is_err() {
                            return;
                        }
                        acknowledged.store(n + 1, Ordering::SeqCst);
                    }
                });
            }
            begin.wait();
            while acknowledged[0].load(Ordering::SeqCst) < round * 10 && !ended.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
            engine.close().unwrap();
            let options = EngineOptions { background: false, ..EngineOptions::default() };
            Engine::open_with(directory.path(), config.clone(), options).unwrap()
        });
        assert_eq!(next.health(), [], "round {round}");
        for (metric, acknowledged) in ["a", "b"].iter().zip(&acknowledged) {
            let mut found = 0;
            next.query_range("pi", metric, i64::MIN, i64::MAX, 1, |sample| {
                assert_eq!(sample.value, Value::Int32(found), "round {round}: {metric}");
                found += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
            assert_eq!(found, acknowledged.load(Ordering::SeqCst), "round {round}: {metric}");
        }
        let created = acknowledged[2].load(Ordering::SeqCst) as usize;
        let names = next.database_names(false).into_iter().filter(|name| name.starts_with('c')).count();
        // The last one may have come into being for a sample that was refused then.
        assert!((created..=created + 1).contains(&names), "round {round}: {names} databases for {created} samples");
        next.close().unwrap();
    }
}
