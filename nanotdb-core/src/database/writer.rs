//! Taking a batch: check types and order, append to the WAL with one write, then to the open pages.

use super::batch::{Batch, NOW, Row};
use super::commit::Sequence;
use super::expire::ends_before;
use super::typing::{Fit, fit, new_type, refusal};
use super::{BatchOutcome, Database, Last};
use crate::config::{FsyncPolicy, ValuesSection};
use crate::format::wal::BatchEncoder;
use crate::model::duration::format_short;
use crate::model::{MetricId, Timestamp, ValueType};
use crate::plugin::{Partition, caught};
use crate::stats::Counters;
use crate::storage::{OpenPage, WalFile};
use crate::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Rows that a page may hold while it cannot be flushed; beyond that, writes are refused.
const MAX_UNFLUSHED_ROWS: usize = 1 << 18;

/// How many pages' worth of rows may come while the one before is flushed; then writers wait for the flush. More than one,
/// so that a slow disk makes pages larger before it makes writers wait.
pub(super) const MOST_PAGES: usize = 2;

/// What the writer keeps of a metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriterMetric {
    pub(super) value_type: ValueType,
    /// A float32 of a program's: its values are no text.
    pub(super) typed: bool,
    pub(super) last: Last,
    /// How many more batches of the WAL must carry its name and type.
    announce: u8,
    /// What is known of why it cannot become float64.
    pub(super) held: Held,
    /// Its name goes on with another id: it takes no more rows.
    is_former: bool,
    epoch: u32,
}

/// What is known of the integers of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// Nothing was looked for.
    Unknown,
    /// One is beyond 2^53, or cannot be read.
    BeyondFloat64,
}

/// Batches of the WAL that carry a name which catalog.json lacks: with one alone, its damage would make every later
/// batch of the metric unreadable too.
const ANNOUNCEMENTS: u8 = 2;

impl WriterMetric {
    /// A metric that catalog.json knows.
    pub(super) fn new(value_type: ValueType, typed: bool, last: Last, is_former: bool) -> Self {
        Self { value_type, typed, last, announce: 0, held: Held::Unknown, is_former, epoch: 0 }
    }

    /// A metric whose name and type catalog.json lacks.
    fn unannounced(value_type: ValueType, last: Last, epoch: u32) -> Self {
        Self { value_type, typed: false, last, announce: ANNOUNCEMENTS, held: Held::Unknown, is_former: false, epoch }
    }

    /// Takes wider integers from now on, under the same id: its rows are sign-extended as they are.
    pub(super) fn widen_in_place(&mut self) {
        self.value_type = ValueType::Int64;
        self.announce = ANNOUNCEMENTS;
    }

    /// Takes no more rows: its name goes on with another id.
    pub(super) fn retire(&mut self) {
        self.is_former = true;
    }
}

pub(super) struct StagedRow {
    timestamp: Timestamp,
    pub(super) bits: u64,
    pub(super) id: MetricId,
    partition: u32,
}

/// State that only the holder of the writer's lock touches.
pub(super) struct Writer {
    pub(super) wal: WalFile,
    /// By id.
    pub(super) metrics: Vec<Option<WriterMetric>>,
    /// Newest timestamp in any data file when the database was opened. Metrics that were not written since then need
    /// no look-up for younger samples.
    pub(super) disk_end: Option<Timestamp>,
    /// Whether catalog.json lacks a metric or a type.
    pub(super) catalog_dirty: bool,
    pub(super) wal_buffer: Vec<u8>,
    pub(super) staged: Vec<StagedRow>,
    partitions: Vec<(Partition, bool)>,
    /// Metrics that the current batch changed, as they were before.
    undo: Vec<(MetricId, Option<WriterMetric>)>,
    partition_at: HashMap<Partition, u32>,
    /// Metrics that the current batch creates, with consecutive ids.
    new_names: HashMap<Arc<str>, MetricId>,
    new_metrics: Vec<(MetricId, Arc<str>)>,
    /// Metrics whose name the current batch carries.
    announced: HashSet<MetricId>,
    epoch: u32,
}

