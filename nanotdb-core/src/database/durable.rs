//! What others must know of a database's files before they may rely on them: whether rows are durable, and since when there
//! are any.

use super::{Database, Last};
use crate::config::{DurabilityProfile, FsyncPolicy};
use crate::model::{MetricId, Timestamp};
use crate::plugin::Partition;
use crate::storage::vfs::OpenMode;
use crate::{Error, Result};
use std::path::PathBuf;
use std::time::Duration;

/// A flush of one open database, over or to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlushMark {
    instance: u64,
    flush: u64,
}

impl Database {
    /// The flush after which everything that was written so far is in data files.
    pub(crate) fn flush_mark(&self) -> FlushMark {
        let state = self.read_state();
        let is_open = state.pages.values().any(|page| !page.is_empty());
        FlushMark { instance: self.instance, flush: state.freezes.saturating_add(u64::from(is_open)) }
    }

    /// Whether a flush is over. Never so for one of a database that was closed since.
    pub(crate) fn has_flushed(&self, mark: FlushMark) -> bool {
        mark.instance == self.instance && self.read_state().flushes >= mark.flush
    }

    /// Whether a flush leaves it to the operating system when frames reach the device.
    pub(crate) fn flushes_lazily(&self) -> bool {
        let config = &self.environment.config;
        config.durability == DurabilityProfile::Throughput && config.wal.fsync_policy != FsyncPolicy::Always
    }

    /// Forces the data files of partitions that end after `from` to the device, whoever wrote them.
    pub(crate) fn force_data(&self, from: Timestamp) -> Result<()> {
        let paths: Vec<PathBuf> = {
            let state = self.read_state();
            let files = state.files.iter().filter(|(partition, _)| partition.end > from);
            files.flat_map(|(_, files)| files.files.values().map(|file| file.path.clone())).collect()
        };
        let vfs = self.vfs();
        for path in paths {
            let synced = vfs.open(&path, OpenMode::Write).and_then(|file| file.sync());
            match synced {
                // It was removed or renamed meanwhile: what is in its place was made durable first.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                synced => synced.map_err(|e| Error::io("fsync", &path, e))?,
            }
        }
        vfs.sync_dir(self.directory()).map_err(|e| Error::io("fsync", self.directory(), e))
    }

    /// The time of each metric's newest sample, and a number that changes with every batch that brings one.
    pub(crate) fn newest(&self, ids: &[MetricId]) -> Result<Vec<Option<(Timestamp, u64)>>> {
        let known: Vec<(Last, u64)> = {
            let state = self.read_state();
            let known = |id: &MetricId| state.last_of(*id).zip(state.metric(*id).map(|m| m.batches));
            ids.iter().map(|id| known(id).unwrap_or((Last::Never, 0))).collect()
        };
        let looked_up = ids.iter().zip(known).map(|(id, (last, batches))| {
            let last = if last == Last::Unknown { self.look_up_last(*id)? } else { last };
            Ok(if let Last::At(timestamp, _) = last { Some((timestamp, batches)) } else { None })
        });
        looked_up.collect()
    }

    /// Whether a row of this time goes through the WAL now.
    pub(crate) fn is_logged(&self, at: Timestamp) -> bool {
        let partition = self.partitioner.partition_of(at);
        let open = self.read_state().pages.get(&partition).map(|page| page.in_wal);
        open.unwrap_or_else(|| self.goes_through_wal(partition, self.environment.clock.now()))
    }

    /// The latest monotonic time at which a sample of this time can have come; `None` when it was there before the
    /// database was opened.
    pub(crate) fn arrival(&self, at: Timestamp) -> Option<Duration> {
        let partition = self.partitioner.partition_of(at);
        let state = self.read_state();
        let page = state.unflushed(partition).map(|page| page.written).max();
        page.map_or(state.written, |page| state.written.map(|written| written.min(page)))
    }

    /// The partition of a time.
    pub(crate) fn partition_at(&self, at: Timestamp) -> Partition {
        self.partitioner.partition_of(at)
    }

    /// Forgets what was decoded of its metric files: others will have their names.
    pub(crate) fn forget_decoded(&self) {
        for slot in self.read_state().metric_files.values() {
            self.metric_cache().forget(&slot.path);
        }
    }

    /// How many metrics it has ever had.
    pub(crate) fn metric_slots(&self) -> usize {
        self.read_state().metrics.len()
    }
}
