//! `nanocli csv`: samples from comma-separated values.

use super::import::{Source, load, unreadable};
use crate::csv_format::{Column, CsvFormat, TimeFormat};
use crate::options::RootArg;
use crate::root;
use nanotdb_core::Error;
use nanotdb_core::model::name::check_database_name;
use nanotdb_core::plugin::IngestOptions;
use std::process::ExitCode;

/// Load samples from comma-separated values.
///
/// A file has a column of times and a column per metric; or, with --metric-column and --value-column, a row per sample. Empty
/// cells are skipped. A cell that cannot be read ends the import, unless --skip-bad is given; samples older than the newest of
/// their metric are rejected and listed, as `import` does.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArg,

    /// Database, made when it is missing
    #[arg(long, value_name = "NAME")]
    db: String,

    /// File to read, decompressed when it ends in .gz or .zst; `-` is standard input
    #[arg(long = "in", value_name = "FILE")]
    input: String,

    /// Column of times, by name or number (default: time, timestamp, datetime, date, ts; the first without a header)
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,

    /// How times are written; without an offset they are UTC
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "auto")]
    time_format: TimeFormat,

    /// Columns to take, by name or number: column[=metric][:int|:float], separated by commas (default: all)
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', value_parser = Column::parse)]
    columns: Vec<Column>,

    /// Column of metric names, when each row is one sample
    #[arg(long, value_name = "COLUMN", requires = "value_column")]
    metric_column: Option<String>,

    /// Column of values, when each row is one sample
    #[arg(long, value_name = "COLUMN", requires = "metric_column")]
    value_column: Option<String>,

    /// What every metric name starts with
    #[arg(long, value_name = "PREFIX", default_value = "")]
    prefix: String,

    /// What separates fields: one character, or `tab`
    #[arg(long, value_name = "CHAR", default_value = ",", value_parser = delimiter)]
    delimiter: u8,

    /// The first row holds samples: columns are named by their numbers
    #[arg(long)]
    no_header: bool,

    /// List cells that cannot be read and go on
    #[arg(long)]
    skip_bad: bool,

    /// Print the summary as one JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli csv --db house --in readings.csv
  nanocli csv --db house --in readings.csv --time Date \\
      --columns 'Temp (C)=room.temp:float,Door=door.count:int'
  nanocli csv --db house --in long.csv --prefix house. \\
      --metric-column sensor --value-column reading
  cut -d';' -f1,3 export.txt | nanocli csv --db house --in - \\
      --delimiter ';' --no-header --columns 2=room.temp

Without :int or :float the first value of a metric decides: 42 makes it an integer, 42.0 a float. Rows must be \
in time order per metric. --time-format auto takes RFC 3339, YYYY-MM-DD [HH[:MM[:SS[.n]]]], and Unix times: up to \
11 digits are seconds, 14 milliseconds, 17 microseconds, more nanoseconds. Exit code 1 when something was \
rejected or the import stopped; what was stored before stays.";

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        b"tab" | b"\\t" => Ok(b'\t'),
        _ => Err("accepted is one ASCII character that is no quote, or tab".to_owned()),
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    check_database_name(args.db.as_bytes()).map_err(|e| Error::bad_input(format!("--db {:?}: {e}", args.db)))?;
    let format = CsvFormat {
        delimiter: args.delimiter,
        has_header: !args.no_header,
        time: args.time.clone(),
        time_format: args.time_format,
        columns: args.columns.clone(),
        long: args.metric_column.clone().zip(args.value_column.clone()),
        prefix: args.prefix.clone(),
        skip_bad: args.skip_bad,
    };
    // The input is opened first: a typo in its name must not leave a new data directory behind.
    let source = Source::open(&args.input)?;
    let engine = root::open_for_writing(&args.root.root)?;
    let options = IngestOptions { database: Some(args.db.clone()), ..IngestOptions::default() };
    load(&engine, &format, &options, source, &args.input, args.json, |error| stopped(&args.input, error))
}

/// Names the file and the line, as the list of rejections does.
fn stopped(input: &str, error: Error) -> anyhow::Error {
    match &error {
        Error::BadInput(text) => match text.strip_prefix("not csv: ") {
            Some(text) => anyhow::anyhow!("{input}: {text}"),
            None => unreadable(input, error).into(),
        },
        _ => unreadable(input, error).into(),
    }
}
