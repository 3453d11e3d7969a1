//! The rows of a log back into open pages, without those that are in a data file already.

use super::open::{MAX_WAL, Parts};
use super::recovery::{LogGap, Written, rows_in_frames, rows_on_disk, without, without_first};
use super::state::{Last, RawKind};
use super::warnings::Warning;
use crate::config::{FsyncPolicy, Manifest};
use crate::format::wal;
use crate::model::ValueType;
use crate::plugin::Partition;
use crate::storage::raw_file::DamagedBytes;
use crate::storage::vfs::OpenMode;
use crate::storage::{OpenPage, RawFile, keep_damaged};
use crate::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// What a log was found to be.
pub(super) struct Replay {
    /// The WAL must be written anew: it lacks checksums, or has damage in the middle.
    pub(super) rewrite: bool,
    /// The WAL has names that catalog.json lacks.
    pub(super) new_names: bool,
    /// The WAL must be cut to this length.
    pub(super) cut_to: Option<u64>,
}

impl Parts {
    pub(super) fn replay(&mut self, wal_path: &Path) -> Result<Replay> {
        let vfs = Arc::clone(&self.environment.vfs);
        let bytes = vfs.read(wal_path, MAX_WAL).map_err(|e| Error::io("read", wal_path, e))?;
        let (summary, new_names) = self.replay_bytes(&bytes);
        let part = |from: u64, to: u64| {
            let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
            range.and_then(|(from, to)| bytes.get(from..to)).unwrap_or_default()
        };
        let keep = |from: u64, to: u64| keep_damaged(&*vfs, wal_path, from, part(from, to));
        // What a loss of power takes, by the settings of the log or because it was not acknowledged yet, is no damage. With a batch that
        // named a metric go whole ones behind it, in this log or the second, where batches are not forced one by one.
        let unwritten = |from: u64, to: u64| has_unwritten(from, part(from, to));
        let is_nameless = |from: u64| summary.unnamed_at.contains(&from);
        let is_forced = self.environment.config.wal.fsync_policy == FsyncPolicy::Always;
        let is_whole = summary.lost().iter().all(|lost| is_nameless(lost.from) || unwritten(lost.from, lost.to));
        let is_excused = |from: u64| is_nameless(from) && is_whole && !is_forced;
        let is_lost = |from: u64, to: u64| !unwritten(from, to) && !is_excused(from);
        let file = wal_path.display();
        for damage in &summary.damaged {
            keep(damage.from, damage.to)?;
            self.note_mended(is_lost(damage.from, damage.to), format!(
                "{file}: {} damaged bytes at {} were cut out at a start: {}; the samples in them are missing, unless a data file has them; \
                 {file}.damaged-{} holds the bytes",
                damage.to - damage.from, damage.from, damage.reason, damage.from
            ));
            tracing::error!(
                file = %wal_path.display(), offset = damage.from, bytes = damage.to - damage.from,
                reason = damage.reason, "damaged bytes in the WAL; the batches around them are replayed"
            );
        }
        if let Some(tail) = &summary.tail {
            let text = format!(
                "{file}: {} bytes at its end, from {}, were cut off at a start: {}",
                tail.len, tail.from, tail.reason
            );
            if !tail.torn {
                keep(tail.from, tail.from.saturating_add(tail.len))?;
                let text =
                    format!("{text}; the samples in them are missing; {file}.damaged-{} holds the bytes", tail.from);
                self.note_mended(is_lost(tail.from, tail.from.saturating_add(tail.len)), text);
            } else {
                // A batch that was being written, which nobody was told is stored; or damage that looks like it.
                let text = format!("{text}; if that was no write that a crash cut short, samples are missing");
                self.note_mended(false, text);
            }
            tracing::warn!(
                file = %wal_path.display(), offset = tail.from, bytes = tail.len, reason = tail.reason,
                "cut off a torn batch at the end of the WAL"
            );
        }
        let rewrite = !summary.damaged.is_empty() || (!bytes.is_empty() && !summary.checksummed);
        Ok(Replay { rewrite, new_names, cut_to: summary.tail.map(|_| summary.whole_len) })
    }

    fn note_mended(&mut self, lost: bool, text: String) {
        let since = self.environment.clock.now();
        self.mended.push(Warning { since, lost, text });
    }

    /// What a file that is about to be appended to has lost. A torn end is what a crash in the middle of a flush leaves, in whatever
    /// state the device has it: the log has its samples, or was not to have them.
    fn note_mended_file(&mut self, index: &mut RawFile) {
        // A header that was put right since is no damage any more.
        let told = std::mem::take(&mut index.mended).into_iter().filter(|d| d.torn_tail || index.damaged.contains(d));
        for damage in told.collect::<Vec<_>>() {
            self.note_mended(!damage.torn_tail, damaged_file(&index.path, &damage));
        }
    }

