//! `nanocli compact`: small frames of raw files become full pages.

use crate::inspect::table::Table;
use crate::options::RootArg;
use crate::{output, root, text};
use nanotdb_core::Error;
use nanotdb_core::engine::{CompactedFile, Compaction, Engine};
use std::process::ExitCode;

/// Merge the many small frames of raw files into full pages.
///
/// A database that gets few samples, or is restarted often, writes frames of a few rows, which take more space and time to read
/// than full pages. Samples and their order stay as they are. A new file is written, read back, compared and put in the place
/// of the old one, so that a crash leaves one or the other.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArg,

    /// Database
    #[arg(long, value_name = "NAME")]
    db: String,

    /// Only this partition, named as in its files: 2026-05-24, 2026-05, 2026 or forever
    #[arg(long, value_name = "PARTITION")]
    part: Option<String>,

    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the summary as one JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli compact --root ./nanotdb-data --db sensors --dry-run
  nanocli compact --root ./nanotdb-data --db sensors --part 2026-05-24

Pages have [page] max_records rows of manifest.toml, in the codec that it names. Frames that a metric file was \
built from stay as they are: it knows them by their bytes; only what came later is merged. A partition whose \
metric file was built from other raw files is skipped; `nanocli build metric` takes its late samples in. \
A partition with damage is an error: see `nanocli recover`.";

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let root = &args.root.root;
    root::require_directory(root)?;
    let engine = match args.dry_run {
        true => root::open_for_reading(root)?,
        false => root::open_for_writing(root)?,
    };
    let compacted = compact_all(&engine, args);
    let closed = engine.close();
    let done = compacted?;
    closed?;
    if args.json {
        output::print_json(&json(args, &done))?;
    } else {
        output::print_text(&summary(args, &done))?;
    }
    Ok(super::exit(done.failed.is_empty()))
}

#[derive(Default)]
struct Done {
    files: Vec<(String, CompactedFile)>,
    skipped: Vec<(String, String)>,
    failed: Vec<(String, Error)>,
}

fn compact_all(engine: &Engine, args: &Args) -> anyhow::Result<Done> {
    root::require_database(engine, &args.root.root, &args.db)?;
    let partitions = match &args.part {
        Some(part) => vec![part.clone()],
        None => engine.partitions(&args.db)?,
    };
    let spinner = super::spinner();
    let mut done = Done::default();
    for partition in partitions {
        spinner.set_message(partition.clone());
        spinner.tick();
        match engine.compact(&args.db, &partition, args.dry_run) {
            Ok(Compaction::NothingToDo) => {}
            Ok(Compaction::Skipped(why)) => done.skipped.push((partition, why)),
            Ok(Compaction::Done(files)) => done.files.extend(files.into_iter().map(|file| (partition.clone(), file))),
            // Of a partition that was asked for by name, it is the answer.
            Err(e) if args.part.is_some() => return Err(e.into()),
            Err(e) => {
                spinner.suspend(|| eprintln!("nanocli: {partition}: {e}"));
                done.failed.push((partition, e));
            }
        }
    }
    spinner.finish_and_clear();
    Ok(done)
}

fn file_name(args: &Args, file: &CompactedFile) -> String {
    file.file.strip_prefix(&args.root.root).unwrap_or(&file.file).display().to_string()
}

fn summary(args: &Args, done: &Done) -> String {
    let mut out = String::new();
    if !done.files.is_empty() {
        let headings = ["FILE", ">SAMPLES", ">FRAMES BEFORE", ">FRAMES AFTER", ">BEFORE", ">AFTER"];
        let mut table = Table::new(&headings);
        for (_, file) in &done.files {
            table.row(vec![
                file_name(args, file),
                text::count(file.rows),
                text::count(file.frames_before),
                text::count(file.frames_after),
                text::bytes(file.bytes_before),
                file.bytes_after.map_or_else(|| "-".to_owned(), text::bytes),
            ]);
        }
        out.push_str(&table.render());
    }
    for (partition, why) in &done.skipped {
        out.push_str(&format!("{partition} skipped: {why}\n"));
    }
    let what = match (done.files.len() as u64, args.dry_run) {
        (0, _) if done.skipped.is_empty() && done.failed.is_empty() => "nothing to merge".to_owned(),
        (n, true) => format!("{} would be written anew", text::counted(n, "file")),
        (n, false) => format!("{} written anew", text::counted(n, "file")),
    };
    format!("{out}{what}\n")
}

fn json(args: &Args, done: &Done) -> serde_json::Value {
    let files: Vec<_> = done
        .files
        .iter()
        .map(|(partition, file)| {
            serde_json::json!({
                "partition": partition,
                "file": file_name(args, file),
                "samples": file.rows,
                "frames_before": file.frames_before,
                "frames_after": file.frames_after,
                "bytes_before": file.bytes_before,
                "bytes_after": file.bytes_after,
            })
        })
        .collect();
    let texts = |pairs: Vec<(&String, String)>, key: &str| -> Vec<_> {
        pairs.into_iter().map(|(partition, text)| serde_json::json!({ "partition": partition, key: text })).collect()
    };
    serde_json::json!({
        "database": args.db,
        "dry_run": args.dry_run,
        "files": files,
        "skipped": texts(done.skipped.iter().map(|(part, why)| (part, why.clone())).collect(), "reason"),
        "failed": texts(done.failed.iter().map(|(part, e)| (part, e.to_string())).collect(), "error"),
    })
}
