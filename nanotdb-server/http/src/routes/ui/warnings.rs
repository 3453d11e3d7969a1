//! What a start has mended and nobody has acknowledged, and what else is to know of a database.

use super::documents::document;
use super::guard::{check_change, check_json};
use super::numbers::millis;
use crate::app::App;
use crate::body::{parse_object, read_small};
use crate::exchange::Exchange;
use crate::respond::{ApiError, blocking};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use warp::reply::Response;

/// Largest request.
const MAX_REQUEST: usize = 4 << 10;

/// One warning.
#[derive(Serialize)]
pub(super) struct WarningEntry {
    db: String,
    /// When it was found and mended; null for what is so now.
    since_ms: Option<i64>,
    text: String,
    /// Whether it goes when it is acknowledged. The others go with their cause.
    can_acknowledge: bool,
}

/// Those of one database, or of all.
pub(super) fn warnings(app: &App, database: Option<&str>) -> Vec<WarningEntry> {
    let all = app.engine.warnings().into_iter();
    all.filter(|warning| database.is_none_or(|wanted| warning.database == wanted))
        .map(|warning| WarningEntry {
            since_ms: warning.since.map(millis),
            can_acknowledge: warning.can_be_acknowledged(),
            db: warning.database,
            text: warning.text,
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default)]
    db: Option<String>,
}

#[derive(Serialize)]
struct Acknowledged {
    acknowledged: u64,
}

/// `POST /api/v1/ui/acknowledge`
pub(in crate::routes) async fn acknowledge(app: &Arc<App>, exchange: &Exchange) -> Result<Response, ApiError> {
    check_change(app, exchange)?;
    check_json(exchange)?;
    let body = read_small(exchange, MAX_REQUEST).await?;
    let request: Request = parse_object(&body, "send {\"db\":\"name\"}, or {} for all")?;
    let shared = Arc::clone(app);
    let acknowledged = blocking(move || shared.engine.acknowledge(request.db.as_deref())).await??;
    document(exchange, StatusCode::OK, &Acknowledged { acknowledged })
}
