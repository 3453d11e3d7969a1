//! Numbers as the browser gets them: times in milliseconds, values as JSON numbers.

use nanotdb_core::model::{Timestamp, Value};
use std::io::Write;

/// Nanoseconds of a millisecond.
pub(crate) const MILLI: i64 = 1_000_000;

/// Appends nanoseconds as milliseconds, exact, with a fraction only where there is one.
pub(crate) fn write_millis(nanos: i64, out: &mut Vec<u8>) {
    let (whole, rest) = ((nanos / MILLI).unsigned_abs(), (nanos % MILLI).unsigned_abs());
    if nanos < 0 {
        out.push(b'-');
    }
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{whole}");
    if rest > 0 {
        let _ = write!(out, ".{rest:06}");
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Nanoseconds as milliseconds, for documents that serde writes: to the nearest.
pub(crate) fn millis(nanos: Timestamp) -> i64 {
    nanos.div_euclid(MILLI)
}

/// Appends a value, the shortest text that reads back as the same; `null` when it is not finite.
pub(crate) fn write_value(value: Value, out: &mut Vec<u8>) {
    match value {
        Value::Float32(v) if !v.is_finite() => out.extend_from_slice(b"null"),
        Value::Float64(v) if !v.is_finite() => out.extend_from_slice(b"null"),
        value => value.write_text(out),
    }
}

/// Appends a number rounded to seven significant digits, more than any screen shows, or to whole units where these are more digits;
/// `null` when it is not finite.
pub(crate) fn write_rounded(value: f64, out: &mut Vec<u8>) {
    write_value(Value::Float64(rounded(value)), out);
}

fn rounded(value: f64) -> f64 {
    const DIGITS: i32 = 7;
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let exponent = value.abs().log10().floor() as i32;
    let shift = DIGITS - 1 - exponent;
    // Powers of ten are exact up to 22; beyond, text is rounded correctly.
    match shift {
        0..=22 => {
            let scale = 10f64.powi(shift);
            (value * scale).round() / scale
        }
        ..0 => value.round(),
        _ => format!("{value:.6e}").parse().unwrap_or(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_exact_milliseconds() {
        for (nanos, expected) in [
            (0, "0"),
            (1_777_593_600_000_000_000, "1777593600000"),
            (1_500_000, "1.5"),
            (1, "0.000001"),
            (-1_500_000, "-1.5"),
            (-200_000, "-0.2"),
            (i64::MIN, "-9223372036854.775808"),
        ] {
            assert_eq!(text(|out| write_millis(nanos, out)), expected);
        }
    }

    #[test]
    fn values_are_json_numbers_or_null() {
        assert_eq!(text(|out| write_value(Value::Float32(21.1), out)), "21.1");
        assert_eq!(text(|out| write_value(Value::Int64(i64::MAX), out)), "9223372036854775807");
        assert_eq!(text(|out| write_value(Value::Float64(f64::NAN), out)), "null");
        assert_eq!(text(|out| write_value(Value::Float32(f32::INFINITY), out)), "null");
    }

    #[test]
    fn rounding_keeps_seven_digits() {
        for (value, expected) in [
            (1.0 / 3.0, "0.3333333"),
            (2.0 / 3.0 * 1e10, "6666666667"),
            (-12_345_678.4, "-12345678"),
            (0.1 + 0.2, "0.3"),
            (0.0, "0"),
            (99_999_999.0, "99999999"),
            (1e-30 / 3.0, "0.0000000000000000000000000000003333333"),
        ] {
            assert_eq!(text(|out| write_rounded(value, out)), expected);
        }
    }

    proptest! {
        #[test]
        fn rounding_is_near(value in prop::num::f64::NORMAL) {
            let near = rounded(value);
            prop_assert!((near - value).abs() <= value.abs() * 1e-6, "{value} {near}");
        }
    }
}
