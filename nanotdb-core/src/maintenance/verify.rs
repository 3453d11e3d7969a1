//! Checks every checksum and invariant of a root, without writing.

mod events;
mod metric;

use super::archive::{archives, directory_of, read_archive};
use super::{inspect, metric_files};
use crate::config::EngineConfig;
use crate::database::journal::Journal;
use crate::database::{Database, Digest, owner_of, part_of, source_of};
use crate::engine::{Engine, EngineOptions};
use crate::layout;
use crate::model::{MetricId, Timestamp, Value, ValueType};
use crate::plugin::Partition;
use crate::storage::archive::ArchivedFiles;
use crate::storage::events::KnownEvents;
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::{OpenMode, Vfs};
use crate::storage::{FrameEntry, RawFile};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Where in it, if that is known.
    pub offset: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// What was checked and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Databases checked.
    pub databases: u64,
    /// Raw files checked.
    pub files: u64,
    /// Frames checked.
    pub frames: u64,
    /// Rows in whole frames.
    pub rows: u64,
    /// Records in the WALs.
    pub wal_records: u64,
    /// Metric files checked.
    pub metric_files: u64,
    /// Time vectors and blocks of values in them.
    pub metric_blocks: u64,
    /// Samples in whole blocks.
    pub metric_rows: u64,
    /// Archives checked; what is in them counts as the files do.
    pub archives: u64,
    /// Files with frames of events checked, those in archives among them.
    pub event_files: u64,
    /// Events in whole frames and in logs; one that is in both counts twice.
    pub events: u64,
    /// What is wrong; empty when all is well.
    pub problems: Vec<Problem>,
    /// What is as it may be, and worth to be known: partitions that were removed by hand.
    pub notes: Vec<String>,
}

/// Verifies a root, or one database of it. On the root of a running server, rows that are being written at this moment
/// are no problem.
pub fn verify(
    root: &Path,
    database: Option<&str>,
    config: EngineConfig,
    options: EngineOptions,
) -> Result<VerifyReport> {
    let vfs = std::sync::Arc::clone(&options.vfs);
    let engine = Engine::open_read_only_with(root, config, options)?;
    let mut report = VerifyReport::default();
    for (name, reason) in engine.health() {
        if database.is_none_or(|wanted| wanted == name) {
            report.problems.push(Problem { file: root.join(name), offset: None, what: reason });
        }
    }
    let names = match database {
        Some(name) if engine.has_database(name) || !report.problems.is_empty() => vec![name.to_owned()],
        Some(name) => {
            let known = engine.database_names(true).join(", ");
            return Err(Error::NotFound(format!("no database {name:?}; there are {known}")));
        }
        None => engine.database_names(true),
    };
    for name in names {
        if engine.has_database(&name) {
            report.databases = report.databases.saturating_add(1);
            check_database(&*vfs, &*engine.known_database(&name)?, &mut report)?;
        }
    }
    Ok(report)
}

fn check_database(vfs: &dyn Vfs, database: &Database, report: &mut VerifyReport) -> Result<()> {
    let directory = database.directory();
    let catalog = inspect::read_catalog(vfs, directory)?;
    let lacks: Vec<String> =
        database.log_lacks().into_iter().filter(|(is_lost, _)| *is_lost).map(|(_, text)| text).collect();
    let all = database.doubts().into_iter().chain(database.missing_now()?).chain(lacks);
    for what in all.chain(database.damaged_memory()) {
        report.problems.push(Problem { file: directory.to_owned(), offset: None, what });
    }
    report.notes.extend(database.removed_now());
    report.notes.extend(database.log_notes());
    let mut types: HashMap<MetricId, ValueType> = catalog.iter().map(|e| (e.id, e.value_type)).collect();
    for wal in inspect::wal_files(vfs, directory, &catalog)? {
        report.wal_records = report.wal_records.saturating_add(wal.summary.records);
        // Not a torn last write: that is what a crash, or a server that is writing right now, leaves; recovery cuts it off.
        for damage in wal.summary.lost() {
            report.problems.push(Problem {
                file: wal.path.clone(),
                offset: Some(damage.from),
                what: format!("{} damaged bytes: {}", damage.to.saturating_sub(damage.from), damage.reason),
            });
        }
        for record in wal.records.iter().filter(|r| r.new_metric) {
            // A metric that is announced again is one that widened; the catalog may know that before an old record does.
            let known = types.entry(record.id).or_insert(record.value_type);
            if *known == ValueType::Int32 {
                *known = record.value_type;
            }
        }
    }
    let known = events::check_names(vfs, directory, database.name(), report)?;
    let expected = Expected { types: &types, events: &known };
    check_files(vfs, directory, Some(database), expected, report)?;
    archives(vfs, directory)?.iter().try_for_each(|path| check_archive(vfs, path, expected, report))
}

