//! What the inspection commands show, independent of how it was read. Serialized as it stands for `--json`.

use nanotdb_core::model::Timestamp;
use nanotdb_core::model::time::format_rfc3339;
use serde::Serialize;

/// First and last timestamp of something, exact, and as text for people who read JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// First timestamp, Unix nanoseconds.
    pub start_ns: Timestamp,
    /// Last timestamp, Unix nanoseconds.
    pub end_ns: Timestamp,
    /// `start_ns` as RFC3339.
    pub start: String,
    /// `end_ns` as RFC3339.
    pub end: String,
}

impl Span {
    /// The closed range `start..=end`.
    pub fn new(start: Timestamp, end: Timestamp) -> Self {
        Self { start_ns: start, end_ns: end, start: format_rfc3339(start), end: format_rfc3339(end) }
    }

    /// The smallest range that holds all of `spans`; `None` for none.
    pub fn hull<'a>(spans: impl IntoIterator<Item = &'a Span>) -> Option<Span> {
        spans
            .into_iter()
            .map(|s| (s.start_ns, s.end_ns))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            .map(|(start, end)| Span::new(start, end))
    }
}

/// One database: `inspect db`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatabaseView {
    /// Name.
    pub name: String,
    /// Metrics in its catalog and in its WAL.
    pub metrics: u64,
    /// Data and metric files.
    pub files: u64,
    /// Bytes of those.
    pub file_bytes: u64,
    /// Bytes of its WAL.
    pub wal_bytes: u64,
    /// Rows in data and metric files.
    pub rows: u64,
    /// Rows in the WAL.
    pub wal_rows: u64,
    /// Partitioner of its manifest.
    pub partition: String,
    /// Codec of new pages.
    pub codec: String,
    /// Time its samples cover; `None` when it has none.
    #[serde(flatten)]
    pub span: Option<Span>,
    /// What is wrong with it.
    pub problems: Vec<String>,
}

/// One metric: `inspect catalog`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetricView {
    /// Id in its database.
    pub id: u16,
    /// Name.
    pub name: String,
    /// `int32`, `float32`, `int64` or `float64`.
    #[serde(rename = "type")]
    pub value_type: String,
}

/// One data or metric file: `inspect dat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataFileView {
    /// File name.
    pub file: String,
    /// What it is: `raw`, `metric v1`, `metric v2`, ...
    pub kind: String,
    /// Length.
    pub bytes: u64,
    /// Its frames, in file order.
    pub frames: Vec<FrameView>,
    /// Byte ranges that are no frame.
    pub damaged: Vec<DamageView>,
    /// What is left behind the last frame, for example a torn one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail: Option<String>,
}

impl DataFileView {
    /// Rows of all frames.
    pub fn rows(&self) -> u64 {
        self.frames.iter().map(|f| f.rows).sum()
    }

    /// Bytes of all frames before compression.
    pub fn decoded_bytes(&self) -> u64 {
        self.frames.iter().map(|f| f.decoded_bytes).sum()
    }

    /// Number of things that are wrong.
    pub fn problems(&self) -> usize {
        self.frames.iter().filter(|f| f.problem.is_some()).count()
            + self.damaged.len()
            + usize::from(self.tail.is_some())
    }
}

/// One frame of a data file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FrameView {
    /// Offset of its first byte.
    pub offset: u64,
    /// Time it covers.
    #[serde(flatten)]
    pub span: Span,
    /// Rows.
    pub rows: u64,
    /// Bytes of the payload on disk.
    pub payload_bytes: u64,
    /// Bytes of the payload after decompression.
    pub decoded_bytes: u64,
    /// Codec name.
    pub codec: String,
    /// Whether its checksum holds.
    pub crc_ok: bool,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Bytes that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamageView {
    /// First of them.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// Why.
    pub reason: String,
}

/// A write-ahead log: `inspect wal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalView {
    /// File name.
    pub file: String,
    /// Length.
    pub bytes: u64,
    /// Batches with a checksum.
    pub batches: u64,
    /// Its records, in file order.
    pub records: Vec<WalRecordView>,
    /// Bytes of the torn or damaged tail, which recovery cuts off.
    pub tail_bytes: u64,
    /// What is wrong with the tail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail: Option<String>,
}

/// One WAL record.
#[derive(Debug, Clone, PartialEq, Serialize, Eq)]
pub struct WalRecordView {
    /// Offset of its length prefix.
    pub offset: u64,
    /// Metric id.
    pub id: u16,
    /// Metric name, when the catalog or an earlier record tells it.
    pub metric: Option<String>,
    /// Unix nanoseconds.
    pub timestamp_ns: Timestamp,
    /// The value as text, when the metric's type is known.
    pub value: Option<String>,
    /// It carries a new baseline timestamp.
    pub new_baseline: bool,
    /// It carries the metric's name and type.
    pub new_metric: bool,
    /// It carries the checksum of its batch.
    pub checksummed: bool,
}

/// One finding of `verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProblemView {
    /// The file, relative to the root.
    pub file: String,
    /// Byte offset, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What is wrong.
    pub problem: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hull_covers_all_spans() {
        let spans = [Span::new(5, 9), Span::new(-3, 2), Span::new(4, 4)];
        let hull = Span::hull(&spans).unwrap();
        assert_eq!((hull.start_ns, hull.end_ns), (-3, 9));
        assert_eq!(Span::hull([]), None);
    }

    #[test]
    fn json_keeps_exact_times_beside_their_text() {
        let frame = FrameView {
            offset: 0,
            span: Span::new(1_779_624_000_000_000_001, 1_779_624_000_000_000_001),
            rows: 1,
            payload_bytes: 16,
            decoded_bytes: 14,
            codec: "s2".into(),
            crc_ok: true,
            problem: None,
        };
        let json = serde_json::to_value(frame).unwrap();
        assert_eq!(json["start_ns"], 1_779_624_000_000_000_001_i64);
        assert_eq!(json["start"], "2026-05-24T12:00:00.000000001Z");
        assert!(json.get("problem").is_none());
    }
}
