//! A consistent copy of a root that a server may be writing.
//!
//! The copy of a database is what a kill at one moment would have left, and so what recovery is made for. The moment is found as
//! a reader beside a server finds it: names, lengths and identities of all files are the same before and after both WALs
//! were read, so that no page was flushed and nothing was replaced in between. Then the files are copied as they were at
//! that moment, however long it takes:
//!
//! - `data-*` grow at their end only: the part that was there is copied. What replaces or removes one gives another file that name
//!   or none, which is seen, and the next moment is taken; what was copied of files that are still the same stays.
//! - `metric-*` and `raw-*` are never changed in place (they come and go by rename and removal), so they get a second name instead
//!   of a copy where the file system can. A `data-*` must not: late samples are appended to it.
//! - Everything else is copied: an operator's editor may write it in place.
//!
//! What says how far something got is read before that something: checkpoints of rollups before any samples.

use super::target::{Target, only, put};
use super::verify::{Problem, verify};
use crate::config::{EngineConfig, Manifest};
use crate::database::{Database, MANIFEST_FILE, READ_ATTEMPTS, ScanReport, Wals, next_wal_name, read_wals, wal_name};
use crate::engine::{Engine, EngineOptions, names_on_disk};
use crate::storage::copy::copy_range;
use crate::storage::lock::LOCK_FILE;
use crate::storage::vfs::{DirEntry, OpenMode, Vfs};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Largest file that is no data: catalog, manifest, checkpoints.
const MAX_SMALL_FILE: u64 = 256 << 20;

/// A snapshot.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotRequest<'a> {
    /// The root that is read.
    pub root: &'a Path,
    /// The copy: missing or empty. It appears when it is whole.
    pub out: &'a Path,
    /// Only this database.
    pub database: Option<&'a str>,
    /// Copy files that could be the same file under a second name.
    pub copy_all: bool,
}

/// One database of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotDatabase {
    /// Name.
    pub name: String,
    /// Metrics.
    pub metrics: u64,
    /// Samples, those in write-ahead logs among them.
    pub samples: u64,
    /// Files that are the source's under a second name.
    pub linked_files: u64,
    /// Their bytes.
    pub linked_bytes: u64,
    /// Files that were copied.
    pub copied_files: u64,
    /// Their bytes.
    pub copied_bytes: u64,
}

/// What a snapshot holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotReport {
    /// By name.
    pub databases: Vec<SnapshotDatabase>,
    /// What a check of the copy found. It was made all the same: the source has the same damage.
    pub problems: Vec<Problem>,
}

/// Copies a root, or one database of it, takes no lock, and checks the copy. `progress` is called with the database and the file
/// before each.
///
/// [`Error::BadInput`] when the target is not empty or lies within the root, [`Error::NotFound`] for an unknown database.
/// After an error nothing is left of the copy.
pub fn snapshot(
    request: SnapshotRequest<'_>,
    config: EngineConfig,
    options: &EngineOptions,
    progress: &mut dyn FnMut(&str, &str),
) -> Result<SnapshotReport> {
    let vfs = &*options.vfs;
    let mut names = names_on_disk(vfs, request.root)?;
    if let Some(wanted) = request.database {
        only(&mut names, wanted, request.root)?;
    }
    let target = Target::create(vfs, request.root, request.out)?;
    let mut copies = Vec::new();
    for name in names {
        copies.push(DatabaseCopy::begin(vfs, &request, target.path(), name, &config.manifest_defaults)?);
    }
    let mut report = SnapshotReport::default();
    for copy in copies {
        report.databases.push(copy.run(progress)?);
    }
    root_files(vfs, request.root, target.path())?;
    progress("", "checking");
    check(target.path(), config, options, &mut report)?;
    for problem in &mut report.problems {
        problem.file = target.final_path(&problem.file);
    }
    target.finish()?;
    Ok(report)
}

/// Configuration and dashboard, and whatever else lies in the root.
fn root_files(vfs: &dyn Vfs, root: &Path, to: &Path) -> Result<()> {
    for entry in vfs.read_dir(root).map_err(|e| Error::io("list", root, e))? {
        if !entry.is_dir && entry.name != LOCK_FILE && !is_temporary(&entry.name) {
            let from = root.join(&entry.name);
            let bytes = vfs.read(&from, MAX_SMALL_FILE).map_err(|e| Error::io("read", &from, e))?;
            put(vfs, &to.join(&entry.name), &bytes)?;
        }
    }
    Ok(())
}

fn check(copy: &Path, config: EngineConfig, options: &EngineOptions, report: &mut SnapshotReport) -> Result<()> {
    report.problems = verify(copy, None, config.clone(), options.clone())?.problems;
    let engine = Engine::open_read_only_with(copy, config, options.clone())?;
    for database in &mut report.databases {
        // One that cannot be opened is among the problems.
        if engine.has_database(&database.name) {
            let opened = engine.known_database(&database.name)?;
            database.metrics = opened.metrics().len() as u64;
            database.samples = samples(&opened)?;
        }
    }
    Ok(())
}

