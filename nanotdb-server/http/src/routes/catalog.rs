//! What there is: aggregates, databases, metrics.

use crate::app::App;
use crate::endpoint::{Endpoint, Group, Param, Request, now, submit};
use crate::error::ApiError;
use nanotdb_core::engine::INTERNAL_DATABASE;
use nanotdb_core::plugin::Aggregator;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::rollup::lineage::Lineage;
use serde::Serialize;
use warp::reply::Response;

/// The aggregate that `step` alone means.
pub(super) const DEFAULT_AGGREGATE: &str = "avg";

submit! {
    Endpoint::get("aggregates", "/api/v1/aggregates", "names of the aggregates", |request| now(aggregates(&request)))
        .group(Group::CATALOG)
}

submit! {
    Endpoint::get("databases", "/api/v1/databases", "names of the databases", |request| now(databases(&request)))
        .group(Group::CATALOG)
        .params(&[
            Param::query("include_internal", "bool", "true", "with the database of the engine's own metrics")
                .standard("false"),
            Param::query("details", "bool", "true", "with the state of each, and the reason").standard("false"),
        ])
}

submit! {
    Endpoint::get("metrics", "/api/v1/metrics", "metrics of a database", |request| now(metrics(&request)))
        .group(Group::CATALOG)
        .params(&[
            Param::query("db", "database", "demo", "database").required(),
            Param::query("details", "bool", "true", "with ids and types").standard("false"),
            Param::query("lineage", "text", "rollups", "with what rollups make of each metric").of(&["rollups"]),
            Param::query("max_hops", "number", "1", "rollups of rollups that are followed, 1 to 5").standard("1"),
        ])
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    db: Option<&'a str>,
    result: Vec<T>,
    result_type: &'static str,
}

/// An aggregate, and the unit of its results: `value` for that of the values, `count` for a number of them.
#[derive(Serialize)]
pub(super) struct AggregateKind {
    name: &'static str,
    unit: &'static str,
}

/// All that can be asked for.
pub(super) fn aggregate_kinds() -> Vec<AggregateKind> {
    let unit = |a: &dyn Aggregator| if a.is_count() { "count" } else { "value" };
    registry().aggregators().iter().map(|a| AggregateKind { name: a.name(), unit: unit(*a) }).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Aggregates {
    default: &'static str,
    kinds: Vec<AggregateKind>,
    result: Vec<&'static str>,
    result_type: &'static str,
}

/// `GET /api/v1/aggregates`
fn aggregates(request: &Request) -> Result<Response, ApiError> {
    let result = registry().aggregators().iter().map(|a| a.name()).collect();
    let (default, kinds) = (DEFAULT_AGGREGATE, aggregate_kinds());
    Ok(request.success(&Aggregates { default, kinds, result, result_type: "aggregates" }))
}

/// State of a database, with the reason when it is not well.
pub(super) fn state_of(app: &App, name: &str, health: &[(String, String)]) -> (&'static str, Option<String>) {
    match health.iter().find(|(database, _)| database == name) {
        None => ("ok", None),
        Some((_, reason)) if app.engine.has_database(name) => ("read_only", Some(reason.clone())),
        Some((_, reason)) => ("failed", Some(reason.clone())),
    }
}

/// Names of all databases, those that could not be opened among them.
pub(super) fn names(app: &App, internal: bool, health: &[(String, String)]) -> Vec<String> {
    let mut names = app.engine.database_names(internal);
    names.extend(health.iter().map(|(name, _)| name.clone()).filter(|name| internal || name != INTERNAL_DATABASE));
    names.sort();
    names.dedup();
    names
}

/// `GET /api/v1/databases`, those that cannot be opened among them.
fn databases(request: &Request) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Details {
        name: String,
        state: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    let (app, params) = (request.app(), request.query()?);
    let health = app.engine.health();
    let names = names(app, params.flag("include_internal")?, &health);
    let (db, result_type) = (None, "databases");
    if !params.flag("details")? {
        return Ok(request.success(&Listing { db, result: names, result_type }));
    }
    let details = names.into_iter().map(|name| {
        let (state, reason) = state_of(app, &name, &health);
        Details { name, state, reason }
    });
    Ok(request.success(&Listing { db, result: details.collect(), result_type }))
}

/// What rollup jobs make of a metric.
#[derive(Serialize)]
struct Rollups {
    downstream: Vec<Downstream>,
    truncated: bool,
    max_hops: u8,
}

#[derive(Serialize)]
struct Downstream {
    hop: u8,
    db: String,
    metric: String,
    aggregate: &'static str,
    interval: String,
    job: String,
    source_db: String,
    source_metric: String,
}

impl Rollups {
    fn new(lineage: Lineage, max_hops: u8) -> Self {
        let downstream = lineage.downstream.into_iter().map(|derived| Downstream {
            hop: derived.hop,
            db: derived.database,
            metric: derived.metric,
            aggregate: derived.aggregate,
            interval: derived.interval,
            job: derived.job,
            source_db: derived.source_database,
            source_metric: derived.source_metric,
        });
        Self { downstream: downstream.collect(), truncated: lineage.truncated, max_hops }
    }
}

/// `GET /api/v1/metrics`
fn metrics(request: &Request) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Details {
        name: String,
        id: u16,
        #[serde(rename = "type")]
        value_type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        rollups: Option<Rollups>,
    }
    let (app, params) = (request.app(), request.query()?);
    let database = params.require("db", "a database name")?;
    let lineage = match params.get("lineage") {
        None => false,
        Some("rollups") => true,
        Some(other) => return Err(ApiError::parameter("lineage", other, "give rollups, or leave it out")),
    };
    let max_hops = match params.get("max_hops") {
        None => 1,
        Some(text) => match text.parse::<u8>() {
            Ok(hops @ 1..=5) => hops,
            _ => return Err(ApiError::parameter("max_hops", text, "give a whole number from 1 to 5")),
        },
    };
    let details = params.flag("details")? || lineage;
    let metrics = app.engine.metrics(database)?;
    let (db, result_type) = (Some(database), "metrics");
    if !details {
        let result = metrics.into_iter().map(|m| m.name).collect();
        return Ok(request.success(&Listing::<String> { db, result, result_type }));
    }
    let mut lineages = Vec::new();
    if lineage {
        let names: Vec<&str> = metrics.iter().map(|m| m.name.as_str()).collect();
        lineages = app.engine.rollup_lineage(database, &names, max_hops)?;
    }
    let mut lineages = lineages.into_iter();
    let result = metrics
        .into_iter()
        .map(|m| Details {
            name: m.name,
            id: m.id,
            value_type: m.value_type.name(),
            rollups: lineages.next().map(|lineage| Rollups::new(lineage, max_hops)),
        })
        .collect();
    Ok(request.success(&Listing { db, result, result_type }))
}
