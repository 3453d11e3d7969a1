//! Metric files of version 2: metrics share vectors of timestamps.
//!
//! ```text
//! header     ... | time_count u32 | frame_count u32 | time_index u64 | metric_index u64 | 0 u32 | crc32 u32
//!                  32               36                40               48                 56      60
//! frames     TPG2, kind 1 (i64 timestamps), words: count, payload_len, decoded_len, 0
//!            MPG2, words: time id, time_offset, payload_len, decoded_len. Decoded: values
//! directory  time_count x 40 bytes, words: count, decoded_len, payload_len; the byte at 2 is 0
//!            frame_count x 44 bytes, words: time id, time_offset, decoded_len, payload_len
//! footer     NTFT | 2 u32 | 0 u32 | crc32 u32
//! ```

mod writer;

pub use writer::Writer;

use super::super::{DecodeError, get_u32, take};
use super::decode::{Listed, check_ends, check_times as check_timestamps, check_type};
use super::frame::{Entry, FrameHeader, decompress, payload, payload_len};
use super::values::{read_timestamps, read_values};
use super::{Block, Cuts, FOOTER_LEN, Rows, Series, TimeBlock};
use crate::model::Timestamp;
use crate::plugin::Registry;
use std::collections::HashMap;

const TIME_MAGIC: [u8; 4] = *b"TPG2";
const FRAME_MAGIC: [u8; 4] = *b"MPG2";
const TIME_ENTRY_LEN: usize = 40;
const ENTRY_LEN: usize = 44;
/// Timestamps as i64.
const TIME_ENCODING: u8 = 1;
const TIME_WORDS: [&str; 4] = ["row count", "payload length", "decoded length", "reserved word"];
const WORDS: [&str; 4] = ["time frame", "time offset", "payload length", "decoded length"];

/// Numbers of entries, and where the two halves of the directory start.
struct Counts {
    times: u32,
    frames: u32,
    time_index_at: u64,
    metric_index_at: u64,
}

impl Counts {
    fn decode(header: &[u8]) -> Option<Self> {
        let long = |at| take(header, at).map(u64::from_le_bytes);
        Some(Self {
            times: get_u32(header, 32)?,
            frames: get_u32(header, 36)?,
            time_index_at: long(40)?,
            metric_index_at: long(48)?,
        })
    }
}

/// Where the directory starts, from a header whose checksum holds.
pub(super) fn directory_at(header: &[u8], file_len: u64) -> Result<u64, DecodeError> {
    let counts = Counts::decode(header).ok_or_else(|| DecodeError::new(0, "file header is cut short"))?;
    let times_len = u64::from(counts.times).saturating_mul(TIME_ENTRY_LEN as u64);
    let frames_len = u64::from(counts.frames).saturating_mul(ENTRY_LEN as u64);
    if counts.time_index_at.checked_add(times_len) != Some(counts.metric_index_at) {
        return Err(DecodeError::new(40, "the parts of the directory do not follow each other"));
    }
    let end = counts.metric_index_at.checked_add(frames_len).and_then(|end| end.checked_add(FOOTER_LEN as u64));
    if end != Some(file_len) {
        return Err(DecodeError::new(48, "the directory does not end where the footer starts"));
    }
    Ok(counts.time_index_at)
}

/// Decodes the directory.
pub(super) fn entries(
    header: &[u8],
    directory: &[u8],
    directory_at: u64,
) -> Result<(Vec<TimeBlock>, Vec<Listed>), DecodeError> {
    let wrong = || DecodeError::new(0, "the directory has another length than the header says");
    let counts = Counts::decode(header).ok_or_else(wrong)?;
    let times_len = counts.metric_index_at.checked_sub(directory_at).and_then(|len| usize::try_from(len).ok());
    let (times, frames) = times_len.and_then(|len| directory.split_at_checked(len)).ok_or_else(wrong)?;
    let metrics_at = times.len();
    let ((times, rest), (frames, more)) = (times.as_chunks::<TIME_ENTRY_LEN>(), frames.as_chunks::<ENTRY_LEN>());
    let lengths = (u32::try_from(times.len()).ok(), u32::try_from(frames.len()).ok());
    if !rest.is_empty() || !more.is_empty() || lengths != (Some(counts.times), Some(counts.frames)) {
        return Err(wrong());
    }

    let places = (0..).step_by(TIME_ENTRY_LEN);
    let times = places.zip(times).map(|(at, bytes)| time_entry(at, bytes, directory_at));
    let times = times.collect::<Result<Vec<_>, _>>()?;
    let mut by_id = HashMap::with_capacity(times.len());
    for (index, time) in (0..).zip(&times) {
        if by_id.insert(time.id, (index, time)).is_some() {
            return Err(DecodeError::new(0, format!("time frame {} is listed twice", time.id)));
        }
    }
    let places = (metrics_at..).step_by(ENTRY_LEN);
    let blocks = places.zip(frames).map(|(at, bytes)| entry(at, bytes, directory_at, &by_id));
    let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
    Ok((times, blocks))
}

