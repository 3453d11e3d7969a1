//! Comma-separated values as an ingest format whose columns a command line describes.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use nanotdb_core::model::time::{BARE_SINCE, TimeUnit, format_rfc3339, looks_like, parse_rfc3339, parse_time};
use nanotdb_core::model::{Number, Timestamp};
use nanotdb_core::plugin::{IngestError, IngestFormat, IngestOptions, IngestParser, SampleSink};
use nanotdb_ingest::number;

/// Longest record, and most fields of one.
const MAX_RECORD: usize = 16 << 20;
const MAX_FIELDS: usize = 65_536;
/// What a column of times is called when nobody says it.
const TIME_NAMES: [&str; 6] = ["time", "timestamp", "datetime", "date", "ts", "_time"];

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TimeFormat {
    /// By looks: RFC 3339, dates, Unix times by their number of digits (s, ms, us, ns)
    Auto,
    /// 2024-05-06T12:53:20Z, with any offset
    Rfc3339,
    /// Unix seconds
    S,
    /// Unix milliseconds
    Ms,
    /// Unix microseconds
    Us,
    /// Unix nanoseconds
    Ns,
}

/// Whether a column holds integers or floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnType {
    /// As line protocol: the first value decides.
    Auto,
    Int,
    Float,
}

/// A column that is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// By the header, or its number from 1.
    pub(crate) name: String,
    /// The metric; the column's name when there is none.
    pub(crate) metric: Option<String>,
    pub(crate) value_type: ColumnType,
}

impl Column {
    /// Reads `column`, `column=metric`, `column:int`, `column=metric:float`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (rest, value_type) = match text.rsplit_once(':') {
            Some((rest, "int")) => (rest, ColumnType::Int),
            Some((rest, "float")) => (rest, ColumnType::Float),
            _ => (text, ColumnType::Auto),
        };
        let (name, metric) = match rest.split_once('=') {
            Some((name, metric)) => (name, Some(metric.to_owned())),
            None => (rest, None),
        };
        if name.is_empty() || metric.as_deref() == Some("") {
            return Err(format!("{text:?}: accepted is column[=metric][:int|:float]"));
        }
        Ok(Self { name: name.to_owned(), metric, value_type })
    }
}

/// What the command line says of a file.
#[derive(Debug, Clone)]
pub(crate) struct CsvFormat {
    pub(crate) delimiter: u8,
    pub(crate) has_header: bool,
    pub(crate) time: Option<String>,
    pub(crate) time_format: TimeFormat,
    /// Those that are wanted; empty for all.
    pub(crate) columns: Vec<Column>,
    /// Columns of metric and value, when each row is one sample.
    pub(crate) long: Option<(String, String)>,
    pub(crate) prefix: String,
    pub(crate) skip_bad: bool,
}

impl IngestFormat for CsvFormat {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "comma-separated values"
    }

    fn content_types(&self) -> &'static [&'static str] {
        &[]
    }

    fn parser(&self, options: &IngestOptions) -> Box<dyn IngestParser> {
        let time_format = match (self.time_format, options.timestamp_unit) {
            (TimeFormat::Auto, Some(TimeUnit::Seconds)) => TimeFormat::S,
            (TimeFormat::Auto, Some(TimeUnit::Milliseconds)) => TimeFormat::Ms,
            (TimeFormat::Auto, Some(TimeUnit::Microseconds)) => TimeFormat::Us,
            (TimeFormat::Auto, Some(TimeUnit::Nanoseconds)) => TimeFormat::Ns,
            (stated, _) => stated,
        };
        Box::new(Parser {
            format: Self { time_format, ..self.clone() },
            database: options.database.clone().unwrap_or_default().into_bytes(),
            reader: ReaderBuilder::new().delimiter(self.delimiter).build(),
            bytes: vec![0; 4096],
            ends: vec![0; 64],
            filled: (0, 0),
            line: 1,
            is_between: true,
            layout: None,
            ending: Ending::None,
        })
    }
}

/// Which field is what.
struct Layout {
    names: Vec<String>,
    time: usize,
    values: Values,
}

enum Values {
    /// Field, metric, type.
    Wide(Vec<(usize, Vec<u8>, ColumnType)>),
    /// Fields of metric and value.
    Long(usize, usize),
}

/// What was put behind the input to see how it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    None,
    LineBreak,
    Record,
}

