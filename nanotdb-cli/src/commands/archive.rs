//! `nanocli archive`: what retention moved out, and the way back.

use crate::inspect::table::Table;
use crate::options::{DatabasesArgs, RootArg};
use crate::{output, root, text};
use nanotdb_core::maintenance::archive::{self, ArchiveReport, ArchivedPartition, Restored, Wanted};
use std::process::ExitCode;

/// Look into the archives of expired partitions, or restore from them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List the partitions in archives
    #[command(after_help = LIST_HELP)]
    List(List),
    /// Move partitions out of an archive into the database again
    #[command(after_help = RESTORE_HELP)]
    Restore(Restore),
}

const LIST_HELP: &str = "\
Examples:
  nanocli archive list --root ./nanotdb-data
  tar tvf ./nanotdb-data/sensors/archive-2026-05.tar

`nanocli verify` checks what is in them. Exit code 1 when one cannot be read.";

const RESTORE_HELP: &str = "\
Examples:
  nanocli archive restore --root ./nanotdb-data --db sensors --part 2026-05-21
  nanocli archive restore --root ./nanotdb-data --db sensors --bucket 2026-05

Every checksum is verified before the first file is put in its place, and no file is overwritten. What is restored is in \
the archive no more. It would go there again at the next sweep if it is still expired, so that is refused: first set \
retention_days or retention_action in the database's manifest.toml.";

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    databases: DatabasesArgs,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("wanted").required(true).args(["part", "bucket"]))]
struct Restore {
    #[command(flatten)]
    root: RootArg,

    /// Database
    #[arg(long, value_name = "NAME")]
    db: String,

    /// This partition, named as in its files: 2026-05-21, 2026-05 or 2026
    #[arg(long, value_name = "PARTITION")]
    part: Option<String>,

    /// Everything in one archive, named as in its file: 2026-05 for archive-2026-05.tar
    #[arg(long, value_name = "BUCKET")]
    bucket: Option<String>,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::List(args) => list(args),
        What::Restore(args) => restore(args),
    }
}

fn list(args: &List) -> anyhow::Result<ExitCode> {
    let DatabasesArgs { root, db } = &args.databases;
    let root = &root.root;
    let engine = root::open_for_reading(root)?;
    let names = match db {
        Some(name) => {
            root::require_database(&engine, root, name)?;
            vec![name.clone()]
        }
        None => engine.database_names(true),
    };
    let unusable = root::unusable(&engine, db.as_deref());
    output::warn_all(&unusable);
    let mut found: Vec<(String, ArchiveReport)> = Vec::new();
    for name in names {
        found.extend(archive::list(&engine, &name)?.into_iter().map(|archive| (name.clone(), archive)));
    }
    let mut is_sound = unusable.is_empty();
    for problem in found.iter().filter_map(|(_, archive)| archive.problem.as_ref()) {
        eprintln!("nanocli: {problem}");
        is_sound = false;
    }
    if args.json {
        let archives: Vec<_> = found
            .iter()
            .map(|(database, archive)| {
                serde_json::json!({
                    "database": database,
                    "archive": shown(root, &archive.path),
                    "bucket": archive.bucket,
                    "bytes": archive.len,
                    "partitions": archive.partitions.iter().map(partition_json).collect::<Vec<_>>(),
                    "problem": archive.problem,
                })
            })
            .collect();
        output::print_json(&serde_json::json!({ "archives": archives }))?;
    } else if found.is_empty() {
        output::print_text("no archives\n")?;
    } else {
        let mut table = Table::new(&["ARCHIVE", "PARTITION", ">FILES", ">SIZE", "NOTE"]);
        for (_, archive) in &found {
            if let Some(problem) = &archive.problem {
                table.row(vec![
                    shown(root, &archive.path),
                    "-".into(),
                    "-".into(),
                    text::bytes(archive.len),
                    problem.clone(),
                ]);
            }
            for partition in &archive.partitions {
                let note = match partition.generation {
                    1 => String::new(),
                    n => format!("came after it was archived, {n}/"),
                };
                table.row(vec![
                    shown(root, &archive.path),
                    partition.partition.clone(),
                    text::count(partition.files.len() as u64),
                    text::bytes(partition.bytes()),
                    note,
                ]);
            }
        }
        output::print_text(&table.render())?;
    }
    Ok(super::exit(is_sound))
}

fn shown(root: &std::path::Path, path: &std::path::Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn partition_json(partition: &ArchivedPartition) -> serde_json::Value {
    let files: Vec<_> =
        partition.files.iter().map(|(name, len)| serde_json::json!({ "name": name, "bytes": len })).collect();
    serde_json::json!({
        "partition": partition.partition,
        "generation": partition.generation,
        "bytes": partition.bytes(),
        "files": files,
    })
}

fn restore(args: &Restore) -> anyhow::Result<ExitCode> {
    let root = &args.root.root;
    root::require_directory(root)?;
    let engine = root::open_for_writing(root)?;
    let wanted = match (&args.part, &args.bucket) {
        (Some(part), _) => Wanted::Partition(part),
        (None, bucket) => Wanted::Bucket(bucket.as_deref().unwrap_or_default()),
    };
    let restored = root::require_database(&engine, root, &args.db)
        .and_then(|()| archive::restore(&engine, &args.db, wanted))
        .and_then(|restored| Ok((restored, archive::list(&engine, &args.db)?)));
    let closed = engine.close();
    let (Restored { partitions: restored, refused }, left) = restored?;
    closed?;
    for (_, error) in &refused {
        eprintln!("nanocli: {error}");
    }
    let is_left = |partition: &ArchivedPartition| {
        left.iter().flat_map(|archive| &archive.partitions).any(|p| p.partition == partition.partition)
    };
    if args.json {
        output::print_json(&serde_json::json!({
            "database": args.db,
            "restored": restored.iter().map(partition_json).collect::<Vec<_>>(),
            "refused": refused
                .iter()
                .map(|(partition, error)| serde_json::json!({ "partition": partition, "reason": error.to_string() }))
                .collect::<Vec<_>>(),
        }))?;
    } else {
        let mut table = Table::new(&["PARTITION", ">FILES", ">SIZE"]);
        for partition in &restored {
            table.row(vec![
                partition.partition.clone(),
                text::count(partition.files.len() as u64),
                text::bytes(partition.bytes()),
            ]);
        }
        let also = match refused.len() as u64 {
            0 => String::new(),
            more => format!(", {} stay in the archive", text::count(more)),
        };
        let count = text::counted(restored.len() as u64, "partition");
        output::print_text(&format!("{}{count} restored{also}\n", table.render()))?;
    }
    for partition in restored.iter().filter(|partition| is_left(partition)) {
        let part = &partition.partition;
        eprintln!(
            "nanocli: the archive has more of partition {part}, which came after it was archived first; it stays there"
        );
    }
    Ok(super::exit(refused.is_empty()))
}
