//! What an operator does to whole roots: snapshot, recover, compact.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(dead_code, unreachable_pub, reason = "helpers of other test binaries are used in part")]

#[path = "../common/mod.rs"]
mod common;
mod compact;
mod databases;
mod events;
mod recover;
mod snapshot;
#[path = "../metric_props/support.rs"]
mod support;