fn time_entry(at: usize, bytes: &[u8], directory_at: u64) -> Result<TimeBlock, DecodeError> {
    let entry = Entry::decode(bytes).ok_or_else(|| DecodeError::new(at, "directory entry is cut short"))?;
    let [count, decoded_len, payload_len, _] = entry.words;
    if entry.id == 0 {
        return Err(DecodeError::new(at, "time frame 0"));
    }
    if count == 0 || count.checked_mul(8) != Some(decoded_len) {
        let reason = format!("{decoded_len} bytes for {count} timestamps of time frame {}", entry.id);
        return Err(DecodeError::new(at, reason));
    }
    let extent = entry.extent(at, payload_len, directory_at)?;
    Ok(TimeBlock { extent, id: entry.id, start: entry.start, end: entry.end, count, cuts: Cuts::default() })
}

fn entry(
    at: usize,
    bytes: &[u8],
    directory_at: u64,
    times: &HashMap<u16, (u32, &TimeBlock)>,
) -> Result<Listed, DecodeError> {
    let entry = Entry::decode(bytes).ok_or_else(|| DecodeError::new(at, "directory entry is cut short"))?;
    let Entry { id, start, end, .. } = entry;
    let value_type = check_type(at, id, entry.kind)?;
    let [time_id, time_offset, decoded_len, payload_len] = entry.words;
    let width = value_type.width() as u32;
    let count = decoded_len.checked_div(width).unwrap_or_default();
    if count == 0 || count.checked_mul(width) != Some(decoded_len) {
        return Err(DecodeError::new(at, format!("{decoded_len} bytes for values of metric {id}")));
    }
    // The upper half is reserved: a reader ignores it, the frame header (which has a checksum) does not.
    let time_id = (time_id & 0xffff) as u16;
    let Some((index, time)) = times.get(&time_id) else {
        return Err(DecodeError::new(at, format!("metric {id} uses time frame {time_id}, which is not listed")));
    };
    let behind = time_offset.checked_add(count).filter(|behind| *behind <= time.count);
    let starts = if time_offset == 0 { start == time.start } else { start >= time.start };
    let ends = if behind == Some(time.count) { end == time.end } else { end <= time.end };
    if behind.is_none() || !starts || !ends {
        return Err(DecodeError::new(at, format!("metric {id} is not within its time frame {time_id}")));
    }
    let extent = entry.extent(at, payload_len, directory_at)?;
    let time = Some(*index);
    let block = Block {
        extent,
        start,
        end,
        count,
        time,
        time_id,
        time_offset,
        statistics: None,
        parts: None,
        decimal_sums: false,
    };
    Ok((id, value_type, block))
}

/// Compares a frame header with the directory; returns codec id and decoded length.
pub(super) fn check_times(frame: &[u8], time: &TimeBlock) -> Result<(u16, usize), DecodeError> {
    let too_many = || DecodeError::new(0, "more timestamps than a frame can have");
    let decoded_len = time.count.checked_mul(8).ok_or_else(too_many)?;
    let header = FrameHeader {
        id: time.id,
        kind: TIME_ENCODING,
        start: time.start,
        end: time.end,
        words: [time.count, payload_len(time.extent), decoded_len, 0],
    };
    Ok((header.check(TIME_MAGIC, TIME_WORDS, frame)?, decoded_len as usize))
}

/// Compares a frame header with the directory; returns codec id and decoded length.
pub(super) fn check_block(frame: &[u8], series: &Series, block: &Block) -> Result<(u16, usize), DecodeError> {
    let too_many = || DecodeError::new(0, "more rows than a frame can have");
    let decoded_len = block.count.checked_mul(series.value_type.width() as u32).ok_or_else(too_many)?;
    let header = FrameHeader {
        id: series.id,
        kind: series.value_type.code(),
        start: block.start,
        end: block.end,
        words: [u32::from(block.time_id), block.time_offset, payload_len(block.extent), decoded_len],
    };
    Ok((header.check(FRAME_MAGIC, WORDS, frame)?, decoded_len as usize))
}

/// Decodes a time frame into empty `out`.
pub(super) fn decode_times(
    frame: &[u8],
    time: &TimeBlock,
    registry: &Registry,
    out: &mut Vec<Timestamp>,
) -> Result<(), DecodeError> {
    let (codec_id, decoded_len) = check_times(frame, time)?;
    let decoded = decompress(codec_id, payload(frame, time.extent)?, decoded_len, registry)?;
    read_timestamps(&decoded, out);
    check_timestamps(out, time.start, time.end)
}

/// Decodes a metric frame into empty `out`, whose values have the type of the series.
pub(super) fn decode_block(
    frame: &[u8],
    series: &Series,
    block: &Block,
    times: Option<&[Timestamp]>,
    registry: &Registry,
    out: &mut Rows,
) -> Result<(), DecodeError> {
    let (codec_id, decoded_len) = check_block(frame, series, block)?;
    let (from, len) = (block.time_offset as usize, block.count as usize);
    let timestamps = times.and_then(|times| times.get(from..)).and_then(|rest| rest.get(..len));
    let timestamps = timestamps.ok_or_else(|| DecodeError::new(0, "the timestamps of the block are not here"))?;
    // That they are in order was seen when they were decoded.
    check_ends(timestamps, block.start, block.end)?;
    let decoded = decompress(codec_id, payload(frame, block.extent)?, decoded_len, registry)?;
    out.timestamps.extend_from_slice(timestamps);
    read_values(&decoded, out.values.values_mut());
    Ok(())
}
