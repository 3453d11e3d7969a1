//! `/api/v1/query`: the newest value, now or at a time.

use super::series::{DB, QUERY, UNIT, series};
use crate::endpoint::{Endpoint, Group, Param, Request, submit};
use crate::error::ApiError;
use crate::json::{json, write_json_string};
use crate::respond::blocking;
use crate::times::{time_parameter, time_unit};
use http::StatusCode;
use nanotdb_core::engine::Newest;
use nanotdb_core::model::time::write_unix_seconds;
use warp::reply::Response;

submit! {
    Endpoint::get("query", "/api/v1/query", "the newest value, now or at a time", |request| Box::pin(query(request)))
        .group(Group::QUERY)
        .params(&[
            QUERY,
            DB,
            Param::query("time", "time", "-5m", "the newest value at or before this time; without it now"),
            UNIT,
        ])
        .answer("vector")
        .by_form()
}

/// A vector of one value, or an empty one for what does not exist.
async fn query(request: Request) -> Result<Response, ApiError> {
    let app = request.app();
    let params = request.params().await?;
    let (database, metric) = series(&params)?;
    let unit = time_unit(&params)?;
    let Newest { sample, mut warnings } = match time_parameter(&params, "time", unit, app.clock.now())? {
        None => app.engine.newest(database, metric)?,
        Some(at) => {
            // It may have far to look back.
            let (engine, most) = (app.engine.clone(), app.limits.max_query_time);
            let (database, metric) = (database.to_owned(), metric.to_owned());
            blocking(move || engine.newest_at(&database, &metric, at, most)).await??
        }
    };
    let mut body = Vec::with_capacity(256);
    body.extend_from_slice(br#"{"status":"success","data":{"result":["#);
    if let Some(sample) = sample {
        body.extend_from_slice(br#"{"metric":{"__name__":"#);
        write_json_string(metric, &mut body);
        body.extend_from_slice(br#","db":"#);
        write_json_string(database, &mut body);
        body.extend_from_slice(br#"},"value":["#);
        write_unix_seconds(sample.timestamp, &mut body);
        body.extend_from_slice(br#",""#);
        sample.value.write_text(&mut body);
        body.extend_from_slice(br#""]}"#);
    }
    body.extend_from_slice(br#"],"resultType":"vector""#);
    let unsure = app.engine.unsure(database);
    // What is damaged stays so: who waits for an answer without warnings waits for nothing.
    if unsure.is_none() && !warnings.is_empty() {
        body.extend_from_slice(br#","damaged":true"#);
    }
    warnings.extend(unsure);
    for (at, warning) in warnings.iter().enumerate() {
        body.extend_from_slice(if at == 0 { br#","warnings":["# } else { b"," });
        write_json_string(warning, &mut body);
    }
    if !warnings.is_empty() {
        body.push(b']');
    }
    body.extend_from_slice(b"}}");
    Ok(json(StatusCode::OK, body))
}
