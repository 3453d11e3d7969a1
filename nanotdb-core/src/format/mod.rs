//! Byte layouts: pure functions over slices, with typed errors, no panics and bounded allocation.
//!
//! `docs/FORMATS.md` is the specification; the constants here carry the names used there.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

pub mod catalog;
pub mod events;
pub mod frame;
pub mod metric;
pub mod page;
pub mod wal;

/// Why bytes could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at byte {offset})")]
pub struct DecodeError {
    /// Offset within the decoded slice.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
    /// Whether the bytes may be whole but need a codec or version that is not here.
    pub incompatible: bool,
}

impl DecodeError {
    pub(crate) fn new(offset: usize, reason: impl Into<String>) -> Self {
        Self { offset: offset as u64, reason: reason.into(), incompatible: false }
    }

    fn incompatible(offset: usize, reason: impl Into<String>) -> Self {
        Self { offset: offset as u64, reason: reason.into(), incompatible: true }
    }
}

/// Appends a LEB128 unsigned integer.
#[inline]
pub fn put_uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes of the longest LEB128 integer of 64 bits.
pub const MAX_UVARINT_LEN: usize = 10;

/// Reads a LEB128 unsigned integer from the front: value and length, or `None` when it is cut short or longer than ten bytes.
#[inline]
pub fn get_uvarint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (i, byte) in bytes.iter().take(MAX_UVARINT_LEN).enumerate() {
        let shift = u32::try_from(i).ok()?.checked_mul(7)?;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return None;
        }
        value |= part.checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, i.checked_add(1)?));
        }
    }
    None
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

fn get_u16(bytes: &[u8], at: usize) -> Option<u16> {
    take(bytes, at).map(u16::from_le_bytes)
}

fn get_u32(bytes: &[u8], at: usize) -> Option<u32> {
    take(bytes, at).map(u32::from_le_bytes)
}

fn get_i64(bytes: &[u8], at: usize) -> Option<i64> {
    take(bytes, at).map(i64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn uvarint_round_trip(value: u64) {
            let mut out = Vec::new();
            put_uvarint(&mut out, value);
            prop_assert_eq!(get_uvarint(&out), Some((value, out.len())));
            out.pop();
            prop_assert_eq!(get_uvarint(&out), None);
        }

        #[test]
        fn uvarint_takes_any_bytes(bytes: Vec<u8>) {
            if let Some((_, len)) = get_uvarint(&bytes) {
                prop_assert!(len <= bytes.len());
            }
        }
    }
}
