//! Metric files, version 3: columns of one metric each over shared vectors of timestamps, made for reading.
//!
//! ```text
//! +-----------+----------------------------------------------+-----------+-----------+
//! | header 64 | blocks: time vectors, values, statistics ... | directory | footer 16 |
//! +-----------+----------------------------------------------+-----------+-----------+
//! ```
//!
//! A reader takes header and footer, the directory in one read, and from then on only the blocks that its range touches.
//! Every block names itself and carries its checksum, so that a file without a directory is not lost ([`walk`]).
//! `docs/FORMATS.md` is the specification.

mod block;
mod bytes;
mod cuts;
mod directory;
mod frame;
mod presence;
mod sharing;
mod statistics;
mod tail;
mod walk;
mod writer;

pub use block::{Head, decode_block, decode_rows, decode_ticks, decode_times};
pub use directory::decode_layout;
pub use statistics::Chunk;
pub use tail::decode_tail;
pub use walk::{Found, Kind, Walk, walk};
pub use writer::Writer;

/// The version in header and footer.
pub const VERSION: u16 = 3;
/// Most timestamps of a time block that are written: some 100 KiB of values decode at once, and stay in the second-level cache.
pub const SEGMENT_TICKS: usize = 16_384;
/// Most timestamps of a time block that are read: room for other choices than ours, without room for nonsense.
pub const MAX_TICKS: u32 = 65_536;
/// Timestamps in a cell of files whose header does not say that they are cut by time.
const CELL_TICKS: u32 = 1_024;
/// Parts at which a statistics chunk is full.
const CHUNK_PARTS: usize = 4_096;
/// Most parts of a chunk that are read.
const MAX_CHUNK_PARTS: u32 = 65_536;

/// Length as the format's 32 bits; what is longer does not exist here.
fn len_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
