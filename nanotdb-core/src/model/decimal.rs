//! The decimal that a float32 means when it came as text.

/// The shortest decimal that reads back as this float32, as the float64 nearest to it: 21.3 for the float32 that is 21.299999237.
/// Infinities and NaN are themselves.
#[inline]
pub fn shortest(single: f32) -> f64 {
    let double = f64::from(single);
    let size = double.abs();
    // Up to here every integer is a float32, and has no shorter decimal that reads as the same.
    if size < EVERY_INTEGER && (size > 1e-3 || size == 0.0) {
        for power in POWERS_OF_TEN.get(most_places(size)..).unwrap_or_default() {
            // 24 bits times the 24 bits of 5^10: exact. The quotient is the float64 nearest to the decimal.
            let decimal = nearest(double * power) / power;
            if decimal as f32 == single {
                return if decimal == 0.0 { double } else { decimal };
            }
        }
    }
    if (EVERY_INTEGER..MOST_BY_TENS).contains(&size)
        && let Some(decimal) = by_tens(single)
    {
        return decimal;
    }
    by_text(single)
}

/// Few enough that no decimal of so many places lies so near to the middle of two float32 that rounding it to float64 first
/// gives the other one: it is at least 1 / (2^25 * 5^10), so 2^-48 of its size, away from there, or exactly there.
const POWERS_OF_TEN: [f64; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
/// 2^24.
const EVERY_INTEGER: f64 = 16_777_216.0;
/// Up to here a number without its last digits times the power of ten is exact.
const MOST_BY_TENS: f64 = 1e17;
/// Digits, as a number, that are few enough: decimals of so few lie further from each other than float32 do (8e6 is less than 2^23), so that
/// one at most reads as a certain float32, and that one is its shortest.
const FEW_DIGITS: f64 = 8e6;

/// The nearest integer of a number below 2^51.
#[inline]
fn nearest(number: f64) -> f64 {
    // At this size floats are integers.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    (number + SHIFT) - SHIFT
}

/// With how many places a number of this size has few digits, at most; none for large ones. A decimal of fewer places is
/// one of so many, too.
#[inline]
fn most_places(size: f64) -> usize {
    // It lies below 2^exponent, and 0.301 is the decimal logarithm of 2.
    let exponent = (size.to_bits() >> 52) as i64 - 1_022;
    usize::try_from((6_900 - 301 * exponent) / 1_000).unwrap_or(0).min(POWERS_OF_TEN.len() - 1)
}

/// Of large numbers: as few digits as do, from seven on.
fn by_tens(single: f32) -> Option<f64> {
    let double = f64::from(single);
    let mut power = 1.0;
    while double.abs() / power >= FEW_DIGITS {
        power *= 10.0;
    }
    for _ in 0..3 {
        let digits = double / power;
        let decimal = nearest(digits) * power;
        if decimal as f32 == single {
            // Of two that are as near, the text decides.
            return ((digits - nearest(digits)).abs() < 0.499).then_some(decimal);
        }
        power /= 10.0;
        if power < 1.0 {
            break;
        }
    }
    None
}

#[cold]
fn by_text(single: f32) -> f64 {
    if !single.is_finite() {
        return f64::from(single);
    }
    zmij::Buffer::new().format_finite(single).parse().unwrap_or(f64::from(single))
}

/// [`shortest`] of many values that are alike: the number of places of the one before is tried first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Decimals {
    places: usize,
}

/// Half of the distance between two float32, as a part of the power of two below them; a bit less, so that what lies in the middle
/// is left to the slow way.
const HALF_STEP: f64 = 5.960_464e-8;

/// What is known of many values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecimalRange {
    /// The sum, rounded once.
    pub sum: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

/// Values that are looked at side by side.
const LANES: usize = 8;

impl Decimals {
    /// The power of ten that makes integers of the values.
    #[inline]
    fn power(self) -> f64 {
        POWERS_OF_TEN.get(self.places).copied().unwrap_or(1.0)
    }

    /// [`shortest`] of one value.
    #[inline]
    pub fn of(&mut self, single: f32) -> f64 {
        let power = self.power();
        let scaled = f64::from(single) * power;
        let digits = nearest(scaled);
        let step = f64::from(f32::from_bits(single.to_bits() & EXPONENT)) * (HALF_STEP * power);
        if digits.abs() < FEW_DIGITS && (digits - scaled).abs() <= step && digits != 0.0 {
            return digits / power;
        }
        self.places = most_places(f64::from(single).abs());
        shortest(single)
    }

