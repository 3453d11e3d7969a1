//! `/api/dashboard-config`: the dashboard document, its backups, and who changed it first.

use super::dashboard_store::{BACKUPS, Backup, DashboardStore, MAX_DOCUMENT, Refusal, Saved};
use super::documents::document;
use crate::app::App;
use crate::caching::{is_known, not_modified, not_stored};
use crate::endpoint::{Access, Body, Endpoint, Group, Param, Request, submit};
use crate::error::{ApiError, io_status};
use crate::exchange::Exchange;
use crate::guard::{check_change, check_json};
use crate::json::json;
use crate::respond::{blocking, compressed};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, IF_MATCH};
use http::{HeaderValue, StatusCode};
use nanotdb_core::model::duration::parse_duration;
use nanotdb_core::plugin::registry::registry;
use nanotdb_ui::dashboard::{Problem, Report, Rules, check, pretty, references};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io;
use std::path::Path;
use std::sync::Arc;
use warp::reply::Response;

const PATH: &str = "/api/dashboard-config";
const DOCUMENT: Body =
    Body::json(r#"{"title":"Home","groups":[{"id":"overview","widgets":[]}],"widgets":{}}"#, "the dashboard document");
const IF_UNCHANGED: Param = Param::header(
    "If-Match",
    "\"0123456789abcdef\"",
    "ETag of the document that was changed: 412 when it is another now",
);

submit! {
    Endpoint::get("dashboard", PATH, "the dashboard document", |request| Box::pin(get(request)))
        .group(Group::DASHBOARD)
        .answer("the document")
        .counted_as("dashboard_config")
}

submit! {
    Endpoint::new(
        "PUT",
        "dashboard_save",
        PATH,
        "saves it; the one before becomes a backup",
        |request| Box::pin(put(request)),
    )
    .body(DOCUMENT)
    .group(Group::DASHBOARD)
    .access(Access::Admin)
    .params(&[IF_UNCHANGED])
    .counted_as("dashboard_config")
}

submit! {
    Endpoint::post(
        "dashboard_validate",
        "/api/dashboard-config/validate",
        "checks it without saving",
        DOCUMENT,
        |request| Box::pin(validate(request)),
    )
    .group(Group::DASHBOARD)
    .access(Access::Read)
    .params(&[Param::query("answer", "status", "200", "status of the answer about a document with errors")
        .of(&["400", "200"])
        .standard("400")])
    .counted_as("dashboard_config")
}

submit! {
    Endpoint::get(
        "dashboard_backups",
        "/api/dashboard-config/backups",
        "the backups, newest first",
        |request| Box::pin(backups(request)),
    )
    .group(Group::DASHBOARD)
    .counted_as("dashboard_config")
}

submit! {
    Endpoint::get(
        "dashboard_backup",
        "/api/dashboard-config/backups/{name}",
        "one of them",
        |request| Box::pin(backup(request)),
    )
    .group(Group::DASHBOARD)
    .params(&[Param::path("name", "text", "dashboard-20260501T000000.000Z.json", "name of a backup, as in the list")])
    .answer("the document")
    .counted_as("dashboard_config")
}

submit! {
    Endpoint::post(
        "dashboard_restore",
        "/api/dashboard-config/restore",
        "saves a backup as the document",
        Body::json(r#"{"name":"dashboard-20260501T000000.000Z.json"}"#, "name of a backup"),
        |request| Box::pin(restore(request)),
    )
    .group(Group::DASHBOARD)
    .access(Access::Admin)
    .params(&[IF_UNCHANGED])
    .counted_as("dashboard_config")
}

fn store(app: &App) -> &DashboardStore {
    app.state()
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
    ApiError::new(io_status(error), format!("{}: {error}", path.display()))
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
async fn get(request: Request) -> Result<Response, ApiError> {
    let (shared, exchange) = (Arc::clone(request.app()), request.exchange());
    let read = blocking(move || store(&shared).read(&shared.engine)).await?;
    let path = store(request.app()).path();
    let (bytes, etag) = read.map_err(|error| failed(&error, path))?;
    if let Err(error) = serde_json::from_slice::<&RawValue>(&bytes) {
        let path = path.display();
        let message = format!("{path} is not JSON: {error}; mend the file, or restore one of its backups");
        return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message));
    }
    let mut response = json(StatusCode::OK, Bytes::new());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    set_etag(&mut response, &etag)?;
    Ok(if is_known(exchange, &etag) { not_modified(response) } else { compressed(exchange, response, bytes) })
}

/// `PUT /api/dashboard-config`
async fn put(request: Request) -> Result<Response, ApiError> {
    check_change(request.app())?;
    check_json(request.exchange())?;
    let bytes = request.body(MAX_DOCUMENT).await?;
    save(&request, bytes).await
}

async fn save(request: &Request, bytes: Vec<u8>) -> Result<Response, ApiError> {
    let (app, exchange) = (request.app(), request.exchange());
    let (text, report) = match judge(app, &bytes) {
        Ok(judged) => judged,
        Err(problems) => return refused(exchange, StatusCode::BAD_REQUEST, &problems),
    };
    let expected = exchange.header(IF_MATCH).map(str::to_owned);
    let (shared, content) = (Arc::clone(app), pretty(&text));
    let replaced = blocking(move || store(&shared).replace(&content, expected.as_deref(), shared.clock.now())).await?;
    match replaced {
        Ok(saved) => {
            tracing::info!(file = %store(app).path().display(), backup = saved.backup, "the dashboard was saved");
            accepted(exchange, &text, &report, Some(&saved))
        }
        Err(Refusal::Changed(etag)) => {
            let problems = whole("the dashboard was changed by someone else");
            let mut response = refused(exchange, StatusCode::PRECONDITION_FAILED, &problems)?;
            set_etag(&mut response, &etag)?;
            Ok(response)
        }
        Err(Refusal::Io(error)) => Err(failed(&error, store(app).path())),
    }
}

/// `POST /api/dashboard-config/validate`
async fn validate(request: Request) -> Result<Response, ApiError> {
    check_json(request.exchange())?;
    let params = request.query()?;
    let status = match params.get("answer") {
        None | Some("400") => StatusCode::BAD_REQUEST,
        Some("200") => StatusCode::OK,
        Some(other) => return Err(ApiError::parameter("answer", other, "give 200 or 400")),
    };
    let bytes = request.body(MAX_DOCUMENT).await?;
    match judge(request.app(), &bytes) {
        Ok((text, report)) => accepted(request.exchange(), &text, &report, None),
        Err(problems) => refused(request.exchange(), status, &problems),
    }
}

/// `GET /api/dashboard-config/backups`
async fn backups(request: Request) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Backups {
        backups: Vec<Backup>,
    }
    let shared = Arc::clone(request.app());
    let found = blocking(move || store(&shared).backups()).await?;
    let backups = found.map_err(|error| failed(&error, &store(request.app()).directory()))?;
    document(request.exchange(), StatusCode::OK, &Backups { backups })
}

async fn read_backup(app: &Arc<App>, name: &str) -> Result<Vec<u8>, ApiError> {
    let (shared, wanted) = (Arc::clone(app), name.to_owned());
    let read = blocking(move || store(&shared).backup(&wanted)).await?;
    read.map_err(|error| failed(&error, &store(app).directory()))?.ok_or_else(|| {
        let message = format!("there is no backup {name:?}; /api/dashboard-config/backups lists them");
        ApiError::new(StatusCode::NOT_FOUND, message)
    })
}

/// `GET /api/dashboard-config/backups/{name}`
async fn backup(request: Request) -> Result<Response, ApiError> {
    let bytes = read_backup(request.app(), request.path_param("name")).await?;
    Ok(not_stored(compressed(request.exchange(), json(StatusCode::OK, Bytes::new()), bytes)))
}

/// `POST /api/dashboard-config/restore`
async fn restore(request: Request) -> Result<Response, ApiError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Restore {
        name: String,
    }
    check_change(request.app())?;
    check_json(request.exchange())?;
    let Restore { name } = request.body_json(4_096, "send {\"name\":\"a backup\"}").await?;
    let bytes = read_backup(request.app(), &name).await?;
    save(&request, bytes).await
}
