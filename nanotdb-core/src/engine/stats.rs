//! The engine's numbers about itself: collected from where they are kept, and written into the database `internal`.

use super::{Engine, INTERNAL_DATABASE};
use crate::Result;
use crate::config::{Manifest, RetentionAction, StatsSection};
use crate::database::{Batch, DatabaseSize};
use crate::model::Number;
use crate::plugin::registry::registry;
use crate::stats::{Counters, Exposition, Metric, Recorder, Source, Unit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

static CACHE_HITS: Metric =
    Metric::counter("nanotdb.cache.hits", Unit::Count, "Parts of metric files that queries found in memory.");
static CACHE_MISSES: Metric =
    Metric::counter("nanotdb.cache.misses", Unit::Count, "Parts of metric files that had to be read and decoded.");
static CACHE_BYTES: Metric =
    Metric::gauge("nanotdb.cache.bytes", Unit::Bytes, "Memory that decoded parts of metric files take.");
static METRICS: Metric = Metric::gauge("nanotdb.database.metrics", Unit::Count, "Metrics.").by(&["database"]);
static OPEN_ROWS: Metric =
    Metric::gauge("nanotdb.database.open_rows", Unit::Count, "Rows that are in no data file yet.").by(&["database"]);
static PARTITIONS: Metric = Metric::gauge("nanotdb.database.partitions", Unit::Count, "Partitions.").by(&["database"]);
static FILES: Metric =
    Metric::gauge("nanotdb.database.files", Unit::Count, "Raw files and metric files.").by(&["database"]);
static BYTES: Metric = Metric::gauge("nanotdb.database.bytes", Unit::Bytes, "Their size.").by(&["database"]);
static WAL_BYTES: Metric =
    Metric::gauge("nanotdb.database.wal_bytes", Unit::Bytes, "Size of the write-ahead logs.").by(&["database"]);
static READ_ONLY: Metric =
    Metric::gauge("nanotdb.database.read_only", Unit::Count, "1 when the database takes no writes after an error.")
        .by(&["database"]);

/// What [`Engine::collect_stats`] gives after [`crate::stats::COUNTED`].
pub static ABOUT_DATABASES: [&Metric; 10] = [
    &CACHE_HITS,
    &CACHE_MISSES,
    &CACHE_BYTES,
    &METRICS,
    &OPEN_ROWS,
    &PARTITIONS,
    &FILES,
    &BYTES,
    &WAL_BYTES,
    &READ_ONLY,
];

/// The manifest.toml that `internal` is created with: a month of days, and no WAL. A crash then takes up to an hour of the
/// engine's numbers about itself, and writing them costs the device one page an hour.
pub fn internal_manifest(defaults: &Manifest) -> Manifest {
    let mut manifest = Manifest::default();
    manifest.retention.retention_days = 30;
    manifest.retention.retention_action = RetentionAction::Delete;
    manifest.wal.enabled = false;
    manifest.page.max_age = Duration::from_secs(3_600);
    manifest.page.codec.clone_from(&defaults.page.codec);
    // A program with plugins of its own may have come without this one.
    if registry().partitioner(&manifest.retention.partition).is_err() {
        manifest.retention.partition.clone_from(&defaults.retention.partition);
    }
    manifest
}

/// Writes one sample per number, every `stats.interval`.
pub(super) struct StatsWriter {
    config: StatsSection,
    /// Monotonic time of the last samples, or of the start.
    last: Mutex<Duration>,
    batch: Mutex<Batch>,
    sources: RwLock<Vec<Arc<dyn Source>>>,
    /// Whether the last samples could not be written: that is said once.
    failing: AtomicBool,
    writing: AtomicBool,
}

impl StatsWriter {
    pub(super) fn new(config: StatsSection, now: Duration) -> Self {
        Self {
            config,
            last: Mutex::new(now),
            batch: Mutex::default(),
            sources: RwLock::default(),
            failing: AtomicBool::new(false),
            writing: AtomicBool::new(false),
        }
    }

    /// Whether an interval has passed since this was true for the last time.
    pub(super) fn due(&self, now: Duration) -> bool {
        if !self.config.enabled {
            return false;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = now.saturating_sub(*last) >= self.config.interval;
        if due {
            *last = now;
        }
        due
    }
}

/// Makes a number a sample of `internal`.
struct Samples<'a> {
    batch: &'a mut Batch,
    name: String,
}

impl Recorder for Samples<'_> {
    fn record(&mut self, metric: &'static Metric, labels: &[&str], value: u64) {
        self.name.clear();
        metric.push_internal_name(labels, &mut self.name);
        // Without a timestamp: all of a batch then get the same one, and none is refused when the clock steps back.
        let value = Number::integer(i64::try_from(value).unwrap_or(i64::MAX));
        self.batch.push(INTERNAL_DATABASE, &self.name, value, None);
    }
}

