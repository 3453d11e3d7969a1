//! What the writers of v1 and v2 have in common: frames, entries, and the order of calls.

use super::frame::{Entry, FRAME_HEADER_LEN, FRAME_OVERHEAD, FileHeader, FrameHeader};
use super::{FOOTER_MAGIC, HEADER_LEN, SeriesRows};
use crate::model::{MetricId, Timestamp};
use crate::plugin::{Codec, CodecError};

/// Whether the original NanoTDB has the codec of this id. It reads v1 and v2 files of such codecs, except for metrics
/// that are written 8 bytes wide.
pub fn original_reads(codec_id: u16) -> bool {
    matches!(codec_id, 1..=4)
}

/// Most rows of one frame; series with more are cut into several. Decoded lengths and, with room for a codec that makes
/// its input longer, payload lengths then fit 32 bits.
pub(super) const MAX_ROWS: usize = 1 << 27;

/// A file that is being written: the next offset, and what header and directory will say.
pub(super) struct FileWriter {
    codec: &'static dyn Codec,
    partition_kind: u8,
    at: u64,
    bounds: Option<(Timestamp, Timestamp)>,
    last_id: MetricId,
}

impl FileWriter {
    pub(super) fn new(partition_kind: u8, codec: &'static dyn Codec) -> Self {
        Self { codec, partition_kind, at: HEADER_LEN as u64, bounds: None, last_id: 0 }
    }

    /// Where the next byte goes.
    pub(super) fn position(&self) -> u64 {
        self.at
    }

    /// Checks that a series may come next, and takes note of it.
    pub(super) fn start_series(&mut self, series: &SeriesRows<'_>) -> Result<(), CodecError> {
        let SeriesRows { id, timestamps, values, .. } = series;
        if *id <= self.last_id {
            return Err(CodecError::new(format!("metric {id} after metric {}: ids have to ascend", self.last_id)));
        }
        if timestamps.len() != values.len() {
            let reason = format!("metric {id} has {} timestamps and {} values", timestamps.len(), values.len());
            return Err(CodecError::new(reason));
        }
        check_sorted(*id, timestamps)?;
        self.last_id = *id;
        if let (Some(first), Some(last)) = (timestamps.first(), timestamps.last()) {
            let (start, end) = self.bounds.unwrap_or((*first, *last));
            self.bounds = Some((start.min(*first), end.max(*last)));
        }
        Ok(())
    }

