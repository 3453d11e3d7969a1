//! Answers: the JSON envelope, and the one place where errors become HTTP statuses.

use crate::exchange::Exchange;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::header::{ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderValue, StatusCode};
use nanotdb_core::Error;
use nanotdb_core::query::aggregate::MAX_REQUEST_MEMORY;
use serde::Serialize;
use std::io::Write;
use warp::reply::Response;

/// Bodies below this size are not worth compressing.
pub(crate) const MIN_COMPRESSED: usize = 1_024;

/// A refused or failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// Decides `errorType` as well.
    pub(crate) status: StatusCode,
    /// What is wrong, and what would be accepted.
    pub(crate) message: String,
    /// JSON text for `data`, when a part was done before the error.
    pub(crate) data: Option<String>,
    /// Value of the `Allow` header, for 405.
    pub(crate) allow: Option<&'static str>,
}

impl ApiError {
    /// An error of this status.
    #[cold]
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), data: None, allow: None }
    }

    /// 400.
    #[cold]
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 400 for a parameter: its name, the value as sent, and what is accepted.
    #[cold]
    pub(crate) fn parameter(name: &str, value: &str, accepted: impl std::fmt::Display) -> Self {
        Self::bad(format!("parameter {name} = {value:?}: {accepted}"))
    }

    /// 413 or 400, naming the key that sets the limit.
    #[cold]
    pub(crate) fn limit(status: StatusCode, key: &str, limit: u64, detail: &str) -> Self {
        Self::new(status, format!("limit {key} = {limit} reached: {detail}"))
    }

    /// A failed write. What may do later is never told as the sender's mistake: senders drop what a 4xx refuses.
    pub(crate) fn of_write(error: Error) -> Self {
        let may_pass = error.may_pass();
        let error = Self::from(error);
        if may_pass { Self { status: StatusCode::SERVICE_UNAVAILABLE, ..error } } else { error }
    }

    /// The same for an error of this server: what says "later" is 503.
    pub(crate) fn for_write(self) -> Self {
        match self.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Self { status: StatusCode::SERVICE_UNAVAILABLE, ..self }
            }
            _ => self,
        }
    }

    /// 500 after a panic; what happened is in the log.
    #[cold]
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error; the server's log has the details")
    }

    /// The answer.
    pub(crate) fn into_response(self) -> Response {
        let mut body = Vec::with_capacity(128 + self.message.len());
        body.extend_from_slice(br#"{"status":"error","errorType":""#);
        body.extend_from_slice(error_type(self.status).as_bytes());
        body.extend_from_slice(br#"","error":"#);
        write_json_string(&self.message, &mut body);
        if let Some(data) = &self.data {
            body.extend_from_slice(br#","data":"#);
            body.extend_from_slice(data.as_bytes());
        }
        body.push(b'}');
        let mut response = json(self.status, body);
        let headers = response.headers_mut();
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
            StatusCode::SERVICE_UNAVAILABLE => headers.insert(RETRY_AFTER, HeaderValue::from_static("5")),
            // The rest of the body is not read, so that the connection cannot carry another request.
            StatusCode::PAYLOAD_TOO_LARGE => headers.insert(CONNECTION, HeaderValue::from_static("close")),
            _ => None,
        };
        response
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Limit { key, .. } if *key == MAX_REQUEST_MEMORY => StatusCode::SERVICE_UNAVAILABLE,
            Error::BadInput(_) | Error::Limit { .. } => StatusCode::BAD_REQUEST,
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Busy(_) => StatusCode::CONFLICT,
            Error::ReadOnly { .. }
            | Error::Unavailable { .. }
            | Error::Full { .. }
            | Error::Locked { .. }
            | Error::Cancelled(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Io { source, .. } => io_status(source),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

/// What came of a request body that broke off, or is not what HTTP says.
impl From<hyper::Error> for ApiError {
    fn from(error: hyper::Error) -> Self {
        Self::bad(format!("reading the request body: {error}"))
    }
}

impl From<std::convert::Infallible> for ApiError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// 503 for what passes: no space, a medium that cannot be written, no more open files or memory.
pub(crate) fn io_status(error: &std::io::Error) -> StatusCode {
    use std::io::ErrorKind::{OutOfMemory, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    // ENFILE and EMFILE have no kind of their own; they are the same everywhere but on Windows.
    let lacks_files = cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24));
    match error.kind() {
        OutOfMemory | QuotaExceeded | ReadOnlyFilesystem | StorageFull => StatusCode::SERVICE_UNAVAILABLE,
        _ if lacks_files => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Runs what may wait for the disk on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    crate::blocking::run(work).await.map_err(|_| ApiError::internal())
}

/// The `errorType` of a status.
fn error_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        404 => "not_found",
        409 => "conflict",
        429 => "too_many",
        503 => "unavailable",
        400..=499 => "bad_data",
        _ => "execution",
    }
}

/// Appends a JSON string literal.
pub(crate) fn write_json_string(text: &str, out: &mut Vec<u8>) {
    if serde_json::to_writer(&mut *out, text).is_err() {
        out.extend_from_slice(b"\"\""); // cannot happen: a Vec takes every byte
    }
}

/// An answer with this JSON text.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into().into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn text(error: ApiError) -> (StatusCode, String) {
        let response = error.into_response();
        let status = response.status();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn errors_have_the_status_and_type_of_the_api() {
        let io = std::io::Error::other("boom");
        let os = std::io::Error::from_raw_os_error;
        let cases = [
            (Error::BadInput("a".into()), 400, "bad_data"),
            (Error::Limit { key: "limits.max_databases", limit: 2, detail: "x".into() }, 400, "bad_data"),
            (Error::NotFound("b".into()), 404, "not_found"),
            (Error::Busy("c".into()), 409, "conflict"),
            (Error::ReadOnly { database: "d".into(), reason: "r".into() }, 503, "unavailable"),
            (Error::Unavailable { database: "d".into(), reason: "r".into() }, 503, "unavailable"),
            (Error::Full { file: "f".into() }, 503, "unavailable"),
            (Error::Io { op: "open", path: "p".into(), source: io }, 500, "execution"),
            (Error::Io { op: "open", path: "p".into(), source: os(23) }, 503, "unavailable"),
            (Error::Io { op: "open", path: "p".into(), source: os(24) }, 503, "unavailable"),
            (Error::Io { op: "write", path: "p".into(), source: os(30) }, 503, "unavailable"),
        ];
        for (error, status, kind) in cases {
            let (got, body) = text(error.into());
            assert_eq!(got.as_u16(), status, "{body}");
            assert!(body.starts_with(&format!(r#"{{"status":"error","errorType":"{kind}","error":""#)), "{body}");
        }
    }

    #[test]
    fn a_write_that_may_do_later_is_never_told_as_a_mistake() {
        let io = || std::io::Error::other("boom");
        for (error, status) in [
            (Error::Io { op: "fsync", path: "p".into(), source: io() }, 503),
            (Error::Busy("c".into()), 503),
            (Error::Corrupt { file: "f".into(), offset: 1, reason: "r".into() }, 503),
            (Error::Full { file: "f".into() }, 503),
            (Error::BadInput("a".into()), 400),
            (Error::Limit { key: "limits.max_databases", limit: 2, detail: "x".into() }, 400),
        ] {
            assert_eq!(ApiError::of_write(error).status.as_u16(), status);
        }
        for (status, expected) in [(429, 503), (408, 503), (400, 400), (413, 413), (500, 500)] {
            let error = ApiError::new(StatusCode::from_u16(status).unwrap(), "x").for_write();
            assert_eq!(error.status.as_u16(), expected);
        }
        assert_eq!(ApiError::of_write(Error::Full { file: "f".into() }).into_response().headers()[RETRY_AFTER], "5");
    }

    #[test]
    fn messages_are_escaped_and_data_follows() {
        let mut error = ApiError::bad("say \"hi\"\n");
        error.data = Some(r#"{"imported":1}"#.into());
        assert_eq!(
            text(error).1,
            r#"{"status":"error","errorType":"bad_data","error":"say \"hi\"\n","data":{"imported":1}}"#
        );
    }

    #[test]
    fn refusals_carry_their_headers() {
        let mut error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "no");
        error.allow = Some("GET, HEAD");
        assert_eq!(error.into_response().headers()[ALLOW], "GET, HEAD");
        let busy = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy").into_response();
        assert_eq!(busy.headers()[RETRY_AFTER], "1");
    }
}
