//! Parsed samples on their way into databases, reusable without allocation.

use crate::model::{MetricId, Number, Timestamp, ValueType, name};
use crate::order;
use crate::plugin::SampleSink;
use std::collections::HashMap;

/// Timestamp of a row whose sender gave none.
pub(crate) const NOW: Timestamp = Timestamp::MIN;

/// Names kept for the next use of a batch; beyond that they are dropped, so that hostile senders cannot grow it for ever.
const MAX_SERIES: usize = 100_000;

/// One rejected line or sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Line number in the input, from 1; 0 for samples that did not come from lines.
    pub line: u64,
    /// Why, and what would be accepted.
    pub reason: String,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchOutcome {
    /// Samples stored.
    pub accepted: u64,
    /// Lines and samples refused.
    pub rejected: u64,
    /// The first [`Batch::MAX_REPORTED`] of them, by line.
    pub rejections: Vec<Rejection>,
    /// How many of the refused ones are no mistake of the sender, so that they may be sent again: a full disk, a database that takes no
    /// samples.
    pub failed: u64,
    /// Why the first of those failed.
    pub failure: Option<String>,
}

impl BatchOutcome {
    /// Counts one refusal; its text is only made when it will be reported.
    pub(crate) fn reject(&mut self, line: u64, reason: impl FnOnce() -> String) {
        self.rejected = self.rejected.saturating_add(1);
        if self.rejections.len() < Batch::MAX_REPORTED {
            self.rejections.push(Rejection { line, reason: reason() });
        }
    }

    /// Notes that `rows` of the refused samples failed for what is no mistake of the sender.
    pub(crate) fn fail(&mut self, rows: u64, error: &crate::Error) {
        self.failed = self.failed.saturating_add(rows);
        self.failure.get_or_insert_with(|| error.to_string());
    }

    /// Takes back that `rows` samples were stored: `error` makes it uncertain.
    pub(crate) fn take_back(&mut self, rows: u64, error: &crate::Error) {
        self.accepted = self.accepted.saturating_sub(rows);
        self.rejected = self.rejected.saturating_add(rows);
        self.fail(rows, error);
    }

    /// Rejections by line.
    pub(crate) fn sort_rejections(&mut self) {
        order::sort_by_key(&mut self.rejections, |r| r.line);
    }

    /// Adds a later outcome to this one.
    pub fn merge(&mut self, later: BatchOutcome) {
        self.accepted = self.accepted.saturating_add(later.accepted);
        self.rejected = self.rejected.saturating_add(later.rejected);
        self.rejections.extend(later.rejections);
        self.sort_rejections();
        self.rejections.truncate(Batch::MAX_REPORTED);
        self.failed = self.failed.saturating_add(later.failed);
        if self.failure.is_none() {
            self.failure = later.failure;
        }
    }
}

/// One sample, pointing at its series in the batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) timestamp: Timestamp,
    pub(crate) number: Number,
    pub(crate) series: u32,
    pub(crate) line: u32,
}

/// A `database/metric` that the batch has seen.
#[derive(Debug)]
pub(crate) struct Series {
    from: usize,
    database_len: usize,
    len: usize,
    /// The series that followed this one last time: senders repeat themselves.
    next: u32,
    pub(crate) database: u32,
    /// Why its samples cannot be taken, when its name is not valid.
    pub(crate) invalid: Option<String>,
    /// Type stated by the sender, with its line.
    pub(crate) declared: Option<(u64, ValueType)>,
    /// Metric id in the open database with this instance number.
    pub(crate) resolved: (u64, MetricId),
}

/// Samples on their way to the engine. Reuse one: it keeps its allocations and the names it has seen, so that a steady
/// stream allocates nothing.
#[derive(Default)]
pub struct Batch {
    arena: Vec<u8>,
    pub(crate) series: Vec<Series>,
    pub(crate) databases: Vec<String>,
    index: HashMap<Box<[u8]>, u32, foldhash::fast::RandomState>,
    key: Vec<u8>,
    pub(crate) rows: Vec<Row>,
    pub(crate) outcome: BatchOutcome,
    pub(crate) declarations: Vec<u32>,
    previous: u32,
    /// Database of the first row, and whether another row has another one.
    database: u32,
    mixed: bool,
    /// Whether `limits.max_future` is no limit for it.
    pub(crate) any_time: bool,
    /// Whether its floats widen a metric of integers though float64 has not each of these: they are results that went beyond 64 bits.
    pub(crate) is_computed: bool,
    /// Whether it comes from outside: then nothing of it goes into the database of the engine's own metrics.
    is_foreign: bool,
}

impl Batch {
    /// How many rejections are kept with their text.
    pub const MAX_REPORTED: usize = 20;

    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch for what others send: samples for [`name::INTERNAL_DATABASE`] are rejected, which only the engine writes.
    /// Stays so when it is emptied.
    pub fn from_outside() -> Self {
        Self { is_foreign: true, ..Self::default() }
    }

    /// Takes samples however far ahead of the clock they are: for what is no live ingest. Stays so when it is emptied.
    pub fn take_any_time(&mut self) {
        self.any_time = true;
    }

    /// Samples in it (rejected lines not counted).
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Lines that the parser refused so far.
    pub fn rejected(&self) -> u64 {
        self.outcome.rejected
    }

    /// Adds a sample; without a timestamp it gets the time at which it is stored.
    pub fn push(&mut self, database: &str, metric: &str, value: impl Into<Number>, timestamp: Option<Timestamp>) {
        self.sample(0, database.as_bytes(), metric.as_bytes(), value.into(), timestamp);
    }

