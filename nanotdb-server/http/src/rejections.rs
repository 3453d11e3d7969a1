//! The newest requests with lines that were refused: the counters say how many there were, this says which and why.

use crate::app::{App, State};
use nanotdb_core::engine::BatchOutcome;
use nanotdb_core::model::Timestamp;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Requests that are kept.
const MOST: usize = 20;
/// Lines that are kept of one request.
const MOST_LINES: usize = 5;
/// Characters that are kept of a reason, and of a sender's name.
const MOST_TEXT: usize = 300;

/// A request with refused lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// When it was answered.
    pub(crate) at: Timestamp,
    /// Its User-Agent.
    pub(crate) sender: Option<String>,
    /// Samples that were stored.
    pub(crate) accepted: u64,
    /// Lines that were not.
    pub(crate) rejected: u64,
    /// The first of them: line number, and why.
    pub(crate) lines: Vec<(u64, String)>,
}

/// The newest of them.
#[derive(Debug, Default)]
pub(crate) struct Rejections(Mutex<VecDeque<Refused>>);

impl State for Rejections {
    fn new(_: &App) -> Self {
        Self::default()
    }
}

impl Rejections {
    /// Keeps what became of a request, if it has refused lines.
    pub(crate) fn note(&self, at: Timestamp, sender: Option<&str>, outcome: &BatchOutcome) {
        if outcome.rejected == 0 {
            return;
        }
        let short = |text: &str| text.chars().take(MOST_TEXT).collect::<String>();
        let lines = outcome.rejections.iter().take(MOST_LINES).map(|one| (one.line, short(&one.reason))).collect();
        let refused =
            Refused { at, sender: sender.map(short), accepted: outcome.accepted, rejected: outcome.rejected, lines };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(MOST - 1);
        kept.push_front(refused);
    }

    /// Newest first.
    pub(crate) fn newest(&self) -> Vec<Refused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// When the newest was.
    pub(crate) fn last_at(&self) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).front().map(|refused| refused.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nanotdb_core::engine::Rejection;

    fn outcome(rejected: u64) -> BatchOutcome {
        let reason = |line| Rejection { line, reason: "é".repeat(1_000) };
        BatchOutcome {
            accepted: 1,
            rejected,
            rejections: (1..=rejected).map(reason).collect(),
            ..BatchOutcome::default()
        }
    }

    #[test]
    fn the_newest_are_kept_and_no_more_than_is_shown() {
        let kept = Rejections::default();
        assert_eq!((kept.newest(), kept.last_at()), (Vec::new(), None));
        kept.note(1, None, &outcome(0));
        assert_eq!(kept.last_at(), None);
        for at in 1..=50 {
            kept.note(at, Some("curl/8.5"), &outcome(9));
        }
        let newest = kept.newest();
        assert_eq!((newest.len(), kept.last_at()), (20, Some(50)));
        let first = &newest[0];
        assert_eq!((first.at, first.accepted, first.rejected, first.lines.len()), (50, 1, 9, 5));
        assert_eq!(first.lines[1], (2, "é".repeat(300)));
        assert_eq!(first.sender.as_deref(), Some("curl/8.5"));
        assert_eq!(newest[19].at, 31);
    }
}
