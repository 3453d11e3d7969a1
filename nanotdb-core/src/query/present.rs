//! How results of aggregates are shown: the one rule for every door (HTTP, web interface, command line).

use crate::model::{Operands, Value, ValueType};
use crate::plugin::Aggregator;

/// Below these, every integer is a number of the format.
const EXACT_IN_F32: f64 = 16_777_216.0;
const EXACT_IN_F64: f64 = 9_007_199_254_740_992.0;

/// An aggregate as the number that is shown, and that a rollup stores:
///
/// - counts, and whole results of integer metrics, are integers;
/// - everything else was computed in float64 and is float64, to its last digit. Of decimals that came as text and are stored as float32 it is
///   the decimal of fourteen digits: what comes behind is what adding them up has rounded (21.6, not 21.599999999999998). The decimals have nine digits at most, so that each of them is shown as it came;
/// - what a program sent as float32 is shown as float32, so the aggregates are too; a sum of which float32 would lose whole units, or be
///   infinite, is float64.
///
/// Results keep their order: an average never lies outside of its minimum and maximum.
#[must_use]
pub fn aggregate_value(aggregator: &dyn Aggregator, of: Operands, value: f64) -> Value {
    let is_whole = value.fract() == 0.0;
    if aggregator.is_count() || of.value_type.is_integer() && is_whole && value.abs() <= EXACT_IN_F64 {
        return Value::Int64(value as i64);
    }
    if of.value_type != ValueType::Float32 || !value.is_finite() {
        return Value::Float64(value);
    }
    if !of.typed {
        return Value::Float64(fourteen_digits(value));
    }
    let single = value as f32;
    let is_range = aggregator.keeps_range() || f64::from(single) == value;
    let fits = (value.abs() < EXACT_IN_F32 || !is_whole || is_range) && single.is_finite();
    if fits { Value::Float32(single) } else { Value::Float64(value) }
}

/// The same of a result that is an integer exactly, perhaps one that float64 has not: see [`super::WindowRow`].
#[must_use]
pub fn result_value(aggregator: &dyn Aggregator, of: Operands, value: f64, integer: Option<i64>) -> Value {
    integer.map_or_else(|| aggregate_value(aggregator, of, value), Value::Int64)
}

/// The decimal of fourteen digits next to it; whole numbers, and those too large for a fraction of these digits, to whole units. A decimal of so few
/// digits is itself, also when it is a few steps of float64 off: what is computed of decimals that float32 stores, up to nine digits each, has no
/// others that are right.
#[must_use]
pub fn fourteen_digits(value: f64) -> f64 {
    const MOST: f64 = 1e14;
    let size = value.abs();
    if value.fract() == 0.0 {
        return value;
    }
    if size >= MOST {
        return value.round();
    }
    // Powers of ten are exact up to 22, and so is the integer: the quotient is the float64 next to the decimal.
    if size >= 1e-8 {
        let (mut scale, mut below) = (MOST, 1.0);
        while size >= below {
            (scale, below) = (scale / 10.0, below * 10.0);
        }
        while size * scale < MOST / 10.0 {
            scale *= 10.0;
        }
        return (value * scale).round() / scale;
    }
    format!("{value:.13e}").parse().unwrap_or(value)
}

