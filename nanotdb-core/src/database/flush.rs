//! From open pages to data files, and what that means for the WAL.
//!
//! A flush has two halves. [`Database::freeze`] holds the writer's lock, for microseconds: the open pages become frozen
//! ones, which queries still see, and a second WAL, `<db>.wal.next`, is begun for the rows that come from then on.
//! [`Database::finish`] does all that takes time, and nobody but the next flush waits for it. Its order makes a crash
//! harmless: the WAL is forced to the device, so that it holds all rows of a page or the page was never written;
//! then catalog.json, then the frames; then one rename puts the second WAL in the place of the first.
//!
//! All open pages are frozen at once, so that every row of the first WAL is in a frame when it is dropped.
//!
//! Locks are taken in this order: flush, writer, commit log or state.

use super::commit::{CommitLog, Sequence};
use super::frames::FrameBuffers;
use super::naming::Named;
use super::writer::{MOST_PAGES, Writer};
use super::{Database, State};
use crate::format::catalog;
use crate::format::page::{MAX_ROWS, NARROW_ROW};
use crate::format::wal::BatchEncoder;
use crate::layout;
use crate::model::{MetricId, ValueType};
use crate::plugin::{Partition, caught};
use crate::storage::{OpenPage, WalFile};
use crate::{Error, Result};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

/// Records per batch when the WAL is written anew.
const REWRITE_BATCH: usize = 4_096;

/// Names, ids and types that catalog.json is to hold, and whether they are a program's float32.
pub(super) type Names = Vec<(Arc<str>, MetricId, ValueType, bool)>;

/// What a flush has frozen and not finished. Its pages are [`State::frozen`].
#[derive(Default)]
pub(super) struct Generation {
    /// The last batch of the WAL that holds its rows, while `<db>.wal.next` is still to take that one's place.
    pub(super) wal: Option<Sequence>,
    /// Whether `<db>.wal.next` has the name of that WAL already, though perhaps not on the device.
    pub(super) has_name: bool,
    /// What catalog.json lacks.
    pub(super) names: Option<Names>,
    /// Partitions of its pages, also of those that are written already; `None` when that is not known.
    pub(super) partitions: Option<Vec<Partition>>,
}

impl Generation {
    /// Whether rows of the partition are, or may be, in frames and in the WAL at once.
    pub(super) fn may_hold(&self, partition: Partition) -> bool {
        self.partitions.as_ref().is_none_or(|partitions| partitions.contains(&partition))
    }
}

/// What [`Database::flush_aged`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Pages that were written.
    pub pages: u64,
    /// Partitions of those that are over.
    pub sealed: Vec<String>,
}

/// What only the holder of the flush lock touches: there is one flush at a time.
#[derive(Default)]
pub(super) struct Flush {
    pub(super) generation: Option<Generation>,
    buffers: FrameBuffers,
}

impl Database {
    /// Rows after which a page is flushed.
    pub(super) fn page_rows(&self) -> usize {
        let page = &self.manifest.page;
        let by_bytes = usize::try_from(page.max_bytes).unwrap_or(usize::MAX) / NARROW_ROW;
        (page.max_records as usize).min(by_bytes).clamp(1, MAX_ROWS)
    }

    /// Whether there is so much that is not flushed: `times` 1 is when a flush should begin.
    pub(super) fn is_due(&self, writer: &Writer, state: &State, times: usize) -> bool {
        let most_pages = (self.manifest.retention.max_active_days as usize).max(1);
        let rows = self.page_rows().saturating_mul(times);
        writer.wal.len() >= self.environment.config.wal.max_segment_size.saturating_mul(times as u64)
            || state.pages.len() > most_pages.saturating_mul(times)
            || state.pages.values().any(|page| page.len() >= rows)
    }

