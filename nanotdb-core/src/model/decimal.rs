//! The decimal that a float32 means when it came as text.

/// The shortest decimal that reads back as this float32, as the float64 nearest to it: 21.3 for the float32 that is 21.299999237.
/// Infinities and NaN are themselves.
#[inline]
pub fn shortest(single: f32) -> f64 {
    let double = f64::from(single);
    // Up to here every integer is a float32, and has no shorter decimal that reads as the same.
    if double.abs() < 16_777_216.0 && (double.abs() > 1e-3 || double == 0.0) {
        for power in POWERS_OF_TEN {
            // 24 bits times the 24 bits of 5^10: exact. The quotient is the float64 nearest to the decimal.
            let decimal = (double * power).round_ties_even() / power;
            if decimal as f32 == single {
                return if decimal == 0.0 { double } else { decimal };
            }
        }
    }
    by_text(single)
}

/// Few enough that no decimal of so many places lies so near to the middle of two float32 that rounding it to float64 first
/// gives the other one: it is at least 1 / (2^25 * 5^10), so 2^-48 of its size, away from there, or exactly there.
const POWERS_OF_TEN: [f64; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

#[cold]
fn by_text(single: f32) -> f64 {
    if !single.is_finite() {
        return f64::from(single);
    }
    zmij::Buffer::new().format_finite(single).parse().unwrap_or(f64::from(single))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_meant_and_not_its_nearest_float32() {
        for (single, decimal) in [
            (21.3_f32, 21.3),
            (0.1, 0.1),
            (-0.0, -0.0),
            (0.0, 0.0),
            (16_777_215.0, 16_777_215.0),
            (123_456_790.0, 123_456_790.0),
            (1e-45, 1e-45),
            (3.402_823_5e38, 3.402_823_5e38),
            (-1.234_567e-5, -1.234_567e-5),
        ] {
            assert_eq!(shortest(single).to_bits(), f64::to_bits(decimal), "{single}");
        }
        assert_eq!(shortest(f32::NEG_INFINITY), f64::NEG_INFINITY);
        assert!(shortest(f32::NAN).is_nan());
    }

    proptest! {
        /// The text that readers get is another implementation.
        #[test]
        fn it_is_the_shortest_text(bits: u32, whole in -2_000_000_000i64..2_000_000_000, places in 0i32..12) {
            for single in [f32::from_bits(bits), (whole as f64 / 10f64.powi(places)) as f32] {
                if single.is_finite() {
                    let text: f64 = crate::model::Value::Float32(single).to_string().parse().unwrap();
                    prop_assert_eq!(shortest(single).to_bits(), text.to_bits(), "{}", single);
                }
            }
        }
    }
}
