//! Requests to the server over one connection that is kept.

use crate::config::ServerUrl;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;

/// Bytes of an answer that are read: what the server says is far less.
const ANSWER_BYTES: usize = 256 << 10;

/// A connection to the server, when there is one.
pub(crate) struct Client {
    server: ServerUrl,
    timeout: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn new(server: ServerUrl, timeout: Duration) -> Self {
        Self { server, timeout, connection: None }
    }

    pub(crate) fn server(&self) -> &ServerUrl {
        &self.server
    }

    /// Sends a request and waits for the answer, `timeout` at most for all of it. An error says what went wrong; the
    /// server may or may not have taken the request then.
    pub(crate) async fn request(&mut self, method: Method, path: &str, body: Bytes) -> Result<Answer, String> {
        // Whoever gives up waiting leaves no connection behind on which an old answer may still come.
        let kept = self.connection.take().filter(|connection| !connection.is_closed());
        let exchange = Self::exchange(&self.server, kept, method, path, body);
        let (answer, connection) = tokio::time::timeout(self.timeout, exchange)
            .await
            .map_err(|_| format!("no answer within {:?}", self.timeout))??;
        self.connection = Some(connection);
        Ok(answer)
    }

    async fn exchange(
        server: &ServerUrl,
        kept: Option<SendRequest<Full<Bytes>>>,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(Answer, SendRequest<Full<Bytes>>), String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", server.prefix))
            .header(header::HOST, &server.authority)
            .header(header::USER_AGENT, concat!("drip/", env!("CARGO_PKG_VERSION")))
            .header(header::CONTENT_TYPE, "text/plain")
            .body(Full::new(body))
            .map_err(|e| e.to_string())?;
        if let Some(mut connection) = kept {
            match connection.try_send_request(request).await {
                Ok(response) => return Ok((read(response).await?, connection)),
                // The server closed it meanwhile, before any of the request was sent: that is no failure.
                Err(mut e) => match e.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(reason(&e.into_error())),
                },
            }
        }
        let mut connection = connect(server).await?;
        let response = connection.send_request(request).await.map_err(|e| reason(&e))?;
        Ok((read(response).await?, connection))
    }
}

async fn connect(server: &ServerUrl) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect((server.host.as_str(), server.port)).await.map_err(|e| e.to_string())?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let mut builder = hyper::client::conn::http1::Builder::new();
    let (sender, connection) =
        builder.max_buf_size(64 << 10).handshake(TokioIo::new(stream)).await.map_err(|e| reason(&e))?;
    tokio::spawn(async move {
        // Its end is seen by the next request.
        let _ = connection.await;
    });
    Ok(sender)
}

async fn read(response: hyper::Response<hyper::body::Incoming>) -> Result<Answer, String> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(|e| format!("broken answer: {e}"))?;
    Ok(Answer { status: head.status, body: body.to_bytes() })
}

/// hyper's words, and the cause behind them, which is mostly what tells.
fn reason(e: &hyper::Error) -> String {
    match std::error::Error::source(e) {
        Some(cause) => format!("{e}: {cause}"),
        None => e.to_string(),
    }
}