/// The mean of integers, where it is so large that float64 has no fractions of it, and not all integers: an integer from the least to the
/// largest of them.
#[must_use]
pub fn large_mean(mean: f64, min: i64, max: i64) -> Option<i64> {
    (mean.abs() >= EXACT_IN_F64 && min <= max).then(|| (mean as i64).clamp(min, max))
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

    fn shown(aggregator: &dyn Aggregator, of: Operands, value: f64) -> String {
        let mut out = Vec::new();
        aggregate_value(aggregator, of, value).write_text(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn text(aggregator: &dyn Aggregator, value_type: ValueType, value: f64) -> String {
        shown(aggregator, Operands::text(value_type), value)
    }

    #[test]
    fn results_are_float64_but_for_integers() {
        let third = 1.0 / 3.0;
        assert_eq!(text(&Sum, ValueType::Float32, third), "0.33333333333333");
        for of in [ValueType::Int32, ValueType::Int64, ValueType::Float64] {
            assert_eq!(text(&Sum, of, third), "0.3333333333333333");
        }
        // 2^24 + 1 is the first integer that float32 has not.
        assert_eq!(text(&Count, ValueType::Float32, 16_777_217.0), "16777217");
        assert_eq!(text(&Sum, ValueType::Int32, 2_147_483_647.0), "2147483647");
        assert_eq!(text(&Sum, ValueType::Int32, -16_777_217.0), "-16777217");
        assert_eq!(text(&Sum, ValueType::Int32, 16_777_217.25), "16777217.25");
        // The original answers 50663.555, the float32.
        assert_eq!(text(&Average, ValueType::Int32, 50_663.554_687_5), "50663.5546875");
        assert_eq!(text(&Sum, ValueType::Float32, 6e38), format!("6{}", "0".repeat(38)), "no float32 is so large");
        assert_eq!(text(&Average, ValueType::Int32, 123_456_789.0), "123456789");
        assert_eq!(text(&Sum, ValueType::Float32, 16_777_217.0), "16777217");
        assert_eq!(text(&Sum, ValueType::Float32, 50_050_500.5), "50050500.5");
        assert_eq!(text(&Max, ValueType::Int64, 9_007_199_254_740_992.0), "9007199254740992");
        assert_eq!(text(&Sum, ValueType::Int64, 1e20), format!("1{}", "0".repeat(20)));
    }

    #[test]
    fn decimals_have_no_digits_of_rounding() {
        assert_eq!(0.1 + 0.2, 0.300_000_000_000_000_04);
        assert_eq!(text(&Sum, ValueType::Float32, 0.1 + 0.2), "0.3");
        assert_eq!(text(&Sum, ValueType::Float64, 0.1 + 0.2), "0.30000000000000004", "which may be what was sent");
        assert_eq!(text(&Average, ValueType::Float32, (21.5 + 21.6 + 21.7) / 3.0), "21.6");
        assert_eq!(text(&Average, ValueType::Float32, -64.9 / 3.0), "-21.633333333333");
        assert_eq!(text(&Sum, ValueType::Float32, 0.0), "0");
        assert_eq!(text(&Max, ValueType::Float32, 1e-45), format!("0.{}1", "0".repeat(44)));
        assert_eq!(text(&Max, ValueType::Float32, 3.402_823_5e38), format!("34028235{}", "0".repeat(31)));
    }

    #[test]
    fn what_a_program_sent_as_float32_is_shown_so() {
        let typed = Operands { value_type: ValueType::Float32, typed: true };
        assert_eq!(shown(&Average, typed, f64::from(21.3f32)), "21.3");
        assert_eq!(shown(&Max, typed, f64::from(21.3f32)), "21.3");
        // A million times 21.3, as float32 has it, is 21,299,999.237 060 547.
        assert_eq!(shown(&Sum, typed, f64::from(21.3f32) * 1e6), "21300000");
        assert_eq!(shown(&Sum, typed, 16_777_217.0), "16777217");
        assert_eq!(shown(&Max, typed, f64::from(3e38f32)), format!("3{}", "0".repeat(38)), "as the value itself");
        assert_eq!(shown(&Sum, typed, 6e38), format!("6{}", "0".repeat(38)));
    }

    #[test]
    fn large_means_stay_between_least_and_largest() {
        assert_eq!(large_mean(9.0e15, 1, 9_000_000_000_000_001), None, "float64 has every integer here");
        let most = i64::MAX - 1;
        assert_eq!(large_mean(most as f64, most, most), Some(most));
        assert_eq!(
            large_mean(9_007_199_254_740_992.0, 9_007_199_254_740_993, 9_007_199_254_740_995),
            Some(9_007_199_254_740_993)
        );
        assert_eq!(large_mean(i64::MIN as f64, i64::MIN + 5, 0), Some(i64::MIN + 5));
    }

    proptest! {
        #[test]
        fn a_decimal_of_up_to_fourteen_digits_is_itself(
            digits in -99_999_999_999_999i64..=99_999_999_999_999,
            places in 0i32..40,
            steps in -20i64..=20,
        ) {
            let decimal: f64 = format!("{digits}e-{places}").parse().unwrap();
            prop_assert_eq!(fourteen_digits(decimal).to_bits(), decimal.to_bits());
            // What summing has rounded away is given back: a step is at most 2^-52 of it, twenty are less than half a digit.
            if digits.abs() > 1_000_000 && places > 0 && digits % 10 != 0 {
                let beside = f64::from_bits(decimal.to_bits().wrapping_add_signed(steps));
                prop_assert_eq!(fourteen_digits(beside).to_bits(), decimal.to_bits());
            }
        }

        #[test]
        fn fourteen_digits_are_those_of_the_text(value in prop::num::f64::NORMAL) {
            let (near, exact) = (fourteen_digits(value), format!("{value:.13e}").parse::<f64>().unwrap());
            // Half-way between two, either is right; a whole number is itself.
            let is_near = (near - value).abs() <= (exact - value).abs() * (1.0 + 1e-9);
            prop_assert!(near == exact || is_near, "{value} {near} {exact}");
        }
    }

    const TYPES: [ValueType; 4] = [ValueType::Int32, ValueType::Float32, ValueType::Int64, ValueType::Float64];

    /// Values of a type, close to each other as well as far apart.
    fn values() -> impl Strategy<Value = (Operands, Vec<f64>)> {
        let base = prop_oneof![
            Just(0.1),
            Just(21.3),
            Just(123_456_789.0),
            Just(16_777_215.0),
            any::<f32>().prop_map(f64::from)
        ];
        let steps = prop::collection::vec(0u32..4, 1..40);
        (0usize..4, any::<bool>(), base, steps).prop_map(|(at, typed, base, steps)| {
            let value_type = TYPES[at];
            let typed = typed && value_type == ValueType::Float32;
            let value = |step: u32| match value_type {
                ValueType::Int32 => f64::from((base as i32).saturating_add(step as i32)),
                ValueType::Int64 => base.clamp(-9e15, 9e15).trunc() + f64::from(step),
                ValueType::Float32 => {
                    let base = base as f32;
                    let single = f32::from_bits(base.to_bits() + step);
                    if typed { f64::from(single) } else { crate::model::decimal::shortest(single) }
                }
                ValueType::Float64 => f64::from_bits(base.to_bits() + u64::from(step)),
            };
            let values = steps.into_iter().map(value).filter(|v| v.is_finite()).collect();
            (Operands { value_type, typed }, values)
        })
    }

    proptest! {
        /// Pages, metric files and threads cut the values differently.
        #[test]
        fn an_average_of_decimals_does_not_depend_on_how_they_are_cut(
            digits in prop::collection::vec(0i64..=9_999_999, 1..1_000),
            places in 0i32..6,
            cuts in prop::collection::vec(1usize..700, 1..20),
        ) {
            let decimal = |digits: i64| format!("{digits}e-{places}").parse::<f64>().unwrap();
            let values: Vec<f64> = digits.iter().map(|digits| decimal(*digits)).collect();
            let (mut whole, mut cut) = (Average.state(), Average.state());
            values.iter().for_each(|value| whole.push(&[*value]));
            let mut rest = values.as_slice();
            for at in cuts.iter().cycle() {
                let (some, later) = rest.split_at(rest.len().min(*at));
                let block = crate::plugin::BlockStatistics {
                    count: some.len() as u64,
                    min: some.iter().copied().fold(f64::INFINITY, f64::min),
                    max: some.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    sum: some.iter().rev().sum(),
                    first: some[0],
                    last: some[some.len() - 1],
                };
                cut.push_block(&block);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            let shown = |state: &mut Box<dyn crate::plugin::AggregateState>| {
                text(&Average, ValueType::Float32, state.finish_of_decimals().unwrap())
            };
            let exact = decimal(digits.iter().sum()) / values.len() as f64;
            prop_assert_eq!(shown(&mut whole), text(&Average, ValueType::Float32, exact));
            prop_assert_eq!(shown(&mut cut), text(&Average, ValueType::Float32, exact));
        }

        #[test]
        fn an_average_lies_within_its_minimum_and_maximum((of, values) in values()) {
            prop_assume!(!values.is_empty());
            let (min, max) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
            let mut state = Average.state();
            state.push(&values);
            let average = state.finish().unwrap();
            prop_assert!(min <= average && average <= max, "{min} {average} {max}");
            let shown = |value| aggregate_value(&Average, of, value).as_f64();
            prop_assert!(shown(min) <= shown(average) && shown(average) <= shown(max), "{of:?} {min} {average} {max}");
            // What picks a value shows that very value.
            prop_assert_eq!(shown(min), min);
            let by_columns = mean(values.iter().sum(), values.len() as u64, min, max);
            prop_assert!(min <= by_columns && by_columns <= max);
        }
    }
}
