//! Values, timestamps, durations and names: parsed and written in one place, used by all.

pub mod duration;
pub mod name;
pub mod time;
pub mod value;

pub use value::{Number, NumberKind, Value, ValueType};

/// Unix nanoseconds, UTC.
pub type Timestamp = i64;

/// A metric's id within its database: 1..=65535, given in order of first sight, never reused.
pub type MetricId = u16;

/// One point of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it was measured.
    pub timestamp: Timestamp,
    /// What was measured.
    pub value: Value,
}
