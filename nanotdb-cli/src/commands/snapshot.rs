//! `nanocli snapshot`: a consistent copy of a data directory that may be in use.

use crate::inspect::table::Table;
use crate::inspect::view::ProblemView;
use crate::inspect::{read, render};
use crate::options::DatabasesArgs;
use crate::{output, root, text};
use anyhow::Context;
use nanotdb_core::engine::EngineOptions;
use nanotdb_core::maintenance::snapshot::{SnapshotReport, SnapshotRequest, snapshot};
use std::path::PathBuf;
use std::process::ExitCode;

/// Copy a data directory while a server runs on it.
///
/// The copy of each database is its state of one moment after the command was started: every sample that was acknowledged
/// before is in it once. It is checked as `verify` does, and gets its name when it is whole. To restore, copy it to where a data
/// directory belongs and start the server.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    databases: DatabasesArgs,

    /// The copy; missing or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Copy everything, also what could be the same file under a second name
    #[arg(long)]
    copy: bool,

    /// Print the summary as one JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli snapshot --root ./nanotdb-data --out /backup/nanotdb-2026-05-24
  nanocli snapshot --root ./nanotdb-data --db sensors --out ./sensors-now --json
  cp -r /backup/nanotdb-2026-05-24 ./nanotdb-data  (restores; stop the server)

No lock is taken and nothing is written to the source. On the same file system, metric files and raw- files \
become hard links: they are never changed in place, so they take no space, and no damage to one copy by \
software reaches the other. A failing disk does; for a backup use another disk, or --copy. Samples that are \
written while the command runs may be in the copy or not.

Exit code 1 when the check found damage, which is in the source too: see `nanocli recover`.";

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let DatabasesArgs { root, db } = &args.databases;
    let root = &root.root;
    root::require_directory(root)?;
    let request = SnapshotRequest { root, out: &args.out, database: db.as_deref(), copy_all: args.copy };
    let spinner = super::spinner();
    let report = snapshot(request, root::config_for_reading(root), &EngineOptions::default(), &mut |database, file| {
        spinner.set_message(format!("{database} {file}"));
        spinner.tick();
    });
    spinner.finish_and_clear();
    let report = report.with_context(|| format!("no snapshot was made of {}", root.display()))?;
    let problems: Vec<_> = report.problems.iter().cloned().map(|p| read::problem(&args.out, p)).collect();
    if args.json {
        output::print_json(&json(args, &report, &problems))?;
    } else {
        output::print_text(&summary(args, &report, &problems))?;
    }
    Ok(super::exit(problems.is_empty()))
}

fn summary(args: &Args, report: &SnapshotReport, problems: &[ProblemView]) -> String {
    let mut table = Table::new(&["DATABASE", ">METRICS", ">SAMPLES", ">LINKED", ">SIZE", ">COPIED", ">SIZE"]);
    for database in &report.databases {
        table.row(vec![
            database.name.clone(),
            text::count(database.metrics),
            text::count(database.samples),
            text::count(database.linked_files),
            text::bytes(database.linked_bytes),
            text::count(database.copied_files),
            text::bytes(database.copied_bytes),
        ]);
    }
    let found = match problems.len() {
        0 => "no problems".to_owned(),
        n => text::counted(n as u64, "problem"),
    };
    format!("{}{}wrote {}, checked: {found}\n", table.render(), render::problems(problems), args.out.display())
}

fn json(args: &Args, report: &SnapshotReport, problems: &[ProblemView]) -> serde_json::Value {
    let one = |database: &nanotdb_core::maintenance::snapshot::SnapshotDatabase| {
        serde_json::json!({
            "name": database.name,
            "metrics": database.metrics,
            "samples": database.samples,
            "linked_files": database.linked_files,
            "linked_bytes": database.linked_bytes,
            "copied_files": database.copied_files,
            "copied_bytes": database.copied_bytes,
        })
    };
    serde_json::json!({
        "out": args.out.display().to_string(),
        "databases": report.databases.iter().map(one).collect::<Vec<_>>(),
        "problems": problems,
    })
}
