//! `nanocli acknowledge`: what was mended has been seen.

use crate::options::DatabasesArgs;
use crate::{output, root, text};
use nanotdb_core::engine::{Engine, Warning};
use nanotdb_core::model::time::format_rfc3339;
use std::process::ExitCode;

/// Say that the damage that a start has mended was seen.
///
/// A start cuts out what is damaged and goes on. That stays to be seen, in /health, on the page of the engine and with each
/// answer, until somebody has acknowledged it: here, or with the button on that page, which works beside a running server.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    of: DatabasesArgs,

    /// Print the warnings as one JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli acknowledge --root ./nanotdb-data
  nanocli acknowledge --root ./nanotdb-data --db sensors

It prints what it acknowledges. The directory must not be in use by a server: there, \
POST /api/v1/ui/acknowledge does the same. Warnings without a time are of what is so now, and go with their cause.";

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let root = &args.of.root.root;
    root::require_directory(root)?;
    let engine = root::open_for_writing(root)?;
    let done = acknowledge(&engine, root, args.of.db.as_deref());
    let closed = engine.close();
    let warnings = done?;
    closed?;
    if args.json {
        let entry = |warning: &Warning| {
            serde_json::json!({
                "db": warning.database,
                "since": warning.since.map(format_rfc3339),
                "text": warning.text,
                "acknowledged": warning.can_be_acknowledged(),
            })
        };
        output::print_json(&warnings.iter().map(entry).collect::<serde_json::Value>())?;
    } else {
        let mut lines = String::new();
        for warning in &warnings {
            let since = warning.since.map_or_else(|| "still so".to_owned(), format_rfc3339);
            lines.push_str(&format!("{}: {since}: {}\n", warning.database, warning.text));
        }
        let count = warnings.iter().filter(|warning| warning.can_be_acknowledged()).count();
        lines.push_str(&format!("{} acknowledged\n", text::counted(count as u64, "warning")));
        output::print_text(&lines)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn acknowledge(engine: &Engine, root: &std::path::Path, database: Option<&str>) -> anyhow::Result<Vec<Warning>> {
    if let Some(name) = database {
        root::require_database(engine, root, name)?;
    }
    output::warn_all(&root::unusable(engine, database));
    let mut warnings = engine.warnings();
    warnings.retain(|warning| database.is_none_or(|wanted| wanted == warning.database));
    engine.acknowledge(database)?;
    Ok(warnings)
}
