//! What there is: the catalog with newest values, the status line, the settings of the pages.

use super::documents::document;
use super::intervals::{Intervals, PATIENT};
use super::numbers::{millis, write_value};
use crate::app::App;
use crate::endpoint::{Endpoint, Group, Param, Request, now, submit};
use crate::error::ApiError;
use crate::rejections::Rejections;
use crate::respond::blocking;
use crate::routes::catalog::{AggregateKind, aggregate_kinds, names, state_of};
use http::StatusCode;
use nanotdb_core::engine::INTERNAL_DATABASE;
use nanotdb_core::model::Sample;
use nanotdb_server_settings::WebSection;
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::{Duration, Instant};
use warp::reply::Response;

/// Metrics of a database for which a page does not wait until all their intervals are known.
const MANY: usize = 2_000;
/// How long is looked for intervals of all such databases; what was not found is looked for when the catalog is asked for again.
const BRIEF: Duration = Duration::from_millis(100);

submit! {
    Endpoint::get(
        "ui_catalog",
        "/api/v1/ui/catalog",
        "databases and metrics with their newest values",
        |request| Box::pin(catalog(request)),
    )
    .group(Group::WEB)
    .params(&[Param::query("internal", "bool", "true", "with the database of the engine's own metrics").standard("false")])
}

submit! {
    Endpoint::get("ui_settings", "/api/v1/ui/settings", "settings of the pages", |request| now(settings(&request)))
        .group(Group::WEB)
}

/// The numbers of the status line.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    now_ms: i64,
    samples_total: u64,
    rejected_total: u64,
    /// When lines were refused last.
    rejected_ms: Option<i64>,
    pub(super) databases: u64,
    pub(super) metrics: u64,
    wal_bytes: u64,
    data_bytes: u64,
    disk_free_bytes: Option<u64>,
    read_only: Vec<String>,
    /// What is to know of databases; the engine page says it.
    warnings: u64,
}

impl Status {
    /// As it is now.
    pub(super) fn now(app: &App) -> Self {
        let counters = app.engine.counters();
        let rejected = [
            &counters.rejected_syntax,
            &counters.rejected_name,
            &counters.rejected_type,
            &counters.rejected_order,
            &counters.rejected_future,
            &counters.rejected_expired,
            &counters.rejected_limit,
            &counters.rejected_failed,
        ];
        let sizes = app.engine.sizes();
        let shown = || sizes.iter().filter(|(name, _)| name != INTERNAL_DATABASE);
        Self {
            now_ms: millis(app.clock.now()),
            samples_total: counters.ingest_samples.get(),
            rejected_total: rejected.iter().map(|counter| counter.get()).sum(),
            rejected_ms: app.state::<Rejections>().last_at().map(millis),
            databases: shown().count() as u64,
            metrics: shown().map(|(_, size)| size.metrics).sum(),
            wal_bytes: sizes.iter().map(|(_, size)| size.wal_bytes).sum(),
            data_bytes: sizes.iter().map(|(_, size)| size.bytes).sum(),
            disk_free_bytes: super::host::disk(app.engine.root()).map(|disk| disk.free),
            read_only: app.engine.health().into_iter().map(|(name, _)| name).collect(),
            warnings: app.engine.warnings().len() as u64,
        }
    }
}

#[derive(Serialize)]
struct Catalog {
    version: &'static str,
    now_ms: i64,
    started_ms: i64,
    status: Status,
    databases: Vec<DatabaseEntry>,
}

#[derive(Serialize)]
struct DatabaseEntry {
    name: String,
    internal: bool,
    state: &'static str,
    reason: Option<String>,
    metrics: Vec<String>,
    types: Vec<&'static str>,
    last_ms: Vec<Option<i64>>,
    last: Vec<Option<Box<RawValue>>>,
    interval_ms: Vec<Option<f64>>,
}

