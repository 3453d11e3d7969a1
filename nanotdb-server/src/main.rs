//! The NanoTDB server with the plugins that ship with it.

fn main() -> std::process::ExitCode {
    nanotdb_server::run()
}
