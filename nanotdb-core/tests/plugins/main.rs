//! Plugins of others, as their authors may get them wrong: what they break is theirs, and never the samples.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod codecs;
mod convert;
mod formats;
mod names;
mod panics;
mod partitions;
