//! What whole frames a metric file has whose directory is lost.
//!
//! Frames of every version say what they are and carry checksums, so that they are found by searching: no header, footer
//! or directory is needed.

use super::super::{get_i64, get_u16, get_u32};
use super::frame::{FRAME_HEADER_LEN, FRAME_OVERHEAD};
use super::{Block, Cuts, Extent, HEADER_LEN, Layout, Rows, Series, TimeBlock, v3};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::plugin::Registry;
use std::collections::{BTreeMap, HashMap};
use std::io;

/// Bytes that are searched at a time.
const WINDOW: usize = 1 << 16;
/// Longest block of version 3.
const MAX_V3: u32 = 1 << 20;
/// Most time vectors of version 3: a file has few, and the index is not trusted to reserve memory.
const MAX_TIMES: usize = 1 << 16;

/// Reads bytes at an offset.
pub type ReadAt<'r> = dyn FnMut(&mut [u8], u64) -> io::Result<()> + 'r;

/// A frame that is whole and of no use, because the timestamps that it refers to are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Where it is.
    pub extent: Extent,
    /// Metric.
    pub id: MetricId,
    /// Number of rows.
    pub rows: u32,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Salvage {
    /// The directory that a file of these frames would have. A metric may have several series.
    pub layout: Layout,
    /// Frames without timestamps.
    pub orphans: Vec<Orphan>,
    /// Bytes between the header and the last frame that are no whole frame.
    pub gaps: Vec<(u64, u64)>,
    /// First byte behind the last frame, or behind the header.
    pub end: u64,
}

enum Piece {
    Times(TimeBlock),
    Rows(MetricId, ValueType, Block),
    Columnar(Extent),
}

/// Searches a file of `len` bytes.
pub fn salvage(read: &mut ReadAt<'_>, len: u64, registry: &Registry) -> io::Result<Salvage> {
    let mut pieces = Vec::new();
    let mut gaps = Vec::new();
    let mut at = HEADER_LEN as u64;
    let mut end = at;
    let mut window = vec![0; WINDOW];
    while at < len {
        if let Some((extent, piece)) = piece_at(read, at, len)? {
            if end < at {
                gaps.push((end, at));
            }
            at = at.saturating_add(u64::from(extent.len));
            end = at;
            pieces.push(piece);
            continue;
        }
        // On to the next byte that may start one.
        let from = at.saturating_add(1);
        let available = usize::try_from(len.saturating_sub(from)).unwrap_or(WINDOW).min(WINDOW);
        let bytes = window.get_mut(..available).unwrap_or_default();
        read(bytes, from)?;
        let next = memchr::memchr3(b'M', b'T', 0xb3, bytes).unwrap_or(available);
        at = from.saturating_add(next as u64);
    }
    let mut salvage = match pieces.iter().any(|piece| matches!(piece, Piece::Columnar(_))) {
        true => columnar(read, &pieces, registry)?,
        false => framed(pieces),
    };
    salvage.gaps = gaps;
    salvage.end = end;
    Ok(salvage)
}

fn piece_at(read: &mut ReadAt<'_>, at: u64, len: u64) -> io::Result<Option<(Extent, Piece)>> {
    let left = len.saturating_sub(at);
    let mut head = [0; FRAME_HEADER_LEN];
    let available = usize::try_from(left).unwrap_or(FRAME_HEADER_LEN).min(FRAME_HEADER_LEN);
    read(head.get_mut(..available).unwrap_or_default(), at)?;
    let found = match head.first() {
        Some(0xb3) => {
            let is_known = matches!(head.get(1), Some(1..=3));
            let block = get_u32(&head, 2).filter(|len| is_known && (10..=MAX_V3).contains(len));
            block.map(|len| Extent { offset: at, len }).map(|extent| (extent, Piece::Columnar(extent)))
        }
        _ => framed_piece(&head, at),
    };
    let Some((extent, piece)) = found.filter(|(extent, _)| u64::from(extent.len) <= left) else { return Ok(None) };
    let mut bytes = vec![0; extent.len as usize];
    read(&mut bytes, at)?;
    let covered_from = if matches!(piece, Piece::Columnar(_)) { 0 } else { FRAME_HEADER_LEN };
    let crc_at = bytes.len().saturating_sub(4);
    let covered = bytes.get(covered_from..crc_at).unwrap_or_default();
    let is_whole = get_u32(&bytes, crc_at) == Some(crc32fast::hash(covered));
    Ok(is_whole.then_some((extent, piece)))
}

/// A frame of version 1 or 2, by its header.
fn framed_piece(head: &[u8; FRAME_HEADER_LEN], offset: u64) -> Option<(Extent, Piece)> {
    let (covered, crc) = head.split_last_chunk::<4>()?;
    if u32::from_le_bytes(*crc) != crc32fast::hash(covered) {
        return None;
    }
    let word = |at: usize| get_u32(head, 28usize.saturating_add(at.saturating_mul(4)));
    let (id, start, end) = (get_u16(head, 8)?, get_i64(head, 12)?, get_i64(head, 20)?);
    let extent = |payload_len: u32| Some(Extent { offset, len: payload_len.checked_add(FRAME_OVERHEAD)? });
    let block = |extent, count, time_id, time_offset| Block {
        extent,
        start,
        end,
        count,
        time: None,
        time_id,
        time_offset,
        statistics: None,
        parts: None,
        decimal_sums: false,
    };
    match head.get(..4)? {
        b"TPG2" => {
            let extent = extent(word(1)?)?;
            Some((extent, Piece::Times(TimeBlock { extent, id, start, end, count: word(0)?, cuts: Cuts::default() })))
        }
        b"MPG1" => {
            let extent = extent(word(1)?)?;
            let value_type = ValueType::from_code(*head.get(10)?)?;
            Some((extent, Piece::Rows(id, value_type, block(extent, word(0)?, 0, 0))))
        }
        b"MPG2" => {
            let extent = extent(word(2)?)?;
            let value_type = ValueType::from_code(*head.get(10)?)?;
            let count = word(3)?.checked_div(value_type.width() as u32)?;
            let time_id = u16::try_from(word(0)? & 0xffff).ok()?;
            Some((extent, Piece::Rows(id, value_type, block(extent, count, time_id, word(1)?))))
        }
        _ => None,
    }
}

