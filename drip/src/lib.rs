//! `drip` collects metrics of a Linux host and sends them to a NanoTDB server.
//!
//! What it collects comes from [collectors](collector), which register by name; a crate of your own can add some, and
//! [`run`] makes a program of them. Cycles are at whole multiples of an interval; while the server is away they wait in a
//! spool on disk. docs/DRIP.md in the repository says how it is used.

pub mod collector;

mod answer;
mod backoff;
mod check;
mod cli;
mod client;
mod collectors;
mod config;
mod flags;
mod gather;
mod hosts;
mod identity;
mod inbox;
mod names;
mod runner;
mod samples;
mod schedule;
mod sender;
mod sha256;
mod source;
mod spool;
mod stats;
mod systemd;
pub mod trial;
mod trouble;

pub use cli::run;
