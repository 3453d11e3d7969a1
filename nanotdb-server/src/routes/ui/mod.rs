//! What the web interface asks for: `/api/v1/ui/...` and the dashboard document.
//!
//! Which path and method is which endpoint stands in [`super::table`], that makes docs/HTTP_API.md and the API tester too.

mod batch;
mod catalog;
mod dashboard;
mod dashboard_store;
mod documents;
mod engine;
mod guard;
mod host;
mod intervals;
mod jobs;
mod numbers;
mod stream;
mod warnings;

pub(crate) use catalog::{names as database_names, settings_text, state_of};
pub(crate) use dashboard_store::DashboardStore;
pub(crate) use documents::etag_of;
pub(crate) use guard::{check_same_origin, check_site};
pub(crate) use intervals::Intervals;
pub(crate) use jobs::Jobs;
pub(crate) use stream::MOST_STREAMS;

use super::{Answer, endpoint_index, table};
use crate::app::App;
use crate::exchange::Exchange;
use crate::respond::ApiError;
use http::StatusCode;
use std::sync::Arc;
use warp::reply::Response;

/// Whether this path is for [`route`].
pub(super) fn is_ui(path: &str) -> bool {
    path.starts_with("/api/v1/ui/") || path == "/api/dashboard-config" || path.starts_with("/api/dashboard-config/")
}

/// Answers a request.
pub(super) fn route(app: Arc<App>, exchange: Arc<Exchange>) -> Answer {
    Box::pin(async move { answer(&app, &exchange).await.unwrap_or_else(ApiError::into_response) })
}

async fn answer(app: &Arc<App>, exchange: &Arc<Exchange>) -> Result<Response, ApiError> {
    let path = exchange.uri.path();
    let found = table::find(path, exchange.method.as_str())?;
    exchange.set_endpoint(endpoint_index(found.counted_as()));
    exchange.set_row(found.endpoint)?;
    let argument = found.argument.unwrap_or_default();
    match found.endpoint.id {
        "ui_batch" => batch::batch(app, exchange).await,
        "ui_catalog" => catalog::catalog(app, exchange).await,
        "ui_settings" => catalog::settings(app, exchange),
        "ui_endpoints" => table::endpoints(exchange),
        "ui_stream" => stream::stream(app, exchange).await,
        "ui_acknowledge" => warnings::acknowledge(app, exchange).await,
        "ui_jobs" => jobs::list(app, exchange),
        "ui_job_start" => jobs::start(app, exchange).await,
        "ui_job" => jobs::one(app, exchange, argument),
        "ui_job_stop" => jobs::stop(app, exchange, argument),
        "dashboard" => dashboard::get(app, exchange).await,
        "dashboard_save" => dashboard::put(app, exchange).await,
        "dashboard_validate" => dashboard::validate(app, exchange).await,
        "dashboard_backups" => dashboard::backups(app, exchange).await,
        "dashboard_backup" => dashboard::backup(app, exchange, argument).await,
        "dashboard_restore" => dashboard::restore(app, exchange).await,
        "ui_engine" => engine::engine(app, exchange).await,
        "ui_engine_database" => engine::database(app, exchange, argument).await,
        _ => Err(ApiError::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"))),
    }
}
