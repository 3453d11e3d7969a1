//! Whose files are: what root makes in the directory of somebody else belongs to that one, as the files beside it do. Otherwise one
//! `sudo nanocli` would leave files that the service cannot write.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, chown, fchown, lchown};
use std::path::{Path, PathBuf};

/// User and group.
type Owner = (u32, u32);

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The user whose directory this is, when that is another one than root and this process runs as root.
pub fn foreign_owner(directory: &Path) -> Option<u32> {
    let owner = fs::metadata(directory).ok()?.uid();
    (is_root() && owner != 0).then_some(owner)
}

/// Whose link is followed: this process's user's own, and root's.
pub(super) fn is_trusted(link: &fs::Metadata) -> bool {
    link.uid() == 0 || link.uid() == rustix::process::geteuid().as_raw()
}

fn owner_of(metadata: &fs::Metadata) -> Owner {
    (metadata.uid(), metadata.gid())
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whom a file belongs to that is about to be made; `None` when it belongs to whoever makes it, or is there already.
pub(super) fn of_new_file(path: &Path) -> Option<Owner> {
    if !is_root() || fs::symlink_metadata(path).is_ok() {
        return None;
    }
    fs::metadata(directory_of(path)).ok().map(|directory| owner_of(&directory))
}

/// Gives a new file to them.
pub(super) fn give(file: &File, owner: Option<Owner>) -> io::Result<()> {
    match owner {
        Some((user, group)) => fchown(file, Some(user), Some(group)),
        None => Ok(()),
    }
}

/// A file that takes the place of another one belongs to the same user.
pub(super) fn keep(from: &Path, to: &Path) -> io::Result<()> {
    if !is_root() {
        return Ok(());
    }
    let (Ok(new), Ok(old)) = (fs::symlink_metadata(from), fs::symlink_metadata(to)) else { return Ok(()) };
    if !old.is_file() || owner_of(&new) == owner_of(&old) {
        return Ok(());
    }
    lchown(from, Some(old.uid()), Some(old.gid()))
}

/// Makes a directory and its parents, which belong to whom the one above them does.
pub(super) fn create_dir_all(path: &Path) -> io::Result<()> {
    let mut missing: Vec<PathBuf> = Vec::new();
    let mut at = Some(path);
    while let Some(directory) =
        at.filter(|d| is_root() && !d.as_os_str().is_empty() && fs::symlink_metadata(d).is_err())
    {
        missing.push(directory.to_owned());
        at = directory.parent();
    }
    fs::create_dir_all(path)?;
    let Some(top) = missing.last() else { return Ok(()) };
    let (user, group) = owner_of(&fs::metadata(directory_of(top))?);
    missing.iter().try_for_each(|made| chown(made, Some(user), Some(group)))
}
