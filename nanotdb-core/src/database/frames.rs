//! One frozen page into its data file.

use super::naming::Named;
use super::replay::damaged_file;
use super::state::{PartitionFile, PartitionFiles, RawKind};
use super::{Database, State};
use crate::config::{DurabilityProfile, FsyncPolicy};
use crate::format::frame::{self, FrameHeader};
use crate::format::metric::Source;
use crate::format::page::{self, MAX_ROWS};
use crate::plugin::registry::registry;
use crate::plugin::{Codec, Partition};
use crate::storage::open_page::SortedRows;
use crate::storage::vfs::{OpenMode, VfsFile};
use crate::storage::{FrameEntry, MetricFile, OpenPage, RawFile};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// What encoding a page needs, kept for the next one.
#[derive(Default)]
pub(super) struct FrameBuffers {
    frame: Vec<u8>,
    payload: Vec<u8>,
    columns: Vec<u8>,
    sorted: SortedRows,
}

impl FrameBuffers {
    /// The frame that was encoded last.
    pub(super) fn frame(&self) -> &[u8] {
        &self.frame
    }
}

impl Database {
    /// Appends the rows of one frozen page to its data file, durably as the profile says, and moves it from the frozen pages
    /// to the index. The caller holds the flush lock; no other lock is held while the page is encoded and written.
    ///
    /// A page becomes one frame, so that after a crash it is there or not. Only a page of more rows than a frame can
    /// count becomes several, each durable before the next is written.
    pub(super) fn write_frames(&self, buffers: &mut FrameBuffers, partition: Partition) -> Result<()> {
        let vfs = &*self.environment.vfs;
        let Some(page) = self.read_state().frozen.get(&partition).map(Arc::clone) else { return Ok(()) };
        let began = self.now();
        let (mut pages, mut raw_bytes) = (0u64, 0u64);
        let mut index = self.data_index_for_append(partition)?;
        let path = index.path.clone();
        let old_len = index.len;
        let file = vfs.open(&path, OpenMode::Create).map_err(|e| Error::io("open", &path, e))?;
        let rows = page.len();
        let built_in = self.built_in(partition);
        let mut from = 0usize;
        while from < rows {
            let to = from.saturating_add(MAX_ROWS).min(rows);
            let written = self.encode_new_frame(buffers, &page, from..to, index.len, &built_in).and_then(|entry| {
                file.write_all_at(&buffers.frame, index.len).map_err(|e| Error::io("append to", &path, e))?;
                Ok(entry)
            });
            let entry = match written {
                Ok(entry) => entry,
                Err(error) => {
                    let error = match error {
                        Error::Incompatible { reason, .. } => Error::Incompatible { file: path, reason },
                        error => error,
                    };
                    if file.set_len(old_len).is_err() {
                        self.poison(&error);
                    }
                    return Err(error);
                }
            };
            if let Err(error) = self.sync_data(&*file, &path, index.frames.is_empty()) {
                // Where the directory of a new file could not even be opened, the next flush writes it again.
                let is_undone = error.is_out_of_files() && file.set_len(old_len).is_ok();
                // Else what is durable is unknown: nothing is written any more, and the WAL keeps the rows.
                if !is_undone {
                    self.poison(&error);
                }
                return Err(error);
            }
            pages = pages.saturating_add(1);
            raw_bytes = raw_bytes.saturating_add(buffers.columns.len() as u64);
            index.len = entry.end_offset();
            index.frames.push(entry);
            from = to;
        }
        self.note_raw_file(partition, &index, page.ids.iter().copied().max().unwrap_or(0), self.is_data_durable());
        let bytes = index.len.saturating_sub(old_len);
        let counters = self.counters();
        counters.flush_pages.add(pages);
        counters.flush_rows.add(rows as u64);
        counters.flush_raw_bytes.add(raw_bytes);
        counters.flush_bytes.add(bytes);
        let took = self.now().saturating_sub(began);
        counters.flush_time.add_time(took);
        counters.flush_times.note(took, self.environment.clock.now());
        tracing::debug!(database = self.name, file = %path.display(), rows, bytes, "flushed a page");
        let mut state = self.write_state();
        state.frozen.remove(&partition);
        self.put_index(&mut state, partition, RawKind::Data, index);
        Ok(())
    }

    /// By what ends of frames a reader knows what of the raw files is in the partition's metric file.
    fn built_in(&self, partition: Partition) -> Vec<Source> {
        let path = self.read_state().metric_files.get(&partition).map(|slot| slot.path.clone());
        let file = path.and_then(|path| MetricFile::open(self.vfs(), &path, self.metric_cache()).ok());
        file.map(|file| file.layout().sources.clone()).unwrap_or_default()
    }

