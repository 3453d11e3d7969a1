//! `GET /api/v1/ui/stream`: new points, state and progress as server-sent events.
//!
//! A stream is a task on its connection's thread. Whatever asks the engine runs on a thread that may wait for the disk.

use super::catalog::Status;
use super::dashboard_store::DashboardStore;
use super::jobs::Jobs;
use super::numbers::{write_millis, write_value};
use crate::app::{App, State};
use crate::endpoint::{Endpoint, Group, Param, Request, submit};
use crate::error::ApiError;
use crate::limits::Uncounted;
use crate::params::Params;
use crate::respond::blocking;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::BodyDataStream;
use nanotdb_core::engine::{MetricFiles, ScanSink, ScanSlice};
use nanotdb_core::model::{Timestamp, Value};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval};
use warp::Reply;
use warp::reply::Response;

/// Streams at once.
const MOST_STREAMS: usize = 64;
/// Series of one stream.
const MOST_SERIES: usize = 1_000;
/// Points that are sent at once; with more the page is told to get everything anew.
const MOST_POINTS: usize = 10_000;
/// How far back a stream begins, nanoseconds.
const MOST_BACK: i64 = 600_000_000_000;
/// How often the status is sent: also the sign of life.
const STATUS_EVERY: Duration = Duration::from_secs(15);
/// How often catalog and dashboard are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Events that may wait for the client.
const QUEUE: usize = 16;

submit! {
    Endpoint::get(
        "ui_stream",
        "/api/v1/ui/stream",
        "new points, state and progress as they come",
        |request| Box::pin(stream(request)),
    )
    .group(Group::WEB)
    .params(&[
        Param::query("s", "text", "demo/room.temp", "a series; may be given up to 1,000 times").many(),
        Param::query("since_ms", "number", "1777597200000", "begins with the points after this time"),
        Param::query("every_ms", "number", "1000", "shortest time between two events of points, 250 to 60000")
            .standard("1000"),
    ])
    .answer("server-sent events")
}

/// Streams that may be opened.
struct Streams(Arc<Semaphore>);

impl State for Streams {
    fn new(_: &App) -> Self {
        Self(Arc::new(Semaphore::new(MOST_STREAMS)))
    }
}

/// What is streamed, with how far it got.
struct Feed {
    app: Arc<App>,
    series: Vec<(String, String)>,
    /// Newest time of each series that was sent, or that needs not be.
    sent: Vec<Option<Timestamp>>,
    /// Points after this time are sent of series that are new to the stream.
    since: Timestamp,
}

/// Answers with a stream.
async fn stream(request: Request) -> Result<Response, ApiError> {
    let app = request.app();
    let params = request.query()?;
    let mut series = Vec::new();
    for text in params.all("s") {
        match text.split_once('/') {
            Some((database, metric)) if !database.is_empty() && !metric.is_empty() => {
                series.push((database.to_owned(), metric.to_owned()));
            }
            _ => return Err(ApiError::parameter("s", text, "give database/metric")),
        }
    }
    if series.len() > MOST_SERIES {
        return Err(ApiError::bad(format!("parameter s: {} series; give at most {MOST_SERIES}", series.len())));
    }
    let now = app.clock.now();
    let since = match number(&params, "since_ms", -9.2e12..=9.2e12)? {
        Some(millis) => (millis * 1e6) as i64,
        None => now,
    };
    let every = number(&params, "every_ms", 250.0..=60_000.0)?.unwrap_or(1_000.0);
    let permit = Arc::clone(&app.state::<Streams>().0).try_acquire_owned().map_err(|_| {
        let message = format!("{MOST_STREAMS} streams are open, which is the limit; poll instead, or close a tab");
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, message)
    })?;
    let (sender, events) = mpsc::channel(QUEUE);
    let is_late = now.saturating_sub(since) > MOST_BACK;
    let since = if is_late { now } else { since };
    let sent = vec![None; series.len()];
    let feed = Feed { app: Arc::clone(app), series, sent, since };
    tokio::spawn(run(feed, is_late, Duration::from_millis(every as u64), sender, permit));
    let mut response = warp::reply::stream(BodyDataStream::new(Events(events))).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that collect answers must not.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.extensions_mut().insert(Uncounted);
    Ok(response)
}

