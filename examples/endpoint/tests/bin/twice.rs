//! A server with an endpoint that is there already: it does not start.

use nanotdb_server::endpoint::{Endpoint, now, submit};
use std::process::ExitCode;

submit! {
    Endpoint::get("my_query", "/api/v1/query", "the same again", |request| now(Ok(request.success(&()))))
}

fn main() -> ExitCode {
    nanotdb_server::run()
}
