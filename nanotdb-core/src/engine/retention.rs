//! Which partitions expire, by a clock that is believed, and what may hold them.

use super::maintenance::DatabaseMaintenance;
use super::trusted_clock::TrustedClock;
use super::{Engine, Inner};
use crate::config::RetentionAction;
use crate::database::{Database, EventPartitions};
use crate::model::Timestamp;
use crate::plugin::Partition;
use crate::plugin::registry::registry;
use crate::{Error, Result};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// Most partitions of a database that one sweep removes.
const MOST_AT_ONCE: usize = 32;

/// Says why an expired partition of a database has to stay for now, if it has to.
pub type RetentionGate = dyn Fn(&str, Partition) -> Option<String> + Send + Sync;

/// What retention believes of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionClock {
    /// The time by which partitions expire; `None` until a clock has run for a day.
    pub now: Option<Timestamp>,
    /// How far the wall clock is ahead of that, as after a leap.
    pub ahead: Option<Duration>,
}

impl Engine {
    /// Asks `gate` before an expired partition is removed: for those whose samples somebody still needs.
    pub fn add_retention_gate(&self, gate: Box<RetentionGate>) {
        self.inner.gates.write().unwrap_or_else(PoisonError::into_inner).push(gate);
    }

    /// What retention believes of the time.
    pub fn retention_clock(&self) -> RetentionClock {
        self.inner.watch_clock();
        let clock = self.inner.lock_clock();
        RetentionClock { now: clock.now(), ahead: clock.ahead() }
    }

    /// Believes the wall clock as it is now: for an operator who knows that it is right. On a full disk that is saved when the
    /// engine is closed, since what then expires makes room.
    pub fn trust_clock(&self) -> Result<()> {
        self.inner.watch_clock();
        self.inner.lock_clock().believe();
        match self.inner.writable {
            true => match self.inner.save_clock() {
                Err(error @ Error::Full { .. }) => {
                    tracing::warn!(%error, "the clock is believed by this process; it is saved when there is space");
                    Ok(())
                }
                saved => saved,
            },
            false => Ok(()),
        }
    }
}

impl Inner {
    /// Looks at the clock. Returns whether what it believes is to be saved: now and then, in a root where something expires.
    pub(super) fn watch_clock(&self) -> bool {
        let is_used = self.writable && self.has_retention();
        let mut clock = self.lock_clock();
        clock.observe(self.environment.clock.now(), self.environment.clock.monotonic());
        is_used && clock.is_due()
    }

    /// Saves it for the next process. Nobody who looks at the clock waits for the disk.
    pub(super) fn save_clock(&self) -> Result<()> {
        // What was taken first is written first: two threads may come here, and the file must not go back.
        let _turn = self.clock_file.lock().unwrap_or_else(PoisonError::into_inner);
        let saved = self.lock_clock().take_to_save();
        saved.and_then(|(path, text)| {
            self.environment.vfs.replace(&path, text.as_bytes()).map_err(|e| Error::io("write", &path, e))
        })
    }

    fn lock_clock(&self) -> MutexGuard<'_, TrustedClock> {
        self.trusted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_retention(&self) -> bool {
        let action = |database: &Database| database.manifest().retention.retention_action;
        self.all_databases().iter().any(|database| action(database) != RetentionAction::Keep)
    }

    /// The time by which partitions expire.
    pub(super) fn retention_now(&self) -> Option<Timestamp> {
        self.lock_clock().now()
    }

    /// From now on samples are refused that would expire at once.
    pub(super) fn refuse_expired(&self, database: &Database) -> Option<Timestamp> {
        let cutoff = self.retention_now().and_then(|now| database.retention_cutoff(now))?;
        database.refuse_before(cutoff);
        Some(cutoff)
    }

    /// Removes what is expired. An error of one partition does not keep the others from their turn; the first is returned.
    pub(super) fn sweep(&self, database: &Database, done: &mut DatabaseMaintenance) -> Result<()> {
        let Some(cutoff) = self.refuse_expired(database) else { return Ok(()) };
        let mut first = Ok(());
        let expired = database.expired(cutoff);
        let events = database.event_partitions()?;
        done.held.extend(only_events(database, &events, &expired, cutoff));
        for partition in expired {
            if self.is_closing() {
                return Err(Error::Cancelled("retention".into()));
            }
            if done.removed.len() >= MOST_AT_ONCE {
                break;
            }
            let part = database.part_name(partition);
            if let Some(reason) = events.hold(partition, &part) {
                database.note_kept_for_events(&part, reason);
                done.held.push((part, reason.to_owned()));
                continue;
            }
            if let Some(reason) = self.held(database, partition) {
                done.held.push((part, reason));
                continue;
            }
            match database.remove_partition(partition) {
                Ok(removed) => {
                    let counters = &self.environment.counters;
                    counters.expired_partitions.add(u64::from(removed.is_some()));
                    let is_archived = removed.as_ref().is_some_and(|removed| removed.archive.is_some());
                    counters.archived_partitions.add(u64::from(is_archived));
                    done.removed.extend(removed);
                }
                Err(error) => first = first.and(Err(error)),
            }
            database.check_writable()?;
        }
        first
    }

    fn held(&self, database: &Database, partition: Partition) -> Option<String> {
        if database.is_stray(partition) {
            return Some("no partitioner of this program gives its files their names".to_owned());
        }
        if self.runner().is_rebuilding(database.name()) {
            return Some("a backfill computes the database anew".to_owned());
        }
        self.held_by_rollups(database, partition).or_else(|| {
            let gates = self.gates.read().unwrap_or_else(PoisonError::into_inner);
            gates.iter().find_map(|gate| gate(database.name(), partition))
        })
    }
}

/// Expired partitions of which there is nothing but events.
pub(super) fn only_events(
    database: &Database,
    events: &EventPartitions,
    expired: &[Partition],
    cutoff: Timestamp,
) -> Vec<(String, String)> {
    let of_name = |part: &str| registry().partitioners().iter().find_map(|p| p.parse_part(part));
    let is_over = |partition: &Partition| partition.end <= cutoff && !expired.contains(partition);
    let parts = events.in_files().filter(|part| of_name(part).as_ref().is_some_and(is_over));
    parts
        .map(|part| {
            database.note_kept_for_events(part, EventPartitions::ONLY_EVENTS);
            (part.to_owned(), EventPartitions::ONLY_EVENTS.to_owned())
        })
        .collect()
}
