//! Questions to the stored data.

pub mod aggregators;
