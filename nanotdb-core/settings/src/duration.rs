//! Durations as text: Go's notation plus days and weeks, in integers.

use crate::quoted;

/// Units by name, in nanoseconds. Both code points that print as the micro sign are in use.
const UNITS: [(&str, u64); 10] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
    ("d", 86_400 * SECOND),
    ("w", 7 * 86_400 * SECOND),
];
const SECOND: u64 = 1_000_000_000;

/// What error messages say about the notation.
pub const ACCEPTED: &str =
    "numbers with the units ns, us, ms, s, m, h, d, w, such as \"250ms\", \"1h30m\", \"1.5h\" or \"7d\"";

/// Parses a duration into nanoseconds: `1h30m`, `250ms`, `1.5h`, `-5m`, `7d`, `2w`, and `0` without a unit. The error is the reason.
///
/// A fraction below one nanosecond is cut off. Fails on anything else, and beyond the range of `i64` (292 years).
pub fn parse(text: &str) -> Result<i64, String> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if unsigned == "0" {
        return Ok(0);
    }
    if unsigned.is_empty() {
        return Err("empty".into());
    }
    let limit = if negative { 1_u128 << 63 } else { (1 << 63) - 1 };
    let mut total: u128 = 0;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(format!("expected a number at {}", quoted(rest)));
        }
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        if unit.is_empty() {
            return Err("a number without a unit".into());
        }
        let Some((_, unit)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("unknown unit {}", quoted(unit)));
        };
        let unit = u128::from(*unit);
        let too_long = || "longer than 292 years".to_owned();
        let whole = decimal(whole).ok_or_else(too_long)? * unit;
        // Twenty digits of a week are far below a nanosecond, and their product fits.
        let fraction = fraction.get(..20).unwrap_or(fraction);
        let scale = 10_u128.pow(fraction.len() as u32);
        total += whole + decimal(fraction).ok_or_else(too_long)? * unit / scale;
        if total > limit {
            return Err(too_long());
        }
        rest = next;
    }
    let signed = i128::try_from(total).map_err(|e| e.to_string())?;
    i64::try_from(if negative { -signed } else { signed }).map_err(|e| e.to_string())
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The value of at most 20 significant digits; none means zero.
fn decimal(digits: &str) -> Option<u128> {
    let significant = digits.trim_start_matches('0');
    match significant.len() {
        0 => Some(0),
        1..=20 => significant.parse().ok(),
        _ => None,
    }
}
