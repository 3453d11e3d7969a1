//! Group commit: concurrent writers share one fsync of the WAL.

use crate::storage::vfs::VfsFile;
use crate::{Error, Result};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Position of a batch in the order of appends.
pub(super) type Sequence = u64;

struct Progress {
    appended: Sequence,
    durable: Sequence,
    syncing: bool,
    failed: Option<String>,
    file: Arc<dyn VfsFile>,
}

/// Tracks what was appended to the WAL and what of it is durable.
pub(super) struct CommitLog {
    progress: Mutex<Progress>,
    done: Condvar,
    path: PathBuf,
}

impl CommitLog {
    /// Starts with everything durable.
    pub(super) fn new(file: Arc<dyn VfsFile>, path: PathBuf) -> Self {
        let progress = Progress { appended: 0, durable: 0, syncing: false, failed: None, file };
        Self { progress: Mutex::new(progress), done: Condvar::new(), path }
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

    /// Notes that everything appended so far is durable in another way (pages were flushed), and which file the WAL is now.
    /// The caller holds the writer's lock.
    pub(super) fn all_durable(&self, file: Arc<dyn VfsFile>) {
        let mut progress = self.lock();
        progress.durable = progress.appended;
        progress.file = file;
        drop(progress);
        self.done.notify_all();
    }

    /// Whether something appended is not durable.
    pub(super) fn is_dirty(&self) -> bool {
        let progress = self.lock();
        progress.durable < progress.appended
    }

    /// Waits until `sequence` is durable: by an fsync of its own, or by one that another writer makes. After a failed
    /// fsync the caller must make the database read-only: what is durable is then unknown.
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
            let target = progress.appended;
            let file = Arc::clone(&progress.file);
            drop(progress);
            let outcome = file.sync();
            progress = self.lock();
            progress.syncing = false;
            match outcome {
                Ok(()) => progress.durable = progress.durable.max(target),
                // Trying again could succeed although the kernel dropped the dirty pages: never do.
                Err(e) => progress.failed = Some(e.to_string()),
            }
            self.done.notify_all();
        }
    }

    /// Makes everything appended so far durable.
    pub(super) fn sync(&self) -> Result<()> {
        let appended = self.lock().appended;
        self.wait(appended)
    }
}
