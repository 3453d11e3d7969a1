//! `archive-<bucket>.tar`: partitions that retention moved out. Plain tar, so that any tool lists and unpacks them.
//!
//! An entry is called as its file was. Of a partition that was archived before and has got other files since, the new ones are
//! called `2/<file>`, `3/<file>`, so that unpacking never puts one over the other.

use super::copy::copy_range_to;
use super::vfs::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock};
use crate::model::Timestamp;
use crate::order;
use crate::{Error, Result};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes of a tar block.
const BLOCK: u64 = 512;
/// What ends a tar file: two blocks of zeros.
pub(crate) const END: [u8; 2 * BLOCK as usize] = [0; 2 * BLOCK as usize];
/// Bytes that are copied at once.
const CHUNK: usize = 1 << 18;
const NANOS: i64 = 1_000_000_000;

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedFile {
    /// Name of the entry.
    pub entry: String,
    /// Name that the file had.
    pub name: String,
    /// How often files of its partition were archived before: 1 for the first time.
    pub generation: u32,
    /// First byte of what stands before its content.
    pub header: u64,
    /// First byte of its content.
    pub offset: u64,
    /// Length of its content.
    pub len: u64,
}

/// What an archive holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    /// Path.
    pub path: PathBuf,
    /// Files, in the order of their entries.
    pub files: Vec<ArchivedFile>,
    /// Where the next entry goes.
    pub end: u64,
}

/// The reader's own messages are several run together, of numbers in octal.
fn tar_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the archive ends inside an entry".to_owned(),
        _ => "what stands here is no entry of a tar file".to_owned(),
    }
}

impl Archive {
    /// Reads the headers. [`Error::NotFound`] when there is none, [`Error::Corrupt`] for what is no whole tar file.
    pub fn read(vfs: &dyn Vfs, path: &Path) -> Result<Self> {
        Self::read_to(vfs, path, u64::MAX)
    }

    /// The same, as if it were cut at `end`; at 0 there is none.
    pub(crate) fn read_to(vfs: &dyn Vfs, path: &Path, end: u64) -> Result<Self> {
        let (archive, damage) = Self::read_as_far(vfs, path, end)?;
        match damage {
            None => Ok(archive),
            Some(reason) => Err(Error::Corrupt { file: path.to_owned(), offset: archive.end, reason }),
        }
    }

