//! Damage that was met on the way to the newest sample of a metric: what is told as its newest may not be.

use super::Database;
use crate::model::{MetricId, Sample, Timestamp};
use crate::storage::raw_file::DamagedBytes;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Texts that are kept of one walk; further damage adds none.
const MOST_TEXTS: usize = 8;

/// What is told of one metric, for as long as that sample is its newest one.
#[derive(Debug, Clone)]
struct Doubt {
    newest: Option<Timestamp>,
    texts: Arc<[String]>,
}

/// The metrics of a database of which it is not known whether their newest sample is the one that was found.
#[derive(Debug, Default)]
pub(super) struct Unread(Mutex<HashMap<MetricId, Doubt>>);

impl Unread {
    fn lock(&self) -> MutexGuard<'_, HashMap<MetricId, Doubt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what lies behind the newest sample that was found of a metric, and could not be read.
    pub(super) fn note(&self, id: MetricId, newest: Option<Timestamp>, texts: &Arc<[String]>) {
        if !texts.is_empty() {
            self.lock().insert(id, Doubt { newest, texts: Arc::clone(texts) });
        }
    }

    /// The newest sample of a metric was found under a former id.
    pub(super) fn join(&self, id: MetricId, former: MetricId, newest: Timestamp) {
        let mut doubts = self.lock();
        let mut texts: Vec<String> = Vec::new();
        for of in [id, former] {
            texts.extend(doubts.get(&of).iter().flat_map(|doubt| doubt.texts.iter().cloned()));
        }
        if !texts.is_empty() {
            texts.dedup();
            doubts.insert(id, Doubt { newest: Some(newest), texts: texts.into() });
        }
    }

    fn of(&self, id: MetricId, newest: Option<Timestamp>) -> Vec<String> {
        let mut doubts = self.lock();
        match doubts.get(&id) {
            None => Vec::new(),
            Some(doubt) if doubt.newest == newest => doubt.texts.to_vec(),
            // A younger one came: what could not be read is older.
            Some(_) => {
                doubts.remove(&id);
                Vec::new()
            }
        }
    }
}

/// Damage of one walk from the youngest files to older ones, in the order in which it was passed.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// That of pages and files, which may hold every metric: what it is, and the first and the last moment that it can be of.
    any: Vec<(String, (Timestamp, Timestamp))>,
    /// That of blocks of the wanted metric, with the last time of each.
    own: Vec<(String, Timestamp)>,
}

impl Passed {
    pub(super) fn is_empty(&self) -> bool {
        self.any.is_empty() && self.own.is_empty()
    }

    /// How much was passed until now.
    pub(super) fn count(&self) -> usize {
        self.any.len()
    }

    /// Something that holds rows of any metric, of this time.
    pub(super) fn any(&mut self, text: String, bounds: (Timestamp, Timestamp)) {
        if self.any.len() < MOST_TEXTS && self.any.iter().all(|(known, _)| *known != text) {
            self.any.push((text, bounds));
        }
    }

    /// Bytes of a raw file that are no page.
    pub(super) fn bytes(&mut self, damage: &DamagedBytes, path: &Path, bounds: (Timestamp, Timestamp)) {
        // Frames of other times are told with every answer already.
        if !damage.is_foreign() {
            self.any(damage.text(path), bounds);
        }
    }

    /// A block of the wanted metric that ends at this time.
    pub(super) fn own(&mut self, text: String, end: Timestamp) {
        if self.own.len() < MOST_TEXTS {
            self.own.push((text, end));
        }
    }

    /// What may hide younger samples of a metric than one of a file at `newest`, which was met when `count` were passed.
    pub(super) fn before(&self, count: usize, newest: Option<Timestamp>) -> Arc<[String]> {
        let any = self.any.iter().take(count).filter(|(_, (_, end))| newest.is_none_or(|newest| *end > newest));
        any.map(|(text, _)| text.clone()).collect()
    }

    /// The same of the wanted metric.
    pub(super) fn of_wanted(&self, count: usize, newest: Option<Timestamp>, is_mixed: bool) -> Arc<[String]> {
        // Of partitions that overlap, those that come later in the walk may hold younger rows, too.
        let count = if is_mixed { self.any.len() } else { count };
        let own = self.own.iter().filter(|(_, end)| newest.is_none_or(|newest| *end > newest));
        self.before(count, newest).iter().chain(own.map(|(text, _)| text)).cloned().collect()
    }

    /// What may hide younger samples than one that is in no file yet: that came behind all of the files of its partition.
    pub(super) fn behind_open(&self, newest: Timestamp) -> Arc<[String]> {
        self.any.iter().filter(|(_, (start, _))| *start > newest).map(|(text, _)| text.clone()).collect()
    }
}

impl Database {
    /// Why a sample that was found as the newest of a metric may not be it: what lies behind it is damaged. `newest` is `None` when
    /// none was found.
    pub(crate) fn newest_doubts(&self, name: &str, newest: Option<Sample>) -> Vec<String> {
        let id = self.read_state().names.get(name).copied();
        let newest = newest.map(|sample| sample.timestamp);
        let mut texts = id.map(|id| self.unread.of(id, newest)).unwrap_or_default();
        texts.extend(self.losses_after(newest));
        texts
    }

    /// Samples that are lost, and may be younger than this. Nothing tells which samples a damaged log held, or bytes that a start cut
    /// off; but they came before that was found.
    pub(crate) fn losses_after(&self, newest: Option<Timestamp>) -> Vec<String> {
        let is_later = |since: Timestamp| newest.is_none_or(|newest| newest < since);
        let mended = self.mended().into_iter().filter(|mended| mended.lost && is_later(mended.since));
        self.log_damage().into_iter().chain(mended.map(|mended| mended.text)).collect()
    }
}
