//! Values, timestamps, durations and names: parsed and written in one place, used by all.

pub mod column;
pub mod decimal;
pub mod duration;
pub mod name;
pub mod number;
mod operands;
pub mod text;
pub mod time;
pub mod value;

pub use column::{Column, Values, ValuesMut};
pub use number::{Number, NumberKind};
pub use operands::Operands;
pub use value::{Value, ValueType};

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

/// `1 line`, `2 lines`: how messages count.
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Text as an error message shows it: quoted, with control characters escaped, and cut when long.
pub(crate) use nanotdb_settings::quoted;

/// What a parser found, or why it refused; its caller adds the text and what is accepted.
type Parsed<T> = std::result::Result<T, String>;
