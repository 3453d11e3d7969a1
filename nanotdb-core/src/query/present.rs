//! How results of aggregates are shown: the one rule for every door (HTTP, web interface, command line).

use crate::model::{Value, ValueType};
use crate::plugin::Aggregator;

/// Below these, every integer is a number of the format.
const EXACT_IN_F32: f64 = 16_777_216.0;
/// The first integer beyond int64, which float64 has.
const BEYOND_I64: f64 = 9_223_372_036_854_775_808.0;

/// An aggregate of a metric of `value_type` as the number that is shown:
///
/// - counts, and whole results of integer metrics, are integers;
/// - what was computed of 32-bit values has the digits that float32 has, so that the rounding of float32 is not shown as digits of the
///   result (21.3, not 21.299999237). Where float32 would lose whole units, or be infinite, it is float64;
/// - what was computed of 64-bit values is float64, to its last digit.
///
/// Results keep their order: an average never lies outside of its minimum and maximum.
#[must_use]
pub fn aggregate_value(aggregator: &dyn Aggregator, value_type: ValueType, value: f64) -> Value {
    let is_whole = value.fract() == 0.0;
    if aggregator.is_count() || value_type.is_integer() && is_whole && value.abs() <= BEYOND_I64 {
        return Value::Int64(value as i64);
    }
    if value_type.is_wide() {
        return Value::Float64(value);
    }
    let is_small = value.abs() < EXACT_IN_F32;
    let single = value as f32;
    // Of large floats the whole ones are exact; the others have no more digits than what they were computed of.
    let fits = if value_type.is_integer() { is_small } else { (is_small || !is_whole) && single.is_finite() };
    if fits || !value.is_finite() { Value::Float32(single) } else { Value::Float64(value) }
}

/// The same of a result that is an integer exactly, perhaps one that float64 has not: see [`super::WindowRow`].
#[must_use]
pub fn result_value(aggregator: &dyn Aggregator, value_type: ValueType, value: f64, integer: Option<i64>) -> Value {
    integer.map_or_else(|| aggregate_value(aggregator, value_type, value), Value::Int64)
}

/// The mean of `count` values with this sum. Sums are rounded, which must not take the mean out of the values' range.
#[inline]
#[must_use]
pub fn mean(sum: f64, count: u64, min: f64, max: f64) -> f64 {
    let mean = sum / count as f64;
    if mean < min {
        min
    } else if mean > max {
        max
    } else {
        mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::aggregators::{Average, Count, Max, Sum};
    use proptest::prelude::*;

    fn text(aggregator: &dyn Aggregator, value_type: ValueType, value: f64) -> String {
        let mut out = Vec::new();
        aggregate_value(aggregator, value_type, value).write_text(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_shown_in_the_width_of_their_metric() {
        let third = 1.0 / 3.0;
        assert_eq!(text(&Sum, ValueType::Float32, third), "0.33333334");
        assert_eq!(text(&Sum, ValueType::Int32, third), "0.33333334");
        assert_eq!(text(&Sum, ValueType::Float64, third), "0.3333333333333333");
        assert_eq!(text(&Sum, ValueType::Int64, third), "0.3333333333333333");
        // 2^24 + 1 is the first integer that float32 has not.
        assert_eq!(text(&Count, ValueType::Float32, 16_777_217.0), "16777217");
        assert_eq!(text(&Sum, ValueType::Int32, 2_147_483_647.0), "2147483647");
        assert_eq!(text(&Sum, ValueType::Int32, -16_777_217.0), "-16777217");
        assert_eq!(text(&Sum, ValueType::Int32, 16_777_217.25), "16777217.25");
        assert_eq!(text(&Sum, ValueType::Int32, 50_663.554_687_5), "50663.555", "as the original answers");
        assert_eq!(text(&Sum, ValueType::Float32, 6e38), format!("6{}", "0".repeat(38)), "no float32 is so large");
        assert_eq!(text(&Average, ValueType::Int32, 123_456_789.0), "123456789");
        assert_eq!(text(&Sum, ValueType::Float32, 16_777_217.0), "16777217");
        assert_eq!(text(&Average, ValueType::Float32, f64::from(21.3f32)), "21.3");
        // A million times 21.3, as float32 has it, is 21,299,999.237 060 547.
        assert_eq!(text(&Sum, ValueType::Float32, f64::from(21.3f32) * 1e6), "21300000");
        assert_eq!(text(&Max, ValueType::Int64, i64::MAX as f64), "9223372036854775807");
        assert_eq!(text(&Sum, ValueType::Int64, 1e20), format!("1{}", "0".repeat(20)));
    }

    const TYPES: [ValueType; 4] = [ValueType::Int32, ValueType::Float32, ValueType::Int64, ValueType::Float64];

    /// Values of a type, close to each other as well as far apart.
    fn values() -> impl Strategy<Value = (ValueType, Vec<f64>)> {
        let base = prop_oneof![
            Just(0.1),
            Just(21.3),
            Just(123_456_789.0),
            Just(16_777_215.0),
            any::<f32>().prop_map(f64::from)
        ];
        let steps = prop::collection::vec(0u32..4, 1..40);
        (0usize..4, base, steps).prop_map(|(at, base, steps)| {
            let value_type = TYPES[at];
            let value = |step: u32| match value_type {
                ValueType::Int32 => f64::from((base as i32).saturating_add(step as i32)),
                ValueType::Int64 => base.clamp(-9e15, 9e15).trunc() + f64::from(step),
                ValueType::Float32 => {
                    let base = base as f32;
                    f64::from(f32::from_bits(base.to_bits() + step))
                }
                ValueType::Float64 => f64::from_bits(base.to_bits() + u64::from(step)),
            };
            let values = steps.into_iter().map(value).filter(|v| v.is_finite()).collect();
            (value_type, values)
        })
    }

    proptest! {
        #[test]
        fn an_average_lies_within_its_minimum_and_maximum((value_type, values) in values()) {
            prop_assume!(!values.is_empty());
            let (min, max) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
            let mut state = Average.state();
            state.push(&values);
            let average = state.finish().unwrap();
            prop_assert!(min <= average && average <= max, "{min} {average} {max}");
            let shown = |value| aggregate_value(&Average, value_type, value).as_f64();
            prop_assert!(shown(min) <= shown(average) && shown(average) <= shown(max), "{value_type} {min} {average} {max}");
            // What picks a value shows that very value.
            prop_assert_eq!(shown(min), min);
            let by_columns = mean(values.iter().sum(), values.len() as u64, min, max);
            prop_assert!(min <= by_columns && by_columns <= max);
        }
    }
}
