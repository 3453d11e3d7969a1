//! Cutting a scan into pieces of time that different threads can do.

use super::parallel;
use super::scan::overlap;
use crate::database::{Database, MetricFiles, PartitionSnapshot, RawKind, Snapshot};
use crate::model::{MetricId, Timestamp};
use crate::storage::{MetricFile, RawFile};
use std::sync::Arc;

/// Pieces per thread: enough that the last to finish does not keep the others waiting for long.
const PER_THREAD: usize = 4;

/// With fewer blocks or pages than these, another thread costs more than it brings.
const FEWEST_PLACES: usize = 4;

/// A stretch of time, and what of the snapshot lies in it.
pub(super) struct Piece {
    /// First and last timestamp of it.
    pub(super) range: (Timestamp, Timestamp),
    pub(super) partitions: Vec<PartitionSnapshot>,
}

impl Piece {
    /// Nanoseconds in which it can have samples.
    pub(super) fn span(&self) -> i64 {
        let start = self.partitions.first().map_or(self.range.1, |p| p.partition.start.max(self.range.0));
        let end = self.partitions.last().map_or(self.range.0, |p| p.partition.end.min(self.range.1));
        end.saturating_sub(start).max(0)
    }
}

/// How finely to cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grain {
    /// Pieces begin at multiples of this.
    pub(super) width: i64,
    /// Most blocks or pages in a piece.
    pub(super) most: usize,
}

/// Cuts a range at places where no block or page of the first metric is read for both sides, or hardly any. One piece
/// when there is little to do, no other processor, or partitions overlap.
pub(super) fn cut(
    database: &Database,
    snapshot: &Snapshot,
    (from, to): (Timestamp, Timestamp),
    metric_files: MetricFiles,
    grain: Grain,
) -> Vec<Piece> {
    let threads = if database.may_use_threads() { parallel::most_helpers() + 1 } else { 1 };
    let whole = || vec![Piece { range: (from, to), partitions: snapshot.partitions.clone() }];
    if threads < 2 || overlap(&snapshot.partitions) {
        return whole();
    }
    let metric = snapshot.metrics.first().map(|(id, _)| *id);
    let look_inside = snapshot.partitions.len() < PER_THREAD.saturating_mul(threads);
    let mut places = Vec::new();
    for partition in &snapshot.partitions {
        let mut inside = if look_inside { inside(database, partition, metric, metric_files) } else { Vec::new() };
        // The block or page before `from` reaches into the range.
        let before = inside.iter().filter(|at| **at <= from).count();
        inside.drain(..before.saturating_sub(1));
        inside.retain(|at| *at <= to);
        if inside.is_empty() {
            inside.push(partition.partition.start);
        }
        places.append(&mut inside);
    }
    if places.len() < FEWEST_PLACES {
        return whole();
    }
    let each = places.len().div_ceil(PER_THREAD.saturating_mul(threads)).clamp(1, grain.most.max(1));
    let mut cuts: Vec<Timestamp> =
        places.into_iter().step_by(each).filter_map(|at| next_edge(at, grain.width)).collect();
    // Not at `to` either: the sample there belongs to the last window, which would be in two pieces then.
    cuts.retain(|at| *at > from && *at < to);
    cuts.dedup();
    if cuts.is_empty() {
        return whole();
    }
    let starts = std::iter::once(from).chain(cuts.iter().copied());
    let ends = cuts.iter().map(|at| at.saturating_sub(1)).chain(std::iter::once(to));
    starts.zip(ends).map(|range| piece(snapshot, range)).collect()
}

fn piece(snapshot: &Snapshot, range: (Timestamp, Timestamp)) -> Piece {
    let of = |p: &PartitionSnapshot| p.partition.overlaps(range.0, range.1).then(|| p.between(range.0, range.1));
    Piece { range, partitions: snapshot.partitions.iter().filter_map(of).collect() }
}

/// The first multiple of `width` that is not before `at`.
fn next_edge(at: Timestamp, width: i64) -> Option<Timestamp> {
    let width = width.max(1);
    let past = at.rem_euclid(width);
    if past == 0 { Some(at) } else { at.checked_add(width.checked_sub(past)?) }
}

/// Where blocks or pages of a partition begin.
fn inside(
    database: &Database,
    partition: &PartitionSnapshot,
    metric: Option<MetricId>,
    metric_files: MetricFiles,
) -> Vec<Timestamp> {
    if metric_files == MetricFiles::Preferred
        && let Some(path) = &partition.metric_file
    {
        // Whatever is wrong with the file is said when it is read.
        let Ok(file) = MetricFile::open(database.vfs(), path, database.metric_cache()) else { return Vec::new() };
        let series = metric.and_then(|id| file.series(id));
        return series.into_iter().flat_map(|s| &s.blocks).map(|block| block.start).collect();
    }
    page_starts(&partition.files)
}

/// Starts of pages behind all pages before them. None if a page was not read yet: until then every piece would read it.
fn page_starts(files: &[(RawKind, Arc<RawFile>)]) -> Vec<Timestamp> {
    let frames = || files.iter().flat_map(|(_, file)| &file.frames);
    if frames().any(|frame| !frame.verified) {
        return Vec::new();
    }
    let mut bounds: Vec<_> = frames().map(|frame| (frame.header.start, frame.header.end)).collect();
    bounds.sort_unstable();
    let mut last = Timestamp::MIN;
    let mut starts = Vec::new();
    for (start, end) in bounds {
        if start >= last {
            starts.push(start);
        }
        last = last.max(end);
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_multiples() {
        assert_eq!(next_edge(0, 10), Some(0));
        assert_eq!(next_edge(1, 10), Some(10));
        assert_eq!(next_edge(-9, 10), Some(0));
        assert_eq!(next_edge(-10, 10), Some(-10));
        assert_eq!(next_edge(7, 1), Some(7));
        assert_eq!(next_edge(i64::MAX, 10), None);
    }
}
