//! `/api/v1/query_range`: samples of a range as they are, or aggregated by windows. Streams.

use super::catalog::DEFAULT_AGGREGATE;
use super::series::{DB, QUERY, UNIT, series};
use crate::app::App;
use crate::endpoint::{Endpoint, Group, Param, Request, submit};
use crate::error::ApiError;
use crate::json::json;
use crate::json_stream::{ChunkWriter, Gone, respond};
use crate::matrix_text::{Ending, MatrixText};
use crate::params::Params;
use crate::times::{duration_parameter, step_parameter, time_parameter, time_unit};
use http::StatusCode;
use nanotdb_core::engine::{AggregateSink, MetricFiles, ScanSink, ScanSlice, WindowRow, Windows};
use nanotdb_core::model::duration::format_duration;
use nanotdb_core::model::{Timestamp, Value};
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::plugin::{Aggregator, ValueMemory};
use nanotdb_core::query::{Operands, result_value};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use warp::reply::Response;

/// Bytes that a query takes: pages, the answer's parts that wait for the client, and a compressor.
const QUERY_MEMORY: u64 = 2 << 20;

/// Rows that may wait in memory for the first of several aggregates to be written. Beyond it, each aggregate has a
/// scan of its own.
const MAX_WAITING_ROWS: i64 = 1 << 20;

/// What is asked for.
struct Job {
    app: Arc<App>,
    database: String,
    metric: String,
    operands: Operands,
    from: Timestamp,
    to: Timestamp,
    windows: Option<AskedWindows>,
}

/// The aggregated form.
struct AskedWindows {
    width: i64,
    aggregators: Vec<&'static dyn Aggregator>,
}

submit! {
    Endpoint::get(
        "query_range",
        "/api/v1/query_range",
        "samples or aggregates of a range",
        |request| Box::pin(query_range(request)),
    )
    .group(Group::QUERY)
    .params(&[
        QUERY,
        DB,
        Param::query("start", "time", "-1h", "first time").required(),
        Param::query("end", "time", "now", "last time").standard("now"),
        Param::query("step", "duration", "1m", "averages of windows of this width"),
        Param::query("aggregate", "text", "avg,max", "names of aggregates, with window"),
        Param::query("window", "duration", "5m", "width of the windows, with aggregate"),
        UNIT,
    ])
    .answer("matrix")
    .by_form()
}

/// `GET` and `POST`
async fn query_range(request: Request) -> Result<Response, ApiError> {
    let app = request.app();
    let params = request.params().await?;
    let (database, metric) = series(&params)?;
    let now = app.clock.now();
    let unit = time_unit(&params)?;
    params.require("start", "a time: RFC3339, Unix time, or for example -1h")?;
    let from = time_parameter(&params, "start", unit, now)?.unwrap_or(now);
    let to = time_parameter(&params, "end", unit, now)?.unwrap_or(now);
    if from > to {
        let start = params.get("start").unwrap_or_default();
        return Err(ApiError::parameter(
            "start",
            start,
            "give a time that is not after end (end is now when left out)",
        ));
    }
    let windows = windows(&params, app.limits.max_series_per_query)?;
    let known = if app.engine.has_database(database) { app.engine.metric(database, metric)? } else { None };
    let Some(info) = known else {
        let mut body = Vec::with_capacity(128);
        MatrixText::begin(&mut body).end(&Ending::default(), &mut body);
        return Ok(json(StatusCode::OK, body));
    };
    let job = Job {
        app: Arc::clone(app),
        database: database.to_owned(),
        metric: metric.to_owned(),
        operands: info.operands(),
        from,
        to,
        windows,
    };
    let share = app.memory.admit_work(QUERY_MEMORY).await?;
    let answer = respond(request.exchange().accepts_gzip, move |out| {
        job.run(out);
        drop(share);
    });
    Ok(answer.await)
}

