//! Builds by maintenance: what comes while one runs is of the next round.

use crate::common::bench::{Bench, int, send};
use crate::common::hooked::{HookedVfs, Hooks};
use crate::common::oracle::{ROOT, START};
use crate::support::{ACTIONS, FORMATS, check, check_verify, files, first_rows, late_rows, sealed, store};
use nanotdb_core::config::RawIngestAction;
use nanotdb_core::engine::{BuildReport, Engine, EngineOptions};
use nanotdb_core::storage::vfs::OpenMode;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Something happens once, when the metric file of the second day is begun.
#[derive(Default)]
struct During(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Hooks for During {
    fn open(&self, path: &Path, _: OpenMode) {
        if path.ends_with("metric-2026-05-21.dat.tmp")
            && let Some(happens) = self.0.lock().unwrap().take()
        {
            happens();
        }
    }
}

fn round(engine: &Engine) -> Vec<BuildReport> {
    let report = engine.tick();
    assert_eq!(report.errors(), Vec::<&str>::new());
    report.databases.into_iter().flat_map(|database| database.built).collect()
}

/// How many data files of the two days there are.
fn sealed_data(bench: &Bench) -> usize {
    files(bench, "data-2026-05-20").len() + files(bench, "data-2026-05-21").len()
}

fn check_raw_files(bench: &Bench, action: RawIngestAction, context: &str) {
    let left = match action {
        RawIngestAction::Keep => (2, 0),
        RawIngestAction::Rename => (0, 2),
        RawIngestAction::Delete => (0, 0),
    };
    assert_eq!((sealed_data(bench), files(bench, "raw-").len()), left, "{context}");
}

#[test]
fn what_is_flushed_during_a_build_is_built_in_by_the_next_round() {
    for format in FORMATS {
        for action in ACTIONS {
            let context = format!("{format:?}, {action:?}");
            let mut bench = sealed(SimVfs::new(1), 10);
            bench.config.metrics.enabled = true;
            bench.config.metrics.format = format;
            bench.config.metrics.raw_ingest_action = action;
            let hooks = Arc::new(During::default());
            let vfs = Arc::new(HookedVfs { inner: bench.vfs.process(), hooks: Arc::clone(&hooks) });
            let options = EngineOptions { vfs, ..bench.options() };
            let engine = Engine::open_with(Path::new(ROOT), bench.config.clone(), options).unwrap();
            let mut lines = first_rows();
            store(&engine, &lines);
            let late = late_rows(0);
            lines.extend(late.clone());
            let other = engine.clone();
            *hooks.0.lock().unwrap() = Some(Box::new(move || store(&other, &late)));
            assert_eq!(round(&engine).len(), 2, "{context}");
            assert!(hooks.0.lock().unwrap().is_none(), "{context}: nothing was flushed");
            check(&engine, &lines, &format!("{context}: beside"));
            let rows: Vec<_> = round(&engine).iter().map(|report| report.rows).collect();
            assert_eq!(rows, [lines.len() as u64 / 2 + 2], "{context}: the second day, with the late rows");
            assert_eq!(round(&engine), [], "{context}");
            check(&engine, &lines, &context);
            check_raw_files(&bench, action, &context);
            engine.close().unwrap();
            check_verify(&bench, &context);
        }
    }
}

#[test]
fn raw_files_that_a_flush_keeps_go_with_the_next_round() {
    for action in [RawIngestAction::Rename, RawIngestAction::Delete] {
        let mut bench = sealed(SimVfs::new(1), 10);
        bench.config.metrics.enabled = true;
        bench.config.metrics.raw_ingest_action = action;
        let engine = bench.open();
        let mut lines = first_rows();
        store(&engine, &lines);
        lines.push(("pi", "live", int(1), START));
        send(&engine, &[("pi", "live", int(1), START)]);
        engine.begin_flush().unwrap();
        assert_eq!(round(&engine).len(), 2, "{action:?}");
        assert_eq!(sealed_data(&bench), 2, "{action:?}: a flush is under way");
        engine.finish_flush().unwrap();
        assert_eq!(round(&engine).len(), 2, "{action:?}");
        check_raw_files(&bench, action, &format!("{action:?}"));
        assert_eq!(round(&engine), [], "{action:?}");
    }
}