    /// Appends a frame of `decoded` and returns its entry. `header` is without its words: `words` makes them, in the header
    /// and in the entry, from payload length and decoded length.
    pub(super) fn frame(
        &mut self,
        magic: [u8; 4],
        header: FrameHeader,
        words: impl Fn(u32, u32) -> ([u32; 4], [u32; 4]),
        decoded: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Entry, CodecError> {
        let before = out.len();
        let written = self.try_frame(magic, header, words, decoded, out);
        if written.is_err() {
            out.truncate(before);
        }
        written
    }

    fn try_frame(
        &mut self,
        magic: [u8; 4],
        header: FrameHeader,
        words: impl Fn(u32, u32) -> ([u32; 4], [u32; 4]),
        decoded: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Entry, CodecError> {
        let too_long = || CodecError::new(format!("a frame of {} bytes is too long for this format", decoded.len()));
        let header_at = out.len();
        // The header says how long the payload is, so it is put in afterwards.
        out.extend_from_slice(&[0; FRAME_HEADER_LEN]);
        let payload_at = out.len();
        self.codec.compress(decoded, out)?;
        let payload = out.get(payload_at..).unwrap_or_default();
        let crc = crc32fast::hash(payload);
        let payload_len = u32::try_from(payload.len()).map_err(|_| too_long())?;
        let decoded_len = u32::try_from(decoded.len()).map_err(|_| too_long())?;
        let len = payload_len.checked_add(FRAME_OVERHEAD).ok_or_else(too_long)?;
        out.extend_from_slice(&crc.to_le_bytes());

        let (in_header, in_entry) = words(payload_len, decoded_len);
        let bytes = FrameHeader { words: in_header, ..header }.encode(magic, self.codec.id());
        if let Some(place) = out.get_mut(header_at..payload_at) {
            place.copy_from_slice(&bytes);
        }
        let FrameHeader { id, kind, start, end, .. } = header;
        let entry = Entry { id, kind, offset: self.at, start, end, words: in_entry };
        self.at = self.at.saturating_add(u64::from(len));
        Ok(entry)
    }

    /// Appends the footer and returns the header.
    pub(super) fn finish(&self, version: u16, footer: u32, rest: [u8; 28], out: &mut Vec<u8>) -> [u8; HEADER_LEN] {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&FOOTER_MAGIC);
        bytes.extend_from_slice(&u32::from(version).to_le_bytes());
        bytes.extend_from_slice(&footer.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        out.extend_from_slice(&bytes);
        let (start, end) = self.bounds.unwrap_or_default();
        FileHeader { version, partition_kind: self.partition_kind, start, end }.encode(rest)
    }
}

/// Rows of a series have to be in time order: readers refuse a frame that is not.
pub(super) fn check_sorted(id: MetricId, timestamps: &[Timestamp]) -> Result<(), CodecError> {
    if timestamps.is_sorted() {
        return Ok(());
    }
    Err(CodecError::new(format!("rows of metric {id} are not in timestamp order")))
}

/// The number of entries, as the header has it.
pub(super) fn count(entries: usize) -> Result<u32, CodecError> {
    u32::try_from(entries).map_err(|_| CodecError::new("more frames than this format can count"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{FOOTER_LEN, Layout, Rows, Tail, decode_block, decode_times};
    use super::*;
    use crate::model::Column;
    use crate::plugin::CodecPlugin;
    use crate::plugin::registry::registry;

    /// Copies, so that the unit tests of the core need no other crate.
    pub(in super::super) struct Plain;

    impl Codec for Plain {
        fn id(&self) -> u16 {
            65_001
        }

        fn name(&self) -> &'static str {
            "test_plain"
        }

        fn about(&self) -> &'static str {
            "copies (a test)"
        }

        fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
            out.extend_from_slice(input);
            Ok(())
        }

        fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
            out.extend_from_slice(input);
            (input.len() == decoded_len).then_some(()).ok_or_else(|| CodecError::new("wrong length"))
        }
    }

    inventory::submit! { CodecPlugin(&Plain) }

    /// The layout of a file, and the rows of its series.
    pub(in super::super) fn decode(file: &[u8]) -> (Layout, Vec<Rows>) {
        let (header, end) = (&file[..HEADER_LEN], file.len() - FOOTER_LEN);
        let tail = Tail::decode(header, &file[end..], file.len() as u64).unwrap();
        let directory = &file[tail.directory_at as usize..];
        let layout = Layout::decode(header, directory, &tail, file.len() as u64).unwrap();
        let bytes = |extent: super::super::Extent| &file[extent.offset as usize..][..extent.len as usize];
        let mut all = Vec::new();
        for series in &layout.series {
            let mut rows = Rows { timestamps: Vec::new(), values: Column::new(series.value_type) };
            for block in &series.blocks {
                let mut times = Vec::new();
                if let Some(time) = block.time.map(|index| &layout.times[index as usize]) {
                    decode_times(layout.version, bytes(time.extent), 0, time, registry(), &mut times).unwrap();
                }
                let mut part = Rows { timestamps: Vec::new(), values: Column::new(series.value_type) };
                let frame = bytes(block.extent);
                decode_block(layout.version, frame, series, block, Some(&times), registry(), &mut part).unwrap();
                rows.timestamps.append(&mut part.timestamps);
                assert!(rows.values.extend(part.values.values()));
            }
            all.push(rows);
        }
        (layout, all)
    }

    #[test]
    fn the_original_has_four_codecs() {
        let ids: Vec<_> = (0..=u16::MAX).filter(|id| original_reads(*id)).collect();
        assert_eq!(ids, [1, 2, 3, 4]);
    }
}
