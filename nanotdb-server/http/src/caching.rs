//! What browsers may keep of answers, and what they have already.

use crate::exchange::Exchange;
use http::header::{CACHE_CONTROL, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use warp::reply::Response;

/// An ETag that differs when the bytes do (FNV-1a, 64 bits).
pub(crate) fn etag_of(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    format!("\"{:016x}\"", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Whether the client has what this ETag is of.
pub(crate) fn is_known(exchange: &Exchange, etag: &str) -> bool {
    let names = |list: &str| list.split(',').any(|one| matches!(one.trim(), "*") || weak(one.trim()) == weak(etag));
    exchange.header(IF_NONE_MATCH).is_some_and(names)
}

fn weak(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

/// The answer for a client that has it already.
pub(crate) fn not_modified(mut response: Response) -> Response {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.body_mut() = bytes::Bytes::new().into();
    response
}

/// Tells browsers not to keep the answer.
pub(crate) fn not_stored(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