struct Parser {
    format: CsvFormat,
    database: Vec<u8>,
    reader: Reader,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Bytes and fields of the record so far.
    filled: (usize, usize),
    /// Where the record starts.
    line: u64,
    /// Whether nothing of it has come yet.
    is_between: bool,
    layout: Option<Layout>,
    ending: Ending,
}

impl IngestParser for Parser {
    fn parse(&mut self, input: &[u8], end: bool, sink: &mut dyn SampleSink) -> Result<usize, IngestError> {
        let mut rest = input;
        loop {
            if rest.is_empty() {
                if !end {
                    return Ok(input.len());
                }
                // An empty input would mean the end to the reader, which takes a quote for closed there. A line break ends a
                // record, or is an empty line after the last one; what it does not end is between quotes.
                rest = match self.ending {
                    Ending::None => b"\n",
                    Ending::LineBreak => b"x\n",
                    Ending::Record => {
                        return Err(IngestError(format!("line {}: a quote is opened and never closed", self.line)));
                    }
                };
                self.ending = match self.ending {
                    Ending::None => Ending::LineBreak,
                    Ending::LineBreak | Ending::Record => Ending::Record,
                };
            }
            if self.is_between {
                // The reader passes over the rest of a line break, and over empty lines, only now.
                let breaks = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
                self.line = self.reader.line() + breaks.clone().filter(|byte| **byte == b'\n').count() as u64;
                self.is_between = breaks.count() == rest.len();
            }
            let (bytes, fields) = self.filled;
            let (result, read, written, ended) = self.reader.read_record(
                rest,
                self.bytes.get_mut(bytes..).unwrap_or_default(),
                self.ends.get_mut(fields..).unwrap_or_default(),
            );
            rest = rest.get(read..).unwrap_or_default();
            self.filled = (bytes + written, fields + ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.bytes.len() < MAX_RECORD => {
                    self.bytes.resize(self.bytes.len() * 2, 0);
                }
                ReadRecordResult::OutputEndsFull if self.ends.len() < MAX_FIELDS => {
                    self.ends.resize(self.ends.len() * 2, 0);
                }
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    let text = format!(
                        "line {}: longer than {MAX_RECORD} bytes, or more than {MAX_FIELDS} fields; is a quote missing?",
                        self.line
                    );
                    return Err(IngestError(text));
                }
                ReadRecordResult::Record if self.ending == Ending::Record => return Ok(input.len()),
                ReadRecordResult::Record => {
                    self.record(sink)?;
                    self.filled = (0, 0);
                    self.is_between = true;
                }
                ReadRecordResult::End => return Ok(input.len()),
            }
        }
    }
}

/// The fields of a record.
struct Record<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Record<'a> {
    fn field(&self, at: usize) -> Option<&'a [u8]> {
        let to = *self.ends.get(at)?;
        let from = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.bytes.get(from..to).map(<[u8]>::trim_ascii)
    }

    fn len(&self) -> usize {
        self.ends.len()
    }
}

impl Parser {
    fn record(&mut self, sink: &mut dyn SampleSink) -> Result<(), IngestError> {
        let (bytes, fields) = self.filled;
        let record = Record {
            bytes: self.bytes.get(..bytes).unwrap_or_default(),
            ends: self.ends.get(..fields).unwrap_or_default(),
        };
        if record.len() <= 1 && record.field(0).is_none_or(<[u8]>::is_empty) {
            return Ok(());
        }
        let line = self.line;
        let layout = match &self.layout {
            Some(layout) => layout,
            None => {
                let layout = self.format.layout(&record).map_err(|text| IngestError(format!("line {line}: {text}")))?;
                let layout = self.layout.insert(layout);
                if self.format.has_header {
                    return Ok(());
                }
                layout
            }
        };
        let mut bad = Vec::new();
        layout.samples(&self.format, &record, &mut bad, &mut |metric, value, time| {
            sink.sample(line, &self.database, metric, value, Some(time));
        });
        for text in bad {
            if !self.format.skip_bad {
                return Err(IngestError(format!("line {line}, {text}")));
            }
            sink.reject(line, text);
        }
        Ok(())
    }
}

impl Layout {
    fn name(&self, at: usize) -> String {
        match self.names.get(at) {
            Some(name) => format!("column {name:?}"),
            None => format!("column {}", at + 1),
        }
    }