impl Writer {
    pub(super) fn new(wal: WalFile, metrics: Vec<Option<WriterMetric>>, disk_end: Option<Timestamp>) -> Self {
        Self {
            wal,
            metrics,
            disk_end,
            catalog_dirty: false,
            wal_buffer: Vec::new(),
            staged: Vec::new(),
            partitions: Vec::new(),
            undo: Vec::new(),
            partition_at: HashMap::new(),
            new_names: HashMap::new(),
            new_metrics: Vec::new(),
            announced: HashSet::new(),
            epoch: 0,
        }
    }

    pub(super) fn metric(&self, id: MetricId) -> Option<&WriterMetric> {
        self.metrics.get(usize::from(id))?.as_ref()
    }

    /// The metric, for a change by the current batch; its former state is remembered once.
    #[inline(always)]
    pub(super) fn touch(&mut self, id: MetricId) -> Option<&mut WriterMetric> {
        let epoch = self.epoch;
        let metric = self.metrics.get_mut(usize::from(id))?.as_mut()?;
        if metric.epoch != epoch {
            self.undo.push((id, Some(*metric)));
            metric.epoch = epoch;
        }
        Some(metric)
    }

    fn begin(&mut self) {
        self.staged.clear();
        self.partitions.clear();
        self.partition_at.clear();
        self.undo.clear();
        self.new_names.clear();
        self.new_metrics.clear();
        self.epoch = self.epoch.wrapping_add(1);
    }

    fn roll_back(&mut self) {
        for (id, before) in self.undo.drain(..).rev() {
            if let Some(slot) = self.metrics.get_mut(usize::from(id)) {
                *slot = before;
            }
        }
        // Ids of metrics that were not created after all are free again.
        if let Some((first, _)) = self.new_metrics.first() {
            self.metrics.truncate(usize::from(*first));
        }
        self.new_names.clear();
        self.new_metrics.clear();
    }
}

fn new_name(new_metrics: &[(MetricId, Arc<str>)], id: MetricId) -> Option<&str> {
    let (first, _) = new_metrics.first()?;
    let (_, name) = new_metrics.get(usize::from(id.checked_sub(*first)?))?;
    Some(name)
}

/// What a stored batch still owes before it may be acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The WAL must be durable up to here.
    pub sync: Option<Sequence>,
    /// Pages are due to be flushed.
    pub flush: bool,
    /// That must happen before the batch is acknowledged: so much came during the last flush that there could be no end
    /// of it, or a page repeats what is on disk.
    pub flush_first: bool,
    /// One of them repeats what is on disk.
    pub repeated: bool,
}

impl Receipt {
    /// Whether settling waits for the disk.
    pub fn must_wait(&self) -> bool {
        self.sync.is_some() || self.flush
    }
}

impl Database {
    /// Stores the rows `which` (indices, in order; `None` = all) of a batch: one WAL write, then the open pages. Bad rows
    /// are counted in `outcome` and never block the good ones. On an error nothing was stored.
    pub fn submit(&self, batch: &mut Batch, which: Option<&[u32]>, outcome: &mut BatchOutcome) -> Result<Receipt> {
        self.store(batch, which, outcome).inspect_err(|error| self.note_space(Some(error)))
    }

