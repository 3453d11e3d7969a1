//! A consistent copy of a root that a server may be writing.
//!
//! The copy of a database is what a kill at one moment would have left, and so what recovery is made for. The moment is found as
//! a reader beside a server finds it: names, lengths and identities of all files are the same before and after both WALs
//! were read, so that no page was flushed and nothing was replaced in between. Then the files are copied as they were at
//! that moment, however long it takes:
//!
//! - `data-*` grow at their end only: the part that was there is copied. They are opened with the moment, so that it does not matter
//!   what becomes of their names. Of those that are too many for that the names are followed: what replaces or removes one gives another
//!   file that name or none, which is seen, and the next moment is taken; what was copied of files that are still the same stays.
//! - `metric-*` and `raw-*` are never changed in place (they come and go by rename and removal), so they get a second name instead
//!   of a copy where the file system can. A `data-*` must not: late samples are appended to it.
//! - `archive-*` grow over the mark at their end, and are cut again when that fails: of them the entries are copied that were
//!   there, and a mark of the copy's own comes behind. While a partition is being appended, the journal says where they end.
//! - Everything else is copied: an operator's editor may write it in place.
//!
//! What says how far something got is read before that something: checkpoints of rollups before any samples.

use super::target::{Target, only, put};
use super::verify::{Problem, verify};
use crate::config::{EngineConfig, Manifest};
use crate::database::journal::Journal;
use crate::database::{Database, Logs, ScanReport, Wals, next_wal_name, read_wals, wal_name};
use crate::engine::{Engine, EngineOptions, databases_on_disk, directory_on_disk};
use crate::layout;
use crate::storage::Archive;
use crate::storage::archive::END;
use crate::storage::check_directory;
use crate::storage::copy::copy_range;
use crate::storage::vfs::{DirEntry, OpenMode, Vfs, VfsFile};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest file that is no data: catalog, manifest, checkpoints.
const MAX_SMALL_FILE: u64 = 256 << 20;
/// Most files that are held open at a time: a process may often have no more than 1,024.
const MOST_HELD: usize = 256;
/// How long is waited, in all, for a moment at which no file changes. What is copied meanwhile does not count.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait before the next attempt; the first is a millisecond, and each is twice the one before.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

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
    let mut databases = databases_on_disk(vfs, request.root)?;
    if let Some(wanted) = request.database {
        only(&mut databases, wanted, request.root)?;
    }
    let target = Target::create(vfs, request.root, request.out)?;
    let mut copies = Vec::new();
    for database in databases {
        copies.push(DatabaseCopy::begin(vfs, &request, target.path(), database, &config.manifest_defaults)?);
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
        if !entry.is_dir && entry.name != layout::LOCK && !is_temporary(&entry.name) {
            let from = root.join(&entry.name);
            // A link leads out of the root: of engine.toml what it leads to is meant, of anything else nobody knows.
            let file = match vfs.resolve(&from) {
                Ok(file) if file == from || entry.name == layout::ENGINE_TOML => file,
                _ => {
                    tracing::warn!(file = %from.display(), "a link is not copied");
                    continue;
                }
            };
            match vfs.read(&file, MAX_SMALL_FILE) {
                Ok(bytes) => put(vfs, &to.join(&entry.name), &bytes)?,
                // An editor's, perhaps: it was there when the root was listed.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io("read", from, e)),
            }
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
    /// The same, but for the mark at its end, which is no part of its length here.
    Archive,
    /// Read whole with the moment.
    Small,
}

fn kind_of(name: &str) -> Kind {
    let is = |prefix: &str, suffix: &str| name.starts_with(prefix) && name.ends_with(suffix);
    match name {
        _ if is(layout::METRIC, ".dat") || is(layout::RAW, ".dat") => Kind::Immutable,
        _ if is(layout::ARCHIVE, ".tar") => Kind::Archive,
        _ if is(layout::DATA, ".dat") || is("events-", ".dat") || name.contains(".damaged-") => Kind::Appended,
        _ => Kind::Small,
    }
}

/// A file of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    id: u64,
    /// Bytes of it that are copied.
    len: u64,
    kind: Kind,
}

/// What a database is made of at one moment.
struct Moment {
    /// Every file but WALs and checkpoints.
    files: BTreeMap<String, Listed>,
    small: Vec<(String, Vec<u8>)>,
    wals: Wals,
}

/// What is in the copy of a file.
struct Copied {
    /// `None` when it is not known to be the same as any file, so that it is copied anew.
    id: Option<u64>,
    len: u64,
    is_link: bool,
}

struct DatabaseCopy<'a> {
    vfs: &'a dyn Vfs,
    root: &'a Path,
    from: PathBuf,
    to: PathBuf,
    name: String,
    copy_all: bool,
    checkpoint_file: String,
    copied: BTreeMap<String, Copied>,
    /// Files of the last moment that are copied, with their identities. While they are open, no other file can get those: not
    /// every file system tells when a file was made, and then it has the number of its inode alone, which is used again.
    held: BTreeMap<String, (u64, Box<dyn VfsFile>)>,
}

