//! The JSON of a matrix: what query_range answers.

use crate::json::write_json_string;
use crate::json_stream::{ChunkWriter, Gone};
use nanotdb_core::model::text::{write_row, write_rows};
use nanotdb_core::model::{Timestamp, Value, Values};

/// Rows between two looks at the buffer. A row is 40 bytes as a rule, and 350 for the longest float64.
const ROWS_PER_CHECK: usize = 256;

/// How much of a matrix was asked for but is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ending {
    /// What could not be read or was left out.
    pub(crate) warnings: Vec<String>,
    /// Whether a limit cut the answer short.
    pub(crate) truncated: bool,
}

/// The JSON of a matrix, appended to a buffer.
#[derive(Debug, Default)]
pub(crate) struct MatrixText {
    series: usize,
    rows_in_series: usize,
}

impl MatrixText {
    /// Begins the answer.
    pub(crate) fn begin(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(br#"{"status":"success","data":{"result":["#);
        Self::default()
    }

    /// Begins a series; `aggregate` is the aggregate's name and its window.
    pub(crate) fn series(&mut self, db: &str, metric: &str, aggregate: Option<(&str, &str)>, out: &mut Vec<u8>) {
        self.end_series(out);
        out.extend_from_slice(if self.series == 0 {
            br#"{"metric":{"__name__":"#
        } else {
            br#",{"metric":{"__name__":"#
        });
        write_json_string(metric, out);
        if let Some((name, _)) = aggregate {
            out.extend_from_slice(br#","aggregate":"#);
            write_json_string(name, out);
        }
        out.extend_from_slice(br#","db":"#);
        write_json_string(db, out);
        if let Some((_, window)) = aggregate {
            out.extend_from_slice(br#","window":"#);
            write_json_string(window, out);
        }
        out.extend_from_slice(br#"},"values":["#);
        self.series += 1;
        self.rows_in_series = 0;
    }

    /// One row of the current series.
    pub(crate) fn row(&mut self, at: Timestamp, value: Value, out: &mut Vec<u8>) {
        write_row(at, value, self.rows_in_series > 0, out);
        self.rows_in_series += 1;
    }

    /// Rows of one type. Sends what is full.
    pub(crate) fn rows(&mut self, times: &[Timestamp], values: Values<'_>, out: &mut ChunkWriter) -> Result<(), Gone> {
        for (chunk, times) in times.chunks(ROWS_PER_CHECK).enumerate() {
            let from = chunk * ROWS_PER_CHECK;
            let values = values.slice(from..from + times.len());
            write_rows(times, values, self.rows_in_series > 0, out.buffer());
            self.rows_in_series += times.len();
            out.flush_if_full()?;
        }
        Ok(())
    }

    fn end_series(&mut self, out: &mut Vec<u8>) {
        if self.series > 0 {
            out.extend_from_slice(b"]}");
        }
    }

    /// Ends the answer.
    pub(crate) fn end(mut self, ending: &Ending, out: &mut Vec<u8>) {
        self.end_series(out);
        out.extend_from_slice(br#"],"resultType":"matrix""#);
        if ending.truncated {
            out.extend_from_slice(br#","truncated":true"#);
        }
        for (i, warning) in ending.warnings.iter().enumerate() {
            out.extend_from_slice(if i == 0 { br#","warnings":["# } else { b"," });
            write_json_string(warning, out);
        }
        out.extend_from_slice(if ending.warnings.is_empty() { b"}}" } else { b"]}}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_matrix_is_what_the_original_answers() {
        let mut out = Vec::new();
        MatrixText::begin(&mut out).end(&Ending::default(), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"status":"success","data":{"result":[],"resultType":"matrix"}}"#
        );
    }

    #[test]
    fn series_rows_and_warnings_make_valid_json() {
        let mut out = Vec::new();
        let mut matrix = MatrixText::begin(&mut out);
        matrix.series("metrics", "cpu \"x\"", None, &mut out);
        matrix.row(1_795_212_517_000_000_000, Value::Float32(6.63054), &mut out);
        matrix.row(1_795_212_517_000_000_001, Value::Int32(-2), &mut out);
        matrix.series("metrics", "cpu", Some(("avg", "5m0s")), &mut out);
        matrix.row(0, Value::Float64(1e-7), &mut out);
        matrix.end(&Ending { warnings: vec!["a".into(), "b\n".into()], truncated: true }, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r#"[1795212517.000000001,"-2"]"#), "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let data = &json["data"];
        assert_eq!(data["result"][0]["metric"]["__name__"], "cpu \"x\"");
        assert_eq!(data["result"][0]["values"][0][1], "6.63054");
        assert_eq!(data["result"][1]["metric"]["window"], "5m0s");
        assert_eq!(data["result"][1]["values"][0][1], "0.0000001");
        assert_eq!(data["warnings"][1], "b\n");
        assert_eq!(data["truncated"], true);
    }
}