    fn store(&self, batch: &mut Batch, which: Option<&[u32]>, outcome: &mut BatchOutcome) -> Result<Receipt> {
        self.make_room()?;
        let mut writer = self.lock_writer()?;
        self.check_open()?;
        self.check_writable()?;
        let writer = &mut *writer;
        writer.begin();
        let mut stage = Stage {
            database: self,
            now: self.environment.clock.now(),
            current: None,
            values: self.environment.config.values,
            rounded: 0,
            max_future: match batch.any_time {
                true => 0,
                false => i64::try_from(self.environment.config.limits.max_future.as_nanos()).unwrap_or(i64::MAX),
            },
            cutoff: self.cutoff.load(Ordering::Relaxed),
            refused: Refused::default(),
        };
        stage.declarations(writer, batch, outcome);
        let staged = caught(|| match which {
            None => (0..batch.rows.len()).try_for_each(|i| stage.row(writer, batch, i, outcome)),
            Some(which) => which.iter().try_for_each(|i| stage.row(writer, batch, *i as usize, outcome)),
        });
        // Of others' code, the partitioner is asked.
        let staged = staged.unwrap_or_else(|reason| Err(self.partitioner_broke(&reason)));
        let appended = match staged {
            Ok(()) => self.append_to_wal(writer),
            Err(e) => Err(e),
        };
        let sync = match appended {
            Ok(sync) => sync,
            Err(e) => {
                writer.roll_back();
                return Err(e);
            }
        };
        if !writer.staged.is_empty() {
            self.note_space(None);
        }
        outcome.accepted = outcome.accepted.saturating_add(writer.staged.len() as u64);
        self.counters().ingest_samples.add(writer.staged.len() as u64);
        stage.refused.count(self.counters());
        if stage.rounded > 0 {
            self.counters().ingest_rounded.add(stage.rounded);
        }
        let lengths = self.page_lengths(writer);
        self.apply(writer);
        let repeated = self.find_repeated_pages(&lengths);
        let always = self.environment.config.wal.fsync_policy == FsyncPolicy::Always;
        let state = self.read_state();
        Ok(Receipt {
            sync: sync.filter(|_| always),
            flush: repeated || self.is_due(writer, &state, 1),
            flush_first: repeated || self.is_due(writer, &state, MOST_PAGES),
            repeated,
        })
    }

    /// Pays what a receipt owes: waits for the fsync, and flushes pages. With a `flusher`, another thread that flushes, it only
    /// makes room; `true` means that this thread must be woken.
    pub fn settle(&self, receipt: Receipt, flusher: bool) -> Result<bool> {
        if let (Some(sequence), Some(commit)) = (receipt.sync, &self.commit) {
            commit.wait(sequence).inspect_err(|e| self.doubt(e))?;
        }
        if !receipt.flush {
            return Ok(false);
        }
        let wake = flusher && !receipt.repeated;
        let outcome = if wake { self.freeze_pressing() } else { self.flush_due() };
        if let Err(error) = outcome {
            if receipt.repeated {
                return Err(error);
            }
            // The rows are in the WAL: the batch stands. The next one tries again, or is refused.
            self.log_flush(&error);
        }
        Ok(wake)
    }

    /// Whether there is so much in open pages that a batch has to wait until it is flushed.
    pub(crate) fn is_piled_up(&self) -> bool {
        let most = MAX_UNFLUSHED_ROWS.max(self.page_rows().saturating_mul(4));
        self.read_state().pages.values().any(|page| page.len() >= most)
    }

    /// Refuses a batch while pages pile up that cannot be flushed.
    fn make_room(&self) -> Result<()> {
        match self.is_piled_up() {
            true => self.flush().map_err(|error| match error {
                // Nothing is wrong with the batch.
                Error::Incompatible { .. } => {
                    let reason = format!("pages cannot be flushed: {error}");
                    Error::ReadOnly { database: self.name.clone(), reason }
                }
                other => other,
            }),
            false => Ok(()),
        }
    }

    /// One write for the whole batch.
    fn append_to_wal(&self, writer: &mut Writer) -> Result<Option<Sequence>> {
        writer.wal_buffer.clear();
        let first_of_file = writer.wal.is_empty();
        let mut encoder = BatchEncoder::new(&mut writer.wal_buffer, first_of_file);
        let state = self.read_state();
        writer.announced.clear();
        // The first record of a file is a batch of its own.
        let mut is_own_batch = first_of_file;
        for row in &writer.staged {
            if !writer.partitions.get(row.partition as usize).is_some_and(|(_, in_wal)| *in_wal) {
                continue;
            }
            let Some(metric) = writer.metrics.get_mut(usize::from(row.id)).and_then(Option::as_mut) else { continue };
            let (value_type, typed) = (metric.value_type, metric.typed);
            let name = if metric.announce > 0 && !writer.announced.contains(&row.id) {
                metric.announce = metric.announce.saturating_sub(1);
                if !is_own_batch {
                    writer.announced.insert(row.id);
                }
                new_name(&writer.new_metrics, row.id).or_else(|| state.metric(row.id).map(|m| &*m.name))
            } else {
                None
            };
            is_own_batch = false;
            match name {
                Some(name) if typed => encoder.typed_record(row.id, row.timestamp, row.bits, name),
                name => encoder.record(row.id, row.timestamp, row.bits, value_type, name),
            }
        }
        drop(state);
        encoder.finish();
        if writer.wal_buffer.is_empty() {
            return Ok(None);
        }
        if let Err(failed) = writer.wal.append(&writer.wal_buffer) {
            if failed.torn {
                self.poison(&failed.error);
            }
            return Err(failed.error);
        }
        self.counters().wal_appends.add(1);
        self.counters().wal_bytes.add(writer.wal_buffer.len() as u64);
        self.wal_size.set(writer.wal.len());
        Ok(self.commit.as_ref().map(|c| c.appended()))
    }

