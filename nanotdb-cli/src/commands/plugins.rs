//! `nanocli plugins`: what is linked into this binary.

use crate::output;
use nanotdb_core::plugin::listing::table;
use nanotdb_core::plugin::registry::registry;
use std::process::ExitCode;

/// List the codecs, partitioners, ingest formats and aggregates of this binary.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
These names go into manifest.toml ([page] codec, [retention] partition), `import --format` and \
`query --aggregate`. A binary of your own can link more in; see examples/codec in the source.";

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    registry().check()?;
    let plugins = registry().list();
    if args.json {
        output::print_json(&serde_json::json!({ "plugins": plugins }))?;
    } else {
        output::print_text(&table(&plugins))?;
    }
    Ok(ExitCode::SUCCESS)
}