    /// Flushes when a page has enough rows, too many are open, or the WAL has grown past its size.
    pub fn flush_due(&self) -> Result<()> {
        self.run_flush(|writer, state| {
            self.is_due(writer, state, 1) || state.pages.values().any(|page| page.repeats_disk)
        })
    }

    /// Flushes when the first row of a page is older than `page.max_age`, or its partition ended more than the grace ago.
    pub fn flush_aged(&self) -> Result<Flushed> {
        let mut flushed = Flushed::default();
        {
            let state = self.read_state();
            if !self.has_aged(&state) {
                return Ok(flushed);
            }
            let is_sealed = |p: &&Partition| self.is_sealed(**p);
            let pages = state.frozen.keys().chain(state.pages.keys().filter(|p| !state.frozen.contains_key(p)));
            flushed.pages = pages.clone().count() as u64;
            let name =
                |p: &Partition| state.named(*p).unwrap_or_else(|| Named::by(self.partitioner, *p)).part.to_string();
            flushed.sealed = pages.filter(is_sealed).map(name).collect();
        }
        self.run_flush(|_, state| self.has_aged(state))?;
        Ok(flushed)
    }

    fn has_aged(&self, state: &State) -> bool {
        let now = self.environment.clock.monotonic();
        let (max_age, grace) = (self.manifest.page.max_age, self.manifest.retention.grace);
        let is_aged = |partition: &Partition, page: &OpenPage| {
            let is_idle = now.saturating_sub(page.written) >= grace;
            now.saturating_sub(page.opened) >= max_age || (is_idle && self.is_sealed(*partition))
        };
        let frozen = state.frozen.iter().map(|(partition, page)| (partition, &**page));
        frozen.chain(&state.pages).any(|(partition, page)| is_aged(partition, page))
    }

    /// Whether [`Database::flush_aged`] has something to do; `false` also when somebody holds the state just now.
    pub(crate) fn try_has_aged(&self) -> bool {
        self.state.try_read().is_ok_and(|state| self.has_aged(&state))
    }

    /// Whether something in the WAL is not on the device.
    pub(crate) fn has_unsynced(&self) -> bool {
        self.commit.as_ref().is_some_and(CommitLog::is_dirty)
    }

    /// The flush before a database is closed. Pages that a codec cannot make stay in the WAL when they are there: nothing is
    /// lost, and the next start has them.
    pub(crate) fn flush_to_close(&self) -> Result<()> {
        match self.flush() {
            Err(error @ Error::Incompatible { .. }) => {
                let is_logged = {
                    let state = self.read_state();
                    state.frozen.values().all(|page| page.in_wal) && state.pages.values().all(|page| page.in_wal)
                };
                if !is_logged {
                    return Err(error);
                }
                tracing::warn!(database = self.name, "closed with samples in the WAL that could not be flushed");
                self.sync_wal()
            }
            flushed => flushed,
        }
    }

    /// Flushes every page; the WAL is empty afterwards, unless rows came meanwhile.
    pub fn flush(&self) -> Result<()> {
        self.run_flush(|_, _| true)
    }

    /// Forces the WAL to the device when something in it is not there yet.
    pub fn sync_wal(&self) -> Result<()> {
        match &self.commit {
            Some(commit) if commit.is_dirty() => {
                self.check_writable()?;
                commit.sync().inspect_err(|e| self.doubt(e))
            }
            _ => Ok(()),
        }
    }

    /// Asks for a flush by another thread: `true` for the first to ask since the last [`Self::run_queued_flush`].
    pub fn queue_flush(&self) -> bool {
        !self.flush_queued.swap(true, Ordering::AcqRel)
    }

    /// The flush that was asked for.
    pub fn run_queued_flush(&self) {
        // Before it begins: whoever asks from now on may have come too late for this one.
        self.flush_queued.store(false, Ordering::Release);
        if let Err(error) = self.flush_due() {
            // The rows are in the WAL. The next batch asks again, or is refused.
            self.log_flush(&error);
        }
    }

