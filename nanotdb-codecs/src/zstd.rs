//! `zstd_fastest`, `zstd_default`, `zstd_max`: one zstd frame per block.
//!
//! Frames of the original carry no content size, so the room for the output is what the caller expects. Contexts
//! (some 100 KiB to decode, 1 to 2 MiB to encode) are kept per thread and made when first needed.

use crate::inventory;
use ::zstd::zstd_safe::{CCtx, CParameter, DCtx, compress_bound, find_frame_compressed_size, get_error_name};
use nanotdb_core::plugin::{Codec, CodecError, CodecPlugin};
use std::cell::RefCell;
use std::io::Cursor;

/// A block of a frame decodes to at most this, and takes at least `MIN_BLOCK` bytes.
const MAX_BLOCK_DECODED: usize = 128 << 10;
const MIN_BLOCK: usize = 4;

thread_local! {
    static ENCODER: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
    static DECODER: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

pub(crate) struct Zstd {
    id: u16,
    name: &'static str,
    about: &'static str,
    level: i32,
    /// Whether a thread keeps the context it encoded with. Not at high levels: it has many MiB, and making it takes
    /// no time compared to using it.
    keep: bool,
}

impl Codec for Zstd {
    fn id(&self) -> u16 {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        let start = out.len();
        out.try_reserve(compress_bound(input.len()))
            .map_err(|_| CodecError::new(format!("zstd: no memory to compress {} bytes", input.len())))?;
        let mut end = Cursor::new(std::mem::take(out));
        end.set_position(start as u64);
        let written = ENCODER.with_borrow_mut(|kept| {
            let mut own = None;
            let slot = if self.keep { kept } else { &mut own };
            let context = context(slot, CCtx::try_create)?;
            context.set_parameter(CParameter::CompressionLevel(self.level)).map_err(failed)?;
            context.compress2(&mut end, input).map_err(failed)
        });
        *out = end.into_inner();
        if written.is_err() {
            out.truncate(start);
        }
        written.map(drop)
    }

    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        // Without these two checks, frames behind the first would be decoded too, and a short frame
        // could ask for any amount of memory.
        let frame_len = find_frame_compressed_size(input).map_err(failed)?;
        if frame_len != input.len() {
            let trailing = input.len().saturating_sub(frame_len);
            return Err(CodecError::new(format!("corrupt zstd block: {trailing} bytes behind its frame")));
        }
        if decoded_len / MAX_BLOCK_DECODED > input.len() / MIN_BLOCK {
            return Err(CodecError::new(format!(
                "corrupt zstd block: {} bytes cannot hold the {decoded_len} expected",
                input.len()
            )));
        }
        let start = out.len();
        out.try_reserve(decoded_len)
            .map_err(|_| CodecError::new(format!("no memory for a zstd block of {decoded_len} bytes")))?;
        let mut end = Cursor::new(std::mem::take(out));
        end.set_position(start as u64);
        let written = DECODER
            .with_borrow_mut(|kept| context(kept, DCtx::try_create)?.decompress(&mut end, input).map_err(failed));
        *out = end.into_inner();
        match written {
            Ok(n) if n == decoded_len => Ok(()),
            Ok(n) => {
                out.truncate(start);
                Err(CodecError::new(format!("zstd block of {n} bytes where {decoded_len} were expected")))
            }
            Err(e) => {
                out.truncate(start);
                Err(e)
            }
        }
    }
}

/// The context in `slot`, made if there is none.
fn context<T>(slot: &mut Option<T>, create: impl FnOnce() -> Option<T>) -> Result<&mut T, CodecError> {
    if slot.is_none() {
        *slot = create();
    }
    slot.as_mut().ok_or_else(|| CodecError::new("zstd: no memory for a context"))
}

fn failed(code: usize) -> CodecError {
    CodecError::new(format!("zstd: {}", get_error_name(code)))
}

static FASTEST: Zstd = Zstd {
    id: 3,
    name: "zstd_fastest",
    about: "zstd level 1; the original reads it in metric files",
    level: 1,
    keep: true,
};
pub(crate) static DEFAULT: Zstd = Zstd {
    id: 4,
    name: "zstd_default",
    about: "zstd level 3; the original reads it in metric files",
    level: 3,
    keep: true,
};
/// Level 18 because 19 and 22 gain nothing on pages, lose 3 % on columns of a day, and take longer.
static MAX: Zstd = Zstd {
    id: 16,
    name: "zstd_max",
    about: "zstd level 18: smallest of the general ones, very slow to write, quick to read",
    level: 18,
    keep: false,
};

inventory::submit! { CodecPlugin(&FASTEST) }
inventory::submit! { CodecPlugin(&DEFAULT) }
inventory::submit! { CodecPlugin(&MAX) }

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        FASTEST.compress(text, &mut out).unwrap();
        out
    }

    #[test]
    fn a_block_is_one_frame() {
        let text = b"room.1.temp, room.1.temp, room.1.temp";
        let mut out = Vec::new();
        FASTEST.decompress(&block(text), text.len(), &mut out).unwrap();
        assert_eq!(out, text);
        // A frame of nothing behind it would not change what comes out.
        for behind in [block(b""), block(b"more"), b"x".to_vec()] {
            let mut out = Vec::new();
            let error = FASTEST.decompress(&[block(text), behind].concat(), text.len(), &mut out).unwrap_err();
            assert!(error.0.contains("behind its frame"), "{error}");
            assert_eq!(out, b"");
        }
    }

    #[test]
    fn no_more_memory_is_asked_for_than_a_block_of_this_length_can_fill() {
        let text = vec![7; 1 << 20];
        let short = block(&text);
        assert!(short.len() < 200, "{}", short.len());
        let mut out = Vec::new();
        FASTEST.decompress(&short, text.len(), &mut out).unwrap();
        let mut out = Vec::new();
        let error = FASTEST.decompress(&short, 1 << 30, &mut out).unwrap_err();
        assert!(error.0.contains("cannot hold"), "{error}");
        assert_eq!(out.capacity(), 0);
    }
}
