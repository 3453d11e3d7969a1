//! The directory: where the blocks are, and what is known of them without reading them.
//!
//! ```text
//! sources       number, then per raw file: length of the part that is in here | crc u32 of the last frame of that part
//! time blocks   per block: gap | len | count | start: since the last end, zigzag | end - start | cuts
//! chunks        number, then per chunk: gap | len | type u8 | parts
//! series        per series: id - last id | type u8 | number of blocks, then per block:
//!               gap | len | time: since that of the last block + 1, zigzag | timestamps without a row |
//!               start - start of the time block | end of the time block - end | flags u8 | [statistics] | [parts]
//! ```
//!
//! Numbers are LEB128. A gap is the number of bytes since the end of the last block of the same list.

use super::block::count;
use super::bytes::{Cursor, put_varint};
use super::statistics::Summary;
use super::tail::{Header, decode_footer};
use super::{MAX_CHUNK_PARTS, VERSION, cuts};
use crate::format::metric::{Block, Cuts, Extent, FOOTER_LEN, HEADER_LEN, Layout, PartsRef, Series, Source, TimeBlock};
use crate::format::{DecodeError, put_uvarint};
use crate::model::{MetricId, Timestamp, Value, ValueType};

const HAS_STATISTICS: u8 = 1;
const HAS_PARTS: u8 = 2;
/// Sums are of the shortest decimals of float32 values.
const DECIMAL_SUMS: u8 = 4;
/// The upper half of the flags: a part has 2^n cells.
const SHIFT_AT: u32 = 4;
pub(super) const MAX_SHIFT: u8 = 6;

/// A statistics chunk that was written.
pub(super) struct ChunkEntry {
    pub(super) extent: Extent,
    pub(super) value_type: ValueType,
    pub(super) parts: u32,
}

/// A value block that was written.
pub(super) struct BlockEntry {
    pub(super) extent: Extent,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) count: u32,
    pub(super) time: u32,
    pub(super) summary: Option<Summary>,
    pub(super) parts: Option<PartsEntry>,
    pub(super) decimal_sums: bool,
}

/// Where the parts of a block will be.
pub(super) struct PartsEntry {
    /// Number of the chunk in the order in which chunks were begun, which is not that in which they are written.
    pub(super) ticket: usize,
    pub(super) first: u32,
    pub(super) count: u32,
    pub(super) skip: u32,
    pub(super) shift: u8,
}

/// A series that was written.
pub(super) struct SeriesEntry {
    pub(super) id: MetricId,
    pub(super) value_type: ValueType,
    pub(super) blocks: Vec<BlockEntry>,
}

/// Everything that was written.
#[derive(Default)]
pub(super) struct Directory {
    pub(super) sources: Vec<Source>,
    pub(super) times: Vec<TimeBlock>,
    pub(super) chunks: Vec<ChunkEntry>,
    pub(super) series: Vec<SeriesEntry>,
    /// Index in `chunks` by ticket.
    pub(super) tickets: Vec<u32>,
}

/// Offsets as gaps.
struct Gaps(u64);

impl Gaps {
    fn new() -> Self {
        Self(HEADER_LEN as u64)
    }

    fn put(&mut self, extent: Extent, out: &mut Vec<u8>) {
        put_uvarint(out, extent.offset.saturating_sub(self.0));
        put_uvarint(out, u64::from(extent.len));
        self.0 = extent.offset.saturating_add(u64::from(extent.len));
    }

    fn get(&mut self, cursor: &mut Cursor<'_>, limit: u64) -> Result<Extent, DecodeError> {
        let (gap, len) = (cursor.uvarint()?, cursor.uvarint32()?);
        let offset = self.0.checked_add(gap);
        let end = offset.and_then(|at| at.checked_add(u64::from(len))).filter(|end| *end <= limit && len > 0);
        let (Some(offset), Some(end)) = (offset, end) else {
            return Err(cursor.bad(format!("a block of {len} bytes beyond the directory's start")));
        };
        self.0 = end;
        Ok(Extent { offset, len })
    }
}

