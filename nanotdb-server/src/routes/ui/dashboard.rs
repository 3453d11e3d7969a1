//! `/api/dashboard-config`: the dashboard document, its backups, and who changed it first.

use super::documents::{document, etag_of, not_stored};
use super::guard::{check_change, check_json};
use super::numbers::millis;
use crate::app::App;
use crate::body::read_small;
use crate::exchange::Exchange;
use crate::respond::{ApiError, blocking, compressed, json};
use crate::routes::web::{is_known, not_modified};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, IF_MATCH};
use http::{HeaderValue, StatusCode};
use nanotdb_core::model::Timestamp;
use nanotdb_core::model::duration::parse_duration;
use nanotdb_core::model::time::{format_rfc3339, parse_time};
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::storage::vfs::{RealVfs, Vfs};
use nanotdb_ui::dashboard::{DEFAULT, Problem, Report, Rules, check, pretty, references};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use warp::reply::Response;

/// Largest document.
const MAX_DOCUMENT: usize = 1 << 20;
/// Backups that are kept.
const KEPT_BACKUPS: usize = 20;
/// Directory of the backups, beside the document.
const BACKUPS: &str = "backups";

/// The document on disk.
pub(crate) struct DashboardStore {
    path: PathBuf,
    /// One change at a time.
    changing: Mutex<()>,
    /// ETag of the document as last seen.
    etag: watch::Sender<String>,
}

/// Why the document was not replaced.
enum Refusal {
    /// Somebody else changed it; the ETag of what is there.
    Changed(String),
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What became of a document that was saved.
struct Saved {
    etag: String,
    backup: Option<String>,
}

#[derive(Debug, Serialize)]
struct Backup {
    name: String,
    time_ms: i64,
    bytes: u64,
    widgets: usize,
}

impl DashboardStore {
    /// Of the file at `path`, which need not be there.
    pub(crate) fn new(path: PathBuf) -> Self {
        let store = Self { path, changing: Mutex::new(()), etag: watch::Sender::new(String::new()) };
        store.look();
        store
    }

    /// The document, byte for byte; the default one when there is no file.
    fn read(&self) -> io::Result<Vec<u8>> {
        match RealVfs.read(&self.path, MAX_DOCUMENT as u64 * 4) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(DEFAULT.as_bytes().to_vec()),
            read => read,
        }
    }

    /// Tells when there is another document.
    pub(super) fn subscribe(&self) -> watch::Receiver<String> {
        self.etag.subscribe()
    }

    /// Looks whether somebody edited the file.
    pub(super) fn look(&self) {
        if let Ok(bytes) = self.read() {
            self.note(&etag_of(&bytes));
        }
    }

    fn note(&self, etag: &str) {
        self.etag.send_if_modified(|known| {
            let changed = known != etag;
            etag.clone_into(known);
            changed
        });
    }

