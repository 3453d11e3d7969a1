//! Numbers of the text formats, rounded once to each of float64 and float32.

use crate::excerpt::excerpt;
use nanotdb_core::model::Number;

/// Powers of ten that a float64 holds exactly. A mantissa below 2^53 times or divided by one of them is one rounding,
/// so it is the correctly rounded result (Clinger, "How to read floating point numbers accurately", 1990).
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
const EXACT_MANTISSA: u64 = 1 << 53;
/// So many digits cannot overflow a u64.
const SAFE_DIGITS: usize = 19;

/// Why a field is not a number that can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// It is not written like a number.
    Syntax,
    /// NaN or an infinity, by name.
    NotFinite,
    /// A decimal beyond the largest float64.
    TooLarge,
    /// A decimal that is not 0, and that float64 has no number for but 0.
    TooSmall,
    /// An integer beyond 64 bits.
    TooLargeForInteger,
    /// The suffix `i` on a number with a fraction.
    FractionWithSuffix,
}

impl NumberError {
    /// A sentence that quotes the field and says what would be accepted.
    pub fn reason(self, field: &[u8]) -> String {
        let field = excerpt(field);
        match self {
            Self::Syntax => {
                format!("value {field} is not a number; write an integer (42 or 42i) or a decimal (21.5, 1e-3)")
            }
            Self::NotFinite => format!("value {field} is not finite; only finite numbers are stored"),
            Self::TooLarge => format!("value {field} is beyond the range of float64 (1.797e308)"),
            Self::TooSmall => {
                format!(
                    "value {field} is not 0, but nearer to it than any float64 (4.9e-324); write 0 if that is meant"
                )
            }
            Self::TooLargeForInteger => format!(
                "value {field} is beyond a 64-bit integer (-9223372036854775808 to 9223372036854775807); write it with a point (18446744073709551615.0) to store the float64 next to it"
            ),
            Self::FractionWithSuffix => {
                format!(
                    "value {field} has a fraction but ends in i, which means an integer; drop the i or the fraction"
                )
            }
        }
    }
}

/// Reads a plain number (sign, digits, at most one point, or a suffix `i`) that white space or the end of `text`
/// follows, and returns it with its length. `None` means: use [`parse`] on the whole field.
#[inline]
pub(crate) fn scan_plain(text: &[u8]) -> Option<(Number, usize)> {
    let (negative, sign) = match text.first()? {
        b'-' => (true, 1),
        b'+' => (false, 1),
        _ => (false, 0),
    };
    let mut mantissa = 0_u64;
    let mut at = sign;
    while let Some(digit) = digit_at(text, at) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
        at += 1;
    }
    let whole_digits = at - sign;
    match text.get(at) {
        None | Some(b' ' | b'\t' | b'\n' | b'\r') if whole_digits > 0 && whole_digits < SAFE_DIGITS => {
            Some((Number::integer(signed(negative, mantissa)), at))
        }
        Some(b'.') => {
            at += 1;
            while let Some(digit) = digit_at(text, at) {
                mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
                at += 1;
            }
            let fraction_digits = at - sign - 1 - whole_digits;
            let digits = whole_digits + fraction_digits;
            let ends = matches!(text.get(at), None | Some(b' ' | b'\t' | b'\n' | b'\r'));
            if !ends || digits == 0 || digits > SAFE_DIGITS || mantissa > EXACT_MANTISSA {
                return None;
            }
            let power = POWERS_OF_TEN.get(fraction_digits)?;
            let double = mantissa as f64 / power;
            let double = if negative { -double } else { double };
            let single = round_to_single(double, text.get(..at)?);
            let short = is_only_decimal(single, *power);
            Some((if short { Number::short_decimal(double, single) } else { Number::decimal(double, single) }, at))
        }
        Some(b'i') if whole_digits > 0 && whole_digits < SAFE_DIGITS => {
            let ends = matches!(text.get(at + 1), None | Some(b' ' | b'\t' | b'\n' | b'\r'));
            ends.then(|| (Number::suffixed_integer(signed(negative, mantissa)), at + 1))
        }
        _ => None,
    }
}

/// Whether no other decimal of as many places is as near to this float32: their distance is larger than that of neighbouring
/// float32. Then its shortest text is the one it was read from. (Not for subnormal ones, which 19 places cannot write.)
#[inline]
fn is_only_decimal(single: f32, power: f64) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    const MANTISSA: f64 = 8_388_608.0;
    f64::from(f32::from_bits(single.to_bits() & EXPONENT)) * power < MANTISSA
}

#[inline]
fn digit_at(text: &[u8], at: usize) -> Option<u64> {
    let digit = text.get(at)?.wrapping_sub(b'0');
    (digit <= 9).then_some(u64::from(digit))
}

/// For fewer than 19 digits.
#[inline]
fn signed(negative: bool, magnitude: u64) -> i64 {
    let magnitude = magnitude as i64;
    if negative { -magnitude } else { magnitude }
}

/// Parses a field: `42`, `-7` and `+7` are integers, `42i` (and `42.0i`) integers and nothing else, `21.5`, `1e-3`,
/// `.5` and `5.` floats.
pub fn parse(field: &[u8]) -> Result<Number, NumberError> {
    if let Some((number, _)) = scan_plain(field).filter(|(_, used)| *used == field.len()) {
        return Ok(number);
    }
    let (unsuffixed, suffixed) = match field.strip_suffix(b"i") {
        Some(rest) => (rest, true),
        None => (field, false),
    };
    let literal = Literal::read(unsuffixed)
        .ok_or_else(|| if is_special(field) { NumberError::NotFinite } else { NumberError::Syntax })?;
    if suffixed {
        return literal.to_integer().map(Number::suffixed_integer);
    }
    if literal.is_integer() {
        return literal.to_integer().map(Number::integer);
    }
    let (double, single) = literal.to_floats()?;
    Ok(Number::decimal(double, single))
}

