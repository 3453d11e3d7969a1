//! How long something takes, each time that it is done.

use crate::model::Timestamp;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Classes of each doubling: neighbours differ by a quarter at most.
const PER_DOUBLING: u64 = 4;
/// From one microsecond to more than an hour.
const CLASSES: usize = 32 * PER_DOUBLING as usize;

/// Times of one kind of work since the process started, in microseconds. Noting one is a few relaxed additions.
#[derive(Debug)]
pub struct Times {
    last: AtomicU64,
    last_at: AtomicI64,
    longest: AtomicU64,
    classes: [AtomicU64; CLASSES],
}

/// What [`Times`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimesSummary {
    /// How many there were.
    pub count: u64,
    /// The newest of them.
    pub last: Duration,
    /// When that ended.
    pub last_at: Timestamp,
    /// 99 of 100 took no longer; up to a quarter too much, never too little.
    pub p99: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let classes = std::array::from_fn(|_| AtomicU64::new(0));
        Self { last: AtomicU64::new(0), last_at: AtomicI64::new(0), longest: AtomicU64::new(0), classes }
    }
}

/// The class of a time: its highest bit and the two below it.
fn class(micros: u64) -> usize {
    let micros = micros.max(1);
    let doubling = u64::from(micros.ilog2());
    let quarter = if doubling >= 2 { (micros >> (doubling - 2)) & 3 } else { (micros << (2 - doubling)) & 3 };
    usize::try_from(doubling * PER_DOUBLING + quarter).unwrap_or(CLASSES).min(CLASSES - 1)
}

/// The longest time of a class.
fn end_of(class: usize) -> u64 {
    let (doubling, quarter) = (class as u64 / PER_DOUBLING, class as u64 % PER_DOUBLING);
    ((1u64 << doubling) * (PER_DOUBLING + quarter + 1)).div_ceil(PER_DOUBLING) - 1
}

impl Times {
    /// Notes that it `took` this long, and ended at `now`.
    pub fn note(&self, took: Duration, now: Timestamp) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.last.store(micros, Relaxed);
        self.last_at.store(now, Relaxed);
        self.longest.fetch_max(micros, Relaxed);
        if let Some(count) = self.classes.get(class(micros)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// What was noted so far; `None` before the first.
    pub fn summary(&self) -> Option<TimesSummary> {
        let counts: Vec<u64> = self.classes.iter().map(|count| count.load(Relaxed)).collect();
        let count = counts.iter().sum::<u64>();
        if count == 0 {
            return None;
        }
        let longest = self.longest.load(Relaxed);
        // The time that one in a hundred is above: at least 99 of 100 are at or below it.
        let wanted = count - count / 100;
        let mut below = 0;
        let found = counts.iter().position(|in_class| {
            below += in_class;
            below >= wanted
        });
        let p99 = found.map_or(longest, |at| end_of(at).min(longest));
        Some(TimesSummary {
            count,
            last: Duration::from_micros(self.last.load(Relaxed)),
            last_at: self.last_at.load(Relaxed),
            p99: Duration::from_micros(p99),
            longest: Duration::from_micros(longest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_near_the_truth() {
        let times = Times::default();
        assert_eq!(times.summary(), None);
        // 1 ms to 1 s, each once.
        for millis in 1..=1000 {
            times.note(Duration::from_millis(millis), millis as i64);
        }
        let found = times.summary().unwrap();
        assert_eq!((found.count, found.last, found.last_at), (1000, Duration::from_secs(1), 1000));
        assert_eq!(found.longest, Duration::from_secs(1));
        assert!(found.p99 >= Duration::from_millis(990) && found.p99 <= Duration::from_secs(1), "{:?}", found.p99);
    }

    #[test]
    fn one_slow_time_in_a_thousand_is_the_longest_and_not_the_p99() {
        let times = Times::default();
        for _ in 0..999 {
            times.note(Duration::from_micros(100), 1);
        }
        times.note(Duration::from_secs(9), 2);
        let found = times.summary().unwrap();
        assert!(found.p99 >= Duration::from_micros(100) && found.p99 < Duration::from_micros(126), "{:?}", found.p99);
        assert_eq!(found.longest, Duration::from_secs(9));
    }

    #[test]
    fn every_time_is_in_a_class_that_reaches_to_it() {
        for micros in (0..5_000).chain((12..40).map(|power| (1 << power) + 1)) {
            let class = class(micros);
            assert!(class == CLASSES - 1 || end_of(class) >= micros, "{micros}");
            assert!(class == 0 || class == CLASSES - 1 || end_of(class) <= micros + micros / 4 + 1, "{micros}");
        }
        assert_eq!(class(u64::MAX), CLASSES - 1);
    }
}
