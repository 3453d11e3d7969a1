//! `/api/v1/ui/jobs`: building metric files and compacting, on a thread of their own, with progress.

use super::documents::document;
use super::engine::MOST_PARTITIONS;
use super::numbers::millis;
use crate::app::{App, State};
use crate::endpoint::{Access, Body, Endpoint, Group, Param, Request, now, submit};
use crate::error::ApiError;
use crate::guard::{check_change, check_json};
use http::StatusCode;
use nanotdb_core::Error;
use nanotdb_core::engine::{BuildOptions, Compaction, Selection};
use nanotdb_core::model::counted;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::broadcast;
use warp::reply::Response;

/// Jobs that are remembered.
const REMEMBERED: usize = 20;
/// Shortest time between two reports of one job.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// Reports that a slow stream may be behind.
const QUEUE: usize = 64;
/// Most bytes of a request.
const MAX_REQUEST: usize = 4_096;

submit! {
    Endpoint::get("ui_jobs", "/api/v1/ui/jobs", "actions that run or ran", |request| now(list(&request))).group(Group::WEB)
}

submit! {
    Endpoint::post(
        "ui_job_start",
        "/api/v1/ui/jobs",
        "builds metric files, or compacts raw files",
        Body::json(
            r#"{"kind":"build_metric","db":"demo","partition":null}"#,
            "kind is build_metric or compact; partition null means all sealed ones",
        ),
        |request| Box::pin(start(request)),
    )
    .group(Group::WEB)
    .access(Access::Admin)
    .counted_as("ui_jobs")
}

const ID: Param = Param::path("id", "number", "1", "id of the job");

submit! {
    Endpoint::get("ui_job", "/api/v1/ui/jobs/{id}", "one of them", |request| now(one(&request)))
        .group(Group::WEB)
        .params(&[ID])
        .counted_as("ui_jobs")
}

submit! {
    Endpoint::new("DELETE", "ui_job_stop", "/api/v1/ui/jobs/{id}", "asks it to stop", |request| now(stop(&request)))
        .group(Group::WEB)
        .access(Access::Admin)
        .params(&[ID])
        .counted_as("ui_jobs")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    BuildMetric,
    Compact,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Running,
    Done,
    Failed,
    Stopped,
}

#[derive(Debug, Clone, Serialize)]
struct Job {
    id: String,
    kind: Kind,
    db: String,
    partition: Option<String>,
    state: Stage,
    progress: Option<f64>,
    message: String,
    started_ms: i64,
    ended_ms: Option<i64>,
    error: Option<String>,
    result: Option<String>,
}

struct Entry {
    job: Mutex<Job>,
    stop: AtomicBool,
}

impl Entry {
    fn lock(&self) -> MutexGuard<'_, Job> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All jobs of this process.
pub(crate) struct Jobs {
    next: AtomicU64,
    /// Newest first.
    entries: Mutex<VecDeque<Arc<Entry>>>,
    ended: Condvar,
    reports: broadcast::Sender<Arc<str>>,
}

impl Default for Jobs {
    fn default() -> Self {
        let (reports, _) = broadcast::channel(QUEUE);
        Self { next: AtomicU64::new(1), entries: Mutex::default(), ended: Condvar::new(), reports }
    }
}

impl State for Jobs {
    fn new(_: &App) -> Self {
        Self::default()
    }

    /// Actions end at their next step; what they have not finished stays as it was.
    fn stop(&self, most: Duration) {
        self.end_all(most);
    }
}

impl Jobs {
    /// Jobs as JSON text, whenever one changes.
    pub(super) fn reports(&self) -> broadcast::Receiver<Arc<str>> {
        self.reports.subscribe()
    }

    /// Asks all jobs to stop, and waits until they have, but not for longer than `most`. Returns whether they have.
    fn end_all(&self, most: Duration) -> bool {
        let mut entries = self.lock();
        entries.iter().for_each(|entry| entry.stop.store(true, Ordering::Relaxed));
        let began = Instant::now();
        while entries.iter().any(|entry| entry.lock().state == Stage::Running) {
            let left = most.saturating_sub(began.elapsed());
            if left.is_zero() {
                return false;
            }
            let waited = self.ended.wait_timeout(entries, left).unwrap_or_else(PoisonError::into_inner);
            entries = waited.0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &str) -> Result<Arc<Entry>, ApiError> {
        let found = self.lock().iter().find(|entry| entry.lock().id == id).cloned();
        found.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, format!("there is no job {id:?}")))
    }

