//! One source database: its jobs, how far each of them came with each metric, and a run of what is due.

use super::checkpoints::Checkpoints;
use super::emit::{Emitted, Wanted, count, emit, has_samples, metrics_at_once};
use super::jobs::Job;
use super::outputs::{Outputs, Written, check_clock};
use super::owners::{Owner, Owners};
use super::report::{LateSamples, SourceReport};
use crate::clock::Clock;
use crate::database::{Database, FlushMark};
use crate::layout;
use crate::model::{MetricId, Timestamp, ValueType, counted};
use crate::order;
use crate::plugin::Partition;
use crate::query::Operands;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// After an error a job waits this long.
const RETRY: Duration = Duration::from_secs(60);
/// For so long at least nothing must have come of a metric that lags behind the clock before its last bucket is emitted.
const QUIET: Duration = Duration::from_secs(2);
/// Metrics whose next buckets lie further apart than so many are not read in one pass.
const BUCKETS_TOGETHER: i64 = 16;

/// The time of a metric's newest sample, and a number that changes with every batch that brings one.
type Newest = Option<(Timestamp, u64)>;

/// One metric of one job.
pub(super) struct Unit {
    pub(super) job: usize,
    pub(super) key: String,
    pub(super) id: MetricId,
    pub(super) value_type: ValueType,
    /// Name of the result of each aggregate; `None` when another job makes it from something else.
    pub(super) outputs: Vec<Option<String>>,
    /// Which of [`Source::upstreams`] makes the metric.
    pub(super) upstream: Option<usize>,
    /// End of the last bucket that was emitted. Each bucket before it was, or had no samples.
    done: Option<Timestamp>,
    /// No sample is before this time that was not seen.
    seen_until: Timestamp,
    /// Every bucket that ends no later was emitted.
    emitted_until: Option<Timestamp>,
    /// The newest sample, and the monotonic time when it came, as far as it is known.
    arrived: Option<(Timestamp, u64, Option<Duration>)>,
    /// Set while samples may still come into the last bucket that was emitted.
    watch: Option<Watch>,
    /// The checkpoint that may be written once the destination has flushed.
    pending: Option<(FlushMark, Timestamp)>,
}

/// What a bucket held when it was emitted.
#[derive(Clone, Copy)]
struct Watch {
    newest: Newest,
    count: u64,
}

/// The rollups of one source database.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) instance: u64,
    pub(super) jobs: Vec<Job>,
    /// For each job, the monotonic time before which it is not tried again after an error.
    retry_at: Vec<Duration>,
    checkpoints: Checkpoints,
    pub(super) units: Vec<Unit>,
    /// Units of other databases that make metrics of this one: database and index.
    pub(super) upstreams: Vec<(String, usize)>,
    metric_slots: usize,
    /// Whether the last buckets of the process before were looked at.
    pub(super) has_looked: bool,
    /// Open destinations whose files were forced to the device: a process before this one may have written them.
    forced: BTreeSet<u64>,
}

/// What a run needs from outside.
pub(super) struct Surroundings<'a> {
    pub(super) clock: &'a dyn Clock,
    /// The wall clock, as far as it is believed.
    pub(super) now: Timestamp,
    /// For each of [`Source::upstreams`], up to which time all its results are there.
    pub(super) bounds: Vec<Option<Timestamp>>,
    /// A destination, made when it is missing; `None` while it is rebuilt.
    pub(super) destination: &'a dyn Fn(&Job) -> Result<Option<Arc<Database>>>,
    /// A destination that is open.
    pub(super) existing: &'a dyn Fn(&str) -> Option<Arc<Database>>,
    /// Whether to go on.
    pub(super) proceed: &'a dyn Fn() -> ControlFlow<()>,
}

impl Source {
    pub(super) fn new(database: &Database, vfs: &dyn Vfs) -> Result<Self> {
        let rollups = &database.manifest().rollups;
        let jobs = Job::resolve(rollups, &database.directory().join(layout::MANIFEST))?;
        Ok(Self {
            name: database.name().to_owned(),
            instance: database.instance(),
            retry_at: vec![Duration::ZERO; jobs.len()],
            jobs,
            checkpoints: Checkpoints::load(vfs, &database.directory().join(&rollups.checkpoint_file))?,
            units: Vec::new(),
            upstreams: Vec::new(),
            metric_slots: 0,
            has_looked: false,
            forced: BTreeSet::new(),
        })
    }