    /// Appends [`shortest`] of each value.
    pub fn extend(&mut self, singles: &[f32], out: &mut Vec<f64>) {
        let (groups, rest) = singles.as_chunks::<LANES>();
        out.reserve(singles.len());
        for group in groups {
            match self.group(group) {
                Some(decimals) => out.extend_from_slice(&decimals),
                None => out.extend(group.iter().map(|single| self.of(*single))),
            }
        }
        out.extend(rest.iter().map(|single| self.of(*single)));
    }

    /// [`shortest`] of values side by side, where all of them are decimals of few digits with as many places.
    #[inline]
    fn group(self, group: &[f32; LANES]) -> Option<[f64; LANES]> {
        let power = self.power();
        let half_step = HALF_STEP * power;
        let mut decimals = [0.0; LANES];
        let mut is_other = false;
        for (decimal, single) in decimals.iter_mut().zip(group) {
            let scaled = f64::from(*single) * power;
            let digits = nearest(scaled);
            let step = f64::from(f32::from_bits(single.to_bits() & EXPONENT)) * half_step;
            // A NaN is in no comparison.
            let is_decimal = (digits.abs() < FEW_DIGITS) & ((digits - scaled).abs() <= step);
            is_other |= !is_decimal;
            // That of a zero, too.
            *decimal = (digits / power).copysign(scaled);
        }
        (!is_other).then_some(decimals)
    }

    /// Sum and range of values, without making decimals of each: as long as all are decimals of few digits, the digits are summed, which is
    /// exact. `None` for others, and for -0.0.
    pub fn range(&mut self, singles: &[f32]) -> Option<DecimalRange> {
        self.range_at(singles).or_else(|| {
            let size = singles.iter().fold(0.0f32, |size, v| size.max(v.abs()));
            let places = most_places(f64::from(size));
            let is_other = places != self.places;
            self.places = places;
            if is_other { self.range_at(singles) } else { None }
        })
    }

    fn range_at(self, singles: &[f32]) -> Option<DecimalRange> {
        let power = self.power();
        let first = *singles.first()?;
        let mut lanes = Lanes::new(first, power);
        let (groups, rest) = singles.as_chunks::<LANES>();
        for group in groups {
            lanes.add(group);
        }
        if !rest.is_empty() {
            // The first value once more changes nothing but the sum.
            let mut group = [first; LANES];
            group.iter_mut().zip(rest).for_each(|(slot, v)| *slot = *v);
            lanes.add(&group);
            let more = LANES - rest.len();
            lanes.sum[0] -= nearest(f64::from(first) * power) * more as f64;
        }
        lanes.finish()
    }
}

/// The bits of a float32 that say between which powers of two it lies.
const EXPONENT: u32 = 0x7f80_0000;

/// Independent lanes, which the compiler turns into vector instructions.
struct Lanes {
    power: f64,
    sum: [f64; LANES],
    /// How far a value was from its decimal, less what it may be.
    off: [f64; LANES],
    digits: [f64; LANES],
    min: [f32; LANES],
    max: [f32; LANES],
    negative_zero: [u32; LANES],
}

impl Lanes {
    fn new(first: f32, power: f64) -> Self {
        let zero = [0.0; LANES];
        Self {
            power,
            sum: zero,
            off: [f64::NEG_INFINITY; LANES],
            digits: zero,
            min: [first; LANES],
            max: [first; LANES],
            negative_zero: [0; LANES],
        }
    }

    #[inline]
    fn add(&mut self, group: &[f32; LANES]) {
        let (power, half_step) = (self.power, HALF_STEP * self.power);
        for (at, v) in group.iter().enumerate() {
            let scaled = f64::from(*v) * power;
            let digits = nearest(scaled);
            let step = f64::from(f32::from_bits(v.to_bits() & EXPONENT)) * half_step;
            let off = (digits - scaled).abs() - step;
            self.sum[at] += digits;
            self.off[at] = if off > self.off[at] { off } else { self.off[at] };
            self.digits[at] = if digits.abs() > self.digits[at] { digits.abs() } else { self.digits[at] };
            self.min[at] = if *v < self.min[at] { *v } else { self.min[at] };
            self.max[at] = if *v > self.max[at] { *v } else { self.max[at] };
            self.negative_zero[at] |= u32::from(v.to_bits() == (-0.0f32).to_bits());
        }
    }

