//! What happens by itself: fsync and flush when they are due, rollups, metric files of sealed partitions, retention.
//!
//! One thread finds out what is due, per database, and never waits for a disk. Others, which are there only while there is
//! work, do it: one group the fsync and the flush of aged pages, another what may take minutes. Of a database each does one
//! thing at a time, so that a database whose disk hangs, or a long build, keeps no other database from its turn, and a
//! build no fsync.

use super::build::Builder;
use super::retention::only_events;
use super::workers::Workers;
use super::{BuildOptions, BuildReport, Engine, Inner};
use crate::config::{FsyncPolicy, RawIngestAction};
use crate::database::{Database, Removed};
use crate::model::Timestamp;
use crate::order;
use crate::plugin::{Partition, caught};
use crate::rollup::SourceReport;
use crate::{Error, Result};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// Threads for fsyncs and flushes that are due.
const QUICK: usize = 4;
/// Threads for builds and retention: each build may hold some tens of MiB.
const SLOW: usize = 2;
/// How often what is due is looked for, at least.
const LOOK: Duration = Duration::from_secs(1);
/// How long a task waits after its first failure; twice as long after each that follows, up to [`MOST_BACK_OFF`].
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
const MOST_BACK_OFF: Duration = Duration::from_secs(3_600);

/// What one round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaintenanceReport {
    /// Per database, by name; those that are read-only after an error are left out.
    pub databases: Vec<DatabaseMaintenance>,
    /// What went wrong that is of no database.
    pub errors: Vec<String>,
}

impl MaintenanceReport {
    /// Everything that went wrong.
    pub fn errors(&self) -> Vec<&str> {
        let of_databases = self.databases.iter().flat_map(|database| &database.errors);
        self.errors.iter().chain(of_databases).map(String::as_str).collect()
    }
}

/// What one round did for one database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseMaintenance {
    /// Its name.
    pub database: String,
    /// Open pages that were written to data files.
    pub pages_flushed: u64,
    /// Partitions whose time is over, and whose open page was flushed for that.
    pub sealed: Vec<String>,
    /// Rollups of it, when there was something to do.
    pub rolled_up: Option<SourceReport>,
    /// Metric files that were built.
    pub built: Vec<BuildReport>,
    /// Partitions that expired.
    pub removed: Vec<Removed>,
    /// Expired partitions that stay for now, with the reason.
    pub held: Vec<(String, String)>,
    /// What went wrong.
    pub errors: Vec<String>,
}

impl DatabaseMaintenance {
    /// Whether nothing was to be done.
    pub fn is_idle(&self) -> bool {
        *self == Self { database: self.database.clone(), ..Self::default() }
    }
}

/// What a round would do for one database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaintenancePlan {
    /// Samples that are in no data file yet.
    pub unflushed: u64,
    /// Partitions whose metric file would be built.
    pub build: Vec<String>,
    /// Partitions that would be removed.
    pub remove: Vec<Removed>,
    /// Partitions that are expired, and kept because they hold events, with the reason.
    pub held: Vec<(String, String)>,
    /// Partitions that are expired by the wall clock, which retention does not believe yet.
    pub unbelieved: Vec<String>,
}

/// Tasks that fail, and are put off, by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Task {
    Sync,
    Flush,
    RollUp,
    Build,
    Retention,
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Task::Sync => "fsync",
            Task::Flush => "flush of aged pages",
            Task::RollUp => "rollups",
            Task::Build => "metric files",
            Task::Retention => "retention",
        }
    }
}

/// A task that failed.
struct Trouble {
    reason: String,
    /// Monotonic time.
    until: Duration,
    back_off: Duration,
}

/// What is remembered of a database between rounds.
#[derive(Default)]
pub(super) struct Upkeep {
    quick: AtomicBool,
    slow: AtomicBool,
    times: Mutex<Times>,
}

#[derive(Default)]
struct Times {
    synced: Duration,
    looked: Option<Duration>,
    /// When files were looked for.
    found: Option<Duration>,
    troubles: HashMap<Task, Trouble>,
}

