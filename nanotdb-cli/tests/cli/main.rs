//! The real `nanocli`, from outside: exit codes, output and what happens to files.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod bench;
mod build;
mod convert;
mod csv;
mod damaged_log;
mod databases;
mod exact;
mod golden;
mod helpers;
mod import_export;
mod inspection;
mod links;
mod metric_inspection;
mod query;
mod real_input;
mod recover;
mod retention;
mod rollup;
#[path = "../samples/mod.rs"]
mod samples;
mod snapshot;
mod unavailable;
mod usage;
