//! The payload of a raw page: rows as columns, compressed by one codec.
//!
//! Decoded, a page of `n` rows is `n` ids (u16), `n` timestamps (i64), `n` low halves of values (u32) and, only when a
//! metric of the page is 64 bits wide, `n` high halves (u32): `n * 14` or `n * 18` bytes, little-endian.
//!
//! Encoded, it is one bare S2 block (as the original writes), or our envelope, told apart by the first byte (an S2 block
//! starts with its decoded length, which is never zero):
//!
//! ```text
//! +------+-------------+--------------+----------------------+------+
//! | 0x00 | version = 1 | codec id u16 | uvarint decoded len  | body |
//! +------+-------------+--------------+----------------------+------+
//! ```

use super::{DecodeError, MAX_UVARINT_LEN, get_u16, get_uvarint, put_uvarint};
use crate::model::{MetricId, Timestamp, Value, ValueType};
pub use crate::plugin::codec::S2_CODEC_ID;
use crate::plugin::registry::Registry;
use crate::plugin::{Codec, FIRST_FREE_CODEC};

/// Bytes of a row of 4-byte values.
pub const NARROW_ROW: usize = 14;
/// Bytes of a row of 8-byte values.
pub const WIDE_ROW: usize = 18;
/// Most rows of a page: the frame header counts them in 16 bits.
pub const MAX_ROWS: usize = u16::MAX as usize;
const ENVELOPE_MARK: u8 = 0;
const ENVELOPE_VERSION: u8 = 1;
const ENVELOPE_FIXED: usize = 4;
/// Versions behind ours that are taken for pages of a later program, rather than for garbage.
const LATER_VERSIONS: u8 = 3;

/// Rows to encode, as columns of equal length in timestamp order. Values are row bits ([`Value::to_bits`]).
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Metric ids.
    pub ids: &'a [MetricId],
    /// Timestamps.
    pub timestamps: &'a [Timestamp],
    /// Row bits.
    pub bits: &'a [u64],
}

/// Appends the encoded payload to `out`. `scratch` is reused memory. `wide` says whether a metric of the page has 64-bit values.
pub fn encode(
    rows: Rows<'_>,
    wide: bool,
    codec: &dyn Codec,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    scratch.clear();
    scratch.reserve(rows.ids.len().saturating_mul(if wide { WIDE_ROW } else { NARROW_ROW }));
    for id in rows.ids {
        scratch.extend_from_slice(&id.to_le_bytes());
    }
    for ts in rows.timestamps {
        scratch.extend_from_slice(&ts.to_le_bytes());
    }
    for bits in rows.bits {
        scratch.extend_from_slice(&(*bits as u32).to_le_bytes());
    }
    if wide {
        for bits in rows.bits {
            scratch.extend_from_slice(&((bits >> 32) as u32).to_le_bytes());
        }
    }
    let is_foreign = codec.id() >= FIRST_FREE_CODEC;
    // Bare pages are read by the engine's own codec for ever: nobody else's word is taken for what they are.
    if wide || is_foreign || !codec.is_s2_block() {
        out.push(ENVELOPE_MARK);
        out.push(ENVELOPE_VERSION);
        out.extend_from_slice(&codec.id().to_le_bytes());
        put_uvarint(out, scratch.len() as u64);
    }
    let body_at = out.len();
    codec.encode_page(rows.ids.len(), scratch, out).map_err(|e| DecodeError::new(0, e.to_string()))?;
    if is_foreign {
        let body = out.get(body_at..).unwrap_or_default();
        let mut decoded = Vec::new();
        codec
            .decode_page(rows.ids.len(), body, scratch.len(), &mut decoded)
            .map_err(|e| DecodeError::new(0, format!("a page that it made cannot be read back: {e}")))?;
        if decoded != *scratch {
            return Err(DecodeError::new(0, "a page that it made is another one when it is read back"));
        }
    }
    Ok(())
}

