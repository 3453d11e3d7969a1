//! Widths of buckets: few and round, so that the same bucket is asked for again when a chart moves.

const MILLI: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MILLI;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Nanoseconds. After the last one, each is twice the one before.
const LADDER: [i64; 31] = [
    MILLI,
    2 * MILLI,
    5 * MILLI,
    10 * MILLI,
    20 * MILLI,
    50 * MILLI,
    100 * MILLI,
    200 * MILLI,
    500 * MILLI,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
];

/// The smallest width with which `buckets` of them reach over `span` nanoseconds.
pub(super) fn step_for(span: i64, buckets: i64) -> i64 {
    let least = span.saturating_add(buckets.saturating_sub(1)) / buckets.max(1);
    if let Some(step) = LADDER.iter().find(|step| **step >= least) {
        return *step;
    }
    let mut step = 28 * DAY;
    while step < least {
        step = step.saturating_mul(2);
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steps_are_round() {
        assert_eq!(step_for(HOUR, 600), 10 * SECOND);
        assert_eq!(step_for(HOUR, 3_600), SECOND);
        assert_eq!(step_for(HOUR + 1, 3_600), 2 * SECOND);
        assert_eq!(step_for(30 * DAY, 600), 2 * HOUR);
        assert_eq!(step_for(1, 4_096), MILLI);
        assert_eq!(step_for(29 * DAY, 1), 56 * DAY);
    }

    proptest! {
        #[test]
        fn buckets_reach_over_the_range_and_are_not_too_wide(span in 1i64..i64::MAX / 4, buckets in 1i64..=4_096) {
            let step = step_for(span, buckets);
            prop_assert!(i128::from(step) * i128::from(buckets) >= i128::from(span));
            // No rung is more than three and a half times the one below.
            let least = (span / buckets).max(MILLI);
            prop_assert!(step <= least.saturating_add(1).saturating_mul(4), "{step} for {least}");
        }
    }
}
