//! The answer of a batch as JSON text.

use super::super::numbers::{write_millis, write_rounded, write_value};
use super::columns::Columns;
use super::read::{Content, Known};
use crate::json::write_json_string;
use crate::memory::{Memory, Share};
use nanotdb_core::model::{Sample, Timestamp, Value};
use nanotdb_core::query::aggregators::Average;
use nanotdb_core::query::present::large_mean;
use nanotdb_core::query::{Operands, result_value};
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

/// Why a series has no data.
#[derive(Debug)]
pub(super) struct SeriesError {
    /// `not_found`, `damaged` or `limit`.
    pub(super) kind: &'static str,
    /// What is wrong, for people.
    pub(super) message: String,
}

/// What every series has.
pub(super) struct Head<'a> {
    /// Type and distance.
    pub(super) known: Known,
    /// Newest sample.
    pub(super) last: Option<Sample>,
    /// What could not be read.
    pub(super) warnings: &'a [String],
    /// Whether values are rates, of which seven digits are enough.
    pub(super) rounded: bool,
    /// First and last sample of the range, where they are asked for.
    pub(super) ends: Option<(Sample, Sample)>,
}

/// Numbers that a content has.
pub(super) fn points_of(content: &Content) -> u64 {
    match content {
        Content::Last => 0,
        Content::Raw { values, .. } => values.len() as u64,
        Content::Buckets(columns) => columns.count.len() as u64 * 4,
        Content::Windows { values, .. } => values.len() as u64,
    }
}

/// The answer on its way.
#[derive(Default)]
pub(super) struct Answer {
    series: usize,
    /// Time columns, in the order of their first use.
    times: Vec<Arc<Vec<Timestamp>>>,
    index: HashMap<Arc<Vec<Timestamp>>, usize>,
    /// Memory of the columns, which are kept until the end.
    shares: Vec<Share>,
}

