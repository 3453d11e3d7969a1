//! Large JSON answers, written by a blocking thread while the client reads them.

use crate::limits::WRITE_TIMEOUT;
use crate::respond::{ApiError, MIN_COMPRESSED, json, mark_gzip, write_json_string};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::StatusCode;
use http_body::Frame;
use http_body_util::BodyDataStream;
use nanotdb_core::model::text::ShortText;
use nanotdb_core::model::{Timestamp, Value, Values};
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
/// Rows between two looks at the buffer. A row is 40 bytes as a rule, and 350 for the longest float64.
const ROWS_PER_CHECK: usize = 256;

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

/// Writes an answer in parts.
pub(crate) struct ChunkWriter {
    buffer: Vec<u8>,
    sender: mpsc::Sender<Piece>,
    gzip: Option<GzEncoder<Vec<u8>>>,
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
        gzip: gzip.then(|| GzEncoder::new(Vec::with_capacity(CHUNK), Compression::fast())),
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
        let part = match &mut self.gzip {
            None => std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK + (16 << 10))),
            Some(encoder) => {
                encoder.write_all(&self.buffer).map_err(|_| Gone)?;
                self.buffer.clear();
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
        if !self.started {
            let piece = match self.gzip.take() {
                Some(mut encoder) if encoder.get_ref().len() > 10 || self.buffer.len() >= MIN_COMPRESSED => {
                    match encoder.write_all(&self.buffer).and_then(|()| encoder.finish()) {
                        Ok(bytes) => Piece::Whole { bytes: bytes.into(), gzip: true },
                        Err(_) => Piece::Failed(ApiError::internal()),
                    }
                }
                _ => Piece::Whole { bytes: std::mem::take(&mut self.buffer).into(), gzip: false },
            };
            let _ = self.send(piece);
            return;
        }
        let last = match self.gzip.take() {
            None => std::mem::take(&mut self.buffer),
            Some(mut encoder) => match encoder.write_all(&self.buffer).and_then(|()| encoder.finish()) {
                Ok(bytes) => bytes,
                Err(_) => return,
            },
        };
        if self.send(Piece::Part(last.into())).is_ok() {
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

/// How much of a matrix was asked for but is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ending {
    /// What could not be read or was left out.
    pub(crate) warnings: Vec<String>,
    /// Whether a limit cut the answer short.
    pub(crate) truncated: bool,
}

/// The JSON of a matrix, appended to a buffer.
#[derive(Debug, Default)]
pub(crate) struct MatrixText {
    series: usize,
    rows_in_series: usize,
}

impl MatrixText {
    /// Begins the answer.
    pub(crate) fn begin(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(br#"{"status":"success","data":{"result":["#);
        Self::default()
    }

    /// Begins a series; `aggregate` is the aggregate's name and its window.
    pub(crate) fn series(&mut self, db: &str, metric: &str, aggregate: Option<(&str, &str)>, out: &mut Vec<u8>) {
        self.end_series(out);
        out.extend_from_slice(if self.series == 0 {
            br#"{"metric":{"__name__":"#
        } else {
            br#",{"metric":{"__name__":"#
        });
        write_json_string(metric, out);
        if let Some((name, _)) = aggregate {
            out.extend_from_slice(br#","aggregate":"#);
            write_json_string(name, out);
        }
        out.extend_from_slice(br#","db":"#);
        write_json_string(db, out);
        if let Some((_, window)) = aggregate {
            out.extend_from_slice(br#","window":"#);
            write_json_string(window, out);
        }
        out.extend_from_slice(br#"},"values":["#);
        self.series += 1;
        self.rows_in_series = 0;
    }

    /// One row of the current series.
    #[inline]
    pub(crate) fn row(&mut self, at: Timestamp, value: Value, out: &mut Vec<u8>) {
        let mut row = ShortText::default();
        if self.rows_in_series > 0 {
            row.push([b',']);
        }
        self.rows_in_series += 1;
        row.push([b'[']);
        row.unix_seconds(at);
        row.push([b',', b'"']);
        if row.value(value) {
            row.push([b'"', b']']);
            row.append_to(out);
        } else {
            row.append_to(out);
            value.write_text(out);
            out.extend_from_slice(b"\"]");
        }
    }

    /// Rows of one type. Sends what is full.
    pub(crate) fn rows(&mut self, times: &[Timestamp], values: Values<'_>, out: &mut ChunkWriter) -> Result<(), Gone> {
        for (chunk, times) in times.chunks(ROWS_PER_CHECK).enumerate() {
            let from = chunk * ROWS_PER_CHECK;
            let values = values.slice(from..from + times.len());
            let buffer = out.buffer();
            // The type is asked once, not per row.
            match values {
                Values::Int32(v) => self.each(times, v, Value::Int32, buffer),
                Values::Float32(v) => self.each(times, v, Value::Float32, buffer),
                Values::Int64(v) => self.each(times, v, Value::Int64, buffer),
                Values::Float64(v) => self.each(times, v, Value::Float64, buffer),
            }
            out.flush_if_full()?;
        }
        Ok(())
    }

    fn each<T: Copy>(&mut self, times: &[Timestamp], values: &[T], value: impl Fn(T) -> Value, buffer: &mut Vec<u8>) {
        for (at, v) in times.iter().zip(values) {
            self.row(*at, value(*v), buffer);
        }
    }

    fn end_series(&mut self, out: &mut Vec<u8>) {
        if self.series > 0 {
            out.extend_from_slice(b"]}");
        }
    }

    /// Ends the answer.
    pub(crate) fn end(mut self, ending: &Ending, out: &mut Vec<u8>) {
        self.end_series(out);
        out.extend_from_slice(br#"],"resultType":"matrix""#);
        if ending.truncated {
            out.extend_from_slice(br#","truncated":true"#);
        }
        for (i, warning) in ending.warnings.iter().enumerate() {
            out.extend_from_slice(if i == 0 { br#","warnings":["# } else { b"," });
            write_json_string(warning, out);
        }
        out.extend_from_slice(if ending.warnings.is_empty() { b"}}" } else { b"]}}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::io::Read;

    #[test]
    fn an_empty_matrix_is_what_the_original_answers() {
        let mut out = Vec::new();
        MatrixText::begin(&mut out).end(&Ending::default(), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"status":"success","data":{"result":[],"resultType":"matrix"}}"#
        );
    }

    #[test]
    fn series_rows_and_warnings_make_valid_json() {
        let mut out = Vec::new();
        let mut matrix = MatrixText::begin(&mut out);
        matrix.series("metrics", "cpu \"x\"", None, &mut out);
        matrix.row(1_795_212_517_000_000_000, Value::Float32(6.63054), &mut out);
        matrix.row(1_795_212_517_000_000_001, Value::Int32(-2), &mut out);
        matrix.series("metrics", "cpu", Some(("avg", "5m0s")), &mut out);
        matrix.row(0, Value::Float64(1e-7), &mut out);
        matrix.end(&Ending { warnings: vec!["a".into(), "b\n".into()], truncated: true }, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r#"[1795212517.000000001,"-2"]"#), "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let data = &json["data"];
        assert_eq!(data["result"][0]["metric"]["__name__"], "cpu \"x\"");
        assert_eq!(data["result"][0]["values"][0][1], "6.63054");
        assert_eq!(data["result"][1]["metric"]["window"], "5m0s");
        assert_eq!(data["result"][1]["values"][0][1], "0.0000001");
        assert_eq!(data["warnings"][1], "b\n");
        assert_eq!(data["truncated"], true);
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap().block_on(work)
    }

    async fn whole(response: Response) -> Vec<u8> {
        response.into_body().collect().await.unwrap().to_bytes().to_vec()
    }

    #[test]
    fn small_answers_have_a_length_and_large_ones_stream() {
        run(async {
            let small = respond(true, |mut w| {
                w.buffer().extend_from_slice(b"{}");
                w.finish();
            })
            .await;
            assert_eq!(http_body::Body::size_hint(small.body()).exact(), Some(2));
            assert!(small.headers().get("content-encoding").is_none());

            for gzip in [false, true] {
                let large = respond(gzip, |mut w| {
                    for i in 0..400_000u32 {
                        w.buffer().extend_from_slice(format!("{},", i.wrapping_mul(2_654_435_761)).as_bytes());
                        if w.flush_if_full().is_err() {
                            return;
                        }
                    }
                    w.finish();
                })
                .await;
                assert_eq!(http_body::Body::size_hint(large.body()).exact(), None);
                let mut bytes = whole(large).await;
                if gzip {
                    let mut plain = Vec::new();
                    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
                    bytes = plain;
                }
                assert_eq!(bytes.iter().filter(|b| **b == b',').count(), 400_000);
            }
        });
    }

    #[test]
    fn a_writer_that_dies_is_never_a_success() {
        run(async {
            let before = respond(false, |_| {}).await;
            assert_eq!(before.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let during = respond(false, |mut w| {
                w.buffer().resize(CHUNK, b' ');
                let _ = w.flush_if_full();
            })
            .await;
            assert_eq!(during.status(), StatusCode::OK);
            assert!(during.into_body().collect().await.is_err());
        });
    }

    #[test]
    fn the_writer_learns_that_the_client_left() {
        run(async {
            let (tell, told) = std::sync::mpsc::channel();
            let response = respond(false, move |mut w| {
                loop {
                    w.buffer().resize(CHUNK, b' ');
                    if w.flush_if_full().is_err() {
                        let _ = tell.send(());
                        return;
                    }
                }
            })
            .await;
            drop(response);
            let told = tokio::task::spawn_blocking(move || told.recv_timeout(Duration::from_secs(5)));
            assert!(told.await.unwrap().is_ok());
        });
    }
}
