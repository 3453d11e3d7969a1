//! What happens on the demo's days: hours of work, a nightly backup, a hot day, a full disk, and times without samples.

use nanotdb_core::model::Timestamp;
use nanotdb_core::model::time::{DAY, SECOND};

/// Nanoseconds between two ticks: what a collector on such a box takes.
pub(crate) const STEP: i64 = 10 * SECOND;
const HOUR: i64 = 3_600 * SECOND;
const MINUTE: i64 = 60 * SECOND;

/// A span of time in which something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: Timestamp,
    to: Timestamp,
}

impl Span {
    fn new(from: Timestamp, length: i64) -> Self {
        Self { from, to: from.saturating_add(length) }
    }

    fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// From 0 at the start to 1 at the end; `None` outside.
    fn share(self, at: Timestamp) -> Option<f64> {
        self.contains(at).then(|| (at - self.from) as f64 / (self.to - self.from).max(1) as f64)
    }
}

/// What the world does to the host at one tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Weather {
    /// Hour of the day, 0.0 to 24.0 (UTC).
    pub(crate) hour: f64,
    /// How busy people keep it, 0.0 (night, weekend) to 1.0.
    pub(crate) people: f64,
    /// The nightly backup runs.
    pub(crate) backup: bool,
    /// A program runs away with the processor.
    pub(crate) runaway: bool,
    /// Memory that a leaking program holds, in kB.
    pub(crate) leak: i64,
    /// Degrees above a usual day.
    pub(crate) heat: f64,
    /// The host is off, or nobody collects: no samples.
    pub(crate) silent: bool,
    /// The host starts.
    pub(crate) boot: bool,
}

/// The calendar of one demo: what happens when is fixed by its first tick and its length.
#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    power_cut: Span,
    outage: Span,
    hot: Span,
    leak: Span,
    runaway: Span,
}

impl Calendar {
    /// For history from `first` on over `span` nanoseconds. Events have their places in parts of it, so that there are some in one day
    /// and in ninety.
    pub(crate) fn new(first: Timestamp, span: i64) -> Self {
        let at = |share: f64| first.saturating_add((span as f64 * share) as i64);
        // Hot days begin in the morning.
        let morning = |time: Timestamp| time - time.rem_euclid(DAY) + 6 * HOUR;
        Self {
            power_cut: Span::new(at(0.42), 55 * MINUTE),
            outage: Span::new(at(0.86), 12 * MINUTE),
            hot: Span::new(morning(at(0.75)), 14 * HOUR),
            leak: Span::new(at(0.50), (span / 10).min(3 * DAY)),
            runaway: Span::new(at(0.95), 25 * MINUTE),
        }
    }

    /// What it is like at `now`.
    pub(crate) fn at(&self, now: Timestamp) -> Weather {
        let of_day = now.rem_euclid(DAY);
        let hour = of_day as f64 / HOUR as f64;
        // 1970-01-01 was a Thursday.
        let weekday = now.div_euclid(DAY).wrapping_add(3).rem_euclid(7);
        let work = if weekday >= 5 { 0.25 } else { 1.0 };
        let daytime = (std::f64::consts::PI * (hour - 6.5) / 14.0).sin();
        Weather {
            hour,
            people: if (6.5..20.5).contains(&hour) { work * daytime.max(0.0) } else { 0.0 },
            backup: (2 * HOUR + 30 * MINUTE..2 * HOUR + 52 * MINUTE).contains(&of_day),
            runaway: self.runaway.contains(now),
            leak: self.leak.share(now).map_or(0, |share| (share * 2_000_000.0) as i64 / 4 * 4),
            heat: self.hot.share(now).map_or(0.0, |share| 17.0 * (std::f64::consts::PI * share).sin()),
            silent: self.power_cut.contains(now) || self.outage.contains(now),
            boot: (self.power_cut.to..self.power_cut.to + STEP).contains(&now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-05-01, a Friday.
    const FRIDAY: Timestamp = 1_777_593_600 * SECOND;

    #[test]
    fn a_month_and_a_day_both_have_gaps_a_boot_and_heat() {
        for days in [1, 30] {
            let span = days * DAY;
            let calendar = Calendar::new(FRIDAY, span);
            let all: Vec<Weather> = (0..span / STEP).map(|i| calendar.at(FRIDAY + i * STEP)).collect();
            let gaps = all.windows(2).filter(|pair| !pair[0].silent && pair[1].silent).count();
            assert_eq!(gaps, 2, "{days} days");
            assert_eq!(all.iter().filter(|weather| weather.boot).count(), 1, "{days} days");
            assert!(all.iter().any(|weather| weather.heat > 15.0) || days == 1);
            assert_eq!(all.iter().filter(|weather| weather.backup).count() as i64, days * 22 * 6);
        }
    }

    #[test]
    fn people_come_by_day_and_less_on_weekends() {
        let calendar = Calendar::new(FRIDAY, 30 * DAY);
        let noon = |day: i64| calendar.at(FRIDAY + day * DAY + 13 * HOUR).people;
        assert!(noon(0) > 0.9 && noon(1) < 0.3 && noon(2) < 0.3 && noon(3) > 0.9);
        assert!(calendar.at(FRIDAY + 3 * HOUR).people <= 0.0);
    }
}