impl Directory {
    /// Appends the directory; `first` is the oldest timestamp of the file.
    pub(super) fn encode(&self, first: Timestamp, out: &mut Vec<u8>) {
        put_uvarint(out, self.sources.len() as u64);
        for source in &self.sources {
            put_uvarint(out, source.len);
            out.extend_from_slice(&source.crc.to_le_bytes());
        }
        let (mut gaps, mut end) = (Gaps::new(), first);
        for time in &self.times {
            gaps.put(time.extent, out);
            put_uvarint(out, u64::from(time.count));
            put_varint(out, time.start.wrapping_sub(end));
            put_uvarint(out, time.end.wrapping_sub(time.start) as u64);
            end = time.end;
            time.cuts.encode(time.start, out);
        }
        put_uvarint(out, self.chunks.len() as u64);
        let mut gaps = Gaps::new();
        for chunk in &self.chunks {
            gaps.put(chunk.extent, out);
            out.push(chunk.value_type.code());
            put_uvarint(out, u64::from(chunk.parts));
        }
        let (mut gaps, mut id) = (Gaps::new(), 0u16);
        for series in &self.series {
            put_uvarint(out, u64::from(series.id.saturating_sub(id)));
            id = series.id;
            out.push(series.value_type.code());
            put_uvarint(out, series.blocks.len() as u64);
            let mut time = 0i64;
            for block in &series.blocks {
                gaps.put(block.extent, out);
                put_varint(out, i64::from(block.time).wrapping_sub(time));
                time = i64::from(block.time).wrapping_add(1);
                self.encode_block(block, out);
            }
        }
    }

    fn encode_block(&self, block: &BlockEntry, out: &mut Vec<u8>) {
        let Some(time) = self.times.get(block.time as usize) else { return };
        put_uvarint(out, u64::from(time.count.saturating_sub(block.count)));
        put_uvarint(out, block.start.wrapping_sub(time.start) as u64);
        put_uvarint(out, time.end.wrapping_sub(block.end) as u64);
        let shift = block.parts.as_ref().map_or(0, |p| p.shift);
        let statistics = if block.summary.is_some() { HAS_STATISTICS } else { 0 };
        let parts = if block.parts.is_some() { HAS_PARTS } else { 0 };
        let decimals = if block.decimal_sums && statistics | parts != 0 { DECIMAL_SUMS } else { 0 };
        out.push(statistics | parts | decimals | shift.wrapping_shl(SHIFT_AT));
        if let Some(summary) = &block.summary {
            put_summary(summary, out);
        }
        if let Some(parts) = &block.parts {
            let chunk = self.tickets.get(parts.ticket).copied().unwrap_or(u32::MAX);
            for field in [chunk, parts.first, parts.skip, parts.count] {
                put_uvarint(out, u64::from(field));
            }
        }
    }
}

/// Integers as their distance from the minimum, floats as they are, then the sum.
fn put_summary(summary: &Summary, out: &mut Vec<u8>) {
    let Summary { min, max, sum, first, last } = summary;
    match min.value_type() {
        ValueType::Int32 | ValueType::Int64 => {
            // Row bits of integers are sign-extended to 64 bits in both types.
            let low = min.to_bits() as i64;
            put_varint(out, low);
            for value in [max, first, last] {
                put_uvarint(out, (value.to_bits() as i64).wrapping_sub(low) as u64);
            }
        }
        ValueType::Float32 => {
            for value in [min, max, first, last] {
                out.extend_from_slice(&(value.to_bits() as u32).to_le_bytes());
            }
        }
        ValueType::Float64 => {
            for value in [min, max, first, last] {
                out.extend_from_slice(&value.to_bits().to_le_bytes());
            }
        }
    }
    out.extend_from_slice(&sum.to_le_bytes());
}

fn get_summary(cursor: &mut Cursor<'_>, value_type: ValueType) -> Result<Summary, DecodeError> {
    let [min, max, first, last] = match value_type {
        ValueType::Int32 | ValueType::Int64 => {
            let low = cursor.varint()?;
            let mut values = [low; 4];
            for value in values.iter_mut().skip(1) {
                *value = low.wrapping_add(cursor.uvarint()? as i64);
            }
            if value_type == ValueType::Int32 && values.iter().any(|v| i32::try_from(*v).is_err()) {
                return Err(cursor.bad("statistics of an int32 block are beyond 32 bits"));
            }
            values.map(|v| Value::from_bits(value_type, v as u64))
        }
        ValueType::Float32 => {
            let mut values = [Value::Float32(0.0); 4];
            for value in &mut values {
                *value = Value::Float32(f32::from_bits(cursor.u32()?));
            }
            values
        }
        ValueType::Float64 => {
            let mut values = [Value::Float64(0.0); 4];
            for value in &mut values {
                *value = Value::Float64(f64::from_bits(cursor.u64()?));
            }
            values
        }
    };
    let sum = f64::from_bits(cursor.u64()?);
    // Compared as float64, which a NaN fails.
    let within = |v: Value| min.as_f64() <= v.as_f64() && v.as_f64() <= max.as_f64() && v.as_f64().is_finite();
    if !within(min) || !within(max) || !within(first) || !within(last) || !sum.is_finite() {
        return Err(cursor.bad("statistics that no values have"));
    }
    Ok(Summary { min, max, sum, first, last })
}

