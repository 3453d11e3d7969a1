//! Taking fields off the front of bytes, and the integers of the directory.

use crate::format::{DecodeError, get_uvarint, put_uvarint};

/// A position within a slice. Offsets of errors are those within the slice.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Bytes not taken yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The error that what was just read is wrong.
    pub(super) fn bad(&self, reason: impl Into<String>) -> DecodeError {
        DecodeError::new(self.at, reason)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let taken = self.rest().get(..len).ok_or_else(|| self.bad("cut short"))?;
        self.at = self.at.saturating_add(len);
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let array = self.rest().first_chunk::<N>().copied().ok_or_else(|| self.bad("cut short"))?;
        self.at = self.at.saturating_add(N);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_le_bytes)
    }

    #[inline]
    pub(super) fn uvarint(&mut self) -> Result<u64, DecodeError> {
        let (value, len) = get_uvarint(self.rest()).ok_or_else(|| self.bad("no whole number"))?;
        self.at = self.at.saturating_add(len);
        Ok(value)
    }

    pub(super) fn uvarint32(&mut self) -> Result<u32, DecodeError> {
        let value = self.uvarint()?;
        u32::try_from(value).map_err(|_| self.bad(format!("{value} is too large")))
    }

    /// A number in zigzag form.
    pub(super) fn varint(&mut self) -> Result<i64, DecodeError> {
        self.uvarint().map(unzigzag)
    }

    /// A number of elements that take at least `min_len` bytes each, of those that are left.
    pub(super) fn count(&mut self, min_len: usize, what: &str) -> Result<usize, DecodeError> {
        let count = self.uvarint()?;
        let fits = usize::try_from(count).ok().filter(|n| n.saturating_mul(min_len) <= self.rest().len());
        fits.ok_or_else(|| self.bad(format!("{count} {what} do not fit")))
    }

    /// Fails when bytes are left.
    pub(super) fn end(&self) -> Result<(), DecodeError> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.bad(format!("{} bytes too many", self.rest().len()))) }
    }
}

/// Appends a signed number: zigzag, then LEB128.
pub(super) fn put_varint(out: &mut Vec<u8>, value: i64) {
    put_uvarint(out, (value.wrapping_shl(1) ^ value.wrapping_shr(63)) as u64);
}

fn unzigzag(value: u64) -> i64 {
    (value.wrapping_shr(1) as i64) ^ (value & 1).wrapping_neg() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn signed_numbers_round_trip(value: i64) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(Cursor::new(&out, 0).varint(), Ok(value));
        }
    }

    #[test]
    fn small_magnitudes_are_short() {
        for (value, len) in [(0, 1), (-1, 1), (63, 1), (-64, 1), (64, 2), (i64::MIN, 10), (i64::MAX, 10)] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), len, "{value}");
        }
    }
}
