//! The write-ahead log: `uvarint payload_len`, payload, repeated.
//!
//! ```text
//! payload: | id u16 | delta u24 | flags u8 | [baseline i64] | [len u8, name, type u8] | value 4|8 | [crc32 u32] |
//! ```
//!
//! Flag bit 7: a new baseline follows, and is the record's own timestamp. Bit 6: name and type follow.
//! The timestamp is baseline + delta. A reader of the original ignores bytes behind the value; ours puts a checksum
//! there, on the last record of each batch: the CRC-32 of every byte of the batch before it.
//!
//! Two rules of ours make damage containable: every batch starts with a baseline, so that it can be read
//! without its predecessors; and the first record of a file is a batch of its own, so that a file which starts with a
//! record without a checksum is known to be the original's.

mod decode;
mod encode;

pub use decode::{DamagedRange, Tail, WalRecord, WalSummary, decode};
pub use encode::BatchEncoder;

const FLAG_BASELINE: u8 = 0x80;
const FLAG_NAME: u8 = 0x40;
/// Type of a metric that is announced: a float32 of a program's, which means itself and no decimal.
const TYPED_FLOAT32: u8 = 0x82;
const MAX_DELTA: i64 = 0xff_ffff;
const FIXED_LEN: usize = 6;
/// Shortest payload: fixed part and a 4-byte value.
const MIN_PAYLOAD: usize = 10;
/// Longest payload: all optional parts, a name of 255 bytes, an 8-byte value, a checksum.
const MAX_PAYLOAD: usize = 6 + 8 + 1 + 255 + 1 + 8 + 4;
const CRC_LEN: usize = 4;
