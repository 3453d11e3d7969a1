//! Bit-packing by groups of 128, each with its own width. The quickest to decode.
//!
//! ```text
//! +---------+----------+---------------------------+----------+------
//! | mapping | width u8 | 128 integers of that many | width u8 | ...
//! |         |  0..=64  | bits, lowest bits first   |          |
//! +---------+----------+---------------------------+----------+------
//! ```
//!
//! The last group holds what is left, in `ceil(integers * width / 8)` bytes.

use super::mapping::Mapping;
use crate::columnar::bytes::{Reader, corrupt};
use nanotdb_core::plugin::CodecError;

const GROUP: usize = 128;

fn width(group: &[i64], mapping: Mapping) -> usize {
    let all = group.iter().fold(0, |all, v| all | mapping.apply(*v));
    (64 - all.leading_zeros()) as usize
}

/// About the bytes that [`encode`] makes (the mapping counted as 2).
pub(super) fn size(values: &[i64], mapping: Mapping) -> usize {
    values.chunks(GROUP).map(|group| 1 + (group.len() * width(group, mapping)).div_ceil(8)).sum::<usize>() + 2
}

pub(super) fn encode(values: &[i64], mapping: Mapping, out: &mut Vec<u8>) {
    mapping.put(out);
    for group in values.chunks(GROUP) {
        let width = width(group, mapping);
        out.push(width as u8);
        let (mut pending, mut bits) = (0u128, 0usize);
        for v in group {
            pending |= u128::from(mapping.apply(*v)) << bits;
            bits += width;
            while bits >= 8 {
                out.push(pending as u8);
                pending >>= 8;
                bits -= 8;
            }
        }
        if bits > 0 {
            out.push(pending as u8);
        }
    }
}

pub(super) fn decode(mut reader: Reader<'_>, count: usize, out: &mut Vec<i64>) -> Result<(), CodecError> {
    let mapping = Mapping::get(&mut reader)?;
    // A group and what an eight-byte read at its last byte overlaps.
    let mut padded = [0u8; GROUP * 8 + 16];
    let mut left = count;
    while left > 0 {
        let n = left.min(GROUP);
        left -= n;
        let width = usize::from(reader.byte()?);
        if width > 64 {
            return Err(corrupt("integers are wider than 64 bits"));
        }
        let bytes = reader.take((n * width).div_ceil(8))?;
        let Some(target) = padded.get_mut(..bytes.len()) else { return Err(corrupt("a group is too long")) };
        target.copy_from_slice(bytes);
        match mapping {
            Mapping::Zigzag => unpack(&padded, width, n, out, |v| Mapping::Zigzag.undo(v)),
            Mapping::Minimum(min) => unpack(&padded, width, n, out, |v| min.wrapping_add(v as i64)),
        }
    }
    reader.end()
}

/// Appends `n` integers of `width` bits.
#[inline]
fn unpack(padded: &[u8; GROUP * 8 + 16], width: usize, n: usize, out: &mut Vec<i64>, undo: impl Fn(u64) -> i64) {
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    if width <= 57 {
        out.extend((0..n).map(|i| {
            let bit = i * width;
            let word = padded.get(bit / 8..bit / 8 + 8).and_then(|b| b.first_chunk::<8>()).copied().unwrap_or_default();
            undo((u64::from_le_bytes(word) >> (bit % 8)) & mask)
        }));
    } else {
        out.extend((0..n).map(|i| {
            let bit = i * width;
            let word =
                padded.get(bit / 8..bit / 8 + 16).and_then(|b| b.first_chunk::<16>()).copied().unwrap_or_default();
            undo((u128::from_le_bytes(word) >> (bit % 8)) as u64 & mask)
        }));
    }
}
