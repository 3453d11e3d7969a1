//! What the files of a data directory hold, as tables and as JSON.
//!
//! Reading bytes is the engine's business (`nanotdb_core::maintenance`); [`read`] turns its reports into a [`view`],
//! and [`render`] shows that.

pub mod read;
pub mod render;
pub mod table;
pub mod view;
