//! One file per command: its options and what it does.

pub(crate) mod acknowledge;
pub(crate) mod archive;
pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod compact;
pub(crate) mod convert;
pub(crate) mod csv;
pub(crate) mod db;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod maintain;
pub(crate) mod manifest;
pub(crate) mod plugins;
pub(crate) mod query;
mod query_output;
pub(crate) mod recover;
pub(crate) mod rollup;
pub(crate) mod snapshot;
pub(crate) mod verify;

use clap::Subcommand;
use std::process::ExitCode;

/// The commands; each one's `Args` say what it is for.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Import(import::Args),
    Export(export::Args),
    Query(query::Args),
    Maintain(maintain::Args),
    Archive(archive::Args),
    Build(build::Args),
    Rollup(rollup::Args),
    Bench(bench::Args),
    Convert(convert::Args),
    Inspect(inspect::Args),
    Verify(verify::Args),
    Snapshot(snapshot::Args),
    Recover(recover::Args),
    Acknowledge(acknowledge::Args),
    Compact(compact::Args),
    Db(db::Args),
    Manifest(manifest::Args),
    Csv(csv::Args),
    Plugins(plugins::Args),
}

impl Command {
    /// Whether it prints itself what the engine could not read.
    pub(crate) fn tells_what_is_left_out(&self) -> bool {
        matches!(self, Command::Query(_) | Command::Export(_) | Command::Bench(_) | Command::Convert(_))
    }
}

/// Runs one command. `Ok` may still be exit code 1: the command did its work and found something wrong.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Acknowledge(args) => acknowledge::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Maintain(args) => maintain::run(&args),
        Command::Archive(args) => archive::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Rollup(args) => rollup::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Snapshot(args) => snapshot::run(&args),
        Command::Recover(args) => recover::run(&args),
        Command::Compact(args) => compact::run(&args),
        Command::Db(args) => db::run(&args),
        Command::Manifest(args) => manifest::run(&args),
        Command::Csv(args) => csv::run(&args),
        Command::Plugins(args) => plugins::run(&args),
    }
}

/// Exit code 0, or 1 when the command found something wrong.
fn exit(sound: bool) -> ExitCode {
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Shows that something goes on, on a terminal.
fn spinner() -> indicatif::ProgressBar {
    use std::io::IsTerminal;
    match std::io::stderr().is_terminal() {
        true => indicatif::ProgressBar::new_spinner(),
        false => indicatif::ProgressBar::hidden(),
    }
}

/// The wall clock, for times relative to now.
fn now() -> nanotdb_core::model::Timestamp {
    use nanotdb_core::clock::{Clock, SystemClock};
    SystemClock::default().now()
}
