//! Which timestamps of a time vector a metric has rows at.
//!
//! ```text
//! 0  all
//! 1  slice    first uvarint
//! 2  runs     number uvarint, then per run: gap since the last run uvarint | length - 1 uvarint
//! 3  bitmap   first uvarint | span uvarint | ceil(span / 8) bytes, lowest bit first
//! 4  packed   first uvarint | span uvarint | len uvarint | the bitmap, compressed by the block's codec
//! ```

use super::bytes::Cursor;
use crate::format::{DecodeError, put_uvarint};
use crate::plugin::{Codec, CodecError};

pub(super) const ALL: u8 = 0;
pub(super) const SLICE: u8 = 1;
pub(super) const RUNS: u8 = 2;
pub(super) const BITMAP: u8 = 3;
pub(super) const PACKED: u8 = 4;
/// Below this, compressing cannot save enough to be worth the try.
const WORTH_PACKING: usize = 48;

/// Appends the smallest form of `positions` (ascending, below `ticks`) and returns its kind.
pub(super) fn encode(positions: &[u32], ticks: usize, codec: &dyn Codec, out: &mut Vec<u8>) -> Result<u8, CodecError> {
    let (Some(&first), Some(&last)) = (positions.first(), positions.last()) else {
        return Err(CodecError::new("a block without rows"));
    };
    if positions.len() == ticks {
        return Ok(ALL);
    }
    let span = last.saturating_sub(first).saturating_add(1) as usize;
    if positions.len() == span {
        put_uvarint(out, u64::from(first));
        return Ok(SLICE);
    }
    let mut bitmap_head = Vec::new();
    put_uvarint(&mut bitmap_head, u64::from(first));
    put_uvarint(&mut bitmap_head, span as u64);
    let plain = bitmap_head.len().saturating_add(span.div_ceil(8));
    let runs = runs(positions, plain);
    let best_plain = runs.as_ref().map_or(plain, Vec::len);
    if best_plain > WORTH_PACKING {
        let bitmap = bitmap(positions, first, span);
        let mut packed = Vec::new();
        codec.compress(&bitmap, &mut packed)?;
        let mut head = bitmap_head.clone();
        put_uvarint(&mut head, packed.len() as u64);
        if head.len().saturating_add(packed.len()) < best_plain {
            out.extend_from_slice(&head);
            out.extend_from_slice(&packed);
            return Ok(PACKED);
        }
    }
    match runs {
        Some(runs) => {
            out.extend_from_slice(&runs);
            Ok(RUNS)
        }
        None => {
            out.extend_from_slice(&bitmap_head);
            out.extend_from_slice(&bitmap(positions, first, span));
            Ok(BITMAP)
        }
    }
}

/// The run list, unless it would be longer than `limit`.
fn runs(positions: &[u32], limit: usize) -> Option<Vec<u8>> {
    let mut list = Vec::new();
    let (mut count, mut end) = (0u64, 0u32);
    for run in positions.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
        let first = run.first().copied()?;
        put_uvarint(&mut list, u64::from(first.checked_sub(end)?));
        put_uvarint(&mut list, run.len().checked_sub(1)? as u64);
        end = run.last()?.checked_add(1)?;
        count = count.saturating_add(1);
        if list.len() > limit {
            return None;
        }
    }
    let mut out = Vec::with_capacity(list.len().saturating_add(3));
    put_uvarint(&mut out, count);
    out.extend_from_slice(&list);
    (out.len() <= limit).then_some(out)
}

fn bitmap(positions: &[u32], first: u32, span: usize) -> Vec<u8> {
    let mut bits = vec![0u8; span.div_ceil(8)];
    for position in positions {
        let at = position.saturating_sub(first);
        if let Some(byte) = bits.get_mut((at >> 3) as usize) {
            *byte |= 1u8.wrapping_shl(at & 7);
        }
    }
    bits
}

