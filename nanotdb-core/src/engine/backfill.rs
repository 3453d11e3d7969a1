//! Backfill: destinations of rollups, computed anew from their sources.

use super::{Engine, Inner, replace};
use crate::database::{Database, MetricInfo};
use crate::layout;
use crate::model::MetricId;
use crate::rollup::backfill::{Bounds, Filled, Filler, catalog_of, made_of};
use crate::rollup::{BackfillReport, RebuiltDestination, SkippedDestination};
use crate::{Error, Result};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, TryLockError};

/// How far a backfill came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillStep {
    /// Destination that is rebuilt.
    pub database: String,
    /// Its number, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// Samples in it so far.
    pub samples: u64,
}

/// Told of progress; `Break` stops the backfill, and the destination that is being rebuilt stays as it was.
pub type BackfillProgress<'p> = dyn FnMut(&BackfillStep) -> ControlFlow<()> + 'p;

impl Engine {
    /// Computes the destinations of these sources (of all sources: `None`) and of the cascades that hang on them anew, from
    /// all that the sources hold. Each is built beside the old one and takes its place once it is durable. Results whose
    /// source is gone are taken over. A destination that also holds other metrics is left as it is.
    ///
    /// Writes and queries go on meanwhile. [`Error::Busy`] while another backfill runs, [`Error::NotFound`] for a source
    /// without rollups, [`Error::Config`] when databases feed each other in a ring.
    pub fn backfill_rollups(
        &self,
        sources: Option<&[String]>,
        progress: &mut BackfillProgress<'_>,
    ) -> Result<BackfillReport> {
        let _running = match self.inner.rollups.backfill.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(Error::Busy("a rollup backfill is running already".into())),
        };
        let report = self.inner.backfill(sources, progress)?;
        self.inner.rollups.counters.backfills.fetch_add(1, Ordering::Relaxed);
        self.counters().rollup_backfills.add(1);
        Ok(report)
    }
}

