//! `nanotdb-rle`: the NanoTDB server with one more codec, `rle`.
//!
//! This is all that a binary with plugins of its own takes. Naming the crate links it, and a linked plugin registers
//! itself; everything else is `nanotdb` as it ships, with its flags, its configuration and its endpoints.
//!
//! ```text
//! cargo run -p example-codec -- --plugins
//! cargo run -p example-codec -- --data ./data
//! ```

#![deny(unsafe_code)]

use example_codec as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    nanotdb_server::run()
}
