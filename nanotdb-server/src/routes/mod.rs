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
use crate::telemetry::ENDPOINTS;
use http::request::Parts;
use http::{Method, StatusCode};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use ui::check_same_origin;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection};

/// A handler's answer on its way.
type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Methods of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Methods {
    Get,
    Post,
    GetOrPost,
}

impl Methods {
    /// HEAD is GET whose body hyper leaves out.
    fn allow(self, method: &Method) -> bool {
        let get = method == Method::GET || method == Method::HEAD;
        match self {
            Self::Get => get,
            Self::Post => method == Method::POST,
            Self::GetOrPost => get || method == Method::POST,
        }
    }

    fn header(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
            Self::GetOrPost => "GET, HEAD, POST",
        }
    }
}

/// Whether a request would change something.
pub(crate) fn is_write(parts: &Parts) -> bool {
    let path = parts.uri.path();
    let is_import = path == "/api/v1/import" || path == "/api/v1/import/prometheus";
    is_import || parts.method != Method::GET && table::changes(path, parts.method.as_str())
}

/// The server's routes. Every request needs an `Arc<Exchange>` among its extensions.
pub(crate) fn routes(app: Arc<App>) -> BoxedFilter<(Response,)> {
    // Imports come first: most requests are imports, and filters are tried in order.
    let import = warp::path!("api" / "v1" / "import").and(exchange()).then(handler(
        &app,
        "/api/v1/import",
        Methods::Post,
        |app, x| async move {
            check_same_origin(&x)?;
            import::import(&app, &x).await
        },
    ));
    let prometheus = warp::path!("api" / "v1" / "import" / "prometheus").and(exchange()).then(handler(
        &app,
        "/api/v1/import/prometheus",
        Methods::Post,
        |app, x| async move {
            check_same_origin(&x)?;
            import::import_prometheus(&app, &x).await
        },
    ));
    let query = warp::path!("api" / "v1" / "query").and(exchange()).then(handler(
        &app,
        "/api/v1/query",
        Methods::GetOrPost,
        |app, x| async move { query::query(&app, &x).await },
    ));
    let query_range = warp::path!("api" / "v1" / "query_range").and(exchange()).then(handler(
        &app,
        "/api/v1/query_range",
        Methods::GetOrPost,
        |app, x| async move { query_range::query_range(&app, &x).await },
    ));
    let aggregates = warp::path!("api" / "v1" / "aggregates").and(exchange()).then(handler(
        &app,
        "/api/v1/aggregates",
        Methods::Get,
        |_, x| async move { catalog::aggregates(&x) },
    ));
    let databases = warp::path!("api" / "v1" / "databases").and(exchange()).then(handler(
        &app,
        "/api/v1/databases",
        Methods::Get,
        |app, x| async move { catalog::databases(&app, &x) },
    ));
    let metrics = warp::path!("api" / "v1" / "metrics").and(exchange()).then(handler(
        &app,
        "/api/v1/metrics",
        Methods::Get,
        |app, x| async move { catalog::metrics(&app, &x) },
    ));
    let backfill = warp::path!("api" / "v1" / "rollup" / "backfill").and(exchange()).then(handler(
        &app,
        "/api/v1/rollup/backfill",
        Methods::Post,
        |app, x| async move {
            check_same_origin(&x)?;
            rollup::backfill(&app, &x).await
        },
    ));
    let health =
        warp::path!("health")
            .and(exchange())
            .then(handler(&app, "/health", Methods::Get, |app, _| async move { Ok(health::health(&app)) }));
    let exposition =
        warp::path!("metrics").and(exchange()).then(handler(&app, "/metrics", Methods::Get, |app, x| async move {
            Ok(metrics_text::metrics_text(&app, &x))
        }));
    let rest = {
        let pages = handler(&app, "/", Methods::Get, |app, x| async move { web::page(&app, &x) });
        let app = Arc::clone(&app);
        exchange().then(move |x: Arc<Exchange>| match ui::is_ui(x.uri.path()) {
            true => ui::route(Arc::clone(&app), x),
            false => pages(x),
        })
    };

    let ingest = import.or(prometheus).unify().boxed();
    let queries = query.or(query_range).unify().boxed();
    let catalog = aggregates.or(databases).unify().or(metrics).unify().boxed();
    let operation = health.or(exposition).unify().or(backfill).unify().boxed();
    ingest.or(queries).unify().or(catalog).unify().or(operation).unify().or(rest).unify().boxed()
}

/// Which of [`ENDPOINTS`] a path is; 0 for none of them.
fn endpoint_index(endpoint: &str) -> u8 {
    ENDPOINTS.iter().position(|(path, _)| *path == endpoint).and_then(|i| u8::try_from(i).ok()).unwrap_or(0)
}

fn exchange() -> impl Filter<Extract = (Arc<Exchange>,), Error = Rejection> + Copy {
    warp::ext::get::<Arc<Exchange>>()
}

/// Wraps a handler: notes the endpoint, checks the method, and turns errors into answers.
fn handler<F, Fut>(
    app: &Arc<App>,
    endpoint: &'static str,
    methods: Methods,
    handle: F,
) -> impl Fn(Arc<Exchange>) -> Answer + Clone + use<F, Fut>
where
    F: Fn(Arc<App>, Arc<Exchange>) -> Fut + Clone,
    Fut: Future<Output = Result<Response, ApiError>> + Send + 'static,
{
    let index = endpoint_index(endpoint);
    let row = table::at(endpoint);
    let app = Arc::clone(app);
    move |exchange| {
        // The catch-all route answers unknown paths of every method with 404, not 405.
        let known = endpoint != "/" || web::is_page(&app, exchange.uri.path());
        if known {
            exchange.set_endpoint(index);
        }
        if known && !methods.allow(&exchange.method) {
            let message = format!("{} {endpoint}: the method must be {}", exchange.method, methods.header());
            let mut error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message);
            error.allow = Some(methods.header());
            return Box::pin(std::future::ready(error.into_response()));
        }
        if let Some(Err(error)) = row.map(|row| exchange.set_row(row)) {
            return Box::pin(std::future::ready(error.into_response()));
        }
        let answer = handle(Arc::clone(&app), exchange);
        Box::pin(async move { answer.await.unwrap_or_else(ApiError::into_response) })
    }
}
