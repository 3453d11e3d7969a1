//! Rollups: what is emitted when, what a crash leaves, and that a backfill mends what came late.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;

mod backfill;
mod crash;
mod golden;
mod integers;
mod live;
mod property;
mod support;
