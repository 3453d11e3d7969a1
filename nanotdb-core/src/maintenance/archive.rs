//! Archives of partitions that retention moved out: what is in them, whether it is whole, and the way back.

use super::verify::{Expected, Problem, VerifyReport, check_files};
use crate::database::journal::Journal;
use crate::database::part_of;
use crate::engine::Engine;
use crate::layout;
use crate::model::{Timestamp, counted};
use crate::plugin::Partition;
use crate::plugin::registry::registry;
use crate::storage::archive::{Archive, ArchivedFile, ArchivedFiles};
use crate::storage::events::KnownEvents;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How the names of archives begin and end.
const PREFIX: &str = layout::ARCHIVE;
const SUFFIX: &str = ".tar";
/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;
/// How often an archive is read again while partitions come into it.
const ATTEMPTS: usize = 10;

/// One archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveReport {
    /// Path.
    pub path: PathBuf,
    /// Its bucket, as in its name.
    pub bucket: String,
    /// Bytes of the archive.
    pub len: u64,
    /// What is in it, by name.
    pub partitions: Vec<ArchivedPartition>,
    /// Why it cannot be read.
    pub problem: Option<String>,
}

/// One partition in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedPartition {
    /// Its name, as in its file names.
    pub partition: String,
    /// Its time range; `None` when no partitioner knows the name.
    pub range: Option<Partition>,
    /// 1, or more for files that came to a partition that had been archived before.
    pub generation: u32,
    /// Names and lengths of its files.
    pub files: Vec<(String, u64)>,
}

impl ArchivedPartition {
    /// Bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, len)| len).sum()
    }
}

/// What is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// The partition with this name.
    Partition(&'a str),
    /// Every partition of the archive of this bucket.
    Bucket(&'a str),
}

/// What became of partitions that were to be restored.
#[derive(Debug, Default)]
pub struct Restored {
    /// Those that are in the database again, by name.
    pub partitions: Vec<ArchivedPartition>,
    /// Those of a bucket that stay in the archive, with the reason.
    pub refused: Vec<(String, Error)>,
}

/// The archives of a database's directory, by name.
pub(crate) fn archives(vfs: &dyn Vfs, directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = vfs.read_dir(directory).map_err(|e| Error::io("list", directory, e))?;
    let is_archive = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
    Ok(entries.into_iter().filter(|e| !e.is_dir && is_archive(&e.name)).map(|e| directory.join(e.name)).collect())
}

/// An archive as the next start will have it: without what a process that was killed, or one that archives at this moment, has
/// appended so far.
pub(super) fn read_archive(vfs: &dyn Vfs, path: &Path) -> Result<Archive> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default();
    let mut journal = Journal::read(vfs, directory)?;
    let mut attempts = 0;
    loop {
        let archive = match &journal {
            Some(Journal::Append { archive, end }) if name == archive.as_str() => Archive::read_to(vfs, path, *end),
            _ => Archive::read(vfs, path),
        };
        let now = Journal::read(vfs, directory)?;
        attempts += 1;
        if now == journal || attempts == ATTEMPTS {
            return archive;
        }
        journal = now;
    }
}

fn bucket_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let bucket = name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(SUFFIX));
    bucket.unwrap_or_default().to_owned()
}

/// Files of partitions, by name and generation.
fn partitions(archive: &Archive) -> BTreeMap<(String, u32), Vec<&ArchivedFile>> {
    let mut partitions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for file in &archive.files {
        if let Some(part) = part_of(&file.name) {
            partitions.entry((part.to_owned(), file.generation)).or_default().push(file);
        }
    }
    partitions
}

/// What the archives of a database hold. One that cannot be read is in the answer with the reason.
pub fn list(engine: &Engine, database: &str) -> Result<Vec<ArchiveReport>> {
    let vfs = engine.vfs();
    let directory = engine.known_database(database)?.directory().to_owned();
    archives(vfs, &directory)?.into_iter().filter_map(|path| describe(vfs, path).transpose()).collect()
}

/// `None` when there is none any more, or none yet.
fn describe(vfs: &dyn Vfs, path: PathBuf) -> Result<Option<ArchiveReport>> {
    let len = vfs.entry(&path).map_err(|e| Error::io("look up", &path, e))?.map_or(0, |e| e.len);
    let bucket = bucket_of(&path);
    let (partitions, problem) = match read_archive(vfs, &path) {
        Ok(archive) => {
            let described =
                partitions(&archive).into_iter().map(|((partition, generation), files)| ArchivedPartition {
                    range: registry().named_by(&partition).first().map(|(_, range)| *range),
                    partition,
                    generation,
                    files: files.into_iter().map(|file| (file.name.clone(), file.len)).collect(),
                });
            (described.collect(), None)
        }
        Err(Error::NotFound(_)) => return Ok(None),
        Err(error @ Error::Corrupt { .. }) => (Vec::new(), Some(error.to_string())),
        Err(e) => return Err(e),
    };
    Ok(Some(ArchiveReport { path, bucket, len, partitions, problem }))
}

