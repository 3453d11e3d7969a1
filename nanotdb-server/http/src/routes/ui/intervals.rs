//! How far apart the samples of a metric usually are, looked up where it is cheap and remembered for a while.

use crate::app::{App, State};
use nanotdb_core::engine::{Engine, MetricFiles, ScanSink, ScanSlice};
use nanotdb_core::model::Timestamp;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Times that are looked at.
const MOST_TIMES: usize = 17;
/// How long a distance is believed, and how long it is not looked for again.
const KEPT: Duration = Duration::from_secs(60);
/// Nanoseconds that are read of all metrics together, newest first.
const SPANS: [i64; 2] = [300_000_000_000, 7_200_000_000_000];
/// Nanoseconds that are read of one metric that has too few samples in those.
const LONG_SPAN: i64 = 172_800_000_000_000;
/// Metrics that are looked at one by one, at most, in one request.
const MOST_ALONE: usize = 32;
/// How long is looked for distances in one request, usually.
pub(super) const PATIENT: Duration = Duration::from_millis(500);
/// Metrics that are remembered.
const MOST_KNOWN: usize = 200_000;

/// A distance, and when it was found.
type Known = (Option<i64>, Instant);

/// Distances by database and metric.
#[derive(Debug, Default)]
pub(crate) struct Intervals {
    known: Mutex<HashMap<String, HashMap<String, Known>>>,
}

impl State for Intervals {
    fn new(_: &App) -> Self {
        Self::default()
    }
}

impl Intervals {
    /// The usual distance of samples in nanoseconds, per metric, `None` when it is not known. `lasts` are the times of their
    /// newest samples. Reads from disk, as long as `patience` lasts.
    pub(crate) fn of(
        &self,
        engine: &Engine,
        database: &str,
        metrics: &[&str],
        lasts: &[Option<Timestamp>],
        patience: Duration,
    ) -> Vec<Option<i64>> {
        let now = Instant::now();
        let mut found: Vec<Option<i64>> = vec![None; metrics.len()];
        let mut missing: Vec<usize> = Vec::new();
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let known = known.get(database);
            for (at, (metric, slot)) in metrics.iter().zip(&mut found).enumerate() {
                match known.and_then(|known| known.get(*metric)) {
                    Some((interval, when)) if now.duration_since(*when) < KEPT => *slot = *interval,
                    _ => missing.push(at),
                }
            }
        }
        missing.retain(|at| lasts.get(*at).is_some_and(Option::is_some));
        if missing.is_empty() || patience.is_zero() {
            return found;
        }
        let looked_at = look(engine, database, metrics, lasts, missing, Until { began: now, patience });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.values().map(HashMap::len).sum::<usize>() > MOST_KNOWN {
            known.clear();
        }
        let known = known.entry(database.to_owned()).or_default();
        for (at, interval) in looked_at {
            if let (Some(slot), Some(metric)) = (found.get_mut(at), metrics.get(at)) {
                *slot = interval;
                known.insert((*metric).to_owned(), (interval, now));
            }
        }
        found
    }
}

/// For how long is looked.
#[derive(Debug, Clone, Copy)]
struct Until {
    began: Instant,
    patience: Duration,
}

impl Until {
    fn is_over(self) -> bool {
        self.began.elapsed() > self.patience
    }
}

/// The distances of some metrics. Those that there was no time for are left out.
fn look(
    engine: &Engine,
    database: &str,
    metrics: &[&str],
    lasts: &[Option<Timestamp>],
    mut missing: Vec<usize>,
    until: Until,
) -> Vec<(usize, Option<i64>)> {
    let last_of = |at: usize| lasts.get(at).copied().flatten();
    let name_of = |at: usize| metrics.get(at).copied().unwrap_or_default();
    let mut found = Vec::new();
    let newest = missing.iter().filter_map(|at| last_of(*at)).max().unwrap_or_default();
    for span in SPANS {
        let names: Vec<&str> = missing.iter().map(|at| name_of(*at)).collect();
        let times = read(engine, database, &names, newest.saturating_sub(span), newest, until);
        let mut rest = Vec::new();
        for (at, times) in missing.into_iter().zip(times) {
            match median(&times) {
                Some(interval) => found.push((at, Some(interval))),
                None => rest.push(at),
            }
        }
        missing = rest;
        if missing.is_empty() || until.is_over() {
            return found;
        }
    }
    for at in missing.into_iter().take(MOST_ALONE) {
        let Some(last) = last_of(at) else { continue };
        let times = read(engine, database, &[name_of(at)], last.saturating_sub(LONG_SPAN), last, until);
        if until.is_over() {
            break;
        }
        found.push((at, times.first().and_then(|times| median(times))));
    }
    found
}

/// The newest times of each metric.
fn read(
    engine: &Engine,
    database: &str,
    metrics: &[&str],
    from: Timestamp,
    to: Timestamp,
    until: Until,
) -> Vec<Vec<Timestamp>> {
    let mut sink = Newest { times: vec![Vec::new(); metrics.len()], until };
    // What cannot be read has no distance.
    let _ = engine.scan_into(database, metrics, from, to, MetricFiles::Preferred, &mut sink);
    sink.times
}

struct Newest {
    times: Vec<Vec<Timestamp>>,
    until: Until,
}

impl ScanSink for Newest {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>, nanotdb_core::Error> {
        if let Some(times) = self.times.get_mut(slice.metric) {
            let from = slice.timestamps.len().saturating_sub(MOST_TIMES);
            times.extend_from_slice(slice.timestamps.get(from..).unwrap_or_default());
            let surplus = times.len().saturating_sub(MOST_TIMES);
            times.drain(..surplus);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        if self.until.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The median of the distances above zero.
fn median(times: &[Timestamp]) -> Option<i64> {
    let mut distances: Vec<i64> = times
        .windows(2)
        .filter_map(|pair| match pair {
            [a, b] => Some(b.saturating_sub(*a)).filter(|d| *d > 0),
            _ => None,
        })
        .collect();
    distances.sort_unstable();
    distances.get(distances.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_distance_is_the_median() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7]), None);
        assert_eq!(median(&[7, 7]), None);
        // One gap and two equal times say nothing.
        assert_eq!(median(&[0, 10, 20, 20, 500, 510]), Some(10));
    }
}
