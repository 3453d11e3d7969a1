//! Bare numbers that senders give as the time of a sample.

use super::parse::{MAX_SECONDS_DIGITS, is_number, number};
use super::{DAY, SECOND, TimeUnit, days_from_civil, days_in_month, format_rfc3339, parse_integer};
use crate::model::{Parsed, Timestamp};

/// 1980-01-01. What reads as an earlier time in nanoseconds is of another unit.
pub const BARE_SINCE: Timestamp = 315_532_800 * SECOND;

/// Reads the bare number that a sender gave as the time of a sample; `None` when it is no number. In the unit that was
/// stated, any time and a fraction are taken. Without one it is nanoseconds, and what would lie before 1980 is refused
/// with the unit that it looks like.
pub fn parse_bare(text: &[u8], unit: Option<TimeUnit>) -> Option<Parsed<Timestamp>> {
    if let None | Some(TimeUnit::Nanoseconds) = unit
        && let Some(time) = parse_integer(text)
    {
        let taken = unit.is_some() || time >= BARE_SINCE;
        return Some(if taken { Ok(time) } else { Err(too_early(std::str::from_utf8(text).unwrap_or_default())) });
    }
    let text = std::str::from_utf8(text).ok().filter(|text| is_number(text))?;
    match unit {
        Some(unit) => Some(number(text, Some(unit)).map_err(|reason| format!("timestamp {text} in {unit}: {reason}"))),
        None => text.contains('.').then(|| Err(too_early(text))),
    }
}

#[cold]
fn too_early(text: &str) -> String {
    let looks = match looks_like(text) {
        Some((looks, Some(unit))) => {
            format!("it looks like {looks}: say timestamp_unit={unit} (nanocli: --timestamp-unit {unit}); ")
        }
        Some((looks, None)) => format!("it looks like {looks}: write it as YYYY-MM-DD HH:MM:SS; "),
        None => "these have 19 digits today; ".to_owned(),
    };
    if text.contains('.') {
        return format!("timestamp {text} has a fraction; {looks}without a unit it is whole Unix nanoseconds");
    }
    format!("timestamp {text} is before 1980 as Unix nanoseconds; {looks}timestamp_unit=ns takes it as it is")
}

/// What a bare number that bounds a query looks like, when it is nanoseconds by its length and yet of 1970: nobody who sends it means
/// the empty answer that there would be. As [`looks_like`].
pub fn mistaken_bound(text: &str) -> Option<(String, Option<TimeUnit>)> {
    let text = text.trim_ascii();
    let whole = text.split('.').next().unwrap_or_default();
    let nanos: i128 = whole.parse().ok().filter(|_| is_number(text) && whole.len() > MAX_SECONDS_DIGITS)?;
    looks_like(text).filter(|_| (0..i128::from(BARE_SINCE)).contains(&nanos))
}

/// What a bare number that is not nanoseconds looks like, with the time that it would be, and its unit when it is a Unix time.
pub fn looks_like(text: &str) -> Option<(String, Option<TimeUnit>)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: i64 = whole.parse().ok().filter(|_| is_number(text))?;
    if let Some(date) = compact_date(whole).filter(|_| fraction.is_empty()) {
        return Some((date, None));
    }
    // 1954 to 2119 in days since 1899-12-30; 25,569 of them come before 1970.
    if (20_000..80_000).contains(&digits) {
        let share: f64 = format!("0.{fraction}").parse().unwrap_or(0.0);
        let time = (digits - 25_569) * DAY + (share * 86_400.0).round() as i64 * SECOND;
        return Some((format!("the days of a spreadsheet ({})", format_rfc3339(time)), None));
    }
    [TimeUnit::Seconds, TimeUnit::Milliseconds, TimeUnit::Microseconds].into_iter().find_map(|unit| {
        let time = number(text, Some(unit)).ok().filter(|time| *time >= BARE_SINCE)?;
        Some((format!("Unix {} ({})", unit.name(), format_rfc3339(time)), Some(unit)))
    })
}

