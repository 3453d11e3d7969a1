//! A simulated disk that another process changes while it is read.

use nanotdb_core::storage::vfs::sim::SimVfs;
use nanotdb_core::storage::vfs::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Identities on a file system that does not say when a file was made: a number is used again for the next file of that name,
/// as soon as nobody has the former one open.
#[derive(Default)]
struct Reused {
    numbers: BTreeMap<u64, u64>,
    of_names: BTreeMap<PathBuf, u64>,
    open: Vec<u64>,
    next: u64,
}

impl Reused {
    fn number(&mut self, path: &Path, id: u64, named: &[u64]) -> u64 {
        if let Some(number) = self.numbers.get(&id) {
            return *number;
        }
        let is_alive = |id: &u64| named.contains(id) || self.open.contains(id);
        self.numbers.retain(|id, _| is_alive(id));
        let former = self.of_names.get(path).filter(|former| self.numbers.values().all(|taken| taken != *former));
        let number = former.copied().unwrap_or_else(|| {
            self.next += 1;
            self.next
        });
        self.numbers.insert(id, number);
        self.of_names.insert(path.to_owned(), number);
        number
    }
}

/// A disk that somebody else changes: what is read of the source is what it was at one moment, and after so many calls what
/// it was at a later one. Identities stay what they are, and a file that is open is read to its end, also without a name.
#[derive(Clone)]
pub struct Changing {
    source: Vec<(usize, SimVfs)>,
    /// Where `/copies` is.
    pub copy: SimVfs,
    /// How often something of the source was asked for.
    pub calls: Arc<AtomicUsize>,
    reused: Option<Arc<Mutex<Reused>>>,
}

struct ChangingFile {
    disk: Changing,
    opened: Box<dyn VfsFile>,
    path: PathBuf,
    id: u64,
}

impl Changing {
    /// The source from each of these numbers of calls on.
    pub fn new(source: Vec<(usize, SimVfs)>) -> Self {
        Self { source, copy: SimVfs::new(1), calls: Arc::default(), reused: None }
    }

    /// The same, where numbers of files are used again.
    pub fn reusing(source: Vec<(usize, SimVfs)>) -> Self {
        Self { reused: Some(Arc::default()), ..Self::new(source) }
    }

    /// The listing of a directory of the source, with the identities that are shown.
    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = self.now().read_dir(directory)?;
        if let Some(reused) = &self.reused {
            let named: Vec<u64> = entries.iter().map(|entry| entry.id).collect();
            for entry in &mut entries {
                entry.id = reused.lock().unwrap().number(&directory.join(&entry.name), entry.id, &named);
            }
        }
        Ok(entries)
    }

    fn now(&self) -> &SimVfs {
        let calls = self.calls.fetch_add(1, Ordering::SeqCst);
        &self.source.iter().rev().find(|(from, _)| *from <= calls).unwrap().1
    }

    fn of(&self, path: &Path) -> &SimVfs {
        if path.starts_with("/copies") { &self.copy } else { self.now() }
    }
}

impl ChangingFile {
    /// The file as it is now.
    fn now(&self) -> Option<Box<dyn VfsFile>> {
        let disk = self.disk.now();
        let is_it = disk.entry(&self.path).ok()??.id == self.id;
        is_it.then(|| disk.open(&self.path, OpenMode::Read).unwrap())
    }
}

impl Drop for ChangingFile {
    fn drop(&mut self) {
        if let Some(reused) = &self.disk.reused {
            let open = &mut reused.lock().unwrap().open;
            let at = open.iter().position(|id| *id == self.id).unwrap();
            open.swap_remove(at);
        }
    }
}

impl VfsFile for ChangingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.now() {
            Some(file) => file.read_at(buf, offset),
            None => self.opened.read_at(buf, offset),
        }
    }
    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        panic!("the source is written")
    }
    fn len(&self) -> io::Result<u64> {
        self.now().map_or_else(|| self.opened.len(), |file| file.len())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        panic!("the source is written")
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Vfs for Changing {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        let disk = self.of(path);
        let opened = disk.open(path, mode)?;
        if path.starts_with("/copies") {
            return Ok(opened);
        }
        let id = disk.entry(path)?.unwrap().id;
        if let Some(reused) = &self.reused {
            reused.lock().unwrap().open.push(id);
        }
        Ok(Box::new(ChangingFile { disk: self.clone(), opened, path: path.to_owned(), id }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.copy.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.copy.remove_file(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.copy.remove_dir(path)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.copy.create_dir_all(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        if path.starts_with("/copies") { self.copy.read_dir(path) } else { self.list(path) }
    }
    fn entry(&self, path: &Path) -> io::Result<Option<DirEntry>> {
        match &self.reused {
            Some(_)
                if !path.starts_with("/copies") && path.starts_with("/root/pi") && path != Path::new("/root/pi") =>
            {
                let name = path.file_name().unwrap().to_str().unwrap();
                Ok(self.list(path.parent().unwrap())?.into_iter().find(|entry| entry.name == name))
            }
            _ => self.of(path).entry(path),
        }
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.copy.sync_dir(path)
    }
    fn lock(&self, _: &Path) -> io::Result<Box<dyn VfsLock>> {
        panic!("the source is locked")
    }
}
