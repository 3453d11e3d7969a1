//! What comes while a metric file is built is in the next one, and in queries at once.

use crate::common::bench::{Bench, float, int, send};
use crate::common::hooked::{HookedVfs, Hooks};
use crate::common::oracle::ROOT;
use crate::support::{ACTIONS, DAY, FORMATS, HOUR, build, check, first_rows, options, sealed, store};
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::storage::vfs::OpenMode;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Sends the first sample of a metric just before a data file is opened for the `when`-th time, and writes it to that file.
#[derive(Default)]
struct SendsNewMetric {
    engine: OnceLock<Engine>,
    when: usize,
    seen: AtomicUsize,
}

impl Hooks for SendsNewMetric {
    fn open(&self, path: &Path, _: OpenMode) {
        let is_data = path.file_name().is_some_and(|name| name == "data-2026-05-20.dat");
        if let Some(engine) = self.engine.get().filter(|_| is_data)
            && self.seen.fetch_add(1, Ordering::SeqCst) + 1 == self.when
        {
            send(engine, &[("pi", "newcomer", int(1), DAY + 23 * HOUR)]);
            engine.flush().unwrap();
        }
    }
}

#[test]
fn a_metric_that_appears_during_a_build_is_not_lost() {
    for (format, action) in FORMATS.into_iter().flat_map(|format| ACTIONS.map(|action| (format, action))) {
        for when in 1.. {
            let bench = sealed(SimVfs::new(when as u64), 10);
            let engine = bench.open();
            let mut lines = first_rows();
            store(&engine, &lines);
            engine.close().unwrap();
            // A start reads no data file whose rows are not in the WAL: the build indexes it.
            let hooks = Arc::new(SendsNewMetric { when, ..SendsNewMetric::default() });
            let vfs = Arc::new(HookedVfs { inner: bench.vfs.process(), hooks: Arc::clone(&hooks) });
            let engine_options = EngineOptions { vfs, clock: bench.clock.clone(), background: false };
            let engine = Engine::open_with(Path::new(ROOT), bench.config.clone(), engine_options).unwrap();
            hooks.engine.set(engine.clone()).ok().unwrap();
            build(&engine, options(format, action)).unwrap();
            if hooks.seen.load(Ordering::SeqCst) < when {
                assert!(when > 2, "{when}");
                break;
            }
            lines.push(("pi", "newcomer", int(1), DAY + 23 * HOUR));
            check(&engine, &lines, &format!("{format:?}, {action:?}, before opening {when}"));
            lines.push(("pi", "newcomer", int(2), DAY + 23 * HOUR));
            lines.push(("pi", "level", float(0.5), DAY + 47 * HOUR));
            send(&engine, &lines[lines.len() - 2..]);
            build(&engine, options(format, action)).unwrap();
            check(&engine, &lines, &format!("{format:?}, {action:?}, before opening {when}, built again"));
        }
    }
}

/// The last moment there is belongs to a partition that has no end.
#[test]
fn a_sample_at_the_end_of_time_is_built_too() {
    for format in FORMATS {
        let mut bench: Bench = sealed(SimVfs::new(1), 10);
        bench.config.manifest_defaults.retention.partition = "forever".to_owned();
        bench.config.limits.max_future = std::time::Duration::ZERO;
        let engine = bench.open();
        let lines = vec![("pi", "count", int(1), DAY), ("pi", "count", int(2), i64::MAX)];
        store(&engine, &lines);
        let all = nanotdb_core::engine::Selection::Named("forever");
        let reports = engine
            .build_metric_files("pi", all, options(format, ACTIONS[2]), &mut |_| std::ops::ControlFlow::Continue(()))
            .unwrap();
        assert_eq!(reports.iter().map(|report| report.rows).sum::<u64>(), 2, "{format:?}");
        check(&engine, &lines, &format!("{format:?}"));
    }
}
