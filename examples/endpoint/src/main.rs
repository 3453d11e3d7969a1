//! `nanotdb-devices`: the NanoTDB server with endpoints for devices.

#![deny(unsafe_code)]

use example_endpoint as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    nanotdb_server::run()
}
