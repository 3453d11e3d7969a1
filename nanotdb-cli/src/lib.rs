//! The NanoTDB command line, as a library: [`run`] is the whole program.
//!
//! What it is: offline work on a data directory, through the engine: import, export, query, inspection. What it is not:
//! a client of the server; no command speaks HTTP. Reading commands take no lock and write nothing, so they work beside
//! a running server.
//!
//! It is a library so that a third party can build a `nanocli` with its own plugins linked in:
//!
//! ```no_run
//! // use my_codec as _;
//! fn main() -> std::process::ExitCode {
//!     nanotdb_cli::run()
//! }
//! ```

// Naming a plugin crate links its registrations; a crate that is only in Cargo.toml would be silently absent.
use nanotdb_codecs as _;
use nanotdb_ingest as _;
use nanotdb_partitioners as _;
// What the server has in engine.toml is no unknown key.
use nanotdb_server_settings as _;

mod cli;
mod commands;
mod csv_format;
// One source for the three programs; drip depends on no crate of the server.
#[path = "../../drip/src/flags.rs"]
mod flags;
pub mod inspect;
mod logging;
mod options;
mod output;
mod root;
mod text;

use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command that the process's arguments name, and returns its exit code: 0 done, 1 failed or found something
/// wrong, 2 wrong arguments, 3 no such directory, database or metric, 4 the directory is in use by another process.
pub fn run() -> ExitCode {
    run_with(std::env::args_os())
}

/// [`run`] with other arguments than the process's; the first is the name of the program.
pub fn run_with<T: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = T>) -> ExitCode {
    let arguments = arguments.into_iter().map(Into::into);
    let arguments = flags::with_two_dashes(&cli::Cli::command(), arguments);
    let cli = match cli::Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version go to standard output and are no errors. Nothing can be done when they cannot be printed.
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    let tells = cli.command.tells_what_is_left_out();
    match logging::start(cli.log_file.as_deref(), cli.log_level, tells).and_then(|()| commands::run(cli.command)) {
        Ok(code) => code,
        Err(e) if output::is_broken_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("nanocli: {e:#}");
            ExitCode::from(exit_code(&e))
        }
    }
}

/// The exit code of the engine's error inside `error`; 1 for anything else.
fn exit_code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(|e| e.downcast_ref::<nanotdb_core::Error>()).map_or(1, nanotdb_core::Error::exit_code)
}

// The programs in these pages compile.
#[cfg(doctest)]
#[doc = include_str!("../../docs/EMBEDDING.md")]
#[doc = include_str!("../../docs/PLUGINS.md")]
struct Pages;

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn exit_codes_survive_context() {
        let missing = nanotdb_core::Error::NotFound("no such database".into());
        let error = Err::<(), _>(missing).context("while exporting").unwrap_err();
        assert_eq!(exit_code(&error), 3);
        assert_eq!(exit_code(&anyhow::anyhow!("anything else")), 1);
    }
}
