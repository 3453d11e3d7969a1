//! The known ways to lose data, each with a test of its name (`r01` to `r17`; 9, 11, 14, 15 belong to retention, metric
//! files and rollups; 16 and 18 over HTTP are tests of nanotdb-server).

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;

mod background_flush;
mod closing;
mod damage_contained;
mod disk_faults;
mod forcing;
mod identity;
mod known_logs;
mod meaning;
mod moved_frames;
mod newest;
mod power;
mod presence;
mod readers;
mod restart;
mod widening;
