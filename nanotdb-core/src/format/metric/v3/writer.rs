//! Writing a file in two passes: see [`Encoder`].

use super::directory::{BlockEntry, ChunkEntry, Directory, MAX_SHIFT, PartsEntry, SeriesEntry};
use super::sharing::{Planner, seek};
use super::statistics::{ChunkBuilder, summary};
use super::tail::{Header, encode_footer};
use super::{CHUNK_PARTS, SEGMENT_TICKS, block, cuts, len_u32};
use crate::format::metric::{Cuts, Encoder, Extent, HEADER_LEN, SeriesRows, Source, TimeBlock};
use crate::model::{MetricId, Timestamp, ValueType, Values};
use crate::plugin::{Codec, CodecError};
use std::collections::HashMap;
use std::ops::Range;

/// Rows that a part should have on average, at least: below that its span is doubled.
const PART_ROWS: usize = 128;
/// Blocks of fewer parts have none: the statistics of the block in the directory do.
const FEWEST_PARTS: u32 = 3;
const TYPES: [ValueType; 4] = [ValueType::Int32, ValueType::Float32, ValueType::Int64, ValueType::Float64];

/// Writes version 3.
///
/// After an error the file cannot be finished.
pub struct Writer {
    codec: &'static dyn Codec,
    partition_kind: u8,
    /// First pass.
    planner: Option<Planner>,
    /// Second pass: shared vectors, and who has which.
    shared: Vec<Shared>,
    assigned: HashMap<MetricId, Option<usize>>,
    directory: Directory,
    chunks: [Option<OpenChunk>; 4],
    /// Bytes so far.
    at: u64,
    rows: u64,
    range: Option<(Timestamp, Timestamp)>,
    positions: Vec<u32>,
}

struct Shared {
    ticks: Vec<Timestamp>,
    /// Index of its first time block.
    first: u32,
    /// Series that did not come yet.
    waiting: u32,
}

struct OpenChunk {
    ticket: usize,
    builder: ChunkBuilder,
}

/// Rows of one metric within one time block.
#[derive(Clone, Copy)]
struct Cut<'a> {
    id: MetricId,
    time: u32,
    /// Timestamps of the time block.
    ticks: usize,
    positions: &'a [u32],
    timestamps: &'a [Timestamp],
    values: Values<'a>,
    /// See [`SeriesRows::decimals`].
    decimals: bool,
}

/// Ranges of about equal length, none longer than a segment.
fn segments(len: usize) -> impl Iterator<Item = Range<usize>> {
    let number = len.div_ceil(SEGMENT_TICKS);
    let cut = move |i: usize| len.saturating_mul(i).checked_div(number).unwrap_or_default();
    (0..number).map(move |i| cut(i)..cut(i.saturating_add(1)))
}

impl Writer {
    /// A writer of columns encoded by `codec`, for a partition of this kind ([`crate::format::metric::Layout::partition_kind`]).
    /// It was built from `sources`.
    pub fn new(partition_kind: u8, codec: &'static dyn Codec, sources: Vec<Source>) -> Self {
        Self {
            codec,
            partition_kind,
            planner: Some(Planner::new()),
            shared: Vec::new(),
            assigned: HashMap::new(),
            directory: Directory { sources, ..Directory::default() },
            chunks: [const { None }; 4],
            at: HEADER_LEN as u64,
            rows: 0,
            range: None,
            positions: Vec::new(),
        }
    }

    fn extent(&mut self, len: u32) -> Extent {
        let extent = Extent { offset: self.at, len };
        self.at = self.at.saturating_add(u64::from(len));
        extent
    }

    /// Writes one time block and returns its index.
    fn put_times(&mut self, ticks: &[Timestamp], out: &mut Vec<u8>) -> Result<u32, CodecError> {
        let (Some(&start), Some(&end)) = (ticks.first(), ticks.last()) else {
            return Err(CodecError::new("a time block without timestamps"));
        };
        let index = len_u32(self.directory.times.len());
        let len = block::put_times(self.codec, index, ticks, out)?;
        let extent = self.extent(len);
        let (count, cuts) = (len_u32(ticks.len()), Cuts::of(ticks));
        self.directory.times.push(TimeBlock { extent, id: 0, start, end, count, cuts });
        Ok(index)
    }

    fn put_values(&mut self, cut: Cut<'_>, out: &mut Vec<u8>) -> Result<BlockEntry, CodecError> {
        let (Some(&start), Some(&end)) = (cut.timestamps.first(), cut.timestamps.last()) else {
            return Err(CodecError::new("a block without rows"));
        };
        let presence = (cut.positions, cut.ticks);
        let len = block::put_values(self.codec, cut.id, cut.time, presence, cut.values, out)?;
        let extent = self.extent(len);
        let count = len_u32(cut.positions.len());
        self.rows = self.rows.saturating_add(u64::from(count));
        self.range = Some(self.range.map_or((start, end), |(oldest, newest)| (oldest.min(start), newest.max(end))));
        let parts = self.put_parts(cut, out)?;
        let decimal_sums = cut.decimals && cut.values.value_type() == ValueType::Float32;
        let summary = summary(cut.values, cut.decimals);
        Ok(BlockEntry { extent, start, end, count, time: cut.time, summary, parts, decimal_sums })
    }

