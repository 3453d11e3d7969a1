//! Answers that are whole: the JSON envelope, and compression.

use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::json::json;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::header::{CONTENT_ENCODING, VARY};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use std::io::Write;
use warp::reply::Response;

/// Bodies below this size are not worth compressing.
pub(crate) const MIN_COMPRESSED: usize = 1_024;

/// Runs what may wait for the disk on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    crate::blocking::run(work).await.map_err(|_| ApiError::internal())
}

/// `{"status":"success","data":...}`, compressed when the client asks for it and it pays.
pub(crate) fn success(exchange: &Exchange, data: &impl Serialize) -> Response {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        status: &'static str,
        data: &'a T,
    }
    match serde_json::to_vec(&Envelope { status: "success", data }) {
        Ok(body) => compressed(exchange, json(StatusCode::OK, Bytes::new()), body),
        Err(error) => {
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("encoding the answer: {error}")).into_response()
        }
    }
}

/// Puts `body` into `response`, with gzip when the client asks for it and it pays.
pub(crate) fn compressed(exchange: &Exchange, mut response: Response, body: Vec<u8>) -> Response {
    if exchange.accepts_gzip && body.len() >= MIN_COMPRESSED {
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        if let Ok(smaller) = encoder.write_all(&body).and_then(|()| encoder.finish()) {
            mark_gzip(&mut response);
            *response.body_mut() = smaller.into();
            return response;
        }
    }
    *response.body_mut() = body.into();
    response
}

/// Headers of a gzip body.
pub(crate) fn mark_gzip(response: &mut Response) {
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
}
