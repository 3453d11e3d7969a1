//! How a database's time line is cut into files.

use crate::model::Timestamp;

/// A half-open range of time that one file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// First nanosecond. `i64::MIN` when there is no lower bound.
    pub start: Timestamp,
    /// First nanosecond after it. `i64::MAX` when there is no upper bound; that last nanosecond then belongs to it too.
    pub end: Timestamp,
}

impl Partition {
    /// Whether `ts` falls into it.
    #[inline]
    pub fn contains(&self, ts: Timestamp) -> bool {
        self.start <= ts && (ts < self.end || self.end == i64::MAX)
    }

    /// Its first and its last nanosecond.
    pub fn bounds(&self) -> (Timestamp, Timestamp) {
        (self.start, if self.end == i64::MAX { i64::MAX } else { self.end.saturating_sub(1) })
    }

    /// Whether it shares a moment with the closed range `from..=to`.
    #[inline]
    pub fn overlaps(&self, from: Timestamp, to: Timestamp) -> bool {
        self.start <= to && (from < self.end || self.end == i64::MAX)
    }
}

/// Kinds below it are the engine's own.
pub const FIRST_FREE_KIND: u8 = 128;
/// Stands between the name of a third party's partitioner and its part, in the names of files.
pub(crate) const KIND_MARK: char = '~';

/// What stands for a partition in the names of its files: `2026-05-22`, and of a third party's `week~2026-21`, so that
/// no kind takes the files of another for its own.
pub fn part_name(partitioner: &dyn Partitioner, partition: Partition) -> String {
    let part = partitioner.file_part(partition);
    if partitioner.kind_id() < FIRST_FREE_KIND { part } else { format!("{}{KIND_MARK}{part}", partitioner.name()) }
}

/// Cuts time into partitions and names their files.
///
/// Laws, checked by [`super::conformance::partitioner`]: the partitions tile time without gap or
/// overlap; every moment of a partition maps back to it; `parse_part(file_part(p)) == p`; different partitions have
/// different parts; a part that `day`, `month`, `year` or `forever` know, too, is the same range for both.
pub trait Partitioner: Send + Sync + 'static {
    /// Name in `[retention] partition`.
    fn name(&self) -> &'static str;

    /// One line for `--plugins`.
    fn about(&self) -> &'static str;

    /// Kind byte in metric files: 1 day, 2 month, 3 year, 4 forever; third parties from 128 on.
    fn kind_id(&self) -> u8;

    /// The partition that holds `ts`. Total: every i64 has one.
    fn partition_of(&self, ts: Timestamp) -> Partition;

    /// The part of the file name, for example `2026-05-22`. Letters, digits, `_` and `-`. The engine puts the name of a third
    /// party's partitioner in front: `data-week~2026-21.dat`.
    fn file_part(&self, partition: Partition) -> String;

    /// The inverse of [`Partitioner::file_part`]; `None` for names that are not of this kind.
    fn parse_part(&self, part: &str) -> Option<Partition>;

    /// The bucket of the archive that this partition goes to, for example `2026-05`.
    fn archive_bucket(&self, partition: Partition) -> String;
}

/// Registers a partitioner.
pub struct PartitionerPlugin(pub &'static dyn Partitioner);
inventory::collect!(PartitionerPlugin);
