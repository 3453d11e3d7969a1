//! Databases whose partitions the original has no name for, as days.

use super::Converter;
use super::pages::{Out, PageWriter, Row, Written};
use crate::Result;
use crate::database::{Database, RawKind};
use crate::maintenance::window;
use crate::model::{MetricId, Timestamp};
use crate::plugin::registry::registry;
use crate::plugin::{Partition, Partitioner, part_name};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

/// Kinds of partitions that the original knows: day, month, year, forever.
const KINDS_OF_THE_ORIGINAL: std::ops::RangeInclusive<u8> = 1..=4;
/// What such databases are cut into.
pub(super) const DAY: &str = "day";
/// Rows that are in memory at once.
const ROWS_IN_MEMORY: u64 = 1 << 20;

/// The name of a kind of partitions that the original does not know, of the files or of what comes; `None` when it knows all.
pub(super) fn unknown_kind(database: &Database) -> Result<Option<String>> {
    let kind_of = |partitioner: &dyn Partitioner| (partitioner.kind_id(), partitioner.name().to_owned());
    let of_files = database.partitions().into_iter().map(|(partition, _)| database.named(partition));
    let of_files = of_files.map(|named| named.partitioner.map_or((0, named.part.to_string()), &kind_of));
    let configured = registry().partitioner(&database.manifest().retention.partition)?;
    let mut kinds = of_files.chain([kind_of(configured)]);
    Ok(kinds.find(|(kind, _)| !KINDS_OF_THE_ORIGINAL.contains(kind)).map(|(_, name)| name))
}

/// The day that is written.
struct Day<'a, 'w> {
    partition: Partition,
    part: String,
    out: Out<'a, 'w>,
}

impl Converter<'_> {
    /// Writes everything that can be read of a database, by days, in time order. Returns the days with what was written of each.
    pub(super) fn recut(
        &mut self,
        database: &Database,
        pages: &PageWriter<'_>,
        progress: &mut dyn FnMut(&str, &str),
    ) -> Result<Vec<(String, Written)>> {
        let days = registry().partitioner(DAY)?;
        let name = database.name();
        let directory = self.request.out.join(name);
        let metrics = database.metrics();
        let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        let ids: Vec<MetricId> = metrics.iter().map(|metric| metric.id).collect();
        let (from, to) = (Timestamp::MIN, Timestamp::MAX);
        let (windows, _) = window::plan(self.source, name, &names, from, to, ROWS_IN_MEMORY)?;
        let (mut open, mut written) = (None, Vec::new());
        let mut warnings = BTreeSet::new();
        let mut rows: Vec<Row> = Vec::new();
        for window in windows {
            rows.clear();
            let report = self.source.scan(name, &names, window.from, window.to, &mut |slice| {
                if let Some(id) = ids.get(slice.metric) {
                    let samples = (0..slice.len()).filter_map(|at| slice.sample(at));
                    rows.extend(samples.map(|sample| (*id, sample.timestamp, sample.value.to_bits())));
                }
                Ok(ControlFlow::Continue(()))
            })?;
            warnings.extend(report.warnings);
            rows.sort_by_key(|(_, timestamp, _)| *timestamp);
            let mut rest = rows.as_slice();
            while let Some((_, first, _)) = rest.first() {
                let partition = days.partition_of(*first);
                let (of_day, others) = rest.split_at(rest.partition_point(|(_, at, _)| partition.contains(*at)));
                rest = others;
                let day = day_of(&mut open, (days, partition), pages, &directory, &mut written)?;
                progress(name, &day.part);
                day.out.pages(of_day)?;
            }
        }
        close(open, &mut written)?;
        self.report.warnings.extend(warnings);
        Ok(written)
    }
}

/// The file of a day; that of another day is complete then.
fn day_of<'o, 'a, 'w>(
    open: &'o mut Option<Day<'a, 'w>>,
    (days, partition): (&dyn Partitioner, Partition),
    pages: &'a PageWriter<'w>,
    directory: &Path,
    written: &mut Vec<(String, Written)>,
) -> Result<&'o mut Day<'a, 'w>> {
    if open.as_ref().is_some_and(|day| day.partition != partition) {
        close(open.take(), written)?;
    }
    Ok(open.get_or_insert_with(|| {
        let part = part_name(days, partition);
        let path = directory.join(format!("{}{part}.dat", RawKind::Data.prefix()));
        Day { partition, part, out: Out::new(pages, path) }
    }))
}

fn close(open: Option<Day<'_, '_>>, written: &mut Vec<(String, Written)>) -> Result<()> {
    if let Some(day) = open {
        written.push((day.part, day.out.finish()?));
    }
    Ok(())
}
