//! Snapshots of a root in which partitions are archived meanwhile: each is in the copy once, in the archive or outside of it.

use crate::common::bench::{Bench, Line, content_of};
use crate::common::rng::Rng;
use crate::common::{assert_same, read_all};
use crate::support::{DAY, MAY_20, keeping, live, machine, sweep_now};
use nanotdb_core::config::RetentionAction;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::maintenance::archive::list;
use nanotdb_core::maintenance::snapshot::{SnapshotReport, SnapshotRequest, snapshot};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::storage::vfs::sim::SimVfs;
use nanotdb_core::storage::vfs::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const OUT: &str = "/copies/copy";

/// A disk that somebody else changes: what is read of the source is what it was at one moment, and after so many calls what
/// it was at a later one. Identities stay what they are, and a file that is open is read to its end, also without a name.
#[derive(Clone)]
struct Changing {
    source: Vec<(usize, SimVfs)>,
    copy: SimVfs,
    calls: Arc<AtomicUsize>,
}

struct ChangingFile {
    disk: Changing,
    opened: Box<dyn VfsFile>,
    path: std::path::PathBuf,
    id: u64,
}

impl Changing {
    fn now(&self) -> &SimVfs {
        let calls = self.calls.fetch_add(1, Ordering::SeqCst);
        &self.source.iter().rev().find(|(from, _)| *from <= calls).unwrap().1
    }

    fn of(&self, path: &Path) -> &SimVfs {
        if path.starts_with("/copies") { &self.copy } else { self.now() }
    }
}

impl ChangingFile {
    /// The file as it is now.
    fn now(&self) -> Option<Box<dyn VfsFile>> {
        let disk = self.disk.now();
        let is_it = disk.entry(&self.path).ok()??.id == self.id;
        is_it.then(|| disk.open(&self.path, OpenMode::Read).unwrap())
    }
}

impl VfsFile for ChangingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.now() {
            Some(file) => file.read_at(buf, offset),
            None => self.opened.read_at(buf, offset),
        }
    }
    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        panic!("the source is written")
    }
    fn len(&self) -> io::Result<u64> {
        self.now().map_or_else(|| self.opened.len(), |file| file.len())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        panic!("the source is written")
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Vfs for Changing {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        let disk = self.of(path);
        let opened = disk.open(path, mode)?;
        if path.starts_with("/copies") {
            return Ok(opened);
        }
        let id = disk.entry(path)?.unwrap().id;
        Ok(Box::new(ChangingFile { disk: self.clone(), opened, path: path.to_owned(), id }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.copy.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.copy.remove_file(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.copy.remove_dir(path)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.copy.create_dir_all(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.of(path).read_dir(path)
    }
    fn entry(&self, path: &Path) -> io::Result<Option<DirEntry>> {
        self.of(path).entry(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.copy.sync_dir(path)
    }
    fn lock(&self, _: &Path) -> io::Result<Box<dyn VfsLock>> {
        panic!("the source is locked")
    }
}

fn take(bench: &Bench, disk: &Changing) -> nanotdb_core::Result<SnapshotReport> {
    let request = SnapshotRequest { root: &bench.path(""), out: Path::new(OUT), database: None, copy_all: false };
    let options = EngineOptions { vfs: Arc::new(disk.clone()), ..bench.options() };
    snapshot(request, bench.config.clone(), &options, &mut |_, _| {})
}

/// Every day is in the copy once: rows that can be read, or a partition of an archive that is whole.
fn check_copy(bench: &Bench, disk: &Changing, lines: &[Line], context: &str) {
    let options = EngineOptions { vfs: Arc::new(disk.copy.clone()), ..bench.options() };
    let engine = Engine::open_with(Path::new(OUT), bench.config.clone(), options.clone()).unwrap();
    assert_eq!(engine.health(), [], "{context}");
    let mut archived = BTreeSet::new();
    for archive in list(&engine, "pi").unwrap() {
        assert_eq!(archive.problem, None, "{context}");
        for partition in archive.partitions {
            assert_eq!(partition.generation, 1, "{context}");
            archived.insert(partition.range.unwrap().start);
        }
    }
    let outside: Vec<Line> =
        lines.iter().filter(|line| !archived.contains(&(line.3.div_euclid(DAY) * DAY))).copied().collect();
    assert_same(&read_all(&engine), &content_of(&outside), &format!("{context}: archived {archived:?}"));
    engine.close().unwrap();
    let report = verify(Path::new(OUT), None, bench.config.clone(), options).unwrap();
    assert_eq!(report.problems, [], "{context}");
}

/// The disk before every operation of a sweep that archives three more days, and after it.
fn archiving() -> (Bench, Vec<Line>, Vec<SimVfs>) {
    let bench = machine(keeping(3, RetentionAction::Archive, "day"), MAY_20);
    let engine = bench.open();
    let mut lines = live(&bench, &engine, 5);
    assert_eq!(sweep_now(&engine).len(), 2);
    lines.extend(live(&bench, &engine, 3));
    bench.vfs.record_forks(true);
    assert_eq!(sweep_now(&engine).len(), 3);
    let mut moments = bench.vfs.take_forks();
    moments.push(bench.vfs.fork(1));
    (bench, lines, moments)
}

#[test]
fn a_partition_that_is_archived_meanwhile_is_in_the_copy_once() {
    let (bench, lines, moments) = archiving();
    assert!(moments.len() > 30, "{}", moments.len());
    let disk = |source: Vec<(usize, SimVfs)>| {
        let (copy, calls) = (SimVfs::new(1), Arc::default());
        Changing { source, copy, calls }
    };
    // A root that nobody changes, as a crash may have left it.
    let mut most = 0;
    for (at, moment) in moments.iter().enumerate() {
        let context = format!("at rest, operation {at}");
        let disk = disk(vec![(0, moment.clone())]);
        let report = take(&bench, &disk).unwrap_or_else(|e| panic!("{context}: {e}"));
        assert_eq!(report.problems, [], "{context}");
        check_copy(&bench, &disk, &lines, &context);
        most = most.max(disk.calls.load(Ordering::SeqCst));
    }
    for seed in 0..600 {
        let mut rng = Rng(seed);
        let mut of = |count: usize| -> [usize; 2] {
            let mut two = [0; 2].map(|_| rng.below(count as u64) as usize);
            two.sort_unstable();
            two
        };
        let (at, calls) = (of(moments.len()), of(most));
        let first = of(at[0] + 1)[0];
        let source =
            vec![(0, moments[first].clone()), (calls[0], moments[at[0]].clone()), (calls[1], moments[at[1]].clone())];
        let context = format!("seed {seed}: {first}, after {calls:?} calls {at:?}");
        let disk = disk(source);
        let report = take(&bench, &disk).unwrap_or_else(|e| panic!("{context}: {e}"));
        assert_eq!(report.problems, [], "{context}");
        check_copy(&bench, &disk, &lines, &context);
    }
}
