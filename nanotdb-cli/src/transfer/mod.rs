//! Moving samples between an engine and text, in bounded memory.

pub mod export;
pub mod import;
mod window;
