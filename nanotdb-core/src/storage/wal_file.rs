//! The WAL of one database as a file.

use super::vfs::{OpenMode, Vfs, VfsFile};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open WAL. It knows its length, so that appending is one positional write.
pub struct WalFile {
    path: PathBuf,
    file: Arc<dyn VfsFile>,
    len: u64,
}

impl WalFile {
    /// Opens the WAL, or makes an empty one.
    pub fn open(vfs: &dyn Vfs, path: &Path) -> Result<Self> {
        let exists = vfs.entry(path).map_err(|e| Error::io("look up", path, e))?.is_some();
        let file = vfs.open(path, OpenMode::Create).map_err(|e| Error::io("open", path, e))?;
        if !exists {
            let dir = path.parent().unwrap_or(Path::new("."));
            vfs.sync_dir(dir).map_err(|e| Error::io("sync", dir, e))?;
        }
        let len = file.len().map_err(|e| Error::io("stat", path, e))?;
        Ok(Self { path: path.to_owned(), file: Arc::from(file), len })
    }

    /// Opens the WAL if there is one.
    pub fn open_existing(vfs: &dyn Vfs, path: &Path) -> Result<Option<Self>> {
        let file = match vfs.open(path, OpenMode::Write) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("open", path, e)),
        };
        let len = file.len().map_err(|e| Error::io("stat", path, e))?;
        Ok(Some(Self { path: path.to_owned(), file: Arc::from(file), len }))
    }

    /// Makes an empty WAL where there is none. Its name is not durable yet.
    pub fn create(vfs: &dyn Vfs, path: &Path) -> Result<Self> {
        let file = vfs.open(path, OpenMode::CreateNew).map_err(|e| Error::io("create", path, e))?;
        Ok(Self { path: path.to_owned(), file: Arc::from(file), len: 0 })
    }

    /// Notes that the file was renamed. The handle goes on working.
    pub fn moved_to(&mut self, path: &Path) {
        path.clone_into(&mut self.path);
    }

    /// Bytes in it.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, for an fsync without the writer's lock.
    pub fn handle(&self) -> Arc<dyn VfsFile> {
        Arc::clone(&self.file)
    }

    /// Appends with one write. When that fails, a part that was written is cut off again; `Err` with `torn` when that fails too.
    pub fn append(&mut self, bytes: &[u8]) -> std::result::Result<(), AppendError> {
        match self.file.write_all_at(bytes, self.len) {
            Ok(()) => {
                self.len = self.len.saturating_add(bytes.len() as u64);
                Ok(())
            }
            Err(e) => {
                let torn = self.file.set_len(self.len).is_err();
                Err(AppendError { torn, error: Error::io("append to", &self.path, e) })
            }
        }
    }

    /// Forces it to the device.
    pub fn sync(&self) -> Result<()> {
        self.file.sync().map_err(|e| Error::io("fsync", &self.path, e))
    }

    /// Cuts it to `len` bytes, durably. [`Error::Full`] means that nothing was changed.
    pub fn truncate(&mut self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(|e| Error::io("truncate", &self.path, e))?;
        self.len = len;
        self.file.sync().map_err(|source| Error::Io { op: "fsync", path: self.path.clone(), source })
    }

    /// Replaces its content so that a crash leaves the old or the new. [`Error::Full`] means that nothing was changed.
    ///
    /// The handle that wrote the new file stays in use, so that nothing can go wrong between the rename and the next
    /// append but the directory's fsync, whose failure must end all writing.
    pub fn replace(&mut self, vfs: &dyn Vfs, content: &[u8]) -> Result<()> {
        let mut name = self.path.file_name().unwrap_or_default().to_os_string();
        name.push(".tmp");
        let temporary = self.path.with_file_name(name);
        let write = || {
            let file = vfs.open(&temporary, OpenMode::Truncate)?;
            file.write_all_at(content, 0)?;
            file.sync()?;
            vfs.rename(&temporary, &self.path)?;
            Ok(file)
        };
        match write() {
            Ok(file) => {
                self.file = Arc::from(file);
                self.len = content.len() as u64;
            }
            Err(e) => {
                let _ = vfs.remove_file(&temporary);
                return Err(Error::io("replace", &self.path, e));
            }
        }
        let directory = self.path.parent().unwrap_or(Path::new("."));
        vfs.sync_dir(directory).map_err(|source| Error::Io { op: "fsync", path: directory.to_owned(), source })
    }
}

/// A failed append.
#[derive(Debug)]
pub struct AppendError {
    /// Whether a part of the batch may still be in the file, so that nothing may be appended behind it.
    pub torn: bool,
    /// What failed.
    pub error: Error,
}
