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

/// Cuts time into partitions and names their files.
///
/// Laws, checked by [`super::conformance::partitioner`]: the partitions tile time without gap or
/// overlap; every moment of a partition maps back to it; `parse_part(file_part(p)) == p`; different partitions have different parts.
pub trait Partitioner: Send + Sync + 'static {
    /// Name in `[retention] partition`.
    fn name(&self) -> &'static str;

    /// One line for `--plugins`.
    fn about(&self) -> &'static str;

    /// Kind byte in metric files: 1 day, 2 month, 3 year, 4 forever; third parties from 128 on.
    fn kind_id(&self) -> u8;

    /// The partition that holds `ts`. Total: every i64 has one.
    fn partition_of(&self, ts: Timestamp) -> Partition;

    /// The part of the file name, for example `2026-05-22`. Letters, digits, `_` and `-`.
    fn file_part(&self, partition: Partition) -> String;

    /// The inverse of [`Partitioner::file_part`]; `None` for names that are not of this kind.
    fn parse_part(&self, part: &str) -> Option<Partition>;

    /// The bucket of the archive that this partition goes to, for example `2026-05`.
    fn archive_bucket(&self, partition: Partition) -> String;
}

/// Registers a partitioner.
pub struct PartitionerPlugin(pub &'static dyn Partitioner);
inventory::collect!(PartitionerPlugin);
