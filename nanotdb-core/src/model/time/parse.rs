//! Reads every form of a time that people and programs send. Never computes in floating point.

use super::{SECOND, TimeUnit, days_from_civil, days_in_month, fraction_nanoseconds};
use crate::model::duration::parse_duration;
use crate::model::{Parsed, Timestamp, quoted};
use crate::{Error, Result};

const ACCEPTED: &str = "RFC3339 (for example 2024-05-06T12:53:20Z), YYYY-MM-DD [HH[:MM[:SS[.nnnnnnnnn]]]] in UTC, a Unix time \
                        (up to 11 digits are seconds, more are nanoseconds, unless a unit is given), now, -5m, now-5m";
const OUT_OF_RANGE: &str = "outside of what timestamps reach (1677-09-21 to 2262-04-11)";
/// A bare number of at most this many digits is seconds when no unit is given.
pub(super) const MAX_SECONDS_DIGITS: usize = 11;

/// Parses a time.
///
/// - RFC3339 with any offset; `YYYY-MM-DD [HH[:MM[:SS[.nnnnnnnnn]]]]` is UTC.
/// - A bare integer or decimal is a Unix time in `unit`. Without a unit, up to 11 digits before the point are seconds,
///   more are nanoseconds. A fraction is exact; one finer than a nanosecond is refused.
/// - `now`, `now-5m`, `-5m` and `+1h` are relative to `now`.
pub fn parse_time(text: &str, unit: Option<TimeUnit>, now: Timestamp) -> Result<Timestamp> {
    let trimmed = text.trim_ascii();
    let parsed = if let Some(offset) = trimmed.strip_prefix("now") {
        relative(offset, now)
    } else if is_number(trimmed) {
        number(trimmed, unit)
    } else if trimmed.starts_with(['+', '-']) {
        relative(trimmed, now)
    } else if trimmed.as_bytes().get(4) == Some(&b'-') {
        date_time(trimmed.as_bytes())
    } else {
        Err("not a time".into())
    };
    parsed.map_err(|reason| refusal(text, &reason))
}

/// RFC 3339 in one field (`2026-05-22T13:14:15.5Z`, `...+02:00`), the strict form of an imported line: nothing may be
/// left out. `None` when it is not that, or beyond what a timestamp can express.
pub fn parse_rfc3339(text: &[u8]) -> Option<Timestamp> {
    let (_, [b'T' | b't', time @ ..]) = text.split_at_checked(10)? else { return None };
    let has_offset = time.iter().any(|b| matches!(b, b'Z' | b'z' | b'+' | b'-'));
    if has_offset && has_seconds(time) { date_time(text).ok() } else { None }
}

/// `2026-05-22` alone, UTC: its midnight. `None` when it is not that.
pub fn parse_date(date: &[u8]) -> Option<Timestamp> {
    let mut cursor = Cursor { rest: date };
    let days = cursor.date().ok()?;
    if cursor.rest.is_empty() { timestamp(days * 86_400, 0) } else { None }
}

/// `-20s`: so long before `now`. `None` when it is not a duration with a minus.
pub fn parse_before(text: &[u8], now: Timestamp) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.starts_with('-'))?;
    relative(text, now).ok()
}

/// `2026-05-22` and `13:14:15.5`, both UTC: the two fields of an exported line's time. Seconds, and minutes too, may be left
/// out, as the original takes them.
pub fn parse_date_and_time(date: &[u8], time: &[u8]) -> Option<Timestamp> {
    let (mut date, mut time) = (Cursor { rest: date }, Cursor { rest: time });
    let days = date.date().ok()?;
    let (seconds, nanos) = time.clock().ok()?;
    if !date.rest.is_empty() || !time.rest.is_empty() {
        return None;
    }
    timestamp(days * 86_400 + seconds, nanos)
}

/// Whether a time of day goes on to its seconds.
fn has_seconds(time: &[u8]) -> bool {
    matches!(time, [_, _, b':', _, _, b':', ..])
}

#[cold]
fn refusal(text: &str, reason: &str) -> Error {
    Error::bad_input(format!("time {}: {reason}; accepted are {ACCEPTED}", quoted(text)))
}

fn relative(offset: &str, now: Timestamp) -> Parsed<Timestamp> {
    if offset.is_empty() {
        return Ok(now);
    }
    if !offset.starts_with(['+', '-']) {
        return Err("expected + or - and a duration after now".into());
    }
    let nanos = parse_duration(offset).map_err(|e| e.to_string())?;
    now.checked_add(nanos).ok_or_else(|| OUT_OF_RANGE.into())
}

/// Whether this is an optional sign, then digits and points only.
pub(super) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

