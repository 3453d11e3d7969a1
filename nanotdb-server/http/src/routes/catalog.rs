//! What there is: aggregates, databases, metrics.

use crate::app::App;
use crate::exchange::Exchange;
use crate::params::Params;
use crate::respond::{ApiError, success};
use crate::routes::ui::{database_names, state_of};
use nanotdb_core::plugin::Aggregator;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::rollup::lineage::Lineage;
use serde::Serialize;
use warp::reply::Response;

/// The aggregate that `step` alone means.
pub(super) const DEFAULT_AGGREGATE: &str = "avg";

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
pub(super) fn aggregates(exchange: &Exchange) -> Result<Response, ApiError> {
    let result = registry().aggregators().iter().map(|a| a.name()).collect();
    let (default, kinds) = (DEFAULT_AGGREGATE, aggregate_kinds());
    Ok(success(exchange, &Aggregates { default, kinds, result, result_type: "aggregates" }))
}

/// `GET /api/v1/databases`, those that cannot be opened among them.
pub(super) fn databases(app: &App, exchange: &Exchange) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Details {
        name: String,
        state: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    let params = Params::of_query(exchange)?;
    let health = app.engine.health();
    let names = database_names(app, params.flag("include_internal")?, &health);
    let (db, result_type) = (None, "databases");
    if !params.flag("details")? {
        return Ok(success(exchange, &Listing { db, result: names, result_type }));
    }
    let details = names.into_iter().map(|name| {
        let (state, reason) = state_of(app, &name, &health);
        Details { name, state, reason }
    });
    Ok(success(exchange, &Listing { db, result: details.collect(), result_type }))
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
pub(super) fn metrics(app: &App, exchange: &Exchange) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Details {
        name: String,
        id: u16,
        #[serde(rename = "type")]
        value_type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        rollups: Option<Rollups>,
    }
    let params = Params::of_query(exchange)?;
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
        return Ok(success(exchange, &Listing::<String> { db, result, result_type }));
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
    Ok(success(exchange, &Listing { db, result, result_type }))
}
