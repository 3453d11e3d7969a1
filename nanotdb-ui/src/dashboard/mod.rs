//! The dashboard document (dashboard.json): its rules, the one that stands in for a missing one, and its text.
//!
//! A document is checked as it is and kept as it is: what is not named here is somebody else's, and survives.

mod check;
mod place;
mod standard;
mod text;

pub use check::{Reference, Report, Rules, check, references};
pub use place::{Place, Problem};
pub use standard::{Database, standard};
pub use text::pretty;

#[cfg(test)]
mod tests;
