//! What v1 and v2 have in common on disk: the head of the file header, frames, and entries of the directory.
//!
//! ```text
//! file header   NTMF | version u16 | 64 u16 | flags u32 | kind u8 | 0 x3 | start i64 | end i64 | 28 bytes | crc32 u32
//!               0      4             6        8           12        13     16          24        32         60
//!
//! frame         magic | 48 u16 | codec u16 | id u16 | kind u8 | 0 u8 | start i64 | end i64 | 4 words u32 | crc32 u32
//!               0       4        6           8        10        11     12          20        28            44
//!               payload | crc32(payload) u32
//!               48
//!
//! entry         id u16 | kind u8 | 0 u8 | offset u64 | start i64 | end i64 | 3 or 4 words u32
//!               0        2         3      4            12          20        28
//! ```
//!
//! `kind` of a frame is the type of its values, or the encoding of its timestamps. What the words say differs.

use super::super::{DecodeError, get_i64, get_u16, get_u32, take};
use super::{Extent, FILE_MAGIC, HEADER_LEN};
use crate::model::Timestamp;
use crate::plugin::Registry;

/// Bytes of a frame header.
pub(super) const FRAME_HEADER_LEN: usize = 48;
/// Bytes of a frame besides its payload: header and checksum.
pub(super) const FRAME_OVERHEAD: u32 = 52;
/// Where the checksum of a frame header is.
const FRAME_CRC_AT: usize = 44;
/// Where the words of a frame header or an entry start.
const WORDS_AT: usize = 28;
/// Where the checksum of the file header is.
const HEADER_CRC_AT: usize = 60;

/// What the file headers of all versions start with.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileHeader {
    pub(super) version: u16,
    pub(super) partition_kind: u8,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl FileHeader {
    /// Decodes a file header, whose checksum holds.
    pub(super) fn decode(header: &[u8]) -> Result<Self, DecodeError> {
        let bytes: [u8; HEADER_LEN] =
            header.try_into().map_err(|_| DecodeError::new(0, "file header is not 64 bytes long"))?;
        if !bytes.starts_with(&FILE_MAGIC) {
            return Err(DecodeError::new(0, "not a metric file: the first bytes are not NTMF"));
        }
        let covered = bytes.get(..HEADER_CRC_AT).unwrap_or_default();
        if get_u32(&bytes, HEADER_CRC_AT) != Some(crc32fast::hash(covered)) {
            return Err(DecodeError::new(HEADER_CRC_AT, "checksum of the file header does not match"));
        }
        let fields = (get_u16(&bytes, 4), get_u16(&bytes, 6), bytes.get(12), get_i64(&bytes, 16), get_i64(&bytes, 24));
        let (Some(version), Some(len), Some(kind), Some(start), Some(end)) = fields else {
            return Err(DecodeError::new(0, "file header is cut short"));
        };
        if usize::from(len) != HEADER_LEN {
            return Err(DecodeError::new(6, format!("file header says that it is {len} bytes long")));
        }
        if start > end {
            return Err(DecodeError::new(16, "file starts after its end"));
        }
        Ok(Self { version, partition_kind: *kind, start, end })
    }

    /// A sealed file's header with `rest` from byte 32 on.
    pub(super) fn encode(&self, rest: [u8; 28]) -> [u8; HEADER_LEN] {
        const SEALED: u32 = 1;
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        bytes.extend_from_slice(&FILE_MAGIC);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&(HEADER_LEN as u16).to_le_bytes());
        bytes.extend_from_slice(&SEALED.to_le_bytes());
        bytes.extend_from_slice(&[self.partition_kind, 0, 0, 0]);
        bytes.extend_from_slice(&self.start.to_le_bytes());
        bytes.extend_from_slice(&self.end.to_le_bytes());
        bytes.extend_from_slice(&rest);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes.first_chunk().copied().unwrap_or([0; HEADER_LEN])
    }
}

/// A frame header, or the part of a directory entry that a frame header repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Metric id, or id of a time vector.
    pub(super) id: u16,
    /// Type of the values, or encoding of the timestamps.
    pub(super) kind: u8,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) words: [u32; 4],
}

impl FrameHeader {
    /// Appends the header.
    pub(super) fn encode(&self, magic: [u8; 4], codec_id: u16) -> [u8; FRAME_HEADER_LEN] {
        let mut bytes = Vec::with_capacity(FRAME_HEADER_LEN);
        bytes.extend_from_slice(&magic);
        bytes.extend_from_slice(&(FRAME_HEADER_LEN as u16).to_le_bytes());
        bytes.extend_from_slice(&codec_id.to_le_bytes());
        bytes.extend_from_slice(&self.id.to_le_bytes());
        bytes.extend_from_slice(&[self.kind, 0]);
        bytes.extend_from_slice(&self.start.to_le_bytes());
        bytes.extend_from_slice(&self.end.to_le_bytes());
        for word in self.words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes.first_chunk().copied().unwrap_or([0; FRAME_HEADER_LEN])
    }

