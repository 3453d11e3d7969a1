//! What a query needs, taken under a short lock: which frames to read, and the matching rows of the open pages.

use super::state::{PartitionFile, RawKind, State};
use super::{Database, MetricFiles};
use crate::Result;
use crate::model::{MetricId, Timestamp, ValueType};
use crate::plugin::Partition;
use crate::storage::vfs::{Vfs, VfsFile};
use crate::storage::{MetricCache, OpenPage, RawFile, keep_damaged_part};
use std::path::PathBuf;
use std::sync::Arc;

/// One partition to read: its metric file, raw files in the order in which they were written, then the pages that are in
/// no file yet.
#[derive(Debug, Clone)]
pub struct PartitionSnapshot {
    /// Its time range.
    pub partition: Partition,
    /// How often its files had been replaced when this was taken.
    pub changes: u64,
    /// Its metric file.
    pub metric_file: Option<PathBuf>,
    /// Raw files.
    pub files: Vec<(RawKind, Arc<RawFile>)>,
    /// Rows of the frozen and of the open page, per wanted metric: timestamps and row bits in arrival order, which is time order.
    pub open: Vec<(Vec<Timestamp>, Vec<u64>)>,
}

impl PartitionSnapshot {
    /// The part of it that lies in `from..=to`.
    pub(crate) fn between(&self, from: Timestamp, to: Timestamp) -> Self {
        let within = |(timestamps, bits): &(Vec<Timestamp>, Vec<u64>)| {
            let range = timestamps.partition_point(|t| *t < from)..timestamps.partition_point(|t| *t <= to);
            let timestamps = timestamps.get(range.clone()).unwrap_or_default().to_vec();
            (timestamps, bits.get(range).unwrap_or_default().to_vec())
        };
        Self {
            partition: self.partition,
            changes: self.changes,
            metric_file: self.metric_file.clone(),
            files: self.files.clone(),
            open: self.open.iter().map(within).collect(),
        }
    }
}

/// A consistent view of some metrics in a range of time.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Wanted metrics, with their types.
    pub metrics: Vec<(MetricId, ValueType)>,
    /// Partitions in time order.
    pub partitions: Vec<PartitionSnapshot>,
}

/// One partition, with every metric of the database.
pub(crate) struct WholeSnapshot {
    pub(crate) files: PartitionSnapshot,
    /// By id.
    pub(crate) metrics: Vec<(MetricId, ValueType)>,
}

impl Database {
    /// Takes a snapshot of `metrics` in `from..=to`. Files that nobody read yet are indexed first.
    pub fn snapshot(&self, metrics: &[MetricId], from: Timestamp, to: Timestamp) -> Result<Snapshot> {
        self.indexed(
            |state| overlapping(state, from, to),
            |state, partitions| Snapshot {
                metrics: metrics.iter().map(|id| (*id, state.type_of(*id))).collect(),
                partitions: partitions.into_iter().map(|p| take(state, p, metrics, from, to)).collect(),
            },
        )
    }

    /// Takes a snapshot of one partition with every metric there is; `None` when there is nothing of it. The metrics are those of the same
    /// moment as the files, so that no page has rows of others.
    pub(crate) fn snapshot_whole(&self, partition: Partition) -> Result<Option<WholeSnapshot>> {
        let (from, to) = partition.bounds();
        self.indexed(
            |state| state.partitions().find(|p| *p == partition).into_iter().collect(),
            |state, partitions| {
                let metrics: Vec<_> = state.iter_metrics().map(|(id, _)| (id, state.type_of(id))).collect();
                let ids: Vec<MetricId> = metrics.iter().map(|(id, _)| *id).collect();
                let partition = partitions.first()?;
                Some(WholeSnapshot { files: take(state, *partition, &ids, from, to), metrics })
            },
        )
    }