fn framed(pieces: Vec<Piece>) -> Salvage {
    let mut found = Found::new(1);
    let mut by_id = HashMap::new();
    let mut rows = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Times(time) => {
                found.layout.version = 2;
                by_id.insert(time.id, found.layout.times.len() as u32);
                found.layout.times.push(time);
            }
            Piece::Rows(id, value_type, block) => rows.push((id, value_type, block)),
            Piece::Columnar(_) => {}
        }
    }
    if rows.iter().any(|(_, _, block)| block.time_id != 0) {
        found.layout.version = 2;
    }
    for (id, value_type, mut block) in rows {
        block.time = by_id.get(&block.time_id).copied();
        match block.time.is_none() && found.layout.version == 2 {
            true => found.orphans.push(Orphan { extent: block.extent, id, rows: block.count }),
            false => found.add(id, value_type, block),
        }
    }
    found.finish()
}

/// Blocks of version 3, which are decoded to know what they span.
fn columnar(read: &mut ReadAt<'_>, pieces: &[Piece], registry: &Registry) -> io::Result<Salvage> {
    let mut found = Found::new(3);
    let mut ticks: HashMap<u32, Vec<Timestamp>> = HashMap::new();
    let mut values = Vec::new();
    for piece in pieces {
        let Piece::Columnar(extent) = piece else { continue };
        // As the walk of a whole file expects it: behind a header.
        let mut bytes = vec![0; HEADER_LEN.saturating_add(extent.len as usize)];
        read(bytes.get_mut(HEADER_LEN..).unwrap_or_default(), extent.offset)?;
        let Some(block) = v3::walk(&bytes).next() else { continue };
        match block.kind {
            v3::Kind::Times { index, count } => {
                let mut times = Vec::new();
                let at = usize::try_from(index).unwrap_or(usize::MAX);
                let decoded = v3::decode_ticks(block.bytes, registry, &mut times);
                let (Ok(_), Some(start), Some(end)) = (decoded, times.first().copied(), times.last().copied()) else {
                    continue;
                };
                if at >= MAX_TIMES {
                    continue;
                }
                if found.layout.times.len() <= at {
                    found.layout.times.resize(at.saturating_add(1), missing());
                }
                if let Some(slot) = found.layout.times.get_mut(at) {
                    *slot = TimeBlock { extent: *extent, id: 0, start, end, count, cuts: Cuts::default() };
                }
                ticks.insert(index, times);
            }
            v3::Kind::Values(head) => values.push((*extent, head)),
            v3::Kind::Statistics => {}
        }
    }
    for (extent, head) in values {
        let mut rows = Rows::new(head.value_type);
        let mut bytes = vec![0; extent.len as usize];
        read(&mut bytes, extent.offset)?;
        let times = ticks.get(&head.time).map(Vec::as_slice).unwrap_or_default();
        let decoded = v3::decode_rows(&bytes, times, registry, &mut rows);
        match (decoded, rows.timestamps.first().copied(), rows.timestamps.last().copied()) {
            (Ok(_), Some(start), Some(end)) => {
                let block = Block {
                    extent,
                    start,
                    end,
                    count: head.count,
                    time: Some(head.time),
                    time_id: 0,
                    time_offset: 0,
                    statistics: None,
                    parts: None,
                    decimal_sums: false,
                };
                found.add(head.id, head.value_type, block);
            }
            _ => found.orphans.push(Orphan { extent, id: head.id, rows: head.count }),
        }
    }
    Ok(found.finish())
}

/// Stands for a time vector that is lost.
fn missing() -> TimeBlock {
    TimeBlock { extent: Extent { offset: 0, len: 0 }, id: 0, start: 0, end: 0, count: 0, cuts: Cuts::default() }
}

struct Found {
    layout: Layout,
    series: BTreeMap<(MetricId, u8), Series>,
    orphans: Vec<Orphan>,
}

impl Found {
    fn new(version: u16) -> Self {
        let (times, series) = (Vec::new(), Vec::new());
        let layout = Layout {
            version,
            partition_kind: 0,
            start: Timestamp::MAX,
            end: Timestamp::MIN,
            sources: Vec::new(),
            times,
            series,
        };
        Self { layout, series: BTreeMap::new(), orphans: Vec::new() }
    }

    fn add(&mut self, id: MetricId, value_type: ValueType, block: Block) {
        self.layout.start = self.layout.start.min(block.start);
        self.layout.end = self.layout.end.max(block.end);
        let series = self.series.entry((id, value_type.code()));
        series.or_insert_with(|| Series { id, value_type, blocks: Vec::new() }).blocks.push(block);
    }

    fn finish(mut self) -> Salvage {
        self.layout.series = self.series.into_values().collect();
        Salvage { layout: self.layout, orphans: self.orphans, gaps: Vec::new(), end: 0 }
    }
}
