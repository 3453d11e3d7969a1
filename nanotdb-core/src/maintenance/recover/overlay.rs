//! The source as the engine reads it: never written, with a few files replaced by what they should be, and zeros where the
//! device gives nothing.

use crate::storage::vfs::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a device gives or refuses as a whole.
const SECTOR: u64 = 4096;

/// Unreadable sectors: file, first byte, first byte behind.
type Unreadable = BTreeSet<(PathBuf, u64, u64)>;

/// Other bytes from an offset on.
type Patch = (u64, Vec<u8>);

/// See the [module](self).
pub(super) struct Overlay {
    inner: Arc<dyn Vfs>,
    replaced: Mutex<BTreeMap<PathBuf, Arc<[u8]>>>,
    patches: Mutex<BTreeMap<PathBuf, Vec<Patch>>>,
    unreadable: Arc<Mutex<Unreadable>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "the source is never written"))
}

impl Overlay {
    pub(super) fn new(inner: Arc<dyn Vfs>) -> Self {
        Self { inner, replaced: Mutex::default(), patches: Mutex::default(), unreadable: Arc::default() }
    }

    /// Shows this content at that path.
    pub(super) fn replace(&self, path: PathBuf, content: Vec<u8>) {
        lock(&self.replaced).insert(path, Arc::from(content));
    }

    /// Shows these bytes at that place of a file, to whoever opens it from now on.
    pub(super) fn patch(&self, path: &Path, offset: u64, bytes: Vec<u8>) {
        lock(&self.patches).entry(path.to_owned()).or_default().push((offset, bytes));
    }

    /// Ranges that the device would not give, for which zeros were read.
    pub(super) fn unreadable(&self) -> Vec<(PathBuf, u64, u64)> {
        let mut ranges: Vec<(PathBuf, u64, u64)> = Vec::new();
        for (path, from, to) in lock(&self.unreadable).iter() {
            match ranges.last_mut().filter(|last| last.0 == *path && last.2 == *from) {
                Some(last) => last.2 = *to,
                None => ranges.push((path.clone(), *from, *to)),
            }
        }
        ranges
    }

    fn replacement(&self, path: &Path) -> Option<Arc<[u8]>> {
        lock(&self.replaced).get(path).map(Arc::clone)
    }
}

struct Replaced(Arc<[u8]>);

impl VfsFile for Replaced {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(from..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(count)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        refused()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        refused()
    }

    fn sync(&self) -> io::Result<()> {
        refused()
    }
}

struct Salvaged {
    path: PathBuf,
    file: Box<dyn VfsFile>,
    patches: Vec<Patch>,
    unreadable: Arc<Mutex<Unreadable>>,
}

impl Salvaged {
    fn read_or_zeros(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.file.read_at(buf, offset) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => {}
            read => return read,
        }
        // One sector, or what is left of it: zeros fail every checksum, and what lies behind is read all the same.
        let end = offset.saturating_add(SECTOR).checked_div(SECTOR).unwrap_or_default().saturating_mul(SECTOR);
        let end = end.min(self.file.len()?);
        let count = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX).min(buf.len());
        let sector = buf.get_mut(..count).unwrap_or_default();
        match self.file.read_at(sector, offset) {
            Ok(read) => Ok(read),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            Err(e) => {
                tracing::error!(file = %self.path.display(), offset, bytes = count, error = %e, "zeros instead of what cannot be read");
                sector.fill(0);
                let to = offset.saturating_add(count as u64);
                lock(&self.unreadable).insert((self.path.clone(), offset, to));
                Ok(count)
            }
        }
    }
}

impl VfsFile for Salvaged {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.read_or_zeros(buf, offset)?;
        let end = offset.saturating_add(count as u64);
        for (at, bytes) in &self.patches {
            for (at, byte) in (*at..end).zip(bytes).filter(|(at, _)| *at >= offset) {
                let place = usize::try_from(at.saturating_sub(offset)).ok().and_then(|at| buf.get_mut(at));
                if let Some(place) = place {
                    *place = *byte;
                }
            }
        }
        Ok(count)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        refused()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        refused()
    }

    fn sync(&self) -> io::Result<()> {
        refused()
    }
}

impl Vfs for Overlay {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        if mode != OpenMode::Read {
            return refused();
        }
        if let Some(content) = self.replacement(path) {
            return Ok(Box::new(Replaced(content)));
        }
        let file = self.inner.open(path, mode)?;
        let patches = lock(&self.patches).get(path).cloned().unwrap_or_default();
        Ok(Box::new(Salvaged { path: path.to_owned(), file, patches, unreadable: Arc::clone(&self.unreadable) }))
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_file(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.read_dir(path)
    }

    fn entry(&self, path: &Path) -> io::Result<Option<DirEntry>> {
        let found = self.inner.entry(path)?;
        let Some(content) = self.replacement(path) else { return Ok(found) };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Some(DirEntry { name, is_dir: false, len: content.len() as u64, id: found.map_or(0, |entry| entry.id) }))
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.resolve(path)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn VfsLock>> {
        refused()
    }
}