    fn finish(&self) -> Option<DecimalRange> {
        let digits: f64 = self.sum.iter().sum();
        let plain = self.off.iter().all(|off| *off <= 0.0)
            && self.digits.iter().all(|digits| *digits < FEW_DIGITS)
            && self.negative_zero.iter().all(|found| *found == 0)
            // A NaN is in no comparison, and in the sum.
            && digits.is_finite();
        let decimal = |v: f32| nearest(f64::from(v) * self.power) / self.power;
        let min = self.min.iter().copied().fold(f32::INFINITY, f32::min);
        let max = self.max.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        plain.then(|| DecimalRange { sum: digits / self.power, min: decimal(min), max: decimal(max) })
    }
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
            (8_123_456_512.0, 8_123_456_500.0),
            (16_777_216.0, 16_777_216.0),
            (1e15, 1e15),
            (1e-45, 1e-45),
            (3.402_823_5e38, 3.402_823_5e38),
            (-1.234_567e-5, -1.234_567e-5),
        ] {
            assert_eq!(shortest(single).to_bits(), f64::to_bits(decimal), "{single}");
        }
        assert_eq!(shortest(f32::NEG_INFINITY), f64::NEG_INFINITY);
        assert!(shortest(f32::NAN).is_nan());
    }

    fn of_text(single: f32) -> f64 {
        crate::model::Value::Float32(single).to_string().parse().unwrap()
    }

    #[test]
    fn sums_are_those_of_the_decimals() {
        let mut decimals = Decimals::default();
        let range = decimals.range(&[21.5, 21.6]).unwrap();
        assert_eq!((range.sum, range.min, range.max), (43.1, 21.5, 21.6));
        // Added one after the other, tenths are 0.9999999999999999.
        let range = decimals.range(&[0.1; 10]).unwrap();
        assert_eq!((range.sum, range.min, range.max), (1.0, 0.1, 0.1));
        for other in [f32::NAN, f32::INFINITY, -0.0, 123_456_790.0, 0.333_333_34] {
            assert_eq!(decimals.range(&[1.5, other, 2.5]), None, "{other}");
        }
        assert_eq!(decimals.range(&[]), None);
        assert_eq!(decimals.range(&[1013.25; 20]).unwrap().sum, 20_265.0);
    }

    proptest! {
        /// Whatever came before, and however many values there are.
        #[test]
        fn many_are_what_each_is(
            values in prop::collection::vec((-99_999_999i64..99_999_999, 0i32..8), 0..50),
            same_places: bool,
            digits in 1u32..9,
        ) {
            let first = values.first().map_or(0, |v| v.1);
            let place = |at: i32| if same_places { first } else { at };
            let singles: Vec<f32> = values
                .iter()
                .map(|(n, places)| ((n % 10i64.pow(digits)) as f64 / 10f64.powi(place(*places))) as f32)
                .collect();
            let mut decimals = Decimals::default();
            let mut all = Vec::new();
            for _ in 0..2 {
                all.clear();
                decimals.extend(&singles, &mut all);
                for (single, decimal) in singles.iter().zip(&all) {
                    prop_assert_eq!(decimal.to_bits(), of_text(*single).to_bits(), "{}", single);
                }
                let Some(range) = decimals.range(&singles) else { continue };
                let (min, max) = all.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
                prop_assert_eq!((range.min, range.max), (min, max));
                // In integers of the smallest place: 128 bits hold any such sum.
                let exact: i128 = all.iter().map(|v| (v * 1e7).round() as i128).sum();
                prop_assert!((range.sum - exact as f64 / 1e7).abs() <= range.sum.abs() * 3e-16 + 1e-300, "{range:?} {exact}");
            }
            if same_places && digits < 7 {
                prop_assert_eq!(decimals.range(&singles).is_some(), !singles.is_empty());
            }
        }

        /// The text that readers get is another implementation.
        #[test]
        fn it_is_the_shortest_text(bits: u32, whole in -2_000_000_000i64..2_000_000_000, places in 0i32..12) {
            for single in [f32::from_bits(bits), (whole as f64 / 10f64.powi(places)) as f32] {
                if single.is_finite() {
                    prop_assert_eq!(shortest(single).to_bits(), of_text(single).to_bits(), "{}", single);
                    let mut decimals = Decimals { places: places as usize % 11 };
                    prop_assert_eq!(decimals.of(single).to_bits(), of_text(single).to_bits(), "{}", single);
                }
            }
        }
    }
}