    /// Encodes a frame that is none of those that were built in: where the raw file was removed since, rows that are sent
    /// again exactly as they were would make the same frame at the same place, and pass for built in.
    pub(super) fn encode_new_frame(
        &self,
        buffers: &mut FrameBuffers,
        page: &OpenPage,
        range: Range<usize>,
        offset: u64,
        built_in: &[Source],
    ) -> Result<FrameEntry> {
        let usual = registry().codec(&self.manifest.page.codec)?;
        let others = registry().codecs().iter().copied().filter(|codec| codec.id() != usual.id());
        for codec in std::iter::once(usual).chain(others) {
            let entry = match self.encode_frame(buffers, page, range.clone(), offset, codec) {
                // Another one may do.
                Err(Error::Incompatible { .. }) if codec.id() != usual.id() => continue,
                entry => entry?,
            };
            let source = Source { len: entry.end_offset(), crc: crc32fast::hash(&buffers.frame) };
            if !built_in.contains(&source) {
                return Ok(entry);
            }
        }
        Err(Error::bad_input("every codec makes a page that was built in before"))
    }

    /// Encodes some rows of a page, in arrival order, as the frame at `offset`, into the buffer.
    fn encode_frame(
        &self,
        buffers: &mut FrameBuffers,
        page: &OpenPage,
        range: Range<usize>,
        offset: u64,
        codec: &dyn Codec,
    ) -> Result<FrameEntry> {
        let failed = |reason: String| Error::Incompatible {
            file: self.directory.clone(),
            reason: format!("codec {}: {reason}", codec.name()),
        };
        let rows = buffers.sorted.sort(page.rows(), range);
        let wide = {
            let state = self.read_state();
            rows.ids.iter().any(|id| state.metric(*id).is_some_and(|m| m.value_type.is_wide()))
        };
        buffers.payload.clear();
        page::encode(rows, wide, codec, &mut buffers.columns, &mut buffers.payload).map_err(|e| failed(e.reason))?;
        let (Some(start), Some(end)) = (rows.timestamps.first(), rows.timestamps.last()) else {
            return Err(failed("no rows".into()));
        };
        buffers.frame.clear();
        frame::encode(*start, *end, rows.ids.len() as u16, &buffers.payload, &mut buffers.frame);
        match FrameHeader::decode(&buffers.frame) {
            Ok(Some(header)) => Ok(FrameEntry { offset, header, verified: true }),
            _ => Err(failed("it made a page that cannot be read back".into())),
        }
    }

    /// Whether frames are forced to the device.
    pub(super) fn is_data_durable(&self) -> bool {
        let config = &self.environment.config;
        config.durability != DurabilityProfile::Throughput || config.wal.fsync_policy == FsyncPolicy::Always
    }

    fn sync_data(&self, file: &dyn VfsFile, path: &Path, is_new: bool) -> Result<()> {
        if !self.is_data_durable() {
            return Ok(());
        }
        let began = self.now();
        let synced = file.sync();
        self.counters().data_syncs.add(1);
        let took = self.now().saturating_sub(began);
        self.counters().data_sync_time.add_time(took);
        self.counters().data_sync_times.note(took, self.environment.clock.now());
        synced.map_err(|e| Error::io("fsync", path, e))?;
        if is_new {
            let directory = &self.directory;
            self.environment.vfs.sync_dir(directory).map_err(|e| Error::io("fsync", directory, e))?;
        }
        Ok(())
    }

    /// The index of a partition's data file, checked for appending once per process.
    fn data_index_for_append(&self, partition: Partition) -> Result<RawFile> {
        let (there, known) = {
            let state = self.read_state();
            let files = state.files.get(&partition);
            let file = files.and_then(|f| f.files.get(&RawKind::Data));
            let known = file.and_then(|f| f.index.as_deref().cloned());
            (file.map(|f| f.path.clone()), known)
        };
        match known {
            Some(index) if index.appendable => Ok(index),
            _ => {
                let exists = there.is_some();
                let new = || format!("{}{}.dat", RawKind::Data.prefix(), self.part_name(partition));
                let path = there.unwrap_or_else(|| self.directory.join(new()));
                let mut index = RawFile::open_for_append(&*self.environment.vfs, &path, partition)?;
                // Where there is a metric file, answers tell by themselves what it lacks.
                let is_lost = !self.read_state().metric_files.contains_key(&partition);
                for damage in std::mem::take(&mut index.mended) {
                    self.note_mended(is_lost, damaged_file(&path, &damage));
                }
                if exists {
                    // Or a reader could index the file by itself, and find the frame before its page is gone.
                    self.put_index(&mut self.write_state(), partition, RawKind::Data, index.clone());
                }
                Ok(index)
            }
        }
    }

    fn put_index(&self, state: &mut State, partition: Partition, kind: RawKind, index: RawFile) {
        let named = state.named(partition).unwrap_or_else(|| Named::by(self.partitioner, partition));
        let files = state.files.entry(partition).or_insert_with(|| PartitionFiles { named, files: BTreeMap::new() });
        files.files.insert(kind, PartitionFile { path: index.path.clone(), index: Some(Arc::new(index)) });
    }
}
