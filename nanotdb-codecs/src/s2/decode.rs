//! Decoder of S2 blocks, without unsafe code.
//!
//! A block is uvarint(decoded length) and then elements. The two low bits of an element's tag say what it is:
//!
//! ```text
//! 00  literal  length - 1 in the six high bits; 60..=63: in the next 1..=4 bytes
//! 01  copy1    length - 4 in bits 2..=4, offset in bits 5..=7 (high) and the next byte
//!     repeat   a copy1 of offset 0: the offset of the copy before; length codes 5, 6 and 7 mean
//!              8 + the next byte, 260 + the next 2, 65,540 + the next 3
//! 10  copy2    length - 1 in the six high bits, offset in the next 2 bytes
//! 11  copy4    length - 1 in the six high bits, offset in the next 4 bytes
//! ```
//!
//! The output is sized once, with [`SLACK`] bytes to spare, so that short elements are copied 16 bytes at a
//! time whatever their length: what is written too much is overwritten by the next element or cut off at the
//! end. Whether an element goes past the announced end is therefore checked once, after the last one.

use nanotdb_core::plugin::CodecError;

/// Bytes of output beyond the announced length while decoding, so that the last chunk of 16 fits.
const SLACK: usize = 64;
/// Input the quick loop looks at: a tag and the longest literal it takes.
const WINDOW: usize = 17;
/// The most one byte of input can become: a repeat of five bytes makes 65,540 + 2^24 - 1.
const MAX_EXPANSION: usize = 3_500_000;

const PAST_END: &str = "corrupt S2 block: elements make more bytes than the block announces";
const BAD_OFFSET: &str = "corrupt S2 block: a copy reaches back before the block's start";
const CUT_OFF: &str = "corrupt S2 block: ends inside an element";

/// The length a block announces and where its elements start; `None` if it is cut off or beyond 32 bits.
pub(crate) fn announced_len(block: &[u8]) -> Option<(usize, &[u8])> {
    let mut len = 0u64;
    for (i, byte) in block.iter().take(5).enumerate() {
        len |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            let len = usize::try_from(u32::try_from(len).ok()?).ok()?;
            return Some((len, block.get(i + 1..)?));
        }
    }
    None
}

/// Decodes `block`, which must announce and hold exactly `decoded_len` bytes, to the end of `out`.
/// Leaves `out` as it was when it fails.
pub(crate) fn decode(block: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let (announced, elements) =
        announced_len(block).ok_or_else(|| CodecError::new("corrupt S2 block: no 32-bit length at its start"))?;
    if announced != decoded_len {
        return Err(CodecError::new(format!("S2 block of {announced} bytes where {decoded_len} were expected")));
    }
    if decoded_len > elements.len().saturating_mul(MAX_EXPANSION) {
        return Err(CodecError::new(format!(
            "corrupt S2 block: {} bytes cannot hold the {decoded_len} it announces",
            elements.len()
        )));
    }
    let start = out.len();
    let end = start.saturating_add(decoded_len);
    out.try_reserve(decoded_len.saturating_add(SLACK))
        .map_err(|_| CodecError::new(format!("no memory for an S2 block of {decoded_len} bytes")))?;
    out.resize(end.saturating_add(SLACK), 0);
    let decoded = match out.get_mut(start..) {
        Some(dst) => Decoder { src: elements, dst, len: decoded_len, s: 0, d: 0, offset: 0 }.run(),
        None => Err(PAST_END),
    };
    match decoded {
        Ok(()) => {
            out.truncate(end);
            Ok(())
        }
        Err(reason) => {
            out.truncate(start);
            Err(CodecError::new(reason))
        }
    }
}

/// What the tag of a copy says, looked up rather than computed with branches, which would be mispredicted: bits
/// 0..=7 its length, bits 8..=10 the high bits of its offset, bits 16..=17 its kind, and [`RARE_IF_ZERO`].
const COPIES: [u32; 256] = {
    let mut copies = [0u32; 256];
    let mut tag = 0u32;
    while tag < 256 {
        let kind = tag & 3;
        copies[tag as usize] = if kind == 1 {
            let code = (tag >> 2) & 7;
            (code + 4) | ((tag >> 5) << 8) | (kind << 16) | if code > 4 { RARE_IF_ZERO } else { 0 }
        } else {
            ((tag >> 2) + 1) | (kind << 16) | RARE_IF_ZERO
        };
        tag += 1;
    }
    copies
};
/// Set unless an offset of 0 means a short repeat: then it means a longer one, or corruption.
const RARE_IF_ZERO: u32 = 1 << 18;
/// Which of the four bytes behind a tag are its offset, by kind.
const OFFSET_MASKS: [u32; 4] = [0, 0xff, 0xffff, 0xffff_ffff];
/// Bytes of a copy, tag included, by kind.
const COPY_SIZES: [usize; 4] = [1, 2, 3, 5];

struct Decoder<'a> {
    src: &'a [u8],
    /// The announced length and `SLACK`.
    dst: &'a mut [u8],
    /// The announced length.
    len: usize,
    /// Position in `src`.
    s: usize,
    /// Position in `dst`. The quick loop may move it past `len`, never past `dst`.
    d: usize,
    /// Offset of the last copy; 0 before the first.
    offset: usize,
}

