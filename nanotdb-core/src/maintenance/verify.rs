//! Checks every checksum and invariant of a root, without writing.

use super::inspect;
use crate::config::EngineConfig;
use crate::engine::{Engine, EngineOptions};
use crate::model::{MetricId, Timestamp};
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::{OpenMode, Vfs};
use crate::storage::{FrameEntry, RawFile};
use crate::{Error, Result};
use std::collections::{BTreeMap, HashSet};
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
    /// What is wrong; empty when all is well.
    pub problems: Vec<Problem>,
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
            check_database(&*vfs, root, &name, &mut report)?;
        }
    }
    Ok(report)
}

fn check_database(vfs: &dyn Vfs, root: &Path, name: &str, report: &mut VerifyReport) -> Result<()> {
    let directory = root.join(name);
    let catalog = inspect::read_catalog(vfs, &directory)?;
    let mut known: HashSet<MetricId> = catalog.iter().map(|e| e.id).collect();
    for wal in inspect::wal_files(vfs, &directory, &catalog)? {
        report.wal_records = report.wal_records.saturating_add(wal.summary.records);
        for damage in &wal.summary.damaged {
            report.problems.push(Problem {
                file: wal.path.clone(),
                offset: Some(damage.from),
                what: format!("{} damaged bytes: {}", damage.to.saturating_sub(damage.from), damage.reason),
            });
        }
        // A torn last write is what a crash, or a server that is writing right now, leaves; recovery cuts it off.
        if let Some(tail) = wal.summary.tail.as_ref().filter(|t| !t.torn) {
            let what = tail.reason.clone();
            report.problems.push(Problem { file: wal.path.clone(), offset: Some(tail.from), what });
        }
        known.extend(wal.records.iter().filter(|r| r.new_metric).map(|r| r.id));
    }
    let mut newest: BTreeMap<MetricId, Timestamp> = BTreeMap::new();
    // By time range, then raw- before data-: the order in which rows were written.
    let mut files = Vec::new();
    for path in inspect::data_files(vfs, &directory)? {
        let Some(partition) = inspect::partition_of_file(&path) else {
            let what = "no partitioner knows this file name".to_owned();
            report.problems.push(Problem { file: path, offset: None, what });
            continue;
        };
        let is_data = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("data-"));
        files.push((partition, is_data, path));
    }
    files.sort();
    for (partition, _, path) in files {
        report.files = report.files.saturating_add(1);
        let index = RawFile::index(vfs, &path, partition)?;
        for damage in &index.damaged {
            let what = format!("{} damaged bytes: {}", damage.to.saturating_sub(damage.from), damage.reason);
            report.problems.push(Problem { file: path.clone(), offset: Some(damage.from), what });
        }
        let file = match vfs.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(Error::io("open", &path, e)),
        };
        let mut reader = FrameReader::default();
        for entry in &index.frames {
            report.frames = report.frames.saturating_add(1);
            match check_frame(&mut reader, &*file, &path, entry, &known, &mut newest) {
                Ok(problem) => {
                    report.rows = report.rows.saturating_add(u64::from(entry.header.rows));
                    if let Some(what) = problem {
                        report.problems.push(Problem { file: path.clone(), offset: Some(entry.offset), what });
                    }
                }
                Err(Error::Corrupt { reason, offset, .. }) => {
                    report.problems.push(Problem { file: path.clone(), offset: Some(offset), what: reason });
                }
                Err(Error::Incompatible { reason, .. }) => {
                    report.problems.push(Problem { file: path.clone(), offset: Some(entry.offset), what: reason });
                }
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

/// Whether the rows of a frame keep the laws: known metrics, and time order per metric from frame to frame.
fn check_frame(
    reader: &mut FrameReader,
    file: &dyn crate::storage::vfs::VfsFile,
    path: &Path,
    entry: &FrameEntry,
    known: &HashSet<MetricId>,
    newest: &mut BTreeMap<MetricId, Timestamp>,
) -> Result<Option<String>> {
    let page = reader.read(file, path, entry)?;
    let mut problem = None;
    for (id, timestamp) in page.ids().iter().zip(page.timestamps()) {
        let (id, timestamp) = (u16::from_le_bytes(*id), i64::from_le_bytes(*timestamp));
        if !known.contains(&id) {
            problem.get_or_insert_with(|| format!("metric id {id} is in no catalog"));
        }
        let last = newest.entry(id).or_insert(timestamp);
        if timestamp < *last {
            problem.get_or_insert_with(|| format!("metric id {id} goes back in time, from {last} to {timestamp}"));
        }
        *last = (*last).max(timestamp);
    }
    Ok(problem)
}
