//! `/api/v1/rollup/backfill`: destinations of rollups, computed anew.

use crate::body::parse_object;
use crate::endpoint::{Access, Body, Endpoint, Group, Request, submit};
use crate::error::ApiError;
use crate::respond::blocking;
use nanotdb_core::rollup::BackfillReport;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use warp::reply::Response;

/// Most bytes of a request.
const MAX_REQUEST: usize = 64 << 10;

submit! {
    Endpoint::post(
        "rollup_backfill",
        "/api/v1/rollup/backfill",
        "computes destinations of rollups anew",
        Body::json(r#"{"source_db":"demo"}"#, "source_db, source_dbs, or {} for all"),
        |request| Box::pin(backfill(request)),
    )
    .group(Group::OPERATION)
    .access(Access::Admin)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sources {
    source_db: Option<String>,
    source_dbs: Option<Vec<String>>,
}

impl Sources {
    fn parse(body: &[u8]) -> Result<Option<Vec<String>>, ApiError> {
        let accepted = "send {\"source_db\":\"name\"}, {\"source_dbs\":[\"name\",...]}, {} or nothing";
        let request: Self = match body.iter().all(u8::is_ascii_whitespace) {
            true => Self::default(),
            false => parse_object(body, accepted)?,
        };
        let sources = match (request.source_db, request.source_dbs) {
            (Some(_), Some(_)) => return Err(ApiError::bad(format!("source_db and source_dbs together: {accepted}"))),
            (Some(one), None) => vec![one],
            (None, several) => several.unwrap_or_default(),
        };
        // The original's clients send empty values for "all".
        let named: Vec<String> = sources.into_iter().filter(|name| !name.is_empty()).collect();
        Ok(Some(named).filter(|named| !named.is_empty()))
    }
}

#[derive(Serialize)]
struct Report<'a> {
    sources: &'a [String],
    destinations: Vec<&'a str>,
    cleared_files: Vec<&'a str>,
    passes: u64,
    rebuilt: Vec<Rebuilt<'a>>,
    skipped: Vec<Skipped<'a>>,
}

#[derive(Serialize)]
struct Rebuilt<'a> {
    database: &'a str,
    samples: u64,
    carried: u64,
    refused: u64,
}

#[derive(Serialize)]
struct Skipped<'a> {
    database: &'a str,
    reason: &'a str,
}

impl<'a> From<&'a BackfillReport> for Report<'a> {
    fn from(report: &'a BackfillReport) -> Self {
        let rebuilt = || report.destinations.iter();
        Self {
            sources: &report.sources,
            destinations: rebuilt().map(|d| d.database.as_str()).collect(),
            cleared_files: rebuilt().flat_map(|d| &d.cleared_files).map(String::as_str).collect(),
            passes: report.passes,
            rebuilt: rebuilt()
                .map(|d| Rebuilt { database: &d.database, samples: d.samples, carried: d.carried, refused: d.refused })
                .collect(),
            skipped: report.skipped.iter().map(|s| Skipped { database: &s.database, reason: &s.reason }).collect(),
        }
    }
}

/// `POST /api/v1/rollup/backfill`. It goes on when the client goes away, and is answered when the results are on disk.
async fn backfill(request: Request) -> Result<Response, ApiError> {
    let body = request.body(MAX_REQUEST).await?;
    let sources = Sources::parse(&body)?;
    let engine = request.engine().clone();
    let work = move || engine.backfill_rollups(sources.as_deref(), &mut |_| ControlFlow::Continue(()));
    let report = blocking(work).await??;
    Ok(request.success(&Report::from(&report)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_name_one_source_several_or_all() {
        let parse = |body: &str| Sources::parse(body.as_bytes()).map_err(|e| e.message);
        let names = |names: &[&str]| Ok(Some(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()));
        for all in ["", " \n", "{}", "{\"source_db\":\"\"}", "{\"source_dbs\":[]}", "{\"source_db\":null}"] {
            assert_eq!(parse(all), Ok(None), "{all}");
        }
        assert_eq!(parse("{\"source_db\":\"a\"}"), names(&["a"]));
        assert_eq!(parse("{\"source_dbs\":[\"a\",\"b\"]}"), names(&["a", "b"]));
        for (wrong, says) in [
            ("{\"source_db\":1}", "invalid type"),
            ("{\"db\":\"a\"}", "unknown field"),
            ("{", "EOF"),
            ("[]", "no JSON object"),
            ("null", "no JSON object"),
            ("\"a\"", "no JSON object"),
            ("{\"source_db\":\"a\",\"source_dbs\":[\"b\"]}", "together"),
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains(says) && error.contains("source_dbs"), "{error}");
        }
    }
}