/// Moves partitions out of their archives into the database again. The engine was opened for writing.
///
/// Of each, every checksum is verified before the first file is put in its place. Nothing is overwritten: [`Error::BadInput`]
/// when the database has files of the partition, or when the next sweep of retention would archive it again;
/// [`Error::Corrupt`] when what is in the archive is damaged; [`Error::NotFound`] when there is nothing to restore. Of a
/// bucket, the partitions are restored that can be.
pub fn restore(engine: &Engine, database: &str, wanted: Wanted<'_>) -> Result<Restored> {
    let found = list(engine, database)?;
    let matches = |archive: &ArchiveReport, partition: &ArchivedPartition| match wanted {
        Wanted::Partition(name) => partition.partition == name,
        Wanted::Bucket(bucket) => archive.bucket == bucket,
    };
    let mut chosen: BTreeMap<String, (PathBuf, ArchivedPartition)> = BTreeMap::new();
    for archive in &found {
        if let (Some(problem), Wanted::Bucket(bucket)) = (&archive.problem, wanted)
            && archive.bucket == bucket
        {
            let reason = problem.clone();
            return Err(Error::Corrupt { file: archive.path.clone(), offset: 0, reason });
        }
        // Sorted by generation: the first comes first.
        for partition in archive.partitions.iter().filter(|p| matches(archive, p)) {
            chosen.entry(partition.partition.clone()).or_insert_with(|| (archive.path.clone(), partition.clone()));
        }
    }
    if chosen.is_empty() {
        return Err(nothing_found(database, wanted, &found));
    }
    for (_, partition) in chosen.values() {
        check_retention(engine, database, partition)?;
    }
    let mut restored = Restored::default();
    for (path, partition) in chosen.into_values() {
        let one = || {
            check_whole(engine, database, &path, &partition)?;
            engine.known_database(database)?.restore_partition(&path, &partition.partition, partition.generation)
        };
        match one() {
            Ok(()) => restored.partitions.push(partition),
            // What is wrong with one says nothing of the next.
            Err(error @ (Error::BadInput(_) | Error::Corrupt { .. } | Error::Incompatible { .. }))
                if matches!(wanted, Wanted::Bucket(_)) =>
            {
                restored.refused.push((partition.partition, error));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(restored)
}

fn nothing_found(database: &str, wanted: Wanted<'_>, found: &[ArchiveReport]) -> Error {
    let buckets: Vec<_> = found.iter().map(|archive| archive.bucket.as_str()).collect();
    let partitions: BTreeSet<_> = found.iter().flat_map(|a| &a.partitions).map(|p| p.partition.as_str()).collect();
    let partitions: Vec<_> = partitions.into_iter().collect();
    let (what, known) = match wanted {
        Wanted::Partition(name) => (format!("partition {name:?}"), partitions),
        Wanted::Bucket(name) => (format!("bucket {name:?}"), buckets),
    };
    let known = if known.is_empty() { "it has none".to_owned() } else { format!("archived is {}", known.join(", ")) };
    Error::NotFound(format!("no archive of database {database:?} has {what}; {known}"))
}

/// Refuses what would be archived again at once.
fn check_retention(engine: &Engine, database: &str, partition: &ArchivedPartition) -> Result<()> {
    let Some(range) = partition.range else {
        return Err(Error::bad_input(format!("no partitioner knows the name {:?}", partition.partition)));
    };
    let now: Timestamp = engine.clock().now();
    let known = engine.known_database(database)?;
    if known.retention_cutoff(now).is_none_or(|cutoff| range.end > cutoff) {
        return Ok(());
    }
    let days = now.saturating_sub(range.end) / DAY;
    Err(Error::bad_input(format!(
        "partition {} ended {} ago, and with retention_days = {} the next sweep would archive it again; set \
         retention_days to {} or more, or retention_action = \"keep\", in {}/manifest.toml before it is restored",
        partition.partition,
        counted(days.unsigned_abs(), "day"),
        known.manifest().retention.retention_days,
        days.saturating_add(2),
        known.directory().display(),
    )))
}

fn check_whole(engine: &Engine, database: &str, path: &Path, partition: &ArchivedPartition) -> Result<()> {
    let archive = Archive::read(engine.vfs(), path)?;
    let files = ArchivedFiles::new(engine.vfs(), &archive);
    let known = engine.known_database(database)?;
    let types = known.ids().iter().map(|m| (m.id, m.value_type)).collect();
    let events = KnownEvents::read(engine.vfs(), known.directory(), database)?;
    let mut report = VerifyReport::default();
    let expected = Expected { types: &types, events: &events };
    check_files(&files, &directory_of(&archive, partition.generation), None, expected, &mut report)?;
    let of_it = |problem: &&Problem| {
        let name = problem.file.file_name().unwrap_or_default().to_string_lossy();
        part_of(&name) == Some(&*partition.partition)
    };
    match report.problems.iter().find(of_it) {
        None => Ok(()),
        Some(problem) => Err(Error::Corrupt {
            file: problem.file.clone(),
            offset: problem.offset.unwrap_or(0),
            reason: format!("{}; nothing of partition {} is restored", problem.what, partition.partition),
        }),
    }
}

/// Where [`ArchivedFiles`] has the entries of a generation.
pub(crate) fn directory_of(archive: &Archive, generation: u32) -> PathBuf {
    if generation <= 1 { archive.path.clone() } else { archive.path.join(generation.to_string()) }
}
