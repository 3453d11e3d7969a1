//! Whether a number fits the type of its metric, and which type it takes when it does not.

use crate::config::{Mixing, ValueWidth, ValuesSection};
use crate::model::{Number, NumberKind, Value, ValueType};

/// What becomes of a number that is sent to a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is stored as these row bits.
    Bits(u64),
    /// It is stored as these row bits, which are not quite what was sent: `[values] width = "32"`.
    Rounded(u64),
    /// The metric has to become of this type first.
    Widen(ValueType),
    /// Neither.
    Refused,
}

/// How a metric takes `number`: its type, and whether it is a `typed` float32. Asked for every row: a call costs more than the answer.
#[inline(always)]
pub(super) fn fit((value_type, typed): (ValueType, bool), number: Number, values: &ValuesSection) -> Fit {
    match value_type {
        ValueType::Int32 => match number.as_integer().map(i32::try_from) {
            Some(Ok(v)) => Fit::Bits(Value::Int32(v).to_bits()),
            Some(Err(_)) if values.width == ValueWidth::Bits32 => Fit::Refused,
            Some(Err(_)) => Fit::Widen(ValueType::Int64),
            None => mixed(number, values),
        },
        ValueType::Int64 => match number.as_integer() {
            Some(v) => Fit::Bits(Value::Int64(v).to_bits()),
            None => mixed(number, values),
        },
        _ if number.kind == NumberKind::SuffixedInteger => Fit::Refused,
        ValueType::Float32 if number.fits_float32(typed) => Fit::Bits(Value::Float32(number.as_f32()).to_bits()),
        ValueType::Float32 => too_long(number, values),
        ValueType::Float64 if number.fits_float64() => Fit::Bits(Value::Float64(number.as_f64()).to_bits()),
        ValueType::Float64 => Fit::Refused,
    }
}

/// A float for a metric of integers.
#[cold]
fn mixed(number: Number, values: &ValuesSection) -> Fit {
    let widens = values.mixing == Mixing::Widen && values.width != ValueWidth::Bits32;
    if widens && number.fits_float64() { Fit::Widen(ValueType::Float64) } else { Fit::Refused }
}

/// What float32 does not give back.
#[cold]
fn too_long(number: Number, values: &ValuesSection) -> Fit {
    match values.width {
        ValueWidth::Bits32 if number.as_f32().is_finite() => Fit::Rounded(Value::Float32(number.as_f32()).to_bits()),
        ValueWidth::Bits32 => Fit::Refused,
        _ if number.fits_float64() => Fit::Widen(ValueType::Float64),
        _ => Fit::Refused,
    }
}

/// The type that a number gives to a new metric.
pub(super) fn new_type(number: Number, values: &ValuesSection) -> ValueType {
    match (values.width, number.as_integer()) {
        (ValueWidth::Auto, _) => number.own_type(),
        (ValueWidth::Bits32, Some(_)) => ValueType::Int32,
        (ValueWidth::Bits32, None) => ValueType::Float32,
        (ValueWidth::Bits64, Some(_)) => ValueType::Int64,
        (ValueWidth::Bits64, None) => ValueType::Float64,
    }
}

