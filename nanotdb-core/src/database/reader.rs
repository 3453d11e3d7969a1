//! What somebody does whose knowledge of the files is not true any more: a reader beside a server, which nobody tells of
//! flushes and builds, and a server whose files an operator took away.

use super::{Database, OpenPartition};
use crate::format::metric::HEADER_LEN;
use crate::layout;
use crate::plugin::Partition;
use crate::storage::MetricFile;
use crate::storage::vfs::OpenMode;
use crate::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

/// How often a reader starts over when metric files are built under it.
const ATTEMPTS: usize = 100;

/// Header and length of a metric file.
type Seen = Vec<u8>;

impl Database {
    /// Forgets the metric file of a partition if it is there no more. (Files that this process replaces or removes are never
    /// missing under the lock.)
    pub(super) fn forget_missing(&self, partition: Partition) -> Result<()> {
        let mut state = self.write_state();
        let Some(slot) = state.metric_files.get(&partition) else { return Ok(()) };
        let path = slot.path.clone();
        if self.vfs().entry(&path).map_err(|e| Error::io("look up", &path, e))?.is_none() {
            tracing::error!(database = self.name, file = %path.display(), "the metric file is gone");
            state.metric_files.remove(&partition);
            state.built.remove(&partition);
            state.note_change(partition);
        }
        Ok(())
    }

    /// Reads names, files and WAL anew, so that they fit each other and the metric files that are there now.
    pub(super) fn read_again(&self) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let before = self.see_metric_files()?;
            let fresh = Self::open_read_only(&self.name, &self.directory, self.environment.clone())?;
            if before != self.see_metric_files()? {
                continue;
            }
            let mut fresh = fresh.state.into_inner().unwrap_or_else(PoisonError::into_inner);
            fresh.seen = before.into_iter().collect();
            let mut state = self.write_state();
            fresh.changes = std::mem::take(&mut state.changes);
            (fresh.change, fresh.forgotten) = (state.change, state.forgotten);
            let old = state.files.keys().chain(state.metric_files.keys()).chain(state.pages.keys());
            let new = fresh.files.keys().chain(fresh.metric_files.keys()).chain(fresh.pages.keys());
            let partitions: Vec<Partition> = old.chain(new).copied().collect();
            partitions.into_iter().for_each(|partition| fresh.note_change(partition));
            *state = fresh;
            return Ok(());
        }
        let source = std::io::Error::other("metric files are built faster than they can be read; try again");
        Err(Error::Io { op: "read", path: self.directory.clone(), source })
    }

    /// Whether the open page, the raw files and the metric file of a partition, as they were opened, are of one moment. A
    /// server's always are; a reader knows when it saw this metric file before and after it read everything else.
    pub(super) fn is_as_seen(&self, open: &OpenPartition, file: &MetricFile) -> bool {
        let is_alone = open.raw.is_empty() && open.snapshot.open.iter().all(|(timestamps, _)| timestamps.is_empty());
        if self.writer.is_some() || is_alone {
            return true;
        }
        let (header, len, _) = file.identity();
        self.read_state().seen.get(file.path()).is_some_and(|seen| *seen == seen_as(&header, len))
    }

    /// One text per damaged part of a log that this reader read: its samples are missing.
    pub(crate) fn log_damage(&self) -> Vec<String> {
        self.read_state().log_damage.clone()
    }

    /// What this reader tells once of the logs, and with no answer: see [`super::State::log_notes`].
    pub(crate) fn log_notes(&self) -> Vec<String> {
        self.read_state().log_notes.clone()
    }

    /// What the logs lack that this reader read, and whether that is damage without a doubt.
    pub(crate) fn log_lacks(&self) -> Vec<(bool, String)> {
        let state = self.read_state();
        state.lacks.iter().map(|text| (state.log_damage.contains(text), text.clone())).collect()
    }

    /// Whether a reader has read everything anew since this file is there.
    pub(super) fn saw(&self, path: &Path) -> bool {
        match (see(self, path), self.read_state().seen.get(path)) {
            (Ok(now), Some(seen)) => now == *seen,
            _ => false,
        }
    }

    /// Whether what looked like a frame that is cut short, at the end of a raw file, is damage. Reads everything anew: a server may
    /// have been in the middle of writing that frame.
    pub(crate) fn is_still_torn(&self, path: &Path, from: u64) -> Result<bool> {
        self.read_again()?;
        let state = self.read_state();
        let mut files = state.files.values().flat_map(|f| f.files.values()).filter(|file| file.path == path);
        Ok(files.any(|f| f.index.as_ref().is_some_and(|index| index.damaged.iter().any(|d| d.from == from))))
    }

    fn see_metric_files(&self) -> Result<BTreeMap<PathBuf, Seen>> {
        let entries = self.vfs().read_dir(&self.directory).map_err(|e| Error::io("list", &self.directory, e))?;
        let mut seen = BTreeMap::new();
        for entry in entries.into_iter().filter(|e| e.name.starts_with(layout::METRIC) && e.name.ends_with(".dat")) {
            let path = self.directory.join(entry.name);
            match see(self, &path) {
                Ok(file) => drop(seen.insert(path, file)),
                Err(error) if error.is_missing_file() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(seen)
    }
}

fn see(database: &Database, path: &Path) -> Result<Seen> {
    let file = database.vfs().open(path, OpenMode::Read).map_err(|e| Error::io("open", path, e))?;
    let mut header = [0; HEADER_LEN];
    // A file that is cut short has zeros here: it is no other for that.
    let _ = file.read_at(&mut header, 0).map_err(|e| Error::io("read", path, e))?;
    Ok(seen_as(&header, file.len().map_err(|e| Error::io("read", path, e))?))
}

fn seen_as(header: &[u8; HEADER_LEN], len: u64) -> Seen {
    let mut seen = header.to_vec();
    seen.extend_from_slice(&len.to_le_bytes());
    seen
}

/// For the state of a reader: what it saw, by path.
pub(super) type SeenFiles = HashMap<PathBuf, Seen>;
