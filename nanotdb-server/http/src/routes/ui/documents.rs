//! Bare JSON documents, as the web interface gets them.

use crate::exchange::Exchange;
use crate::respond::{ApiError, compressed, json};
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use warp::reply::Response;

/// A document that is not to be kept.
pub(super) fn document(
    exchange: &Exchange,
    status: StatusCode,
    document: &impl Serialize,
) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(document).map_err(|_| ApiError::internal())?;
    Ok(not_stored(compressed(exchange, json(status, Bytes::new()), body)))
}

/// Tells browsers not to keep the answer.
pub(super) fn not_stored(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An ETag that differs when the bytes do (FNV-1a, 64 bits).
pub(crate) fn etag_of(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    format!("\"{:016x}\"", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}
