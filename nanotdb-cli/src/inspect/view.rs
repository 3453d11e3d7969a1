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

    /// The smallest range that holds all of `ranges` (first and last timestamp each); `None` for none.
    pub fn hull(ranges: impl IntoIterator<Item = (Timestamp, Timestamp)>) -> Option<Span> {
        ranges.into_iter().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).map(|(start, end)| Span::new(start, end))
    }
}

/// One database: `inspect db`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatabaseView {
    /// Name.
    pub name: String,
    /// Metrics in its catalog, and those that its WAL alone knows, by name.
    pub metrics: u64,
    /// Their ids: one that widened has several.
    pub ids: u64,
    /// Raw files (`data-*.dat`, `raw-*.dat`).
    pub raw_files: u64,
    /// Metric files (`metric-*.dat`).
    pub metric_files: u64,
    /// Bytes of both.
    pub file_bytes: u64,
    /// Rows in whole frames of the raw files.
    pub rows: u64,
    /// Samples in metric files. Those whose raw files were kept are in both.
    pub metric_rows: u64,
    /// Bytes of its WAL.
    pub wal_bytes: u64,
    /// Records in it. Those of a crash between page and WAL may be in a page too, until the next start.
    pub wal_records: u64,
    /// Partitioner of its manifest.
    pub partition: String,
    /// Codec of new pages.
    pub codec: String,
    /// Time that files and WAL cover; `None` when they are empty.
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

/// One raw file: `inspect dat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataFileView {
    /// Path relative to the root.
    pub file: String,
    /// Length.
    pub bytes: u64,
    /// Rows of all frames.
    pub rows: u64,
    /// Bytes of all frames before compression.
    pub decoded_bytes: u64,
    /// Its frames, in file order.
    pub frames: Vec<FrameView>,
    /// Byte ranges that are no frame.
    pub damaged: Vec<DamageView>,
}

impl DataFileView {
    /// Number of things that are wrong.
    pub fn problems(&self) -> usize {
        self.frames.iter().filter(|f| f.problem.is_some()).count() + self.damaged.len()
    }
}

/// One metric file: `inspect metric`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricFileView {
    /// Path relative to the root.
    pub file: String,
    /// Partition, as in its name.
    pub partition: String,
    /// Length.
    pub bytes: u64,
    /// `v1`, `v2` or `v3`; `?` when it cannot be opened.
    pub format: String,
    /// Names of its codecs.
    pub codecs: Vec<String>,
    /// Samples.
    pub points: u64,
    /// Metrics.
    pub series: u64,
    /// Time vectors.
    pub time_vectors: u64,
    /// Bytes of the whole file per sample.
    pub bytes_per_point: Option<f64>,
    /// Time it covers.
    #[serde(flatten)]
    pub span: Option<Span>,
    /// Its metrics, by id; only with `--verbose`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<SeriesView>,
    /// Its time vectors; only with `--verbose`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<TimesView>,
    /// Whether every block was read; only with `--verbose`, else the directory alone.
    pub blocks_checked: bool,
    /// Why nothing of it can be read, or a block cannot.
    pub problem: Option<String>,
}

/// One metric in a metric file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesView {
    /// Id in its database.
    pub id: u16,
    /// Name; `null` when the catalog does not have it.
    pub metric: Option<String>,
    /// Type as written.
    #[serde(rename = "type")]
    pub value_type: String,
    /// Codec name.
    pub codec: String,
    /// Blocks.
    pub blocks: u64,
    /// Samples.
    pub points: u64,
    /// Bytes of its blocks.
    pub bytes: u64,
    /// Those per sample.
    pub bytes_per_point: Option<f64>,
    /// Smallest value, where the file has statistics.
    pub min: Option<f64>,
    /// Largest value, where the file has statistics.
    pub max: Option<f64>,
    /// Time it covers.
    #[serde(flatten)]
    pub span: Span,
}

/// One time vector of a metric file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimesView {
    /// Offset of its first byte.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
    /// Codec name.
    pub codec: String,
    /// Timestamps.
    pub timestamps: u64,
    /// Blocks of values that refer to it.
    pub blocks: u64,
    /// Time it covers.
    #[serde(flatten)]
    pub span: Span,
}

/// One frame of a raw file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FrameView {
    /// Offset of its first byte.
    pub offset: u64,
    /// Time it covers.
    #[serde(flatten)]
    pub span: Span,
    /// Rows.
    pub rows: u64,
    /// Distinct metrics.
    pub metrics: u64,
    /// Bytes of the payload on disk.
    pub payload_bytes: u64,
    /// Bytes of the payload after decompression.
    pub decoded_bytes: u64,
    /// Codec name.
    pub codec: String,
    /// What is wrong with it; `null` when its checksum and its content hold.
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
    /// They end the file and look like a write that was cut short: recovery removes them.
    pub torn: bool,
}

/// A write-ahead log: `inspect wal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalView {
    /// Path relative to the root.
    pub file: String,
    /// Length.
    pub bytes: u64,
    /// Whether its batches carry checksums (ours do, the original's do not).
    pub checksummed: bool,
    /// Whole batches (single records, without checksums).
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Distinct metrics of those.
    pub metrics: u64,
    /// Time they cover.
    #[serde(flatten)]
    pub span: Option<Span>,
    /// Damaged ranges with whole batches behind them, then what is left at the end.
    pub damaged: Vec<DamageView>,
    /// The records, in file order; only with `--verbose`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<WalRecordView>,
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
    /// The value as text.
    pub value: String,
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
        let hull = Span::hull([(5, 9), (-3, 2), (4, 4)]).unwrap();
        assert_eq!((hull.start_ns, hull.end_ns), (-3, 9));
        assert_eq!(Span::hull([]), None);
    }

    #[test]
    fn json_keeps_exact_times_beside_their_text() {
        let frame = FrameView {
            offset: 0,
            span: Span::new(1_779_624_000_000_000_001, 1_779_624_000_000_000_001),
            rows: 1,
            metrics: 1,
            payload_bytes: 16,
            decoded_bytes: 14,
            codec: "s2".into(),
            problem: None,
        };
        let json = serde_json::to_value(frame).unwrap();
        assert_eq!(json["start_ns"], 1_779_624_000_000_000_001_i64);
        assert_eq!(json["start"], "2026-05-24T12:00:00.000000001Z");
        assert!(json["problem"].is_null());
    }
}