    /// Rows of the open pages that the staged rows go to, before they do.
    fn page_lengths(&self, writer: &Writer) -> Vec<(Partition, usize)> {
        let state = self.read_state();
        let in_wal = writer.partitions.iter().filter(|(_, in_wal)| *in_wal);
        in_wal.map(|(p, _)| (*p, state.pages.get(p).map_or(0, OpenPage::len))).collect()
    }

    /// Makes the staged rows visible.
    fn apply(&self, writer: &mut Writer) {
        let now = self.environment.clock.monotonic();
        let mut state = self.write_state();
        let state = &mut *state;
        if !writer.staged.is_empty() {
            state.written = Some(now);
        }
        writer.new_names.clear();
        for (id, name) in writer.new_metrics.drain(..) {
            if let Some(metric) = writer.metrics.get(usize::from(id)).and_then(Option::as_ref) {
                state.put_metric(id, &name, metric.value_type, Last::Never);
                state.set_typed(id, metric.typed);
                tracing::trace!(database = self.name, metric = %name, id, value_type = %metric.value_type, "new metric");
            }
        }
        for (id, before) in &writer.undo {
            let written = writer.metrics.get(usize::from(*id)).and_then(Option::as_ref);
            if let (Some(written), Some(metric)) = (written, state.metric_mut(*id)) {
                metric.value_type = written.value_type;
                // A type that was stated is no sample: the newest one may have expired since it was written.
                if before.is_none_or(|before| before.last != written.last) {
                    metric.last = written.last;
                }
                metric.batches = metric.batches.wrapping_add(1);
            }
        }
        let mut rows = writer.staged.as_slice();
        while let Some(first) = rows.first() {
            let run = rows.iter().take_while(|r| r.partition == first.partition).count();
            let (these, rest) = rows.split_at(run);
            rows = rest;
            let Some((partition, in_wal)) = writer.partitions.get(first.partition as usize) else { continue };
            let page = state.pages.entry(*partition).or_insert_with(|| OpenPage::new(*in_wal, now));
            page.written = now;
            let earliest = these.iter().map(|r| r.timestamp).min().unwrap_or(Timestamp::MAX);
            page.earliest = page.earliest.min(earliest);
            page.ids.extend(these.iter().map(|r| r.id));
            page.timestamps.extend(these.iter().map(|r| r.timestamp));
            page.bits.extend(these.iter().map(|r| r.bits));
        }
        writer.undo.clear();
    }
}

/// Checks rows one by one and stages the good ones.
pub(super) struct Stage<'a> {
    pub(super) database: &'a Database,
    now: Timestamp,
    current: Option<(Partition, u32)>,
    pub(super) values: ValuesSection,
    /// Decimals that `[values] width = "32"` rounded.
    rounded: u64,
    /// Zero when any time is taken.
    max_future: i64,
    /// Partitions that ended before are expired.
    cutoff: Timestamp,
    refused: Refused,
}

/// Samples of a batch that were refused, by reason.
#[derive(Default)]
struct Refused {
    name: u64,
    value_type: u64,
    order: u64,
    future: u64,
    expired: u64,
    limit: u64,
}

impl Refused {
    /// Adds what there is.
    fn count(&self, counters: &Counters) {
        for (refused, counter) in [
            (self.name, &counters.rejected_name),
            (self.value_type, &counters.rejected_type),
            (self.order, &counters.rejected_order),
            (self.future, &counters.rejected_future),
            (self.expired, &counters.rejected_expired),
            (self.limit, &counters.rejected_limit),
        ] {
            if refused > 0 {
                counter.add(refused);
            }
        }
    }
}

