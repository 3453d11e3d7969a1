//! Days since 1970-01-01 to and from the proleptic Gregorian calendar, in integers.

use nanotdb_core::model::Timestamp;
use nanotdb_core::plugin::Partition;

const NANOS_PER_DAY: i64 = 86_400_000_000_000;
/// Days from 0000-01-01 to 1970-01-01.
const EPOCH: i64 = 719_528;
const DAYS_PER_400_YEARS: i64 = 146_097;

/// The UTC day that holds `ts`, counted from 1970-01-01.
pub(crate) fn day_of(ts: Timestamp) -> i64 {
    ts.div_euclid(NANOS_PER_DAY)
}

/// Days `first..last` as a partition, clamped to what a timestamp can express; `None` when it can express nothing of it.
pub(crate) fn partition_of_days(first: i64, last: i64) -> Option<Partition> {
    let start = first.saturating_mul(NANOS_PER_DAY);
    let end = last.saturating_mul(NANOS_PER_DAY);
    (start < end).then_some(Partition { start, end })
}

/// A calendar date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    /// 1..=12
    pub(crate) month: u32,
    /// 1..=31
    pub(crate) day: u32,
}

impl Date {
    pub(crate) fn of_day(day: i64) -> Self {
        // The mean length of a year gives the year or its neighbour; the loops then run at most once.
        let mut year = (day + EPOCH).saturating_mul(400).div_euclid(DAYS_PER_400_YEARS);
        while days_before_year(year) > day {
            year -= 1;
        }
        while days_before_year(year + 1) <= day {
            year += 1;
        }
        let mut month = 12;
        while month > 1 && days_before_month(year, month) > day {
            month -= 1;
        }
        let day = day - days_before_month(year, month) + 1;
        Self { year, month, day: u32::try_from(day).unwrap_or(1) }
    }

    /// The day since 1970-01-01; `None` for dates that do not exist, such as 2026-02-30.
    pub(crate) fn to_day(self) -> Option<i64> {
        let exists = (1..=12).contains(&self.month) && (1..=days_in_month(self.year, self.month)).contains(&self.day);
        exists.then(|| days_before_month(self.year, self.month) + i64::from(self.day) - 1)
    }
}

/// The first day of a month (1..=12).
pub(crate) fn days_before_month(year: i64, month: u32) -> i64 {
    let leap_day = i64::from(month > 2 && is_leap(year));
    let before = match month {
        2 => 31,
        3 => 59,
        4 => 90,
        5 => 120,
        6 => 151,
        7 => 181,
        8 => 212,
        9 => 243,
        10 => 273,
        11 => 304,
        12 => 334,
        _ => 0,
    };
    days_before_year(year) + before + leap_day
}

fn days_before_year(year: i64) -> i64 {
    // Leap days of the years 0..year; year 0 is one of them.
    let last = year - 1;
    let leap_days = last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400) + 1;
    year * 365 + leap_days - EPOCH
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_six_centuries_follows_its_predecessor() {
        let mut previous = Date::of_day(-106_753);
        assert_eq!(previous, Date { year: 1677, month: 9, day: 20 });
        for day in -106_752..=106_752 {
            let date = Date::of_day(day);
            assert_eq!(date.to_day(), Some(day));
            let successor = if previous.day < days_in_month(previous.year, previous.month) {
                Date { day: previous.day + 1, ..previous }
            } else if previous.month < 12 {
                Date { day: 1, month: previous.month + 1, ..previous }
            } else {
                Date { year: previous.year + 1, month: 1, day: 1 }
            };
            assert_eq!(date, successor);
            previous = date;
        }
        assert_eq!(previous, Date { year: 2262, month: 4, day: 12 });
    }

    #[test]
    fn epoch_and_leap_years() {
        assert_eq!(Date::of_day(0), Date { year: 1970, month: 1, day: 1 });
        assert_eq!(Date { year: 2000, month: 2, day: 29 }.to_day(), Some(11_016));
        assert_eq!(Date { year: 1900, month: 2, day: 29 }.to_day(), None);
        assert_eq!(Date { year: 2026, month: 2, day: 30 }.to_day(), None);
        assert_eq!(Date { year: 2026, month: 13, day: 1 }.to_day(), None);
        assert_eq!(Date { year: 2026, month: 4, day: 0 }.to_day(), None);
    }
}