    fn directory(&self) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(BACKUPS)
    }

    /// How names of backups begin.
    fn prefix(&self) -> String {
        format!("{}-", self.path.file_stem().unwrap_or_default().to_string_lossy())
    }

    /// Replaces the document when it is the one with `expected`, keeping the one before. A crash leaves the old one or the new one.
    fn replace(&self, content: &str, expected: Option<&str>, now: Timestamp) -> Result<Saved, Refusal> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let vfs = RealVfs;
        let present = self.read()?;
        let present_etag = etag_of(&present);
        if expected.is_some_and(|expected| !is_listed(expected, &present_etag)) {
            return Err(Refusal::Changed(present_etag));
        }
        let etag = etag_of(content.as_bytes());
        let is_stored = vfs.entry(&self.path)?.is_some();
        if is_stored && etag == present_etag {
            return Ok(Saved { etag, backup: None });
        }
        let backup = if is_stored { Some(self.back_up(&vfs, &present, now)?) } else { None };
        if let Some(parent) = self.path.parent() {
            vfs.create_dir_all(parent)?;
        }
        vfs.replace(&self.path, content.as_bytes())?;
        self.note(&etag);
        Ok(Saved { etag, backup })
    }

    /// Writes a backup and removes the oldest beyond those that are kept.
    fn back_up(&self, vfs: &dyn Vfs, present: &[u8], now: Timestamp) -> io::Result<String> {
        let directory = self.directory();
        vfs.create_dir_all(&directory)?;
        let names = self.backup_names(vfs)?;
        let mut at = now;
        let name = loop {
            let name = format!("{}{}.json", self.prefix(), stamp(at));
            // Two in one millisecond, or a clock that stepped back: the order of the names is that of the saves.
            match names.first() {
                Some(newest) if *newest >= name && at.saturating_sub(now) < 60_000_000_000 => {
                    at = at.saturating_add(1_000_000);
                }
                _ => break name,
            }
        };
        vfs.replace(&directory.join(&name), present)?;
        for old in names.iter().skip(KEPT_BACKUPS - 1) {
            if let Err(error) = vfs.remove_file(&directory.join(old)) {
                tracing::warn!(%error, file = %directory.join(old).display(), "an old backup stays");
            }
        }
        Ok(name)
    }

    /// Newest first.
    fn backup_names(&self, vfs: &dyn Vfs) -> io::Result<Vec<String>> {
        let entries = match vfs.read_dir(&self.directory()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            entries => entries?,
        };
        let ours = entries.into_iter().filter(|entry| !entry.is_dir && self.is_backup(&entry.name));
        let mut names: Vec<String> = ours.map(|entry| entry.name).collect();
        names.sort_by(|a, b| b.cmp(a));
        Ok(names)
    }

    fn is_backup(&self, name: &str) -> bool {
        let stamp = name.strip_prefix(&self.prefix()).and_then(|rest| rest.strip_suffix(".json"));
        stamp.is_some_and(|stamp| time_of(stamp).is_some())
    }

    /// A backup's bytes; `None` when there is none of this name.
    fn backup(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        if !self.is_backup(name) {
            return Ok(None);
        }
        match RealVfs.read(&self.directory().join(name), MAX_DOCUMENT as u64 * 4) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    fn backups(&self) -> io::Result<Vec<Backup>> {
        let mut found = Vec::new();
        for name in self.backup_names(&RealVfs)? {
            // One that went meanwhile is left out.
            let Some(bytes) = self.backup(&name)? else { continue };
            let widgets = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
            let widgets = widgets.and_then(|document| Some(document.get("widgets")?.as_object()?.len()));
            let stamp = name.strip_prefix(&self.prefix()).and_then(|rest| rest.strip_suffix(".json"));
            let time_ms = stamp.and_then(time_of).map(millis).unwrap_or_default();
            found.push(Backup { time_ms, bytes: bytes.len() as u64, widgets: widgets.unwrap_or_default(), name });
        }
        Ok(found)
    }
}

/// `20261121T072050.123Z`
fn stamp(at: Timestamp) -> String {
    // To the millisecond, always with three digits.
    let text = format_rfc3339(at.div_euclid(1_000_000_000).saturating_mul(1_000_000_000));
    let seconds: String = text.chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{seconds}.{:03}Z", at.rem_euclid(1_000_000_000) / 1_000_000)
}

/// The time of [`stamp`].
fn time_of(stamp: &str) -> Option<Timestamp> {
    let part = |range: std::ops::Range<usize>| stamp.get(range);
    let text = format!(
        "{}-{}-{}T{}:{}:{}",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(9..11)?,
        part(11..13)?,
        stamp.get(13..)?
    );
    let is_plain = stamp.len() == 20 && stamp.is_ascii() && stamp.as_bytes().get(8) == Some(&b'T');
    is_plain.then(|| parse_time(&text, None, 0).ok()).flatten()
}

/// Whether an If-Match list has the ETag.
fn is_listed(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| one == "*" || one == etag)
}

#[derive(Serialize)]
struct Detail {
    path: String,
    message: String,
}

impl From<&Problem> for Detail {
    fn from(problem: &Problem) -> Self {
        Self { path: problem.place.pointer(), message: problem.message.clone() }
    }
}

fn refused(exchange: &Exchange, status: StatusCode, problems: &[Problem]) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Refused {
        ok: bool,
        errors: Vec<String>,
        details: Vec<Detail>,
    }
    let errors = problems.iter().map(ToString::to_string).collect();
    document(exchange, status, &Refused { ok: false, errors, details: problems.iter().map(Detail::from).collect() })
}

fn whole(message: impl Into<String>) -> [Problem; 1] {
    [Problem { place: Default::default(), message: message.into() }]
}