fn number(params: &Params, name: &str, range: std::ops::RangeInclusive<f64>) -> Result<Option<f64>, ApiError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    match text.parse::<f64>() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => {
            let accepted = format!("give milliseconds, {} to {}", range.start(), range.end());
            Err(ApiError::parameter(name, text, accepted))
        }
    }
}

/// The events as a body.
struct Events(mpsc::Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// An event's text.
fn event(name: &str, data: &[u8]) -> Bytes {
    [b"event: ", name.as_bytes(), b"\ndata: ", data, b"\n\n"].concat().into()
}

/// Why a stream ended.
struct Ended;

async fn send(sender: &mpsc::Sender<Bytes>, bytes: Bytes) -> Result<(), Ended> {
    sender.send(bytes).await.map_err(|_| Ended)
}

async fn run(feed: Feed, is_late: bool, every: Duration, sender: mpsc::Sender<Bytes>, permit: OwnedSemaphorePermit) {
    let _permit = permit;
    let app = Arc::clone(&feed.app);
    let closed = sender.clone();
    tokio::select! {
        () = app.stopped() => {}
        () = closed.closed() => {}
        _ = events(feed, is_late, every, sender) => {}
    }
}

async fn events(mut feed: Feed, is_late: bool, every: Duration, sender: mpsc::Sender<Bytes>) -> Result<(), Ended> {
    let app = Arc::clone(&feed.app);
    let mut jobs = app.state::<Jobs>().reports();
    let shared = Arc::clone(&app);
    blocking(move || shared.state::<DashboardStore>().look(&shared.engine)).await.map_err(|_| Ended)?;
    let mut dashboard = app.state::<DashboardStore>().subscribe();
    dashboard.mark_unchanged();
    send(&sender, Bytes::from_static(b"retry: 3000\n\n")).await?;
    if is_late {
        send(&sender, event("reset", b"{}")).await?;
    }
    let mut points = interval(every);
    points.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut status_at: Option<Instant> = None;
    let mut catalog: Option<(u64, u64)> = None;
    loop {
        tokio::select! {
            _ = points.tick(), if !feed.series.is_empty() => {
                let (back, text) = blocking(move || feed.read()).await.map_err(|_| Ended)?;
                feed = back;
                match text {
                    Some(Rows::Points(text)) => send(&sender, event("points", &text)).await?,
                    Some(Rows::TooMany) => send(&sender, event("reset", b"{}")).await?,
                    None => {}
                }
            }
            _ = look.tick() => {
                let shared = Arc::clone(&app);
                let status = blocking(move || {
                    shared.state::<DashboardStore>().look(&shared.engine);
                    Status::now(&shared)
                }).await.map_err(|_| Ended)?;
                let there = (status.databases, status.metrics);
                if catalog.is_some_and(|before| before != there) {
                    let (databases, metrics) = there;
                    let data = format!("{{\"databases\":{databases},\"metrics\":{metrics}}}");
                    send(&sender, event("catalog", data.as_bytes())).await?;
                }
                catalog = Some(there);
                if status_at.is_none_or(|at| at.elapsed() >= STATUS_EVERY) {
                    status_at = Some(Instant::now());
                    let data = serde_json::to_vec(&status).map_err(|_| Ended)?;
                    send(&sender, event("status", &data)).await?;
                }
            }
            changed = dashboard.changed() => {
                changed.map_err(|_| Ended)?;
                let data = serde_json::json!({"etag": *dashboard.borrow_and_update()}).to_string();
                send(&sender, event("dashboard", data.as_bytes())).await?;
            }
            report = jobs.recv() => match report {
                Ok(job) => send(&sender, event("job", job.as_bytes())).await?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(Ended),
            },
        }
    }
}

/// What a look at the series gave.
enum Rows {
    /// Text of the data of an event.
    Points(Vec<u8>),
    /// More than is sent.
    TooMany,
}

impl Feed {
    /// What is new. Gives itself back, since it is read on another thread.
    fn read(mut self) -> (Self, Option<Rows>) {
        let mut by_database: BTreeMap<&str, Vec<(usize, &str, Timestamp, Timestamp)>> = BTreeMap::new();
        for (at, ((database, metric), sent)) in self.series.iter().zip(&self.sent).enumerate() {
            let Ok(Some(last)) = self.app.engine.query_last(database, metric) else { continue };
            let after = sent.unwrap_or(self.since);
            if last.timestamp > after {
                by_database.entry(database).or_default().push((at, metric, after, last.timestamp));
            }
        }
        let mut sink = Collected { rows: BTreeMap::new(), wanted: Vec::new(), points: 0 };
        let mut reached = Vec::new();
        for (database, series) in &by_database {
            let names: Vec<&str> = series.iter().map(|(_, metric, ..)| *metric).collect();
            let from = series.iter().map(|(_, _, after, _)| after.saturating_add(1)).min().unwrap_or_default();
            let to = series.iter().map(|(.., last)| *last).max().unwrap_or_default();
            sink.wanted = series.iter().map(|(at, _, after, last)| (*at, *after, *last)).collect();
            // What cannot be read is told where the series is asked for as a whole.
            let _ = self.app.engine.scan_into(database, &names, from, to, MetricFiles::Preferred, &mut sink);
            reached.extend(series.iter().map(|(at, _, _, last)| (*at, *last)));
        }
        let Collected { rows, points, .. } = sink;
        for (at, last) in reached {
            if let Some(sent) = self.sent.get_mut(at) {
                *sent = Some(last);
            }
        }
        let found = match points {
            0 => None,
            _ if points > MOST_POINTS => Some(Rows::TooMany),
            _ => Some(Rows::Points(text_of(&rows))),
        };
        (self, found)
    }
}

type PointRows = BTreeMap<Timestamp, Vec<(usize, Value)>>;

/// `[[t,series,value,series,value],...]`
fn text_of(rows: &PointRows) -> Vec<u8> {
    let mut out = vec![b'['];
    for (at, (time, values)) in rows.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"[" } else { b",[" });
        write_millis(*time, &mut out);
        for (series, value) in values {
            let _ = write!(out, ",{series},");
            write_value(*value, &mut out);
        }
        out.push(b']');
    }
    out.push(b']');
    out
}

