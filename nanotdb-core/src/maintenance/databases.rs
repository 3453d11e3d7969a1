//! Creating, removing and renaming whole databases, with the lock of their root.
//!
//! What a crash interrupts is there wholly or not at all: a directory is made, and removed, under a name that no database can
//! have, and one rename gives or takes the real one.

use crate::clock::Clock;
use crate::config::{EngineConfig, Manifest, check_new_database_name};
use crate::database::{Database, Environment, next_wal_name, wal_name};
use crate::engine::{EngineOptions, databases_on_disk, recover_replacements};
use crate::format::catalog;
use crate::format::events::log_name;
use crate::layout;
use crate::model::name::{INTERNAL_DATABASE, check_database_name};
use crate::storage::copy::{copy_file, remove_tree};
use crate::storage::vfs::Vfs;
use crate::storage::{DirectoryLock, MetricCache};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How names start that no database has.
const HIDDEN: [&str; 2] = [".new-", ".dropped-"];

/// A root whose lock this process has.
pub struct LockedRoot {
    root: PathBuf,
    config: EngineConfig,
    vfs: Arc<dyn Vfs>,
    clock: Arc<dyn Clock>,
    _lock: DirectoryLock,
}

impl LockedRoot {
    /// Takes the lock of a root that exists, and removes what an interrupted command left.
    pub fn open(root: &Path, config: EngineConfig, options: &EngineOptions) -> Result<Self> {
        let vfs = Arc::clone(&options.vfs);
        let lock = DirectoryLock::acquire(&*vfs, root)?;
        // A database between two names would later take the place of one that is made here.
        recover_replacements(&*vfs, root)?;
        for entry in vfs.read_dir(root).map_err(|e| Error::io("list", root, e))? {
            if entry.is_dir && HIDDEN.iter().any(|prefix| entry.name.starts_with(prefix)) {
                let left = root.join(entry.name);
                if let Err(error) = remove_tree(&*vfs, &left) {
                    // It is in nobody's way: no database has such a name.
                    tracing::warn!(%error, "what an interrupted command left stays");
                }
            }
        }
        Ok(Self { root: root.to_owned(), config, vfs, clock: Arc::clone(&options.clock), _lock: lock })
    }

    fn sync(&self, directory: &Path) -> Result<()> {
        self.vfs.sync_dir(directory).map_err(|e| Error::io("fsync", directory, e))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.vfs.rename(from, to).map_err(|e| Error::io("rename", from, e))?;
        self.sync(&self.root)
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        check_database_name(name.as_bytes()).map_err(Error::BadInput)?;
        Ok(self.root.join(name))
    }

