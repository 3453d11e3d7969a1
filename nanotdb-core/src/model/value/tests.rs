use super::*;
use crate::model::Number;
use proptest::prelude::*;

fn text(value: Value) -> String {
    let mut out = Vec::new();
    value.write_text(&mut out);
    String::from_utf8(out).unwrap()
}

fn line_protocol(value: Value) -> String {
    // What stands in the buffer already must not matter.
    let mut out = b"m=x ".to_vec();
    value.write_line_protocol(&mut out);
    String::from_utf8(out).unwrap().strip_prefix("m=x ").unwrap().to_owned()
}

#[test]
fn text_is_the_shortest_without_exponent() {
    let cases = [
        (Value::Int32(i32::MIN), "-2147483648"),
        (Value::Int64(i64::MIN), "-9223372036854775808"),
        (Value::Int64(i64::MAX), "9223372036854775807"),
        (Value::Float32(21.5), "21.5"),
        (Value::Float32(0.1), "0.1"),
        (Value::Float64(0.1), "0.1"),
        (Value::Float32(48.0), "48"),
        (Value::Float32(0.0), "0"),
        (Value::Float32(-0.0), "-0"),
        (Value::Float64(-0.0), "-0"),
        (Value::Float64(1e-7), "0.0000001"),
        (Value::Float32(1e-7), "0.0000001"),
        (Value::Float64(-2.5e-9), "-0.0000000025"),
        (Value::Float64(16_777_215.0), "16777215"),
        (Value::Float64(16_777_216.0), "16777216"),
        (Value::Float64(-16_777_217.0), "-16777217"),
        (Value::Float64(1e20), "100000000000000000000"),
        (Value::Float64(1.5e16), "15000000000000000"),
        (Value::Float32(f32::MAX), "340282350000000000000000000000000000000"),
        (Value::Float32(f32::MIN_POSITIVE), "0.000000000000000000000000000000000000011754944"),
        (Value::Float32(f32::from_bits(1)), "0.000000000000000000000000000000000000000000001"),
        (Value::Float32(f32::INFINITY), "+Inf"),
        (Value::Float64(f64::NEG_INFINITY), "-Inf"),
        (Value::Float64(f64::NAN), "NaN"),
        (Value::Float32(-f32::NAN), "NaN"),
    ];
    for (value, expected) in cases {
        assert_eq!(text(value), expected, "{value:?}");
        assert_eq!(value.to_string(), expected, "{value:?}");
    }
}

#[test]
fn every_power_of_ten_agrees_with_rusts_display() {
    for exponent in -324..=308 {
        for mantissa in ["1", "-1", "1.5", "9.999", "1.2345678901234567"] {
            let double: f64 = format!("{mantissa}e{exponent}").parse().unwrap();
            if double.is_finite() {
                assert_eq!(text(Value::Float64(double)), format!("{double}"));
            }
            let single = double as f32;
            if single.is_finite() {
                assert_eq!(text(Value::Float32(single)), format!("{single}"));
            }
        }
    }
    for double in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, f64::from_bits(1), f64::EPSILON] {
        assert_eq!(text(Value::Float64(double)), format!("{double}"));
    }
}

#[test]
fn line_protocol_keeps_the_type() {
    let cases = [
        (Value::Int32(256), "256i"),
        (Value::Int32(-1), "-1i"),
        (Value::Int64(0), "0i"),
        (Value::Float32(48.0), "48.0"),
        (Value::Float32(-48.0), "-48.0"),
        (Value::Float64(-0.0), "-0.0"),
        (Value::Float64(21.5), "21.5"),
        (Value::Float64(1e20), "100000000000000000000.0"),
        (Value::Float64(1e-7), "0.0000001"),
        (Value::Float64(f64::NAN), "NaN"),
        (Value::Float64(f64::INFINITY), "+Inf"),
    ];
    for (value, expected) in cases {
        assert_eq!(line_protocol(value), expected, "{value:?}");
    }
}

#[test]
fn display_pads() {
    assert_eq!(format!("{:>6}|{:<6}|", Value::Float32(21.5), Value::Int32(7)), "  21.5|7     |");
}

