//! Numbers and times as text, on the stack: what a row of an answer is made of.

use super::{Timestamp, Value, Values};

/// Room for any timestamp, any value that [`ShortText::value`] takes, and what stands between them.
const ROOM: usize = 64;
/// Every pair of digits.
const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";
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

    /// Appends a number without sign. (Eight digits at a time in one word are fewer instructions, and slower by 10 % where rows are many: each
    /// copy then reads what several writes that overlap have just stored.)
    #[inline]
    pub(crate) fn integer(&mut self, v: u64) {
        // Copies of a fixed length are moves of a register; others are calls.
        match v {
            0..10 => self.push([b'0' + v as u8]),
            10..100 => self.push(pair(v)),
            100..1_000 => {
                self.push([b'0' + (v / 100) as u8]);
                self.push(pair(v % 100));
            }
            1_000..10_000 => {
                self.push(pair(v / 100));
                self.push(pair(v % 100));
            }
            // Seconds of this century.
            1_000_000_000..10_000_000_000 => {
                let (high, low) = (v / 10_000, (v % 10_000) as u32);
                let (higher, high) = (high / 10_000, (high % 10_000) as u32);
                self.push(pair(higher));
                for part in [high / 100, high % 100, low / 100, low % 100] {
                    self.push(pair(u64::from(part)));
                }
            }
            _ => self.long_integer(v),
        }
    }

    fn long_integer(&mut self, mut v: u64) {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        while v >= 100 {
            let pair = (v % 100) as usize;
            v /= 100;
            at -= 2;
            put_pair(&mut digits, at, pair);
        }
        if v >= 10 {
            at -= 2;
            put_pair(&mut digits, at, v as usize);
        } else {
            at -= 1;
            if let Some(digit) = digits.get_mut(at) {
                *digit = b'0' + v as u8;
            }
        }
        self.slice(digits.get(at..).unwrap_or_default());
    }

    #[inline]
    fn slice(&mut self, text: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + text.len()) {
            room.copy_from_slice(text);
            self.len += text.len();
        }
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
            self.fraction(nanos, 9);
        }
    }

    /// Appends a point and `value` as `digits` decimals, without the zeros at the end. `value` is not zero.
    #[inline]
    fn fraction(&mut self, mut value: u32, digits: usize) {
        let mut text = [b'0'; 10];
        let mut at = digits + 1;
        while at > 2 {
            at -= 2;
            put_pair(&mut text, at, (value % 100) as usize);
            value /= 100;
        }
        if at == 2 {
            text[1] = b'0' + (value % 10) as u8;
        }
        text[0] = b'.';
        let mut len = digits + 1;
        while len > 2 && text.get(len - 1) == Some(&b'0') {
            len -= 1;
        }
        let before = self.len;
        self.push(text);
        self.len = self.len.min(before + len);
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
        for (decimals, power) in POWERS.into_iter().enumerate() {
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
                self.fraction(rest as u32, decimals);
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

/// Two digits of a number below a hundred.
#[inline]
fn pair(v: u64) -> [u8; 2] {
    PAIRS.get(v as usize * 2..).and_then(|rest| rest.first_chunk::<2>()).copied().unwrap_or_default()
}

#[inline]
fn put_pair<const N: usize>(text: &mut [u8; N], at: usize, pair: usize) {
    let digits = PAIRS.get(pair * 2..).and_then(|rest| rest.first_chunk::<2>());
    let room = text.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>());
    if let (Some(digits), Some(room)) = (digits, room) {
        *room = *digits;
    }
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