/// What files have to agree with: types of metrics, and names of events.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) types: &'a HashMap<MetricId, ValueType>,
    pub(super) events: &'a KnownEvents,
}

/// Checks metric files, raw files and files of events: of a `database`, which was opened for reading, or of an archive.
pub(super) fn check_files(
    vfs: &dyn Vfs,
    directory: &Path,
    database: Option<&Database>,
    expected: Expected<'_>,
    report: &mut VerifyReport,
) -> Result<()> {
    let types = expected.types;
    // Files that are on their way out, or in, are for the next start to remove; what they were is in an archive, or expired.
    let journal = match database {
        Some(_) => Journal::read(vfs, directory)?,
        None => None,
    };
    let hidden = journal.as_ref().map(Journal::hidden).unwrap_or_default();
    let mut built = BTreeMap::new();
    for path in metric_files::metric_files(vfs, directory)?.into_iter().filter(|path| !is_hidden(path, hidden)) {
        built.extend(metric::check(vfs, &path, types, report)?);
    }
    metric::check_sources(vfs, directory, report)?;
    events::check_files(vfs, directory, expected.events, hidden, report)?;
    let raw = inspect::data_files(vfs, directory)?.into_iter().filter(|path| !is_hidden(path, hidden));
    check_raw_files(vfs, raw.collect(), database, types, &built, report)
}

fn is_hidden(path: &Path, hidden: &[String]) -> bool {
    path.file_name().is_some_and(|name| hidden.iter().any(|hidden| name == hidden.as_str()))
}

pub(super) fn check_archive(
    vfs: &dyn Vfs,
    path: &Path,
    expected: Expected<'_>,
    report: &mut VerifyReport,
) -> Result<()> {
    report.archives = report.archives.saturating_add(1);
    let archive = match read_archive(vfs, path) {
        Ok(archive) => archive,
        // A restore took out the last that was in it, or nothing has come into it yet.
        Err(Error::NotFound(_)) => return Ok(()),
        Err(Error::Corrupt { file, offset, reason }) => {
            report.problems.push(Problem { file, offset: Some(offset), what: reason });
            return Ok(());
        }
        Err(e) => return Err(e),
    };
    let files = ArchivedFiles::new(vfs, &archive);
    let generations: BTreeSet<u32> = archive.files.iter().map(|file| file.generation).collect();
    generations.into_iter().try_for_each(|n| check_files(&files, &directory_of(&archive, n), None, expected, report))
}

fn check_raw_files(
    vfs: &dyn Vfs,
    paths: Vec<PathBuf>,
    database: Option<&Database>,
    types: &HashMap<MetricId, ValueType>,
    built: &BTreeMap<Partition, metric::Built>,
    report: &mut VerifyReport,
) -> Result<()> {
    // By time range, then raw- before data-: the order in which rows were written, as long as one partitioner named them.
    let mut files = Vec::new();
    for path in paths {
        // One that no partitioner of this program named is read by its times, as a query does.
        let (partitioner, partition) = owner_of(vfs, &path)?;
        let name = match partitioner {
            Some(partitioner) => partitioner.name().to_owned(),
            None => path
                .file_name()
                .map(|name| part_of(&name.to_string_lossy()).unwrap_or_default().to_owned())
                .unwrap_or_default(),
        };
        let is_data = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(layout::DATA));
        files.push((name, partition, is_data, path));
    }
    files.sort();
    let mut rows = Rows { types, newest: BTreeMap::new() };
    let mut named_by = None;
    let mut covered: BTreeMap<Partition, BTreeMap<MetricId, Digest>> = BTreeMap::new();
    for (partitioner, partition, _, path) in files {
        // Partitions of two partitioners overlap, and which of them came first may have changed more than once.
        if named_by.replace(partitioner.clone()) != Some(partitioner) {
            rows.newest.clear();
        }
        let mut digests = covered.remove(&partition).unwrap_or_default();
        let index = RawFile::index(vfs, &path, partition)?;
        note_damage(&index, database, report)?;
        check_raw_file(vfs, &index, built.get(&partition), &mut rows, &mut digests, report)?;
        covered.insert(partition, digests);
    }
    for (partition, digests) in &covered {
        if let Some(built) = built.get(partition) {
            built.check_coverage(digests, report);
        }
    }
    Ok(())
}

