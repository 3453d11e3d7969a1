//! Copying files and removing directories.

use super::vfs::{OpenMode, Vfs, VfsFile};
use crate::{Error, Result};
use std::ops::Range;
use std::path::Path;

/// Bytes that are copied at once.
const CHUNK: usize = 1 << 20;

/// Copies a whole file to where there is none yet, durably but for its name.
pub(crate) fn copy_file(vfs: &dyn Vfs, from: &Path, to: &Path) -> Result<()> {
    copy_between(vfs, from, vfs, to)
}

/// The same, from one file system to another.
pub(crate) fn copy_between(source: &dyn Vfs, from: &Path, target: &dyn Vfs, to: &Path) -> Result<()> {
    let source = source.open(from, OpenMode::Read).map_err(|e| Error::io("read", from, e))?;
    let target = target.open(to, OpenMode::CreateNew).map_err(|e| Error::io("create", to, e))?;
    let len = source.len().map_err(|e| Error::io("read", from, e))?;
    copy_range((&*source, from), (&*target, to), 0..len)?;
    target.sync().map_err(|e| Error::io("fsync", to, e))
}

/// Copies bytes to the same place of another file. Returns how many: fewer than asked for when the source ends before.
pub(crate) fn copy_range(
    source: (&dyn VfsFile, &Path),
    target: (&dyn VfsFile, &Path),
    range: Range<u64>,
) -> Result<u64> {
    let offset = range.start;
    copy_range_to(source, target, range, offset)
}

/// The same, to another place.
pub(crate) fn copy_range_to(
    (source, from): (&dyn VfsFile, &Path),
    (target, to): (&dyn VfsFile, &Path),
    range: Range<u64>,
    offset: u64,
) -> Result<u64> {
    let at_once = |at: u64| usize::try_from(range.end.saturating_sub(at)).unwrap_or(CHUNK).min(CHUNK);
    let mut buffer = vec![0; at_once(range.start)];
    let mut at = range.start;
    while at < range.end {
        let wanted = at_once(at);
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        let count = source.read_at(buffer, at).map_err(|e| Error::io("read", from, e))?;
        if count == 0 {
            break;
        }
        let place = offset.saturating_add(at.saturating_sub(range.start));
        target.write_all_at(buffer.get(..count).unwrap_or_default(), place).map_err(|e| Error::io("write", to, e))?;
        at = at.saturating_add(count as u64);
    }
    Ok(at.saturating_sub(range.start))
}

/// Removes a directory with all that is in it; of a link the link alone.
pub(crate) fn remove_tree(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
    vfs.remove_tree(directory).map_err(|e| Error::io("remove", directory, e))
}
