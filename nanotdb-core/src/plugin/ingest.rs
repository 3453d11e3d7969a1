//! Formats in which samples arrive.

use super::caught;
use crate::model::time::TimeUnit;
use crate::model::{Number, Timestamp, ValueType};
use std::cmp::Ordering;

/// The whole input is unusable (a bad line alone is a [`SampleSink::reject`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IngestError(pub String);

/// What the sender said beside the bytes.
#[derive(Debug, Clone, Default)]
pub struct IngestOptions {
    /// Database for formats whose lines do not name one (`?db=`, `--db`). Without it they have one of their own, as Prometheus text has
    /// `prometheus`, or reject the lines: the same through every door.
    pub database: Option<String>,
    /// Longest accepted line in bytes; longer ones are rejected, not truncated. Zero means 65,536.
    pub max_line_bytes: usize,
    /// Unit of times that are bare numbers (`timestamp_unit=`). Without one they are what the format says: in line protocol
    /// nanoseconds, and refused when they would lie before 1980 ([`crate::model::time::parse_bare`]).
    pub timestamp_unit: Option<TimeUnit>,
    /// When the input came, for times that are relative to it (`-20s`). Without it there are none.
    pub arrival: Option<Timestamp>,
}

/// Where a parser puts what it found. Line numbers start at 1.
pub trait SampleSink {
    /// One sample. `timestamp` is `None` when the sender gave none. Names are checked by the sink.
    fn sample(&mut self, line: u64, database: &[u8], metric: &[u8], value: Number, timestamp: Option<Timestamp>);

    /// One unusable line, with a reason that says what would be accepted.
    fn reject(&mut self, line: u64, reason: String);

    /// The sender states the type of a metric before its first sample. A type that contradicts an existing metric is rejected.
    fn declare(&mut self, line: u64, database: &[u8], metric: &[u8], value_type: ValueType);
}

/// A format, by name and content type.
///
/// Laws, checked by [`super::conformance::ingest_format`]: how the input is cut into pieces never changes the outcome;
/// arbitrary bytes never panic; a bad line does not affect its neighbours.
pub trait IngestFormat: Send + Sync + 'static {
    /// Name in `?format=` and `nanocli import --format`.
    fn name(&self) -> &'static str;

    /// One line for `--plugins`.
    fn about(&self) -> &'static str;

    /// Media types that select it, lower case, without parameters.
    fn content_types(&self) -> &'static [&'static str];

    /// A parser for one request body or file.
    fn parser(&self, options: &IngestOptions) -> Box<dyn IngestParser>;
}

/// Parses one input, piece by piece.
pub trait IngestParser: Send {
    /// Parses as much of `input` as is complete and returns how many bytes it used. The rest is offered again,
    /// with more behind it. With `end` nothing follows: everything must be used. Must not allocate per line.
    fn parse(&mut self, input: &[u8], end: bool, sink: &mut dyn SampleSink) -> Result<usize, IngestError>;
}

/// Why a parser could not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IngestFailure {
    /// The input is unusable.
    Input(IngestError),
    /// The parser did what no parser may do.
    Contract(String),
}

impl IngestFailure {
    /// What is wrong, for whoever has no use for the difference.
    pub fn reason(self) -> String {
        match self {
            IngestFailure::Input(error) => error.0,
            IngestFailure::Contract(reason) => reason,
        }
    }
}

/// A parser that is held to its contract: nothing that it was given is dropped in silence.
pub struct CheckedParser {
    format: &'static str,
    parser: Box<dyn IngestParser>,
}

impl CheckedParser {
    /// A parser for one request body or file.
    pub fn new(format: &dyn IngestFormat, options: &IngestOptions) -> Result<Self, IngestFailure> {
        let name = format.name();
        let parser = caught(|| format.parser(options)).map_err(|reason| broken(name, &reason))?;
        Ok(Self { format: name, parser })
    }

    /// As [`IngestParser::parse`].
    pub fn parse(&mut self, input: &[u8], end: bool, sink: &mut dyn SampleSink) -> Result<usize, IngestFailure> {
        let parsed = caught(|| self.parser.parse(input, end, sink));
        let used = parsed.map_err(|reason| broken(self.format, &reason))?.map_err(IngestFailure::Input)?;
        match used.cmp(&input.len()) {
            Ordering::Greater => {
                let reason = format!("it says that it used {used} bytes of {}", input.len());
                Err(broken(self.format, &reason))
            }
            Ordering::Less if end => {
                let rest = input.len().saturating_sub(used);
                Err(broken(self.format, &format!("at the end of the input it left {rest} bytes unused")))
            }
            _ => Ok(used),
        }
    }
}

fn broken(format: &str, reason: &str) -> IngestFailure {
    IngestFailure::Contract(format!(
        "format {format:?} broke its contract: {reason}; what it had given before that is stored, the rest is not"
    ))
}

/// Registers an ingest format.
pub struct IngestFormatPlugin(pub &'static dyn IngestFormat);
inventory::collect!(IngestFormatPlugin);
