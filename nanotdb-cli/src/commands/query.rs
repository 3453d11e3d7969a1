//! `nanocli query`: samples, last values and windowed aggregates.

use super::query_output::{Header, Writer};
use crate::options::{RangeArgs, RootArg};
use crate::{output, root, text};
use clap::ValueEnum;
use nanotdb_core::Error;
use nanotdb_core::engine::{self, Engine, MetricInfo, ScanSlice, Slices, Stride, WindowRow, WindowRows, Windows};
use nanotdb_core::model::Timestamp;
use nanotdb_core::plugin::Aggregator;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::query::result_value;
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

/// Print samples, last values or windowed aggregates of one or more metrics.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArg,

    /// Database to read
    #[arg(long, value_name = "NAME")]
    db: String,

    /// Regular expression for metric names (matches anywhere; anchor with ^ and $)
    #[arg(long, value_name = "REGEX")]
    metric: String,

    #[command(flatten)]
    range: RangeArgs,

    /// Only the newest sample of each metric, at --end or before
    #[arg(long, conflicts_with_all = ["aggregate", "stride"])]
    last: bool,

    /// Only every N-th sample of each metric
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "aggregate")]
    stride: Option<u32>,

    /// Aggregates per window, for example min,max,avg (`nanocli plugins` lists them); one metric and --start needed
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires_all = ["window", "start"])]
    aggregate: Vec<String>,

    /// Width of the windows, for example 5m, 1h30m, 1d; aligned to the Unix epoch
    #[arg(long, value_name = "DURATION", requires = "aggregate")]
    window: Option<String>,

    /// Whether metric files answer where they exist
    #[arg(long, value_name = "MODE", value_enum, default_value_t = MetricFiles::Config)]
    metric_files: MetricFiles,

    /// How the answer is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    format: Format,

    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

const AFTER_HELP: &str = "\
Times are RFC3339 (2026-05-24T12:00:00Z), YYYY-MM-DD [HH[:MM[:SS[.nnnnnnnnn]]]] in UTC, Unix \
seconds or nanoseconds, or relative to now (-1h). Aggregate rows carry the end of their window; the \
first and the last window are clipped to --start and --end (now when it is left out).

Examples:
  nanocli query --db sensors --metric '^temp\\.out$' --start -1h
  nanocli query --db sensors --metric . --last
  nanocli query --db sensors --metric '^temp\\.' --stride 10 --format csv
  nanocli query --db sensors --metric '^temp\\.out$' --start 2026-05-24 \\
      --aggregate min,max,sum,avg,count --window 5m --json";

/// Where a query reads a partition that has a metric file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MetricFiles {
    /// As the engine does by itself: the metric file where there is one
    Config,
    /// The metric file where there is one
    On,
    /// Raw pages alone; what is in a metric file only is left out with a warning
    Off,
}

/// How the answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Aligned columns
    Table,
    /// One JSON document
    Json,
    /// Comma-separated values with a heading line
    Csv,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let now = super::now();
    let (from, mut to) = text::range(&args.range, now)?;
    if args.window.is_some() && args.range.end.is_none() && from <= now {
        // As over HTTP: a window that is not over ends now.
        to = now;
    }
    let aggregators =
        args.aggregate.iter().map(|name| registry().aggregator(name)).collect::<Result<Vec<_>, Error>>()?;
    let window = args.window.as_deref().map(|w| text::span("--window", w)).transpose()?;
    let root = &args.root.root;
    let engine = root::open_for_reading(root)?;
    root::require_database(&engine, root, &args.db)?;
    root::tell_unwritten(root, &args.db);
    let metrics = root::select_metrics(&engine, &args.db, Some(&args.metric))?;
    // Before the first byte of the answer.
    if window.is_some() {
        only_metric(&metrics, &args.metric)?;
    }
    let format = if args.json { Format::Json } else { args.format };
    let columns = match aggregators.as_slice() {
        [] => vec!["value"],
        some => some.iter().map(|a| a.name()).collect(),
    };
    let mut query = Query {
        engine: &engine,
        database: &args.db,
        from,
        to,
        metric_files: match args.metric_files {
            MetricFiles::Config | MetricFiles::On => engine::MetricFiles::Preferred,
            MetricFiles::Off => engine::MetricFiles::Ignored,
        },
        warnings: Vec::new(),
        out: Writer::new(output::stdout(), format, Header { database: &args.db, metrics: &metrics, columns, window })?,
    };
    match window {
        Some(window) => query.aggregates(only_metric(&metrics, &args.metric)?, &aggregators, window)?,
        None if args.last => query.last(&metrics)?,
        None => query.samples(&metrics, args.stride.unwrap_or(1))?,
    }
    let Query { warnings, out, .. } = query;
    out.finish(&warnings)?.flush()?;
    output::warn_all(&warnings);
    Ok(super::exit(warnings.is_empty()))
}

