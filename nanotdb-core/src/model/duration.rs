//! Durations as text: Go's notation plus days and weeks, in integers.

use super::quoted;
use crate::{Error, Result};
use nanotdb_settings::duration::{ACCEPTED, parse};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// Parses a duration into nanoseconds: `1h30m`, `250ms`, `1.5h`, `-5m`, `7d`, `2w`, and `0` without a unit.
///
/// A fraction below one nanosecond is cut off. Fails on anything else, and beyond the range of `i64` (292 years).
///
/// ```
/// use nanotdb_core::model::duration::parse_duration;
/// assert_eq!(parse_duration("1h30m").unwrap(), 5_400_000_000_000);
/// assert!(parse_duration("90").is_err());
/// ```
pub fn parse_duration(text: &str) -> Result<i64> {
    parse(text)
        .map_err(|reason| Error::bad_input(format!("duration {}: {reason}; accepted are {ACCEPTED}", quoted(text))))
}

/// Parses a duration of zero or more.
pub fn parse_non_negative(text: &str) -> Result<Duration> {
    let nanos = parse_duration(text)?;
    u64::try_from(nanos)
        .map(Duration::from_nanos)
        .map_err(|_| Error::bad_input(format!("duration {}: below zero; accepted is zero or more", quoted(text))))
}

/// Parses a duration above zero.
pub fn parse_positive(text: &str) -> Result<Duration> {
    let duration = parse_non_negative(text)?;
    if duration.is_zero() {
        return Err(Error::bad_input(format!("duration {}: zero; accepted is more than zero", quoted(text))));
    }
    Ok(duration)
}

/// Writes nanoseconds as Go's `Duration.String` does: `5m0s`, `1h0m0s`, `250ms`, `1.5µs`, `0s`.
pub fn format_duration(nanos: i64) -> String {
    let magnitude = nanos.unsigned_abs();
    let mut out = String::with_capacity(24);
    if nanos < 0 {
        out.push('-');
    }
    match magnitude {
        0 => out.push_str("0s"),
        1..1_000 => push_scaled(&mut out, magnitude, 1, "ns"),
        1_000..1_000_000 => push_scaled(&mut out, magnitude, 1_000, "\u{b5}s"),
        1_000_000..SECOND => push_scaled(&mut out, magnitude, 1_000_000, "ms"),
        _ => {
            let minutes = magnitude / SECOND / 60;
            if minutes >= 60 {
                push_scaled(&mut out, minutes / 60, 1, "h");
            }
            if minutes > 0 {
                push_scaled(&mut out, minutes % 60, 1, "m");
            }
            push_scaled(&mut out, magnitude % (60 * SECOND), SECOND, "s");
        }
    }
    out
}

/// `value / scale` as a decimal without trailing zeros, then the unit. `scale` is a power of ten.
fn push_scaled(out: &mut String, value: u64, scale: u64, unit: &str) {
    out.push_str(itoa::Buffer::new().format(value / scale));
    let mut fraction = value % scale;
    if fraction > 0 {
        out.push('.');
    }
    let mut place = scale / 10;
    while fraction > 0 {
        out.push(char::from(b'0' + (fraction / place) as u8));
        fraction %= place;
        place /= 10;
    }
    out.push_str(unit);
}

