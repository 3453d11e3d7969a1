//! The files of one partition, opened together.

use super::coverage::Coverage;
use super::snapshot::WholeSnapshot;
use super::state::RawKind;
use super::{Covered, Database, PartitionSnapshot};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::plugin::Partition;
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

    /// Adds what another part of the same scan could not read.
    pub(crate) fn merge(&mut self, other: ScanReport) {
        other.warnings.into_iter().for_each(|warning| self.warn(warning));
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
    /// Whether all that is in the metric file is in raw files, too.
    pub(crate) has_all_raw: bool,
}

/// A partition that was opened for every metric.
pub(crate) struct WholePartition {
    pub(crate) open: OpenPartition,
    /// All metrics of the database, by id.
    pub(crate) metrics: Vec<(MetricId, ValueType)>,
}

impl OpenPartition {
    /// Number of samples in its files and pages, each once, as headers and directories say.
    pub(crate) fn rows(&self) -> u64 {
        let raw = self.raw.iter().flat_map(|raw| {
            let from = self.covered.of(raw.kind);
            raw.index.frames.iter().filter(move |f| f.offset >= from).map(|f| u64::from(f.header.rows))
        });
        let open = self.snapshot.open.iter().map(|(timestamps, _)| timestamps.len() as u64);
        raw.chain(open).chain(self.metric.iter().map(MetricFile::rows)).sum()
    }
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
        let ids: Vec<MetricId> = metrics.iter().map(|(id, _)| *id).collect();
        for _ in 0..ATTEMPTS {
            let partition = snapshot.partition;
            let changes = snapshot.changes;
            let mut warnings = ScanReport::default();
            let opened = self.open_files(snapshot, metric_files, &mut warnings)?;
            // Only if nothing was replaced meanwhile do the files belong to the snapshot and to each other.
            if let Some(open) = opened.filter(|_| self.read_state().changes_of(partition) == changes) {
                report.merge(warnings);
                return Ok(open);
            }
            snapshot = self.snapshot_again(partition, &ids, from, to)?;
        }
        // Nobody replaces what is not there.
        if let Some(reason) = self.failure().or_else(|| self.find_gone().map(|error| error.to_string())) {
            return Err(Error::Unavailable { database: self.name().to_owned(), reason });
        }
        let source = std::io::Error::other("files change faster than they can be opened; try again");
        Err(Error::Io { op: "read", path: self.directory().to_owned(), source })
    }

    /// Opens everything of one partition, for work on all its rows. `None` when there is nothing of it.
    pub(crate) fn open_whole_partition(
        &self,
        partition: Partition,
        report: &mut ScanReport,
    ) -> Result<Option<WholePartition>> {
        let Some(WholeSnapshot { files, metrics }) = self.snapshot_whole(partition)? else { return Ok(None) };
        let open = self.open_partition(files, &metrics, partition.bounds(), MetricFiles::Preferred, report)?;
        Ok(Some(WholePartition { open, metrics }))
    }

    /// `None` when a file is gone since the snapshot, or is another one.
    fn open_files(
        &self,
        snapshot: PartitionSnapshot,
        metric_files: MetricFiles,
        report: &mut ScanReport,
    ) -> Result<Option<OpenPartition>> {
        let Some(raw) = self.open_raw(&snapshot)? else { return Ok(None) };
        let mut open = OpenPartition { snapshot, raw, metric: None, covered: Covered::default(), has_all_raw: false };
        let Some(path) = open.snapshot.metric_file.clone() else { return Ok(Some(open)) };
        let opened = MetricFile::open(self.vfs(), &path, self.metric_cache()).and_then(|file| {
            self.check_belongs(open.snapshot.partition, &file)?;
            let coverage = self.coverage(&open.snapshot, &file, &open.raw)?;
            Ok((file, coverage))
        });
        match opened {
            Ok((file, Coverage { covered, proven, uncertain, .. })) => {
                if !proven && !self.is_as_seen(&open, &file) {
                    return Ok(None);
                }
                if let Some(raw) = open.raw.iter().find(|raw| Some(raw.kind) == uncertain) {
                    let path = &raw.index.path;
                    let text = "its first frame is damaged; if it came after the metric file, its samples are missing";
                    self.note_left_out(report, path, &format!("{}: {text}", path.display()));
                }
                let in_raw = open.raw.iter().flat_map(|raw| {
                    let to = covered.of(raw.kind);
                    raw.index.frames.iter().filter(move |f| f.offset < to).map(|f| u64::from(f.header.rows))
                });
                open.has_all_raw = in_raw.sum::<u64>() >= file.rows();
                if metric_files == MetricFiles::Preferred {
                    open.metric = Some(file);
                    open.covered = covered;
                } else if !open.has_all_raw {
                    // Whoever leaves metric files out is told; for the log it is nothing, since nothing is wrong.
                    let text = "some of its samples are left out, because they are in no raw file";
                    report.warn(format!("{}: {text}", path.display()));
                }
                Ok(Some(open))
            }
            Err(error) if error.is_missing_file() => Ok(None),
            Err(error @ (Error::Corrupt { .. } | Error::Incompatible { .. })) => {
                if self.writer.is_none() && !self.saw(&path) {
                    return Ok(None);
                }
                let instead = match open.raw.is_empty() {
                    true => "its samples are missing",
                    false => "raw pages are read instead, as far as there are some",
                };
                self.note_left_out(report, &path, &format!("{error}; {instead}"));
                Ok(Some(open))
            }
            Err(e) => Err(e),
        }
    }

    /// `None` when a file is gone since the snapshot.
    fn open_raw(&self, snapshot: &PartitionSnapshot) -> Result<Option<Vec<OpenRaw>>> {
        let mut raw = Vec::new();
        for (kind, index) in &snapshot.files {
            if index.frames.is_empty() && index.damaged.is_empty() {
                continue;
            }
            match self.vfs().open(&index.path, OpenMode::Read) {
                // Nobody tells a reader that a file was compacted.
                Ok(_) if self.writer.is_none() && !self.is_indexed(index)? => return Ok(None),
                Ok(handle) => raw.push(OpenRaw { kind: *kind, index: Arc::clone(index), handle }),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(e) => return Err(Error::io("open", &index.path, e)),
            }
        }
        Ok(Some(raw))
    }

    /// Whether the file that has the name now is the one that was indexed.
    fn is_indexed(&self, index: &RawFile) -> Result<bool> {
        let now = self.vfs().entry(&index.path).map_err(|e| Error::io("look up", &index.path, e))?;
        Ok(now.is_some_and(|now| now.id == index.id))
    }

    /// Refuses a metric file whose times lie outside its partition, or whose metrics are not those of this database: it was put
    /// where it does not belong.
    fn check_belongs(&self, partition: Partition, file: &MetricFile) -> Result<()> {
        let refused = |reason: String| Err(Error::Corrupt { file: file.path().to_owned(), offset: 0, reason });
        let layout = file.layout();
        if !layout.series.is_empty() && (!partition.contains(layout.start) || !partition.contains(layout.end)) {
            let (start, end) = (layout.start, layout.end);
            return refused(format!("its samples, of {start} to {end}, are of another partition than its name says"));
        }
        let state = self.read_state();
        for series in &layout.series {
            let (id, found) = (series.id, series.value_type);
            let Some(metric) = state.metric(id) else {
                return refused(format!("it has samples of metric {id}, which the catalog does not know"));
            };
            let known = metric.value_type;
            if known != found && (known.is_integer() != found.is_integer() || !known.is_wide()) {
                return refused(format!("it has {found} samples of metric {id}, which is {known}"));
            }
        }
        Ok(())
    }

    /// Says in the log and in the answer what a query could not read.
    pub(crate) fn note_left_out(&self, report: &mut ScanReport, path: &Path, warning: &str) {
        tracing::warn!(database = self.name(), file = %path.display(), warning, "a query left something out");
        report.warn(warning.to_owned());
    }
}
