//! Columns of values, borrowed and owned, of one of the four types.

use super::decimal::Decimals;
use super::{Value, ValueType};
use std::ops::Range;

/// A column of values, by type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values<'a> {
    /// int32 values.
    Int32(&'a [i32]),
    /// float32 values.
    Float32(&'a [f32]),
    /// int64 values.
    Int64(&'a [i64]),
    /// float64 values.
    Float64(&'a [f64]),
}

impl<'a> Values<'a> {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Values::Int32(v) => v.len(),
            Values::Float32(v) => v.len(),
            Values::Int64(v) => v.len(),
            Values::Float64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Values::Int32(_) => ValueType::Int32,
            Values::Float32(_) => ValueType::Float32,
            Values::Int64(_) => ValueType::Int64,
            Values::Float64(_) => ValueType::Float64,
        }
    }

    /// One value; `None` beyond the end.
    #[inline]
    pub fn get(&self, at: usize) -> Option<Value> {
        match self {
            Values::Int32(v) => v.get(at).copied().map(Value::Int32),
            Values::Float32(v) => v.get(at).copied().map(Value::Float32),
            Values::Int64(v) => v.get(at).copied().map(Value::Int64),
            Values::Float64(v) => v.get(at).copied().map(Value::Float64),
        }
    }

    /// A part of the column; nothing where the range lies outside.
    pub fn slice(&self, range: Range<usize>) -> Values<'a> {
        match self {
            Values::Int32(v) => Values::Int32(v.get(range).unwrap_or_default()),
            Values::Float32(v) => Values::Float32(v.get(range).unwrap_or_default()),
            Values::Int64(v) => Values::Int64(v.get(range).unwrap_or_default()),
            Values::Float64(v) => Values::Float64(v.get(range).unwrap_or_default()),
        }
    }

    /// The values at these positions; positions beyond the end are left out.
    pub fn select(&self, positions: &[u32]) -> Column {
        fn pick<T: Copy>(from: &[T], positions: &[u32]) -> Vec<T> {
            positions.iter().filter_map(|at| from.get(*at as usize).copied()).collect()
        }
        match self {
            Values::Int32(v) => Column::Int32(pick(v, positions)),
            Values::Float32(v) => Column::Float32(pick(v, positions)),
            Values::Int64(v) => Column::Int64(pick(v, positions)),
            Values::Float64(v) => Column::Float64(pick(v, positions)),
        }
    }

    /// Whether type and every bit are the same, which `==` does not say of NaN and -0.0.
    pub fn same_bits(&self, other: Values<'_>) -> bool {
        match (self, other) {
            (Values::Int32(a), Values::Int32(b)) => *a == b,
            (Values::Int64(a), Values::Int64(b)) => *a == b,
            (Values::Float32(a), Values::Float32(b)) => a.iter().map(|v| v.to_bits()).eq(b.iter().map(|v| v.to_bits())),
            (Values::Float64(a), Values::Float64(b)) => a.iter().map(|v| v.to_bits()).eq(b.iter().map(|v| v.to_bits())),
            _ => false,
        }
    }

    /// Appends the values as float64.
    #[inline]
    pub fn extend_f64(&self, out: &mut Vec<f64>) {
        match self {
            Values::Int32(v) => out.extend(v.iter().map(|v| f64::from(*v))),
            Values::Float32(v) => out.extend(v.iter().map(|v| f64::from(*v))),
            Values::Int64(v) => out.extend(v.iter().map(|v| *v as f64)),
            Values::Float64(v) => out.extend_from_slice(v),
        }
    }
}

