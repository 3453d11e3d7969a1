//! Opening and closing a root.

use super::flusher::Flusher;
use super::maintenance::Maintenance;
use super::on_disk::{databases_on_disk, directory_on_disk};
use super::replace::{self, Replacing};
use super::rollup::Rollups;
use super::stats::StatsWriter;
use super::trusted_clock::TrustedClock;
use super::{Engine, EngineOptions, Inner};
use crate::config::{EngineConfig, ValueWidth, check_new_database_name};
use crate::database::{Database, Environment};
use crate::layout;
use crate::model::name;
use crate::order;
use crate::plugin::caught;
use crate::plugin::registry::registry;
use crate::storage::vfs::Vfs;
use crate::storage::{DirectoryLock, MetricCache};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Target of the log line of a database that cannot be opened, for programs that say it themselves ([`Engine::health`]).
pub const UNAVAILABLE: &str = "nanotdb_core::engine::unavailable";

impl Engine {
    /// [`Engine::open`] on another file system or clock.
    pub fn open_with(root: &Path, config: EngineConfig, options: EngineOptions) -> Result<Engine> {
        registry().check()?;
        let vfs = &*options.vfs;
        create_root(vfs, root)?;
        let lock = DirectoryLock::acquire(vfs, root)?;
        replace::recover(vfs, root)?;
        let engine = Self::with_databases(root, config, &options, Some(lock))?;
        for name in &engine.config().default_databases.clone() {
            engine.create_database(name)?;
        }
        if engine.config().values.width == ValueWidth::Bits32 {
            tracing::warn!(
                "[values] width = \"32\": decimals that float32 does not give back are rounded; nanotdb.ingest.rounded counts them"
            );
        }
        // Rings and other mistakes of rollups are told at once.
        drop(engine.inner.runner());
        if options.background {
            *engine.inner.flusher.lock().unwrap_or_else(PoisonError::into_inner) = Some(Flusher::start()?);
            let maintenance = Maintenance::start(&engine.inner)?;
            *engine.inner.maintenance.lock().unwrap_or_else(PoisonError::into_inner) = Some(maintenance);
        }
        Ok(engine)
    }

    /// Opens a root for reading only: takes no lock, writes nothing, works beside a running server and sees its WAL rows.
    /// What the server writes later is not seen.
    pub fn open_read_only(root: &Path, config: EngineConfig) -> Result<Engine> {
        Self::open_read_only_with(root, config, EngineOptions::default())
    }

    /// [`Engine::open_read_only`] on another file system or clock.
    pub fn open_read_only_with(root: &Path, config: EngineConfig, options: EngineOptions) -> Result<Engine> {
        registry().check()?;
        if options.vfs.entry(root).map_err(|e| Error::io("look up", root, e))?.is_none_or(|e| !e.is_dir) {
            return Err(Error::NotFound(format!("no data directory {}", root.display())));
        }
        Self::with_databases(root, config, &options, None)
    }

    fn with_databases(
        root: &Path,
        config: EngineConfig,
        options: &EngineOptions,
        lock: Option<DirectoryLock>,
    ) -> Result<Engine> {
        let stats = config.stats.clone();
        let cache_bytes = usize::try_from(config.metrics.cache_bytes).unwrap_or(usize::MAX);
        let environment = Environment {
            vfs: Arc::clone(&options.vfs),
            clock: Arc::clone(&options.clock),
            metric_cache: Arc::new(MetricCache::new(cache_bytes)),
            counters: Arc::default(),
            has_large_integers: crate::query::integers::has_large_integers,
            config: Arc::new(config),
            threads: options.background,
        };
        let mut databases = HashMap::new();
        let (mut failed, mut passing) = (BTreeMap::new(), BTreeSet::new());
        let mut found = databases_on_disk(&*options.vfs, root)?;
        // Of two names for one directory the one that is a link has to be refused.
        order::sort_by_key(&mut found, |(_, directory)| {
            options.vfs.resolve(directory).is_ok_and(|real| real != *directory)
        });
        for (name, directory) in found {
            let opened = match lock {
                Some(_) => caught(|| {
                    check_is_free(&*options.vfs, &databases, &name, &directory)?;
                    Database::open(&name, &directory, environment.clone())
                }),
                None => caught(|| open_beside_server(root, &name, directory.clone(), &environment)),
            };
            // Code of others runs in there, and whose trouble it is is clear.
            let opened = opened.unwrap_or_else(|reason| Err(Error::Incompatible { file: directory, reason }));
            match opened {
                Ok(database) => {
                    databases.insert(name, Arc::new(database));
                }
                Err(error) => {
                    tracing::error!(target: UNAVAILABLE, database = name, %error, "the database could not be opened; the others are served");
                    if error.is_passing() {
                        passing.insert(name.clone());
                    }
                    failed.insert(name, error.to_string());
                }
            }
        }
        let writable = lock.is_some();
        let mut trusted = TrustedClock::load(&*options.vfs, root);
        trusted.observe(options.clock.now(), options.clock.monotonic());
        let inner = Inner {
            root: root.to_owned(),
            root_id: options.vfs.entry(root).ok().flatten().map_or(0, |entry| entry.id),
            environment,
            databases: RwLock::new(databases),
            failed: RwLock::new(failed),
            passing: Mutex::new(passing),
            lock: Mutex::new(lock),
            maintenance: Mutex::new(None),
            upkeep: Mutex::default(),
            trusted: Mutex::new(trusted),
            clock_file: Mutex::default(),
            gates: RwLock::default(),
            flusher: Mutex::new(None),
            writable,
            closed: AtomicBool::new(false),
            stats: StatsWriter::new(stats, options.clock.monotonic()),
            rollups: Rollups::default(),
            replacing: Replacing::default(),
        };
        for database in inner.all_databases() {
            inner.refuse_expired(&database);
        }
        Ok(Engine { inner: Arc::new(inner) })
    }

