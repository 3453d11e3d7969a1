//! What the files of a data directory hold, as tables and as JSON.
//!
//! Reading is the engine's business (`nanotdb_core::maintenance`); [`view`] holds what is shown of it, and [`render`]
//! shows it.

pub mod render;
pub mod table;
pub mod view;