/// How a payload is encoded, from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Codec id.
    pub codec_id: u16,
    /// Bytes after decoding.
    pub decoded_len: usize,
    /// Offset of the codec's block within the payload.
    pub body_at: usize,
}

impl Envelope {
    /// Bytes of the longest.
    pub const MAX_LEN: usize = ENVELOPE_FIXED + MAX_UVARINT_LEN;

    /// Whether a payload of `rows` rows may begin with these bytes: its first [`Envelope::MAX_LEN`], or all that it has.
    /// Of random bytes one in twenty thousand may.
    pub fn may_begin(payload: &[u8], rows: u16) -> bool {
        match payload {
            [ENVELOPE_MARK, version, ..] if *version != ENVELOPE_VERSION => {
                version.checked_sub(ENVELOPE_VERSION).is_some_and(|later| later <= LATER_VERSIONS)
            }
            [ENVELOPE_MARK, ..] => Self::decode(payload, rows).is_ok(),
            // A bare block says its decoded length first.
            _ => get_uvarint(payload).is_some_and(|(len, _)| len == u64::from(rows).saturating_mul(NARROW_ROW as u64)),
        }
    }

    /// Reads and checks the envelope of a payload of `rows` rows.
    pub fn decode(payload: &[u8], rows: u16) -> Result<Self, DecodeError> {
        let rows = usize::from(rows);
        let narrow = rows.saturating_mul(NARROW_ROW);
        let envelope = match payload.first() {
            None => return Err(DecodeError::new(0, "empty payload")),
            Some(&ENVELOPE_MARK) => {
                match payload.get(1) {
                    Some(&ENVELOPE_VERSION) => {}
                    other => {
                        let reason = format!("page envelope version {other:?} is not known; 1 is");
                        return Err(DecodeError::incompatible(1, reason));
                    }
                }
                let codec_id = get_u16(payload, 2).ok_or_else(|| DecodeError::new(2, "envelope is cut short"))?;
                let rest = payload.get(ENVELOPE_FIXED..).unwrap_or_default();
                let (decoded_len, len_len) =
                    get_uvarint(rest).ok_or_else(|| DecodeError::new(ENVELOPE_FIXED, "envelope is cut short"))?;
                let decoded_len = usize::try_from(decoded_len).unwrap_or(usize::MAX);
                Self { codec_id, decoded_len, body_at: ENVELOPE_FIXED.saturating_add(len_len) }
            }
            Some(_) => Self { codec_id: S2_CODEC_ID, decoded_len: narrow, body_at: 0 },
        };
        if envelope.decoded_len != narrow && envelope.decoded_len != rows.saturating_mul(WIDE_ROW) {
            let reason = format!("decoded length {} does not fit {rows} rows", envelope.decoded_len);
            return Err(DecodeError::new(ENVELOPE_FIXED, reason));
        }
        Ok(envelope)
    }
}

/// A decoded page. Reuse one for many frames.
#[derive(Debug, Default)]
pub struct DecodedPage {
    rows: usize,
    bytes: Vec<u8>,
}

impl DecodedPage {
    /// Decodes a payload of `rows` rows, replacing what was here.
    pub fn decode(&mut self, payload: &[u8], rows: u16, registry: &Registry) -> Result<(), DecodeError> {
        self.rows = 0;
        self.bytes.clear();
        let envelope = Envelope::decode(payload, rows)?;
        let codec = registry.codec_by_id(envelope.codec_id).ok_or_else(|| {
            DecodeError::incompatible(
                2,
                format!("page uses codec {}, which this binary does not have", envelope.codec_id),
            )
        })?;
        let body = payload.get(envelope.body_at..).unwrap_or_default();
        codec.decode_page(usize::from(rows), body, envelope.decoded_len, &mut self.bytes).map_err(
            |e| match envelope.codec_id {
                // Nothing says that the bytes are wrong, which have a checksum.
                id @ FIRST_FREE_CODEC.. => DecodeError::incompatible(2, format!("codec {} ({id}): {e}", codec.name())),
                _ => DecodeError::new(envelope.body_at, e.to_string()),
            },
        )?;
        if self.bytes.len() != envelope.decoded_len {
            return Err(DecodeError::new(envelope.body_at, "codec returned another length than announced"));
        }
        self.rows = usize::from(rows);
        Ok(())
    }

