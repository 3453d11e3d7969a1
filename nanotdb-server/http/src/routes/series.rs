//! Which series a query means.

use crate::description::Param;
use crate::error::ApiError;
use crate::params::Params;

pub(super) const DB: Param =
    Param::query("db", "database", "demo", "database; without it the series is written database/metric");
pub(super) const QUERY: Param =
    Param::query("query", "metric", "demo/room.temp", "database/metric, or a metric of the database in db").required();
pub(super) const UNIT: Param =
    Param::query("timestamp_unit", "text", "s", "unit of bare numbers among the times").of(&["ns", "us", "ms", "s"]);

/// `db/metric` in `query`, or a metric in `query` with its database in `db`.
pub(super) fn series(params: &Params) -> Result<(&str, &str), ApiError> {
    const ACCEPTED: &str = "database/metric, or a metric with its database in the parameter db";
    let query = params.require("query", ACCEPTED)?;
    match params.get("db") {
        Some(database) => Ok((database, query)),
        None => match query.split_once('/') {
            Some((database, metric)) if !database.is_empty() && !metric.is_empty() => Ok((database, metric)),
            _ => Err(ApiError::parameter("query", query, format_args!("give {ACCEPTED}"))),
        },
    }
}
