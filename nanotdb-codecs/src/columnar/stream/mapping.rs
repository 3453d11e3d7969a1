//! Signed integers as unsigned ones with few bits: zigzag, or the distance from the least of them.
//!
//! ```text
//! +-----------------------------------+
//! | 0x00                              |  zigzag
//! | 0x01 | ivarint of the minimum     |  distance from it
//! +-----------------------------------+
//! ```

use crate::columnar::bytes::{Reader, corrupt, put_ivarint, unzigzag, zigzag};
use nanotdb_core::plugin::CodecError;

#[derive(Debug, Clone, Copy)]
pub(super) enum Mapping {
    Zigzag,
    Minimum(i64),
}

impl Mapping {
    /// The one that needs fewer bits for the largest. Where nothing is negative that is the minimum.
    pub(super) fn of(values: &[i64]) -> Self {
        let min = values.iter().copied().min().unwrap_or(0);
        let max = values.iter().copied().max().unwrap_or(0);
        let spread = max.wrapping_sub(min) as u64;
        if min >= 0 || spread.leading_zeros() > zigzag(min).max(zigzag(max)).leading_zeros() {
            Self::Minimum(min)
        } else {
            Self::Zigzag
        }
    }

    #[inline]
    pub(super) fn apply(self, v: i64) -> u64 {
        match self {
            Self::Zigzag => zigzag(v),
            Self::Minimum(min) => v.wrapping_sub(min) as u64,
        }
    }

    #[inline]
    pub(super) fn undo(self, v: u64) -> i64 {
        match self {
            Self::Zigzag => unzigzag(v),
            Self::Minimum(min) => min.wrapping_add(v as i64),
        }
    }

    pub(super) fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Zigzag => out.push(0),
            Self::Minimum(min) => {
                out.push(1);
                put_ivarint(out, min);
            }
        }
    }

    pub(super) fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match reader.byte()? {
            0 => Ok(Self::Zigzag),
            1 => Ok(Self::Minimum(reader.ivarint()?)),
            _ => Err(corrupt("a mapping is unknown")),
        }
    }
}
