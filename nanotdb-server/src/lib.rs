//! The NanoTDB server as a library: [`run`] is the whole of the `nanotdb` binary.
//!
//! A binary with plugins of its own needs a `main` that names their crates and calls [`run`]:
//!
//! ```no_run
//! // use my_codec as _;
//! fn main() -> std::process::ExitCode {
//!     nanotdb_server::run()
//! }
//! ```

// Two crates, because Cargo sets how a program is optimised by crate: what the server does is made small, and the program is
// put together for speed (docs/ARCHITECTURE.md).
pub use nanotdb_http::{endpoint, run};