    /// Adds the statistics of a block's parts to the open chunk of its type.
    fn put_parts(&mut self, cut: Cut<'_>, out: &mut Vec<u8>) -> Result<Option<PartsEntry>, CodecError> {
        let (Some(&first), Some(&last)) = (cut.positions.first(), cut.positions.last()) else { return Ok(None) };
        let Some(time) = self.directory.times.get(cut.time as usize) else { return Ok(None) };
        let cell_of = |position: u32| len_u32(time.cuts.at.partition_point(|(at, _)| *at <= position));
        let (first, last) = (cell_of(first), cell_of(last));
        let mut shift = 0u8;
        let (skip, count) = loop {
            let part_of = |cell: u32| cell.wrapping_shr(u32::from(shift));
            let skip = part_of(first);
            let count = part_of(last).saturating_sub(skip).saturating_add(1);
            if count < FEWEST_PARTS || shift > MAX_SHIFT {
                return Ok(None);
            }
            if PART_ROWS.saturating_mul(count as usize) <= cut.positions.len() {
                break (skip, count);
            }
            shift = shift.saturating_add(1);
        };
        let mut parts = Vec::with_capacity(count as usize);
        let mut from = 0usize;
        for part in (skip..).take(count as usize) {
            let Some(span) = cuts::span(time, part, shift) else { return Ok(None) };
            let rest = cut.positions.get(from..).unwrap_or_default();
            let to = from.saturating_add(rest.partition_point(|p| *p < span.to));
            let rows = len_u32(to.saturating_sub(from));
            let missing = span.to.saturating_sub(span.from).saturating_sub(rows);
            parts.push((missing, summary(cut.values.slice(from..to), cut.decimals)));
            from = to;
        }
        if parts.iter().all(|(_, summary)| summary.is_none()) {
            return Ok(None);
        }
        let value_type = cut.values.value_type();
        let tickets = &mut self.directory.tickets;
        let Some(slot) = self.chunks.get_mut(slot_of(value_type)) else { return Ok(None) };
        let chunk = slot.get_or_insert_with(|| {
            tickets.push(u32::MAX);
            let ticket = tickets.len().saturating_sub(1);
            OpenChunk { ticket, builder: ChunkBuilder::new(value_type) }
        });
        let entry = PartsEntry { ticket: chunk.ticket, first: len_u32(chunk.builder.len()), count, skip, shift };
        for (missing, summary) in parts {
            chunk.builder.push(missing, summary);
        }
        if chunk.builder.len() >= CHUNK_PARTS {
            self.put_chunk(value_type, out)?;
        }
        Ok(Some(entry))
    }

    /// Writes the open chunk of a type.
    fn put_chunk(&mut self, value_type: ValueType, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let Some(chunk) = self.chunks.get_mut(slot_of(value_type)).and_then(Option::take) else { return Ok(()) };
        let len = chunk.builder.put(self.codec, out)?;
        let extent = self.extent(len);
        if let Some(ticket) = self.directory.tickets.get_mut(chunk.ticket) {
            *ticket = len_u32(self.directory.chunks.len());
        }
        self.directory.chunks.push(ChunkEntry { extent, value_type, parts: len_u32(chunk.builder.len()) });
        Ok(())
    }

