//! Numbers and times as text, on the stack: what a row of an answer is made of.

use super::{Timestamp, Value, Values};

/// Room for any timestamp, any value that [`ShortText::value`] takes, and what stands between them.
const ROOM: usize = 64;
/// The first number of nine digits.
const EIGHT_DIGITS: u64 = 100_000_000;
/// Eight zeros.
const ZEROS: u64 = 0x3030_3030_3030_3030;
const SECOND: u64 = 1_000_000_000;
/// Powers of ten up to the most decimals that are tried.
const POWERS: [u32; 5] = [1, 10, 100, 1_000, 10_000];
/// The last of them.
const MOST_PLACES: f64 = 10_000.0;
/// Decimals of at most seven digits are told apart from the next float32 with certainty.
const MOST_DIGITS_32: f64 = 1e7;
/// As of fifteen digits from the next float64.
const MOST_DIGITS_64: f64 = 1e15;

/// A short text that is appended to an answer at once. What does not fit is left out, which nothing here comes near.
pub(crate) struct ShortText {
    bytes: [u8; ROOM],
    len: usize,
}

impl Default for ShortText {
    fn default() -> Self {
        Self { bytes: [0; ROOM], len: 0 }
    }
}

impl ShortText {
    /// Appends the text to an answer.
    #[inline]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.len;
        // A copy of a fixed length, of which the rest is dropped.
        out.extend_from_slice(&self.bytes);
        out.truncate(end);
    }

    /// The text.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Appends a few bytes.
    #[inline]
    pub(crate) fn push<const N: usize>(&mut self, text: [u8; N]) {
        if let Some(room) = self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut::<N>()) {
            *room = text;
            self.len += N;
        }
    }

    /// Appends what of the `digits` is not cut from their front: they are eight, the first one lowest.
    #[inline]
    fn digits(&mut self, digits: u64, cut: u32) {
        self.push(((digits | ZEROS) >> (8 * cut)).to_le_bytes());
        self.len -= cut as usize;
    }

    /// Appends a number without sign.
    #[inline]
    pub(crate) fn integer(&mut self, v: u64) {
        match v {
            0..10 => self.push([b'0' + v as u8]),
            10..EIGHT_DIGITS => {
                let digits = eight_digits(v);
                self.digits(digits, digits.trailing_zeros() / 8);
            }
            // Seconds of this century.
            1_000_000_000..10_000_000_000 => {
                let high = v / EIGHT_DIGITS;
                self.push([b'0' + (high / 10) as u8, b'0' + (high % 10) as u8]);
                self.digits(eight_digits(v % EIGHT_DIGITS), 0);
            }
            _ => self.long_integer(v),
        }
    }

    fn long_integer(&mut self, v: u64) {
        self.integer(v / EIGHT_DIGITS);
        self.digits(eight_digits(v % EIGHT_DIGITS), 0);
    }

    /// Appends Unix seconds with as many decimals as it takes: see [`super::time::write_unix_seconds`].
    #[inline]
    pub(crate) fn unix_seconds(&mut self, at: Timestamp) {
        if at < 0 {
            self.push([b'-']);
        }
        let magnitude = at.unsigned_abs();
        self.integer(magnitude / SECOND);
        let nanos = (magnitude % SECOND) as u32;
        if nanos != 0 {
            self.fraction(nanos);
        }
    }

    /// Appends a point and billionths as decimals, without the zeros at the end. They are not zero.
    #[inline]
    fn fraction(&mut self, billionths: u32) {
        let (first, rest) = (billionths / EIGHT_DIGITS as u32, billionths % EIGHT_DIGITS as u32);
        self.push([b'.', b'0' + first as u8]);
        let digits = eight_digits(u64::from(rest));
        self.digits(digits, 0);
        self.len -= digits.leading_zeros() as usize / 8;
    }

    /// Appends a value as [`Value::write_text`] does, if it is an integer or has few decimals. Otherwise nothing is
    /// appended, and the answer is `false`.
    #[inline]
    pub(crate) fn value(&mut self, value: Value) -> bool {
        match value {
            Value::Int32(v) => self.signed(i64::from(v)),
            Value::Int64(v) => self.signed(v),
            Value::Float32(v) => {
                let wide = f64::from(v);
                return self
                    .decimal(wide, (MOST_DIGITS_32, 1.2e-7), |decimal| (decimal as f32).to_bits() == v.to_bits());
            }
            Value::Float64(v) => {
                return self.decimal(v, (MOST_DIGITS_64, 1e-15), |decimal| decimal.to_bits() == v.to_bits());
            }
        }
        true
    }

    #[inline]
    fn signed(&mut self, v: i64) {
        if v < 0 {
            self.push([b'-']);
        }
        self.integer(v.unsigned_abs());
    }

    /// The fewest decimals that read back as `v`: the quotient of two integers below 2^53 is rounded correctly, so that it
    /// is what reading the text gives. `v` lies `off` of its size beside the decimal, at most.
    #[inline]
    fn decimal(&mut self, v: f64, (most, off): (f64, f64), is_same: impl Fn(f64) -> bool) -> bool {
        // A number of more places is told by one look, most often, and without the division that each of those below takes.
        let scaled = v * MOST_PLACES;
        if scaled.abs() < MOST_DIGITS_64 && (scaled - nearest(scaled) as f64).abs() > scaled.abs() * off {
            return false;
        }
        for power in POWERS {
            let scaled = v * f64::from(power);
            if scaled.is_nan() || scaled.abs() >= most {
                return false;
            }
            let integer = nearest(scaled);
            if !is_same(integer as f64 / f64::from(power)) {
                continue;
            }
            if integer < 0 {
                self.push([b'-']);
            }
            let (whole, rest) = (integer.unsigned_abs() / u64::from(power), integer.unsigned_abs() % u64::from(power));
            self.integer(whole);
            if rest != 0 {
                self.fraction(rest as u32 * (SECOND as u32 / power));
            }
            return true;
        }
        false
    }
}

