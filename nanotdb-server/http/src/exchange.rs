//! What the server keeps of one request from its head to the end of its answer.

use crate::description::Description;
use crate::error::ApiError;
use crate::request_body::RequestBody;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Uri, request::Parts};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// One request on its way through the filters. It goes through warp as an extension of warp's request, body and all, so that handlers get
/// hyper's buffers as they came off the socket (docs/ARCHITECTURE.md has the reason).
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
    /// The endpoint that answers, if there is one.
    pub(crate) about: Option<&'static Description>,
    headers: HeaderMap,
    body: Mutex<Option<RequestBody>>,
    slot: AtomicU8,
    received: AtomicU64,
}

impl Exchange {
    /// Takes what handlers need, the headers out of `parts`.
    pub(crate) fn new(parts: &mut Parts, about: Option<&'static Description>, body: Option<RequestBody>) -> Self {
        let header = |name| parts.headers.get(name).cloned();
        Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            content_type: header(CONTENT_TYPE),
            content_encoding: header(CONTENT_ENCODING),
            content_length: header(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok()),
            accepts_gzip: accepts_gzip(&parts.headers),
            about,
            headers: std::mem::take(&mut parts.headers),
            body: Mutex::new(body),
            slot: AtomicU8::new(0),
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

    /// What stands in the path where the pattern of the endpoint has `{name}`.
    pub(crate) fn path_param(&self, name: &str) -> &str {
        self.about.map_or("", |about| about.argument(name, self.uri.path()))
    }

    /// The request body; once.
    pub(crate) fn take_body(&self) -> Result<RequestBody, ApiError> {
        let body = self.body.lock().unwrap_or_else(PoisonError::into_inner).take();
        body.ok_or_else(ApiError::internal)
    }

    /// Under which of the table's names the request is counted.
    pub(crate) fn count_as(&self, slot: u8) {
        self.slot.store(slot, Ordering::Relaxed);
    }

    /// See [`Exchange::count_as`]; 0 when nothing took the request.
    pub(crate) fn slot(&self) -> usize {
        usize::from(self.slot.load(Ordering::Relaxed))
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