#[test]
fn type_codes_round_trip_and_others_are_refused() {
    for code in 0..=u8::MAX {
        match ValueType::from_code(code) {
            Some(ty) => assert_eq!((ty.code(), (1..=4).contains(&code)), (code, true)),
            None => assert!(!(1..=4).contains(&code)),
        }
    }
}

#[test]
fn a_decimal_is_rounded_to_float32_once() {
    // 1 + 2^-24 + 2^-60 lies above the middle between two float32, but its float64 is the middle, which rounds down.
    let literal = "1.000000059604644775390625000000000000000000867361737988403547205962240695953369140625";
    let (double, single): (f64, f32) = (literal.parse().unwrap(), literal.parse().unwrap());
    let number = Number::decimal(double, single);
    assert_eq!(number.as_f32().to_bits(), 0x3f80_0001);
    assert_ne!((number.as_f64() as f32).to_bits(), number.as_f32().to_bits());
    assert_eq!(number.as_integer(), None);
    assert_eq!(Number::from(Value::Int64(i64::MIN)).as_integer(), Some(i64::MIN));
}

/// Where a number lies in the middle of its two nearest shortest decimals (-1320188.25 as float32), we end in the even
/// digit and Rust's Display in the odd one.
fn same_but_for_a_tie(ours: &str, rusts: &str) -> bool {
    let differing: Vec<_> = ours.bytes().zip(rusts.bytes()).filter(|(a, b)| a != b).collect();
    ours.len() == rusts.len()
        && match differing.as_slice() {
            [] => true,
            [(a, b)] => a.is_ascii_digit() && a % 2 == 0 && a.abs_diff(*b) == 1,
            _ => false,
        }
}

#[test]
fn a_tie_between_two_shortest_forms_ends_in_the_even_digit() {
    assert_eq!(text(Value::Float32(f32::from_bits(0xc9a1_27e2))), "-1320188.2");
}

proptest! {
    #[test]
    fn float_text_agrees_with_rusts_display(single: u32, double: u64, integral: i32) {
        let (single, double) = (f32::from_bits(single), f64::from_bits(double));
        if single.is_finite() {
            let (ours, rusts) = (text(Value::Float32(single)), format!("{single}"));
            prop_assert_eq!(ours.parse::<f32>().unwrap().to_bits(), single.to_bits());
            prop_assert!(same_but_for_a_tie(&ours, &rusts), "{} {}", ours, rusts);
        }
        if double.is_finite() {
            let (ours, rusts) = (text(Value::Float64(double)), format!("{double}"));
            prop_assert_eq!(ours.parse::<f64>().unwrap().to_bits(), double.to_bits());
            prop_assert!(same_but_for_a_tie(&ours, &rusts), "{} {}", ours, rusts);
        }
        let integral = f64::from(integral);
        prop_assert_eq!(text(Value::Float64(integral)), format!("{integral}"));
        prop_assert_eq!(text(Value::Float64(integral / 1_000.0)), format!("{}", integral / 1_000.0));
    }

    #[test]
    fn integer_text_agrees_with_rusts_display(narrow: i32, wide: i64) {
        prop_assert_eq!(text(Value::Int32(narrow)), narrow.to_string());
        prop_assert_eq!(text(Value::Int64(wide)), wide.to_string());
        prop_assert_eq!(line_protocol(Value::Int64(wide)), format!("{wide}i"));
    }

    #[test]
    fn row_bits_round_trip_and_widening_keeps_the_number(narrow: i32, wide: i64, single: u32, double: u64) {
        for value in [Value::Int32(narrow), Value::Int64(wide)] {
            prop_assert_eq!(Value::from_bits(value.value_type(), value.to_bits()), value);
        }
        prop_assert_eq!(Value::from_bits(ValueType::Float32, u64::from(single)).to_bits(), u64::from(single));
        prop_assert_eq!(Value::from_bits(ValueType::Float64, double).to_bits(), double);
        let low = narrow as u32;
        prop_assert_eq!(Value::widen_bits(ValueType::Int64, low), Value::Int64(i64::from(narrow)).to_bits());
        prop_assert_eq!(Value::widen_bits(ValueType::Int32, low), Value::Int32(narrow).to_bits());
        let widened = Value::from_bits(ValueType::Float64, Value::widen_bits(ValueType::Float64, single)).as_f64();
        prop_assert!(widened.is_nan() || widened == f64::from(f32::from_bits(single)));
    }
}
