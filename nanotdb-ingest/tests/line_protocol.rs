//! The line protocol: what it accepts, what it says about the rest, and that pieces do not matter.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::{Event, parse, parse_in_pieces, parse_with};
use nanotdb_core::model::{NumberKind, Value, ValueType};
use nanotdb_core::plugin::{IngestOptions, conformance};
use nanotdb_ingest::LineProtocol;
use proptest::prelude::*;

fn events(text: impl AsRef<[u8]>) -> Vec<Event> {
    parse(&LineProtocol, text.as_ref()).unwrap()
}

fn reason(line: &str) -> String {
    match events(line).as_slice() {
        [Event::Reject { line: 1, reason }] => reason.clone(),
        other => panic!("{line:?} gave {other:?}"),
    }
}

fn integer(line: u64, key: &str, value: i64, timestamp: Option<i64>) -> Event {
    Event::sample(line, key, NumberKind::Integer, Some(value), value as f64, value as f32, timestamp)
}

fn suffixed(line: u64, key: &str, value: i64, timestamp: Option<i64>) -> Event {
    Event::sample(line, key, NumberKind::SuffixedInteger, Some(value), value as f64, value as f32, timestamp)
}

fn float(line: u64, key: &str, value: f64, single: f32, timestamp: Option<i64>) -> Event {
    Event::sample(line, key, NumberKind::Float, None, value, single, timestamp)
}

#[test]
fn it_holds_the_laws_of_ingest_formats() {
    conformance::ingest_format(&LineProtocol).unwrap();
}

#[test]
fn the_examples_of_the_readme() {
    let text = "prod/room.temp 21.5 1715000000000000000\nsensors/pressure.hpa 1013\ninternal/batch.size 256i\n";
    let expected = [
        float(1, "prod/room.temp", 21.5, 21.5, Some(1_715_000_000_000_000_000)),
        integer(2, "sensors/pressure.hpa", 1013, None),
        suffixed(3, "internal/batch.size", 256, None),
    ];
    assert_eq!(events(text), expected);
}

#[test]
fn spacing_line_ends_comments_and_blank_lines() {
    let text = "\r\n# a comment\r\n  a/b\t 1 \t 1715000000000000002  \r\n\n \t \na/b 3";
    assert_eq!(events(text), [integer(3, "a/b", 1, Some(1_715_000_000_000_000_002)), integer(6, "a/b", 3, None)]);
    assert_eq!(events(""), []);
    assert_eq!(events("\n"), []);
}

#[test]
fn the_database_ends_at_the_first_slash() {
    let [Event::Sample { database, metric, .. }] = &events("a/b/c/d 1")[..] else { panic!() };
    assert_eq!((database.as_slice(), metric.as_slice()), (&b"a"[..], &b"b/c/d"[..]));
}

