//! `POST /api/v1/ui/batch`: all series of a page in one request, as columns.

mod columns;
mod read;
mod request;
mod steps;
mod write;

use super::intervals::{Intervals, PATIENT};
use crate::app::App;
use crate::caching::not_stored;
use crate::endpoint::{Access, Body, Endpoint, Group, Request, submit};
use crate::error::ApiError;
use crate::guard::check_json;
use crate::json_stream::{ChunkWriter, respond};
use crate::memory::Share;
use nanotdb_core::model::Sample;
use read::{Content, Known, Outcome, Trouble, read_group};
use request::{Batch, Reading, Wanted};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;
use warp::reply::Response;
use write::{Answer, Head, SeriesError};

/// Most bytes of a request.
const MAX_REQUEST: usize = 1 << 20;
/// Bytes that a batch takes beside what it reads: the request, pages, the answer's parts that wait for the client, a compressor.
const BATCH_MEMORY: u64 = 3 << 20;
/// Buckets that are in memory at once; with more, series are read and written in turns. There are fewer where requests have little
/// memory left.
const MOST_CELLS: usize = 1 << 19;
/// With fewer the pages would be read over and over.
const LEAST_CELLS: usize = 1 << 12;
/// Bytes of a bucket while it is read and written.
const CELL_BYTES: usize = 56;

submit! {
    Endpoint::post(
        "ui_batch",
        "/api/v1/ui/batch",
        "many series at once: samples, or minimum, average and maximum per bucket",
        Body::json(
            r#"{"ranges":[{"start_ms":1777593600000,"end_ms":1777597200000,"buckets":600}],"series":[{"db":"demo","metric":"room.temp"}]}"#,
            "ranges of time with the columns of the screen, and series; each series names its range by index",
        ),
        |request| Box::pin(batch(request)),
    )
    .group(Group::WEB)
    .access(Access::Read)
    .answer("columns")
}

/// Answers a batch.
async fn batch(request: Request) -> Result<Response, ApiError> {
    let (app, exchange) = (request.app(), request.exchange());
    check_json(exchange)?;
    let body = request.body(MAX_REQUEST).await?;
    let batch = Batch::parse(&body, app.limits.max_series_per_query)?;
    let share = app.memory.admit_work(BATCH_MEMORY).await?;
    let app = Arc::clone(app);
    let response = respond(exchange.accepts_gzip, move |out| {
        Job { app: &app, batch: &batch }.run(out);
        drop(share);
    })
    .await;
    Ok(not_stored(response))
}

struct Job<'a> {
    app: &'a App,
    batch: &'a Batch,
}

/// What is known of a series that exists.
struct Found {
    known: Known,
    last: Option<Sample>,
    /// Why that may not be the newest one.
    warnings: Vec<String>,
}

