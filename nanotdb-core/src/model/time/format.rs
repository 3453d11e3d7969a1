//! Writes timestamps. Runs once per row of an answer or an export, so digits are written directly.

use super::{DAY, SECOND, civil_from_days};
use crate::model::Timestamp;
use crate::model::text::ShortText;

/// The two digits of a number below 100.
#[inline]
fn pair(n: u32) -> [u8; 2] {
    [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8]
}

/// A point and the nine digits of a number below 10^9.
#[inline]
fn point_nine(n: u32) -> [u8; 10] {
    let (high, low) = (n / 10_000, n % 10_000);
    let (top, middle) = (high / 10_000, high % 10_000);
    let ([b, c], [d, e]) = (pair(middle / 100), pair(middle % 100));
    let ([f, g], [h, i]) = (pair(low / 100), pair(low % 100));
    [b'.', b'0' + top as u8, b, c, d, e, f, g, h, i]
}

/// Appends a point and the digits of `nanos` up to the last that is not zero; nothing for zero.
#[inline]
fn write_fraction(nanos: u32, out: &mut Vec<u8>) {
    if nanos == 0 {
        return;
    }
    let digits = point_nine(nanos);
    let end = digits.iter().rposition(|d| *d != b'0').map_or(0, |last| last + 1);
    out.extend_from_slice(digits.get(..end).unwrap_or_default());
}

/// `YYYY-MM-DD`, `separator`, `HH:MM:SS`, and the nanoseconds that remain.
#[inline]
fn date_time(ts: Timestamp, separator: u8) -> ([u8; 19], u32) {
    // Years are 1677..=2262 over the whole range of i64 nanoseconds.
    let (year, month, day) = civil_from_days(ts.div_euclid(DAY));
    let within = ts.rem_euclid(DAY);
    let (second, nanos) = ((within / SECOND) as u32, (within % SECOND) as u32);
    let ([y0, y1], [y2, y3]) = (pair(year as u32 / 100), pair(year as u32 % 100));
    let ([mo0, mo1], [d0, d1]) = (pair(month), pair(day));
    let ([h0, h1], [m0, m1], [s0, s1]) = (pair(second / 3_600), pair(second / 60 % 60), pair(second % 60));
    let text = [y0, y1, y2, y3, b'-', mo0, mo1, b'-', d0, d1, separator, h0, h1, b':', m0, m1, b':', s0, s1];
    (text, nanos)
}

/// Appends `YYYY-MM-DD HH:MM:SS.nnnnnnnnn` (UTC, always nine digits): the form of exported lines.
///
/// ```
/// let mut out = Vec::new();
/// nanotdb_core::model::time::format_timestamp(1_715_000_000_120_000_000, &mut out);
/// assert_eq!(out, b"2024-05-06 12:53:20.120000000");
/// ```
#[inline]
pub fn format_timestamp(ts: Timestamp, out: &mut Vec<u8>) {
    let (text, nanos) = date_time(ts, b' ');
    out.extend_from_slice(&text);
    out.extend_from_slice(&point_nine(nanos));
}

/// RFC3339 in UTC with as many digits of the second as needed: `2024-05-06T12:53:20.12Z`.
pub fn format_rfc3339(ts: Timestamp) -> String {
    let (text, nanos) = date_time(ts, b'T');
    let mut out = Vec::with_capacity(30);
    out.extend_from_slice(&text);
    write_fraction(nanos, &mut out);
    out.push(b'Z');
    // ASCII by construction.
    String::from_utf8(out).unwrap_or_default()
}

/// Appends Unix seconds as a JSON number literal, exact to the nanosecond and without trailing zeros:
/// `1715000000.123456789`, `1715000000`, `-0.5`.
///
/// ```
/// let mut out = Vec::new();
/// nanotdb_core::model::time::write_unix_seconds(-500_000_000, &mut out);
/// assert_eq!(out, b"-0.5");
/// ```
#[inline]
pub fn write_unix_seconds(ts: Timestamp, out: &mut Vec<u8>) {
    let mut text = ShortText::default();
    text.unix_seconds(ts);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unix_seconds(ts: Timestamp) -> String {
        let mut out = Vec::new();
        write_unix_seconds(ts, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn export_form(ts: Timestamp) -> String {
        let mut out = Vec::new();
        format_timestamp(ts, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn unix_seconds_are_exact_and_short() {
        let cases = [
            (1_715_000_000_123_456_789, "1715000000.123456789"),
            (1_715_000_000_000_000_000, "1715000000"),
            (1_715_000_000_100_000_000, "1715000000.1"),
            (1_715_000_000_000_000_001, "1715000000.000000001"),
            (1_715_000_000_010_203_040, "1715000000.01020304"),
            (0, "0"),
            (1, "0.000000001"),
            (-1, "-0.000000001"),
            (-500_000_000, "-0.5"),
            (-1_000_000_000, "-1"),
            (-1_500_000_000, "-1.5"),
            (i64::MAX, "9223372036.854775807"),
            (i64::MIN, "-9223372036.854775808"),
        ];
        for (ts, text) in cases {
            assert_eq!(unix_seconds(ts), text);
        }
    }

    #[test]
    fn the_export_form_always_has_nine_digits() {
        let cases = [
            (0, "1970-01-01 00:00:00.000000000"),
            (-1, "1969-12-31 23:59:59.999999999"),
            (951_782_400_000_000_000, "2000-02-29 00:00:00.000000000"),
            (i64::MAX, "2262-04-11 23:47:16.854775807"),
            (i64::MIN, "1677-09-21 00:12:43.145224192"),
        ];
        for (ts, text) in cases {
            assert_eq!(export_form(ts), text);
        }
    }

    proptest! {
        #[test]
        fn rfc3339_agrees_with_jiff(ts: i64, coarse in -9_000_000_000_000_i64..9_000_000_000_000) {
            for ts in [ts, coarse * 1_000_000] {
                let jiff = jiff::Timestamp::from_nanosecond(i128::from(ts)).unwrap();
                prop_assert_eq!(format_rfc3339(ts), jiff.to_string());
                let civil = jiff.to_zoned(jiff::tz::TimeZone::UTC).datetime();
                prop_assert_eq!(export_form(ts), format!("{civil:.9}").replace('T', " "));
            }
        }

        #[test]
        fn unix_seconds_read_back_as_json_without_loss(ts: i64) {
            let text = unix_seconds(ts);
            prop_assert!(serde_json::from_str::<serde_json::Number>(&text).is_ok());
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            prop_assert!(!fraction.ends_with('0'));
            let nanos: i128 = format!("{whole}{fraction:0<9}").parse().unwrap();
            prop_assert_eq!(nanos, i128::from(ts));
        }
    }
}
