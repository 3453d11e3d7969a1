//! The frame around one raw page.
//!
//! ```text
//! +-----------+---------+-------+-------------+-------------+-------------------+
//! | start i64 | end i64 | n u16 | uvarint len | payload     | crc32(payload) u32|
//! +-----------+---------+-------+-------------+-------------+-------------------+
//! 0           8         16      18
//! ```
//!
//! `start` and `end` are the first and last timestamp, `n` the number of rows. The header is outside the
//! checksum, so whoever decodes the payload compares it with the rows.

use super::{DecodeError, get_i64, get_u16, get_u32, get_uvarint, put_uvarint};
use crate::model::Timestamp;

/// Bytes before the payload length.
pub const FIXED_HEADER_LEN: usize = 18;
/// Longest header: fixed part and a length of five bytes.
pub const MAX_HEADER_LEN: usize = 23;
/// Bytes of the checksum behind the payload.
pub const CRC_LEN: usize = 4;

/// Largest payload that a reader accepts for a page of so many rows: twice the 18 bytes that a row has at most, and
/// some, leaves room for any codec and keeps nonsense from being read as a length.
pub fn max_payload_len(rows: u16) -> u64 {
    u64::from(rows).saturating_mul(36).saturating_add(1024)
}

/// A decoded frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// First timestamp.
    pub start: Timestamp,
    /// Last timestamp.
    pub end: Timestamp,
    /// Rows, at least 1.
    pub rows: u16,
    /// Bytes of the payload.
    pub payload_len: u32,
    /// Bytes of this header.
    pub header_len: u8,
}

impl FrameHeader {
    /// Bytes of the whole frame.
    pub fn frame_len(&self) -> u64 {
        u64::from(self.header_len).saturating_add(u64::from(self.payload_len)).saturating_add(CRC_LEN as u64)
    }

    /// Decodes and checks a header at the front of `bytes`. `Ok(None)` when `bytes` is too short to hold it.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (Some(start), Some(end), Some(rows)) = (get_i64(bytes, 0), get_i64(bytes, 8), get_u16(bytes, 16)) else {
            return Ok(None);
        };
        if rows == 0 {
            return Err(DecodeError::new(16, "a frame of no rows"));
        }
        if start > end {
            return Err(DecodeError::new(0, "frame starts after its end"));
        }
        let rest = bytes.get(FIXED_HEADER_LEN..).unwrap_or_default();
        let Some((payload_len, len_len)) = get_uvarint(rest) else {
            return match rest.len() {
                0..5 => Ok(None),
                _ => Err(DecodeError::new(FIXED_HEADER_LEN, "payload length is not a number")),
            };
        };
        if payload_len == 0 || payload_len > max_payload_len(rows) {
            return Err(DecodeError::new(FIXED_HEADER_LEN, format!("payload length {payload_len} is out of range")));
        }
        let header_len = FIXED_HEADER_LEN.saturating_add(len_len);
        match (u32::try_from(payload_len), u8::try_from(header_len)) {
            (Ok(payload_len), Ok(header_len)) => Ok(Some(Self { start, end, rows, payload_len, header_len })),
            _ => Err(DecodeError::new(FIXED_HEADER_LEN, "payload length is not a number")),
        }
    }
}

/// Checks a payload followed by its checksum and returns the payload.
pub fn check_payload(payload_and_crc: &[u8]) -> Result<&[u8], DecodeError> {
    let Some(len) = payload_and_crc.len().checked_sub(CRC_LEN) else {
        return Err(DecodeError::new(0, "frame is cut short"));
    };
    let (payload, _) = payload_and_crc.split_at(len);
    if get_u32(payload_and_crc, len) == Some(crc32fast::hash(payload)) {
        Ok(payload)
    } else {
        Err(DecodeError::new(0, "checksum of the page does not match"))
    }
}

/// The header without the payload's length.
pub fn fixed_header(start: Timestamp, end: Timestamp, rows: u16) -> [u8; FIXED_HEADER_LEN] {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = start.to_le_bytes();
    let [e0, e1, e2, e3, e4, e5, e6, e7] = end.to_le_bytes();
    let [n0, n1] = rows.to_le_bytes();
    [s0, s1, s2, s3, s4, s5, s6, s7, e0, e1, e2, e3, e4, e5, e6, e7, n0, n1]
}

/// Appends a frame.
pub fn encode(start: Timestamp, end: Timestamp, rows: u16, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&fixed_header(start, end, rows));
    put_uvarint(out, payload.len() as u64);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn header_and_payload_round_trip() {
        let mut out = Vec::new();
        encode(-5, 7, 3, b"payload", &mut out);
        let header = FrameHeader::decode(&out).unwrap().unwrap();
        assert_eq!(header, FrameHeader { start: -5, end: 7, rows: 3, payload_len: 7, header_len: 19 });
        assert_eq!(header.frame_len(), out.len() as u64);
        assert_eq!(check_payload(&out[19..]).unwrap(), b"payload");
        out[20] ^= 1;
        assert!(check_payload(&out[19..]).is_err());
    }

    #[test]
    fn a_short_header_is_not_an_error_but_nonsense_is() {
        let mut out = Vec::new();
        encode(1, 2, 1, b"x", &mut out);
        for len in 0..19 {
            assert_eq!(FrameHeader::decode(&out[..len]).unwrap(), None, "{len}");
        }
        assert!(FrameHeader::decode(&[0; 32]).is_err(), "no rows");
        let mut backwards = Vec::new();
        encode(2, 1, 1, b"x", &mut backwards);
        assert!(FrameHeader::decode(&backwards).is_err());
        let mut huge = out[..18].to_vec();
        put_uvarint(&mut huge, max_payload_len(1) + 1);
        assert!(FrameHeader::decode(&huge).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_without_panic(bytes: Vec<u8>) {
            if let Ok(Some(header)) = FrameHeader::decode(&bytes) {
                prop_assert!(usize::from(header.header_len) <= bytes.len());
            }
            let _ = check_payload(&bytes);
        }
    }
}
