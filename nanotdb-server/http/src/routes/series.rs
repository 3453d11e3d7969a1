//! Which series a query means.

use crate::params::Params;
use crate::respond::ApiError;

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