impl Decoder<'_> {
    fn run(mut self) -> Result<(), &'static str> {
        while self.s < self.src.len() {
            self.quick();
            if self.s < self.src.len() {
                self.element()?;
            }
        }
        match self.d.cmp(&self.len) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(PAST_END),
            std::cmp::Ordering::Less => Err("corrupt S2 block: ends before the length it announces"),
        }
    }

    /// Decodes short elements until one is not short, or not right, or an end is near: `element` takes that one.
    fn quick(&mut self) {
        let src = self.src;
        let dst = &mut *self.dst;
        let (mut s, mut d, mut offset) = (self.s, self.d, self.offset);
        while let Some(window) = chunk::<WINDOW>(src, s) {
            let [tag, literal @ ..] = window;
            if tag & 3 == 0 {
                let Some(to) = chunk_mut::<16>(dst, d).filter(|_| *tag < 64) else { break };
                *to = *literal;
                let len = usize::from(tag >> 2) + 1;
                d += len;
                s += 1 + len;
                continue;
            }
            let copy = COPIES[usize::from(*tag)];
            let kind = (copy >> 16 & 3) as usize;
            let len = (copy & 0xff) as usize;
            let [_, b0, b1, b2, b3, ..] = *window;
            let coded = u32::from_le_bytes([b0, b1, b2, b3]) & OFFSET_MASKS[kind] | copy & 0x700;
            if coded == 0 && copy & RARE_IF_ZERO != 0 {
                break;
            }
            let back = if coded == 0 { offset } else { coded as usize };
            // A `back` of 0 here repeats before there was a copy.
            let (Some(from), true) = (d.checked_sub(back), back > 0) else { break };
            let done =
                if back >= 16 || back >= len { apart(dst, from, d, len) } else { overlapping(dst, from, d, len) };
            if done.is_none() {
                break;
            }
            d += len;
            s += COPY_SIZES[kind];
            offset = back;
        }
        (self.s, self.d, self.offset) = (s, d, offset);
    }

    /// Decodes one element of any kind.
    fn element(&mut self) -> Result<(), &'static str> {
        let tag = self.take(1)? as u8;
        let high = usize::from(tag >> 2);
        let len = match tag & 3 {
            0 => {
                let len = if high < 60 { high } else { self.take(high - 59)? };
                return self.literal(len.saturating_add(1));
            }
            1 => {
                let code = high & 7;
                let offset = usize::from(tag >> 5) << 8 | self.take(1)?;
                if offset == 0 {
                    match code {
                        5 => 8 + self.take(1)?,
                        6 => 260 + self.take(2)?,
                        7 => 65_540 + self.take(3)?,
                        _ => code + 4,
                    }
                } else {
                    self.offset = offset;
                    code + 4
                }
            }
            2 => {
                self.offset = self.take(2)?;
                high + 1
            }
            _ => {
                self.offset = self.take(4)?;
                high + 1
            }
        };
        self.copy(len)
    }

    /// The next `n` <= 4 bytes of input as a little-endian number.
    fn take(&mut self, n: usize) -> Result<usize, &'static str> {
        let end = self.s + n;
        let bytes = self.src.get(self.s..end).ok_or(CUT_OFF)?;
        self.s = end;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn literal(&mut self, len: usize) -> Result<(), &'static str> {
        let from = self.src.get(self.s..).and_then(|rest| rest.get(..len)).ok_or(CUT_OFF)?;
        let left = self.dst.get_mut(self.d..self.len).ok_or(PAST_END)?;
        left.get_mut(..len).ok_or(PAST_END)?.copy_from_slice(from);
        self.s += len;
        self.d += len;
        Ok(())
    }

    fn copy(&mut self, len: usize) -> Result<(), &'static str> {
        let from = self.d.checked_sub(self.offset).filter(|_| self.offset > 0).ok_or(BAD_OFFSET)?;
        if self.len.checked_sub(self.d).is_none_or(|left| len > left) {
            return Err(PAST_END);
        }
        // A copy that overlaps itself repeats `offset` bytes: every round copies all there is so far.
        let end = self.d + len;
        while self.d < end {
            let n = (self.d - from).min(end - self.d);
            self.dst.copy_within(from..from + n, self.d);
            self.d += n;
        }
        Ok(())
    }
}

/// Copies at least `len` bytes from `from` to `to`, which are a chunk apart, or `len`. `None` if there is no room.
#[inline(always)]
fn apart(dst: &mut [u8], from: usize, to: usize, len: usize) -> Option<()> {
    let bytes = *chunk::<16>(dst, from)?;
    *chunk_mut(dst, to)? = bytes;
    let mut done = 16;
    while done < len {
        let bytes = *chunk::<16>(dst, from + done)?;
        *chunk_mut(dst, to + done)? = bytes;
        done += 16;
    }
    Some(())
}

/// Fills at least `len` bytes at `to` with what is between `from` and `to`, 1 to 15 bytes, over and over. `None` if
/// there is no room.
#[inline(always)]
fn overlapping(dst: &mut [u8], from: usize, to: usize, len: usize) -> Option<()> {
    let period = to - from;
    let mut done = 0;
    if period >= 8 {
        while done < len {
            let bytes = *chunk::<8>(dst, from + done)?;
            *chunk_mut(dst, to + done)? = bytes;
            done += 8;
        }
        return Some(());
    }
    // A word that holds the pattern as often as it fits, stored every `step` bytes: as many as are whole patterns.
    let bits = 8 * period as u32;
    let mut word = u64::from_le_bytes(*chunk(dst, from)?) & !(u64::MAX << bits);
    word |= word.unbounded_shl(bits);
    word |= word.unbounded_shl(2 * bits);
    word |= word.unbounded_shl(4 * bits);
    let step = [8, 8, 8, 6, 8, 5, 6, 7][period & 7];
    while done < len {
        *chunk_mut(dst, to + done)? = word.to_le_bytes();
        done += step;
    }
    Some(())
}

#[inline(always)]
fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

#[inline(always)]
fn chunk_mut<const N: usize>(bytes: &mut [u8], at: usize) -> Option<&mut [u8; N]> {
    bytes.get_mut(at..)?.first_chunk_mut()
}
