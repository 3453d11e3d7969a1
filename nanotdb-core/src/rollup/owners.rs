//! Who makes which metric of which destination, so that no two jobs write different things under one name.

use crate::model::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// What a metric of a destination is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) source: String,
    /// Its place among the units of the source.
    pub(super) unit: usize,
    pub(super) metric: String,
    pub(super) interval: Timestamp,
    pub(super) aggregate: &'static str,
}

/// All results of all jobs, by destination and name.
#[derive(Default)]
pub(super) struct Owners {
    results: HashMap<String, HashMap<String, Owner>>,
    /// Claims that were refused.
    pub(super) conflicts: BTreeSet<String>,
}

impl Owners {
    /// Whether a job may make a metric. Two jobs may make the same thing: what one has written, the other finds there.
    pub(super) fn claim(&mut self, destination: &str, name: &str, owner: Owner, job: &str) -> bool {
        let results = self.results.entry(destination.to_owned()).or_default();
        let Some(known) = results.get(name) else {
            results.insert(name.to_owned(), owner);
            return true;
        };
        let is_same = known.source == owner.source
            && known.metric == owner.metric
            && known.interval == owner.interval
            && known.aggregate == owner.aggregate;
        if !is_same {
            let conflict = format!(
                "{destination}/{name} is made from {}/{} already; job {job:?} of {:?}, which would make it from {}/{}, \
                 needs another destination_db or destination_metric_prefix",
                known.source, known.metric, owner.source, owner.source, owner.metric
            );
            if self.conflicts.insert(conflict.clone()) {
                tracing::error!("{conflict}");
            }
        }
        is_same
    }

    /// Source and unit that make a metric of a database.
    pub(super) fn maker(&self, database: &str, metric: &str) -> Option<(&str, usize)> {
        let owner = self.results.get(database)?.get(metric)?;
        Some((&owner.source, owner.unit))
    }
}
