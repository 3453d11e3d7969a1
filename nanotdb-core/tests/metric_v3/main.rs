//! Metric files of version 3: round trips, statistics, sharing, damage, size, files kept for ever, and a second reader.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod damage;
mod golden;
mod overhead;
mod round_trip;
mod statistics;
mod support;
mod two_readers;

#[path = "../common/rng.rs"]
mod rng;

#[path = "../reader/v3.rs"]
mod reader;
