//! A simulated disk that a test watches, holds up, or changes between two steps of the engine.

use nanotdb_core::storage::vfs::sim::SimVfs;
use nanotdb_core::storage::vfs::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What happens before the disk does what it is asked for.
pub trait Hooks: Send + Sync {
    /// Before a file is opened.
    fn open(&self, _path: &Path, _mode: OpenMode) {}

    /// Before so many bytes are read into one buffer.
    fn read(&self, _path: &Path, _len: usize) {}

    /// Before so many bytes are written out of one buffer.
    fn write(&self, _path: &Path, _len: usize) {}

    /// Whether what is written now is lost, while the disk says that it was not.
    fn loses_write(&self, _path: &Path) -> bool {
        false
    }

    /// Before a directory is listed.
    fn list(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Before it is looked up what is at a path.
    fn look_up(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Before blocks are set aside.
    fn reserve(&self, _path: &Path, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    /// Before a file is forced to the device.
    fn sync(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Before a directory is forced to the device.
    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// A simulated disk with hooks.
pub struct HookedVfs<H> {
    pub inner: SimVfs,
    pub hooks: Arc<H>,
}

struct HookedFile<H> {
    inner: Box<dyn VfsFile>,
    path: PathBuf,
    hooks: Arc<H>,
}

impl<H: Hooks> VfsFile for HookedFile<H> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.hooks.read(&self.path, buf.len());
        self.inner.read_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.hooks.write(&self.path, buf.len());
        if self.hooks.loses_write(&self.path) {
            return Ok(());
        }
        self.inner.write_all_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        self.hooks.reserve(&self.path, offset, len)?;
        self.inner.reserve(offset, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.hooks.sync(&self.path)?;
        self.inner.sync()
    }
}

impl<H: Hooks + 'static> Vfs for HookedVfs<H> {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        self.hooks.open(path, mode);
        let inner = self.inner.open(path, mode)?;
        Ok(Box::new(HookedFile { inner, path: path.to_owned(), hooks: Arc::clone(&self.hooks) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.hooks.list(path)?;
        self.inner.read_dir(path)
    }

    fn entry(&self, path: &Path) -> io::Result<Option<DirEntry>> {
        self.hooks.look_up(path)?;
        self.inner.entry(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.hooks.sync_dir(path)?;
        self.inner.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        self.inner.lock(path)
    }
}
