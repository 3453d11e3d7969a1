//! Writing of version 2.

use super::super::frame::FrameHeader;
use super::super::plan::{Planner, fingerprint};
use super::super::values::{put_timestamps, put_values, written_type};
use super::super::write::{FileWriter, MAX_ROWS, check_sorted, count};
use super::super::{Encoder, HEADER_LEN, SeriesRows};
use super::{FRAME_MAGIC, TIME_ENCODING, TIME_MAGIC};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::order;
use crate::plugin::{Codec, CodecError};

/// Where the timestamps of some rows are.
#[derive(Debug, Clone, Copy)]
struct Place {
    id: MetricId,
    time_id: u16,
    time_offset: u32,
    count: u32,
    /// Of the timestamps, so that a second pass over other rows is noticed.
    fingerprint: u64,
}

/// Writes a file of version 2. A series without rows leaves no trace; one of more than 2^27 rows takes several frames.
///
/// Series share timestamps where the vector of one is the vector of another, or a part of it without gaps. To see that, the
/// writer keeps vectors between the calls of [`Encoder::plan`]: 24 MiB of them, and besides these the last one that is
/// larger. What is not kept any more is not shared any more, but written again.
pub struct Writer {
    file: FileWriter,
    phase: Phase,
    places: Vec<Place>,
    times: usize,
    time_index: Vec<u8>,
    frames: usize,
    metric_index: Vec<u8>,
    scratch: Vec<u8>,
    max_rows: usize,
}

enum Phase {
    Planning(Planner),
    Writing,
    Finished,
}

impl Writer {
    /// A writer of a file of partitions of this kind, which compresses with this codec.
    pub fn new(partition_kind: u8, codec: &'static dyn Codec) -> Self {
        Self {
            file: FileWriter::new(partition_kind, codec),
            phase: Phase::Planning(Planner::default()),
            places: Vec::new(),
            times: 0,
            time_index: Vec::new(),
            frames: 0,
            metric_index: Vec::new(),
            scratch: Vec::new(),
            max_rows: MAX_ROWS,
        }
    }
    /// Writes a time frame and returns its id.
    fn time_frame(&mut self, timestamps: &[Timestamp], out: &mut Vec<u8>) -> Result<u16, CodecError> {
        let (Some(start), Some(end)) = (timestamps.first(), timestamps.last()) else {
            return Err(CodecError::new("a time frame of no rows"));
        };
        let id = self.times.checked_add(1).and_then(|id| u16::try_from(id).ok()).ok_or_else(|| {
            CodecError::new(
                "a file of version 2 holds at most 65535 different vectors of timestamps; use another version",
            )
        })?;
        let rows = count(timestamps.len())?;
        self.scratch.clear();
        put_timestamps(timestamps, &mut self.scratch);
        let header = FrameHeader { id, kind: TIME_ENCODING, start: *start, end: *end, words: [0; 4] };
        let words = |payload, decoded| ([rows, payload, decoded, 0], [rows, decoded, payload, 0]);
        let mut entry = self.file.frame(TIME_MAGIC, header, words, &self.scratch, out)?;
        entry.kind = 0;
        entry.encode(3, &mut self.time_index);
        self.times = usize::from(id);
        Ok(id)
    }

    fn metric_frame(
        &mut self,
        place: Place,
        rows: SeriesRows<'_>,
        written: ValueType,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let (Some(start), Some(end)) = (rows.timestamps.first(), rows.timestamps.last()) else {
            return Ok(());
        };
        self.scratch.clear();
        put_values(rows.values, written, &mut self.scratch);
        let header = FrameHeader { id: rows.id, kind: written.code(), start: *start, end: *end, words: [0; 4] };
        let (time, offset) = (u32::from(place.time_id), place.time_offset);
        let words = |payload, decoded| ([time, offset, payload, decoded], [time, offset, decoded, payload]);
        let entry = self.file.frame(FRAME_MAGIC, header, words, &self.scratch, out)?;
        entry.encode(4, &mut self.metric_index);
        self.frames = self.frames.saturating_add(1);
        Ok(())
    }
}

impl Encoder for Writer {
    fn plan(&mut self, id: MetricId, timestamps: &[Timestamp], out: &mut Vec<u8>) -> Result<(), CodecError> {
        check_sorted(id, timestamps)?;
        for part in timestamps.chunks(self.max_rows) {
            let Phase::Planning(planner) = &mut self.phase else {
                return Err(CodecError::new("a series is planned after the first pass"));
            };
            let fingerprint = fingerprint(part);
            let (time_id, time_offset) = match planner.find(part, fingerprint) {
                Some(found) => found,
                None => {
                    let time_id = self.time_frame(part, out)?;
                    if let Phase::Planning(planner) = &mut self.phase {
                        planner.keep(time_id, part, fingerprint);
                    }
                    (time_id, 0)
                }
            };
            self.places.push(Place { id, time_id, time_offset, count: count(part.len())?, fingerprint });
        }
        Ok(())
    }

