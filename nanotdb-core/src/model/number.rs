//! Numbers on their way in, before the type of their metric is known.

use super::decimal::shortest;
use super::{Value, ValueType};

/// How a number was written by its sender: this decides the type of a new metric and whether it fits an existing one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// `42`: creates an integer metric, and is taken as a float by a float metric.
    Integer,
    /// `42i`: an integer and nothing else.
    SuffixedInteger,
    /// `21.5`, `1e-3`: a float and nothing else.
    Float,
}

/// What is known of the width that a number needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    /// Decimal text: as wide as it takes to give the same decimal back.
    Text,
    /// Decimal text that float32 gives back, as the parser knows.
    ShortText,
    /// Whatever holds exactly this float64.
    Exact,
    /// A 32-bit value of its sender's.
    Narrow,
    /// A 64-bit value of its sender's.
    Wide,
}

/// A number as it came from a sender, before the metric's type is known.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    /// How it was written.
    pub kind: NumberKind,
    width: Width,
    /// The correctly rounded float32 (rounding the float64 again could differ in the last bit).
    single: f32,
    /// The integer, or the bits of the float64.
    bits: u64,
}

impl Number {
    /// A bare integer literal.
    #[inline]
    pub fn integer(v: i64) -> Self {
        Self { kind: NumberKind::Integer, bits: v as u64, single: v as f32, width: Width::Text }
    }

    /// An integer literal with the `i` suffix.
    #[inline]
    pub fn suffixed_integer(v: i64) -> Self {
        Self { kind: NumberKind::SuffixedInteger, bits: v as u64, single: v as f32, width: Width::Text }
    }

    /// A float64 that is a number and no text, as Prometheus and programs have them: a new metric of it is float64.
    #[inline]
    pub fn float(v: f64) -> Self {
        Self { kind: NumberKind::Float, bits: v.to_bits(), single: v as f32, width: Width::Wide }
    }

    /// A float that was computed: a new metric of it is float32 where that holds exactly this value, else float64.
    #[inline]
    pub fn computed(v: f64) -> Self {
        Self { width: Width::Exact, ..Self::float(v) }
    }

    /// A float read from decimal text: both nearest values, each rounded once. A new metric of it is float32 where that gives
    /// the same decimal back, else float64.
    #[inline]
    pub fn decimal(double: f64, single: f32) -> Self {
        Self { kind: NumberKind::Float, bits: double.to_bits(), single, width: Width::Text }
    }

    /// The same, when it is known that float32 gives this decimal back.
    #[inline]
    pub fn short_decimal(double: f64, single: f32) -> Self {
        Self { kind: NumberKind::Float, bits: double.to_bits(), single, width: Width::ShortText }
    }

    /// The integer, unless it was written as a float.
    #[inline]
    pub fn as_integer(self) -> Option<i64> {
        match self.kind {
            NumberKind::Float => None,
            _ => Some(self.bits as i64),
        }
    }

    /// As float64.
    #[inline]
    pub fn as_f64(self) -> f64 {
        match self.kind {
            NumberKind::Float => f64::from_bits(self.bits),
            _ => self.bits as i64 as f64,
        }
    }

    /// As float32, rounded once from what was written.
    #[inline]
    pub fn as_f32(self) -> f32 {
        self.single
    }

    /// Whether a float32 metric means this number by what it stores of it, in aggregates and when it has become float64 too. One of text means
    /// the shortest decimal of each float32, a `typed` one the float32 itself.
    #[inline]
    pub(crate) fn fits_float32(self, typed: bool) -> bool {
        match (self.kind, self.width, typed) {
            (_, Width::ShortText, false) => true,
            (NumberKind::Float, Width::Text, false) => self.is_decimal_of_single(),
            (NumberKind::Float, Width::Narrow, true) => self.single.is_finite(),
            (NumberKind::Float, ..) => self.is_single() && (typed || self.is_decimal_of_single()),
            _ => self.fits_float64() && if typed { self.is_single() } else { self.is_decimal_of_single() },
        }
    }

    /// Whether a float32 is exactly this number.
    fn is_single(self) -> bool {
        f64::from(self.single).to_bits() == self.as_f64().to_bits() && self.single.is_finite()
    }

    /// Whether it is a float32 of a program's: not text, but that very value.
    #[inline]
    pub(crate) fn is_typed_float32(self) -> bool {
        self.kind == NumberKind::Float && self.width == Width::Narrow
    }

    fn is_decimal_of_single(self) -> bool {
        self.single.is_finite() && shortest(self.single).to_bits() == self.as_f64().to_bits()
    }

