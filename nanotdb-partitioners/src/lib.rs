//! The partitioners of NanoTDB: `day`, `month`, `year` and `forever`, all in UTC.
//!
//! An i64 of nanoseconds reaches from 1677-09-21 to 2262-04-11. The first and the last partition of each kind are
//! clamped to `i64::MIN` and `i64::MAX`, so that every timestamp has one.
//!
//! Naming this crate once (`use nanotdb_partitioners as _;`) registers them.

#![deny(unsafe_code)]

mod calendar;

use calendar::{Date, day_of, days_before_month, partition_of_days};
use nanotdb_core::model::Timestamp;
use nanotdb_core::plugin::{Partition, Partitioner, PartitionerPlugin, inventory};

/// One file per UTC day: `data-2026-05-22.dat`, archived by month.
#[derive(Debug, Clone, Copy, Default)]
pub struct Day;

/// One file per UTC month: `data-2026-05.dat`, archived by year.
#[derive(Debug, Clone, Copy, Default)]
pub struct Month;

/// One file per UTC year: `data-2026.dat`, archived in one bucket.
#[derive(Debug, Clone, Copy, Default)]
pub struct Year;

/// One file for all time: `data-forever.dat`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Forever;

const FOREVER: &str = "forever";
const ALL_TIME: Partition = Partition { start: i64::MIN, end: i64::MAX };

impl Partitioner for Day {
    fn name(&self) -> &'static str {
        "day"
    }

    fn about(&self) -> &'static str {
        "one file per UTC day (data-2026-05-22.dat)"
    }

    fn kind_id(&self) -> u8 {
        1
    }

    fn partition_of(&self, ts: Timestamp) -> Partition {
        let day = day_of(ts);
        clamped(day, day + 1)
    }

    fn file_part(&self, partition: Partition) -> String {
        let date = Date::of_day(day_of(partition.start));
        format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
    }

    fn parse_part(&self, part: &str) -> Option<Partition> {
        let (month, day) = part.split_at_checked(7)?;
        let (year, month) = year_month(month)?;
        let day = Date { year, month, day: two_digits(day.strip_prefix('-')?)? }.to_day()?;
        partition_of_days(day, day + 1)
    }

    fn archive_bucket(&self, partition: Partition) -> String {
        Month.file_part(partition)
    }
}

impl Partitioner for Month {
    fn name(&self) -> &'static str {
        "month"
    }

    fn about(&self) -> &'static str {
        "one file per UTC month (data-2026-05.dat)"
    }

    fn kind_id(&self) -> u8 {
        2
    }

    fn partition_of(&self, ts: Timestamp) -> Partition {
        let date = Date::of_day(day_of(ts));
        let (first, last) = month_days(date.year, date.month);
        clamped(first, last)
    }

    fn file_part(&self, partition: Partition) -> String {
        let date = Date::of_day(day_of(partition.start));
        format!("{:04}-{:02}", date.year, date.month)
    }

    fn parse_part(&self, part: &str) -> Option<Partition> {
        let (year, month) = year_month(part)?;
        let (first, last) = month_days(year, month);
        partition_of_days(first, last)
    }

    fn archive_bucket(&self, partition: Partition) -> String {
        Year.file_part(partition)
    }
}

impl Partitioner for Year {
    fn name(&self) -> &'static str {
        "year"
    }

    fn about(&self) -> &'static str {
        "one file per UTC year (data-2026.dat)"
    }

    fn kind_id(&self) -> u8 {
        3
    }

    fn partition_of(&self, ts: Timestamp) -> Partition {
        let year = Date::of_day(day_of(ts)).year;
        clamped(days_before_month(year, 1), days_before_month(year + 1, 1))
    }

    fn file_part(&self, partition: Partition) -> String {
        format!("{:04}", Date::of_day(day_of(partition.start)).year)
    }

    fn parse_part(&self, part: &str) -> Option<Partition> {
        let year = four_digits(part)?;
        partition_of_days(days_before_month(year, 1), days_before_month(year + 1, 1))
    }

    fn archive_bucket(&self, _: Partition) -> String {
        FOREVER.to_owned()
    }
}

impl Partitioner for Forever {
    fn name(&self) -> &'static str {
        FOREVER
    }

    fn about(&self) -> &'static str {
        "one file for all time (data-forever.dat)"
    }

    fn kind_id(&self) -> u8 {
        4
    }

    fn partition_of(&self, _: Timestamp) -> Partition {
        ALL_TIME
    }

    fn file_part(&self, _: Partition) -> String {
        FOREVER.to_owned()
    }

    fn parse_part(&self, part: &str) -> Option<Partition> {
        (part == FOREVER).then_some(ALL_TIME)
    }

    fn archive_bucket(&self, _: Partition) -> String {
        FOREVER.to_owned()
    }
}

/// Days `first..last` of a moment that exists, so at least part of them is within the range of timestamps.
fn clamped(first: i64, last: i64) -> Partition {
    partition_of_days(first, last).unwrap_or(ALL_TIME)
}

/// First day of a month, and of the next one.
fn month_days(year: i64, month: u32) -> (i64, i64) {
    let first = days_before_month(year, month);
    let next = if month == 12 { days_before_month(year + 1, 1) } else { days_before_month(year, month + 1) };
    (first, next)
}

fn year_month(text: &str) -> Option<(i64, u32)> {
    let (year, month) = text.split_at_checked(4)?;
    let month = two_digits(month.strip_prefix('-')?)?;
    Some((four_digits(year)?, month)).filter(|_| (1..=12).contains(&month))
}

fn four_digits(text: &str) -> Option<i64> {
    (text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn two_digits(text: &str) -> Option<u32> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

inventory::submit! { PartitionerPlugin(&Day) }
inventory::submit! { PartitionerPlugin(&Month) }
inventory::submit! { PartitionerPlugin(&Year) }
inventory::submit! { PartitionerPlugin(&Forever) }
