//! One database: open and recover, write, flush, seal, read.

mod batch;
mod commit;
mod compact;
mod content;
mod coverage;
mod describe;
mod directory;
mod durable;
mod events;
mod expire;
mod files;
mod flush;
mod frames;
mod install;
pub(crate) mod journal;
mod known_log;
mod last;
mod logs;
mod names;
mod naming;
mod open;
mod partition;
mod presence;
mod reader;
mod recovery;
mod repeats;
mod replay;
mod restore;
mod size;
mod snapshot;
mod state;
mod typing;
mod unread;
mod warnings;
mod widen;
mod writer;

pub(crate) use expire::part_of;
pub(crate) use flush::{next_wal_name, wal_name};
pub(crate) use logs::Logs;
pub(crate) use open::{Wals, read_wals};

use crate::order;
pub use batch::{Batch, BatchOutcome, Rejection};
pub use compact::{CompactedFile, Compaction};
pub use coverage::Covered;
pub(crate) use coverage::{Digest, source_of};
pub use describe::{FileDescription, PageDescription, PartitionDescription};
pub(crate) use durable::FlushMark;
pub(crate) use events::EventPartitions;
pub use expire::Removed;
pub use naming::Named;
pub(crate) use naming::owner_of;
pub use partition::{MetricFiles, ScanReport};
pub(crate) use partition::{OpenPartition, OpenRaw, WholePartition};
pub use size::DatabaseSize;
use size::WalSize;
pub use snapshot::{PartitionSnapshot, Snapshot};
pub use state::{Last, MetricEntry, MetricSlot, PartitionFile, PartitionFiles, RawKind, State};
pub use writer::Receipt;

use crate::clock::Clock;
use crate::config::{EngineConfig, Manifest, Mixing, ValueWidth};
use crate::model::{MetricId, Operands, ValueType};
use crate::plugin::Partitioner;
use crate::stats::Counters;
use crate::storage::MetricCache;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use commit::CommitLog;
use flush::Flush;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use writer::Writer;

/// How long a batch that there was no space for counts as what the disk is like.
const FULL_FOR: Duration = Duration::from_secs(300);

/// What every database of an engine shares.
#[derive(Clone)]
pub struct Environment {
    /// File system.
    pub vfs: Arc<dyn Vfs>,
    /// Clocks.
    pub clock: Arc<dyn Clock>,
    /// engine.toml.
    pub config: Arc<EngineConfig>,
    /// What was decoded of metric files.
    pub metric_cache: Arc<MetricCache>,
    /// Whether threads are made: for maintenance, flushes, queries of much data.
    pub threads: bool,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// Whether an int64 metric holds an integer that float64 has not, or samples that cannot be read. It takes a scan, which is above here.
    pub has_large_integers: fn(&Database, MetricId) -> Result<bool>,
}

/// A metric as its catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricInfo {
    /// Name within the database.
    pub name: String,
    /// Id in this database.
    pub id: MetricId,
    /// Value type.
    pub value_type: ValueType,
    /// Its float32 values are a program's and mean themselves, and not the decimals of a text.
    pub typed: bool,
}

impl MetricInfo {
    fn of(name: &str, id: MetricId, entry: &MetricEntry) -> Self {
        Self { name: name.to_owned(), id, value_type: entry.value_type, typed: entry.typed }
    }

    /// What aggregates of it are computed of.
    pub fn operands(&self) -> Operands {
        Operands { value_type: self.value_type, typed: self.typed }
    }
}

