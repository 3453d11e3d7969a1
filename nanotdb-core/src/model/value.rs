//! The four value types, their bit representation, and their text form.

use super::decimal::shortest;
use super::text::ShortText;
use std::fmt;

/// The type of a metric, fixed at its first sample (an `Int32` metric may widen to `Int64`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ValueType {
    /// 32-bit signed integer; 1 on disk.
    Int32 = 1,
    /// IEEE 754 binary32; 2 on disk.
    Float32 = 2,
    /// 64-bit signed integer; 3 on disk.
    Int64 = 3,
    /// IEEE 754 binary64; 4 on disk.
    Float64 = 4,
}

impl ValueType {
    /// The type with this on-disk code.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Int32),
            2 => Some(Self::Float32),
            3 => Some(Self::Int64),
            4 => Some(Self::Float64),
            _ => None,
        }
    }

    /// The on-disk code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Bytes of one value: 4 or 8.
    pub fn width(self) -> usize {
        if self.is_wide() { 8 } else { 4 }
    }

    /// Whether values take 8 bytes.
    pub fn is_wide(self) -> bool {
        matches!(self, Self::Int64 | Self::Float64)
    }

    /// Whether values are integers.
    pub fn is_integer(self) -> bool {
        matches!(self, Self::Int32 | Self::Int64)
    }

    /// Whether a metric of this type may become of the other: every value that it can have then is one of the other, but for
    /// integers beyond 2^53 as float64.
    pub fn may_become(self, later: ValueType) -> bool {
        matches!((self, later), (Self::Int32, Self::Int64) | (Self::Int32 | Self::Int64 | Self::Float32, Self::Float64))
    }

    /// The name that catalogs, answers and tools show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int32 => "int32",
            Self::Float32 => "float32",
            Self::Int64 => "int64",
            Self::Float64 => "float64",
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value of one of the four types.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// 32-bit integer.
    Int32(i32),
    /// 32-bit float.
    Float32(f32),
    /// 64-bit integer.
    Int64(i64),
    /// 64-bit float.
    Float64(f64),
}

impl Value {
    /// The value's type.
    pub fn value_type(self) -> ValueType {
        match self {
            Value::Int32(_) => ValueType::Int32,
            Value::Float32(_) => ValueType::Float32,
            Value::Int64(_) => ValueType::Int64,
            Value::Float64(_) => ValueType::Float64,
        }
    }

    /// The engine's 64-bit row representation: integers sign-extended (so that widening a metric
    /// leaves its rows as they are), float32 as its bits in the low half, float64 as its bits.
    #[inline]
    pub fn to_bits(self) -> u64 {
        match self {
            Value::Int32(v) => i64::from(v) as u64,
            Value::Float32(v) => u64::from(v.to_bits()),
            Value::Int64(v) => v as u64,
            Value::Float64(v) => v.to_bits(),
        }
    }

    /// The inverse of [`Value::to_bits`] for a metric of type `ty`.
    #[inline]
    pub fn from_bits(ty: ValueType, bits: u64) -> Self {
        match ty {
            ValueType::Int32 => Value::Int32(bits as u32 as i32),
            ValueType::Float32 => Value::Float32(f32::from_bits(bits as u32)),
            ValueType::Int64 => Value::Int64(bits as i64),
            ValueType::Float64 => Value::Float64(f64::from_bits(bits)),
        }
    }

    /// Expands the 4-byte form on disk to row bits, for a value written as `Int32` or `Float32`
    /// and read as a metric of type `ty`.
    #[inline]
    pub fn widen_bits(ty: ValueType, low: u32) -> u64 {
        match ty {
            ValueType::Int32 | ValueType::Int64 => i64::from(low as i32) as u64,
            ValueType::Float32 => u64::from(low),
            ValueType::Float64 => f64::from(f32::from_bits(low)).to_bits(),
        }
    }

