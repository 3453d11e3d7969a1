//! Reading of metric files, by version.

use super::super::{DecodeError, get_u32};
use super::frame::FileHeader;
use super::{Block, Extent, FOOTER_LEN, FOOTER_MAGIC, HEADER_LEN, Layout, Rows, Series, Tail, TimeBlock, v1, v2, v3};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::plugin::Registry;

/// Where the checksum of the footer is.
const FOOTER_CRC_AT: usize = 12;

fn unknown(version: u16) -> DecodeError {
    DecodeError::incompatible(4, format!("metric file version {version} is not known to this binary"))
}

impl Tail {
    /// Decodes the first [`HEADER_LEN`] and the last [`FOOTER_LEN`] bytes of a file of `file_len` bytes.
    ///
    /// Checks both checksums, and that the directory lies where its length and the file's say.
    pub fn decode(header: &[u8], footer: &[u8], file_len: u64) -> Result<Self, DecodeError> {
        let FileHeader { version, .. } = FileHeader::decode(header)?;
        match version {
            1 | 2 => {}
            3 => return v3::decode_tail(header, footer, file_len),
            _ => return Err(unknown(version)),
        }
        if footer.len() != FOOTER_LEN || !footer.starts_with(&FOOTER_MAGIC) {
            return Err(DecodeError::new(0, "the last bytes are not a footer: the file is cut short"));
        }
        let covered = footer.get(..FOOTER_CRC_AT).unwrap_or_default();
        if get_u32(footer, FOOTER_CRC_AT) != Some(crc32fast::hash(covered)) {
            return Err(DecodeError::new(FOOTER_CRC_AT, "checksum of the footer does not match"));
        }
        if get_u32(footer, 4) != Some(u32::from(version)) {
            return Err(DecodeError::new(4, "header and footer are of different versions"));
        }
        let directory_at = match version {
            1 => v1::directory_at(header, footer, file_len)?,
            _ => v2::directory_at(header, file_len)?,
        };
        if directory_at < HEADER_LEN as u64 {
            return Err(DecodeError::new(32, "the directory starts within the header"));
        }
        Ok(Self { version, directory_at })
    }
}

impl Layout {
    /// Decodes the directory: the bytes from [`Tail::directory_at`] to the end of the file, footer included.
    ///
    /// Everything is checked that can be without the frames. The directories of v1 and v2 have no checksum; each entry is
    /// repeated in its frame, though, and [`decode_block`] compares them. Whoever leaves out a block because the directory
    /// says that it is of another time trusts the directory, so compare them first: [`check_block_header`],
    /// [`check_times_header`].
    pub fn decode(header: &[u8], directory: &[u8], tail: &Tail, file_len: u64) -> Result<Self, DecodeError> {
        if tail.version == 3 {
            return v3::decode_layout(header, directory);
        }
        let without_footer = directory.len().saturating_sub(FOOTER_LEN);
        let directory = directory.get(..without_footer).unwrap_or_default();
        let file = FileHeader::decode(header)?;
        let end = tail.directory_at.checked_add(directory.len() as u64);
        let expected = file_len.checked_sub(FOOTER_LEN as u64);
        if file.version != tail.version || end.is_none() || end != expected {
            return Err(DecodeError::new(0, "these bytes are not the directory of this file"));
        }
        let (times, blocks) = match tail.version {
            1 => (Vec::new(), v1::entries(header, directory, tail.directory_at)?),
            2 => v2::entries(header, directory, tail.directory_at)?,
            version => return Err(unknown(version)),
        };
        let start = blocks.iter().map(|(_, _, block)| block.start).min();
        let end = blocks.iter().map(|(_, _, block)| block.end).max();
        if start.zip(end).is_some_and(|bounds| bounds != (file.start, file.end)) {
            return Err(DecodeError::new(0, "header and directory disagree on the time that the file spans"));
        }
        check_apart(times.iter().map(|time| time.extent).chain(blocks.iter().map(|(_, _, block)| block.extent)))?;
        let series = collect(blocks)?;
        Ok(Self {
            version: tail.version,
            partition_kind: file.partition_kind,
            start: file.start,
            end: file.end,
            sources: Vec::new(),
            times,
            series,
        })
    }
}

/// Checks that no two frames share bytes, so that none is read as two.
fn check_apart(extents: impl Iterator<Item = Extent>) -> Result<(), DecodeError> {
    let mut ranges: Vec<_> = extents.map(|e| (e.offset, e.offset.saturating_add(u64::from(e.len)))).collect();
    ranges.sort_unstable();
    if ranges.windows(2).any(|pair| matches!(pair, [(_, end), (next, _)] if end > next)) {
        return Err(DecodeError::new(0, "frames overlap in the file"));
    }
    Ok(())
}

