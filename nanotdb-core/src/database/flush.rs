//! From open pages to data files, and what that means for the WAL.
//!
//! The order that makes a crash harmless: the WAL is forced to the device, so that it holds all rows of a page or
//! the page was never written; then catalog.json, then the frames; then their rows leave the WAL.

use super::state::{PartitionFile, PartitionFiles, RawKind};
use super::writer::Writer;
use super::{Database, State};
use crate::config::{DurabilityProfile, FsyncPolicy};
use crate::format::catalog;
use crate::format::frame::{self, FrameHeader};
use crate::format::page::{self, MAX_ROWS, NARROW_ROW};
use crate::format::wal::BatchEncoder;
use crate::plugin::Partition;
use crate::plugin::registry::registry;
use crate::storage::vfs::{OpenMode, VfsFile};
use crate::storage::{FrameEntry, OpenPage, RawFile};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Records per batch when the WAL is written anew.
const REWRITE_BATCH: usize = 4_096;

impl Database {
    /// Rows after which a page is flushed.
    pub(super) fn page_rows(&self) -> usize {
        let page = &self.manifest.page;
        let by_bytes = usize::try_from(page.max_bytes).unwrap_or(usize::MAX) / NARROW_ROW;
        (page.max_records as usize).min(by_bytes).clamp(1, MAX_ROWS)
    }

    pub(super) fn is_flush_due(&self, writer: &Writer) -> bool {
        if writer.wal.len() >= self.environment.config.wal.max_segment_size {
            return true;
        }
        let rows = self.page_rows();
        let state = self.read_state();
        state.pages.len() > self.max_open_pages() || state.pages.values().any(|p| p.len() >= rows)
    }

    fn max_open_pages(&self) -> usize {
        (self.manifest.retention.max_active_days as usize).max(1)
    }

    /// Flushes what is full: pages of enough rows; the pages written longest ago when too many are open; all of them
    /// when the WAL has grown past its size.
    pub fn flush_due(&self) -> Result<()> {
        let mut writer = self.lock_writer()?;
        self.check_writable()?;
        let everything = writer.wal.len() >= self.environment.config.wal.max_segment_size;
        let rows = self.page_rows();
        let surplus: Vec<Partition> = {
            let state = self.read_state();
            let mut by_age: Vec<_> = state.pages.iter().map(|(p, page)| (page.written, *p)).collect();
            by_age.sort_by(|a, b| b.cmp(a));
            by_age.into_iter().skip(self.max_open_pages()).map(|(_, p)| p).collect()
        };
        self.flush_pages(&mut writer, |partition, page| {
            everything || page.repeats_disk || page.len() >= rows || surplus.contains(partition)
        })
    }

    /// Flushes pages whose first row is older than `page.max_age`, or whose partition ended more than the grace ago.
    pub fn flush_aged(&self) -> Result<()> {
        let now = self.environment.clock.monotonic();
        let wall = self.environment.clock.now();
        let max_age = self.manifest.page.max_age;
        let grace = i64::try_from(self.manifest.retention.grace.as_nanos()).unwrap_or(i64::MAX);
        let is_aged = |partition: &Partition, page: &OpenPage| {
            let idle = now.saturating_sub(page.written) >= self.manifest.retention.grace;
            now.saturating_sub(page.opened) >= max_age || (idle && partition.end.saturating_add(grace) <= wall)
        };
        if !self.read_state().pages.iter().any(|(partition, page)| is_aged(partition, page)) {
            return Ok(());
        }
        let mut writer = self.lock_writer()?;
        self.check_writable()?;
        self.flush_pages(&mut writer, is_aged)
    }

    /// Flushes every page; the WAL is empty afterwards.
    pub fn flush(&self) -> Result<()> {
        let mut writer = self.lock_writer()?;
        self.check_writable()?;
        self.flush_pages(&mut writer, |_, _| true)
    }

