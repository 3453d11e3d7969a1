//! `GET /metrics`

use crate::endpoint::{Endpoint, Group, Request, now, submit};
use warp::reply::Response;

submit! {
    Endpoint::get("exposition", "/metrics", "the server's numbers about itself", |request| now(Ok(metrics_text(&request))))
        .group(Group::OPERATION)
        .answer("Prometheus text")
        .lenient()
}

/// The numbers of the engine, the server and the process, for a Prometheus scraper.
fn metrics_text(request: &Request) -> Response {
    request.text("text/plain; version=0.0.4; charset=utf-8", request.engine().stats_exposition())
}
