//! A column of values.
//!
//! ```text
//! +-------------+---------------+------------------------------+
//! | encoding u8 | uvarint count | body, to the block's end     |
//! +-------------+---------------+------------------------------+
//! encoding 0 raw        the values, little-endian
//!          1 constant   the one value: ivarint; for floats uvarint of the bits, byte-swapped
//!          2 numbers    integers; see `numbers`
//!          3 decimals   floats; see `decimal`
//!          4 bits       floats; numbers whose order is that of the floats
//!          5 pco        floats; a pco chunk of floats (see `stream::pco`)
//! ```
//!
//! Encoding 4: a float is the integer of its bits, with all bits but the sign flipped where that is set.

use super::bytes::{Reader, corrupt, put_ivarint, put_uvarint, reserve};
use super::decimal::{self, Decimals, Float};
use super::numbers;
use super::stream::{Native, decode_native, encode_native};
use nanotdb_core::plugin::{CodecError, Values, ValuesMut};

const RAW: u8 = 0;
const CONSTANT: u8 = 1;
const NUMBERS: u8 = 2;
const DECIMALS: u8 = 3;
const BITS: u8 = 4;
const PCO: u8 = 5;

/// Values that are tried in all encodings where the whole column is long.
const SAMPLE: usize = 1_024;

/// Appends the block of `values`.
pub(super) fn encode(values: Values<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
    match values {
        Values::Int32(v) => integers(v, i64::from, |v| v.to_le_bytes(), out),
        Values::Int64(v) => integers(v, |v| v, |v| v.to_le_bytes(), out),
        Values::Float32(v) => floats(v, f32::to_le_bytes, out),
        Values::Float64(v) => floats(v, f64::to_le_bytes, out),
    }
}

/// Appends the `count` values of a block.
pub(super) fn decode(input: &[u8], count: usize, out: ValuesMut<'_>) -> Result<(), CodecError> {
    let mut reader = Reader::new(input);
    let encoding = reader.byte()?;
    if reader.uvarint()? != count as u64 {
        return Err(corrupt("it has another number of values"));
    }
    match out {
        ValuesMut::Int32(out) => decode_integers(encoding, reader, count, out, |v| v as i32, i32::from_le_bytes),
        ValuesMut::Int64(out) => decode_integers(encoding, reader, count, out, |v| v, i64::from_le_bytes),
        ValuesMut::Float32(out) => decode_floats(encoding, reader, count, out, f32::from_le_bytes),
        ValuesMut::Float64(out) => decode_floats(encoding, reader, count, out, f64::from_le_bytes),
    }
}

fn integers<T: Copy + PartialEq, const N: usize>(
    values: &[T],
    number: impl Fn(T) -> i64,
    bytes: impl Fn(T) -> [u8; N],
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    if let Some(first) = constant(values, |v| *v) {
        put_head(CONSTANT, values.len(), out);
        put_ivarint(out, number(*first));
        return Ok(());
    }
    let numbers: Vec<i64> = values.iter().map(|v| number(*v)).collect();
    let mut best = Best::new(values.len(), N);
    best.offer(NUMBERS, |out| numbers::encode(&numbers, out))?;
    best.put(out, values, bytes);
    Ok(())
}

fn floats<T: Float + Native, const N: usize>(
    values: &[T],
    bytes: impl Fn(T) -> [u8; N],
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    if let Some(first) = constant(values, |v| v.bits()) {
        put_head(CONSTANT, values.len(), out);
        put_uvarint(out, first.bits().swap_bytes() >> (64 - 8 * N));
        return Ok(());
    }
    let mut best = Best::new(values.len(), N);
    let decimals = Decimals::of(values);
    let certain = decimals.last().is_some_and(|d| d.are_certain::<T>());
    let encodings = match (certain, values.get(values.len() / 2..).and_then(|half| half.get(..SAMPLE))) {
        (true, _) => vec![DECIMALS],
        (false, Some(sample)) if values.len() > 2 * SAMPLE => promising(sample)?,
        _ => vec![DECIMALS, BITS, PCO],
    };
    if encodings.contains(&DECIMALS) {
        for decimals in &decimals {
            best.offer(DECIMALS, |out| decimals.encode::<T>(out))?;
        }
    }
    if encodings.contains(&BITS) {
        best.offer(BITS, |out| encode_bits(values, out))?;
    }
    if encodings.contains(&PCO)
        && let Some(chunk) = encode_native(values)?
    {
        best.offer_body(PCO, chunk);
    }
    best.put(out, values, bytes);
    Ok(())
}

