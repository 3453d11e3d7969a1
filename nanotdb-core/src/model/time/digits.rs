//! Reads the digits of a time. Runs once per line of an import, so they are read eight at a time.

use crate::model::Timestamp;

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
pub fn nineteen_digits(text: &[u8]) -> Option<Timestamp> {
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
    match text {
        [b'-', digits @ ..] => 0_i64.checked_sub_unsigned(unsigned(digits)?),
        [b'+', digits @ ..] | digits => i64::try_from(unsigned(digits)?).ok(),
    }
}

/// One to nine digits after a decimal point of seconds, in nanoseconds.
pub fn fraction_nanoseconds(digits: &[u8]) -> Option<i64> {
    let missing = 9_usize.checked_sub(digits.len())?;
    let value = i64::try_from(unsigned(digits)?).ok()?;
    Some((0..missing).fold(value, |value, _| value * 10))
}

/// 1 to 19 digits, which a `u64` holds.
fn unsigned(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u64::from(b - b'0')))
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

    proptest! {
        #[test]
        fn integers_are_those_of_the_standard_library(value: i64, text in "[-+]?[0-9]{1,19}|[0-9]{19}|[0-9a:/]{19}") {
            prop_assert_eq!(parse_integer(text.as_bytes()), text.parse().ok());
            let written = value.to_string();
            prop_assert_eq!(parse_integer(written.as_bytes()), Some(value));
        }
    }
}