/// One database. All methods may be called from any thread.
pub struct Database {
    /// Unique among all that this process opened.
    instance: u64,
    name: String,
    directory: PathBuf,
    /// Which directory that was when it was opened.
    directory_id: u64,
    environment: Environment,
    manifest: Manifest,
    partitioner: &'static dyn Partitioner,
    /// `None` when it is open for reading only.
    writer: Option<Mutex<Writer>>,
    commit: Option<CommitLog>,
    flush: Mutex<Flush>,
    /// Whether another thread was asked to flush and has not begun.
    flush_queued: AtomicBool,
    /// Held while a metric file is built.
    building: Mutex<()>,
    /// Whether nothing new may begin.
    closed: AtomicBool,
    state: RwLock<State>,
    wal_size: WalSize,
    /// What was mended, until somebody has seen it.
    warnings: warnings::Warnings,
    /// What files there were.
    files: files::FileList,
    /// Damage behind what was found as the newest sample of a metric.
    unread: unread::Unread,
    /// Samples of partitions that ended before this time are refused.
    cutoff: AtomicI64,
    /// What holds events, and so is kept.
    events: events::EventsMemory,
    /// Why nothing is written any more.
    poisoned: Mutex<Option<String>>,
    /// Why the last batch was not stored, when that was for lack of space, and the monotonic time.
    full: Mutex<Option<(Duration, String)>>,
    /// Why pages could not be made the last time: a codec that fails.
    trouble: Mutex<Option<String>>,
}

