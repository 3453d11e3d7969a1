//! `nanotdb-load`: what scripts/bench and scripts/kill-loop measure and try servers with.
//!
//! One thread per client, blocking sockets, request bodies made before the clock starts: the client has to cost
//! well under the server. `nanotdb-load null-server` answers without doing anything and so shows the client's own
//! ceiling. Every mode prints one JSON object on standard output.

mod http;
mod ingest;
mod kill_loop;
mod machine;
mod null_server;
mod process;
mod query;
mod rng;
mod start;
mod stats;
mod workload;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "nanotdb-load", version, about = "Load client, machine limits and kill loop for NanoTDB")]
struct Arguments {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Send a file of samples as fast as the server takes them.
    Ingest(ingest::Options),
    /// Repeat one GET request and time it.
    Query(query::Options),
    /// Start a server several times and time how long it takes until it answers.
    Start(start::Options),
    /// Accept every request and do nothing with it: the ceiling of `ingest`.
    NullServer(null_server::Options),
    /// Measure what this machine can do at best.
    Machine(machine::Options),
    /// Kill a server again and again, and check that it lost nothing.
    KillLoop(kill_loop::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().mode {
        Mode::Ingest(options) => ingest::run(&options),
        Mode::Query(options) => query::run(&options),
        Mode::Start(options) => start::run(&options),
        Mode::NullServer(options) => null_server::run(&options),
        Mode::Machine(options) => machine::run(&options),
        Mode::KillLoop(options) => kill_loop::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nanotdb-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