/// Parses a field as a float, whichever way it is written (`42` too, without suffix): the nearest float64 and float32.
/// A number between the largest float32 and the largest float64 gives an infinite float32.
pub fn parse_float(field: &[u8]) -> Result<(f64, f32), NumberError> {
    if let Some((number, _)) = scan_plain(field).filter(|(_, used)| *used == field.len())
        && number.as_integer().is_none()
    {
        return Ok((number.as_f64(), number.as_f32()));
    }
    match Literal::read(field) {
        Some(literal) => literal.to_floats(),
        None if is_special(field) => Err(NumberError::NotFinite),
        None => Err(NumberError::Syntax),
    }
}

fn is_special(field: &[u8]) -> bool {
    let name = field.strip_prefix(b"-").or_else(|| field.strip_prefix(b"+")).unwrap_or(field);
    [&b"nan"[..], b"inf", b"infinity"].iter().any(|special| name.eq_ignore_ascii_case(special))
}

/// A well-formed number, cut into its parts.
struct Literal<'a> {
    negative: bool,
    /// Without sign: digits, point, exponent.
    unsigned: &'a [u8],
    whole: &'a [u8],
    /// `None` without a point.
    fraction: Option<&'a [u8]>,
    /// `None` without an `e`. Clamped to i32.
    exponent: Option<i64>,
}

impl<'a> Literal<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let (negative, unsigned) = split_sign(text);
        let (whole, rest) = split_digits(unsigned);
        let (fraction, rest) = match rest.strip_prefix(b".") {
            Some(rest) => {
                let (fraction, rest) = split_digits(rest);
                (Some(fraction), rest)
            }
            None => (None, rest),
        };
        if whole.is_empty() && fraction.unwrap_or_default().is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => None,
            [b'e' | b'E', rest @ ..] => {
                let (negative, rest) = split_sign(rest);
                let (digits, rest) = split_digits(rest);
                if digits.is_empty() || !rest.is_empty() {
                    return None;
                }
                let magnitude = digits
                    .iter()
                    .fold(0_i64, |sum, b| (sum * 10 + i64::from(b.wrapping_sub(b'0'))).min(i64::from(i32::MAX)));
                Some(if negative { -magnitude } else { magnitude })
            }
            _ => return None,
        };
        Some(Self { negative, unsigned, whole, fraction, exponent })
    }

    fn is_integer(&self) -> bool {
        self.fraction.is_none() && self.exponent.is_none()
    }

    /// The exact integer, whatever the notation.
    fn to_integer(&self) -> Result<i64, NumberError> {
        let fraction = self.fraction.unwrap_or_default();
        let count = self.whole.len() + fraction.len();
        let digits = || self.whole.iter().chain(fraction).map(|b| b.wrapping_sub(b'0'));
        let Some(leading) = digits().position(|d| d != 0) else { return Ok(0) };
        let trailing = digits().rev().position(|d| d != 0).unwrap_or(0);
        // The value is the digits between leading and trailing zeros, times ten to this power.
        let power = self.exponent.unwrap_or(0) + trailing as i64 - fraction.len() as i64;
        if power < 0 {
            return Err(NumberError::FractionWithSuffix);
        }
        let significant = count - leading - trailing;
        if significant as i64 + power > SAFE_DIGITS as i64 {
            return Err(NumberError::TooLargeForInteger);
        }
        let mantissa = digits().skip(leading).take(significant).fold(0_i128, |sum, d| sum * 10 + i128::from(d));
        let magnitude = (0..power).fold(mantissa, |sum, _| sum * 10);
        let value = if self.negative { -magnitude } else { magnitude };
        i64::try_from(value).map_err(|_| NumberError::TooLargeForInteger)
    }

    fn to_floats(&self) -> Result<(f64, f32), NumberError> {
        let double = fast_float2::parse::<f64, _>(self.unsigned).map_err(|_| NumberError::Syntax)?;
        if !double.is_finite() {
            return Err(NumberError::TooLarge);
        }
        if double == 0.0 && self.whole.iter().chain(self.fraction.unwrap_or_default()).any(|digit| *digit != b'0') {
            return Err(NumberError::TooSmall);
        }
        let single = round_to_single(double, self.unsigned).abs();
        Ok(if self.negative { (-double, -single) } else { (double, single) })
    }
}

/// The float32 nearest to the decimal `text`, whose nearest float64 is `double`.
#[inline]
fn round_to_single(double: f64, text: &[u8]) -> f32 {
    // Rounding twice goes wrong only where the float64 lies exactly between two float32: there the text decides.
    // For subnormal float32 that place is elsewhere, so their text always decides.
    const LOW_BITS: u64 = (1 << 29) - 1;
    const HALF_WAY: u64 = 1 << 28;
    let half_way = double.to_bits() & LOW_BITS == HALF_WAY;
    let subnormal = double.abs() < f64::from(f32::MIN_POSITIVE) && double != 0.0;
    if half_way || subnormal { single_from_text(double, text) } else { double as f32 }
}

#[cold]
fn single_from_text(double: f64, text: &[u8]) -> f32 {
    let (negative, unsigned) = split_sign(text);
    match fast_float2::parse::<f32, _>(unsigned) {
        Ok(single) if negative => -single,
        Ok(single) => single,
        Err(_) => double as f32,
    }
}

fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, &[]))
}
