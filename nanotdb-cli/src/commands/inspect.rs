//! `nanocli inspect`: what the files of a data directory hold.

use crate::cli::DatabasesArgs;
use crate::inspect::read::DatabaseFiles;
use crate::inspect::render;
use crate::{output, root, text};
use nanotdb_core::Result;
use std::io::Write;
use std::process::ExitCode;

/// Show what the files of a data directory hold: databases, raw files, catalogs, write-ahead logs.
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
  nanocli inspect wal --root ./nanotdb-data --db sensors --verbose
  nanocli inspect catalog --root ./nanotdb-data --db sensors --json";

#[derive(Debug, clap::Subcommand)]
enum What {
    /// One line per database; with --verbose also its raw files and its WAL
    Db(Common),
    /// Raw files; with --verbose each page frame: size, ratio, codec, damage
    Dat(Common),
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

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Db(common) => databases(common)?,
        What::Dat(common) => data_files(common)?,
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
            write!(out, "\n{}\n{}", render::data_files(&files.data_files()?), render::wals(&files.wals(false)?))?;
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
        let count = text::counted(metrics.len() as u64, "metric");
        format!("{name}: {count}\n{}", render::catalog(metrics))
    });
    output::print_text(&tables.collect::<Vec<_>>().join("\n"))
}
