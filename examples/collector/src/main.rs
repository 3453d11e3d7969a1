//! drip with one more collector. The `use` is what links it in.

use example_collector as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    drip::run()
}
