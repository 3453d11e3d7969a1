//! The NanoTDB storage engine.
//!
//! What it is: an embeddable, blocking, thread-safe time-series store over plain files, in the
//! on-disk format of the original Go NanoTDB. What it is not: a server. It has no HTTP, no
//! command line and needs no async runtime; `nanotdb-server` and `nanotdb-cli` add those.
//!
//! Arrows point down only: `maintenance` -> `engine` -> `rollup` -> `database`, `query` -> `storage` ->
//! `format` -> `model`, and `plugin` -> `model`. `stats` is below all of them.

#![deny(unsafe_code)]

pub mod clock;
pub mod config;
pub mod database;
pub mod engine;
pub mod error;
pub mod format;
mod layout;
pub mod maintenance;
pub mod model;
mod order;
pub mod plugin;
pub mod query;
pub mod rollup;
pub mod stats;
pub mod storage;

pub use error::{Error, Result};
pub use nanotdb_settings as settings;