    /// Gives the samples of one row, and says what is wrong with the others.
    fn samples(
        &self,
        format: &CsvFormat,
        record: &Record<'_>,
        bad: &mut Vec<String>,
        each: &mut dyn FnMut(&[u8], Number, Timestamp),
    ) {
        if !self.names.is_empty() && record.len() > self.names.len() {
            let (found, expected) = (record.len(), self.names.len());
            bad.push(format!("{found} fields where the header has {expected}; quote text that holds the delimiter"));
            return;
        }
        let time = record.field(self.time).unwrap_or_default();
        let time = match time_of(time, format.time_format) {
            Ok(time) => time,
            Err(text) => return bad.push(format!("{}: {text}", self.name(self.time))),
        };
        match &self.values {
            Values::Wide(columns) => {
                for (at, metric, value_type) in columns {
                    match record.field(*at).filter(|cell| !cell.is_empty()).map(|cell| value_of(cell, *value_type)) {
                        None => {}
                        Some(Ok(value)) => each(metric, value, time),
                        Some(Err(text)) => bad.push(format!("{}: {text}", self.name(*at))),
                    }
                }
            }
            Values::Long(metric, value) => {
                let name = record.field(*metric).unwrap_or_default();
                let Some(cell) = record.field(*value).filter(|cell| !cell.is_empty()) else { return };
                if name.is_empty() {
                    return bad.push(format!("{}: empty; accepted is the name of a metric", self.name(*metric)));
                }
                let wanted = format.columns.iter().find(|column| column.name.as_bytes() == name);
                if wanted.is_none() && !format.columns.is_empty() {
                    return;
                }
                let value_type = wanted.map_or(ColumnType::Auto, |column| column.value_type);
                let name = wanted.and_then(|column| column.metric.as_deref()).map_or(name, str::as_bytes);
                match value_of(cell, value_type) {
                    Ok(number) => each(&[format.prefix.as_bytes(), name].concat(), number, time),
                    Err(text) => bad.push(format!("{}: {text}", self.name(*value))),
                }
            }
        }
    }
}

impl CsvFormat {
    /// Finds the columns, by the first record.
    fn layout(&self, first: &Record<'_>) -> Result<Layout, String> {
        let text = |at: usize| String::from_utf8_lossy(first.field(at).unwrap_or_default()).into_owned();
        let mut names: Vec<String> = match self.has_header {
            true => (0..first.len()).map(text).collect(),
            false => Vec::new(),
        };
        // What spreadsheets put before everything.
        if let Some(name) = names.first_mut() {
            *name = name.trim_start_matches('\u{feff}').to_owned();
        }
        let find = |wanted: &str, flag: &str| -> Result<usize, String> {
            let mut named = names.iter().enumerate().filter(|(_, name)| *name == wanted).map(|(at, _)| at);
            if let Some(at) = named.next() {
                return match named.next() {
                    None => Ok(at),
                    Some(other) => Err(format!(
                        "{flag}: columns {} and {} are both called {wanted:?}; name one by its number",
                        at + 1,
                        other + 1
                    )),
                };
            }
            match wanted.parse::<usize>() {
                Ok(at) if (1..=first.len()).contains(&at) => Ok(at - 1),
                _ if self.has_header => Err(format!("{flag}: no column {wanted:?}; there are {}", names.join(", "))),
                _ => Err(format!("{flag}: {wanted:?} is no column; accepted are 1 to {}", first.len())),
            }
        };
        let time = match &self.time {
            Some(name) => find(name, "--time")?,
            None => {
                let is_time = |name: &String| TIME_NAMES.iter().any(|time| name.eq_ignore_ascii_case(time));
                match names.iter().position(is_time) {
                    Some(at) => at,
                    None if !self.has_header => 0,
                    None => {
                        let text = format!("no column of times: name it with --time; there are {}", names.join(", "));
                        return Err(text);
                    }
                }
            }
        };
        let values = match &self.long {
            Some((metric, value)) => Values::Long(find(metric, "--metric-column")?, find(value, "--value-column")?),
            None => {
                let mut columns = Vec::new();
                for column in &self.columns {
                    let at = find(&column.name, "--columns")?;
                    let name = names.get(at).map_or(column.name.as_str(), String::as_str);
                    columns.push((at, column.metric.clone().unwrap_or_else(|| name.to_owned()), column.value_type));
                }
                if self.columns.is_empty() {
                    for at in (0..first.len()).filter(|at| *at != time) {
                        let name = names.get(at).cloned().unwrap_or_else(|| format!("column{}", at + 1));
                        columns.push((at, name, ColumnType::Auto));
                    }
                }
                for (place, (at, metric, _)) in columns.iter().enumerate() {
                    if let Some((before, ..)) = columns.iter().take(place).find(|(_, known, _)| known == metric) {
                        return Err(format!(
                            "columns {} and {} would both be metric {metric:?}: take one of them, or give them names, with \
                             --columns {}=...,{}=...",
                            before + 1,
                            at + 1,
                            before + 1,
                            at + 1
                        ));
                    }
                    let name = format!("{}{metric}", self.prefix);
                    nanotdb_core::model::name::check_metric_name(name.as_bytes())
                        .map_err(|e| format!("column {}: {e}; give it a name with --columns", at + 1))?;
                }
                let named =
                    |(at, metric, value_type)| (at, format!("{}{metric}", self.prefix).into_bytes(), value_type);
                Values::Wide(columns.into_iter().map(named).collect())
            }
        };
        Ok(Layout { names, time, values })
    }
}