/// Why a number is refused, and what would be accepted.
pub(super) fn refusal(value_type: ValueType, number: Number, values: &ValuesSection) -> String {
    let narrow = values.width == ValueWidth::Bits32;
    match (value_type, number.as_integer()) {
        (ValueType::Int32, Some(v)) => {
            format!("{v} does not fit a 32-bit integer, and [values] width = \"32\" does not let the metric widen")
        }
        (_, Some(v)) if number.kind == NumberKind::SuffixedInteger && number.fits_float64() => {
            format!("{v}i is an integer, but the metric is {value_type}; send {v} or {v}.0")
        }
        (_, Some(v)) => {
            format!(
                "{v} is an integer that no float holds exactly, and the metric is {value_type}; send a decimal to store the float next to it"
            )
        }
        (_, None) if !number.as_f64().is_finite() => format!("{} is not a finite number", number.as_f64()),
        (ValueType::Int32 | ValueType::Int64, None) => {
            let number = number.as_f64();
            let key = if narrow { "width = \"auto\"" } else { "mixing = \"widen\"" };
            format!(
                "{number} is a float, but the metric is {value_type}; send an integer, or set [values] {key}, with which the \
                 metric becomes float64"
            )
        }
        (_, None) => {
            let number = number.as_f64();
            format!("{number:e} does not fit {value_type}, and [values] width = \"32\" does not let the metric widen")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTO: ValuesSection = ValuesSection { width: ValueWidth::Auto, mixing: Mixing::Widen };
    const NARROW: ValuesSection = ValuesSection { width: ValueWidth::Bits32, mixing: Mixing::Widen };
    const SEEDS: ValuesSection = ValuesSection { width: ValueWidth::Auto, mixing: Mixing::Reject };

    fn text(text: &str) -> Number {
        match text.parse() {
            Ok(v) => Number::integer(v),
            Err(_) => Number::decimal(text.parse().unwrap(), text.parse().unwrap()),
        }
    }

    #[test]
    fn a_number_is_kept_as_it_is_or_the_metric_widens_or_it_is_refused() {
        use ValueType::{Float32, Float64, Int32, Int64};
        for (metric, number, values, expected) in [
            (Int32, "20.5", AUTO, Fit::Widen(Float64)),
            (Int32, "20.0", AUTO, Fit::Widen(Float64)),
            (Int64, "20.5", AUTO, Fit::Widen(Float64)),
            (Int32, "20.5", SEEDS, Fit::Refused),
            (Int32, "20.5", NARROW, Fit::Refused),
            (Int32, "3000000000", SEEDS, Fit::Widen(Int64)),
            (Int32, "3000000000", NARROW, Fit::Refused),
            (Float32, "123456.789", AUTO, Fit::Widen(Float64)),
            (Float32, "123456.789", SEEDS, Fit::Widen(Float64)),
            (Float32, "123456.789", NARROW, Fit::Rounded(123_456.79_f32.to_bits().into())),
            (Float32, "0.1", AUTO, Fit::Bits(0.1_f32.to_bits().into())),
            (Float32, "16777217", AUTO, Fit::Widen(Float64)),
            (Float32, "16777216", AUTO, Fit::Bits(16_777_216_f32.to_bits().into())),
            (Float32, "9007199254740993", AUTO, Fit::Refused),
            (Float64, "9007199254740993", AUTO, Fit::Refused),
            (Float64, "9007199254740992", AUTO, Fit::Bits(9_007_199_254_740_992_f64.to_bits())),
            (Float32, "1e39", NARROW, Fit::Refused),
            (Float32, "1e39", AUTO, Fit::Widen(Float64)),
        ] {
            assert_eq!(fit((metric, false), text(number), &values), expected, "{metric} {number}");
        }
        let computed = Number::computed(0.1);
        assert_eq!(fit((Float32, false), computed, &AUTO), Fit::Widen(Float64));
        // A float32 of a program's is that very value, and a text its decimal: neither is taken for the other.
        let (typed, half) = (Number::from(Value::Float32(0.1)), Number::from(Value::Float32(0.5)));
        assert_eq!(fit((Float32, true), typed, &AUTO), Fit::Bits(0.1_f32.to_bits().into()));
        assert_eq!(fit((Float32, false), typed, &AUTO), Fit::Widen(Float64));
        assert_eq!(fit((Float32, true), text("0.1"), &AUTO), Fit::Widen(Float64));
        assert_eq!(fit((Float32, false), half, &AUTO), Fit::Bits(0.5_f32.to_bits().into()));
        assert_eq!(fit((Float32, true), text("0.5"), &AUTO), Fit::Bits(0.5_f32.to_bits().into()));
    }

    #[test]
    fn advice_is_true() {
        let said = refusal(ValueType::Int32, text("20.5"), &SEEDS);
        assert!(said.contains("mixing = \"widen\""), "{said}");
        let said = refusal(ValueType::Float64, text("9007199254740993"), &AUTO);
        assert!(said.contains("no float holds exactly"), "{said}");
        let said = refusal(ValueType::Float32, Number::suffixed_integer(7), &AUTO);
        assert!(said.contains("send 7 or 7.0"), "{said}");
    }
}
