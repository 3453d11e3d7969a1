//! The answer of a query as table, JSON or CSV. Every form streams: no row is kept once it is written.

use super::query::Format;
use crate::text;
use nanotdb_core::engine::MetricInfo;
use nanotdb_core::model::duration::format_duration;
use nanotdb_core::model::time::{format_rfc3339, format_timestamp};
use nanotdb_core::model::{Timestamp, Value};
use std::io::{self, Write};

/// Least width of a column of numbers in a table.
const NUMBER_WIDTH: usize = 12;
/// Width of `YYYY-MM-DD HH:MM:SS.nnnnnnnnn`.
const TIME_WIDTH: usize = 29;

/// What the answer is about.
pub(super) struct Header<'a> {
    pub(super) database: &'a str,
    /// The metrics that may come, for the width of their column.
    pub(super) metrics: &'a [MetricInfo],
    /// Names of a row's values.
    pub(super) columns: Vec<&'static str>,
    /// Width of the windows in nanoseconds, for aggregates.
    pub(super) window: Option<i64>,
}

/// Writes series after series, and row after row in each.
pub(super) struct Writer<W> {
    out: W,
    format: Format,
    columns: Vec<&'static str>,
    metric_width: usize,
    metric: String,
    series: u64,
    rows_in_series: u64,
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W, format: Format, header: Header<'_>) -> io::Result<Self> {
        let longest = header.metrics.iter().map(|m| m.name.chars().count()).max().unwrap_or(0);
        let mut writer = Self {
            out,
            format,
            metric_width: longest.max("METRIC".len()),
            columns: header.columns,
            metric: String::new(),
            series: 0,
            rows_in_series: 0,
            line: Vec::with_capacity(256),
        };
        match format {
            Format::Table => writer.table_heading()?,
            Format::Csv => writeln!(writer.out, "metric,time,timestamp_ns,{}", writer.columns.join(","))?,
            Format::Json => {
                write!(writer.out, "{{\n\"database\": {}", json_text(header.database))?;
                if let Some(window) = header.window {
                    let text = json_text(&format_duration(window));
                    write!(writer.out, ",\n\"window\": {text},\n\"window_ns\": {window}")?;
                }
                writer.out.write_all(b",\n\"series\": [")?;
            }
        }
        Ok(writer)
    }

    fn table_heading(&mut self) -> io::Result<()> {
        write!(self.out, "{:<TIME_WIDTH$}  {:<width$}", "TIME", "METRIC", width = self.metric_width)?;
        for column in &self.columns {
            write!(self.out, "  {:>width$}", column.to_uppercase(), width = number_width(column))?;
        }
        self.out.write_all(b"\n")
    }

    /// Starts the next series.
    pub(super) fn series(&mut self, metric: &MetricInfo) -> io::Result<()> {
        self.end_series()?;
        self.metric.clone_from(&metric.name);
        self.rows_in_series = 0;
        if self.format == Format::Json {
            let comma = if self.series > 0 { "," } else { "" };
            let name = json_text(&metric.name);
            write!(self.out, "{comma}\n{{\"metric\": {name}, \"type\": \"{}\", \"rows\": [", metric.value_type)?;
        }
        self.series += 1;
        Ok(())
    }

    /// One row of the series: a value per column, or `None` where there is none.
    pub(super) fn row(&mut self, timestamp: Timestamp, values: &[Option<Value>]) -> io::Result<()> {
        self.line.clear();
        match self.format {
            Format::Table => self.table_row(timestamp, values)?,
            Format::Csv => self.csv_row(timestamp, values),
            Format::Json => self.json_row(timestamp, values)?,
        }
        self.rows_in_series += 1;
        self.out.write_all(&self.line)
    }

    fn table_row(&mut self, timestamp: Timestamp, values: &[Option<Value>]) -> io::Result<()> {
        format_timestamp(timestamp, &mut self.line);
        write!(self.line, "  {:<width$}", self.metric, width = self.metric_width)?;
        for (column, value) in self.columns.iter().zip(values) {
            let width = number_width(column);
            match value {
                Some(value) => write!(self.line, "  {value:>width$}")?,
                None => write!(self.line, "  {:>width$}", "-")?,
            }
        }
        self.line.push(b'\n');
        Ok(())
    }

    fn csv_row(&mut self, timestamp: Timestamp, values: &[Option<Value>]) {
        push_csv_text(&self.metric, &mut self.line);
        self.line.push(b',');
        format_timestamp(timestamp, &mut self.line);
        self.line.push(b',');
        self.line.extend_from_slice(timestamp.to_string().as_bytes());
        for value in values {
            self.line.push(b',');
            if let Some(value) = value {
                value.write_text(&mut self.line);
            }
        }
        self.line.push(b'\n');
    }

    fn json_row(&mut self, timestamp: Timestamp, values: &[Option<Value>]) -> io::Result<()> {
        let comma = if self.rows_in_series > 0 { "," } else { "" };
        let time = format_rfc3339(timestamp);
        write!(self.line, "{comma}\n{{\"time\": \"{time}\", \"timestamp_ns\": {timestamp}")?;
        for (column, value) in self.columns.iter().zip(values) {
            write!(self.line, ", {}: ", json_text(column))?;
            match value {
                Some(value) => text::write_json_value(*value, &mut self.line),
                None => self.line.extend_from_slice(b"null"),
            }
        }
        self.line.push(b'}');
        Ok(())
    }

    fn end_series(&mut self) -> io::Result<()> {
        if self.format == Format::Json && self.series > 0 {
            self.out.write_all(if self.rows_in_series > 0 { b"\n]}" } else { b"]}" })?;
        }
        Ok(())
    }

    /// Completes the document and hands the output back, to be flushed.
    pub(super) fn finish(mut self, warnings: &[String]) -> io::Result<W> {
        self.end_series()?;
        if self.format == Format::Json {
            let warnings = serde_json::to_string(warnings)?;
            write!(self.out, "\n],\n\"warnings\": {warnings}\n}}\n")?;
        }
        Ok(self.out)
    }
}