    /// Row bits of a metric that has become of another type ([`ValueType::may_become`]) as those of that type: a float32 is
    /// the decimal that it was the text of, or itself in a `typed` metric.
    #[inline]
    pub fn became_bits((former, typed): (ValueType, bool), later: ValueType, bits: u64) -> u64 {
        match (Value::from_bits(former, bits), later) {
            (Value::Int32(v), ValueType::Float64) => f64::from(v).to_bits(),
            (Value::Int64(v), ValueType::Float64) => (v as f64).to_bits(),
            (Value::Float32(v), ValueType::Float64) if typed => f64::from(v).to_bits(),
            (Value::Float32(v), ValueType::Float64) => shortest(v).to_bits(),
            _ => bits,
        }
    }

    /// As a float64, for aggregates.
    #[inline]
    pub fn as_f64(self) -> f64 {
        match self {
            Value::Int32(v) => f64::from(v),
            Value::Float32(v) => f64::from(v),
            Value::Int64(v) => v as f64,
            Value::Float64(v) => v,
        }
    }

    /// Appends the shortest decimal that reads back as the same value, never with an exponent:
    /// `21.5`, `48`, `0.0000001`. Infinities and NaN (which only the original wrote) become `+Inf`, `-Inf`, `NaN`.
    pub fn write_text(self, out: &mut Vec<u8>) {
        let mut short = ShortText::default();
        if short.value(self) {
            out.extend_from_slice(short.as_bytes());
        } else {
            self.write_long_text(out);
        }
    }

    /// [`Value::write_text`] of what [`ShortText::value`] does not take.
    pub(super) fn write_long_text(self, out: &mut Vec<u8>) {
        match self {
            Value::Int32(_) | Value::Int64(_) => {}
            Value::Float32(v) if v.is_finite() => write_plain(zmij::Buffer::new().format_finite(v), out),
            // The text of these has no exponent, and what has no fraction is short.
            Value::Float64(v) if (1e-3..1e15).contains(&v.abs()) && v.fract() != 0.0 => {
                out.extend_from_slice(zmij::Buffer::new().format_finite(v).as_bytes());
            }
            Value::Float64(v) if v.is_finite() => write_plain(zmij::Buffer::new().format_finite(v), out),
            Value::Float32(v) => write_non_finite(f64::from(v), out),
            Value::Float64(v) => write_non_finite(v, out),
        }
    }

    /// Appends the line protocol form, which keeps the type: `48.0` for a float without fraction, `256i` for an integer.
    pub fn write_line_protocol(self, out: &mut Vec<u8>) {
        let start = out.len();
        self.write_text(out);
        if self.value_type().is_integer() {
            out.push(b'i');
        } else if out.iter().skip(start).all(|b| b.is_ascii_digit() || *b == b'-') {
            out.extend_from_slice(b".0");
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(24);
        self.write_text(&mut text);
        f.pad(std::str::from_utf8(&text).unwrap_or("?"))
    }
}

fn write_non_finite(v: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(if v.is_nan() {
        b"NaN"
    } else if v > 0.0 {
        b"+Inf"
    } else {
        b"-Inf"
    });
}

/// Writes a shortest float text (`1e-7`, `-0.0`, `12.5`, `1.5e20`) without exponent and without `.0`.
fn write_plain(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let Some(e) = bytes.iter().position(|b| *b == b'e') else {
        out.extend_from_slice(bytes.strip_suffix(b".0").unwrap_or(bytes));
        return;
    };
    let (mantissa, exponent) = text.split_at(e);
    let exponent: i32 = exponent.trim_start_matches('e').parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = if fraction == "0" { "" } else { fraction };
    out.extend_from_slice(sign.as_bytes());
    let point = whole.len() as i32 + exponent;
    let digits = || whole.bytes().chain(fraction.bytes());
    let count = (whole.len() + fraction.len()) as i32;
    if point <= 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', usize::try_from(-point).unwrap_or(0)));
        out.extend(digits());
    } else {
        for (i, digit) in digits().enumerate() {
            if i as i32 == point {
                out.push(b'.');
            }
            out.push(digit);
        }
        out.extend(std::iter::repeat_n(b'0', usize::try_from(point - count).unwrap_or(0)));
    }
}

/// Up to here float64 holds every integer.
pub(crate) const EVERY_INTEGER: u64 = 1 << 53;

/// Whether it is an integer that float64 may not hold.
pub(crate) fn is_beyond_float64(value: i64) -> bool {
    value.unsigned_abs() > EVERY_INTEGER
}

#[cfg(test)]
mod tests;