    fn add(&self, request: Wanted, now: i64) -> Result<Arc<Entry>, ApiError> {
        let mut entries = self.lock();
        let runs = |entry: &&Arc<Entry>| {
            let job = entry.lock();
            job.state == Stage::Running && job.db == request.db
        };
        if let Some(other) = entries.iter().find(runs) {
            let message = format!("job {} runs in database {:?}; wait for it or stop it", other.lock().id, request.db);
            return Err(ApiError::new(StatusCode::CONFLICT, message));
        }
        let job = Job {
            id: self.next.fetch_add(1, Ordering::Relaxed).to_string(),
            kind: request.kind,
            db: request.db,
            partition: request.partition,
            state: Stage::Running,
            progress: None,
            message: "starting".to_owned(),
            started_ms: now,
            ended_ms: None,
            error: None,
            result: None,
        };
        let entry = Arc::new(Entry { job: Mutex::new(job), stop: AtomicBool::new(false) });
        entries.push_front(Arc::clone(&entry));
        entries.truncate(REMEMBERED);
        Ok(entry)
    }

    fn report(&self, entry: &Entry) {
        if let Ok(text) = serde_json::to_string(&*entry.lock()) {
            // Nobody listens: nobody needs it.
            let _ = self.reports.send(text.into());
        }
    }

    fn end(&self, entry: &Entry, now: i64, outcome: Result<String, Error>) {
        {
            let _entries = self.lock();
            let mut job = entry.lock();
            job.ended_ms = Some(now);
            match outcome {
                Ok(result) => {
                    job.state = Stage::Done;
                    job.progress = Some(1.0);
                    job.result = Some(result);
                }
                Err(Error::Cancelled(_)) => job.state = Stage::Stopped,
                Err(error) => {
                    job.state = Stage::Failed;
                    job.error = Some(error.to_string());
                }
            }
            job.message = match job.state {
                Stage::Done => "done",
                Stage::Stopped => "stopped",
                _ => "failed",
            }
            .to_owned();
        }
        self.ended.notify_all();
        self.report(entry);
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    kind: Kind,
    db: String,
    partition: Option<String>,
}

/// Ends its job whatever happens on the thread.
struct Running {
    app: Arc<App>,
    entry: Arc<Entry>,
    outcome: Option<Result<String, Error>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let lost = || Err(Error::bad_input("internal error; the server's log has the details"));
        let outcome = self.outcome.take().unwrap_or_else(lost);
        if let Err(error) = &outcome {
            tracing::warn!(%error, job = self.entry.lock().id, "an action ended early");
        }
        self.app.state::<Jobs>().end(&self.entry, millis(self.app.clock.now()), outcome);
    }
}

/// What a job changed.
#[derive(Default)]
struct Totals {
    partitions: u64,
    before: u64,
    after: u64,
    skipped: Vec<String>,
}

impl Totals {
    fn text(&self) -> String {
        let mut text = match self.partitions {
            0 => "nothing to do".to_owned(),
            n => counted(n, "partition"),
        };
        if self.partitions > 0 {
            text.push_str(&format!(", {} -> {}", megabytes(self.before), megabytes(self.after)));
        }
        if !self.skipped.is_empty() {
            text.push_str(&format!("; skipped {}", self.skipped.join(", ")));
        }
        text
    }
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn run(app: &App, entry: &Entry) -> Result<String, Error> {
    let (kind, database, partition) = {
        let job = entry.lock();
        (job.kind, job.db.clone(), job.partition.clone())
    };
    let partitions = match partition {
        Some(one) => vec![one],
        None => app.engine.sealed_partitions(&database)?,
    };
    let points = match kind {
        Kind::BuildMetric => points_of(app, &database),
        Kind::Compact => BTreeMap::new(),
    };
    let metrics = &app.engine.config().metrics;
    let options = BuildOptions::new(metrics.format, &metrics.compression, metrics.raw_ingest_action)?;
    let mut totals = Totals::default();
    for (at, part) in partitions.iter().enumerate() {
        if entry.stop.load(Ordering::Relaxed) {
            return Err(Error::Cancelled("stopped".to_owned()));
        }
        let step = Step { app, entry, database: &database, part, at, of: partitions.len() };
        step.tell(0.0, format_args!("begins"));
        match kind {
            Kind::BuildMetric => step.build(options, points.get(part).copied(), &mut totals)?,
            Kind::Compact => step.compact(&mut totals)?,
        }
    }
    Ok(totals.text())
}

/// One partition of a job.
struct Step<'a> {
    app: &'a App,
    entry: &'a Entry,
    database: &'a str,
    part: &'a str,
    /// Which one it is, of how many.
    at: usize,
    of: usize,
}

