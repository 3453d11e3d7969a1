//! `nanocli verify`: every checksum and every law of the files.

use crate::cli::RootArg;
use crate::inspect::{read, render};
use crate::{output, root, text};
use nanotdb_core::engine::EngineOptions;
use nanotdb_core::maintenance::verify::verify;
use std::process::ExitCode;

/// Check every byte of a data directory: checksums, time order, known metrics.
///
/// Nothing is written or repaired. On the directory of a running server, rows that are being written at this moment are
/// no problem.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArg,

    /// Database (default: each one)
    #[arg(long, value_name = "NAME")]
    db: Option<String>,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli verify --root ./nanotdb-data
  nanocli verify --root ./nanotdb-data --db sensors --json

Exit code 1 when there is a problem. Each is one line: the file, the byte, what is wrong.";

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let root = &args.root.root;
    root::require_directory(root)?;
    if let Some(name) = args.db.as_deref() {
        root::databases(&root::open_for_reading(root)?, root, Some(name))?;
    }
    let report = verify(root, args.db.as_deref(), root::load_config(root)?, EngineOptions::default())?;
    let problems: Vec<_> = report.problems.into_iter().map(|p| read::problem(root, p)).collect();
    if args.json {
        output::print_json(&serde_json::json!({
            "databases": report.databases,
            "files": report.files,
            "frames": report.frames,
            "rows": report.rows,
            "wal_records": report.wal_records,
            "problems": problems,
        }))?;
    } else {
        let found = match problems.len() {
            0 => "no problems".to_owned(),
            1 => "1 problem".to_owned(),
            n => format!("{n} problems"),
        };
        output::print_text(&format!(
            "{}{} databases, {} files, {} frames, {} rows, {} WAL records: {found}\n",
            render::problems(&problems),
            report.databases,
            report.files,
            text::count(report.frames),
            text::count(report.rows),
            text::count(report.wal_records),
        ))?;
    }
    Ok(super::exit(problems.is_empty()))
}