impl Upkeep {
    fn lock(&self) -> std::sync::MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether files were looked for so long ago; they are now, then.
    pub(super) fn is_look_due(&self, now: Duration, every: Duration) -> bool {
        let mut times = self.lock();
        let is_due = times.found.is_none_or(|found| now.saturating_sub(found) >= every);
        if is_due {
            times.found = Some(now);
        }
        is_due
    }

    /// Whether the task failed so recently that it is not tried again.
    fn is_put_off(&self, task: Task, now: Duration) -> bool {
        self.lock().troubles.get(&task).is_some_and(|trouble| now < trouble.until)
    }

    /// Notes what became of a task. A failure is logged when it is another one than before.
    fn note(&self, database: &Database, task: Task, now: Duration, outcome: Result<()>, errors: &mut Vec<String>) {
        let mut times = self.lock();
        let Err(error) = outcome else {
            if times.troubles.remove(&task).is_some() {
                tracing::info!(database = database.name(), task = task.name(), "works again");
            }
            return;
        };
        let reason = error.to_string();
        let before = times.troubles.remove(&task);
        if before.as_ref().is_none_or(|before| before.reason != reason) {
            tracing::error!(database = database.name(), task = task.name(), reason, "maintenance");
        }
        let back_off = back_off(before.map(|before| before.back_off));
        errors.push(reason.clone());
        times.troubles.insert(task, Trouble { reason, until: now.saturating_add(back_off), back_off });
    }
}

/// How long a task waits that has failed again, after it has waited so long before.
fn back_off(before: Option<Duration>) -> Duration {
    before.map_or(FIRST_BACK_OFF, |before| before.saturating_mul(2).min(MOST_BACK_OFF))
}

/// Something of a database that is under way; there is one of each kind.
struct Running(Arc<Upkeep>, fn(&Upkeep) -> &AtomicBool);

impl Running {
    fn begin(upkeep: &Arc<Upkeep>, which: fn(&Upkeep) -> &AtomicBool) -> Option<Self> {
        let is_free = !which(upkeep).swap(true, Ordering::AcqRel);
        is_free.then(|| Self(Arc::clone(upkeep), which))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.1(&self.0).store(false, Ordering::Release);
    }
}

/// The threads. Dropped, they end as soon as what has begun is over.
pub(super) struct Maintenance {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    quick: Arc<Workers>,
    slow: Arc<Workers>,
}

impl Maintenance {
    pub(super) fn start(engine: &Arc<Inner>) -> Result<Self> {
        let (stop, stopped) = channel::<()>();
        let quick = Arc::new(Workers::new("nanotdb-upkeep", QUICK));
        let slow = Arc::new(Workers::new("nanotdb-rewrite", SLOW));
        let wal = &engine.environment.config.wal;
        let look = if wal.fsync_policy == FsyncPolicy::Interval { LOOK.min(wal.fsync_interval) } else { LOOK };
        let engine: Weak<Inner> = Arc::downgrade(engine);
        let workers = (Arc::clone(&quick), Arc::clone(&slow));
        let run = move || {
            while stopped.recv_timeout(look) == Err(RecvTimeoutError::Timeout) {
                let Some(engine) = engine.upgrade() else { return };
                engine.hand_out(&workers.0, &workers.1);
            }
        };
        let thread = std::thread::Builder::new()
            .name("nanotdb-maint".into())
            .spawn(run)
            .map_err(|e| Error::io("start a thread in", "maintenance", e))?;
        Ok(Self { stop: Some(stop), thread: Some(thread), quick, slow })
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            // The thread itself may hold the last reference to the engine.
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
        self.quick.stop();
        self.slow.stop();
    }
}

impl Engine {
    /// One round of everything that happens by itself, now, for every database: interval fsync, the flush of pages that
    /// are old or whose partition is over, rollups, metric files when `[metrics] enabled` says so, retention. What failed a moment
    /// ago is tried again.
    pub fn tick(&self) -> MaintenanceReport {
        self.inner.round(&self.all_databases())
    }

