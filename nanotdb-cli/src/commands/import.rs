//! `nanocli import`: samples from a file or standard input.

use crate::options::RootArg;
use crate::{output, root, text};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use nanotdb_core::Error;
use nanotdb_core::engine::Engine;
use nanotdb_core::maintenance::import::{DEFAULT_FORMAT, ImportReport, UNREADABLE, import};
use nanotdb_core::model::time::TimeUnit;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::plugin::{IngestFormat, IngestOptions};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Load samples from a file or standard input.
///
/// A bad line never keeps the good ones out: the good are stored, the bad are counted and the first are listed with
/// their line numbers. The data directory is made when it is missing, and no other process may have it open.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArg,

    /// File to read, decompressed when it ends in .gz or .zst; `-` is standard input
    #[arg(long = "in", value_name = "FILE")]
    input: String,

    /// Ingest format by name (`nanocli plugins` lists them)
    #[arg(long, value_name = "NAME", default_value = DEFAULT_FORMAT)]
    format: String,

    /// Database for formats whose lines do not name one; without it the format's own: prometheus for Prometheus text
    #[arg(long, value_name = "NAME")]
    db: Option<String>,

    /// Unit of times that are bare numbers: s, ms, us or ns. Without it they are nanoseconds in line protocol, and
    /// refused when that would be before 1980
    #[arg(long, value_name = "UNIT", value_parser = |text: &str| TimeUnit::parse(text))]
    timestamp_unit: Option<TimeUnit>,

    /// Print the summary as one JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli import --in backup.lp
  nanocli import --root ./copy --in sensors.lp.zst --json
  curl -s http://localhost:9100/metrics |
      nanocli import --in - --format prometheus --db node

Line protocol is `db/metric value [time]`, the time in nanoseconds or as \
`YYYY-MM-DD HH:MM:SS.nnnnnnnnn` (UTC); without one it is now. Samples of a metric must not be older \
than its newest one. Exit code 1 when lines were rejected.";

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let format = registry().ingest_format(&args.format)?;
    // The input is opened first: a typo in its name must not leave a new data directory behind.
    let source = Source::open(&args.input)?;
    let engine = root::open_for_writing(&args.root.root)?;
    let options = IngestOptions {
        database: args.db.clone(),
        max_line_bytes: usize::try_from(engine.config().limits.max_line_bytes).unwrap_or(usize::MAX),
        timestamp_unit: args.timestamp_unit,
        arrival: Some(engine.clock().now()),
    };
    load(&engine, format, &options, source, &args.input, args.json, |error| unreadable(&args.input, error).into())
}

/// Stores what a source gives, closes the engine, and prints what became of it. `failed` says what an error of the input is called.
pub(super) fn load(
    engine: &Engine,
    format: &dyn IngestFormat,
    options: &IngestOptions,
    source: Source,
    input: &str,
    json: bool,
    failed: impl FnOnce(Error) -> anyhow::Error,
) -> anyhow::Result<ExitCode> {
    let Source { mut reader, progress } = source;
    let mut report = ImportReport::default();
    let started = Instant::now();
    let imported = import(engine, format, options, &mut *reader, &mut report, &mut |so_far| {
        progress.set_message(text::counted(so_far.accepted, "sample"));
    });
    let closed = engine.close();
    progress.finish_and_clear();
    let summary = Summary { input, format, report: &report, elapsed: started.elapsed() };
    if imported.is_ok() && json {
        output::print_json(&summary.json())?;
    } else {
        eprint!("{}", summary.rejections());
        if imported.is_ok() {
            output::print_text(&summary.text())?;
        }
    }
    imported
        .map_err(failed)
        .with_context(|| format!("import stopped; stored before that: {}", text::counted(report.accepted, "sample")))?;
    closed?;
    Ok(super::exit(report.rejected == 0))
}

/// Names the input where that is the reason.
pub(super) fn unreadable(input: &str, error: Error) -> Error {
    match error {
        Error::BadInput(text) if text.starts_with(UNREADABLE) => Error::BadInput(format!("--in {input}: {text}")),
        error => error,
    }
}

/// Where the bytes come from, with a progress bar when somebody watches.
pub(super) struct Source {
    reader: Box<dyn Read>,
    progress: ProgressBar,
}

