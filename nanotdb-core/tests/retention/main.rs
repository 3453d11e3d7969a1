//! What expires, when, by which clock, and where it goes.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod archive;
mod crash;
mod decade;
mod lying;
mod props;
mod snapshots;
mod support;
mod sweep;
mod threads;
