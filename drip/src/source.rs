//! Reading /proc and /sys below a root that can be a recorded tree, into buffers that are reused.

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

/// Bytes of a file that are read at most: no file of /proc that is read here comes near.
const LARGEST: usize = 4 << 20;
/// The file of a recorded tree that stands for the statvfs calls of its mounts.
const RECORDED_MOUNTS: &str = "statvfs";

/// Files below one root. A path is relative to it: `proc/stat`.
#[derive(Debug)]
pub(crate) struct Source {
    root: PathBuf,
    is_host: bool,
    path: PathBuf,
    buffer: Vec<u8>,
    /// The last file's text where it was not UTF-8.
    lossy: String,
    entries: Vec<MaybeUninit<u8>>,
}

/// A file that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct ReadError {
    /// The file, without the root.
    pub path: String,
    /// What the system said.
    pub error: io::Error,
}

impl ReadError {
    /// Whether the file does not exist, rather than refusing to be read.
    pub fn is_missing(&self) -> bool {
        matches!(self.error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    }

    pub(crate) fn new(path: &str, error: io::Error) -> Self {
        Self { path: format!("/{path}"), error }
    }

    /// For a file whose content makes no sense.
    pub(crate) fn content(path: &str, what: impl Into<String>) -> Self {
        Self::new(path, io::Error::new(io::ErrorKind::InvalidData, what.into()))
    }
}

/// Size and use of a mounted file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MountUse {
    /// Bytes of a block, the unit of the next three.
    pub block: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Blocks that are free.
    pub free: u64,
    /// Blocks that are free for everybody, not only for root.
    pub available: u64,
    /// Inodes in all; zero where the file system does not count them.
    pub inodes: u64,
    /// Inodes that are free.
    pub inodes_free: u64,
}

impl MountUse {
    /// Asks the system about the file system that this directory is in.
    pub(crate) fn of(directory: &Path) -> io::Result<Self> {
        let found = rustix::fs::statvfs(directory)?;
        Ok(Self {
            block: found.f_frsize,
            blocks: found.f_blocks,
            free: found.f_bfree,
            available: found.f_bavail,
            inodes: found.f_files,
            inodes_free: found.f_ffree,
        })
    }
}

impl Source {
    pub(crate) fn new(root: &Path) -> Self {
        let is_host = root == Path::new("/");
        let (path, lossy) = (PathBuf::new(), String::new());
        Self { root: root.to_owned(), is_host, path, buffer: Vec::new(), lossy, entries: Vec::new() }
    }

