//! Bare JSON documents, as the web interface gets them.

use crate::caching::not_stored;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::json::json;
use crate::respond::compressed;
use bytes::Bytes;
use http::StatusCode;
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
