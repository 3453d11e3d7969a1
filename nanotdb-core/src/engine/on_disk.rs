//! Which databases a root holds, and where each of them is.

use super::replace;
use crate::database::wal_name;
use crate::layout;
use crate::model::name::check_database_name;
use crate::order;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a root is listed again when a server replaces, makes or removes databases meanwhile.
const ATTEMPTS: u32 = 100;
const WAIT: Duration = Duration::from_millis(5);

/// The databases of a root by name, with the directory of each. That is the one of its name; or, while one is being put in
/// the place of another, or since a crash in the middle of that, one beside it. They are of one moment.
pub(crate) fn databases_on_disk(vfs: &dyn Vfs, root: &Path) -> Result<Vec<(String, PathBuf)>> {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(WAIT);
        }
        let before = directories(vfs, root)?;
        match look(vfs, root, &before) {
            Ok(found) if directories(vfs, root)? == before => return Ok(found),
            Ok(_) => {}
            // It was renamed or removed since.
            Err(error) if error.is_missing_file() => {}
            Err(error) => return Err(error),
        }
    }
    let source = std::io::Error::other("databases are made and replaced faster than they can be listed; try again");
    Err(Error::Io { op: "list", path: root.to_owned(), source })
}

/// Where a database is now; `None` when it is gone.
pub(crate) fn directory_on_disk(vfs: &dyn Vfs, root: &Path, database: &str) -> Result<Option<PathBuf>> {
    let found = databases_on_disk(vfs, root)?.into_iter().find(|(name, _)| name == database);
    Ok(found.map(|(_, directory)| directory))
}

/// Names of directories that may hold a database, with their identities.
fn directories(vfs: &dyn Vfs, root: &Path) -> Result<BTreeSet<(String, u64)>> {
    let entries = vfs.read_dir(root).map_err(|e| Error::io("list", root, e))?.into_iter();
    let is_wanted = |name: &str| is_name(name) || replace::stands_for(name).is_some();
    let mut found = BTreeSet::new();
    found.extend(entries.filter(|entry| entry.is_dir && is_wanted(&entry.name)).map(|entry| (entry.name, entry.id)));
    Ok(found)
}

fn is_name(name: &str) -> bool {
    check_database_name(name.as_bytes()).is_ok()
}

fn look(vfs: &dyn Vfs, root: &Path, directories: &BTreeSet<(String, u64)>) -> Result<Vec<(String, PathBuf)>> {
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (name, _) in directories.iter().filter(|(name, _)| is_name(name)) {
        let directory = root.join(name);
        if holds_database(vfs, &directory, name)? {
            found.insert(name.clone(), directory);
        }
    }
    // Better the new one, which is complete, than the old one.
    let mut beside: Vec<_> =
        directories.iter().filter_map(|(name, _)| Some((replace::stands_for(name)?, name))).collect();
    order::sort_by(&mut beside, Ord::cmp);
    for ((_, database), directory) in beside {
        if directories.range((database.to_owned(), 0)..).next().is_none_or(|(name, _)| name != database) {
            found.entry(database.to_owned()).or_insert_with(|| root.join(directory));
        }
    }
    Ok(found.into_iter().collect())
}

fn holds_database(vfs: &dyn Vfs, directory: &Path, name: &str) -> Result<bool> {
    let wal = wal_name(name);
    let is_ours =
        |file: &str| file == layout::MANIFEST || file == layout::CATALOG || file == wal || layout::is_of_samples(file);
    match vfs.names(directory) {
        Ok(files) => Ok(files.iter().any(|file| is_ours(file))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(Error::io("list", directory, e)),
        // Nobody can tell what one holds that cannot be listed: it counts, and whoever opens it hears why it cannot be.
        Err(_) => Ok(true),
    }
}