    /// Checks the header at the front of `frame` and that it is the one expected; returns the codec id. `names` says
    /// what the words are.
    pub(super) fn check(&self, magic: [u8; 4], names: [&str; 4], frame: &[u8]) -> Result<u16, DecodeError> {
        let cut = || DecodeError::new(0, "frame is cut short");
        let bytes = frame.first_chunk::<FRAME_HEADER_LEN>().ok_or_else(cut)?;
        if !bytes.starts_with(&magic) {
            return Err(DecodeError::new(0, format!("no frame here: {} expected", String::from_utf8_lossy(&magic))));
        }
        let covered = bytes.get(..FRAME_CRC_AT).unwrap_or_default();
        if get_u32(bytes, FRAME_CRC_AT) != Some(crc32fast::hash(covered)) {
            return Err(DecodeError::new(FRAME_CRC_AT, "checksum of the frame header does not match"));
        }
        let same = |at: usize, name: &str, found: i64, listed: i64| {
            if found == listed {
                return Ok(());
            }
            Err(DecodeError::new(at, format!("frame has {name} {found}, the directory lists it with {listed}")))
        };
        let number = |at: usize| get_u16(bytes, at).ok_or_else(cut);
        same(4, "header length", i64::from(number(4)?), FRAME_HEADER_LEN as i64)?;
        same(8, "id", i64::from(number(8)?), i64::from(self.id))?;
        same(10, "type", i64::from(*bytes.get(10).ok_or_else(cut)?), i64::from(self.kind))?;
        same(12, "start", get_i64(bytes, 12).ok_or_else(cut)?, self.start)?;
        same(20, "end", get_i64(bytes, 20).ok_or_else(cut)?, self.end)?;
        for ((at, name), listed) in (WORDS_AT..).step_by(4).zip(names).zip(self.words) {
            same(at, name, i64::from(get_u32(bytes, at).ok_or_else(cut)?), i64::from(listed))?;
        }
        number(6)
    }
}

/// An entry of the directory. Entries of three words have 0 for the fourth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) id: u16,
    pub(super) kind: u8,
    pub(super) offset: u64,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) words: [u32; 4],
}

impl Entry {
    /// Decodes an entry of three or four words, which is all of `bytes`. The reserved byte is ignored.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut words = [0; 4];
        let (given, _) = bytes.get(WORDS_AT..)?.as_chunks::<4>();
        for (word, given) in words.iter_mut().zip(given) {
            *word = u32::from_le_bytes(*given);
        }
        Some(Self {
            id: get_u16(bytes, 0)?,
            kind: *bytes.get(2)?,
            offset: take(bytes, 4).map(u64::from_le_bytes)?,
            start: get_i64(bytes, 12)?,
            end: get_i64(bytes, 20)?,
            words,
        })
    }

    /// Appends the entry with its first `words` words.
    pub(super) fn encode(&self, words: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&[self.kind, 0]);
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.start.to_le_bytes());
        out.extend_from_slice(&self.end.to_le_bytes());
        for word in self.words.iter().take(words) {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Where the frame is, when that is between the file header and the directory, and it does not end before it starts.
    pub(super) fn extent(&self, at: usize, payload_len: u32, directory_at: u64) -> Result<Extent, DecodeError> {
        let len = payload_len.checked_add(FRAME_OVERHEAD);
        let end = len.and_then(|len| self.offset.checked_add(u64::from(len)));
        match (len, end) {
            (Some(len), Some(end)) if self.offset >= HEADER_LEN as u64 && end <= directory_at => {
                if self.start > self.end {
                    return Err(DecodeError::new(at, "a frame starts after its end"));
                }
                Ok(Extent { offset: self.offset, len })
            }
            _ => {
                let reason = format!("a frame of {payload_len} bytes at {} lies outside the file's body", self.offset);
                Err(DecodeError::new(at, reason))
            }
        }
    }
}

/// Bytes of a payload whose frame has this extent.
pub(super) fn payload_len(extent: Extent) -> u32 {
    extent.len.saturating_sub(FRAME_OVERHEAD)
}

/// Whether `frame` is as long as the directory says, with a payload whose checksum holds.
pub(super) fn payload(frame: &[u8], extent: Extent) -> Result<&[u8], DecodeError> {
    if frame.len() as u64 != u64::from(extent.len) {
        let reason = format!("{} bytes of a frame of {}", frame.len(), extent.len);
        return Err(DecodeError::new(0, reason));
    }
    let rest = frame.get(FRAME_HEADER_LEN..).unwrap_or_default();
    let Some((payload, crc)) = rest.split_last_chunk::<4>() else {
        return Err(DecodeError::new(0, "frame is cut short"));
    };
    if u32::from_le_bytes(*crc) != crc32fast::hash(payload) {
        return Err(DecodeError::new(FRAME_HEADER_LEN, "checksum of the frame does not match"));
    }
    Ok(payload)
}

/// Decompresses a payload to exactly `decoded_len` bytes.
pub(super) fn decompress(
    codec_id: u16,
    payload: &[u8],
    decoded_len: usize,
    registry: &Registry,
) -> Result<Vec<u8>, DecodeError> {
    let codec = registry.codec_by_id(codec_id).ok_or_else(|| {
        DecodeError::incompatible(6, format!("frame uses codec {codec_id}, which this binary does not have"))
    })?;
    let mut decoded = Vec::new();
    codec
        .decompress(payload, decoded_len, &mut decoded)
        .map_err(|e| DecodeError::new(FRAME_HEADER_LEN, e.to_string()))?;
    if decoded.len() != decoded_len {
        return Err(DecodeError::new(FRAME_HEADER_LEN, "codec returned another length than announced"));
    }
    Ok(decoded)
}
