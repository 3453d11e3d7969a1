//! `POST /api/v1/import`: bodies are parsed as they arrive and stored batch by batch.

use crate::app::{App, State};
use crate::body::{BodyReader, Decoder};
use crate::endpoint::{Access, Body, Endpoint, Group, Param, Request, submit};
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::json::{json, write_json_string};
use crate::memory::Share;
use crate::params::Params;
use crate::rejections::Rejections;
use crate::respond::blocking;
use crate::times::write_unit;
use bytes::Bytes;
use http::StatusCode;
use http::header::USER_AGENT;
use nanotdb_core::engine::{Batch, BatchOutcome, Submitted};
use nanotdb_core::model::counted;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::plugin::{CheckedParser, IngestFailure, IngestFormat, IngestOptions};
use std::sync::{Mutex, PoisonError};
use warp::reply::Response;

/// Samples after which a batch goes to the engine before the body ends.
const BATCH_SAMPLES: usize = 32_768;
/// Bytes that are parsed at once. Between two slices others have their turn on this thread.
const SLICE: usize = 128 << 10;
/// Bytes of a sample in a batch.
const ROW_BYTES: usize = 48;
/// Bytes of a body that may wait for its next piece without being counted.
const UNCOUNTED: usize = 64 << 10;
/// Bytes that are looked at to tell Prometheus text from line protocol.
const SNIFF_BYTES: usize = 4_096;
/// Buffers that are kept for the next request, and the largest kept rest.
const POOLED: usize = 32;
const POOLED_REST: usize = 1 << 20;

const WRITE_UNIT: Param =
    Param::query("timestamp_unit", "text", "s", "unit of times that are bare numbers; without it what the format says")
        .of(&["ns", "us", "ms", "s"]);
const PRECISION: Param =
    Param::query("precision", "text", "s", "the same, as others call it").of(&["ns", "us", "ms", "s"]);

submit! {
    Endpoint::post(
        "import",
        "/api/v1/import",
        "writes samples",
        Body::new("text/plain", "demo/room.temp 21.5", "one line per sample: database/metric value [timestamp]"),
        |request| Box::pin(import(request)),
    )
    .group(Group::WRITE)
    .access(Access::Write)
    .params(&[
        Param::query("format", "text", "line_protocol", "ingest format; without it the Content-Type decides"),
        Param::query("db", "database", "demo", "database for formats whose lines name none"),
        WRITE_UNIT,
        PRECISION,
    ])
    .answer("count of samples")
}

submit! {
    Endpoint::post(
        "import_prometheus",
        "/api/v1/import/prometheus",
        "writes samples of Prometheus text",
        Body::new("text/plain", "node_load1{host=\"pi\"} 0.25", "Prometheus text exposition"),
        |request| Box::pin(import_prometheus(request)),
    )
    .group(Group::WRITE)
    .access(Access::Write)
    .params(&[
        Param::query("db", "database", "prometheus", "database").standard("prometheus"),
        Param::query("format", "text", "prometheus", "ingest format; without it the first bytes decide"),
        WRITE_UNIT,
        PRECISION,
    ])
    .answer("204")
    .lenient()
}

/// What an import needs and the next one can use again.
struct Buffers {
    batch: Batch,
    rest: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { batch: Batch::from_outside(), rest: Vec::new() }
    }
}

/// Reused [`Buffers`], so that a small request allocates next to nothing.
struct BufferPool {
    kept: Mutex<Vec<Buffers>>,
    most: usize,
}

impl State for BufferPool {
    fn new(app: &App) -> Self {
        Self::of(app.memory.limit())
    }
}

impl BufferPool {
    /// Keeps as many as fit into an eighth of the memory of requests.
    fn of(memory: u64) -> Self {
        let most = usize::try_from(memory / 8 / (3 << 20)).unwrap_or(POOLED).clamp(1, POOLED);
        Self { kept: Mutex::default(), most }
    }

