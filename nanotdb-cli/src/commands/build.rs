//! `nanocli build metric`: metric files of sealed partitions, by hand.

use crate::inspect::table::Table;
use crate::options::RootArg;
use crate::{output, root, text};
use indicatif::{ProgressBar, ProgressStyle};
use nanotdb_core::Error;
use nanotdb_core::config::{Choice, EngineConfig, MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{BuildOptions, BuildReport, Engine, Selection};
use nanotdb_core::plugin::registry::registry;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Build the files that queries read fastest.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Rewrite sealed partitions metric by metric: smaller files, and queries that read only what they need
    #[command(after_help = AFTER_HELP)]
    Metric(Metric),
}

const AFTER_HELP: &str = "\
Examples:
  nanocli build metric --root ./nanotdb-data --db sensors
  nanocli build metric --db sensors --part 2026-05-24 --format v2 --verify
  nanocli build metric --db sensors --raw-ingest-action delete

Without --part every partition whose time is over (and its grace, [retention] grace) is built that has no \
metric file yet or has rows that came later. --format or --codec also rebuild files of another form. \
Format, codec and raw-ingest-action that are not given are those of engine.toml, [metrics]; without that \
section v3, the format's codec (v3 columnar, v1 and v2 zstd_fastest) and keep. Before raw files are renamed \
or removed, the new file is read back and compared with them.";

#[derive(Debug, clap::Args)]
struct Metric {
    #[command(flatten)]
    root: RootArg,

    /// Database
    #[arg(long, value_name = "NAME")]
    db: String,

    /// Only this partition, sealed or not, named as in its files: 2026-05-24, 2026-05, 2026 or forever
    #[arg(long, value_name = "PARTITION")]
    part: Option<String>,

    /// Version of the files: v3, or v2 and v1, which the original reads
    #[arg(long, value_name = "VERSION", value_parser = choice::<MetricFileFormat>)]
    format: Option<MetricFileFormat>,

    /// Codec of their columns (`nanocli plugins` lists them; `nanocli bench codecs` measures them)
    #[arg(long, value_name = "NAME")]
    codec: Option<String>,

    /// What happens to the raw files: keep, rename (data- to raw-) or delete
    #[arg(long, value_name = "ACTION", value_parser = choice::<RawIngestAction>)]
    raw_ingest_action: Option<RawIngestAction>,

    /// Read each new file back and compare it with its rows, also when raw files are kept
    #[arg(long)]
    verify: bool,

    /// Print the summary as one JSON document
    #[arg(long)]
    json: bool,
}

fn choice<C: Choice>(text: &str) -> Result<C, String> {
    C::parse(text)
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let What::Metric(args) = &args.what;
    let root = &args.root.root;
    root::require_directory(root)?;
    let config = root::load_config(root)?;
    let options = options(args, &config, root::has_section(root, "metrics")?)?;
    let engine = root::open_with(root, config)?;
    let built = build_all(&engine, args, options);
    let closed = engine.close();
    let done = built?;
    closed?;
    if args.json {
        output::print_json(&json(args, options, &done))?;
    } else {
        output::print_text(&table(args, options, &done))?;
    }
    Ok(super::exit(done.failed.is_empty()))
}

/// From flags, else from `[metrics]`, else today's defaults.
fn options(args: &Metric, config: &EngineConfig, configured: bool) -> Result<BuildOptions, Error> {
    let metrics = &config.metrics;
    let format = args.format.unwrap_or(if configured { metrics.format } else { MetricFileFormat::V3 });
    let codec = match (&args.codec, args.format) {
        (Some(name), _) => {
            registry().codec(name).map_err(|e| Error::bad_input(format!("--codec: {e}")))?;
            name.as_str()
        }
        // The configured codec goes with the configured format; another format has its own.
        (None, Some(format)) if format != metrics.format => "",
        (None, _) => metrics.compression.as_str(),
    };
    let mut options = BuildOptions::new(format, codec, args.raw_ingest_action.unwrap_or(metrics.raw_ingest_action))?;
    options.verify = args.verify;
    options.same_codec = args.format.is_some() || args.codec.is_some();
    Ok(options)
}

/// What was built, with the time that it took, and what could not be built.
struct Done {
    built: Vec<(BuildReport, Duration)>,
    failed: Vec<(String, Error)>,
}

