//! Statistics of values, and the chunks that hold those of parts.
//!
//! ```text
//! chunk  6  codec u16 | type u8 | flags u8 | parts uvarint
//!           flags bit 1: validity, ceil(parts / 8) bytes, lowest bit first: which parts have statistics
//!           flags bit 0: | len uvarint | int32 column: timestamps of the part without a row |
//!           | len | minima | len | maxima | len | first values | len | last values | len | float64 column: sums |
//! ```

use super::block::codec;
use super::bytes::Cursor;
use super::{MAX_CHUNK_PARTS, cuts, frame};
use crate::format::metric::{Block, Part, TimeBlock};
use crate::format::{DecodeError, put_uvarint};
use crate::model::decimal::Decimals;
use crate::model::{Column, Value, ValueType, Values, ValuesMut};
use crate::plugin::registry::Registry;
use crate::plugin::{BlockStatistics, Codec, CodecError};

const HAS_MISSING: u8 = 1;
const HAS_INVALID: u8 = 2;

/// Statistics in the type of the values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub(super) min: Value,
    pub(super) max: Value,
    pub(super) sum: f64,
    pub(super) first: Value,
    pub(super) last: Value,
}

impl Summary {
    /// As aggregates take them.
    pub(super) fn statistics(&self, count: u32) -> BlockStatistics {
        BlockStatistics {
            count: u64::from(count),
            min: self.min.as_f64(),
            max: self.max.as_f64(),
            sum: self.sum,
            first: self.first.as_f64(),
            last: self.last.as_f64(),
        }
    }
}

trait Scalar: Copy + PartialOrd {
    /// Whether minimum, maximum and sum of such values are exactly what an aggregate of the rows would be.
    fn is_plain(self) -> bool;
    fn as_f64(self) -> f64;
    fn value(self) -> Value;
}

macro_rules! scalar {
    ($type:ty, $variant:ident, $plain:expr, $to:expr) => {
        impl Scalar for $type {
            #[inline]
            fn is_plain(self) -> bool {
                $plain(self)
            }
            #[inline]
            fn as_f64(self) -> f64 {
                $to(self)
            }
            fn value(self) -> Value {
                Value::$variant(self)
            }
        }
    };
}
scalar!(i32, Int32, |_| true, f64::from);
scalar!(i64, Int64, |_| true, |v| v as f64);
scalar!(f32, Float32, |v: f32| v.is_finite() && v.to_bits() != (-0.0f32).to_bits(), f64::from);
scalar!(f64, Float64, |v: f64| v.is_finite() && v.to_bits() != (-0.0f64).to_bits(), |v| v);

/// Statistics of a column: none when it is empty, has a NaN, an infinity or -0.0 (of which the order of comparing, not the
/// values, decides what a minimum is), or a sum beyond float64. With `decimals`, the sum of float32 values is that of their shortest
/// decimals.
pub(super) fn summary(values: Values<'_>, decimals: bool) -> Option<Summary> {
    match values {
        Values::Int32(v) => summary_of(v, Scalar::as_f64),
        Values::Float32(v) if decimals => {
            let mut decimals = Decimals::default();
            summary_of(v, |v| decimals.of(v))
        }
        Values::Float32(v) => summary_of(v, Scalar::as_f64),
        Values::Int64(v) => summary_of(v, Scalar::as_f64),
        Values::Float64(v) => summary_of(v, Scalar::as_f64),
    }
}

#[allow(clippy::arithmetic_side_effects, reason = "addition of floats")]
fn summary_of<T: Scalar>(values: &[T], mut as_f64: impl FnMut(T) -> f64) -> Option<Summary> {
    let (&first, &last) = (values.first()?, values.last()?);
    let (mut min, mut max, mut sum, mut plain) = (first, first, 0.0, true);
    for v in values {
        plain &= v.is_plain();
        min = if *v < min { *v } else { min };
        max = if *v > max { *v } else { max };
        sum += as_f64(*v);
    }
    let known = plain && sum.is_finite();
    known.then(|| Summary { min: min.value(), max: max.value(), sum, first: first.value(), last: last.value() })
}

/// The columns of a chunk that are of the type of the values.
#[derive(Debug, Clone)]
struct Extremes {
    min: Column,
    max: Column,
    first: Column,
    last: Column,
}

