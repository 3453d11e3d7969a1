//! Columns of values as the bytes of a frame.

use crate::model::{Timestamp, ValueType, Values, ValuesMut};

/// The type that a series is written as: 4 bytes wide where every value survives it, so that the original reads it.
///
/// NaN stays wide: what its payload becomes in a conversion is up to the processor.
pub(super) fn written_type(values: Values<'_>) -> ValueType {
    match values {
        Values::Int64(v) if v.iter().all(|v| i32::try_from(*v).is_ok()) => ValueType::Int32,
        Values::Float64(v) if v.iter().all(|v| !v.is_nan() && f64::from(*v as f32).to_bits() == v.to_bits()) => {
            ValueType::Float32
        }
        other => other.value_type(),
    }
}

/// Appends values, as the type that [`written_type`] chose for the series they are of.
pub(super) fn put_values(values: Values<'_>, written: ValueType, out: &mut Vec<u8>) {
    match values {
        Values::Int32(v) => put(v, out, |v| v.to_le_bytes()),
        Values::Float32(v) => put(v, out, |v| v.to_le_bytes()),
        Values::Int64(v) if written.is_wide() => put(v, out, |v| v.to_le_bytes()),
        Values::Float64(v) if written.is_wide() => put(v, out, |v| v.to_le_bytes()),
        Values::Int64(v) => put(v, out, |v| (v as i32).to_le_bytes()),
        Values::Float64(v) => put(v, out, |v| (v as f32).to_le_bytes()),
    }
}

/// Appends timestamps.
pub(super) fn put_timestamps(timestamps: &[Timestamp], out: &mut Vec<u8>) {
    put(timestamps, out, |t| t.to_le_bytes());
}

fn put<T: Copy, const N: usize>(column: &[T], out: &mut Vec<u8>, bytes: impl Fn(T) -> [u8; N]) {
    let from = out.len();
    out.resize(from.saturating_add(column.len().saturating_mul(N)), 0);
    let places = out.get_mut(from..).unwrap_or_default().as_chunks_mut::<N>().0;
    for (place, number) in places.iter_mut().zip(column) {
        *place = bytes(*number);
    }
}

/// Appends the values that `bytes` are, by the type of `out`.
pub(super) fn read_values(bytes: &[u8], out: ValuesMut<'_>) {
    match out {
        ValuesMut::Int32(out) => out.extend(bytes.as_chunks().0.iter().map(|v| i32::from_le_bytes(*v))),
        ValuesMut::Float32(out) => out.extend(bytes.as_chunks().0.iter().map(|v| f32::from_le_bytes(*v))),
        ValuesMut::Int64(out) => out.extend(bytes.as_chunks().0.iter().map(|v| i64::from_le_bytes(*v))),
        ValuesMut::Float64(out) => out.extend(bytes.as_chunks().0.iter().map(|v| f64::from_le_bytes(*v))),
    }
}

/// Appends the timestamps that `bytes` are.
pub(super) fn read_timestamps(bytes: &[u8], out: &mut Vec<Timestamp>) {
    out.extend(bytes.as_chunks().0.iter().map(|t| i64::from_le_bytes(*t)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_narrow_only_where_every_value_survives_it() {
        let int = |v: &[i64]| written_type(Values::Int64(v));
        assert_eq!(int(&[i64::from(i32::MIN), 0, i64::from(i32::MAX)]), ValueType::Int32);
        assert_eq!(int(&[1, i64::from(i32::MAX) + 1]), ValueType::Int64);
        assert_eq!(int(&[i64::MIN]), ValueType::Int64);
        let float = |v: &[f64]| written_type(Values::Float64(v));
        assert_eq!(float(&[-0.0, 0.5, f64::INFINITY, f64::NEG_INFINITY, f64::from(f32::MAX)]), ValueType::Float32);
        assert_eq!(float(&[f64::from(f32::from_bits(1))]), ValueType::Float32, "the smallest subnormal");
        for wide in [0.1, f64::MAX, f64::MIN_POSITIVE, f64::NAN, 16_777_217.0] {
            assert_eq!(float(&[0.5, wide]), ValueType::Float64, "{wide}");
        }
        assert_eq!(written_type(Values::Float32(&[f32::NAN])), ValueType::Float32);
        assert_eq!(written_type(Values::Int32(&[])), ValueType::Int32);
    }
}
