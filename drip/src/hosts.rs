//! Whether another host writes into the same database: names of metrics do not say which host they are of.
//!
//! Each cycle has the number of its host ([`crate::identity::marker`]). Another number that is younger than a few intervals is
//! another drip that runs.

use crate::answer::values;
use crate::client::Answer;
use crate::schedule::now_ns;
use crate::stats::HOST;
use std::time::Duration;

/// Intervals in which a drip that runs has sent something.
const INTERVALS: u32 = 3;

/// The request that asks for the numbers of the last few intervals.
pub(crate) fn recent_path(database: &str, interval: Duration) -> String {
    let end = now_ns() / 1_000_000;
    let start = end - i64::try_from((interval * INTERVALS).as_millis()).unwrap_or(i64::MAX / 2);
    let seconds = |ms: i64| format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000));
    format!("/api/v1/query_range?query={database}/{HOST}&start={}&end={}", seconds(start), seconds(end))
}

/// The number of another host in the answer, the lowest when there are several.
pub(crate) fn another(answer: &Answer, own: u64) -> Result<Option<u64>, String> {
    if !answer.status.is_success() {
        return Err(answer.status.to_string());
    }
    let numbers = values(&answer.body)?.into_iter().filter_map(|value| value.parse::<u64>().ok());
    Ok(numbers.filter(|number| *number != own).min())
}

/// What is wrong, and how it is mended.
pub(crate) fn conflict(database: &str) -> String {
    format!(
        "database {database} is written by another host, and nobody could tell the samples of the two apart; set database = \
         \"...\" in drip.toml, another one for each host (drip.host is the number of the host that wrote)"
    )
}

/// The database that a cycle's lines are for.
pub(crate) fn database_of(text: &str) -> &str {
    text.split('/').next().unwrap_or_default()
}

/// The same lines for another database, with the number that this host has there.
pub(crate) fn retarget(text: &str, database: &str, marker: u64) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        let Some((_, rest)) = line.split_once('/') else { continue };
        out.push_str(database);
        out.push('/');
        match rest.strip_prefix(HOST).and_then(|rest| rest.trim_start().split_once(' ')) {
            Some((_, time)) => out.push_str(&format!("{HOST} {marker} {time}")),
            None => out.push_str(rest),
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;

    #[test]
    fn lines_go_to_another_database_with_its_number() {
        let text = "metrics/cpu.user 1 7\nmetrics/a/b 2.5 7\nmetrics/drip.host 99 7\nmetrics/drip.cycle_ms 0.50 7\n";
        assert_eq!(database_of(text), "metrics");
        assert_eq!(
            retarget(text, "pi", 5),
            "pi/cpu.user 1 7\npi/a/b 2.5 7\npi/drip.host 5 7\npi/drip.cycle_ms 0.50 7\n"
        );
    }

    #[test]
    fn another_number_is_another_host() {
        let answer = |values: &str| Answer {
            status: StatusCode::OK,
            body: format!("{{\"data\":{{\"result\":[{{\"values\":[{values}]}}]}}}}").into(),
        };
        assert_eq!(another(&answer("[1.5,\"7\"],[2.5,\"7\"]"), 7), Ok(None));
        assert_eq!(another(&answer("[1.5,\"7\"],[2.5,\"9\"],[3,\"8\"],[4,\"7\"]"), 7), Ok(Some(8)));
        assert_eq!(another(&answer(""), 7), Ok(None));
        assert!(another(&Answer { status: StatusCode::BAD_GATEWAY, body: "".into() }, 7).is_err());
    }

    #[test]
    fn the_last_few_intervals_are_asked_for() {
        let path = recent_path("pi", Duration::from_millis(500));
        let number = |key: &str| path.split(key).nth(1).unwrap().split('&').next().unwrap().parse::<f64>().unwrap();
        assert!(path.starts_with("/api/v1/query_range?query=pi/drip.host&start="), "{path}");
        assert!((number("end=") - number("start=") - 1.5).abs() < 1e-3, "{path}");
    }
}