fn number_width(column: &str) -> usize {
    column.len().max(NUMBER_WIDTH)
}

fn json_text(text: &str) -> serde_json::Value {
    serde_json::Value::from(text)
}

/// Quotes where RFC 4180 asks for it: metric names may hold commas and quotes.
fn push_csv_text(text: &str, out: &mut Vec<u8>) {
    if text.contains([',', '"', '\n', '\r']) {
        out.push(b'"');
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nanotdb_core::model::ValueType;

    // 2026-05-24 12:00:00 UTC is 1779624000 (date -u -d @1779624000).
    const NOON: Timestamp = 1_779_624_000_000_000_000;

    fn metric(name: &str, value_type: ValueType) -> MetricInfo {
        MetricInfo { name: name.into(), id: 1, value_type, typed: false }
    }

    fn samples(format: Format) -> String {
        let metrics =
            [metric("a", ValueType::Float32), metric("b,\"c", ValueType::Int64), metric("none", ValueType::Int32)];
        let header = Header { database: "db", metrics: &metrics, columns: vec!["value"], window: None };
        let mut writer = Writer::new(Vec::new(), format, header).unwrap();
        writer.series(&metrics[0]).unwrap();
        writer.row(NOON, &[Some(Value::Float32(21.5))]).unwrap();
        writer.row(NOON + 1, &[Some(Value::Float32(f32::NAN))]).unwrap();
        writer.series(&metrics[1]).unwrap();
        writer.row(NOON, &[Some(Value::Int64(i64::MIN))]).unwrap();
        writer.series(&metrics[2]).unwrap();
        String::from_utf8(writer.finish(&["one frame skipped".into()]).unwrap()).unwrap()
    }

    #[test]
    fn tables_align_as_they_stream() {
        let expected = "\
TIME                           METRIC         VALUE
2026-05-24 12:00:00.000000000  a               21.5
2026-05-24 12:00:00.000000001  a                NaN
2026-05-24 12:00:00.000000000  b,\"c    -9223372036854775808
";
        assert_eq!(samples(Format::Table), expected);
    }

    #[test]
    fn csv_quotes_names() {
        let expected = "\
metric,time,timestamp_ns,value
a,2026-05-24 12:00:00.000000000,1779624000000000000,21.5
a,2026-05-24 12:00:00.000000001,1779624000000000001,NaN
\"b,\"\"c\",2026-05-24 12:00:00.000000000,1779624000000000000,-9223372036854775808
";
        assert_eq!(samples(Format::Csv), expected);
    }

    #[test]
    fn json_is_one_exact_document() {
        let document: serde_json::Value = serde_json::from_str(&samples(Format::Json)).unwrap();
        assert_eq!(document["database"], "db");
        assert_eq!(document["series"].as_array().unwrap().len(), 3);
        let rows = &document["series"][0]["rows"];
        assert_eq!(rows[0]["time"], "2026-05-24T12:00:00Z");
        assert_eq!(rows[0]["timestamp_ns"], NOON);
        assert_eq!(rows[0]["value"], 21.5);
        assert!(rows[1]["value"].is_null());
        assert_eq!(document["series"][1]["metric"], "b,\"c");
        assert_eq!(document["series"][1]["rows"][0]["value"], i64::MIN);
        assert_eq!(document["series"][2]["rows"], serde_json::json!([]));
        assert_eq!(document["warnings"][0], "one frame skipped");
    }

    #[test]
    fn aggregates_have_a_column_each() {
        let metrics = [metric("a", ValueType::Float32)];
        let write = |format| {
            let header = Header {
                database: "db",
                metrics: &metrics,
                columns: vec!["min", "count"],
                window: Some(300_000_000_000),
            };
            let mut writer = Writer::new(Vec::new(), format, header).unwrap();
            writer.series(&metrics[0]).unwrap();
            writer.row(NOON, &[None, Some(Value::Float64(30.0))]).unwrap();
            String::from_utf8(writer.finish(&[]).unwrap()).unwrap()
        };
        assert!(write(Format::Table).ends_with("2026-05-24 12:00:00.000000000  a                  -            30\n"));
        let document: serde_json::Value = serde_json::from_str(&write(Format::Json)).unwrap();
        assert_eq!(document["window"], "5m0s");
        assert_eq!(document["series"][0]["rows"][0]["count"], 30);
        assert!(document["series"][0]["rows"][0]["min"].is_null());
    }
}
