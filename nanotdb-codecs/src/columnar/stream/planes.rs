//! Byte planes: all lowest bytes, then all second bytes, and so on, without the planes that are all zero.
//!
//! ```text
//! +---------+---------+------------------------------------------+
//! | mapping | mask u8 | one zstd frame of the planes whose mask  |
//! |         |         | bit is set, lowest first, a byte per     |
//! |         |         | integer                                  |
//! +---------+---------+------------------------------------------+
//! ```
//!
//! What zstd finds and no other kind does: integers that repeat in a pattern.

use super::mapping::Mapping;
use crate::columnar::bytes::{Reader, corrupt};
use crate::zstd;
use nanotdb_core::plugin::{Codec, CodecError};

/// Appends mapping, mask and frame.
pub(super) fn encode(values: &[i64], mapping: Mapping, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let all = values.iter().fold(0, |all, v| all | mapping.apply(*v));
    mapping.put(out);
    let mut mask = 0u8;
    let mut planes = Vec::with_capacity(values.len() * 2);
    for plane in 0..8 {
        if (all >> (8 * plane)) as u8 != 0 {
            mask |= 1 << plane;
            planes.extend(values.iter().map(|v| (mapping.apply(*v) >> (8 * plane)) as u8));
        }
    }
    out.push(mask);
    zstd::DEFAULT.compress(&planes, out)
}

pub(super) fn decode(mut reader: Reader<'_>, count: usize, out: &mut Vec<i64>) -> Result<(), CodecError> {
    let mapping = Mapping::get(&mut reader)?;
    let mask = reader.byte()?;
    let planes = mask.count_ones() as usize;
    let len = count.checked_mul(planes).ok_or_else(|| corrupt("a length is out of range"))?;
    let mut bytes = Vec::new();
    zstd::DEFAULT.decompress(reader.rest(), len, &mut bytes)?;
    match mapping {
        Mapping::Zigzag => merge(&bytes, mask, count, out, |v| Mapping::Zigzag.undo(v)),
        Mapping::Minimum(min) => merge(&bytes, mask, count, out, |v| min.wrapping_add(v as i64)),
    }
    Ok(())
}

/// Appends `count` integers made of the planes in `bytes`.
#[inline]
fn merge(bytes: &[u8], mask: u8, count: usize, out: &mut Vec<i64>, undo: impl Fn(u64) -> i64) {
    let shift = |plane: u32| 8 * plane;
    let mut planes = (0..8u32).filter(|plane| mask & (1 << plane) != 0);
    let mut parts = bytes.chunks_exact(count.max(1));
    let mut next = || Some((parts.next()?, shift(planes.next()?)));
    match (next(), next(), next()) {
        (None, ..) => out.extend(std::iter::repeat_n(undo(0), count)),
        (Some((a, a_at)), None, _) => out.extend(a.iter().map(|a| undo(u64::from(*a) << a_at))),
        (Some((a, a_at)), Some((b, b_at)), None) => {
            out.extend(a.iter().zip(b).map(|(a, b)| undo((u64::from(*a) << a_at) | (u64::from(*b) << b_at))));
        }
        (Some((a, a_at)), Some((b, b_at)), Some((c, c_at))) => {
            let start = out.len();
            out.extend(a.iter().zip(b).zip(c).map(|((a, b), c)| {
                ((u64::from(*a) << a_at) | (u64::from(*b) << b_at) | (u64::from(*c) << c_at)) as i64
            }));
            let merged = out.get_mut(start..).unwrap_or_default();
            while let Some((plane, at)) = next() {
                for (v, byte) in merged.iter_mut().zip(plane) {
                    *v |= (u64::from(*byte) << at) as i64;
                }
            }
            for v in merged {
                *v = undo(*v as u64);
            }
        }
    }
}
