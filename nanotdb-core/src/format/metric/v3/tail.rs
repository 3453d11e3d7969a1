//! Header and footer.
//!
//! ```text
//! header  0   NTMF | 3 u16 | 64 u16 | flags u32 | partition kind u8 | 3 zero | min_ts i64 | max_ts i64
//!         32  series u32 | time blocks u32 | directory offset u64 | rows u64 | 4 zero | crc32 of bytes 0..60 u32
//! footer  0   NTFT | 3 u32 | crc32 of the directory u32 | crc32 of bytes 0..12 u32
//! ```

use super::VERSION;
use super::bytes::Cursor;
use crate::format::metric::{FILE_MAGIC, FOOTER_LEN, FOOTER_MAGIC, HEADER_LEN, Tail};
use crate::format::{DecodeError, get_u32};
use crate::model::Timestamp;

/// The partition is sealed, as in v1 and v2. Always set.
const SEALED: u32 = 1;
/// Statistics cut time blocks by time and not every [`super::CELL_TICKS`] timestamps. Always set by now.
const CUT_BY_TIME: u32 = 2;
const HEADER_CRC_AT: usize = 60;
const FOOTER_CRC_AT: usize = 12;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) partition_kind: u8,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) series: u32,
    pub(super) times: u32,
    pub(super) directory_at: u64,
    pub(super) rows: u64,
    pub(super) cut_by_time: bool,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = Vec::with_capacity(HEADER_LEN);
        out.extend_from_slice(&FILE_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(HEADER_LEN as u16).to_le_bytes());
        let flags = SEALED | if self.cut_by_time { CUT_BY_TIME } else { 0 };
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&[self.partition_kind, 0, 0, 0]);
        out.extend_from_slice(&self.start.to_le_bytes());
        out.extend_from_slice(&self.end.to_le_bytes());
        out.extend_from_slice(&self.series.to_le_bytes());
        out.extend_from_slice(&self.times.to_le_bytes());
        out.extend_from_slice(&self.directory_at.to_le_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.first_chunk().copied().unwrap_or([0; HEADER_LEN])
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let bytes = bytes.get(..HEADER_LEN).ok_or_else(|| DecodeError::new(0, "header is cut short"))?;
        let mut cursor = Cursor::new(bytes, 0);
        if cursor.array::<4>()? != FILE_MAGIC {
            return Err(DecodeError::new(0, "not a metric file"));
        }
        let version = cursor.u16()?;
        if get_u32(bytes, HEADER_CRC_AT) != Some(crc32fast::hash(bytes.get(..HEADER_CRC_AT).unwrap_or_default())) {
            return Err(DecodeError::new(HEADER_CRC_AT, "checksum of the header does not match"));
        }
        if version != VERSION {
            return Err(DecodeError::incompatible(
                4,
                format!("metric file of version {version}; this reads {VERSION}"),
            ));
        }
        let (header_len, flags) = (cursor.u16()?, cursor.u32()?);
        if usize::from(header_len) != HEADER_LEN || flags & !(SEALED | CUT_BY_TIME) != 0 {
            return Err(DecodeError::incompatible(6, format!("header of {header_len} bytes with flags {flags:#x}")));
        }
        let partition_kind = cursor.u8()?;
        let reserved = cursor.take(3)?;
        let header = Self {
            partition_kind,
            start: cursor.i64()?,
            end: cursor.i64()?,
            series: cursor.u32()?,
            times: cursor.u32()?,
            directory_at: cursor.u64()?,
            rows: cursor.u64()?,
            cut_by_time: flags & CUT_BY_TIME != 0,
        };
        if reserved != [0; 3] || cursor.u32()? != 0 {
            return Err(DecodeError::incompatible(0, "reserved bytes of the header are in use"));
        }
        if header.start > header.end {
            return Err(DecodeError::new(16, "header ends before it starts"));
        }
        Ok(header)
    }
}

pub(super) fn encode_footer(directory: &[u8]) -> [u8; FOOTER_LEN] {
    let mut out = Vec::with_capacity(FOOTER_LEN);
    out.extend_from_slice(&FOOTER_MAGIC);
    out.extend_from_slice(&u32::from(VERSION).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(directory).to_le_bytes());
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out.first_chunk().copied().unwrap_or([0; FOOTER_LEN])
}

/// Checks the footer; returns the checksum of the directory.
pub(super) fn decode_footer(bytes: &[u8]) -> Result<u32, DecodeError> {
    let mut cursor = Cursor::new(bytes, 0);
    if cursor.array::<4>()? != FOOTER_MAGIC {
        return Err(DecodeError::new(0, "the file does not end with a footer"));
    }
    let (version, directory_crc, crc) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
    cursor.end()?;
    if crc != crc32fast::hash(bytes.get(..FOOTER_CRC_AT).unwrap_or_default()) {
        return Err(DecodeError::new(FOOTER_CRC_AT, "checksum of the footer does not match"));
    }
    if version != u32::from(VERSION) {
        return Err(DecodeError::incompatible(
            4,
            format!("footer of version {version} in a file of version {VERSION}"),
        ));
    }
    Ok(directory_crc)
}

/// Where the directory lies, from the first 64 and the last 16 bytes of a file of `file_len` bytes.
pub fn decode_tail(header: &[u8], footer: &[u8], file_len: u64) -> Result<Tail, DecodeError> {
    let directory_at = Header::decode(header)?.directory_at;
    decode_footer(footer)?;
    let end = file_len.saturating_sub(FOOTER_LEN as u64);
    if directory_at < HEADER_LEN as u64 || directory_at > end {
        let reason = format!("directory at byte {directory_at} of a file of {file_len} bytes");
        return Err(DecodeError::new(40, reason));
    }
    Ok(Tail { version: VERSION, directory_at })
}
