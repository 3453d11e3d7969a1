//! Many databases under one root: routing, lifecycle, and the embedding API.

mod backfill;
mod build;
mod compact;
mod describe;
mod flusher;
mod lifecycle;
mod maintenance;
mod metric_files;
mod on_disk;
mod presence;
mod read;
mod replace;
mod retention;
mod rollup;
mod stats;
mod trusted_clock;
mod warnings;
mod workers;
mod write;

pub use crate::database::{
    Batch, BatchOutcome, CompactedFile, Compaction, DatabaseSize, FileDescription, MetricInfo, PageDescription,
    PartitionDescription, Rejection, Removed,
};
pub use crate::model::name::INTERNAL_DATABASE;
pub use crate::query::aggregate::{AggregateSink, WindowRows, Windows};
pub use crate::query::scan::{MetricFiles, ScanBlock, ScanCallback, ScanReport, ScanSink, ScanSlice, Slices, Stride};
pub use crate::query::windows::WindowRow;
pub use backfill::{BackfillProgress, BackfillStep};
pub use build::{BuildOptions, BuildProgress, BuildReport};
pub use describe::DatabaseDescription;
pub use lifecycle::UNAVAILABLE;
pub use maintenance::{DatabaseMaintenance, MaintenancePlan, MaintenanceReport};
pub use metric_files::Selection;
pub(crate) use on_disk::{databases_on_disk, directory_on_disk};
pub use read::Newest;
pub(crate) use replace::recover as recover_replacements;
pub use retention::{RetentionClock, RetentionGate};
pub use rollup::RollupCounters;
pub use stats::{ABOUT_DATABASES, internal_manifest};
pub use warnings::Warning;
pub use write::Submitted;

use crate::clock::{Clock, SystemClock};
use crate::config::EngineConfig;
use crate::database::{Database, Environment};
use crate::order;
use crate::storage::DirectoryLock;
use crate::storage::vfs::{RealVfs, Vfs};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// How an engine is opened.
#[derive(Clone)]
pub struct EngineOptions {
    /// The file system.
    pub vfs: Arc<dyn Vfs>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Whether threads of the engine do maintenance (flush of old pages, interval fsync), flush full pages and help queries of
    /// much data. Without them, call [`Engine::tick`], and [`Engine::settle`] flushes full pages.
    pub background: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { vfs: Arc::new(RealVfs), clock: Arc::new(SystemClock::default()), background: true }
    }
}

/// The engine: all databases of one root. Thread-safe; clones share it. Blocking, without any runtime.
///
/// ```
/// # use nanotdb_codecs as _; use nanotdb_ingest as _; use nanotdb_partitioners as _;
/// use nanotdb_core::config::EngineConfig;
/// use nanotdb_core::engine::Engine;
/// use std::ops::ControlFlow;
///
/// # fn main() -> nanotdb_core::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let root = directory.path();
/// let engine = Engine::open(root, EngineConfig::default())?;
/// engine.add_line("demo/room.temp 21.5 1715000000000000000")?;
/// engine.add_line("demo/room.temp 21.75 1715000010000000000")?;
/// let mut values = Vec::new();
/// engine.query_range("demo", "room.temp", 0, i64::MAX, 1, |sample| {
///     values.push(sample.value.to_string());
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(values, ["21.5", "21.75"]);
/// engine.close()
/// # }
/// ```
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    /// Which directory that was when it was opened.
    root_id: u64,
    environment: Environment,
    databases: RwLock<HashMap<String, Arc<Database>>>,
    /// Databases that could not be opened, with the reason.
    failed: RwLock<BTreeMap<String, String>>,
    /// Those among them that may be opened later: the machine lacked something.
    passing: Mutex<BTreeSet<String>>,
    /// `None` when open for reading only, and once closed.
    lock: Mutex<Option<DirectoryLock>>,
    maintenance: Mutex<Option<maintenance::Maintenance>>,
    /// By instance of the database.
    upkeep: Mutex<HashMap<u64, Arc<maintenance::Upkeep>>>,
    trusted: Mutex<trusted_clock::TrustedClock>,
    /// Held while what is believed of the clock is saved.
    clock_file: Mutex<()>,
    /// Who may hold expired partitions.
    gates: RwLock<Vec<Box<RetentionGate>>>,
    /// Without one, whoever fills a page flushes it.
    flusher: Mutex<Option<flusher::Flusher>>,
    writable: bool,
    closed: AtomicBool,
    stats: stats::StatsWriter,
    rollups: rollup::Rollups,
    replacing: replace::Replacing,
}

impl Engine {
    /// Opens (or creates) a root for writing: takes its lock and recovers every database.
    pub fn open(root: &Path, config: EngineConfig) -> Result<Engine> {
        Self::open_with(root, config, EngineOptions::default())
    }

    /// The configuration in force.
    pub fn config(&self) -> &EngineConfig {
        &self.inner.environment.config
    }

    /// The data directory.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// The clock in use.
    pub fn clock(&self) -> &dyn Clock {
        &*self.inner.environment.clock
    }

    /// The file system in use.
    pub fn file_system(&self) -> Arc<dyn Vfs> {
        Arc::clone(&self.inner.environment.vfs)
    }

    pub(crate) fn vfs(&self) -> &dyn Vfs {
        &*self.inner.environment.vfs
    }

    fn database(&self, name: &str) -> Option<Arc<Database>> {
        self.inner.database(name)
    }

    fn all_databases(&self) -> Vec<Arc<Database>> {
        self.inner.all_databases()
    }

    pub(crate) fn known_database(&self, name: &str) -> Result<Arc<Database>> {
        self.database(name).ok_or_else(|| {
            if let Some(reason) = self.inner.failure_of(name) {
                return Error::Unavailable { database: name.to_owned(), reason };
            }
            let known = self.database_names(false);
            let known =
                if known.is_empty() { "there are none".to_owned() } else { format!("there are {}", known.join(", ")) };
            Error::NotFound(format!("no database {name:?}; {known}"))
        })
    }
}

impl Inner {
    /// An open database. While another is put in its place, this waits.
    fn database(&self, name: &str) -> Option<Arc<Database>> {
        loop {
            let changes = self.replacing.changes();
            self.replacing.wait(name);
            let found = self.databases.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
            if found.is_some() || self.replacing.changes() == changes {
                return found;
            }
        }
    }

    /// Why a database could not be opened.
    fn failure_of(&self, name: &str) -> Option<String> {
        self.failed.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn all_databases(&self) -> Vec<Arc<Database>> {
        let databases = self.databases.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = databases.values().cloned().collect();
        order::sort_by(&mut all, |a, b| a.name().cmp(b.name()));
        all
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::bad_input("the engine is closed"));
        }
        Ok(())
    }
}
