//! A third party's codec: run-length encoding, the oldest there is.
//!
//! NanoTDB knows codecs by name (in configuration) and by id (in files), so adding one takes no change to NanoTDB
//! itself:
//!
//! 1. implement [`Codec`] (this file, with `nanotdb-core` as the only dependency). Two methods carry it: bytes in,
//!    compressed bytes out, and back. A columnar codec overrides the typed hooks as well,
//! 2. take an id from 32768 on and keep it for ever: every page names the codec it was written with,
//! 3. register it with `inventory::submit!` (the last line before the tests),
//! 4. name the crate in a binary of your own, `src/main.rs` here, which is the whole NanoTDB server plus this codec,
//! 5. call the conformance kit from a test; it tries the laws that every codec must keep.
//!
//! New databases use it when `engine.toml` says so, and a database of its own accord in its `manifest.toml`:
//!
//! ```toml
//! [manifest_defaults.page]      # in engine.toml; in manifest.toml it is [page]
//! codec = "rle"
//! ```
//!
//! Changing the codec never makes old pages unreadable, because each page tells its own. A binary without this crate
//! refuses the *name* in its configuration, with the names it knows; once the name is gone from there it serves all
//! other pages, and warns about each that "uses codec 40960, which this binary does not have". Nothing is lost: the
//! binary with the codec reads them again.
//!
//! # The encoding
//!
//! A control byte `c`, and what it governs:
//!
//! | c | then | means |
//! |---|---|---|
//! | 0..=127 | c + 1 bytes | these bytes as they are |
//! | 128..=255 | one byte | that byte, c - 125 times (3..=130) |
//!
//! Real data is better served by what ships with NanoTDB; this one is for reading.

#![deny(unsafe_code)]

use nanotdb_core::plugin::{Codec, CodecError, CodecPlugin, inventory};

/// Longest stretch that one control byte carries as it is.
const MAX_LITERAL: usize = 128;
/// Shortest run that is shorter encoded than as it is.
const MIN_RUN: usize = 3;
/// Longest run of one control byte.
const MAX_RUN: usize = 130;
/// Control bytes from here on are runs.
const FIRST_RUN: u8 = 128;

/// Run-length encoding; see the crate's documentation.
pub struct Rle;

impl Codec for Rle {
    fn id(&self) -> u16 {
        40_960
    }

    fn name(&self) -> &'static str {
        "rle"
    }

    fn about(&self) -> &'static str {
        "run-length encoding (an example)"
    }

    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut rest = input;
        let mut literals = 0;
        while let Some(tail) = rest.get(literals..).filter(|tail| !tail.is_empty()) {
            let run = run_length(tail);
            if run < MIN_RUN {
                literals += run;
                continue;
            }
            write_literals(rest.get(..literals).unwrap_or_default(), out);
            // MIN_RUN..=MAX_RUN becomes 128..=255.
            out.push((run - MIN_RUN) as u8 + FIRST_RUN);
            out.extend(tail.first());
            rest = tail.get(run..).unwrap_or_default();
            literals = 0;
        }
        write_literals(rest, out);
        Ok(())
    }

    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        // The length comes from the file, like the block: neither is believed until it fits the other.
        let length = decoded_length(input)?;
        if length != decoded_len {
            return Err(CodecError::new(format!("RLE block of {length} bytes where {decoded_len} were expected")));
        }
        out.reserve(length);
        let mut rest = input;
        while let Some((step, tail)) = step(rest)? {
            match step {
                Step::Literals(bytes) => out.extend_from_slice(bytes),
                Step::Run(byte, times) => out.extend(std::iter::repeat_n(byte, times)),
            }
            rest = tail;
        }
        Ok(())
    }
}

/// How often the first byte stands at the beginning, at most [`MAX_RUN`].
fn run_length(bytes: &[u8]) -> usize {
    bytes.iter().take(MAX_RUN).take_while(|b| bytes.first() == Some(b)).count()
}

fn write_literals(bytes: &[u8], out: &mut Vec<u8>) {
    for part in bytes.chunks(MAX_LITERAL) {
        // 1..=128 becomes 0..=127.
        out.push((part.len() - 1) as u8);
        out.extend_from_slice(part);
    }
}

/// What one control byte stands for.
enum Step<'a> {
    Literals(&'a [u8]),
    Run(u8, usize),
}

/// The first step of a block and what follows it; `None` at the end.
fn step(block: &[u8]) -> Result<Option<(Step<'_>, &[u8])>, CodecError> {
    let Some((control, rest)) = block.split_first() else { return Ok(None) };
    let cut_short = || CodecError::new("RLE block is cut short");
    let step = if *control < FIRST_RUN {
        let (bytes, tail) = rest.split_at_checked(usize::from(*control) + 1).ok_or_else(cut_short)?;
        (Step::Literals(bytes), tail)
    } else {
        let (byte, tail) = rest.split_first().ok_or_else(cut_short)?;
        (Step::Run(*byte, usize::from(*control - FIRST_RUN) + MIN_RUN), tail)
    };
    Ok(Some(step))
}

fn decoded_length(mut block: &[u8]) -> Result<usize, CodecError> {
    let mut length = 0_usize;
    while let Some((step, tail)) = step(block)? {
        length = length.saturating_add(match step {
            Step::Literals(bytes) => bytes.len(),
            Step::Run(_, times) => times,
        });
        block = tail;
    }
    Ok(length)
}

inventory::submit! { CodecPlugin(&Rle) }

#[cfg(test)]
mod tests {
    use super::*;
    use nanotdb_core::plugin::conformance;

    fn compressed(input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Rle.compress(input, &mut out).unwrap();
        out
    }

    #[test]
    fn it_keeps_the_laws_of_codecs() {
        conformance::codec(&Rle).unwrap();
    }

    #[test]
    fn blocks_are_what_the_table_says() {
        assert_eq!(compressed(b""), b"");
        assert_eq!(compressed(b"a"), b"\x00a");
        assert_eq!(compressed(b"aab"), b"\x02aab");
        assert_eq!(compressed(b"xaaay"), b"\x00x\x80a\x00y");
        assert_eq!(compressed(&[7; 130]), [255, 7]);
        assert_eq!(compressed(&[7; 131]), [255, 7, 0, 7]);
        let distinct: Vec<u8> = (0..=128).collect();
        let block = compressed(&distinct);
        assert_eq!((block[0], block[129], block.len()), (127, 0, 131));
    }

    #[test]
    fn a_block_of_another_length_is_an_error() {
        let error = Rle.decompress(b"\x80a", 4, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "RLE block of 3 bytes where 4 were expected");
        assert_eq!(Rle.decompress(b"\x05ab", 6, &mut Vec::new()).unwrap_err().to_string(), "RLE block is cut short");
    }
}
