//! manifest.toml of a destination that a job makes.

use super::Job;
use crate::config::Manifest;
use std::time::Duration;

const DAY: i64 = 86_400_000_000_000;
/// Results are few: what is not flushed yet is computed again after a crash.
const MAX_AGE: Duration = Duration::from_secs(86_400);

/// The text of it: as any new database's, but without a WAL, in larger partitions, with fewer flushes, and no jobs.
pub(crate) fn destination_manifest(defaults: &Manifest, job: &Job) -> String {
    let mut manifest = defaults.clone();
    manifest.rollups = Manifest::default().rollups;
    manifest.wal.enabled = false;
    manifest.retention.partition = if job.interval < DAY { "month" } else { "year" }.to_owned();
    manifest.page.max_age = MAX_AGE;
    format!(
        "# Made for the results of a rollup job.\n\
         # The write-ahead log is off: results can be computed again from their source.\n\
         # Months (years for buckets of a day or longer) and a long page.max_age keep sparse results out of tiny files and pages.\n\n{}",
        manifest.to_toml()
    )
}