    /// Waits for the flush that is under way, and freezes what has come meanwhile, when that is so much that writers must
    /// wait. Another thread finishes it.
    pub(super) fn freeze_pressing(&self) -> Result<()> {
        let mut flush = self.lock_flush();
        self.check_writable()?;
        // Of those who waited, the first to come has made room.
        let is_pressing = {
            let writer = self.lock_writer()?;
            self.is_due(&writer, &self.read_state(), MOST_PAGES)
        };
        if !is_pressing {
            return Ok(());
        }
        self.finish(&mut flush)?;
        self.freeze(&mut flush, |writer, state| self.is_due(writer, state, 1))
    }

    /// The first half of [`Self::flush`], which waits for no disk unless an earlier flush must be finished first.
    pub fn begin_flush(&self) -> Result<()> {
        let mut flush = self.lock_flush();
        self.check_writable()?;
        self.finish(&mut flush)?;
        self.freeze(&mut flush, |_, _| true)
    }

    /// The second half.
    pub fn finish_flush(&self) -> Result<()> {
        self.finish(&mut self.lock_flush())
    }

    fn run_flush(&self, is_due: impl FnOnce(&Writer, &State) -> bool) -> Result<()> {
        let mut flush = self.lock_flush();
        self.check_writable()?;
        // What an earlier flush could not finish goes first.
        self.finish(&mut flush)?;
        self.freeze(&mut flush, is_due)?;
        match self.finish(&mut flush) {
            Err(error @ Error::Full { .. })
                if self.read_state().frozen.is_empty()
                    && flush.generation.as_ref().is_none_or(|generation| generation.names.is_none()) =>
            {
                // Recovery would find them in the data files. The next flush gets rid of it first.
                tracing::error!(database = self.name, %error, "the WAL keeps rows that are flushed already");
                Ok(())
            }
            outcome => outcome,
        }
    }

    pub(super) fn lock_flush(&self) -> MutexGuard<'_, Flush> {
        self.flush.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Freezes the open pages, if they are due, and begins the WAL of those that come. Nothing is frozen already.
    pub(super) fn freeze(&self, flush: &mut Flush, is_due: impl FnOnce(&Writer, &State) -> bool) -> Result<()> {
        let mut writer = self.lock_writer()?;
        self.check_writable()?;
        let writer = &mut *writer;
        let has_pages = {
            let state = self.read_state();
            if !is_due(writer, &state) || (state.pages.is_empty() && !writer.catalog_dirty) {
                return Ok(());
            }
            !state.pages.is_empty()
        };
        let mut wal = None;
        // Pages whose rows do not go through the WAL leave it empty.
        if let Some(commit) = self.commit.as_ref().filter(|_| has_pages && !writer.wal.is_empty()) {
            writer.wal = WalFile::create(&*self.environment.vfs, &self.next_wal_path())?;
            wal = Some(commit.switch(writer.wal.handle()));
            self.wal_size.freeze();
        }
        let mut state = self.write_state();
        state.freeze();
        let names = std::mem::take(&mut writer.catalog_dirty).then(|| names(&state));
        let partitions = Some(state.frozen.keys().copied().collect());
        flush.generation = Some(Generation { wal, has_name: false, names, partitions });
        Ok(())
    }

    /// Writes what is frozen. After an error that the database survives, it is tried again by the next flush, from where it
    /// failed.
    pub(super) fn finish(&self, flush: &mut Flush) -> Result<()> {
        if flush.generation.is_none() {
            return Ok(());
        }
        // Of others' code, the partitioner is asked.
        let outcome =
            caught(|| self.finish_frozen(flush)).unwrap_or_else(|reason| Err(self.partitioner_broke(&reason)));
        self.note_flush(&outcome);
        outcome
    }

    /// That of a codec is logged where it is noted.
    pub(super) fn log_flush(&self, error: &Error) {
        if !matches!(error, Error::Incompatible { .. }) {
            tracing::error!(database = self.name, %error, "pages could not be flushed");
        }
    }

