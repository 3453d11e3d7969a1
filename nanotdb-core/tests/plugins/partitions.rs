//! Two partitioners of third parties: days that are named as ours are, and weeks.

use nanotdb_core::model::Timestamp;
use nanotdb_core::model::time::{civil_from_days, days_from_civil};
use nanotdb_core::plugin::{Partition, Partitioner, PartitionerPlugin, inventory};

const DAY: i128 = 86_400_000_000_000;
const OFFSET: i128 = 7_200_000_000_000;
const WEEK: i64 = 604_800_000_000_000;

/// Days of UTC+2, named by their local date: the same names as `day` gives, for other times.
pub struct LocalDay;

fn day_of(timestamp: Timestamp) -> i128 {
    (i128::from(timestamp) + OFFSET).div_euclid(DAY)
}

fn local_day(day: i128) -> Partition {
    let clamped = |v: i128| v.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
    Partition { start: clamped(day * DAY - OFFSET), end: clamped((day + 1) * DAY - OFFSET) }
}

impl Partitioner for LocalDay {
    fn name(&self) -> &'static str {
        "local_day"
    }
    fn about(&self) -> &'static str {
        "days of UTC+2 (an example)"
    }
    fn kind_id(&self) -> u8 {
        130
    }
    fn partition_of(&self, timestamp: Timestamp) -> Partition {
        local_day(day_of(timestamp))
    }
    fn file_part(&self, partition: Partition) -> String {
        let (year, month, day) = civil_from_days(day_of(partition.start) as i64);
        format!("{year:04}-{month:02}-{day:02}")
    }
    fn parse_part(&self, part: &str) -> Option<Partition> {
        let mut fields = part.split('-');
        let (year, month, day) =
            (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let partition = local_day(i128::from(days_from_civil(year, month, day)));
        let is_name = partition.start < partition.end && self.file_part(partition) == part;
        (is_name && self.partition_of(partition.start) == partition).then_some(partition)
    }
    fn archive_bucket(&self, _: Partition) -> String {
        "all".into()
    }
}

inventory::submit! { PartitionerPlugin(&LocalDay) }

/// Weeks counted from the epoch.
pub struct Week;

impl Partitioner for Week {
    fn name(&self) -> &'static str {
        "week"
    }
    fn about(&self) -> &'static str {
        "weeks (an example)"
    }
    fn kind_id(&self) -> u8 {
        131
    }
    fn partition_of(&self, timestamp: Timestamp) -> Partition {
        let week = timestamp.div_euclid(WEEK);
        Partition { start: week.saturating_mul(WEEK), end: (week + 1).saturating_mul(WEEK) }
    }
    fn file_part(&self, partition: Partition) -> String {
        format!("w{}", partition.start.div_euclid(WEEK))
    }
    fn parse_part(&self, part: &str) -> Option<Partition> {
        let week: i64 = part.strip_prefix('w')?.parse().ok()?;
        let start = (i128::from(week) * i128::from(WEEK)).max(i128::from(i64::MIN));
        let partition = self.partition_of(i64::try_from(start).ok()?);
        (self.file_part(partition) == part).then_some(partition)
    }
    fn archive_bucket(&self, _: Partition) -> String {
        "weeks".into()
    }
}

inventory::submit! { PartitionerPlugin(&Week) }
