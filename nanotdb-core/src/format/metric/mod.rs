//! Metric files (`metric-<part>.dat`): one sealed partition, rewritten metric by metric.
//!
//! Three versions share what is here. Whoever reads a file asks [`Tail`] where its directory is, decodes that into a
//! [`Layout`], and from then on does not care for the version: a block is read by its [`Extent`] and decoded with the
//! timestamps it refers to.

mod decode;
mod frame;
mod plan;
pub mod salvage;
mod sources;
pub mod v1;
pub mod v2;
pub mod v3;
mod values;
mod write;

pub use decode::{check_block_header, check_times_header, decode_block, decode_times};
pub use sources::{FileIdentity, MAX_SOURCES_LEN, check_records, decode_sources, encode_sources};
pub use write::original_reads;

use crate::model::{Column, MetricId, Timestamp, ValueType, Values};
use crate::plugin::{BlockStatistics, CodecError};

/// Bytes of the file header, in every version.
pub const HEADER_LEN: usize = 64;
/// Bytes of the file footer, in every version.
pub const FOOTER_LEN: usize = 16;
/// First bytes of the file.
pub const FILE_MAGIC: [u8; 4] = *b"NTMF";
/// First bytes of the footer.
pub const FOOTER_MAGIC: [u8; 4] = *b"NTFT";

/// A range of bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First byte.
    pub offset: u64,
    /// Number of bytes, with header and checksum.
    pub len: u32,
}

/// Where the directory of a metric file lies, from its header and footer. What v1 and v2 call index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// 1, 2 or 3.
    pub version: u16,
    /// First byte of the directory; it ends where the footer starts.
    pub directory_at: u64,
}

/// What a metric file holds and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// 1, 2 or 3.
    pub version: u16,
    /// Kind of the partition: 1 day, 2 month, 3 year, 4 forever, or a third party's.
    pub partition_kind: u8,
    /// Oldest timestamp.
    pub start: Timestamp,
    /// Newest timestamp.
    pub end: Timestamp,
    /// Raw files that it was built from, in the order in which they are read. In v1 and v2, whose directories do not say it,
    /// whoever opens the file puts them here: see [`decode_sources`].
    pub sources: Vec<Source>,
    /// Shared time vectors; none in v1.
    pub times: Vec<TimeBlock>,
    /// Series by metric id, each once.
    pub series: Vec<Series>,
}

impl Layout {
    /// About how much memory it takes.
    pub fn bytes_in_memory(&self) -> usize {
        let blocks: usize = self.series.iter().map(|s| s.blocks.capacity()).sum();
        let blocks = blocks.saturating_mul(size_of::<Block>());
        let cuts: usize = self.times.iter().map(|time| time.cuts.at.capacity()).sum();
        let cuts = cuts.saturating_mul(size_of::<(u32, Timestamp)>());
        let times = self.times.capacity().saturating_mul(size_of::<TimeBlock>()).saturating_add(cuts);
        let series = self.series.capacity().saturating_mul(size_of::<Series>());
        size_of::<Self>().saturating_add(blocks).saturating_add(times).saturating_add(series)
    }
}

/// How much of a raw file is in a metric file, told by how that part ends. Several of one raw file are parts of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Bytes from the start of the raw file.
    pub len: u64,
    /// CRC-32 of the last frame within them, from its header to its checksum.
    pub crc: u32,
}

/// A vector of timestamps that blocks refer to by its index in [`Layout::times`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeBlock {
    /// Where it is.
    pub extent: Extent,
    /// The number that its frame bears and blocks name it by (v2); 0 in versions that need none.
    pub id: u16,
    /// First timestamp.
    pub start: Timestamp,
    /// Last timestamp.
    pub end: Timestamp,
    /// Number of timestamps.
    pub count: u32,
    /// Where statistics cut it.
    pub cuts: Cuts,
}

/// Where statistics cut a vector of timestamps into cells (v3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cuts {
    /// Nanoseconds: each cell has the timestamps of one multiple of this up to the next. 0 when cells are of equal
    /// numbers of timestamps.
    pub width: i64,
    /// Position and timestamp of the first one in each cell but the first.
    pub at: Vec<(u32, Timestamp)>,
}

/// The blocks of one metric, in time order.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Metric id.
    pub id: MetricId,
    /// Type of the values as written; the catalog's may be wider.
    pub value_type: ValueType,
    /// Blocks.
    pub blocks: Vec<Block>,
}

