//! `nanocli plugins`: what is linked into this binary.

use crate::{inspect::table, output};
use nanotdb_core::plugin::registry::registry;
use serde::Serialize;
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
These names go into engine.toml and manifest.toml ([page] codec, [retention] partition), `import --format` and
`query --aggregate`. A binary of your own can link more in; see examples/codec in the source.";

#[derive(Debug, Serialize)]
struct Row {
    kind: &'static str,
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<&'static str>,
    about: &'static str,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let registry = registry();
    registry.check()?;
    let rows = rows();
    if args.json {
        output::print_json(&serde_json::json!({ "plugins": rows }))?;
    } else {
        output::print_text(&render(&rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn rows() -> Vec<Row> {
    let registry = registry();
    let mut rows = Vec::new();
    for p in registry.codecs() {
        rows.push(Row { kind: "codec", name: p.name(), id: Some(p.id()), also: Vec::new(), about: p.about() });
    }
    for p in registry.partitioners() {
        let id = Some(u16::from(p.kind_id()));
        rows.push(Row { kind: "partition", name: p.name(), id, also: Vec::new(), about: p.about() });
    }
    for p in registry.ingest_formats() {
        let also = p.content_types().to_vec();
        rows.push(Row { kind: "ingest format", name: p.name(), id: None, also, about: p.about() });
    }
    for p in registry.aggregators() {
        rows.push(Row { kind: "aggregate", name: p.name(), id: None, also: p.aliases().to_vec(), about: p.about() });
    }
    rows
}

fn render(rows: &[Row]) -> String {
    let mut table = table::Table::new(&["KIND", "NAME", ">ID", "ALSO", "ABOUT"]);
    for row in rows {
        let id = row.id.map(|id| id.to_string()).unwrap_or_default();
        table.row(vec![row.kind.into(), row.name.into(), id, row.also.join(", "), row.about.into()]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_right_aligned_and_missing_ones_blank() {
        let rows = [
            Row { kind: "codec", name: "s2", id: Some(1), also: vec![], about: "the default" },
            Row { kind: "codec", name: "mine", id: Some(40_000), also: vec![], about: "a third party's" },
            Row { kind: "aggregate", name: "trimmed_avg", id: None, also: vec!["trimmed_average"], about: "trimmed" },
        ];
        let expected = "\
KIND       NAME            ID  ALSO             ABOUT
codec      s2               1                   the default
codec      mine         40000                   a third party's
aggregate  trimmed_avg         trimmed_average  trimmed
";
        assert_eq!(render(&rows), expected);
    }
}
