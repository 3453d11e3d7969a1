//! `database/metric value [timestamp]`, one sample per line.
//!
//! ```text
//! prod/room.temp 21.5 1715000000000000000      float, Unix nanoseconds
//! sensors/pressure.hpa 1013                    integer, stamped on arrival
//! internal/batch.size 256i                     integer and nothing else
//! prod/room.temp 21.5 1715000000               refused, unless timestamp_unit = s was stated
//! prod/room.temp 21.5 2026-05-22 13:14:15.5    UTC date and time
//! prod/room.temp 21.5 2026-05-22 13:14         the same, without seconds; also an hour, or the date alone
//! prod/room.temp 21.5 2026-05-22T13:14:15Z     RFC 3339
//! prod/room.temp 21.5 -20s                     so long before it arrived
//! # type prod/energy int64                     the type of a metric, ahead of its first sample
//! # any other line with a # in front is a comment
//! ```
//!
//! Fields are separated by spaces and tabs. The database ends at the first `/`; the metric may contain more of them.

use crate::excerpt::excerpt;
use crate::lines::Lines;
use crate::number::{self, scan_plain};
use memchr::memchr;
use nanotdb_core::model::time::{self, TimeUnit};
use nanotdb_core::model::{Timestamp, ValueType};
use nanotdb_core::plugin::{IngestError, IngestFormat, IngestOptions, IngestParser, SampleSink};

/// The longest key is a database of 64 bytes, a slash, and a metric of 255.
const KEY_BYTES: usize = 328;
const SHAPE: &str = "database/metric value [timestamp]";

/// The line protocol of NanoTDB; see the module's documentation for its grammar.
#[derive(Debug, Clone, Copy, Default)]
pub struct LineProtocol;

impl IngestFormat for LineProtocol {
    fn name(&self) -> &'static str {
        "line_protocol"
    }

    fn about(&self) -> &'static str {
        "lines of database/metric value [timestamp]"
    }

    fn content_types(&self) -> &'static [&'static str] {
        &["text/plain", "application/octet-stream", "application/x-www-form-urlencoded"]
    }

    fn parser(&self, options: &IngestOptions) -> Box<dyn IngestParser> {
        Box::new(LineProtocolParser { lines: Lines::new(options), times: Times::of(options) })
    }
}

struct LineProtocolParser {
    lines: Lines,
    times: Times,
}

/// How times of samples are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// Of bare numbers.
    unit: Option<TimeUnit>,
    /// When the input came.
    arrival: Option<Timestamp>,
}

impl Times {
    pub(crate) fn of(options: &IngestOptions) -> Self {
        Self { unit: options.timestamp_unit, arrival: options.arrival }
    }

    /// A time in one field that is no number.
    fn parse_word(self, text: &[u8]) -> Option<Timestamp> {
        let before = || time::parse_before(text, self.arrival?);
        time::parse_rfc3339(text).or_else(|| time::parse_date(text)).or_else(before)
    }
}

impl IngestParser for LineProtocolParser {
    fn parse(&mut self, input: &[u8], end: bool, sink: &mut dyn SampleSink) -> Result<usize, IngestError> {
        Ok(parse_lines(&mut self.lines, self.times, input, end, sink))
    }
}

/// Parses lines whose times are of this kind.
pub(crate) fn parse_lines(
    lines: &mut Lines,
    times: Times,
    input: &[u8],
    end: bool,
    sink: &mut dyn SampleSink,
) -> usize {
    let each = |number: u64, line: &[u8], sink: &mut dyn SampleSink| parse_unusual(number, line, times, sink);
    match times.unit {
        None | Some(TimeUnit::Nanoseconds) => lines.parse(input, end, sink, take_usual, each),
        Some(_) => lines.parse(input, end, sink, |_, _, _| None, each),
    }
}

/// Takes a line of the usual form off the front of `input`, in one pass: key, one separator, a plain number, and nothing or
/// one separator and 19 digits, then a newline. Anything else is left alone.
#[inline]
fn take_usual(number: u64, input: &[u8], sink: &mut dyn SampleSink) -> Option<usize> {
    if *input.first()? == b'#' {
        return None;
    }
    let (slash, space) = scan_key(input)?;
    let (key, rest) = input.split_at_checked(space)?;
    let (database, metric) = key.split_at_checked(slash)?;
    let metric = metric.get(1..)?;
    let [b' ' | b'\t', rest @ ..] = rest else { return None };
    let (value, used) = scan_plain(rest)?;
    let (timestamp, rest) = match rest.get(used..)? {
        [b' ' | b'\t', rest @ ..] => {
            let (digits, rest) = rest.split_at_checked(19)?;
            (Some(time::nineteen_digits(digits).filter(|time| *time >= time::BARE_SINCE)?), rest)
        }
        rest => (None, rest),
    };
    let left = match rest {
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => rest.len(),
        _ => return None,
    };
    sink.sample(number, database, metric, value, timestamp);
    Some(input.len() - left)
}