impl Database {
    /// Unique among all that this process opened.
    pub(crate) fn instance(&self) -> u64 {
        self.instance
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether a query may use several threads.
    pub(crate) fn may_use_threads(&self) -> bool {
        self.environment.threads
    }

    /// Its manifest.toml.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Metrics, by name.
    pub fn metrics(&self) -> Vec<MetricInfo> {
        let state = self.read_state();
        let mut metrics: Vec<_> =
            state.iter_metrics().filter(|(_, m)| !m.is_former).map(|(id, m)| MetricInfo::of(&m.name, id, m)).collect();
        order::sort_by(&mut metrics, |a, b| a.name.cmp(&b.name));
        metrics
    }

    /// Every id that rows have, by id: those that a widened metric had before too, under the same name.
    pub(crate) fn ids(&self) -> Vec<MetricInfo> {
        let state = self.read_state();
        state.iter_metrics().map(|(id, m)| MetricInfo::of(&m.name, id, m)).collect()
    }

    /// For metrics of which one or more have widened: see [`State::ids_of`]. `None` when none of them has.
    pub(crate) fn with_former(&self, metrics: &[MetricId]) -> Option<Vec<Vec<(MetricId, ValueType)>>> {
        let state = self.read_state();
        if state.former.is_empty() {
            return None;
        }
        let groups: Vec<_> = metrics.iter().map(|id| state.ids_of(*id)).collect();
        if groups.iter().all(Option::is_none) {
            return None;
        }
        let typed = |ids: Vec<MetricId>| ids.into_iter().map(|id| (id, state.type_of(id))).collect();
        Some(groups.into_iter().zip(metrics).map(|(ids, id)| typed(ids.unwrap_or_else(|| vec![*id]))).collect())
    }

    /// Whether any partition has a metric file.
    pub(crate) fn has_metric_files(&self) -> bool {
        !self.read_state().metric_files.is_empty()
    }

    /// Whether metrics may have 64 bits here.
    pub(crate) fn takes_64_bits(&self) -> bool {
        self.environment.config.values.width != ValueWidth::Bits32
    }

    /// Whether metrics of integers become float64 with the first float here.
    pub(crate) fn mixes(&self) -> bool {
        self.takes_64_bits() && self.environment.config.values.mixing == Mixing::Widen
    }

    /// What each metric's values are.
    pub(crate) fn operands(&self, metrics: &[MetricId]) -> Vec<Operands> {
        let state = self.read_state();
        let typed = |id: &MetricId| state.metric(*id).is_some_and(|metric| metric.typed);
        metrics.iter().map(|id| Operands { value_type: state.type_of(*id), typed: typed(id) }).collect()
    }

    /// Whether float32 values of a metric are a program's and mean themselves, and not the decimals of a text.
    pub(crate) fn is_typed(&self, id: MetricId) -> bool {
        self.read_state().metric(id).is_some_and(|metric| metric.typed)
    }

    /// One metric.
    pub fn metric(&self, name: &str) -> Option<MetricInfo> {
        let state = self.read_state();
        let id = *state.names.get(name)?;
        Some(MetricInfo::of(name, id, state.metric(id)?))
    }

    /// Why it does not accept writes any more, if so.
    pub fn failure(&self) -> Option<String> {
        self.poisoned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Monotonic time.
    pub(crate) fn now(&self) -> Duration {
        self.environment.clock.monotonic()
    }

    /// What the engine counts.
    pub(crate) fn counters(&self) -> &Counters {
        &self.environment.counters
    }

    /// Stops all writing: after an I/O error that leaves unknown what is durable.
    pub(crate) fn poison(&self, error: &Error) {
        let mut poisoned = self.poisoned.lock().unwrap_or_else(PoisonError::into_inner);
        if poisoned.is_none() {
            tracing::error!(database = self.name, %error, "the database is read-only from now on");
            *poisoned = Some(error.to_string());
        }
    }

    /// Stops all writing after an fsync that failed, since what is durable is unknown then; not after one that was not made, because
    /// there was no descriptor to open the directory with.
    pub(crate) fn doubt(&self, error: &Error) {
        if !error.is_out_of_files() {
            self.poison(error);
        }
    }

    /// Takes no sample and begins no build from now on, and waits for those that are under way. Flushes go on.
    pub(crate) fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        drop(self.building.lock().unwrap_or_else(PoisonError::into_inner));
        self.lock_writer().map(drop)
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        match self.closed.load(Ordering::Acquire) {
            true => Err(Error::bad_input("the engine is closed")),
            false => Ok(()),
        }
    }

    /// Why the last batch could not be stored, if that was for lack of space, and a few minutes ago at most: the next one may be,
    /// and who does not send again is no reason to call the disk full.
    pub fn lacks_space(&self) -> Option<String> {
        let is_recent = |since: &Duration| self.now().saturating_sub(*since) < FULL_FOR;
        self.lock_full().as_ref().filter(|(since, _)| is_recent(since)).map(|(_, reason)| reason.clone())
    }

    /// Why pages could not be flushed the last time: a codec that fails. Their rows are in memory and, where it is on, in the WAL.
    pub fn flush_trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A partitioner that panicked is the trouble of its database.
    fn partitioner_broke(&self, reason: &str) -> Error {
        let reason = format!("partitioner {}: {reason}", self.partitioner.name());
        Error::Incompatible { file: self.directory.clone(), reason }
    }

    /// Notes what became of a flush. Logs when that changes.
    pub(crate) fn note_flush(&self, outcome: &Result<()>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => {
                if trouble.take().is_some() {
                    tracing::info!(database = self.name, "pages are flushed again");
                }
            }
            Err(error @ Error::Incompatible { .. }) => {
                let reason = format!("pages cannot be flushed: {error}");
                if trouble.as_ref() != Some(&reason) {
                    tracing::error!(database = self.name, reason, "samples stay in memory and in the WAL");
                }
                *trouble = Some(reason);
            }
            // What is wrong with the disk has its own places.
            Err(_) => {}
        }
    }

    fn lock_full(&self) -> MutexGuard<'_, Option<(Duration, String)>> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what became of a batch: `Some(error)` when it was refused, `None` when it was stored. Logs when that changes.
    fn note_space(&self, error: Option<&Error>) {
        let mut full = self.lock_full();
        match error {
            None => {
                if full.take().is_some() {
                    tracing::info!(database = self.name, "there is space again; samples are stored");
                }
            }
            Some(Error::Full { file }) => {
                let file = file.display();
                let since = full.replace((self.now(), format!("no space left on device while writing {file}")));
                if since.is_none() {
                    tracing::error!(database = self.name, %file, "no space left; samples are refused until there is some");
                }
            }
            Some(_) => {}
        }
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        match self.failure() {
            Some(reason) => Err(Error::ReadOnly { database: self.name.clone(), reason }),
            None => Ok(()),
        }
    }

    fn lock_writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = self.writer.as_ref().ok_or_else(|| Error::ReadOnly {
            database: self.name.clone(),
            reason: "it was opened for reading only".into(),
        })?;
        Ok(writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
