//! `none`: bytes as they are.

use crate::inventory;
use nanotdb_core::plugin::{Codec, CodecError, CodecPlugin};

struct Uncompressed;

impl Codec for Uncompressed {
    fn id(&self) -> u16 {
        18
    }

    fn name(&self) -> &'static str {
        "none"
    }

    fn about(&self) -> &'static str {
        "no compression: for file systems that compress, and for tests"
    }

    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(input);
        Ok(())
    }

    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if input.len() != decoded_len {
            let reason = format!("uncompressed block of {} bytes where {decoded_len} were expected", input.len());
            return Err(CodecError::new(reason));
        }
        out.extend_from_slice(input);
        Ok(())
    }
}

inventory::submit! { CodecPlugin(&Uncompressed) }