    fn take(&self) -> Buffers {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn put(&self, mut buffers: Buffers) {
        buffers.batch.clear();
        buffers.rest.clear();
        buffers.rest.shrink_to(POOLED_REST);
        let mut pool = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < self.most {
            pool.push(buffers);
        }
    }
}

/// How the format of a body is found.
enum Format {
    /// Known before the first byte.
    Known(&'static dyn IngestFormat),
    /// Prometheus text or line protocol, told apart by the first bytes.
    Sniffed,
}

/// `POST /api/v1/import`
async fn import(request: Request) -> Result<Response, ApiError> {
    let exchange = request.exchange();
    let params = request.query()?;
    let format = match explicit_format(exchange, &params)? {
        Some(format) => format,
        None => registry().ingest_format("line_protocol")?,
    };
    run(request.app(), exchange, Format::Known(format), &params).await
}

/// `POST /api/v1/import/prometheus`: Prometheus text, or line protocol as the original takes here.
async fn import_prometheus(request: Request) -> Result<Response, ApiError> {
    // The media type of Prometheus text is text/plain, which line protocol claims too: the bytes decide.
    let params = request.query()?;
    let format = match params.get("format") {
        Some(name) => Format::Known(named_format(name)?),
        None => Format::Sniffed,
    };
    run(request.app(), request.exchange(), format, &params).await
}

fn named_format(name: &str) -> Result<&'static dyn IngestFormat, ApiError> {
    registry().ingest_format(name).map_err(|e| ApiError::parameter("format", name, e))
}

fn explicit_format(exchange: &Exchange, params: &Params) -> Result<Option<&'static dyn IngestFormat>, ApiError> {
    if let Some(name) = params.get("format") {
        return named_format(name).map(Some);
    }
    let media = exchange.content_type.as_ref().and_then(|v| v.to_str().ok());
    Ok(media.and_then(|media| registry().ingest_format_for(media)))
}

async fn run(app: &App, exchange: &Exchange, format: Format, params: &Params) -> Result<Response, ApiError> {
    let limits = app.body_limits();
    let mut decoder = Decoder::new(exchange.content_encoding.as_ref(), limits)?;
    let options = IngestOptions {
        database: params.get("db").map(str::to_owned),
        max_line_bytes: usize::try_from(app.limits.max_line_bytes).unwrap_or(usize::MAX),
        timestamp_unit: write_unit(params)?,
        arrival: Some(app.clock.now()),
    };
    let mut reader = BodyReader::new(exchange.take_body()?, limits);
    if let Err(error) = limits.check_announced(exchange.content_length) {
        reader.discard().await;
        return Err(error);
    }
    // For as long as the body lasts; what one piece of it takes comes on top.
    let _decoding = match decoder.memory() {
        0 => None,
        bytes => Some(app.memory.admit(bytes).await?),
    };
    let mut import = Import::new(app, format, options);
    let result = loop {
        let piece = match reader.piece().await {
            Ok(piece) => piece,
            Err(error) => break Err(error),
        };
        let working = match app.memory.admit(working_memory(piece.as_ref().map_or(0, Bytes::len))).await {
            Ok(working) => working,
            Err(error) => break Err(error),
        };
        // The whole rest of the body at once, and usually the whole body: parsed where hyper read it to.
        let is_whole = decoder.is_identity() && reader.is_end();
        let (end, step) = match piece {
            None => {
                let rest = decoder.finish(&mut |b| import.feed(b, false));
                (true, rest.and_then(|()| import.feed(&[], true)))
            }
            Some(piece) if is_whole && piece.len() <= SLICE => (true, import.feed(&piece, true)),
            Some(piece) => (false, import.take(&mut decoder, &piece).await),
        };
        let step = match step {
            Ok(()) => import.store(end).await,
            error => error,
        };
        drop(working);
        let step = match step {
            Ok(()) if !end => import.keep_within_memory().await,
            step => step,
        };
        if end || step.is_err() {
            break step;
        }
    };
    exchange.add_received(reader.received());
    let answer = import.finish(result, exchange).await;
    if answer.is_err() && !reader.is_end() {
        reader.discard().await;
    }
    answer
}

/// Bytes that a piece of a body takes until its samples are stored: the rows of its lines, or those of a batch.
fn working_memory(piece: usize) -> u64 {
    const BATCH: usize = 3 << 20;
    (piece.saturating_mul(6).min(BATCH) + piece + (16 << 10)) as u64
}

/// Where a slice of input ends that is parsed at once: behind a line, if there is one.
fn slice_end(input: &[u8]) -> usize {
    match input.get(..SLICE) {
        None => input.len(),
        Some(slice) => slice.iter().rposition(|b| *b == b'\n').map_or(SLICE, |at| at + 1),
    }
}

