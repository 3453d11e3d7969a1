//! Rollups: aggregates of a database's metrics over fixed buckets, kept in other databases.
//!
//! What it is: jobs as `[rollups]` of a manifest describes them, how far each came, and the work itself, from one open
//! database to another. What it is not: it opens no database, starts no thread and knows no engine; `engine/rollup.rs` drives it.
//!
//! A bucket is emitted once the wall clock has passed its end and the grace. Samples come in time order per metric, so per
//! metric one time says what is done: the end of the last bucket that had samples. It is kept in memory, and goes to
//! the checkpoint log only when the destination has flushed its results. What a crash leaves of them is
//! found by the newest sample of each result, and not written twice.

pub(crate) mod backfill;
mod checkpoints;
mod emit;
mod graph;
mod jobs;
mod leap;
pub mod lineage;
mod manifest;
mod outputs;
mod owners;
mod pattern;
mod report;
mod runner;
mod source;

pub(crate) use graph::rings;
pub(crate) use jobs::Job;
pub(crate) use manifest::destination_manifest;
pub use report::{BackfillReport, LateSamples, RebuiltDestination, RollupReport, SkippedDestination, SourceReport};
pub(crate) use runner::{Runner, Shared};
