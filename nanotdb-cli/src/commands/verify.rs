//! `nanocli verify`: every checksum and every law of the files.

use crate::inspect::{read, render};
use crate::options::DatabasesArgs;
use crate::{output, root, text};
use nanotdb_core::engine::EngineOptions;
use nanotdb_core::maintenance::verify::{Problem, verify};
use std::process::ExitCode;

/// Check every byte of a data directory: checksums, time order, known metrics, statistics, archives.
///
/// Nothing is written or repaired. On the directory of a running server, rows that are being written at this moment are
/// no problem.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    databases: DatabasesArgs,

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
    let DatabasesArgs { root, db } = &args.databases;
    let root = &root.root;
    root::require_directory(root)?;
    if let Some(name) = db.as_deref() {
        root::databases(&root::open_for_reading(root)?, root, Some(name))?;
    }
    // A server would not start with one that cannot be used.
    let config = root::load_config(root);
    let wrong = config.as_ref().err().map(|error| Problem {
        file: root.join(root::CONFIG_FILE),
        offset: None,
        what: format!("{error}; checked with defaults"),
    });
    let mut report = verify(root, db.as_deref(), config.unwrap_or_default(), EngineOptions::default())?;
    report.problems.extend(wrong);
    let problems: Vec<_> = report.problems.into_iter().map(|p| read::problem(root, p)).collect();
    if args.json {
        output::print_json(&serde_json::json!({
            "databases": report.databases,
            "files": report.files,
            "frames": report.frames,
            "rows": report.rows,
            "wal_records": report.wal_records,
            "metric_files": report.metric_files,
            "metric_blocks": report.metric_blocks,
            "metric_rows": report.metric_rows,
            "archives": report.archives,
            "event_files": report.event_files,
            "events": report.events,
            "problems": problems,
            "notes": report.notes,
        }))?;
    } else {
        let found = match problems.len() {
            0 => "no problems".to_owned(),
            n => text::counted(n as u64, "problem"),
        };
        let metric_files = match report.metric_files {
            0 => String::new(),
            files => format!(
                ", {}, {}, {}",
                text::counted(files, "metric file"),
                text::counted(report.metric_blocks, "block"),
                text::counted(report.metric_rows, "point"),
            ),
        };
        let archives = match report.archives {
            0 => String::new(),
            n => format!(", {}", text::counted(n, "archive")),
        };
        let notes: String = report.notes.iter().map(|note| format!("{note}\n")).collect();
        // Nothing is served of them yet, and nothing of them is removed: whoever looks should know that they are there.
        let events = match (report.event_files, report.events) {
            (0, 0) => String::new(),
            (files, events) => format!(
                ", {} and {} (kept: retention removes no partition with events yet)",
                text::counted(files, "events file"),
                text::counted(events, "event")
            ),
        };
        output::print_text(&format!(
            "{}{notes}{}, {}, {}, {}, {}{metric_files}{archives}{events}: {found}\n",
            render::problems(&problems),
            text::counted(report.databases, "database"),
            text::counted(report.files, "file"),
            text::counted(report.frames, "frame"),
            text::counted(report.rows, "row"),
            text::counted(report.wal_records, "WAL record"),
        ))?;
    }
    Ok(super::exit(problems.is_empty()))
}
