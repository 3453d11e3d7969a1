//! Work on whole roots: inspection and verification.

pub mod inspect;
pub mod verify;