/// A directory entry of one metric's rows.
pub(super) type Listed = (MetricId, ValueType, Block);

/// Blocks by metric, in time order.
fn collect(mut blocks: Vec<Listed>) -> Result<Vec<Series>, DecodeError> {
    // By offset where times are equal: rows of one timestamp keep the order they were written in.
    blocks.sort_by_key(|(id, _, block)| (*id, block.start, block.end, block.extent.offset));
    let mut all: Vec<Series> = Vec::new();
    for (id, value_type, block) in blocks {
        match all.last_mut().filter(|series| series.id == id) {
            None => all.push(Series { id, value_type, blocks: vec![block] }),
            Some(series) if series.value_type != value_type => {
                return Err(DecodeError::new(0, format!("metric {id} is listed with two types")));
            }
            Some(series) => {
                if series.blocks.last().is_some_and(|before| before.end > block.start) {
                    return Err(DecodeError::new(0, format!("frames of metric {id} overlap in time")));
                }
                series.blocks.push(block);
            }
        }
    }
    Ok(all)
}

/// Checks what a directory entry has to be, whatever it is of.
pub(super) fn check_type(at: usize, id: MetricId, code: u8) -> Result<ValueType, DecodeError> {
    if id == 0 {
        return Err(DecodeError::new(at, "metric id 0"));
    }
    ValueType::from_code(code)
        .ok_or_else(|| DecodeError::incompatible(at, format!("metric {id} has value type {code}, which is not known")))
}

/// Checks that timestamps span what the directory says.
pub(super) fn check_ends(timestamps: &[Timestamp], start: Timestamp, end: Timestamp) -> Result<(), DecodeError> {
    if timestamps.first() == Some(&start) && timestamps.last() == Some(&end) {
        return Ok(());
    }
    Err(DecodeError::new(0, "timestamps do not start and end where the frame says"))
}

/// Checks that timestamps are in order and span what the directory says.
pub(super) fn check_times(timestamps: &[Timestamp], start: Timestamp, end: Timestamp) -> Result<(), DecodeError> {
    check_ends(timestamps, start, end)?;
    if !timestamps.is_sorted() {
        return Err(DecodeError::new(0, "timestamps are not in order"));
    }
    Ok(())
}

/// Checks that the frame header at the front of `frame` (v1 and v2: its first 48 bytes) says what the directory says of
/// a time vector.
pub fn check_times_header(version: u16, frame: &[u8], time: &TimeBlock) -> Result<(), DecodeError> {
    match version {
        2 => v2::check_times(frame, time).map(drop),
        1 => Err(v1::no_times()),
        _ => Err(unknown(version)),
    }
}

/// Checks that the frame header at the front of `frame` (v1 and v2: its first 48 bytes) says what the directory says of
/// a block.
pub fn check_block_header(version: u16, frame: &[u8], series: &Series, block: &Block) -> Result<(), DecodeError> {
    match version {
        1 => v1::check_block(frame, series, block).map(drop),
        2 => v2::check_block(frame, series, block).map(drop),
        _ => Err(unknown(version)),
    }
}

/// Decodes the time vector with this index in [`Layout::times`] from the bytes of its extent, replacing what is in `out`;
/// leaves `out` empty when it fails.
pub fn decode_times(
    version: u16,
    bytes: &[u8],
    index: u32,
    time: &TimeBlock,
    registry: &Registry,
    out: &mut Vec<Timestamp>,
) -> Result<(), DecodeError> {
    out.clear();
    let decoded = match version {
        3 => v3::decode_times(bytes, index, time, registry, out),
        2 => v2::decode_times(bytes, time, registry, out),
        1 => Err(v1::no_times()),
        _ => Err(unknown(version)),
    };
    decoded.inspect_err(|_| out.clear())
}

/// Decodes a block from the bytes of its extent, replacing what is in `out`; leaves `out` empty when it fails.
///
/// `times` is the whole vector that [`Block::time`] names, from [`decode_times`]; a block of v1 needs none. The values
/// have the type they were written in, [`Series::value_type`].
pub fn decode_block(
    version: u16,
    bytes: &[u8],
    series: &Series,
    block: &Block,
    times: Option<&[Timestamp]>,
    registry: &Registry,
    out: &mut Rows,
) -> Result<(), DecodeError> {
    out.timestamps.clear();
    out.values.reset(series.value_type);
    let decoded = match version {
        1 => v1::decode_block(bytes, series, block, registry, out),
        2 => v2::decode_block(bytes, series, block, times, registry, out),
        3 => {
            let metric = (series.id, series.value_type);
            v3::decode_block(bytes, metric, block, times.unwrap_or_default(), registry, out)
        }
        _ => Err(unknown(version)),
    };
    decoded.inspect_err(|_| {
        out.timestamps.clear();
        out.values.truncate(0);
    })
}