    /// The same for one database.
    pub fn maintain(&self, database: &str) -> Result<MaintenanceReport> {
        Ok(self.inner.round(&[self.known_database(database)?]))
    }

    /// What a round would do for one database. Changes nothing, and works on an engine that only reads.
    pub fn maintenance_plan(&self, database: &str) -> Result<MaintenancePlan> {
        let database = self.known_database(database)?;
        let clock = self.retention_clock();
        let expired = |now: Option<Timestamp>| {
            let cutoff = now.and_then(|now| database.retention_cutoff(now));
            let expired = cutoff.map(|cutoff| database.expired(cutoff)).unwrap_or_default().into_iter();
            expired.filter(|partition| !database.is_stray(*partition)).collect::<Vec<_>>()
        };
        let removed = expired(clock.now);
        let by_wall = expired(Some(self.clock().now()));
        let name = |partition: &Partition| database.part_name(*partition);
        let mut plan = MaintenancePlan {
            unflushed: database.unflushed_rows(),
            unbelieved: by_wall.iter().filter(|p| !removed.contains(p)).map(name).collect(),
            ..MaintenancePlan::default()
        };
        let metrics = &self.config().metrics;
        if metrics.enabled {
            let options = BuildOptions::new(metrics.format, &metrics.compression, metrics.raw_ingest_action)?;
            for (partition, part) in database.partitions() {
                if !removed.contains(&partition)
                    && !database.is_stray(partition)
                    && database.is_sealed(partition)
                    && Builder(&database).is_due(partition, options)?
                {
                    plan.build.push(part);
                }
            }
        }
        let events = database.event_partitions()?;
        if let Some(cutoff) = clock.now.and_then(|now| database.retention_cutoff(now)) {
            plan.held = only_events(&database, &events, &removed, cutoff);
        }
        for partition in removed {
            let part = name(&partition);
            match events.hold(partition, &part) {
                Some(reason) => plan.held.push((part, reason.to_owned())),
                None => plan.remove.push(database.removal_of(partition)?),
            }
        }
        Ok(plan)
    }
}

impl Inner {
    fn round(&self, databases: &[Arc<Database>]) -> MaintenanceReport {
        let mut report = MaintenanceReport::default();
        self.environment.counters.maintenance_rounds.add(1);
        if self.watch_clock()
            && let Err(error) = self.save_clock()
        {
            report.errors.push(error.to_string());
        }
        databases.iter().for_each(|database| self.refuse_gone(database));
        self.open_again();
        // What feeds others comes before them.
        let order = self.runner().in_order().to_vec();
        let place = |database: &Database| order.iter().position(|name| name == database.name());
        let mut databases: Vec<_> = databases.iter().filter(|database| database.failure().is_none()).collect();
        order::sort_by_key(&mut databases, |database| place(database));
        report.errors.extend(self.runner().problems());
        for database in databases {
            let upkeep = self.upkeep_of(database);
            let mut done = DatabaseMaintenance { database: database.name().to_owned(), ..Default::default() };
            self.timed(|| {
                self.quick(database, &upkeep, true, &mut done);
                self.slow(database, &upkeep, true, &mut done);
            });
            database.save_list();
            report.databases.push(done);
        }
        report
    }

    /// Counts the time of work for one database.
    fn timed(&self, round: impl FnOnce()) {
        let clock = &self.environment.clock;
        let began = clock.monotonic();
        round();
        self.environment.counters.maintenance_time.add_time(clock.monotonic().saturating_sub(began));
    }

