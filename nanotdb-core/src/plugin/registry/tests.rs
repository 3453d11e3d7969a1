use super::*;
use crate::model::Timestamp;
use crate::plugin::{AggregateState, CodecError, IngestOptions, IngestParser};

/// A name, an id and further names, as any kind of plugin.
struct Claim(&'static str, u16, &'static [&'static str]);

impl Codec for Claim {
    fn id(&self) -> u16 {
        self.1
    }
    fn name(&self) -> &'static str {
        self.0
    }
    fn about(&self) -> &'static str {
        "for tests"
    }
    fn compress(&self, _: &[u8], _: &mut Vec<u8>) -> std::result::Result<(), CodecError> {
        Ok(())
    }
    fn decompress(&self, _: &[u8], _: usize, _: &mut Vec<u8>) -> std::result::Result<(), CodecError> {
        Ok(())
    }
}

impl Partitioner for Claim {
    fn name(&self) -> &'static str {
        self.0
    }
    fn about(&self) -> &'static str {
        "for tests"
    }
    fn kind_id(&self) -> u8 {
        self.1 as u8
    }
    fn partition_of(&self, _: Timestamp) -> Partition {
        Partition { start: i64::MIN, end: i64::MAX }
    }
    fn file_part(&self, _: Partition) -> String {
        "all".into()
    }
    fn parse_part(&self, part: &str) -> Option<Partition> {
        (part == "all").then(|| self.partition_of(0))
    }
    fn archive_bucket(&self, _: Partition) -> String {
        "all".into()
    }
}

impl IngestFormat for Claim {
    fn name(&self) -> &'static str {
        self.0
    }
    fn about(&self) -> &'static str {
        "for tests"
    }
    fn content_types(&self) -> &'static [&'static str] {
        self.2
    }
    fn parser(&self, _: &IngestOptions) -> Box<dyn IngestParser> {
        unreachable!("nobody parses here")
    }
}

impl Aggregator for Claim {
    fn name(&self) -> &'static str {
        self.0
    }
    fn about(&self) -> &'static str {
        "for tests"
    }
    fn aliases(&self) -> &'static [&'static str] {
        self.2
    }
    fn state(&self) -> Box<dyn AggregateState> {
        unreachable!("nobody aggregates here")
    }
}

const A: &Claim = &Claim("a", 40_001, &["text/a", "text/both"]);
const B: &Claim = &Claim("b", 40_002, &["text/b"]);
const SAME_NAME: &Claim = &Claim("a", 40_003, &["text/c"]);
const SAME_ID: &Claim = &Claim("c", 40_001, &["text/c"]);
const SAME_TYPE: &Claim = &Claim("d", 40_004, &["text/d", "Text/Both"]);
const SAME_ALIAS: &Claim = &Claim("e", 40_005, &["a"]);

#[test]
fn two_plugins_with_one_name_or_id_or_content_type_are_refused() {
    let codecs = |all: &[&'static Claim]| {
        Registry::of(all.iter().map(|p| *p as &dyn Codec).collect(), vec![], vec![], vec![]).check()
    };
    let partitioners = |all: &[&'static Claim]| {
        Registry::of(vec![], all.iter().map(|p| *p as &dyn Partitioner).collect(), vec![], vec![]).check()
    };
    let formats = |all: &[&'static Claim]| {
        Registry::of(vec![], vec![], all.iter().map(|p| *p as &dyn IngestFormat).collect(), vec![]).check()
    };
    let aggregators = |all: &[&'static Claim]| {
        Registry::of(vec![], vec![], vec![], all.iter().map(|p| *p as &dyn Aggregator).collect()).check()
    };
    type Check<'a> = &'a dyn Fn(&[&'static Claim]) -> Result<()>;
    let cases: [(Check<'_>, &[&'static Claim], &str); 7] = [
        (&codecs, &[A, SAME_NAME], "the codec \"a\""),
        (&codecs, &[A, B, SAME_ID], "the codec id \"40001\""),
        (&partitioners, &[A, SAME_NAME], "the partitioner \"a\""),
        (&partitioners, &[A, B, SAME_ID], "the partition kind \"65\""),
        (&formats, &[A, SAME_NAME], "the ingest format \"a\""),
        (&formats, &[A, B, SAME_TYPE], "the content type \"text/both\""),
        (&aggregators, &[A, B, SAME_ALIAS], "the aggregator \"a\""),
    ];
    for (check, plugins, what) in cases {
        check(&[A, B]).unwrap();
        let error = check(plugins).unwrap_err().to_string();
        assert!(error.contains("two plugins register") && error.contains(what), "{error}");
    }
}

#[test]
fn a_program_without_plugins_of_a_kind_says_how_a_crate_is_linked() {
    let empty = Registry::of(Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let told = empty.codec("s2").err().map(|e| e.to_string()).unwrap_or_default();
    assert!(told.contains("unknown codec \"s2\"") && told.contains("use nanotdb_codecs as _;"), "{told}");
}