/// `step` alone, or `aggregate` and `window` together, or none of them.
fn windows(params: &Params, max_series: u64) -> Result<Option<AskedWindows>, ApiError> {
    let step = step_parameter(params, "step")?;
    let window = duration_parameter(params, "window")?;
    let names = params.get("aggregate");
    let (width, names) = match (step, window, names) {
        (None, None, None) => return Ok(None),
        (Some(step), None, None) => (step, DEFAULT_AGGREGATE),
        (None, Some(window), Some(names)) => (window, names),
        (Some(_), _, _) => {
            let accepted = "give step alone, or aggregate and window without step";
            return Err(ApiError::parameter("step", params.get("step").unwrap_or_default(), accepted));
        }
        (None, Some(_), None) => {
            return Err(ApiError::bad(
                "parameter aggregate is missing: window goes with aggregate, for example avg,max",
            ));
        }
        (None, None, Some(_)) => {
            return Err(ApiError::bad("parameter window is missing: aggregate goes with window, for example 5m"));
        }
    };
    let mut aggregators: Vec<&'static dyn Aggregator> = Vec::new();
    for name in names.split(',').map(str::trim) {
        let found = registry().aggregator(name).map_err(|e| ApiError::parameter("aggregate", names, e))?;
        // An aggregate that is named twice, perhaps by its alias, is one series.
        if !aggregators.iter().any(|a| a.name() == found.name()) {
            aggregators.push(found);
        }
    }
    if aggregators.len() as u64 > max_series {
        let detail = "each aggregate is a series; ask for fewer";
        let key = "limits.max_series_per_query";
        return Err(ApiError::limit(StatusCode::BAD_REQUEST, key, max_series, detail));
    }
    Ok(Some(AskedWindows { width, aggregators }))
}

/// Why a scan was stopped.
enum Stop {
    Limit { key: &'static str, limit: u64, detail: &'static str },
    Gone,
}

/// How long a query may run.
#[derive(Clone, Copy)]
struct TimeLimit {
    began: Instant,
    most: Duration,
}

impl TimeLimit {
    /// Time counts without what was spent waiting for the client.
    fn check(self, waited: Duration) -> Option<Stop> {
        let busy = self.began.elapsed().saturating_sub(waited);
        let detail = "seconds; ask for a shorter range";
        let limit = self.most.as_secs();
        (busy > self.most).then_some(Stop::Limit { key: "limits.max_query_time", limit, detail })
    }
}

/// How many points a query may return, and how long it may run.
struct Budget {
    time: TimeLimit,
    most_points: u64,
    points: u64,
}

impl Budget {
    /// Takes up to `wanted` points; fewer when the limit is near.
    fn take(&mut self, wanted: usize) -> usize {
        let left = self.most_points.saturating_sub(self.points);
        let taken = (wanted as u64).min(left);
        self.points += taken;
        usize::try_from(taken).unwrap_or(wanted)
    }

    fn points_spent(&self) -> Stop {
        let detail = "ask for a shorter range or larger windows";
        Stop::Limit { key: "limits.max_points_per_query", limit: self.most_points, detail }
    }
}

impl Job {
    fn run(self, mut out: ChunkWriter) {
        let limits = &self.app.limits;
        let mut budget = Budget {
            time: TimeLimit { began: Instant::now(), most: limits.max_query_time },
            most_points: limits.max_points_per_query,
            points: 0,
        };
        let mut matrix = MatrixText::begin(out.buffer());
        let mut warnings: Vec<String> = self.app.engine.unsure(&self.database).into_iter().collect();
        let mut stop = None;
        // Results that wait for the first aggregate to be written.
        let waiting = self.waiting_memory().and_then(|bytes| self.app.memory.share(bytes));
        let passes = self.passes(waiting.is_some());
        for pass in &passes {
            let mut writer = AnswerWriter { matrix: &mut matrix, budget: &mut budget, out: &mut out, stop: None };
            let report = match &self.windows {
                None => self.raw(&mut writer),
                Some(windows) => self.aggregated(windows.width, pass, &mut writer),
            };
            stop = writer.stop;
            match report {
                Ok(found) => warnings.extend(found.into_iter().filter(|w| !warnings.contains(w)).collect::<Vec<_>>()),
                Err(error) => return out.fail(error.into()),
            }
            if stop.is_some() {
                break;
            }
        }
        let mut ending = Ending { warnings, truncated: false };
        match stop {
            None => {}
            Some(Stop::Gone) => return,
            Some(Stop::Limit { key, limit, detail }) => {
                let error = ApiError::limit(StatusCode::BAD_REQUEST, key, limit, detail);
                if !out.started() {
                    return out.fail(error);
                }
                ending.truncated = true;
                ending.warnings.push(error.message);
            }
        }
        matrix.end(&ending, out.buffer());
        out.finish();
    }