impl<'a> DatabaseCopy<'a> {
    /// Makes the directory and copies what must be older than every sample.
    fn begin(
        vfs: &'a dyn Vfs,
        request: &SnapshotRequest<'a>,
        target: &Path,
        (name, from): (String, PathBuf),
        defaults: &Manifest,
    ) -> Result<Self> {
        check_directory(vfs, &from)?;
        let to = target.join(&name);
        vfs.create_dir_all(&to).map_err(|e| Error::io("create", &to, e))?;
        // One that cannot be read is copied as it is, and found by the check.
        let manifest = Manifest::load(vfs, &from.join(layout::MANIFEST), defaults).map(|loaded| loaded.value);
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
        let SnapshotRequest { root, copy_all, .. } = *request;
        Ok(Self {
            vfs,
            root,
            from,
            to,
            name,
            copy_all,
            checkpoint_file,
            copied: BTreeMap::new(),
            held: BTreeMap::new(),
        })
    }

    fn run(mut self, progress: &mut dyn FnMut(&str, &str)) -> Result<SnapshotDatabase> {
        let (mut wait, mut waited, mut attempts) = (Duration::from_millis(1), Duration::ZERO, 1u32);
        loop {
            if let Some(moment) = self.moment()?
                && self.files(&moment, progress)?
            {
                return self.finish(moment);
            }
            if waited >= PATIENCE {
                let reason = format!(
                    "each of {attempts} times that its files were looked at, some of them were replaced or grew meanwhile; try again \
                     when less is written to database {:?}, or when no metric files are built for it",
                    self.name
                );
                return Err(Error::Io { op: "copy", path: self.from, source: std::io::Error::other(reason) });
            }
            std::thread::sleep(wait);
            waited = waited.saturating_add(wait);
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
            attempts = attempts.saturating_add(1);
        }
    }

    /// `None` when something changed while it was looked at.
    fn moment(&mut self) -> Result<Option<Moment>> {
        match self.look() {
            // Another database takes its place, or has.
            Err(error) if error.is_missing_file() => {
                let gone = || Error::NotFound(format!("database {:?} was removed while it was copied", self.name));
                self.from = directory_on_disk(self.vfs, self.root, &self.name)?.ok_or_else(gone)?;
                Ok(None)
            }
            looked => looked,
        }
    }

    fn look(&mut self) -> Result<Option<Moment>> {
        let files = self.listing()?;
        self.hold(&files);
        let mut small = Vec::new();
        for (name, _) in files.iter().filter(|(_, file)| file.kind == Kind::Small) {
            let path = self.from.join(name);
            match self.vfs.read(&path, MAX_SMALL_FILE) {
                Ok(bytes) => small.push((name.clone(), bytes)),
                Err(e) if is_gone(&e) => return Ok(None),
                Err(e) => return Err(Error::io("read", path, e)),
            }
        }
        let logs = Logs::of(self.vfs, &self.from, &self.name)?;
        let wals = read_wals(self.vfs, &logs.wal, &logs.next)?;
        let Some(wals) = wals else { return Ok(None) };
        Ok((files == self.listing()?).then_some(Moment { files, small, wals }))
    }

    /// Opens the files that are copied; the younger ones, if they are too many. One that cannot be opened is opened again when it is
    /// copied, and by then the error counts.
    fn hold(&mut self, files: &BTreeMap<String, Listed>) {
        let of_kind = |is_wanted: fn(Kind) -> bool| files.iter().rev().filter(move |(_, file)| is_wanted(file.kind));
        let immutable = of_kind(|kind| kind == Kind::Immutable).filter(|_| self.copy_all);
        let wanted = of_kind(|kind| matches!(kind, Kind::Appended | Kind::Archive)).chain(immutable);
        let mut before = std::mem::take(&mut self.held);
        let held = wanted.take(MOST_HELD).filter_map(|(name, file)| {
            let known = before.remove(name).filter(|(id, _)| *id == file.id).map(|(_, handle)| handle);
            let handle = known.or_else(|| self.vfs.open(&self.from.join(name), OpenMode::Read).ok())?;
            Some((name.clone(), (file.id, handle)))
        });
        self.held = held.collect();
        // What is closed now may leave its identity to another file.
        for (name, copied) in &mut self.copied {
            if files.get(name).map(|file| file.id) != copied.id {
                copied.id = None;
            }
        }
    }