/// Number of samples, as headers and directories say.
fn samples(database: &Database) -> Result<u64> {
    let mut total = 0u64;
    for (partition, _) in database.partitions() {
        // What cannot be read is among the problems.
        let mut ignored = ScanReport::default();
        if let Some(whole) = database.open_whole_partition(partition, &mut ignored)? {
            total = total.saturating_add(whole.open.rows());
        }
    }
    Ok(total)
}

/// Files that are being written and have no meaning yet.
fn is_temporary(name: &str) -> bool {
    name.ends_with(".tmp") || name.ends_with(".partial")
}

/// How a file gets into the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Never changed in place.
    Immutable,
    /// Grows at its end, or is replaced.
    Appended,
    /// Read whole with the moment.
    Small,
}

fn kind_of(name: &str) -> Kind {
    let is = |prefix: &str, suffix: &str| name.starts_with(prefix) && name.ends_with(suffix);
    match name {
        _ if is("metric-", ".dat") || is("raw-", ".dat") => Kind::Immutable,
        _ if is("data-", ".dat") || is("archive-", ".tar") || name.contains(".damaged-") => Kind::Appended,
        _ => Kind::Small,
    }
}

/// What a database is made of at one moment.
struct Moment {
    /// Every file but WALs and checkpoints.
    files: BTreeMap<String, DirEntry>,
    small: Vec<(String, Vec<u8>)>,
    wals: Wals,
}

/// What is in the copy of a file.
struct Copied {
    id: u64,
    len: u64,
    is_link: bool,
}

struct DatabaseCopy<'a> {
    vfs: &'a dyn Vfs,
    from: PathBuf,
    to: PathBuf,
    name: String,
    copy_all: bool,
    checkpoint_file: String,
    copied: BTreeMap<String, Copied>,
}

impl<'a> DatabaseCopy<'a> {
    /// Makes the directory and copies what must be older than every sample.
    fn begin(
        vfs: &'a dyn Vfs,
        request: &SnapshotRequest<'_>,
        target: &Path,
        name: String,
        defaults: &Manifest,
    ) -> Result<Self> {
        let (from, to) = (request.root.join(&name), target.join(&name));
        vfs.create_dir_all(&to).map_err(|e| Error::io("create", &to, e))?;
        // One that cannot be read is copied as it is, and found by the check.
        let manifest = Manifest::load(vfs, &from.join(MANIFEST_FILE), defaults).map(|loaded| loaded.value);
        let checkpoint_file = manifest.unwrap_or_else(|_| defaults.clone()).rollups.checkpoint_file;
        let path = from.join(&checkpoint_file);
        match vfs.read(&path, MAX_SMALL_FILE) {
            Ok(bytes) => {
                let to = to.join(&checkpoint_file);
                if let Some(directory) = to.parent() {
                    vfs.create_dir_all(directory).map_err(|e| Error::io("create", directory, e))?;
                }
                put(vfs, &to, &bytes)?;
                sync_directory(vfs, to.parent().unwrap_or(&to))?;
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io("read", path, e)),
        }
        Ok(Self { vfs, from, to, name, copy_all: request.copy_all, checkpoint_file, copied: BTreeMap::new() })
    }

    fn run(mut self, progress: &mut dyn FnMut(&str, &str)) -> Result<SnapshotDatabase> {
        for _ in 0..READ_ATTEMPTS {
            let Some(moment) = self.moment()? else { continue };
            if self.files(&moment, progress)? {
                return self.finish(moment);
            }
        }
        Err(Error::Io {
            op: "copy",
            path: self.from,
            source: std::io::Error::other("files change faster than they can be copied; try again"),
        })
    }

    /// `None` when something changed while it was looked at.
    fn moment(&self) -> Result<Option<Moment>> {
        let files = self.listing()?;
        let mut small = Vec::new();
        for name in files.keys().filter(|name| kind_of(name) == Kind::Small) {
            let path = self.from.join(name);
            match self.vfs.read(&path, MAX_SMALL_FILE) {
                Ok(bytes) => small.push((name.clone(), bytes)),
                Err(e) if is_gone(&e) => return Ok(None),
                Err(e) => return Err(Error::io("read", path, e)),
            }
        }
        let path = |name: String| self.from.join(name);
        let wals = read_wals(self.vfs, &path(wal_name(&self.name)), &path(next_wal_name(&self.name)))?;
        let Some(wals) = wals else { return Ok(None) };
        Ok((files == self.listing()?).then_some(Moment { files, small, wals }))
    }

    fn listing(&self) -> Result<BTreeMap<String, DirEntry>> {
        let entries = self.vfs.read_dir(&self.from).map_err(|e| Error::io("list", &self.from, e))?;
        let (wal, next) = (wal_name(&self.name), next_wal_name(&self.name));
        let is_wanted = |entry: &DirEntry| {
            let name = entry.name.as_str();
            !entry.is_dir && !is_temporary(name) && name != wal && name != next && name != self.checkpoint_file
        };
        Ok(entries.into_iter().filter(is_wanted).map(|entry| (entry.name.clone(), entry)).collect())
    }