    /// Takes one partition's part of a snapshot again, because files of it are gone or were replaced.
    pub(crate) fn snapshot_again(
        &self,
        partition: Partition,
        metrics: &[MetricId],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<PartitionSnapshot> {
        match self.writer {
            Some(_) => self.forget_missing(partition)?,
            // Nobody tells a reader of what the server does.
            None => self.read_again()?,
        }
        self.indexed(|_| vec![partition], |state, _| take(state, partition, metrics, from, to))
    }

    /// Whether some samples of `from..=to` are in pages that a scan reads.
    pub(crate) fn has_pages(&self, from: Timestamp, to: Timestamp, metric_files: MetricFiles) -> bool {
        let state = self.read_state();
        let in_pages = |partition: &Partition| {
            partition.overlaps(from, to)
                && (metric_files == MetricFiles::Ignored || !state.metric_files.contains_key(partition))
        };
        state.files.keys().any(in_pages)
    }

    /// Whether the files of a partition were named by another partitioner than the one that is configured now.
    pub(crate) fn is_foreign(&self, partition: Partition) -> bool {
        self.partitioner.partition_of(partition.start) != partition
    }

    /// The same, those of another partitioner first; else in the order that they have.
    pub(crate) fn foreign_first(&self, partitions: Vec<PartitionSnapshot>) -> Vec<PartitionSnapshot> {
        let (mut first, ours): (Vec<_>, Vec<_>) =
            partitions.into_iter().partition(|snapshot| self.is_foreign(snapshot.partition));
        first.extend(ours);
        first
    }

    /// Decoded parts of metric files.
    pub(crate) fn metric_cache(&self) -> &MetricCache {
        &self.environment.metric_cache
    }

    /// Calls `take` under the lock once all raw files of the partitions are indexed.
    fn indexed<T>(
        &self,
        partitions: impl Fn(&State) -> Vec<Partition>,
        take: impl Fn(&State, Vec<Partition>) -> T,
    ) -> Result<T> {
        loop {
            let missing = {
                let state = self.read_state();
                let partitions = partitions(&state);
                let missing = files_without_index(&state, &partitions);
                if missing.is_empty() {
                    return Ok(take(&state, partitions));
                }
                missing
            };
            for (partition, kind, path) in missing {
                self.index_file(partition, kind, &path)?;
            }
        }
    }

    /// Indexes a file outside the lock. When a writer indexed it meanwhile, the writer's index stands.
    pub(super) fn index_file(&self, partition: Partition, kind: RawKind, path: &std::path::Path) -> Result<()> {
        let vfs = &*self.environment.vfs;
        let index = Arc::new(RawFile::index(vfs, path, partition)?);
        {
            let mut state = self.write_state();
            match state.files.get_mut(&partition).and_then(|f| f.files.get_mut(&kind)) {
                Some(file) if file.index.is_none() => file.index = Some(Arc::clone(&index)),
                // What looks like damage may be a frame that was being written.
                _ => return Ok(()),
            }
            state.note_whole(&index);
        }
        if self.writer.is_some() {
            keep_damage(vfs, &index);
        }
        Ok(())
    }

    /// Remembers that frames were read and found whole, so that their time bounds may be trusted from now on.
    pub fn mark_verified(&self, partition: Partition, kind: RawKind, offsets: &[u64]) {
        let mut state = self.write_state();
        let file = state.files.get_mut(&partition).and_then(|f| f.files.get_mut(&kind));
        let Some(index) = file.and_then(|f| f.index.as_mut()) else { return };
        let index = Arc::make_mut(index);
        for offset in offsets {
            if let Ok(at) = index.frames.binary_search_by_key(offset, |f| f.offset)
                && let Some(frame) = index.frames.get_mut(at)
            {
                frame.verified = true;
            }
        }
    }

    /// The file system of its files.
    pub fn vfs(&self) -> &dyn Vfs {
        &*self.environment.vfs
    }
}

/// Copies damaged bytes beside the file once they are found. A full disk does not keep a query from its answer.
fn keep_damage(vfs: &dyn Vfs, index: &RawFile) {
    for damage in index.damaged.iter().filter(|damage| !damage.whole) {
        let bytes = damage.to.saturating_sub(damage.from);
        let file = vfs.open(&index.path, crate::storage::vfs::OpenMode::Read);
        let keep = |file: Box<dyn VfsFile>| keep_damaged_part(vfs, (&*file, &index.path), damage.from..damage.to);
        let kept = file.is_ok_and(|file| keep(file).is_ok());
        tracing::error!(
            file = %index.path.display(), offset = damage.from, bytes, reason = damage.reason, kept,
            "damaged bytes in a data file; the frames around them stay readable"
        );
    }
}

fn overlapping(state: &State, from: Timestamp, to: Timestamp) -> Vec<Partition> {
    let mut partitions: Vec<Partition> = state.partitions().filter(|p| p.overlaps(from, to)).collect();
    partitions.sort();
    partitions.dedup();
    partitions
}

fn files_without_index(state: &State, partitions: &[Partition]) -> Vec<(Partition, RawKind, PathBuf)> {
    let unindexed = |(kind, file): (&RawKind, &PartitionFile)| match file.index {
        None => Some((*kind, file.path.clone())),
        Some(_) => None,
    };
    partitions
        .iter()
        .filter_map(|partition| Some((*partition, state.files.get(partition)?)))
        .flat_map(|(partition, files)| {
            files.files.iter().filter_map(unindexed).map(move |(kind, path)| (partition, kind, path))
        })
        .collect()
}

fn take(
    state: &State,
    partition: Partition,
    metrics: &[MetricId],
    from: Timestamp,
    to: Timestamp,
) -> PartitionSnapshot {
    let files = state.files.get(&partition).into_iter().flat_map(|f| &f.files);
    let mut open = Vec::new();
    for page in state.unflushed(partition) {
        open.resize_with(metrics.len(), Default::default);
        for (id, rows) in metrics.iter().zip(&mut open) {
            add_matching_rows(page, *id, from, to, rows);
        }
    }
    PartitionSnapshot {
        partition,
        changes: state.changes_of(partition),
        metric_file: state.metric_files.get(&partition).map(|slot| slot.path.clone()),
        files: files.filter_map(|(kind, file)| Some((*kind, Arc::clone(file.index.as_ref()?)))).collect(),
        open,
    }
}

fn add_matching_rows(
    page: &OpenPage,
    id: MetricId,
    from: Timestamp,
    to: Timestamp,
    (timestamps, bits): &mut (Vec<Timestamp>, Vec<u64>),
) {
    for ((row_id, ts), value) in page.ids.iter().zip(&page.timestamps).zip(&page.bits) {
        if *row_id == id && from <= *ts && *ts <= to {
            timestamps.push(*ts);
            bits.push(*value);
        }
    }
}