    /// The same of a damaged one: the entries before the damage, which is at [`Archive::end`] then.
    pub(crate) fn read_as_far(vfs: &dyn Vfs, path: &Path, end: u64) -> Result<(Self, Option<String>)> {
        if end == 0 {
            return Err(Error::NotFound(format!("no archive {}", path.display())));
        }
        let file = match vfs.open(path, OpenMode::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NotFound(format!("no archive {}", path.display())));
            }
            Err(e) => return Err(Error::io("open", path, e)),
        };
        let len = file.len().map_err(|e| Error::io("read", path, e))?.min(end);
        let mut this = Self { path: path.to_owned(), ..Self::default() };
        let mut tar = tar::Archive::new(BufReader::new(Cursor { file: &*file, at: 0, end: len }));
        let entries = tar.entries_with_seek().map_err(|e| Error::io("read", path, e))?;
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) => return Ok((this, Some(tar_reason(&e)))),
            };
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let (offset, size) = (entry.raw_file_position(), entry.size());
            let end = offset.checked_add(size).and_then(|end| end.checked_next_multiple_of(BLOCK));
            let Some(end) = end.filter(|end| *end <= len) else {
                return Ok((this, Some(format!("{name} should have {size} bytes, and the archive ends before"))));
            };
            let header = std::mem::replace(&mut this.end, end);
            if entry.header().entry_type().is_file() {
                let (generation, file) = split(&name);
                let (generation, file) = (generation, file.to_owned());
                this.files.push(ArchivedFile { entry: name, name: file, generation, header, offset, len: size });
            }
        }
        Ok((this, None))
    }

    /// Appends files of `directory` under new names, durably. `now` becomes their time. The caller has noted where the
    /// archive ends, and cuts it there after an error.
    pub(crate) fn append(
        &self,
        vfs: &dyn Vfs,
        directory: &Path,
        files: &[(String, String)],
        now: Timestamp,
    ) -> Result<()> {
        let io = |e| Error::io("write", &self.path, e);
        let file = vfs.open(&self.path, OpenMode::Create).map_err(io)?;
        let mut at = self.end;
        for (entry, name) in files {
            let path = directory.join(name);
            let source = vfs.open(&path, OpenMode::Read).map_err(|e| Error::io("open", &path, e))?;
            let len = source.len().map_err(|e| Error::io("read", &path, e))?;
            at = write_entry(&*file, at, entry, &*source, (0, len), now).map_err(io)?;
        }
        file.write_all_at(&END, at).map_err(io)?;
        file.set_len(at.saturating_add(END.len() as u64)).map_err(io)?;
        file.sync().map_err(io)?;
        if self.end == 0 {
            vfs.sync_dir(directory).map_err(|e| Error::io("fsync", directory, e))?;
        }
        Ok(())
    }

    /// Undoes [`Archive::append`]: the archive ends at `end` again; at 0 it is gone.
    pub(crate) fn cut(vfs: &dyn Vfs, path: &Path, end: u64) -> Result<()> {
        let cut = || -> io::Result<()> {
            if end == 0 {
                return match vfs.remove_file(path) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
                    _ => Ok(()),
                };
            }
            let file = vfs.open(path, OpenMode::Write)?;
            file.set_len(end)?;
            file.write_all_at(&END, end)?;
            file.sync()
        };
        cut().map_err(|e| Error::io("mend", path, e))
    }

    /// Writes some of the entries to another file, as they are, durably. The names need not be such as this program gives: what
    /// somebody else put into an archive is nobody's reason not to move the rest.
    pub(crate) fn copy_of(
        &self,
        vfs: &dyn Vfs,
        files: &[&ArchivedFile],
        (target, to): (&dyn Vfs, &Path),
    ) -> Result<()> {
        let io = |e| Error::io("write", to, e);
        let source = vfs.open(&self.path, OpenMode::Read).map_err(|e| Error::io("open", &self.path, e))?;
        let file = target.open(to, OpenMode::Truncate).map_err(io)?;
        let mut at = 0u64;
        for kept in files {
            let end = kept.offset.saturating_add(kept.len).next_multiple_of(BLOCK);
            let range = kept.header..end;
            at = at.saturating_add(copy_range_to((&*source, &self.path), (&*file, to), range, at)?);
        }
        file.write_all_at(&END, at).map_err(io)?;
        file.sync().map_err(io)
    }

    /// Writes the content of an entry to a new file, durably but for its name.
    pub(crate) fn extract(&self, vfs: &dyn Vfs, file: &ArchivedFile, to: &Path) -> Result<()> {
        let source = vfs.open(&self.path, OpenMode::Read).map_err(|e| Error::io("open", &self.path, e))?;
        let target = vfs.open(to, OpenMode::CreateNew).map_err(|e| Error::io("create", to, e))?;
        let mut out = Cursor { file: &*target, at: 0, end: u64::MAX };
        let mut content = Cursor::of(&*source, file.offset, file.len);
        copy(&mut content, &mut out).and_then(|_| target.sync()).map_err(|e| Error::io("write", to, e))
    }

    /// Whether an entry has exactly the bytes of a file.
    pub(crate) fn is_same(&self, vfs: &dyn Vfs, file: &ArchivedFile, other: &Path) -> Result<bool> {
        let io = |e| Error::io("read", &self.path, e);
        let mine = vfs.open(&self.path, OpenMode::Read).map_err(io)?;
        let theirs = vfs.open(other, OpenMode::Read).map_err(|e| Error::io("open", other, e))?;
        if theirs.len().map_err(|e| Error::io("read", other, e))? != file.len {
            return Ok(false);
        }
        let (mut a, mut b) = (vec![0; CHUNK], vec![0; CHUNK]);
        let mut at = 0;
        while at < file.len {
            let n = usize::try_from(file.len.saturating_sub(at)).unwrap_or(usize::MAX).min(CHUNK);
            let (a, b) = (a.get_mut(..n).unwrap_or_default(), b.get_mut(..n).unwrap_or_default());
            mine.read_exact_at(a, file.offset.saturating_add(at)).map_err(io)?;
            theirs.read_exact_at(b, at).map_err(|e| Error::io("read", other, e))?;
            if a != b {
                return Ok(false);
            }
            at = at.saturating_add(n as u64);
        }
        Ok(true)
    }
}

/// The generation and the file name of an entry.
fn split(entry: &str) -> (u32, &str) {
    let plain = entry.strip_prefix("./").unwrap_or(entry);
    let generation = plain.split_once('/').and_then(|(n, name)| Some((n.parse().ok().filter(|n| *n > 1)?, name)));
    generation.unwrap_or((1, plain))
}

