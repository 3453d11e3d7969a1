//! The newest sample of a metric, which after a restart may be in a data file.

use super::{Database, Last};
use crate::model::{MetricId, Sample, Timestamp, Value};
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::OpenMode;
use crate::{Error, Result};
use std::collections::HashMap;

impl Database {
    /// The newest sample.
    pub fn last(&self, name: &str) -> Result<Option<Sample>> {
        let found = {
            let state = self.read_state();
            state.names.get(name).copied().and_then(|id| Some((id, state.metric(id)?.last)))
        };
        let Some((id, last)) = found else { return Ok(None) };
        let last = if last == Last::Unknown { self.look_up_last(id)? } else { last };
        let value_type = self.read_state().type_of(id);
        Ok(match last {
            Last::At(timestamp, bits) => Some(Sample { timestamp, value: Value::from_bits(value_type, bits) }),
            _ => None,
        })
    }

    /// Walks the data files backwards until the metric is found. Every metric met on the way is remembered as well, so
    /// that a database is walked once, not once per metric.
    pub(super) fn look_up_last(&self, wanted: MetricId) -> Result<Last> {
        // Before the files: a page that is flushed meanwhile is seen twice then, and not missed.
        let open = self.newest_unflushed();
        // Index everything first: the walk itself needs no lock.
        let snapshot = self.snapshot(&[], Timestamp::MIN, Timestamp::MAX)?;
        let mut found: HashMap<MetricId, (Timestamp, u64)> = HashMap::new();
        let mut reader = FrameReader::default();
        let mut complete = true;
        let mut stopped_early = false;
        'walk: for partition in snapshot.partitions.iter().rev() {
            for file in partition.files.iter().rev() {
                let handle = match self.vfs().open(&file.path, OpenMode::Read) {
                    Ok(handle) => handle,
                    // Retention removed it after the snapshot.
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                        complete = false;
                        continue;
                    }
                    // An older sample must not pass for the newest.
                    Err(e) => return Err(Error::io("open", &file.path, e)),
                };
                for frame in file.frames.iter().rev() {
                    let page = match reader.read(&*handle, &file.path, frame) {
                        Ok(page) => page,
                        Err(error @ (Error::Corrupt { .. } | Error::Incompatible { .. })) => {
                            tracing::warn!(database = self.name, %error, "skipped while looking for newest samples");
                            continue;
                        }
                        Err(e) => return Err(e),
                    };
                    let state = self.read_state();
                    for at in (0..page.rows()).rev() {
                        if let Some((id, timestamp, bits)) = page.row(at, |id| state.type_of(id)) {
                            let newest = found.entry(id).or_insert((timestamp, bits));
                            // Files of another partitioning may overlap in time.
                            if timestamp > newest.0 {
                                *newest = (timestamp, bits);
                            }
                        }
                    }
                    if found.contains_key(&wanted) && !overlaps_next(&snapshot.partitions, partition.partition.start) {
                        stopped_early = true;
                        break 'walk;
                    }
                }
            }
        }
        let mut state = self.write_state();
        // Rows of an open page came after the files of its partition, but not after those of younger ones.
        for (id, (timestamp, bits)) in open {
            if stopped_early && !found.contains_key(&id) {
                continue;
            }
            let newest = found.entry(id).or_insert((timestamp, bits));
            if timestamp >= newest.0 {
                *newest = (timestamp, bits);
            }
        }
        for (id, (timestamp, bits)) in &found {
            if let Some(metric) = state.metric_mut(*id).filter(|m| m.last == Last::Unknown) {
                metric.last = Last::At(*timestamp, *bits);
            }
        }
        if let Some(metric) = state.metric_mut(wanted).filter(|m| m.last == Last::Unknown && complete) {
            metric.last = Last::Never;
        }
        Ok(state.metric(wanted).map_or(Last::Never, |m| m.last))
    }

    /// The newest row of each metric in the pages that are in no file yet.
    fn newest_unflushed(&self) -> HashMap<MetricId, (Timestamp, u64)> {
        let mut found: HashMap<MetricId, (Timestamp, u64)> = HashMap::new();
        let state = self.read_state();
        for page in state.frozen.values().map(|page| &**page).chain(state.pages.values()) {
            for ((id, timestamp), bits) in page.ids.iter().zip(&page.timestamps).zip(&page.bits) {
                let newest = found.entry(*id).or_insert((*timestamp, *bits));
                if *timestamp >= newest.0 {
                    *newest = (*timestamp, *bits);
                }
            }
        }
        found
    }
}

/// Whether a partition that starts earlier reaches past `start`.
fn overlaps_next(partitions: &[super::PartitionSnapshot], start: Timestamp) -> bool {
    partitions.iter().any(|p| p.partition.start < start && p.partition.end > start)
}