/// Offsets of the first `/` and, behind it, of the first byte that ends a field (a space or a control character), within
/// [`KEY_BYTES`]. Eight bytes at a time.
#[inline]
fn scan_key(input: &[u8]) -> Option<(usize, usize)> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let input = input.get(..input.len().min(KEY_BYTES))?;
    let mut slash = None;
    let (chunks, _) = input.as_chunks::<8>();
    for (i, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        // A byte's high bit is set where it is below 0x21 (or, further up only, after such a byte: the lowest counts).
        let ends = word.wrapping_sub(ONES * 0x21) & !word & HIGHS;
        if slash.is_none() {
            let difference = word ^ (ONES * u64::from(b'/'));
            let slashes = difference.wrapping_sub(ONES) & !difference & HIGHS;
            if slashes != 0 {
                let at = slashes.trailing_zeros();
                if ends != 0 && ends.trailing_zeros() < at {
                    return None;
                }
                slash = Some(i * 8 + (at / 8) as usize);
            }
        }
        if ends != 0 {
            return Some((slash?, i * 8 + (ends.trailing_zeros() / 8) as usize));
        }
    }
    // The last bytes of an input: left to the thorough parser.
    None
}

/// Everything else: blank lines, comments, directives, wide spacing, dates, exponents, errors.
fn parse_unusual(number: u64, line: &[u8], times: Times, sink: &mut dyn SampleSink) {
    let mut rest = line;
    let Some(key) = next_field(&mut rest) else { return };
    if key.starts_with(b"#") {
        return parse_comment(number, line, sink);
    }
    match parse_fields(key, rest, times) {
        Ok((database, metric, value, timestamp)) => sink.sample(number, database, metric, value, timestamp),
        Err(reason) => sink.reject(number, reason),
    }
}

type Fields<'a> = (&'a [u8], &'a [u8], nanotdb_core::model::Number, Option<Timestamp>);

fn parse_fields<'a>(key: &'a [u8], mut rest: &[u8], times: Times) -> Result<Fields<'a>, String> {
    let Some((database, metric)) = split_key(key) else {
        let key_text = excerpt(key);
        return Err(format!("{key_text} names no database (there is no / in it); write {SHAPE}{}", other_format(key)));
    };
    let Some(field) = next_field(&mut rest) else {
        return Err(format!("no value after {}; write {SHAPE}", excerpt(key)));
    };
    let value = number::parse(field).map_err(|e| e.reason(field))?;
    let timestamp = match (next_field(&mut rest), next_field(&mut rest), next_field(&mut rest)) {
        (None, ..) => None,
        (Some(only), None, _) => Some(match time::parse_bare(only, times.unit) {
            Some(time) => time?,
            None => times.parse_word(only).ok_or_else(|| timestamp_reason(&excerpt(only)))?,
        }),
        (Some(date), Some(time), None) => Some(match time::parse_date_and_time(date, time) {
            Some(timestamp) => timestamp,
            None if date.contains(&b'-') && time.first().is_some_and(u8::is_ascii_digit) => {
                return Err(timestamp_reason(&format!("{} {}", excerpt(date), excerpt(time))));
            }
            None => return Err(extra_reason(time)),
        }),
        (Some(_), Some(_), Some(extra)) => return Err(extra_reason(extra)),
    };
    Ok((database, metric, value, timestamp))
}

/// A name without a database that is written as those of Prometheus are.
fn other_format(key: &[u8]) -> &'static str {
    let is_name = key.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':'));
    match key.contains(&b'{') || is_name && key.contains(&b'_') {
        true => "; text of Prometheus goes to /api/v1/import/prometheus (nanocli import --format prometheus)",
        false => "",
    }
}

fn timestamp_reason(found: &str) -> String {
    format!(
        "timestamp {found} is not Unix nanoseconds (for example 1715000000000000000), YYYY-MM-DD [HH[:MM[:SS[.nnnnnnnnn]]]], RFC 3339 \
         (for example 2026-05-22T13:14:15Z) or -20s, between 1677-09-21 and 2262-04-11"
    )
}

fn extra_reason(extra: &[u8]) -> String {
    format!("unexpected {} after the timestamp; write {SHAPE}, one sample per line", excerpt(extra))
}

/// `# type database/metric int64` declares a type. Whatever does not read exactly so is a comment.
fn parse_comment(number: u64, line: &[u8], sink: &mut dyn SampleSink) {
    let mut rest = line.trim_ascii_start().strip_prefix(b"#").unwrap_or_default();
    let mut next = || next_field(&mut rest);
    if let (Some(b"type"), Some(key), Some(name), None) = (next(), next(), next(), next())
        && let Some((database, metric)) = split_key(key)
        && let Some(value_type) = value_type(name)
    {
        sink.declare(number, database, metric, value_type);
    }
}

fn value_type(name: &[u8]) -> Option<ValueType> {
    use ValueType::{Float32, Float64, Int32, Int64};
    [Int32, Float32, Int64, Float64].into_iter().find(|t| t.name().as_bytes() == name)
}

/// The database is what stands before the first `/`.
fn split_key(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (database, metric) = key.split_at_checked(memchr(b'/', key)?)?;
    Some((database, metric.get(1..)?))
}

/// Takes the next field off the front of `rest`.
fn next_field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let is_space = |b: &u8| matches!(b, b' ' | b'\t');
    let start = rest.iter().position(|b| !is_space(b))?;
    let text = rest.get(start..)?;
    let end = text.iter().position(is_space).unwrap_or(text.len());
    let (field, tail) = text.split_at_checked(end)?;
    *rest = tail;
    Some(field)
}
