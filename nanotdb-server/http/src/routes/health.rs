//! `GET /health`

use crate::app::App;
use crate::endpoint::{Access, Endpoint, Group, now, submit};
use crate::json::json;
use http::StatusCode;
use serde::Serialize;
use warp::reply::Response;

submit! {
    Endpoint::get("health", "/health", "whether everything can be written", |request| now(Ok(health(request.app()))))
        .group(Group::OPERATION)
        .access(Access::Open)
        .lenient()
        .for_probes()
}

/// `{"status":"ok"}`, with the number of warnings when there are some, or 503 with why writes are refused.
fn health(app: &App) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Unhealthy {
        status: &'static str,
        error_type: &'static str,
        error: String,
    }
    let troubles = app.engine.health();
    if troubles.is_empty() {
        // What they say is for those who may read: the page of the engine, `nanocli`.
        return match app.engine.warnings().len() {
            0 => json(StatusCode::OK, &br#"{"status":"ok"}"#[..]),
            count => json(StatusCode::OK, format!(r#"{{"status":"ok","warnings":{count}}}"#)),
        };
    }
    let texts: Vec<_> = troubles.iter().map(|(db, why)| format!("database {db:?} takes no samples: {why}")).collect();
    let body = Unhealthy { status: "error", error_type: "unavailable", error: texts.join("; ") };
    json(StatusCode::SERVICE_UNAVAILABLE, serde_json::to_vec(&body).unwrap_or_default())
}
