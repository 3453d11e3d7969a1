//! Files: the file system the engine sees, and each kind of file it keeps.

pub(crate) mod archive;
pub(crate) mod copy;
pub(crate) mod events;
pub mod lock;
pub mod metric_cache;
pub mod metric_file;
pub mod open_page;
pub mod raw_file;
pub mod vfs;
pub mod wal_file;

pub use archive::{Archive, ArchivedFile};
pub use lock::DirectoryLock;
pub use metric_cache::MetricCache;
pub use metric_file::{BlockReader, Identity, MetricFile};
pub use open_page::OpenPage;
pub use raw_file::{FrameEntry, RawFile, TailPolicy};
pub use wal_file::WalFile;

use crate::{Error, Result};
use std::ops::Range;
use std::path::Path;
use vfs::{OpenMode, Vfs, VfsFile};

/// Refuses the directory of a database that is a link of somebody else: it may lead anywhere. One's own link, or root's, is how a
/// database lies on another disk.
pub(crate) fn check_directory(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
    vfs.resolve(directory).map(drop).map_err(|e| Error::io("open", directory, e))
}

/// Puts bytes that could not be decoded beside their file, as `<file>.damaged-<offset>`, durably. An existing copy is kept.
pub fn keep_damaged(vfs: &dyn Vfs, file: &Path, offset: u64, bytes: &[u8]) -> Result<()> {
    keep(vfs, file, offset, bytes.len() as u64, |copy, path| {
        copy.write_all_at(bytes, 0).map_err(|e| Error::io("keep damaged bytes in", path, e))
    })
}

/// The same with a part of an open file, however large.
pub(crate) fn keep_damaged_part(vfs: &dyn Vfs, from: (&dyn VfsFile, &Path), range: Range<u64>) -> Result<()> {
    let len = range.end.saturating_sub(range.start);
    keep(vfs, from.1, range.start, len, |copy, path| {
        if copy::copy_range_to(from, (copy, path), range, 0)? == len {
            return Ok(());
        }
        Err(Error::io("read", from.1, std::io::ErrorKind::UnexpectedEof.into()))
    })
}

fn keep(
    vfs: &dyn Vfs,
    file: &Path,
    offset: u64,
    len: u64,
    write: impl FnOnce(&dyn VfsFile, &Path) -> Result<()>,
) -> Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".damaged-{offset}"));
    let path = file.with_file_name(name);
    let io = |e| Error::io("keep damaged bytes in", &path, e);
    if vfs.entry(&path).map_err(io)?.is_some_and(|e| e.len == len) {
        return Ok(());
    }
    let copy = vfs.open(&path, OpenMode::Truncate).map_err(io)?;
    write(&*copy, &path)?;
    copy.sync().map_err(io)?;
    vfs.sync_dir(path.parent().unwrap_or(Path::new("."))).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::vfs::sim::SimVfs;

    #[test]
    fn damaged_bytes_that_were_kept_survive_a_power_cut() {
        let vfs = SimVfs::new(3);
        let file = Path::new("/d/data-2026-05-22.dat");
        vfs.create_dir_all(Path::new("/d")).unwrap();
        vfs.put(file, b"0123456789").unwrap();
        keep_damaged(&vfs, file, 2, b"2345").unwrap();
        let handle = vfs.open(file, OpenMode::Read).unwrap();
        keep_damaged_part(&vfs, (&*handle, file), 6..9).unwrap();
        let durable = vfs.durable_snapshot();
        assert_eq!(durable.get(Path::new("/d/data-2026-05-22.dat.damaged-2")).map(Vec::as_slice), Some(&b"2345"[..]));
        assert_eq!(durable.get(Path::new("/d/data-2026-05-22.dat.damaged-6")).map(Vec::as_slice), Some(&b"678"[..]));
    }
}
