//! The file system as the engine sees it: real, or simulated with faults.

mod owner;
mod real;
mod replace;
pub mod sim;

pub use owner::foreign_owner;
pub use real::RealVfs;

use std::io;
use std::path::{Path, PathBuf};

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; writes fail.
    Read,
    /// Must exist; read and write.
    Write,
    /// Read and write; made empty when missing.
    Create,
    /// Read and write; an existing file is an error.
    CreateNew,
    /// Read and write; emptied when it exists, made when missing.
    Truncate,
}

/// An open file. Positional, so that one handle serves concurrent readers.
///
/// A caller may rely on: `read_at` after `write_at` on any handle of the same file sees the written bytes; nothing
/// survives a power cut unless `sync` returned `Ok` after it; a failed `sync` says nothing about what is durable.
pub trait VfsFile: Send + Sync {
    /// Reads up to `buf.len()` bytes at `offset`; 0 at or past the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `buf` at `offset`, growing the file. On an error a part may have been written.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;

    /// Current length.
    fn len(&self) -> io::Result<u64>;

    /// Whether it is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or zero-extends.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Sets blocks of the device aside for `len` bytes at `offset`, so that writing them changes less of the file system.
    /// Content and length stay as they are. Where that cannot be done, nothing happens or it is an error.
    fn reserve(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    /// Makes content and length durable (fdatasync).
    fn sync(&self) -> io::Result<()>;

    /// Reads exactly `buf.len()` bytes, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_at(buf, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    buf = buf.get_mut(n..).unwrap_or_default();
                    offset = offset.saturating_add(n as u64);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// File name without the path. Names that are not UTF-8 are left out of listings.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Length in bytes; 0 for directories.
    pub len: u64,
    /// Tells a file from every other that had, or will have, its name. A rename keeps it.
    pub id: u64,
}

/// An exclusive lock that ends when dropped, and with the process.
pub trait VfsLock: Send + Sync {}

/// A file system.
///
/// A new, renamed or removed name is durable only after `sync_dir` of its directory. `rename` replaces atomically.
pub trait Vfs: Send + Sync {
    /// Opens a file. A link is an error: what stands in a data directory is what was put there.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>>;

    /// Renames, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name, where there is nothing yet. Both are one file, so only files that are never changed
    /// in place may have two. Not every file system can; between two of them it is never possible.
    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        let _ = (existing, new);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with all that is in it. A link goes, and what it leads to stays.
    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        for entry in self.read_dir(path)? {
            let inside = path.join(&entry.name);
            match entry.is_dir {
                true => self.remove_tree(&inside)?,
                false => self.remove_file(&inside)?,
            }
        }
        self.remove_dir(path)
    }

    /// Makes a directory and its parents.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Lists the files and directories of a directory, sorted by name. What is neither, as a pipe, is left out.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// The names in a directory, in no order: where that is enough, it spares a look at every file.
    fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        Ok(self.read_dir(path)?.into_iter().map(|entry| entry.name).collect())
    }

    /// What is at `path`, or `None`.
    fn entry(&self, path: &Path) -> io::Result<Option<DirEntry>>;

    /// Where a link leads, for the few paths that may be one: engine.toml, and the directory of a database. The path itself for
    /// what is none. A link that neither this process's user nor root made is an error: it may lead anywhere.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }

    /// Makes a directory's entries durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes an exclusive advisory lock on a file, made if missing. `WouldBlock` when another process (or handle) has it.
    /// The file then holds the decimal process id of the owner, unless there is no space for it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>>;

    /// Reads a whole file of at most `limit` bytes; a longer one is `InvalidData`.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let len = file.len()?;
        if len > limit {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{len} bytes is more than the limit of {limit}"),
            ));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Replaces a file's content so that after a crash it is either the old or the new, never a part: temporary file, fsync, rename, fsync of the directory.
    /// Of several threads that replace one file, each does so by itself, one after the other.
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        replace::replace(self, path, content)
    }
}
