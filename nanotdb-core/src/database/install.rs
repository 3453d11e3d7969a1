//! Putting a new metric file in its place, and raw files out of it.

use super::coverage::source_of;
use super::files::Known;
use super::state::{MetricSlot, PartitionFile, PartitionFiles};
use super::{Database, OpenPartition, RawKind, State};
use crate::config::RawIngestAction;
use crate::format::metric::Source;
use crate::layout;
use crate::model::MetricId;
use crate::plugin::Partition;
use crate::storage::RawFile;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};

/// Parts that are named of a raw file.
const PREFIXES: usize = 16;

impl Database {
    /// Partitions that have files or an open page, oldest first, with their names.
    pub fn partitions(&self) -> Vec<(Partition, String)> {
        let state = self.read_state();
        let mut found: Vec<Partition> = state.partitions().collect();
        found.sort();
        found.dedup();
        drop(state);
        found.into_iter().map(|p| (p, self.part_name(p))).collect()
    }

    /// Whether the partition's time ended more than the grace ago.
    pub fn is_sealed(&self, partition: Partition) -> bool {
        let grace = i64::try_from(self.manifest.retention.grace.as_nanos()).unwrap_or(i64::MAX);
        partition.end.saturating_add(grace) <= self.environment.clock.now()
    }

    /// Whether there is a partition of which `wanted` says so, told whether there is nothing to build for it; `false` also when somebody
    /// holds the state just now.
    pub(crate) fn try_has_partition(&self, wanted: impl Fn(Partition, bool) -> bool) -> bool {
        self.state.try_read().is_ok_and(|state| {
            let is_built = |p| state.built.get(&p).is_some_and(|len| *len == raw_len(&state, p));
            state.partitions().any(|p| wanted(p, is_built(p)))
        })
    }

    /// Whether nothing came to a partition since what was told to [`Database::note_built`].
    pub(crate) fn is_built(&self, partition: Partition) -> bool {
        let state = self.read_state();
        state.built.get(&partition).is_some_and(|len| *len == raw_len(&state, partition))
    }

    /// Bytes of a partition's raw files, as far as this process has looked at them.
    pub(crate) fn raw_len(&self, partition: Partition) -> u64 {
        raw_len(&self.read_state(), partition)
    }

    /// Remembers that there is nothing to build for a partition while its raw files have so many bytes.
    pub(crate) fn note_built(&self, partition: Partition, raw_len: u64) {
        self.write_state().built.insert(partition, raw_len);
    }

    /// Rows that are in no data file yet.
    pub(crate) fn unflushed_rows(&self) -> u64 {
        let state = self.read_state();
        let frozen = state.frozen.values().map(|page| page.len());
        frozen.chain(state.pages.values().map(|page| page.len())).fold(0, |sum, rows| sum.saturating_add(rows as u64))
    }

    /// Whether rows of the partition are in no file yet.
    pub(crate) fn has_open_page(&self, partition: Partition) -> bool {
        self.read_state().unflushed(partition).next().is_some()
    }

    /// Where the metric file of a partition is, or belongs.
    pub(crate) fn metric_path(&self, partition: Partition) -> PathBuf {
        self.directory.join(format!("{}{}.dat", layout::METRIC, self.part_name(partition)))
    }

