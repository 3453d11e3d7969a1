//! An endpoint of the HTTP API, and how one is added: a function that answers, and a row that says where it is and what it takes, registered
//! with [`submit!`]. From the rows come the routes, 404 and 405, the refusal of parameters that an endpoint does not know, the counters, the
//! list that the API tester shows, and the table in docs/HTTP_API.md.
//!
//! ```
//! use nanotdb_http::endpoint::{ApiError, App, Endpoint, Param, Request, Response, State, submit};
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! submit! {
//!     Endpoint::get("greeting", "/api/v1/greeting/{name}", "says hello", |request| Box::pin(greeting(request))).params(&[
//!         Param::path("name", "text", "world", "who is greeted"),
//!         Param::query("loud", "bool", "true", "in capitals").standard("false"),
//!     ])
//! }
//!
//! /// How many were greeted. There is one of it in each server.
//! struct Greeted(AtomicU64);
//!
//! impl State for Greeted {
//!     fn new(_: &App) -> Self {
//!         Self(AtomicU64::new(0))
//!     }
//! }
//!
//! async fn greeting(request: Request) -> Result<Response, ApiError> {
//!     let mut text = format!("hello, {}\n", request.path_param("name"));
//!     if request.query()?.flag("loud")? {
//!         text.make_ascii_uppercase();
//!     }
//!     request.state::<Greeted>().0.fetch_add(1, Ordering::Relaxed);
//!     Ok(request.text("text/plain; charset=utf-8", text))
//! }
//! # fn main() {}
//! ```
//!
//! `examples/endpoint` in the repository is a crate with one, and a server that has it.

mod request;
mod row;
mod table;

pub use crate::app::{App, State};
pub use crate::description::{Access, Body, Group, Param};
pub use crate::error::ApiError;
pub use crate::params::Params;
pub use bytes::Bytes;
pub use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
pub use inventory::submit;
pub use request::{MemoryShare, Pieces, Request, Stream};
pub use row::{Answer, Endpoint, Handle, now};
pub use warp::reply::Response;

pub(crate) use table::{Found, ONLY_GET, PAGE, table};
