//! Rows that are not in a data file yet.

use crate::format::page::Rows;
use crate::model::{MetricId, Timestamp};
use std::ops::Range;
use std::time::Duration;

/// The open page of one partition: its rows in arrival order, as columns.
#[derive(Debug, Clone)]
pub struct OpenPage {
    /// Metric ids.
    pub ids: Vec<MetricId>,
    /// Timestamps.
    pub timestamps: Vec<Timestamp>,
    /// Row bits.
    pub bits: Vec<u64>,
    /// Whether its rows are in the WAL: all of them or none.
    pub in_wal: bool,
    /// Earliest timestamp; `i64::MAX` while it is empty.
    pub earliest: Timestamp,
    /// Whether its first rows are the rows of the last frames of its data file, sent again. After a crash they would be
    /// taken for rows that were flushed already, so such a page is flushed before it is acknowledged.
    pub repeats_disk: bool,
    /// Monotonic time of the first row.
    pub opened: Duration,
    /// Monotonic time of the newest row.
    pub written: Duration,
}

impl OpenPage {
    /// An empty page.
    pub fn new(in_wal: bool, now: Duration) -> Self {
        Self {
            ids: Vec::new(),
            timestamps: Vec::new(),
            bits: Vec::new(),
            in_wal,
            earliest: Timestamp::MAX,
            repeats_disk: false,
            opened: now,
            written: now,
        }
    }

    /// Appends a row.
    #[inline]
    pub fn push(&mut self, id: MetricId, timestamp: Timestamp, bits: u64) {
        self.earliest = self.earliest.min(timestamp);
        self.ids.push(id);
        self.timestamps.push(timestamp);
        self.bits.push(bits);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The rows, in arrival order.
    pub fn rows(&self) -> Rows<'_> {
        Rows { ids: &self.ids, timestamps: &self.timestamps, bits: &self.bits }
    }
}

/// Rows of an arrival-order range, stably sorted by time: what a frame holds.
#[derive(Debug, Default)]
pub struct SortedRows {
    order: Vec<u32>,
    ids: Vec<MetricId>,
    timestamps: Vec<Timestamp>,
    bits: Vec<u64>,
}

impl SortedRows {
    /// Sorts `rows[range]`. Rows that are in order already, the usual case, are borrowed.
    pub fn sort<'a>(&'a mut self, rows: Rows<'a>, range: Range<usize>) -> Rows<'a> {
        let slice = Rows {
            ids: rows.ids.get(range.clone()).unwrap_or_default(),
            timestamps: rows.timestamps.get(range.clone()).unwrap_or_default(),
            bits: rows.bits.get(range).unwrap_or_default(),
        };
        if slice.timestamps.is_sorted() {
            return slice;
        }
        let at = |i: &u32| *i as usize;
        self.order.clear();
        self.order.extend(0..slice.ids.len() as u32);
        self.order.sort_by_key(|i| slice.timestamps.get(at(i)));
        self.ids.clear();
        self.timestamps.clear();
        self.bits.clear();
        self.ids.extend(self.order.iter().filter_map(|i| slice.ids.get(at(i))));
        self.timestamps.extend(self.order.iter().filter_map(|i| slice.timestamps.get(at(i))));
        self.bits.extend(self.order.iter().filter_map(|i| slice.bits.get(at(i))));
        Rows { ids: &self.ids, timestamps: &self.timestamps, bits: &self.bits }
    }
}
