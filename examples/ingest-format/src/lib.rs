//! A third party's ingest format: semicolon CSV, as spreadsheets and data loggers write it.
//!
//! ```text
//! database;metric;value;timestamp_ns
//! prod;room.temp;21.5;1715000000000000000
//! prod;room.door;1;
//! ```
//!
//! NanoTDB knows ingest formats by name only, so adding one takes no change to NanoTDB itself:
//!
//! 1. implement [`IngestFormat`] and [`IngestParser`] (this file, with `nanotdb-core` as the only dependency),
//! 2. register it with `inventory::submit!` (the last line before the tests),
//! 3. name the crate in a binary of your own, `src/main.rs` here, which is the whole NanoTDB server plus this format,
//! 4. call the conformance kit from a test; it tries the laws that every format must keep.
//!
//! Then every part of NanoTDB takes the format by its name or by its content type:
//!
//! ```text
//! cargo run -p example-ingest-format -- --data ./data --listen 127.0.0.1:8428
//! curl 'localhost:8428/api/v1/import?format=semicolon_csv' --data-binary @samples.csv
//! curl localhost:8428/api/v1/import -H 'Content-Type: text/csv' --data-binary @samples.csv
//! ```
//!
//! `nanocli import --format semicolon_csv` works the same way in a binary that calls `nanotdb_cli::run()`.
//!
//! # The format
//!
//! One sample per line, four fields. An empty timestamp, or none at all, means the time of arrival. A value without
//! `.` and exponent is an integer. The header line may be left out, and may come again where files were joined. Empty
//! lines are passed over. Quotes are not special: no name that NanoTDB takes needs them.

#![deny(unsafe_code)]

use nanotdb_core::model::{Number, Timestamp};
use nanotdb_core::plugin::{
    IngestError, IngestFormat, IngestFormatPlugin, IngestOptions, IngestParser, SampleSink, inventory,
};

const HEADER: &str = "database;metric;value;timestamp_ns";
/// The limit when the options name none.
const DEFAULT_MAX_LINE_BYTES: usize = 65_536;
/// So many bytes of a bad field are quoted.
const EXCERPT_CHARS: usize = 40;

/// Semicolon CSV; see the crate's documentation for its grammar.
pub struct SemicolonCsv;

impl IngestFormat for SemicolonCsv {
    fn name(&self) -> &'static str {
        "semicolon_csv"
    }

    fn about(&self) -> &'static str {
        "lines of database;metric;value;timestamp_ns (an example)"
    }

    fn content_types(&self) -> &'static [&'static str] {
        &["text/csv"]
    }

    fn parser(&self, options: &IngestOptions) -> Box<dyn IngestParser> {
        let limit = if options.max_line_bytes == 0 { DEFAULT_MAX_LINE_BYTES } else { options.max_line_bytes };
        Box::new(Parser { finished: 0, limit, skipping: false })
    }
}

/// The state between two pieces of one input.
struct Parser {
    /// Lines that have ended.
    finished: u64,
    /// Longest accepted line in bytes.
    limit: usize,
    /// The current line is too long and was rejected: what is left of it is not kept, only looked through for its end.
    skipping: bool,
}

impl IngestParser for Parser {
    fn parse(&mut self, input: &[u8], end: bool, sink: &mut dyn SampleSink) -> Result<usize, IngestError> {
        let mut rest = input;
        while let Some((line, tail)) = split_line(rest) {
            rest = tail;
            self.finished += 1;
            if !std::mem::take(&mut self.skipping) {
                self.line(self.finished, line, sink);
            }
        }
        // What is left is the beginning of a line. It stays with the caller until the rest has arrived, unless it is
        // too long already.
        if self.skipping {
            return Ok(input.len());
        }
        if rest.len() > self.limit {
            self.line(self.finished + 1, rest, sink);
            self.skipping = true;
            return Ok(input.len());
        }
        if end {
            self.line(self.finished + 1, rest, sink);
            return Ok(input.len());
        }
        Ok(input.len() - rest.len())
    }
}

impl Parser {
    fn line(&self, number: u64, line: &[u8], sink: &mut dyn SampleSink) {
        if line.len() > self.limit {
            // Said without quoting the line: how much of it has arrived must not change the outcome.
            return sink.reject(number, format!("line is longer than {} bytes, the limit on one line", self.limit));
        }
        let line = line.trim_ascii();
        if line.is_empty() || line == HEADER.as_bytes() {
            return;
        }
        match fields(line) {
            Ok((database, metric, value, timestamp)) => sink.sample(number, database, metric, value, timestamp),
            Err(reason) => sink.reject(number, reason),
        }
    }
}

/// The first whole line without its newline, and what follows it.
fn split_line(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = input.iter().position(|b| *b == b'\n')?;
    let (line, tail) = input.split_at_checked(at)?;
    Some((line, tail.get(1..)?))
}

type Fields<'a> = (&'a [u8], &'a [u8], Number, Option<Timestamp>);

/// The four fields of a line. Names are not checked here: the sink does that for every format alike.
fn fields(line: &[u8]) -> Result<Fields<'_>, String> {
    let mut fields = line.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let mut next = || fields.next();
    let (Some(database), Some(metric), Some(value), timestamp, None) = (next(), next(), next(), next(), next()) else {
        return Err(format!("{} is not {HEADER}", quoted(line)));
    };
    let value = number(value).ok_or_else(|| {
        format!("value {} is not a finite number; write an integer (42) or a decimal (21.5, 1e-3)", quoted(value))
    })?;
    let timestamp = match timestamp.unwrap_or_default() {
        b"" => None,
        text => Some(parse(text).ok_or_else(|| {
            format!("timestamp {} is not Unix nanoseconds, for example 1715000000000000000", quoted(text))
        })?),
    };
    Ok((database, metric, value, timestamp))
}

