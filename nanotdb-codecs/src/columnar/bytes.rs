//! Reading and writing the small parts of a block: bytes, LEB128 integers, slices with a length.

use nanotdb_core::plugin::CodecError;

/// An error about a damaged block.
pub(super) fn corrupt(what: &str) -> CodecError {
    CodecError::new(format!("corrupt columnar block: {what}"))
}

/// Room for `additional` more elements, or an error where `Vec` would abort.
pub(super) fn reserve<T>(out: &mut Vec<T>, additional: usize) -> Result<(), CodecError> {
    out.try_reserve(additional).map_err(|_| CodecError::new(format!("columnar: no memory for {additional} elements")))
}

/// Maps small magnitudes of either sign to small numbers: 0, -1, 1, -2, ... to 0, 1, 2, 3, ...
#[inline]
pub(super) fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

/// The inverse of [`zigzag`].
#[inline]
pub(super) fn unzigzag(v: u64) -> i64 {
    ((v >> 1) as i64) ^ -((v & 1) as i64)
}

/// Appends a LEB128 integer.
pub(super) fn put_uvarint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

/// Appends a signed integer, zigzag and LEB128.
pub(super) fn put_ivarint(out: &mut Vec<u8>, v: i64) {
    put_uvarint(out, zigzag(v));
}

/// Appends what `encode` makes behind its length, a uvarint.
pub(super) fn put_sized(
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let mut part = Vec::new();
    encode(&mut part)?;
    put_uvarint(out, part.len() as u64);
    out.extend_from_slice(&part);
    Ok(())
}

/// What is left of a block.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or_else(|| corrupt("it is cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Result<u8, CodecError> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| corrupt("it is cut short"))?;
        self.rest = rest;
        Ok(*first)
    }

    /// A LEB128 integer of at most 64 bits.
    pub(super) fn uvarint(&mut self) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(corrupt("an integer is longer than 64 bits"))
    }

    /// A zigzag LEB128 integer.
    pub(super) fn ivarint(&mut self) -> Result<i64, CodecError> {
        self.uvarint().map(unzigzag)
    }

    /// A LEB128 integer that is at most `max`.
    pub(super) fn length(&mut self, max: usize) -> Result<usize, CodecError> {
        match usize::try_from(self.uvarint()?) {
            Ok(n) if n <= max => Ok(n),
            _ => Err(corrupt("a length is out of range")),
        }
    }

    /// A part behind its length.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], CodecError> {
        let n = self.length(self.rest.len())?;
        self.take(n)
    }

    /// Everything that is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), CodecError> {
        if self.rest.is_empty() { Ok(()) } else { Err(corrupt("bytes are left behind its end")) }
    }
}
