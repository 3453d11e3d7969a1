//! Timestamps of the line protocol: integer nanoseconds, RFC 3339, and the two-field form that exports write.

/// Eight ASCII digits as a number; `None` if a byte is something else.
#[inline]
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(text);
    // A digit has 3 in its high half, and still has after adding 6 (then nothing carries into the next byte either).
    const HIGH_HALVES: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const THREES: u64 = 0x3030_3030_3030_3030;
    if word & HIGH_HALVES != THREES || word.wrapping_add(0x0606_0606_0606_0606) & HIGH_HALVES != THREES {
        return None;
    }
    // The first digit is the lowest byte. Join neighbours: bytes to pairs, pairs to fours, fours to the eight.
    let digits = word & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff)
}

/// Exactly 19 digits, the length of every nanosecond timestamp since 2001-09-09.
#[inline]
pub(crate) fn nineteen_digits(text: &[u8]) -> Option<i64> {
    let (first, rest) = text.split_first_chunk::<8>()?;
    let (second, rest) = rest.split_first_chunk::<8>()?;
    let [a, b, c] = rest else { return None };
    let digit = |b: &u8| Some(u64::from(b.wrapping_sub(b'0'))).filter(|d| *d <= 9);
    let tail = digit(a)? * 100 + digit(b)? * 10 + digit(c)?;
    // At most 10^19 - 1, which a u64 holds.
    let value = (eight_digits(*first)? * 100_000_000 + eight_digits(*second)?) * 1_000 + tail;
    i64::try_from(value).ok()
}

/// A signed decimal integer of 1 to 19 digits; `None` for anything else, and beyond 64 bits.
pub fn parse_integer(text: &[u8]) -> Option<i64> {
    if let Some(value) = nineteen_digits(text) {
        return Some(value);
    }
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = digits_value(digits)?;
    i64::try_from(if negative { -value } else { value }).ok()
}

/// RFC 3339 in one field (`2026-05-22T13:14:15.5Z`, `...+02:00`), as nanoseconds. `None` when it is not that, or beyond
/// what a timestamp can express.
pub fn parse_rfc3339(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(b"T").or_else(|| rest.strip_prefix(b"t"))?;
    let offset_at = rest.iter().position(|b| matches!(b, b'Z' | b'z' | b'+' | b'-'))?;
    let (time, offset) = rest.split_at_checked(offset_at)?;
    let offset_seconds = match offset {
        b"Z" | b"z" => 0,
        [sign, h1, h2, b':', m1, m2] => {
            let hours = in_range(&[*h1, *h2], 23)?;
            let minutes = in_range(&[*m1, *m2], 59)?;
            let seconds = hours * 3_600 + minutes * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    nanoseconds(date, time, offset_seconds)
}

/// `2026-05-22` and `13:14:15.5`, both UTC, as nanoseconds.
pub fn parse_date_and_time(date: &[u8], time: &[u8]) -> Option<i64> {
    nanoseconds(date, time, 0)
}

fn nanoseconds(date: &[u8], time: &[u8], offset_seconds: i128) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else { return None };
    let year = digits_value(&[*y1, *y2, *y3, *y4])?;
    let month = in_range(&[*m1, *m2], 12)?;
    let day = in_range(&[*d1, *d2], 31)?;
    let (clock, fraction) = match time.iter().position(|b| *b == b'.') {
        Some(at) => (time.get(..at)?, Some(time.get(at + 1..)?)),
        None => (time, None),
    };
    let [h1, h2, b':', n1, n2, b':', s1, s2] = clock else { return None };
    let seconds_of_day =
        in_range(&[*h1, *h2], 23)? * 3_600 + in_range(&[*n1, *n2], 59)? * 60 + in_range(&[*s1, *s2], 59)?;
    let nanos = fraction.map_or(Some(0), fraction_nanoseconds)?;
    let seconds = days_from_civil(year, month, day)? * 86_400 + seconds_of_day - offset_seconds;
    i64::try_from(seconds * 1_000_000_000 + nanos).ok()
}

/// One to nine digits after a decimal point of seconds, in nanoseconds.
pub(crate) fn fraction_nanoseconds(digits: &[u8]) -> Option<i128> {
    let scale = 9_usize.checked_sub(digits.len())?;
    let value = digits_value(digits)?;
    Some((0..scale).fold(value, |value, _| value * 10))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; `None` for dates that do not exist.
fn days_from_civil(year: i128, month: i128, day: i128) -> Option<i128> {
    const EPOCH: i128 = 719_528;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month - 1).ok()?)?;
    if !(1..=length).contains(&day) {
        return None;
    }
    let before_month: i128 = lengths.iter().take(usize::try_from(month - 1).ok()?).sum();
    let last = year - 1;
    let leap_days = last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400) + 1;
    Some(year * 365 + leap_days + before_month + day - 1 - EPOCH)
}