impl Source {
    pub(super) fn open(name: &str) -> anyhow::Result<Self> {
        if name == "-" {
            let progress = progress_bar(None);
            return Ok(Self { reader: Box::new(progress.wrap_read(io::stdin().lock())), progress });
        }
        let path = Path::new(name);
        let file = File::open(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => nanotdb_core::Error::NotFound(format!("--in {name}: no such file")),
            _ => nanotdb_core::Error::io("open", path, e),
        })?;
        let progress = progress_bar(file.metadata().ok().map(|m| m.len()));
        let counted = progress.wrap_read(file);
        let reader: Box<dyn Read> = match path.extension().and_then(|e| e.to_str()) {
            Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(counted)),
            Some("zst") => Box::new(zstd::stream::read::Decoder::new(counted).with_context(|| format!("--in {name}"))?),
            _ => Box::new(counted),
        };
        Ok(Self { reader, progress })
    }
}

fn progress_bar(total: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{bar:30} {percent:>3} %  {bytes_per_sec}  {msg}  {eta} left"),
        None => (ProgressBar::no_length(), "{spinner} {bytes}  {bytes_per_sec}  {msg}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

struct Summary<'a> {
    input: &'a str,
    format: &'a dyn IngestFormat,
    report: &'a ImportReport,
    elapsed: Duration,
}

impl Summary<'_> {
    fn points_per_second(&self) -> u64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { (self.report.accepted as f64 / seconds) as u64 } else { 0 }
    }

    fn text(&self) -> String {
        format!(
            "{} accepted, {} rejected, {:.2} s, {} samples/s\n",
            text::counted(self.report.accepted, "sample"),
            text::counted(self.report.rejected, "line"),
            self.elapsed.as_secs_f64(),
            text::count(self.points_per_second()),
        )
    }

    fn rejections(&self) -> String {
        let mut out = String::new();
        for rejection in &self.report.rejections {
            out.push_str(&format!("{}:{}: {}\n", self.input, rejection.line, rejection.reason));
        }
        let more = self.report.rejected.saturating_sub(self.report.rejections.len() as u64);
        if more > 0 {
            out.push_str(&format!("{}: {} rejected\n", self.input, text::counted(more, "more line")));
        }
        out
    }

    fn json(&self) -> serde_json::Value {
        let errors: Vec<_> =
            self.report.rejections.iter().map(|r| serde_json::json!({ "line": r.line, "error": r.reason })).collect();
        serde_json::json!({
            "input": self.input,
            "format": self.format.name(),
            "accepted": self.report.accepted,
            "rejected": self.report.rejected,
            "errors": errors,
            "bytes": self.report.bytes,
            "seconds": self.elapsed.as_secs_f64(),
            "samples_per_second": self.points_per_second(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nanotdb_core::engine::Rejection;
    use nanotdb_core::plugin::IngestParser;

    struct Named;
    impl IngestFormat for Named {
        fn name(&self) -> &'static str {
            "named"
        }
        fn about(&self) -> &'static str {
            "for this test"
        }
        fn content_types(&self) -> &'static [&'static str] {
            &[]
        }
        fn parser(&self, _: &IngestOptions) -> Box<dyn IngestParser> {
            unreachable!("the summary parses nothing")
        }
    }

    #[test]
    fn the_summary_counts_and_names_lines() {
        let report = ImportReport {
            accepted: 1_500_000,
            rejected: 3,
            rejections: vec![Rejection { line: 7, reason: "no value".into() }],
            bytes: 10,
        };
        let summary = Summary { input: "x.lp", format: &Named, report: &report, elapsed: Duration::from_millis(500) };
        assert_eq!(summary.text(), "1,500,000 samples accepted, 3 lines rejected, 0.50 s, 3,000,000 samples/s\n");
        assert_eq!(summary.rejections(), "x.lp:7: no value\nx.lp: 2 more lines rejected\n");
        let json = summary.json();
        assert_eq!(json["accepted"], 1_500_000);
        assert_eq!(json["errors"][0]["line"], 7);
    }

    #[test]
    fn compressed_files_are_read_by_extension() {
        let dir = tempfile::tempdir().unwrap();
        let gz = dir.path().join("a.lp.gz");
        let mut encoder = flate2::write::GzEncoder::new(File::create(&gz).unwrap(), flate2::Compression::fast());
        io::Write::write_all(&mut encoder, b"db/a 1\n").unwrap();
        encoder.finish().unwrap();
        let zst = dir.path().join("a.lp.zst");
        std::fs::write(&zst, zstd::encode_all(&b"db/a 1\n"[..], 1).unwrap()).unwrap();
        for path in [gz, zst] {
            let mut text = String::new();
            Source::open(path.to_str().unwrap()).unwrap().reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "db/a 1\n");
        }
    }

    #[test]
    fn a_missing_input_is_not_found() {
        let e = Source::open("/nonexistent/x.lp").err().unwrap();
        assert_eq!(e.downcast_ref::<nanotdb_core::Error>().map(nanotdb_core::Error::exit_code), Some(3));
    }
}
