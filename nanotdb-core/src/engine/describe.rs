//! What a database consists of, for people who look at it.

use super::build::Builder;
use super::{BuildOptions, Engine};
use crate::Result;
use crate::config::Setting;
use crate::database::{DatabaseSize, PageDescription, PartitionDescription};
use crate::model::Timestamp;

/// A database, looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseDescription {
    /// How large it is.
    pub size: DatabaseSize,
    /// Its manifest against the defaults of engine.toml.
    pub manifest: Vec<Setting>,
    /// Whether samples go through the WAL.
    pub has_wal: bool,
    /// When its WAL was forced to the device for the last time since the engine was opened.
    pub last_wal_sync: Option<Timestamp>,
    /// Batches that are in the WAL and not forced to the device yet.
    pub waiting_batches: u64,
    /// Its partitions, oldest first.
    pub partitions: Vec<PartitionDescription>,
    /// Names of sealed partitions whose metric file is missing or not up to date.
    pub due: Vec<String>,
    /// Pages that are in no file yet.
    pub pages: Vec<PageDescription>,
}

impl Engine {
    /// Describes a database. Files of its newest `most` partitions are looked into, those of the others listed.
    ///
    /// [`crate::Error::NotFound`] for an unknown database.
    pub fn describe(&self, database: &str, most: usize) -> Result<DatabaseDescription> {
        let database = self.known_database(database)?;
        let config = self.config();
        let partitions = database.describe_partitions(most)?;
        let metrics = &config.metrics;
        let options = BuildOptions::new(metrics.format, &metrics.compression, metrics.raw_ingest_action)?;
        let mut due = Vec::new();
        for found in partitions.iter().rev().take(most).filter(|found| found.is_sealed) {
            // One that cannot be read is not to be built either.
            if Builder(&database).is_due(found.partition, options).unwrap_or_default() {
                due.push(found.name.clone());
            }
        }
        Ok(DatabaseDescription {
            size: database.size(),
            manifest: database.manifest().explained(&config.manifest_defaults),
            has_wal: database.manifest().wal.enabled,
            last_wal_sync: database.last_wal_sync(),
            waiting_batches: database.waiting_batches(),
            partitions,
            due,
            pages: database.describe_pages(),
        })
    }
}