/// Why a row is not taken.
pub(super) enum Refusal {
    Name(String),
    Type(String),
    Limit(String),
}

impl Stage<'_> {
    fn refuse(&mut self, line: u64, refusal: Refusal, outcome: &mut BatchOutcome) {
        let (counted, reason) = match refusal {
            Refusal::Name(reason) => (&mut self.refused.name, reason),
            Refusal::Type(reason) => (&mut self.refused.value_type, reason),
            Refusal::Limit(reason) => (&mut self.refused.limit, reason),
        };
        *counted += 1;
        outcome.reject(line, || reason);
    }

    /// Types that the sender stated: checked against metrics that exist. New metrics take them with their first sample.
    fn declarations(&mut self, writer: &mut Writer, batch: &mut Batch, outcome: &mut BatchOutcome) {
        let mut kept = Vec::new();
        for at in std::mem::take(&mut batch.declarations) {
            let Some(series) = batch.series.get(at as usize) else { continue };
            let Some((line, declared)) = series.declared else { continue };
            if batch.databases.get(series.database as usize).is_none_or(|d| *d != self.database.name) {
                kept.push(at);
                continue;
            }
            let id = self.database.read_state().names.get(batch.metric_name(series)).copied();
            let Some((id, exists)) = id.and_then(|id| Some((id, writer.metric(id)?.value_type))) else { continue };
            if exists == declared {
                continue;
            }
            let widened = match self.may_become(exists, declared) {
                true => self.widen(writer, batch.metric_name(series), id, declared, false),
                false => Ok(Err(Refusal::Type(format!("type {declared} was stated for a metric that is {exists}")))),
            };
            match widened {
                Ok(Ok(_)) => {}
                Ok(Err(refusal)) => self.refuse(line, refusal, outcome),
                Err(error) => self.refuse(line, Refusal::Type(error.to_string()), outcome),
            }
        }
        batch.declarations = kept;
    }

    /// Whether the metric has samples ahead of the clock already, as after an import, and this one is not far behind the newest.
    #[cold]
    fn goes_on_ahead(&self, writer: &mut Writer, batch: &Batch, row: &Row) -> Result<bool> {
        let Some(series) = batch.series.get(row.series as usize) else { return Ok(false) };
        let name = batch.metric_name(series);
        let stored = self.database.read_state().names.get(name).copied();
        let Some(id) = writer.new_names.get(name).copied().or(stored) else { return Ok(false) };
        let last = match writer.metric(id).map(|metric| metric.last) {
            Some(Last::Unknown) => {
                let last = self.database.look_up_last(id)?;
                if let Some(metric) = writer.metrics.get_mut(usize::from(id)).and_then(Option::as_mut) {
                    metric.last = last;
                }
                Some(last)
            }
            last => last,
        };
        let Some(Last::At(last, _)) = last else { return Ok(false) };
        // Beyond what a live sample may be: else each could be a step further.
        let is_ahead = last > self.now.saturating_add(self.max_future);
        Ok(is_ahead && row.timestamp <= last.saturating_add(self.max_future))
    }

    #[inline]
    fn row(&mut self, writer: &mut Writer, batch: &mut Batch, at: usize, outcome: &mut BatchOutcome) -> Result<()> {
        let Some(row) = batch.rows.get(at).copied() else { return Ok(()) };
        let Some(series) = batch.series.get(row.series as usize) else { return Ok(()) };
        let line = u64::from(row.line);
        if self.max_future > 0
            && row.timestamp > self.now.saturating_add(self.max_future)
            && !self.goes_on_ahead(writer, batch, &row)?
        {
            self.refused.future += 1;
            outcome.reject(line, || too_far_ahead(row.timestamp, self.now, self.max_future));
            return Ok(());
        }
        if row.timestamp < self.cutoff && row.timestamp != NOW {
            let partition = self.database.partitioner.partition_of(row.timestamp);
            if ends_before(partition, self.cutoff) {
                self.refused.expired += 1;
                outcome.reject(line, || self.database.expired_sample(row.timestamp, partition));
                return Ok(());
            }
        }
        let known = series.resolved.0 == self.database.instance;
        let id = if known && writer.metric(series.resolved.1).is_some_and(|metric| !metric.is_former) {
            series.resolved.1
        } else {
            match self.resolve(writer, batch, &row)? {
                Ok(id) => id,
                Err(refusal) => {
                    self.refuse(line, refusal, outcome);
                    return Ok(());
                }
            }
        };
        let Some(metric) = writer.metric(id) else { return Ok(()) };
        let last = match metric.last {
            Last::At(last, _) => last,
            Last::Never => Timestamp::MIN,
            // Younger than everything on disk is in order whatever the last was.
            Last::Unknown if row.timestamp != NOW && writer.disk_end.is_none_or(|end| row.timestamp > end) => {
                Timestamp::MIN
            }
            Last::Unknown => {
                let last = self.database.look_up_last(id)?;
                if let Some(metric) = writer.metrics.get_mut(usize::from(id)).and_then(Option::as_mut) {
                    metric.last = last;
                }
                if let Last::At(last, _) = last { last } else { Timestamp::MIN }
            }
        };
        // A sample without a time never falls behind its metric, even when the clock stepped back.
        let timestamp = if row.timestamp == NOW { self.now.max(last) } else { row.timestamp };
        if timestamp < last {
            self.refused.order += 1;
            outcome.reject(line, || {
                format!("timestamp {timestamp} is older than the metric's newest sample, {last}; samples of a metric must come in time order")
            });
            return Ok(());
        }
        let Some(metric) = writer.touch(id) else { return Ok(()) };
        let value_type = metric.value_type;
        let (id, bits) = match fit((value_type, metric.typed), row.number, &self.values) {
            Fit::Bits(bits) => {
                metric.last = Last::At(timestamp, bits);
                (id, bits)
            }
            Fit::Rounded(bits) => {
                self.rounded += 1;
                metric.last = Last::At(timestamp, bits);
                (id, bits)
            }
            Fit::Widen(wider) => match self.widen_for(writer, batch, &row, id, wider)? {
                Ok((id, bits)) => {
                    if let Some(metric) = writer.touch(id) {
                        metric.last = Last::At(timestamp, bits);
                    }
                    (id, bits)
                }
                Err(refusal) => {
                    self.refuse(line, refusal, outcome);
                    return Ok(());
                }
            },
            Fit::Refused => {
                self.refused.value_type += 1;
                outcome.reject(line, || refusal(value_type, row.number, &self.values));
                return Ok(());
            }
        };
        let partition = self.partition(writer, timestamp);
        writer.staged.push(StagedRow { timestamp, bits, id, partition });
        Ok(())
    }

    /// The metric's id, creating it when it is new. The inner error is the reason to reject the row.
    fn resolve(
        &self,
        writer: &mut Writer,
        batch: &mut Batch,
        row: &Row,
    ) -> Result<std::result::Result<MetricId, Refusal>> {
        let series = batch.series.get(row.series as usize);
        let Some(series) = series else { return Ok(Err(Refusal::Name("no such series".into()))) };
        if let Some(reason) = &series.invalid {
            return Ok(Err(Refusal::Name(reason.clone())));
        }
        let name = batch.metric_name(series);
        let stored = self.database.read_state().names.get(name).copied();
        // One that widens in this batch goes on with an id that is not stored yet.
        let new = if writer.new_names.is_empty() { None } else { writer.new_names.get(name).copied() };
        let id = match new.or(stored) {
            Some(id) => id,
            None => {
                let value_type = match series.declared {
                    Some((_, declared)) => declared,
                    None => new_type(row.number, &self.values),
                };
                let is_typed = series.declared.is_none() && row.number.is_typed_float32();
                let is_typed = is_typed && value_type == ValueType::Float32;
                match fit((value_type, is_typed), row.number, &self.values) {
                    Fit::Refused => {
                        return Ok(Err(Refusal::Type(refusal(value_type, row.number, &self.values))));
                    }
                    Fit::Widen(_) if value_type.is_integer() && row.number.as_integer().is_none() => {
                        let text = format!("{} is a float, and type {value_type} was stated", row.number.as_f64());
                        return Ok(Err(Refusal::Type(text)));
                    }
                    Fit::Widen(_) | Fit::Bits(_) | Fit::Rounded(_) => {}
                }
                match self.create(writer, name, value_type, Last::Never) {
                    Ok(id) => {
                        if let Some(metric) = writer.metrics.get_mut(usize::from(id)).and_then(Option::as_mut) {
                            metric.typed = is_typed;
                        }
                        id
                    }
                    Err(e @ Error::Limit { .. }) => return Ok(Err(Refusal::Limit(e.to_string()))),
                    Err(e) => return Err(e),
                }
            }
        };
        let instance = self.database.instance;
        // A new metric is remembered only once it is stored: the batch may yet fail as a whole.
        if stored == Some(id)
            && let Some(series) = batch.series.get_mut(row.series as usize)
        {
            series.resolved = (instance, id);
        }
        Ok(Ok(id))
    }

    pub(super) fn create(
        &self,
        writer: &mut Writer,
        name: &str,
        value_type: ValueType,
        last: Last,
    ) -> Result<MetricId> {
        let limit = self.database.environment.config.limits.max_metrics_per_database.min(u64::from(u16::MAX));
        self.database.read_rest_of_ids(writer)?;
        let next = writer.metrics.len().max(1);
        let Some(id) = MetricId::try_from(next).ok().filter(|id| u64::from(*id) <= limit) else {
            return Err(Error::Limit {
                key: "limits.max_metrics_per_database",
                limit,
                detail: format!("metric {name:?} would be one more in database {:?}", self.database.name),
            });
        };
        writer.metrics.resize(next.saturating_add(1), None);
        if let Some(slot) = writer.metrics.get_mut(next) {
            *slot = Some(WriterMetric::unannounced(value_type, last, writer.epoch));
        }
        writer.undo.push((id, None));
        let name: Arc<str> = Arc::from(name);
        writer.new_names.insert(Arc::clone(&name), id);
        writer.new_metrics.push((id, name));
        writer.catalog_dirty = true;
        Ok(id)
    }

    #[inline]
    fn partition(&mut self, writer: &mut Writer, timestamp: Timestamp) -> u32 {
        if let Some((partition, at)) = self.current
            && partition.contains(timestamp)
        {
            return at;
        }
        let partition = self.database.partitioner.partition_of(timestamp);
        let next = writer.partitions.len() as u32;
        let at = *writer.partition_at.entry(partition).or_insert(next);
        if at == next {
            let open = self.database.read_state().pages.get(&partition).map(|p| p.in_wal);
            let in_wal = open.unwrap_or_else(|| self.database.goes_through_wal(partition, self.now));
            writer.partitions.push((partition, in_wal));
        }
        self.current = Some((partition, at));
        at
    }
}

