//! Merging a partition's small frames into full pages.
//!
//! A new file takes the place of the old one by a rename, so a crash leaves one or the other, and both hold the same rows in
//! the same order. What else must not change by it:
//!
//! - **Which frames the metric file holds.** It knows them by where they end and by their last bytes, so the frames that it
//!   holds are copied as they are, and only those behind are merged. Where that is not certain the partition is left alone.
//! - **Which rows of the WAL are on disk.** After a crash they are known by whole frames. So a file is only replaced when no row of
//!   the partition is in the WAL: no page of it is open or frozen, and no flush is unfinished. The locks of flush and writer
//!   are held while that is so.

use super::frames::FrameBuffers;
use super::state::PartitionFile;
use super::{Database, OpenRaw, ScanReport, WholePartition};
use crate::format::metric::Source;
use crate::plugin::Partition;
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::{OpenMode, VfsFile};
use crate::storage::{FrameEntry, OpenPage, RawFile};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What compaction did to one raw file, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactedFile {
    /// The file.
    pub file: PathBuf,
    /// Samples in it.
    pub rows: u64,
    /// Frames before.
    pub frames_before: u64,
    /// Frames after.
    pub frames_after: u64,
    /// Bytes before.
    pub bytes_before: u64,
    /// Bytes after; `None` when nothing was written.
    pub bytes_after: Option<u64>,
}

/// What became of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compaction {
    /// Its frames cannot be fewer.
    NothingToDo,
    /// It was left as it is, for this reason.
    Skipped(String),
    /// Its files, those among them that changed or would change.
    Done(Vec<CompactedFile>),
}

/// Frames that become one.
struct Plan<'a> {
    raw: &'a OpenRaw,
    /// Frames that stay as they are, because the metric file holds them.
    kept: &'a [FrameEntry],
    groups: Vec<&'a [FrameEntry]>,
}

impl Plan<'_> {
    fn report(&self, bytes_after: Option<u64>) -> CompactedFile {
        let index = &self.raw.index;
        CompactedFile {
            file: index.path.clone(),
            rows: index.frames.iter().map(|f| u64::from(f.header.rows)).sum(),
            frames_before: index.frames.len() as u64,
            frames_after: self.kept.len().saturating_add(self.groups.len()) as u64,
            bytes_before: index.len,
            bytes_after,
        }
    }
}

