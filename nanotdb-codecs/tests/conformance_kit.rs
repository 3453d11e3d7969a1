//! The conformance kit finds what is wrong with codecs that break one law each.

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use nanotdb_codecs as _;
use nanotdb_core::format::{get_uvarint, put_uvarint};
use nanotdb_core::plugin::{Codec, CodecError, Values, conformance};
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    IdZero,
    Name,
    LosesLastByte,
    ClearsOutput,
    ClearsOutputOnError,
    IgnoresExpectedLength,
    Panics,
    AllocatesWhatTheBlockSays,
    SaysS2,
    LooksLikeS2,
    TrustsTheLength,
    ReservesTooMuch,
    ChangesFromCallToCall,
    DropsSignOfZero,
    QuietsNans,
    IgnoresCount,
    PageLosesRows,
}

/// A block is the length in 8 bytes and the bytes as they are; `flaw` is what it does wrong.
struct Plain {
    flaw: Flaw,
    calls: AtomicUsize,
}

impl Codec for Plain {
    fn id(&self) -> u16 {
        if self.flaw == Flaw::IdZero { 0 } else { 40_002 }
    }

    fn name(&self) -> &'static str {
        if self.flaw == Flaw::Name { "Plain codec" } else { "plain" }
    }

    fn about(&self) -> &'static str {
        "for this test"
    }

    fn is_s2_block(&self) -> bool {
        matches!(self.flaw, Flaw::SaysS2 | Flaw::LooksLikeS2)
    }

    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        if self.flaw == Flaw::ClearsOutput {
            out.clear();
        }
        if self.flaw == Flaw::LooksLikeS2 {
            put_uvarint(out, input.len() as u64);
            out.extend(input.iter().map(|b| !b));
            return Ok(());
        }
        out.extend((input.len() as u64).to_le_bytes());
        out.extend_from_slice(input);
        if self.flaw == Flaw::ChangesFromCallToCall {
            out.push(self.calls.fetch_add(1, Ordering::Relaxed) as u8);
        }
        if self.flaw == Flaw::LosesLastByte && input.len() == 257 {
            *out.last_mut().unwrap() = 0;
        }
        Ok(())
    }

    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if self.flaw == Flaw::LooksLikeS2 {
            let (len, at) = get_uvarint(input).ok_or_else(|| CodecError::new("no length"))?;
            if len != decoded_len as u64 || input.len() != decoded_len + at {
                return Err(CodecError::new("wrong length"));
            }
            out.extend(input[at..].iter().map(|b| !b));
            return Ok(());
        }
        // As `zstd::bulk::decompress(input, decoded_len)` does.
        let room = if self.flaw == Flaw::TrustsTheLength { Vec::<u8>::with_capacity(decoded_len) } else { Vec::new() };
        drop(room);
        if self.flaw == Flaw::ReservesTooMuch && decoded_len < 1 << 24 {
            out.reserve(2 * decoded_len);
        }
        let header = match self.flaw {
            Flaw::Panics => input[..8].try_into().unwrap(),
            _ => *input.first_chunk::<8>().ok_or_else(|| CodecError::new("short"))?,
        };
        let announced = u64::from_le_bytes(header) as usize;
        if self.flaw == Flaw::AllocatesWhatTheBlockSays {
            out.reserve(announced.min(1 << 30));
        }
        let mut bytes = &input[8..];
        if self.flaw == Flaw::ChangesFromCallToCall {
            bytes = &bytes[..bytes.len().saturating_sub(1)];
        }
        if self.flaw != Flaw::IgnoresExpectedLength && (announced != decoded_len || bytes.len() != decoded_len) {
            if self.flaw == Flaw::ClearsOutputOnError {
                out.clear();
            }
            return Err(CodecError::new("not the expected length"));
        }
        out.extend_from_slice(bytes);
        Ok(())
    }

    fn encode_page(&self, rows: usize, payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut payload = payload.to_vec();
        if self.flaw == Flaw::PageLosesRows && rows > 500 {
            payload.iter_mut().for_each(|b| *b = 0);
        }
        self.compress(&payload, out)
    }

    fn decode_ids(&self, input: &[u8], count: usize, out: &mut Vec<u16>) -> Result<(), CodecError> {
        let count = if self.flaw == Flaw::IgnoresCount { input.len().saturating_sub(8) / 2 } else { count };
        let mut bytes = Vec::new();
        self.decompress(input, count.saturating_mul(2), &mut bytes)?;
        out.extend(bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])));
        Ok(())
    }

    fn encode_values(&self, values: Values<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let bytes: Vec<u8> = match values {
            Values::Float64(v) if self.flaw == Flaw::DropsSignOfZero => {
                v.iter().flat_map(|v| if *v == 0.0 { [0; 8] } else { v.to_le_bytes() }).collect()
            }
            Values::Float32(v) if self.flaw == Flaw::QuietsNans => {
                v.iter().flat_map(|v| if v.is_nan() { f32::NAN } else { *v }.to_le_bytes()).collect()
            }
            Values::Int32(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::Float32(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::Int64(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::Float64(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        self.compress(&bytes, out)
    }
}

fn verdict(flaw: Flaw) -> Result<(), String> {
    conformance::codec(&Plain { flaw, calls: AtomicUsize::new(0) })
}

#[test]
fn a_codec_without_flaw_conforms() {
    assert_eq!(verdict(Flaw::None), Ok(()));
}

#[test]
fn every_flaw_is_named() {
    for (flaw, reason) in [
        (Flaw::IdZero, "id 0"),
        (Flaw::Name, "name"),
        (Flaw::LosesLastByte, "decompress(compress(257 random bytes)) differs at byte 256"),
        (Flaw::ClearsOutput, "does not leave alone"),
        (Flaw::ClearsOutputOnError, "does not leave alone"),
        (Flaw::IgnoresExpectedLength, "appends 0 bytes where 1 are expected"),
        (Flaw::Panics, "panics"),
        (Flaw::AllocatesWhatTheBlockSays, "are expected allocates 1073741839 bytes; the law: the announced length"),
        (Flaw::ReservesTooMuch, "the law: `out` has room for at most the announced length and 65536 bytes more"),
        (Flaw::SaysS2, "is_s2_block, but codec s2 cannot read compress of nothing"),
        (Flaw::LooksLikeS2, "is_s2_block, but codec s2 cannot read"),
        (Flaw::TrustsTheLength, "the law: the announced length comes from a file that may be damaged"),
        (Flaw::ChangesFromCallToCall, "other bytes the second time"),
        (Flaw::DropsSignOfZero, "float64 values"),
        (Flaw::QuietsNans, "float32 values"),
        (Flaw::IgnoresCount, "ids"),
        (Flaw::PageLosesRows, "decode_page(encode_page(a page of 1000 rows"),
    ] {
        let error = verdict(flaw).unwrap_err();
        assert!(error.contains(reason), "expected {reason:?}, got {error:?}");
    }
}
