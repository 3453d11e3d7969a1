//! Writes that say they were done and were not: what was archived is read back before the originals go.

use crate::common::hooked::{HookedVfs, Hooks};
use crate::common::oracle::ROOT;
use crate::support::{MAY_20, check, check_verify, keeping, live, machine, names, partition_files, sweep_now};
use nanotdb_core::config::RetentionAction;
use nanotdb_core::engine::{Engine, EngineOptions};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A disk on which the n-th write to an archive is lost, in silence.
struct Lying {
    left: AtomicU64,
}

impl Hooks for Lying {
    fn loses_write(&self, path: &Path) -> bool {
        path.extension().is_some_and(|e| e == "tar") && self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

#[test]
fn r16_no_original_goes_before_its_archive_was_read_back() {
    let mut seen = 0;
    for lost in 1..=8 {
        let bench = machine(keeping(3, RetentionAction::Archive, "day"), MAY_20);
        let engine = bench.open();
        let lines = live(&bench, &engine, 6);
        engine.close().unwrap();
        let before = partition_files(&bench);
        let hooks = Arc::new(Lying { left: AtomicU64::new(lost) });
        let options =
            EngineOptions { vfs: Arc::new(HookedVfs { inner: bench.vfs.process(), hooks }), ..bench.options() };
        let engine = Engine::open_with(Path::new(ROOT), bench.config.clone(), options).unwrap();
        engine.trust_clock().unwrap();
        let report = engine.tick();
        let context = format!("write {lost}: {report:?}");
        // The last write is the mark at the end, and the file is as long without it.
        let is_seen = !report.errors().is_empty();
        seen += usize::from(is_seen);
        if is_seen {
            assert!(report.errors()[0].contains("archive-2026-05.tar"), "{context}");
        }
        engine.close().unwrap();
        // What is in no archive is where it was, and the next sweep moves it.
        let engine = bench.open();
        sweep_now(&engine);
        engine.close().unwrap();
        check_verify(&bench, &context);
        let engine = bench.open();
        let kept: Vec<_> = lines.iter().filter(|l| l.3 >= MAY_20 + 3 * crate::support::DAY).copied().collect();
        check(&engine, &kept, &context);
        let archives = nanotdb_core::maintenance::archive::list(&engine, "pi").unwrap();
        let parts: Vec<&str> = archives[0].partitions.iter().map(|p| p.partition.as_str()).collect();
        assert_eq!(parts, ["2026-05-20", "2026-05-21", "2026-05-22"], "{context}");
        assert!(archives[0].partitions.iter().all(|p| p.generation == 1), "{context}");
        assert_eq!(before.len() - partition_files(&bench).len(), 3, "{context}");
        assert_eq!(names(&sweep_now(&engine)), [""; 0], "{context}");
    }
    assert!(seen >= 4, "{seen}: headers and contents");
}