/// Appends rows of a matrix as JSON, `[seconds,"value"]` each: see [`write_row`].
pub fn write_rows(times: &[Timestamp], values: Values<'_>, follows: bool, out: &mut Vec<u8>) {
    fn each<T: Copy>(
        times: &[Timestamp],
        values: &[T],
        value: impl Fn(T) -> Value,
        mut follows: bool,
        out: &mut Vec<u8>,
    ) {
        for (at, v) in times.iter().zip(values) {
            row(*at, value(*v), follows, out);
            follows = true;
        }
    }
    // The type is asked once, not per row.
    match values {
        Values::Int32(v) => each(times, v, Value::Int32, follows, out),
        Values::Float32(v) => each(times, v, Value::Float32, follows, out),
        Values::Int64(v) => each(times, v, Value::Int64, follows, out),
        Values::Float64(v) => each(times, v, Value::Float64, follows, out),
    }
}

/// Appends a row of a matrix as JSON, `[seconds,"value"]`; with a comma before it where it follows another one.
///
/// ```
/// use nanotdb_core::model::{Value, text::write_row};
///
/// let mut out = Vec::new();
/// write_row(1_715_000_000_500_000_000, Value::Float32(21.5), true, &mut out);
/// assert_eq!(out, br#",[1715000000.5,"21.5"]"#);
/// ```
pub fn write_row(at: Timestamp, value: Value, follows: bool, out: &mut Vec<u8>) {
    row(at, value, follows, out);
}

#[inline]
fn row(at: Timestamp, value: Value, follows: bool, out: &mut Vec<u8>) {
    let mut row = ShortText::default();
    if follows {
        row.push([b',']);
    }
    row.push([b'[']);
    row.unix_seconds(at);
    row.push([b',', b'"']);
    if row.value(value) {
        row.push([b'"', b']']);
        row.append_to(out);
    } else {
        row.append_to(out);
        value.write_long_text(out);
        out.extend_from_slice(b"\"]");
    }
}

