//! How large a database is, from what is known in memory: nothing is listed or read for it.

use super::{Database, State};
use crate::plugin::Partition;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a database consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DatabaseSize {
    /// Metrics, by name.
    pub metrics: u64,
    /// Rows that are in no data file yet.
    pub open_rows: u64,
    /// Partitions that have files or such rows.
    pub partitions: u64,
    /// Raw and metric files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the write-ahead logs.
    pub wal_bytes: u64,
}

/// Lengths of the WALs, for those who do not hold the writer's lock.
#[derive(Debug, Default)]
pub(super) struct WalSize {
    open: AtomicU64,
    frozen: AtomicU64,
}

impl WalSize {
    /// Notes the length of the WAL that is written to.
    pub(super) fn set(&self, len: u64) {
        self.open.store(len, Relaxed);
    }

    /// Notes that later batches go to a new file.
    pub(super) fn freeze(&self) {
        self.frozen.store(self.open.swap(0, Relaxed), Relaxed);
    }

    /// Notes that the file before it is gone.
    pub(super) fn drop_frozen(&self) {
        self.frozen.store(0, Relaxed);
    }

    fn bytes(&self) -> u64 {
        self.open.load(Relaxed).saturating_add(self.frozen.load(Relaxed))
    }
}

impl Database {
    /// How large it is now.
    pub fn size(&self) -> DatabaseSize {
        let state = self.read_state();
        let pages = state.frozen.values().map(|page| page.len()).chain(state.pages.values().map(|page| page.len()));
        let open_rows = pages.fold(0u64, |sum, rows| sum.saturating_add(rows as u64));
        let mut partitions: BTreeSet<Partition> =
            state.files.keys().chain(state.metric_files.keys()).copied().collect();
        partitions.extend(state.frozen.keys().chain(state.pages.keys()));
        let mut size = DatabaseSize {
            metrics: state.metrics.iter().flatten().filter(|metric| !metric.is_former).count() as u64,
            open_rows,
            partitions: partitions.len() as u64,
            files: 0,
            bytes: 0,
            wal_bytes: self.wal_size.bytes(),
        };
        let mut add = |bytes: u64| {
            size.files = size.files.saturating_add(1);
            size.bytes = size.bytes.saturating_add(bytes);
        };
        for file in state.files.values().flat_map(|files| files.files.values()) {
            add(file.index.as_ref().map_or_else(|| listed(&state, &file.path), |index| index.len));
        }
        state.metric_files.values().for_each(|slot| add(listed(&state, &slot.path)));
        size
    }
}

fn listed(state: &State, path: &Path) -> u64 {
    state.listed.get(path).copied().unwrap_or_default()
}
