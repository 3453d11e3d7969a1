//! The S2 family: `s2`, `s2_better`, and `snappy`, whose blocks are valid S2.
//!
//! Blocks are decoded by our own decoder ([`decode`]) and encoded by `minlz` and `snap`.

mod decode;

use crate::inventory;
use minlz::Encoder;
use nanotdb_core::plugin::{Codec, CodecError, CodecPlugin};
use std::cell::RefCell;

thread_local! {
    /// Hash tables, made when first needed: 64 KiB for `s2`, up to 576 KiB more for `s2_better`.
    static ENCODER: RefCell<Encoder> = RefCell::new(Encoder::new());
    static SNAPPY_ENCODER: RefCell<snap::raw::Encoder> = RefCell::new(snap::raw::Encoder::new());
}

/// S2 at its quickest: what raw pages of the original are.
struct S2;

impl Codec for S2 {
    fn id(&self) -> u16 {
        1
    }

    fn name(&self) -> &'static str {
        "s2"
    }

    fn about(&self) -> &'static str {
        "S2 (extended Snappy), quick; readable by the original"
    }

    fn is_s2_block(&self) -> bool {
        true
    }

    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        check_size(input)?;
        out.extend_from_slice(&ENCODER.with_borrow_mut(|encoder| encoder.encode(input)));
        Ok(())
    }

    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        decode::decode(input, decoded_len, out)
    }
}

/// S2 with a longer search for matches.
struct S2Better;

impl Codec for S2Better {
    fn id(&self) -> u16 {
        2
    }

    fn name(&self) -> &'static str {
        "s2_better"
    }

    fn about(&self) -> &'static str {
        "S2 with a longer search: smaller than s2, slower to write; readable by the original"
    }

    fn is_s2_block(&self) -> bool {
        true
    }

    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        check_size(input)?;
        out.extend_from_slice(&ENCODER.with_borrow_mut(|encoder| encoder.encode_better(input)));
        Ok(())
    }

    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        decode::decode(input, decoded_len, out)
    }
}

/// Snappy: S2 without repeat offsets.
struct Snappy;

impl Codec for Snappy {
    fn id(&self) -> u16 {
        19
    }

    fn name(&self) -> &'static str {
        "snappy"
    }

    fn about(&self) -> &'static str {
        "Snappy, for tools that read nothing newer; larger than s2; readable by the original"
    }

    fn is_s2_block(&self) -> bool {
        true
    }

    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        check_size(input)?;
        let start = out.len();
        out.resize(start.saturating_add(snap::raw::max_compress_len(input.len())), 0);
        let written =
            SNAPPY_ENCODER.with_borrow_mut(|encoder| encoder.compress(input, out.get_mut(start..).unwrap_or_default()));
        out.truncate(start.saturating_add(*written.as_ref().unwrap_or(&0)));
        written.map(drop).map_err(|e| CodecError::new(format!("snappy: {e}")))
    }

    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        decode::decode(input, decoded_len, out)
    }
}

/// A block announces its length in 32 bits, and the encoder's offsets are 32 bits wide too.
fn check_size(input: &[u8]) -> Result<(), CodecError> {
    match minlz::max_encoded_len(input.len()) {
        Ok(_) => Ok(()),
        Err(_) => {
            Err(CodecError::new(format!("{} bytes in one block; S2 and Snappy take less than 4 GiB", input.len())))
        }
    }
}

inventory::submit! { CodecPlugin(&S2) }
inventory::submit! { CodecPlugin(&S2Better) }
inventory::submit! { CodecPlugin(&Snappy) }
