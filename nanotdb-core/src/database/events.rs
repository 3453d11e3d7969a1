//! Partitions that hold events of the original: retention leaves them alone, since nothing here writes events yet.
//!
//! A log of events that keeps rows of a partition whose files went into an archive would bring them back: the original fills up
//! from it, and has them twice. So the whole partition stays, metrics included.

use super::Database;
use crate::format::events;
use crate::plugin::Partition;
use crate::storage::events::KnownEvents;
use crate::storage::vfs::DirEntry;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What holds a partition back.
const IN_FILES: &str = "it holds events, which retention keeps until this program knows how to let them expire";
const IN_LOG: &str = "the log of events holds some of it, and would bring them back";
const IN_DAMAGED_LOG: &str = "the log of events cannot be read, and may hold some of it; `nanocli verify` says more";

/// What a database remembers of its events between rounds.
#[derive(Default)]
pub(super) struct EventsMemory {
    log: Mutex<Option<(u64, u64, Arc<InLog>)>>,
    told: AtomicBool,
}

/// Partitions of the events in a log.
struct InLog {
    partitions: BTreeSet<Partition>,
    is_damaged: bool,
}

/// Which partitions hold events, at one moment.
pub(crate) struct EventPartitions {
    in_files: BTreeSet<String>,
    in_log: Option<Arc<InLog>>,
}

impl EventPartitions {
    /// Why a partition stays; `part` is its name.
    pub(crate) fn hold(&self, partition: Partition, part: &str) -> Option<&'static str> {
        if self.in_files.contains(part) {
            return Some(IN_FILES);
        }
        let log = self.in_log.as_ref()?;
        let overlaps = |other: &Partition| other.start < partition.end && partition.start < other.end;
        match log.partitions.iter().any(overlaps) {
            true => Some(IN_LOG),
            false => log.is_damaged.then_some(IN_DAMAGED_LOG),
        }
    }

    /// Why a partition stays that has nothing but events.
    pub(crate) const ONLY_EVENTS: &'static str = IN_FILES;

    /// Names of partitions with a file of events.
    pub(crate) fn in_files(&self) -> impl Iterator<Item = &str> {
        self.in_files.iter().map(String::as_str)
    }
}

impl Database {
    /// Which of its partitions hold events.
    pub(crate) fn event_partitions(&self) -> Result<EventPartitions> {
        let entries = self.vfs().read_dir(&self.directory).map_err(|e| Error::io("list", &self.directory, e))?;
        let files = entries.iter().filter(|entry| !entry.is_dir);
        let of_events =
            |name: &str| super::part_of(name).filter(|_| name.starts_with(events::FILE.0)).map(str::to_owned);
        let in_files = files.clone().filter_map(|entry| of_events(&entry.name)).collect();
        let log = files.clone().find(|entry| entry.name.ends_with(events::LOG_SUFFIX) && entry.len > 0);
        Ok(EventPartitions { in_files, in_log: log.map(|log| self.events_in_log(log)).transpose()? })
    }

    /// The log is read again only when it is another one.
    fn events_in_log(&self, entry: &DirEntry) -> Result<Arc<InLog>> {
        let mut memory = self.events.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((id, len, known)) = &*memory
            && (*id, *len) == (entry.id, entry.len)
        {
            return Ok(Arc::clone(known));
        }
        let known = KnownEvents::read(self.vfs(), &self.directory, &self.name)?;
        let Some((_, log)) = &known.log else {
            return Ok(Arc::new(InLog { partitions: BTreeSet::new(), is_damaged: false }));
        };
        let partitions = log.records.iter().map(|record| self.partitioner.partition_of(record.row.timestamp)).collect();
        let found = Arc::new(InLog { partitions, is_damaged: log.damage.is_some() });
        *memory = Some((entry.id, entry.len, Arc::clone(&found)));
        Ok(found)
    }

    /// Says once that a partition is kept for its events.
    pub(crate) fn note_kept_for_events(&self, part: &str, reason: &str) {
        if !self.events.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                database = self.name,
                partition = part,
                reason,
                "expired, and kept with all of its files; so are others like it"
            );
        }
    }
}