/// Which elements of the vector the rows have. Whole stretches are told apart because they are copied, not picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Presence {
    /// Consecutive ones from this on.
    Slice(usize),
    /// Stretches: first and length, ascending.
    Runs(Vec<(u32, u32)>),
}

/// Reads the presence of `rows` rows in a vector of `ticks` timestamps.
pub(super) fn decode(
    kind: u8,
    cursor: &mut Cursor<'_>,
    rows: usize,
    ticks: usize,
    codec: &dyn Codec,
) -> Result<Presence, DecodeError> {
    match kind {
        ALL if rows == ticks => Ok(Presence::Slice(0)),
        ALL => Err(cursor.bad(format!("{rows} rows at all of {ticks} timestamps"))),
        SLICE => {
            let first = cursor.uvarint32()? as usize;
            if first.saturating_add(rows) > ticks {
                return Err(cursor.bad("rows beyond the end of the time vector"));
            }
            Ok(Presence::Slice(first))
        }
        RUNS => decode_runs(cursor, rows, ticks),
        BITMAP | PACKED => decode_bitmap(kind, cursor, rows, ticks, codec),
        other => Err(DecodeError::incompatible(cursor.at(), format!("presence of kind {other} is not known"))),
    }
}

fn decode_runs(cursor: &mut Cursor<'_>, rows: usize, ticks: usize) -> Result<Presence, DecodeError> {
    let count = cursor.count(2, "runs")?;
    let mut runs = Vec::with_capacity(count);
    let (mut end, mut found) = (0u32, 0usize);
    for _ in 0..count {
        let (gap, more) = (cursor.uvarint32()?, cursor.uvarint32()?);
        let first = end.checked_add(gap);
        let len = more.checked_add(1);
        let (Some(first), Some(len)) = (first, len) else { return Err(cursor.bad("run too long")) };
        end = first.checked_add(len).filter(|end| *end as usize <= ticks).ok_or_else(|| cursor.bad("run too long"))?;
        found = found.saturating_add(len as usize);
        runs.push((first, len));
    }
    if found != rows {
        return Err(cursor.bad(format!("runs of {found} timestamps for {rows} rows")));
    }
    Ok(Presence::Runs(runs))
}

