//! What changes beside an open engine: files that go away under it, and databases that could not be opened for a reason that has
//! passed.

use super::Inner;
use super::lifecycle::check_is_free;
use super::maintenance::Upkeep;
use super::on_disk::directory_on_disk;
use super::workers::Workers;
use crate::database::Database;
use crate::layout;
use crate::{Error, Result};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How often files are looked for, at least.
const LOOK: Duration = Duration::from_secs(30);

impl Inner {
    /// Whether it is time to look whether the files of a database are there.
    pub(super) fn is_look_due(&self, upkeep: &Upkeep) -> bool {
        let interval = self.environment.config.maintenance.interval;
        let every = if interval.is_zero() { LOOK } else { interval.min(LOOK) };
        upkeep.is_look_due(self.environment.clock.monotonic(), every)
    }

    /// Looks on a thread that may wait for the disk.
    pub(super) fn look_for_files(self: &Arc<Self>, workers: &Workers, database: &Arc<Database>) {
        let (engine, database) = (Arc::downgrade(self), Arc::clone(database));
        workers.run(Box::new(move || {
            if let Some(engine) = engine.upgrade().filter(|engine| !engine.is_closing()) {
                engine.refuse_gone(&database);
                database.save_list();
            }
        }));
    }

    /// A database whose directory, catalog or log is gone takes nothing more.
    pub(super) fn refuse_gone(&self, database: &Database) {
        // While another takes its place, and then for ever, it has no directory of its name.
        let is_its_own = || {
            !self.replacing.is(database.name())
                && self.all_databases().iter().any(|open| open.instance() == database.instance())
        };
        if let Some(error) = is_its_own().then(|| database.find_gone()).flatten()
            && is_its_own()
        {
            database.poison(&error);
        }
    }

    /// Refuses to make a database in a root that is not there: a mount point without its stick is a directory, too.
    pub(super) fn check_root(&self, database: &str) -> Result<()> {
        let vfs = &*self.environment.vfs;
        let found = vfs.entry(&self.root).map_err(|e| Error::io("look up", &self.root, e))?;
        let lock = self.root.join(layout::LOCK);
        let is_there = found
            .is_some_and(|found| found.is_dir && (found.id == self.root_id || matches!(vfs.entry(&lock), Ok(Some(_)))));
        if is_there {
            return Ok(());
        }
        let reason = format!("{}: the data directory went away while it was in use", self.root.display());
        Err(Error::ReadOnly { database: database.to_owned(), reason })
    }

    /// Tries again to open what could not be opened because the machine lacked something.
    pub(super) fn open_again(&self) {
        let names: Vec<String> = self.passing.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        for name in names {
            if self.is_closing() {
                return;
            }
            match self.open_failed(&name) {
                Ok(()) => tracing::info!(database = name, "the database could be opened now"),
                Err(error) if error.is_passing() => continue,
                Err(error) => {
                    let mut failed = self.failed.write().unwrap_or_else(PoisonError::into_inner);
                    failed.insert(name.clone(), error.to_string());
                }
            }
            self.passing.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        }
    }

    fn open_failed(&self, name: &str) -> Result<()> {
        let directory = directory_on_disk(&*self.environment.vfs, &self.root, name)?;
        let directory = directory.unwrap_or_else(|| self.root.join(name));
        let mut databases = self.databases.write().unwrap_or_else(PoisonError::into_inner);
        if self.is_closing() || databases.contains_key(name) {
            return Ok(());
        }
        check_is_free(&*self.environment.vfs, &databases, name, &directory)?;
        let database = Arc::new(Database::open(name, &directory, self.environment.clone())?);
        databases.insert(name.to_owned(), Arc::clone(&database));
        self.failed.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        drop(databases);
        self.refuse_expired(&database);
        Ok(())
    }

    /// Whether there is something for [`Inner::open_again`].
    pub(super) fn has_passing(&self) -> bool {
        !self.passing.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