    /// Nothing is kept or mended by a reader: it tells with each answer what is missing.
    pub(super) fn replay_read_only(&mut self, path: &Path, bytes: Option<&[u8]>) {
        let (summary, _) = self.replay_bytes(bytes.unwrap_or_default());
        self.state.log_damage.extend(summary.lost().into_iter().map(|lost| {
            let bytes = lost.to.saturating_sub(lost.from);
            let text = "the samples in them are missing";
            format!("{}: {bytes} damaged bytes at {}: {}; {text}", path.display(), lost.from, lost.reason)
        }));
        self.state.log_notes.extend(summary.tail.filter(|tail| tail.torn).map(|tail| {
            format!(
                "{}: {} bytes at its end, from {}, are no whole batch: {}; if that is no write that a crash cut short, samples are missing",
                path.display(), tail.len, tail.from, tail.reason
            )
        }));
    }

    /// Fills the open pages from a WAL. Returns whether it brought names or types that the catalog lacks.
    fn replay_bytes(&mut self, bytes: &[u8]) -> (wal::WalSummary, bool) {
        let now = self.environment.clock.monotonic();
        let catalog: Vec<Option<ValueType>> =
            self.state.metrics.iter().map(|m| m.as_ref().map(|m| m.value_type)).collect();
        let type_of = |id: u16| catalog.get(usize::from(id)).copied().flatten();
        let mut new_names = false;
        let mut current: Option<Partition> = None;
        let state = &mut self.state;
        let partitioner = self.partitioner;
        let summary = wal::decode(bytes, &type_of, &mut |record| {
            if let Some(name) = record.announces {
                let known = state.metric(record.id).map(|m| m.value_type);
                // The catalog may be ahead: it is saved before the WAL is reset.
                if known.is_none_or(|known| known == ValueType::Int32 && record.value_type == ValueType::Int64) {
                    state.put_metric(record.id, name, record.value_type, Last::Unknown);
                    state.set_typed(record.id, record.typed);
                    new_names = true;
                }
            }
            if let Some(metric) = state.metric_mut(record.id) {
                metric.last = Last::At(record.timestamp, record.bits);
            }
            let partition = match current {
                Some(partition) if partition.contains(record.timestamp) => partition,
                _ => *current.insert(partitioner.partition_of(record.timestamp)),
            };
            let page = state.pages.entry(partition).or_insert_with(|| OpenPage::new(true, now));
            page.push(record.id, record.timestamp, record.bits);
        });
        let damaged = summary.damaged.iter().map(|damage| damage.to.saturating_sub(damage.from));
        let tail = summary.tail.iter().map(|tail| tail.len);
        self.log_gap = LogGap::of(damaged.chain(tail).sum(), !summary.checksummed);
        (summary, new_names)
    }

    /// Indexes and mends the data files of the partitions that the WAL has rows of, and drops rows that are in both.
    pub(super) fn drop_durable_rows(&mut self) -> Result<Vec<(Partition, usize)>> {
        let mut dropped = Vec::new();
        for partition in self.state.pages.keys().copied().collect::<Vec<_>>() {
            let known = self.state.files.get(&partition).and_then(|f| f.files.get(&RawKind::Data));
            let Some(path) = known.map(|f| f.path.clone()) else { continue };
            let page = self.state.pages.get(&partition);
            let mut index = RawFile::open_for_append_of(&*self.environment.vfs, &path, partition, page)?;
            if let Some(page) = self.state.pages.get(&partition) {
                index.mend_last_header(&*self.environment.vfs, page, &|id| self.state.type_of(id))?;
            }
            self.note_mended_file(&mut index);
            dropped.push((partition, self.drop_rows_in(partition, &index)?));
            self.put_index(partition, index);
        }
        Ok(dropped)
    }

    /// Where rows do not go through the WAL, nothing tells which files a crash may have torn: they are all looked at, so
    /// that no query meets the torn frame.
    pub(super) fn mend_unlogged(&mut self) -> Result<()> {
        let wal = &self.manifest.wal;
        if wal.enabled && wal.skip_before >= Manifest::default().wal.skip_before {
            return Ok(());
        }
        for partition in self.state.files.keys().copied().collect::<Vec<_>>() {
            let known = self.state.files.get(&partition).and_then(|f| f.files.get(&RawKind::Data));
            let Some(path) = known.map(|f| f.path.clone()) else { continue };
            let mut index = RawFile::open_for_append(&*self.environment.vfs, &path, partition)?;
            self.note_mended_file(&mut index);
            self.put_index(partition, index);
        }
        Ok(())
    }

    pub(super) fn drop_durable_rows_read_only(&mut self) -> Result<()> {
        for partition in self.state.pages.keys().copied().collect::<Vec<_>>() {
            let known = self.state.files.get(&partition).and_then(|f| f.files.get(&RawKind::Data));
            if let Some(index) = known.and_then(|f| f.index.clone()) {
                self.drop_rows_in(partition, &index)?;
            }
        }
        Ok(())
    }

