//! The web page, and 404 for everything else.

use crate::exchange::Exchange;
use crate::respond::{ApiError, mark_gzip};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use warp::reply::Response;

/// Whether `path` is a page or an asset.
pub(super) fn is_page(path: &str) -> bool {
    nanotdb_ui::asset(path, None).is_some()
}

/// A page or an asset; 404 for any other path.
pub(super) fn asset(exchange: &Exchange) -> Result<Response, ApiError> {
    let path = exchange.uri.path();
    let Some(asset) = nanotdb_ui::asset(path, exchange.accepts_gzip.then_some("gzip")) else {
        let message = format!("there is nothing at {path}; the API is under /api/v1, the page at /");
        return Err(ApiError::new(StatusCode::NOT_FOUND, message));
    };
    let mut response = Response::default();
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, asset.content_type),
        (CACHE_CONTROL, if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" }),
        (CONTENT_SECURITY_POLICY, "default-src 'self'; frame-ancestors 'self'; base-uri 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if asset.encoding.is_some() {
        mark_gzip(&mut response);
    }
    *response.body_mut() = asset.bytes.into();
    Ok(response)
}
