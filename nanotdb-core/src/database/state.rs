//! What readers see of a database: metrics, open pages, and the index of its files.

use super::coverage::Covered;
use super::naming::Named;
use super::reader::SeenFiles;
use crate::layout;
use crate::model::{MetricId, Timestamp, ValueType};
use crate::plugin::Partition;
use crate::storage::{Identity, OpenPage, RawFile};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What is known of a metric's newest sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// Not looked up since the database was opened: it may be in a data file.
    Unknown,
    /// There is none.
    Never,
    /// Timestamp and row bits.
    At(Timestamp, u64),
}

/// One metric.
#[derive(Debug, Clone)]
pub struct MetricEntry {
    /// Name.
    pub name: Arc<str>,
    /// Type.
    pub value_type: ValueType,
    /// Its float32 values are those of a program, and mean themselves; else they came as text, and mean its shortest decimals.
    pub typed: bool,
    /// Newest sample.
    pub last: Last,
    /// How many batches have brought samples of it since the database was opened.
    pub batches: u64,
    /// Whether its name goes on with another id: it has widened, and takes no more rows.
    pub is_former: bool,
}

/// The two raw files that a partition may have, in the order in which they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RawKind {
    /// `raw-<part>.dat`: kept after a metric file was built from it.
    Raw,
    /// `data-<part>.dat`: new rows go here.
    Data,
}

impl RawKind {
    /// File name prefix.
    pub fn prefix(self) -> &'static str {
        match self {
            RawKind::Raw => layout::RAW,
            RawKind::Data => layout::DATA,
        }
    }
}

/// One file of a partition.
#[derive(Debug, Clone)]
pub struct PartitionFile {
    /// Path.
    pub path: PathBuf,
    /// Its frames; `None` until somebody needs them.
    pub index: Option<Arc<RawFile>>,
}

/// The files of a partition.
#[derive(Clone)]
pub struct PartitionFiles {
    /// What they are called, and by whom.
    pub named: Named,
    /// By kind.
    pub files: BTreeMap<RawKind, PartitionFile>,
}

/// The metric file of a partition.
#[derive(Clone)]
pub struct MetricSlot {
    /// Path.
    pub path: PathBuf,
    /// What it is called, and by whom.
    pub named: Named,
    /// What of the raw files is in it, for this very file; `None` until somebody needs to know.
    pub covered: Option<(Identity, Covered)>,
}

/// Everything that a reader snapshots.
#[derive(Default)]
pub struct State {
    /// By id; index 0 is never used.
    pub metrics: Vec<Option<MetricEntry>>,
    /// Ids by name.
    pub names: HashMap<Arc<str>, MetricId, foldhash::fast::RandomState>,
    /// Ids that the name of a widened metric had before, by the id that it has now: oldest first, and all their rows came before
    /// those of the next.
    pub former: HashMap<MetricId, Vec<MetricId>>,
    /// Open pages: what is written now goes here.
    pub pages: BTreeMap<Partition, OpenPage>,
    /// Pages that a flush took, until their frame is in the index. Their rows came before those of the open page of the
    /// same partition.
    pub frozen: BTreeMap<Partition, Arc<OpenPage>>,
    /// Monotonic time of the newest write since the database was opened.
    pub written: Option<Duration>,
    /// How often pages were frozen.
    pub freezes: u64,
    /// Of these, how often their rows have come into data files.
    pub flushes: u64,
    /// Files on disk.
    pub files: BTreeMap<Partition, PartitionFiles>,
    /// Length of the raw files of partitions that maintenance found nothing to build for.
    pub built: HashMap<Partition, u64>,
    /// Metric files on disk.
    pub metric_files: BTreeMap<Partition, MetricSlot>,
    /// Length of files when they were listed, or put in place: for those whose index is not in memory.
    pub listed: HashMap<PathBuf, u64>,
    /// When files of a partition were last replaced, renamed or removed: the number of that change.
    pub changes: HashMap<Partition, u64>,
    /// How many changes there were.
    pub change: u64,
    /// The number of the last change that no partition in `changes` remembers.
    pub forgotten: u64,
    /// For readers beside a server: headers of the metric files that were there while everything else was read.
    pub seen: SeenFiles,
    /// One text per damaged part of a log, for readers, and per file or frame that is kept and not read: their samples may be of
    /// any time, so that every answer says so.
    pub log_damage: Vec<String>,
    /// What readers tell once and no answer repeats: the end of a log that a crash may have cut, or a write that is under way.
    pub log_notes: Vec<String>,
    /// What logs lack by what is known of them, for readers: it is in one of the two above.
    pub lacks: Vec<String>,
    /// What is told with the health of the database for as long as it is so: logs that are not read, ids without a name.
    pub doubts: Vec<String>,
    /// The highest id that any file holds: none up to it is given to a new metric.
    pub reserved: MetricId,
}

impl State {
    /// Differs from what it was whenever files of a partition were replaced, renamed or removed meanwhile.
    pub(super) fn changes_of(&self, partition: Partition) -> u64 {
        self.changes.get(&partition).copied().unwrap_or(self.forgotten)
    }

