//! Prometheus text.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::{Event, parse, parse_in_pieces, parse_with};
use nanotdb_core::model::NumberKind;
use nanotdb_core::plugin::{IngestOptions, conformance};
use nanotdb_ingest::{Prometheus, looks_like_prometheus};
use proptest::prelude::*;

fn float(line: u64, metric: &str, value: f64, timestamp: Option<i64>) -> Event {
    Event::sample(line, &format!("prometheus/{metric}"), NumberKind::Float, None, value, value as f32, timestamp)
}

fn reason(line: &str) -> String {
    match &parse(&Prometheus, line.as_bytes()).unwrap()[..] {
        [Event::Reject { line: 1, reason }] => reason.clone(),
        other => panic!("{line:?} gave {other:?}"),
    }
}

#[test]
fn it_holds_the_laws_of_ingest_formats() {
    conformance::ingest_format(&Prometheus).unwrap();
}

#[test]
fn the_example_of_the_format() {
    // After the example in Prometheus' "Exposition formats".
    let text = r#"# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero"} +Inf -3982045
http_request_duration_seconds_bucket{le="+Inf",} 144320
"#;
    let found = parse(&Prometheus, text.as_bytes()).unwrap();
    let [a, b, c, d, Event::Reject { line: 10, reason }, e] = &found[..] else { panic!("{found:#?}") };
    let at = Some(1_395_066_363_000_000_000);
    assert_eq!(a, &float(3, r#"http_requests_total{code="200",method="post"}"#, 1027.0, at));
    assert_eq!(b, &float(4, r#"http_requests_total{code="400",method="post"}"#, 3.0, at));
    let name = r#"msdos_file_access_time_seconds{error="Cannot_find_file:_\"FILE.TXT\"",path="C:\\DIR\\FILE.TXT"}"#;
    assert_eq!(c, &float(7, name, 1.458255915e9, None));
    assert_eq!(d, &float(9, "metric_without_timestamp_and_labels", 12.47, None));
    assert!(reason.contains("\"+Inf\"") && reason.contains("finite"), "{reason}");
    assert_eq!(e, &float(11, r#"http_request_duration_seconds_bucket{le="+Inf"}"#, 144_320.0, None));
}

#[test]
fn one_series_has_one_name() {
    let name = r#"up{a="1",b="x_y"}"#;
    for line in [
        r#"up{a="1",b="x y"} 1"#,
        r#"up{b="x y",a="1"} 1"#,
        "up { b = \"x\ty\" , a = \"1\" , } 1",
        "up{b=\"x\\ny\",a=\"1\"}1\r",
        "up{b=\"x\u{a0}y\",a=\"1\"}\t1",
    ] {
        assert_eq!(parse(&Prometheus, line.as_bytes()).unwrap(), [float(1, name, 1.0, None)], "{line:?}");
    }
    assert_eq!(parse(&Prometheus, b"up{} 1").unwrap(), [float(1, "up", 1.0, None)]);
    assert_eq!(parse(&Prometheus, br#"up{a="\d"} 1"#).unwrap(), [float(1, r#"up{a="\\d"}"#, 1.0, None)]);
}

#[test]
fn the_database_is_that_of_the_request() {
    let options = IngestOptions { database: Some("metrics".to_owned()), ..IngestOptions::default() };
    let found = parse_with(&Prometheus, &options, b"up 1").unwrap();
    assert_eq!(found, [Event::sample(1, "metrics/up", NumberKind::Float, None, 1.0, 1.0, None)]);
}

#[test]
fn timestamps_are_milliseconds_or_openmetrics_seconds() {
    for (text, nanoseconds) in [
        ("1715000000123", 1_715_000_000_123_000_000),
        ("-1715000000123", -1_715_000_000_123_000_000),
        ("1715000000", 1_715_000_000_000_000_000),
        ("1715000000.123456789", 1_715_000_000_123_456_789),
        ("1715000000.1234567891", 1_715_000_000_123_456_789),
        ("-0.5", -500_000_000),
        ("1.715e9", 1_715_000_000_000_000_000),
        ("9223372036854", 9_223_372_036_854_000_000),
    ] {
        let found = parse(&Prometheus, format!("up 1 {text}").as_bytes()).unwrap();
        assert_eq!(found, [float(1, "up", 1.0, Some(nanoseconds))], "{text}");
    }
    for text in ["9223372036855", "now", "1e99", "1.2.3", "0x10", "NaN"] {
        let reason = reason(&format!("up 1 {text}"));
        assert!(reason.contains(&format!("{text:?}")) && reason.contains("milliseconds"), "{reason}");
    }
}

#[test]
fn exemplars_and_the_end_mark_of_openmetrics_are_skipped() {
    let text =
        "a_bucket{le=\"0.1\"} 8 # {} 0.054\na_bucket{le=\"1\"} 11 1715000000.5 # {trace_id=\"K\"} 0.67 1\n# EOF\n";
    let expected = [
        float(1, "a_bucket{le=\"0.1\"}", 8.0, None),
        float(2, "a_bucket{le=\"1\"}", 11.0, Some(1_715_000_000_500_000_000)),
    ];
    assert_eq!(parse(&Prometheus, text.as_bytes()).unwrap(), expected);
}

/// Numbers of this format are float64, unsigned counters of 64 bits too.
#[test]
fn integers_are_the_float64_next_to_them() {
    for (text, value) in [
        ("18446744073709551615", 18_446_744_073_709_551_616.0),
        ("9223372036854775809", 9_223_372_036_854_775_808.0),
        ("9007199254740993", 9_007_199_254_740_992.0),
    ] {
        assert_eq!(
            parse(&Prometheus, format!("up {text}").as_bytes()).unwrap(),
            [float(1, "up", value, None)],
            "{text}"
        );
    }
}

#[test]
fn reasons_name_what_was_found_and_what_is_accepted() {
    for (line, found, accepted) in [
        ("room.temp 21.5", "\"room.temp\"", "metric name"),
        ("1up 21.5", "\"1up\"", "metric name"),
        ("up", "\"up\"", "no value"),
        ("up{a=\"1\"", "the line ends", "expected"),
        ("up{a=\"1", "\"a\"", "closing quote"),
        ("up{a=\"1\\", "\"a\"", "closing quote"),
        ("up{a=1} 1", "\"a=1} 1\"", "label"),
        ("up{a=\"1\" b=\"2\"} 1", "comma", "name{label"),
        ("up{,} 1", "\",} 1\"", "name{label"),
        ("up{a=\"1\",a=\"2\"} 1", "\"a\"", "twice"),
        ("up x", "\"x\"", "21.5"),
        ("up NaN", "\"NaN\"", "finite"),
        ("up -Inf", "\"-Inf\"", "finite"),
        ("up 5i", "\"5i\"", "decimal"),
        ("up 1e-400", "\"1e-400\"", "not 0"),
        ("up 1 2 3", "\"3\"", "timestamp"),
    ] {
        let reason = reason(line);
        assert!(reason.contains(found) && reason.contains(accepted), "{line:?}: {reason}");
    }
    let found = parse(&Prometheus, b"up{a=\"\xff\"} 1\nup 1").unwrap();
    assert!(
        matches!(&found[..], [Event::Reject { line: 1, reason }, Event::Sample { line: 2, .. }] if reason.contains("UTF-8"))
    );
}

#[test]
fn it_is_told_from_line_protocol_by_its_beginning() {
    for prometheus in [
        "up 1\n",
        "\n  \nup{path=\"/a b\"} 1",
        "# HELP up Whether it is up.\nprod/room.temp 1",
        "# TYPE up gauge",
        "# just a comment\nhttp:requests_total 5",
        "http_requests_total{path=\"/api",
    ] {
        assert!(looks_like_prometheus(prometheus.as_bytes()), "{prometheus:?}");
    }
    for other in [
        "",
        "# a comment",
        "prod/room.temp 21.5",
        "# type a/b int64\na/b 1",
        "a/b{x=\"1\"} 2",
        "room.temp 5",
        "\u{0}",
        "{\"lines\":\"\"}",
    ] {
        assert!(!looks_like_prometheus(other.as_bytes()), "{other:?}");
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        lines in prop::collection::vec("[a-c]{1,3}(\\{([a-c]=\"[^\"\n]{0,4}\",?){0,3}\\})? [-+0-9.eIn]{1,5}( [0-9.]{1,14})?|# \\PC{0,9}|\\PC{0,20}", 0..10),
        sizes in prop::collection::vec(0_usize..30, 1..20),
        limit in prop_oneof![Just(0_usize), 1_usize..40],
    ) {
        let text = lines.join("\n");
        let options = IngestOptions { max_line_bytes: limit, ..IngestOptions::default() };
        let pieces = parse_in_pieces(&Prometheus, &options, text.as_bytes(), sizes.iter().copied().cycle());
        prop_assert_eq!(parse_with(&Prometheus, &options, text.as_bytes()), pieces.map(|(events, _)| events));
    }

    #[test]
    fn names_never_hold_white_space_and_lines_are_told_once(bytes in prop::collection::vec(any::<u8>(), 0..60), value in "[^\"\\\\\n]{0,12}") {
        let mut text = format!("up{{a=\"{value}\"}} 1\n").into_bytes();
        text.extend(bytes);
        let _ = looks_like_prometheus(&text);
        let found = parse(&Prometheus, &text).unwrap();
        prop_assert_eq!(found.first().map(|e| (e.line(), matches!(e, Event::Sample { .. }))), Some((1, true)));
        for event in found {
            if let Event::Sample { metric, .. } = event {
                let metric = String::from_utf8(metric).unwrap();
                prop_assert!(!metric.contains(char::is_whitespace), "{metric:?}");
            }
        }
    }
}