    fn begin(&mut self, _: &mut Vec<u8>) -> Result<(), CodecError> {
        self.phase = Phase::Writing;
        // Stable: parts of a series stay in order.
        order::sort_by_key(&mut self.places, |place| place.id);
        Ok(())
    }

    fn series(&mut self, series: SeriesRows<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if !matches!(self.phase, Phase::Writing) {
            return Err(CodecError::new("a series is written outside the second pass"));
        }
        self.file.start_series(&series)?;
        let written = written_type(series.values);
        let first = self.places.partition_point(|place| place.id < series.id);
        let mut from = 0_usize;
        for (n, timestamps) in series.timestamps.chunks(self.max_rows).enumerate() {
            let to = from.saturating_add(timestamps.len());
            let place = self.places.get(first.saturating_add(n)).copied().filter(|place| {
                place.id == series.id
                    && place.count as usize == timestamps.len()
                    && place.fingerprint == fingerprint(timestamps)
            });
            let place = place.ok_or_else(|| {
                CodecError::new(format!("rows of metric {} are not those that were planned", series.id))
            })?;
            let rows = SeriesRows { timestamps, values: series.values.slice(from..to), ..series };
            self.metric_frame(place, rows, written, out)?;
            from = to;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<[u8; HEADER_LEN], CodecError> {
        if !matches!(self.phase, Phase::Writing) {
            return Err(CodecError::new("a file is finished outside the second pass"));
        }
        self.phase = Phase::Finished;
        let (times, frames) = (count(self.times)?, count(self.frames)?);
        let time_index_at = self.file.position();
        let metric_index_at = time_index_at.saturating_add(self.time_index.len() as u64);
        out.append(&mut self.time_index);
        out.append(&mut self.metric_index);
        let mut rest = Vec::with_capacity(28);
        rest.extend_from_slice(&times.to_le_bytes());
        rest.extend_from_slice(&frames.to_le_bytes());
        rest.extend_from_slice(&time_index_at.to_le_bytes());
        rest.extend_from_slice(&metric_index_at.to_le_bytes());
        rest.extend_from_slice(&[0; 4]);
        let rest = rest.first_chunk().copied().unwrap_or([0; 28]);
        Ok(self.file.finish(2, 0, rest, out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::metric::write::tests::{Plain, decode};
    use crate::model::Values;

    #[test]
    fn a_long_series_takes_several_frames() {
        let mut writer = Writer { max_rows: 4, ..Writer::new(1, &Plain) };
        let timestamps: Vec<i64> = vec![1, 2, 3, 4, 4, 4, 4, 4, 4, 9];
        let values: Vec<i64> = (0..10).collect();
        let mut out = vec![0; HEADER_LEN];
        writer.plan(7, &timestamps, &mut out).unwrap();
        writer.plan(8, &timestamps[..4], &mut out).unwrap();
        writer.begin(&mut out).unwrap();
        let rows = SeriesRows { id: 7, timestamps: &timestamps, values: Values::Int64(&values), decimals: false };
        writer.series(rows, &mut out).unwrap();
        let rows =
            SeriesRows { id: 8, timestamps: &timestamps[..4], values: Values::Float64(&[0.1; 4]), decimals: false };
        writer.series(rows, &mut out).unwrap();
        let header = writer.finish(&mut out).unwrap();
        out[..HEADER_LEN].copy_from_slice(&header);
        let (layout, rows) = decode(&out);
        assert_eq!((layout.times.len(), layout.series[0].blocks.len(), layout.series[1].blocks.len()), (3, 3, 1));
        assert_eq!(rows[0].timestamps, timestamps);
        assert_eq!(rows[0].values.values(), Values::Int32(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
        assert_eq!(rows[1].values.values(), Values::Float64(&[0.1; 4]));
    }

    #[test]
    fn more_vectors_than_ids_are_an_error() {
        let mut writer = Writer { times: 65_534, ..Writer::new(1, &Plain) };
        let mut out = Vec::new();
        writer.plan(1, &[1], &mut out).unwrap();
        let before = out.len();
        let error = writer.plan(2, &[2], &mut out).unwrap_err();
        assert!(error.to_string().contains("at most 65535"), "{error}");
        assert_eq!(out.len(), before);
        writer.plan(3, &[1], &mut out).unwrap();
    }
}
