//! Metric files of versions 1 and 2: files of the original, files of ours read by a second reader, round trips, damage,
//! and shared timestamps.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../reader/mod.rs"]
#[allow(dead_code, reason = "raw pages and the log are read by another test")]
mod reader;

mod damage;
mod golden;
mod independent;
mod round_trip;
mod sharing;
mod support;
