//! Bytes of which nothing is known.
//!
//! ```text
//! +---------+--------------------------+
//! | 0x00    | the bytes                |
//! | 0x01    | one zstd frame of them   |
//! +---------+--------------------------+
//! ```

use super::bytes::{Reader, corrupt, reserve};
use crate::zstd;
use nanotdb_core::plugin::{Codec, CodecError};

const STORED: u8 = 0;
const ZSTD: u8 = 1;

/// Appends the block of `input`.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = out.len();
    out.push(ZSTD);
    zstd::DEFAULT.compress(input, out)?;
    if out.len().saturating_sub(start) > input.len() {
        out.truncate(start);
        out.push(STORED);
        out.extend_from_slice(input);
    }
    Ok(())
}

/// Appends the `decoded_len` bytes of a block.
pub(super) fn decompress(input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut reader = Reader::new(input);
    match reader.byte()? {
        STORED => {
            let bytes = reader.take(decoded_len)?;
            reader.end()?;
            reserve(out, decoded_len)?;
            out.extend_from_slice(bytes);
            Ok(())
        }
        ZSTD => zstd::DEFAULT.decompress(reader.rest(), decoded_len, out),
        _ => Err(corrupt("bytes of an unknown form")),
    }
}
