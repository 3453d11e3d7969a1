//! A thread that sends numbered samples until the server is gone.

use super::series::{Kind, Series};
use crate::http::{Connection, post_into};
use crate::ingest::imported;
use crate::rng::Rng;
use anyhow::{Result, bail};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;
/// 2024-03-01T23:55:00Z: five minutes before a partition ends.
const START: i64 = 1_709_251_200 * SECOND + DAY - 300 * SECOND;
const IMPORT: &str = "/api/v1/import";
/// Most lines of one request.
const MAX_LINES: u64 = 5000;

/// The databases that every writer writes to.
pub(super) const DATABASES: [&str; 3] = ["kill_a", "kill_b", "kill.c"];

/// One writer: its clock, and the series that nobody else writes.
#[derive(Debug)]
pub(super) struct Writer {
    /// Its series, over all databases.
    pub(super) series: Vec<Series>,
    now: i64,
    rng: Rng,
}

impl Writer {
    /// The writer of the given number.
    pub(super) fn new(number: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ ((number as u64 + 1) << 40));
        let mut series = Vec::new();
        for database in DATABASES {
            for (suffix, kind) in [("int", Kind::Int), ("float", Kind::Float), ("wide", Kind::Wide)] {
                // A third without a lag, the rest up to ten minutes behind.
                let lag = if rng.chance(33) { 0 } else { rng.between(1, 600) as i64 * SECOND };
                series.push(Series::new(format!("{database}/writer{number}.{suffix}"), kind, lag));
            }
        }
        Self { series, now: START, rng }
    }

    /// Sends requests until `stopping` or until the connection breaks; a request without an answer stays in flight.
    ///
    /// # Errors
    /// When the server refuses good samples although nobody is stopping it.
    pub(super) fn run(&mut self, address: SocketAddr, stopping: &AtomicBool) -> Result<()> {
        let Ok(mut connection) = Connection::open(address) else { return Ok(()) };
        while !stopping.load(Ordering::Relaxed) {
            let (request, lines) = self.next_request();
            let Ok(response) = connection.exchange(&request) else { return Ok(()) };
            if response.status == 200 && imported(response.body) == Some(lines) {
                self.series.iter_mut().for_each(Series::acknowledge);
            } else if stopping.load(Ordering::Relaxed) && response.status == 503 {
                // Told to stop: whether it took the request is what the restart will show.
                return Ok(());
            } else {
                let answer = String::from_utf8_lossy(response.body);
                let shown: String = answer.chars().take(400).collect();
                bail!("{lines} good lines were answered with status {}: {shown}", response.status);
            }
            thread::sleep(Duration::from_micros(self.rng.between(0, 3000)));
        }
        Ok(())
    }

    /// A request of 1 to 5000 lines, small ones as likely as large ones, that may run over midnight.
    fn next_request(&mut self) -> (Vec<u8>, u64) {
        let bound = MAX_LINES >> self.rng.between(0, 12);
        let lines = self.rng.between(1, bound.max(1));
        if self.rng.chance(2) {
            let midnight = self.now - self.now.rem_euclid(DAY) + DAY;
            self.now = midnight - self.rng.between(0, 3) as i64 * SECOND;
        }
        let mut body = String::new();
        for _ in 0..lines {
            // Many samples share a tick, as those of a collector do.
            if self.rng.chance(20) {
                self.now += self.rng.between(0, 2_000_000_000) as i64;
            }
            let pick = self.rng.between(0, self.series.len() as u64 - 1) as usize;
            let now = self.now;
            if let Some(series) = self.series.get_mut(pick) {
                body.push_str(&series.next_line(now));
            }
        }
        let mut request = Vec::new();
        post_into(&mut request, IMPORT, body.as_bytes());
        (request, lines)
    }

    /// Sends one sample older than its metric's newest.
    ///
    /// # Errors
    /// When it is not rejected: order must be known again right after a restart.
    pub(super) fn probe_order(&mut self, address: SocketAddr) -> Result<()> {
        let pick = self.rng.between(0, self.series.len() as u64 - 1) as usize;
        let Some(line) = self.series.get(pick).and_then(Series::stale_line) else { return Ok(()) };
        let mut request = Vec::new();
        post_into(&mut request, IMPORT, line.as_bytes());
        let (status, body) = crate::http::once(address, &request)?;
        if status != 400 || imported(&body) != Some(0) {
            let answer = String::from_utf8_lossy(&body);
            bail!("'{}' is older than its metric's newest; expected 400, got {status}: {answer}", line.trim_end());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_say_what_they_hold_and_cross_midnight() {
        let mut writer = Writer::new(0, 7);
        let mut days = std::collections::BTreeSet::new();
        let mut two_open = 0;
        for _ in 0..200 {
            let (request, lines) = writer.next_request();
            let text = String::from_utf8(request).unwrap();
            let (_, body) = text.split_once("\r\n\r\n").unwrap();
            assert_eq!(body.lines().count() as u64, lines);
            assert!((1..=MAX_LINES).contains(&lines));
            let of_request: std::collections::BTreeSet<i64> =
                body.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap() / DAY).collect();
            two_open += usize::from(of_request.len() > 1);
            days.extend(of_request);
        }
        assert!(days.len() >= 3, "{days:?}");
        assert!(two_open >= 2, "{two_open}");
    }

    #[test]
    fn the_same_seed_makes_the_same_requests() {
        let (mut one, mut two) = (Writer::new(3, 11), Writer::new(3, 11));
        for _ in 0..20 {
            assert_eq!(one.next_request(), two.next_request());
        }
        assert_ne!(Writer::new(3, 11).next_request(), Writer::new(4, 11).next_request());
    }
}