/// Where decoded values go, by type. Decoders append.
#[derive(Debug)]
pub enum ValuesMut<'a> {
    /// int32 values.
    Int32(&'a mut Vec<i32>),
    /// float32 values.
    Float32(&'a mut Vec<f32>),
    /// int64 values.
    Int64(&'a mut Vec<i64>),
    /// float64 values.
    Float64(&'a mut Vec<f64>),
}

/// An owned column of values.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// int32 values.
    Int32(Vec<i32>),
    /// float32 values.
    Float32(Vec<f32>),
    /// int64 values.
    Int64(Vec<i64>),
    /// float64 values.
    Float64(Vec<f64>),
}

impl Column {
    /// An empty column.
    pub fn new(value_type: ValueType) -> Self {
        match value_type {
            ValueType::Int32 => Self::Int32(Vec::new()),
            ValueType::Float32 => Self::Float32(Vec::new()),
            ValueType::Int64 => Self::Int64(Vec::new()),
            ValueType::Float64 => Self::Float64(Vec::new()),
        }
    }

    /// Empties it, keeping its memory where the type stays the same.
    pub fn reset(&mut self, value_type: ValueType) {
        if self.value_type() == value_type { self.truncate(0) } else { *self = Self::new(value_type) }
    }

    /// Its values.
    #[inline]
    pub fn values(&self) -> Values<'_> {
        match self {
            Self::Int32(v) => Values::Int32(v),
            Self::Float32(v) => Values::Float32(v),
            Self::Int64(v) => Values::Int64(v),
            Self::Float64(v) => Values::Float64(v),
        }
    }

    /// For decoders.
    pub fn values_mut(&mut self) -> ValuesMut<'_> {
        match self {
            Self::Int32(v) => ValuesMut::Int32(v),
            Self::Float32(v) => ValuesMut::Float32(v),
            Self::Int64(v) => ValuesMut::Int64(v),
            Self::Float64(v) => ValuesMut::Float64(v),
        }
    }

    /// Their type.
    pub fn value_type(&self) -> ValueType {
        self.values().value_type()
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.values().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the first `len` values.
    pub fn truncate(&mut self, len: usize) {
        match self {
            Self::Int32(v) => v.truncate(len),
            Self::Float32(v) => v.truncate(len),
            Self::Int64(v) => v.truncate(len),
            Self::Float64(v) => v.truncate(len),
        }
    }

    /// Appends a value given as row bits ([`Value::to_bits`]) of this column's type.
    #[inline]
    pub fn push_bits(&mut self, bits: u64) {
        match self {
            Self::Int32(v) => v.push(bits as u32 as i32),
            Self::Float32(v) => v.push(f32::from_bits(bits as u32)),
            Self::Int64(v) => v.push(bits as i64),
            Self::Float64(v) => v.push(f64::from_bits(bits)),
        }
    }

    /// Appends values of a metric that has become of this column's type: see [`Value::became_bits`].
    pub fn extend_became(&mut self, values: Values<'_>, typed: bool) {
        match (self, values) {
            (Self::Float64(to), Values::Float32(from)) if !typed => Decimals::default().extend(from, to),
            (Self::Float64(to), Values::Int32(from)) => to.extend(from.iter().map(|v| f64::from(*v))),
            (Self::Float64(to), Values::Int64(from)) => to.extend(from.iter().map(|v| *v as f64)),
            (this, values) => {
                this.extend(values);
            }
        }
    }

    /// Appends values, of the same type or of the 32-bit type that widens to it (int32 to int64, float32 to float64).
    /// Returns whether it did: other types are left alone.
    pub fn extend(&mut self, values: Values<'_>) -> bool {
        match (self, values) {
            (Self::Int32(to), Values::Int32(from)) => to.extend_from_slice(from),
            (Self::Float32(to), Values::Float32(from)) => to.extend_from_slice(from),
            (Self::Int64(to), Values::Int64(from)) => to.extend_from_slice(from),
            (Self::Float64(to), Values::Float64(from)) => to.extend_from_slice(from),
            (Self::Int64(to), Values::Int32(from)) => to.extend(from.iter().map(|v| i64::from(*v))),
            (Self::Float64(to), Values::Float32(from)) => to.extend(from.iter().map(|v| f64::from(*v))),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_is_one_way() {
        let mut wide = Column::new(ValueType::Int64);
        assert!(wide.extend(Values::Int32(&[-1, 7])));
        assert_eq!(wide, Column::Int64(vec![-1, 7]));
        let mut narrow = Column::new(ValueType::Int32);
        assert!(!narrow.extend(Values::Int64(&[1])));
        assert!(narrow.is_empty());
    }

    #[test]
    fn bits_are_the_values_they_came_from() {
        for value in [Value::Int32(-5), Value::Float32(-0.0), Value::Int64(i64::MIN), Value::Float64(f64::INFINITY)] {
            let mut column = Column::new(value.value_type());
            column.push_bits(value.to_bits());
            assert_eq!(column.values().get(0).map(Value::to_bits), Some(value.to_bits()));
            assert_eq!(column.values().get(1), None);
            assert_eq!(column.values().slice(1..4).len(), 0);
        }
    }
}
