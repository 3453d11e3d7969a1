//! When cycles are: at whole multiples of the interval, by the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock that went back less than this is waited for; the server would refuse what is older than what it has.
const SHORT_STEP_BACK: i64 = 60_000_000_000;

/// The times of cycles.
#[derive(Debug)]
pub(crate) struct Schedule {
    interval_ns: i64,
    last: i64,
}

/// What to do at a moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A cycle with this timestamp.
    Cycle(i64),
    /// A cycle, and the clock has gone back by so much since the last one.
    WentBack(i64, Duration),
    /// None: this one was already, or the clock went back a little.
    Wait,
}

impl Schedule {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval_ns: i64::try_from(interval.as_nanos()).unwrap_or(i64::MAX).max(1), last: i64::MIN }
    }

    /// Time from `now` to the next cycle; never longer than the interval.
    pub(crate) fn until_next(&self, now: i64) -> Duration {
        let since = now.rem_euclid(self.interval_ns);
        Duration::from_nanos(u64::try_from(self.interval_ns - since).unwrap_or(1))
    }

    /// Whether there is a cycle now. Cycles that were missed, by a machine that slept, are left out.
    pub(crate) fn turn(&mut self, now: i64) -> Turn {
        let at = now - now.rem_euclid(self.interval_ns);
        if at > self.last {
            self.last = at;
            return Turn::Cycle(at);
        }
        let back = self.last - at;
        if back < SHORT_STEP_BACK.max(self.interval_ns * 2) {
            return Turn::Wait;
        }
        self.last = at;
        Turn::WentBack(at, Duration::from_nanos(back.unsigned_abs()))
    }
}

/// The wall clock, in nanoseconds since 1970.
pub(crate) fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn cycles_are_at_multiples_and_missed_ones_fall_out() {
        let mut schedule = Schedule::new(Duration::from_secs(10));
        assert_eq!(schedule.until_next(1_003 * S), Duration::from_secs(7));
        assert_eq!(schedule.until_next(1_010 * S), Duration::from_secs(10));
        assert_eq!(schedule.turn(1_010 * S + 400_000), Turn::Cycle(1_010 * S));
        assert_eq!(schedule.turn(1_019 * S), Turn::Wait);
        assert_eq!(schedule.turn(1_047 * S), Turn::Cycle(1_040 * S));
    }

    #[test]
    fn a_clock_that_goes_back_a_little_is_waited_for() {
        let mut schedule = Schedule::new(Duration::from_secs(10));
        assert_eq!(schedule.turn(1_000 * S), Turn::Cycle(1_000 * S));
        assert_eq!(schedule.turn(999 * S), Turn::Wait);
        assert_eq!(schedule.turn(950 * S), Turn::Wait);
        assert_eq!(schedule.turn(1_010 * S), Turn::Cycle(1_010 * S));
        assert_eq!(schedule.turn(10 * S), Turn::WentBack(10 * S, Duration::from_secs(1_000)));
        assert_eq!(schedule.turn(20 * S), Turn::Cycle(20 * S));
    }
}