impl Job<'_> {
    fn run(&self, mut out: ChunkWriter) {
        let deadline = Instant::now() + self.app.limits.max_query_time;
        let mut answer = Answer::begin(self.app.clock.now(), out.buffer());
        let mut points_left = self.app.limits.max_points_per_query;
        let mut rest = self.batch.series.as_slice();
        while !rest.is_empty() {
            let Some((cells, _share)) = self.cells(rest) else {
                return out.fail(self.app.memory.refusal());
            };
            let (turn, later) = rest.split_at(self.turn(rest, cells));
            rest = later;
            for (wanted, outcome) in turn.iter().zip(self.read(turn, deadline)) {
                match outcome {
                    Err(error) => answer.error(&error, out.buffer()),
                    Ok((_, Err(trouble))) => answer.error(&error_of(trouble), out.buffer()),
                    Ok((found, Ok((content, mut warnings)))) => {
                        warnings.extend(found.warnings);
                        warnings.dedup();
                        let points = write::points_of(&content);
                        if points > points_left {
                            let limit = self.app.limits.max_points_per_query;
                            let message = format!(
                                "limit limits.max_points_per_query = {limit} reached: ask for fewer series or buckets"
                            );
                            answer.error(&SeriesError { kind: "limit", message }, out.buffer());
                            continue;
                        }
                        points_left -= points;
                        let rounded = wanted.reading.rate;
                        let ends = match self.ends(wanted, &content, found.last, deadline) {
                            Ok(ends) => ends,
                            Err(error) => {
                                answer.error(&error, out.buffer());
                                continue;
                            }
                        };
                        let head = Head { known: found.known, last: found.last, warnings: &warnings, rounded, ends };
                        if !answer.has_room(&content, &self.app.memory) {
                            let message = self.app.memory.refusal().message;
                            answer.error(&SeriesError { kind: "limit", message }, out.buffer());
                            continue;
                        }
                        answer.series(&head, &content, out.buffer());
                    }
                }
                if out.flush_if_full().is_err() {
                    return;
                }
            }
        }
        answer.end(out.buffer());
        out.finish();
    }

    /// First and last sample of the range, where they are asked for: buckets do not tell them.
    fn ends(
        &self,
        wanted: &Wanted,
        content: &Content,
        newest: Option<Sample>,
        deadline: Instant,
    ) -> Result<Option<(Sample, Sample)>, SeriesError> {
        let range = wanted.reading.range.and_then(|at| self.batch.ranges.get(at)).filter(|_| wanted.ends);
        let Some(range) = range else { return Ok(None) };
        let begin = match content {
            Content::Last => return Ok(None),
            Content::Raw { times, .. } => times.first().copied(),
            Content::Buckets(columns) => columns.begin(),
            Content::Windows { t0, step, values } => {
                let at = values.iter().position(Option::is_some);
                at.map(|at| t0.saturating_add((at as i64).saturating_mul(*step)))
            }
        };
        let Some(begin) = begin else { return Ok(None) };
        let (engine, database, metric) = (&self.app.engine, wanted.database.as_str(), wanted.metric.as_str());
        let failed = |error: nanotdb_core::Error| error_of(Trouble::Failed(error.to_string()));
        let mut first = None;
        // The first bucket with samples begins here: nothing is searched for.
        let report = engine.query_range(database, metric, begin.max(range.from), range.to, 1, |sample| {
            first = Some(sample);
            ControlFlow::Break(())
        });
        report.map_err(failed)?;
        let last = match newest {
            Some(newest) if newest.timestamp <= range.to => Some(newest),
            _ => {
                let left = deadline.saturating_duration_since(Instant::now());
                engine.newest_at(database, metric, range.to, left).map_err(failed)?.sample
            }
        };
        // Of a time between two reads, retention may have taken one of them.
        Ok(first.zip(last).filter(|(first, last)| first.timestamp <= last.timestamp))
    }

    /// Buckets of a series, at most.
    fn cost(&self, wanted: &Wanted) -> usize {
        let range = wanted.reading.range.and_then(|at| self.batch.ranges.get(at));
        range.map_or(1, |range| wanted.reading.window.map_or(range.buckets, |width| range.buckets_of(width)) + 2)
    }

    /// Memory for buckets of the next series: as many as are wanted, or half of that, and so on. One series is read in any case, if
    /// there is memory for it.
    fn cells(&self, series: &[Wanted]) -> Option<(usize, Share)> {
        let wanted = series.iter().fold(0usize, |cells, one| cells.saturating_add(self.cost(one)));
        let least = series.first().map_or(1, |one| self.cost(one)).max(wanted.min(LEAST_CELLS));
        let mut cells = wanted.min(MOST_CELLS).max(least);
        loop {
            if let Some(share) = self.app.memory.share(cells.saturating_mul(CELL_BYTES) as u64) {
                return Some((cells, share));
            }
            if cells == least {
                return None;
            }
            cells = (cells / 2).max(least);
        }
    }

    /// How many of the next series are read at once.
    fn turn(&self, series: &[Wanted], most: usize) -> usize {
        let mut cells = 0usize;
        let fits = series.iter().take_while(|wanted| {
            cells = cells.saturating_add(self.cost(wanted));
            cells <= most
        });
        fits.count().max(1)
    }

    /// Reads some series, those that are alike together.
    fn read(&self, series: &[Wanted], deadline: Instant) -> Vec<Result<(Found, Outcome), SeriesError>> {
        let mut found: Vec<Result<Found, SeriesError>> = self.look_up(series);
        let mut groups: Vec<(&str, Reading, Vec<usize>)> = Vec::new();
        for (at, (wanted, found)) in series.iter().zip(&found).enumerate() {
            if found.is_err() {
                continue;
            }
            let alike = |(database, reading, _): &&mut (&str, Reading, Vec<usize>)| {
                *database == wanted.database && *reading == wanted.reading
            };
            match groups.iter_mut().find(alike) {
                Some((.., members)) => members.push(at),
                None => groups.push((&wanted.database, wanted.reading, vec![at])),
            }
        }
        let mut outcomes: HashMap<usize, Outcome> = HashMap::new();
        for (database, reading, members) in groups {
            let range = reading.range.and_then(|at| self.batch.ranges.get(at)).copied();
            // What is asked for twice is read once.
            let mut places: HashMap<&str, usize> = HashMap::new();
            let mut metrics: Vec<(&Wanted, Known)> = Vec::new();
            for (wanted, known) in
                members.iter().filter_map(|at| Some((series.get(*at)?, found.get(*at)?.as_ref().ok()?.known)))
            {
                places.entry(&wanted.metric).or_insert_with(|| {
                    metrics.push((wanted, known));
                    metrics.len() - 1
                });
            }
            let read = read_group(self.app, database, reading, range, &metrics, deadline);
            for at in members {
                let place = series.get(at).and_then(|wanted| places.get(wanted.metric.as_str()));
                if let Some(outcome) = place.and_then(|place| read.get(*place)) {
                    outcomes.insert(at, outcome.clone());
                }
            }
        }
        let lost = || Err(Trouble::Failed("it was not read".to_owned()));
        found
            .drain(..)
            .enumerate()
            .map(|(at, found)| found.map(|found| (found, outcomes.remove(&at).unwrap_or_else(lost))))
            .collect()
    }

    /// Types, newest samples and usual distances.
    fn look_up(&self, series: &[Wanted]) -> Vec<Result<Found, SeriesError>> {
        let engine = &self.app.engine;
        let mut found: Vec<Result<Found, SeriesError>> = series.iter().map(|wanted| self.look_up_one(wanted)).collect();
        let mut by_database: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, (wanted, one)) in series.iter().zip(&found).enumerate() {
            if one.is_ok() {
                by_database.entry(&wanted.database).or_default().push(at);
            }
        }
        for (database, members) in by_database {
            let names: Vec<&str> = members.iter().filter_map(|at| series.get(*at)).map(|w| w.metric.as_str()).collect();
            let last = |at: &usize| found.get(*at)?.as_ref().ok()?.last.map(|sample| sample.timestamp);
            let lasts: Vec<_> = members.iter().map(last).collect();
            let intervals = self.app.state::<Intervals>().of(engine, database, &names, &lasts, PATIENT);
            for (at, interval) in members.into_iter().zip(intervals) {
                if let Some(Ok(found)) = found.get_mut(at) {
                    found.known.interval = interval;
                }
            }
        }
        found
    }

    fn look_up_one(&self, wanted: &Wanted) -> Result<Found, SeriesError> {
        let engine = &self.app.engine;
        let (database, metric) = (wanted.database.as_str(), wanted.metric.as_str());
        let failed = |error: nanotdb_core::Error| SeriesError { kind: "damaged", message: error.to_string() };
        if !engine.has_database(database) {
            return Err(match engine.metrics(database) {
                Err(error @ nanotdb_core::Error::Unavailable { .. }) => failed(error),
                _ => SeriesError { kind: "not_found", message: format!("there is no database {database:?}") },
            });
        }
        let Some(info) = engine.metric(database, metric).map_err(failed)? else {
            let message = format!("database {database:?} has no metric {metric:?}");
            return Err(SeriesError { kind: "not_found", message });
        };
        let newest = engine.newest(database, metric).map_err(failed)?;
        let known = Known { operands: info.operands(), interval: None };
        Ok(Found { known, last: newest.sample, warnings: newest.warnings })
    }
}

fn error_of(trouble: Trouble) -> SeriesError {
    match trouble {
        Trouble::Limit(message) => SeriesError { kind: "limit", message },
        Trouble::Failed(message) => SeriesError { kind: "damaged", message },
    }
}
