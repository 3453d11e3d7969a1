//! `nanocli db`: whole databases.

use crate::inspect::table::Table;
use crate::options::RootArg;
use crate::{output, root, text};
use anyhow::bail;
use nanotdb_core::Error;
use nanotdb_core::config::{Choice, EngineConfig, Manifest, RetentionAction, RollupJob};
use nanotdb_core::engine::EngineOptions;
use nanotdb_core::maintenance::databases::{LockedRoot, references};
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::storage::vfs::RealVfs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

/// List, create, remove and rename databases.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Databases with their sizes; takes no lock
    List(List),
    /// Make an empty database with a manifest of its own
    Create(Create),
    /// Remove a database with all its samples
    Drop(Remove),
    /// Give a database another name
    Rename(Rename),
}

const AFTER_HELP: &str = "\
Examples:
  nanocli db list --root ./nanotdb-data
  nanocli db create sensors --partition month --retention-days 365 \\
      --retention-action delete
  nanocli db rename --root ./nanotdb-data sensors greenhouse
  nanocli db drop --root ./nanotdb-data greenhouse --yes

All but list need the directory for themselves. A crash leaves a database wholly or not at all. A database that \
rollups of others write to, or that engine.toml creates at start, is not removed or renamed without --force: \
the places are listed.";

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    root: RootArg,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Create {
    #[command(flatten)]
    root: RootArg,

    /// Its name: 1 to 64 of A-Z a-z 0-9 _ . -
    name: String,

    /// How its files are cut: day, month, year, forever (`nanocli plugins` lists them)
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,

    /// Codec of its pages
    #[arg(long, value_name = "NAME")]
    codec: Option<String>,

    /// Days after its end at which a partition expires
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(0..=106_751))]
    retention_days: Option<u32>,

    /// What happens to it then: keep, delete or archive
    #[arg(long, value_name = "ACTION", value_parser = |text: &str| RetentionAction::parse(text))]
    retention_action: Option<RetentionAction>,

    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Remove {
    #[command(flatten)]
    root: RootArg,

    /// Its name
    name: String,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    /// Also when rollups of other databases write to it
    #[arg(long)]
    force: bool,

    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Rename {
    #[command(flatten)]
    root: RootArg,

    /// Its name
    name: String,

    /// The new one
    new: String,

    /// Also when rollups of other databases write to it
    #[arg(long)]
    force: bool,

    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::List(args) => list(args),
        What::Create(args) => create(args),
        What::Drop(args) => remove(args),
        What::Rename(args) => rename(args),
    }
}

fn locked(root: &Path, config: &EngineConfig) -> anyhow::Result<LockedRoot> {
    root::tell_owner(root);
    Ok(LockedRoot::open(root, config.clone(), &EngineOptions::default())?)
}

fn say(json: bool, document: &serde_json::Value, text: &str) -> anyhow::Result<ExitCode> {
    if json {
        output::print_json(document)?
    } else {
        output::print_text(text)?
    }
    Ok(ExitCode::SUCCESS)
}

/// Metrics, partitions, samples in files and bytes of one database; its state.
fn list(args: &List) -> anyhow::Result<ExitCode> {
    let root = &args.root.root;
    let engine = root::open_for_reading(root)?;
    let mut table = Table::new(&["DATABASE", ">METRICS", ">PARTITIONS", ">SIZE", "FIRST", "LAST", "STATE"]);
    let mut documents = Vec::new();
    for (name, problem) in root::databases(&engine, root, None)? {
        let size = size_of(&root.join(&name));
        let (metrics, partitions) = match &problem {
            None => (engine.metrics(&name)?.len() as u64, engine.partitions(&name)?),
            Some(_) => (0, Vec::new()),
        };
        let part = |part: Option<&String>| part.cloned().unwrap_or_else(|| "-".to_owned());
        table.row(vec![
            name.clone(),
            text::count(metrics),
            text::count(partitions.len() as u64),
            text::bytes(size),
            part(partitions.first()),
            part(partitions.last()),
            problem.clone().unwrap_or_else(|| "ok".to_owned()),
        ]);
        documents.push(serde_json::json!({
            "name": name,
            "metrics": metrics,
            "partitions": partitions,
            "bytes": size,
            "problem": problem,
        }));
    }
    say(args.json, &serde_json::json!({ "databases": documents }), &table.render())
}

fn size_of(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(std::fs::Metadata::is_file).map(|m| m.len()).sum()
}

