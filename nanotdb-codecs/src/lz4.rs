//! `lz4`: LZ4 blocks, without frame or length.

use crate::inventory;
use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};
use nanotdb_core::plugin::{Codec, CodecError, CodecPlugin};
use std::cell::RefCell;

/// The most one byte of an LZ4 block can become: a length byte of 255.
const MAX_EXPANSION: usize = 255;
/// What a block's first token may add to that.
const FIRST_TOKEN: usize = 64;
/// Inputs below this length are matched with 16-bit positions.
const SMALL: usize = u16::MAX as usize;

thread_local! {
    /// Hash tables for inputs below and from `SMALL`. Two, because the library upgrades a small one for good, and
    /// then the same input would give other output, depending on what its thread compressed before.
    static TABLES: RefCell<[CompressTable; 2]> = RefCell::new([CompressTable::small(), CompressTable::large()]);
}

struct Lz4;

impl Codec for Lz4 {
    fn id(&self) -> u16 {
        17
    }

    fn name(&self) -> &'static str {
        "lz4"
    }

    fn about(&self) -> &'static str {
        "LZ4 blocks: quick both ways, larger than s2"
    }

    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        if u32::try_from(input.len()).is_err() {
            return Err(CodecError::new(format!("{} bytes in one block; lz4 takes less than 4 GiB", input.len())));
        }
        let start = out.len();
        out.resize(start.saturating_add(get_maximum_output_size(input.len())), 0);
        let written = TABLES.with_borrow_mut(|[small, large]| {
            let table = if input.len() < SMALL { small } else { large };
            compress_into_with_table(input, out.get_mut(start..).unwrap_or_default(), table)
        });
        out.truncate(start.saturating_add(*written.as_ref().unwrap_or(&0)));
        written.map(drop).map_err(|e| CodecError::new(format!("lz4: {e}")))
    }

    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if decoded_len > input.len().saturating_mul(MAX_EXPANSION).saturating_add(FIRST_TOKEN) {
            let reason = format!("corrupt LZ4 block: {} bytes cannot hold {decoded_len}", input.len());
            return Err(CodecError::new(reason));
        }
        let start = out.len();
        out.resize(start.saturating_add(decoded_len), 0);
        let decoded = match decompress_into(input, out.get_mut(start..).unwrap_or_default()) {
            Ok(n) if n == decoded_len => return Ok(()),
            Ok(n) => format!("LZ4 block of {n} bytes where {decoded_len} were expected"),
            Err(e) => format!("corrupt LZ4 block: {e}"),
        };
        out.truncate(start);
        Err(CodecError::new(decoded))
    }
}

inventory::submit! { CodecPlugin(&Lz4) }