/// Decodes the directory. `header` are the first 64 bytes of the file, `tail` those from [`crate::format::metric::Tail::directory_at`]
/// to its end, footer included.
pub fn decode_layout(header: &[u8], tail: &[u8]) -> Result<Layout, DecodeError> {
    let header = Header::decode(header)?;
    let directory_len = tail.len().checked_sub(FOOTER_LEN).ok_or_else(|| DecodeError::new(0, "no footer"))?;
    let (directory, footer) = tail.split_at_checked(directory_len).ok_or_else(|| DecodeError::new(0, "no footer"))?;
    if decode_footer(footer)? != crc32fast::hash(directory) {
        return Err(DecodeError::new(0, "checksum of the directory does not match"));
    }
    let mut cursor = Cursor::new(directory, 0);
    let sources = decode_sources(&mut cursor)?;
    let times = decode_time_blocks(&mut cursor, &header)?;
    let chunks = decode_chunks(&mut cursor, &header)?;
    let decoder = SeriesDecoder { header: &header, times: &times, chunks: &chunks };
    let series = decoder.decode(&mut cursor)?;
    cursor.end()?;
    Ok(Layout {
        version: VERSION,
        partition_kind: header.partition_kind,
        start: header.start,
        end: header.end,
        sources,
        times,
        series,
    })
}

fn decode_sources(cursor: &mut Cursor<'_>) -> Result<Vec<Source>, DecodeError> {
    let number = cursor.count(5, "sources")?;
    (0..number).map(|_| Ok(Source { len: cursor.uvarint()?, crc: cursor.u32()? })).collect()
}

fn decode_time_blocks(cursor: &mut Cursor<'_>, header: &Header) -> Result<Vec<TimeBlock>, DecodeError> {
    /// Bytes of the shortest entry.
    const MIN_LEN: usize = 5;
    let number = header.times as usize;
    if number.saturating_mul(MIN_LEN) > cursor.rest().len() {
        return Err(cursor.bad(format!("{number} time blocks do not fit")));
    }
    let mut times = Vec::with_capacity(number);
    let (mut gaps, mut last_end) = (Gaps::new(), header.start);
    for _ in 0..number {
        let extent = gaps.get(cursor, header.directory_at)?;
        let count = count(cursor)?;
        let start = last_end.wrapping_add(cursor.varint()?);
        let end = start.wrapping_add(cursor.uvarint()? as i64);
        let cuts = Cuts::decode(cursor, header.cut_by_time, (count, start, end))?;
        if start < header.start || end > header.end || start > end {
            return Err(cursor.bad("a time block outside the times of the file"));
        }
        last_end = end;
        times.push(TimeBlock { extent, id: 0, start, end, count, cuts });
    }
    Ok(times)
}

fn decode_chunks(cursor: &mut Cursor<'_>, header: &Header) -> Result<Vec<ChunkEntry>, DecodeError> {
    let number = cursor.count(4, "statistics chunks")?;
    let mut chunks = Vec::with_capacity(number);
    let mut gaps = Gaps::new();
    for _ in 0..number {
        let extent = gaps.get(cursor, header.directory_at)?;
        let value_type = value_type(cursor)?;
        let parts = cursor.uvarint32()?;
        if parts > MAX_CHUNK_PARTS {
            return Err(cursor.bad(format!("{parts} parts in one chunk")));
        }
        chunks.push(ChunkEntry { extent, value_type, parts });
    }
    Ok(chunks)
}

fn value_type(cursor: &mut Cursor<'_>) -> Result<ValueType, DecodeError> {
    let code = cursor.u8()?;
    ValueType::from_code(code)
        .ok_or_else(|| DecodeError::incompatible(cursor.at(), format!("value type {code} is not known")))
}

struct SeriesDecoder<'a> {
    header: &'a Header,
    times: &'a [TimeBlock],
    chunks: &'a [ChunkEntry],
}

