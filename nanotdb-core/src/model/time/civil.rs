//! Days since the epoch to and from dates of the proleptic Gregorian calendar.

/// Days in 400 years, after which the calendar repeats.
const CYCLE: i64 = 146_097;
/// Days from 0000-03-01 to the epoch. Years that begin in March have the leap day at their end.
const MARCH_ZERO: i64 = 719_468;

/// Year, month (1..=12) and day (1..=31) of a day counted from 1970-01-01, for every `i64`.
#[inline]
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    // The cycle is split off before the shift, so that nothing can overflow.
    let shifted = days.rem_euclid(CYCLE) + MARCH_ZERO;
    let cycles = days.div_euclid(CYCLE) + shifted / CYCLE;
    let day_of_cycle = (shifted % CYCLE) as u32;
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    // Months from March have 31, 30, 31, 30, 31 days twice over: a line of slope 153 / 5.
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let (month, next_year) = if march_month < 10 { (march_month + 3, 0) } else { (march_month - 9, 1) };
    (cycles * 400 + i64::from(year_of_cycle) + next_year, month, day)
}

/// The day, counted from 1970-01-01, of a date; `month` is 1..=12 and `day` starts at 1.
///
/// A day beyond its month counts on into the next. Saturates beyond the range of `i64`.
#[inline]
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let (march_month, year) =
        if month > 2 { (i64::from(month) - 3, year) } else { (i64::from(month) + 9, year.saturating_sub(1)) };
    let year_of_cycle = year.rem_euclid(400);
    let day_of_year = (153 * march_month + 2) / 5 + i64::from(day) - 1;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    let days = i128::from(year.div_euclid(400)) * i128::from(CYCLE) + i128::from(day_of_cycle - MARCH_ZERO);
    days.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// Days of a month, 28..=31; 0 for a month that is not 1..=12.
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_day_of_jiffs_calendar_agrees() {
        let epoch = jiff::civil::date(1970, 1, 1);
        let mut date = jiff::civil::date(1599, 12, 25);
        while date < jiff::civil::date(2401, 1, 5) {
            let days = i64::from(epoch.until(date).unwrap().get_days());
            let (year, month, day) = (i64::from(date.year()), date.month() as u32, date.day() as u32);
            assert_eq!(civil_from_days(days), (year, month, day));
            assert_eq!(days_from_civil(year, month, day), days);
            assert_eq!(days_in_month(year, month), date.days_in_month() as u32);
            date = date.tomorrow().unwrap();
        }
    }

    #[test]
    fn the_ends_of_the_range_do_not_overflow() {
        for days in [i64::MIN, i64::MAX] {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(days_from_civil(i64::MAX, 12, 31), i64::MAX);
        assert_eq!(days_from_civil(i64::MIN, 1, 1), i64::MIN);
        assert_eq!(days_in_month(2024, 13), 0);
    }

    proptest! {
        #[test]
        fn dates_round_trip(days: i64) {
            let (year, month, day) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
            prop_assert!((1..=days_in_month(year, month)).contains(&day));
        }
    }
}
