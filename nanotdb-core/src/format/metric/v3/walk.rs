//! Walking the blocks of a file whose directory is lost.

use super::block::{Head, times_head, values_head};
use super::frame;
use crate::format::metric::HEADER_LEN;

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A time vector: decode it with [`super::decode_ticks`].
    Times {
        /// What value blocks refer to it by.
        index: u32,
        /// Number of timestamps.
        count: u32,
    },
    /// Values of one metric: decode them with [`super::decode_rows`] and the timestamps of their time block.
    Values(Head),
    /// Statistics, which can be computed from the values.
    Statistics,
}

/// A whole block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// Where in the file.
    pub offset: u64,
    /// All its bytes; the checksum is right.
    pub bytes: &'a [u8],
    /// What it is.
    pub kind: Kind,
}

/// See [`walk`].
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    file: &'a [u8],
    at: usize,
}

/// All whole blocks of a file, in the order in which they are there; needs neither header nor directory. What lies between two of
/// them, and is not the directory behind the last, is damaged.
pub fn walk(file: &[u8]) -> Walk<'_> {
    Walk { file, at: HEADER_LEN }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        loop {
            let rest = self.file.get(self.at..)?;
            self.at = self.at.saturating_add(memchr::memchr(frame::MARK, rest)?);
            let rest = self.file.get(self.at..)?;
            let whole = frame::peek(rest).and_then(|(kind, len)| Some((kind, rest.get(..len)?)));
            let found = whole.and_then(|(kind, bytes)| Some((bytes, look(kind, bytes)?)));
            let Some((bytes, kind)) = found else {
                self.at = self.at.saturating_add(1);
                continue;
            };
            let offset = self.at as u64;
            self.at = self.at.saturating_add(bytes.len());
            return Some(Found { offset, bytes, kind });
        }
    }
}

fn look(kind: u8, bytes: &[u8]) -> Option<Kind> {
    let mut cursor = frame::open(bytes, kind).ok()?;
    cursor.u16().ok()?;
    match kind {
        frame::TIMES => {
            let (index, count) = times_head(&mut cursor).ok()?;
            Some(Kind::Times { index, count })
        }
        frame::VALUES => Some(Kind::Values(values_head(&mut cursor).ok()?.0)),
        _ => Some(Kind::Statistics),
    }
}