/// The one metric of an aggregate query, or an error that names those that matched.
fn only_metric<'a>(metrics: &'a [MetricInfo], pattern: &str) -> Result<&'a MetricInfo, Error> {
    const NAMED: usize = 10;
    match metrics {
        [one] => Ok(one),
        many => {
            let names: Vec<&str> = many.iter().take(NAMED).map(|m| m.name.as_str()).collect();
            let more = if many.len() > NAMED { ", ..." } else { "" };
            Err(Error::bad_input(format!(
                "--aggregate takes exactly one metric, and --metric {pattern:?} matches {}: {}{more}",
                many.len(),
                names.join(", ")
            )))
        }
    }
}

/// Bytes of samples that wait for the metrics before them, so that pages are read once for several metrics.
const MEMORY: usize = 32 << 20;

struct Query<'a, W: Write> {
    engine: &'a Engine,
    database: &'a str,
    from: Timestamp,
    to: Timestamp,
    metric_files: engine::MetricFiles,
    warnings: Vec<String>,
    out: Writer<W>,
}

impl<W: Write> Query<'_, W> {
    fn samples(&mut self, metrics: &[MetricInfo], stride: u32) -> anyhow::Result<()> {
        let step = usize::try_from(stride).unwrap_or(usize::MAX);
        let mut written = Ok(());
        let out = &mut self.out;
        let mut stride = Stride::new(step);
        // Metrics without samples have a place in the output, too.
        let mut begun = 0;
        let mut rows = |slice: ScanSlice<'_>| {
            while begun <= slice.metric && written.is_ok() {
                stride = Stride::new(step);
                written = metrics.get(begun).map_or(Ok(()), |metric| out.series(metric));
                begun += 1;
            }
            for at in stride.next(slice.len()) {
                let Some(sample) = slice.sample(at) else { break };
                if written.is_err() {
                    return Ok(ControlFlow::Break(()));
                }
                written = out.row(sample.timestamp, &[Some(sample.value)]);
            }
            Ok(ControlFlow::Continue(()))
        };
        let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        let (from, to) = (self.from, self.to);
        let mut sink = Slices(&mut rows);
        let report = self.engine.scan_each(self.database, &names, from, to, self.metric_files, MEMORY, &mut sink)?;
        written?;
        for metric in metrics.get(begun..).unwrap_or_default() {
            self.out.series(metric)?;
        }
        self.note(report.warnings);
        Ok(())
    }

    fn last(&mut self, metrics: &[MetricInfo]) -> anyhow::Result<()> {
        for metric in metrics {
            self.out.series(metric)?;
            let newest = self.engine.newest_at(self.database, &metric.name, self.to, Duration::MAX)?;
            self.note(newest.warnings);
            if let Some(sample) = newest.sample.filter(|s| s.timestamp >= self.from) {
                self.out.row(sample.timestamp, &[Some(sample.value)])?;
            }
        }
        self.note(self.engine.log_damage(self.database));
        Ok(())
    }

    fn aggregates(
        &mut self,
        metric: &MetricInfo,
        aggregators: &[&'static dyn Aggregator],
        window: i64,
    ) -> anyhow::Result<()> {
        self.out.series(metric)?;
        let mut written = Ok(());
        let out = &mut self.out;
        let mut values = Vec::with_capacity(aggregators.len());
        let emit = |_: usize, end: Timestamp, row: WindowRow<'_>| {
            let shown = |(at, (aggregator, value)): (usize, (&&'static dyn Aggregator, &Option<f64>))| {
                value.map(|value| result_value(*aggregator, metric.operands(), value, row.integer(at)))
            };
            values.clear();
            values.extend(aggregators.iter().zip(row.values).enumerate().map(shown));
            written = out.row(end, &values);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let windows = Windows { width: window, aggregators };
        let name = [metric.name.as_str()];
        let (from, to, mut sink) = (self.from, self.to, WindowRows(emit));
        let report = self.engine.aggregate(self.database, &name, from, to, windows, self.metric_files, &mut sink)?;
        written?;
        self.note(report.warnings);
        Ok(())
    }

    fn note(&mut self, warnings: Vec<String>) {
        for warning in warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nanotdb_core::model::ValueType;

    #[test]
    fn aggregates_name_the_metrics_when_several_match() {
        let metric = |name: &str| MetricInfo { name: name.into(), id: 1, value_type: ValueType::Int32, typed: false };
        assert_eq!(only_metric(&[metric("a")], "a").unwrap().name, "a");
        let e = only_metric(&[metric("a.x"), metric("a.y")], "^a").unwrap_err();
        assert_eq!(e.exit_code(), 2);
        assert!(e.to_string().ends_with("matches 2: a.x, a.y"), "{e}");
    }
}
