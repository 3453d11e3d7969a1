//! The time by which retention removes data: a wall clock that leaps must not be believed at once, because what it makes
//! expire is gone.
//!
//! The process's own uptime cannot leap. So a root counts the uptime of all its processes, and watches the *offset* of the
//! wall clock: wall time minus uptime. The offset grows while no process runs, and when somebody sets the clock. An offset is
//! believed when the wall clock has shown it, or a larger one, for [`HOURS`] of uptime; until then time goes on
//! from the offset that was believed before, which right time is never behind of. A smaller offset, a clock that was
//! set back, counts at once, since it makes less expire.

use crate::layout;
use crate::model::Timestamp;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Hours of uptime after which a wall clock is believed.
const HOURS: usize = 24;
const HOUR: i64 = 3_600_000_000_000;
/// Largest file that is read.
const MAX_FILE: u64 = 1 << 16;

/// What outlives the process. Times are nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Saved {
    /// Uptime of all processes so far.
    uptime: i64,
    /// The offset that is believed; none before a root is [`HOURS`] old.
    believed: Option<i64>,
    /// The smallest offset in each of the last hours of uptime in which the clock was not behind the believed one.
    hours: VecDeque<i64>,
    /// The same of the hour that has not passed, and how much of it has.
    this_hour: i64,
    in_this_hour: i64,
    /// For how long the clock has been behind, and the largest offset since.
    behind: i64,
    most_behind: i64,
}

/// Watches the wall clock of one root.
#[derive(Debug)]
pub(super) struct TrustedClock {
    path: PathBuf,
    state: Saved,
    /// Monotonic time and offset when it was last looked at.
    seen: Option<(Duration, i64)>,
    /// Uptime when the file was written.
    saved: Option<i64>,
}

impl TrustedClock {
    /// Reads what the processes before this one left. A file that cannot be read is as none: nothing expires for a day.
    pub(super) fn load(vfs: &dyn Vfs, root: &Path) -> Self {
        let path = root.join(layout::CLOCK);
        let state = match vfs.read(&path, MAX_FILE) {
            Ok(bytes) => std::str::from_utf8(&bytes).ok().and_then(|text| toml::from_str(text).ok()).unwrap_or_else(|| {
                tracing::warn!(file = %path.display(), "cannot be read; retention waits until the clock has run for a day");
                Saved::default()
            }),
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    tracing::warn!(file = %path.display(), %error, "retention waits until the clock has run for a day");
                }
                Saved::default()
            }
        };
        let saved = (state != Saved::default()).then_some(state.uptime);
        Self { path, state, seen: None, saved }
    }

    /// Looks at both clocks. The more often, the sooner a leap is noticed to be over.
    pub(super) fn observe(&mut self, wall: Timestamp, monotonic: Duration) {
        let passed = self.seen.map_or(Duration::ZERO, |(then, _)| monotonic.saturating_sub(then));
        let passed = i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX);
        let state = &mut self.state;
        state.uptime = state.uptime.saturating_add(passed);
        let offset = wall.saturating_sub(state.uptime);
        // Of the time between two looks, nobody knows when the clock was set: the smaller offset counts.
        let before = self.seen.map_or(offset, |(_, before)| before);
        self.seen = Some((monotonic, offset));
        let (low, high) = (before.min(offset), before.max(offset));
        match state.believed {
            Some(believed) if low < believed.saturating_sub(HOUR) => {
                state.most_behind = if state.behind == 0 { high } else { state.most_behind.max(high) };
                state.behind = state.behind.saturating_add(passed);
                if state.behind >= HOUR.saturating_mul(HOURS as i64) && state.most_behind < believed {
                    tracing::warn!("the clock was set back a day of uptime ago; retention goes by it from now on");
                    *state = Saved { uptime: state.uptime, believed: Some(state.most_behind), ..Saved::default() };
                }
            }
            believed => {
                state.behind = 0;
                state.count(passed, believed.map_or(low, |believed| low.max(believed)));
            }
        }
    }

    /// The time by which things expire; none while no clock was seen for long enough.
    pub(super) fn now(&self) -> Option<Timestamp> {
        let (_, offset) = self.seen?;
        Some(self.state.uptime.saturating_add(self.state.believed?.min(offset)))
    }

    /// How far the wall clock is ahead of what is believed; zero when it is not, `None` when nothing is believed yet.
    pub(super) fn ahead(&self) -> Option<Duration> {
        let (_, offset) = self.seen?;
        Some(Duration::from_nanos(u64::try_from(offset.saturating_sub(self.state.believed?)).unwrap_or(0)))
    }

    /// Believes the wall clock as it is: somebody who knows the time has said so.
    pub(super) fn believe(&mut self) {
        if let Some((_, offset)) = self.seen {
            self.state = Saved { uptime: self.state.uptime, believed: Some(offset), ..Saved::default() };
        }
    }

    /// Whether an hour has passed since it was saved.
    pub(super) fn is_due(&self) -> bool {
        self.saved.is_none_or(|saved| self.state.uptime.saturating_sub(saved) >= HOUR)
    }

    /// The file and what is to be in it, which from now on counts as saved.
    pub(super) fn take_to_save(&mut self) -> Result<(PathBuf, String)> {
        let text =
            toml::to_string(&self.state).map_err(|e| Error::bad_input(format!("{}: {e}", self.path.display())))?;
        self.saved = Some(self.state.uptime);
        let comment = "# What retention believes of the clock, in nanoseconds: docs/OPERATIONS.md.\n";
        Ok((self.path.clone(), format!("{comment}{text}")))
    }
}

impl Saved {
    /// Adds uptime in which the offset was no smaller than `offset`.
    fn count(&mut self, passed: i64, offset: i64) {
        self.this_hour = if self.in_this_hour == 0 { offset } else { self.this_hour.min(offset) };
        self.in_this_hour = self.in_this_hour.saturating_add(passed);
        // More than a day at once is a day: what came before it does not count any more.
        let most = HOUR.saturating_mul(HOURS as i64).saturating_add(self.in_this_hour % HOUR);
        self.in_this_hour = self.in_this_hour.min(most);
        while self.in_this_hour >= HOUR {
            self.in_this_hour = self.in_this_hour.saturating_sub(HOUR);
            self.hours.push_back(self.this_hour);
            self.this_hour = offset;
            while self.hours.len() > HOURS {
                self.hours.pop_front();
            }
        }
        if self.hours.len() >= HOURS {
            self.believed = self.believed.max(self.hours.iter().min().copied());
        }
    }
}

#[cfg(test)]
mod tests;
