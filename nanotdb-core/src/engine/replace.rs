//! Putting a database in the place of another with the same name, so that a crash leaves one or the other.
//!
//! The new one is complete and durable under `.rebuild-<db>`. Renaming that to `.ready-<db>` is what decides: before it, a
//! start throws the new one away; after it, a start carries out the rest. Then the old one moves to `.old-<db>`, the new one
//! to `<db>`, and the old one is removed. The root is forced to the device between these steps, so that a power cut cannot keep a later
//! one without an earlier one.

use super::Inner;
use crate::database::Database;
use crate::format::events::is_events_file;
use crate::layout;
use crate::model::name::check_database_name;
use crate::storage::vfs::{OpenMode, Vfs};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Prefix of a directory in which a database is built.
const REBUILD: &str = ".rebuild-";
/// Prefix of one that is complete.
const READY: &str = ".ready-";
/// Prefix of one that was replaced.
const OLD: &str = ".old-";

/// How long those who ask for a database wait for queries that read the old one. A query may itself ask for it again.
const PATIENCE: Duration = Duration::from_millis(500);
/// After so long without a moment in which nobody reads it, it stays.
const LIMIT: Duration = Duration::from_secs(120);
/// How often it is looked whether somebody still does.
const STEP: Duration = Duration::from_millis(1);

/// Which database is being replaced.
#[derive(Default)]
pub(super) struct Replacing {
    active: AtomicBool,
    /// How often something began or ended.
    changes: AtomicU64,
    name: Mutex<Option<String>>,
    done: Condvar,
}