/// `20230311`, `202303110915` and `20230311091500`, in words.
fn compact_date(digits: &str) -> Option<String> {
    let (shape, time) = match digits.len() {
        8 => ("YYYYMMDD", String::new()),
        12 => ("YYYYMMDDHHMM", format!(" {}:{}", digits.get(8..10)?, digits.get(10..12)?)),
        14 => ("YYYYMMDDHHMMSS", format!(" {}:{}:{}", digits.get(8..10)?, digits.get(10..12)?, digits.get(12..14)?)),
        _ => return None,
    };
    let part = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse::<u32>().ok());
    let (year, month, day) = (i64::from(part(0, 4)?), part(4, 6)?, part(6, 8)?);
    let is_date = (1980..2200).contains(&year) && (1..=12).contains(&month);
    let is_day = is_date && day > 0 && day <= days_in_month(year, month) && days_from_civil(year, month, day) > 0;
    let is_time = part(8, 10).is_none_or(|h| h < 24) && part(10, 12).is_none_or(|m| m < 60);
    let date = (is_day && is_time).then(|| format!("{year:04}-{month:02}-{day:02}"))?;
    Some(format!("a date written {shape} ({date}{time})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse_bare(text.as_bytes(), None).unwrap().unwrap_err()
    }

    #[test]
    fn a_bare_time_before_1980_is_refused_with_what_it_looks_like() {
        for (text, looks) in [
            ("1715000000", "Unix seconds (2024-05-06T12:53:20Z): say timestamp_unit=s "),
            ("1715000000.5", "Unix seconds (2024-05-06T12:53:20.5"),
            ("1715000000000", "Unix milliseconds (2024-05-06T12:53:20Z): say timestamp_unit=ms "),
            ("1715000000000000", "Unix microseconds (2024-05-06T12:53:20Z): say timestamp_unit=us "),
            ("20230311", "a date written YYYYMMDD (2023-03-11): write it as YYYY-MM-DD HH:MM:SS"),
            ("202303110915", "a date written YYYYMMDDHHMM (2023-03-11 09:15)"),
            ("20230311091500", "a date written YYYYMMDDHHMMSS (2023-03-11 09:15:00)"),
            ("45418.5", "the days of a spreadsheet (2024-05-06T12:00:00Z)"),
        ] {
            assert!(refused(text).contains(looks), "{text}: {}", refused(text));
        }
        for text in ["0", "5", "-1", "-1715000000", "315532799999999999"] {
            assert!(refused(text).contains("timestamp_unit=ns takes it"), "{text}: {}", refused(text));
            assert!(!refused(text).contains("looks like"), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn a_bound_of_another_unit_is_not_taken_for_the_year_1970() {
        for (text, looks) in [
            ("1796040341000", "Unix milliseconds (2026-11-30T12:05:41Z)"),
            (" 1796040341000.5", "Unix milliseconds (2026-11-30T12:05:41.0005Z)"),
            ("1796040341000000", "Unix microseconds (2026-11-30T12:05:41Z)"),
            ("315532800000", "Unix milliseconds (1980-01-01T00:00:00Z)"),
            ("202303110915", "a date written YYYYMMDDHHMM (2023-03-11 09:15)"),
        ] {
            assert_eq!(mistaken_bound(text).map(|(looks, _)| looks).as_deref(), Some(looks), "{text}");
        }
        for text in [
            "1796040341000000000",
            "315532800000000000",
            "1796040341",
            "0",
            "99999999999",
            "-1796040341000",
            "2026-11-30 12:00:00",
            "-5m",
            "",
        ] {
            assert_eq!(mistaken_bound(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_left_to_others() {
        for text in ["9223372036854775808", "", "x", "2024-05-06", "1e9", "5s"] {
            assert_eq!(parse_bare(text.as_bytes(), None), None, "{text}");
        }
    }

    #[test]
    fn a_stated_unit_holds() {
        let read = |text: &str, unit| parse_bare(text.as_bytes(), unit).unwrap().unwrap();
        assert_eq!(read("315532800000000000", None), BARE_SINCE);
        assert_eq!(read("5", Some(TimeUnit::Nanoseconds)), 5);
        assert_eq!(read("-5", Some(TimeUnit::Nanoseconds)), -5);
        assert_eq!(read("1715000000", Some(TimeUnit::Seconds)), 1_715_000_000 * SECOND);
        assert_eq!(read("1715000000.25", Some(TimeUnit::Seconds)), 1_715_000_000 * SECOND + 250_000_000);
        assert_eq!(read("1715000000123", Some(TimeUnit::Milliseconds)), 1_715_000_000_123_000_000);
        assert_eq!(read("1715000000123456", Some(TimeUnit::Microseconds)), 1_715_000_000_123_456_000);
        assert!(parse_bare(b"1715000000000000", Some(TimeUnit::Seconds)).unwrap().is_err());
        for no_number in ["", "x", "2024-05-06", "1e9", "5s"] {
            assert_eq!(parse_bare(no_number.as_bytes(), Some(TimeUnit::Seconds)), None, "{no_number}");
        }
    }
}
