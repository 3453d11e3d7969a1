//! Errors of requests: the one place where they become HTTP statuses.

use crate::json::{json, write_json_string};
use http::header::{ALLOW, CONNECTION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use nanotdb_core::Error;
use nanotdb_core::error::is_out_of_files;
use nanotdb_core::query::aggregate::MAX_REQUEST_MEMORY;
use warp::reply::Response;

/// A refused or failed request. Of an [`Error`](nanotdb_core::Error) of the engine, `?` makes the one with its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
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
    /// An error of this status, with what is wrong and what would be accepted.
    #[cold]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), data: None, allow: None }
    }

    /// 400.
    #[cold]
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 400 for a parameter: its name, the value as sent, and what is accepted.
    #[cold]
    pub fn parameter(name: &str, value: &str, accepted: impl std::fmt::Display) -> Self {
        Self::bad(format!("parameter {name} = {value:?}: {accepted}"))
    }

    /// 404.
    #[cold]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// What is answered.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is said.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// 413 or 400, naming the key that sets the limit.
    #[cold]
    pub(crate) fn limit(status: StatusCode, key: &str, limit: u64, detail: &str) -> Self {
        Self::new(status, format!("limit {key} = {limit} reached: {detail}"))
    }

    /// A failed write. What may do later is never told as the sender's mistake: senders drop what a 4xx refuses.
    pub fn of_write(error: Error) -> Self {
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

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

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
    match error.kind() {
        OutOfMemory | QuotaExceeded | ReadOnlyFilesystem | StorageFull => StatusCode::SERVICE_UNAVAILABLE,
        _ if is_out_of_files(error) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
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
