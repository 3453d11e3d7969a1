//! Times and durations among the parameters.

use crate::params::Params;
use crate::respond::ApiError;
use nanotdb_core::model::Timestamp;
use nanotdb_core::model::duration::parse_duration;
use nanotdb_core::model::time::{TimeUnit, parse_time};

/// `timestamp_unit`: the unit of bare numbers.
pub(crate) fn time_unit(params: &Params) -> Result<Option<TimeUnit>, ApiError> {
    let Some(text) = params.get("timestamp_unit") else { return Ok(None) };
    TimeUnit::parse(text).map(Some).map_err(|e| ApiError::parameter("timestamp_unit", text, e))
}

/// A time parameter, when given.
pub(crate) fn time_parameter(
    params: &Params,
    name: &str,
    unit: Option<TimeUnit>,
    now: Timestamp,
) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    match parse_time(text, unit, now) {
        Ok(time) => Ok(Some(time)),
        Err(error) => Err(ApiError::parameter(name, text, error)),
    }
}

/// A positive duration in nanoseconds, when given.
pub(crate) fn duration_parameter(params: &Params, name: &str) -> Result<Option<i64>, ApiError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    match parse_duration(text) {
        Ok(nanos) if nanos > 0 => Ok(Some(nanos)),
        Ok(_) => Err(ApiError::parameter(name, text, "give a duration above zero, for example 5m or 1h")),
        Err(error) => Err(ApiError::parameter(name, text, error)),
    }
}
