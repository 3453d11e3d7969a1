//! What the engine counts while it works.

use super::{Kind, Metric, Times, Unit};
use crate::stats::Recorder;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A total.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    const KIND: Kind = Kind::Counter;

    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Adds a time, in microseconds.
    pub fn add_time(&self, took: Duration) {
        self.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// The total.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The largest of what came lately: since [`Peak::roll`] was called for the last time but one, so that nothing is missed between
/// two who look.
#[derive(Debug, Default)]
pub struct Peak {
    now: AtomicU64,
    before: AtomicU64,
}

impl Peak {
    const KIND: Kind = Kind::Gauge;

    /// Notes a time, in microseconds.
    pub fn note_time(&self, took: Duration) {
        self.now.fetch_max(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Ends an interval.
    pub fn roll(&self) {
        self.before.store(self.now.swap(0, Relaxed), Relaxed);
    }

    /// The largest.
    pub fn get(&self) -> u64 {
        self.now.load(Relaxed).max(self.before.load(Relaxed))
    }
}

macro_rules! counters {
    ($($field:ident: $kind:ident $name:literal $unit:ident $help:literal;)*) => {
        /// What the engine counts. All databases of an engine share one.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(#[doc = $help] pub $field: $kind,)*
            /// How long each flush of a page took.
            pub flush_times: Times,
            /// How long each forcing of a write-ahead log took.
            pub wal_sync_times: Times,
            /// How long each forcing of a data file took.
            pub data_sync_times: Times,
        }

        /// What is in [`Counters`], in the same order.
        pub static COUNTED: [Metric; [$($name),*].len()] =
            [$(Metric { name: $name, kind: $kind::KIND, unit: Unit::$unit, labels: &[], help: $help }),*];

        impl Counters {
            /// Gives all of them.
            pub fn collect(&self, out: &mut dyn Recorder) {
                for (metric, value) in COUNTED.iter().zip([$(self.$field.get()),*]) {
                    out.record(metric, &[], value);
                }
            }
        }
    };
}

counters! {
    ingest_batches: Counter "nanotdb.ingest.batches" Count "Batches stored, those of the self-metrics included.";
    ingest_failed: Counter "nanotdb.ingest.failed_batches" Count "Batches of which nothing could be stored.";
    ingest_samples: Counter "nanotdb.ingest.samples" Count "Samples stored.";
    ingest_rounded: Counter "nanotdb.ingest.rounded" Count "Decimals that [values] width = \"32\" rounded to float32.";
    ingest_lines: Counter "nanotdb.ingest.lines" Count "Lines and samples that came in, refused ones included.";
    rejected_syntax: Counter "nanotdb.ingest.rejected_syntax" Count "Lines refused because they could not be read.";
    rejected_name: Counter "nanotdb.ingest.rejected_name" Count "Samples refused because a name is not valid.";
    rejected_type: Counter "nanotdb.ingest.rejected_type" Count "Samples refused because the value does not fit the metric's type.";
    rejected_order: Counter "nanotdb.ingest.rejected_order" Count "Samples refused because they are older than the metric's newest.";
    rejected_future: Counter "nanotdb.ingest.rejected_future" Count "Samples refused by limits.max_future.";
    rejected_expired: Counter "nanotdb.ingest.rejected_expired" Count "Samples refused because retention would remove them at once.";
    rejected_limit: Counter "nanotdb.ingest.rejected_limit" Count "Samples refused by limits.max_databases or limits.max_metrics_per_database.";
    rejected_failed: Counter "nanotdb.ingest.rejected_failed" Count "Samples refused because their database could not store the batch.";

    wal_appends: Counter "nanotdb.wal.appends" Count "Writes to write-ahead logs.";
    wal_bytes: Counter "nanotdb.wal.appended_bytes" Bytes "Bytes written to write-ahead logs.";
    wal_syncs: Counter "nanotdb.wal.syncs" Count "Times a write-ahead log was forced to the device.";
    wal_sync_time: Counter "nanotdb.wal.sync" Micros "Time that forcing write-ahead logs took.";
    wal_sync_peak: Peak "nanotdb.wal.sync_max" Micros "The longest of them within the last one or two intervals.";

    flush_pages: Counter "nanotdb.flush.pages" Count "Pages written to data files.";
    flush_rows: Counter "nanotdb.flush.rows" Count "Rows in them.";
    flush_raw_bytes: Counter "nanotdb.flush.raw_bytes" Bytes "Their size before encoding.";
    flush_bytes: Counter "nanotdb.flush.encoded_bytes" Bytes "Their size on disk.";
    flush_time: Counter "nanotdb.flush.busy" Micros "Time that encoding and writing them took.";
    data_syncs: Counter "nanotdb.flush.syncs" Count "Times a data file was forced to the device.";
    data_sync_time: Counter "nanotdb.flush.sync" Micros "Time that forcing data files took.";

    query_raw: Counter "nanotdb.query.raw" Count "Queries of samples.";
    query_aggregates: Counter "nanotdb.query.aggregates" Count "Queries of aggregates over windows.";
    query_newest: Counter "nanotdb.query.newest" Count "Queries of the newest sample, now or at a time.";
    query_samples: Counter "nanotdb.query.samples" Count "Samples that queries of samples gave.";
    query_time: Counter "nanotdb.query.busy" Micros "Time that queries of samples and aggregates took, until their receiver had everything.";
    query_pages: Counter "nanotdb.query.pages" Count "Raw pages decoded for queries.";
    query_blocks: Counter "nanotdb.query.blocks" Count "Blocks of metric files decoded for queries.";
    query_skipped_blocks: Counter "nanotdb.query.skipped_blocks" Count "Blocks of metric files that queries took by their statistics, without decoding them.";

    build_files: Counter "nanotdb.build.files" Count "Metric files built.";
    build_failures: Counter "nanotdb.build.failures" Count "Metric files that could not be built.";
    build_samples: Counter "nanotdb.build.samples" Count "Samples in the metric files built.";
    build_bytes: Counter "nanotdb.build.bytes" Bytes "Size of the metric files built.";
    build_time: Counter "nanotdb.build.busy" Micros "Time that building metric files took.";

    maintenance_rounds: Counter "nanotdb.maintenance.rounds" Count "Rounds of maintenance.";
    maintenance_failures: Counter "nanotdb.maintenance.failures" Count "Tasks of maintenance that failed.";
    maintenance_time: Counter "nanotdb.maintenance.busy" Micros "Time that maintenance took.";
    expired_partitions: Counter "nanotdb.maintenance.expired_partitions" Count "Partitions removed or archived because they were too old.";
    archived_partitions: Counter "nanotdb.maintenance.archived_partitions" Count "Those of them that were archived.";

    rollup_buckets: Counter "nanotdb.rollup.buckets" Count "Buckets that rollups wrote.";
    rollup_late_samples: Counter "nanotdb.rollup.late_samples" Count "Samples that came after the bucket they belong to was written.";
    rollup_backfills: Counter "nanotdb.rollup.backfills" Count "Backfills of rollups.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_seen_in_the_interval_it_is_in_and_in_the_next() {
        let peak = Peak::default();
        peak.note_time(Duration::from_millis(5));
        peak.note_time(Duration::from_millis(3));
        assert_eq!(peak.get(), 5_000);
        peak.roll();
        peak.note_time(Duration::from_millis(1));
        assert_eq!(peak.get(), 5_000);
        peak.roll();
        assert_eq!(peak.get(), 1_000);
        peak.roll();
        assert_eq!(peak.get(), 0);
    }

    #[test]
    fn each_number_is_given_by_its_own_name() {
        #[derive(Default)]
        struct Found(Vec<(&'static str, u64)>);
        impl Recorder for Found {
            fn record(&mut self, metric: &'static Metric, labels: &[&str], value: u64) {
                assert_eq!(labels.len(), metric.labels.len());
                self.0.push((metric.name, value));
            }
        }
        let counters = Counters::default();
        counters.ingest_samples.add(83);
        counters.ingest_samples.add(83);
        counters.wal_sync_time.add_time(Duration::from_nanos(1_500_900));
        let mut found = Found::default();
        counters.collect(&mut found);
        let mut expected: Vec<_> = COUNTED.iter().map(|metric| (metric.name, 0)).collect();
        for (name, value) in &mut expected {
            match *name {
                "nanotdb.ingest.samples" => *value = 166,
                "nanotdb.wal.sync" => *value = 1_500,
                _ => {}
            }
        }
        assert_eq!(found.0, expected);
    }
}
