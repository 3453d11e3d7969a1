//! `nanocli convert`: a data directory as a new one for the original, or for this version.

use crate::inspect::table::Table;
use crate::options::RootArg;
use crate::{output, root, text};
use anyhow::Context;
use clap::ValueEnum;
use nanotdb_core::engine::EngineOptions;
use nanotdb_core::maintenance::convert::{ConvertReport, ConvertRequest, Loss, Target, convert};
use std::path::PathBuf;
use std::process::ExitCode;

/// Write a data directory anew, for the original NanoTDB or with today's formats.
///
/// The source is only read and may be that of a running server; what is written to it meanwhile is not in the new one.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArg,

    /// The new data directory; missing or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// What the new directory is for
    #[arg(long, value_name = "TARGET", value_enum)]
    to: To,

    /// Convert one database only
    #[arg(long, value_name = "NAME")]
    db: Option<String>,

    /// Round float64 values that are no float32 instead of leaving their metrics out
    #[arg(long)]
    lossy: bool,

    /// Print the summary as one JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli convert --root ./nanotdb-data --out ./for-the-original --to original
  nanocli convert --root ./of-the-original --out ./nanotdb-data --to nanotdb

--to original writes what the original reads: pages in s2, metric files v2 with zstd_fastest, 32-bit values, \
empty write-ahead logs. A 64-bit metric gets 32 bits when every value of it fits; any other is left out and \
listed with its first value that does not fit. --lossy rounds floats; integers beyond 32 bits and floats \
beyond float32 have no form there. --to nanotdb writes metric files v3 with columns. Both keep samples, ids, \
manifests, checkpoints of rollups and dashboard.json; engine.toml is left for the new server to write. Partitions that the original has \
no name for are cut into days.

Exit code 1 when a metric was left out or something could not be read.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// The original Go NanoTDB
    Original,
    /// This version's defaults
    Nanotdb,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let root = &args.root.root;
    root::require_directory(root)?;
    let target = match args.to {
        To::Original => Target::Original,
        To::Nanotdb => Target::Nanotdb,
    };
    let request = ConvertRequest { root, out: &args.out, database: args.db.as_deref(), target, lossy: args.lossy };
    let spinner = super::spinner();
    let report = convert(request, root::load_config(root)?, &EngineOptions::default(), &mut |database, part| {
        spinner.set_message(format!("{database}: {part}"));
        spinner.tick();
    });
    spinner.finish_and_clear();
    let report = match report {
        // Refused before anything was written.
        Err(e @ (nanotdb_core::Error::BadInput(_) | nanotdb_core::Error::NotFound(_))) => {
            return Err(e).context("--root and --out");
        }
        other => other.with_context(|| format!("{} is incomplete: remove it", args.out.display()))?,
    };
    if args.json {
        output::print_json(&json(args, &report))?;
    } else {
        output::print_text(&summary(args, &report))?;
    }
    output::warn_all(&report.warnings);
    Ok(super::exit(report.left_out.is_empty() && report.warnings.is_empty()))
}

fn losses(heading: &str, losses: &[Loss]) -> String {
    if losses.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["METRIC", "TYPE", ">FIRST VALUE", "TIME", "REASON"]);
    for loss in losses {
        table.row(vec![
            format!("{}/{}", loss.database, loss.metric),
            loss.value_type.to_string(),
            loss.value.to_string(),
            text::timestamp(loss.timestamp),
            loss.reason.clone(),
        ]);
    }
    format!("\n{heading} {}:\n{}", text::counted(losses.len() as u64, "metric"), table.render())
}

fn summary(args: &Args, report: &ConvertReport) -> String {
    let headings =
        ["DATABASE", ">METRICS", ">NARROWED", ">PARTITIONS", ">SAMPLES", ">RAW FILES", ">METRIC FILES", ">SIZE"];
    let mut table = Table::new(&headings);
    for database in &report.databases {
        table.row(vec![
            database.name.clone(),
            text::count(database.metrics),
            text::count(database.narrowed),
            text::count(database.partitions),
            text::count(database.rows),
            text::bytes(database.raw_bytes),
            text::count(database.metric_files),
            text::bytes(database.metric_bytes),
        ]);
    }
    let mut out = table.render();
    out.push_str(&losses("left out", &report.left_out));
    out.push_str(&losses("rounded", &report.rounded));
    if !report.notes.is_empty() {
        out.push('\n');
    }
    for note in &report.notes {
        out.push_str(&format!("{note}\n"));
    }
    out.push_str(&format!("\nwrote {}\n", args.out.display()));
    out
}

fn json(args: &Args, report: &ConvertReport) -> serde_json::Value {
    let losses = |losses: &[Loss]| -> Vec<_> {
        let one = |loss: &Loss| {
            serde_json::json!({
                "database": loss.database,
                "metric": loss.metric,
                "type": loss.value_type.to_string(),
                "reason": loss.reason,
                "timestamp_ns": loss.timestamp,
                "value": loss.value.to_string(),
            })
        };
        losses.iter().map(one).collect()
    };
    let databases: Vec<_> = report
        .databases
        .iter()
        .map(|database| {
            serde_json::json!({
                "name": database.name,
                "metrics": database.metrics,
                "narrowed": database.narrowed,
                "partitions": database.partitions,
                "samples": database.rows,
                "raw_bytes": database.raw_bytes,
                "metric_files": database.metric_files,
                "metric_bytes": database.metric_bytes,
            })
        })
        .collect();
    serde_json::json!({
        "out": args.out.display().to_string(),
        "to": match args.to { To::Original => "original", To::Nanotdb => "nanotdb" },
        "databases": databases,
        "left_out": losses(&report.left_out),
        "rounded": losses(&report.rounded),
        "warnings": report.warnings,
        "notes": report.notes,
    })
}
