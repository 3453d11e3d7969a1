//! All sources of an engine: their order, and whose turn it is.

use super::graph::{Edges, Order, chain};
use super::jobs::Job;
use super::leap::Leaps;
use super::owners::Owners;
use super::report::SourceReport;
use super::source::{Source, Surroundings};
use crate::clock::Clock;
use crate::database::Database;
use crate::layout;
use crate::plugin::Partition;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What the engine lends to rollups.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    pub(crate) vfs: &'a dyn Vfs,
    pub(crate) clock: &'a dyn Clock,
    /// A job's destination, made when it is missing.
    pub(crate) destination: &'a dyn Fn(&Job) -> Result<Arc<Database>>,
    /// A database that is open.
    pub(crate) existing: &'a dyn Fn(&str) -> Option<Arc<Database>>,
    /// Whether to go on.
    pub(crate) proceed: &'a dyn Fn() -> ControlFlow<()>,
}

/// The rollups of all databases.
#[derive(Default)]
pub(crate) struct Runner {
    pub(super) sources: BTreeMap<String, Source>,
    pub(super) order: Order,
    pub(super) owners: Owners,
    /// Open databases with jobs, as they were looked at last.
    known: Vec<u64>,
    /// Why databases have no rollups although they are enabled.
    refused: BTreeMap<String, String>,
    leaps: Leaps,
    /// Destinations that are rebuilt: nothing is written to them.
    pub(super) rebuilding: BTreeSet<String>,
}

impl Runner {
    /// Takes in which databases there are. Costs next to nothing when they are the same as before.
    pub(crate) fn refresh(&mut self, databases: &[Arc<Database>], vfs: &dyn Vfs) {
        let enabled = || databases.iter().filter(|database| database.manifest().rollups.enabled);
        let known: Vec<u64> = enabled().map(|database| database.instance()).collect();
        if known == self.known {
            return;
        }
        self.sources.retain(|_, source| known.contains(&source.instance));
        self.refused.clear();
        let mut complete = true;
        for database in enabled() {
            if self.sources.contains_key(database.name()) {
                continue;
            }
            match Source::new(database, vfs) {
                Ok(source) => {
                    self.sources.insert(database.name().to_owned(), source);
                }
                Err(error) => {
                    tracing::error!(database = database.name(), %error, "the rollups of this database do not run");
                    // What is wrong with a file of the configuration stays so; anything else is tried again.
                    complete &= matches!(error, Error::Config { .. } | Error::NotFound(_) | Error::BadInput(_));
                    self.refused.insert(database.name().to_owned(), error.to_string());
                }
            }
        }
        let mut edges = Edges::new();
        for (name, source) in &self.sources {
            edges.insert(name.clone(), source.jobs.iter().map(|job| job.destination.clone()).collect());
        }
        self.order = Order::of(&edges);
        for cycle in &self.order.cycles {
            tracing::error!("{}", cycle_error(cycle));
        }
        for name in self.order.sources.clone() {
            let database = enabled().find(|database| database.name() == name);
            if let (Some(database), true) = (database, self.is_sound(&name)) {
                self.expand(database);
            }
        }
        self.known = if complete { known } else { Vec::new() };
    }

    /// Whether a source is in no ring.
    pub(super) fn is_sound(&self, source: &str) -> bool {
        self.order.cycle_of(source).is_none()
    }

    pub(super) fn expand(&mut self, database: &Database) {
        if let Some(source) = self.sources.get_mut(database.name()) {
            source.expand(database, &mut self.owners);
        }
    }

    /// Sources, each after all that feed it.
    pub(crate) fn in_order(&self) -> &[String] {
        &self.order.sources
    }

    /// What is wrong with the configuration.
    pub(crate) fn problems(&self) -> Vec<String> {
        let cycles = self.order.cycles.iter().map(|cycle| cycle_error(cycle));
        cycles.chain(self.refused.values().cloned()).chain(self.owners.conflicts.iter().cloned()).collect()
    }