    /// Up to which time all results of a unit are there.
    pub(super) fn emitted_until(&self, unit: usize) -> Option<Timestamp> {
        self.units.get(unit)?.emitted_until
    }

    /// Takes up metrics that are new.
    pub(super) fn expand(&mut self, database: &Database, owners: &mut Owners) {
        let slots = database.metric_slots();
        if slots == self.metric_slots {
            return;
        }
        let known = u16::try_from(self.metric_slots).unwrap_or(u16::MAX);
        let mut metrics = database.metrics();
        metrics.retain(|metric| metric.id >= known);
        self.metric_slots = metrics.iter().map(|m| usize::from(m.id).saturating_add(1)).max().unwrap_or(slots);
        for (index, job) in self.jobs.iter().enumerate() {
            for metric in metrics.iter().filter(|metric| job.selects(&metric.name)) {
                let key = job.key(&metric.name);
                // One that has widened goes on with another id.
                if let Some(unit) = self.units.iter_mut().find(|unit| unit.job == index && unit.key == key) {
                    (unit.id, unit.value_type) = (metric.id, metric.value_type);
                    continue;
                }
                let mut outputs = Vec::new();
                for aggregator in &job.aggregators {
                    let owner = Owner {
                        source: self.name.clone(),
                        unit: self.units.len(),
                        metric: metric.name.clone(),
                        interval: job.interval,
                        aggregate: aggregator.name(),
                    };
                    let name = job.output(&metric.name, *aggregator);
                    outputs.push(owners.claim(&job.destination, &name, owner, &job.id).then_some(name));
                }
                let upstream = owners.maker(&self.name, &metric.name).map(|(source, unit)| {
                    let upstream = (source.to_owned(), unit);
                    self.upstreams.iter().position(|known| *known == upstream).unwrap_or_else(|| {
                        self.upstreams.push(upstream);
                        self.upstreams.len().saturating_sub(1)
                    })
                });
                self.units.push(Unit {
                    job: index,
                    done: self.checkpoints.completed(&key),
                    key,
                    id: metric.id,
                    value_type: metric.value_type,
                    outputs,
                    upstream,
                    seen_until: Timestamp::MIN,
                    emitted_until: None,
                    arrived: None,
                    watch: None,
                    pending: None,
                });
            }
        }
    }

    /// The first job whose checkpoint is before some sample of a partition.
    pub(super) fn needs(&self, database: &Database, partition: Partition) -> Result<Option<String>> {
        for unit in &self.units {
            let from = self.checkpoints.completed(&unit.key).unwrap_or(Timestamp::MIN).max(partition.start);
            if from < partition.end && has_samples(database, &[unit.id], from, partition.end)? {
                return Ok(self.jobs.get(unit.job).map(|job| job.id.clone()));
            }
        }
        Ok(None)
    }

    /// Writes checkpoints of what the destinations have flushed.
    pub(super) fn save_checkpoints(
        &mut self,
        vfs: &dyn Vfs,
        existing: &dyn Fn(&str) -> Option<Arc<Database>>,
    ) -> Result<()> {
        if self.units.iter().all(|unit| unit.pending.is_none()) {
            return Ok(());
        }
        let destinations: BTreeMap<&str, Arc<Database>> =
            self.jobs.iter().filter_map(|job| Some((job.destination.as_str(), existing(&job.destination)?))).collect();
        let mut lines = Vec::new();
        let mut from: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for unit in &self.units {
            let (Some((mark, done)), Some(job)) = (unit.pending, self.jobs.get(unit.job)) else { continue };
            let Some(destination) = destinations.get(job.destination.as_str()) else { continue };
            if destination.has_flushed(mark) {
                lines.push((unit.key.as_str(), done));
                let since = self.checkpoints.completed(&unit.key).unwrap_or(Timestamp::MIN);
                let from = from.entry(&job.destination).or_insert(since);
                *from = since.min(*from);
            }
        }
        for (name, from) in from {
            let Some(destination) = destinations.get(name) else { continue };
            if self.forced.insert(destination.instance()) || destination.flushes_lazily() {
                destination.force_data(from)?;
            }
        }
        self.checkpoints.append(vfs, &lines)?;
        for unit in &mut self.units {
            let destination = self.jobs.get(unit.job).and_then(|job| destinations.get(job.destination.as_str()));
            if destination.is_some_and(|d| unit.pending.is_some_and(|(mark, _)| d.has_flushed(mark))) {
                unit.pending = None;
            }
        }
        Ok(())
    }