fn build_all(engine: &Engine, args: &Metric, options: BuildOptions) -> anyhow::Result<Done> {
    root::require_database(engine, &args.root.root, &args.db)?;
    let partitions = match &args.part {
        Some(part) => vec![part.clone()],
        None => engine.sealed_partitions(&args.db)?,
    };
    let bar = progress_bar(partitions.len() as u64);
    let mut done = Done { built: Vec::new(), failed: Vec::new() };
    for partition in partitions {
        bar.set_message(partition.clone());
        let mut progress = |rows: u64| {
            bar.set_message(format!("{partition}: {}", text::counted(rows, "sample")));
            bar.tick();
            ControlFlow::Continue(())
        };
        let started = Instant::now();
        match engine.build_metric_files(&args.db, Selection::Named(&partition), options, &mut progress) {
            Ok(reports) => done.built.extend(reports.into_iter().map(|report| (report, started.elapsed()))),
            // Of a partition that was asked for by name, it is the answer.
            Err(e) if args.part.is_some() => return Err(e.into()),
            Err(e) => {
                bar.suspend(|| eprintln!("nanocli: {partition}: {e}"));
                done.failed.push((partition.clone(), e));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(done)
}

fn progress_bar(partitions: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(partitions);
    match ProgressStyle::with_template("{bar:30} {pos} of {len} partitions  {msg}  {elapsed}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// What became of the raw files.
fn raw_files(report: &BuildReport, asked: RawIngestAction) -> &'static str {
    match (report.raw_ingest_action, asked) {
        _ if report.raw_bytes == 0 => "none",
        (RawIngestAction::Keep, RawIngestAction::Keep) => "kept",
        // Rows came meanwhile, or there is a raw- file already.
        (RawIngestAction::Keep, _) => "kept after all",
        (RawIngestAction::Rename, _) => "renamed",
        (RawIngestAction::Delete, _) => "removed",
    }
}

fn table(args: &Metric, options: BuildOptions, done: &Done) -> String {
    if done.built.is_empty() {
        let which = match &args.part {
            Some(part) => format!("partition {part} of {}", args.db),
            None if done.failed.is_empty() => format!("every sealed partition of {}", args.db),
            None => return String::new(),
        };
        return format!("nothing to build: {which} is up to date\n");
    }
    let mut table = Table::new(&[
        "PARTITION",
        ">POINTS",
        ">SERIES",
        ">BEFORE",
        ">AFTER",
        ">B/POINT",
        ">SECONDS",
        "VERIFIED",
        "RAW FILES",
    ]);
    for (report, elapsed) in &done.built {
        table.row(vec![
            report.partition.clone(),
            text::count(report.rows),
            text::count(report.series),
            text::bytes(report.bytes_before),
            text::bytes(report.bytes_after),
            per_point(report.bytes_after, report.rows),
            format!("{:.2}", elapsed.as_secs_f64()),
            if report.verified { "yes" } else { "no" }.to_owned(),
            raw_files(report, options.raw_ingest_action).to_owned(),
        ]);
    }
    let totals = Totals::of(&done.built);
    format!(
        "{}{} built as {} with {}: {}, {} before, {} after, {} bytes per point, {:.2} s\n",
        table.render(),
        text::counted(done.built.len() as u64, "partition"),
        options.format.name(),
        options.codec.name(),
        text::counted(totals.points, "point"),
        text::bytes(totals.before),
        text::bytes(totals.after),
        per_point(totals.after, totals.points),
        totals.elapsed.as_secs_f64(),
    )
}

fn per_point(bytes: u64, points: u64) -> String {
    if points == 0 { "-".to_owned() } else { format!("{:.3}", bytes as f64 / points as f64) }
}

#[derive(Default)]
struct Totals {
    points: u64,
    before: u64,
    after: u64,
    elapsed: Duration,
}

impl Totals {
    fn of(built: &[(BuildReport, Duration)]) -> Self {
        built.iter().fold(Self::default(), |sum, (report, elapsed)| Self {
            points: sum.points.saturating_add(report.rows),
            before: sum.before.saturating_add(report.bytes_before),
            after: sum.after.saturating_add(report.bytes_after),
            elapsed: sum.elapsed.saturating_add(*elapsed),
        })
    }
}

fn json(args: &Metric, options: BuildOptions, done: &Done) -> serde_json::Value {
    let per_point = |bytes: u64, points: u64| (points > 0).then(|| bytes as f64 / points as f64);
    let partitions: Vec<_> = done
        .built
        .iter()
        .map(|(report, elapsed)| {
            serde_json::json!({
                "partition": report.partition,
                "file": report.file.strip_prefix(&args.root.root).unwrap_or(&report.file).display().to_string(),
                "points": report.rows,
                "series": report.series,
                "bytes_before": report.bytes_before,
                "raw_bytes": report.raw_bytes,
                "bytes_after": report.bytes_after,
                "bytes_per_point": per_point(report.bytes_after, report.rows),
                "seconds": elapsed.as_secs_f64(),
                "verified": report.verified,
                "raw_ingest_action": report.raw_ingest_action.name(),
            })
        })
        .collect();
    let failed: Vec<_> = done
        .failed
        .iter()
        .map(|(partition, error)| serde_json::json!({ "partition": partition, "error": error.to_string() }))
        .collect();
    let totals = Totals::of(&done.built);
    serde_json::json!({
        "database": args.db,
        "format": options.format.name(),
        "codec": options.codec.name(),
        "partitions": partitions,
        "failed": failed,
        "points": totals.points,
        "bytes_before": totals.before,
        "bytes_after": totals.after,
        "bytes_per_point": per_point(totals.after, totals.points),
        "seconds": totals.elapsed.as_secs_f64(),
    })
}