    /// What a flush is writing at this moment, or was when it was killed, is no damage: its rows are those of the WAL that are left.
    pub(super) fn note_unfinished_frames(&mut self) -> Result<()> {
        let vfs = Arc::clone(&self.environment.vfs);
        for (partition, page) in &self.state.pages {
            let data = self.state.files.get_mut(partition).and_then(|f| f.files.get_mut(&RawKind::Data));
            let Some(index) = data.and_then(|f| f.index.as_mut()).filter(|i| !i.damaged.is_empty()) else { continue };
            let file = vfs.open(&index.path, OpenMode::Read).map_err(|e| Error::io("open", &index.path, e))?;
            if index.ends_in_frame_of(&*file, page)? {
                Arc::make_mut(index).set_unfinished();
            }
        }
        Ok(())
    }

    /// As many rows as are in the file already. Where nobody can say it, they stay, and the reason is kept: nothing may be written then.
    fn drop_rows_in(&mut self, partition: Partition, index: &RawFile) -> Result<usize> {
        let Some(page) = self.state.pages.get(&partition) else { return Ok(0) };
        if index.frames.is_empty() {
            return Ok(0);
        }
        let file = self.environment.vfs.open(&index.path, OpenMode::Read);
        let file = file.map_err(|e| Error::io("open", &index.path, e))?;
        let written = Written { frames: &index.frames, file: Some((&*file, &index.path)), frozen: None };
        let now = self.environment.clock.monotonic();
        let type_of = |id| self.state.type_of(id);
        let mut count = match rows_on_disk(page, &written, &type_of) {
            Err(Error::Incompatible { file, reason }) => {
                let why = "its last page may hold the samples that the log still has, which nobody can tell without the codec";
                self.unclear = Some(Error::Incompatible { file, reason: format!("{reason}; {why}") });
                return Ok(0);
            }
            count => count?,
        };
        let mut rest = (count > 0).then(|| without_first(page, count, now));
        if count == 0
            && let Some(rows) = rows_in_frames(page, &index.frames, (&*file, &index.path), &type_of, self.log_gap)?
        {
            count = rows.iter().filter(|is_written| **is_written).count();
            rest = Some(without(page, &rows, now));
        }
        if let Some(rest) = rest {
            match rest.is_empty() {
                true => self.state.pages.remove(&partition),
                false => self.state.pages.insert(partition, rest),
            };
        }
        Ok(count)
    }

    pub(super) fn put_index(&mut self, partition: Partition, index: RawFile) {
        self.state.note_whole(&index);
        if let Some(file) = self.state.files.get_mut(&partition).and_then(|f| f.files.get_mut(&RawKind::Data)) {
            file.index = Some(Arc::new(index));
        }
    }
}

/// Whether a part of a file, `from` its beginning, has bytes in it that never reached the device. A write is lost from where a batch
/// begins or a sector does, to where a batch or a sector ends. Zeros in the middle are none: a batch has as many when samples of 1970 are 0.
fn has_unwritten(from: u64, bytes: &[u8]) -> bool {
    const RUN: usize = 16;
    const SECTOR: u64 = 512;
    let zeros = |found: &mut dyn Iterator<Item = &u8>| found.take_while(|byte| **byte == 0).count();
    let is_unwritten = |part: &[u8]| {
        let most = zeros(&mut part.iter()).max(zeros(&mut part.iter().rev()));
        most >= RUN || (most > 0 && most == part.len())
    };
    let first = usize::try_from(SECTOR - from % SECTOR).unwrap_or(usize::MAX).min(bytes.len());
    let (head, rest) = bytes.split_at(first);
    is_unwritten(head) || rest.chunks(SECTOR as usize).any(is_unwritten)
}

/// What is told of damage in a data file that a writer found.
pub(super) fn damaged_file(path: &Path, damage: &DamagedBytes) -> String {
    let (file, bytes) = (path.display(), damage.to.saturating_sub(damage.from));
    let what = if damage.torn_tail { "bytes at its end were cut off" } else { "damaged bytes" };
    format!(
        "{file}: {bytes} {what}, from {}: {}; samples in them are missing, unless a metric file or the log has them; \
         {file}.damaged-{} holds the bytes",
        damage.from, damage.reason, damage.from
    )
}

#[cfg(test)]
mod tests {
    use super::has_unwritten;

    #[test]
    fn zeros_at_an_end_of_a_sector_are_a_loss_of_power_and_others_are_not() {
        let with = |from: usize, len: usize, zeros: std::ops::Range<usize>| {
            let mut file = vec![7u8; from + len];
            file.get_mut(zeros).unwrap().fill(0);
            has_unwritten(from as u64, file.get(from..).unwrap())
        };
        // A sector that was never written, the rest of one, and what was set aside behind the last.
        assert!(with(700, 2_000, 1_024..1_536));
        assert!(with(700, 2_000, 900..1_024));
        assert!(with(700, 300, 700..1_000));
        assert!(with(700, 300, 980..1_000));
        // A batch behind it in the same sector was written; a sector of the one before was not.
        assert!(with(700, 300, 700..800));
        assert!(with(700, 2_000, 1_024..1_200));
        // Values that are 0.
        assert!(!with(700, 2_000, 1_100..1_130));
        assert!(!with(700, 300, 800..880));
        assert!(!with(700, 300, 0..0));
    }
}
