//! Writing batches of records.

use super::{CRC_LEN, FLAG_BASELINE, FLAG_NAME, MAX_DELTA, TYPED_FLOAT32};
use crate::format::{get_uvarint, put_uvarint};
use crate::model::{MetricId, Timestamp, ValueType};

/// Encodes one batch behind what is in a buffer. Nothing is valid until [`BatchEncoder::finish`].
pub struct BatchEncoder<'a> {
    out: &'a mut Vec<u8>,
    batch_start: usize,
    last_record: usize,
    baseline: Option<Timestamp>,
    close_after_first: bool,
}

impl<'a> BatchEncoder<'a> {
    /// Starts a batch. `first_of_file` when the WAL is empty: its first record then becomes a batch of its own.
    pub fn new(out: &'a mut Vec<u8>, first_of_file: bool) -> Self {
        let at = out.len();
        Self { out, batch_start: at, last_record: at, baseline: None, close_after_first: first_of_file }
    }

    /// Appends one record. `announce` is the metric's name when a reader cannot know it from catalog.json or an earlier record.
    #[inline]
    pub fn record(
        &mut self,
        id: MetricId,
        timestamp: Timestamp,
        bits: u64,
        value_type: ValueType,
        announce: Option<&str>,
    ) {
        self.last_record = self.out.len();
        let delta = self.baseline.and_then(|b| timestamp.checked_sub(b)).filter(|d| (0..=MAX_DELTA).contains(d));
        match (delta, announce) {
            (Some(delta), None) if !value_type.is_wide() => {
                let [i0, i1] = id.to_le_bytes();
                let [d0, d1, d2, ..] = delta.to_le_bytes();
                let [v0, v1, v2, v3] = (bits as u32).to_le_bytes();
                self.out.extend_from_slice(&[10, i0, i1, d0, d1, d2, 0, v0, v1, v2, v3]);
            }
            (delta, announce) => {
                let announce = announce.map(|name| (name, value_type.code()));
                self.full_record(id, timestamp, delta, bits, value_type, announce);
            }
        }
        self.end_record();
    }

    /// Appends one record of a float32 metric that is a program's: see [`super::WalRecord::typed`].
    pub fn typed_record(&mut self, id: MetricId, timestamp: Timestamp, bits: u64, announce: &str) {
        self.last_record = self.out.len();
        let delta = self.baseline.and_then(|b| timestamp.checked_sub(b)).filter(|d| (0..=MAX_DELTA).contains(d));
        self.full_record(id, timestamp, delta, bits, ValueType::Float32, Some((announce, TYPED_FLOAT32)));
        self.end_record();
    }

    #[inline]
    fn end_record(&mut self) {
        if self.close_after_first {
            self.close_after_first = false;
            self.close_batch();
        }
    }

    fn full_record(
        &mut self,
        id: MetricId,
        timestamp: Timestamp,
        delta: Option<i64>,
        bits: u64,
        value_type: ValueType,
        announce: Option<(&str, u8)>,
    ) {
        let mut flags = 0;
        let mut len = 6usize.saturating_add(value_type.width());
        if delta.is_none() {
            flags |= FLAG_BASELINE;
            len = len.saturating_add(8);
        }
        if let Some((name, _)) = announce {
            flags |= FLAG_NAME;
            len = len.saturating_add(name.len()).saturating_add(2);
        }
        put_uvarint(self.out, len as u64);
        self.out.extend_from_slice(&id.to_le_bytes());
        let [d0, d1, d2, ..] = delta.unwrap_or(0).to_le_bytes();
        self.out.extend_from_slice(&[d0, d1, d2, flags]);
        if delta.is_none() {
            self.out.extend_from_slice(&timestamp.to_le_bytes());
            self.baseline = Some(timestamp);
        }
        if let Some((name, code)) = announce {
            self.out.push(name.len() as u8);
            self.out.extend_from_slice(name.as_bytes());
            self.out.push(code);
        }
        if value_type.is_wide() {
            self.out.extend_from_slice(&bits.to_le_bytes());
        } else {
            self.out.extend_from_slice(&(bits as u32).to_le_bytes());
        }
    }

    /// Closes the batch and starts another behind it.
    pub fn next_batch(&mut self) {
        self.close_batch();
    }

    /// Closes the batch with its checksum. An empty batch leaves the buffer as it was.
    pub fn finish(mut self) {
        self.close_batch();
    }

    fn close_batch(&mut self) {
        if self.out.len() > self.batch_start {
            // The last record grows by the checksum, so its length prefix is written again.
            let record = self.out.split_off(self.last_record);
            if let Some((len, len_len)) = get_uvarint(&record) {
                put_uvarint(self.out, len.saturating_add(CRC_LEN as u64));
                self.out.extend_from_slice(record.get(len_len..).unwrap_or_default());
            }
            let crc = crc32fast::hash(self.out.get(self.batch_start..).unwrap_or_default());
            self.out.extend_from_slice(&crc.to_le_bytes());
        }
        self.batch_start = self.out.len();
        self.last_record = self.batch_start;
        self.baseline = None;
    }
}
