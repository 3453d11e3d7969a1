//! Range scans: column slices of metrics, file by file, in time order.

use super::gather::Gatherer;
use crate::database::{Database, PartitionSnapshot, SnapshotFile};
use crate::format::metric::Rows;
use crate::model::{MetricId, Sample, Timestamp, ValueType, Values};
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::OpenMode;
use crate::{Error, Result};
use std::ops::ControlFlow;

/// Samples of one metric, consecutive in time, as columns of equal length.
#[derive(Debug, Clone, Copy)]
pub struct ScanSlice<'a> {
    /// Index of the metric in the request.
    pub metric: usize,
    /// Timestamps, non-decreasing.
    pub timestamps: &'a [Timestamp],
    /// As many values, of the metric's type.
    pub values: Values<'a>,
}

impl ScanSlice<'_> {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// One sample; `None` beyond the end.
    #[inline]
    pub fn sample(&self, at: usize) -> Option<Sample> {
        Some(Sample { timestamp: *self.timestamps.get(at)?, value: self.values.get(at)? })
    }
}

/// What a scan could not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanReport {
    /// One text per damaged part that was skipped.
    pub warnings: Vec<String>,
}

/// Receives slices; `Break` ends the scan.
pub type ScanCallback<'c> = dyn FnMut(ScanSlice<'_>) -> Result<ControlFlow<()>> + 'c;

/// Scans `metrics` in `from..=to`. Per metric, slices come in time order; metrics alternate page by page.
pub fn scan(
    database: &Database,
    metrics: &[MetricId],
    from: Timestamp,
    to: Timestamp,
    callback: &mut ScanCallback<'_>,
) -> Result<ScanReport> {
    let snapshot = database.snapshot(metrics, from, to)?;
    let mut report = ScanReport::default();
    for path in &snapshot.unreadable {
        let what = "metric files cannot be read by this version, and the raw file it was made from is not there";
        report.warnings.push(format!("{}: {what}", path.display()));
    }
    let overlap = snapshot.partitions.windows(2).any(|w| match w {
        [a, b] => b.partition.start < a.partition.end,
        _ => false,
    });
    let mut scanner = Scanner {
        database,
        types: snapshot.metrics.iter().map(|(_, t)| *t).collect(),
        gatherer: Gatherer::new(&snapshot.metrics),
        reader: FrameReader::default(),
        from,
        to,
    };
    if overlap {
        // The database changed its partitioning: files overlap in time, so rows are sorted across them.
        let mut all: Vec<Rows> = snapshot.metrics.iter().map(|(_, value_type)| Rows::new(*value_type)).collect();
        for partition in &snapshot.partitions {
            let _ = scanner.partition(partition, &mut report, &mut |slice| {
                if let Some(rows) = all.get_mut(slice.metric) {
                    rows.extend(slice.timestamps, slice.values);
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        for (metric, rows) in all.iter_mut().enumerate() {
            rows.sort();
            if emit(metric, rows, callback)?.is_break() {
                break;
            }
        }
    } else {
        for partition in &snapshot.partitions {
            if scanner.partition(partition, &mut report, callback)?.is_break() {
                break;
            }
        }
    }
    Ok(report)
}

struct Scanner<'a> {
    database: &'a Database,
    types: Vec<ValueType>,
    gatherer: Gatherer,
    reader: FrameReader,
    from: Timestamp,
    to: Timestamp,
}

impl Scanner<'_> {
    fn partition(
        &mut self,
        snapshot: &PartitionSnapshot,
        report: &mut ScanReport,
        callback: &mut ScanCallback<'_>,
    ) -> Result<ControlFlow<()>> {
        for file in &snapshot.files {
            if self.file(snapshot, file, report, callback)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        for (metric, (timestamps, bits)) in snapshot.open.iter().enumerate() {
            let Some(value_type) = self.types.get(metric).copied() else { continue };
            let mut rows = Rows::new(value_type);
            rows.timestamps.extend_from_slice(timestamps);
            bits.iter().for_each(|bits| rows.values.push_bits(*bits));
            if emit(metric, &rows, callback)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn file(
        &mut self,
        snapshot: &PartitionSnapshot,
        file: &SnapshotFile,
        report: &mut ScanReport,
        callback: &mut ScanCallback<'_>,
    ) -> Result<ControlFlow<()>> {
        for damage in &file.damaged {
            let bytes = damage.to.saturating_sub(damage.from);
            let text = format!("{}: {bytes} damaged bytes at {}: {}", file.path.display(), damage.from, damage.reason);
            report.warnings.push(text);
        }
        if file.frames.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let handle = match self.database.vfs().open(&file.path, OpenMode::Read) {
            Ok(handle) => handle,
            // Retention removed it after the snapshot.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(ControlFlow::Continue(())),
            Err(e) => return Err(Error::io("open", &file.path, e)),
        };
        let mut verified = Vec::new();
        let mut flow = ControlFlow::Continue(());
        'frames: for frame in &file.frames {
            let page = match self.reader.read(&*handle, &file.path, frame) {
                Ok(page) => page,
                Err(error @ (Error::Corrupt { .. } | Error::Incompatible { .. })) => {
                    tracing::warn!(database = self.database.name(), %error, "skipped a page");
                    report.warnings.push(error.to_string());
                    continue;
                }
                Err(e) => return Err(e),
            };
            if !frame.verified {
                verified.push(frame.offset);
            }
            for (metric, rows) in self.gatherer.gather(page, self.from, self.to).iter().enumerate() {
                if emit(metric, rows, callback)?.is_break() {
                    flow = ControlFlow::Break(());
                    break 'frames;
                }
            }
        }
        if !verified.is_empty() {
            self.database.mark_verified(snapshot.partition, file.kind, &verified);
        }
        Ok(flow)
    }
}

fn emit(metric: usize, rows: &Rows, callback: &mut ScanCallback<'_>) -> Result<ControlFlow<()>> {
    if rows.timestamps.is_empty() {
        return Ok(ControlFlow::Continue(()));
    }
    callback(ScanSlice { metric, timestamps: &rows.timestamps, values: rows.values.values() })
}
