//! Range scans: column slices of metrics, file by file, in time order.

use super::gather::{Columns, Gatherer};
use crate::database::{Database, PartitionSnapshot, SnapshotFile};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::OpenMode;
use crate::{Error, Result};
use std::ops::ControlFlow;

/// Values of one metric, consecutive in time, as row bits ([`crate::model::Value::from_bits`]).
#[derive(Debug, Clone, Copy)]
pub struct ScanSlice<'a> {
    /// Index of the metric in the request.
    pub metric: usize,
    /// Its type.
    pub value_type: ValueType,
    /// Timestamps, non-decreasing.
    pub timestamps: &'a [Timestamp],
    /// As many row bits.
    pub bits: &'a [u64],
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
        let mut all: Vec<Columns> = metrics.iter().map(|_| Columns::default()).collect();
        for partition in &snapshot.partitions {
            let _ = scanner.partition(partition, &mut report, &mut |slice| {
                if let Some(columns) = all.get_mut(slice.metric) {
                    columns.timestamps.extend_from_slice(slice.timestamps);
                    columns.bits.extend_from_slice(slice.bits);
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        for (metric, columns) in all.iter_mut().enumerate() {
            let mut rows: Vec<_> = columns.timestamps.iter().copied().zip(columns.bits.iter().copied()).collect();
            rows.sort_by_key(|(timestamp, _)| *timestamp);
            (columns.timestamps, columns.bits) = rows.into_iter().unzip();
            if emit(metric, &scanner.types, columns, callback)?.is_break() {
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
            if !timestamps.is_empty() && callback(ScanSlice { metric, value_type, timestamps, bits })?.is_break() {
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
            for (metric, columns) in self.gatherer.gather(page, self.from, self.to).iter().enumerate() {
                if emit(metric, &self.types, columns, callback)?.is_break() {
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

fn emit(
    metric: usize,
    types: &[ValueType],
    columns: &Columns,
    callback: &mut ScanCallback<'_>,
) -> Result<ControlFlow<()>> {
    let Some(value_type) = types.get(metric).copied() else { return Ok(ControlFlow::Continue(())) };
    if columns.timestamps.is_empty() {
        return Ok(ControlFlow::Continue(()));
    }
    callback(ScanSlice { metric, value_type, timestamps: &columns.timestamps, bits: &columns.bits })
}
