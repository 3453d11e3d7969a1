//! One writer per data directory.

use super::vfs::{Vfs, VfsLock};
use crate::layout;
use crate::{Error, Result};
use std::path::Path;

/// Name of the lock file in the root.
pub const LOCK_FILE: &str = layout::LOCK;

/// The exclusive right to write to a root; ends when dropped, and with the process.
pub struct DirectoryLock {
    _lock: Box<dyn VfsLock>,
}

impl DirectoryLock {
    /// Takes the lock, or says who has it.
    pub fn acquire(vfs: &dyn Vfs, root: &Path) -> Result<Self> {
        let path = root.join(layout::LOCK);
        match vfs.lock(&path) {
            Ok(lock) => Ok(Self { _lock: lock }),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                let pid = vfs.read(&path, 64).ok().and_then(|b| std::str::from_utf8(&b).ok()?.trim().parse().ok());
                Err(Error::Locked { root: root.to_owned(), pid })
            }
            Err(e) => Err(Error::io("lock", path, e)),
        }
    }
}