fn quoted(cell: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(cell).chars().take(60).collect();
    format!("{text:?}")
}

fn value_of(cell: &[u8], value_type: ColumnType) -> Result<Number, String> {
    let number = number::parse(cell).map_err(|e| e.reason(cell))?;
    match value_type {
        ColumnType::Auto => Ok(number),
        ColumnType::Int => match number.as_integer() {
            Some(_) => Ok(number),
            None => Err(format!("{} is no integer; the column is :int", quoted(cell))),
        },
        ColumnType::Float => {
            let (double, single) = number::parse_float(cell).map_err(|e| e.reason(cell))?;
            Ok(Number::decimal(double, single))
        }
    }
}

fn time_of(cell: &[u8], format: TimeFormat) -> Result<Timestamp, String> {
    let text = std::str::from_utf8(cell).map_err(|_| format!("time {} is not UTF-8", quoted(cell)))?;
    if text.is_empty() {
        return Err("no time; every row needs one".to_owned());
    }
    let starts_as_number = text.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit());
    let unit = match format {
        TimeFormat::Rfc3339 => {
            let text = "accepted is RFC 3339 (for example 2024-05-06T12:53:20Z); see --time-format";
            return parse_rfc3339(cell).ok_or_else(|| format!("time {}: {text}", quoted(cell)));
        }
        TimeFormat::S => Some(TimeUnit::Seconds),
        TimeFormat::Ms => Some(TimeUnit::Milliseconds),
        TimeFormat::Us => Some(TimeUnit::Microseconds),
        TimeFormat::Ns => Some(TimeUnit::Nanoseconds),
        TimeFormat::Auto => unit_of(text),
    };
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.')) && starts_as_number;
    if format != TimeFormat::Auto && !is_number {
        return Err(format!("time {}: accepted is a Unix time as --time-format says", quoted(cell)));
    }
    // What is left has no date and is no number: a time relative to now says nothing in a file.
    let is_date = text.as_bytes().get(4) == Some(&b'-');
    let parsed = if is_number || is_date { parse_time(text, unit, 0).ok() } else { None };
    if let Some(time) = parsed.filter(|time| is_number && format == TimeFormat::Auto && *time < BARE_SINCE) {
        return Err(too_early(text, time));
    }
    parsed.ok_or_else(|| {
        let accepted = "RFC 3339, YYYY-MM-DD [HH[:MM[:SS[.n]]]] in UTC, and Unix times";
        format!("time {}: accepted are {accepted}; see --time-format", quoted(cell))
    })
}

/// A number that would be a time before 1980, by its digits, is something else: whoever means it says so.
fn too_early(text: &str, time: Timestamp) -> String {
    let looks = match looks_like(text) {
        Some((looks, _)) => format!("; it looks like {looks}: write YYYY-MM-DD HH:MM[:SS]"),
        None => String::new(),
    };
    let time = format_rfc3339(time);
    format!("time {text:?} would be {time} as a Unix time{looks}, or say its unit with --time-format s, ms, us or ns")
}

/// The unit of a Unix time of this century, by its digits before the point.
fn unit_of(text: &str) -> Option<TimeUnit> {
    let whole = text.split('.').next().unwrap_or_default();
    let digits = whole.trim_start_matches(['-', '+']);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(match digits.len() {
        0..=11 => TimeUnit::Seconds,
        12..=14 => TimeUnit::Milliseconds,
        15..=17 => TimeUnit::Microseconds,
        _ => TimeUnit::Nanoseconds,
    })
}