fn create(args: &Create) -> anyhow::Result<ExitCode> {
    let root = &args.root.root;
    root::require_directory(root)?;
    let config = root::load_config(root)?;
    let mut manifest = config.manifest_defaults.clone();
    if let Some(partition) = &args.partition {
        registry().partitioner(partition).map_err(|e| Error::bad_input(format!("--partition: {e}")))?;
        manifest.retention.partition.clone_from(partition);
    }
    if let Some(codec) = &args.codec {
        registry().codec(codec).map_err(|e| Error::bad_input(format!("--codec: {e}")))?;
        manifest.page.codec.clone_from(codec);
    }
    manifest.retention.retention_days = args.retention_days.unwrap_or(manifest.retention.retention_days);
    manifest.retention.retention_action = args.retention_action.unwrap_or(manifest.retention.retention_action);
    if manifest.retention.retention_days == 0 && manifest.retention.retention_action != RetentionAction::Keep {
        let text = "--retention-days 0 would remove what was just written; accepted are 1 to 106751, or \
                    --retention-action keep";
        return Err(Error::bad_input(text).into());
    }
    locked(root, &config)?.create(&args.name, &manifest)?;
    let path = root.join(&args.name).join("manifest.toml");
    let document = serde_json::json!({ "created": args.name, "manifest": path.display().to_string() });
    say(args.json, &document, &format!("created {}; its settings are in {}\n", args.name, path.display()))
}

/// Refuses while the name stands somewhere, unless forced.
fn refuse_references(root: &Path, config: &EngineConfig, name: &str, force: bool) -> anyhow::Result<Vec<String>> {
    let found = references(&RealVfs, root, config, name)?;
    if !found.is_empty() && !force {
        let list: String = found.iter().map(|place| format!("\n  {place}")).collect();
        let text = "is named elsewhere; change that first, or use --force";
        return Err(Error::bad_input(format!("database {name:?} {text}:{list}")).into());
    }
    Ok(found)
}

fn remove(args: &Remove) -> anyhow::Result<ExitCode> {
    let root = &args.root.root;
    root::require_directory(root)?;
    let config = root::load_config(root)?;
    let locked = locked(root, &config)?;
    let named = refuse_references(root, &config, &args.name, args.force)?;
    let settings = settings_of(root, &config, &args.name);
    output::warn_all(&settings);
    if !args.yes {
        let known = nanotdb_core::maintenance::inspect::read_catalog(&RealVfs, &root.join(&args.name));
        let metrics = known.map_or(0, |entries| entries.len() as u64);
        ask(&args.name, metrics)?;
    }
    locked.remove(&args.name)?;
    output::warn_all(&named.iter().map(|place| format!("{place} still names it")).collect::<Vec<_>>());
    let document = serde_json::json!({ "dropped": args.name, "still_named": named });
    say(args.json, &document, &format!("removed {}\n", args.name))
}

/// What of its settings goes with a database: one that is made anew under its name starts with the defaults.
fn settings_of(root: &Path, config: &EngineConfig, name: &str) -> Vec<String> {
    let path = root.join(name).join("manifest.toml");
    // One that cannot be read goes all the same.
    let Ok(manifest) = Manifest::load(&RealVfs, &path, &config.manifest_defaults).map(|loaded| loaded.value) else {
        return Vec::new();
    };
    let rollups = &manifest.rollups;
    let into =
        |job: &RollupJob| job.destination_db.clone().or(rollups.default_destination_db.clone()).unwrap_or_default();
    let mut found: Vec<String> = rollups
        .jobs
        .iter()
        .map(|job| format!("rollup job {:?}, into {:?}, goes with {name}", job.id, into(job)))
        .collect();
    if manifest != config.manifest_defaults && found.is_empty() {
        found.push(format!("the settings of {name} go with it ({})", path.display()));
    }
    found
}

/// On a terminal the name must be typed; elsewhere --yes is the only way.
fn ask(name: &str, metrics: u64) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Error::bad_input(format!("--yes is needed to remove database {name:?} without being asked")).into());
    }
    eprint!("This removes {name} with its {}. Type its name to go on: ", text::counted(metrics, "metric"));
    io::stderr().flush()?;
    let mut typed = String::new();
    io::stdin().read_line(&mut typed)?;
    if typed.trim() != name {
        bail!("that is not its name; nothing was removed");
    }
    Ok(())
}

fn rename(args: &Rename) -> anyhow::Result<ExitCode> {
    let root = &args.root.root;
    root::require_directory(root)?;
    let config = root::load_config(root)?;
    let locked = locked(root, &config)?;
    let named = refuse_references(root, &config, &args.name, args.force)?;
    locked.rename_database(&args.name, &args.new)?;
    output::warn_all(&named.iter().map(|place| format!("{place} names {} still", args.name)).collect::<Vec<_>>());
    let document = serde_json::json!({ "renamed": args.name, "to": args.new, "still_named": named });
    say(args.json, &document, &format!("{} is {} now\n", args.name, args.new))
}