impl Answer {
    /// Begins the document.
    pub(super) fn begin(now: Timestamp, out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(br#"{"now_ms":"#);
        write_millis(now / 1_000_000 * 1_000_000, out);
        out.extend_from_slice(br#","series":["#);
        Self::default()
    }

    /// Whether the time column of a content is there already, or has memory until the end of the answer.
    pub(super) fn has_room(&mut self, content: &Content, memory: &Memory) -> bool {
        let Content::Raw { times, .. } = content else { return true };
        if self.index.contains_key(times) {
            return true;
        }
        let Some(share) = memory.share((times.len() * size_of::<Timestamp>() + 128) as u64) else { return false };
        self.shares.push(share);
        true
    }

    fn next(&mut self, out: &mut Vec<u8>) {
        if self.series > 0 {
            out.push(b',');
        }
        self.series += 1;
    }

    /// Adds a series that has no data.
    pub(super) fn error(&mut self, error: &SeriesError, out: &mut Vec<u8>) {
        self.next(out);
        out.extend_from_slice(br#"{"error":{"type":""#);
        out.extend_from_slice(error.kind.as_bytes());
        out.extend_from_slice(br#"","message":"#);
        write_json_string(&error.message, out);
        out.extend_from_slice(b"}}");
    }

    /// Adds a series.
    pub(super) fn series(&mut self, head: &Head<'_>, content: &Content, out: &mut Vec<u8>) {
        self.next(out);
        let operands = head.known.operands;
        let _ = write!(out, r#"{{"type":"{}","interval_ms":"#, operands.value_type.name());
        match head.known.interval {
            Some(interval) => write_millis(interval, out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(br#","last":"#);
        match head.last {
            None => out.extend_from_slice(b"null"),
            Some(sample) => write_sample(sample, out),
        }
        if let Some((first, last)) = head.ends {
            out.extend_from_slice(br#","ends":["#);
            write_sample(first, out);
            out.push(b',');
            write_sample(last, out);
            out.push(b']');
        }
        if !head.warnings.is_empty() {
            out.extend_from_slice(br#","warning":"#);
            write_json_string(&head.warnings.join("; "), out);
        }
        match content {
            Content::Last => out.extend_from_slice(br#","kind":"last"}"#),
            Content::Raw { times, values } => {
                let at = self.column(times);
                let _ = write!(out, r#","kind":"raw","times":{at},"v":"#);
                let write = |value: &Value, out: &mut Vec<u8>| match head.rounded {
                    true => write_rounded(value.as_f64(), out),
                    false => write_value(*value, out),
                };
                list(values, write, out);
                out.push(b'}');
            }
            Content::Buckets(columns) => buckets(columns, operands, head.rounded, out),
            Content::Windows { t0, step, values } => {
                place("aggregate", *t0, *step, out);
                out.extend_from_slice(br#","v":"#);
                let write = |value: &Option<Value>, out: &mut Vec<u8>| match value {
                    None => out.extend_from_slice(b"null"),
                    Some(value) if head.rounded => write_rounded(value.as_f64(), out),
                    Some(value) => write_value(*value, out),
                };
                list(values, write, out);
                out.push(b'}');
            }
        }
    }

    /// Where a time column is in the document.
    fn column(&mut self, times: &[Timestamp]) -> usize {
        let times = Arc::new(times.to_vec());
        let next = self.times.len();
        let at = *self.index.entry(Arc::clone(&times)).or_insert(next);
        if at == next {
            self.times.push(times);
        }
        at
    }

    /// Ends the document with the time columns.
    pub(super) fn end(self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"],"times":"#);
        let column = |times: &Arc<Vec<Timestamp>>, out: &mut Vec<u8>| {
            let mut before = 0;
            let difference = |time: &Timestamp, out: &mut Vec<u8>| {
                write_millis(time.saturating_sub(before), out);
                before = *time;
            };
            list(times, difference, out);
        };
        list(&self.times, column, out);
        out.push(b'}');
    }
}

fn write_sample(sample: Sample, out: &mut Vec<u8>) {
    out.push(b'[');
    write_millis(sample.timestamp, out);
    out.push(b',');
    write_value(sample.value, out);
    out.push(b']');
}

fn place(kind: &str, t0: Timestamp, step: i64, out: &mut Vec<u8>) {
    let _ = write!(out, r#","kind":"{kind}","t0":"#);
    write_millis(t0, out);
    out.extend_from_slice(br#","step_ms":"#);
    write_millis(step, out);
}

fn buckets(columns: &Columns, operands: Operands, rounded: bool, out: &mut Vec<u8>) {
    place("buckets", columns.t0, columns.step, out);
    // All three by one rule, so that the average lies between the other two.
    let shown = |value: f64, integer: Option<i64>, out: &mut Vec<u8>| match rounded {
        true => write_rounded(value, out),
        false => write_value(result_value(&Average, operands, value, integer), out),
    };
    let rows: Vec<_> = columns.rows().collect();
    let count = |row: &Option<(u64, f64, f64, f64)>, out: &mut Vec<u8>| {
        let _ = write!(out, "{}", row.map_or(0, |(count, ..)| count));
    };
    out.extend_from_slice(br#","n":"#);
    list(&rows, count, out);
    type Row = (u64, f64, f64, f64);
    type Exact = Option<(i64, i64)>;
    let column = |name: &str, pick: fn(Row, Exact) -> (f64, Option<i64>), out: &mut Vec<u8>| {
        let _ = write!(out, r#","{name}":"#);
        let mut at = 0;
        let one = |row: &Option<Row>, out: &mut Vec<u8>| {
            match row {
                None => out.extend_from_slice(b"null"),
                Some(row) => {
                    let (value, integer) = pick(*row, columns.exact(at));
                    shown(value, integer, out);
                }
            }
            at += 1;
        };
        list(&rows, one, out);
    };
    column("min", |(_, min, ..), exact| (min, exact.map(|(min, _)| min)), out);
    column("avg", |(_, _, avg, _), exact| (avg, exact.and_then(|(min, max)| large_mean(avg, min, max))), out);
    column("max", |(.., max), exact| (max, exact.map(|(_, max)| max)), out);
    out.push(b'}');
}

fn list<T>(items: &[T], mut write: impl FnMut(&T, &mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}
