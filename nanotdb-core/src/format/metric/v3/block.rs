//! Time blocks and value blocks.
//!
//! ```text
//! times   6  codec u16 | index uvarint | count uvarint | timestamps, to the end of the body
//! values  6  codec u16 | metric id u16 | type u8 | presence kind u8 | time index uvarint | rows uvarint | presence | values
//! ```

use super::bytes::Cursor;
use super::presence::{self, Presence};
use super::{MAX_TICKS, frame};
use crate::format::metric::{Block, Rows, TimeBlock};
use crate::format::{DecodeError, put_uvarint};
use crate::model::{MetricId, Timestamp, ValueType, Values};
use crate::plugin::registry::Registry;
use crate::plugin::{Codec, CodecError};

/// Appends a time block and returns its length.
pub(super) fn put_times(
    codec: &dyn Codec,
    index: u32,
    ticks: &[Timestamp],
    out: &mut Vec<u8>,
) -> Result<u32, CodecError> {
    frame::put(out, frame::TIMES, |out| {
        out.extend_from_slice(&codec.id().to_le_bytes());
        put_uvarint(out, u64::from(index));
        put_uvarint(out, ticks.len() as u64);
        codec.encode_timestamps(ticks, out)
    })
}

/// Appends a value block and returns its length. `positions` are those of the rows within `ticks` timestamps.
pub(super) fn put_values(
    codec: &dyn Codec,
    id: MetricId,
    time: u32,
    (positions, ticks): (&[u32], usize),
    values: Values<'_>,
    out: &mut Vec<u8>,
) -> Result<u32, CodecError> {
    let mut presence = Vec::new();
    let kind = presence::encode(positions, ticks, codec, &mut presence)?;
    frame::put(out, frame::VALUES, |out| {
        out.extend_from_slice(&codec.id().to_le_bytes());
        out.extend_from_slice(&id.to_le_bytes());
        out.extend_from_slice(&[values.value_type().code(), kind]);
        put_uvarint(out, u64::from(time));
        put_uvarint(out, positions.len() as u64);
        out.extend_from_slice(&presence);
        codec.encode_values(values, out)
    })
}

/// The codec whose id comes next.
pub(super) fn codec(cursor: &mut Cursor<'_>, registry: &Registry) -> Result<&'static dyn Codec, DecodeError> {
    let at = cursor.at();
    let id = cursor.u16()?;
    registry
        .codec_by_id(id)
        .ok_or_else(|| DecodeError::incompatible(at, format!("block uses codec {id}, which this binary does not have")))
}

/// A number of rows or timestamps: at least one, and within the bound that holds for every block.
pub(super) fn count(cursor: &mut Cursor<'_>) -> Result<u32, DecodeError> {
    let count = cursor.uvarint32()?;
    if (1..=MAX_TICKS).contains(&count) { Ok(count) } else { Err(cursor.bad(format!("{count} rows in one block"))) }
}

/// What a time block says of itself: its index and number of timestamps.
pub(super) fn times_head(cursor: &mut Cursor<'_>) -> Result<(u32, u32), DecodeError> {
    Ok((cursor.uvarint32()?, count(cursor)?))
}

/// Decodes a time block that is known by nothing but its bytes; returns the index that value blocks refer to.
/// `out` is replaced.
pub fn decode_ticks(bytes: &[u8], registry: &Registry, out: &mut Vec<Timestamp>) -> Result<u32, DecodeError> {
    out.clear();
    let mut cursor = frame::open(bytes, frame::TIMES)?;
    let codec = codec(&mut cursor, registry)?;
    let (index, count) = times_head(&mut cursor)?;
    let count = count as usize;
    codec.decode_timestamps(cursor.rest(), count, out).map_err(|e| cursor.bad(e.to_string()))?;
    if out.len() != count {
        return Err(cursor.bad(format!("{} timestamps where {count} were expected", out.len())));
    }
    if !out.is_sorted() {
        return Err(cursor.bad("timestamps are not in order"));
    }
    Ok(index)
}

/// Decodes the time block that the directory calls `index`. `out` is replaced.
pub fn decode_times(
    bytes: &[u8],
    index: u32,
    time: &TimeBlock,
    registry: &Registry,
    out: &mut Vec<Timestamp>,
) -> Result<(), DecodeError> {
    let own = decode_ticks(bytes, registry, out)?;
    let same = own == index
        && out.len() == time.count as usize
        && out.first() == Some(&time.start)
        && out.last() == Some(&time.end);
    if same { Ok(()) } else { Err(DecodeError::new(0, "time block is not the one in the directory")) }
}

/// What a value block says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Metric id, not 0.
    pub id: MetricId,
    /// Type of the values.
    pub value_type: ValueType,
    /// Index of the time block.
    pub time: u32,
    /// Number of rows, at least 1.
    pub count: u32,
}

/// Reads the head of a value block behind its codec, and the kind of its presence.
pub(super) fn values_head(cursor: &mut Cursor<'_>) -> Result<(Head, u8), DecodeError> {
    let id = cursor.u16()?;
    if id == 0 {
        return Err(cursor.bad("metric id 0"));
    }
    let code = cursor.u8()?;
    let unknown = || DecodeError::incompatible(cursor.at(), format!("value type {code} is not known"));
    let value_type = ValueType::from_code(code).ok_or_else(unknown)?;
    let presence = cursor.u8()?;
    let time = cursor.uvarint32()?;
    Ok((Head { id, value_type, time, count: count(cursor)? }, presence))
}

/// Decodes a value block that is known by nothing but its bytes; `times` are those of the time block it refers to. `rows`
/// is replaced.
pub fn decode_rows(
    bytes: &[u8],
    times: &[Timestamp],
    registry: &Registry,
    rows: &mut Rows,
) -> Result<Head, DecodeError> {
    rows.timestamps.clear();
    let mut cursor = frame::open(bytes, frame::VALUES)?;
    let codec = codec(&mut cursor, registry)?;
    let (head, kind) = values_head(&mut cursor)?;
    rows.values.reset(head.value_type);
    let count = head.count as usize;
    let presence = presence::decode(kind, &mut cursor, count, times.len(), codec)?;
    rows.timestamps.reserve(count);
    match presence {
        Presence::Slice(first) => {
            rows.timestamps.extend_from_slice(times.get(first..).and_then(|t| t.get(..count)).unwrap_or_default());
        }
        Presence::Runs(runs) => {
            for (first, len) in runs {
                let run = times.get(first as usize..).and_then(|t| t.get(..len as usize));
                rows.timestamps.extend_from_slice(run.unwrap_or_default());
            }
        }
    }
    codec.decode_values(cursor.rest(), count, rows.values.values_mut()).map_err(|e| cursor.bad(e.to_string()))?;
    if rows.values.len() != count || rows.timestamps.len() != count {
        return Err(cursor.bad(format!("{} values where {count} were expected", rows.values.len())));
    }
    Ok(head)
}

/// Decodes the value block that the directory describes. `rows` is replaced; give the same one for many blocks.
pub fn decode_block(
    bytes: &[u8],
    (id, value_type): (MetricId, ValueType),
    block: &Block,
    times: &[Timestamp],
    registry: &Registry,
    rows: &mut Rows,
) -> Result<(), DecodeError> {
    let head = decode_rows(bytes, times, registry, rows)?;
    let same = (head.id, head.value_type) == (id, value_type)
        && block.time == Some(head.time)
        && head.count == block.count
        && rows.timestamps.first() == Some(&block.start)
        && rows.timestamps.last() == Some(&block.end);
    if same { Ok(()) } else { Err(DecodeError::new(0, "value block is not the one in the directory")) }
}
