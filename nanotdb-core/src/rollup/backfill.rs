//! Computing a destination anew, into a database beside it.

use super::emit::{Emitted, Wanted, emit, metrics_at_once};
use super::jobs::{Job, floor};
use super::outputs::{Outputs, Written};
use super::runner::Runner;
use super::source::note_refused;
use crate::clock::Clock;
use crate::config::{RetentionAction, ValueWidth};
use crate::database::{Database, MetricFiles, MetricInfo};
use crate::format::catalog::{self, CatalogEntry};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::query::Operands;
use crate::query::scan::{self, ScanSlice, Slices};
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

/// One metric of a [`Feed`].
pub(crate) struct FeedUnit {
    /// Its place among the units of the source.
    index: usize,
    id: MetricId,
    value_type: ValueType,
    outputs: Vec<Option<String>>,
    /// Its last bucket, while that is being sent: it is left to the next run.
    limit: Timestamp,
    /// Source and unit that make the metric.
    upstream: Option<(String, usize)>,
}

/// A job that writes to the destination.
pub(crate) struct Feed {
    pub(crate) source: String,
    instance: u64,
    job: Job,
    units: Vec<FeedUnit>,
}

/// How far a unit came: its source, its index, its newest sample, what was due, and what was emitted.
struct Progress {
    source: String,
    instance: u64,
    unit: usize,
    newest: Option<(Timestamp, u64)>,
    due: Timestamp,
    emitted: Emitted,
}

/// Up to which time the results of units, by source and index, are all there.
pub(crate) type Bounds = BTreeMap<(String, usize), Timestamp>;

/// What filling a destination came to.
#[derive(Default)]
pub(crate) struct Filled {
    progress: Vec<Progress>,
    /// Samples written.
    pub(crate) samples: u64,
    /// Of them, those that were taken over from before: their source is gone.
    pub(crate) carried: u64,
    /// Results that the destination cannot take.
    pub(crate) refused: u64,
    /// Passes over sources.
    pub(crate) passes: u64,
}