impl Inner {
    /// Waits until no backfill runs.
    pub(super) fn wait_for_backfill(&self) {
        drop(self.rollups.backfill.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn backfill(&self, sources: Option<&[String]>, progress: &mut BackfillProgress<'_>) -> Result<BackfillReport> {
        self.check_open()?;
        let (selected, destinations, before) = {
            let databases = self.all_databases();
            let runner = self.runner();
            runner.check(&databases)?;
            let (selected, destinations) = runner.backfill_plan(sources)?;
            let before = runner.sources_before(&destinations);
            (selected, destinations, before)
        };
        tracing::info!(sources = selected.join(", "), destinations = destinations.join(", "), "backfill begins");
        for name in before {
            if let Some(database) = self.database(&name) {
                self.roll_up_database(&database)?;
            }
        }
        let mut bounds = self.runner().bounds();
        let mut report = BackfillReport { sources: selected, ..BackfillReport::default() };
        let of = destinations.len();
        for (number, name) in (1..).zip(destinations) {
            let progress = RefCell::new(&mut *progress);
            let proceed = |samples: u64| match self.check_open() {
                Ok(()) => progress.borrow_mut()(&BackfillStep { database: name.clone(), number, of, samples }),
                Err(_) => ControlFlow::Break(()),
            };
            self.runner().begin_rebuild(&name);
            let rebuilt = self.rebuild(&name, &mut bounds, &proceed);
            self.runner().end_rebuild(&name);
            match rebuilt {
                Ok((destination, passes)) => {
                    tracing::info!(
                        database = name,
                        samples = destination.samples,
                        carried = destination.carried,
                        "rebuilt a rollup destination"
                    );
                    report.passes = report.passes.saturating_add(passes);
                    report.destinations.push(destination);
                }
                // Not for this one alone: what comes after it would not be right either.
                Err(error @ (Error::Cancelled(_) | Error::Full { .. } | Error::Io { .. })) => return Err(error),
                Err(error) => {
                    tracing::warn!(database = name, %error, "a rollup destination is left as it is");
                    if let Some(database) = self.database(&name) {
                        database.flush()?;
                    }
                    report.skipped.push(SkippedDestination { database: name.clone(), reason: error.to_string() });
                }
            }
        }
        tracing::info!(destinations = report.destinations.len(), skipped = report.skipped.len(), "backfill ends");
        Ok(report)
    }

    fn rebuild(
        &self,
        name: &str,
        bounds: &mut Bounds,
        proceed: &dyn Fn(u64) -> ControlFlow<()>,
    ) -> Result<(RebuiltDestination, u64)> {
        let vfs = &*self.environment.vfs;
        let job = self.runner().job_for(name);
        let old = match job {
            Some(job) => self.destination(&job)?,
            None => return Err(Error::NotFound(format!("no job writes to {name:?}"))),
        };
        old.check_writable()?;
        // A partition that is on its way out goes first. After it, retention waits.
        drop(old.lock_builds()?);
        let feeds = self.runner().feeds(name, &|source| self.database(source), &*self.environment.clock)?;
        let made = made_of(&feeds);
        check_metrics(&old, &|metric| made.contains(metric))?;
        // Whatever has an id now keeps it. A name that comes later would be another's in the new one.
        old.read_all_ids()?;
        let ids = old.ids();
        let check = |old: &Database| {
            check_metrics(old, &|metric| made.contains(metric))?;
            check_ids(old, &ids)
        };
        let directory = replace::begin(vfs, &self.root, name)?;
        let built = (|| {
            let manifest = old.directory().join(layout::MANIFEST);
            let text = vfs.read(&manifest, 1 << 20).map_err(|e| Error::io("read", &manifest, e))?;
            let width = self.environment.config.values.width;
            for (file, bytes) in [(layout::MANIFEST, text), (layout::CATALOG, catalog_of(&old, &feeds, width))] {
                let path = directory.join(file);
                vfs.replace(&path, &bytes).map_err(|e| Error::io("write", &path, e))?;
            }
            let new = Database::open(name, &directory, self.environment.clone())?;
            // Archives of the old one, which come along, may hold ids that nothing names any more.
            new.reserve(old.highest_id())?;
            let filler = Filler {
                old: &old,
                new: &new,
                now: self.environment.clock.now(),
                source: &|source| self.database(source),
                proceed,
            };
            let mut until = bounds.clone();
            let filled = filler.fill(&feeds, &mut until)?;
            new.flush()?;
            new.note_lengths();
            if let Some(reason) = new.failure() {
                return Err(Error::ReadOnly { database: name.to_owned(), reason });
            }
            Ok((filled, until))
        })();
        let finished = built.and_then(|(filled, until)| {
            let cleared = {
                // Whoever was about to move a partition into an archive before the rebuild began, does so now or later.
                let _archives_stay = old.lock_builds()?;
                check(&old)?;
                replace::complete(vfs, old.directory(), &directory)?;
                self.data_files(&old)?
            };
            drop(old);
            self.check_open()?;
            self.replace(name, &check)?;
            Ok((filled, until, cleared))
        });
        match finished {
            Ok((filled, until, cleared_files)) => {
                *bounds = until;
                self.runner().rebuilt(vfs, name, &filled)?;
                let Filled { samples, carried, refused, passes, .. } = filled;
                let samples = samples.saturating_sub(carried);
                let rebuilt =
                    RebuiltDestination { database: name.to_owned(), samples, carried, refused, cleared_files };
                Ok((rebuilt, passes))
            }
            Err(error) => {
                replace::abandon(vfs, &self.root, name);
                Err(error)
            }
        }
    }

    /// Data files of a database, as `<database>/<file>`.
    fn data_files(&self, database: &Database) -> Result<Vec<String>> {
        let directory = database.directory();
        let entries = self.environment.vfs.read_dir(directory).map_err(|e| Error::io("list", directory, e))?;
        let is_data = |name: &str| layout::is_of_samples(name);
        let files = entries.into_iter().filter(|entry| is_data(&entry.name));
        Ok(files.map(|entry| format!("{}/{}", database.name(), entry.name)).collect())
    }
}

/// Names and ids that came while a database was rebuilt are not in the new one: archives that are copied may hold their samples.
fn check_ids(destination: &Database, before: &[MetricInfo]) -> Result<()> {
    let known: BTreeSet<(MetricId, &str)> = before.iter().map(|metric| (metric.id, metric.name.as_str())).collect();
    let now = destination.ids();
    let Some(new) = now.iter().find(|metric| !known.contains(&(metric.id, &metric.name))) else { return Ok(()) };
    let (database, name) = (destination.name(), &new.name);
    Err(Error::bad_input(format!(
        "metric {name:?} of database {database:?} came, or took another type, while it was rebuilt; run the backfill again"
    )))
}

/// A database that holds anything but results of jobs is never replaced.
fn check_metrics(destination: &Database, is_made: &dyn Fn(&str) -> bool) -> Result<()> {
    let metrics = destination.metrics().into_iter().map(|metric| metric.name);
    let foreign: Vec<String> = metrics.filter(|name| !is_made(name)).collect();
    let Some(first) = foreign.first() else { return Ok(()) };
    let more = if foreign.len() > 1 { format!(" and {} more", foreign.len() - 1) } else { String::new() };
    Err(Error::bad_input(format!(
        "database {0:?} also holds metrics that no rollup job makes ({first}{more}): they would be lost, so it is not rebuilt. \
         If an aggregate or a job was removed that made them, put it back, or give the jobs a new destination_db; if they may \
         go, export what is to be kept, drop {0:?} and run the backfill again",
        destination.name()
    )))
}
