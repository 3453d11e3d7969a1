//! What a metric file of version 1 or 2 was built from. Their layout, which the original reads, has no room for it, so
//! that it lies beside them, in `built-<part>.sources`:
//!
//! ```text
//! file       header 64 bytes | length u64 | crc32 u32 of directory and footer: of the metric file that is meant
//! source     len u64 | crc u32                                  as in version 3
//! trailer    count u32 | crc32(all before) u32 | NTSR
//! ```
//!
//! While one metric file takes the place of another there are two records, one behind the other, each behind its length u32.
//!
//! It is a help, not a part: without it, or with one of another file, rows are compared.

use super::super::{DecodeError, get_u32, take};
use super::{HEADER_LEN, Source};

/// What tells a metric file from another: header, length, and checksum of directory and footer. (Headers of version 1 say
/// next to nothing.)
pub type FileIdentity = ([u8; HEADER_LEN], u64, u32);

const IDENTITY_LEN: usize = HEADER_LEN + 12;

const MAGIC: [u8; 4] = *b"NTSR";
const SOURCE_LEN: usize = 12;
const TRAILER_LEN: usize = 12;
/// A partition has two raw files at most, and a few parts of each are named.
const MAX_SOURCES: usize = 64;

/// Most bytes of two records.
pub const MAX_SOURCES_LEN: u64 = 2 * (4 + IDENTITY_LEN + MAX_SOURCES * SOURCE_LEN + TRAILER_LEN) as u64;

fn identity_bytes((header, len, crc): &FileIdentity) -> Vec<u8> {
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// Appends the record of this file. Of many sources the last are kept.
pub fn encode_sources(file: &FileIdentity, sources: &[Source], out: &mut Vec<u8>) {
    let record = record(file, sources);
    out.extend_from_slice(&(record.len() as u32).to_le_bytes());
    out.extend_from_slice(&record);
}

fn record(file: &FileIdentity, sources: &[Source]) -> Vec<u8> {
    let sources = sources.get(sources.len().saturating_sub(MAX_SOURCES)..).unwrap_or_default();
    let mut bytes = identity_bytes(file);
    for source in sources {
        bytes.extend_from_slice(&source.len.to_le_bytes());
        bytes.extend_from_slice(&source.crc.to_le_bytes());
    }
    bytes.extend_from_slice(&(sources.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes.extend_from_slice(&MAGIC);
    bytes
}

/// What the record of this file says; none when there is no such record.
pub fn decode_sources(mut bytes: &[u8], file: &FileIdentity) -> Result<Vec<Source>, DecodeError> {
    let damaged = || DecodeError::new(0, "not a list of sources");
    while !bytes.is_empty() {
        let (len, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or_else(damaged)?;
        let found = decode_record(record, file)?;
        if !found.is_empty() {
            return Ok(found);
        }
        bytes = rest;
    }
    Ok(Vec::new())
}

/// Whether all records are whole, whichever files they are about.
pub fn check_records(bytes: &[u8]) -> Result<(), DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::new(0, "not a list of sources"));
    }
    // No file has this identity: its header begins with a magic number.
    decode_sources(bytes, &([0; HEADER_LEN], 0, 0)).map(|_| ())
}

fn decode_record(bytes: &[u8], file: &FileIdentity) -> Result<Vec<Source>, DecodeError> {
    let damaged = || DecodeError::new(0, "not a list of sources");
    let (body, trailer) =
        bytes.len().checked_sub(TRAILER_LEN).and_then(|at| bytes.split_at_checked(at)).ok_or_else(damaged)?;
    let covered = bytes.get(..body.len().saturating_add(4)).unwrap_or_default();
    let (meant, sources) = body.split_at_checked(IDENTITY_LEN).ok_or_else(damaged)?;
    let (sources, rest) = sources.as_chunks::<SOURCE_LEN>();
    let right = rest.is_empty()
        && sources.len() <= MAX_SOURCES
        && get_u32(trailer, 0) == u32::try_from(sources.len()).ok()
        && get_u32(trailer, 4) == Some(crc32fast::hash(covered))
        && trailer.ends_with(&MAGIC);
    if !right {
        return Err(damaged());
    }
    if meant != identity_bytes(file) {
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
        let header = ([7; HEADER_LEN], 5, 9);
        for count in 0..4u32 {
            let sources: Vec<_> = (0..count).map(|at| Source { len: u64::from(at) << 33, crc: at * 77 }).collect();
            let other = [Source { len: 1, crc: 2 }];
            let mut bytes = Vec::new();
            encode_sources(&([7; HEADER_LEN], 6, 9), &other, &mut bytes);
            encode_sources(&header, &sources, &mut bytes);
            assert!(bytes.len() as u64 <= MAX_SOURCES_LEN);
            check_records(&bytes).unwrap();
            assert_eq!(decode_sources(&bytes, &header).unwrap(), sources);
            assert_eq!(decode_sources(&bytes, &([7; HEADER_LEN], 6, 9)).unwrap(), other);
            assert_eq!(decode_sources(&bytes, &([7; HEADER_LEN], 6, 8)).unwrap(), []);
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(decode_sources(&damaged, &header).is_err(), "bit {bit} of {count} sources");
                assert!(check_records(&damaged).is_err(), "bit {bit} of {count} sources");
            }
            // All but an end between the two records.
            let first = 4 + IDENTITY_LEN + SOURCE_LEN + TRAILER_LEN;
            for len in (1..bytes.len()).filter(|len| *len != first) {
                assert!(decode_sources(&bytes[..len], &header).is_err(), "cut to {len}");
            }
        }
    }
}