impl Runner {
    /// Which destinations a backfill of these sources (of all of them: `None`) rebuilds, in order: theirs, and those of the
    /// cascades that hang on them.
    pub(crate) fn backfill_plan(&self, sources: Option<&[String]>) -> Result<(Vec<String>, Vec<String>)> {
        if let Some(unknown) = sources.unwrap_or_default().iter().find(|name| !self.sources.contains_key(*name)) {
            let known: Vec<_> = self.sources.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "no database has".into() } else { format!("{} have", known.join(", ")) };
            return Err(Error::NotFound(format!("database {unknown:?} has no enabled rollups; {known}")));
        }
        let is_selected = |name: &String| sources.is_none_or(|sources| sources.contains(name));
        let selected: Vec<String> = self.order.sources.iter().filter(|name| is_selected(name)).cloned().collect();
        let mut affected: BTreeSet<&str> = BTreeSet::new();
        let mut destinations: Vec<String> = Vec::new();
        for name in &self.order.sources {
            let Some(source) = self.sources.get(name) else { continue };
            if !is_selected(name) && !affected.contains(name.as_str()) {
                continue;
            }
            for job in &source.jobs {
                affected.insert(&job.destination);
            }
        }
        // A destination comes after its sources, when they are destinations themselves.
        for name in self.order.sources.iter().filter(|name| affected.contains(name.as_str())) {
            destinations.push(name.clone());
        }
        destinations.extend(affected.iter().filter(|name| !self.sources.contains_key(**name)).map(|n| (*n).to_owned()));
        Ok((selected, destinations))
    }

    /// Sources that must be rolled up first, in order: they feed what is read, and are not rebuilt.
    pub(crate) fn sources_before(&self, destinations: &[String]) -> Vec<String> {
        let mut needed: BTreeSet<&str> = BTreeSet::new();
        let mut before = Vec::new();
        for name in self.order.sources.iter().rev() {
            let Some(source) = self.sources.get(name) else { continue };
            let feeds = |wanted: &dyn Fn(&str) -> bool| source.jobs.iter().any(|job| wanted(&job.destination));
            if feeds(&|name| destinations.iter().any(|d| d == name)) {
                needed.insert(name);
            }
            if feeds(&|name| needed.contains(name) && !destinations.iter().any(|d| d == name)) {
                needed.insert(name);
                before.push(name.clone());
            }
        }
        before.reverse();
        before
    }

    /// Some job that writes to a destination.
    pub(crate) fn job_for(&self, destination: &str) -> Option<Job> {
        let jobs = self.order.sources.iter().filter_map(|name| self.sources.get(name)).flat_map(|s| &s.jobs);
        jobs.filter(|job| job.destination == destination).min_by_key(|job| job.interval).cloned()
    }

    /// Every job that writes to a destination, with the metrics that there are now.
    pub(crate) fn feeds(
        &mut self,
        destination: &str,
        existing: &dyn Fn(&str) -> Option<Arc<Database>>,
        clock: &dyn Clock,
    ) -> Result<Vec<Feed>> {
        let mut feeds = Vec::new();
        for name in self.order.sources.clone() {
            let feeds_it = |source: &super::source::Source| source.jobs.iter().any(|j| j.destination == destination);
            if !self.is_sound(&name) || !self.sources.get(&name).is_some_and(feeds_it) {
                continue;
            }
            let database = existing(&name).ok_or_else(|| Error::NotFound(format!("database {name:?} is not open")))?;
            self.expand(&database);
            let Some(source) = self.sources.get_mut(&name) else { continue };
            let ids: Vec<MetricId> = source.units.iter().map(|unit| unit.id).collect();
            source.observe(&database, &database.newest(&ids)?);
            for (index, job) in source.jobs.iter().enumerate().filter(|(_, job)| job.destination == destination) {
                let units = source.units.iter().enumerate().filter(|(_, unit)| unit.job == index);
                let units = units.map(|(at, unit)| FeedUnit {
                    index: at,
                    id: unit.id,
                    value_type: unit.value_type,
                    outputs: unit.outputs.clone(),
                    limit: unit.limit(job, job.due(clock.now()), clock.monotonic()),
                    upstream: unit.upstream.and_then(|upstream| source.upstreams.get(upstream).cloned()),
                });
                let units = units.collect();
                feeds.push(Feed { source: name.clone(), instance: source.instance, job: job.clone(), units });
            }
        }
        Ok(feeds)
    }

    /// Up to which time results are all there, as far as it is known.
    pub(crate) fn bounds(&self) -> Bounds {
        let units = self.sources.iter().flat_map(|(name, source)| {
            let emitted = (0..source.units.len()).map(|unit| (unit, source.emitted_until(unit)));
            emitted.filter_map(|(unit, until)| Some(((name.clone(), unit), until?)))
        });
        units.collect()
    }

    /// Nothing is written to a destination, and nothing expires from it, until [`Runner::end_rebuild`].
    pub(crate) fn begin_rebuild(&mut self, destination: &str) {
        self.rebuilding.insert(destination.to_owned());
    }

    /// Whether it is between the two.
    pub(crate) fn is_rebuilding(&self, destination: &str) -> bool {
        self.rebuilding.contains(destination)
    }

    /// Jobs write to it again.
    pub(crate) fn end_rebuild(&mut self, destination: &str) {
        self.rebuilding.remove(destination);
    }

    /// The rebuilt destination is in its place, durably: notes how far its jobs came, and writes their checkpoints.
    pub(crate) fn rebuilt(&mut self, vfs: &dyn Vfs, destination: &str, filled: &Filled) -> Result<()> {
        let mut sources: BTreeSet<&str> = BTreeSet::new();
        for unit in &filled.progress {
            if let Some(source) = self.sources.get_mut(&unit.source).filter(|s| s.instance == unit.instance) {
                source.rebuilt(unit.unit, unit.newest, unit.due, unit.emitted);
                sources.insert(&unit.source);
            }
        }
        for name in sources {
            if let Some(source) = self.sources.get_mut(name) {
                source.save_rebuilt(vfs, destination)?;
            }
        }
        Ok(())
    }
}

