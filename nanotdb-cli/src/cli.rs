//! The command line's grammar: global options, and a command.

use crate::commands::Command;
use crate::options::LogLevel;
use clap::Parser;
use std::path::PathBuf;

/// Offline tool for NanoTDB data directories: import, export, query and inspect without a server.
///
/// Reading commands (export, query, inspect, verify, bench, convert, snapshot, recover) take no lock, never write, and work on the directory of a running
/// server. Writing commands (import, csv, build, compact, maintain, rollup, archive restore, acknowledge, db) need the directory for themselves.
#[derive(Debug, Parser)]
#[command(name = "nanocli", version, propagate_version = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// Write the engine's log to this file (appended) instead of standard error
    #[arg(long, global = true, value_name = "PATH", help_heading = "Logging")]
    pub(crate) log_file: Option<PathBuf>,

    /// Least important log lines that are written; without it warnings and errors only
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Logging")]
    pub(crate) log_level: Option<LogLevel>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli import --root ./nanotdb-data --in backup.lp.zst
  nanocli query --db sensors --metric '^temp\\.' --start -1h
  nanocli export --root ./nanotdb-data --db sensors --out sensors.lp.zst
  nanocli build metric --root ./nanotdb-data --db sensors
  nanocli rollup --root ./nanotdb-data
  nanocli inspect db --root ./nanotdb-data
  nanocli verify --root ./nanotdb-data

Exit codes:
  0  done
  1  failed, or found something wrong (rejected lines, damage)
  2  wrong arguments or configuration
  3  no such directory, database or metric
  4  the directory is in use by another process";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    /// clap wraps what is too long, by the width of the terminal: a text that is wrapped already would be so twice, and an
    /// example would break somewhere.
    #[test]
    fn texts_below_the_options_are_wrapped_by_clap_alone_and_examples_never() {
        fn check(command: &clap::Command) {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            for (line, next) in lines.iter().zip(lines.iter().skip(1).chain([&""])) {
                let name = command.get_name();
                let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
                assert!(is_prose(line) || line.chars().count() <= 80, "{name}: {line}");
                assert!(!is_prose(line) || !is_prose(next), "{name}: {line}\n{next}");
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn logging_options_are_taken_after_the_command_too() {
        let cli = Cli::try_parse_from(["nanocli", "plugins", "--log-level", "trace", "--log-file", "x.log"]).unwrap();
        assert_eq!(cli.log_level, Some(LogLevel::Trace));
        assert_eq!(cli.log_file.as_deref(), Some(std::path::Path::new("x.log")));
    }
}
