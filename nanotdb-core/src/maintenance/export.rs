//! A database as line protocol.
//!
//! Lines are in time order across metrics, and in name order within one timestamp: an import of them then opens one
//! partition after the other, and two databases with the same samples give the same bytes whatever their ids are.

use super::window::{self, Window};
use crate::engine::{Engine, MetricInfo, ScanSlice};
use crate::model::{Sample, Timestamp, Value, time::format_timestamp};
use crate::{Error, Result};
use std::io::{self, Write};
use std::ops::ControlFlow;

/// Rows that are merged in memory at a time: 24 MB, and as much again while they are sorted.
const ROWS_IN_MEMORY: u64 = 1 << 20;

/// What is exported.
#[derive(Debug, Clone, Copy)]
pub struct ExportRequest<'a> {
    /// The database.
    pub database: &'a str,
    /// Its metrics that are wanted, sorted by name.
    pub metrics: &'a [MetricInfo],
    /// First timestamp.
    pub from: Timestamp,
    /// Last timestamp, itself included.
    pub to: Timestamp,
}

/// What became of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Lines with a sample.
    pub rows: u64,
    /// Of those, NaN and infinities, which only the original system stored and no import takes.
    pub non_finite: u64,
    /// Damaged frames or files that could not be read.
    pub warnings: Vec<String>,
}

/// Why an export ended early.
#[derive(Debug)]
pub enum ExportError {
    /// Reading failed.
    Engine(Error),
    /// Writing the output failed.
    Output(io::Error),
}

impl std::fmt::Display for ExportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Engine(_) => f.write_str("reading the database"),
            Self::Output(_) => f.write_str("writing the export"),
        }
    }
}

impl std::error::Error for ExportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Engine(e) => Some(e),
            Self::Output(e) => Some(e),
        }
    }
}

impl From<Error> for ExportError {
    fn from(e: Error) -> Self {
        Self::Engine(e)
    }
}

impl From<io::Error> for ExportError {
    fn from(e: io::Error) -> Self {
        Self::Output(e)
    }
}

/// Writes `db/metric value YYYY-MM-DD HH:MM:SS.nnnnnnnnn` per sample, after a `# type db/metric int64|float64` line for
/// each metric whose type its values would not tell. Memory is bounded whatever the size of the database.
pub fn export(
    engine: &Engine,
    request: ExportRequest<'_>,
    out: &mut dyn Write,
) -> std::result::Result<ExportReport, ExportError> {
    export_with_budget(engine, request, out, ROWS_IN_MEMORY)
}

fn export_with_budget(
    engine: &Engine,
    request: ExportRequest<'_>,
    out: &mut dyn Write,
    budget: u64,
) -> std::result::Result<ExportReport, ExportError> {
    for metric in request.metrics.iter().filter(|m| m.value_type.is_wide()) {
        writeln!(out, "# type {}/{} {}", request.database, metric.name, metric.value_type)?;
    }
    let names: Vec<&str> = request.metrics.iter().map(|m| m.name.as_str()).collect();
    let (windows, planned) = window::plan(engine, request.database, &names, request.from, request.to, budget)?;
    let mut report = ExportReport { warnings: planned.warnings, ..ExportReport::default() };
    let mut lines = Lines::new(request.database, &names);
    let mut rows = Vec::new();
    for window in windows {
        read_window(engine, request.database, &names, window, &mut rows, &mut report)?;
        for row in &rows {
            report.rows += 1;
            report.non_finite += u64::from(!row.value.as_f64().is_finite());
            out.write_all(lines.format(row))?;
        }
    }
    Ok(report)
}

/// One sample of the metric with this index.
#[derive(Debug, Clone, Copy)]
struct Row {
    timestamp: Timestamp,
    value: Value,
    metric: u32,
}

