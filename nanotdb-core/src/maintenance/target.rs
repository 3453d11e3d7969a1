//! A new root that another one is written to.

use crate::storage::copy::remove_tree;
use crate::storage::vfs::{OpenMode, Vfs};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Refuses to write a new root within the source, or over something. [`Error::BadInput`] says what is accepted.
pub(super) fn check_target(vfs: &dyn Vfs, root: &Path, out: &Path) -> Result<()> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(|e| Error::io("resolve", path, e));
    if absolute(out)?.starts_with(absolute(root)?) {
        return Err(Error::bad_input(format!("{} lies within the directory that is read", out.display())));
    }
    match vfs.entry(out).map_err(|e| Error::io("look up", out, e))? {
        None => Ok(()),
        Some(entry) if !entry.is_dir => Err(Error::bad_input(format!("{} is a file", out.display()))),
        Some(_) if vfs.read_dir(out).map_err(|e| Error::io("list", out, e))?.is_empty() => Ok(()),
        Some(_) => {
            let text = "is not empty; accepted is a directory that is empty or does not exist yet";
            Err(Error::bad_input(format!("{} {text}", out.display())))
        }
    }
}

/// Leaves one database. [`Error::NotFound`] when it is not among them.
pub(super) fn only(databases: &mut Vec<(String, PathBuf)>, wanted: &str, root: &Path) -> Result<()> {
    if !databases.iter().any(|(name, _)| name == wanted) {
        let names: Vec<_> = databases.iter().map(|(name, _)| name.as_str()).collect();
        let known = if names.is_empty() { "no databases".to_owned() } else { names.join(", ") };
        return Err(Error::NotFound(format!("no database {wanted:?} in {}: it holds {known}", root.display())));
    }
    databases.retain(|(name, _)| name == wanted);
    Ok(())
}

/// Writes a file of a root in the making, durably but for its name.
pub(super) fn put(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) -> Result<()> {
    let file = vfs.open(path, OpenMode::Truncate).map_err(|e| Error::io("create", path, e))?;
    file.write_all_at(bytes, 0).map_err(|e| Error::io("write", path, e))?;
    file.sync().map_err(|e| Error::io("fsync", path, e))
}

/// A new root in the making: it has another name until it is whole. Without [`Target::finish`] nothing of it is left.
pub(super) struct Target<'a> {
    vfs: &'a dyn Vfs,
    out: &'a Path,
    partial: PathBuf,
    is_finished: bool,
}

impl<'a> Target<'a> {
    /// Makes the directory `<out>.partial`.
    pub(super) fn create(vfs: &'a dyn Vfs, root: &Path, out: &'a Path) -> Result<Self> {
        check_target(vfs, root, out)?;
        let Some(name) = out.file_name() else {
            return Err(Error::bad_input(format!("{} names no directory to make", out.display())));
        };
        let mut partial = name.to_os_string();
        partial.push(".partial");
        let partial = out.with_file_name(partial);
        if vfs.entry(&partial).map_err(|e| Error::io("look up", &partial, e))?.is_some() {
            let text = "is left from an attempt that was interrupted, or of one that runs now; remove it first";
            return Err(Error::bad_input(format!("{} {text}", partial.display())));
        }
        check_target(vfs, root, &partial)?;
        vfs.create_dir_all(&partial).map_err(|e| Error::io("create", &partial, e))?;
        Ok(Self { vfs, out, partial, is_finished: false })
    }

    /// Where it is until it is finished.
    pub(super) fn path(&self) -> &Path {
        &self.partial
    }

    /// A path within it, as it will be.
    pub(super) fn final_path(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.partial).map_or_else(|_| path.to_owned(), |rest| self.out.join(rest))
    }

    /// Gives it its name, durably. Its files, and the names in directories below it, are durable already.
    pub(super) fn finish(mut self) -> Result<()> {
        let sync = |path: &Path| self.vfs.sync_dir(path).map_err(|e| Error::io("fsync", path, e));
        sync(&self.partial)?;
        self.vfs.rename(&self.partial, self.out).map_err(|e| Error::io("rename", &self.partial, e))?;
        self.is_finished = true;
        sync(self.out.parent().unwrap_or(Path::new(".")))
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            // What cannot be removed is named by the next attempt.
            let _ = remove_tree(self.vfs, &self.partial);
        }
    }
}