fn decode_bitmap(
    kind: u8,
    cursor: &mut Cursor<'_>,
    rows: usize,
    ticks: usize,
    codec: &dyn Codec,
) -> Result<Presence, DecodeError> {
    let (first, span) = (cursor.uvarint32()?, cursor.uvarint32()?);
    if (first as usize).saturating_add(span as usize) > ticks {
        return Err(cursor.bad("bitmap beyond the end of the time vector"));
    }
    let len = (span as usize).div_ceil(8);
    let mut unpacked = Vec::new();
    let bits = if kind == PACKED {
        let packed_len = cursor.uvarint32()? as usize;
        let packed = cursor.take(packed_len)?;
        codec.decompress(packed, len, &mut unpacked).map_err(|e| cursor.bad(e.to_string()))?;
        unpacked.as_slice()
    } else {
        cursor.take(len)?
    };
    let found: usize = bits.iter().map(|b| b.count_ones() as usize).sum();
    let spare = bits.len().saturating_mul(8).saturating_sub(span as usize) as u32;
    let spare_set = bits.last().is_some_and(|b| b.leading_zeros() < spare);
    if bits.len() != len || found != rows || spare_set {
        return Err(cursor.bad(format!("bitmap of {found} timestamps for {rows} rows")));
    }
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for (at, byte) in (first..).step_by(8).zip(bits) {
        let mut left = *byte;
        while left != 0 {
            let zeros = left.trailing_zeros();
            let ones = left.wrapping_shr(zeros).trailing_ones();
            let start = at.saturating_add(zeros);
            match runs.last_mut() {
                Some((from, len)) if from.saturating_add(*len) == start => *len = len.saturating_add(ones),
                _ => runs.push((start, ones)),
            }
            let cleared = zeros.saturating_add(ones);
            left = if cleared >= 8 { 0 } else { left.wrapping_shr(cleared).wrapping_shl(cleared) };
        }
    }
    Ok(Presence::Runs(runs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Run length of bytes, so that bitmaps can be packed.
    struct Lengths;
    impl Codec for Lengths {
        fn id(&self) -> u16 {
            40_100
        }
        fn name(&self) -> &'static str {
            "lengths"
        }
        fn about(&self) -> &'static str {
            "for tests"
        }
        fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
            for run in input.chunk_by(|a, b| a == b) {
                for part in run.chunks(255) {
                    out.extend_from_slice(&[part.len() as u8, part[0]]);
                }
            }
            Ok(())
        }
        fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
            let (pairs, _) = input.as_chunks::<2>();
            let total: usize = pairs.iter().map(|p| usize::from(p[0])).sum();
            if total != decoded_len {
                return Err(CodecError::new("length"));
            }
            out.extend(pairs.iter().flat_map(|p| std::iter::repeat_n(p[1], usize::from(p[0]))));
            Ok(())
        }
    }

    fn round_trip(positions: &[u32], ticks: usize) -> u8 {
        let mut out = Vec::new();
        let kind = encode(positions, ticks, &Lengths, &mut out).unwrap();
        let mut cursor = Cursor::new(&out, 0);
        let found = match decode(kind, &mut cursor, positions.len(), ticks, &Lengths).unwrap() {
            Presence::Slice(first) => (first as u32..).take(positions.len()).collect(),
            Presence::Runs(runs) => runs.iter().flat_map(|(first, len)| *first..first + len).collect::<Vec<_>>(),
        };
        cursor.end().unwrap();
        assert_eq!(found, positions);
        assert!(out.len() <= ticks / 8 + 8);
        kind
    }

    #[test]
    fn the_smallest_form_is_taken() {
        let all: Vec<u32> = (0..1000).collect();
        assert_eq!(round_trip(&all, 1000), ALL);
        assert_eq!(round_trip(&all, 1001), SLICE);
        assert_eq!(round_trip(&[7], 1000), SLICE);
        assert_eq!(round_trip(&[&all[..5], &all[6..]].concat(), 1000), RUNS);
        assert_eq!(round_trip(&all.iter().step_by(8).copied().collect::<Vec<_>>(), 1000), PACKED);
        assert_eq!(round_trip(&all.iter().step_by(3).copied().collect::<Vec<_>>(), 1000), BITMAP);
        assert!(encode(&[], 10, &Lengths, &mut Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn any_subset_round_trips(bits in prop::collection::vec(any::<bool>(), 1..2000), runs: bool) {
            let mut bits = bits;
            if runs {
                for at in 1..bits.len() {
                    bits[at] = if at % 50 < 40 { bits[at - 1] } else { bits[at] };
                }
            }
            let positions: Vec<u32> = (0..bits.len() as u32).filter(|i| bits[*i as usize]).collect();
            if !positions.is_empty() {
                round_trip(&positions, bits.len());
            }
        }

        #[test]
        fn any_bytes_give_positions_in_range_or_an_error(
            bytes: Vec<u8>, kind in 0..6u8, rows in 0..300usize, ticks in 0..300usize,
        ) {
            match decode(kind, &mut Cursor::new(&bytes, 0), rows, ticks, &Lengths) {
                Ok(Presence::Slice(first)) => prop_assert!(first + rows <= ticks),
                Ok(Presence::Runs(runs)) => {
                    let all: Vec<u32> = runs.iter().flat_map(|(first, len)| *first..first + len).collect();
                    prop_assert!(all.is_sorted_by(|a, b| a < b) && all.len() == rows);
                    prop_assert!(all.iter().all(|p| (*p as usize) < ticks));
                }
                Err(_) => {}
            }
        }
    }
}
