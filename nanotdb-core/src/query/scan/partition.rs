//! One partition: its metric file, the raw frames that are not in it, and the open page.

use super::raw::RawScanner;
use super::{ScanSink, emit};
use crate::Result;
use crate::database::{Database, MetricFiles, OpenPartition, PartitionSnapshot, ScanReport};
use crate::format::metric::Rows;
use crate::model::{Column, MetricId, Timestamp, ValueType};
use crate::storage::BlockReader;
use std::ops::ControlFlow;

/// A scan on its way through the partitions, with reused memory.
pub(super) struct Scanner<'a> {
    pub(super) database: &'a Database,
    pub(super) metrics: &'a [(MetricId, ValueType)],
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    metric_files: MetricFiles,
    raw: RawScanner,
    pub(super) blocks: BlockReader,
    /// For values that are narrower in the file than the metric is.
    pub(super) widened: Column,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(
        database: &'a Database,
        metrics: &'a [(MetricId, ValueType)],
        from: Timestamp,
        to: Timestamp,
        metric_files: MetricFiles,
    ) -> Self {
        Self {
            database,
            metrics,
            from,
            to,
            metric_files,
            raw: RawScanner::new(metrics, from, to),
            blocks: BlockReader::default(),
            widened: Column::new(ValueType::Int64),
        }
    }

    pub(super) fn partition(
        &mut self,
        snapshot: PartitionSnapshot,
        report: &mut ScanReport,
        sink: &mut dyn ScanSink,
    ) -> Result<ControlFlow<()>> {
        let range = (self.from, self.to);
        let open = self.database.open_partition(snapshot, self.metrics, range, self.metric_files, report)?;
        self.open(&open, report, sink)
    }

    /// What of an open partition is wanted.
    pub(super) fn open(
        &mut self,
        open: &OpenPartition,
        report: &mut ScanReport,
        sink: &mut dyn ScanSink,
    ) -> Result<ControlFlow<()>> {
        if let Some(file) = &open.metric {
            for (metric, (id, value_type)) in self.metrics.iter().enumerate() {
                if self.series(open, file, (metric, *id, *value_type), report, sink)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        for raw in &open.raw {
            let from = open.covered.of(raw.kind);
            if self.raw.file(self.database, &open.snapshot, raw, from..u64::MAX, report, sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        for (metric, (timestamps, bits)) in open.snapshot.open.iter().enumerate() {
            let Some((_, value_type)) = self.metrics.get(metric).copied() else { continue };
            let mut rows = Rows::new(value_type);
            rows.timestamps.extend_from_slice(timestamps);
            bits.iter().for_each(|bits| rows.values.push_bits(*bits));
            if emit(metric, &rows, sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