#[derive(Serialize)]
struct Accepted<'a> {
    ok: bool,
    config: &'a RawValue,
    backup_path: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Detail>,
}

fn failed(error: &io::Error, path: &Path) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{}: {error}", path.display()))
}

/// A document with what was found about it; problems when it cannot be saved.
fn judge(app: &App, bytes: &[u8]) -> Result<(String, Report), Vec<Problem>> {
    let text = std::str::from_utf8(bytes).map_err(|_| whole("the document is not UTF-8").to_vec())?;
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| whole(format!("the document is not JSON: {error}")).to_vec())?;
    let aggregates: Vec<&str> = registry().aggregators().iter().map(|a| a.name()).collect();
    let is_duration = |text: &str| parse_duration(text).is_ok_and(|nanos| nanos > 0);
    let is_aggregate = |name: &str| registry().aggregator(name).is_ok();
    let mut report = check(&value, Rules { aggregates: &aggregates, is_aggregate, is_duration });
    if !report.errors.is_empty() {
        return Err(report.errors);
    }
    for reference in references(&value) {
        let Some(database) = &reference.database else { continue };
        let message = match app.engine.metric(database, &reference.metric) {
            Ok(Some(_)) => continue,
            _ if !app.engine.has_database(database) => format!("there is no database {database:?} yet"),
            _ => format!("database {database:?} has no metric {:?} yet", reference.metric),
        };
        report.warnings.push(Problem { place: reference.place, message });
    }
    Ok((text.to_owned(), report))
}

fn accepted(exchange: &Exchange, text: &str, report: &Report, saved: Option<&Saved>) -> Result<Response, ApiError> {
    let config: &RawValue = serde_json::from_str(text).map_err(|_| ApiError::internal())?;
    let backup_path = saved.and_then(|saved| saved.backup.as_ref()).map(|name| format!("{BACKUPS}/{name}"));
    let warnings = report.warnings.iter().map(Detail::from).collect();
    let mut response = document(exchange, StatusCode::OK, &Accepted { ok: true, config, backup_path, warnings })?;
    if let Some(saved) = saved {
        set_etag(&mut response, &saved.etag)?;
    }
    Ok(response)
}

fn set_etag(response: &mut Response, etag: &str) -> Result<(), ApiError> {
    let etag = HeaderValue::from_str(etag).map_err(|_| ApiError::internal())?;
    response.headers_mut().insert(ETAG, etag);
    Ok(())
}

/// `GET /api/dashboard-config`
pub(super) async fn get(app: &Arc<App>, exchange: &Exchange) -> Result<Response, ApiError> {
    let shared = Arc::clone(app);
    let read = blocking(move || shared.dashboard.read()).await?;
    let bytes = read.map_err(|error| failed(&error, &app.dashboard.path))?;
    if let Err(error) = serde_json::from_slice::<&RawValue>(&bytes) {
        let path = app.dashboard.path.display();
        let message = format!("{path} is not JSON: {error}; mend the file, or restore one of its backups");
        return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message));
    }
    let etag = etag_of(&bytes);
    let mut response = json(StatusCode::OK, Bytes::new());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    set_etag(&mut response, &etag)?;
    Ok(if is_known(exchange, &etag) { not_modified(response) } else { compressed(exchange, response, bytes) })
}

/// `PUT /api/dashboard-config`
pub(super) async fn put(app: &Arc<App>, exchange: &Exchange) -> Result<Response, ApiError> {
    check_change(app, exchange)?;
    check_json(exchange)?;
    let bytes = read_small(exchange, MAX_DOCUMENT).await?;
    save(app, exchange, bytes).await
}

async fn save(app: &Arc<App>, exchange: &Exchange, bytes: Vec<u8>) -> Result<Response, ApiError> {
    let (text, report) = match judge(app, &bytes) {
        Ok(judged) => judged,
        Err(problems) => return refused(exchange, StatusCode::BAD_REQUEST, &problems),
    };
    let expected = exchange.header(IF_MATCH).map(str::to_owned);
    let (shared, content) = (Arc::clone(app), pretty(&text));
    let replaced =
        blocking(move || shared.dashboard.replace(&content, expected.as_deref(), shared.clock.now())).await?;
    match replaced {
        Ok(saved) => {
            tracing::info!(file = %app.dashboard.path.display(), backup = saved.backup, "the dashboard was saved");
            accepted(exchange, &text, &report, Some(&saved))
        }
        Err(Refusal::Changed(etag)) => {
            let problems = whole("the dashboard was changed by someone else");
            let mut response = refused(exchange, StatusCode::PRECONDITION_FAILED, &problems)?;
            set_etag(&mut response, &etag)?;
            Ok(response)
        }
        Err(Refusal::Io(error)) => Err(failed(&error, &app.dashboard.path)),
    }
}

