//! The web page, and 404 for everything else.

use crate::exchange::Exchange;
use crate::respond::{ApiError, compressed};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use warp::reply::Response;

/// Whether `path` is a page or an asset.
pub(super) fn is_page(path: &str) -> bool {
    nanotdb_ui::asset(path).is_some()
}

/// A page or an asset; 404 for any other path.
pub(super) fn asset(exchange: &Exchange) -> Result<Response, ApiError> {
    let path = exchange.uri.path();
    let Some((media, content)) = nanotdb_ui::asset(path) else {
        let message = format!("there is nothing at {path}; the API is under /api/v1, the page at /");
        return Err(ApiError::new(StatusCode::NOT_FOUND, message));
    };
    let mut response = Response::default();
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, media),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, "default-src 'self'; frame-ancestors 'self'; base-uri 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(compressed(exchange, response, content.to_vec()))
}
