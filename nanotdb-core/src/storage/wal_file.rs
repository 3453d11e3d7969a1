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
    /// Up to where blocks were asked for.
    reserved: u64,
}

/// Bytes for which blocks are set aside at once. A file that grows by a block between two syncs has each block of it recorded in
/// the bitmap and the group of the file system, through its journal: for a small box that is most of what a sample costs.
const RESERVE: u64 = 256 << 10;

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
        Ok(Self { path: path.to_owned(), file: Arc::from(file), len, reserved: len })
    }

    /// Opens the WAL if there is one.
    pub fn open_existing(vfs: &dyn Vfs, path: &Path) -> Result<Option<Self>> {
        let file = match vfs.open(path, OpenMode::Write) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("open", path, e)),
        };
        let len = file.len().map_err(|e| Error::io("stat", path, e))?;
        Ok(Some(Self { path: path.to_owned(), file: Arc::from(file), len, reserved: len }))
    }

    /// Makes an empty WAL where there is none. Its name is not durable yet.
    pub fn create(vfs: &dyn Vfs, path: &Path) -> Result<Self> {
        let file = vfs.open(path, OpenMode::CreateNew).map_err(|e| Error::io("create", path, e))?;
        Ok(Self { path: path.to_owned(), file: Arc::from(file), len: 0, reserved: 0 })
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
        let end = self.len.saturating_add(bytes.len() as u64);
        if end > self.reserved {
            // What cannot be set aside is not needed; a full disk shows when the bytes are written.
            self.reserved = end.next_multiple_of(RESERVE);
            let _ = self.file.reserve(self.len, self.reserved.saturating_sub(self.len));
        }
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
        self.reserved = len;
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
                self.reserved = self.len;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::vfs::RealVfs;

    #[test]
    #[cfg(target_os = "linux")]
    fn blocks_are_set_aside_without_changing_the_file() {
        use std::os::unix::fs::MetadataExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("home.wal");
        let mut wal = WalFile::open(&RealVfs, &path).unwrap();
        let blocks = || std::fs::metadata(&path).unwrap().blocks() * 512;
        assert_eq!(blocks(), 0, "an empty log takes no space");
        wal.append(b"first").unwrap();
        wal.append(b" second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"first second");
        // Not every file system can; this one either took the whole step or what was written.
        let taken = blocks();
        assert!(taken >= RESERVE || taken <= 65_536, "{taken}");
        wal.append(&vec![7; RESERVE as usize]).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), RESERVE + 12);
        wal.truncate(5).unwrap();
        wal.append(b" again").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"first again");
    }
}
