//! `nanocli bench codecs`: every codec on one's own samples.

use crate::inspect::table::Table;
use crate::options::RootArg;
use crate::{output, root, text};
use indicatif::ProgressBar;
use nanotdb_core::maintenance::codecs::{BenchReport, BenchRequest, CodecReport, KindReport, bench};
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

/// Measure on one's own samples which codec is smallest and fastest.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Size, and speed both ways, of every codec: for raw pages, columns of each type, and timestamps
    #[command(after_help = AFTER_HELP)]
    Codecs(Codecs),
}

const AFTER_HELP: &str = "\
Examples:
  nanocli bench codecs --root ./nanotdb-data --db sensors
  nanocli bench codecs --db sensors --part 2026-05-24 --rows 1000000 --json

The newest samples are measured, as many as --rows says, on one core and in memory. `page` is what data- \
files are made of ([page] codec in manifest.toml), the others are columns of metric files ([metrics] \
compression in engine.toml). * marks the smallest, and the fastest of those that make the samples smaller. \
Nothing is written.";

#[derive(Debug, clap::Args)]
struct Codecs {
    #[command(flatten)]
    root: RootArg,

    /// Database
    #[arg(long, value_name = "NAME")]
    db: String,

    /// Only samples of this partition, named as in its files: 2026-05-24, 2026-05, 2026 or forever
    #[arg(long, value_name = "PARTITION")]
    part: Option<String>,

    /// Most samples that are taken
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rows: u64,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let What::Codecs(args) = &args.what;
    let root = &args.root.root;
    let engine = root::open_for_reading(root)?;
    root::require_database(&engine, root, &args.db)?;
    let request = BenchRequest { database: &args.db, partition: args.part.as_deref(), rows: args.rows };
    let spinner = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let report = bench(&engine, request, &mut |kind, codec| {
        spinner.set_message(format!("{kind}: {codec}"));
        spinner.tick();
    })?;
    spinner.finish_and_clear();
    if args.json {
        output::print_json(&json(args, &report))?;
    } else {
        output::print_text(&tables(args, &report))?;
    }
    output::warn_all(&report.warnings);
    let problems = report.kinds.iter().flat_map(|k| &k.codecs).filter(|c| c.problem.is_some()).count();
    Ok(super::exit(report.warnings.is_empty() && problems == 0))
}

/// Millions a second.
fn millions(count: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds / 1e6 } else { 0.0 }
}

fn per_value(codec: &CodecReport, kind: &KindReport) -> f64 {
    if kind.values == 0 { 0.0 } else { codec.bytes as f64 / kind.values as f64 }
}

/// The codecs that are best by size, and by speed of those that make their input smaller.
struct Best<'a> {
    size: Option<&'a str>,
    encode: Option<&'a str>,
    decode: Option<&'a str>,
}

impl<'a> Best<'a> {
    fn of(kind: &'a KindReport) -> Self {
        let usable = || kind.codecs.iter().filter(|c| c.problem.is_none());
        // Copying is always the fastest, and no answer to the question.
        let compressing = || usable().filter(|c| c.bytes < kind.decoded_bytes);
        Self {
            size: usable().min_by_key(|c| c.bytes).map(|c| c.codec),
            encode: compressing().min_by_key(|c| c.encode).map(|c| c.codec),
            decode: compressing().min_by_key(|c| c.decode).map(|c| c.codec),
        }
    }
}

fn tables(args: &Codecs, report: &BenchReport) -> String {
    let Some((start, end)) = report.span else {
        return format!("{} has no samples to measure\n", args.db);
    };
    let mut out = format!(
        "{} of {} in {}, {} for {}{}\n",
        text::counted(report.rows, "sample"),
        text::counted(report.series, "metric"),
        args.db,
        text::timestamp_short(start),
        text::duration_between(start, end),
        if report.is_part { format!(" (the newest; --rows {} takes no more)", args.rows) } else { String::new() },
    );
    for kind in &report.kinds {
        let best = Best::of(kind);
        let headings =
            ["CODEC", ">SIZE", ">B/VALUE", "", ">ENCODE M/S", ">MB/S", "", ">DECODE M/S", ">MB/S", "", "PROBLEM"];
        let mut table = Table::new(&headings);
        let mark = |best: Option<&str>, codec: &CodecReport| {
            if best == Some(codec.codec) { "*".to_owned() } else { String::new() }
        };
        for codec in &kind.codecs {
            let speed = |time| {
                let (values, bytes) = (millions(kind.values, time), millions(kind.decoded_bytes, time));
                [format!("{values:.1}"), format!("{bytes:.0}")]
            };
            let [encode_values, encode_bytes] = speed(codec.encode);
            let [decode_values, decode_bytes] = speed(codec.decode);
            table.row(vec![
                codec.codec.to_owned(),
                text::bytes(codec.bytes),
                format!("{:.3}", per_value(codec, kind)),
                mark(best.size, codec),
                encode_values,
                encode_bytes,
                mark(best.encode, codec),
                decode_values,
                decode_bytes,
                mark(best.decode, codec),
                codec.problem.clone().unwrap_or_default(),
            ]);
        }
        out.push_str(&format!(
            "\n{}: {} in {}, {}\n{}",
            kind.kind,
            text::counted(kind.values, if kind.kind == "page" { "row" } else { "value" }),
            text::counted(kind.blocks, "block"),
            text::bytes(kind.decoded_bytes),
            table.render()
        ));
    }
    out
}

fn json(args: &Codecs, report: &BenchReport) -> serde_json::Value {
    let kinds: Vec<_> = report
        .kinds
        .iter()
        .map(|kind| {
            let best = Best::of(kind);
            let codecs: Vec<_> = kind
                .codecs
                .iter()
                .map(|codec| {
                    serde_json::json!({
                        "codec": codec.codec,
                        "bytes": codec.bytes,
                        "bytes_per_value": per_value(codec, kind),
                        "encode_million_values_per_second": millions(kind.values, codec.encode),
                        "encode_megabytes_per_second": millions(kind.decoded_bytes, codec.encode),
                        "decode_million_values_per_second": millions(kind.values, codec.decode),
                        "decode_megabytes_per_second": millions(kind.decoded_bytes, codec.decode),
                        "problem": codec.problem,
                    })
                })
                .collect();
            serde_json::json!({
                "kind": kind.kind,
                "blocks": kind.blocks,
                "values": kind.values,
                "decoded_bytes": kind.decoded_bytes,
                "codecs": codecs,
                "best": { "size": best.size, "encode": best.encode, "decode": best.decode },
            })
        })
        .collect();
    serde_json::json!({
        "database": args.db,
        "rows": report.rows,
        "series": report.series,
        "start_ns": report.span.map(|(start, _)| start),
        "end_ns": report.span.map(|(_, end)| end),
        "is_part": report.is_part,
        "kinds": kinds,
        "warnings": report.warnings,
    })
}