/// `POST /api/dashboard-config/validate`
pub(super) async fn validate(app: &App, exchange: &Exchange) -> Result<Response, ApiError> {
    check_json(exchange)?;
    let bytes = read_small(exchange, MAX_DOCUMENT).await?;
    match judge(app, &bytes) {
        Ok((text, report)) => accepted(exchange, &text, &report, None),
        Err(problems) => refused(exchange, StatusCode::BAD_REQUEST, &problems),
    }
}

/// `GET /api/dashboard-config/backups`
pub(super) async fn backups(app: &Arc<App>, exchange: &Exchange) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Backups {
        backups: Vec<Backup>,
    }
    let shared = Arc::clone(app);
    let found = blocking(move || shared.dashboard.backups()).await?;
    let backups = found.map_err(|error| failed(&error, &app.dashboard.directory()))?;
    document(exchange, StatusCode::OK, &Backups { backups })
}

async fn read_backup(app: &Arc<App>, name: &str) -> Result<Vec<u8>, ApiError> {
    let (shared, wanted) = (Arc::clone(app), name.to_owned());
    let read = blocking(move || shared.dashboard.backup(&wanted)).await?;
    read.map_err(|error| failed(&error, &app.dashboard.directory()))?.ok_or_else(|| {
        let message = format!("there is no backup {name:?}; /api/dashboard-config/backups lists them");
        ApiError::new(StatusCode::NOT_FOUND, message)
    })
}

/// `GET /api/dashboard-config/backups/{name}`
pub(super) async fn backup(app: &Arc<App>, exchange: &Exchange, name: &str) -> Result<Response, ApiError> {
    let bytes = read_backup(app, name).await?;
    Ok(not_stored(compressed(exchange, json(StatusCode::OK, Bytes::new()), bytes)))
}

/// `POST /api/dashboard-config/restore`
pub(super) async fn restore(app: &Arc<App>, exchange: &Exchange) -> Result<Response, ApiError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        name: String,
    }
    check_change(app, exchange)?;
    check_json(exchange)?;
    let body = read_small(exchange, 4_096).await?;
    let accepted = "send {\"name\":\"a backup\"}";
    let request: Request =
        serde_json::from_slice(&body).map_err(|e| ApiError::bad(format!("the request body: {e}; {accepted}")))?;
    let bytes = read_backup(app, &request.name).await?;
    save(app, exchange, bytes).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_sort_as_times_and_are_read_back() {
        let at = 1_795_245_650_123_000_000;
        assert_eq!(stamp(at), "20261121T072050.123Z");
        assert_eq!(time_of("20261121T072050.123Z"), Some(at));
        for wrong in ["", "20261121", "20261121T072050.123", "20261321T072050.123Z", "../../../../../../x"] {
            assert_eq!(time_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn as_many_backups_are_kept_as_promised_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let store = DashboardStore::new(directory.path().join("dashboard.json"));
        let mut etag = store.subscribe();
        etag.mark_unchanged();
        // All in the same millisecond.
        for i in 0..25 {
            let saved = store.replace(&format!("{{\"title\":\"{i}\"}}\n"), None, 5).unwrap_or_else(|_| panic!("{i}"));
            assert_eq!(saved.backup.is_some(), i > 0);
        }
        assert!(etag.has_changed().unwrap());
        let backups = store.backups().unwrap();
        assert_eq!(backups.len(), KEPT_BACKUPS);
        let newest = store.backup(&backups[0].name).unwrap().unwrap();
        assert_eq!(newest, b"{\"title\":\"23\"}\n");
        let oldest = store.backup(&backups[KEPT_BACKUPS - 1].name).unwrap().unwrap();
        assert_eq!(oldest, b"{\"title\":\"4\"}\n");
        assert_eq!(store.backup("../dashboard.json").unwrap(), None);
    }
}