struct Collected {
    rows: PointRows,
    /// Number of the series, and the times after which and up to which its points are wanted.
    wanted: Vec<(usize, Timestamp, Timestamp)>,
    points: usize,
}

impl ScanSink for Collected {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>, nanotdb_core::Error> {
        let Some(&(series, after, last)) = self.wanted.get(slice.metric) else { return Ok(ControlFlow::Continue(())) };
        for at in 0..slice.len() {
            let Some(sample) = slice.sample(at).filter(|s| s.timestamp > after && s.timestamp <= last) else {
                continue;
            };
            self.points += 1;
            if self.points > MOST_POINTS {
                return Ok(ControlFlow::Break(()));
            }
            self.rows.entry(sample.timestamp).or_default().push((series, sample.value));
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_rows_by_time() {
        let mut rows = PointRows::new();
        rows.entry(1_500_000).or_default().push((0, Value::Float32(12.5)));
        rows.entry(1_500_000).or_default().push((3, Value::Int32(-7)));
        rows.entry(2_000_000).or_default().push((1, Value::Float64(f64::NAN)));
        assert_eq!(text_of(&rows), b"[[1.5,0,12.5,3,-7],[2,1,null]]");
        assert_eq!(event("points", b"[]"), "event: points\ndata: []\n\n");
    }
}