    fn upkeep_of(&self, database: &Database) -> Arc<Upkeep> {
        let mut all = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(database.instance()).or_default())
    }

    /// Finds what is due and gives it to the workers. Waits for no disk.
    fn hand_out(self: &Arc<Self>, quick: &Workers, slow: &Workers) {
        self.environment.counters.maintenance_rounds.add(1);
        if self.watch_clock() {
            let engine = Arc::downgrade(self);
            quick.run(Box::new(move || {
                let saved = engine.upgrade().map_or(Ok(()), |engine| engine.save_clock());
                if let Err(error) = saved {
                    tracing::error!(%error, "what retention believes of the clock is saved in an hour");
                }
            }));
        }
        if self.stats.due(self.environment.clock.monotonic()) {
            let engine = Arc::downgrade(self);
            quick.run(Box::new(move || {
                if let Some(inner) = engine.upgrade() {
                    Engine { inner }.write_due_stats();
                }
            }));
        }
        if self.has_passing() {
            let engine = Arc::downgrade(self);
            quick.run(Box::new(move || {
                if let Some(engine) = engine.upgrade() {
                    engine.open_again();
                }
            }));
        }
        let databases = self.all_databases();
        let known: std::collections::HashSet<u64> = databases.iter().map(|database| database.instance()).collect();
        self.upkeep.lock().unwrap_or_else(PoisonError::into_inner).retain(|instance, _| known.contains(instance));
        for database in databases.into_iter().filter(|database| database.failure().is_none()) {
            let upkeep = self.upkeep_of(&database);
            if self.is_look_due(&upkeep) {
                self.look_for_files(quick, &database);
            }
            if (self.is_sync_due(&database, &upkeep) || database.try_has_aged())
                && let Some(running) = Running::begin(&upkeep, |upkeep| &upkeep.quick)
            {
                self.give(quick, &database, running, Self::quick);
            }
            if self.is_slow_due(&database, &upkeep)
                && let Some(running) = Running::begin(&upkeep, |upkeep| &upkeep.slow)
            {
                self.give(slow, &database, running, Self::slow);
            }
        }
    }

    fn give(
        self: &Arc<Self>,
        workers: &Workers,
        database: &Arc<Database>,
        running: Running,
        work: fn(&Self, &Database, &Upkeep, bool, &mut DatabaseMaintenance),
    ) {
        let engine = Arc::downgrade(self);
        let database = Arc::clone(database);
        workers.run(Box::new(move || {
            let upkeep = Arc::clone(&running.0);
            if let Some(engine) = engine.upgrade().filter(|engine| !engine.is_closing()) {
                engine.timed(|| work(&engine, &database, &upkeep, false, &mut DatabaseMaintenance::default()));
            }
            drop(running);
        }));
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn is_sync_due(&self, database: &Database, upkeep: &Upkeep) -> bool {
        let wal = &self.environment.config.wal;
        let passed = || self.environment.clock.monotonic().saturating_sub(upkeep.lock().synced);
        wal.fsync_policy == FsyncPolicy::Interval && database.has_unsynced() && passed() >= wal.fsync_interval
    }

    /// Whether it is time to look for slow work, and there is some.
    fn is_slow_due(&self, database: &Database, upkeep: &Upkeep) -> bool {
        let interval = self.environment.config.maintenance.interval;
        let now = self.environment.clock.monotonic();
        {
            let mut times = upkeep.lock();
            if interval.is_zero() || times.looked.is_some_and(|looked| now.saturating_sub(looked) < interval) {
                return false;
            }
            times.looked = Some(now);
        }
        let cutoff = self.refuse_expired(database);
        if database.manifest().rollups.enabled {
            return true;
        }
        database.try_has_partition(|partition, is_built| {
            let to_build = self.environment.config.metrics.enabled && database.is_sealed(partition) && !is_built;
            to_build || cutoff.is_some_and(|cutoff| partition.end <= cutoff)
        })
    }

    /// What takes no longer than a flush. With `now`, also what failed a moment ago.
    fn quick(&self, database: &Database, upkeep: &Upkeep, now: bool, done: &mut DatabaseMaintenance) {
        if self.is_sync_due(database, upkeep) {
            upkeep.lock().synced = self.environment.clock.monotonic();
            self.attempt(database, upkeep, Task::Sync, now, done, |_| database.sync_wal());
        }
        self.attempt(database, upkeep, Task::Flush, now, done, |done| {
            let flushed = database.flush_aged()?;
            done.pages_flushed = flushed.pages;
            done.sealed = flushed.sealed;
            Ok(())
        });
    }

    /// What may take minutes.
    fn slow(&self, database: &Database, upkeep: &Upkeep, now: bool, done: &mut DatabaseMaintenance) {
        self.attempt(database, upkeep, Task::RollUp, now, done, |done| {
            let report = self.roll_up_database(database)?;
            done.errors.extend(report.errors.iter().cloned());
            let idle = SourceReport { database: report.database.clone(), ..SourceReport::default() };
            done.rolled_up = (report != idle).then_some(report);
            Ok(())
        });
        self.attempt(database, upkeep, Task::Build, now, done, |done| self.build_sealed(database, &mut done.built));
        self.attempt(database, upkeep, Task::Retention, now, done, |done| self.sweep(database, done));
    }

    fn attempt(
        &self,
        database: &Database,
        upkeep: &Upkeep,
        task: Task,
        now: bool,
        done: &mut DatabaseMaintenance,
        work: impl FnOnce(&mut DatabaseMaintenance) -> Result<()>,
    ) {
        let clock = self.environment.clock.monotonic();
        if self.is_closing() || database.failure().is_some() || (!now && upkeep.is_put_off(task, clock)) {
            return;
        }
        let directory = database.directory();
        let panicked = |reason| Err(Error::Incompatible { file: directory.to_owned(), reason });
        let outcome = caught(|| work(done)).unwrap_or_else(panicked);
        if !matches!(outcome, Err(Error::Cancelled(_))) {
            self.environment.counters.maintenance_failures.add(u64::from(outcome.is_err()));
            upkeep.note(database, task, clock, outcome, &mut done.errors);
        }
    }

    /// Builds what is sealed and not built, when `[metrics] enabled` says so. An error of one partition does not keep the
    /// others from their turn; the first one is returned.
    fn build_sealed(&self, database: &Database, built: &mut Vec<BuildReport>) -> Result<()> {
        let config = &self.environment.config.metrics;
        if !config.enabled {
            return Ok(());
        }
        let options = BuildOptions::new(config.format, &config.compression, config.raw_ingest_action)?;
        let cutoff = self.retention_now().and_then(|now| database.retention_cutoff(now));
        let mut first = Ok(());
        for (partition, _) in database.partitions() {
            let expires = cutoff.is_some_and(|cutoff| partition.end <= cutoff);
            if expires
                || database.is_stray(partition)
                || !database.is_sealed(partition)
                || database.has_open_page(partition)
                || database.is_built(partition)
            {
                continue;
            }
            let mut go_on = |_| if self.is_closing() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            if go_on(0).is_break() {
                break;
            }
            // What a flush adds from here on is of the next round: the build may have missed it.
            let mut raw_len = database.raw_len(partition);
            match Builder(database).build(partition, options, &mut go_on) {
                Ok(None) => {}
                Ok(Some(report)) => {
                    let is_done = report.raw_ingest_action == options.raw_ingest_action;
                    raw_len = if report.raw_ingest_action == RawIngestAction::Delete { 0 } else { report.raw_bytes };
                    built.push(report);
                    // Rows came, or a flush was under way: the raw files are for the next round.
                    if !is_done {
                        continue;
                    }
                }
                Err(error @ Error::Cancelled(_)) => return Err(error),
                // Damage does not go away by itself: it is tried again when rows come.
                Err(error @ (Error::BadInput(_) | Error::Corrupt { .. } | Error::Incompatible { .. })) => {
                    first = first.and(Err(error));
                }
                Err(error) => {
                    first = first.and(Err(error));
                    continue;
                }
            }
            database.note_built(partition, raw_len);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_keeps_failing_waits_twice_as_long_each_time_up_to_an_hour() {
        let mut waits = vec![back_off(None)];
        for _ in 0..14 {
            waits.push(back_off(waits.last().copied()));
        }
        let seconds: Vec<u64> = waits.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 3_600, 3_600, 3_600]);
    }
}
