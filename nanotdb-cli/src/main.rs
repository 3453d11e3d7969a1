//! `nanocli`: the command line of NanoTDB. A binary with further plugins is this file plus one `use my_crate as _;`.

use std::process::ExitCode;

fn main() -> ExitCode {
    nanotdb_cli::run()
}