impl Extremes {
    fn new(value_type: ValueType) -> Self {
        let column = || Column::new(value_type);
        Self { min: column(), max: column(), first: column(), last: column() }
    }

    fn all(&self) -> [&Column; 4] {
        [&self.min, &self.max, &self.first, &self.last]
    }

    fn all_mut(&mut self) -> [&mut Column; 4] {
        [&mut self.min, &mut self.max, &mut self.first, &mut self.last]
    }
}

/// Parts of blocks of one type, until they are written as a chunk.
pub(super) struct ChunkBuilder {
    missing: Vec<i32>,
    validity: Vec<u8>,
    invalid: bool,
    columns: Extremes,
    sum: Vec<f64>,
}

impl ChunkBuilder {
    pub(super) fn new(value_type: ValueType) -> Self {
        Self {
            missing: Vec::new(),
            validity: Vec::new(),
            invalid: false,
            columns: Extremes::new(value_type),
            sum: Vec::new(),
        }
    }

    /// Parts so far.
    pub(super) fn len(&self) -> usize {
        self.sum.len()
    }

    /// Adds a part that lacks `missing` of its timestamps.
    pub(super) fn push(&mut self, missing: u32, summary: Option<Summary>) {
        let bit = self.sum.len() & 7;
        if bit == 0 {
            self.validity.push(0);
        }
        if let (Some(byte), true) = (self.validity.last_mut(), summary.is_some()) {
            *byte |= 1u8.wrapping_shl(bit as u32);
        }
        self.invalid |= summary.is_none();
        self.missing.push(i32::try_from(missing).unwrap_or(i32::MAX));
        let values = summary.map(|s| [s.min, s.max, s.first, s.last].map(Value::to_bits)).unwrap_or_default();
        for (column, value) in self.columns.all_mut().into_iter().zip(values) {
            column.push_bits(value);
        }
        self.sum.push(summary.map_or(0.0, |s| s.sum));
    }

    /// Appends the chunk and returns its length.
    pub(super) fn put(&self, codec: &dyn Codec, out: &mut Vec<u8>) -> Result<u32, CodecError> {
        let has_missing = self.missing.iter().any(|m| *m != 0);
        frame::put(out, frame::STATISTICS, |out| {
            out.extend_from_slice(&codec.id().to_le_bytes());
            out.push(self.columns.min.value_type().code());
            out.push(if has_missing { HAS_MISSING } else { 0 } | if self.invalid { HAS_INVALID } else { 0 });
            put_uvarint(out, self.sum.len() as u64);
            if self.invalid {
                out.extend_from_slice(&self.validity);
            }
            let mut columns = Vec::with_capacity(6);
            columns.extend(has_missing.then_some(Values::Int32(&self.missing)));
            columns.extend(self.columns.all().map(Column::values));
            columns.push(Values::Float64(&self.sum));
            let mut column = Vec::new();
            for values in columns {
                column.clear();
                codec.encode_values(values, &mut column)?;
                put_uvarint(out, column.len() as u64);
                out.extend_from_slice(&column);
            }
            Ok(())
        })
    }
}

/// A decoded statistics chunk. It holds the parts of several blocks, so decode it once and ask it for each.
#[derive(Debug, Clone)]
pub struct Chunk {
    missing: Option<Vec<i32>>,
    validity: Option<Vec<u8>>,
    columns: Extremes,
    sum: Vec<f64>,
}

impl Chunk {
    /// About how much memory it takes.
    pub fn bytes_in_memory(&self) -> usize {
        // Four values of at most 8 bytes, a sum, a count.
        size_of::<Self>().saturating_add(self.sum.len().saturating_mul(44))
    }