    /// Bytes of the results that wait in memory when all aggregates are computed in one scan; `None` when these are too many.
    fn waiting_memory(&self) -> Option<u64> {
        let windows = self.windows.as_ref()?;
        let most_rows = self.to.saturating_sub(self.from) / windows.width + 2;
        let others = windows.aggregators.len() as i64 - 1;
        if others > 0 && most_rows.saturating_mul(others) > MAX_WAITING_ROWS {
            return None;
        }
        let bytes = if others > 0 { most_rows.saturating_mul(16 * others + 8) } else { 0 };
        u64::try_from(bytes).ok()
    }

    /// Which aggregates are computed in one scan: all of them, where the results of the others may wait, or each alone.
    fn passes(&self, may_wait: bool) -> Vec<Vec<&'static dyn Aggregator>> {
        let Some(windows) = &self.windows else { return vec![Vec::new()] };
        if may_wait {
            vec![windows.aggregators.clone()]
        } else {
            windows.aggregators.iter().map(|a| vec![*a]).collect()
        }
    }

    fn raw(&self, writer: &mut AnswerWriter<'_>) -> Result<Vec<String>, nanotdb_core::Error> {
        let mut sink = RawSink { job: self, writer, begun: false };
        let metrics = [self.metric.as_str()];
        let (engine, database) = (&self.app.engine, &self.database);
        Ok(engine.scan_into(database, &metrics, self.from, self.to, MetricFiles::Preferred, &mut sink)?.warnings)
    }

    /// Writes the first aggregate while scanning, and the others, which come after it in the answer, from memory.
    fn aggregated(
        &self,
        width: i64,
        aggregators: &[&'static dyn Aggregator],
        writer: &mut AnswerWriter<'_>,
    ) -> Result<Vec<String>, nanotdb_core::Error> {
        let Some((first, others)) = aggregators.split_first() else { return Ok(Vec::new()) };
        let label = format_duration(width);
        let mut rows = Rows {
            job: self,
            first: *first,
            label: &label,
            writer,
            begun: false,
            ends: Vec::new(),
            others,
            waiting: vec![Vec::new(); others.len()],
        };
        let metrics = [self.metric.as_str()];
        let windows = Windows { width, aggregators };
        let engine = &self.app.engine;
        let (from, to) = (self.from, self.to);
        let report =
            engine.aggregate(&self.database, &metrics, from, to, windows, MetricFiles::Preferred, &mut rows)?;
        let Rows { ends, waiting, writer, .. } = rows;
        for (aggregator, column) in others.iter().zip(&waiting) {
            if ends.is_empty() || writer.stop.is_some() {
                break;
            }
            let label = Some((aggregator.name(), label.as_str()));
            writer.matrix.series(&self.database, &self.metric, label, writer.out.buffer());
            for (end, value) in ends.iter().zip(column) {
                let Some(value) = value else { continue };
                writer.matrix.row(*end, *value, writer.out.buffer());
                if writer.flush_if_full().is_break() {
                    break;
                }
            }
        }
        Ok(report.warnings)
    }
}

/// The answer on its way out, with what bounds it.
struct AnswerWriter<'a> {
    matrix: &'a mut MatrixText,
    budget: &'a mut Budget,
    out: &'a mut ChunkWriter,
    stop: Option<Stop>,
}