fn in_range(digits: &[u8], max: i128) -> Option<i128> {
    digits_value(digits).filter(|v| *v <= max)
}

/// 1 to 19 digits.
fn digits_value(digits: &[u8]) -> Option<i128> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_i128, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i128::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers() {
        assert_eq!(parse_integer(b"1715000000000000000"), Some(1_715_000_000_000_000_000));
        assert_eq!(parse_integer(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse_integer(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_integer(b"+5"), Some(5));
        for bad in ["", "-", "+-1", "9223372036854775808", "-9223372036854775809", "00000000000000000001", "1e3", "1 2"]
        {
            assert_eq!(parse_integer(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn dates_and_times() {
        assert_eq!(parse_date_and_time(b"1970-01-01", b"00:00:00"), Some(0));
        assert_eq!(parse_date_and_time(b"1969-12-31", b"23:59:59.999999999"), Some(-1));
        assert_eq!(parse_rfc3339(b"2026-05-22T13:14:15.000000016Z"), Some(1_779_455_655_000_000_016));
        assert_eq!(parse_rfc3339(b"2026-05-22t15:14:15.5+02:00"), Some(1_779_455_655_500_000_000));
        assert_eq!(parse_rfc3339(b"2026-05-22T11:44:15-01:30"), Some(1_779_455_655_000_000_000));
        assert_eq!(parse_rfc3339(b"1677-09-21T00:12:43.145224192Z"), Some(i64::MIN));
        assert_eq!(parse_rfc3339(b"2262-04-11T23:47:16.854775807Z"), Some(i64::MAX));
        for bad in [
            "1677-09-21T00:12:43.145224191Z",
            "2262-04-11T23:47:16.854775808Z",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-05-22T24:00:00Z",
            "2026-05-22T23:60:00Z",
            "2026-05-22T23:59:60Z",
            "2026-05-22T13:14:15",
            "2026-05-22T13:14Z",
            "2026-05-22T13:14:15.Z",
            "2026-05-22T13:14:15.1234567890Z",
            "2026-05-22T13:14:15+2:00",
            "2026-05-22T13:14:15+24:00",
            "2026-05-22T13:14:15ZZ",
            "2026-05-22",
            "",
        ] {
            assert_eq!(parse_rfc3339(bad.as_bytes()), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn integers_are_those_of_the_standard_library(value: i64, text in "[-+]?[0-9]{1,19}|[0-9]{19}|[0-9a:/]{19}") {
            prop_assert_eq!(parse_integer(text.as_bytes()), text.parse().ok());
            let written = value.to_string();
            prop_assert_eq!(parse_integer(written.as_bytes()), Some(value));
        }

        #[test]
        fn times_are_those_of_jiff(value: i64, hours in -23_i32..=23) {
            let moment = jiff::Timestamp::from_nanosecond(i128::from(value)).unwrap();
            prop_assert_eq!(parse_rfc3339(moment.to_string().as_bytes()), Some(value));
            let offset = jiff::tz::Offset::from_seconds(hours * 3_600 + hours.signum() * 1_740).unwrap();
            let zoned = moment.display_with_offset(offset).to_string();
            prop_assert_eq!(parse_rfc3339(zoned.as_bytes()), Some(value));
            let civil = jiff::tz::Offset::UTC.to_datetime(moment).to_string();
            let (date, time) = civil.split_once('T').unwrap();
            prop_assert_eq!(parse_date_and_time(date.as_bytes(), time.as_bytes()), Some(value));
        }

        #[test]
        fn accepted_texts_mean_what_jiff_reads(
            text in "(1[6-9]|2[0-2])[0-9]{2}-[01][0-9]-[0-3][0-9]T[012][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-][01][0-9]:[0-5][0-9])"
        ) {
            let theirs = text.parse::<jiff::Timestamp>().ok().and_then(|t| i64::try_from(t.as_nanosecond()).ok());
            // jiff takes a leap second for the second before it; here it is refused.
            if text.get(17..19) != Some("60") {
                prop_assert_eq!(parse_rfc3339(text.as_bytes()), theirs);
            }
        }
    }
}
