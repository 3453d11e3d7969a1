//! `columnar`: an encoder of typed columns. The layout of its blocks is in `docs/FORMATS.md`, "Columnar codec", and in
//! the head of each file here.
//!
//! Three layers, each with its own files:
//!
//! 1. values, timestamps, ids and pages to numbers (64-bit integers): [`values`], [`decimal`], [`timestamps`], [`ids`],
//!    [`page`];
//! 2. numbers to residuals, by taking out a dictionary, repetitions, a divisor and differences: [`numbers`];
//! 3. residuals to bytes: [`stream`].
//!
//! At each layer the form is chosen by trying those that an [`estimate`] does not rule out. Every block tells its forms,
//! so the choice can change without a new format.

mod bytes;
mod decimal;
mod estimate;
mod ids;
mod numbers;
mod opaque;
mod page;
mod stream;
mod timestamps;
mod values;

use crate::inventory;
use nanotdb_core::plugin::{Codec, CodecError, CodecPlugin, Values, ValuesMut};

struct Columnar;

impl Codec for Columnar {
    fn id(&self) -> u16 {
        20
    }

    fn name(&self) -> &'static str {
        "columnar"
    }

    fn about(&self) -> &'static str {
        "columns by type: decimals, differences, dictionaries, then pco, zstd or packed bits; the smallest"
    }

    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        opaque::compress(input, out)
    }

    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        opaque::decompress(input, decoded_len, out)
    }

    fn encode_page(&self, rows: usize, payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        page::encode(rows, payload, out)
    }

    fn decode_page(&self, rows: usize, body: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        page::decode(rows, body, decoded_len, out)
    }

    fn encode_ids(&self, column: &[u16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        ids::encode(column, out)
    }

    fn decode_ids(&self, input: &[u8], count: usize, out: &mut Vec<u16>) -> Result<(), CodecError> {
        ids::decode(input, count, out)
    }

    fn encode_timestamps(&self, column: &[i64], out: &mut Vec<u8>) -> Result<(), CodecError> {
        timestamps::encode(column, out)
    }

    fn decode_timestamps(&self, input: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), CodecError> {
        timestamps::decode(input, count, out)
    }

    fn encode_values(&self, column: Values<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        values::encode(column, out)
    }

    fn decode_values(&self, input: &[u8], count: usize, out: ValuesMut<'_>) -> Result<(), CodecError> {
        values::decode(input, count, out)
    }
}

inventory::submit! { CodecPlugin(&Columnar) }
