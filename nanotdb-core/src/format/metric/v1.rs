//! Metric files of version 1: each metric's timestamps and values in one frame.
//!
//! ```text
//! header     ... | frame_count u32 | frame_count u32 | 0 x20 | crc32 u32         ... as in `frame`
//!                  32                36                40      60
//! frames     MPG1, words: count, payload_len, decoded_len, 0. Decoded: count timestamps i64, then count values
//! directory  frame_count x 44 bytes, words: count, decoded_len, payload_len, 0
//! footer     NTFT | 1 u32 | frame_count u32 | crc32 u32
//! ```
//!
//! The first count is called that of metrics, but the original refuses a file where the two differ.

use super::super::{DecodeError, get_u32};
use super::decode::{Listed, check_times, check_type};
use super::frame::{Entry, FrameHeader, decompress, payload, payload_len};
use super::values::{put_timestamps, put_values, read_timestamps, read_values, written_type};
use super::write::{FileWriter, MAX_ROWS, count};
use super::{Block, Encoder, FOOTER_LEN, HEADER_LEN, Rows, Series, SeriesRows};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::plugin::{Codec, CodecError, Registry};

const FRAME_MAGIC: [u8; 4] = *b"MPG1";
const ENTRY_LEN: usize = 44;
const WORDS: [&str; 4] = ["row count", "payload length", "decoded length", "reserved word"];
const FRAME_COUNTS_AT: [usize; 2] = [32, 36];

pub(super) fn no_times() -> DecodeError {
    DecodeError::new(0, "version 1 has no shared timestamps")
}

/// Where the directory starts, from a header and a footer whose checksums hold.
pub(super) fn directory_at(header: &[u8], footer: &[u8], file_len: u64) -> Result<u64, DecodeError> {
    let frames = get_u32(footer, 8);
    if frames.is_none() || FRAME_COUNTS_AT.iter().any(|at| get_u32(header, *at) != frames) {
        return Err(DecodeError::new(8, "header and footer disagree on the number of frames"));
    }
    let directory_len = u64::from(frames.unwrap_or_default()).saturating_mul(ENTRY_LEN as u64);
    file_len
        .checked_sub(FOOTER_LEN as u64)
        .and_then(|end| end.checked_sub(directory_len))
        .ok_or_else(|| DecodeError::new(8, "the directory does not fit into the file"))
}

/// Decodes the directory.
pub(super) fn entries(header: &[u8], directory: &[u8], directory_at: u64) -> Result<Vec<Listed>, DecodeError> {
    let (entries, rest) = directory.as_chunks::<ENTRY_LEN>();
    let count = u32::try_from(entries.len()).ok();
    if !rest.is_empty() || FRAME_COUNTS_AT.iter().any(|at| get_u32(header, *at) != count) {
        return Err(DecodeError::new(0, "the directory has another length than the header says"));
    }
    let places = (0..).step_by(ENTRY_LEN);
    places.zip(entries).map(|(at, bytes)| entry(at, bytes, directory_at)).collect()
}

fn entry(at: usize, bytes: &[u8], directory_at: u64) -> Result<Listed, DecodeError> {
    let entry = Entry::decode(bytes).ok_or_else(|| DecodeError::new(at, "directory entry is cut short"))?;
    let value_type = check_type(at, entry.id, entry.kind)?;
    let [count, decoded_len, payload_len, _] = entry.words;
    if count == 0 || Some(decoded_len) != decoded_len_of(count, value_type) {
        let reason = format!("{decoded_len} bytes for {count} rows of metric {}", entry.id);
        return Err(DecodeError::new(at, reason));
    }
    let extent = entry.extent(at, payload_len, directory_at)?;
    let Entry { id, start, end, .. } = entry;
    let block = Block {
        extent,
        start,
        end,
        count,
        time: None,
        time_id: 0,
        time_offset: 0,
        statistics: None,
        parts: None,
        decimal_sums: false,
    };
    Ok((id, value_type, block))
}

fn decoded_len_of(count: u32, value_type: ValueType) -> Option<u32> {
    count.checked_mul(8)?.checked_add(count.checked_mul(value_type.width() as u32)?)
}

/// Compares a frame header with the directory; returns codec id and decoded length.
pub(super) fn check_block(frame: &[u8], series: &Series, block: &Block) -> Result<(u16, usize), DecodeError> {
    let decoded_len = decoded_len_of(block.count, series.value_type)
        .ok_or_else(|| DecodeError::new(0, "more rows than a frame can have"))?;
    let header = FrameHeader {
        id: series.id,
        kind: series.value_type.code(),
        start: block.start,
        end: block.end,
        words: [block.count, payload_len(block.extent), decoded_len, 0],
    };
    Ok((header.check(FRAME_MAGIC, WORDS, frame)?, decoded_len as usize))
}