    /// Creates a database if it is missing.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.get_or_create(name).map(|_| ())
    }

    pub(super) fn get_or_create(&self, name: &str) -> Result<Arc<Database>> {
        self.inner.get_or_create(name, None)
    }

    /// Flushes every open page and empties the WALs.
    pub fn flush(&self) -> Result<()> {
        first_error(self.all_databases().iter().map(|d| d.flush()))
    }

    /// The first half of [`Engine::flush`]: every open page is frozen, and what is written from now on goes to new ones.
    /// Waits for no disk unless an earlier flush must be finished first.
    pub fn begin_flush(&self) -> Result<()> {
        first_error(self.all_databases().iter().map(|d| d.begin_flush()))
    }

    /// The second half: writes what is frozen, if anything is.
    pub fn finish_flush(&self) -> Result<()> {
        first_error(self.all_databases().iter().map(|d| d.finish_flush()))
    }

    /// Why writes are refused, per database that is read-only after an error, could not be opened, or had no space for the last
    /// batch, or has so much that cannot be flushed that it takes no more. Empty when healthy.
    pub fn health(&self) -> Vec<(String, String)> {
        let failed = self.inner.failed.read().unwrap_or_else(PoisonError::into_inner).clone().into_iter();
        let refusing = |d: &Database| {
            d.failure().or_else(|| d.lacks_space()).or_else(|| d.flush_trouble().filter(|_| d.is_piled_up()))
        };
        let refused = self.all_databases().into_iter().filter_map(|d| Some((d.name().to_owned(), refusing(&d)?)));
        failed.chain(refused).collect()
    }

    /// Flushes, stops maintenance and releases the lock. Later writes fail. Idempotent.
    pub fn close(&self) -> Result<()> {
        self.inner.close()
    }
}

/// Refuses a directory that is open under another name, because it was renamed since or a link leads to it: two that write one log
/// write over each other's samples.
pub(super) fn check_is_free(
    vfs: &dyn Vfs,
    databases: &HashMap<String, Arc<Database>>,
    name: &str,
    directory: &Path,
) -> Result<()> {
    let Some(found) = vfs.entry(directory).map_err(|e| Error::io("look up", directory, e))? else { return Ok(()) };
    match databases.values().find(|other| other.name() != name && other.is_in(found.id)) {
        Some(other) => {
            let reason = format!(
                "{} is the directory of database {:?}, which is open; a directory that was renamed has its new name after a restart, and \
                 a link to one is no database of its own",
                directory.display(),
                other.name()
            );
            Err(Error::Unavailable { database: name.to_owned(), reason })
        }
        None => Ok(()),
    }
}

