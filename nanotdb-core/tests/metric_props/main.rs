//! Metric files under everything that may happen to them: random histories, crashes, faults, damage, another partitioning,
//! threads. What is expected is always a plain list of the rows that were sent.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;

mod arrivals;
mod crash;
mod damage;
mod edges;
mod faults;
mod history;
mod naive;
mod newest;
mod repartition;
mod rounds;
mod support;
mod threads;
mod twice;
