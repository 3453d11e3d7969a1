//! Cutting a time range into windows that hold a bounded number of rows.
//!
//! An export merges all metrics of a window in memory, so a window must be small; but each one costs a pass over the
//! files it touches, so it must not be smaller than needed, and whole days (the usual partition) are best.

use crate::engine::{Engine, ScanReport};
use crate::model::Timestamp;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Widths in nanoseconds at which a range is cut; the next one is tried where one step alone holds too many rows.
const GRAINS: [i64; 4] = [86_400_000_000_000, 3_600_000_000_000, 60_000_000_000, 1_000_000_000];

/// A closed range of time and how many rows it held when it was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) rows: u64,
}

/// Counts the rows of a window per step of so many nanoseconds since the epoch.
pub(super) type CountRows<'c> = dyn FnMut(Window, i64, &mut BTreeMap<i64, u64>) -> Result<ScanReport> + 'c;

/// Windows that tile `from..=to` in order. Each holds at most `budget` rows, or one second.
pub(super) fn plan(
    engine: &Engine,
    database: &str,
    metrics: &[&str],
    from: Timestamp,
    to: Timestamp,
    budget: u64,
) -> Result<(Vec<Window>, ScanReport)> {
    let mut count = |window, grain, histogram: &mut _| count(engine, database, metrics, window, grain, histogram);
    plan_by(&mut count, from, to, budget)
}

/// The same with another way of counting.
pub(super) fn plan_by(
    count: &mut CountRows<'_>,
    from: Timestamp,
    to: Timestamp,
    budget: u64,
) -> Result<(Vec<Window>, ScanReport)> {
    let mut report = ScanReport::default();
    let mut windows = vec![Window { from, to, rows: u64::MAX }];
    for grain in GRAINS {
        let mut finer = Vec::with_capacity(windows.len());
        for window in windows {
            if window.rows <= budget {
                finer.push(window);
                continue;
            }
            let mut histogram = BTreeMap::new();
            let scanned = count(window, grain, &mut histogram)?;
            if report.warnings.is_empty() {
                report = scanned;
            }
            cut(&histogram, grain, window, budget, &mut finer);
        }
        windows = finer;
    }
    Ok((windows, report))
}

/// Counts the rows that an engine has of some metrics.
pub(super) fn count(
    engine: &Engine,
    database: &str,
    metrics: &[&str],
    window: Window,
    grain: i64,
    histogram: &mut BTreeMap<i64, u64>,
) -> Result<ScanReport> {
    engine.scan(database, metrics, window.from, window.to, &mut |slice| {
        tally(slice.timestamps, grain, histogram);
        Ok::<_, Error>(ControlFlow::Continue(()))
    })
}

pub(super) fn tally(mut timestamps: &[Timestamp], grain: i64, histogram: &mut BTreeMap<i64, u64>) {
    while let Some(first) = timestamps.first() {
        let step = first.div_euclid(grain);
        let (inside, rest) = timestamps.split_at(timestamps.partition_point(|t| t.div_euclid(grain) <= step));
        *histogram.entry(step).or_default() += inside.len() as u64;
        timestamps = rest;
    }
}

/// Appends windows that tile `whole`, cut at steps so that each holds at most `budget` rows, or a single step.
fn cut(histogram: &BTreeMap<i64, u64>, grain: i64, whole: Window, budget: u64, out: &mut Vec<Window>) {
    let mut open = Window { rows: 0, ..whole };
    for (step, rows) in histogram {
        if open.rows > 0 && open.rows.saturating_add(*rows) > budget {
            let edge = step.saturating_mul(grain);
            out.push(Window { to: edge.saturating_sub(1), ..open });
            open = Window { from: edge, to: whole.to, rows: 0 };
        }
        open.rows = open.rows.saturating_add(*rows);
    }
    out.push(open);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Window = Window { from: i64::MIN, to: i64::MAX, rows: u64::MAX };

    fn cut_all(steps: &[(i64, u64)], budget: u64) -> Vec<Window> {
        let mut out = Vec::new();
        cut(&steps.iter().copied().collect(), 10, WHOLE, budget, &mut out);
        out
    }

    #[test]
    fn windows_tile_the_range_and_keep_to_the_budget() {
        let windows = cut_all(&[(0, 4), (1, 4), (3, 4), (9, 20), (10, 1)], 10);
        assert_eq!(
            windows,
            [
                Window { from: i64::MIN, to: 29, rows: 8 },
                Window { from: 30, to: 89, rows: 4 },
                Window { from: 90, to: 99, rows: 20 },
                Window { from: 100, to: i64::MAX, rows: 1 },
            ]
        );
    }

    #[test]
    fn nothing_to_export_is_one_empty_window() {
        assert_eq!(cut_all(&[], 10), [Window { rows: 0, ..WHOLE }]);
    }

    #[test]
    fn tally_counts_by_step_on_both_sides_of_the_epoch() {
        let mut histogram = BTreeMap::new();
        tally(&[i64::MIN, -11, -10, -1, 0, 0, 9, 10, i64::MAX], 10, &mut histogram);
        let lowest = i64::MIN.div_euclid(10);
        assert_eq!(
            histogram.into_iter().collect::<Vec<_>>(),
            [(lowest, 1), (-2, 1), (-1, 2), (0, 3), (1, 1), (i64::MAX / 10, 1)]
        );
    }
}