impl Engine {
    /// What the engine counts.
    pub fn counters(&self) -> &Counters {
        &self.inner.environment.counters
    }

    /// Shows the numbers of something beside the engine together with its own.
    pub fn add_stats_source(&self, source: Arc<dyn Source>) {
        self.inner.stats.sources.write().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// Gives all numbers as they are now. Lists no directory and reads no file of a database.
    pub fn collect_stats(&self, out: &mut dyn Recorder) {
        self.counters().collect(out);
        let cache = &self.inner.environment.metric_cache;
        let (hits, misses) = cache.hits_and_misses();
        out.record(&CACHE_HITS, &[], hits);
        out.record(&CACHE_MISSES, &[], misses);
        out.record(&CACHE_BYTES, &[], cache.bytes() as u64);
        for database in self.all_databases() {
            let (label, size) = ([database.name()], database.size());
            out.record(&METRICS, &label, size.metrics);
            out.record(&OPEN_ROWS, &label, size.open_rows);
            out.record(&PARTITIONS, &label, size.partitions);
            out.record(&FILES, &label, size.files);
            out.record(&BYTES, &label, size.bytes);
            out.record(&WAL_BYTES, &label, size.wal_bytes);
            out.record(&READ_ONLY, &label, u64::from(database.failure().is_some()));
        }
        for source in self.inner.stats.sources.read().unwrap_or_else(PoisonError::into_inner).iter() {
            source.collect(out);
        }
    }

    /// Databases with how large they are, by name. Lists no directory and reads no file.
    pub fn sizes(&self) -> Vec<(String, DatabaseSize)> {
        self.all_databases().iter().map(|database| (database.name().to_owned(), database.size())).collect()
    }

    /// All numbers as Prometheus text.
    pub fn stats_exposition(&self) -> String {
        let mut exposition = Exposition::default();
        self.collect_stats(&mut exposition);
        exposition.text()
    }

    /// [`Engine::write_stats`] for the engine's threads. A failure is logged, once until it ends: a database that
    /// takes no writes must not fill the log.
    pub(super) fn write_due_stats(&self) {
        let writer = &self.inner.stats;
        // One that hangs on its disk must not be joined by another one every interval.
        if self.inner.is_closing() || writer.writing.swap(true, Ordering::AcqRel) {
            return;
        }
        match self.write_stats() {
            Ok(()) => writer.failing.store(false, Ordering::Relaxed),
            Err(_) if self.inner.is_closing() => {}
            Err(error) => {
                if !writer.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "the engine's own metrics cannot be written");
                }
            }
        }
        writer.writing.store(false, Ordering::Release);
    }

    /// Writes one sample per number into the database `internal`, which is created when it is missing. The threads of an
    /// engine do that every `stats.interval`; an engine without threads does it only here.
    pub fn write_stats(&self) -> Result<()> {
        let manifest = internal_manifest(&self.config().manifest_defaults);
        self.inner.get_or_create(INTERNAL_DATABASE, Some(&|| manifest.to_toml()))?.check_writable()?;
        let mut batch = self.inner.stats.batch.lock().unwrap_or_else(PoisonError::into_inner);
        self.collect_stats(&mut Samples { batch: &mut batch, name: String::new() });
        let outcome = self.write_batch(&mut batch)?;
        drop(batch);
        self.counters().wal_sync_peak.roll();
        if let Some(first) = outcome.rejections.first() {
            tracing::debug!(rejected = outcome.rejected, reason = first.reason, "some of the engine's own metrics");
        }
        Ok(())
    }
}