/// A value as a JSON number.
pub(super) fn number(sample: &Sample) -> Option<Box<RawValue>> {
    let mut text = Vec::new();
    write_value(sample.value, &mut text);
    RawValue::from_string(String::from_utf8(text).ok()?).ok().filter(|raw| raw.get() != "null")
}

/// `GET /api/v1/ui/catalog`
async fn catalog(request: Request) -> Result<Response, ApiError> {
    let internal = request.query()?.flag("internal")?;
    let shared = Arc::clone(request.app());
    let catalog = blocking(move || Catalog::read(&shared, internal)).await?;
    document(request.exchange(), StatusCode::OK, &catalog)
}

impl Catalog {
    fn read(app: &App, internal: bool) -> Self {
        let health = app.engine.health();
        let mut patience = BRIEF;
        let databases = names(app, internal, &health).into_iter();
        let databases = databases.map(|name| DatabaseEntry::read(app, name, &health, &mut patience)).collect();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            now_ms: millis(app.clock.now()),
            started_ms: millis(app.started),
            status: Status::now(app),
            databases,
        }
    }
}

impl DatabaseEntry {
    /// `patience` is what is left of [`BRIEF`].
    fn read(app: &App, name: String, health: &[(String, String)], patience: &mut Duration) -> Self {
        let (state, reason) = state_of(app, &name, health);
        // One that could not be opened has none; one that cannot be read has no newest samples.
        let metrics = app.engine.metrics(&name).unwrap_or_default();
        let newest: Vec<Option<Sample>> =
            metrics.iter().map(|metric| app.engine.query_last(&name, &metric.name).unwrap_or_default()).collect();
        let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        let times: Vec<_> = newest.iter().map(|sample| sample.map(|sample| sample.timestamp)).collect();
        let is_large = names.len() > MANY;
        let began = Instant::now();
        let known = app.state::<Intervals>();
        let intervals = known.of(&app.engine, &name, &names, &times, if is_large { *patience } else { PATIENT });
        if is_large {
            *patience = patience.saturating_sub(began.elapsed());
        }
        Self {
            internal: name == INTERNAL_DATABASE,
            state,
            reason,
            types: metrics.iter().map(|metric| metric.value_type.name()).collect(),
            last_ms: times.iter().map(|time| time.map(millis)).collect(),
            last: newest.iter().map(|sample| sample.as_ref().and_then(number)).collect(),
            interval_ms: intervals.iter().map(|interval| interval.map(|nanos| nanos as f64 / 1e6)).collect(),
            metrics: metrics.into_iter().map(|metric| metric.name).collect(),
            name,
        }
    }
}

#[derive(Serialize)]
struct Settings<'a> {
    title: &'a str,
    version: &'static str,
    refresh_seconds: u32,
    base_path: &'a str,
    explore_path: &'a str,
    engine_path: &'a str,
    api_base_url: &'a str,
    default_db: Option<&'a str>,
    read_only: bool,
    aggregates: Vec<AggregateKind>,
}

impl<'a> Settings<'a> {
    fn of(app: &'a App) -> Self {
        let web = app.state::<WebSection>();
        Self {
            title: &web.title,
            version: env!("CARGO_PKG_VERSION"),
            refresh_seconds: web.refresh_seconds,
            base_path: &web.base_path,
            explore_path: &web.explore_path,
            engine_path: &web.engine_path,
            api_base_url: &web.api_base_url,
            default_db: web.default_db.as_deref(),
            read_only: web.read_only,
            aggregates: aggregate_kinds(),
        }
    }
}

/// `GET /api/v1/ui/settings`
fn settings(request: &Request) -> Result<Response, ApiError> {
    document(request.exchange(), StatusCode::OK, &Settings::of(request.app()))
}

/// The settings as JSON text, for the page that they are placed into.
pub(crate) fn settings_text(app: &App) -> String {
    serde_json::to_string(&Settings::of(app)).unwrap_or_default()
}