impl Step<'_> {
    fn build(&self, options: BuildOptions, points: Option<u64>, totals: &mut Totals) -> Result<(), Error> {
        let mut told = Instant::now();
        let mut report = |rows: u64| {
            if self.entry.stop.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            if told.elapsed() >= REPORT_EVERY {
                told = Instant::now();
                let (share, of) = match points {
                    Some(all) => (rows as f64 / all.max(rows).max(1) as f64, format!(" of {all}")),
                    None => (0.0, String::new()),
                };
                self.tell(share, format_args!("{rows}{of} points written"));
            }
            ControlFlow::Continue(())
        };
        let built =
            self.app.engine.build_metric_files(self.database, Selection::Named(self.part), options, &mut report)?;
        for report in built {
            totals.partitions += 1;
            totals.before += report.bytes_before;
            totals.after += report.bytes_after;
        }
        Ok(())
    }

    fn compact(&self, totals: &mut Totals) -> Result<(), Error> {
        match self.app.engine.compact(self.database, self.part, false)? {
            Compaction::NothingToDo => {}
            Compaction::Skipped(reason) => totals.skipped.push(format!("{} ({reason})", self.part)),
            Compaction::Done(files) => {
                totals.partitions += 1;
                for file in files {
                    totals.before += file.bytes_before;
                    totals.after += file.bytes_after.unwrap_or(file.bytes_before);
                }
            }
        }
        Ok(())
    }

    /// `share`: how much of this partition is done.
    fn tell(&self, share: f64, message: std::fmt::Arguments<'_>) {
        {
            let mut job = self.entry.lock();
            job.progress = Some((self.at as f64 + share) / self.of as f64);
            job.message = format!("{}: {message}", self.part);
        }
        self.app.state::<Jobs>().report(self.entry);
    }
}

/// Points of each partition that is looked into; what cannot be looked into only has no progress of its own.
fn points_of(app: &App, database: &str) -> BTreeMap<String, u64> {
    let found = app.engine.describe(database, MOST_PARTITIONS);
    let partitions = found.map(|found| found.partitions).unwrap_or_default();
    partitions.into_iter().filter_map(|one| Some((one.name, one.points?))).collect()
}

/// `POST /api/v1/ui/jobs`
async fn start(request: Request) -> Result<Response, ApiError> {
    let app = request.app();
    check_change(app)?;
    check_json(request.exchange())?;
    let accepted = "send {\"kind\":\"build_metric\" or \"compact\",\"db\":\"name\",\"partition\":\"name\" or null}";
    let wanted: Wanted = request.body_json(MAX_REQUEST, accepted).await?;
    let partitions = app.engine.partitions(&wanted.db)?;
    if let Some(partition) = wanted.partition.as_ref().filter(|one| !partitions.contains(one)) {
        let message = format!("database {:?} has no partition {partition:?}", wanted.db);
        return Err(ApiError::new(StatusCode::NOT_FOUND, message));
    }
    if app.is_stopping() {
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping"));
    }
    let entry = app.state::<Jobs>().add(wanted, millis(app.clock.now()))?;
    let answer = entry.lock().clone();
    let mut running = Running { app: Arc::clone(app), entry, outcome: None };
    let work = move || {
        let outcome = run(&running.app, &running.entry);
        running.outcome = Some(outcome);
    };
    // When there is no thread, the job has ended already.
    std::thread::Builder::new().name("nanotdb-job".into()).spawn(work).map_err(|error| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, format!("no thread for the action: {error}"))
    })?;
    document(request.exchange(), StatusCode::ACCEPTED, &answer)
}

/// `GET /api/v1/ui/jobs`
fn list(request: &Request) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Listing {
        jobs: Vec<Job>,
    }
    let jobs = request.state::<Jobs>().lock().iter().map(|entry| entry.lock().clone()).collect();
    document(request.exchange(), StatusCode::OK, &Listing { jobs })
}

/// `GET /api/v1/ui/jobs/{id}`
fn one(request: &Request) -> Result<Response, ApiError> {
    let job = request.state::<Jobs>().find(request.path_param("id"))?.lock().clone();
    document(request.exchange(), StatusCode::OK, &job)
}

/// `DELETE /api/v1/ui/jobs/{id}`
fn stop(request: &Request) -> Result<Response, ApiError> {
    check_change(request.app())?;
    let entry = request.state::<Jobs>().find(request.path_param("id"))?;
    entry.stop.store(true, Ordering::Relaxed);
    let job = entry.lock().clone();
    document(request.exchange(), StatusCode::ACCEPTED, &job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_for_people() {
        assert_eq!(Totals::default().text(), "nothing to do");
        let totals = Totals { partitions: 12, before: 8_100_000, after: 2_940, skipped: vec!["2026 (busy)".into()] };
        assert_eq!(totals.text(), "12 partitions, 8.1 MB -> 2.9 kB; skipped 2026 (busy)");
    }

    #[test]
    fn one_job_a_database() {
        let jobs = Jobs::default();
        let request = |db: &str| Wanted { kind: Kind::Compact, db: db.into(), partition: None };
        let first = jobs.add(request("a"), 1).unwrap_or_else(|e| panic!("{}", e.message));
        assert!(jobs.add(request("b"), 1).is_ok());
        assert_eq!(jobs.add(request("a"), 1).map(|_| ()).unwrap_err().status, StatusCode::CONFLICT);
        assert!(!jobs.end_all(Duration::from_millis(20)));
        jobs.end(&first, 2, Err(Error::Cancelled("x".into())));
        assert_eq!(first.lock().state, Stage::Stopped);
        assert!(jobs.add(request("a"), 1).is_ok());
    }
}