/// Consecutive rows of one metric, decoded together.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Where it is.
    pub extent: Extent,
    /// First timestamp.
    pub start: Timestamp,
    /// Last timestamp.
    pub end: Timestamp,
    /// Number of rows.
    pub count: u32,
    /// Index of its time vector in [`Layout::times`]; `None` when the block carries its own timestamps (v1).
    pub time: Option<u32>,
    /// [`TimeBlock::id`] of that vector.
    pub time_id: u16,
    /// Where its timestamps start within that vector: they are `vector[time_offset..time_offset + count]`.
    pub time_offset: u32,
    /// Of its values; `None` in v1 and v2, and where a value is NaN, infinite or -0.0.
    pub statistics: Option<BlockStatistics>,
    /// Where statistics of its parts are: `None` in v1 and v2.
    pub parts: Option<PartsRef>,
    /// Sums in its statistics are of the shortest decimals of its float32 values; else of these themselves.
    pub decimal_sums: bool,
}

/// A run of rows in a statistics chunk (v3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartsRef {
    /// The chunk.
    pub chunk: Extent,
    /// Index of the block's first part within the chunk.
    pub first: u32,
    /// Number of parts.
    pub count: u32,
    /// A part has the rows of 2^shift cells of the time vector.
    pub shift: u8,
    /// How many times 2^shift cells come before the block's first part.
    pub skip: u32,
}

/// Rows of one metric, as columns of equal length.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Timestamps, non-decreasing.
    pub timestamps: Vec<Timestamp>,
    /// Values.
    pub values: Column,
}

impl Rows {
    /// None, of this type.
    pub fn new(value_type: ValueType) -> Self {
        Self { timestamps: Vec::new(), values: Column::new(value_type) }
    }

    /// Appends rows, of the same type or of the narrow type that widens to it.
    pub fn extend(&mut self, timestamps: &[Timestamp], values: Values<'_>) {
        if timestamps.len() == values.len() && self.values.extend(values) {
            self.timestamps.extend_from_slice(timestamps);
        }
    }

    /// Sorts by time, keeping the order of equal times.
    pub fn sort(&mut self) {
        if self.timestamps.is_sorted() {
            return;
        }
        let mut order: Vec<u32> = (0..self.timestamps.len() as u32).collect();
        order.sort_by_key(|at| self.timestamps.get(*at as usize).copied());
        self.timestamps.sort();
        self.values = self.values.values().select(&order);
    }

    /// Removes all rows, keeping memory.
    pub fn clear(&mut self) {
        self.timestamps.clear();
        self.values.truncate(0);
    }
}

/// One metric to be written: rows in time order.
#[derive(Debug, Clone, Copy)]
pub struct SeriesRows<'a> {
    /// Metric id.
    pub id: MetricId,
    /// Timestamps, non-decreasing.
    pub timestamps: &'a [Timestamp],
    /// As many values.
    pub values: Values<'a>,
    /// Values of float32 came as text, and mean their shortest decimals: sums are of those.
    pub decimals: bool,
}

/// Statistics of about a thousand rows of a block (v3).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// No row of the part is older.
    pub start: Timestamp,
    /// No row of the part is younger.
    pub end: Timestamp,
    /// Number of rows, possibly none.
    pub count: u32,
    /// Of the values; `None` where there are none, or one is NaN, infinite or -0.0.
    pub statistics: Option<BlockStatistics>,
}

/// Writes a metric file in two passes over its rows, holding neither the rows nor the file in memory.
///
/// The caller calls [`Encoder::plan`] for every series, those with most rows first, then [`Encoder::begin`], then
/// [`Encoder::series`] for every series by ascending id, then [`Encoder::finish`]. Each appends to `out` the bytes that
/// come next in the file, behind the [`HEADER_LEN`] zeros that the caller starts it with; the caller takes them away whenever
/// it likes. The same rows give the same bytes.
pub trait Encoder {
    /// Looks at the timestamps of one series, so that series can share them.
    fn plan(&mut self, id: MetricId, timestamps: &[Timestamp], out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Ends the first pass.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Encodes one series. Its timestamps are those that were planned.
    fn series(&mut self, series: SeriesRows<'_>, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Appends directory and footer, and returns the header, which belongs at byte 0 (where zeros were put).
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<[u8; HEADER_LEN], CodecError>;
}