    /// Notes that files of a partition were replaced, renamed or removed: what was opened before must be looked up again.
    pub(super) fn note_change(&mut self, partition: Partition) {
        self.change = self.change.saturating_add(1);
        self.changes.insert(partition, self.change);
    }

    /// Notes that all files of a partition were removed, without remembering the partition.
    pub(super) fn forget_changes(&mut self, partition: Partition) {
        self.change = self.change.saturating_add(1);
        self.changes.remove(&partition);
        self.forgotten = self.change;
    }

    /// Has every answer say which frames of a file are whole and not read: they may be of any time.
    pub(super) fn note_whole(&mut self, index: &RawFile) {
        // A whole file under another's name has thousands, and each answer carries what is told here.
        const MOST_TEXTS: usize = 4;
        let foreign = || index.damaged.iter().filter(|damage| damage.is_foreign());
        let mut texts: Vec<String> = foreign().take(MOST_TEXTS).map(|damage| damage.text(&index.path)).collect();
        if let more @ 1.. = foreign().count().saturating_sub(MOST_TEXTS) {
            texts.push(format!("{}: the same of {more} more frames", index.path.display()));
        }
        for text in texts {
            if !self.log_damage.contains(&text) {
                self.log_damage.push(text);
            }
        }
    }

    /// Freezes the open pages. Those of the last time were flushed.
    pub fn freeze(&mut self) {
        let pages = std::mem::take(&mut self.pages).into_iter();
        self.freezes = self.freezes.saturating_add(1);
        self.frozen.extend(pages.filter(|(_, page)| !page.is_empty()).map(|(p, page)| (p, Arc::new(page))));
    }

    /// Pages of a partition that are not in a data file, in the order in which their rows came.
    pub fn unflushed(&self, partition: Partition) -> impl Iterator<Item = &OpenPage> {
        self.frozen.get(&partition).map(|page| &**page).into_iter().chain(self.pages.get(&partition))
    }

    /// A metric by id.
    pub fn metric(&self, id: MetricId) -> Option<&MetricEntry> {
        self.metrics.get(usize::from(id))?.as_ref()
    }

    /// A metric by id.
    pub fn metric_mut(&mut self, id: MetricId) -> Option<&mut MetricEntry> {
        self.metrics.get_mut(usize::from(id))?.as_mut()
    }

    /// Adds a metric, or changes the type of one that is there. Of several ids with one name the highest is what it goes on with.
    pub fn put_metric(&mut self, id: MetricId, name: &str, value_type: ValueType, last: Last) {
        let at = usize::from(id);
        if self.metrics.len() <= at {
            self.metrics.resize(at.saturating_add(1), None);
        }
        if let Some(Some(entry)) = self.metrics.get_mut(at) {
            entry.value_type = value_type;
            return;
        }
        let (name, known) = match self.names.get_key_value(name) {
            Some((name, known)) => (Arc::clone(name), Some(*known)),
            None => (Arc::from(name), None),
        };
        let mut entry = MetricEntry { name, value_type, typed: false, last, batches: 0, is_former: false };
        if let Some(known) = known {
            let (current, former) = (known.max(id), known.min(id));
            let mut ids = self.former.remove(&known).unwrap_or_default();
            ids.push(former);
            ids.sort_unstable();
            self.former.insert(current, ids);
            entry.is_former = former == id;
            if let Some(before) = self.metric_mut(known) {
                before.is_former = former == known;
                entry.batches = before.batches;
            }
        }
        if !entry.is_former {
            self.names.insert(Arc::clone(&entry.name), id);
        }
        if let Some(slot) = self.metrics.get_mut(at) {
            *slot = Some(entry);
        }
    }

    /// Notes whether the values of a metric are a program's float32.
    pub fn set_typed(&mut self, id: MetricId, typed: bool) {
        if let Some(metric) = self.metric_mut(id) {
            metric.typed = typed && metric.value_type == ValueType::Float32;
        }
    }

    /// What is known of a metric's newest sample. One that has widened may have it under a former id.
    pub fn last_of(&self, id: MetricId) -> Option<Last> {
        let last = self.metric(id)?.last;
        Some(if last == Last::Never && self.former.contains_key(&id) { Last::Unknown } else { last })
    }

    /// Ids that hold the rows of a metric, in the order of their times: what the name had before it widened, then what it has now.
    /// `None` when that is one alone.
    pub fn ids_of(&self, id: MetricId) -> Option<Vec<MetricId>> {
        let current = match self.metric(id) {
            Some(metric) if metric.is_former => self.names.get(&metric.name).copied()?,
            _ => id,
        };
        let mut ids = self.former.get(&current)?.clone();
        ids.push(current);
        Some(ids)
    }

    /// The type of a metric; int32 for ids that the catalog does not know.
    pub fn type_of(&self, id: MetricId) -> ValueType {
        self.metric(id).map_or(ValueType::Int32, |m| m.value_type)
    }

    /// Metrics with their ids, by id.
    pub fn iter_metrics(&self) -> impl Iterator<Item = (MetricId, &MetricEntry)> {
        (0u16..=u16::MAX).zip(&self.metrics).filter_map(|(id, m)| Some((id, m.as_ref()?)))
    }
}