impl AnswerWriter<'_> {
    fn stop(&mut self, why: Stop) -> ControlFlow<()> {
        self.stop = Some(why);
        ControlFlow::Break(())
    }

    /// Whether there is time left.
    fn proceed(&mut self) -> ControlFlow<()> {
        match self.budget.time.check(self.out.waited()) {
            Some(why) => self.stop(why),
            None => ControlFlow::Continue(()),
        }
    }

    fn flush_if_full(&mut self) -> ControlFlow<()> {
        match self.out.flush_if_full() {
            Ok(()) => ControlFlow::Continue(()),
            Err(Gone) => self.stop(Stop::Gone),
        }
    }
}

/// Samples as they are.
struct RawSink<'s, 'w> {
    job: &'s Job,
    writer: &'s mut AnswerWriter<'w>,
    begun: bool,
}

impl ScanSink for RawSink<'_, '_> {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>, nanotdb_core::Error> {
        let writer = &mut *self.writer;
        let wanted = slice.len();
        let count = writer.budget.take(wanted);
        let times = slice.timestamps.get(..count).unwrap_or_default();
        if !self.begun && wanted > 0 {
            self.begun = true;
            writer.matrix.series(&self.job.database, &self.job.metric, None, writer.out.buffer());
        }
        Ok(if writer.matrix.rows(times, slice.values.slice(0..count), writer.out).is_err() {
            writer.stop(Stop::Gone)
        } else if count < wanted {
            let why = writer.budget.points_spent();
            writer.stop(why)
        } else {
            ControlFlow::Continue(())
        })
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        self.writer.proceed()
    }
}

/// Writes the first aggregate of each window and keeps the others.
struct Rows<'s, 'w> {
    job: &'s Job,
    first: &'static dyn Aggregator,
    label: &'s str,
    writer: &'s mut AnswerWriter<'w>,
    begun: bool,
    ends: Vec<Timestamp>,
    /// The aggregates behind the first one, and as many columns.
    others: &'s [&'static dyn Aggregator],
    waiting: Vec<Vec<Option<Value>>>,
}

impl AggregateSink for Rows<'_, '_> {
    fn row(&mut self, metric: usize, end: Timestamp, values: &[Option<f64>]) -> ControlFlow<()> {
        self.window(metric, end, WindowRow { values, integers: &[] })
    }

    fn window(&mut self, _metric: usize, end: Timestamp, row: WindowRow<'_>) -> ControlFlow<()> {
        let writer = &mut *self.writer;
        let wanted = row.values.len();
        if writer.budget.take(wanted) < wanted {
            let why = writer.budget.points_spent();
            return writer.stop(why);
        }
        if !self.begun {
            self.begun = true;
            let label = Some((self.first.name(), self.label));
            writer.matrix.series(&self.job.database, &self.job.metric, label, writer.out.buffer());
        }
        let operands = self.job.operands;
        let shown = |at: usize, aggregator: &'static dyn Aggregator| {
            let value = row.values.get(at).copied().flatten()?;
            Some(result_value(aggregator, operands, value, row.integer(at)))
        };
        if let Some(value) = shown(0, self.first) {
            writer.matrix.row(end, value, writer.out.buffer());
        }
        if !self.waiting.is_empty() {
            self.ends.push(end);
            for (at, (column, aggregator)) in self.waiting.iter_mut().zip(self.others).enumerate() {
                column.push(shown(at + 1, *aggregator));
            }
        }
        writer.flush_if_full()
    }

    fn proceed(&mut self) -> ControlFlow<()> {
        self.writer.proceed()
    }

    fn memory(&self) -> Option<Arc<dyn ValueMemory>> {
        Some(self.job.app.memory.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spent_waiting_for_the_client_is_none_of_the_query() {
        let limit = TimeLimit { began: Instant::now() - Duration::from_secs(100), most: Duration::from_secs(60) };
        assert!(limit.check(Duration::from_secs(50)).is_none());
        assert!(limit.check(Duration::from_secs(10)).is_some());
    }
}
