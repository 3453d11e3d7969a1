//! The routes: which path and method goes to which handler.

mod catalog;
mod health;
pub(crate) mod import;
mod metrics_text;
mod query;
mod query_range;
mod rollup;
mod series;
pub(crate) mod table;
pub(crate) mod ui;
mod web;

use crate::app::App;
use crate::exchange::Exchange;
use crate::respond::ApiError;
use crate::telemetry;
use http::Method;
use http::request::Parts;
use std::sync::Arc;
use table::{Answer, Found, now};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

/// Whether a request would change something.
pub(crate) fn is_write(parts: &Parts) -> bool {
    parts.method != Method::GET && table::changes(parts.uri.path(), parts.method.as_str())
}

/// The server's routes: one filter, whose table is [`table::ENDPOINTS`]. Every request needs an `Arc<Exchange>` among its extensions.
pub(crate) fn routes(app: Arc<App>) -> BoxedFilter<(Response,)> {
    let answer = move |exchange: Arc<Exchange>| {
        let answer = route(&app, exchange).unwrap_or_else(|error| now(Err(error)));
        async move { answer.await.unwrap_or_else(ApiError::into_response) }
    };
    warp::ext::get::<Arc<Exchange>>().then(answer).boxed()
}

/// Finds what answers: an endpoint of the table, or a page.
fn route(app: &Arc<App>, exchange: Arc<Exchange>) -> Result<Answer, ApiError> {
    let path = exchange.uri.path();
    match table::find(path, exchange.method.as_str()) {
        Found::Endpoint(at, endpoint) => {
            exchange.set_endpoint(telemetry::slot_of(at));
            exchange.set_row(endpoint)?;
            if endpoint.changes {
                ui::check_same_origin(&exchange)?;
            }
            Ok((endpoint.handle)(Arc::clone(app), exchange))
        }
        Found::OtherMethods(allow) => Err(table::other_methods(&exchange, allow)),
        Found::Nothing if web::is_page(app, path) => {
            exchange.set_endpoint(telemetry::PAGE);
            match exchange.method {
                Method::GET | Method::HEAD => Ok(now(web::page(app, &exchange))),
                _ => Err(table::other_methods(&exchange, table::ONLY_GET)),
            }
        }
        Found::Nothing => Ok(now(web::page(app, &exchange))),
    }
}
