//! The rows that a metric file is built from, metric by metric, in bounded memory.

use super::Builder;
use crate::database::{Database, OpenPartition, ScanReport};
use crate::format::metric::Rows;
use crate::model::{MetricId, ValueType, counted};
use crate::query::scan::{ScanSink, ScanSlice, scan_open};
use crate::storage::{BlockReader, MetricCache, MetricFile};
use crate::{Error, Result};
use std::cmp::Reverse;
use std::ops::ControlFlow;

/// Rows that are held in memory: 8 bytes of time and up to 8 of value each.
const ROWS_IN_MEMORY: u64 = 1_500_000;

/// Takes the rows of one metric.
pub(super) type EachMetric<'c> = dyn FnMut(MetricId, &Rows) -> Result<()> + 'c;

/// All rows of a partition. Small partitions are read once; of larger ones some metrics at a time, so that the memory is
/// bounded by the largest metric.
pub(super) struct Rewritten<'a> {
    database: &'a Database,
    open: &'a OpenPartition,
    /// Metrics that have rows, with their number, by id.
    metrics: Vec<(MetricId, ValueType, u64)>,
    /// The rows, when all fit.
    all: Option<Vec<Rows>>,
}

impl<'a> Rewritten<'a> {
    pub(super) fn new(
        database: &'a Database,
        open: &'a OpenPartition,
        metrics: &[(MetricId, ValueType)],
    ) -> Result<Self> {
        let total = open.rows();
        let mut this = Self { database, open, metrics: Vec::new(), all: None };
        let counts: Vec<u64> = if total <= ROWS_IN_MEMORY {
            let all = this.read(metrics)?;
            let counts = all.iter().map(|rows| rows.timestamps.len() as u64).collect();
            this.all = Some(all.into_iter().filter(|rows| !rows.timestamps.is_empty()).collect());
            counts
        } else {
            let mut counter = Counter(vec![0; metrics.len()]);
            this.scan(metrics, &mut counter)?;
            counter.0
        };
        let found: u64 = counts.iter().sum();
        if found != total {
            let directory = database.directory().to_owned();
            let reason = format!(
                "its files hold {}, {found} of them of metrics that the catalog knows",
                counted(total, "sample")
            );
            return Err(Error::Corrupt { file: directory, offset: 0, reason });
        }
        let with_rows = metrics.iter().zip(counts).filter(|(_, count)| *count > 0);
        this.metrics = with_rows.map(|((id, value_type), count)| (*id, *value_type, count)).collect();
        Ok(this)
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> u64 {
        self.metrics.iter().map(|(_, _, rows)| rows).sum()
    }

    /// Every metric, those with most rows first.
    pub(super) fn by_size(&mut self, each: &mut EachMetric<'_>) -> Result<()> {
        let mut order: Vec<usize> = (0..self.metrics.len()).collect();
        order.sort_by_key(|at| self.metrics.get(*at).map(|(id, _, rows)| (Reverse(*rows), *id)));
        self.in_order(&order, each)
    }

    /// Every metric by id.
    pub(super) fn by_id(&mut self, each: &mut EachMetric<'_>) -> Result<()> {
        let order: Vec<usize> = (0..self.metrics.len()).collect();
        self.in_order(&order, each)
    }

    fn in_order(&self, order: &[usize], each: &mut EachMetric<'_>) -> Result<()> {
        if let Some(all) = &self.all {
            for at in order {
                if let (Some((id, _, _)), Some(rows)) = (self.metrics.get(*at), all.get(*at)) {
                    each(*id, rows)?;
                }
            }
            return Ok(());
        }
        let mut group: Vec<(MetricId, ValueType)> = Vec::new();
        let mut rows = 0u64;
        for at in order {
            let Some((id, value_type, count)) = self.metrics.get(*at).copied() else { continue };
            if !group.is_empty() && rows.saturating_add(count) > ROWS_IN_MEMORY {
                self.group(&group, each)?;
                group.clear();
                rows = 0;
            }
            group.push((id, value_type));
            rows = rows.saturating_add(count);
        }
        if group.is_empty() { Ok(()) } else { self.group(&group, each) }
    }

    fn group(&self, group: &[(MetricId, ValueType)], each: &mut EachMetric<'_>) -> Result<()> {
        let all = self.read(group)?;
        for ((id, _), rows) in group.iter().zip(&all) {
            each(*id, rows)?;
        }
        Ok(())
    }

    fn read(&self, metrics: &[(MetricId, ValueType)]) -> Result<Vec<Rows>> {
        let mut sink = Collector(metrics.iter().map(|(_, value_type)| Rows::new(*value_type)).collect());
        self.scan(metrics, &mut sink)?;
        Ok(sink.0)
    }

    fn scan(&self, metrics: &[(MetricId, ValueType)], sink: &mut dyn ScanSink) -> Result<()> {
        let mut report = ScanReport::default();
        let range = self.open.snapshot.partition.bounds();
        let _ = scan_open(self.database, metrics, range, self.open, &mut report, sink)?;
        super::refuse_damage(&report)
    }
}

struct Collector(Vec<Rows>);

impl ScanSink for Collector {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        if let Some(rows) = self.0.get_mut(slice.metric) {
            rows.extend(slice.timestamps, slice.values);
        }
        Ok(ControlFlow::Continue(()))
    }
}

