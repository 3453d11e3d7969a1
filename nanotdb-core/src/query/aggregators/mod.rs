//! The built-in aggregate functions.
//!
//! | name | result over the n values of a window | from block statistics |
//! |---|---|---|
//! | `avg` | sum / n | yes |
//! | `count` | n | yes |
//! | `max`, `min` | largest, smallest; NaN is left out unless there is nothing else | yes |
//! | `sum` | sum | yes |
//! | `median`, `p50`, `p95`, `p99` | value at rank p * (n - 1), linear between the two closest ranks | no |
//! | `trimmed_avg` (`trimmed_average`) | mean without the lowest and highest 5 % (below 20 samples: without one each) | no |
//!
//! Sums, minima and maxima of integers are exact, however large; the rest is computed in float64, in which integers beyond 2^53 lose their
//! last digits. Sums of floats are plain float64 sums in time order, as the original computes them: their relative error grows with n, and stays below 2e-10 for a million values of one sign.
//! A float32 that came as text is the decimal of that text, also in sums: see [`crate::model::decimal`].
//! Compensated summation would cost several times as much and would not agree with recorded rollups in the last digit.

mod extremes;
mod kept;
mod percentiles;
mod sums;
mod trimmed;

pub use extremes::{Max, Min};
pub use percentiles::{MEDIAN, P50, P95, P99, Percentile};
pub use sums::{Average, Count, RoundedSum, Sum};
pub use trimmed::TrimmedAverage;

use crate::plugin::AggregatorPlugin;

/// The aggregate used when a request names none.
pub const DEFAULT: &str = "avg";

inventory::submit! { AggregatorPlugin(&Average) }
inventory::submit! { AggregatorPlugin(&Count) }
inventory::submit! { AggregatorPlugin(&Max) }
inventory::submit! { AggregatorPlugin(&Min) }
inventory::submit! { AggregatorPlugin(&Sum) }
inventory::submit! { AggregatorPlugin(&MEDIAN) }
inventory::submit! { AggregatorPlugin(&P50) }
inventory::submit! { AggregatorPlugin(&P95) }
inventory::submit! { AggregatorPlugin(&P99) }
inventory::submit! { AggregatorPlugin(&TrimmedAverage) }

#[cfg(test)]
mod tests;