impl Replacing {
    /// Waits while the database is being replaced.
    pub(super) fn wait(&self, database: &str) {
        if !self.active.load(Ordering::Acquire) {
            return;
        }
        let mut name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        while name.as_deref() == Some(database) {
            name = self.done.wait(name).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for whatever is being replaced.
    pub(super) fn wait_any(&self) {
        if !self.active.load(Ordering::Acquire) {
            return;
        }
        let mut name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        while name.is_some() {
            name = self.done.wait(name).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Differs when something was replaced meanwhile.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Whether this database is being replaced.
    pub(super) fn is(&self, database: &str) -> bool {
        self.active.load(Ordering::Acquire)
            && self.name.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(database)
    }

    fn set(&self, database: Option<&str>) {
        let mut name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        self.changes.fetch_add(1, Ordering::AcqRel);
        *name = database.map(str::to_owned);
        self.active.store(database.is_some(), Ordering::Release);
        self.done.notify_all();
    }
}

/// Lets those who wait go on, whatever happens.
struct Turn<'a>(&'a Replacing);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

fn beside(root: &Path, prefix: &str, database: &str) -> PathBuf {
    root.join(format!("{prefix}{database}"))
}

/// An empty directory in which the database is built.
pub(super) fn begin(vfs: &dyn Vfs, root: &Path, database: &str) -> Result<PathBuf> {
    let directory = beside(root, REBUILD, database);
    remove_tree(vfs, &directory)?;
    vfs.create_dir_all(&directory).map_err(|e| Error::io("create", &directory, e))?;
    Ok(directory)
}

/// Throws away what was built.
pub(super) fn abandon(vfs: &dyn Vfs, root: &Path, database: &str) {
    if let Err(error) = remove_tree(vfs, &beside(root, REBUILD, database)) {
        tracing::warn!(%error, "what was built is removed by the next start");
    }
}

impl Inner {
    /// Puts the database that was built in the place of the old one. `check` looks at the old one when nobody else uses it
    /// any more; its error leaves everything as it was.
    pub(super) fn replace(&self, name: &str, check: &dyn Fn(&Database) -> Result<()>) -> Result<()> {
        let vfs = &*self.environment.vfs;
        let root = &self.root;
        let ready = beside(root, READY, name);
        remove_tree(vfs, &beside(root, OLD, name))?;
        let turn = Turn(&self.replacing);
        let database = self.take(name)?;
        let prepared = check(&database).and_then(|()| rename(vfs, root, &beside(root, REBUILD, name), &ready));
        if let Err(error) = prepared {
            // A rename whose fsync failed may be durable all the same.
            self.give_back(database, &ready, &error);
            return Err(error);
        }
        if let Err(error) = finish(vfs, root, name) {
            let is_there = |path: &Path| exists(vfs, path).unwrap_or(false);
            if is_there(&root.join(name)) && is_there(&ready) {
                self.give_back(database, &ready, &error);
            } else {
                self.fail(name, &error);
            }
            return Err(error);
        }
        database.forget_decoded();
        drop(database);
        match Database::open(name, &root.join(name), self.environment.clone()) {
            Ok(database) => self.put(Arc::new(database)),
            Err(error) => {
                self.fail(name, &error);
                return Err(error);
            }
        }
        drop(turn);
        Ok(())
    }

    /// Takes a database out of the engine once nobody else uses it; who asks for it waits until it is back.
    fn take(&self, name: &str) -> Result<Arc<Database>> {
        // Counted, not measured: time is the Clock's, which a test may hold still.
        let mut waited = Duration::ZERO;
        loop {
            self.replacing.set(Some(name));
            let taken = self.databases.write().unwrap_or_else(PoisonError::into_inner).remove(name);
            let database = taken.ok_or_else(|| Error::NotFound(format!("database {name:?} is not open")))?;
            let until = waited.saturating_add(PATIENCE);
            while waited < until {
                if Arc::strong_count(&database) == 1 {
                    return Ok(database);
                }
                std::thread::sleep(STEP);
                waited = waited.saturating_add(STEP);
            }
            self.put(database);
            self.replacing.set(None);
            if waited > LIMIT || self.check_open().is_err() {
                let reason = format!("database {name:?} is read all the time; the new one could not take its place");
                return Err(Error::Busy(reason));
            }
            std::thread::sleep(PATIENCE);
            waited = waited.saturating_add(PATIENCE);
        }
    }

    fn put(&self, database: Arc<Database>) {
        let mut databases = self.databases.write().unwrap_or_else(PoisonError::into_inner);
        databases.insert(database.name().to_owned(), database);
    }

    /// The old one stays. What might yet replace it at the next start must go; if it does not, nothing is written any more
    /// that would be lost then.
    fn give_back(&self, database: Arc<Database>, ready: &Path, error: &Error) {
        let vfs = &*self.environment.vfs;
        let removed = remove_tree(vfs, ready).and_then(|()| sync(vfs, &self.root));
        if removed.is_err() {
            database.poison(error);
        }
        self.put(database);
    }

    /// Neither is to be had until the next start, which finishes what was begun.
    fn fail(&self, name: &str, error: &Error) {
        tracing::error!(database = name, %error, "the database is not served until the next start");
        let mut failed = self.failed.write().unwrap_or_else(PoisonError::into_inner);
        failed.insert(name.to_owned(), error.to_string());
    }
}

/// What follows once the new database is complete: also what a start does that finds it so.
fn finish(vfs: &dyn Vfs, root: &Path, name: &str) -> Result<()> {
    let (database, old) = (root.join(name), beside(root, OLD, name));
    if exists(vfs, &database)? {
        // Of an earlier replacement.
        remove_tree(vfs, &old)?;
        rename(vfs, root, &database, &old)?;
    }
    rename(vfs, root, &beside(root, READY, name), &database)?;
    if let Err(error) = remove_tree(vfs, &old) {
        tracing::warn!(%error, "what was replaced is removed by the next start");
    }
    Ok(())
}

/// Finishes or throws away what a crash interrupted. The caller holds the root's lock.
pub(crate) fn recover(vfs: &dyn Vfs, root: &Path) -> Result<()> {
    let entries = vfs.read_dir(root).map_err(|e| Error::io("list", root, e))?;
    let names = |prefix: &'static str| {
        let directories = entries.iter().filter(|entry| entry.is_dir);
        let named = directories.filter_map(move |entry| entry.name.strip_prefix(prefix));
        named.filter(|name| check_database_name(name.as_bytes()).is_ok())
    };
    for name in names(READY) {
        tracing::info!(database = name, "finishing the replacement of a database");
        finish(vfs, root, name)?;
    }
    for name in names(REBUILD) {
        tracing::info!(database = name, "removing a database that was not built to the end");
        remove_tree(vfs, &beside(root, REBUILD, name))?;
    }
    for name in names(OLD) {
        let (old, database) = (beside(root, OLD, name), root.join(name));
        if exists(vfs, &database)? {
            remove_tree(vfs, &old)?;
        } else {
            rename(vfs, root, &old, &database)?;
        }
    }
    Ok(())
}

/// The database that a directory may stand for while none has its name, before it those that rather do.
pub(super) fn stands_for(directory: &str) -> Option<(usize, &str)> {
    let mut prefixes = [READY, OLD].iter().enumerate();
    prefixes.find_map(|(place, prefix)| {
        let name = directory.strip_prefix(prefix)?;
        check_database_name(name.as_bytes()).is_ok().then_some((place, name))
    })
}

/// Copies every file that is not made anew (manifest.toml, checkpoints, archives and what else there is), and forces
/// the directory with all in it to the device.
pub(super) fn complete(vfs: &dyn Vfs, from: &Path, to: &Path) -> Result<()> {
    let list = |path: &Path| vfs.read_dir(path).map_err(|e| Error::io("list", path, e));
    for entry in list(from)?.into_iter().filter(|entry| !entry.is_dir && !is_made(&entry.name)) {
        if !exists(vfs, &to.join(&entry.name))? {
            copy(vfs, &from.join(&entry.name), &to.join(&entry.name))?;
        }
    }
    for entry in list(to)?.into_iter().filter(|entry| !entry.is_dir) {
        let path = to.join(&entry.name);
        let synced = vfs.open(&path, OpenMode::Write).and_then(|file| file.sync());
        synced.map_err(|e| Error::io("fsync", &path, e))?;
    }
    sync(vfs, to)
}

/// Whether a file holds rows of metrics, or says what is in one that does. Events are made by nobody here.
fn is_made(name: &str) -> bool {
    if is_events_file(name) {
        return false;
    }
    let is_data = |kind: &str| name.strip_prefix(kind).is_some_and(|rest| rest.contains(".dat"));
    name.ends_with(".tmp")
        || name == layout::FILES
        || name.ends_with(".wal")
        || name.ends_with(".wal.next")
        || name.ends_with(".sources")
        || [layout::DATA, layout::RAW, layout::METRIC].into_iter().any(is_data)
}

fn copy(vfs: &dyn Vfs, from: &Path, to: &Path) -> Result<()> {
    let source = vfs.open(from, OpenMode::Read).map_err(|e| Error::io("open", from, e))?;
    let target = vfs.open(to, OpenMode::Truncate).map_err(|e| Error::io("create", to, e))?;
    let mut buffer = vec![0; 1 << 18];
    let mut at = 0u64;
    loop {
        let read = source.read_at(&mut buffer, at).map_err(|e| Error::io("read", from, e))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        target.write_all_at(bytes, at).map_err(|e| Error::io("write", to, e))?;
        at = at.saturating_add(read as u64);
    }
}

fn exists(vfs: &dyn Vfs, path: &Path) -> Result<bool> {
    vfs.entry(path).map(|entry| entry.is_some()).map_err(|e| Error::io("look up", path, e))
}

fn rename(vfs: &dyn Vfs, root: &Path, from: &Path, to: &Path) -> Result<()> {
    vfs.rename(from, to).map_err(|e| Error::io("rename", from, e))?;
    sync(vfs, root)
}

fn sync(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
    vfs.sync_dir(directory).map_err(|e| Error::io("fsync", directory, e))
}

/// Removes a directory with all that is in it, where there is one.
fn remove_tree(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
    match exists(vfs, directory)? {
        true => crate::storage::copy::remove_tree(vfs, directory),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::vfs::sim::SimVfs;

    fn put(vfs: &SimVfs, path: &Path, text: &str) {
        vfs.create_dir_all(path.parent().unwrap()).unwrap();
        vfs.put(path, text.as_bytes()).unwrap();
    }

    #[test]
    fn what_an_earlier_replacement_left_is_in_the_way_of_no_later_one() {
        let vfs = SimVfs::new(1);
        let root = Path::new("/root");
        put(&vfs, &root.join(".old-d/data-2026-05-22.dat"), "from before the crash");
        put(&vfs, &root.join("d/data-2026-05-22.dat"), "replaced");
        put(&vfs, &root.join(".ready-d/data-2026-05-22.dat"), "new");
        finish(&vfs, root, "d").unwrap();
        let files: Vec<_> = vfs.snapshot().into_iter().collect();
        assert_eq!(files, [(root.join("d/data-2026-05-22.dat"), b"new".to_vec())]);
    }
}
