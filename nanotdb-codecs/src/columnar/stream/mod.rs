//! Streams: signed integers to bytes. The last stage of every column.
//!
//! ```text
//! +------+----------------------------+
//! | kind | body, to the stream's end  |   no integers: no bytes at all
//! +------+----------------------------+
//! kind 0 constant      ivarint of the integer that all are
//!      1 varints       one ivarint each
//!      2 packed        see `packed`
//!      3 planes        see `planes`
//!      4 pco of i32    see `pco`
//!      5 pco of i64    see `pco`
//! ```
//!
//! The number of integers and the length in bytes are the caller's to keep. Which kind is chosen is tried: the
//! smallest, but a kind that decodes several times faster may be some per cent larger.

mod mapping;
mod packed;
mod pco;
mod planes;

pub(super) use pco::{Native, decode_native, encode_native};

use super::bytes::{Reader, corrupt, put_ivarint, reserve, zigzag};
use mapping::Mapping;
use nanotdb_core::plugin::CodecError;

const CONSTANT: u8 = 0;
const VARINTS: u8 = 1;
const PACKED: u8 = 2;
const PLANES: u8 = 3;
const PCO32: u8 = 4;
const PCO64: u8 = 5;

/// Streams of fewer integers are varints or packed.
const SMALL: usize = 16;

/// How much larger than `pco` (the slowest to decode) a kind may be and still be taken, in 1/1024.
const PACKED_WORTH: usize = 32;
const PLANES_WORTH: usize = 10;

/// Appends the stream of `values`.
pub(super) fn encode(values: &[i64], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let Some((first, rest)) = values.split_first() else { return Ok(()) };
    if rest.iter().all(|v| v == first) {
        out.push(CONSTANT);
        put_ivarint(out, *first);
        return Ok(());
    }
    let mapping = Mapping::of(values);
    let packed = packed::size(values, mapping);
    let mut best = Best { kind: PACKED, score: discounted(packed, PACKED_WORTH), body: Vec::new() };
    if values.len() < 4 * SMALL {
        let varints = values.iter().map(|v| varint_len(zigzag(*v))).sum::<usize>();
        if varints <= best.score {
            best = Best { kind: VARINTS, score: varints, body: Vec::new() };
        }
    }
    if values.len() >= SMALL {
        let mut body = Vec::new();
        planes::encode(values, mapping, &mut body)?;
        best.offer(PLANES, discounted(body.len(), PLANES_WORTH), body);
        if let Some((wide, body)) = pco::encode(values)? {
            best.offer(if wide { PCO64 } else { PCO32 }, body.len(), body);
        }
    }
    out.push(best.kind);
    match best.kind {
        VARINTS => values.iter().for_each(|v| put_ivarint(out, *v)),
        PACKED => packed::encode(values, mapping, out),
        _ => out.extend_from_slice(&best.body),
    }
    Ok(())
}

/// Appends the `count` integers of the stream `input` to `out`.
pub(super) fn decode(input: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), CodecError> {
    let mut reader = Reader::new(input);
    if count == 0 {
        return reader.end();
    }
    reserve(out, count)?;
    match reader.byte()? {
        CONSTANT => {
            let value = reader.ivarint()?;
            reader.end()?;
            out.resize(out.len().saturating_add(count), value);
            Ok(())
        }
        VARINTS => {
            for _ in 0..count {
                out.push(reader.ivarint()?);
            }
            reader.end()
        }
        PACKED => packed::decode(reader, count, out),
        PLANES => planes::decode(reader, count, out),
        PCO32 => pco::decode::<i32>(reader.rest(), count, out),
        PCO64 => pco::decode::<i64>(reader.rest(), count, out),
        _ => Err(corrupt("a stream is of unknown kind")),
    }
}

struct Best {
    kind: u8,
    score: usize,
    body: Vec<u8>,
}

impl Best {
    fn offer(&mut self, kind: u8, score: usize, body: Vec<u8>) {
        if score < self.score {
            *self = Self { kind, score, body };
        }
    }
}

fn discounted(size: usize, worth: usize) -> usize {
    size.saturating_sub(size.saturating_mul(worth) >> 10)
}

fn varint_len(v: u64) -> usize {
    ((64 - (v | 1).leading_zeros()) as usize).div_ceil(7)
}