    /// Emits what is due. An error of one job is reported and does not keep the others from their turn.
    pub(super) fn run(&mut self, database: &Database, around: &Surroundings<'_>) -> Result<SourceReport> {
        let mut report = SourceReport { database: self.name.clone(), ..SourceReport::default() };
        if self.units.is_empty() {
            return Ok(report);
        }
        let ids: Vec<MetricId> = self.units.iter().map(|unit| unit.id).collect();
        let newest = database.newest(&ids)?;
        self.observe(database, &newest);
        self.look_for_late_samples(database, &newest, &mut report)?;
        let now = around.now;
        let monotonic = around.clock.monotonic();
        for index in 0..self.jobs.len() {
            if self.retry_at.get(index).is_none_or(|retry_at| monotonic < *retry_at) {
                continue;
            }
            if let Err(error) = self.run_job(index, database, &newest, now, around, &mut report) {
                let id = self.jobs.get(index).map(|job| job.id.clone()).unwrap_or_default();
                let was_stopped = matches!(error, Error::Cancelled(_));
                if !was_stopped {
                    tracing::error!(database = self.name, job = id, %error, "a rollup failed; it is tried again");
                    report.errors.push(format!("job {id:?}: {error}"));
                }
                if let Some(retry_at) = self.retry_at.get_mut(index).filter(|_| !was_stopped) {
                    *retry_at = monotonic.saturating_add(RETRY);
                }
            }
        }
        Ok(report)
    }

    /// Counts the samples of the last buckets that were emitted before this process began.
    pub(super) fn look(&mut self, database: &Database) -> Result<()> {
        let ids: Vec<MetricId> = self.units.iter().map(|unit| unit.id).collect();
        let newest = database.newest(&ids)?;
        self.look_for_late_samples(database, &newest, &mut SourceReport::default())
    }

    /// Notes when the newest samples came.
    pub(super) fn observe(&mut self, database: &Database, newest: &[Newest]) {
        for (unit, newest) in self.units.iter_mut().zip(newest) {
            let Some((at, batches)) = *newest else { continue };
            match unit.arrived {
                Some((known, before, _)) if (known, before) == (at, batches) => {}
                _ => unit.arrived = Some((at, batches, database.arrival(at))),
            }
        }
    }

    fn run_job(
        &mut self,
        index: usize,
        database: &Database,
        newest: &[Newest],
        now: Timestamp,
        around: &Surroundings<'_>,
        report: &mut SourceReport,
    ) -> Result<()> {
        let Some(job) = self.jobs.get(index).cloned() else { return Ok(()) };
        let due_now = job.due(now);
        let monotonic = around.clock.monotonic();
        let mut emitted_until = Vec::new();
        // Index of the unit, where it begins, what is due.
        let mut candidates: Vec<(usize, Timestamp, Timestamp)> = Vec::new();
        for ((at, unit), newest) in self.units.iter().enumerate().zip(newest).filter(|((_, u), _)| u.job == index) {
            let bound = match unit.upstream {
                Some(upstream) => around.bounds.get(upstream).copied().flatten().map(|bound| job.bucket(bound)),
                None => Some(due_now),
            };
            let due =
                bound.map_or(Timestamp::MIN, |bound| bound.min(due_now)).min(unit.limit(&job, due_now, monotonic));
            emitted_until.push((at, due));
            let from = unit.seen_until.max(unit.done.unwrap_or(Timestamp::MIN));
            if newest.is_some_and(|(newest, _)| newest >= from) && due > from {
                candidates.push((at, from, due));
            }
        }
        let mut destination = None;
        if self.has_results(&job, &mut candidates, database, newest, around)? {
            destination = (around.destination)(&job)?;
            if destination.is_none() {
                return Ok(());
            }
        }
        order::sort_by_key(&mut candidates, |(_, from, _)| *from);
        let mut rest = candidates.as_slice();
        while let (Some((_, first, _)), Some(destination)) = (rest.first(), &destination) {
            let near = first.saturating_add(job.interval.saturating_mul(BUCKETS_TOGETHER));
            let together = rest.partition_point(|(_, from, _)| *from <= near).min(metrics_at_once(&job)).max(1);
            let (chunk, others) = rest.split_at(together);
            rest = others;
            self.run_chunk(&job, chunk, database, newest, destination, around, report)?;
        }
        for (at, until) in emitted_until {
            if let Some(unit) = self.units.get_mut(at) {
                unit.emitted_until = unit.emitted_until.max(Some(until));
            }
        }
        Ok(())
    }

