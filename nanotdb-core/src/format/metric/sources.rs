//! What a metric file of version 1 or 2 was built from. Their layout, which the original reads, has no room for it, so
//! that it lies beside them, in `metric-<part>.sources`:
//!
//! ```text
//! header     64 bytes, those of the metric file that is meant
//! source     len u64 | crc u32                                  as in version 3
//! trailer    count u32 | crc32(all before) u32 | NTSR
//! ```
//!
//! It is a help, not a part: without it, or with one of another file, rows are compared.

use super::super::{DecodeError, get_u32, take};
use super::{HEADER_LEN, Source};

const MAGIC: [u8; 4] = *b"NTSR";
const SOURCE_LEN: usize = 12;
const TRAILER_LEN: usize = 12;
/// A partition has two raw files at most, and a few parts of each are named.
const MAX_SOURCES: usize = 64;

/// Most bytes of a record.
pub const MAX_SOURCES_LEN: u64 = (HEADER_LEN + MAX_SOURCES * SOURCE_LEN + TRAILER_LEN) as u64;

/// The record for the file with this header. Of many sources the last are kept.
pub fn encode_sources(header: &[u8; HEADER_LEN], sources: &[Source]) -> Vec<u8> {
    let sources = sources.get(sources.len().saturating_sub(MAX_SOURCES)..).unwrap_or_default();
    let mut bytes = header.to_vec();
    for source in sources {
        bytes.extend_from_slice(&source.len.to_le_bytes());
        bytes.extend_from_slice(&source.crc.to_le_bytes());
    }
    bytes.extend_from_slice(&(sources.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes.extend_from_slice(&MAGIC);
    bytes
}

/// Decodes a record; none when it is about a file with another header.
pub fn decode_sources(bytes: &[u8], header: &[u8]) -> Result<Vec<Source>, DecodeError> {
    let damaged = || DecodeError::new(0, "not a list of sources");
    let (body, trailer) =
        bytes.len().checked_sub(TRAILER_LEN).and_then(|at| bytes.split_at_checked(at)).ok_or_else(damaged)?;
    let covered = bytes.get(..body.len().saturating_add(4)).unwrap_or_default();
    let (meant, sources) = body.split_at_checked(HEADER_LEN).ok_or_else(damaged)?;
    let (sources, rest) = sources.as_chunks::<SOURCE_LEN>();
    let right = rest.is_empty()
        && sources.len() <= MAX_SOURCES
        && get_u32(trailer, 0) == u32::try_from(sources.len()).ok()
        && get_u32(trailer, 4) == Some(crc32fast::hash(covered))
        && trailer.ends_with(&MAGIC);
    if !right {
        return Err(damaged());
    }
    if meant != header {
        return Ok(Vec::new());
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
        let header = [7; HEADER_LEN];
        for count in 0..4u32 {
            let sources: Vec<_> = (0..count).map(|at| Source { len: u64::from(at) << 33, crc: at * 77 }).collect();
            let bytes = encode_sources(&header, &sources);
            assert_eq!(decode_sources(&bytes, &header).unwrap(), sources);
            assert_eq!(decode_sources(&bytes, &[8; HEADER_LEN]).unwrap(), []);
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(decode_sources(&damaged, &header).is_err(), "bit {bit} of {count} sources");
            }
            for len in 0..bytes.len() {
                assert!(decode_sources(&bytes[..len], &header).is_err(), "cut to {len}");
            }
        }
    }
}
