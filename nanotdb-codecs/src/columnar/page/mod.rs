//! A raw page: rows of many metrics, taken apart into columns and ticks.
//!
//! ```text
//! +------+------------+---------------+-------------+---------------+---------------+----------------+--------+
//! | 0x01 | ids        | uvarint ticks | ticks       | rows per tick | forms         | heads          | groups |
//! |      | sized, see |               | sized, see  | sized numbers | sized numbers | one per metric |        |
//! |      | `ids`      |               | `timestamps`|               | one per metric| see `head`     |        |
//! +------+------------+---------------+-------------+---------------+---------------+----------------+--------+
//! groups: for each group from 1 to 15 that has residuals, a sized stream of them
//!
//! +------+-----------------------------+
//! | 0x00 | the payload as opaque bytes |   of a payload that is no rows of 14 or 18 bytes
//! +------+-----------------------------+
//! ```
//!
//! A tick is a run of rows with the same timestamp. The values of one metric, in row order, are one column; metrics come
//! in the order of their first row. The residuals of columns that take about as many bits are one stream, one column
//! behind the other: alone, a few hundred values do not pay for a table of frequencies.

mod head;

use super::bytes::{Reader, corrupt, put_sized, put_uvarint, reserve};
use super::{ids, numbers, opaque, stream, timestamps};
use head::{Column, Head};
use nanotdb_core::plugin::CodecError;

const OPAQUE: u8 = 0;
const COLUMNS: u8 = 1;

const NARROW_ROW: usize = 14;
const WIDE_ROW: usize = 18;

/// Appends the block of a page.
pub(super) fn encode(rows: usize, payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = out.len();
    if rows > 0 && (payload.len() == rows.saturating_mul(NARROW_ROW) || payload.len() == rows.saturating_mul(WIDE_ROW))
    {
        out.push(COLUMNS);
        encode_columns(rows, payload, out)?;
        if out.len().saturating_sub(start) <= payload.len() {
            return Ok(());
        }
        out.truncate(start);
    }
    out.push(OPAQUE);
    opaque::compress(payload, out)
}

fn encode_columns(rows: usize, payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let (id_bytes, rest) = payload.split_at(rows * 2);
    let (timestamp_bytes, rest) = rest.split_at(rows * 8);
    let (low, high) = rest.split_at(rows * 4);
    let row_ids: Vec<u16> = id_bytes.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
    put_sized(out, |out| ids::encode(&row_ids, out))?;

    let (mut ticks, mut rows_per_tick) = (Vec::new(), Vec::new());
    for run in timestamp_bytes.as_chunks().0.chunk_by(|a, b| a == b) {
        ticks.extend(run.first().map(|b| i64::from_le_bytes(*b)));
        rows_per_tick.push(run.len() as i64);
    }
    put_uvarint(out, ticks.len() as u64);
    put_sized(out, |out| timestamps::encode(&ticks, out))?;
    put_sized(out, |out| numbers::encode(&rows_per_tick, out))?;

    let (column_of_row, counts) = columns_of(&row_ids);
    let mut words: Vec<Vec<u64>> = counts.iter().map(|count| Vec::with_capacity(*count)).collect();
    let high = high.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).chain(std::iter::repeat(0));
    let low = low.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b));
    for ((column, low), high) in column_of_row.iter().zip(low).zip(high) {
        if let Some(words) = words.get_mut(*column as usize) {
            words.push(u64::from(high) << 32 | u64::from(low));
        }
    }

    let mut groups: [Vec<i64>; head::GROUPS] = Default::default();
    let (mut forms, mut heads) = (Vec::new(), Vec::new());
    for words in &words {
        let column = Column::of(words);
        forms.push(column.form());
        column.put(&mut heads);
        if let Some(group) = groups.get_mut(column.group()) {
            group.extend_from_slice(column.residuals());
        }
    }
    put_sized(out, |out| numbers::encode(&forms, out))?;
    out.extend_from_slice(&heads);
    for group in groups.iter().skip(1).filter(|group| !group.is_empty()) {
        put_sized(out, |out| stream::encode(group, out))?;
    }
    Ok(())
}