    /// Whether a float64 metric does.
    #[inline]
    pub(crate) fn fits_float64(self) -> bool {
        match self.as_integer() {
            None => self.as_f64().is_finite(),
            Some(v) => v.unsigned_abs() <= 1 << 53 || (v as f64) as i128 == i128::from(v),
        }
    }

    /// The type that it gives to a new metric where both widths are allowed.
    #[inline]
    pub(crate) fn own_type(self) -> ValueType {
        match (self.as_integer(), self.width) {
            (Some(_), Width::Wide) => ValueType::Int64,
            (Some(v), _) if i32::try_from(v).is_err() => ValueType::Int64,
            (Some(_), _) => ValueType::Int32,
            (None, Width::Wide) => ValueType::Float64,
            (None, _) if self.fits_float32(self.is_typed_float32()) => ValueType::Float32,
            (None, _) => ValueType::Float64,
        }
    }
}

impl From<Value> for Number {
    /// Typed: an Int64 makes an int64 metric, a Float64 a float64 metric, and a Float32 is that value, whatever its text: it makes
    /// a metric that means its values so.
    fn from(value: Value) -> Self {
        match value {
            Value::Int32(v) => Self { width: Width::Narrow, ..Number::suffixed_integer(i64::from(v)) },
            Value::Int64(v) => Self { width: Width::Wide, ..Number::suffixed_integer(v) },
            Value::Float32(v) => Self { width: Width::Narrow, ..Number::decimal(f64::from(v), v) },
            Value::Float64(v) => Number::float(v),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_takes_the_width_that_gives_it_back() {
        let text = |text: &str| Number::decimal(text.parse().unwrap(), text.parse().unwrap());
        for short in ["21.5", "0.1", "98765.4", "20.0", "-0.0", "0.2794", "1e30", "16777216.0", "3.4028235e38"] {
            assert_eq!(text(short).own_type(), ValueType::Float32, "{short}");
        }
        for long in ["123456.789", "18228935.0", "52.5200066", "1e-46", "20000001.5", "1e39", "1796040123.25"] {
            assert_eq!(text(long).own_type(), ValueType::Float64, "{long}");
        }
        assert_eq!(Number::integer(i64::from(i32::MAX)).own_type(), ValueType::Int32);
        assert_eq!(Number::integer(i64::from(i32::MAX) + 1).own_type(), ValueType::Int64);
        assert!(!Number::integer(9_007_199_254_740_993).fits_float64());
        assert!(Number::integer(9_007_199_254_740_992).fits_float64());
        assert!(!Number::integer(16_777_217).fits_float32(false));
        assert!(Number::integer(16_777_216).fits_float32(false));
        assert!(!Number::integer(i64::MAX).fits_float32(false));
        // Its shortest decimal is 123456790, which it would be after the metric became float64.
        assert!(!Number::integer(123_456_792).fits_float32(false));
        assert!(!Number::float(123_456_792.0).fits_float32(false));
        assert!(!Number::float(f64::from(21.3_f32)).fits_float32(false));
        assert!(Number::float(21.5).fits_float32(false));
        // What a typed metric stores means itself: the text 21.6 is another number, 21.5 is the same.
        assert!(!text("21.6").fits_float32(true) && text("21.5").fits_float32(true));
        assert!(Number::from(Value::Float32(21.6)).fits_float32(true));
        assert!(!Number::from(Value::Float32(21.6)).fits_float32(false), "21.600000381 is not 21.6");
        assert!(Number::from(Value::Float32(21.5)).fits_float32(false));
        assert!(Number::integer(123_456_792).fits_float32(true));
        assert!(!Number::integer(123_456_793).fits_float32(true));
    }

    #[test]
    fn typed_values_keep_their_type_and_computed_ones_their_value() {
        assert_eq!(Number::from(Value::Float64(21.5)).own_type(), ValueType::Float64);
        assert_eq!(Number::from(Value::Int64(1)).own_type(), ValueType::Int64);
        assert_eq!(Number::from(Value::Int32(1)).own_type(), ValueType::Int32);
        assert_eq!(Number::from(Value::Float32(21.3)).own_type(), ValueType::Float32, "not by its text");
        assert_eq!(Number::computed(21.5).own_type(), ValueType::Float32);
        assert_eq!(Number::computed(21.3).own_type(), ValueType::Float64);
        assert_eq!(Number::computed(18_228_935.0).own_type(), ValueType::Float64);
        assert_eq!(size_of::<Number>(), 16);
    }
}