    fn existing(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name)?;
        super::target::only(&mut databases_on_disk(&*self.vfs, &self.root)?, name, &self.root)?;
        Ok(path)
    }

    fn free(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name)?;
        check_new_database_name(name, &self.config).map_err(Error::BadInput)?;
        match self.vfs.entry(&path).map_err(|e| Error::io("look up", &path, e))? {
            None => Ok(path),
            Some(_) => Err(Error::bad_input(format!("{} exists already", path.display()))),
        }
    }

    /// A place of this name, or with a number behind it: there may be one that could not be removed.
    fn unused(&self, name: &str) -> Result<PathBuf> {
        let mut path = self.root.join(name);
        for number in 2..u32::MAX {
            if self.vfs.entry(&path).map_err(|e| Error::io("look up", &path, e))?.is_none() {
                break;
            }
            path = self.root.join(format!("{name}.{number}"));
        }
        Ok(path)
    }

    /// Makes an empty database. [`Error::BadInput`] when there is something of that name.
    pub fn create(&self, name: &str, manifest: &Manifest) -> Result<()> {
        let path = self.free(name)?;
        manifest.check_plugins(&path.join(layout::MANIFEST))?;
        let making = self.unused(&format!("{}{name}", HIDDEN[0]))?;
        self.vfs.create_dir_all(&making).map_err(|e| Error::io("create", &making, e))?;
        super::target::put(&*self.vfs, &making.join(layout::MANIFEST), manifest.to_toml().as_bytes())?;
        super::target::put(&*self.vfs, &making.join(layout::CATALOG), &catalog::encode(std::iter::empty()))?;
        self.sync(&making)?;
        self.rename(&making, &path)
    }

    /// Removes a database with all its files. Of one that is a link, the link goes and what it leads to stays.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.existing(name)?;
        let dropped = self.unused(&format!("{}{name}", HIDDEN[1]))?;
        self.rename(&path, &dropped)?;
        remove_tree(&*self.vfs, &dropped)?;
        self.sync(&self.root)
    }

    /// Gives a database another name. Its log bears its name, so that pages are flushed first and the empty log goes; the log of
    /// events gets the new name.
    pub fn rename_database(&self, name: &str, new: &str) -> Result<()> {
        let path = self.existing(name)?;
        if new == INTERNAL_DATABASE {
            let why = "is the database of the engine's own metrics, which is hidden; choose another name";
            return Err(Error::bad_input(format!("{new:?} {why}")));
        }
        let target = self.free(new)?;
        let environment = Environment {
            vfs: Arc::clone(&self.vfs),
            clock: Arc::clone(&self.clock),
            config: Arc::new(self.config.clone()),
            metric_cache: Arc::new(MetricCache::new(0)),
            counters: Arc::default(),
            has_large_integers: crate::query::integers::has_large_integers,
            threads: false,
        };
        let database = Database::open(name, &path, environment)?;
        database.flush()?;
        drop(database);
        for log in [next_wal_name(name), wal_name(name)] {
            let log = path.join(log);
            match self.vfs.entry(&log).map_err(|e| Error::io("look up", &log, e))? {
                None => {}
                Some(entry) if entry.len == 0 => {
                    self.vfs.remove_file(&log).map_err(|e| Error::io("remove", &log, e))?;
                }
                Some(_) => {
                    let reason = format!("{} still holds samples; free space on the disk and try again", log.display());
                    return Err(Error::bad_input(reason));
                }
            }
        }
        let (old, new) = (path.join(log_name(name)), path.join(log_name(new)));
        let has_events = self.vfs.entry(&old).map_err(|e| Error::io("look up", &old, e))?.is_some();
        if has_events {
            // Under both names until the directory has its new one: after a crash it is found whichever that has.
            remove_if_there(&*self.vfs, &new)?;
            if self.vfs.hard_link(&old, &new).is_err() {
                let copy = path.join(format!("{}.tmp", log_name(name)));
                remove_if_there(&*self.vfs, &copy)?;
                copy_file(&*self.vfs, &old, &copy)?;
                self.vfs.rename(&copy, &new).map_err(|e| Error::io("rename", &copy, e))?;
            }
        }
        self.sync(&path)?;
        self.rename(&path, &target)?;
        if has_events {
            remove_if_there(&*self.vfs, &target.join(log_name(name)))?;
            self.sync(&target)?;
        }
        Ok(())
    }
}

fn remove_if_there(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    match vfs.remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

/// Where a database is named: in rollups of the manifests of others, and in engine.toml. One text per place.
pub fn references(vfs: &dyn Vfs, root: &Path, config: &EngineConfig, name: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (_, directory) in databases_on_disk(vfs, root)?.iter().filter(|(other, _)| other != name) {
        let path = directory.join(layout::MANIFEST);
        // One that cannot be read is another matter: `manifest check` tells.
        let Ok(loaded) = Manifest::load(vfs, &path, &config.manifest_defaults) else { continue };
        let rollups = &loaded.value.rollups;
        if rollups.default_destination_db.as_deref() == Some(name) {
            found.push(format!("{}: rollups.default_destination_db", path.display()));
        }
        for job in rollups.jobs.iter().filter(|job| job.destination_db.as_deref() == Some(name)) {
            found.push(format!("{}: rollups.jobs {:?}: destination_db", path.display(), job.id));
        }
    }
    if config.default_databases.iter().any(|default| default == name) {
        found.push(format!("{}: defaults.databases", root.join(layout::ENGINE_TOML).display()));
    }
    Ok(found)
}
