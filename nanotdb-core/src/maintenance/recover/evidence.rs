//! The type of a metric whose catalog entry is lost, by what its samples look like.

use crate::model::ValueType;

/// Integers beyond these bounds, read as float32, are numbers that people measure (1e-19 and more).
const LARGEST_PLAIN_INTEGER: u32 = 0x1fff_ffff;

/// What is known of the values of one metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// Of a metric file or a log, which say it.
    written: Option<ValueType>,
    /// Values that are small integers, zero among them.
    integers: u64,
    /// Values that are not.
    others: u64,
    /// Values of 64 bits that look like integers.
    wide_integers: u64,
    /// And those that look like floats.
    wide_floats: u64,
}

impl Evidence {
    /// A file says the type. The widest counts: a metric widens and never narrows.
    pub(super) fn add_type(&mut self, value_type: ValueType) {
        if self.written.is_none_or(|known| !known.is_wide()) {
            self.written = Some(value_type);
        }
    }

    /// A value in a page: its low half, and the high one in a page that has such.
    pub(super) fn add_value(&mut self, low: u32, high: Option<u32>) {
        let is_negative = low & 0x8000_0000 != 0;
        let counter = match high {
            // Zero, or the sign of a 32-bit integer: it says nothing of the width.
            None | Some(0) => self.narrow(low),
            Some(u32::MAX) if is_negative => self.narrow(low),
            Some(high) => {
                let bits = (u64::from(high) << 32) | u64::from(low);
                let size = f64::from_bits(bits).abs();
                match (1e-19..1e19).contains(&size) {
                    true => &mut self.wide_floats,
                    false => &mut self.wide_integers,
                }
            }
        };
        *counter = counter.saturating_add(1);
    }

    fn narrow(&mut self, low: u32) -> &mut u64 {
        let size = if low & 0x8000_0000 == 0 { low } else { low.wrapping_neg() };
        if size <= LARGEST_PLAIN_INTEGER { &mut self.integers } else { &mut self.others }
    }

    /// The most likely type.
    pub(super) fn value_type(&self) -> ValueType {
        match self {
            Self { written: Some(value_type), .. } => *value_type,
            Self { wide_integers, wide_floats, .. } if wide_integers.max(wide_floats) > &0 => {
                if wide_floats >= wide_integers { ValueType::Float64 } else { ValueType::Int64 }
            }
            // Also when it is mostly zero.
            Self { others, .. } if others > &0 => ValueType::Float32,
            _ => ValueType::Int32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    fn guess(values: &[Value], wide: bool) -> ValueType {
        let mut evidence = Evidence::default();
        for value in values {
            let bits = value.to_bits();
            evidence.add_value(bits as u32, wide.then_some((bits >> 32) as u32));
        }
        evidence.value_type()
    }

    #[test]
    fn values_tell_their_type() {
        use Value::{Float32, Float64, Int32, Int64};
        for wide in [false, true] {
            assert_eq!(guess(&[Int32(0), Int32(5), Int32(-70_000), Int32(400_000_000)], wide), ValueType::Int32);
            assert_eq!(guess(&[Float32(0.0), Float32(0.0), Float32(21.5)], wide), ValueType::Float32);
            assert_eq!(guess(&[Float32(-3e-9), Float32(1e15)], wide), ValueType::Float32);
        }
        assert_eq!(guess(&[Int64(5), Int64(9_000_000_000), Int64(-1)], true), ValueType::Int64);
        assert_eq!(guess(&[Float64(0.0), Float64(21.55), Float64(-1e-9)], true), ValueType::Float64);
        assert_eq!(guess(&[], false), ValueType::Int32);
    }

    #[test]
    fn what_a_file_says_counts_more() {
        let mut evidence = Evidence::default();
        evidence.add_value(7, None);
        evidence.add_type(ValueType::Float32);
        assert_eq!(evidence.value_type(), ValueType::Float32);
        evidence.add_type(ValueType::Float64);
        evidence.add_type(ValueType::Float32);
        assert_eq!(evidence.value_type(), ValueType::Float64);
    }
}
