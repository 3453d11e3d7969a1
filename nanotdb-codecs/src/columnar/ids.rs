//! A column of metric ids.
//!
//! ```text
//! +---------+---------------+-----------------------------------------------------+
//! | form u8 | uvarint count | body, to the block's end                            |
//! +---------+---------------+-----------------------------------------------------+
//! form 0 period   uvarint period, numbers: the ids of one period; the column is it, again and again
//!      1 numbers  the ids (see `numbers`)
//! ```

use super::bytes::{Reader, corrupt, put_uvarint, reserve};
use super::numbers;
use nanotdb_core::plugin::CodecError;

const PERIOD: u8 = 0;
const NUMBERS: u8 = 1;

/// Appends the block of `ids`.
pub(super) fn encode(ids: &[u16], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let count = ids.len() as u64;
    if let Some((period, pattern)) = period(ids) {
        out.push(PERIOD);
        put_uvarint(out, count);
        put_uvarint(out, period as u64);
        return numbers::encode(&integers(pattern), out);
    }
    out.push(NUMBERS);
    put_uvarint(out, count);
    numbers::encode(&integers(ids), out)
}

/// Appends the `count` ids of a block.
pub(super) fn decode(input: &[u8], count: usize, out: &mut Vec<u16>) -> Result<(), CodecError> {
    let mut reader = Reader::new(input);
    let form = reader.byte()?;
    if reader.uvarint()? != count as u64 {
        return Err(corrupt("it has another number of ids"));
    }
    match form {
        PERIOD => {
            let period = reader.length(count)?;
            if period == 0 {
                return Err(corrupt("a period of nothing"));
            }
            let mut pattern = Vec::new();
            numbers::decode(reader.rest(), period)?.append(&mut pattern, |id| id as u16)?;
            reserve(out, count)?;
            out.extend(pattern.iter().cycle().take(count));
            Ok(())
        }
        NUMBERS => numbers::decode(reader.rest(), count)?.append(out, |id| id as u16),
        _ => Err(corrupt("ids of an unknown form")),
    }
}

fn integers(ids: &[u16]) -> Vec<i64> {
    ids.iter().map(|id| i64::from(*id)).collect()
}

/// The shortest period that begins with the first two ids again and fits at least twice.
fn period(ids: &[u16]) -> Option<(usize, &[u16])> {
    let first = ids.first()?;
    let mut tried = 0;
    for period in 1..=ids.len() / 2 {
        if ids.get(period) == Some(first) && ids.get(..16.min(period)) == ids.get(period..period + 16.min(period)) {
            let (head, tail) = (ids.get(..ids.len() - period)?, ids.get(period..)?);
            if head == tail {
                return Some((period, ids.get(..period)?));
            }
            tried += 1;
            if tried > 64 {
                return None;
            }
        }
    }
    None
}
