//! Times, durations, sizes and counts as the command line reads and shows them.

use crate::options::RangeArgs;
use nanotdb_core::model::duration::{format_duration, parse_positive};
use nanotdb_core::model::time::{format_timestamp, mistaken_bound, parse_time};
use nanotdb_core::model::{Timestamp, Value};
use nanotdb_core::{Error, Result};

/// A `--start` or `--end`; `absent` when it was not given.
fn moment(flag: &str, text: Option<&str>, now: Timestamp, absent: Timestamp) -> Result<Timestamp> {
    let Some(text) = text else { return Ok(absent) };
    if let Some((looks, _)) = mistaken_bound(text) {
        let reason = "without a point or a unit, more than 11 digits are Unix nanoseconds, of 1970";
        return Err(Error::bad_input(format!(
            "{flag} {text}: {reason}; it looks like {looks}: write it as seconds or as a date"
        )));
    }
    parse_time(text, None, now).map_err(|e| Error::bad_input(format!("{flag}: {e}")))
}

/// A closed range from two flags; the whole of time without them.
pub(crate) fn range(args: &RangeArgs, now: Timestamp) -> Result<(Timestamp, Timestamp)> {
    let from = moment("--start", args.start.as_deref(), now, Timestamp::MIN)?;
    let to = moment("--end", args.end.as_deref(), now, Timestamp::MAX)?;
    if from > to {
        return Err(Error::bad_input(format!("--start {} is after --end {}", timestamp(from), timestamp(to))));
    }
    Ok((from, to))
}

/// A duration flag in nanoseconds, more than zero.
pub(crate) fn span(flag: &str, text: &str) -> Result<i64> {
    let duration = parse_positive(text).map_err(|e| Error::bad_input(format!("{flag}: {e}")))?;
    Ok(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

/// `YYYY-MM-DD HH:MM:SS.nnnnnnnnn`, UTC.
pub(crate) fn timestamp(ts: Timestamp) -> String {
    let mut text = Vec::with_capacity(32);
    format_timestamp(ts, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The same to the second, for tables.
pub(crate) fn timestamp_short(ts: Timestamp) -> String {
    let mut text = timestamp(ts);
    if let Some(point) = text.rfind('.') {
        text.truncate(point);
    }
    text
}

/// A length of time rounded to what a person reads: `23h59m50s`, `250ms`.
pub(crate) fn duration_between(start: Timestamp, end: Timestamp) -> String {
    const SECOND: i64 = 1_000_000_000;
    let nanos = end.saturating_sub(start).max(0);
    let grain = if nanos >= 10 * SECOND { SECOND } else { 1_000_000 };
    format_duration(nanos / grain * grain)
}

/// `1 frame`, `2,000 frames`.
pub(crate) fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", count(n), if n == 1 { "" } else { "s" })
}

/// `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `757 B`, `12.3 KB`, `4.5 MB`, in powers of 1,000.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if n < 1_000 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1_000.0;
    let mut unit = UNITS[0];
    for next in UNITS.iter().skip(1) {
        if value < 999.95 {
            break;
        }
        value /= 1_000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A value as the HTTP interface writes it, as a JSON number; `null` for NaN and infinities.
pub(crate) fn write_json_value(value: Value, out: &mut Vec<u8>) {
    if value.as_f64().is_finite() { value.write_text(out) } else { out.extend_from_slice(b"null") }
}

#[cfg(test)]
mod tests {
    use super::*;

    // 2026-05-24 12:00:00 UTC is 1779624000 (date -u -d @1779624000).
    const NOON: Timestamp = 1_779_624_000_000_000_000;

    #[test]
    fn times_to_the_nanosecond_and_to_the_second() {
        assert_eq!(timestamp(NOON + 5), "2026-05-24 12:00:00.000000005");
        assert_eq!(timestamp_short(NOON + 5), "2026-05-24 12:00:00");
    }

    #[test]
    fn ranges_are_open_where_no_flag_is_given_and_never_backwards() {
        let range = |start: Option<&str>, end: Option<&str>, now| {
            super::range(&RangeArgs { start: start.map(str::to_owned), end: end.map(str::to_owned) }, now)
        };
        assert_eq!(range(None, None, NOON).unwrap(), (i64::MIN, i64::MAX));
        assert_eq!(range(Some("-1h"), Some("2026-05-24 12"), NOON).unwrap(), (NOON - 3_600_000_000_000, NOON));
        assert_eq!(range(Some("1779624000"), None, 0).unwrap().0, NOON);
        assert!(range(Some("2026-05-25"), Some("2026-05-24"), NOON).unwrap_err().to_string().contains("after --end"));
        assert_eq!(range(Some("1779624000000000005"), None, 0).unwrap().0, NOON + 5);
        for (text, looks) in
            [("1779624000000", "Unix milliseconds (2026"), ("1779624000000000", "Unix microseconds (2026")]
        {
            for (start, end) in [(Some(text), None), (None, Some(text))] {
                let e = range(start, end, NOON).unwrap_err();
                assert_eq!(e.exit_code(), 2);
                assert!(e.to_string().contains(looks), "{e}");
            }
        }
        let e = range(Some("yesterday"), None, NOON).unwrap_err();
        assert_eq!(e.exit_code(), 2);
        assert!(e.to_string().contains("--start"), "{e}");
    }

    #[test]
    fn windows_are_more_than_zero() {
        assert_eq!(span("--window", "5m").unwrap(), 300_000_000_000);
        assert!(span("--window", "0s").is_err());
        assert!(span("--window", "soon").unwrap_err().to_string().contains("--window"));
    }

    #[test]
    fn counts_sizes_and_lengths_of_time() {
        assert_eq!([count(0), count(999), count(1_000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([bytes(999), bytes(1_500), bytes(999_960)], ["999 B", "1.5 KB", "1.0 MB"]);
        assert_eq!(duration_between(0, 86_390_000_000_123), "23h59m50s");
        assert_eq!(duration_between(0, 250_000_123), "250ms");
        assert_eq!(duration_between(10, 0), "0s");
    }

    #[test]
    fn json_values_are_numbers_or_null() {
        let text = |value| {
            let mut out = Vec::new();
            write_json_value(value, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(Value::Float32(21.5)), "21.5");
        assert_eq!(text(Value::Int64(i64::MAX)), "9223372036854775807");
        assert_eq!(text(Value::Float64(f64::NAN)), "null");
    }
}
