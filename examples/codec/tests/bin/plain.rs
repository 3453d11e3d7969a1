//! `nanotdb` as it ships: `nanotdb-server/src/main.rs` to the letter. It is built here because Cargo hands a test only
//! the binaries of its own package; the codec is not in it, since nothing names its crate.

fn main() -> std::process::ExitCode {
    nanotdb_server::run()
}
