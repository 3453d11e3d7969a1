//! A sink that records, and ways to feed a parser.
#![allow(dead_code, reason = "not every test file uses all of it")]

use nanotdb_core::model::{Number, NumberKind, Timestamp, ValueType};
use nanotdb_core::plugin::{IngestError, IngestFormat, IngestOptions, SampleSink};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Sample {
        line: u64,
        database: Vec<u8>,
        metric: Vec<u8>,
        kind: NumberKind,
        integer: Option<i64>,
        double_bits: u64,
        single_bits: u32,
        timestamp: Option<Timestamp>,
    },
    Reject {
        line: u64,
        reason: String,
    },
    Declare {
        line: u64,
        database: Vec<u8>,
        metric: Vec<u8>,
        value_type: ValueType,
    },
}

impl Event {
    pub(crate) fn sample(
        line: u64,
        key: &str,
        kind: NumberKind,
        integer: Option<i64>,
        double: f64,
        single: f32,
        timestamp: Option<Timestamp>,
    ) -> Self {
        let (database, metric) = key.split_once('/').unwrap();
        Event::Sample {
            line,
            database: database.into(),
            metric: metric.into(),
            kind,
            integer,
            double_bits: double.to_bits(),
            single_bits: single.to_bits(),
            timestamp,
        }
    }

    pub(crate) fn line(&self) -> u64 {
        match self {
            Event::Sample { line, .. } | Event::Reject { line, .. } | Event::Declare { line, .. } => *line,
        }
    }
}

#[derive(Default)]
pub(crate) struct Recorder(pub(crate) Vec<Event>);

impl SampleSink for Recorder {
    fn sample(&mut self, line: u64, database: &[u8], metric: &[u8], value: Number, timestamp: Option<Timestamp>) {
        self.0.push(Event::Sample {
            line,
            database: database.to_vec(),
            metric: metric.to_vec(),
            kind: value.kind,
            integer: value.as_integer(),
            double_bits: value.as_f64().to_bits(),
            single_bits: value.as_f32().to_bits(),
            timestamp,
        });
    }

    fn reject(&mut self, line: u64, reason: String) {
        self.0.push(Event::Reject { line, reason });
    }

    fn declare(&mut self, line: u64, database: &[u8], metric: &[u8], value_type: ValueType) {
        self.0.push(Event::Declare { line, database: database.to_vec(), metric: metric.to_vec(), value_type });
    }
}

pub(crate) fn parse(format: &dyn IngestFormat, input: &[u8]) -> Result<Vec<Event>, IngestError> {
    parse_with(format, &IngestOptions::default(), input)
}

pub(crate) fn parse_with(
    format: &dyn IngestFormat,
    options: &IngestOptions,
    input: &[u8],
) -> Result<Vec<Event>, IngestError> {
    let mut sink = Recorder::default();
    let used = format.parser(options).parse(input, true, &mut sink)?;
    assert_eq!(used, input.len(), "at the end everything is used");
    Ok(sink.0)
}

/// Feeds `input` as a server does, in pieces of these sizes; also returns the most bytes that were left over.
pub(crate) fn parse_in_pieces(
    format: &dyn IngestFormat,
    options: &IngestOptions,
    input: &[u8],
    mut sizes: impl Iterator<Item = usize>,
) -> Result<(Vec<Event>, usize), IngestError> {
    let (mut sink, mut parser) = (Recorder::default(), format.parser(options));
    let (mut start, mut arrived, mut held) = (0, 0, 0);
    let mut idle = 0;
    while arrived < input.len() && idle < 1_000 {
        let size = sizes.next().unwrap_or(1);
        idle = if size == 0 { idle + 1 } else { 0 };
        arrived = (arrived + size).min(input.len());
        start += parser.parse(&input[start..arrived], false, &mut sink)?;
        assert!(start <= arrived);
        held = held.max(arrived - start);
    }
    let used = parser.parse(&input[start..], true, &mut sink)?;
    assert_eq!(start + used, input.len(), "at the end everything is used");
    Ok((sink.0, held))
}