/// The integer next to a number below 2^53.
#[inline]
fn nearest(v: f64) -> i64 {
    (v + 0.5f64.copysign(v)) as i64
}

/// The digits of a number below [`EIGHT_DIGITS`], a byte each, the first one lowest: four, two and one at a time are told apart in all
/// lanes of a word at once. Factor and shift are those of a quotient that is exact for so many digits.
#[inline]
fn eight_digits(v: u64) -> u64 {
    let fours = (v / 10_000) | ((v % 10_000) << 32);
    let hundreds = ((fours * 5_243) >> 19) & 0x7f_0000_007f;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x0f_000f_000f_000f;
    tens | (pairs - tens * 10) << 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(at: Timestamp) -> String {
        let mut text = ShortText::default();
        text.unix_seconds(at);
        String::from_utf8(text.as_bytes().to_vec()).unwrap()
    }

    fn value(value: Value) -> Option<String> {
        let mut text = ShortText::default();
        text.value(value).then(|| String::from_utf8(text.as_bytes().to_vec()).unwrap())
    }

    #[test]
    fn usual_values_are_short() {
        for (v, text) in [(0.0, "0"), (21.5, "21.5"), (-0.07, "-0.07"), (1.0625, "1.0625"), (99_999.25, "99999.25")] {
            assert_eq!(value(Value::Float32(v)).as_deref(), Some(text));
            assert_eq!(value(Value::Float64(text.parse().unwrap())).as_deref(), Some(text));
        }
        for v in [-0.0, f32::NAN, f32::INFINITY, 1e-5, 1e20] {
            assert_eq!(value(Value::Float32(v)), None);
        }
        assert_eq!(value(Value::Int64(i64::MIN)).as_deref(), Some("-9223372036854775808"));
        assert_eq!(value(Value::Int32(-7)).as_deref(), Some("-7"));
        assert_eq!(seconds(1_715_000_000_010_203_040), "1715000000.01020304");
        assert_eq!(seconds(i64::MIN), "-9223372036.854775808");
    }

    proptest! {
        #[test]
        fn integers_of_every_length_are_their_text(v: u64, drop in 0u32..64) {
            for v in [v >> drop, 10u64.saturating_pow(drop % 20), 10u64.saturating_pow(drop % 20) - 1] {
                let mut text = ShortText::default();
                text.integer(v);
                let expected = v.to_string();
                prop_assert_eq!(text.as_bytes(), expected.as_bytes());
            }
        }

        #[test]
        fn times_are_exact(at: i64) {
            let (whole, nanos) = (at.unsigned_abs() / SECOND, at.unsigned_abs() % SECOND);
            let text = format!("{}{whole}.{nanos:09}", if at < 0 { "-" } else { "" });
            prop_assert_eq!(seconds(at), text.trim_end_matches('0').trim_end_matches('.'));
        }

        #[test]
        fn decimals_are_the_shortest_that_read_back(digits in -200_000_000i64..200_000_000, decimals in 0u32..7) {
            let wide = digits as f64 / 10f64.powi(decimals as i32);
            // The standard library prints the shortest text that reads back, without exponent.
            if let Some(text) = value(Value::Float64(wide)) {
                prop_assert_eq!(text, format!("{wide}"));
            }
            let narrow = wide as f32;
            if let Some(text) = value(Value::Float32(narrow)) {
                prop_assert_eq!(text, format!("{narrow}"));
            }
        }

        #[test]
        fn any_bits_are_the_shortest_or_left_alone(narrow: u32, wide: u64) {
            let (narrow, wide) = (f32::from_bits(narrow), f64::from_bits(wide));
            if let Some(text) = value(Value::Float32(narrow)) {
                prop_assert_eq!(text, format!("{narrow}"));
            }
            if let Some(text) = value(Value::Float64(wide)) {
                prop_assert_eq!(text, format!("{wide}"));
            }
        }
    }
}
