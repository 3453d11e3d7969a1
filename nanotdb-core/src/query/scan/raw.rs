//! Raw pages of one file.

use super::{ScanReport, ScanSink, emit};
use crate::database::{Database, OpenRaw, PartitionSnapshot};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::query::gather::Gatherer;
use crate::storage::raw_file::FrameReader;
use crate::{Error, Result};
use std::ops::{ControlFlow, Range};

/// Reads frames, with reused memory.
pub(super) struct RawScanner {
    gatherer: Gatherer,
    reader: FrameReader,
    from: Timestamp,
    to: Timestamp,
}

impl RawScanner {
    pub(super) fn new(metrics: &[(MetricId, ValueType)], from: Timestamp, to: Timestamp) -> Self {
        Self { gatherer: Gatherer::new(metrics), reader: FrameReader::default(), from, to }
    }

    /// Gives the rows of the frames that start within `offsets`.
    pub(super) fn file(
        &mut self,
        database: &Database,
        snapshot: &PartitionSnapshot,
        file: &OpenRaw,
        offsets: Range<u64>,
        report: &mut ScanReport,
        sink: &mut dyn ScanSink,
    ) -> Result<ControlFlow<()>> {
        for damage in file.index.damaged.iter().filter(|d| offsets.contains(&d.from)) {
            report.warn(damage.text(&file.index.path));
        }
        let mut verified = Vec::new();
        let mut pages = 0u64;
        let mut flow = ControlFlow::Continue(());
        let wanted =
            file.index.frames.iter().filter(|f| offsets.contains(&f.offset) && f.may_overlap(self.from, self.to));
        'frames: for frame in wanted {
            if sink.proceed().is_break() {
                flow = ControlFlow::Break(());
                break;
            }
            let page = match self.reader.read(&*file.handle, &file.index.path, frame) {
                Ok(page) => page,
                Err(error @ (Error::Corrupt { .. } | Error::Incompatible { .. })) => {
                    tracing::warn!(database = database.name(), %error, "skipped a page");
                    report.warn(error.to_string());
                    continue;
                }
                Err(e) => return Err(e),
            };
            pages = pages.saturating_add(1);
            if !frame.verified {
                verified.push(frame.offset);
            }
            for (metric, rows) in self.gatherer.gather(page, self.from, self.to).iter().enumerate() {
                if emit(metric, rows, sink)?.is_break() {
                    flow = ControlFlow::Break(());
                    break 'frames;
                }
            }
        }
        database.counters().query_pages.add(pages);
        if !verified.is_empty() {
            database.mark_verified(snapshot.partition, file.kind, &verified);
        }
        Ok(flow)
    }
}
