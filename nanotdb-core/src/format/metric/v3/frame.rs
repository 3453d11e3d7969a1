//! What every block has around it.
//!
//! ```text
//! +-----------+---------+---------+------+-------------------------------+
//! | mark 0xb3 | kind u8 | len u32 | body | crc32 of everything before it |
//! +-----------+---------+---------+------+-------------------------------+
//! 0           1         2         6      len - 4                         len
//! ```

use super::bytes::Cursor;
use crate::format::{DecodeError, get_u32};
use crate::plugin::CodecError;

/// First byte of a block.
pub(super) const MARK: u8 = 0xb3;
/// Kind: a time vector.
pub(super) const TIMES: u8 = 1;
/// Kind: values of one metric.
pub(super) const VALUES: u8 = 2;
/// Kind: statistics of parts.
pub(super) const STATISTICS: u8 = 3;
/// Bytes before the body.
pub(super) const HEAD_LEN: usize = 6;
/// Bytes behind it.
pub(super) const CRC_LEN: usize = 4;
/// Longest block. The largest that is written has 16,384 values of 8 bytes; a few hundred KiB more is what a codec may add.
pub(super) const MAX_LEN: usize = 1 << 20;

/// Appends a block of this kind whose body `fill` appends; nothing is appended when that fails.
pub(super) fn put(
    out: &mut Vec<u8>,
    kind: u8,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<u32, CodecError> {
    let start = out.len();
    out.extend_from_slice(&[MARK, kind, 0, 0, 0, 0]);
    let filled = fill(out).and_then(|()| {
        let len = out.len().saturating_sub(start).saturating_add(CRC_LEN);
        let short = u32::try_from(len).ok().filter(|_| len <= MAX_LEN);
        short.ok_or_else(|| CodecError::new(format!("a block of {len} bytes is too long")))
    });
    match filled {
        Ok(len) => {
            if let Some(field) = out.get_mut(start.saturating_add(2)..).and_then(|b| b.first_chunk_mut::<4>()) {
                *field = len.to_le_bytes();
            }
            let crc = crc32fast::hash(out.get(start..).unwrap_or_default());
            out.extend_from_slice(&crc.to_le_bytes());
            Ok(len)
        }
        Err(e) => {
            out.truncate(start);
            Err(e)
        }
    }
}

/// Length of the block that seems to start here, when there is one of a known kind and possible length.
pub(super) fn peek(bytes: &[u8]) -> Option<(u8, usize)> {
    let (&[mark, kind], len) = (bytes.first_chunk::<2>()?, get_u32(bytes, 2)?);
    let len = usize::try_from(len).ok()?;
    let known = mark == MARK && (TIMES..=STATISTICS).contains(&kind);
    (known && (HEAD_LEN.saturating_add(CRC_LEN)..=MAX_LEN).contains(&len)).then_some((kind, len))
}

/// Checks a whole block and returns a cursor at its body, which ends where the body ends.
pub(super) fn open(bytes: &[u8], expected: u8) -> Result<Cursor<'_>, DecodeError> {
    let (kind, len) = peek(bytes).ok_or_else(|| DecodeError::new(0, "no block starts here"))?;
    if kind != expected {
        return Err(DecodeError::new(1, format!("block of kind {kind} where {expected} was expected")));
    }
    if len != bytes.len() {
        return Err(DecodeError::new(2, format!("block of {len} bytes where {} were expected", bytes.len())));
    }
    let body_end = len.saturating_sub(CRC_LEN);
    let body = bytes.get(..body_end).unwrap_or_default();
    if get_u32(bytes, body_end) != Some(crc32fast::hash(body)) {
        return Err(DecodeError::new(body_end, "checksum of a block does not match"));
    }
    Ok(Cursor::new(body, HEAD_LEN))
}
