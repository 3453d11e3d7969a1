//! Floats as integers: decimals of few digits, and bits in the order of the numbers.
//!
//! Decimals:
//!
//! ```text
//! +-------------+-----------------+----------------------------+------------------------+---------+
//! | exponent u8 | exceptions      | gap of each from the one   | bits of each, as wide  | numbers |
//! | 0..=15      | uvarint number  | before, uvarints           | as the type            |         |
//! +-------------+-----------------+----------------------------+------------------------+---------+
//! ```
//!
//! A number `i` is the float `i / 10^exponent`, divided as f64 and for float32 rounded to f32. Encoding proves it, value
//! by value, with that very expression. What does not come back bit for bit (-0.0, NaN, infinities, floats of other
//! origin) is an exception: its number repeats the one before, and its bits are stored.

use super::bytes::{Reader, corrupt, put_uvarint};
use super::numbers;
use nanotdb_core::plugin::CodecError;

const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// Adding it to an f64 below 2^51 leaves the nearest integer in the low bits of the sum.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// From this exponent on, random bits may pass for decimals.
const DOUBTFUL: usize = 5;

/// A float type, and its bits as an integer.
pub(super) trait Float: Copy + Default {
    /// Bytes of a value.
    const WIDTH: usize;
    /// Largest exponent tried.
    const MAX_EXPONENT: usize;

    fn bits(self) -> u64;
    fn of_bits(bits: u64) -> Self;
    fn to_f64(self) -> f64;
    fn of_f64(v: f64) -> Self;
    /// The bits such that integers are in the order of the floats.
    fn ordered(self) -> i64;
    /// The inverse of [`Float::ordered`].
    fn of_ordered(v: i64) -> Self;
}

impl Float for f32 {
    const WIDTH: usize = 4;
    const MAX_EXPONENT: usize = 9;

    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
    fn of_bits(bits: u64) -> Self {
        Self::from_bits(bits as u32)
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn of_f64(v: f64) -> Self {
        v as f32
    }
    fn ordered(self) -> i64 {
        let bits = self.to_bits() as i32;
        i64::from(bits ^ (((bits >> 31) as u32) >> 1) as i32)
    }
    fn of_ordered(v: i64) -> Self {
        let bits = v as i32;
        Self::from_bits((bits ^ (((bits >> 31) as u32) >> 1) as i32) as u32)
    }
}

impl Float for f64 {
    const WIDTH: usize = 8;
    const MAX_EXPONENT: usize = 15;

    fn bits(self) -> u64 {
        self.to_bits()
    }
    fn of_bits(bits: u64) -> Self {
        Self::from_bits(bits)
    }
    fn to_f64(self) -> f64 {
        self
    }
    fn of_f64(v: f64) -> Self {
        v
    }
    fn ordered(self) -> i64 {
        let bits = self.to_bits() as i64;
        bits ^ (((bits >> 63) as u64) >> 1) as i64
    }
    fn of_ordered(v: i64) -> Self {
        Self::from_bits((v ^ (((v >> 63) as u64) >> 1) as i64) as u64)
    }
}

/// The float that a number stands for.
#[inline]
pub(super) fn float<F: Float>(number: i64, power: f64) -> F {
    F::of_f64(number as f64 / power)
}

/// 10^exponent, if such an exponent is used.
pub(super) fn power(exponent: usize) -> Option<f64> {
    POWERS.get(exponent).copied()
}

/// Floats as decimals.
pub(super) struct Decimals {
    pub(super) exponent: usize,
    pub(super) numbers: Vec<i64>,
    /// Position and bits of what is no such decimal.
    pub(super) exceptions: Vec<(usize, u64)>,
}

impl Decimals {
    /// With the exponent of fewest exceptions, and with the least exponent that has few enough for decimals to pay, if
    /// that is another: an exponent for the sake of a few values makes all numbers long.
    pub(super) fn of<F: Float>(values: &[F]) -> Vec<Self> {
        let most = values.len() / 16;
        let mut found: Vec<Self> = Vec::new();
        for (exponent, power) in POWERS.iter().enumerate().take(F::MAX_EXPONENT + 1) {
            let allowed = found.last().map_or(most, |best| best.exceptions.len().saturating_sub(1));
            if let Some(decimals) = Self::with(values, exponent, *power, allowed) {
                let done = decimals.exceptions.is_empty();
                found.truncate(1);
                found.push(decimals);
                if done {
                    break;
                }
            }
        }
        found
    }