fn note_damage(index: &RawFile, database: Option<&Database>, report: &mut VerifyReport) -> Result<()> {
    for damage in &index.damaged {
        if damage.torn_tail
            && let Some(database) = database
            && !database.is_still_torn(&index.path, damage.from)?
        {
            continue;
        }
        let what = format!("{} damaged bytes: {}", damage.to.saturating_sub(damage.from), damage.reason);
        report.problems.push(Problem { file: index.path.clone(), offset: Some(damage.from), what });
    }
    Ok(())
}

/// Checks one raw file. The rows that `built` says are in the metric file are added to `covered`.
fn check_raw_file(
    vfs: &dyn Vfs,
    index: &RawFile,
    built: Option<&metric::Built>,
    rows: &mut Rows<'_>,
    covered: &mut BTreeMap<MetricId, Digest>,
    report: &mut VerifyReport,
) -> Result<()> {
    report.files = report.files.saturating_add(1);
    let path = index.path.as_path();
    let file = match vfs.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("open", path, e)),
    };
    let mut covered_to = 0;
    for source in built.map(|b| b.sources.as_slice()).unwrap_or_default() {
        if source.len > covered_to && source_of(index, &*file, source.len)? == Some(*source) {
            covered_to = source.len;
        }
    }
    let mut reader = FrameReader::default();
    for entry in &index.frames {
        report.frames = report.frames.saturating_add(1);
        let digests = (entry.end_offset() <= covered_to).then_some(&mut *covered);
        let what = match rows.check_frame(&mut reader, &*file, path, entry, digests) {
            Ok(problem) => {
                report.rows = report.rows.saturating_add(u64::from(entry.header.rows));
                problem.map(|what| (entry.offset, what))
            }
            Err(Error::Corrupt { reason, offset, .. }) => Some((offset, reason)),
            Err(Error::Incompatible { reason, .. }) => Some((entry.offset, reason)),
            Err(e) => return Err(e),
        };
        if let Some((offset, what)) = what {
            report.problems.push(Problem { file: path.to_owned(), offset: Some(offset), what });
        }
    }
    Ok(())
}

/// What rows of raw files have to agree with.
struct Rows<'a> {
    types: &'a HashMap<MetricId, ValueType>,
    newest: BTreeMap<MetricId, Timestamp>,
}

impl Rows<'_> {
    /// Whether the rows of a frame keep the laws: known metrics, and time order per metric from frame to frame.
    fn check_frame(
        &mut self,
        reader: &mut FrameReader,
        file: &dyn crate::storage::vfs::VfsFile,
        path: &Path,
        entry: &FrameEntry,
        mut digests: Option<&mut BTreeMap<MetricId, Digest>>,
    ) -> Result<Option<String>> {
        let page = reader.read(file, path, entry)?;
        let type_of = |id: MetricId| self.types.get(&id).copied().unwrap_or(ValueType::Int32);
        let mut problem = None;
        for at in 0..page.rows() {
            let Some((id, timestamp, bits)) = page.row(at, type_of) else { break };
            if !self.types.contains_key(&id) {
                problem.get_or_insert_with(|| format!("metric id {id} is in no catalog"));
            }
            let last = self.newest.entry(id).or_insert(timestamp);
            if timestamp < *last {
                problem.get_or_insert_with(|| format!("metric id {id} goes back in time, from {last} to {timestamp}"));
            }
            *last = (*last).max(timestamp);
            if let Some(digests) = &mut digests {
                digests.entry(id).or_default().add(id, timestamp, Value::from_bits(type_of(id), bits));
            }
        }
        Ok(problem)
    }
}