struct Counter(Vec<u64>);

impl ScanSink for Counter {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        if let Some(count) = self.0.get_mut(slice.metric) {
            *count = count.saturating_add(slice.len() as u64);
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Builder<'_> {
    /// Checks that the metric file at `path` holds exactly the rows of the partition as it is open here, bit for bit.
    pub(super) fn compare_with_source(
        &self,
        open: &OpenPartition,
        metrics: &[(MetricId, ValueType)],
        path: &std::path::Path,
    ) -> Result<()> {
        // Not the engine's cache: a file that fails leaves nothing behind.
        let cache = MetricCache::new(4 << 20);
        let file = MetricFile::open(self.0.vfs(), path, &cache)?;
        let differs = |id: MetricId, what: &str| Error::Corrupt {
            file: path.to_owned(),
            offset: 0,
            reason: format!("the new file was read back and differs: metric {id}: {what}"),
        };
        let mut rewritten = Rewritten::new(self.0, open, metrics)?;
        if rewritten.metrics.len() != file.layout().series.len() {
            return Err(differs(0, "another number of metrics"));
        }
        let mut reader = BlockReader::default();
        rewritten.by_id(&mut |id, rows| {
            let series = file.series(id).ok_or_else(|| differs(id, "missing"))?;
            let mut at = 0usize;
            for block in &series.blocks {
                let found = file.block(&cache, series, block, &mut reader)?;
                let to = at.saturating_add(found.timestamps.len());
                let mut values = crate::model::Column::new(rows.values.value_type());
                let widens = values.extend(found.values.values());
                let same_times = rows.timestamps.get(at..to) == Some(found.timestamps.as_slice());
                if !widens || !same_times || !values.values().same_bits(rows.values.values().slice(at..to)) {
                    return Err(differs(id, "other rows"));
                }
                at = to;
            }
            if at == rows.timestamps.len() { Ok(()) } else { Err(differs(id, "another number of rows")) }
        })
    }

    /// Checks that a metric file holds every row of raw files that are open here, in their order, perhaps between others.
    pub(super) fn check_contains(
        &self,
        raw: &OpenPartition,
        metrics: &[(MetricId, ValueType)],
        file: &MetricFile,
    ) -> Result<()> {
        let lacks = |id: MetricId| Error::Corrupt {
            file: file.path().to_owned(),
            offset: 0,
            reason: format!("it lacks samples of metric {id} that the raw files have, which are kept therefore"),
        };
        let cache = MetricCache::new(4 << 20);
        let mut reader = BlockReader::default();
        Rewritten::new(self.0, raw, metrics)?.by_id(&mut |id, rows| {
            let mut at = 0usize;
            for block in file.series(id).map(|s| s.blocks.as_slice()).unwrap_or_default() {
                let series = file.series(id).ok_or_else(|| lacks(id))?;
                let found = file.block(&cache, series, block, &mut reader)?;
                let mut values = crate::model::Column::new(rows.values.value_type());
                if !values.extend(found.values.values()) {
                    return Err(lacks(id));
                }
                for (timestamp, value) in found.timestamps.iter().zip(0..) {
                    let wanted = rows.values.values().get(at).map(|value| value.to_bits());
                    let is_next = rows.timestamps.get(at) == Some(timestamp)
                        && wanted == values.values().get(value).map(|value| value.to_bits());
                    at = at.saturating_add(usize::from(is_next));
                }
            }
            if at == rows.timestamps.len() { Ok(()) } else { Err(lacks(id)) }
        })
    }
}