impl Database {
    /// Merges the small frames of a partition's raw files into pages of `page.max_records` rows. Rows keep their order.
    ///
    /// Works beside writers; a partition that samples are arriving in is skipped. Damage is an error: a file that lost rows must
    /// not look whole.
    pub fn compact(&self, partition: Partition, dry_run: bool) -> Result<Compaction> {
        // A build must find the frames that it reads when it says what it was built from.
        let _no_build = self.lock_builds()?;
        if self.is_stray(partition) {
            let text = "no partitioner of this program gives its files their names; they are left as they are";
            return Ok(Compaction::Skipped(text.to_owned()));
        }
        if !dry_run {
            self.check_writable()?;
            if self.has_open_page(partition) {
                self.flush()?;
            }
        }
        let mut report = ScanReport::default();
        let Some(WholePartition { open, .. }) = self.open_whole_partition(partition, &mut report)? else {
            return Ok(Compaction::NothingToDo);
        };
        if let Some(warning) = report.warnings.first() {
            return Err(Error::bad_input(format!("not everything can be read: {warning}; see `nanocli recover`")));
        }
        if let Some(damage) = open.raw.iter().find_map(|raw| raw.index.damaged.first().map(|d| (raw, d))) {
            let (raw, damage) = damage;
            let (path, at) = (raw.index.path.display(), damage.from);
            return Err(Error::bad_input(format!("{path}: byte {at}: {}; see `nanocli recover`", damage.reason)));
        }
        let sources = match &open.metric {
            Some(file) => {
                let coverage = self.coverage(&open.snapshot, file, &open.raw)?;
                if !coverage.proven && open.raw.iter().any(|raw| !raw.index.frames.is_empty()) {
                    let text = "its metric file was not built from the raw files that are there; build it anew, \
                                which takes their samples in";
                    return Ok(Compaction::Skipped(text.to_owned()));
                }
                file.layout().sources.clone()
            }
            None => Vec::new(),
        };
        let page_rows = self.page_rows();
        let plans: Vec<Plan<'_>> = open
            .raw
            .iter()
            .map(|raw| {
                let covered = open.covered.of(raw.kind);
                let (kept, rest) = raw.index.frames.split_at(raw.index.frames.partition_point(|f| f.offset < covered));
                Plan { raw, kept, groups: groups(rest, page_rows) }
            })
            .filter(|plan| plan.kept.len().saturating_add(plan.groups.len()) < plan.raw.index.frames.len())
            .collect();
        if plans.is_empty() {
            return Ok(Compaction::NothingToDo);
        }
        let mut done = Vec::new();
        for plan in &plans {
            if dry_run {
                done.push(plan.report(None));
                continue;
            }
            let temporary = temporary(&plan.raw.index.path);
            let replaced = self
                .write_merged(plan, &sources, &temporary)
                .and_then(|index| Ok((self.replace_raw(partition, plan.raw, &temporary, &index)?, index.len)));
            match replaced {
                Ok((true, len)) => done.push(plan.report(Some(len))),
                outcome => {
                    let _ = self.vfs().remove_file(&temporary);
                    outcome?;
                    return Ok(match done.is_empty() {
                        true => Compaction::Skipped("samples are arriving in it; try again later".to_owned()),
                        false => Compaction::Done(done),
                    });
                }
            }
        }
        Ok(Compaction::Done(done))
    }

    /// Writes the new file, durably, reads it back and compares it with the old one. Its index is that of the final name.
    fn write_merged(&self, plan: &Plan<'_>, sources: &[Source], temporary: &Path) -> Result<RawFile> {
        let old = &plan.raw.index;
        let io = |e| Error::io("write", temporary, e);
        let file = self.vfs().open(temporary, OpenMode::Truncate).map_err(io)?;
        let mut index = RawFile { path: old.path.clone(), appendable: true, ..RawFile::default() };
        let mut buffers = FrameBuffers::default();
        let copy = |index: &mut RawFile, frame: &FrameEntry| -> Result<()> {
            let mut bytes = vec![0; usize::try_from(frame.header.frame_len()).unwrap_or(usize::MAX)];
            plan.raw.handle.read_exact_at(&mut bytes, frame.offset).map_err(|e| Error::io("read", &old.path, e))?;
            file.write_all_at(&bytes, index.len).map_err(io)?;
            index.frames.push(FrameEntry { offset: index.len, verified: true, ..*frame });
            index.len = index.len.saturating_add(bytes.len() as u64);
            Ok(())
        };
        for frame in plan.kept {
            copy(&mut index, frame)?;
        }
        let mut reader = FrameReader::default();
        for group in &plan.groups {
            if let [frame] = group {
                copy(&mut index, frame)?;
                continue;
            }
            let mut page = OpenPage::new(false, Duration::ZERO);
            for frame in *group {
                self.rows_of(&mut reader, &*plan.raw.handle, &old.path, frame, &mut page)?;
            }
            let entry = self.encode_new_frame(&mut buffers, &page, 0..page.len(), index.len, sources)?;
            file.write_all_at(buffers.frame(), index.len).map_err(io)?;
            index.len = entry.end_offset();
            index.frames.push(entry);
        }
        file.sync().map_err(|e| Error::io("fsync", temporary, e))?;
        self.compare_merged(plan, &index, &*file, temporary)?;
        Ok(index)
    }

