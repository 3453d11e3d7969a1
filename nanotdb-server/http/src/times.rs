//! Times and durations among the parameters.

use crate::error::ApiError;
use crate::params::Params;
use nanotdb_core::model::Timestamp;
use nanotdb_core::model::duration::parse_duration;
use nanotdb_core::model::time::{TimeUnit, mistaken_bound, parse_time};

/// `timestamp_unit`: the unit of bare numbers.
pub(crate) fn time_unit(params: &Params) -> Result<Option<TimeUnit>, ApiError> {
    let Some(text) = params.get("timestamp_unit") else { return Ok(None) };
    TimeUnit::parse(text).map(Some).map_err(|e| ApiError::parameter("timestamp_unit", text, e))
}

/// `timestamp_unit` of a write, which others call `precision`.
pub(crate) fn write_unit(params: &Params) -> Result<Option<TimeUnit>, ApiError> {
    let unit = time_unit(params)?;
    let Some(text) = params.get("precision") else { return Ok(unit) };
    let precision = TimeUnit::parse(text).map_err(|e| ApiError::parameter("precision", text, e))?;
    match unit.filter(|unit| *unit != precision) {
        Some(_) => Err(ApiError::parameter("precision", text, "timestamp_unit says another unit; give one of them")),
        None => Ok(Some(precision)),
    }
}

/// A time parameter, when given.
pub(crate) fn time_parameter(
    params: &Params,
    name: &str,
    unit: Option<TimeUnit>,
    now: Timestamp,
) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let plain = plain_decimal(text);
    let number = plain.as_deref().unwrap_or(text);
    if let (None, Some((looks, other))) = (unit, mistaken_bound(number)) {
        let better = match other {
            Some(other) => format!("add timestamp_unit={other}"),
            None => "write it as YYYY-MM-DD HH:MM:SS".to_owned(),
        };
        let accepted = format!("without a unit it is Unix nanoseconds, of 1970; it looks like {looks}: {better}");
        return Err(ApiError::parameter(name, text, format!("{accepted} (timestamp_unit=ns takes it as it is)")));
    }
    match parse_time(number, unit, now) {
        Ok(time) => Ok(Some(time)),
        Err(error) => Err(ApiError::parameter(name, text, error)),
    }
}

/// `1.79604e9`, as Prometheus takes it too, without the exponent. `None` for anything else.
fn plain_decimal(text: &str) -> Option<String> {
    const MOST: i32 = 20;
    let at = text.find(['e', 'E'])?;
    let (mantissa, exponent) = (text.get(..at)?, text.get(at + 1..)?);
    // The plus sign of a query string is a space.
    let exponent: i32 = exponent.trim_start().parse().ok().filter(|e| (-MOST..=MOST).contains(e))?;
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all: String = [whole, fraction].concat();
    let is_number = !all.is_empty() && all.len() <= 40 && all.bytes().all(|b| b.is_ascii_digit());
    let point = i32::try_from(whole.len()).ok().filter(|_| is_number)? + exponent;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or_default());
    let padded = [zeros(1 - point), all, zeros(point - whole.len() as i32 - fraction.len() as i32)].concat();
    let (whole, fraction) = padded.split_at(usize::try_from(point).unwrap_or_default().max(1));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.trim_end_matches('0');
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// A width of windows in nanoseconds, when given: a duration, or a bare number of seconds, as clients of Prometheus send it.
pub(crate) fn step_parameter(params: &Params, name: &str) -> Result<Option<i64>, ApiError> {
    let seconds = params.get(name).filter(|text| text.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    match seconds.and_then(|text| text.parse::<f64>().ok()).map(|seconds| (seconds * 1e9).round()) {
        Some(nanos) if (1.0..9.2e18).contains(&nanos) => Ok(Some(nanos as i64)),
        _ => duration_parameter(params, name),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_undone_exactly() {
        for (text, expected) in [
            ("1.79604e9", "1796040000"),
            ("1.796040123456789e9", "1796040123.456789"),
            ("1.79604E+9", "1796040000"),
            ("1.79604e 9", "1796040000"),
            ("179604e4", "1796040000"),
            ("17960400000e-1", "1796040000"),
            ("-1e3", "-1000"),
            ("5e-3", "0.005"),
            ("0e5", "0"),
            ("12.5e0", "12.5"),
        ] {
            assert_eq!(plain_decimal(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["1796040000", "e9", "1e", "1.2.3e4", "1e99", "2024-05-06T12:53:20Z", "xe9", "1e9x", ".e1"] {
            assert_eq!(plain_decimal(text), None, "{text}");
        }
    }
}
