//! `drip`: the collectors that come with it. A program with more of them is one `use` longer.

use std::process::ExitCode;

fn main() -> ExitCode {
    drip::run()
}