    /// Whether each new frame has the rows of its old ones, stably sorted by time, bit for bit.
    fn compare_merged(&self, plan: &Plan<'_>, new: &RawFile, file: &dyn VfsFile, temporary: &Path) -> Result<()> {
        let kept = plan.kept.iter().map(std::slice::from_ref);
        let mut reader = FrameReader::default();
        for (group, frame) in kept.chain(plan.groups.iter().copied()).zip(&new.frames) {
            let mut before = OpenPage::new(false, Duration::ZERO);
            for frame in group {
                self.rows_of(&mut reader, &*plan.raw.handle, &plan.raw.index.path, frame, &mut before)?;
            }
            let mut order: Vec<usize> = (0..before.len()).collect();
            order.sort_by_key(|at| before.timestamps.get(*at));
            let mut after = OpenPage::new(false, Duration::ZERO);
            let unverified = FrameEntry { verified: false, ..*frame };
            self.rows_of(&mut reader, file, temporary, &unverified, &mut after)?;
            let row =
                |page: &OpenPage, at: usize| Some((*page.ids.get(at)?, *page.timestamps.get(at)?, *page.bits.get(at)?));
            let same = before.len() == after.len()
                && order.iter().enumerate().all(|(to, from)| row(&before, *from) == row(&after, to));
            if !same {
                let reason = "the new file was read back and differs from the old one".to_owned();
                return Err(Error::Corrupt { file: temporary.to_owned(), offset: frame.offset, reason });
            }
        }
        Ok(())
    }

    fn rows_of(
        &self,
        reader: &mut FrameReader,
        file: &dyn VfsFile,
        path: &Path,
        frame: &FrameEntry,
        page: &mut OpenPage,
    ) -> Result<()> {
        let decoded = reader.read(file, path, frame)?;
        let state = self.read_state();
        for at in 0..decoded.rows() {
            if let Some((id, timestamp, bits)) = decoded.row(at, |id| state.type_of(id)) {
                page.push(id, timestamp, bits);
            }
        }
        Ok(())
    }

    /// Puts the new file in the place of the old one; `false` when something came in between.
    fn replace_raw(&self, partition: Partition, raw: &OpenRaw, temporary: &Path, index: &RawFile) -> Result<bool> {
        let flush = self.lock_flush();
        self.check_writable()?;
        // Held so that no row of the partition comes into the WAL before its file is the new one for good.
        let _writer = self.lock_writer()?;
        if flush.generation.is_some() || self.has_open_page(partition) {
            return Ok(false);
        }
        {
            let mut state = self.write_state();
            let file = state.files.get(&partition).and_then(|f| f.files.get(&raw.kind));
            let is_unchanged = file.and_then(|f| f.index.as_ref()).is_some_and(|now| now.len == raw.index.len);
            if !is_unchanged {
                return Ok(false);
            }
            let path = &raw.index.path;
            self.vfs().rename(temporary, path).map_err(|e| Error::io("rename", temporary, e))?;
            let file = PartitionFile { path: path.clone(), index: Some(Arc::new(index.clone())) };
            if let Some(files) = state.files.get_mut(&partition) {
                files.files.insert(raw.kind, file);
            }
            state.note_change(partition);
            if let Some(slot) = state.metric_files.get_mut(&partition) {
                slot.covered = None;
            }
        }
        self.note_raw_file(partition, index, 0, true);
        let synced = self.vfs().sync_dir(self.directory());
        // What is appended from now on goes to the new file, whose name may not survive.
        let synced = synced.map_err(|source| Error::Io { op: "fsync", path: self.directory().to_owned(), source });
        synced.inspect_err(|e| self.poison(e)).map(|()| true)
    }
}

/// Consecutive frames that fit into one page. One that is larger stays by itself.
fn groups(frames: &[FrameEntry], page_rows: usize) -> Vec<&[FrameEntry]> {
    let mut groups = Vec::new();
    let mut rest = frames;
    while !rest.is_empty() {
        let mut rows = 0usize;
        let fits = rest.iter().take_while(|frame| {
            rows = rows.saturating_add(usize::from(frame.header.rows));
            rows <= page_rows
        });
        let (group, behind) = rest.split_at(fits.count().clamp(1, rest.len()));
        groups.push(group);
        rest = behind;
    }
    groups
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    path.with_file_name(name)
}
