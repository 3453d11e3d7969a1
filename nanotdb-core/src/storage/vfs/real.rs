//! The operating system's file system.

use super::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock, owner};
use crate::error::is_out_of_files;
use crate::order;
use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

/// The operating system's file system. The only place of the engine that calls `std::fs`.
#[derive(Debug, Default, Clone, Copy)]
pub struct RealVfs;

struct RealFile(File);

/// Any open file, closed when a directory could not be opened without.
static RESERVE: Mutex<Option<File>> = Mutex::new(None);

struct RealLock(#[allow(dead_code, reason = "held for its drop")] File);

impl VfsLock for RealLock {}

/// A file that is a link is not opened.
const NO_LINK: i32 = OFlags::NOFOLLOW.bits() as i32;

/// Says what "too many levels of symbolic links" means here.
fn name_the_link(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return io::Error::other("is a link, and none is followed inside a data directory: put the file itself there");
    }
    error
}

impl RealVfs {
    /// Opens a file to write at its end, made when missing, by the rules of [`Vfs::open`] and [`Vfs::resolve`].
    pub fn open_log(self, path: &Path) -> io::Result<File> {
        let path = self.resolve(path)?;
        let owner = owner::of_new_file(&path);
        let file =
            OpenOptions::new().append(true).create(true).custom_flags(NO_LINK).open(&path).map_err(name_the_link)?;
        owner::give(&file, owner)?;
        Ok(file)
    }
}

fn entry_of(name: String, metadata: &fs::Metadata) -> DirEntry {
    let is_dir = metadata.is_dir();
    // Inode numbers are used again, for a file that was made at another time.
    let born = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let born = born.map_or(0, |since| since.as_nanos() as u64);
    let id = metadata.ino().wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ born;
    DirEntry { name, is_dir, len: if is_dir { 0 } else { metadata.len() }, id }
}

impl VfsFile for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    #[cfg(target_os = "linux")]
    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        Ok(fallocate(&self.0, FallocateFlags::KEEP_SIZE, offset, len)?)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Vfs for RealVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(NO_LINK);
        let mut owner = None;
        if matches!(mode, OpenMode::Create | OpenMode::CreateNew | OpenMode::Truncate) {
            owner = owner::of_new_file(path);
        }
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => {
                options.write(true);
            }
            OpenMode::Create => {
                options.write(true).create(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
            OpenMode::Truncate => {
                options.write(true).create(true).truncate(true);
            }
        }
        let file = options.open(path).map_err(name_the_link)?;
        owner::give(&file, owner)?;
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        owner::keep(from, to)?;
        fs::rename(from, to)
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        fs::hard_link(existing, new)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    /// Other than the listings of this file system, it does not follow links, and sees names that are not UTF-8.
    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        owner::create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            // Follows symbolic links. Only what vanished meanwhile is left out: a file that a device in trouble says nothing
            // of is there all the same, and a database without it would look whole.
            // Without links, which are rare, the kernel need not walk the whole path again.
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            match if is_link { fs::metadata(entry.path()) } else { entry.metadata() } {
                // A pipe or a device is no file of a database: to open one may wait for ever.
                Ok(metadata) if metadata.is_file() || metadata.is_dir() => entries.push(entry_of(name, &metadata)),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        order::sort_by(&mut entries, |a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(path)?
            .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
            .collect()
    }

    fn entry(&self, path: &Path) -> io::Result<Option<DirEntry>> {
        match fs::metadata(path) {
            Ok(metadata) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(Some(entry_of(name, &metadata)))
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_symlink() => Ok(path.to_owned()),
            Ok(link) if owner::is_trusted(&link) => fs::canonicalize(path),
            Ok(link) => {
                let text =
                    format!("is a link of user {}; only your own links and those of root are followed", link.uid());
                Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
            Err(e) => Err(e),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let mut reserve = RESERVE.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = match File::open(path) {
            // A directory that cannot be forced ends all writing to a database, so that one descriptor is kept for that.
            Err(e) if is_out_of_files(&e) && reserve.take().is_some() => File::open(path)?,
            opened => opened?,
        };
        if reserve.is_some() {
            drop(reserve);
            return directory.sync_all();
        }
        let synced = directory.sync_all();
        // When there is none for another one, the descriptor that is here is kept: closed, it could be somebody else's at once.
        *reserve = File::open("/").ok().or(Some(directory));
        synced
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        let owner = owner::of_new_file(path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).custom_flags(NO_LINK);
        let mut file = options.open(path).map_err(name_the_link)?;
        owner::give(&file, owner)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(e)) => return Err(e),
        }
        file.set_len(0)?;
        match write!(file, "{}", std::process::id()) {
            // The lock holds without.
            Err(e) if !matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => return Err(e),
            _ => {}
        }
        Ok(Box::new(RealLock(file)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_listing_leaves_out_what_is_gone_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("data"), b"x").unwrap();
        symlink("nowhere", path("gone")).unwrap();
        let names: Vec<_> = RealVfs.read_dir(directory.path()).unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["data"]);
        // Its metadata cannot be had for another reason: too many links.
        symlink("loop", path("loop")).unwrap();
        RealVfs.read_dir(directory.path()).unwrap_err();
    }

    /// Whoever opened it would wait for somebody who writes into it.
    #[test]
    fn a_pipe_is_no_file_of_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo").arg(directory.path().join("data-2026-05-22.dat")).status();
        assert!(made.unwrap().success());
        fs::write(directory.path().join("data-2026-05-23.dat"), b"x").unwrap();
        fs::create_dir(directory.path().join("home")).unwrap();
        std::os::unix::fs::symlink("data-2026-05-23.dat", directory.path().join("link")).unwrap();
        let names: Vec<_> = RealVfs.read_dir(directory.path()).unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["data-2026-05-23.dat", "home", "link"]);
    }
}