    /// Forces the WAL to the device when something in it is not there yet.
    pub fn sync_wal(&self) -> Result<()> {
        match &self.commit {
            Some(commit) if commit.is_dirty() => {
                self.check_writable()?;
                commit.sync().inspect_err(|e| self.poison(e))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn flush_pages(&self, writer: &mut Writer, which: impl Fn(&Partition, &OpenPage) -> bool) -> Result<()> {
        let due: Vec<Partition> =
            self.read_state().pages.iter().filter(|(p, page)| which(p, page)).map(|(p, _)| *p).collect();
        if due.is_empty() {
            // Names may still be known to the WAL alone when it is about to be closed.
            return self.save_catalog(writer);
        }
        let _flushing = self.environment.flushing();
        self.sync_wal()?;
        self.save_catalog(writer)?;
        let mut outcome = Ok(());
        for partition in &due {
            outcome = self.write_frames(writer, *partition);
            if outcome.is_err() {
                break;
            }
        }
        // Also after an error: pages flushed before it have left the WAL's charge.
        self.check_writable()?;
        match self.reset_wal(writer) {
            // The old WAL stands: it holds flushed rows besides, which recovery finds in the data files.
            Err(error @ Error::Full { .. }) => {
                tracing::error!(database = self.name, %error, "the WAL keeps rows that are flushed already");
            }
            Err(error) => {
                self.poison(&error);
                return Err(error);
            }
            Ok(()) => {}
        }
        outcome
    }

    /// Makes catalog.json hold every metric. Names are in the WAL as well until then.
    pub(super) fn save_catalog(&self, writer: &mut Writer) -> Result<()> {
        if !writer.catalog_dirty {
            return Ok(());
        }
        let bytes = {
            let state = self.read_state();
            catalog::encode(state.iter_metrics().map(|(id, m)| (&*m.name, id, m.value_type)))
        };
        let path = self.directory.join(CATALOG_FILE);
        self.environment.vfs.replace(&path, &bytes).map_err(|e| Error::io("write", &path, e))?;
        writer.catalog_dirty = false;
        for metric in writer.metrics.iter_mut().flatten() {
            metric.announce = 0;
        }
        Ok(())
    }

    /// Appends the rows of one open page to its data file, durably as the profile says, and moves it from the pages to
    /// the index.
    ///
    /// A page becomes one frame, so that after a crash it is there or not. Only a page of more rows than a frame can
    /// count becomes several, each durable before the next is written.
    fn write_frames(&self, writer: &mut Writer, partition: Partition) -> Result<()> {
        let vfs = &*self.environment.vfs;
        let mut index = self.data_index_for_append(partition)?;
        let path = index.path.clone();
        let old_len = index.len;
        let file = vfs.open(&path, OpenMode::Create).map_err(|e| Error::io("open", &path, e))?;
        let rows = self.read_state().pages.get(&partition).map_or(0, OpenPage::len);
        let mut from = 0usize;
        while from < rows {
            let to = from.saturating_add(MAX_ROWS).min(rows);
            let written = self.encode_frame(writer, partition, from..to, index.len).and_then(|entry| {
                file.write_all_at(&writer.frames, index.len).map_err(|e| Error::io("append to", &path, e))?;
                Ok(entry)
            });
            let entry = match written {
                Ok(entry) => entry,
                Err(error) => {
                    if file.set_len(old_len).is_err() {
                        self.poison(&error);
                    }
                    return Err(error);
                }
            };
            if let Err(error) = self.sync_data(&*file, &path, index.frames.is_empty()) {
                // What is durable is unknown now: nothing is written any more, and the WAL keeps the rows.
                self.poison(&error);
                return Err(error);
            }
            index.len = entry.end_offset();
            writer.disk_end = writer.disk_end.max(Some(entry.header.end));
            index.frames.push(entry);
            from = to;
        }
        let bytes = index.len.saturating_sub(old_len);
        tracing::debug!(database = self.name, file = %path.display(), rows, bytes, "flushed a page");
        let mut state = self.write_state();
        state.pages.remove(&partition);
        self.put_index(&mut state, partition, RawKind::Data, index);
        Ok(())
    }

    /// Encodes some rows of a page, in arrival order, as the frame at `offset`, into the writer's buffer.
    fn encode_frame(
        &self,
        writer: &mut Writer,
        partition: Partition,
        range: Range<usize>,
        offset: u64,
    ) -> Result<FrameEntry> {
        let codec = registry().codec(&self.manifest.page.codec)?;
        let failed = |reason: String| Error::bad_input(format!("codec {}: {reason}", codec.name()));
        let state = self.read_state();
        let page = state.pages.get(&partition).ok_or_else(|| failed("the page is gone".into()))?;
        let rows = writer.sorted.sort(page.rows(), range);
        let is_wide = |id: &u16| state.metric(*id).is_some_and(|m| m.value_type.is_wide());
        let wide = rows.ids.iter().any(is_wide);
        writer.payload.clear();
        page::encode(rows, wide, codec, &mut writer.columns, &mut writer.payload).map_err(|e| failed(e.to_string()))?;
        let (Some(start), Some(end)) = (rows.timestamps.first(), rows.timestamps.last()) else {
            return Err(failed("no rows".into()));
        };
        writer.frames.clear();
        frame::encode(*start, *end, rows.ids.len() as u16, &writer.payload, &mut writer.frames);
        match FrameHeader::decode(&writer.frames) {
            Ok(Some(header)) => Ok(FrameEntry { offset, header, verified: true }),
            _ => Err(failed("it made a page that cannot be read back".into())),
        }
    }

    fn sync_data(&self, file: &dyn VfsFile, path: &Path, is_new: bool) -> Result<()> {
        let config = &self.environment.config;
        if config.durability == DurabilityProfile::Throughput && config.wal.fsync_policy != FsyncPolicy::Always {
            return Ok(());
        }
        file.sync().map_err(|e| Error::io("fsync", path, e))?;
        if is_new {
            let directory = &self.directory;
            self.environment.vfs.sync_dir(directory).map_err(|e| Error::io("fsync", directory, e))?;
        }
        Ok(())
    }

    pub(super) fn raw_path(&self, partition: Partition, kind: RawKind, files: Option<&PartitionFiles>) -> PathBuf {
        let partitioner = files.map_or(self.partitioner, |f| f.partitioner);
        self.directory.join(format!("{}{}.dat", kind.prefix(), partitioner.file_part(partition)))
    }

    /// The index of a partition's data file, checked for appending once per process.
    fn data_index_for_append(&self, partition: Partition) -> Result<RawFile> {
        let (path, known) = {
            let state = self.read_state();
            let files = state.files.get(&partition);
            let file = files.and_then(|f| f.files.get(&RawKind::Data));
            let known = file.and_then(|f| f.index.as_deref().cloned());
            (self.raw_path(partition, RawKind::Data, files), known)
        };
        match known {
            Some(index) if index.appendable => Ok(index),
            _ => RawFile::open_for_append(&*self.environment.vfs, &path, partition),
        }
    }

    pub(super) fn put_index(&self, state: &mut State, partition: Partition, kind: RawKind, index: RawFile) {
        let files = state
            .files
            .entry(partition)
            .or_insert_with(|| PartitionFiles { partitioner: self.partitioner, files: BTreeMap::new() });
        files.files.insert(kind, PartitionFile { path: index.path.clone(), index: Some(Arc::new(index)) });
    }

    /// Takes the rows that are in data files now out of the WAL: empties it, or writes it anew with what the open pages hold.
    pub(super) fn reset_wal(&self, writer: &mut Writer) -> Result<()> {
        writer.wal_buffer.clear();
        {
            let state = self.read_state();
            encode_pages(&state, &mut writer.wal_buffer);
        }
        if writer.wal_buffer.is_empty() {
            if !writer.wal.is_empty() {
                writer.wal.truncate(0)?;
            }
        } else {
            writer.wal.replace(&*self.environment.vfs, &writer.wal_buffer)?;
        }
        tracing::debug!(database = self.name, bytes = writer.wal.len(), "reset the WAL");
        if let Some(commit) = &self.commit {
            commit.all_durable(writer.wal.handle());
        }
        Ok(())
    }
}

/// Name of the catalog within a database's directory.
pub(super) const CATALOG_FILE: &str = "catalog.json";

/// The WAL that holds exactly the rows of the open pages. Names are in catalog.json.
pub(super) fn encode_pages(state: &State, out: &mut Vec<u8>) {
    let mut in_batch = 0usize;
    let mut pages = state.pages.values().filter(|p| p.in_wal && !p.is_empty()).peekable();
    if pages.peek().is_none() {
        return;
    }
    let mut encoder = BatchEncoder::new(out, true);
    for page in pages {
        for ((id, timestamp), bits) in page.ids.iter().zip(&page.timestamps).zip(&page.bits) {
            encoder.record(*id, *timestamp, *bits, state.type_of(*id), None);
            in_batch = in_batch.saturating_add(1);
            if in_batch == REWRITE_BATCH {
                in_batch = 0;
                encoder.next_batch();
            }
        }
    }
    encoder.finish();
}
