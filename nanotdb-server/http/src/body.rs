//! Request bodies as streams: counted as sent and as decoded.

use crate::error::ApiError;
use crate::exchange::Exchange;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::{HeaderValue, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use serde::Deserialize;
use std::io::{self, Write};
use std::time::Duration;
use zstd::stream::raw::{Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

/// Compressed bytes given to the gzip decoder at once: deflate expands to 1,032 times its size at most, so that
/// this bounds what one step can produce (2 MiB).
const GZIP_STEP: usize = 2 << 10;
/// What comes of a step without the next one being smaller.
const GZIP_OUTPUT: usize = 256 << 10;
/// Decoded bytes handed on at once by the zstd decoder.
const ZSTD_STEP: usize = 128 << 10;
/// 8 MiB, what RFC 8878 asks of every decoder; a frame that needs a larger window is refused instead of allocated.
const ZSTD_WINDOW_LOG: u32 = 23;

/// A body's limits, with the configuration's names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// `limits.max_body_bytes`
    pub(crate) sent: u64,
    /// `limits.max_decoded_body_bytes`
    pub(crate) decoded: u64,
}

impl BodyLimits {
    /// Refuses a body whose announced length is over the limit, before any of it is read.
    pub(crate) fn check_announced(&self, length: Option<u64>) -> Result<(), ApiError> {
        match length {
            Some(length) if length > self.sent => Err(over_sent(self.sent)),
            _ => Ok(()),
        }
    }
}

fn over_sent(limit: u64) -> ApiError {
    let detail = "the request body is larger; send it in several requests";
    ApiError::limit(StatusCode::PAYLOAD_TOO_LARGE, "limits.max_body_bytes", limit, detail)
}

fn over_decoded(limit: u64) -> ApiError {
    let detail = "the request body is larger once decompressed; send it in several requests";
    ApiError::limit(StatusCode::PAYLOAD_TOO_LARGE, "limits.max_decoded_body_bytes", limit, detail)
}

/// Takes the pieces of a body off the wire.
pub(crate) struct BodyReader<B> {
    body: B,
    limits: BodyLimits,
    received: u64,
}

impl<B> BodyReader<B>
where
    B: Body<Data = Bytes> + Unpin,
    ApiError: From<B::Error>,
{
    /// Reads `body` within `limits`.
    pub(crate) fn new(body: B, limits: BodyLimits) -> Self {
        Self { body, limits, received: 0 }
    }

    /// The next piece as sent; `None` at the end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            let frame = match self.body.frame().await {
                Some(Ok(frame)) => frame,
                None => return Ok(None),
                Some(Err(error)) => return Err(error.into()),
            };
            let Ok(data) = frame.into_data() else { continue };
            self.received = self.received.saturating_add(data.len() as u64);
            if self.received > self.limits.sent {
                return Err(over_sent(self.limits.sent));
            }
            return Ok(Some(data));
        }
    }

    /// Whether nothing follows the last piece (may say no although nothing does).
    pub(crate) fn is_end(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Bytes as sent so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Reads on for a moment, so that a client that is still sending sees the answer instead of a reset connection.
    pub(crate) async fn discard(&mut self) {
        const MOST: usize = 32 << 20;
        const LONGEST: Duration = Duration::from_secs(2);
        let drain = async {
            let mut left = MOST;
            while let Some(Ok(frame)) = self.body.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                left = left.saturating_sub(length);
                if left == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(LONGEST, drain).await;
    }
}

/// A whole body of at most `most` bytes.
pub(crate) async fn read_small(exchange: &Exchange, most: usize) -> Result<Vec<u8>, ApiError> {
    let limits = BodyLimits { sent: u64::MAX, decoded: u64::MAX };
    let mut reader = BodyReader::new(exchange.take_body()?, limits);
    let mut whole = Vec::new();
    // A sender drops what a 4xx refuses.
    let changes = exchange.about.is_some_and(|about| about.access.changes());
    let late = |error: ApiError| if changes { error.for_write() } else { error };
    while let Some(piece) = reader.piece().await.map_err(late)? {
        if whole.len() + piece.len() > most {
            let message = format!("the request body is larger than the {most} bytes that this endpoint takes");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        whole.extend_from_slice(&piece);
    }
    exchange.add_received(reader.received());
    Ok(whole)
}

/// Reads a JSON object; the refusal says what is accepted. A list is none, though it could be read as the values of one.
pub(crate) fn parse_object<'b, T: Deserialize<'b>>(body: &'b [u8], accepted: &str) -> Result<T, ApiError> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::bad(format!("the request body is no JSON object: {accepted}")));
    }
    serde_json::from_slice(body).map_err(|e| ApiError::bad(format!("the request body: {e}; {accepted}")))
}

enum Coding {
    Identity,
    Gzip { decoder: Box<MultiGzDecoder<Vec<u8>>>, step: usize },
    Zstd { decoder: ZstdDecoder<'static>, output: Vec<u8>, complete: bool },
}

/// Undoes `Content-Encoding`, piece by piece.
pub(crate) struct Decoder {
    coding: Coding,
    decoded: u64,
    limit: u64,
}

impl Decoder {
    /// A decoder for a `Content-Encoding`: none, `identity`, `gzip` or `zstd`.
    pub(crate) fn new(encoding: Option<&HeaderValue>, limits: BodyLimits) -> Result<Self, ApiError> {
        let name = encoding.map_or("", |v| v.to_str().unwrap_or("?")).trim().to_ascii_lowercase();
        let coding = match name.as_str() {
            "" | "identity" => Coding::Identity,
            "gzip" | "x-gzip" => Coding::Gzip { decoder: Box::new(MultiGzDecoder::new(Vec::new())), step: GZIP_STEP },
            "zstd" => {
                let mut decoder = ZstdDecoder::new().map_err(|e| damaged("zstd", &e))?;
                let window = zstd::stream::raw::DParameter::WindowLogMax(ZSTD_WINDOW_LOG);
                decoder.set_parameter(window).map_err(|e| damaged("zstd", &e))?;
                Coding::Zstd { decoder, output: Vec::with_capacity(ZSTD_STEP), complete: true }
            }
            other => {
                return Err(ApiError::bad(format!(
                    "header Content-Encoding: {other:?}: send gzip, zstd or plain bytes"
                )));
            }
        };
        let limit = match coding {
            Coding::Identity => u64::MAX, // the limit for bytes as sent counts them already
            _ => limits.decoded,
        };
        Ok(Self { coding, decoded: 0, limit })
    }

    /// Whether bytes pass through as they are.
    pub(crate) fn is_identity(&self) -> bool {
        matches!(self.coding, Coding::Identity)
    }

    /// Bytes that decoding takes beside what it decodes.
    pub(crate) fn memory(&self) -> u64 {
        match self.coding {
            Coding::Identity => 0,
            Coding::Gzip { .. } => 64 << 10,
            Coding::Zstd { .. } => (1 << ZSTD_WINDOW_LOG) + 2 * ZSTD_STEP as u64,
        }
    }

    /// Decodes some of `input`, which it takes off its front, into a piece of bounded size. `None` when all of it is decoded.
    pub(crate) fn step<'a, 'p: 'a>(&'a mut self, input: &mut &'p [u8]) -> Result<Option<&'a [u8]>, ApiError> {
        let Self { coding, decoded, limit } = self;
        let whole: &'p [u8] = input;
        let is_identity = matches!(coding, Coding::Identity);
        let piece: &'a [u8] = match coding {
            Coding::Identity => std::mem::take(input),
            Coding::Gzip { decoder, step } => {
                decoder.get_mut().clear();
                let Some((some, rest)) = whole.split_at_checked((*step).min(whole.len())) else { return Ok(None) };
                if some.is_empty() {
                    return Ok(None);
                }
                *input = rest;
                decoder.write_all(some).map_err(|e| damaged("gzip", &e))?;
                let produced = decoder.get_ref().len();
                // What expands far is given in smaller bits, so that no step takes long.
                *step = if produced > GZIP_OUTPUT { (*step / 2).max(64) } else { (*step * 2).min(GZIP_STEP) };
                decoder.get_ref()
            }
            Coding::Zstd { decoder, output, complete } => {
                output.clear();
                let mut buffer = InBuffer::around(whole);
                let mut target = OutBuffer::around(&mut *output);
                let hint = decoder.run(&mut buffer, &mut target).map_err(|e| damaged("zstd", &e))?;
                let (used, produced) = (buffer.pos(), target.pos());
                *input = whole.get(used..).unwrap_or_default();
                if used == 0 && produced == 0 {
                    return Ok(None);
                }
                *complete = hint == 0;
                output
            }
        };
        *decoded = decoded.saturating_add(piece.len() as u64);
        if *decoded > *limit {
            return Err(over_decoded(*limit));
        }
        // Nothing may come of some input: it is in the decoder.
        Ok((!is_identity || !piece.is_empty()).then_some(piece))
    }

    /// Checks that the compressed stream is complete, and hands on what is left.
    pub(crate) fn finish(&mut self, sink: &mut dyn FnMut(&[u8]) -> Result<(), ApiError>) -> Result<(), ApiError> {
        match &mut self.coding {
            Coding::Identity => Ok(()),
            Coding::Gzip { decoder, .. } => {
                decoder.get_mut().clear();
                decoder.try_finish().map_err(|e| damaged("gzip", &e))?;
                let rest = std::mem::take(decoder.get_mut());
                self.decoded = self.decoded.saturating_add(rest.len() as u64);
                if self.decoded > self.limit {
                    return Err(over_decoded(self.limit));
                }
                if rest.is_empty() { Ok(()) } else { sink(&rest) }
            }
            Coding::Zstd { complete: true, .. } => Ok(()),
            Coding::Zstd { .. } => Err(damaged("zstd", &io::Error::from(io::ErrorKind::UnexpectedEof))),
        }
    }
}

fn damaged(coding: &str, error: &io::Error) -> ApiError {
    ApiError::bad(format!("the request body is not whole {coding} data: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    const ROOMY: BodyLimits = BodyLimits { sent: 1 << 20, decoded: 1 << 20 };

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn through(encoding: &'static str, limits: BodyLimits, input: &[u8], step: usize) -> Result<Vec<u8>, ApiError> {
        let mut decoder = Decoder::new(Some(&HeaderValue::from_static(encoding)), limits)?;
        let mut out = Vec::new();
        let mut largest = 0;
        let mut sink = |bytes: &[u8]| {
            largest = largest.max(bytes.len());
            out.extend_from_slice(bytes);
            Ok(())
        };
        for piece in input.chunks(step) {
            let mut piece = piece;
            while let Some(decoded) = decoder.step(&mut piece)? {
                sink(decoded)?;
            }
        }
        decoder.finish(&mut sink)?;
        assert!(largest <= 4 << 20, "a piece of {largest} bytes");
        Ok(out)
    }

    fn text() -> Vec<u8> {
        (0..5_000).flat_map(|i| format!("demo/m{} {i}\n", i % 7).into_bytes()).collect()
    }

    #[test]
    fn encodings_are_undone_however_they_are_cut() {
        let plain = text();
        let zstd = zstd::encode_all(plain.as_slice(), 3).unwrap();
        let two_frames = [zstd.clone(), zstd.clone()].concat();
        for step in [1, 7, 1_000, usize::MAX] {
            assert_eq!(through("gzip", ROOMY, &gzip(&plain), step).unwrap(), plain);
            assert_eq!(through("zstd", ROOMY, &zstd, step).unwrap(), plain);
            assert_eq!(through("zstd", ROOMY, &two_frames, step).unwrap().len(), plain.len() * 2);
            assert_eq!(through("identity", ROOMY, &plain, step).unwrap(), plain);
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_decoded_size() {
        let limits = BodyLimits { sent: 1 << 20, decoded: 100_000 };
        let zeros = vec![b'0'; 50 << 20];
        for (name, bomb) in [("gzip", gzip(&zeros)), ("zstd", zstd::encode_all(zeros.as_slice(), 3).unwrap())] {
            let error = through(name, limits, &bomb, usize::MAX).unwrap_err();
            assert_eq!(error.status, StatusCode::PAYLOAD_TOO_LARGE);
            assert!(error.message.contains("limits.max_decoded_body_bytes = 100000"), "{}", error.message);
        }
    }

    #[test]
    fn cut_and_foreign_streams_are_refused() {
        let plain = text();
        for (name, whole) in [("gzip", gzip(&plain)), ("zstd", zstd::encode_all(plain.as_slice(), 3).unwrap())] {
            let cut = whole.len() - 3;
            let error = through(name, ROOMY, &whole[..cut], 64).unwrap_err();
            assert!(error.message.contains(name), "{}", error.message);
            assert_eq!(error.status, StatusCode::BAD_REQUEST);
            assert!(through(name, ROOMY, b"demo/a 1\n", 64).is_err());
        }
        assert!(through("br", ROOMY, b"", 1).unwrap_err().message.contains("gzip, zstd"));
    }

    #[test]
    fn bytes_as_sent_are_counted() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let limits = BodyLimits { sent: 4, decoded: 4 };
        runtime.block_on(async {
            let mut fits = BodyReader::new(Full::new(Bytes::from_static(b"abcd")), limits);
            assert_eq!(fits.piece().await.unwrap().as_deref(), Some(b"abcd".as_slice()));
            assert!(fits.is_end());
            assert_eq!(fits.piece().await.unwrap(), None);
            let mut over = BodyReader::new(Full::new(Bytes::from_static(b"abcde")), limits);
            let error = over.piece().await.unwrap_err();
            assert!(error.message.contains("limits.max_body_bytes = 4"), "{}", error.message);
        });
        assert!(limits.check_announced(Some(5)).is_err());
        assert!(limits.check_announced(Some(4)).is_ok());
        assert!(limits.check_announced(None).is_ok());
    }
}
