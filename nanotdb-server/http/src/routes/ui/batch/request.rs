//! What a batch asks for, checked.

use super::columns::Columns;
use super::steps::step_for;
use crate::body::parse_object;
use crate::error::ApiError;
use http::StatusCode;
use nanotdb_core::model::Timestamp;
use nanotdb_core::plugin::Aggregator;
use nanotdb_core::plugin::registry::registry;
use serde::Deserialize;

/// Most series of one request.
const MOST_SERIES: u64 = 1_000;
/// Most ranges of one request.
const MOST_RANGES: usize = 64;
/// Most columns of a screen.
const MOST_BUCKETS: u32 = 4_096;
/// Largest time, in milliseconds: what nanoseconds in 64 bits reach.
const MOST_MILLIS: f64 = 9.2e12;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    ranges: Vec<RangeText>,
    series: Vec<SeriesText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RangeText {
    start_ms: f64,
    end_ms: f64,
    buckets: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeriesText {
    db: String,
    metric: String,
    // Left out is the first range; null is none, for the newest value alone.
    #[serde(default = "first")]
    range: Option<usize>,
    #[serde(default)]
    rate: bool,
    #[serde(default)]
    ends: bool,
    aggregate: Option<String>,
    window_ms: Option<f64>,
}

fn first() -> Option<usize> {
    Some(0)
}

/// A range of time and how many columns the screen has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// First nanosecond.
    pub(super) from: Timestamp,
    /// Last nanosecond.
    pub(super) to: Timestamp,
    /// Columns.
    pub(super) buckets: usize,
    /// Width of a bucket, nanoseconds.
    pub(super) step: i64,
}

impl Range {
    /// The width of windows: as asked for, or the smallest multiple of it that does not make too many of them.
    fn windows_of(&self, asked: i64) -> i64 {
        let most = i64::from(MOST_BUCKETS) * 4;
        let count = self.to.saturating_sub(self.from) / asked.max(1);
        asked.max(1).saturating_mul(count / most + 1)
    }

    /// Most buckets of this width that the range touches.
    pub(super) fn buckets_of(&self, width: i64) -> usize {
        Columns::new(self.from, width).at(self.to).saturating_add(1)
    }
}

/// How a series is to be read.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// When; `None` for the newest value alone.
    pub(super) range: Option<usize>,
    /// Increases a second instead of values.
    pub(super) rate: bool,
    /// An aggregate instead of minimum, average and maximum.
    pub(super) aggregate: Option<&'static dyn Aggregator>,
    /// Width of buckets and windows in nanoseconds; where none is asked for, that of the range's.
    pub(super) window: Option<i64>,
}

impl PartialEq for Reading {
    fn eq(&self, other: &Self) -> bool {
        let key = |reading: &Self| {
            (reading.range, reading.rate, reading.aggregate.map(|aggregator| aggregator.name()), reading.window)
        };
        key(self) == key(other)
    }
}

/// One series.
pub(super) struct Wanted {
    /// Database.
    pub(super) database: String,
    /// Metric.
    pub(super) metric: String,
    /// How it is read.
    pub(super) reading: Reading,
    /// Whether the first and the last sample of the range are asked for as well.
    pub(super) ends: bool,
}

/// A checked request.
pub(super) struct Batch {
    /// The ranges.
    pub(super) ranges: Vec<Range>,
    /// The series, in the order of the answer.
    pub(super) series: Vec<Wanted>,
}

impl Batch {
    /// Reads a request body. 400 names the field.
    pub(super) fn parse(body: &[u8], max_series: u64) -> Result<Self, ApiError> {
        let request: Request = parse_object(body, "see docs/HTTP_API.md")?;
        let count = request.series.len() as u64;
        if count > max_series {
            let detail = "ask for fewer series at once";
            return Err(ApiError::limit(StatusCode::BAD_REQUEST, "limits.max_series_per_query", max_series, detail));
        }
        if count == 0 || count > MOST_SERIES {
            return Err(ApiError::bad(format!("series: {count} of them; give 1 to {MOST_SERIES}")));
        }
        if request.ranges.len() > MOST_RANGES {
            return Err(ApiError::bad(format!("ranges: {} of them; give at most {MOST_RANGES}", request.ranges.len())));
        }
        let ranges =
            request.ranges.iter().enumerate().map(|(at, range)| range.check(at)).collect::<Result<Vec<_>, _>>()?;
        let check = |(at, series): (usize, SeriesText)| series.check(at, &ranges);
        let series = request.series.into_iter().enumerate().map(check).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { ranges, series })
    }
}

impl RangeText {
    fn check(&self, at: usize) -> Result<Range, ApiError> {
        let fail = |field: &str, value: f64, accepted: &str| {
            Err(ApiError::bad(format!("ranges[{at}].{field} = {value}: {accepted}")))
        };
        for (field, value) in [("start_ms", self.start_ms), ("end_ms", self.end_ms)] {
            if value.is_nan() || value.abs() > MOST_MILLIS {
                return fail(field, value, "give Unix milliseconds");
            }
        }
        // To the microsecond: what a float of milliseconds holds in our time.
        let nanos = |millis: f64| ((millis * 1e3).round() as i64).saturating_mul(1_000);
        let (from, end) = (nanos(self.start_ms), nanos(self.end_ms));
        if from >= end {
            return fail("end_ms", self.end_ms, "give a time after start_ms");
        }
        if self.buckets == 0 || self.buckets > MOST_BUCKETS {
            return fail("buckets", f64::from(self.buckets), "give 1 to 4096");
        }
        let step = step_for(end.saturating_sub(from), i64::from(self.buckets));
        Ok(Range { from, to: end.saturating_sub(1), buckets: self.buckets as usize, step })
    }
}