/// Decodes a frame into empty `out`, whose values have the type of the series.
pub(super) fn decode_block(
    frame: &[u8],
    series: &Series,
    block: &Block,
    registry: &Registry,
    out: &mut Rows,
) -> Result<(), DecodeError> {
    let (codec_id, decoded_len) = check_block(frame, series, block)?;
    let decoded = decompress(codec_id, payload(frame, block.extent)?, decoded_len, registry)?;
    let times_len = (block.count as usize).saturating_mul(8);
    let (times, values) = decoded.split_at_checked(times_len).unwrap_or_default();
    read_timestamps(times, &mut out.timestamps);
    read_values(values, out.values.values_mut());
    check_times(&out.timestamps, block.start, block.end)
}

/// Writes a file of version 1. A series without rows leaves no trace; one of more than 2^27 rows takes several frames.
pub struct Writer {
    file: FileWriter,
    directory: Vec<u8>,
    frames: usize,
    scratch: Vec<u8>,
    max_rows: usize,
}

impl Writer {
    /// A writer of a file of partitions of this kind, which compresses with this codec.
    pub fn new(partition_kind: u8, codec: &'static dyn Codec) -> Self {
        Self {
            file: FileWriter::new(partition_kind, codec),
            directory: Vec::new(),
            frames: 0,
            scratch: Vec::new(),
            max_rows: MAX_ROWS,
        }
    }
    fn frame(&mut self, rows: SeriesRows<'_>, written: ValueType, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let (Some(start), Some(end)) = (rows.timestamps.first(), rows.timestamps.last()) else {
            return Ok(());
        };
        let rows_in_frame = count(rows.timestamps.len())?;
        self.scratch.clear();
        put_timestamps(rows.timestamps, &mut self.scratch);
        put_values(rows.values, written, &mut self.scratch);
        let header = FrameHeader { id: rows.id, kind: written.code(), start: *start, end: *end, words: [0; 4] };
        let words = |payload, decoded| ([rows_in_frame, payload, decoded, 0], [rows_in_frame, decoded, payload, 0]);
        let entry = self.file.frame(FRAME_MAGIC, header, words, &self.scratch, out)?;
        entry.encode(4, &mut self.directory);
        self.frames = self.frames.saturating_add(1);
        Ok(())
    }
}

impl Encoder for Writer {
    fn plan(&mut self, _: MetricId, _: &[Timestamp], _: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(())
    }

    fn begin(&mut self, _: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(())
    }

    fn series(&mut self, series: SeriesRows<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.file.start_series(&series)?;
        if series.timestamps.is_empty() {
            return Ok(());
        }
        let written = written_type(series.values);
        let mut from = 0_usize;
        for timestamps in series.timestamps.chunks(self.max_rows) {
            let to = from.saturating_add(timestamps.len());
            self.frame(SeriesRows { timestamps, values: series.values.slice(from..to), ..series }, written, out)?;
            from = to;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<[u8; HEADER_LEN], CodecError> {
        let frames = count(self.frames)?;
        out.append(&mut self.directory);
        let mut rest = [0; 28];
        for (place, number) in rest.as_chunks_mut::<4>().0.iter_mut().zip([frames, frames]) {
            *place = number.to_le_bytes();
        }
        Ok(self.file.finish(1, frames, rest, out))
    }
}

#[cfg(test)]
mod tests {
    use super::super::write::tests::{Plain, decode};
    use super::*;
    use crate::model::Values;

    #[test]
    fn a_long_series_takes_several_frames() {
        let mut writer = Writer { max_rows: 4, ..Writer::new(1, &Plain) };
        let timestamps: Vec<i64> = vec![1, 2, 3, 4, 4, 4, 4, 4, 4, 9];
        let values: Vec<i64> = (0..10).map(|n| n << 40).collect();
        let mut out = vec![0; HEADER_LEN];
        let rows = SeriesRows { id: 7, timestamps: &timestamps, values: Values::Int64(&values), decimals: false };
        writer.series(rows, &mut out).unwrap();
        let header = writer.finish(&mut out).unwrap();
        out[..HEADER_LEN].copy_from_slice(&header);
        let (layout, rows) = decode(&out);
        assert_eq!((layout.series.len(), layout.series[0].blocks.len()), (1, 3));
        assert_eq!(rows[0].timestamps, timestamps);
        assert_eq!(rows[0].values.values(), Values::Int64(&values));
    }
}
