//! Work on whole roots: inspection, verification, and moving samples between an engine and text.

pub mod export;
pub mod import;
pub mod inspect;
mod transfer;
pub mod verify;
mod window;
