//! Files of version 1 and 2 remember what they were built from between the last frame and the directory, where a reader
//! that knows nothing of it looks for nothing: frames and directory are found by their offsets.
//!
//! ```text
//! source     len u64 | crc u32                                  as in version 3
//! trailer    count u32 | crc32(sources and count) u32 | NTSR    its end is where the directory starts
//! ```
//!
//! Files of the original have no such record, and nothing in its place.

use super::super::{DecodeError, get_u32, take};
use super::{Layout, Source};

const MAGIC: [u8; 4] = *b"NTSR";
const SOURCE_LEN: usize = 12;
const TRAILER_LEN: usize = 12;
/// A partition has two raw files at most, and a few parts of each are named.
const MAX_SOURCES: usize = 64;

/// Appends the record; nothing when there are no sources. Returns its length.
pub(super) fn encode(sources: &[Source], out: &mut Vec<u8>) -> u64 {
    if sources.is_empty() {
        return 0;
    }
    let mut bytes = Vec::with_capacity(sources.len().saturating_mul(SOURCE_LEN).saturating_add(TRAILER_LEN));
    for source in sources {
        bytes.extend_from_slice(&source.len.to_le_bytes());
        bytes.extend_from_slice(&source.crc.to_le_bytes());
    }
    bytes.extend_from_slice(&(sources.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes.extend_from_slice(&MAGIC);
    out.extend_from_slice(&bytes);
    bytes.len() as u64
}

/// Where the record of a file of version 1 or 2 starts: behind the last frame. At `directory_at` there is none.
pub fn sources_at(layout: &Layout) -> u64 {
    let blocks = layout.series.iter().flat_map(|s| &s.blocks).map(|b| b.extent);
    let extents = blocks.chain(layout.times.iter().map(|t| t.extent));
    extents.map(|e| e.offset.saturating_add(u64::from(e.len))).max().unwrap_or_default()
}

/// Most bytes of a record.
pub const MAX_SOURCES_LEN: u64 = (MAX_SOURCES * SOURCE_LEN + TRAILER_LEN) as u64;

/// Decodes everything between the last frame and the directory.
pub fn decode_sources(bytes: &[u8]) -> Result<Vec<Source>, DecodeError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let damaged = || DecodeError::new(0, "what lies between frames and directory is no list of sources");
    let (sources, trailer) =
        bytes.len().checked_sub(TRAILER_LEN).and_then(|at| bytes.split_at_checked(at)).ok_or_else(damaged)?;
    let covered = bytes.get(..sources.len().saturating_add(4)).unwrap_or_default();
    let (sources, rest) = sources.as_chunks::<SOURCE_LEN>();
    let right = rest.is_empty()
        && sources.len() <= MAX_SOURCES
        && get_u32(trailer, 0) == u32::try_from(sources.len()).ok()
        && get_u32(trailer, 4) == Some(crc32fast::hash(covered))
        && trailer.ends_with(&MAGIC);
    if !right {
        return Err(damaged());
    }
    let one = |source: &[u8; SOURCE_LEN]| {
        Some(Source { len: take(source, 0).map(u64::from_le_bytes)?, crc: get_u32(source, 8)? })
    };
    sources.iter().map(one).collect::<Option<Vec<_>>>().ok_or_else(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_back_and_every_damage_is_found() {
        for count in 0..4u32 {
            let sources: Vec<_> = (0..count).map(|at| Source { len: u64::from(at) << 33, crc: at * 77 }).collect();
            let mut bytes = Vec::new();
            assert_eq!(encode(&sources, &mut bytes), bytes.len() as u64);
            assert_eq!(decode_sources(&bytes).unwrap(), sources);
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(decode_sources(&damaged).is_err(), "bit {bit} of {count} sources");
            }
            for len in 1..bytes.len() {
                assert!(decode_sources(&bytes[..len]).is_err(), "cut to {len}");
            }
        }
    }
}