fn read_window(
    engine: &Engine,
    database: &str,
    names: &[&str],
    window: Window,
    rows: &mut Vec<Row>,
    report: &mut ExportReport,
) -> Result<()> {
    rows.clear();
    let scanned = engine.scan(database, names, window.from, window.to, &mut |slice| {
        push_slice(&slice, rows);
        Ok(ControlFlow::Continue(()))
    })?;
    for warning in scanned.warnings {
        if !report.warnings.contains(&warning) {
            report.warnings.push(warning);
        }
    }
    merge(rows);
    Ok(())
}

fn push_slice(slice: &ScanSlice<'_>, rows: &mut Vec<Row>) {
    // Ids have 16 bits, so the index of a metric always fits.
    let metric = u32::try_from(slice.metric).unwrap_or(u32::MAX);
    let samples = (0..slice.len()).filter_map(|at| slice.sample(at));
    rows.extend(samples.map(|Sample { timestamp, value }| Row { timestamp, value, metric }));
}

/// Time order, then metric. Rows of one metric arrive in their order, which the standard library's stable sort keeps,
/// and which it uses: it finds the sorted runs and merges them.
fn merge(rows: &mut [Row]) {
    rows.sort_by_key(|row| (row.timestamp, row.metric));
}

/// Formats lines, keeping what neighbouring lines share: the metric's prefix and the text of the timestamp.
struct Lines {
    prefixes: Vec<Vec<u8>>,
    timestamp: Option<Timestamp>,
    timestamp_text: Vec<u8>,
    line: Vec<u8>,
}

impl Lines {
    fn new(database: &str, names: &[&str]) -> Self {
        let prefixes = names.iter().map(|name| format!("{database}/{name} ").into_bytes()).collect();
        Self { prefixes, timestamp: None, timestamp_text: Vec::new(), line: Vec::new() }
    }

    fn format(&mut self, row: &Row) -> &[u8] {
        if self.timestamp != Some(row.timestamp) {
            self.timestamp = Some(row.timestamp);
            self.timestamp_text.clear();
            self.timestamp_text.push(b' ');
            format_timestamp(row.timestamp, &mut self.timestamp_text);
            self.timestamp_text.push(b'\n');
        }
        self.line.clear();
        if let Some(prefix) = self.prefixes.get(row.metric as usize) {
            self.line.extend_from_slice(prefix);
        }
        row.value.write_line_protocol(&mut self.line);
        self.line.extend_from_slice(&self.timestamp_text);
        &self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Values;

    #[test]
    fn rows_merge_by_time_then_name_and_keep_arrival_order() {
        let mut rows = Vec::new();
        let mut slice = |metric: usize, timestamps: &[i64], values: &[i32]| {
            push_slice(&ScanSlice { metric, timestamps, values: Values::Int32(values) }, &mut rows);
        };
        slice(1, &[10, 20, 20], &[1, 2, 3]);
        slice(0, &[20, 30], &[-4, 5]);
        slice(1, &[20, 40], &[6, 7]);
        merge(&mut rows);
        let flat: Vec<_> = rows.iter().map(|r| (r.timestamp, r.metric, r.value.as_f64() as i64)).collect();
        assert_eq!(flat, [(10, 1, 1), (20, 0, -4), (20, 1, 2), (20, 1, 3), (20, 1, 6), (30, 0, 5), (40, 1, 7)]);
    }

    #[test]
    fn lines_keep_the_type_of_every_value() {
        let mut lines = Lines::new("db", &["a", "b.c"]);
        let mut text = |metric, timestamp, value| {
            String::from_utf8(lines.format(&Row { timestamp, value, metric }).to_vec()).unwrap()
        };
        // 2026-05-24 12:00:00 UTC is 1779624000 (date -u -d @1779624000).
        let noon = 1_779_624_000_000_000_000;
        assert_eq!(text(0, noon, Value::Float32(48.0)), "db/a 48.0 2026-05-24 12:00:00.000000000\n");
        assert_eq!(text(1, noon, Value::Int32(256)), "db/b.c 256i 2026-05-24 12:00:00.000000000\n");
        assert_eq!(text(0, noon + 5, Value::Float32(-0.5)), "db/a -0.5 2026-05-24 12:00:00.000000005\n");
    }
}