    pub(crate) fn set_root(&mut self, root: &Path) {
        self.is_host = root == Path::new("/");
        self.root = root.to_owned();
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn open(&mut self, path: &str) -> io::Result<File> {
        self.path.clear();
        self.path.push(&self.root);
        self.path.push(path);
        File::open(&self.path)
    }

    /// The first bytes of a file, all of it unless it has more than `most`.
    pub(crate) fn bytes(&mut self, path: &str, most: usize) -> Result<&[u8], ReadError> {
        let length = self.fill(path, most).map_err(|error| ReadError::new(path, error))?;
        Ok(self.buffer.get(..length).unwrap_or_default())
    }

    fn fill(&mut self, path: &str, most: usize) -> io::Result<usize> {
        let mut file = self.open(path)?;
        let most = most.min(LARGEST);
        let mut length = 0;
        while length < most {
            if length == self.buffer.len() {
                self.buffer.resize((self.buffer.len() * 2).max(4_096), 0);
            }
            let end = self.buffer.len().min(most);
            match file.read(self.buffer.get_mut(length..end).unwrap_or_default()) {
                Ok(0) => break,
                Ok(n) => length += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(length)
    }

    /// As [`Self::bytes`], as text. Bytes that are none stand as `\u{FFFD}`: one odd name must not cost the whole file.
    pub(crate) fn text(&mut self, path: &str, most: usize) -> Result<&str, ReadError> {
        let length = self.fill(path, most).map_err(|error| ReadError::new(path, error))?;
        let bytes = self.buffer.get(..length).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(_) => {
                self.lossy.clear();
                self.lossy.push_str(&String::from_utf8_lossy(bytes));
                Ok(&self.lossy)
            }
        }
    }

    /// Whether a live /proc of another mount namespace is below the root: the host's, as a container sees it with
    /// `-v /:/host:ro`. There, what is drip's own (`proc/self`) is not the host's.
    pub(crate) fn is_host_elsewhere(&self) -> bool {
        !self.is_host && self.root.join("proc/self").is_symlink()
    }

    /// Calls `each` with the names in a directory, in no order, without `.` and `..`.
    pub(crate) fn names(&mut self, path: &str, mut each: impl FnMut(&str)) -> Result<(), ReadError> {
        if self.entries.is_empty() {
            self.entries.resize(8_192, MaybeUninit::uninit());
        }
        let failed = |error: io::Error| ReadError::new(path, error);
        let directory = self.open(path).map_err(failed)?;
        let mut entries = rustix::fs::RawDir::new(&directory, &mut self.entries);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|e| failed(e.into()))?;
            if let Ok(name) = entry.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                each(name);
            }
        }
        Ok(())
    }

    pub(crate) fn exists(&mut self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// Whether a file tells the use of mounts ([`Self::mount_use`]): in a recorded tree.
    pub(crate) fn records_mounts(&mut self) -> bool {
        !self.is_host && self.exists(RECORDED_MOUNTS)
    }

    /// Use of the file system that is mounted at `mount` (`/boot`).
    ///
    /// Of the host that is the system call. Below another root it is what the file `statvfs` there says, if there is one:
    /// a line per mount as `stat -f -c '%n %S %b %f %a %c %d' MOUNT...` prints it, that is mount, block size, blocks,
    /// free, available, inodes, free inodes. Without that file it is the system call for the directory below the root,
    /// which is right where a container has the host's file systems below it.
    pub(crate) fn mount_use(&mut self, mount: &str) -> Result<MountUse, ReadError> {
        if !self.is_host {
            match self.text(RECORDED_MOUNTS, LARGEST) {
                Ok(recorded) => {
                    let found = recorded.lines().find_map(|line| recorded_use(line, mount));
                    return found
                        .ok_or_else(|| ReadError::content(RECORDED_MOUNTS, format!("has no line for {mount}")));
                }
                Err(e) if e.is_missing() => {}
                Err(e) => return Err(e),
            }
        }
        let relative = mount.trim_start_matches('/');
        MountUse::of(&self.root.join(relative)).map_err(|error| ReadError::new(relative, error))
    }

    /// Bytes of a memory page and clock ticks per second. Of the host as it tells this process; below another root
    /// from its `proc/self/auxv`, if there is one, because a Pi 5 has other pages than the machine that reads its tree.
    pub(crate) fn units(&mut self) -> (u64, u64) {
        let mut units = (rustix::param::page_size() as u64, rustix::param::clock_ticks_per_second());
        if self.is_host {
            return units;
        }
        const PAGE_SIZE: u64 = 6;
        const CLOCK_TICKS: u64 = 17;
        for entry in self.bytes("proc/self/auxv", 4_096).unwrap_or_default().chunks_exact(16) {
            let (key, value) = entry.split_at(8);
            let (Ok(key), Ok(value)) = (key.try_into(), value.try_into()) else { continue };
            match (u64::from_le_bytes(key), u64::from_le_bytes(value)) {
                (PAGE_SIZE, v) if v > 0 => units.0 = v,
                (CLOCK_TICKS, v) if v > 0 => units.1 = v,
                _ => {}
            }
        }
        units
    }
}

/// The six numbers are the last fields: a mount may have spaces in its name.
fn recorded_use(line: &str, mount: &str) -> Option<MountUse> {
    let mut numbers = line.strip_prefix(mount)?.strip_prefix(' ')?.split_ascii_whitespace().map(str::parse);
    let mut number = || numbers.next()?.ok();
    let found = MountUse {
        block: number()?,
        blocks: number()?,
        free: number()?,
        available: number()?,
        inodes: number()?,
        inodes_free: number()?,
    };
    numbers.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_whole_in_parts_and_again() {
        let dir = tempfile::tempdir().unwrap();
        let long: String = (0..5_000).map(|n| format!("{n}\n")).collect();
        std::fs::write(dir.path().join("long"), &long).unwrap();
        std::fs::write(dir.path().join("short"), "x").unwrap();
        let mut source = Source::new(dir.path());
        assert_eq!(source.text("long", LARGEST).unwrap(), long);
        assert_eq!(source.text("short", LARGEST).unwrap(), "x");
        assert_eq!(source.text("long", 4).unwrap(), "0\n1\n");
        let missing = source.text("none", 4).unwrap_err();
        assert!(missing.is_missing() && missing.to_string().starts_with("/none: "), "{missing}");
        let mut names = Vec::new();
        source.names("", |name| names.push(name.to_owned())).unwrap();
        names.sort();
        assert_eq!(names, ["long", "short"]);
    }

    #[test]
    fn the_use_of_the_root_is_what_df_says() {
        let recorded = std::process::Command::new("stat").args(["-f", "-c", "%n %S %b %c", "/"]).output().unwrap();
        let recorded = String::from_utf8(recorded.stdout).unwrap();
        let found = Source::new(Path::new("/")).mount_use("/").unwrap();
        assert_eq!(recorded.trim(), format!("/ {} {} {}", found.block, found.blocks, found.inodes));
    }
}
