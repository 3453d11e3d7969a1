//! `GET /metrics`

use crate::app::App;
use crate::exchange::Exchange;
use crate::respond::compressed;
use http::{HeaderValue, header::CONTENT_TYPE};
use warp::reply::Response;

/// The numbers of the engine, the server and the process, for a Prometheus scraper.
pub(super) fn metrics_text(app: &App, exchange: &Exchange) -> Response {
    let mut response = Response::default();
    let media = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, media);
    let text = app.engine.stats_exposition();
    compressed(exchange, response, text.into_bytes())
}
