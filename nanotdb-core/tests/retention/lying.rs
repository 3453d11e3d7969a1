//! Writes that say they were done and were not: what was archived is read back before the originals go.

use crate::common::oracle::ROOT;
use crate::support::{MAY_20, check, check_verify, keeping, live, machine, names, partition_files, sweep_now};
use nanotdb_core::config::RetentionAction;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::storage::vfs::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A disk on which the n-th write to an archive is lost, in silence.
struct Lying {
    inner: Arc<dyn Vfs>,
    left: Arc<AtomicU64>,
}

struct LyingFile {
    inner: Box<dyn VfsFile>,
    left: Option<Arc<AtomicU64>>,
}

impl VfsFile for LyingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        match &self.left {
            Some(left) if left.fetch_sub(1, Ordering::Relaxed) == 1 => Ok(()),
            _ => self.inner.write_all_at(buf, offset),
        }
    }
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }
}

impl Vfs for Lying {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        let is_archive = path.extension().is_some_and(|e| e == "tar") && mode != OpenMode::Read;
        let inner = self.inner.open(path, mode)?;
        Ok(Box::new(LyingFile { inner, left: is_archive.then(|| Arc::clone(&self.left)) }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.read_dir(path)
    }
    fn entry(&self, path: &Path) -> io::Result<Option<DirEntry>> {
        self.inner.entry(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        self.inner.lock(path)
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
        let left = Arc::new(AtomicU64::new(lost));
        let options = bench.options();
        let vfs = Arc::new(Lying { inner: Arc::clone(&options.vfs), left: Arc::clone(&left) });
        let engine =
            Engine::open_with(Path::new(ROOT), bench.config.clone(), EngineOptions { vfs, ..options }).unwrap();
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