    /// Whether there is anything to write: a destination is not made before there is.
    fn has_results(
        &mut self,
        job: &Job,
        candidates: &mut Vec<(usize, Timestamp, Timestamp)>,
        database: &Database,
        newest: &[Newest],
        around: &Surroundings<'_>,
    ) -> Result<bool> {
        let surely = |(at, _, due): &(usize, Timestamp, Timestamp)| {
            newest.get(*at).copied().flatten().is_some_and(|(newest, _)| newest < *due)
        };
        if candidates.is_empty() || candidates.iter().any(surely) || (around.existing)(&job.destination).is_some() {
            return Ok(!candidates.is_empty());
        }
        let ids: Vec<MetricId> = candidates.iter().filter_map(|(at, ..)| Some(self.units.get(*at)?.id)).collect();
        let from = candidates.iter().map(|(_, from, _)| *from).min().unwrap_or_default();
        let due = candidates.iter().map(|(.., due)| *due).max().unwrap_or_default();
        if has_samples(database, &ids, from, due)? {
            return Ok(true);
        }
        for (at, _, due) in candidates.drain(..) {
            if let (Some(unit), Some(newest)) = (self.units.get_mut(at), newest.get(at)) {
                unit.note(*newest, due, Emitted::default());
            }
        }
        Ok(false)
    }

    #[allow(clippy::too_many_arguments)]
    fn run_chunk(
        &mut self,
        job: &Job,
        chunk: &[(usize, Timestamp, Timestamp)],
        database: &Database,
        newest: &[Newest],
        destination: &Database,
        around: &Surroundings<'_>,
        report: &mut SourceReport,
    ) -> Result<()> {
        let began = around.clock.now();
        let mut outputs = Outputs::new(destination);
        let mut wanted = Vec::with_capacity(chunk.len());
        for (at, from, due) in chunk {
            let Some(unit) = self.units.get(*at) else { continue };
            let meaning = Operands { value_type: unit.value_type, typed: database.is_typed(unit.id) };
            wanted.push(Wanted::new((unit.id, meaning), &unit.outputs, job, (*from, *due), &mut outputs)?);
        }
        let (emitted, scanned) = emit(database, job, &wanted, &mut outputs, around.proceed)?;
        if outputs.result.refused > 0 {
            check_clock(destination, began, around.clock.now())?;
        }
        report.note(job, &outputs.result, &emitted);
        note_refused(&self.name, job, &outputs.result);
        if let Some(text) = refused_text(job, &outputs.result) {
            // Seen in health until it is acknowledged; the log has the reason of each time.
            let (id, destination) = (&job.id, &job.destination);
            let note = format!(
                "rollup job {id:?}: {destination} refused results; the log and `nanocli maintain` say which and why"
            );
            database.note_mended(false, note);
            report.errors.push(text);
        }
        report.warnings.extend(scanned.warnings);
        let mark = destination.flush_mark();
        for ((at, _, due), emitted) in chunk.iter().zip(emitted) {
            let (Some(unit), Some(newest)) = (self.units.get_mut(*at), newest.get(*at)) else { continue };
            unit.note(*newest, *due, emitted);
            if let Some(end) = emitted.end {
                unit.pending = Some((mark, end));
            }
        }
        Ok(())
    }

