//! Reading: range scans over files and open pages, and windowed aggregates.

pub mod aggregators;
pub mod gather;
pub mod scan;
pub mod windows;

pub use scan::{ScanReport, ScanSlice, scan};
pub use windows::{Windower, aggregate_value};
