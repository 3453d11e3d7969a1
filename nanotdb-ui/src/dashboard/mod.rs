//! The dashboard document (dashboard.json): its rules, the one that stands in for a missing one, and its text.
//!
//! A document is checked as it is and kept as it is: what is not named here is somebody else's, and survives.

mod check;
mod place;
mod text;

pub use check::{Reference, Report, Rules, check, references};
pub use place::{Place, Problem};
pub use text::pretty;

/// The document that is shown when there is none: for the metrics that drip sends.
pub const DEFAULT: &str = include_str!("default.json");

#[cfg(test)]
mod tests;