#[test]
fn numbers_of_every_notation() {
    for (text, value) in [("42", 42), ("-7", -7), ("+7", 7), ("0", 0), ("-0", 0), ("007", 7)] {
        assert_eq!(events(format!("a/b {text}")), [integer(1, "a/b", value, None)], "{text}");
    }
    for (text, value) in [
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        ("0000000000000000000000001", 1),
        ("1000000000000000000", 1_000_000_000_000_000_000),
    ] {
        assert_eq!(events(format!("a/b {text}")), [integer(1, "a/b", value, None)], "{text}");
    }
    for (text, value) in [
        ("256i", 256),
        ("256.0i", 256),
        ("-256.i", -256),
        ("2.56e2i", 256),
        ("25600e-2i", 256),
        ("0.0e9999999999999i", 0),
        ("9223372036854775807i", i64::MAX),
        ("9223372036854775807.00i", i64::MAX),
        ("-9223372036854775808i", i64::MIN),
        ("9007199254740993.0i", 9_007_199_254_740_993),
    ] {
        assert_eq!(events(format!("a/b {text}")), [suffixed(1, "a/b", value, None)], "{text}");
    }
    for (text, value) in [
        ("21.5", 21.5),
        ("-21.5", -21.5),
        ("+21.5", 21.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0.0", -0.0),
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("1e+3", 1000.0),
        ("0.000e-400", 0.0),
        ("5e-324", 5e-324),
        ("100000000000000000000.0", 1e20),
    ] {
        assert_eq!(events(format!("a/b {text}")), [float(1, "a/b", value, value as f32, None)], "{text}");
    }
}

#[test]
fn a_float32_is_rounded_once() {
    // 1 + 2^-24 + 2^-60: the nearest float64 is exactly half way between two float32, the decimal is above it.
    let text = "1.000000059604644776";
    let double: f64 = text.parse().unwrap();
    assert_eq!(double as f32, 1.0, "rounding twice gives another float32");
    assert_eq!(events(format!("a/b {text}")), [float(1, "a/b", double, 1.000_000_1, None)]);
}

#[test]
fn timestamps_of_every_notation() {
    let at = |text: &str, ts| assert_eq!(events(format!("a/b 1 {text}")), [integer(1, "a/b", 1, Some(ts))], "{text}");
    at("1715000000000000000", 1_715_000_000_000_000_000);
    at("9223372036854775807", i64::MAX);
    at("2026-05-22 13:14:15", 1_779_455_655_000_000_000);
    // As the original takes them: to the minute, to the hour, to the day.
    at("2026-05-22 13:14", 1_779_455_640_000_000_000);
    at("2026-05-22 13", 1_779_454_800_000_000_000);
    at("2026-05-22", 1_779_408_000_000_000_000);
    at("2026-05-22 13:14:15.000000016", 1_779_455_655_000_000_016);
    at("2026-05-22T13:14:15Z", 1_779_455_655_000_000_000);
    at("2026-05-22T15:14:15.25+02:00", 1_779_455_655_250_000_000);
}

#[test]
fn a_time_of_another_unit_is_refused_and_a_stated_unit_holds() {
    use nanotdb_core::model::time::TimeUnit::{Microseconds, Milliseconds, Nanoseconds, Seconds};
    const AT: i64 = 1_715_000_000_000_000_000;
    for (text, unit, time) in
        [("1715000000", Seconds, AT), ("1715000000000", Milliseconds, AT), ("1715000000000000", Microseconds, AT)]
    {
        let reason = reason(&format!("a/b 1 {text}"));
        assert!(reason.contains(&format!("looks like Unix {}", unit.name())), "{reason}");
        assert!(reason.contains(&format!("timestamp_unit={unit}")), "{reason}");
        let options = IngestOptions { timestamp_unit: Some(unit), ..IngestOptions::default() };
        for end in ["\n", ""] {
            let input = format!("a/b 1 {text}{end}");
            let found = parse_with(&LineProtocol, &options, input.as_bytes()).unwrap();
            assert_eq!(found, [integer(1, "a/b", 1, Some(time))], "{input:?}");
        }
        let json = format!(r#"{{"lines":"a/b 1 {text}"}}"#);
        let found = parse_with(&nanotdb_ingest::JsonLines, &options, json.as_bytes()).unwrap();
        assert_eq!(found, [integer(1, "a/b", 1, Some(time))]);
        let prometheus = IngestOptions { database: Some("a".into()), ..options };
        let found = parse_with(&nanotdb_ingest::Prometheus, &prometheus, format!("b 1 {text}").as_bytes()).unwrap();
        assert_eq!(found, [float(1, "a/b", 1.0, 1.0, Some(time))]);
    }
    // No number stands in a reason but the sender's.
    assert!(!reason("a/b 1 20").contains("17150"), "{}", reason("a/b 1 20"));
    // Nineteen digits go another way through the parser.
    for text in ["0", "-5", "0000001715000000000", "0315532799999999999"] {
        assert!(reason(&format!("a/b 1 {text}")).contains("before 1980"), "{text}");
        assert!(matches!(&events(format!("a/b 1 {text}\n"))[..], [Event::Reject { .. }]), "{text}");
    }
    assert_eq!(events("a/b 1 0315532800000000000\n"), [integer(1, "a/b", 1, Some(315_532_800_000_000_000))]);
    let options = IngestOptions { timestamp_unit: Some(Nanoseconds), ..IngestOptions::default() };
    for (text, time) in [("0", 0), ("-5", -5), ("1715000000", 1_715_000_000), ("-9223372036854775808", i64::MIN)] {
        let found = parse_with(&LineProtocol, &options, format!("a/b 1 {text}").as_bytes()).unwrap();
        assert_eq!(found, [integer(1, "a/b", 1, Some(time))], "{text}");
    }
    // A time that is written as a date is one.
    assert_eq!(events("a/b 1 1970-01-01 00:00:00.000000005"), [integer(1, "a/b", 1, Some(5))]);
}

/// What node_exporter writes, sent where line protocol is expected.
#[test]
fn text_of_prometheus_is_told_where_it_goes() {
    for line in ["node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 1.5", "go_goroutines 8", "process:open 3"] {
        let reason = reason(line);
        let is_told = reason.contains("/api/v1/import/prometheus") && reason.contains("--format prometheus");
        assert_eq!(is_told, line != "process:open 3", "{reason}");
        assert!(reason.contains("names no database"), "{reason}");
    }
    assert!(!reason("nonsense").contains("prometheus") && !reason("room.temp 21.5").contains("prometheus"));
}

#[test]
fn types_are_declared_ahead_of_samples() {
    let declare = |line, key: &str, value_type| {
        let (database, metric) = key.split_once('/').unwrap();
        Event::Declare { line, database: database.into(), metric: metric.into(), value_type }
    };
    let text = "# type a/b int64\n# type a/c float64\r\n#  type a/d/e\tint32\n# type a/f float32 \n";
    let expected = [
        declare(1, "a/b", ValueType::Int64),
        declare(2, "a/c", ValueType::Float64),
        declare(3, "a/d/e", ValueType::Int32),
        declare(4, "a/f", ValueType::Float32),
    ];
    assert_eq!(events(text), expected);
    let comments = "# type of a/b\n# type a/b int64 x\n# type ab int64\n# types a/b int64\n# type a/b int16\n#\n";
    assert_eq!(events(comments), []);
}

#[test]
fn reasons_name_what_was_found_and_what_is_accepted() {
    for (line, found, accepted) in [
        ("room.temp 21.5", "\"room.temp\"", "database/metric value"),
        ("prod/room.temp", "\"prod/room.temp\"", "database/metric value"),
        ("a/b abc", "\"abc\"", "21.5"),
        ("a/b 1_000", "\"1_000\"", "21.5"),
        ("a/b 1,5", "\"1,5\"", "21.5"),
        ("a/b 0x1F", "\"0x1F\"", "42i"),
        ("a/b .", "\".\"", "42"),
        ("a/b -", "\"-\"", "42"),
        ("a/b i", "\"i\"", "42i"),
        ("a/b 1e", "\"1e\"", "1e-3"),
        ("a/b 1e5.5", "\"1e5.5\"", "1e-3"),
        ("a/b --1", "\"--1\"", "42"),
        ("a/b NaN", "\"NaN\"", "finite"),
        ("a/b -Inf", "\"-Inf\"", "finite"),
        ("a/b infinity", "\"infinity\"", "finite"),
        ("a/b 1e999", "\"1e999\"", "float64"),
        ("a/b 1e-400", "\"1e-400\"", "not 0"),
        ("a/b -0.0000001e-320", "\"-0.0000001e-320\"", "not 0"),
        ("a/b 9223372036854775808", "\"9223372036854775808\"", "64-bit"),
        ("a/b -9223372036854775809i", "\"-9223372036854775809i\"", "64-bit"),
        ("a/b 1e19i", "\"1e19i\"", "64-bit"),
        ("a/b 21.5i", "\"21.5i\"", "drop the i"),
        ("a/b 1e-1i", "\"1e-1i\"", "drop the i"),
        ("a/b 1 yesterday", "\"yesterday\"", "nanoseconds"),
        ("a/b 1 2026-05-32", "\"2026-05-32\"", "YYYY-MM-DD [HH[:MM"),
        ("a/b 1 2026-05-22 13:60", "2026-05-22", "YYYY-MM-DD [HH[:MM"),
        // Without a moment that it came there is none before it.
        ("a/b 1 -20s", "\"-20s\"", "or -20s"),
        ("a/b 1 9223372036854775808", "\"9223372036854775808\"", "between 1677-09-21 and 2262-04-11"),
        ("a/b 1 2026-02-30 00:00:00", "\"2026-02-30\" \"00:00:00\"", "YYYY-MM-DD [HH[:MM"),
        ("a/b 1 2 3", "\"3\"", "one sample per line"),
        ("a/b 1 2026-05-22 13:14:15 x", "\"x\"", "one sample per line"),
        ("a/b 1.5 2x", "\"2x\"", "nanoseconds"),
    ] {
        let reason = reason(line);
        assert!(reason.contains(found), "{line:?}: {reason}");
        assert!(reason.contains(accepted), "{line:?}: {reason}");
    }
    let long = reason(&format!("a/b {}", "x".repeat(1_000)));
    assert!(long.contains(&format!("\"{}\"...", "x".repeat(60))) && long.len() < 250, "{long}");
}

#[test]
fn a_bad_line_leaves_its_neighbours_alone() {
    let found = events(b"a/b 1\nrubbish\na/b 2\n\0\0\n\xff\na/b 3\n");
    let good: Vec<_> = found.iter().filter(|e| !matches!(e, Event::Reject { .. })).cloned().collect();
    assert_eq!(good, [integer(1, "a/b", 1, None), integer(3, "a/b", 2, None), integer(6, "a/b", 3, None)]);
    assert_eq!(found.len(), 6);
}

#[test]
fn overlong_lines_are_refused_without_being_buffered() {
    let limit = IngestOptions { max_line_bytes: 20, ..IngestOptions::default() };
    let text = format!("a/b 1\na/{} 2\na/b 3\na/{} 4", "x".repeat(100), "y".repeat(100));
    let found = parse_with(&LineProtocol, &limit, text.as_bytes()).unwrap();
    let [first, Event::Reject { line: 2, reason }, third, Event::Reject { line: 4, .. }] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((first, third), (&integer(1, "a/b", 1, None), &integer(3, "a/b", 3, None)));
    assert!(reason.contains("longer than 20 bytes") && reason.contains("a/xxx"), "{reason}");
    for size in 1..30 {
        let sizes = std::iter::repeat(size);
        let (pieces, held) = parse_in_pieces(&LineProtocol, &limit, text.as_bytes(), sizes).unwrap();
        assert_eq!(pieces, found, "pieces of {size}");
        assert!(held <= 20, "{held} bytes were left over of a piece");
    }
    // A line of exactly the limit is accepted.
    let exact = format!("a/{} 5", "z".repeat(16));
    assert_eq!(exact.len(), 20);
    let found = parse_with(&LineProtocol, &limit, exact.as_bytes()).unwrap();
    assert!(matches!(found[..], [Event::Sample { .. }]));
}

#[test]
fn the_limit_is_64_kib_unless_told_otherwise() {
    let fits = format!("a/{} 1", "x".repeat(65_536 - 4));
    assert!(matches!(events(&fits)[..], [Event::Sample { .. }]));
    assert!(reason(&format!("{fits}1")).contains("longer than 65536 bytes"));
}

fn arbitrary_line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{1,3}/[a-z./]{1,12} -?[0-9]{1,20}i?( [0-9]{1,20})?",
        "[a-c]/[a-z]{1,30} [-+]?[0-9]{0,12}\\.[0-9]{0,12}(e-?[0-9]{1,3})?i?( 17[0-9]{17})?",
        "[ \t]{0,2}[a-c]?/?[a-c]?[ \t]{0,2}[-+.0-9einfa]{0,6}[ \t]{0,2}[-0-9:TZ]{0,20}( [0-9:.]{8})?",
        "# ?(type )?[a-c]/[a-z]( int64| float32)?",
        "\\PC{0,40}",
    ]
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        lines in prop::collection::vec(arbitrary_line(), 0..12),
        crlf: bool,
        closed: bool,
        sizes in prop::collection::vec(0_usize..40, 1..40),
        limit in prop_oneof![Just(0_usize), 1_usize..60],
    ) {
        let separator = if crlf { "\r\n" } else { "\n" };
        let mut text = lines.join(separator);
        if closed {
            text.push_str(separator);
        }
        let options = IngestOptions { max_line_bytes: limit, ..IngestOptions::default() };
        let whole = parse_with(&LineProtocol, &options, text.as_bytes());
        let pieces = parse_in_pieces(&LineProtocol, &options, text.as_bytes(), sizes.iter().copied().cycle());
        prop_assert_eq!(whole, pieces.map(|(events, _)| events));
    }

    #[test]
    fn arbitrary_bytes_give_one_outcome_per_line_at_most(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let found = events(&bytes);
        let lines = bytes.split(|b| *b == b'\n').count() as u64;
        let numbers: Vec<_> = found.iter().map(Event::line).collect();
        prop_assert!(numbers.iter().all(|n| (1..=lines).contains(n)));
        prop_assert!(numbers.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn written_values_read_back(int: i64, double in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
        single in prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO) {
        let line = |value: Value| {
            let mut text = b"a/b ".to_vec();
            value.write_line_protocol(&mut text);
            text
        };
        prop_assert_eq!(events(line(Value::Int64(int))), [suffixed(1, "a/b", int, None)]);
        let [Event::Sample { double_bits, .. }] = events(line(Value::Float64(double)))[..] else { panic!() };
        prop_assert_eq!(double_bits, double.to_bits());
        let [Event::Sample { single_bits, .. }] = events(line(Value::Float32(single)))[..] else { panic!() };
        prop_assert_eq!(single_bits, single.to_bits());
    }

    #[test]
    fn decimals_are_rounded_as_the_standard_library_does(
        text in "[-+]?([0-9]{1,24}\\.[0-9]{0,24}|\\.[0-9]{1,24}|[0-9]{1,17}\\.?[0-9]{0,6}[eE][-+]?[0-9]{1,2})"
    ) {
        let double: f64 = text.parse().unwrap();
        let single: f32 = text.parse().unwrap();
        prop_assert_eq!(events(format!("a/b {text}")), [float(1, "a/b", double, single, None)]);
    }

    #[test]
    fn decimals_near_the_middle_of_two_float32_are_rounded_once(bits in 0_u32..0x7f7f_ffff, nudge in -2_i64..=2) {
        // The midpoint of two neighbouring float32, and float64 beside it, written with few and with many digits.
        let (low, high) = (f32::from_bits(bits), f32::from_bits(bits + 1));
        let middle = (f64::from(low) + f64::from(high)) / 2.0;
        let double = f64::from_bits(middle.to_bits().saturating_add_signed(nudge));
        for text in [format!("{double:e}"), format!("{double:.60}"), format!("{double:.60}1")] {
            let (double, single): (f64, f32) = (text.parse().unwrap(), text.parse().unwrap());
            let Event::Sample { double_bits, single_bits, .. } = events(format!("a/b {text}")).remove(0) else { panic!() };
            prop_assert_eq!((double_bits, single_bits), (double.to_bits(), single.to_bits()), "{}", text);
        }
    }

    #[test]
    fn suffixed_decimals_are_exact_integers(int: i64, zeros in 0_usize..5, shift in 0_usize..4) {
        let text = format!("a/b {int}{}.{}e-{shift}i", "0".repeat(shift), "0".repeat(zeros));
        prop_assert_eq!(events(text), [suffixed(1, "a/b", int, None)]);
    }
}

#[test]
fn a_time_may_be_so_long_before_the_line_came() {
    const ARRIVAL: i64 = 1_779_455_655_000_000_000;
    let options = IngestOptions { arrival: Some(ARRIVAL), ..IngestOptions::default() };
    for (text, seconds) in [("-20s", 20), ("-5m", 300), ("-1h", 3_600)] {
        let found = parse_with(&LineProtocol, &options, format!("a/b 1 {text}\n").as_bytes()).unwrap();
        assert_eq!(found, [integer(1, "a/b", 1, Some(ARRIVAL - seconds * 1_000_000_000))], "{text}");
    }
    // A number with a minus is one, and what is ahead is not taken.
    for refused in ["-20", "+20s", "20s", "-s", "now-20s"] {
        let found = parse_with(&LineProtocol, &options, format!("a/b 1 {refused}\n").as_bytes()).unwrap();
        assert!(matches!(found.as_slice(), [Event::Reject { .. }]), "{refused}: {found:?}");
    }
}
