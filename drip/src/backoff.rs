//! How long to wait before the server is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Waits that double, with jitter: many hosts whose server comes back do not all call in the same moment.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The next wait.
    pub(crate) fn wait(&mut self) -> Duration {
        let wait = self.next.mul_f64(0.75 + 0.5 * fastrand::f64());
        self.next = (self.next * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_minute_and_differ() {
        let mut backoff = Backoff::default();
        for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            let wait = backoff.wait().as_secs_f64();
            assert!((expected * 0.75..=expected * 1.25).contains(&wait), "{wait} for {expected}");
        }
        let waits: Vec<_> = (0..4).map(|_| backoff.wait()).collect();
        assert!(waits.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
