//! `nanocli rollup`: the results of rollup jobs, computed anew.

use crate::inspect::table::Table;
use crate::options::RootArg;
use crate::{output, root, text};
use indicatif::{ProgressBar, ProgressStyle};
use nanotdb_core::engine::{BackfillStep, Engine};
use nanotdb_core::rollup::BackfillReport;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Compute rollups anew from the jobs in the manifests of their sources.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArg,

    /// Only the jobs of this source database, and the cascades that hang on it
    #[arg(long, value_name = "SOURCE")]
    db: Option<String>,

    /// Print the report as one JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli rollup --root ./nanotdb-data
  nanocli rollup --root ./nanotdb-data --db sensors --json

Each destination is built beside the old one and takes its place once it is on disk: whenever this is \
interrupted, there is the old one or the new one. Results whose source samples are gone (by retention) are taken \
over. A destination that also holds metrics of its own is left as it is, and the exit code is 1; so it is \
where a database cannot be opened.

A bucket is computed when its end and the job's grace are over. The server does so by itself; this is for samples \
that came after their bucket was computed, for jobs that were added or changed, and after `nanocli import`.";

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let root = &args.root.root;
    root::require_directory(root)?;
    let engine = root::open_for_writing(root)?;
    let began = Instant::now();
    let errors = root::unusable(&engine, args.db.as_deref());
    let done = backfill(&engine, args);
    let took = began.elapsed();
    let closed = engine.close();
    let done = done?;
    closed?;
    for error in &errors {
        eprintln!("nanocli: {error}");
    }
    if args.json {
        output::print_json(&json(&done, &errors, took))?;
    } else {
        output::print_text(&table(&done, errors.len(), took))?;
        for skipped in &done.skipped {
            eprintln!("nanocli: {} was left as it is: {}", skipped.database, skipped.reason);
        }
    }
    let refused: u64 = done.destinations.iter().map(|rebuilt| rebuilt.refused).sum();
    if refused > 0 {
        eprintln!("nanocli: {} refused; the log says why", text::counted(refused, "result"));
    }
    Ok(super::exit(done.skipped.is_empty() && errors.is_empty() && refused == 0))
}

fn backfill(engine: &Engine, args: &Args) -> anyhow::Result<BackfillReport> {
    if let Some(db) = &args.db {
        root::require_database(engine, &args.root.root, db)?;
    }
    let bar = progress_bar();
    let mut progress = |step: &BackfillStep| {
        let BackfillStep { database, number, of, samples } = step;
        bar.set_message(format!("{database} ({number} of {of}): {}", text::counted(*samples, "sample")));
        bar.tick();
        ControlFlow::Continue(())
    };
    let sources = args.db.clone().map(|db| vec![db]);
    let report = engine.backfill_rollups(sources.as_deref(), &mut progress);
    bar.finish_and_clear();
    Ok(report?)
}

fn progress_bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    match ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn table(done: &BackfillReport, unusable: usize, took: Duration) -> String {
    if done.sources.is_empty() {
        let which = if unusable == 0 { "no database" } else { "none of the databases that can be opened" };
        return format!("nothing to do: {which} has enabled rollups\n");
    }
    let mut out = String::new();
    if !done.destinations.is_empty() {
        let mut table = Table::new(&["DESTINATION", ">COMPUTED", ">TAKEN OVER", ">REFUSED", ">FILES CLEARED"]);
        for rebuilt in &done.destinations {
            table.row(vec![
                rebuilt.database.clone(),
                text::count(rebuilt.samples),
                text::count(rebuilt.carried),
                text::count(rebuilt.refused),
                text::count(rebuilt.cleared_files.len() as u64),
            ]);
        }
        out.push_str(&table.render());
    }
    let passes = if done.passes == 1 { "pass" } else { "passes" };
    out.push_str(&format!(
        "{} rolled up into {}: {} {passes}, {:.2} s\n",
        done.sources.join(", "),
        text::counted(done.destinations.len() as u64, "destination"),
        text::count(done.passes),
        took.as_secs_f64(),
    ));
    out
}

fn json(done: &BackfillReport, errors: &[String], took: Duration) -> serde_json::Value {
    let destinations: Vec<_> = done
        .destinations
        .iter()
        .map(|rebuilt| {
            serde_json::json!({
                "database": rebuilt.database,
                "samples": rebuilt.samples,
                "carried": rebuilt.carried,
                "refused": rebuilt.refused,
                "cleared_files": rebuilt.cleared_files,
            })
        })
        .collect();
    let skipped: Vec<_> = done
        .skipped
        .iter()
        .map(|skipped| serde_json::json!({ "database": skipped.database, "reason": skipped.reason }))
        .collect();
    serde_json::json!({
        "sources": done.sources,
        "destinations": destinations,
        "skipped": skipped,
        "errors": errors,
        "passes": done.passes,
        "seconds": took.as_secs_f64(),
    })
}
