//! What a start has mended and nobody has acknowledged, and what else is to know of a database.

use super::documents::document;
use super::numbers::millis;
use crate::app::App;
use crate::endpoint::{Access, Body, Endpoint, Group, Request, submit};
use crate::error::ApiError;
use crate::guard::{check_change, check_json};
use crate::respond::blocking;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use warp::reply::Response;

/// Largest request.
const MAX_REQUEST: usize = 4 << 10;

submit! {
    Endpoint::post(
        "ui_acknowledge",
        "/api/v1/ui/acknowledge",
        "what was mended has been seen: health and answers tell it no more",
        Body::json(r#"{"db":null}"#, "db is a database, or null for all"),
        |request| Box::pin(acknowledge(request)),
    )
    .group(Group::WEB)
    .access(Access::Admin)
}

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
struct Acknowledge {
    #[serde(default)]
    db: Option<String>,
}

#[derive(Serialize)]
struct Acknowledged {
    acknowledged: u64,
}

/// `POST /api/v1/ui/acknowledge`
async fn acknowledge(request: Request) -> Result<Response, ApiError> {
    check_change(request.app())?;
    check_json(request.exchange())?;
    let Acknowledge { db } = request.body_json(MAX_REQUEST, "send {\"db\":\"name\"}, or {} for all").await?;
    let shared = Arc::clone(request.app());
    let acknowledged = blocking(move || shared.engine.acknowledge(db.as_deref())).await??;
    document(request.exchange(), StatusCode::OK, &Acknowledged { acknowledged })
}