impl Inner {
    /// A database, created when it is missing: with the manifest that is given, or else with the defaults.
    pub(super) fn get_or_create(&self, name: &str, manifest: Option<&dyn Fn() -> String>) -> Result<Arc<Database>> {
        if let Some(database) = self.database(name) {
            return Ok(database);
        }
        self.check_open()?;
        name::check_database_name(name.as_bytes()).map_err(Error::BadInput)?;
        if let Some(reason) = self.failure_of(name) {
            return Err(Error::Unavailable { database: name.to_owned(), reason });
        }
        check_new_database_name(name, &self.environment.config).map_err(Error::BadInput)?;
        let mut databases = self.databases.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = databases.get(name) {
            return Ok(Arc::clone(database));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::bad_input("the engine is closed"));
        }
        if self.replacing.is(name) {
            drop(databases);
            return self.get_or_create(name, manifest);
        }
        if !self.writable {
            let reason = "the root was opened for reading only".to_owned();
            return Err(Error::ReadOnly { database: name.to_owned(), reason });
        }
        let limit = self.environment.config.limits.max_databases;
        if databases.len() as u64 >= limit {
            let detail = format!("database {name:?} would be one more");
            return Err(Error::Limit { key: "limits.max_databases", limit, detail });
        }
        self.check_root(name)?;
        let directory = self.root.join(name);
        if let Some(manifest) = manifest {
            write_new_manifest(&*self.environment.vfs, &directory, manifest)?;
        }
        check_is_free(&*self.environment.vfs, &databases, name, &directory)?;
        let database = Arc::new(Database::open(name, &directory, self.environment.clone())?);
        tracing::info!(database = name, "created a database");
        databases.insert(name.to_owned(), Arc::clone(&database));
        Ok(database)
    }

    fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let maintenance = self.maintenance.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(maintenance);
        let flusher = self.flusher.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(flusher);
        self.wait_for_backfill();
        let databases = self.all_databases();
        let outcome = match self.writable {
            // Who came past the look at `closed` before it was set is waited for. A step that fails keeps no other from its turn.
            true => first_error(databases.iter().map(|database| database.close()))
                .and(first_error(databases.iter().filter(|d| d.failure().is_none()).map(|d| d.flush_to_close())))
                .and(self.save_checkpoints())
                .inspect(|()| databases.iter().filter(|d| d.failure().is_none()).for_each(|d| d.note_lengths())),
            false => Ok(()),
        };
        drop(databases);
        self.watch_clock();
        if self.writable
            && self.has_retention()
            && let Err(error) = self.save_clock()
        {
            tracing::warn!(%error, "what retention believes of the clock is what was saved before");
        }
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "closing the engine; what was acknowledged is in the WAL");
        }
    }
}

/// Opens a database for reading, wherever a server that replaces it meanwhile has put it.
fn open_beside_server(root: &Path, name: &str, directory: PathBuf, environment: &Environment) -> Result<Database> {
    let mut directory = directory;
    loop {
        match Database::open_read_only(name, &directory, environment.clone()) {
            Err(error) => match directory_on_disk(&*environment.vfs, root, name)? {
                Some(other) if other != directory => directory = other,
                _ => return Err(error),
            },
            opened => return opened,
        }
    }
}

/// manifest.toml of a database that is to be created, unless there is one.
fn write_new_manifest(vfs: &dyn Vfs, directory: &Path, text: &dyn Fn() -> String) -> Result<()> {
    let path = directory.join(layout::MANIFEST);
    if vfs.entry(&path).map_err(|e| Error::io("look up", &path, e))?.is_some_and(|entry| entry.len > 0) {
        return Ok(());
    }
    vfs.create_dir_all(directory).map_err(|e| Error::io("create", directory, e))?;
    vfs.replace(&path, text().as_bytes()).map_err(|e| Error::io("write", &path, e))
}

/// Makes the root, and the names of every directory made on the way durable.
fn create_root(vfs: &dyn Vfs, root: &Path) -> Result<()> {
    let mut missing = Vec::new();
    let mut at = Some(root);
    while let Some(directory) = at.filter(|d| !d.as_os_str().is_empty()) {
        if vfs.entry(directory).map_err(|e| Error::io("look up", directory, e))?.is_some() {
            break;
        }
        missing.push(directory);
        at = directory.parent();
    }
    vfs.create_dir_all(root).map_err(|e| Error::io("create", root, e))?;
    let parent = |directory: &Path| directory.parent().unwrap_or(Path::new(".")).to_owned();
    if missing.is_empty() {
        // A process that made it may have been killed before its name was durable. Not every user may open the parent.
        return match vfs.sync_dir(&parent(root)) {
            Err(e) if e.kind() != std::io::ErrorKind::PermissionDenied => Err(Error::io("fsync", parent(root), e)),
            _ => Ok(()),
        };
    }
    for parent in missing.into_iter().map(parent) {
        vfs.sync_dir(&parent).map_err(|e| Error::io("fsync", &parent, e))?;
    }
    Ok(())
}

/// Carries out all of them: one database never keeps another from its turn.
fn first_error(outcomes: impl Iterator<Item = Result<()>>) -> Result<()> {
    let mut first = Ok(());
    for outcome in outcomes {
        first = first.and(outcome);
    }
    first
}