    fn finish_frozen(&self, flush: &mut Flush) -> Result<()> {
        let Flush { generation: Some(generation), buffers } = flush else { return Ok(()) };
        self.check_writable()?;
        if let (Some(last), Some(commit)) = (generation.wal, &self.commit) {
            commit.wait(last).inspect_err(|e| self.doubt(e))?;
        }
        if let Some(names) = &generation.names {
            self.save_catalog(names)?;
            generation.names = None;
        }
        let frozen: Vec<_> = self.read_state().frozen.keys().copied().collect();
        for partition in frozen {
            self.check_writable()?;
            self.write_frames(buffers, partition)?;
        }
        {
            let state = &mut *self.write_state();
            state.flushes = state.freezes;
        }
        if generation.wal.is_some() {
            self.check_writable()?;
            self.drop_frozen_wal(&mut generation.has_name)?;
        }
        flush.generation = None;
        Ok(())
    }

    /// The rows of the first WAL are all in data files: the second takes its name, which `has_name` says for the next try.
    fn drop_frozen_wal(&self, has_name: &mut bool) -> Result<()> {
        let vfs = &*self.environment.vfs;
        let path = self.wal_path();
        if !*has_name {
            let renamed = vfs.rename(&self.next_wal_path(), &path).map_err(|e| Error::io("replace", &path, e));
            renamed.inspect_err(|error| {
                if !matches!(error, Error::Full { .. }) {
                    self.poison(error);
                }
            })?;
            *has_name = true;
            self.lock_writer()?.wal.moved_to(&path);
        }
        // Before anything is frozen again: the name of the next WAL is this one's until then.
        let synced = vfs.sync_dir(&self.directory);
        let synced = synced.map_err(|source| Error::Io { op: "fsync", path: self.directory.clone(), source });
        synced.inspect_err(|error| self.doubt(error))?;
        if let Some(commit) = &self.commit {
            commit.has_name();
        }
        self.wal_size.drop_frozen();
        tracing::debug!(database = self.name, "dropped the WAL of flushed pages");
        Ok(())
    }

    /// Makes catalog.json hold these metrics. They are in the WAL as well until then.
    pub(super) fn save_catalog(&self, names: &Names) -> Result<()> {
        let bytes = catalog::encode_marked(
            names.iter().map(|(name, id, value_type, typed)| (&**name, *id, *value_type, *typed)),
        );
        let path = self.directory.join(layout::CATALOG);
        self.environment.vfs.replace(&path, &bytes).map_err(|e| Error::io("write", &path, e))
    }

    pub(super) fn wal_path(&self) -> PathBuf {
        self.directory.join(wal_name(&self.name))
    }

    fn next_wal_path(&self) -> PathBuf {
        self.directory.join(next_wal_name(&self.name))
    }

    /// Writes the WAL anew with what the open pages hold, or empties it. No page is frozen.
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
        self.wal_size.set(writer.wal.len());
        tracing::debug!(database = self.name, bytes = writer.wal.len(), "reset the WAL");
        if let Some(commit) = &self.commit {
            commit.all_durable(writer.wal.handle());
        }
        Ok(())
    }
}

/// Name of a database's WAL.
pub(crate) fn wal_name(database: &str) -> String {
    format!("{database}.wal")
}

/// Name of the WAL of what was written since a flush began. Its rows came after all of the other's.
pub(crate) fn next_wal_name(database: &str) -> String {
    format!("{database}.wal.next")
}

/// All metrics, as catalog.json is to hold them.
pub(super) fn names(state: &State) -> Names {
    state.iter_metrics().map(|(id, m)| (Arc::clone(&m.name), id, m.value_type, m.typed)).collect()
}

/// The WAL that holds exactly the rows of the open pages. Names are in catalog.json.
fn encode_pages(state: &State, out: &mut Vec<u8>) {
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