/// Appends `{"imported":n}`, and with rejected lines how many and the first of them.
fn write_totals(totals: &BatchOutcome, always_rejected: bool, out: &mut Vec<u8>) {
    let number = |n: u64, out: &mut Vec<u8>| {
        use std::io::Write;
        let _ = write!(out, "{n}");
    };
    out.extend_from_slice(br#"{"imported":"#);
    number(totals.accepted, out);
    if totals.rejected > 0 || always_rejected {
        out.extend_from_slice(br#","rejected":"#);
        number(totals.rejected, out);
        if totals.failed > 0 {
            out.extend_from_slice(br#","failed":"#);
            number(totals.failed, out);
        }
        out.extend_from_slice(br#","errors":["#);
        for (i, rejection) in totals.rejections.iter().enumerate() {
            out.extend_from_slice(if i == 0 { br#"{"line":"# } else { br#",{"line":"# });
            number(rejection.line, out);
            out.extend_from_slice(br#","error":"#);
            write_json_string(&rejection.reason, out);
            out.push(b'}');
        }
        out.push(b']');
    }
    out.push(b'}');
}

/// One body on its way into the engine.
struct Import<'a> {
    app: &'a App,
    format: Format,
    options: IngestOptions,
    parser: Option<CheckedParser>,
    prometheus: bool,
    buffers: Option<Buffers>,
    /// Length of the rest below which parsing it again is not worth while: a parser that needs the whole input
    /// would otherwise look at its beginning once per piece.
    retry_at: usize,
    /// Memory of what waits for the next piece.
    waiting: Option<Share>,
    /// The parser gave up on the input.
    unusable: bool,
    /// Stored, but not yet as durable as promised.
    owed: Vec<Submitted>,
    totals: BatchOutcome,
}

impl<'a> Import<'a> {
    fn new(app: &'a App, format: Format, options: IngestOptions) -> Self {
        let buffers = Some(app.state::<BufferPool>().take());
        Self {
            app,
            format,
            options,
            parser: None,
            prometheus: false,
            buffers,
            retry_at: 0,
            waiting: None,
            unusable: false,
            owed: Vec::new(),
            totals: BatchOutcome::default(),
        }
    }

    /// Decodes and parses a piece of the body, slice by slice. The thread has other connections: they are not kept waiting for all of it.
    async fn take(&mut self, decoder: &mut Decoder, mut piece: &[u8]) -> Result<(), ApiError> {
        while let Some(mut decoded) = decoder.step(&mut piece)? {
            while !decoded.is_empty() {
                let (slice, rest) = decoded.split_at(slice_end(decoded));
                self.feed(slice, false)?;
                decoded = rest;
                if self.has_batch() {
                    self.store(false).await?;
                }
                if slice.len() >= SLICE / 2 {
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(())
    }

    /// Whether something is to be stored before more is parsed.
    fn has_batch(&self) -> bool {
        !self.owed.is_empty() || self.buffers.as_ref().is_some_and(|buffers| buffers.batch.len() >= BATCH_SAMPLES)
    }

    /// What waits for the next piece of the body counts as well. Where there is no memory for it, it is stored now.
    async fn keep_within_memory(&mut self) -> Result<(), ApiError> {
        self.waiting = None;
        let Some(Buffers { batch, rest }) = &self.buffers else { return Ok(()) };
        let bytes = batch.len().saturating_mul(ROW_BYTES) + rest.len();
        if bytes > UNCOUNTED {
            self.waiting = self.app.memory.share(bytes as u64);
            if self.waiting.is_none() {
                return self.store(true).await;
            }
        }
        Ok(())
    }

    /// Parses what is complete of the rest and `input`, and keeps what is not.
    fn feed(&mut self, input: &[u8], end: bool) -> Result<(), ApiError> {
        let Some(mut buffers) = self.buffers.take() else { return Err(ApiError::internal()) };
        let result = self.feed_into(&mut buffers, input, end);
        self.buffers = Some(buffers);
        result
    }

    fn feed_into(&mut self, buffers: &mut Buffers, input: &[u8], end: bool) -> Result<(), ApiError> {
        let Buffers { batch, rest } = buffers;
        if rest.is_empty() && (end || self.parser.is_some() || input.len() >= SNIFF_BYTES) {
            let used = self.parse(input, end, batch)?;
            rest.extend_from_slice(input.get(used..).unwrap_or_default());
            self.retry_at = if used == 0 { rest.len().saturating_mul(2) } else { 0 };
        } else {
            rest.extend_from_slice(input);
            let enough = self.parser.is_some() || rest.len() >= SNIFF_BYTES || matches!(self.format, Format::Known(_));
            if end || (enough && rest.len() >= self.retry_at) {
                let used = self.parse(rest, end, batch)?;
                rest.drain(..used.min(rest.len()));
                self.retry_at = if used == 0 { rest.len().saturating_mul(2) } else { 0 };
            }
        }
        // One decompressed piece can hold more than a batch.
        if batch.len() >= BATCH_SAMPLES {
            let submitted = self.app.engine.submit(batch)?;
            self.owed.push(submitted);
        }
        Ok(())
    }

    fn parse(&mut self, input: &[u8], end: bool, batch: &mut Batch) -> Result<usize, ApiError> {
        let parser = match &mut self.parser {
            Some(parser) => parser,
            None => {
                let format = self.choose(input)?;
                self.parser
                    .insert(CheckedParser::new(format, &self.options).map_err(|e| failed(e, &mut self.unusable))?)
            }
        };
        parser.parse(input, end, batch).map_err(|e| failed(e, &mut self.unusable))
    }

    fn choose(&mut self, input: &[u8]) -> Result<&'static dyn IngestFormat, ApiError> {
        let format = match self.format {
            Format::Known(format) => format,
            Format::Sniffed if nanotdb_ingest::looks_like_prometheus(input) => {
                registry().ingest_format("prometheus")?
            }
            Format::Sniffed => registry().ingest_format("line_protocol")?,
        };
        self.prometheus = matches!(self.format, Format::Sniffed) && format.name() == "prometheus";
        Ok(format)
    }

    /// Hands a full batch, or with `all` any batch, to the engine, and pays what is owed for earlier ones. What has
    /// to wait for the disk does so on a thread of its own: this one has other connections.
    async fn store(&mut self, all: bool) -> Result<(), ApiError> {
        let engine = &self.app.engine;
        let Some(mut buffers) = self.buffers.take() else { return Err(ApiError::internal()) };
        let mut submitted = Ok(());
        if (all && !(buffers.batch.is_empty() && buffers.batch.rejected() == 0)) || buffers.batch.len() >= BATCH_SAMPLES
        {
            let rows = buffers.batch.len() as u64;
            submitted = engine.submit(&mut buffers.batch).map(|submitted| self.owed.push(submitted));
            if submitted.is_err() {
                self.totals.rejected = self.totals.rejected.saturating_add(rows);
                self.totals.failed = self.totals.failed.saturating_add(rows);
            }
        }
        self.buffers = Some(buffers);
        submitted.map_err(ApiError::of_write)?;
        for submitted in self.owed.drain(..) {
            // A lone request's fsync keeps nobody waiting, and another thread would only add two wake-ups to it. Several
            // requests wait elsewhere, so that they can share one fsync.
            let alone = !submitted.must_flush() && self.app.requests.is_alone();
            let outcome = if submitted.must_wait() && !alone {
                let engine = engine.clone();
                blocking(move || engine.settle(submitted)).await?
            } else {
                engine.settle(submitted)
            };
            self.totals.merge(outcome.map_err(ApiError::of_write)?);
        }
        Ok(())
    }

    /// The answer. After an error of the input, the complete lines before it are stored and reported; after an
    /// error of the connection they are not, because the sender will send all of them again.
    async fn finish(mut self, result: Result<(), ApiError>, exchange: &Exchange) -> Result<Response, ApiError> {
        let result = match result {
            Err(error) if self.unusable || error.status == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(self.store(true).await.err().unwrap_or(error))
            }
            result => result,
        };
        let totals = &self.totals;
        if totals.rejected > 0 {
            tracing::trace!(imported = totals.accepted, rejected = totals.rejected, "import with rejected lines");
            self.app.state::<Rejections>().note(self.app.clock.now(), exchange.header(USER_AGENT), totals);
        }
        match result {
            Ok(()) if totals.failed > 0 => {
                // What else was refused will be so again; what failed is to come again, so that this is what the status says.
                let reason = totals.failure.as_deref().unwrap_or_default();
                let failed = counted(totals.failed, "sample");
                let message = format!("{failed} could not be stored now and should come again: {reason}");
                Err(self.with_totals(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message)))
            }
            Ok(()) if totals.rejected > 0 => {
                let first = totals.rejections.first();
                // A line that declares a type is no sample.
                let (lines, samples) = (counted(totals.rejected, "line"), counted(totals.accepted, "sample"));
                let mut message = format!("{lines} rejected, {samples} stored");
                if let Some(first) = first {
                    message.push_str(&format!("; first: line {}: {}", first.line, first.reason));
                }
                Err(self.with_totals(ApiError::bad(message)))
            }
            Ok(()) if self.prometheus => {
                let mut response = Response::default();
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(response)
            }
            Ok(()) => {
                let mut body = Vec::with_capacity(64);
                body.extend_from_slice(br#"{"status":"success","data":"#);
                write_totals(totals, false, &mut body);
                body.push(b'}');
                Ok(json(StatusCode::OK, body))
            }
            Err(error) => Err(self.with_totals(error.for_write())),
        }
    }

    fn with_totals(&self, mut error: ApiError) -> ApiError {
        let mut data = Vec::new();
        write_totals(&self.totals, true, &mut data);
        error.data = String::from_utf8(data).ok();
        error
    }
}

/// What the parser gave before it failed is stored. That it broke its contract is no fault of the sender's.
fn failed(failure: IngestFailure, unusable: &mut bool) -> ApiError {
    *unusable = true;
    match failure {
        IngestFailure::Input(error) => ApiError::bad(error.0),
        IngestFailure::Contract(reason) => {
            tracing::error!(reason, "import");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, reason)
        }
    }
}

impl Drop for Import<'_> {
    fn drop(&mut self) {
        if let Some(buffers) = self.buffers.take() {
            self.app.state::<BufferPool>().put(buffers);
        }
    }
}

#[cfg(test)]
mod tests;