/// As [`format_duration`], without trailing zero units (`5m`, `876000h`): how people write configuration.
pub fn format_short(duration: Duration) -> String {
    let mut text = format_duration(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX));
    if text.ends_with("m0s") {
        text.truncate(text.len() - 2);
    }
    if text.ends_with("h0m") {
        text.truncate(text.len() - 2);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000_000_000;

    #[test]
    fn parses_what_go_parses_and_days_and_weeks() {
        let cases = [
            ("0", 0),
            ("-0", 0),
            ("0s", 0),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("-5m", -300_000_000_000),
            ("1h30m", HOUR + HOUR / 2),
            ("250ms", 250_000_000),
            ("1.5h", HOUR + HOUR / 2),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1us", 1_000),
            ("1\u{b5}s", 1_000),
            ("1\u{3bc}s", 1_000),
            ("7ns", 7),
            ("1.9ns", 1),
            ("0.333333333333333333333333333h", 1_199_999_999_999),
            ("1d", 24 * HOUR),
            ("2w", 14 * 24 * HOUR),
            ("1w2d3h4m5s6ms7us8ns", 9 * 24 * HOUR + 3 * HOUR + 245_006_007_008),
            ("876000h", 876_000 * HOUR),
            ("0000000000000000000000000000001s", 1_000_000_000),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("9223372036.854775807s", i64::MAX),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse_duration(text).unwrap(), nanos, "{text}");
        }
    }

    #[test]
    fn refusals_say_why_and_what_is_accepted() {
        let cases = [
            ("", "empty"),
            ("-", "empty"),
            ("3", "without a unit"),
            ("1h5", "without a unit"),
            (".", "expected a number"),
            (".s", "expected a number"),
            ("h", "expected a number"),
            ("--5m", "expected a number"),
            (" 5m", "expected a number"),
            ("5 m", "unknown unit \" m\""),
            ("5M", "unknown unit \"M\""),
            ("1h-5m", "unknown unit \"h-\""),
            ("5y", "unknown unit \"y\""),
            ("9223372036854775808ns", "292 years"),
            ("-9223372036854775809ns", "292 years"),
            ("99999999999999999999999999999999999999999999h", "292 years"),
            ("20000w", "292 years"),
            ("1.5.5h", "without a unit"),
        ];
        for (text, reason) in cases {
            let message = parse_duration(text).unwrap_err().to_string();
            assert!(message.contains(reason) && message.contains("1h30m"), "{text}: {message}");
        }
        assert!(parse_positive("0s").unwrap_err().to_string().contains("more than zero"));
        assert!(parse_positive("-1s").unwrap_err().to_string().contains("below zero"));
        assert_eq!(parse_non_negative("0").unwrap(), Duration::ZERO);
        assert_eq!(parse_positive("5m").unwrap(), Duration::from_secs(300));
    }

    #[test]
    fn formats_as_go_does() {
        // Expected values from Go's documentation and time package tests.
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (1_500, "1.5\u{b5}s"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (5 * HOUR + 367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (300_000_000_000, "5m0s"),
            (HOUR, "1h0m0s"),
            (250_000_000, "250ms"),
            (876_000 * HOUR, "876000h0m0s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
            (-1, "-1ns"),
        ];
        for (nanos, text) in cases {
            assert_eq!(format_duration(nanos), text);
        }
    }

    #[test]
    fn the_short_form_drops_only_whole_zero_units() {
        let cases =
            [(300, "5m"), (3_600, "1h"), (3_601, "1h0m1s"), (600, "10m"), (36_000, "10h"), (30, "30s"), (0, "0s")];
        for (seconds, text) in cases {
            assert_eq!(format_short(Duration::from_secs(seconds)), text);
        }
    }

    proptest! {
        #[test]
        fn formatted_durations_parse_back(nanos: i64) {
            prop_assert_eq!(parse_duration(&format_duration(nanos)).unwrap(), nanos);
            let duration = Duration::from_nanos(nanos.unsigned_abs() >> 1);
            prop_assert_eq!(parse_non_negative(&format_short(duration)).unwrap(), duration);
        }

        #[test]
        fn whole_minutes_keep_their_value_in_the_short_form(minutes in 0_u64..100_000_000) {
            let duration = Duration::from_secs(60 * minutes);
            prop_assert_eq!(parse_non_negative(&format_short(duration)).unwrap(), duration);
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*", close in "[-+0-9.hmsdwnu\u{b5}]{0,40}") {
            let _ = parse_duration(&text);
            let _ = parse_duration(&close);
        }
    }
}
