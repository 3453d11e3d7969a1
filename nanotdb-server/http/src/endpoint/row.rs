//! A row of the table of endpoints.

use super::request::Request;
use crate::description::{Access, Body, Description, Group, Param};
use crate::error::ApiError;
use std::future::{Future, ready};
use std::panic::Location;
use std::pin::Pin;
use warp::reply::Response;

/// An answer on its way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response, ApiError>> + Send>>;

/// What answers: `|request| Box::pin(my_function(request))` with an `async fn my_function(request: Request) -> Result<Response, ApiError>`,
/// or `|request| now(my_function(&request))` where nothing has to be waited for.
pub type Handle = fn(Request) -> Answer;

/// An answer that is there at once.
pub fn now(answer: Result<Response, ApiError>) -> Answer {
    Box::pin(ready(answer))
}

/// An endpoint: a path with a method, and what answers there. HEAD is answered wherever GET is.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    pub(crate) about: Description,
    pub(crate) handle: Handle,
}

inventory::collect!(Endpoint);

impl Endpoint {
    /// Answers `method` at `path`, whose parts in braces stand for any text without a slash: `/api/v1/label/{name}/values`. `id` is unique; the
    /// server counts requests under it. `summary` says in a few words what it is for.
    #[track_caller]
    pub const fn new(
        method: &'static str,
        id: &'static str,
        path: &'static str,
        summary: &'static str,
        handle: Handle,
    ) -> Self {
        let about = Description {
            id,
            group: Group::named("More"),
            method,
            path,
            summary,
            access: Access::Admin,
            params: &[],
            body: None,
            answer: "JSON",
            lenient: false,
            by_form: false,
            for_probes: false,
            counted_as: id,
            place: Location::caller(),
        };
        Self { about, handle }
    }

    /// Answers GET, to those who may read.
    #[track_caller]
    pub const fn get(id: &'static str, path: &'static str, summary: &'static str, handle: Handle) -> Self {
        Self::new("GET", id, path, summary, handle).access(Access::Read)
    }

    /// Answers POST, to those who may change settings unless [`Endpoint::access`] says otherwise.
    #[track_caller]
    pub const fn post(id: &'static str, path: &'static str, summary: &'static str, body: Body, handle: Handle) -> Self {
        Self::new("POST", id, path, summary, handle).body(body)
    }

    const fn with(self, about: Description) -> Self {
        Self { about, ..self }
    }

    /// The heading in documents and in the API tester.
    pub const fn group(self, group: Group) -> Self {
        self.with(Description { group, ..self.about })
    }

    /// Who may. What changes something is [`Access::Write`] or [`Access::Admin`].
    pub const fn access(self, access: Access) -> Self {
        self.with(Description { access, ..self.about })
    }

    /// Its parameters; others are refused.
    pub const fn params(self, params: &'static [Param]) -> Self {
        self.with(Description { params, ..self.about })
    }

    /// What it takes as a body.
    pub const fn body(self, body: Body) -> Self {
        self.with(Description { body: Some(body), ..self.about })
    }

    /// What it answers with, in a few words; `JSON` unless something is said.
    pub const fn answer(self, answer: &'static str) -> Self {
        self.with(Description { answer, ..self.about })
    }

    /// Parameters that it does not list are ignored: clients of other protocols, and probes, send more than a server knows.
    pub const fn lenient(self) -> Self {
        self.with(Description { lenient: true, ..self.about })
    }

    /// POST does the same, with the parameters as a form: [`Request::params`] reads them.
    pub const fn by_form(self) -> Self {
        self.with(Description { by_form: true, ..self.about })
    }

    /// It is answered even when `limits.max_concurrent_requests` are worked on, and in HTTP/1.0 without `Host`, as load balancers ask. Only for
    /// what takes next to nothing.
    pub const fn for_probes(self) -> Self {
        self.with(Description { for_probes: true, ..self.about })
    }

    /// The name under which the server's own metrics count it, where it is not its id: those that belong together are counted as one.
    pub const fn counted_as(self, name: &'static str) -> Self {
        self.with(Description { counted_as: name, ..self.about })
    }
}
