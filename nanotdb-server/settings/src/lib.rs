//! The server's sections of engine.toml, for those who read the file: the server, and `nanocli`, which checks it without being one.
//!
//! They register themselves where this crate is linked; a crate that only wants them known writes `use nanotdb_server_settings as _;`.

#![deny(unsafe_code)]

mod access;
mod web;

pub use access::AccessSection;
pub use web::WebSection;

#[cfg(test)]
mod tests;
