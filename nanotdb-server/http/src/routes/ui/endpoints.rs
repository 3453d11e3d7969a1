//! `GET /api/v1/ui/endpoints`: the table of endpoints, for the API tester.

use crate::description::{Access, Body, Description, Param};
use crate::endpoint::{Endpoint, Group, Request, now, submit, table};
use crate::error::ApiError;
use serde::Serialize;
use warp::reply::Response;

submit! {
    Endpoint::get("ui_endpoints", "/api/v1/ui/endpoints", "this table as JSON", |request| now(endpoints(&request)))
        .group(Group::WEB)
}

#[derive(Serialize)]
struct Document {
    endpoints: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    id: &'static str,
    group: &'static str,
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    access: Access,
    changes: bool,
    params: &'static [Param],
    body: Option<Body>,
    answer: &'static str,
}

impl From<&Description> for Shown {
    fn from(about: &Description) -> Self {
        let Description { id, group, method, path, summary, access, params, body, answer, .. } = *about;
        Self { id, group: group.name, method, path, summary, access, changes: access.changes(), params, body, answer }
    }
}

fn endpoints(request: &Request) -> Result<Response, ApiError> {
    request.json(&Document { endpoints: table().endpoints().map(Shown::from).collect() })
}
