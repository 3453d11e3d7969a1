//! The files of one partition, opened together.

use super::state::RawKind;
use super::{Covered, Database, PartitionSnapshot};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::storage::vfs::{OpenMode, VfsFile};
use crate::storage::{MetricFile, RawFile};
use crate::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// How often a partition is looked up again when its files are replaced while it is being opened.
const ATTEMPTS: usize = 100;

/// Where the samples of a partition that has a metric file are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricFiles {
    /// In the metric file, and what came later in raw pages.
    #[default]
    Preferred,
    /// In raw pages alone. Samples that are in a metric file only are left out, with a warning.
    Ignored,
}

/// What a reader could not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanReport {
    /// One text per damaged part that was skipped.
    pub warnings: Vec<String>,
}

impl ScanReport {
    /// Adds a warning, once.
    pub(crate) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// A raw file, held open so that it can be read to its end whatever happens to its name.
pub(crate) struct OpenRaw {
    pub(crate) kind: RawKind,
    pub(crate) index: Arc<RawFile>,
    pub(crate) handle: Box<dyn VfsFile>,
}

/// The files of one partition.
pub(crate) struct OpenPartition {
    pub(crate) snapshot: PartitionSnapshot,
    pub(crate) raw: Vec<OpenRaw>,
    pub(crate) metric: Option<MetricFile>,
    /// What of the raw files is in the metric file, and so not read from them.
    pub(crate) covered: Covered,
}

impl Database {
    /// Opens everything before the first row is read: from then on files may be replaced and removed.
    pub(crate) fn open_partition(
        &self,
        mut snapshot: PartitionSnapshot,
        metrics: &[(MetricId, ValueType)],
        (from, to): (Timestamp, Timestamp),
        metric_files: MetricFiles,
        report: &mut ScanReport,
    ) -> Result<OpenPartition> {
        for _ in 0..ATTEMPTS {
            let Some(raw) = self.open_raw(&snapshot)? else {
                snapshot = self.look_again(&snapshot, metrics, from, to)?;
                continue;
            };
            let Some((metric, covered)) = self.open_metric_file(&snapshot, raw.is_empty(), metric_files, report)?
            else {
                snapshot = self.look_again(&snapshot, metrics, from, to)?;
                continue;
            };
            return Ok(OpenPartition { snapshot, raw, metric, covered });
        }
        let source = std::io::Error::other("files change faster than they can be opened; try again");
        Err(Error::Io { op: "read", path: self.directory().to_owned(), source })
    }

    fn look_again(
        &self,
        old: &PartitionSnapshot,
        metrics: &[(MetricId, ValueType)],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<PartitionSnapshot> {
        let ids: Vec<MetricId> = metrics.iter().map(|(id, _)| *id).collect();
        self.snapshot_again(old.partition, &ids, from, to)
    }

    /// `None` when a file is gone since the snapshot.
    fn open_raw(&self, snapshot: &PartitionSnapshot) -> Result<Option<Vec<OpenRaw>>> {
        let mut raw = Vec::new();
        for (kind, index) in &snapshot.files {
            if index.frames.is_empty() && index.damaged.is_empty() {
                continue;
            }
            match self.vfs().open(&index.path, OpenMode::Read) {
                Ok(handle) => raw.push(OpenRaw { kind: *kind, index: Arc::clone(index), handle }),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(e) => return Err(Error::io("open", &index.path, e)),
            }
        }
        Ok(Some(raw))
    }

    /// The metric file and what it makes superfluous; the outer `None` when files are gone since the snapshot.
    #[allow(clippy::type_complexity)]
    fn open_metric_file(
        &self,
        snapshot: &PartitionSnapshot,
        alone: bool,
        metric_files: MetricFiles,
        report: &mut ScanReport,
    ) -> Result<Option<(Option<MetricFile>, Covered)>> {
        let without = Ok(Some((None, Covered::default())));
        let Some(path) = &snapshot.metric_file else { return without };
        let opened = MetricFile::open(self.vfs(), path, self.metric_cache()).and_then(|file| {
            let covered = self.covered(snapshot.partition, &file, &snapshot.files)?;
            Ok((file, covered))
        });
        match opened {
            Ok(_) if metric_files == MetricFiles::Preferred => {
                opened.map(|(file, covered)| Some((Some(file), covered)))
            }
            Ok((_, covered)) => {
                if covered == Covered::default() {
                    let text = "its samples are left out, because they are in no raw file";
                    self.note_left_out(report, path, &format!("{}: {text}", path.display()));
                }
                without
            }
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error @ (Error::Corrupt { .. } | Error::Incompatible { .. })) => {
                let instead = if alone { "its samples are missing" } else { "its raw pages are read instead" };
                self.note_left_out(report, path, &format!("{error}; {instead}"));
                without
            }
            Err(e) => Err(e),
        }
    }

    /// Says in the log and in the answer what a query could not read.
    pub(crate) fn note_left_out(&self, report: &mut ScanReport, path: &Path, warning: &str) {
        tracing::warn!(database = self.name(), file = %path.display(), warning, "a query met damage");
        report.warn(warning.to_owned());
    }
}
