//! Scans of many metrics, one metric after the other, in few passes over the data.

use super::scan::{MetricFiles, ScanReport, ScanSink, ScanSlice, scan};
use crate::Result;
use crate::database::Database;
use crate::format::metric::Rows;
use crate::model::{MetricId, Timestamp};
use std::ops::ControlFlow;

/// Scans `metrics` in `from..=to` into a sink that gets all of one metric before any of the next.
///
/// Pages hold rows of all metrics, so one pass reads what it can keep: the first metric goes through, and those behind it
/// wait in at most `memory` bytes; what did not fit comes in the next pass. Metric files are read by metric anyway.
pub fn scan_each(
    database: &Database,
    metrics: &[MetricId],
    (from, to): (Timestamp, Timestamp),
    metric_files: MetricFiles,
    memory: usize,
    sink: &mut dyn ScanSink,
) -> Result<ScanReport> {
    let mut report = ScanReport::default();
    let mut first = 0;
    while let Some(rest) = metrics.get(first..).filter(|rest| !rest.is_empty()) {
        let waiting = if database.has_pages(from, to, metric_files) { rest.len() } else { 1 };
        let group = rest.get(..waiting).unwrap_or(rest);
        let mut pass = Pass { sink, first, waiting: Vec::new(), end: group.len(), bytes: 0, memory, stopped: false };
        report.merge(scan(database, group, from, to, metric_files, &mut pass)?);
        if pass.finish()?.is_break() {
            break;
        }
        first += pass.end;
    }
    Ok(report)
}

struct Pass<'s> {
    sink: &'s mut dyn ScanSink,
    /// Index of the metric that goes through.
    first: usize,
    /// Those behind it.
    waiting: Vec<Option<Rows>>,
    /// How many metrics this pass brings, the first one among them.
    end: usize,
    bytes: usize,
    memory: usize,
    stopped: bool,
}

fn bytes(rows: &Rows) -> usize {
    rows.timestamps.len().saturating_mul(8 + rows.values.value_type().width())
}

impl Pass<'_> {
    fn keep(&mut self, slice: ScanSlice<'_>) {
        let Some(at) = slice.metric.checked_sub(1) else { return };
        if self.waiting.len() <= at {
            self.waiting.resize_with(at + 1, || None);
        }
        let Some(slot) = self.waiting.get_mut(at) else { return };
        let rows = slot.get_or_insert_with(|| Rows::new(slice.values.value_type()));
        let before = bytes(rows);
        rows.extend(slice.timestamps, slice.values);
        self.bytes += bytes(rows) - before;
        // The last ones come in the next pass.
        while self.bytes > self.memory && self.end > 1 {
            self.end -= 1;
            let dropped = self.waiting.get_mut(self.end - 1).and_then(Option::take);
            self.bytes -= dropped.as_ref().map_or(0, bytes);
        }
    }

    fn finish(&mut self) -> Result<ControlFlow<()>> {
        for (at, rows) in self.waiting.iter().enumerate() {
            let Some(rows) = rows else { continue };
            if self.stopped {
                break;
            }
            let (timestamps, values) = (rows.timestamps.as_slice(), rows.values.values());
            let slice = ScanSlice { metric: self.first + at + 1, timestamps, values };
            self.stopped |= self.sink.slice(slice)?.is_break();
        }
        Ok(if self.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

impl ScanSink for Pass<'_> {
    fn slice(&mut self, mut slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        let mut flow = ControlFlow::Continue(());
        if slice.metric == 0 {
            slice.metric = self.first;
            flow = self.sink.slice(slice)?;
        } else if slice.metric < self.end {
            self.keep(slice);
        }
        self.stopped |= flow.is_break();
        Ok(flow)
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        let flow = self.sink.proceed();
        self.stopped |= flow.is_break();
        flow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Values;

    /// Takes everything and notes nothing.
    struct Nothing;

    impl ScanSink for Nothing {
        fn slice(&mut self, _: ScanSlice<'_>) -> Result<ControlFlow<()>> {
            Ok(ControlFlow::Continue(()))
        }
    }

    #[test]
    fn metrics_that_wait_take_no_more_than_the_memory_they_were_given() {
        const MEMORY: usize = 4_000;
        let mut sink = Nothing;
        let mut pass =
            Pass { sink: &mut sink, first: 0, waiting: Vec::new(), end: 50, bytes: 0, memory: MEMORY, stopped: false };
        let (timestamps, values) = (vec![1; 20], vec![1i32; 20]);
        for round in 0..30 {
            for metric in 0..50 {
                let slice = ScanSlice { metric, timestamps: &timestamps, values: Values::Int32(&values) };
                assert!(pass.slice(slice).unwrap().is_continue());
                let held: usize = pass.waiting.iter().flatten().map(bytes).sum();
                assert!(held <= MEMORY, "{held} bytes in round {round}");
                assert_eq!(held, pass.bytes);
            }
        }
        // 30 rounds of 20 rows of 12 bytes are more than all: only the one that goes through is brought.
        assert_eq!(pass.end, 1);
    }
}
