//! Jobs: what `[rollups]` of a manifest means once its defaults are filled in.

use super::pattern::matches;
use crate::config::{RollupJob, RollupsManifest};
use crate::model::Timestamp;
use crate::plugin::Aggregator;
use crate::plugin::registry::registry;
use crate::{Error, Result};
use std::path::Path;
use std::time::Duration;

/// Aggregates of a job when neither it nor the defaults name any: what the original stores.
const DEFAULT_AGGREGATES: [&str; 5] = ["min", "max", "sum", "avg", "count"];

/// Which metrics of the source a job takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selector {
    /// One, by its name.
    Metric(String),
    /// All that match and are not excluded.
    Pattern {
        /// With `*`.
        pattern: String,
        /// Of the job and of all jobs.
        exclude: Vec<String>,
    },
}

/// A rollup job with nothing left open.
#[derive(Clone)]
pub(crate) struct Job {
    /// Unique in its source database.
    pub(crate) id: String,
    /// Metrics it reads.
    pub(crate) selector: Selector,
    /// Width of a bucket in nanoseconds, above zero. Buckets align to the epoch.
    pub(crate) interval: i64,
    /// Nanoseconds that it waits after the end of a bucket.
    pub(crate) grace: i64,
    /// What it computes, each once.
    pub(crate) aggregators: Vec<&'static dyn Aggregator>,
    /// Database that takes the results.
    pub(crate) destination: String,
    /// How the names of the results begin, if not with the metric's name.
    pub(crate) prefix: Option<String>,
}

impl Job {
    /// The jobs of a manifest, in its order; none while rollups are disabled. [`Error::Config`] for one that cannot run;
    /// it names `file`.
    pub(crate) fn resolve(rollups: &RollupsManifest, file: &Path) -> Result<Vec<Job>> {
        match rollups.enabled {
            true => rollups.jobs.iter().map(|job| Self::one(rollups, job, file)).collect(),
            false => Ok(Vec::new()),
        }
    }

    fn one(rollups: &RollupsManifest, job: &RollupJob, file: &Path) -> Result<Job> {
        let refuse = |key: &str, value: String, accepted: &str| Error::Config {
            file: file.to_owned(),
            key: format!("rollups.jobs[id = {:?}].{key}", job.id),
            value,
            accepted: accepted.to_owned(),
        };
        let nanos = |key: &str, time: Duration| {
            let fits = i64::try_from(time.as_nanos());
            fits.map_err(|_| refuse(key, format!("{time:?}"), "a duration below 292 years"))
        };
        let missing = |key: &str, accepted: &str| refuse(key, "(missing)".into(), accepted);
        let interval = job.interval.or(rollups.default_interval);
        let interval = interval.ok_or_else(|| missing("interval", "a duration such as \"1h\", here or as default"))?;
        let grace = job.grace.or(rollups.default_grace).unwrap_or_default();
        let destination = job.destination_db.as_ref().or(rollups.default_destination_db.as_ref());
        let destination = destination.ok_or_else(|| missing("destination_db", "a database, here or as default"))?;
        let selector = match (&job.source_metric, &job.source_pattern) {
            (Some(metric), None) => Selector::Metric(metric.clone()),
            (None, Some(pattern)) => Selector::Pattern {
                pattern: pattern.clone(),
                exclude: rollups.global_exclude_patterns.iter().chain(&job.exclude_patterns).cloned().collect(),
            },
            _ => return Err(missing("source_metric", "exactly one of source_metric and source_pattern")),
        };
        Ok(Job {
            id: job.id.clone(),
            selector,
            interval: nanos("interval", interval)?.max(1),
            grace: nanos("grace", grace)?,
            aggregators: aggregators(rollups, job)?,
            destination: destination.clone(),
            prefix: job.destination_metric_prefix.clone(),
        })
    }

    /// Whether it reads a metric.
    pub(crate) fn selects(&self, metric: &str) -> bool {
        match &self.selector {
            Selector::Metric(name) => name == metric,
            Selector::Pattern { pattern, exclude } => {
                matches(pattern, metric) && !exclude.iter().any(|excluded| matches(excluded, metric))
            }
        }
    }

    /// Its name for one metric in the checkpoint log.
    pub(crate) fn key(&self, metric: &str) -> String {
        match self.selector {
            Selector::Metric(_) => self.id.clone(),
            Selector::Pattern { .. } => format!("{}::{metric}", self.id),
        }
    }

    /// Name of a result.
    pub(crate) fn output(&self, metric: &str, aggregator: &dyn Aggregator) -> String {
        format!("{}.{}", self.prefix.as_deref().unwrap_or(metric), aggregator.name())
    }

    /// Start of the bucket of a time.
    pub(crate) fn bucket(&self, at: Timestamp) -> Timestamp {
        floor(at, self.interval)
    }

    /// End of the newest bucket that is over, its grace included, when the clock says `now`.
    pub(crate) fn due(&self, now: Timestamp) -> Timestamp {
        self.bucket(now.saturating_sub(self.grace))
    }
}

/// The greatest multiple of `interval` that is not above `at`.
pub(super) fn floor(at: Timestamp, interval: i64) -> Timestamp {
    at.div_euclid(interval).saturating_mul(interval)
}

fn aggregators(rollups: &RollupsManifest, job: &RollupJob) -> Result<Vec<&'static dyn Aggregator>> {
    let named = [&job.aggregates, &rollups.default_aggregates].into_iter().find(|names| !names.is_empty());
    let mut found: Vec<&'static dyn Aggregator> = Vec::new();
    let mut add = |name: &str| {
        let aggregator = registry().aggregator(name)?;
        if found.iter().all(|known| known.name() != aggregator.name()) {
            found.push(aggregator);
        }
        Ok(())
    };
    match named {
        Some(names) => names.iter().try_for_each(|name| add(name))?,
        None => DEFAULT_AGGREGATES.iter().try_for_each(|name| add(name))?,
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
