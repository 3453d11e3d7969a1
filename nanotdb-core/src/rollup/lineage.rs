//! What becomes of a metric: the results that jobs make of it, and what others make of those.

use super::Job;
use crate::model::duration::format_short;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most results that are listed of one metric.
const MOST: usize = 1_000;

/// One result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// How many jobs lie between the metric and this: 1 for its own results.
    pub hop: u8,
    /// Database of the job.
    pub source_database: String,
    /// What the job reads.
    pub source_metric: String,
    /// The job.
    pub job: String,
    /// Width of a bucket, `1h`.
    pub interval: String,
    /// Name of the aggregate.
    pub aggregate: &'static str,
    /// Database of the result.
    pub database: String,
    /// The result.
    pub metric: String,
}

/// Results of a metric, nearest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    /// The results.
    pub downstream: Vec<Derived>,
    /// Whether there are more, beyond the hops asked for.
    pub truncated: bool,
}

/// Follows the jobs from a metric over at most `max_hops` of them.
pub(crate) fn follow(jobs: &BTreeMap<&str, &[Job]>, database: &str, metric: &str, max_hops: u8) -> Lineage {
    let mut lineage = Lineage::default();
    let mut seen = BTreeSet::new();
    let mut level = vec![(database.to_owned(), metric.to_owned())];
    for hop in 1..=max_hops.saturating_add(1) {
        let mut next = Vec::new();
        for (database, metric) in &level {
            for job in jobs.get(database.as_str()).copied().unwrap_or_default().iter().filter(|j| j.selects(metric)) {
                if hop > max_hops || lineage.downstream.len() >= MOST {
                    lineage.truncated = true;
                    return lineage;
                }
                for aggregator in &job.aggregators {
                    let output = job.output(metric, *aggregator);
                    if !seen.insert((job.destination.clone(), output.clone())) {
                        continue;
                    }
                    next.push((job.destination.clone(), output.clone()));
                    lineage.downstream.push(Derived {
                        hop,
                        source_database: database.clone(),
                        source_metric: metric.clone(),
                        job: job.id.clone(),
                        interval: format_short(Duration::from_nanos(job.interval.unsigned_abs())),
                        aggregate: aggregator.name(),
                        database: job.destination.clone(),
                        metric: output,
                    });
                }
            }
        }
        level = next;
    }
    lineage
}