    /// The first of them that keeps databases from being rolled up at all, as an error.
    pub(crate) fn check(&self, databases: &[Arc<Database>]) -> Result<()> {
        if let Some(cycle) = self.order.cycles.first() {
            let first = cycle.first().map(String::as_str).unwrap_or_default();
            let directory = databases.iter().find(|d| d.name() == first).map(|d| d.directory().to_owned());
            return Err(Error::Config {
                file: directory.unwrap_or_default().join(layout::MANIFEST),
                key: "rollups.jobs.destination_db".into(),
                value: chain(cycle),
                accepted: "a destination that does not lead back to its source".into(),
            });
        }
        match self.refused.values().next() {
            Some(reason) => Err(Error::bad_input(reason.clone())),
            None => Ok(()),
        }
    }

    /// Jobs by source, without those in a ring.
    pub(crate) fn jobs(&self) -> BTreeMap<&str, &[Job]> {
        let sound = self.sources.iter().filter(|(name, _)| self.is_sound(name));
        sound.map(|(name, source)| (name.as_str(), source.jobs.as_slice())).collect()
    }

    /// Emits what is due in one source, and writes the checkpoints of what is durable.
    pub(crate) fn run(&mut self, database: &Database, shared: Shared<'_>) -> Result<SourceReport> {
        let name = database.name();
        if !self.is_sound(name) || self.sources.get(name).is_none_or(|s| s.instance != database.instance()) {
            return Ok(SourceReport { database: name.to_owned(), ..SourceReport::default() });
        }
        self.expand(database);
        self.look_at_what_follows(name, shared)?;
        let Some(mut source) = self.sources.remove(name) else { return Ok(SourceReport::default()) };
        let destination = |job: &Job| match self.rebuilding.contains(&job.destination) {
            true => Ok(None),
            false => (shared.destination)(job).map(Some),
        };
        let bound = |(name, unit): &(String, usize)| self.sources.get(name)?.emitted_until(*unit);
        let around = Surroundings {
            clock: shared.clock,
            now: self.leaps.now(shared.clock),
            bounds: source.upstreams.iter().map(bound).collect(),
            destination: &destination,
            existing: shared.existing,
            proceed: shared.proceed,
        };
        let saved = source.save_checkpoints(shared.vfs, shared.existing);
        let outcome = saved.and_then(|()| source.run(database, &around));
        self.sources.insert(name.to_owned(), source);
        outcome
    }

    /// Lets the sources that this one feeds look at their last buckets before anything new comes to them: what they held
    /// tells later what came late. Nobody remembers that from the process before.
    fn look_at_what_follows(&mut self, name: &str, shared: Shared<'_>) -> Result<()> {
        let jobs = self.sources.get(name).map(|source| source.jobs.as_slice()).unwrap_or_default();
        let fed: BTreeSet<String> = jobs.iter().map(|job| job.destination.clone()).collect();
        for name in fed {
            let is_new = self.sources.get(&name).is_some_and(|source| !source.has_looked);
            let Some(database) = (shared.existing)(&name).filter(|_| is_new && self.is_sound(&name)) else { continue };
            self.expand(&database);
            if let Some(source) = self.sources.get_mut(&name).filter(|s| s.instance == database.instance()) {
                source.look(&database)?;
            }
        }
        Ok(())
    }

    /// A job that still needs samples of a partition: those behind its checkpoint. `None` when none does.
    pub(crate) fn is_rolled_up(&mut self, database: &Database, partition: Partition) -> Result<Option<String>> {
        if !self.is_sound(database.name()) {
            return Ok(None);
        }
        self.expand(database);
        match self.sources.get(database.name()) {
            Some(source) => source.needs(database, partition),
            None => Ok(None),
        }
    }

    /// Writes the checkpoints of what is durable, of all sources.
    pub(crate) fn save_checkpoints(&mut self, shared: Shared<'_>) -> Result<()> {
        let mut first = Ok(());
        for source in self.sources.values_mut() {
            first = first.and(source.save_checkpoints(shared.vfs, shared.existing));
        }
        first
    }
}

fn cycle_error(cycle: &[String]) -> String {
    format!("rollups lead back to where they began: {}; none of these databases is rolled up", chain(cycle))
}