/// catalog.json of the new destination: names keep their ids and types, also those that they had before they widened, since archives
/// hold rows of them. Those whose source has 64-bit values now get an id of that type.
pub(crate) fn catalog_of(old: &Database, feeds: &[Feed], width: ValueWidth) -> Vec<u8> {
    let mut wide: BTreeSet<&str> = BTreeSet::new();
    for feed in feeds {
        for unit in feed.units.iter().filter(|unit| unit.value_type.is_wide() && width != ValueWidth::Bits32) {
            let outputs = unit.outputs.iter().zip(&feed.job.aggregators).filter(|(_, a)| !a.is_count());
            wide.extend(outputs.filter_map(|(name, _)| name.as_deref()));
        }
    }
    let entry = |metric: MetricInfo| {
        let typed = old.is_typed(metric.id);
        CatalogEntry { name: metric.name, id: metric.id, value_type: metric.value_type, typed }
    };
    let mut entries: Vec<CatalogEntry> = old.ids().into_iter().map(entry).collect();
    let widens = |metric: &MetricInfo| metric.value_type == ValueType::Float32 && wide.contains(metric.name.as_str());
    let ids = old.highest_id().saturating_add(1)..=MetricId::MAX;
    for (metric, id) in old.metrics().into_iter().filter(widens).zip(ids) {
        entries.push(CatalogEntry { name: metric.name, id, value_type: ValueType::Float64, typed: false });
    }
    catalog::encode_marked(entries.iter().map(|entry| (entry.name.as_str(), entry.id, entry.value_type, entry.typed)))
}

/// The metrics that are made of them.
pub(crate) fn made_of(feeds: &[Feed]) -> BTreeSet<String> {
    let outputs = feeds.iter().flat_map(|feed| &feed.units).flat_map(|unit| &unit.outputs);
    outputs.flatten().cloned().collect()
}

/// What filling a destination needs.
pub(crate) struct Filler<'a> {
    pub(crate) old: &'a Database,
    pub(crate) new: &'a Database,
    /// Wall clock.
    pub(crate) now: Timestamp,
    /// A source.
    pub(crate) source: &'a dyn Fn(&str) -> Option<Arc<Database>>,
    /// Told of samples so far; says whether to go on.
    pub(crate) proceed: &'a dyn Fn(u64) -> ControlFlow<()>,
}

