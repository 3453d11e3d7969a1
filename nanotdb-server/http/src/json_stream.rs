//! Large JSON answers, written by a blocking thread while the client reads them.

use crate::error::ApiError;
use crate::json::json;
use crate::limits::WRITE_TIMEOUT;
use crate::respond::{MIN_COMPRESSED, mark_gzip};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::StatusCode;
use http_body::Frame;
use http_body_util::BodyDataStream;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use warp::Reply;
use warp::reply::Response;

/// Bytes that are sent at once; an answer that stays below is sent whole, with its length.
const CHUNK: usize = 64 << 10;
/// Chunks that may wait for the client.
const QUEUE: usize = 4;

/// What the writer sends.
enum Piece {
    /// The complete answer.
    Whole { bytes: Bytes, gzip: bool },
    /// A part.
    Part(Bytes),
    /// The parts are complete.
    End,
    /// Nothing was sent yet, and there is only this to say.
    Failed(ApiError),
}

/// The client went away, or left the answer unread for too long.
#[derive(Debug)]
pub(crate) struct Gone;

/// How the bytes leave. There is a compressor from the first byte on that is given to one, so that nobody has to ask it
/// how much it holds: it keeps up to 32 KiB of its output to itself and does not tell.
enum Coding {
    Identity,
    /// The client takes gzip, and nothing has been compressed yet.
    GzipAccepted,
    Gzip(GzEncoder<Vec<u8>>),
}

/// Writes an answer in parts.
pub(crate) struct ChunkWriter {
    buffer: Vec<u8>,
    sender: mpsc::Sender<Piece>,
    coding: Coding,
    runtime: Handle,
    started: bool,
    waited: Duration,
}

/// Runs `write` on a blocking thread and answers with what it writes.
pub(crate) async fn respond<F>(gzip: bool, write: F) -> Response
where
    F: FnOnce(ChunkWriter) + Send + 'static,
{
    let (sender, mut pieces) = mpsc::channel(QUEUE);
    let writer = ChunkWriter {
        buffer: Vec::with_capacity(8 << 10),
        sender,
        coding: if gzip { Coding::GzipAccepted } else { Coding::Identity },
        runtime: Handle::current(),
        started: false,
        waited: Duration::ZERO,
    };
    crate::blocking::start(move || write(writer));
    match pieces.recv().await {
        Some(Piece::Whole { bytes, gzip }) => {
            let mut response = json(StatusCode::OK, bytes);
            if gzip {
                mark_gzip(&mut response);
            }
            response
        }
        Some(Piece::Failed(error)) => error.into_response(),
        // The channel closes without an answer when the thread panics.
        None | Some(Piece::End) => ApiError::internal().into_response(),
        Some(Piece::Part(first)) => {
            let body = Parts { first: Some(first), pieces, ended: false };
            let mut response = warp::reply::stream(BodyDataStream::new(body)).into_response();
            let headers = json(StatusCode::OK, Bytes::new()).headers().clone();
            response.headers_mut().extend(headers);
            if gzip {
                mark_gzip(&mut response);
            }
            response
        }
    }
}

impl Coding {
    /// The compressor, made when it is first needed; `None` when there is nothing to do.
    fn compressor(&mut self) -> Option<&mut GzEncoder<Vec<u8>>> {
        if matches!(self, Self::GzipAccepted) {
            *self = Self::Gzip(GzEncoder::new(Vec::with_capacity(CHUNK), Compression::fast()));
        }
        match self {
            Self::Gzip(encoder) => Some(encoder),
            _ => None,
        }
    }

    /// What is left to send when `rest` is the end, and whether it is gzip.
    fn finish(&mut self, rest: Vec<u8>) -> io::Result<(Vec<u8>, bool)> {
        if let Some(encoder) = self.compressor() {
            encoder.write_all(&rest)?;
            encoder.try_finish()?;
            return Ok((std::mem::take(encoder.get_mut()), true));
        }
        Ok((rest, false))
    }
}

impl ChunkWriter {
    /// Where text is appended; call [`ChunkWriter::flush_if_full`] now and then.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Whether a part has been sent, so that the status cannot change any more.
    pub(crate) fn started(&self) -> bool {
        self.started
    }

    /// Time spent waiting for the client.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// Sends the buffer once it is large enough.
    pub(crate) fn flush_if_full(&mut self) -> Result<(), Gone> {
        if self.buffer.len() < CHUNK { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), Gone> {
        let part = match self.coding.compressor() {
            None => std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK + (16 << 10))),
            Some(encoder) => {
                encoder.write_all(&self.buffer).map_err(|_| Gone)?;
                self.buffer.clear();
                // What is ready; the rest comes out with what follows, or at the end.
                if encoder.get_ref().len() < CHUNK / 2 {
                    return if self.sender.is_closed() { Err(Gone) } else { Ok(()) };
                }
                std::mem::replace(encoder.get_mut(), Vec::with_capacity(CHUNK))
            }
        };
        self.started = true;
        self.send(Piece::Part(part.into()))
    }

    fn send(&mut self, piece: Piece) -> Result<(), Gone> {
        let piece = match self.sender.try_send(piece) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Gone),
            Err(mpsc::error::TrySendError::Full(piece)) => piece,
        };
        let since = Instant::now();
        let sender = &self.sender;
        let sent = self.runtime.block_on(async { tokio::time::timeout(WRITE_TIMEOUT, sender.send(piece)).await });
        self.waited += since.elapsed();
        if matches!(sent, Ok(Ok(()))) { Ok(()) } else { Err(Gone) }
    }

    /// Ends the answer.
    pub(crate) fn finish(mut self) {
        // A small answer is not worth compressing, unless its beginning is in the compressor already.
        if matches!(self.coding, Coding::GzipAccepted) && self.buffer.len() < MIN_COMPRESSED {
            self.coding = Coding::Identity;
        }
        let rest = std::mem::take(&mut self.buffer);
        let (bytes, gzip) = match self.coding.finish(rest) {
            Ok(coded) => coded,
            Err(_) => return self.fail(ApiError::internal()),
        };
        if !self.started {
            let _ = self.send(Piece::Whole { bytes: bytes.into(), gzip });
        } else if self.send(Piece::Part(bytes.into())).is_ok() {
            let _ = self.send(Piece::End);
        }
    }

    /// Answers with an error instead; only possible before the first part is sent.
    pub(crate) fn fail(mut self, error: ApiError) {
        if self.started {
            // Leaving without Piece::End resets the connection: the client must not take the half for the whole.
            tracing::error!(error = error.message, "query failed while its answer was being sent");
        } else {
            let _ = self.send(Piece::Failed(error));
        }
    }
}

/// The parts as a body. Ends in an error when the writer went away before its end.
struct Parts {
    first: Option<Bytes>,
    pieces: mpsc::Receiver<Piece>,
    ended: bool,
}

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(Piece::Part(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => {
                self.ended = true;
                None
            }
            _ => {
                self.ended = true;
                Some(Err(io::Error::other("the query ended early")))
            }
        })
    }
}

#[cfg(test)]
mod tests;
