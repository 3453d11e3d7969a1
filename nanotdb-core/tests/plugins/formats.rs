//! Parsers that break their contract.

use crate::common::bench::Bench;
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::Batch;
use nanotdb_core::maintenance::import::{ImportReport, import};
use nanotdb_core::model::Number;
use nanotdb_core::plugin::{
    CheckedParser, IngestError, IngestFailure, IngestFormat, IngestOptions, IngestParser, SampleSink, conformance,
};

/// What a parser says that it used.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Uses {
    All,
    NothingAtTheEnd,
    More,
    Panics,
}

/// One sample per line `metric value`, of the database that the sender named.
struct Pairs(Uses);

struct PairsParser {
    uses: Uses,
    database: Vec<u8>,
    line: u64,
}

impl IngestFormat for Pairs {
    fn name(&self) -> &'static str {
        "pairs"
    }
    fn about(&self) -> &'static str {
        "for tests"
    }
    fn content_types(&self) -> &'static [&'static str] {
        &[]
    }
    fn parser(&self, options: &IngestOptions) -> Box<dyn IngestParser> {
        // Whoever names no database is told: there is nothing to invent.
        let database = options.database.clone().unwrap_or_default().into_bytes();
        Box::new(PairsParser { uses: self.0, database, line: 0 })
    }
}

impl IngestParser for PairsParser {
    fn parse(&mut self, input: &[u8], end: bool, sink: &mut dyn SampleSink) -> Result<usize, IngestError> {
        let mut used = 0;
        while used < input.len() {
            let rest = &input[used..];
            let (line, len) = match rest.iter().position(|b| *b == b'\n') {
                Some(at) => (&rest[..at], at + 1),
                None if end && self.uses == Uses::NothingAtTheEnd => return Ok(used),
                None if end => (rest, rest.len()),
                None => break,
            };
            self.line += 1;
            used += len;
            let text = String::from_utf8_lossy(line).into_owned();
            let pair = text.split_once(' ').and_then(|(name, value)| Some((name, value.parse::<i64>().ok()?)));
            match pair.filter(|_| !self.database.is_empty()) {
                Some((name, value)) => {
                    sink.sample(self.line, &self.database, name.as_bytes(), Number::integer(value), None);
                }
                None => sink.reject(self.line, "a line is `metric value`, and ?db= names the database".into()),
            }
            assert!(self.uses != Uses::Panics, "no such line");
        }
        Ok(if self.uses == Uses::More { used + 5 } else { used })
    }
}

const TEXT: &[u8] = b"a 1\nb 2\nc 3";

fn options() -> IngestOptions {
    IngestOptions { database: Some("d".into()), ..IngestOptions::default() }
}

#[test]
fn the_host_holds_a_parser_to_its_contract() {
    for (uses, reason) in [
        (Uses::NothingAtTheEnd, "at the end of the input it left 3 bytes unused"),
        (Uses::More, "it says that it used 16 bytes of 11"),
        (Uses::Panics, "it panicked: no such line"),
    ] {
        let mut batch = Batch::new();
        let failure = CheckedParser::new(&Pairs(uses), &options()).unwrap().parse(TEXT, true, &mut batch).unwrap_err();
        let IngestFailure::Contract(text) = failure else { panic!("{failure:?}") };
        assert!(text.contains("format \"pairs\" broke its contract"), "{text}");
        assert!(text.contains(reason), "{text}");

        let bench = Bench::new(FsyncPolicy::Always, 100);
        let engine = bench.open();
        let mut report = ImportReport::default();
        let imported = import(&engine, &Pairs(uses), &options(), &mut &TEXT[..], &mut report, &mut |_| {});
        assert!(imported.unwrap_err().to_string().contains(reason), "{uses:?}");
    }
    let mut batch = Batch::new();
    let mut parser = CheckedParser::new(&Pairs(Uses::All), &options()).unwrap();
    assert_eq!(parser.parse(&TEXT[..9], false, &mut batch), Ok(8), "less is fine before the end");
    assert_eq!(parser.parse(&TEXT[8..], true, &mut batch), Ok(3));
    assert_eq!(batch.len(), 3);
}

#[test]
fn the_kit_names_the_law_and_takes_formats_whose_lines_name_no_database() {
    conformance::ingest_format_with(&Pairs(Uses::All), &[TEXT]).unwrap();
    conformance::ingest_format_for(&Pairs(Uses::All), &options(), &[TEXT]).unwrap();
    let nowhere = IngestOptions::default();
    conformance::ingest_format_for(&Pairs(Uses::All), &nowhere, &[TEXT]).unwrap_err();
    for (uses, law) in [
        (Uses::NothingAtTheEnd, "the law: with `end` everything is used"),
        (Uses::More, "the law: never more than was given"),
        (Uses::Panics, "panics: no such line"),
    ] {
        let error = conformance::ingest_format_with(&Pairs(uses), &[TEXT]).unwrap_err();
        assert!(error.contains(law), "{error}");
    }
}