    /// Counts what came into buckets after they were emitted.
    fn look_for_late_samples(
        &mut self,
        database: &Database,
        newest: &[Newest],
        report: &mut SourceReport,
    ) -> Result<()> {
        self.has_looked = true;
        // Buckets whose samples are to be counted, with the units.
        let mut recounts: BTreeMap<(Timestamp, Timestamp), Vec<usize>> = BTreeMap::new();
        for ((at, unit), newest) in self.units.iter().enumerate().zip(newest) {
            let (Some(done), Some(job)) = (unit.done, self.jobs.get(unit.job)) else { continue };
            let is_open = newest.is_none_or(|(newest, _)| newest < done);
            let changed = match &unit.watch {
                Some(watch) => watch.newest != *newest,
                None => is_open,
            };
            if changed {
                recounts.entry((done.saturating_sub(job.interval), done)).or_default().push(at);
            }
        }
        let mut late: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
        for ((from, to), units) in recounts {
            let ids: Vec<MetricId> = units.iter().filter_map(|at| Some(self.units.get(*at)?.id)).collect();
            for (at, count) in units.iter().zip(count(database, &ids, from, to)?) {
                let (Some(unit), Some(newest)) = (self.units.get_mut(*at), newest.get(*at)) else { continue };
                let more = unit.watch.map_or(0, |watch| count.saturating_sub(watch.count));
                if more > 0 {
                    let (metrics, samples) = late.entry(unit.job).or_default();
                    *metrics = metrics.saturating_add(1);
                    *samples = samples.saturating_add(more);
                }
                let is_open = newest.is_none_or(|(newest, _)| newest < to);
                unit.watch = is_open.then_some(Watch { newest: *newest, count });
            }
        }
        for (job, (metrics, samples)) in late {
            let Some(job) = self.jobs.get(job) else { continue };
            tracing::warn!(
                database = self.name,
                job = job.id,
                metrics,
                samples,
                "samples came after their bucket was rolled up; a backfill mends it"
            );
            let (job, destination) = (job.id.clone(), job.destination.clone());
            report.late.push(LateSamples { job, destination, metrics, samples });
        }
        Ok(())
    }

    /// After a backfill: how far a unit came, and what its last bucket held. The checkpoints follow.
    pub(super) fn rebuilt(&mut self, unit: usize, newest: Newest, due: Timestamp, emitted: Emitted) {
        if let Some(unit) = self.units.get_mut(unit) {
            (unit.done, unit.seen_until, unit.watch, unit.pending) = (None, Timestamp::MIN, None, None);
            unit.note(newest, due, emitted);
        }
    }

    /// After a backfill: writes the checkpoints of all units of a destination, which is durable.
    pub(super) fn save_rebuilt(&mut self, vfs: &dyn Vfs, destination: &str) -> Result<()> {
        let jobs = &self.jobs;
        let is_of = |unit: &&Unit| jobs.get(unit.job).is_some_and(|job| job.destination == destination);
        let lines: Vec<_> =
            self.units.iter().filter(is_of).filter_map(|unit| Some((unit.key.as_str(), unit.done?))).collect();
        self.checkpoints.append(vfs, &lines)
    }
}

impl Unit {
    /// Up to where its buckets may be emitted, when `due` is what the wall clock allows. Samples of a metric come in time
    /// order: buckets before that of the newest sample are complete. That one itself may be in the middle of being sent, by a
    /// collector that was offline or by an import, until nothing has come for the grace. Of a metric that another job makes, that
    /// job says what is complete.
    pub(super) fn limit(&self, job: &Job, due: Timestamp, monotonic: Duration) -> Timestamp {
        let lagging = self.arrived.filter(|(newest, ..)| *newest < due && self.upstream.is_none());
        let Some((newest, _, Some(arrived))) = lagging else {
            return Timestamp::MAX;
        };
        let quiet = Duration::from_nanos(job.grace.unsigned_abs()).max(QUIET);
        let bucket = job.bucket(newest);
        let is_emitted = self.done.is_some_and(|done| done > bucket);
        if is_emitted || monotonic.saturating_sub(arrived) >= quiet { Timestamp::MAX } else { bucket }
    }

    /// Notes what a pass did up to `due`. `newest` was read before it.
    fn note(&mut self, newest: Newest, due: Timestamp, emitted: Emitted) {
        if let Some(end) = emitted.end {
            self.done = Some(end);
            let is_open = newest.is_none_or(|(newest, _)| newest < end);
            self.watch = is_open.then_some(Watch { newest, count: emitted.count });
        }
        // Samples of a metric come in time order.
        if newest.is_some_and(|(newest, _)| newest >= due) {
            self.seen_until = self.seen_until.max(due);
        }
    }
}

/// What is told of results that the destination did not take.
fn refused_text(job: &Job, written: &Written) -> Option<String> {
    let reason = written.reason.as_deref().filter(|_| written.refused > 0)?;
    let refused = counted(written.refused, "result");
    Some(format!("job {:?}: {refused} that {} cannot take: {reason}", job.id, job.destination))
}

pub(super) fn note_refused(source: &str, job: &Job, written: &Written) {
    if let Some(reason) = written.reason.as_deref().filter(|_| written.refused > 0) {
        let (job, destination, refused) = (&job.id, &job.destination, written.refused);
        tracing::warn!(database = source, job, destination, refused, reason, "results that cannot be stored");
    }
}