fn number(text: &[u8]) -> Option<Number> {
    if let Some(integer) = parse(text) {
        return Some(Number::integer(integer));
    }
    // Read once per width, because a float64 rounded again is not always the nearest float32.
    let (double, single): (f64, f32) = (parse(text)?, parse(text)?);
    // `inf`, `nan`, `1e999` and `1e-999`, which it takes for 0, are numbers to the standard library.
    let is_written_zero = text.iter().take_while(|b| !b"eE".contains(b)).all(|b| !(b'1'..=b'9').contains(b));
    (double.is_finite() && (double != 0.0 || is_written_zero)).then(|| Number::decimal(double, single))
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn quoted(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String = text.chars().take(EXCERPT_CHARS).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    format!("{shown:?}")
}

inventory::submit! { IngestFormatPlugin(&SemicolonCsv) }

#[cfg(test)]
mod tests {
    use super::*;
    use nanotdb_core::model::ValueType;
    use nanotdb_core::plugin::conformance;

    /// Line, database, metric, value as an integer and as a float, timestamp.
    type Sample = (u64, String, String, Option<i64>, f64, Option<Timestamp>);

    #[derive(Default)]
    struct Seen {
        samples: Vec<Sample>,
        rejected: Vec<(u64, String)>,
    }

    impl SampleSink for Seen {
        fn sample(&mut self, line: u64, database: &[u8], metric: &[u8], value: Number, timestamp: Option<Timestamp>) {
            let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
            let integer = value.as_integer();
            self.samples.push((line, text(database), text(metric), integer, value.as_f64(), timestamp));
        }
        fn reject(&mut self, line: u64, reason: String) {
            self.rejected.push((line, reason));
        }
        fn declare(&mut self, _: u64, _: &[u8], _: &[u8], _: ValueType) {
            panic!("the format declares no types");
        }
    }

    fn parsed(input: &str, max_line_bytes: usize) -> Seen {
        let mut seen = Seen::default();
        let options = IngestOptions { max_line_bytes, ..IngestOptions::default() };
        let mut parser = SemicolonCsv.parser(&options);
        assert_eq!(parser.parse(input.as_bytes(), true, &mut seen), Ok(input.len()));
        seen
    }

    #[test]
    fn it_keeps_the_laws_of_ingest_formats() {
        let examples: [&[u8]; 3] = [
            b"database;metric;value;timestamp_ns\nprod;room.temp;21.5;1715000000000000000\r\nprod;room.door;1\n",
            b"prod;room.temp;-1e-3;\n\nprod;room.temp;x;5\nprod;room.temp;3;5",
            b"a;b;9223372036854775807;-1\ndatabase;metric;value;timestamp_ns\na;b;1;2;3\n",
        ];
        conformance::ingest_format_with(&SemicolonCsv, &examples).unwrap();
    }

    #[test]
    fn samples_are_what_the_lines_say() {
        let seen = parsed(&format!("{HEADER}\r\nprod;room.temp; 21.5 ;17\r\n\nprod;door;1\nprod;door;-2;"), 0);
        let sample =
            |line, metric: &str, integer, float, at| (line, "prod".to_owned(), metric.to_owned(), integer, float, at);
        assert_eq!(
            seen.samples,
            [
                sample(2, "room.temp", None, 21.5, Some(17)),
                sample(4, "door", Some(1), 1.0, None),
                sample(5, "door", Some(-2), -2.0, None),
            ]
        );
        assert_eq!(seen.rejected, []);
    }

    #[test]
    fn bad_lines_say_what_would_be_accepted() {
        let seen = parsed("a;b\na;b;c;1\na;b;nan;1\na;b;1;2024-05-06\na;b;1;2;3\na;b;1;99999999999999999999999\n", 0);
        assert_eq!(seen.samples, []);
        let reasons: Vec<_> = seen.rejected.iter().map(|(line, reason)| format!("{line}: {reason}")).collect();
        let value = "is not a finite number; write an integer (42) or a decimal (21.5, 1e-3)";
        let timestamp = "is not Unix nanoseconds, for example 1715000000000000000";
        assert_eq!(
            reasons,
            [
                r#"1: "a;b" is not database;metric;value;timestamp_ns"#.to_owned(),
                format!(r#"2: value "c" {value}"#),
                format!(r#"3: value "nan" {value}"#),
                format!(r#"4: timestamp "2024-05-06" {timestamp}"#),
                r#"5: "a;b;1;2;3" is not database;metric;value;timestamp_ns"#.to_owned(),
                format!(r#"6: timestamp "99999999999999999999999" {timestamp}"#),
            ]
        );
    }

    #[test]
    fn an_overlong_line_is_rejected_and_the_next_one_taken() {
        let seen = parsed("a;b;1;2\naaaaaaaaaaaaaaaaaaaaa;b;1;2\na;b;3;4", 10);
        assert_eq!(seen.samples.iter().map(|s| s.0).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(seen.rejected, [(2, "line is longer than 10 bytes, the limit on one line".to_owned())]);
    }
}