    /// A series on a shared vector whose first time block is `first`.
    fn put_shared(
        &mut self,
        ticks: &[Timestamp],
        first: u32,
        series: SeriesRows<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Vec<BlockEntry>, CodecError> {
        let mut blocks = Vec::new();
        let mut positions = std::mem::take(&mut self.positions);
        let mut from = 0usize;
        for (range, time) in segments(ticks.len()).zip(first..) {
            let segment = ticks.get(range).unwrap_or_default();
            let rest = series.timestamps.get(from..).unwrap_or_default();
            match (segment.last(), rest.first()) {
                (Some(last), Some(next)) if next <= last => {}
                _ => continue,
            }
            positions.clear();
            let mut at = 0usize;
            for timestamp in rest {
                at = seek(segment, at, *timestamp);
                if segment.get(at) != Some(timestamp) {
                    break;
                }
                positions.push(len_u32(at));
                at = at.saturating_add(1);
            }
            if positions.is_empty() {
                continue;
            }
            let to = from.saturating_add(positions.len());
            let cut = Cut {
                id: series.id,
                time,
                ticks: segment.len(),
                positions: &positions,
                timestamps: series.timestamps.get(from..to).unwrap_or_default(),
                values: series.values.slice(from..to),
                decimals: series.decimals,
            };
            blocks.push(self.put_values(cut, out)?);
            from = to;
        }
        self.positions = positions;
        if from != series.timestamps.len() {
            return Err(CodecError::new(format!("metric {} has timestamps that were not planned", series.id)));
        }
        Ok(blocks)
    }

    /// A series with timestamps of its own, each time block before its values.
    fn put_own(&mut self, series: SeriesRows<'_>, out: &mut Vec<u8>) -> Result<Vec<BlockEntry>, CodecError> {
        let mut blocks = Vec::new();
        let mut positions = std::mem::take(&mut self.positions);
        for range in segments(series.timestamps.len()) {
            let timestamps = series.timestamps.get(range.clone()).unwrap_or_default();
            let time = self.put_times(timestamps, out)?;
            positions.clear();
            positions.extend(0..len_u32(timestamps.len()));
            let values = series.values.slice(range);
            let (id, ticks, decimals) = (series.id, timestamps.len(), series.decimals);
            let cut = Cut { id, time, ticks, positions: &positions, timestamps, values, decimals };
            blocks.push(self.put_values(cut, out)?);
        }
        self.positions = positions;
        Ok(blocks)
    }
}

fn slot_of(value_type: ValueType) -> usize {
    usize::from(value_type.code()).saturating_sub(1)
}

impl Encoder for Writer {
    fn plan(&mut self, id: MetricId, timestamps: &[Timestamp], _: &mut Vec<u8>) -> Result<(), CodecError> {
        let planner = self.planner.as_mut().ok_or_else(|| CodecError::new("planning has ended"))?;
        if !timestamps.is_sorted() {
            return Err(CodecError::new(format!("timestamps of metric {id} are not in order")));
        }
        if id == 0 || (!timestamps.is_empty() && !planner.add(id, timestamps)) {
            return Err(CodecError::new(format!("metric {id} is planned twice, or 0")));
        }
        Ok(())
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let planner = self.planner.take().ok_or_else(|| CodecError::new("begun twice"))?;
        let plan = planner.settle();
        self.assigned = plan.assigned;
        for (ticks, waiting) in plan.shared {
            let first = len_u32(self.directory.times.len());
            for range in segments(ticks.len()) {
                self.put_times(ticks.get(range).unwrap_or_default(), out)?;
            }
            self.shared.push(Shared { ticks, first, waiting });
        }
        Ok(())
    }

    fn series(&mut self, series: SeriesRows<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if series.timestamps.len() != series.values.len() {
            return Err(CodecError::new(format!("columns of metric {} differ in length", series.id)));
        }
        if self.planner.is_some() || self.directory.series.last().is_some_and(|last| last.id >= series.id) {
            return Err(CodecError::new(format!("metric {} comes too early or too late", series.id)));
        }
        if series.timestamps.is_empty() && !self.assigned.contains_key(&series.id) {
            return Ok(());
        }
        let group = self.assigned.get(&series.id).copied();
        let group = group.ok_or_else(|| CodecError::new(format!("metric {} was not planned", series.id)))?;
        let blocks = match group.and_then(|g| self.shared.get_mut(g)) {
            Some(shared) => {
                shared.waiting = shared.waiting.saturating_sub(1);
                let (ticks, first, waiting) = (std::mem::take(&mut shared.ticks), shared.first, shared.waiting);
                let blocks = self.put_shared(&ticks, first, series, out)?;
                // The last series of a group lets its memory go.
                if let (Some(shared), true) = (group.and_then(|g| self.shared.get_mut(g)), waiting > 0) {
                    shared.ticks = ticks;
                }
                blocks
            }
            None if series.timestamps.is_sorted() => self.put_own(series, out)?,
            None => return Err(CodecError::new(format!("timestamps of metric {} are not in order", series.id))),
        };
        if blocks.is_empty() {
            return Err(CodecError::new(format!("metric {} lost its rows since it was planned", series.id)));
        }
        // Only now: a series that failed must not let the file be finished without it.
        self.assigned.remove(&series.id);
        let value_type = series.values.value_type();
        self.directory.series.push(SeriesEntry { id: series.id, value_type, blocks });
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<[u8; HEADER_LEN], CodecError> {
        if self.planner.is_some() || !self.assigned.is_empty() {
            let missing = self.assigned.len();
            return Err(CodecError::new(format!("finished too early: {missing} planned series did not come")));
        }
        for value_type in TYPES {
            self.put_chunk(value_type, out)?;
        }
        let (start, end) = self.range.unwrap_or_default();
        let directory_at = self.at;
        let from = out.len();
        self.directory.encode(start, out);
        let footer = encode_footer(out.get(from..).unwrap_or_default());
        out.extend_from_slice(&footer);
        let header = Header {
            partition_kind: self.partition_kind,
            start,
            end,
            series: len_u32(self.directory.series.len()),
            times: len_u32(self.directory.times.len()),
            directory_at,
            rows: self.rows,
            cut_by_time: true,
        };
        Ok(header.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_of_about_equal_length() {
        let lens = |len| segments(len).map(|r| r.len()).collect::<Vec<_>>();
        assert!(lens(0).is_empty());
        assert_eq!(lens(1), [1]);
        assert_eq!(lens(16_384), [16_384]);
        assert_eq!(lens(16_385), [8_192, 8_193]);
        assert_eq!(lens(259_200), [16_200; 16]);
    }
}