impl SeriesDecoder<'_> {
    fn decode(&self, cursor: &mut Cursor<'_>) -> Result<Vec<Series>, DecodeError> {
        let number = self.header.series as usize;
        if number.saturating_mul(3) > cursor.rest().len() {
            return Err(cursor.bad(format!("{number} series do not fit")));
        }
        let mut all = Vec::with_capacity(number);
        let (mut gaps, mut last_id, mut rows) = (Gaps::new(), 0u16, 0u64);
        for _ in 0..number {
            let step = u16::try_from(cursor.uvarint()?).ok().filter(|step| *step > 0);
            let id = step.and_then(|step| last_id.checked_add(step)).ok_or_else(|| cursor.bad("ids out of order"))?;
            last_id = id;
            let value_type = value_type(cursor)?;
            let number = cursor.count(7, "blocks")?;
            if number == 0 {
                return Err(cursor.bad("a series without blocks"));
            }
            let mut blocks: Vec<Block> = Vec::with_capacity(number);
            let mut time = 0i64;
            for _ in 0..number {
                let extent = gaps.get(cursor, self.header.directory_at)?;
                time = time.wrapping_add(cursor.varint()?);
                let block = self.block(cursor, extent, time, value_type)?;
                time = time.wrapping_add(1);
                if blocks.last().is_some_and(|last| last.end > block.start) {
                    return Err(cursor.bad("blocks of a series are not in order"));
                }
                rows = rows.saturating_add(u64::from(block.count));
                blocks.push(block);
            }
            all.push(Series { id, value_type, blocks });
        }
        if rows != self.header.rows {
            return Err(cursor.bad(format!("{rows} rows where the header says {}", self.header.rows)));
        }
        Ok(all)
    }

    fn block(
        &self,
        cursor: &mut Cursor<'_>,
        extent: Extent,
        time_index: i64,
        value_type: ValueType,
    ) -> Result<Block, DecodeError> {
        let time = usize::try_from(time_index).ok().and_then(|at| self.times.get(at));
        let time = time.ok_or_else(|| cursor.bad(format!("time block {time_index} does not exist")))?;
        let missing = cursor.uvarint()?;
        let count = u32::try_from(missing).ok().and_then(|m| time.count.checked_sub(m)).filter(|n| *n > 0);
        let count = count.ok_or_else(|| cursor.bad("no rows, or fewer"))?;
        let start = time.start.checked_add_unsigned(cursor.uvarint()?);
        let end = time.end.checked_sub_unsigned(cursor.uvarint()?);
        let (Some(start), Some(end)) = (start, end) else { return Err(cursor.bad("times beyond the time block")) };
        if start > end || start > time.end || end < time.start {
            return Err(cursor.bad("a block ends before it starts"));
        }
        let flags = cursor.u8()?;
        let shift = flags.wrapping_shr(SHIFT_AT);
        let parted = flags & HAS_PARTS != 0;
        let decimal_sums = flags & DECIMAL_SUMS != 0;
        let misplaced = decimal_sums && (value_type != ValueType::Float32 || flags & (HAS_STATISTICS | HAS_PARTS) == 0);
        if misplaced
            || flags & 0x0f & !(HAS_STATISTICS | HAS_PARTS | DECIMAL_SUMS) != 0
            || shift > MAX_SHIFT
            || (shift > 0 && !parted)
        {
            return Err(DecodeError::incompatible(cursor.at(), format!("block with flags {flags:#x}")));
        }
        let statistics = match flags & HAS_STATISTICS {
            0 => None,
            _ => Some(get_summary(cursor, value_type)?.statistics(count)),
        };
        let parts = if parted { Some(self.parts(cursor, shift, time, value_type)?) } else { None };
        let time = u32::try_from(time_index).ok();
        Ok(Block { extent, start, end, count, time, time_id: 0, time_offset: 0, statistics, parts, decimal_sums })
    }

    fn parts(
        &self,
        cursor: &mut Cursor<'_>,
        shift: u8,
        time: &TimeBlock,
        value_type: ValueType,
    ) -> Result<PartsRef, DecodeError> {
        let chunk = self.chunks.get(cursor.uvarint32()? as usize);
        let (first, skip, count) = (cursor.uvarint32()?, cursor.uvarint32()?, cursor.uvarint32()?);
        let spans = cuts::parts(time, shift);
        let chunk = chunk.filter(|c| {
            let parts_end = first.checked_add(count);
            let spans_end = skip.checked_add(count);
            c.value_type == value_type
                && count > 0
                && parts_end.is_some_and(|end| end <= c.parts)
                && spans_end.is_some_and(|end| end <= spans)
        });
        let chunk = chunk.ok_or_else(|| cursor.bad("parts that do not exist"))?;
        Ok(PartsRef { chunk: chunk.extent, first, count, shift, skip })
    }
}
