//! `nanocli recover`: what can be read of a damaged data directory, as a new one.

use crate::inspect::table::Table;
use crate::inspect::{read, render};
use crate::options::DatabasesArgs;
use crate::{output, root, text};
use anyhow::Context;
use nanotdb_core::config::EngineConfig;
use nanotdb_core::engine::EngineOptions;
use nanotdb_core::maintenance::recover::{Damage, RecoverReport, RecoverRequest, recover};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Save what can be read of a damaged data directory into a new one.
///
/// The damaged directory is only read: no lock, no write. Every whole page, log batch and block is taken, also where the file around
/// it, its directory or the catalog is damaged, and each sample once. What is lost is listed. The new directory passes
/// `verify` and gets its name when it is whole.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    databases: DatabasesArgs,

    /// The new data directory; missing or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Print the summary as one JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli verify --root ./nanotdb-data         (what is damaged?)
  nanocli recover --root ./nanotdb-data --out ./recovered
  nanocli recover --root ./nanotdb-data --db sensors --out ./recovered --json

LOST lists what is in the new directory no more: file, bytes, and where known at most how many samples of which \
time. DAMAGED BUT SAVED lists damage without a loss, because the samples are in another file, too. A metric whose \
name is lost is called recovered.metric_<id>, with the type that its values look like. A manifest that cannot be \
read is written anew with defaults. Samples of metric files are written as raw pages: `nanocli build metric` \
builds metric files anew.

Exit code 1 when something was lost.";

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let DatabasesArgs { root, db } = &args.databases;
    let root = &root.root;
    root::require_directory(root)?;
    // A damaged engine.toml is told of with the rest.
    let config = root::load_config(root).unwrap_or_else(|_| EngineConfig::default());
    let request = RecoverRequest { root, out: &args.out, database: db.as_deref() };
    let spinner = super::spinner();
    let report = recover(request, config, &EngineOptions::default(), &mut |database, samples| {
        spinner.set_message(format!("{database}: {}", text::counted(samples, "sample")));
        spinner.tick();
    });
    spinner.finish_and_clear();
    let report = report.with_context(|| format!("nothing was recovered of {}", root.display()))?;
    if args.json {
        output::print_json(&json(args, root, &report))?;
    } else {
        output::print_text(&summary(args, root, &report))?;
    }
    Ok(super::exit(report.lost.is_empty() && report.problems.is_empty()))
}

fn relative<'a>(root: &Path, path: &'a Path) -> std::path::Display<'a> {
    path.strip_prefix(root).unwrap_or(path).display()
}

fn damages(heading: &str, root: &Path, damages: &[Damage]) -> String {
    if damages.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["FILE", ">FROM", ">TO", ">SAMPLES", "FIRST", "LAST", "WHAT"]);
    let unknown = || "-".to_owned();
    for damage in damages {
        let (from, to) = damage.bytes.map_or((unknown(), unknown()), |(from, to)| (from.to_string(), to.to_string()));
        let time = |at: i64| text::timestamp_short(at);
        let (first, last) = damage.span.map_or((unknown(), unknown()), |(first, last)| (time(first), time(last)));
        table.row(vec![
            relative(root, &damage.file).to_string(),
            from,
            to,
            damage.rows.map_or_else(unknown, text::count),
            first,
            last,
            damage.what.clone(),
        ]);
    }
    format!("\n{heading}:\n{}", table.render())
}

fn summary(args: &Args, root: &Path, report: &RecoverReport) -> String {
    let mut table = Table::new(&["DATABASE", ">METRICS", ">WITHOUT NAME", ">SAMPLES", ">PARTITIONS", ">SIZE"]);
    for database in &report.databases {
        table.row(vec![
            database.name.clone(),
            text::count(database.metrics),
            text::count(database.unnamed.len() as u64),
            text::count(database.samples),
            text::count(database.partitions),
            text::bytes(database.bytes),
        ]);
    }
    let problems: Vec<_> = report.problems.iter().cloned().map(|p| read::problem(&args.out, p)).collect();
    let found = match problems.len() {
        0 => "no problems".to_owned(),
        n => text::counted(n as u64, "problem"),
    };
    let lost = match report.lost.len() {
        0 => "nothing is lost".to_owned(),
        _ => "see LOST".to_owned(),
    };
    format!(
        "{}{}{}{}\nwrote {}, checked: {found}; {lost}\n",
        table.render(),
        damages("DAMAGED BUT SAVED", root, &report.harmless),
        damages("LOST", root, &report.lost),
        render::problems(&problems),
        args.out.display(),
    )
}

fn json(args: &Args, root: &Path, report: &RecoverReport) -> serde_json::Value {
    let damages = |damages: &[Damage]| -> Vec<_> {
        let one = |damage: &Damage| {
            serde_json::json!({
                "file": relative(root, &damage.file).to_string(),
                "from": damage.bytes.map(|(from, _)| from),
                "to": damage.bytes.map(|(_, to)| to),
                "samples": damage.rows,
                "first_ns": damage.span.map(|(first, _)| first),
                "last_ns": damage.span.map(|(_, last)| last),
                "what": damage.what,
            })
        };
        damages.iter().map(one).collect()
    };
    let databases: Vec<_> = report
        .databases
        .iter()
        .map(|database| {
            serde_json::json!({
                "name": database.name,
                "metrics": database.metrics,
                "unnamed": database.unnamed,
                "samples": database.samples,
                "partitions": database.partitions,
                "bytes": database.bytes,
            })
        })
        .collect();
    let problems: Vec<_> = report.problems.iter().cloned().map(|p| read::problem(&args.out, p)).collect();
    serde_json::json!({
        "out": args.out.display().to_string(),
        "databases": databases,
        "lost": damages(&report.lost),
        "saved": damages(&report.harmless),
        "problems": problems,
    })
}
