//! One frame of `events-<part>.dat`.
//!
//! ```text
//! +-----------+---------+-------+------------+----------+---------+---------------------+
//! | start i64 | end i64 | n u32 | bitmap 128 | clen u32 | payload | crc32(payload) u32  |
//! +-----------+---------+-------+------------+----------+---------+---------------------+
//! 0           8         16      20           148        152
//! ```
//!
//! `start` and `end` are the smallest and the largest time, `n` is the number of events, and bit `id % 8` of byte `id / 8` of the
//! bitmap says that one is called `id`. The payload is one S2 block. The header is outside the checksum, so whoever decodes the
//! payload compares it with the events.

use super::{EventNames, EventRow};
use crate::format::{DecodeError, get_i64, get_u16, get_u32, get_uvarint, take};
use crate::model::Timestamp;
use crate::plugin::{Codec, Partition};

/// Bytes before the payload.
pub const HEADER_LEN: usize = 152;
/// Largest payload; the original refuses a file with a larger one.
pub const MAX_PAYLOAD: u32 = 128 << 20;
/// Bytes of the checksum behind the payload.
const CRC_LEN: usize = 4;
/// Largest page that is decoded: the most that the original keeps in memory.
const MAX_DECODED: u64 = 256 << 20;
/// Bytes of the smallest event: id, time, and the length of no payload.
const SMALLEST_ROW: u64 = 11;
const BITMAP_AT: usize = 20;
const BITMAP_LEN: usize = 128;

/// A frame whose checksum is right, with where its parts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Smallest time of its events, by the header.
    pub start: Timestamp,
    /// Largest time.
    pub end: Timestamp,
    /// Number of events, by the header.
    pub rows: u32,
    /// Which ids there are, by the header.
    bitmap: [u8; BITMAP_LEN],
    /// The S2 block.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the front of `bytes`; `Ok(None)` when these end inside of it.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        let Some(frame) = Self::decode_header(bytes)? else { return Ok(None) };
        let (Some(len), Some(bitmap)) = (get_u32(bytes, 148), take(bytes, BITMAP_AT)) else { return Ok(None) };
        let (start, end, rows) = frame;
        let end_of_payload = HEADER_LEN.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        let (Some(payload), Some(crc)) = (bytes.get(HEADER_LEN..end_of_payload), get_u32(bytes, end_of_payload)) else {
            return Ok(None);
        };
        if crc32fast::hash(payload) != crc {
            return Err(DecodeError::new(HEADER_LEN, "checksum does not match"));
        }
        Ok(Some(Self { start, end, rows, bitmap, payload }))
    }

    /// Smallest and largest time and number of events; `Ok(None)` when `bytes` end inside the header.
    pub fn decode_header(bytes: &[u8]) -> Result<Option<(Timestamp, Timestamp, u32)>, DecodeError> {
        let (Some(start), Some(end), Some(rows), Some(len)) =
            (get_i64(bytes, 0), get_i64(bytes, 8), get_u32(bytes, 16), get_u32(bytes, 148))
        else {
            return Ok(None);
        };
        if rows == 0 {
            return Err(DecodeError::new(16, "a frame of no events"));
        }
        if start > end {
            return Err(DecodeError::new(0, "frame starts after its end"));
        }
        if len > MAX_PAYLOAD {
            return Err(DecodeError::new(148, format!("a payload of {len} bytes; at most {MAX_PAYLOAD} are")));
        }
        if bytes.get(BITMAP_AT).is_some_and(|first| first & 1 != 0) {
            return Err(DecodeError::new(BITMAP_AT, "it says that there is an event with id 0"));
        }
        Ok(Some((start, end, rows)))
    }

    /// Bytes of all of it.
    pub fn len(&self) -> usize {
        HEADER_LEN.saturating_add(self.payload.len()).saturating_add(CRC_LEN)
    }

    /// A frame is never empty.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Its events, compared with what the header says of them.
    pub fn rows(&self, codec: &dyn Codec, names: &EventNames) -> Result<Vec<EventRow>, DecodeError> {
        let wrong = |reason: String| DecodeError::new(HEADER_LEN, reason);
        let (decoded_len, _) = get_uvarint(self.payload).ok_or_else(|| wrong("no S2 block".to_owned()))?;
        let rows = u64::from(self.rows);
        if decoded_len > MAX_DECODED || decoded_len < rows.saturating_mul(SMALLEST_ROW) {
            return Err(wrong(format!("{rows} events in {decoded_len} bytes")));
        }
        let mut decoded = Vec::new();
        let len = usize::try_from(decoded_len).unwrap_or(usize::MAX);
        codec.decompress(self.payload, len, &mut decoded).map_err(|e| wrong(format!("cannot be decompressed: {e}")))?;
        let found = decode_rows(&decoded, self.rows, names).map_err(|e| wrong(format!("decoded {e}")))?;
        let mut bitmap = [0u8; BITMAP_LEN];
        for row in &found {
            if let Some(byte) = bitmap.get_mut(usize::from(row.id / 8)) {
                *byte |= 1u8.checked_shl(u32::from(row.id % 8)).unwrap_or(0);
            }
        }
        let times = || found.iter().map(|row| row.timestamp);
        if bitmap != self.bitmap || times().min() != Some(self.start) || times().max() != Some(self.end) {
            return Err(DecodeError::new(0, "frame header does not match its events"));
        }
        Ok(found)
    }
}

