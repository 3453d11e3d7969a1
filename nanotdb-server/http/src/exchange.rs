//! What handlers need of one request, beside warp's own view of it.

use crate::params;
use crate::request_body::RequestBody;
use crate::respond::ApiError;
use crate::routes::table::Endpoint;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Uri, request::Parts};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// One request on its way through the filters. The body is kept out of warp's request, so that handlers get
/// hyper's buffers as they came off the socket instead of boxed copies of them.
pub(crate) struct Exchange {
    /// Method.
    pub(crate) method: Method,
    /// Path and query as sent.
    pub(crate) uri: Uri,
    /// `Content-Type`.
    pub(crate) content_type: Option<HeaderValue>,
    /// `Content-Encoding`.
    pub(crate) content_encoding: Option<HeaderValue>,
    /// `Content-Length`, when it is a number.
    pub(crate) content_length: Option<u64>,
    /// Whether `Accept-Encoding` takes gzip.
    pub(crate) accepts_gzip: bool,
    headers: HeaderMap,
    body: Mutex<Option<RequestBody>>,
    endpoint: AtomicU8,
    row: OnceLock<&'static Endpoint>,
    received: AtomicU64,
}

impl Exchange {
    /// Takes what handlers need, the headers out of `parts`.
    pub(crate) fn new(parts: &mut Parts, body: Option<RequestBody>) -> Self {
        let header = |name| parts.headers.get(name).cloned();
        Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            content_type: header(CONTENT_TYPE),
            content_encoding: header(CONTENT_ENCODING),
            content_length: header(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok()),
            accepts_gzip: accepts_gzip(&parts.headers),
            headers: std::mem::take(&mut parts.headers),
            body: Mutex::new(body),
            endpoint: AtomicU8::new(0),
            row: OnceLock::new(),
            received: AtomicU64::new(0),
        }
    }

    /// A header's text; `None` also when it is not ASCII.
    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// All headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The request body; once.
    pub(crate) fn take_body(&self) -> Result<RequestBody, ApiError> {
        let body = self.body.lock().unwrap_or_else(PoisonError::into_inner).take();
        body.ok_or_else(ApiError::internal)
    }

    /// Where the request is counted, as [`crate::telemetry`] says.
    pub(crate) fn set_endpoint(&self, index: u8) {
        self.endpoint.store(index, Ordering::Relaxed);
    }

    /// See [`Exchange::set_endpoint`]; 0 when no route took the request.
    pub(crate) fn endpoint(&self) -> usize {
        usize::from(self.endpoint.load(Ordering::Relaxed))
    }

    /// Notes the endpoint that answers. Names in the query string that it does not know, or that are there twice, are refused.
    pub(crate) fn set_row(&self, row: &'static Endpoint) -> Result<(), ApiError> {
        let _ = self.row.set(row);
        self.uri.query().map_or(Ok(()), |query| params::check_names(&[query.as_bytes()], row))
    }

    /// The endpoint that answers, once it is known.
    pub(crate) fn row(&self) -> Option<&'static Endpoint> {
        self.row.get().copied()
    }

    /// Counts body bytes as they came off the wire.
    pub(crate) fn add_received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Body bytes so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// Whether gzip is acceptable: named, or covered by `*`, and not with `q=0`.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut by_star = false;
    for value in headers.get_all(ACCEPT_ENCODING) {
        for item in value.to_str().unwrap_or_default().split(',') {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let refused = parts.any(|p| {
                p.strip_prefix("q=").or(p.strip_prefix("Q=")).is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0))
            });
            if name.eq_ignore_ascii_case("gzip") {
                return !refused;
            }
            by_star |= name == "*" && !refused;
        }
    }
    by_star
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_negotiated() {
        for (value, expected) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0, *", false),
            ("*", true),
            ("*;q=0", false),
            ("br, deflate", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts_gzip(&headers), expected, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
