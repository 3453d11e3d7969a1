//! `nanocli manifest`: the configuration of a data directory.

use crate::options::DatabasesArgs;
use crate::{output, root, text};
use nanotdb_core::maintenance::manifests::{Finding, ManifestReport, check};
use nanotdb_core::storage::vfs::RealVfs;
use std::path::Path;
use std::process::ExitCode;

/// Look at engine.toml and the manifests.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Tell every mistake in engine.toml and the manifests: syntax, values, plugins, contradictions
    #[command(after_help = AFTER_HELP)]
    Check(Check),
}

#[derive(Debug, clap::Args)]
struct Check {
    #[command(flatten)]
    databases: DatabasesArgs,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli manifest check --root ./nanotdb-data
  nanocli manifest check --root ./nanotdb-data --db sensors --json

One line per finding: file, key, what is accepted. Errors are what a server refuses, or cannot do as it says; \
warnings are keys that it ignores, and settings without effect. Nothing is written, no lock is taken. \
Exit code 1 when there is an error.";

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let What::Check(args) = &args.what;
    let root = &args.databases.root.root;
    root::require_directory(root)?;
    let report = check(&RealVfs, root, args.databases.db.as_deref())?;
    if args.json {
        output::print_json(&json(root, &report))?;
    } else {
        output::print_text(&summary(root, &report))?;
    }
    Ok(super::exit(report.errors() == 0))
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn summary(root: &Path, report: &ManifestReport) -> String {
    let mut out = String::new();
    for Finding { file, key, what, is_error } in &report.findings {
        let kind = if *is_error { "error" } else { "warning" };
        let key = key.as_ref().map(|key| format!("{key} = ")).unwrap_or_default();
        out.push_str(&format!("{}: {kind}: {key}{what}\n", relative(root, file)));
    }
    let warnings = (report.findings.len() as u64).saturating_sub(report.errors());
    format!(
        "{out}{}: {}, {}\n",
        text::counted(report.files.len() as u64, "file"),
        text::counted(report.errors(), "error"),
        text::counted(warnings, "warning"),
    )
}

fn json(root: &Path, report: &ManifestReport) -> serde_json::Value {
    let findings = |errors: bool| -> Vec<_> {
        let wanted = report.findings.iter().filter(|finding| finding.is_error == errors);
        wanted.map(|f| serde_json::json!({ "file": relative(root, &f.file), "key": f.key, "what": f.what })).collect()
    };
    serde_json::json!({
        "files": report.files.iter().map(|file| relative(root, file)).collect::<Vec<_>>(),
        "errors": findings(true),
        "warnings": findings(false),
    })
}
