//! Reading: range scans over files and open pages, and windowed aggregates.

pub mod aggregate;
pub mod aggregators;
pub mod each;
pub mod gather;
pub(crate) mod integers;
mod joined;
mod parallel;
mod pieces;
pub mod present;
pub mod scan;
pub mod windows;

pub use crate::model::Operands;
pub use aggregate::Windows;
pub use present::{aggregate_value, result_value};
pub use scan::{ScanReport, ScanSink, ScanSlice, scan};
pub use windows::{WindowRow, Windower};
