//! `nanocli inspect`: what the files of a data directory hold.

use crate::cli::RootArg;
use crate::inspect::{render, view};
use crate::{output, root};
use std::process::ExitCode;

/// Show what the files of a data directory hold.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli inspect catalog --root ./nanotdb-data --db sensors
  nanocli inspect catalog --root ./nanotdb-data --db sensors --json

Tables are for people; --json has the same facts.";

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The metrics of a database: id, name, type
    Catalog(Common),
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    root: RootArg,

    /// Database (default: each one)
    #[arg(long, value_name = "NAME")]
    db: Option<String>,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Catalog(common) => catalog(common),
    }
}

fn catalog(args: &Common) -> anyhow::Result<ExitCode> {
    let root = &args.root.root;
    let engine = root::open_for_reading(root)?;
    let names = match &args.db {
        Some(name) => {
            root::require_database(&engine, root, name)?;
            vec![name.clone()]
        }
        None => engine.database_names(true),
    };
    let mut databases = Vec::with_capacity(names.len());
    for name in names {
        let metrics: Vec<_> = engine
            .metrics(&name)?
            .into_iter()
            .map(|m| view::MetricView { id: m.id, name: m.name, value_type: m.value_type.to_string() })
            .collect();
        databases.push((name, metrics));
    }
    if args.json {
        let list: Vec<_> = databases
            .iter()
            .map(|(name, metrics)| serde_json::json!({ "database": name, "metrics": metrics }))
            .collect();
        output::print_json(&serde_json::json!({ "databases": list }))?;
    } else {
        let text: String = databases
            .iter()
            .map(|(name, metrics)| format!("{name}: {} metrics\n{}", metrics.len(), render::catalog(metrics)))
            .collect::<Vec<_>>()
            .join("\n");
        output::print_text(&text)?;
    }
    Ok(super::exit(true))
}
