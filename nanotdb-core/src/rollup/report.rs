//! What runs and backfills tell of themselves.

use super::emit::Emitted;
use super::jobs::Job;
use super::outputs::Written;

/// What [`crate::engine::Engine::roll_up`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RollupReport {
    /// One entry per source database, in the order in which they were done.
    pub sources: Vec<SourceReport>,
    /// Configuration that cannot work: rings of databases, results of two jobs under one name.
    pub problems: Vec<String>,
}

/// What was done of one source database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// The source.
    pub database: String,
    /// Buckets with samples, counted once per job and metric.
    pub buckets: u64,
    /// Samples written to destinations.
    pub written: u64,
    /// Results that the destination held already, after a crash.
    pub present: u64,
    /// Results that the destination cannot take.
    pub refused: u64,
    /// Samples that came after their bucket was emitted.
    pub late: Vec<LateSamples>,
    /// Jobs that failed; they are tried again.
    pub errors: Vec<String>,
    /// Damage that was met while reading.
    pub warnings: Vec<String>,
}

/// Samples that came after their bucket was emitted. A backfill takes them in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateSamples {
    /// The job.
    pub job: String,
    /// Database with the buckets.
    pub destination: String,
    /// Metrics of the source.
    pub metrics: u64,
    /// Samples.
    pub samples: u64,
}

impl SourceReport {
    pub(super) fn note(&mut self, job: &Job, written: &Written, emitted: &[Emitted]) {
        let buckets = emitted.iter().map(|e| e.buckets).sum::<u64>();
        self.buckets = self.buckets.saturating_add(buckets);
        self.written = self.written.saturating_add(written.written);
        self.present = self.present.saturating_add(written.present);
        self.refused = self.refused.saturating_add(written.refused);
        if buckets > 0 {
            let (id, destination) = (&job.id, &job.destination);
            tracing::debug!(database = self.database, job = id, destination, buckets, "rolled up");
        }
    }

    /// Late samples of all jobs.
    pub fn late_samples(&self) -> u64 {
        self.late.iter().map(|late| late.samples).sum()
    }
}

/// What a backfill did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackfillReport {
    /// Sources that were asked for, in the order of their cascades.
    pub sources: Vec<String>,
    /// Destinations that were rebuilt, in the order in which they were.
    pub destinations: Vec<RebuiltDestination>,
    /// Those that were left as they are.
    pub skipped: Vec<SkippedDestination>,
    /// Passes over sources.
    pub passes: u64,
}

/// A destination that was rebuilt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RebuiltDestination {
    /// The database.
    pub database: String,
    /// Samples in it that were computed.
    pub samples: u64,
    /// Samples that were taken over as they were, because their source is gone.
    pub carried: u64,
    /// Results that it cannot take.
    pub refused: u64,
    /// Data files that were replaced, as `<database>/<file>`.
    pub cleared_files: Vec<String>,
}

/// A destination that was left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkippedDestination {
    /// The database.
    pub database: String,
    /// Why.
    pub reason: String,
}
