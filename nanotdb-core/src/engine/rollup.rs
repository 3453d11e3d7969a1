//! Rollups of all databases: what is due, in the order in which one feeds the other.

use super::{Engine, Inner};
use crate::Result;
use crate::config::Manifest;
use crate::database::Database;
use crate::plugin::Partition;
use crate::rollup::lineage::{self, Lineage};
use crate::rollup::{Job, RollupReport, Runner, Shared, SourceReport, destination_manifest};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The engine's rollups.
#[derive(Default)]
pub(super) struct Rollups {
    runner: Mutex<Runner>,
    /// Held by the backfill that runs.
    pub(super) backfill: Mutex<()>,
    pub(super) counters: Counters,
}

#[derive(Default)]
pub(super) struct Counters {
    buckets: AtomicU64,
    written: AtomicU64,
    refused: AtomicU64,
    late: AtomicU64,
    errors: AtomicU64,
    pub(super) backfills: AtomicU64,
}

/// What rollups did since the engine was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RollupCounters {
    /// Buckets with samples, counted once per job and metric.
    pub buckets: u64,
    /// Samples written to destinations, backfills not counted.
    pub written: u64,
    /// Results that a destination could not take.
    pub refused: u64,
    /// Samples that came after their bucket was emitted.
    pub late_samples: u64,
    /// Failed runs of jobs.
    pub errors: u64,
    /// Backfills that were completed.
    pub backfills: u64,
}

impl Engine {
    /// Rolls up what is due in all databases, each after all that feed it. An error of one database does not keep the
    /// others from their turn; it is returned at the end.
    pub fn roll_up(&self) -> Result<RollupReport> {
        self.inner.roll_up_all()
    }

    /// What rollups did since the engine was opened.
    pub fn rollup_counters(&self) -> RollupCounters {
        let counters = &self.inner.rollups.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RollupCounters {
            buckets: read(&counters.buckets),
            written: read(&counters.written),
            refused: read(&counters.refused),
            late_samples: read(&counters.late),
            errors: read(&counters.errors),
            backfills: read(&counters.backfills),
        }
    }

    /// Databases that rollup jobs write into.
    pub fn rollup_destinations(&self) -> Vec<String> {
        let runner = self.inner.runner();
        let mut names: Vec<_> = runner.jobs().values().copied().flatten().map(|job| job.destination.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// What rollup jobs make of metrics of a database, over at most `max_hops` jobs, for each name. It is what is configured,
    /// whether or not there are results yet.
    pub fn rollup_lineage(&self, database: &str, metrics: &[&str], max_hops: u8) -> Result<Vec<Lineage>> {
        let database = self.known_database(database)?;
        let runner = self.inner.runner();
        let jobs = runner.jobs();
        Ok(metrics.iter().map(|metric| lineage::follow(&jobs, database.name(), metric, max_hops)).collect())
    }
}

impl Inner {
    /// The runner, which knows all databases that there are now.
    pub(super) fn runner(&self) -> MutexGuard<'_, Runner> {
        let databases = self.all_databases();
        let mut runner = self.rollups.runner.lock().unwrap_or_else(PoisonError::into_inner);
        runner.refresh(&databases, &*self.environment.vfs);
        runner
    }

    /// Rolls up what is due in one database. Cheap when nothing is.
    pub(super) fn roll_up_database(&self, database: &Database) -> Result<SourceReport> {
        if !database.manifest().rollups.enabled || database.failure().is_some() || !self.writable {
            return Ok(SourceReport { database: database.name().to_owned(), ..SourceReport::default() });
        }
        self.check_open()?;
        let outcome = self.with_shared(|shared| self.runner().run(database, shared));
        let counters = &self.rollups.counters;
        let add = |counter: &AtomicU64, n: u64| counter.fetch_add(n, Ordering::Relaxed);
        match &outcome {
            Ok(report) => {
                add(&counters.buckets, report.buckets);
                add(&counters.written, report.written);
                add(&counters.refused, report.refused);
                add(&counters.late, report.late_samples());
                add(&counters.errors, report.errors.len() as u64);
                let shown = &self.environment.counters;
                shown.rollup_buckets.add(report.buckets);
                shown.rollup_late_samples.add(report.late_samples());
            }
            Err(_) => {
                add(&counters.errors, 1);
            }
        }
        outcome
    }

    /// Why an expired partition has to stay for now: samples in it are not in a durable rollup yet.
    pub(super) fn held_by_rollups(&self, database: &Database, partition: Partition) -> Option<String> {
        if !database.manifest().rollups.enabled {
            return None;
        }
        match self.runner().is_rolled_up(database, partition) {
            Ok(None) => None,
            Ok(Some(job)) => Some(format!("rollup job {job:?} has not done with it, or its results are not flushed")),
            Err(error) => Some(format!("what rollups need of it is not known: {error}")),
        }
    }

    pub(super) fn roll_up_all(&self) -> Result<RollupReport> {
        let order = self.runner().in_order().to_vec();
        let mut report = RollupReport::default();
        let mut first = Ok(());
        for name in order {
            let Some(database) = self.database(&name) else { continue };
            match self.roll_up_database(&database) {
                Ok(source) => report.sources.push(source),
                Err(error) => first = first.and(Err(error)),
            }
        }
        report.problems = self.runner().problems();
        first.map(|()| report)
    }

    /// After all pages were flushed: what was emitted is durable.
    pub(super) fn save_checkpoints(&self) -> Result<()> {
        let mut runner = self.rollups.runner.lock().unwrap_or_else(PoisonError::into_inner);
        self.with_shared(|shared| runner.save_checkpoints(shared))
    }

    pub(super) fn with_shared<T>(&self, work: impl FnOnce(Shared<'_>) -> T) -> T {
        let environment = &self.environment;
        let proceed = || match self.closed.load(Ordering::Acquire) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        work(Shared {
            vfs: &*environment.vfs,
            clock: &*environment.clock,
            destination: &|job| self.destination(job),
            existing: &|name| self.database(name),
            proceed: &proceed,
        })
    }

    /// A job's destination. A new one gets a manifest of its own kind.
    pub(super) fn destination(&self, job: &Job) -> Result<Arc<Database>> {
        let defaults: &Manifest = &self.environment.config.manifest_defaults;
        self.get_or_create(&job.destination, Some(&|| destination_manifest(defaults, job)))
    }
}