pub(super) fn number(text: &str, unit: Option<TimeUnit>) -> Parsed<Timestamp> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && !fraction.contains('.') => (whole, fraction),
        Some(_) => return Err("a point needs digits on both sides, once".into()),
        None => (unsigned, ""),
    };
    if whole.is_empty() {
        return Err("a point needs digits on both sides, once".into());
    }
    let unit = unit.unwrap_or(match whole.len() {
        ..=MAX_SECONDS_DIGITS => TimeUnit::Seconds,
        _ => TimeUnit::Nanoseconds,
    });
    let places = unit.places();
    let fraction = fraction.trim_end_matches('0');
    let missing = places.checked_sub(fraction.len() as u32).ok_or("finer than a nanosecond")?;
    let fraction: i128 = if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| OUT_OF_RANGE)? };
    let whole: i128 = match whole.trim_start_matches('0') {
        "" => 0,
        digits if digits.len() > 20 => return Err(OUT_OF_RANGE.into()),
        digits => digits.parse().map_err(|_| OUT_OF_RANGE)?,
    };
    let nanos = whole * 10_i128.pow(places) + fraction * 10_i128.pow(missing);
    let nanos = if text.starts_with('-') { -nanos } else { nanos };
    Timestamp::try_from(nanos).map_err(|_| OUT_OF_RANGE.into())
}

/// The bytes not read yet.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn eat(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        wanted.contains(first).then(|| {
            self.rest = rest;
            *first
        })
    }

    /// Exactly `count` digits, at most 4.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(count)?;
        let mut value = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value * 10 + u32::from(digit - b'0');
        }
        self.rest = rest;
        Some(value)
    }

    /// Two digits of at most `max`.
    fn two(&mut self, what: &str, max: u32) -> Parsed<u32> {
        self.digits(2).filter(|n| *n <= max).ok_or_else(|| format!("{what} must be two digits, at most {max}"))
    }

    /// `YYYY-MM-DD` as days since the epoch.
    fn date(&mut self) -> Parsed<i64> {
        let year = i64::from(self.digits(4).ok_or("year must be four digits")?);
        self.eat(b"-").ok_or("expected - after the year")?;
        let month = self.two("month", 12)?;
        self.eat(b"-").ok_or("expected - after the month")?;
        let day = self.two("day", 31)?;
        if month == 0 || day == 0 || day > days_in_month(year, month) {
            return Err("there is no such day".into());
        }
        Ok(days_from_civil(year, month, day))
    }

    /// `HH[:MM[:SS[.nnnnnnnnn]]]` as seconds of the day and nanoseconds.
    fn clock(&mut self) -> Parsed<(i64, i64)> {
        let mut seconds = self.two("hour", 23)? * 3_600;
        let mut nanos = 0;
        if self.eat(b":").is_some() {
            seconds += self.two("minute", 59)? * 60;
            if self.eat(b":").is_some() {
                seconds += self.two("second", 59)?;
                if self.eat(b".").is_some() {
                    nanos = self.fraction()?;
                }
            }
        }
        Ok((i64::from(seconds), nanos))
    }

    /// Nanoseconds of the digits after the point.
    fn fraction(&mut self) -> Parsed<i64> {
        let count = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at_checked(count).unwrap_or_default();
        self.rest = rest;
        fraction_nanoseconds(digits).ok_or_else(|| match count {
            0 => "expected digits after the point".into(),
            _ => "at most nine digits may follow the point".into(),
        })
    }
}

fn date_time(text: &[u8]) -> Parsed<Timestamp> {
    let mut cursor = Cursor { rest: text };
    let mut seconds = cursor.date()? * 86_400;
    let mut nanos = 0;
    if !cursor.rest.is_empty() {
        cursor.eat(b" Tt").ok_or("expected a space or T after the date")?;
        let clock = cursor.clock()?;
        seconds += clock.0 - offset(&mut cursor)?;
        nanos = clock.1;
    }
    if !cursor.rest.is_empty() {
        return Err(format!("unexpected {}", quoted(&String::from_utf8_lossy(cursor.rest))));
    }
    timestamp(seconds, nanos).ok_or_else(|| OUT_OF_RANGE.into())
}

fn timestamp(seconds: i64, nanos: i64) -> Option<Timestamp> {
    let sum = |seconds: i64, nanos: i64| seconds.checked_mul(SECOND)?.checked_add(nanos);
    // The first second of the range starts before it.
    sum(seconds, nanos).or_else(|| sum(seconds + 1, nanos - SECOND))
}

/// Seconds east of UTC. No offset is UTC.
fn offset(cursor: &mut Cursor<'_>) -> Parsed<i64> {
    // A + that a client did not escape in a URL arrives as a space.
    let sign = match cursor.eat(b"Zz+- ") {
        None | Some(b'Z' | b'z') => return Ok(0),
        Some(b'-') => -1,
        Some(_) => 1,
    };
    let hours = cursor.two("hour of the offset", 23)?;
    cursor.eat(b":").ok_or("expected : in the offset, as in +02:00")?;
    let minutes = cursor.two("minute of the offset", 59)?;
    Ok(sign * i64::from(hours * 3_600 + minutes * 60))
}

#[cfg(test)]
mod tests;
