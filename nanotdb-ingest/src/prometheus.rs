//! Prometheus text exposition format 0.0.4, and what OpenMetrics text has in common with it.
//!
//! `name{label="value",...} number [timestamp]` becomes the metric `name{label="value",...}` of the database in
//! [`IngestOptions::database`] (default `prometheus`), with labels sorted by name and without white space: since a metric
//! name cannot hold any, white space and control characters in label values become `_`. A series without labels is just `name`.
//! Values are float64 whichever way they are written, as they are to Prometheus. Every `#` line is skipped, and so are exemplars after a sample.
//!
//! Timestamps are milliseconds (Prometheus); a timestamp with a fraction or exponent, or nearer to 1970 than 10^11, is
//! seconds (OpenMetrics), which as milliseconds would lie before March 1973. A unit that the sender stated goes before that.

use crate::excerpt::excerpt;
use crate::lines::Lines;
use crate::number;
use nanotdb_core::model::time::{self, TimeUnit};
use nanotdb_core::model::{Number, Timestamp};
use nanotdb_core::plugin::{IngestError, IngestFormat, IngestOptions, IngestParser, SampleSink};
use std::ops::Range;

const SHAPE: &str = "name{label=\"value\"} number [timestamp in milliseconds]";
const DEFAULT_DATABASE: &str = "prometheus";

/// Prometheus and OpenMetrics text; see the module's documentation for how series become metrics.
#[derive(Debug, Clone, Copy, Default)]
pub struct Prometheus;

impl IngestFormat for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn about(&self) -> &'static str {
        "Prometheus text: name{label=\"value\"} number [ms]"
    }

    /// Not `text/plain`, which Prometheus shares with the line protocol: see [`looks_like_prometheus`].
    fn content_types(&self) -> &'static [&'static str] {
        &["application/openmetrics-text"]
    }

    fn parser(&self, options: &IngestOptions) -> Box<dyn IngestParser> {
        let database = options.database.as_deref().unwrap_or(DEFAULT_DATABASE).as_bytes().to_vec();
        let unit = options.timestamp_unit;
        Box::new(PrometheusParser { lines: Lines::new(options), database, unit, series: Series::default() })
    }
}

struct PrometheusParser {
    lines: Lines,
    database: Vec<u8>,
    unit: Option<TimeUnit>,
    series: Series,
}

impl IngestParser for PrometheusParser {
    fn parse(&mut self, input: &[u8], end: bool, sink: &mut dyn SampleSink) -> Result<usize, IngestError> {
        let Self { lines, database, unit, series } = self;
        Ok(lines.parse(
            input,
            end,
            sink,
            |_, _, _| None,
            |number, line, sink| {
                let line = line.trim_ascii();
                if line.is_empty() || line.starts_with(b"#") {
                    return;
                }
                match parse_line(line, *unit, series) {
                    Ok((value, timestamp)) => sink.sample(number, database, series.name.as_bytes(), value, timestamp),
                    Err(reason) => sink.reject(number, reason),
                }
            },
        ))
    }
}

/// Whether the beginning of a text that is either line protocol or Prometheus text is the latter. Prometheus has no `/`
/// in front of labels, and the line protocol always has one in its first field.
pub fn looks_like_prometheus(first_kilobytes: &[u8]) -> bool {
    for line in first_kilobytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii) {
        match line {
            [] => {}
            [b'#', comment @ ..] => {
                let comment = comment.trim_ascii_start();
                if [&b"HELP "[..], b"TYPE ", b"UNIT "].iter().any(|keyword| comment.starts_with(keyword)) {
                    return true;
                }
            }
            line => {
                let end = line.iter().position(|b| matches!(b, b' ' | b'\t' | b'{')).unwrap_or(line.len());
                return line.get(..end).and_then(|name| std::str::from_utf8(name).ok()).is_some_and(is_metric_name);
            }
        }
    }
    false
}

/// The canonical name of a series, and what it takes to build it; reused from line to line.
#[derive(Default)]
struct Series {
    name: String,
    /// Cleaned `label="value"` texts, one after the other.
    text: String,
    /// Where in `text` each label is, and how long its name is.
    labels: Vec<(Range<usize>, usize)>,
}

impl Series {
    /// Builds the name from the labels that were read.
    fn finish(&mut self, metric: &str) -> Result<(), String> {
        let Self { name, text, labels } = self;
        name.clear();
        name.push_str(metric);
        if labels.is_empty() {
            return Ok(());
        }
        let label_name = |(range, length): &(Range<usize>, usize)| text.get(range.start..range.start + length);
        labels.sort_by(|a, b| label_name(a).cmp(&label_name(b)));
        let twice = labels.windows(2).find_map(|pair| match pair {
            [a, b] if label_name(a) == label_name(b) => label_name(a),
            _ => None,
        });
        if let Some(twice) = twice {
            return Err(format!("label {} occurs twice", excerpt(twice.as_bytes())));
        }
        for (i, (range, _)) in labels.iter().enumerate() {
            name.push(if i == 0 { '{' } else { ',' });
            name.push_str(text.get(range.clone()).unwrap_or_default());
        }
        name.push('}');
        Ok(())
    }
}

