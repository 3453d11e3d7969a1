//! Group commit: concurrent writers share one fsync of the WAL.

use super::Environment;
use crate::error::is_out_of_files;
use crate::model::Timestamp;
use crate::storage::vfs::VfsFile;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Position of a batch in the order of appends.
pub(super) type Sequence = u64;

struct Progress {
    appended: Sequence,
    durable: Sequence,
    syncing: bool,
    failed: Option<String>,
    /// What is appended to.
    file: Arc<dyn VfsFile>,
    /// The file before it, and the last batch in that.
    older: Option<(Arc<dyn VfsFile>, Sequence)>,
    /// Whether the name of `file` may not be durable.
    is_new: bool,
    /// Counts the files.
    generation: u64,
}

/// Tracks what was appended to the WAL and what of it is durable.
///
/// Durable up to a batch means: every batch before it too, also those in the file before the present one, because
/// they may carry the names of metrics that later ones refer to.
pub(super) struct CommitLog {
    progress: Mutex<Progress>,
    done: Condvar,
    environment: Environment,
    path: PathBuf,
    /// When a file was forced to the device for the last time; [`NEVER`] before the first.
    last_sync: AtomicI64,
}

const NEVER: Timestamp = Timestamp::MIN;

impl CommitLog {
    /// Starts with everything durable. `path` is the WAL's.
    pub(super) fn new(environment: Environment, file: Arc<dyn VfsFile>, path: PathBuf) -> Self {
        let progress = Progress {
            appended: 0,
            durable: 0,
            syncing: false,
            failed: None,
            file,
            older: None,
            is_new: false,
            generation: 0,
        };
        let last_sync = AtomicI64::new(NEVER);
        Self { progress: Mutex::new(progress), done: Condvar::new(), environment, path, last_sync }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an append. The caller holds the writer's lock.
    pub(super) fn appended(&self) -> Sequence {
        let mut progress = self.lock();
        progress.appended = progress.appended.saturating_add(1);
        progress.appended
    }

    /// Notes that later batches go to a new file, whose name is not durable. Returns the last batch of the file before it,
    /// which must be durable before the next switch. The caller holds the writer's lock.
    pub(super) fn switch(&self, file: Arc<dyn VfsFile>) -> Sequence {
        let mut progress = self.lock();
        let last = progress.appended;
        let older = std::mem::replace(&mut progress.file, file);
        progress.older = Some((older, last));
        progress.is_new = true;
        progress.generation = progress.generation.saturating_add(1);
        last
    }

    /// The number of the file that is appended to.
    pub(super) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Notes that the name of the present file was made durable.
    pub(super) fn has_name(&self) {
        self.lock().is_new = false;
    }

    /// Notes that everything appended so far is durable in another way, and which file the WAL is now. The caller holds
    /// the writer's lock.
    pub(super) fn all_durable(&self, file: Arc<dyn VfsFile>) {
        let mut progress = self.lock();
        progress.durable = progress.appended;
        progress.file = file;
        drop(progress);
        self.done.notify_all();
    }

    /// When a file was forced to the device for the last time, since the database was opened.
    pub(super) fn last_sync(&self) -> Option<Timestamp> {
        Some(self.last_sync.load(Ordering::Relaxed)).filter(|at| *at != NEVER)
    }

    /// Batches that were appended and are not durable.
    pub(super) fn waiting(&self) -> u64 {
        let progress = self.lock();
        progress.appended.saturating_sub(progress.durable)
    }

    /// Whether something appended is not durable.
    pub(super) fn is_dirty(&self) -> bool {
        self.waiting() > 0
    }

    /// Waits until `sequence` is durable: by an fsync of its own, or by one that another writer makes. After a failed
    /// fsync the caller must make the database read-only ([`Database::doubt`](super::Database::doubt)): what is durable is then unknown.
    pub(super) fn wait(&self, sequence: Sequence) -> Result<()> {
        let mut progress = self.lock();
        loop {
            if progress.durable >= sequence {
                return Ok(());
            }
            if let Some(reason) = &progress.failed {
                return Err(Error::Io {
                    op: "fsync",
                    path: self.path.clone(),
                    source: std::io::Error::other(reason.clone()),
                });
            }
            if progress.syncing {
                progress = self.done.wait(progress).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            progress.syncing = true;
            let older = progress.older.clone().filter(|(_, last)| progress.durable < *last);
            // Who waits for the older file alone, as a page flush does, leaves the present one alone.
            let (newer, target) = match &older {
                Some((_, last)) if sequence <= *last => (None, *last),
                _ => (Some((Arc::clone(&progress.file), progress.is_new)), progress.appended),
            };
            let generation = progress.generation;
            drop(progress);
            let outcome = self.sync_files(older.as_ref().map(|(file, _)| file), newer.as_ref());
            progress = self.lock();
            progress.syncing = false;
            match outcome {
                Ok(()) => {
                    progress.durable = progress.durable.max(target);
                    if newer.is_some() && progress.generation == generation {
                        progress.is_new = false;
                        progress.older = None;
                    }
                }
                // There was no descriptor to open the directory with. Nothing is unknown: the next to come tries again.
                Err(e) if is_out_of_files(&e) => {
                    self.done.notify_all();
                    return Err(Error::io("fsync", &self.path, e));
                }
                // Trying again could succeed although the kernel dropped the dirty pages: never do.
                Err(e) => progress.failed = Some(e.to_string()),
            }
            self.done.notify_all();
        }
    }

    fn sync_files(
        &self,
        older: Option<&Arc<dyn VfsFile>>,
        newer: Option<&(Arc<dyn VfsFile>, bool)>,
    ) -> std::io::Result<()> {
        if let Some(file) = older {
            self.sync_file(file)?;
        }
        let Some((file, is_new)) = newer else { return Ok(()) };
        self.sync_file(file)?;
        // A file without a name is gone after a power cut.
        if *is_new { self.environment.vfs.sync_dir(self.path.parent().unwrap_or(Path::new("."))) } else { Ok(()) }
    }

    fn sync_file(&self, file: &Arc<dyn VfsFile>) -> std::io::Result<()> {
        let began = self.environment.clock.monotonic();
        let outcome = file.sync();
        let took = self.environment.clock.monotonic().saturating_sub(began);
        let counters = &self.environment.counters;
        counters.wal_syncs.add(1);
        counters.wal_sync_time.add_time(took);
        counters.wal_sync_peak.note_time(took);
        let now = self.environment.clock.now();
        counters.wal_sync_times.note(took, now);
        self.last_sync.store(now, Ordering::Relaxed);
        outcome
    }

    /// Makes everything appended so far durable.
    pub(super) fn sync(&self) -> Result<()> {
        let appended = self.lock().appended;
        self.wait(appended)
    }
}
