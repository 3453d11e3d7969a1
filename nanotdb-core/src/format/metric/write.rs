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
        let SeriesRows { id, timestamps, values } = series;
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