    /// Empties it, keeping allocations and known names.
    pub fn clear(&mut self) {
        if self.series.len() > MAX_SERIES {
            *self = Self {
                any_time: self.any_time,
                is_computed: self.is_computed,
                is_foreign: self.is_foreign,
                ..Self::default()
            };
            return;
        }
        self.rows.clear();
        self.declarations.clear();
        self.outcome = BatchOutcome::default();
        self.previous = 0;
    }

    /// The name of the database that all rows are for; `None` when there are several, or an invalid one.
    pub(crate) fn only_database(&self) -> Option<&str> {
        let name = self.databases.get(self.database as usize)?;
        (!self.mixed && !self.rows.is_empty()).then_some(name.as_str())
    }

    pub(crate) fn metric_name(&self, series: &Series) -> &str {
        let from = series.from.saturating_add(series.database_len).saturating_add(1);
        let to = series.from.saturating_add(series.len);
        std::str::from_utf8(self.arena.get(from..to).unwrap_or_default()).unwrap_or_default()
    }

    #[inline]
    fn matches(&self, at: u32, database: &[u8], metric: &[u8]) -> bool {
        let Some(series) = self.series.get(at as usize) else { return false };
        if series.database_len != database.len() || series.len != database.len() + 1 + metric.len() {
            return false;
        }
        let Some(bytes) = self.arena.get(series.from..series.from + series.len) else { return false };
        bytes.ends_with(metric) && bytes.starts_with(database)
    }

    #[inline]
    fn series_of(&mut self, database: &[u8], metric: &[u8]) -> u32 {
        let guess = self.series.get(self.previous as usize).map_or(0, |s| s.next);
        let found = if self.matches(guess, database, metric) { guess } else { self.find_or_add(database, metric) };
        if found != guess
            && let Some(previous) = self.series.get_mut(self.previous as usize)
        {
            previous.next = found;
        }
        self.previous = found;
        found
    }

    fn find_or_add(&mut self, database: &[u8], metric: &[u8]) -> u32 {
        self.key.clear();
        self.key.extend_from_slice(database);
        self.key.push(b'/');
        self.key.extend_from_slice(metric);
        if let Some(found) = self.index.get(self.key.as_slice()) {
            // A database name holds no '/', so equal keys mean equal parts unless the database is invalid.
            if self.matches(*found, database, metric) {
                return *found;
            }
        }
        let at = self.series.len() as u32;
        let invalid = match (name::check_database_name(database), name::check_metric_name(metric)) {
            (Ok(name::INTERNAL_DATABASE), Ok(_)) if self.is_foreign => {
                Some("only the engine itself writes to \"internal\": choose another database".to_owned())
            }
            (Ok(_), Ok(_)) => None,
            (Err(e), _) | (_, Err(e)) => Some(e),
        };
        let database_at = match &invalid {
            Some(_) => u32::MAX,
            None => self.database_at(database),
        };
        self.series.push(Series {
            from: self.arena.len(),
            database_len: database.len(),
            len: self.key.len(),
            next: at.wrapping_add(1),
            database: database_at,
            invalid,
            declared: None,
            resolved: (0, 0),
        });
        self.arena.extend_from_slice(&self.key);
        self.index.insert(self.key.as_slice().into(), at);
        at
    }

    fn database_at(&mut self, database: &[u8]) -> u32 {
        let found = self.databases.iter().position(|d| d.as_bytes() == database);
        let at = found.unwrap_or_else(|| {
            self.databases.push(String::from_utf8_lossy(database).into_owned());
            self.databases.len() - 1
        });
        at as u32
    }
}

impl SampleSink for Batch {
    #[inline]
    fn sample(&mut self, line: u64, database: &[u8], metric: &[u8], value: Number, timestamp: Option<Timestamp>) {
        let series = self.series_of(database, metric);
        if timestamp == Some(NOW) {
            return self.reject(line, "timestamp is out of range: the earliest is 1677-09-21".into());
        }
        let database = self.series.get(series as usize).map_or(u32::MAX, |s| s.database);
        if self.rows.is_empty() {
            self.database = database;
            self.mixed = false;
        }
        self.mixed |= database != self.database;
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.rows.push(Row { timestamp: timestamp.unwrap_or(NOW), number: value, series, line });
    }

    fn reject(&mut self, line: u64, reason: String) {
        self.outcome.reject(line, || reason);
    }

    fn declare(&mut self, line: u64, database: &[u8], metric: &[u8], value_type: ValueType) {
        let at = self.series_of(database, metric);
        if let Some(series) = self.series.get_mut(at as usize) {
            series.declared = Some((line, value_type));
            self.declarations.push(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_sender_who_never_repeats_one_are_not_kept_for_ever() {
        let mut batch = Batch::new();
        batch.take_any_time();
        for at in 0..MAX_SERIES {
            batch.push("d", &format!("m{at}"), Number::integer(1), Some(1));
        }
        batch.clear();
        assert_eq!((batch.series.len(), batch.index.len()), (MAX_SERIES, MAX_SERIES), "kept for who repeats them");
        batch.push("d", "one.more", Number::integer(1), Some(1));
        batch.clear();
        assert_eq!((batch.series.len(), batch.index.len(), batch.arena.capacity()), (0, 0, 0));
        assert!(batch.any_time && batch.is_empty());
    }
}
