//! Which files a database's directory holds: by their names.

use super::Environment;
use super::journal::Journal;
use super::naming::{Strays, parse_file_name};
use super::state::State;
use crate::format::catalog;
use crate::layout;
use crate::plugin::Partitioner;
use crate::storage::vfs::DirEntry;
use crate::{Error, Result};
use std::path::Path;

/// A new database gets its directory and manifest.toml.
pub(super) fn create_missing(directory: &Path, environment: &Environment) -> Result<()> {
    let vfs = &*environment.vfs;
    if vfs.entry(directory).map_err(|e| Error::io("look up", directory, e))?.is_none() {
        vfs.create_dir_all(directory).map_err(|e| Error::io("create", directory, e))?;
    }
    let missing = |path: &Path| {
        vfs.entry(path).map(|entry| entry.is_none_or(|e| e.len == 0)).map_err(|e| Error::io("look up", path, e))
    };
    let manifest = directory.join(layout::MANIFEST);
    if missing(&manifest)? {
        let text = environment.config.manifest_defaults.to_toml();
        vfs.replace(&manifest, text.as_bytes()).map_err(|e| Error::io("write", &manifest, e))?;
    }
    Ok(())
}

/// And an empty catalog, when it is known that there are no samples.
pub(super) fn create_catalog(directory: &Path, environment: &Environment) -> Result<()> {
    let path = directory.join(layout::CATALOG);
    let empty = catalog::encode(std::iter::empty());
    environment.vfs.replace(&path, &empty).map_err(|e| Error::io("write", &path, e))
}

/// Removes temporary files of writes that a crash interrupted. Returns what else there is.
pub(super) fn remove_leftovers(directory: &Path, environment: &Environment) -> Result<Vec<DirEntry>> {
    let vfs = &*environment.vfs;
    let mut entries = vfs.read_dir(directory).map_err(|e| Error::io("list", directory, e))?;
    let is_left_over = |entry: &DirEntry| !entry.is_dir && entry.name.ends_with(".tmp");
    for entry in entries.iter().filter(|entry| is_left_over(entry)) {
        let path = directory.join(&entry.name);
        vfs.remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
    }
    entries.retain(|entry| !is_left_over(entry));
    Ok(entries)
}

/// Finds the files of all partitions.
pub(super) fn list_files(
    environment: &Environment,
    directory: &Path,
    partitioner: &'static dyn Partitioner,
    state: &mut State,
) -> Result<()> {
    let vfs = &*environment.vfs;
    // A reader beside a server may come when files are on their way out or in.
    let journal = Journal::read(vfs, directory)?;
    let hidden = journal.as_ref().map(Journal::hidden).unwrap_or_default();
    let mut strays = Strays::default();
    for entry in vfs.read_dir(directory).map_err(|e| Error::io("list", directory, e))? {
        if entry.is_dir || hidden.contains(&entry.name) {
            continue;
        }
        let Some((kind, part)) = parse_file_name(&entry.name) else { continue };
        let path = directory.join(&entry.name);
        state.listed.insert(path.clone(), entry.len);
        strays.take(kind, part, path, state);
    }
    strays.place(vfs, &environment.metric_cache, partitioner, state)
}