    fn with<F: Float>(values: &[F], exponent: usize, power: f64, most: usize) -> Option<Self> {
        let mut numbers = Vec::new();
        let mut exceptions = Vec::new();
        let mut before = 0;
        for (at, v) in values.iter().enumerate() {
            let number = ((v.to_f64() * power + ROUND).to_bits() as i64).wrapping_sub(ROUND.to_bits() as i64);
            if float::<F>(number, power).bits() == v.bits() {
                before = number;
            } else {
                exceptions.push((at, v.bits()));
                if exceptions.len() > most {
                    return None;
                }
            }
            if numbers.is_empty() {
                numbers.reserve(values.len());
            }
            numbers.push(before);
        }
        Some(Self { exponent, numbers, exceptions })
    }

    /// Whether no other form of the floats is worth a trial: all are decimals, and of far fewer digits than random bits
    /// would make.
    pub(super) fn are_certain<F: Float>(&self) -> bool {
        self.exceptions.is_empty()
            && self.exponent < DOUBTFUL
            && self.numbers.iter().all(|number| number.unsigned_abs() >> (5 * F::WIDTH) == 0)
    }

    /// Appends head and numbers.
    pub(super) fn encode<F: Float>(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.put_head::<F>(out);
        numbers::encode(&self.numbers, out)
    }

    /// Appends everything before the numbers.
    pub(super) fn put_head<F: Float>(&self, out: &mut Vec<u8>) {
        out.push(self.exponent as u8);
        put_uvarint(out, self.exceptions.len() as u64);
        let mut next = 0;
        for (at, _) in &self.exceptions {
            put_uvarint(out, (at - next) as u64);
            next = at + 1;
        }
        for (_, bits) in &self.exceptions {
            out.extend(bits.to_le_bytes().iter().take(F::WIDTH));
        }
    }
}

/// What is before the numbers: the power of ten, and the exceptions.
pub(super) fn get_head<F: Float>(reader: &mut Reader<'_>, count: usize) -> Result<(f64, Vec<(usize, F)>), CodecError> {
    let power = power(usize::from(reader.byte()?)).ok_or_else(|| corrupt("an exponent out of range"))?;
    let n = reader.length(count)?;
    let mut exceptions = Vec::new();
    let mut next = 0usize;
    for _ in 0..n {
        let at = next.saturating_add(reader.length(count)?);
        if at >= count {
            return Err(corrupt("an exception out of range"));
        }
        exceptions.push((at, F::default()));
        next = at + 1;
    }
    for (_, value) in &mut exceptions {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(reader.take(F::WIDTH)?).for_each(|(to, from)| *to = *from);
        *value = F::of_bits(u64::from_le_bytes(bytes));
    }
    Ok((power, exceptions))
}

/// Appends `count` floats.
pub(super) fn decode<F: Float>(mut reader: Reader<'_>, count: usize, out: &mut Vec<F>) -> Result<(), CodecError> {
    let (power, exceptions) = get_head::<F>(&mut reader, count)?;
    let start = out.len();
    numbers::decode(reader.rest(), count)?.append(out, |number| float::<F>(number, power))?;
    for (at, value) in exceptions {
        if let Some(slot) = out.get_mut(start.saturating_add(at)) {
            *slot = value;
        }
    }
    Ok(())
}
