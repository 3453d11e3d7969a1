//! What an endpoint sees of a request, and what it answers with.

use crate::app::{App, State};
use crate::body::{self, BodyReader};
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::json::json;
use crate::json_stream::{self, ChunkWriter};
use crate::memory::Share;
use crate::params::Params;
use crate::request_body::RequestBody;
use crate::respond::{compressed, success};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use nanotdb_core::clock::Clock;
use nanotdb_core::engine::Engine;
use nanotdb_core::model::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::sync::Arc;
use warp::reply::Response;

/// A request that an endpoint answers.
pub struct Request {
    app: Arc<App>,
    exchange: Arc<Exchange>,
}

/// Where the server is.
impl Request {
    pub(crate) fn new(app: Arc<App>, exchange: Arc<Exchange>) -> Self {
        Self { app, exchange }
    }

    /// What all requests share; a copy of the `Arc` may be taken to another thread.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    pub(crate) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The databases.
    pub fn engine(&self) -> &Engine {
        &self.app.engine
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    /// The clock. There is no other source of time, so that tests can set it.
    pub fn clock(&self) -> &dyn Clock {
        &*self.app.clock
    }

    /// What endpoints of this server keep from request to request: made when it is first asked for.
    pub fn state<T: State>(&self) -> &T {
        self.app.state()
    }
}

/// What was sent.
impl Request {
    /// The method. HEAD is answered as GET is; what is left out then is left out later.
    pub fn method(&self) -> &Method {
        &self.exchange.method
    }

    /// Path and query string, as sent.
    pub fn uri(&self) -> &Uri {
        &self.exchange.uri
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        self.exchange.headers()
    }

    /// A header's text; `None` also when it is not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.exchange.header(name)
    }

    /// What stands in the path where the pattern of the endpoint has `{name}`, as sent. Empty when the pattern has no such part.
    pub fn path_param(&self, name: &str) -> &str {
        self.exchange.path_param(name)
    }

    /// The parameters of the query string.
    pub fn query(&self) -> Result<Params, ApiError> {
        Params::of_query(&self.exchange)
    }

    /// The parameters of the query string and, of an endpoint that takes one by POST, of the form.
    pub async fn params(&self) -> Result<Params, ApiError> {
        Params::of_request(&self.exchange).await
    }

    /// The whole body, of at most `most` bytes (413 for more).
    pub async fn body(&self, most: usize) -> Result<Vec<u8>, ApiError> {
        body::read_small(&self.exchange, most).await
    }

    /// The body as a JSON object of at most `most` bytes. `accepted` is what a refusal says: `send {"name":"..."}`.
    pub async fn body_json<T: DeserializeOwned>(&self, most: usize, accepted: &str) -> Result<T, ApiError> {
        let bytes = self.body(most).await?;
        body::parse_object(&bytes, accepted)
    }

    /// The body piece by piece, as it comes off the wire, of at most `limits.max_body_bytes`. Once.
    pub fn pieces(&self) -> Result<Pieces<'_>, ApiError> {
        let limits = self.app.body_limits();
        limits.check_announced(self.exchange.content_length)?;
        Ok(Pieces { reader: BodyReader::new(self.exchange.take_body()?, limits), exchange: &self.exchange })
    }

    /// Waits for a share of `limits.max_request_memory`, and holds it until it is dropped; 503 when others do not give theirs back. For
    /// whatever takes more than some 64 KiB.
    pub async fn memory(&self, bytes: u64) -> Result<MemoryShare, ApiError> {
        Ok(MemoryShare { _share: self.app.memory.admit_work(bytes).await? })
    }
}

/// How to answer. All of these compress when the client asks for it and it pays.
impl Request {
    /// `{"status":"success","data":...}`, as most of the API answers.
    pub fn success(&self, data: &impl Serialize) -> Response {
        success(&self.exchange, data)
    }

    /// A document of JSON.
    pub fn json(&self, document: &impl Serialize) -> Result<Response, ApiError> {
        let body = serde_json::to_vec(document).map_err(|_| ApiError::internal())?;
        Ok(compressed(&self.exchange, json(StatusCode::OK, Bytes::new()), body))
    }

    /// Text of a media type: `text/plain; charset=utf-8`.
    pub fn text(&self, media: &'static str, text: impl Into<Vec<u8>>) -> Response {
        let mut response = Response::default();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
        compressed(&self.exchange, response, text.into())
    }

    /// An answer that is written on a thread that may wait for the disk, while the client reads it. An error before the first 64 KiB are
    /// written is answered as such; later, the connection is cut, so that no half is taken for the whole.
    pub async fn stream<F>(&self, media: &'static str, write: F) -> Response
    where
        F: FnOnce(&mut Stream) -> Result<(), ApiError> + Send + 'static,
    {
        let write = |writer| {
            let mut stream = Stream { writer, gone: false };
            let outcome = write(&mut stream);
            match outcome {
                _ if stream.gone => {}
                Ok(()) => stream.writer.finish(),
                Err(error) => stream.writer.fail(error),
            }
        };
        let mut response = json_stream::respond(self.exchange.accepts_gzip, write).await;
        if response.status() == StatusCode::OK {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
        }
        response
    }

    /// Runs what may wait for the disk, or takes long, on a thread that may: the one that answers has other connections.
    pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        crate::respond::blocking(work).await
    }
}

/// A body, piece by piece.
pub struct Pieces<'r> {
    reader: BodyReader<RequestBody>,
    exchange: &'r Exchange,
}

impl Pieces<'_> {
    /// The next one; `None` at the end. Whoever sends slowly lends its place to other requests meanwhile.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let before = self.reader.received();
        let piece = self.reader.piece().await;
        self.exchange.add_received(self.reader.received().saturating_sub(before));
        piece
    }
}

/// Bytes that a request may take.
#[derive(Debug)]
pub struct MemoryShare {
    _share: Share,
}

/// An answer that is written while it is read.
pub struct Stream {
    writer: ChunkWriter,
    gone: bool,
}

impl io::Write for Stream {
    /// Waits for a client that reads slowly; an error when it has gone.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.buffer().extend_from_slice(bytes);
        if self.writer.flush_if_full().is_err() {
            self.gone = true;
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