    fn listing(&self) -> Result<BTreeMap<String, Listed>> {
        let entries = self.vfs.read_dir(&self.from).map_err(|e| Error::io("list", &self.from, e))?;
        let logs = Logs::among(&entries, &self.from, &self.name);
        let own = [wal_name(&self.name), next_wal_name(&self.name)];
        let is_log = |name: &str| {
            let path = self.from.join(name);
            path == logs.wal || path == logs.next || own.iter().any(|own| own == name)
        };
        let is_wanted = |entry: &DirEntry| {
            let name = entry.name.as_str();
            !entry.is_dir && !is_temporary(name) && !is_log(name) && name != self.checkpoint_file
        };
        let files = entries.into_iter().filter(is_wanted).map(|DirEntry { name, id, len, .. }| {
            let kind = kind_of(&name);
            (name, Listed { id, len, kind })
        });
        let mut files: BTreeMap<String, Listed> = files.collect();
        let journal = match files.contains_key(layout::JOURNAL) {
            true => Journal::read(self.vfs, &self.from)?,
            false => None,
        };
        for (name, file) in files.iter_mut().filter(|(_, file)| file.kind == Kind::Archive) {
            let end = match &journal {
                Some(Journal::Append { archive, end }) if archive == name => Some(*end),
                _ => Archive::read(self.vfs, &self.from.join(name)).ok().map(|archive| archive.end),
            };
            match end {
                Some(end) => file.len = end,
                // Nothing is ever appended to one that is damaged.
                None => file.kind = Kind::Appended,
            }
        }
        Ok(files)
    }

    /// Brings the copy to what the files were at that moment; `false` when one of them is there no more. Those that get a
    /// second name come first: the others take their time, in which a build may replace them.
    fn files(&mut self, moment: &Moment, progress: &mut dyn FnMut(&str, &str)) -> Result<bool> {
        let of_kind = |is_wanted: fn(Kind) -> bool| moment.files.iter().filter(move |(_, file)| is_wanted(file.kind));
        let immutable = of_kind(|kind| kind == Kind::Immutable);
        for (name, file) in immutable.chain(of_kind(|kind| matches!(kind, Kind::Appended | Kind::Archive))) {
            progress(&self.name, name);
            if !self.file(name, file)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn file(&mut self, name: &str, file: &Listed) -> Result<bool> {
        let (from, to) = (self.from.join(name), self.to.join(name));
        let known = self.copied.get(name).filter(|copied| copied.id == Some(file.id) && copied.len <= file.len);
        if known.is_some_and(|copied| copied.is_link || copied.len == file.len) {
            return Ok(true);
        }
        if known.is_none() && self.copied.remove(name).is_some() {
            self.vfs.remove_file(&to).map_err(|e| Error::io("remove", &to, e))?;
        }
        if file.kind == Kind::Immutable && !self.copy_all {
            match self.vfs.hard_link(&from, &to) {
                Ok(()) => {
                    let copied = Copied { id: Some(file.id), len: file.len, is_link: true };
                    self.copied.insert(name.to_owned(), copied);
                    let linked = self.vfs.entry(&from).map_err(|e| Error::io("look up", &from, e))?;
                    return Ok(linked.is_some_and(|linked| linked.id == file.id));
                }
                Err(e) if is_gone(&e) => return Ok(false),
                // Another file system, or one that cannot: a copy does as well.
                Err(e) => tracing::debug!(file = %from.display(), error = %e, "copied instead of linked"),
            }
        }
        self.copy(name, file)
    }

    fn copy(&mut self, name: &str, file: &Listed) -> Result<bool> {
        let (from, to) = (self.from.join(name), self.to.join(name));
        let held = self.held.get(name).filter(|(id, _)| *id == file.id).map(|(_, handle)| &**handle);
        let opened = match held {
            Some(_) => None,
            None => match self.vfs.open(&from, OpenMode::Read) {
                Ok(source) => Some(source),
                Err(e) if is_gone(&e) => return Ok(false),
                Err(e) => return Err(Error::io("open", from, e)),
            },
        };
        let Some(source) = held.or(opened.as_deref()) else { return Ok(false) };
        let done = self.copied.get(name).map_or(0, |copied| copied.len);
        let mode = if done == 0 { OpenMode::Truncate } else { OpenMode::Write };
        let target = self.vfs.open(&to, mode).map_err(|e| Error::io("create", &to, e))?;
        let count = copy_range((source, &from), (&*target, &to), done..file.len)?;
        if file.kind == Kind::Archive {
            target.write_all_at(&END, file.len).map_err(|e| Error::io("write", &to, e))?;
        }
        // What was opened only now is the file that was meant when that one had the name before and has it still.
        let is_meant = match held {
            Some(_) => true,
            None => {
                let now = self.vfs.entry(&from).map_err(|e| Error::io("look up", &from, e))?;
                now.is_some_and(|now| now.id == file.id)
            }
        };
        let is_same = is_meant && count == file.len.saturating_sub(done);
        target.sync().map_err(|e| Error::io("fsync", &to, e))?;
        let id = is_same.then_some(file.id);
        self.copied.insert(name.to_owned(), Copied { id, len: file.len, is_link: false });
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
            if moment.files.get(name).is_some_and(|file| file.kind == Kind::Archive) {
                *bytes = bytes.saturating_add(END.len() as u64);
            }
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
