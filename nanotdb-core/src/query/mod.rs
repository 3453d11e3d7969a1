//! Reading: range scans over files and open pages, and aggregates.

pub mod aggregators;
pub mod gather;
pub mod scan;

pub use scan::{ScanReport, ScanSlice, scan};