    /// Decodes the bytes of a chunk.
    pub fn decode(bytes: &[u8], registry: &Registry) -> Result<Self, DecodeError> {
        let mut cursor = frame::open(bytes, frame::STATISTICS)?;
        let codec = codec(&mut cursor, registry)?;
        let code = cursor.u8()?;
        let value_type = ValueType::from_code(code)
            .ok_or_else(|| DecodeError::incompatible(8, format!("value type {code} is not known")))?;
        let flags = cursor.u8()?;
        if flags & !(HAS_MISSING | HAS_INVALID) != 0 {
            return Err(DecodeError::incompatible(9, format!("statistics with flags {flags:#x}")));
        }
        let parts = cursor.uvarint32()?;
        if parts > MAX_CHUNK_PARTS {
            return Err(cursor.bad(format!("{parts} parts in one chunk")));
        }
        let parts = parts as usize;
        let validity = match flags & HAS_INVALID {
            0 => None,
            _ => Some(cursor.take(parts.div_ceil(8))?.to_vec()),
        };
        let missing = match flags & HAS_MISSING {
            0 => None,
            _ => {
                let mut missing = Vec::new();
                column(&mut cursor, codec, parts, ValuesMut::Int32(&mut missing))?;
                (missing.len() == parts).then_some(missing)
            }
        };
        let (mut columns, mut sum) = (Extremes::new(value_type), Vec::new());
        for values in columns.all_mut() {
            column(&mut cursor, codec, parts, values.values_mut())?;
        }
        column(&mut cursor, codec, parts, ValuesMut::Float64(&mut sum))?;
        cursor.end()?;
        let whole = columns.all().map(Column::len) == [parts; 4] && sum.len() == parts;
        if !whole || (flags & HAS_MISSING != 0) != missing.is_some() {
            return Err(cursor.bad(format!("columns are not of {parts} parts")));
        }
        Ok(Self { missing, validity, columns, sum })
    }

    /// The parts of `block`, whose values are of `value_type` and whose time block is `time`. None when it has no parts.
    pub fn parts(&self, value_type: ValueType, block: &Block, time: &TimeBlock) -> Result<Vec<Part>, DecodeError> {
        let mut parts = Vec::new();
        let Some(of) = &block.parts else { return Ok(parts) };
        let bad = |reason: &str| Err(DecodeError::new(0, reason));
        if value_type != self.columns.min.value_type() {
            return bad("statistics chunk is of another type");
        }
        if of.first.checked_add(of.count).is_none_or(|end| end as usize > self.sum.len()) {
            return bad("statistics chunk has too few parts");
        }
        let mut rows = 0u32;
        for (span, at) in (of.skip..).zip(of.first..).take(of.count as usize) {
            let Some(span) = cuts::span(time, span, of.shift) else {
                return bad("parts beyond the end of the time vector");
            };
            let at = at as usize;
            let ticks = span.to.saturating_sub(span.from);
            let missing = self.missing.as_ref().and_then(|m| m.get(at)).copied().unwrap_or_default();
            let Some(count) = u32::try_from(missing).ok().and_then(|m| ticks.checked_sub(m)) else {
                return bad("a part lacks more rows than it spans");
            };
            rows = rows.saturating_add(count);
            parts.push(Part {
                start: span.start.max(block.start),
                end: span.end.min(block.end),
                count,
                statistics: self.statistics(at, count)?,
            });
        }
        if rows != block.count {
            return bad("parts have another number of rows than their block");
        }
        Ok(parts)
    }

    fn statistics(&self, at: usize, count: u32) -> Result<Option<BlockStatistics>, DecodeError> {
        let byte = self.validity.as_ref().map_or(Some(u8::MAX), |v| v.get(at >> 3).copied());
        let valid = byte.is_some_and(|b| b.wrapping_shr(at as u32 & 7) & 1 == 1);
        if !valid || count == 0 {
            return Ok(None);
        }
        let value = |column: &Column| column.values().get(at).map_or(f64::NAN, Value::as_f64);
        let [min, max, first, last] = self.columns.all().map(value);
        let sum = self.sum.get(at).copied().unwrap_or(f64::NAN);
        // A NaN fails these comparisons.
        let within = |v: f64| min <= v && v <= max;
        if !within(first) || !within(last) || !min.is_finite() || !max.is_finite() || !sum.is_finite() {
            return Err(DecodeError::new(0, "statistics of a part that no values have"));
        }
        Ok(Some(BlockStatistics { count: u64::from(count), min, max, sum, first, last }))
    }
}

fn column(cursor: &mut Cursor<'_>, codec: &dyn Codec, count: usize, out: ValuesMut<'_>) -> Result<(), DecodeError> {
    let len = cursor.uvarint32()? as usize;
    let bytes = cursor.take(len)?;
    codec.decode_values(bytes, count, out).map_err(|e| cursor.bad(e.to_string()))
}