impl Filler<'_> {
    /// Computes everything that is due.
    pub(crate) fn fill(&self, feeds: &[Feed], bounds: &mut Bounds) -> Result<Filled> {
        let mut filled = Filled::default();
        for feed in feeds {
            let gone = || Error::NotFound(format!("database {:?} is not open", feed.source));
            let source = (self.source)(&feed.source).ok_or_else(gone)?;
            for units in feed.units.chunks(metrics_at_once(&feed.job)) {
                self.pass(feed, units, &source, bounds, &mut filled)?;
            }
        }
        Ok(filled)
    }

    /// One pass over a source.
    fn pass(
        &self,
        feed: &Feed,
        units: &[FeedUnit],
        source: &Database,
        bounds: &mut Bounds,
        filled: &mut Filled,
    ) -> Result<()> {
        let job = &feed.job;
        let ids: Vec<MetricId> = units.iter().map(|unit| unit.id).collect();
        let newest = source.newest(&ids)?;
        let horizon = self.horizon(job);
        let mut outputs = Outputs::new(self.new);
        let mut wanted = Vec::with_capacity(units.len());
        let mut carry = HashMap::new();
        for unit in units {
            let limit = job.due(self.now).min(unit.limit);
            let due = match &unit.upstream {
                None => limit,
                Some(upstream) => {
                    let unknown =
                        || Error::bad_input(format!("rollups of {:?}, which feed it, have not run yet", upstream.0));
                    job.bucket(*bounds.get(upstream).ok_or_else(unknown)?).min(limit)
                }
            };
            bounds.insert((feed.source.clone(), unit.index), due);
            let meaning = Operands { value_type: unit.value_type, typed: source.is_typed(unit.id) };
            let unit = Wanted::new((unit.id, meaning), &unit.outputs, job, (horizon, due), &mut outputs)?;
            for place in unit.outputs.iter().flatten() {
                carry.extend(outputs.name(*place).map(|name| (name.to_owned(), *place)));
            }
            wanted.push(unit);
        }
        let carried = self.carry(&carry, horizon..self.first_computed(job, source), &mut outputs)?;
        let before = filled.samples;
        let proceed = || (self.proceed)(before);
        let (emitted, report) = emit(source, job, &wanted, &mut outputs, &proceed)?;
        // The destination may hold what was computed before the damage: it must not be replaced by less.
        if let Some(warning) = report.warnings.first() {
            return Err(Error::bad_input(format!("its source {:?} is damaged: {warning}", feed.source)));
        }
        note_refused(&feed.source, job, &outputs.result);
        let Written { written, refused, .. } = outputs.result;
        filled.samples = filled.samples.saturating_add(written);
        filled.carried = filled.carried.saturating_add(carried);
        filled.refused = filled.refused.saturating_add(refused);
        filled.passes = filled.passes.saturating_add(1);
        for (((unit, wanted), newest), emitted) in units.iter().zip(&wanted).zip(newest).zip(emitted) {
            let (source, instance) = (feed.source.clone(), feed.instance);
            filled.progress.push(Progress { source, instance, unit: unit.index, newest, due: wanted.due, emitted });
        }
        Ok(())
    }

    /// What the destination's retention has removed is not brought back. What it has not, however old, is all that there is:
    /// it believes another clock than this one, and may be held.
    fn horizon(&self, job: &Job) -> Timestamp {
        let retention = &self.old.manifest().retention;
        if retention.retention_action == RetentionAction::Keep {
            return Timestamp::MIN;
        }
        let days = i64::from(retention.retention_days).saturating_mul(86_400_000_000_000);
        let expired = self.old.partition_at(self.now.saturating_sub(days)).start;
        let oldest = self.old.partitions().first().map_or(expired, |(oldest, _)| oldest.start);
        floor(expired.min(oldest), job.interval)
    }

    /// Results before this time are taken over as they are: their source is not there any more. A bucket that is cut by
    /// the beginning of the source has lost samples, unless its retention removes none.
    fn first_computed(&self, job: &Job, source: &Database) -> Timestamp {
        let Some((first, _)) = source.partitions().into_iter().next() else { return Timestamp::MAX };
        let start = floor(first.start, job.interval);
        match source.manifest().retention.retention_action {
            RetentionAction::Keep => start,
            _ if start == first.start => start,
            _ => start.saturating_add(job.interval),
        }
    }

    /// Copies results of the old destination.
    fn carry(
        &self,
        carry: &HashMap<String, usize>,
        range: std::ops::Range<Timestamp>,
        outputs: &mut Outputs<'_>,
    ) -> Result<u64> {
        let known = carry.iter().filter_map(|(name, place)| Some((self.old.metric(name)?.id, *place)));
        let (ids, places): (Vec<MetricId>, Vec<usize>) = known.unzip();
        if ids.is_empty() || range.is_empty() {
            return Ok(0);
        }
        let mut carried = 0u64;
        let mut failure = None;
        let mut stopped = false;
        let mut copy = |slice: ScanSlice<'_>| {
            let Some(place) = places.get(slice.metric) else { return Ok(ControlFlow::Continue(())) };
            for sample in (0..slice.len()).filter_map(|at| slice.sample(at)) {
                match outputs.carry(*place, sample) {
                    Ok(more) => carried = carried.saturating_add(u64::from(more)),
                    Err(error) => {
                        failure = Some(error);
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            let flow = (self.proceed)(carried);
            stopped |= flow.is_break();
            Ok(flow)
        };
        let to = range.end.saturating_sub(1);
        let mut slices = Slices(&mut copy);
        let report = scan::scan(self.old, &ids, range.start, to, MetricFiles::Preferred, &mut slices)?;
        if let Some(error) = failure {
            return Err(error);
        }
        if stopped {
            return Err(Error::Cancelled("the backfill was stopped".into()));
        }
        // What cannot be read now may be read another day: it must not be thrown away.
        if let Some(warning) = report.warnings.first() {
            return Err(Error::bad_input(format!("results whose source is gone cannot be read: {warning}")));
        }
        outputs.flush()?;
        Ok(carried)
    }
}
