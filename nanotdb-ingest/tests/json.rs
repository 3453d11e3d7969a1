//! Line protocol inside JSON.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::{Event, parse, parse_in_pieces, parse_with};
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::plugin::{IngestOptions, conformance};
use nanotdb_ingest::{JsonLines, LineProtocol};
use proptest::prelude::*;

const LINES: &str = "prod/room.temp 21.5 1715000000000000000\n# a comment\nrubbish\n\"a/b\" 1\nprod/é 256i";

#[test]
fn it_holds_the_laws_of_ingest_formats() {
    conformance::ingest_format(&JsonLines).unwrap();
}

#[test]
fn a_string_and_an_array_are_the_same_as_the_lines_in_them() {
    let expected = parse(&LineProtocol, LINES.as_bytes()).unwrap();
    assert_eq!(expected.len(), 4);
    let string = serde_json::json!({ "lines": LINES, "ignored": { "lines": 1 } }).to_string();
    assert_eq!(parse(&JsonLines, string.as_bytes()).unwrap(), expected);
    let array = serde_json::json!({ "lines": LINES.split('\n').collect::<Vec<_>>() }).to_string();
    assert_eq!(parse(&JsonLines, array.as_bytes()).unwrap(), expected);
    let closed: Vec<_> = LINES.split('\n').map(|l| format!("{l}\r\n")).collect();
    let array = serde_json::json!({ "lines": closed }).to_string();
    assert_eq!(parse(&JsonLines, array.as_bytes()).unwrap(), expected);
    assert_eq!(parse(&JsonLines, br#" {"lines":""} "#).unwrap(), []);
    assert_eq!(parse(&JsonLines, br#"{"lines":[]}"#).unwrap(), []);
}

#[test]
fn malformed_documents_are_told_what_is_expected() {
    for (document, found) in [
        ("", "empty"),
        (" \n", "empty"),
        ("prod/room.temp 21.5", "not a JSON document"),
        ("{\"lines\":\"a/b 1\"", "not a JSON document"),
        ("{\"lines\":\"a/b 1\"} x", "not a JSON document"),
        ("[\"a/b 1\"]", "is an array"),
        ("{\"line\":\"a/b 1\"}", "no \"lines\""),
        ("{\"lines\":5}", "\"lines\" is a number"),
        ("{\"lines\":null}", "\"lines\" is null"),
        ("{\"lines\":[\"a/b 1\",2]}", "element 2 of \"lines\" is a number"),
        ("{\"lines\":[\"a/b 1\",]}", "not a JSON document"),
        ("{\"lines\":\"\",}", "not a JSON document"),
        ("{\"lines\":\"\",\"lines\":[]}", "two \"lines\""),
        ("{\"x\":01,\"lines\":\"\"}", "not a JSON document"),
        ("{\"x\":nil,\"lines\":\"\"}", "not a JSON document"),
        ("{\"x\":[1}],\"lines\":\"\"}", "not a JSON document"),
        ("{\"lines\":\"\\ud83d\"}", "surrogate"),
        ("{\"lines\":\"a\nb\"}", "control character"),
    ] {
        let error = parse(&JsonLines, document.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(found) && error.contains(r#"{"lines":"#), "{document:?}: {error}");
    }
    assert!(parse(&JsonLines, b"{\"lines\":\"\xff\"}").unwrap_err().to_string().contains("not a JSON document"));
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    assert!(parse(&JsonLines, deep.as_bytes()).is_err());
}

#[test]
fn the_limit_on_a_line_holds_inside_json() {
    let limit = IngestOptions { max_line_bytes: 10, ..IngestOptions::default() };
    let found = parse_with(&JsonLines, &limit, br#"{"lines":"a/b 1\na/bcdefghijkl 2\na/b 3"}"#).unwrap();
    assert!(
        matches!(found[..], [Event::Sample { .. }, Event::Reject { line: 2, .. }, Event::Sample { .. }]),
        "{found:?}"
    );
}

#[test]
fn the_registry_knows_all_formats_by_name_and_media_type() {
    let names: Vec<_> = registry().ingest_formats().iter().map(|f| f.name()).collect();
    assert_eq!(names, ["json", "line_protocol", "prometheus"]);
    registry().check().unwrap();
    for (media, name) in [
        ("text/plain", "line_protocol"),
        ("Text/Plain; charset=utf-8", "line_protocol"),
        ("application/octet-stream", "line_protocol"),
        ("application/x-www-form-urlencoded", "line_protocol"),
        ("application/json; charset=utf-8", "json"),
        ("application/openmetrics-text; version=1.0.0", "prometheus"),
    ] {
        assert_eq!(registry().ingest_format_for(media).map(|f| f.name()), Some(name), "{media}");
    }
}

/// Documents of any JSON library, as another one reads them.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i8>().prop_map(Into::into),
        "\\PC{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec(("[a-z\"\\\\]{0,5}", inner), 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What the text of the lines is, by another JSON library.
fn lines_of(document: &[u8]) -> Option<String> {
    match serde_json::from_slice::<serde_json::Value>(document).ok()?.get("lines")? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Array(lines) => {
            let lines = lines.iter().map(|line| Some(line.as_str()?.strip_suffix('\n').unwrap_or(line.as_str()?)));
            Some(lines.collect::<Option<Vec<_>>>()?.join("\n"))
        }
        _ => None,
    }
}

proptest! {
    #[test]
    fn documents_are_read_as_another_library_reads_them(
        members in prop::collection::vec(("[a-z\"]{0,6}", any_json()), 0..4),
        lines in prop::collection::vec("([a-c]/[a-zé😀\"\\\\\t]{1,4} [0-9]{1,4}){0,1}\n?", 0..5),
        array in any::<bool>(),
        escaped in any::<bool>(),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        sizes in prop::collection::vec(1_usize..30, 1..20),
    ) {
        let mut object: serde_json::Map<_, _> = members.into_iter().filter(|(key, _)| key != "lines").collect();
        let value = if array { serde_json::json!(lines) } else { serde_json::json!(lines.concat()) };
        object.insert("lines".into(), value);
        let mut text = serde_json::to_string(&object).unwrap();
        if escaped {
            let escape = |c: char| match c.is_ascii() {
                true => c.to_string(),
                false => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
            };
            text = text.chars().map(escape).collect();
        }
        let mut bytes = text.into_bytes();
        if let Some((at, byte)) = damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let found = parse_in_pieces(&JsonLines, &IngestOptions::default(), &bytes, sizes.iter().copied().cycle());
        match lines_of(&bytes) {
            Some(lines) => prop_assert_eq!(found.unwrap().0, parse(&LineProtocol, lines.as_bytes()).unwrap()),
            // Two members of one name are one too many here.
            None => prop_assert!(found.is_err()),
        }
    }

    #[test]
    fn pieces_do_not_matter(lines in "([a-c]/[a-z] [0-9]{1,4}\\PC{0,3}\n){0,6}", cut in 0_usize..200, sizes in prop::collection::vec(1_usize..30, 1..20)) {
        let mut text = serde_json::json!({ "lines": lines }).to_string().into_bytes();
        text.truncate(text.len().max(cut) - cut / 2);
        let options = IngestOptions::default();
        let pieces = parse_in_pieces(&JsonLines, &options, &text, sizes.iter().copied().cycle());
        prop_assert_eq!(parse(&JsonLines, &text), pieces.map(|(events, _)| events));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[{}\"lines:\\[\\]\\\\,0-9]{0,40}") {
        let _ = parse(&JsonLines, &bytes);
        let _ = parse(&JsonLines, text.as_bytes());
    }
}
