//! Whether the files of an open database are still where they were: a stick that was pulled, a directory that was removed. What is
//! open goes on working then, and all that it takes is gone with the process.

use super::Database;
use super::flush::wal_name;
use crate::Error;
use crate::layout;
use std::io::{Error as IoError, ErrorKind};
use std::path::Path;

impl Database {
    /// Whether it was opened in the directory with this identity.
    pub(crate) fn is_in(&self, directory: u64) -> bool {
        self.directory_id == directory && directory != 0
    }

    /// What of it is gone; `None` when it is there, or when nobody can tell. It waits for the disk.
    pub(crate) fn find_gone(&self) -> Option<Error> {
        if self.failure().is_some() || self.writer.is_none() {
            return None;
        }
        let gone = |path: &Path, what: &str| {
            let what = format!(
                "{what} while it was in use; nothing more is taken, since it would be lost: put it back, then restart"
            );
            Some(Error::Io { op: "find", path: path.to_owned(), source: IoError::new(ErrorKind::NotFound, what) })
        };
        let directory = self.vfs().entry(&self.directory).ok()?;
        let Some(directory) = directory.filter(|entry| entry.is_dir) else {
            return gone(&self.directory, "the directory went away");
        };
        let catalog = self.directory.join(layout::CATALOG);
        if self.vfs().entry(&catalog).ok()?.is_none() {
            return gone(&catalog, "it went away");
        }
        let log = self.directory.join(wal_name(&self.name));
        if self.vfs().entry(&log).ok()?.is_none() {
            return gone(&log, "it went away");
        }
        // Some file systems give a directory another identity as they like. Another directory has no log that is as long as ours.
        if directory.id != self.directory_id
            && self.vfs().entry(&log).ok()?.map(|entry| entry.len) != self.own_log_len(&log)
        {
            return gone(&self.directory, "another directory took its place");
        }
        None
    }

    /// Length of the log of this name, as this process wrote it.
    fn own_log_len(&self, log: &Path) -> Option<u64> {
        let writer = self.lock_writer().ok()?;
        // While pages are flushed the one that is written has another name; the other is as long as it was, whoever knows that.
        if writer.wal.path() == log {
            Some(writer.wal.len())
        } else {
            self.vfs().entry(log).ok()?.map(|entry| entry.len)
        }
    }
}
