//! Timestamps as text and as civil dates: parsed and written in integers, UTC.

mod civil;
mod digits;
mod format;
mod parse;
mod unix;

pub use civil::{civil_from_days, days_from_civil, days_in_month};
pub use digits::{fraction_nanoseconds, nineteen_digits, parse_integer};
pub use format::{format_rfc3339, format_timestamp, write_unix_seconds};
pub use parse::{parse_before, parse_date, parse_date_and_time, parse_rfc3339, parse_time};
pub use unix::{BARE_SINCE, looks_like, mistaken_bound, parse_bare};

use super::quoted;
use crate::{Error, Result};

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a day.
pub const DAY: i64 = 86_400 * SECOND;

/// The unit of a bare number that means a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// `ns`
    Nanoseconds,
    /// `us`
    Microseconds,
    /// `ms`
    Milliseconds,
    /// `s`
    Seconds,
}

impl TimeUnit {
    /// The unit called `ns`, `us`, `ms` or `s`.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "ns" => Ok(Self::Nanoseconds),
            "us" | "\u{b5}s" | "\u{3bc}s" => Ok(Self::Microseconds),
            "ms" => Ok(Self::Milliseconds),
            "s" => Ok(Self::Seconds),
            _ => Err(Error::bad_input(format!("unknown time unit {}; accepted are ns, us, ms, s", quoted(text)))),
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "nanoseconds",
            Self::Microseconds => "microseconds",
            Self::Milliseconds => "milliseconds",
            Self::Seconds => "seconds",
        }
    }

    /// Decimal places of this unit that nanoseconds can hold.
    fn places(self) -> u32 {
        match self {
            Self::Nanoseconds => 0,
            Self::Microseconds => 3,
            Self::Milliseconds => 6,
            Self::Seconds => 9,
        }
    }
}

impl std::fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "us",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        })
    }
}