/// The events of a decoded page.
pub fn decode_rows(bytes: &[u8], count: u32, names: &EventNames) -> Result<Vec<EventRow>, DecodeError> {
    let mut rows = Vec::new();
    let mut at = 0usize;
    for _ in 0..count {
        let cut = || DecodeError::new(at, "ends inside an event");
        let (id, timestamp) = (get_u16(bytes, at), get_i64(bytes, at.saturating_add(2)));
        let (Some(id), Some(timestamp)) = (id, timestamp) else { return Err(cut()) };
        let Some(name) = names.get(&id) else {
            return Err(DecodeError::new(at, format!("event id {id} is in no catalog")));
        };
        let (row, len) =
            decode_tail(bytes.get(at.saturating_add(10)..).unwrap_or_default(), (id, timestamp), name.value_type.len())
                .ok_or_else(cut)?;
        at = at.saturating_add(10).saturating_add(len);
        rows.push(row);
    }
    if at != bytes.len() {
        return Err(DecodeError::new(at, "bytes behind the last event"));
    }
    Ok(rows)
}

/// Value and payload of an event at the front of `bytes`, and how long they are.
pub(super) fn decode_tail(bytes: &[u8], (id, timestamp): (u16, Timestamp), value: usize) -> Option<(EventRow, usize)> {
    let bits = if value == 0 { None } else { Some(get_u32(bytes, 0)?) };
    let (len, prefix) = get_uvarint(bytes.get(value..)?)?;
    let from = value.checked_add(prefix)?;
    let to = from.checked_add(usize::try_from(len).ok()?)?;
    Some((EventRow { id, timestamp, value: bits, payload: bytes.get(from..to)?.to_vec() }, to))
}

/// The offset of the next whole frame at or after `from` whose times lie within the partition; there is nothing but damage
/// before it.
pub fn next_frame(bytes: &[u8], from: usize, partition: Option<Partition>) -> Option<usize> {
    let is_within = |at: Timestamp| partition.is_none_or(|partition| partition.contains(at));
    (from..bytes.len().saturating_sub(HEADER_LEN)).find(|at| {
        let rest = bytes.get(*at..).unwrap_or_default();
        let plausible =
            matches!(Frame::decode_header(rest), Ok(Some((start, end, _))) if is_within(start) && is_within(end));
        plausible && matches!(Frame::decode(rest), Ok(Some(frame)) if !frame.payload.is_empty())
    })
}
