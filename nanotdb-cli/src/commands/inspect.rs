//! `nanocli inspect`: what the files of a data directory hold.

use crate::inspect::read::{DatabaseFiles, names_of};
use crate::inspect::render;
use crate::options::DatabasesArgs;
use crate::{output, root, text};
use nanotdb_core::{Error, Result};
use std::io::Write;
use std::process::ExitCode;

/// Show what the files of a data directory hold: databases, raw files, metric files, catalogs, write-ahead logs.
///
/// Files are read as they are, whole or damaged, and never written. Tables are for people: start plus length, rounded
/// sizes. --json has the exact figures, timestamps in nanoseconds.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli inspect db --root ./nanotdb-data
  nanocli inspect dat --root ./nanotdb-data --db sensors --verbose
  nanocli inspect metric --db sensors --part 2026-05-24 --verbose
  nanocli inspect wal --root ./nanotdb-data --db sensors --verbose
  nanocli inspect catalog --root ./nanotdb-data --db sensors --json";

#[derive(Debug, clap::Subcommand)]
enum What {
    /// One line per database; with --verbose also its raw files, its metric files and its WAL
    Db(Common),
    /// Raw files; with --verbose each page frame: size, ratio, codec, damage
    Dat(Common),
    /// Metric files; with --verbose each metric and time vector: size, values from and to, times
    Metric(Metric),
    /// Metrics: id, name, type, those in the WAL alone too
    Catalog(Common),
    /// Write-ahead logs; with --verbose each record, and what is wrong at the tail
    Wal(Common),
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    databases: DatabasesArgs,

    /// Show single frames and records
    #[arg(long)]
    verbose: bool,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Metric {
    #[command(flatten)]
    common: Common,

    /// Only the file of this partition, named as in its file name: 2026-05-24, 2026-05, 2026 or forever
    #[arg(long, value_name = "PARTITION")]
    part: Option<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Db(common) => databases(common)?,
        What::Dat(common) => data_files(common)?,
        What::Metric(args) => metric_files(args)?,
        What::Catalog(common) => catalog(common)?,
        What::Wal(common) => wals(common)?,
    }
    Ok(super::exit(true))
}

fn databases(args: &Common) -> anyhow::Result<()> {
    let root = &args.databases.root.root;
    let engine = root::open_for_reading(root)?;
    let names = root::databases(&engine, root, args.databases.db.as_deref())?;
    let views = names
        .iter()
        .map(|(name, health)| DatabaseFiles { root, name }.overview(engine.config(), health.as_deref()))
        .collect::<Result<Vec<_>>>()?;
    if args.json {
        return output::print_json(&serde_json::json!({ "databases": views }));
    }
    output::print_text(&render::databases(&views))?;
    if args.verbose {
        for (name, _) in &names {
            let files = DatabaseFiles { root, name };
            let mut out = output::stdout();
            write!(out, "\n{}", render::data_files(&files.data_files()?))?;
            let metric_files = files.metric_files(false)?;
            if !metric_files.is_empty() {
                write!(out, "\n{}", render::metric_files(&metric_files))?;
            }
            write!(out, "\n{}", render::wals(&files.wals(false)?))?;
            out.flush()?;
        }
    }
    Ok(())
}

/// The databases that are asked for; those that cannot be opened are inspected all the same.
fn names(args: &Common) -> Result<Vec<String>> {
    let root = &args.databases.root.root;
    let engine = root::open_for_reading(root)?;
    Ok(root::databases(&engine, root, args.databases.db.as_deref())?.into_iter().map(|(name, _)| name).collect())
}

fn data_files(args: &Common) -> anyhow::Result<()> {
    let root = &args.databases.root.root;
    let mut all = Vec::new();
    for name in names(args)? {
        all.extend(DatabaseFiles { root, name: &name }.data_files()?);
    }
    if args.json {
        return output::print_json(&serde_json::json!({ "files": all }));
    }
    let mut out = output::stdout();
    out.write_all(render::data_files(&all).as_bytes())?;
    if args.verbose {
        for file in &all {
            write!(out, "\n{}", render::frames(file))?;
        }
    }
    Ok(out.flush()?)
}

fn metric_files(args: &Metric) -> anyhow::Result<()> {
    let Metric { common, part } = args;
    let root = &common.databases.root.root;
    let mut all = Vec::new();
    for name in names(common)? {
        all.extend(DatabaseFiles { root, name: &name }.metric_files(common.verbose)?);
    }
    if let Some(part) = part {
        let known: Vec<_> = all.iter().map(|f| f.partition.clone()).collect();
        all.retain(|f| f.partition == *part);
        if all.is_empty() {
            let known = match known.is_empty() {
                true => "there are no metric files".to_owned(),
                false => format!("no metric file of this partition; there are {}", known.join(", ")),
            };
            return Err(Error::NotFound(format!("--part {part}: {known}")).into());
        }
    }
    if common.json {
        return output::print_json(&serde_json::json!({ "files": all }));
    }
    let mut out = output::stdout();
    out.write_all(render::metric_files(&all).as_bytes())?;
    if common.verbose {
        for file in &all {
            write!(out, "\n{}", render::series(file))?;
        }
    }
    Ok(out.flush()?)
}

fn wals(args: &Common) -> anyhow::Result<()> {
    let root = &args.databases.root.root;
    let mut all = Vec::new();
    for name in names(args)? {
        all.extend(DatabaseFiles { root, name: &name }.wals(args.verbose)?);
    }
    if args.json {
        return output::print_json(&serde_json::json!({ "wals": all }));
    }
    let mut out = output::stdout();
    out.write_all(render::wals(&all).as_bytes())?;
    if args.verbose {
        for wal in &all {
            out.write_all(b"\n")?;
            render::wal_records(wal, &mut out)?;
        }
    }
    Ok(out.flush()?)
}

fn catalog(args: &Common) -> anyhow::Result<()> {
    let root = &args.databases.root.root;
    let names = names(args)?;
    let mut found = Vec::with_capacity(names.len());
    for name in &names {
        found.push((name, DatabaseFiles { root, name }.catalog()?));
    }
    if args.json {
        let databases: Vec<_> =
            found.iter().map(|(name, metrics)| serde_json::json!({ "database": name, "metrics": metrics })).collect();
        return output::print_json(&serde_json::json!({ "databases": databases }));
    }
    let tables = found.iter().map(|(name, metrics)| {
        let (count, ids) = (names_of(metrics), metrics.len() as u64);
        let ids = if ids == count { String::new() } else { format!(" ({})", text::counted(ids, "id")) };
        let count = text::counted(count, "metric") + &ids;
        format!("{name}: {count}\n{}", render::catalog(metrics))
    });
    output::print_text(&tables.collect::<Vec<_>>().join("\n"))
}