/// Name of the entry of a file.
pub(crate) fn entry_name(generation: u32, name: &str) -> String {
    if generation <= 1 { name.to_owned() } else { format!("{generation}/{name}") }
}

/// Writes header, content and padding at `at`; returns where the next entry goes.
fn write_entry(
    file: &dyn VfsFile,
    at: u64,
    entry: &str,
    source: &dyn VfsFile,
    (offset, len): (u64, u64),
    now: Timestamp,
) -> io::Result<u64> {
    let mut header = tar::Header::new_gnu();
    header.set_path(entry)?;
    header.set_size(len);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mtime(u64::try_from(now.div_euclid(NANOS)).unwrap_or(0));
    header.set_cksum();
    let mut out = Cursor { file, at, end: u64::MAX };
    out.write_all(header.as_bytes())?;
    let copied = copy(&mut Cursor::of(source, offset, len), &mut out)?;
    if copied != len {
        return Err(io::Error::other(format!("{entry} became shorter while it was archived")));
    }
    let end = out.at.next_multiple_of(BLOCK);
    let padding = usize::try_from(end.saturating_sub(out.at)).unwrap_or(0);
    out.write_all(END.get(..padding).unwrap_or_default())?;
    Ok(end)
}

fn copy(from: &mut Cursor<'_>, to: &mut Cursor<'_>) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut copied = 0u64;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        to.write_all(buffer.get(..n).unwrap_or_default())?;
        copied = copied.saturating_add(n as u64);
    }
}

/// A part of a file as the standard library's traits have it.
struct Cursor<'a> {
    file: &'a dyn VfsFile,
    at: u64,
    end: u64,
}

impl<'a> Cursor<'a> {
    fn of(file: &'a dyn VfsFile, offset: u64, len: u64) -> Self {
        Self { file, at: offset, end: offset.saturating_add(len) }
    }
}

impl Read for Cursor<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = left.min(buf.len());
        let n = self.file.read_at(buf.get_mut(..most).unwrap_or_default(), self.at)?;
        self.at = self.at.saturating_add(n as u64);
        Ok(n)
    }
}

impl Write for Cursor<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(buf, self.at)?;
        self.at = self.at.saturating_add(buf.len() as u64);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Cursor<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// The files of an archive as a file system that can be read: what reads files in a directory reads them as well. Their paths
/// are `<archive>/<entry>`.
pub(crate) struct ArchivedFiles<'a> {
    vfs: &'a dyn Vfs,
    archive: &'a Archive,
}

impl<'a> ArchivedFiles<'a> {
    pub(crate) fn new(vfs: &'a dyn Vfs, archive: &'a Archive) -> Self {
        Self { vfs, archive }
    }

    fn find(&self, path: &Path) -> Option<&ArchivedFile> {
        let entry = path.strip_prefix(&self.archive.path).ok()?.to_str()?;
        self.archive.files.iter().find(|file| file.entry == entry)
    }
}

struct Part {
    file: Box<dyn VfsFile>,
    offset: u64,
    len: u64,
}

fn read_only<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl VfsFile for Part {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let most = left.min(buf.len());
        self.file.read_at(buf.get_mut(..most).unwrap_or_default(), self.offset.saturating_add(offset))
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        read_only()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        read_only()
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Vfs for ArchivedFiles<'_> {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        let Some(found) = self.find(path) else { return Err(io::ErrorKind::NotFound.into()) };
        if mode != OpenMode::Read {
            return read_only();
        }
        let file = self.vfs.open(&self.archive.path, OpenMode::Read)?;
        Ok(Box::new(Part { file, offset: found.offset, len: found.len }))
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn remove_file(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let inside = self.archive.files.iter().filter_map(|file| {
            let name = self.archive.path.join(&file.entry);
            let name = name.strip_prefix(path).ok()?.to_str().filter(|name| !name.contains('/'))?;
            Some(DirEntry { name: name.to_owned(), is_dir: false, len: file.len, id: file.offset })
        });
        let mut entries: Vec<_> = inside.collect();
        order::sort_by(&mut entries, |a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn entry(&self, path: &Path) -> io::Result<Option<DirEntry>> {
        let name =
            |file: &ArchivedFile| DirEntry { name: file.name.clone(), is_dir: false, len: file.len, id: file.offset };
        Ok(self.find(path).map(name))
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn VfsLock>> {
        read_only()
    }
}