/// The encodings that are near the smallest for the sample.
fn promising<T: Float + Native>(sample: &[T]) -> Result<Vec<u8>, CodecError> {
    let mut sizes = Vec::new();
    for decimals in Decimals::of(sample) {
        let mut body = Vec::new();
        decimals.encode::<T>(&mut body)?;
        sizes.push((body.len(), DECIMALS));
    }
    let mut body = Vec::new();
    encode_bits(sample, &mut body)?;
    sizes.push((body.len(), BITS));
    if let Some(chunk) = encode_native(sample)? {
        sizes.push((chunk.len(), PCO));
    }
    let least = sizes.iter().map(|(size, _)| *size).min().unwrap_or(0);
    Ok(sizes.into_iter().filter(|(size, _)| *size <= least + least / 32).map(|(_, encoding)| encoding).collect())
}

fn encode_bits<T: Float>(values: &[T], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let numbers: Vec<i64> = values.iter().map(|v| v.ordered()).collect();
    numbers::encode(&numbers, out)
}

/// The one value that all are.
fn constant<T, K: PartialEq>(values: &[T], key: impl Fn(&T) -> K) -> Option<&T> {
    let (first, rest) = values.split_first()?;
    rest.iter().all(|v| key(v) == key(first)).then_some(first)
}

fn put_head(encoding: u8, count: usize, out: &mut Vec<u8>) {
    out.push(encoding);
    put_uvarint(out, count as u64);
}

/// The smallest body so far, raw to begin with.
struct Best {
    encoding: u8,
    len: usize,
    body: Vec<u8>,
}

impl Best {
    fn new(count: usize, width: usize) -> Self {
        Self { encoding: RAW, len: count.saturating_mul(width), body: Vec::new() }
    }

    fn offer(
        &mut self,
        encoding: u8,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        let mut body = Vec::new();
        encode(&mut body)?;
        self.offer_body(encoding, body);
        Ok(())
    }

    fn offer_body(&mut self, encoding: u8, body: Vec<u8>) {
        if body.len() < self.len {
            *self = Self { encoding, len: body.len(), body };
        }
    }

    fn put<T: Copy, const N: usize>(self, out: &mut Vec<u8>, values: &[T], bytes: impl Fn(T) -> [u8; N]) {
        put_head(self.encoding, values.len(), out);
        match self.encoding {
            RAW => values.iter().for_each(|v| out.extend_from_slice(&bytes(*v))),
            _ => out.extend_from_slice(&self.body),
        }
    }
}

fn decode_integers<T: Copy, const N: usize>(
    encoding: u8,
    mut reader: Reader<'_>,
    count: usize,
    out: &mut Vec<T>,
    value: impl Fn(i64) -> T,
    from: impl Fn([u8; N]) -> T,
) -> Result<(), CodecError> {
    match encoding {
        RAW => decode_raw(reader, count, out, from),
        CONSTANT => {
            let one = value(reader.ivarint()?);
            fill(reader, count, out, one)
        }
        NUMBERS => numbers::decode(reader.rest(), count)?.append(out, value),
        _ => Err(corrupt("an encoding that integers do not have")),
    }
}

fn decode_floats<T: Float + Native, const N: usize>(
    encoding: u8,
    mut reader: Reader<'_>,
    count: usize,
    out: &mut Vec<T>,
    from: impl Fn([u8; N]) -> T,
) -> Result<(), CodecError> {
    match encoding {
        RAW => decode_raw(reader, count, out, from),
        CONSTANT => {
            let bits = (reader.uvarint()? << (64 - 8 * N)).swap_bytes();
            fill(reader, count, out, T::of_bits(bits))
        }
        DECIMALS => decimal::decode(reader, count, out),
        BITS => numbers::decode(reader.rest(), count)?.append(out, T::of_ordered),
        PCO => decode_native(reader.rest(), count, out),
        _ => Err(corrupt("an encoding that floats do not have")),
    }
}

fn decode_raw<T, const N: usize>(
    mut reader: Reader<'_>,
    count: usize,
    out: &mut Vec<T>,
    from: impl Fn([u8; N]) -> T,
) -> Result<(), CodecError> {
    let len = count.checked_mul(N).ok_or_else(|| corrupt("a length is out of range"))?;
    let (values, _) = reader.take(len)?.as_chunks::<N>();
    reader.end()?;
    reserve(out, count)?;
    out.extend(values.iter().map(|v| from(*v)));
    Ok(())
}

fn fill<T: Copy>(reader: Reader<'_>, count: usize, out: &mut Vec<T>, value: T) -> Result<(), CodecError> {
    reader.end()?;
    reserve(out, count)?;
    out.resize(out.len().saturating_add(count), value);
    Ok(())
}