/// Appends the `decoded_len` bytes of the page.
pub(super) fn decode(rows: usize, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut reader = Reader::new(input);
    match reader.byte()? {
        OPAQUE => opaque::decompress(reader.rest(), decoded_len, out),
        COLUMNS => {
            let wide = Some(decoded_len) == rows.checked_mul(WIDE_ROW);
            if rows == 0 || !(wide || Some(decoded_len) == rows.checked_mul(NARROW_ROW)) {
                return Err(corrupt("its length does not fit its rows"));
            }
            let start = out.len();
            reserve(out, decoded_len)?;
            let done = decode_columns(rows, reader, wide, out);
            if done.is_err() {
                out.truncate(start);
            }
            done
        }
        _ => Err(corrupt("a page of an unknown form")),
    }
}

fn decode_columns(rows: usize, mut reader: Reader<'_>, wide: bool, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut row_ids = Vec::new();
    ids::decode(reader.sized()?, rows, &mut row_ids)?;
    out.extend(row_ids.iter().flat_map(|id| id.to_le_bytes()));
    decode_timestamps(rows, &mut reader, out)?;

    let (column_of_row, counts) = columns_of(&row_ids);
    let (mut forms, mut heads) = (Vec::new(), Vec::new());
    numbers::decode(reader.sized()?, counts.len())?.append(&mut forms, |form| form)?;
    for (form, count) in forms.into_iter().zip(&counts) {
        heads.push(Head::get(form, &mut reader, *count, wide)?);
    }
    let mut residuals: [Vec<i64>; head::GROUPS] = Default::default();
    for (group, residuals) in residuals.iter_mut().enumerate().skip(1) {
        let total = heads.iter().filter(|head| head.group == group).map(|head| head.residuals()).sum::<usize>();
        if total > 0 {
            stream::decode(reader.sized()?, total, residuals)?;
        }
    }
    reader.end()?;

    let mut words = Vec::new();
    reserve(&mut words, rows)?;
    let mut next = Vec::with_capacity(counts.len());
    let mut taken = [0usize; head::GROUPS];
    for head in &heads {
        next.push(words.len());
        let Some((taken, residuals)) = taken.get_mut(head.group).zip(residuals.get(head.group)) else { continue };
        let n = head.residuals();
        let part = residuals.get(*taken..taken.saturating_add(n)).unwrap_or_default();
        *taken += part.len();
        head.words(part, &mut words);
    }
    if words.len() != rows {
        return Err(corrupt("columns of another length"));
    }
    // The values in row order: each row takes the next of its column.
    let mut in_rows: Vec<u64> = Vec::new();
    reserve(&mut in_rows, rows)?;
    in_rows.extend(column_of_row.iter().map(|column| {
        let Some(at) = next.get_mut(*column as usize) else { return 0 };
        let word = words.get(*at).copied().unwrap_or(0);
        *at += 1;
        word
    }));
    out.extend(in_rows.iter().flat_map(|word| (*word as u32).to_le_bytes()));
    if wide {
        out.extend(in_rows.iter().flat_map(|word| ((word >> 32) as u32).to_le_bytes()));
    }
    Ok(())
}

fn decode_timestamps(rows: usize, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let n = reader.length(rows)?;
    let (mut ticks, mut rows_per_tick) = (Vec::new(), Vec::new());
    timestamps::decode(reader.sized()?, n, &mut ticks)?;
    numbers::decode(reader.sized()?, n)?.append(&mut rows_per_tick, |n| n)?;
    let mut left = rows;
    for (tick, n) in ticks.iter().zip(&rows_per_tick) {
        let n = usize::try_from(*n).ok().filter(|n| *n <= left).ok_or_else(|| corrupt("a tick of too many rows"))?;
        left -= n;
        out.extend(std::iter::repeat_n(tick.to_le_bytes(), n).flatten());
    }
    if left == 0 { Ok(()) } else { Err(corrupt("ticks of too few rows")) }
}

/// The column of each row, and the rows of each column; columns in order of their first row.
fn columns_of(row_ids: &[u16]) -> (Vec<u32>, Vec<usize>) {
    const NONE: u32 = u32::MAX;
    let most = row_ids.iter().copied().max().unwrap_or(0);
    let mut column_of_id = vec![NONE; usize::from(most) + 1];
    let mut counts: Vec<usize> = Vec::new();
    let columns = row_ids
        .iter()
        .map(|id| {
            let Some(column) = column_of_id.get_mut(usize::from(*id)) else { return NONE };
            if *column == NONE {
                *column = counts.len() as u32;
                counts.push(0);
            }
            if let Some(count) = counts.get_mut(*column as usize) {
                *count += 1;
            }
            *column
        })
        .collect();
    (columns, counts)
}