    /// Compares the header with the rows, which the checksum does not cover.
    pub fn check_header(&self, start: Timestamp, end: Timestamp) -> Result<(), DecodeError> {
        let timestamps = self.timestamps();
        let first = timestamps.first().map(|t| i64::from_le_bytes(*t));
        let last = timestamps.last().map(|t| i64::from_le_bytes(*t));
        if first != Some(start) || last != Some(end) {
            return Err(DecodeError::new(0, "frame header does not match its rows"));
        }
        if !timestamps.is_sorted_by_key(|t| i64::from_le_bytes(*t)) {
            return Err(DecodeError::new(0, "rows are not in timestamp order"));
        }
        Ok(())
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Metric ids, little-endian.
    #[inline]
    pub fn ids(&self) -> &[[u8; 2]] {
        self.column(0, 2).as_chunks().0
    }

    /// Timestamps, little-endian.
    #[inline]
    pub fn timestamps(&self) -> &[[u8; 8]] {
        self.column(2, 8).as_chunks().0
    }

    /// Low halves of the values, little-endian.
    #[inline]
    pub fn low(&self) -> &[[u8; 4]] {
        self.column(10, 4).as_chunks().0
    }

    /// High halves of the values; `None` for a page of 4-byte values.
    #[inline]
    pub fn high(&self) -> Option<&[[u8; 4]]> {
        let wide = self.rows > 0 && self.bytes.len() == self.rows.saturating_mul(WIDE_ROW);
        wide.then(|| self.column(NARROW_ROW, 4).as_chunks().0)
    }

    /// One row: id, timestamp, and the bits of its value for a metric of type `type_of(id)`.
    pub fn row(&self, at: usize, type_of: impl Fn(MetricId) -> ValueType) -> Option<(MetricId, Timestamp, u64)> {
        let id = u16::from_le_bytes(*self.ids().get(at)?);
        let ts = i64::from_le_bytes(*self.timestamps().get(at)?);
        let low = u32::from_le_bytes(*self.low().get(at)?);
        let bits = match self.high() {
            Some(high) => (u64::from(u32::from_le_bytes(*high.get(at)?)) << 32) | u64::from(low),
            None => Value::widen_bits(type_of(id), low),
        };
        Some((id, ts, bits))
    }

    fn column(&self, row_offset: usize, width: usize) -> &[u8] {
        let from = self.rows.saturating_mul(row_offset);
        let len = self.rows.saturating_mul(width);
        self.bytes.get(from..).and_then(|rest| rest.get(..len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(timestamps: &[Timestamp]) -> DecodedPage {
        let rows = timestamps.len();
        let mut bytes = vec![0; rows * 2];
        bytes.extend(timestamps.iter().flat_map(|t| t.to_le_bytes()));
        bytes.resize(rows * NARROW_ROW, 0);
        DecodedPage { rows, bytes }
    }

    #[test]
    fn a_page_whose_rows_are_not_in_order_is_not_its_headers() {
        page(&[1, 2, 2, 5]).check_header(1, 5).unwrap();
        // First and last are as the header says.
        let error = page(&[1, 4, 2, 5]).check_header(1, 5).unwrap_err();
        assert_eq!(error.reason, "rows are not in timestamp order");
        for (start, end) in [(0, 5), (1, 4), (1, 6)] {
            let error = page(&[1, 2, 2, 5]).check_header(start, end).unwrap_err();
            assert_eq!(error.reason, "frame header does not match its rows");
        }
    }
}
