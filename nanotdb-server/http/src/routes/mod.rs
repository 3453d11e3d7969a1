//! The routes: what answers a request. Which path and method is which endpoint stands beside each endpoint, in the files below.

mod catalog;
mod health;
mod import;
mod metrics_text;
mod query;
mod query_range;
mod rollup;
mod series;
mod ui;
mod web;

use crate::app::App;
use crate::endpoint::{Answer, Found, ONLY_GET, PAGE, Request, now};
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::{guard, params};
use http::{Method, StatusCode};
use std::sync::Arc;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

/// A request, and what takes it. It goes through warp as an extension of warp's request.
#[derive(Clone)]
pub(crate) struct Routed {
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) found: Found,
}

/// The server's routes: one filter, whose table is [`crate::endpoint::table`]. Every request needs a [`Routed`] among its extensions.
pub(crate) fn routes(app: Arc<App>) -> BoxedFilter<(Response,)> {
    let answer = move |routed: Routed| {
        let answer = route(&app, routed).unwrap_or_else(|error| now(Err(error)));
        async move { answer.await.unwrap_or_else(ApiError::into_response) }
    };
    warp::ext::get::<Routed>().then(answer).boxed()
}

/// Has it answered: by an endpoint of the table, or with a page.
fn route(app: &Arc<App>, Routed { exchange, found }: Routed) -> Result<Answer, ApiError> {
    match found {
        Found::Endpoint(row) => {
            exchange.count_as(row.slot);
            let about = &row.endpoint.about;
            if let Some(query) = exchange.uri.query() {
                params::check_names(&[query.as_bytes()], about)?;
            }
            if about.access.changes() {
                guard::check_same_origin(&exchange)?;
            }
            Ok((row.endpoint.handle)(Request::new(Arc::clone(app), exchange)))
        }
        Found::OtherMethods(place) => Err(other_methods(&exchange, &place.allow)),
        Found::Nothing if web::is_page(app, exchange.uri.path()) => {
            exchange.count_as(PAGE);
            match exchange.method {
                Method::GET | Method::HEAD => Ok(now(web::page(app, &exchange))),
                _ => Err(other_methods(&exchange, ONLY_GET)),
            }
        }
        Found::Nothing => Ok(now(web::page(app, &exchange))),
    }
}

/// 405 that names the methods there are.
fn other_methods(exchange: &Exchange, allow: &'static str) -> ApiError {
    let (method, path) = (&exchange.method, exchange.uri.path());
    let message = format!("{method} {path}: the method must be {allow}");
    ApiError { allow: Some(allow), ..ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message) }
}
