//! Reading: range scans over files and open pages.

pub mod gather;
pub mod scan;

pub use scan::{ScanReport, ScanSlice, scan};