impl Database {
    /// Why a sample of an expired partition is refused.
    fn expired_sample(&self, timestamp: Timestamp, partition: Partition) -> String {
        format!(
            "timestamp {timestamp} lies in partition {}, which ended more than retention_days = {} ago and would be removed \
             at once; [retention] in manifest.toml decides",
            self.part_name(partition),
            self.manifest.retention.retention_days
        )
    }

    /// Whether rows of a partition are written to the WAL: decided per page, so that the WAL always holds all rows of a page or none.
    pub(super) fn goes_through_wal(&self, partition: Partition, now: Timestamp) -> bool {
        let skip = i64::try_from(self.manifest.wal.skip_before.as_nanos()).unwrap_or(i64::MAX);
        self.manifest.wal.enabled && partition.end > now.saturating_sub(skip)
    }
}

/// Why a timestamp is refused, and by how much it is too large.
fn too_far_ahead(timestamp: Timestamp, now: Timestamp, limit: i64) -> String {
    let ahead = Duration::from_nanos(timestamp.saturating_sub(now).unsigned_abs());
    let ahead = match ahead.as_secs() / 86_400 {
        days @ 2.. => format!("{days} days"),
        _ if ahead > Duration::from_secs(1) => format_short(Duration::from_secs(ahead.as_secs())),
        _ => format_short(ahead),
    };
    let limit = format_short(Duration::from_nanos(limit.unsigned_abs()));
    format!("timestamp {timestamp} is {ahead} ahead of the clock; limits.max_future = {limit} is as far as it may be")
}