/// Parses a trimmed line; the name of its series is then in `series`.
fn parse_line(line: &[u8], unit: Option<TimeUnit>, series: &mut Series) -> Result<(Number, Option<Timestamp>), String> {
    let text = std::str::from_utf8(line).map_err(|_| format!("{} is not UTF-8", excerpt(line)))?;
    let end = text.find([' ', '\t', '{']).unwrap_or(text.len());
    let (metric, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    if !is_metric_name(metric) {
        return Err(format!(
            "{} is not a metric name (letters, digits, _ and :, not starting with a digit); write {SHAPE}",
            excerpt(metric.as_bytes())
        ));
    }
    series.text.clear();
    series.labels.clear();
    let rest = skip_space(rest);
    let rest = match rest.strip_prefix('{') {
        Some(labels) => parse_labels(labels, series)?,
        None => rest,
    };
    series.finish(metric)?;
    let mut fields = rest.split([' ', '\t']).filter(|f| !f.is_empty());
    let value = fields.next().ok_or_else(|| format!("no value after {}; write {SHAPE}", excerpt(metric.as_bytes())))?;
    let (double, _) = number::parse_float(value.as_bytes()).map_err(|e| e.reason(value.as_bytes()))?;
    // An exemplar starts with #.
    let mut fields = fields.take_while(|f| !f.starts_with('#'));
    let timestamp = match fields.next() {
        None => None,
        Some(field) if let Some(time) = unit.and_then(|unit| time::parse_bare(field.as_bytes(), Some(unit))) => {
            Some(time?)
        }
        Some(field) => Some(parse_timestamp(field).ok_or_else(|| {
            format!(
                "timestamp {} is not Unix milliseconds (1715000000000) or seconds with a fraction (1715000000.0)",
                excerpt(field.as_bytes())
            )
        })?),
    };
    match fields.next() {
        None => Ok((Number::float(double), timestamp)),
        Some(extra) => Err(format!("unexpected {} after the timestamp; write {SHAPE}", excerpt(extra.as_bytes()))),
    }
}

/// Reads `name="value",...}` into `series` and returns what follows.
fn parse_labels<'a>(labels: &'a str, series: &mut Series) -> Result<&'a str, String> {
    let malformed = |at: &str| {
        let found = if at.is_empty() { "the line ends".to_owned() } else { excerpt(at.as_bytes()) };
        format!("{found} where a label, a comma or }} is expected; write {SHAPE}")
    };
    let mut rest = skip_space(labels);
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end).ok_or_else(|| malformed(rest))?;
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(malformed(rest));
        }
        let value = skip_space(after)
            .strip_prefix('=')
            .and_then(|after| skip_space(after).strip_prefix('"'))
            .ok_or_else(|| malformed(rest))?;
        let start = series.text.len();
        series.text.push_str(name);
        series.text.push_str("=\"");
        let after = copy_value(value, &mut series.text).ok_or_else(|| {
            format!("the value of label {} has no closing quote; write {SHAPE}", excerpt(name.as_bytes()))
        })?;
        series.text.push('"');
        series.labels.push((start..series.text.len(), name.len()));
        rest = skip_space(after);
        match rest.strip_prefix(',') {
            Some(after) => rest = skip_space(after),
            None if rest.starts_with('}') => {}
            None => return Err(malformed(rest)),
        }
    }
}

/// Copies a label value up to its closing quote, in canonical form: `\\` and `\"` are the only escapes, and white
/// space is `_`. Returns what follows the quote.
fn copy_value<'a>(value: &'a str, out: &mut String) -> Option<&'a str> {
    let mut chars = value.chars();
    loop {
        match chars.next()? {
            '"' => return Some(chars.as_str()),
            '\\' => match chars.next()? {
                'n' => out.push('_'),
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                // Not an escape: the backslash is taken as it is, as Prometheus does.
                other => {
                    out.push_str("\\\\");
                    push_visible(other, out);
                }
            },
            other => push_visible(other, out),
        }
    }
}

fn push_visible(c: char, out: &mut String) {
    out.push(if c.is_whitespace() || c.is_control() { '_' } else { c });
}

fn skip_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

fn is_metric_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.starts_with(|c: char| allowed(c) && !c.is_ascii_digit()) && name.chars().all(allowed)
}

/// Milliseconds, or seconds as the module's documentation tells them apart, in nanoseconds.
fn parse_timestamp(field: &str) -> Option<Timestamp> {
    const SECONDS_BELOW: u64 = 100_000_000_000;
    if let Some(integer) = time::parse_integer(field.as_bytes()) {
        let unit = if integer.unsigned_abs() < SECONDS_BELOW { 1_000_000_000 } else { 1_000_000 };
        return integer.checked_mul(unit);
    }
    if let Some((whole, fraction)) = field.split_once('.')
        && let Some(seconds) = time::parse_integer(whole.as_bytes())
    {
        // Digits beyond nanoseconds are cut.
        let digits = fraction.as_bytes();
        let (kept, cut) = digits.split_at_checked(9).unwrap_or((digits, &[]));
        if let Some(nanos) = time::fraction_nanoseconds(kept)
            && cut.iter().all(u8::is_ascii_digit)
        {
            let nanos = if whole.starts_with('-') { -nanos } else { nanos };
            return i64::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(nanos)).ok();
        }
    }
    // Exponents: as exact as a float64.
    let (seconds, _) = number::parse_float(field.as_bytes()).ok()?;
    let nanos = (seconds * 1e9).round();
    (nanos.abs() < 9.2e18).then_some(nanos as i64)
}