impl SeriesText {
    fn check(self, at: usize, ranges: &[Range]) -> Result<Wanted, ApiError> {
        let fail = |field: &str, accepted: &str| Err(ApiError::bad(format!("series[{at}].{field}: {accepted}")));
        if self.db.is_empty() {
            return fail("db", "give the name of a database");
        }
        if self.metric.is_empty() {
            return fail("metric", "give the name of a metric");
        }
        let range = match self.range {
            None => None,
            Some(range) => match ranges.get(range) {
                Some(found) => Some((range, *found)),
                None => return fail("range", &format!("{range} is not one of the {} in ranges", ranges.len())),
            },
        };
        let window = match self.window_ms {
            None => None,
            Some(millis) if (1.0..=MOST_MILLIS).contains(&millis) => Some((millis * 1e3).round() as i64 * 1_000),
            Some(millis) => return fail("window_ms", &format!("{millis}; give milliseconds, 1 or more")),
        };
        let aggregate = match &self.aggregate {
            None => None,
            Some(name) => match registry().aggregator(name) {
                Ok(aggregator) => Some(aggregator),
                Err(error) => return fail("aggregate", &error.to_string()),
            },
        };
        let window = range.and_then(|(_, range)| Some(range.windows_of(window?)));
        let reading = Reading { range: range.map(|(at, _)| at), rate: self.rate, aggregate, window };
        if self.ends && self.rate {
            return fail("ends", "a rate has none; leave out one of the two");
        }
        Ok(Wanted { database: self.db, metric: self.metric, reading, ends: self.ends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Batch, String> {
        Batch::parse(body.as_bytes(), 3).map_err(|e| e.message)
    }

    const RANGE: &str = r#""ranges":[{"start_ms":0,"end_ms":3600000,"buckets":600}]"#;

    #[test]
    fn a_request_is_read() {
        let batch = parse(&format!(
            r#"{{{RANGE},"series":[{{"db":"a","metric":"m"}},{{"db":"a","metric":"n","range":null}},
               {{"db":"a","metric":"o","rate":true,"aggregate":"p95","window_ms":60000}}]}}"#
        ))
        .unwrap();
        assert_eq!(batch.ranges, [Range { from: 0, to: 3_599_999_999_999, buckets: 600, step: 10_000_000_000 }]);
        let ranges: Vec<_> = batch.series.iter().map(|s| s.reading.range).collect();
        assert_eq!(ranges, [Some(0), None, Some(0)]);
        let reading = batch.series[2].reading;
        assert_eq!((reading.aggregate.unwrap().name(), reading.window), ("p95", Some(60_000_000_000)));
        assert!(batch.series[2].reading.rate);
    }

    #[test]
    fn windows_are_as_wide_as_asked_for_unless_they_are_too_many() {
        let day = 86_400_000_000_000;
        let range = Range { from: 0, to: 20 * day - 1, buckets: 1_200, step: 1_800_000_000_000 };
        assert_eq!((range.windows_of(day), range.buckets_of(day)), (day, 20));
        let second = 1_000_000_000;
        let wide = range.windows_of(second);
        assert!(wide % second == 0 && range.buckets_of(wide) <= 16_384 && wide < 120 * second, "{wide}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let series = |text: &str| format!("{{{RANGE},\"series\":[{text}]}}");
        for (body, says) in [
            ("{".to_owned(), "the request body"),
            (series(r#"{"db":"a","metric":"m","color":1}"#), "color"),
            (series(""), "series: 0 of them"),
            (series(&[r#"{"db":"a","metric":"m"}"#; 4].join(",")), "limits.max_series_per_query = 3"),
            (series(r#"{"db":"","metric":"m"}"#), "series[0].db"),
            (series(r#"{"db":"a","metric":"m","range":1}"#), "series[0].range: 1 is not one of the 1"),
            (series(r#"{"db":"a","metric":"m","window_ms":-5}"#), "series[0].window_ms: -5"),
            (series(r#"{"db":"a","metric":"m","aggregate":"avg","window_ms":0}"#), "series[0].window_ms: 0"),
            (series(r#"{"db":"a","metric":"m","aggregate":"nope"}"#), "nope"),
            (r#"{"ranges":[{"start_ms":5,"end_ms":5,"buckets":1}],"series":[]}"#.into(), "series: 0"),
            (
                r#"{"ranges":[{"start_ms":5,"end_ms":5,"buckets":1}],"series":[{"db":"a","metric":"m"}]}"#.into(),
                "end_ms",
            ),
            (
                r#"{"ranges":[{"start_ms":5,"end_ms":9,"buckets":0}],"series":[{"db":"a","metric":"m"}]}"#.into(),
                "1 to 4096",
            ),
            (
                r#"{"ranges":[{"start_ms":5,"end_ms":1e300,"buckets":1}],"series":[{"db":"a","metric":"m"}]}"#.into(),
                "end_ms",
            ),
        ] {
            let error = parse(&body).map(|_| ()).unwrap_err();
            assert!(error.contains(says), "{body}: {error}");
        }
    }
}