    /// Brings the copy to what the files were at that moment; `false` when one of them is there no more.
    fn files(&mut self, moment: &Moment, progress: &mut dyn FnMut(&str, &str)) -> Result<bool> {
        for (name, entry) in &moment.files {
            let is_there = match kind_of(name) {
                Kind::Small => continue,
                kind => {
                    progress(&self.name, name);
                    self.file(name, entry, kind)?
                }
            };
            if !is_there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn file(&mut self, name: &str, entry: &DirEntry, kind: Kind) -> Result<bool> {
        let (from, to) = (self.from.join(name), self.to.join(name));
        let known = self.copied.get(name).filter(|copied| copied.id == entry.id && copied.len <= entry.len);
        if known.is_some_and(|copied| copied.is_link || copied.len == entry.len) {
            return Ok(true);
        }
        if known.is_none() && self.copied.remove(name).is_some() {
            self.vfs.remove_file(&to).map_err(|e| Error::io("remove", &to, e))?;
        }
        if kind == Kind::Immutable && !self.copy_all {
            match self.vfs.hard_link(&from, &to) {
                Ok(()) => {
                    let copied = Copied { id: entry.id, len: entry.len, is_link: true };
                    self.copied.insert(name.to_owned(), copied);
                    let linked = self.vfs.entry(&from).map_err(|e| Error::io("look up", &from, e))?;
                    return Ok(linked.is_some_and(|linked| linked.id == entry.id));
                }
                Err(e) if is_gone(&e) => return Ok(false),
                // Another file system, or one that cannot: a copy does as well.
                Err(e) => tracing::debug!(file = %from.display(), error = %e, "copied instead of linked"),
            }
        }
        self.copy(name, entry)
    }

    fn copy(&mut self, name: &str, entry: &DirEntry) -> Result<bool> {
        let (from, to) = (self.from.join(name), self.to.join(name));
        let source = match self.vfs.open(&from, OpenMode::Read) {
            Ok(source) => source,
            Err(e) if is_gone(&e) => return Ok(false),
            Err(e) => return Err(Error::io("open", from, e)),
        };
        let done = self.copied.get(name).map_or(0, |copied| copied.len);
        let mode = if done == 0 { OpenMode::Truncate } else { OpenMode::Write };
        let target = self.vfs.open(&to, mode).map_err(|e| Error::io("create", &to, e))?;
        let count = copy_range((&*source, &from), (&*target, &to), done..entry.len)?;
        // The handle is of the file that was meant when that one had the name before and has it still: no other gets its id.
        let now = self.vfs.entry(&from).map_err(|e| Error::io("look up", &from, e))?;
        let is_same = now.is_some_and(|now| now.id == entry.id) && count == entry.len.saturating_sub(done);
        target.sync().map_err(|e| Error::io("fsync", &to, e))?;
        // What is not the same gets an id that nothing has, so that it is copied anew.
        let id = if is_same { entry.id } else { !entry.id };
        self.copied.insert(name.to_owned(), Copied { id, len: entry.len, is_link: false });
        Ok(is_same)
    }

    /// Adds what was read with the moment, removes what was copied for an earlier one, and makes names durable.
    fn finish(mut self, moment: Moment) -> Result<SnapshotDatabase> {
        let mut report = SnapshotDatabase { name: self.name.clone(), ..SnapshotDatabase::default() };
        let superfluous: Vec<String> = self.copied.keys().filter(|n| !moment.files.contains_key(*n)).cloned().collect();
        for name in superfluous {
            let path = self.to.join(&name);
            self.vfs.remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
            self.copied.remove(&name);
        }
        for (name, copied) in &self.copied {
            let (files, bytes) = match copied.is_link {
                true => (&mut report.linked_files, &mut report.linked_bytes),
                false => (&mut report.copied_files, &mut report.copied_bytes),
            };
            *files = files.saturating_add(1);
            *bytes = bytes.saturating_add(copied.len);
            if copied.is_link {
                // Whoever wrote it may not have forced it to the device.
                let path = self.to.join(name);
                let sync = || self.vfs.open(&path, OpenMode::Read)?.sync();
                sync().map_err(|e| Error::io("fsync", &path, e))?;
            }
        }
        let wals = [(wal_name(&self.name), moment.wals.wal), (next_wal_name(&self.name), moment.wals.next)];
        let wals = wals.into_iter().filter_map(|(name, bytes)| Some((name, bytes?)));
        for (name, bytes) in moment.small.into_iter().chain(wals) {
            put(self.vfs, &self.to.join(&name), &bytes)?;
            report.copied_files = report.copied_files.saturating_add(1);
            report.copied_bytes = report.copied_bytes.saturating_add(bytes.len() as u64);
        }
        sync_directory(self.vfs, &self.to)?;
        Ok(report)
    }
}

fn sync_directory(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    vfs.sync_dir(path).map_err(|e| Error::io("fsync", path, e))
}

fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::UnexpectedEof)
}
