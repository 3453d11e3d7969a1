//! Rows that the engine does not read: whole frames of metric files without a directory, and of bytes that were kept beside
//! damaged files.

use super::write::Row;
use crate::format::metric::{Block, Series};
use crate::format::wal;
use crate::maintenance::window::{Window, tally};
use crate::model::{MetricId, Timestamp, Value, ValueType};
use crate::plugin::Partition;
use crate::storage::metric_file::MetricFile;
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::{OpenMode, Vfs};
use crate::storage::{BlockReader, MetricCache, RawFile};
use crate::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Largest file of kept bytes that is looked at: they are held in memory.
pub(super) const MAX_KEPT: u64 = 64 << 20;

/// Types by metric, as the new catalog says.
pub(super) type Types = BTreeMap<MetricId, ValueType>;

/// One place that rows were found in.
pub(super) enum Extra {
    /// A metric file, read block by block.
    File { file: Box<MetricFile>, cache: MetricCache },
    /// Rows in time order.
    Rows(Vec<Row>),
}

impl Extra {
    /// Counts rows per step of `grain` nanoseconds, or overestimates them.
    pub(super) fn count(&self, window: Window, grain: i64, histogram: &mut BTreeMap<i64, u64>) {
        match self {
            Extra::Rows(rows) => {
                let timestamps: Vec<Timestamp> =
                    rows.iter().map(|row| row.0).filter(|t| (window.from..=window.to).contains(t)).collect();
                tally(&timestamps, grain, histogram);
            }
            // Spread evenly over the time that each block spans: only the size of a window hangs on it.
            Extra::File { file, .. } => {
                for block in file.layout().series.iter().flat_map(|series| &series.blocks) {
                    let first = block.start.max(window.from).div_euclid(grain);
                    let last = block.end.min(window.to).div_euclid(grain);
                    let steps = block.end.div_euclid(grain).saturating_sub(block.start.div_euclid(grain)).max(0) as u64;
                    let share = u64::from(block.count).div_ceil(steps.saturating_add(1));
                    for step in first..=last {
                        let count = histogram.entry(step).or_default();
                        *count = count.saturating_add(share);
                    }
                }
            }
        }
    }

    /// Appends the rows of a window that `rows` does not hold yet: a sample of the same time and value is the same sample.
    pub(super) fn add(&self, window: Window, types: &Types, rows: &mut Vec<Row>) -> Result<()> {
        let mut found = Vec::new();
        match self {
            Extra::Rows(kept) => found.extend(kept.iter().filter(|row| (window.from..=window.to).contains(&row.0))),
            Extra::File { file, cache } => {
                for series in &file.layout().series {
                    let Some(value_type) = types.get(&series.id).copied() else { continue };
                    let overlaps = |block: &&Block| block.start <= window.to && block.end >= window.from;
                    for block in series.blocks.iter().filter(overlaps) {
                        block_rows(file, cache, series, block, value_type, &mut |row| {
                            if (window.from..=window.to).contains(&row.0) {
                                found.push(row);
                            }
                        })?;
                    }
                }
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        let mut there: HashMap<Row, u32> = HashMap::new();
        for row in rows.iter() {
            let count = there.entry(*row).or_default();
            *count = count.saturating_add(1);
        }
        found.retain(|row| match there.get_mut(row).filter(|count| **count > 0) {
            Some(count) => {
                *count = count.saturating_sub(1);
                false
            }
            None => true,
        });
        match self {
            // What a metric file was built from came before everything that is in raw files besides.
            Extra::File { .. } => drop(rows.splice(..0, found)),
            Extra::Rows(_) => rows.append(&mut found),
        }
        Ok(())
    }
}

/// Rows of one block, with the bits of a metric of this type. One that cannot be decoded gives none.
fn block_rows(
    file: &MetricFile,
    cache: &MetricCache,
    series: &Series,
    block: &Block,
    value_type: ValueType,
    each: &mut dyn FnMut(Row),
) -> Result<()> {
    let mut reader = BlockReader::default();
    let rows = match file.block(cache, series, block, &mut reader) {
        Ok(rows) => rows,
        Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => return Ok(()),
        Err(e) => return Err(e),
    };
    for (at, timestamp) in rows.timestamps.iter().enumerate() {
        if let Some(bits) = rows.values.values().get(at).and_then(|value| bits_as(value, value_type)) {
            each((*timestamp, series.id, bits));
        }
    }
    Ok(())
}

/// The bits of a value in a metric of this type; `None` when it has no such value.
fn bits_as(value: Value, value_type: ValueType) -> Option<u64> {
    let found = value.value_type();
    match value {
        _ if found == value_type => Some(value.to_bits()),
        Value::Int32(v) if value_type == ValueType::Int64 => Some(i64::from(v) as u64),
        Value::Float32(v) if value_type == ValueType::Float64 => Some(Value::Float64(f64::from(v)).to_bits()),
        _ => None,
    }
}

/// Rows of whole frames in bytes that were kept of a raw file.
pub(super) fn kept_frames(vfs: &dyn Vfs, path: &Path, partition: Partition, types: &Types) -> Result<Vec<Row>> {
    let index = RawFile::index(vfs, path, partition)?;
    let file = vfs.open(path, OpenMode::Read).map_err(|e| Error::io("open", path, e))?;
    let mut reader = FrameReader::default();
    let mut rows = Vec::new();
    for frame in &index.frames {
        match reader.read(&*file, path, frame) {
            Ok(page) => {
                let type_of = |id: MetricId| types.get(&id).copied().unwrap_or(ValueType::Int32);
                let found = (0..page.rows()).filter_map(|at| page.row(at, type_of));
                rows.extend(found.map(|(id, timestamp, bits)| (timestamp, id, bits)));
            }
            Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(in_order(rows, types))
}

/// Rows of whole batches in bytes that were kept of a write-ahead log.
pub(super) fn kept_batches(bytes: &[u8], types: &Types) -> Vec<Row> {
    let mut rows = Vec::new();
    let summary = wal::decode(bytes, &|id| types.get(&id).copied(), &mut |record| {
        rows.push((record.timestamp, record.id, record.bits));
    });
    // Without checksums anything looks like records.
    if !summary.checksummed {
        rows.clear();
    }
    in_order(rows, types)
}

fn in_order(mut rows: Vec<Row>, types: &Types) -> Vec<Row> {
    rows.retain(|(_, id, _)| types.contains_key(id));
    rows.sort_by_key(|(timestamp, ..)| *timestamp);
    rows
}
