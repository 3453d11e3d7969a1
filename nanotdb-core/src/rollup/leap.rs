//! The wall clock as far as runs believe it: a leap ahead is believed when it has lasted.

use crate::clock::Clock;
use crate::model::Timestamp;
use std::time::Duration;

/// The two clocks may drift apart by so much between two runs.
const TOLERANCE: i64 = 5_000_000_000;
/// After so long a leap is believed: it was a correction, or the machine slept.
const HOLD: Duration = Duration::from_secs(60);

/// What was believed last.
#[derive(Debug, Default)]
pub(super) struct Leaps {
    /// The latest wall time that was believed, and the monotonic time then.
    latest: Option<(Timestamp, Duration)>,
    /// Monotonic time since which the wall clock is ahead of what can have passed.
    ahead_since: Option<Duration>,
}

impl Leaps {
    /// The time until which buckets are over.
    pub(super) fn now(&mut self, clock: &dyn Clock) -> Timestamp {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        let Some((latest, then)) = self.latest else {
            self.latest = Some((wall, monotonic));
            return wall;
        };
        let passed = i64::try_from(monotonic.saturating_sub(then).as_nanos()).unwrap_or(i64::MAX);
        let expected = latest.saturating_add(passed);
        if wall > expected.saturating_add(TOLERANCE) {
            let since = *self.ahead_since.get_or_insert(monotonic);
            if monotonic.saturating_sub(since) < HOLD {
                return expected;
            }
            tracing::warn!(
                seconds = wall.saturating_sub(expected) / 1_000_000_000,
                "the clock went ahead; rollups follow"
            );
        }
        self.ahead_since = None;
        if wall >= expected {
            self.latest = Some((wall, monotonic));
        }
        wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const HOUR: i64 = 3_600_000_000_000;

    #[test]
    fn a_leap_is_believed_when_it_has_lasted() {
        let clock = ManualClock::new(1_000 * HOUR);
        let mut leaps = Leaps::default();
        assert_eq!(leaps.now(&clock), 1_000 * HOUR);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(leaps.now(&clock), 1_001 * HOUR, "time that passes is no leap");
        clock.set_wall(5_000 * HOUR);
        assert_eq!(leaps.now(&clock), 1_001 * HOUR);
        clock.advance(Duration::from_secs(59));
        assert_eq!(leaps.now(&clock), 1_001 * HOUR + 59_000_000_000);
        clock.advance(Duration::from_secs(1));
        assert_eq!(leaps.now(&clock), 5_000 * HOUR + 60_000_000_000);
        clock.set_wall(1_002 * HOUR);
        assert_eq!(leaps.now(&clock), 1_002 * HOUR, "back again: what is over is what the clock says");
    }

    #[test]
    fn a_short_leap_and_a_step_back_leave_no_trace() {
        let clock = ManualClock::new(0);
        let mut leaps = Leaps::default();
        leaps.now(&clock);
        for wrong in [HOUR, -HOUR, 9_000 * HOUR] {
            clock.set_wall(wrong);
            assert!(leaps.now(&clock) <= 0);
            clock.set_wall(0);
            assert_eq!(leaps.now(&clock), 0);
        }
    }
}