    /// Holds off other builds for this database. An error when it is being closed.
    pub(crate) fn lock_builds(&self) -> Result<MutexGuard<'_, ()>> {
        let builds = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        Ok(builds)
    }

    /// How much of each raw file a metric file holds that is built from what is open here: all of it. Parts that end some frames
    /// earlier are named as well, so that the rest is known when damage at the end of the raw file is cut off.
    pub(crate) fn sources(&self, open: &OpenPartition) -> Result<Vec<Source>> {
        let mut sources = Vec::new();
        for raw in &open.raw {
            let frames = raw.index.frames.len().saturating_sub(PREFIXES);
            for frame in raw.index.frames.get(frames..).unwrap_or_default() {
                sources.extend(source_of(&raw.index, &*raw.handle, frame.end_offset())?);
            }
        }
        Ok(sources)
    }

    /// Gives the new file its name, durably, and makes it the one that queries read.
    pub(crate) fn install_metric_file(
        &self,
        partition: Partition,
        temporary: &Path,
        path: &Path,
        rows: u64,
    ) -> Result<()> {
        let vfs = self.vfs();
        let named = self.named(partition);
        // Under the lock of the state, so that no query takes the old name for the new file's rows or the other way round.
        let mut state = self.write_state();
        vfs.rename(temporary, path).map_err(|e| Error::io("rename", temporary, e))?;
        if let Ok(Some(entry)) = vfs.entry(path) {
            state.listed.insert(path.to_owned(), entry.len);
        }
        let slot = MetricSlot { path: path.to_owned(), named, covered: None };
        state.metric_files.insert(partition, slot);
        state.note_change(partition);
        self.metric_cache().forget(path);
        let highest = state.metrics.len().saturating_sub(1);
        let len = state.listed.get(path).copied().unwrap_or(0);
        drop(state);
        self.sync_directory()?;
        let highest = MetricId::try_from(highest).unwrap_or(MetricId::MAX);
        self.note_metric_file(path, Known { len, rows, highest, late: false });
        Ok(())
    }

    /// Does to the raw files what the configuration asks for, unless rows came to them meanwhile. The metric file is
    /// durable and was compared with them.
    pub(crate) fn retire_raw_files(
        &self,
        partition: Partition,
        open: &OpenPartition,
        action: RawIngestAction,
    ) -> Result<RawIngestAction> {
        if action == RawIngestAction::Keep || open.raw.is_empty() {
            return Ok(RawIngestAction::Keep);
        }
        // Also when the file was put in place long ago: that it has its name may not be durable yet.
        self.sync_directory()?;
        // No page is flushed while this is held. What a flush has written and not taken out of the WAL yet must stay: after
        // a crash it is by these frames that recovery knows the rows to be on disk.
        let flush = self.lock_flush();
        self.check_writable()?;
        if flush.generation.is_some() {
            return Ok(RawIngestAction::Keep);
        }
        let mut state = self.write_state();
        let Some(files) = state.files.get_mut(&partition) else { return Ok(RawIngestAction::Keep) };
        let unchanged = files.files.iter().all(|(kind, file)| {
            let built = open.raw.iter().find(|raw| raw.kind == *kind).map_or(0, |raw| raw.index.len);
            file.index.as_ref().is_some_and(|index| index.len == built)
        });
        let can_rename = files.files.contains_key(&RawKind::Data) && !files.files.contains_key(&RawKind::Raw);
        if !unchanged || (action == RawIngestAction::Rename && !can_rename) {
            return Ok(RawIngestAction::Keep);
        }
        let retired = match action {
            RawIngestAction::Rename => self.rename_data(files),
            RawIngestAction::Keep | RawIngestAction::Delete => self.remove_raw(files),
        };
        if files.files.is_empty() {
            state.files.remove(&partition);
        }
        // Also after an error: the first of two may be gone.
        state.note_change(partition);
        if let Some(slot) = state.metric_files.get_mut(&partition) {
            slot.covered = None;
        }
        drop(state);
        retired?;
        self.sync_directory()?;
        Ok(action)
    }

    pub(super) fn sync_directory(&self) -> Result<()> {
        self.vfs().sync_dir(self.directory()).map_err(|e| Error::io("fsync", self.directory(), e))
    }

    fn rename_data(&self, files: &mut PartitionFiles) -> Result<()> {
        let Some(data) = files.files.get(&RawKind::Data).cloned() else { return Ok(()) };
        let name = format!("{}{}.dat", RawKind::Raw.prefix(), files.named.part);
        let path = self.directory().join(name);
        self.vfs().rename(&data.path, &path).map_err(|e| Error::io("rename", &data.path, e))?;
        self.note_renamed(&data.path, &path);
        let index = data.index.map(|index| Arc::new(RawFile { path: path.clone(), ..(*index).clone() }));
        files.files.remove(&RawKind::Data);
        files.files.insert(RawKind::Raw, PartitionFile { path, index });
        Ok(())
    }

    fn remove_raw(&self, files: &mut PartitionFiles) -> Result<()> {
        let names = files.files.values().filter_map(|file| file.path.file_name());
        let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        self.note_gone(&names);
        while let Some((kind, path)) = files.files.iter().next().map(|(kind, file)| (*kind, file.path.clone())) {
            self.vfs().remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
            files.files.remove(&kind);
        }
        Ok(())
    }
}

/// Bytes of the raw files that are indexed: what is not was never written to by this process.
fn raw_len(state: &State, partition: Partition) -> u64 {
    let files = state.files.get(&partition).into_iter().flat_map(|f| f.files.values());
    files.filter_map(|file| file.index.as_ref()).map(|index| index.len).sum()
}
