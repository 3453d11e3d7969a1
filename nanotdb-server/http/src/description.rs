//! What is said of an endpoint: where it is, who may, what it takes, what comes back.

use serde::Serialize;
use std::panic::Location;

/// Who may send a request. Today everybody may everything; the column is the whole policy once there are tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Access {
    /// Everybody, pages of other sites as well. Nothing is told here that is not for everybody.
    Open,
    /// Who may read.
    Read,
    /// Who may write samples.
    Write,
    /// Who may change what the server does, or what is stored already.
    Admin,
}

impl Access {
    /// Whether something is changed: a browser is refused that sends such a request for the page of another site.
    pub(crate) fn changes(self) -> bool {
        matches!(self, Self::Write | Self::Admin)
    }

    /// As documents show it.
    #[cfg(test)]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// Under which heading documents and the API tester show an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    pub(crate) name: &'static str,
    /// Groups are in this order, those of one rank by name.
    pub(crate) rank: u8,
}

impl Group {
    /// What takes samples.
    pub const WRITE: Self = Self { name: "Write", rank: 0 };
    /// What gives them back.
    pub const QUERY: Self = Self { name: "Query", rank: 1 };
    /// What says which there are.
    pub const CATALOG: Self = Self { name: "Catalog", rank: 2 };
    /// What keeps the server running.
    pub const OPERATION: Self = Self { name: "Operation", rank: 3 };
    /// What the pages ask for.
    pub const WEB: Self = Self { name: "Web interface", rank: 4 };
    /// The dashboard document.
    pub const DASHBOARD: Self = Self { name: "Dashboard", rank: 5 };

    /// One with a name of its own, behind those above.
    pub const fn named(name: &'static str) -> Self {
        Self { name, rank: u8::MAX }
    }
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum In {
    Query,
    Path,
    Header,
}

/// A parameter. Those of the query string (and of a form, see [`Endpoint::by_form`](crate::endpoint::Endpoint::by_form)) that an endpoint does not
/// list are refused with the names of those that it does.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Param {
    pub(crate) name: &'static str,
    #[serde(rename = "in")]
    pub(crate) place: In,
    #[serde(rename = "type")]
    kind: &'static str,
    required: bool,
    default: Option<&'static str>,
    example: Option<&'static str>,
    options: Option<&'static [&'static str]>,
    explain: &'static str,
    #[serde(skip)]
    pub(crate) many: bool,
}

impl Param {
    /// One of the query string. `kind` is `text`, `number`, `time`, `duration`, `bool`, `database`, `metric` or `status`: the API tester
    /// makes its field from it.
    pub const fn query(name: &'static str, kind: &'static str, example: &'static str, explain: &'static str) -> Self {
        let (default, options, example) = (None, None, Some(example));
        Self { name, place: In::Query, kind, required: false, default, example, options, explain, many: false }
    }

    /// What stands in the path where the pattern has `{name}`.
    pub const fn path(name: &'static str, kind: &'static str, example: &'static str, explain: &'static str) -> Self {
        Self { place: In::Path, required: true, ..Self::query(name, kind, example, explain) }
    }

    /// A header.
    pub const fn header(name: &'static str, example: &'static str, explain: &'static str) -> Self {
        Self { place: In::Header, ..Self::query(name, "text", example, explain) }
    }

    /// It has to be there. (Shown; the one who reads it refuses, with what is accepted: [`Params::require`](crate::endpoint::Params::require).)
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// It may be there more than once; any other is refused then.
    pub const fn many(self) -> Self {
        Self { many: true, ..self }
    }

    /// What holds without it.
    pub const fn standard(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// It is one of these.
    pub const fn of(self, options: &'static [&'static str]) -> Self {
        Self { options: Some(options), ..self }
    }
}

/// The body of a request.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Body {
    pub(crate) content_type: &'static str,
    pub(crate) example: &'static str,
    explain: &'static str,
}

impl Body {
    /// One of this media type; `example` is one that the endpoint takes.
    pub const fn new(content_type: &'static str, example: &'static str, explain: &'static str) -> Self {
        Self { content_type, example, explain }
    }

    /// One of JSON.
    pub const fn json(example: &'static str, explain: &'static str) -> Self {
        Self::new("application/json", example, explain)
    }
}

/// An endpoint without what answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Description {
    /// Unique.
    pub(crate) id: &'static str,
    pub(crate) group: Group,
    pub(crate) method: &'static str,
    /// Parts in braces stand for any text without a slash.
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) access: Access,
    pub(crate) params: &'static [Param],
    pub(crate) body: Option<Body>,
    pub(crate) answer: &'static str,
    /// Whether parameters that are not in `params` are ignored, as clients of other protocols and probes expect.
    pub(crate) lenient: bool,
    /// Whether POST does the same, with the parameters as a form.
    pub(crate) by_form: bool,
    /// Whether it is answered however many requests are worked on, and in HTTP/1.0 without `Host`.
    pub(crate) for_probes: bool,
    /// Under which name the server's own metrics count it.
    pub(crate) counted_as: &'static str,
    /// The line that registers it.
    pub(crate) place: &'static Location<'static>,
}

impl Description {
    /// What stands in a path where the pattern has `{name}`; empty when there is no such part.
    pub(crate) fn argument<'p>(&self, name: &str, path: &'p str) -> &'p str {
        let mut parts = self.path.split('/').zip(path.split('/'));
        parts.find(|(part, _)| in_braces(part) == Some(name)).map_or("", |(_, text)| text)
    }
}

/// The name of a part of a pattern that stands for any text.
pub(crate) fn in_braces(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// Whether a path is of a pattern.
pub(crate) fn is_of(pattern: &str, path: &str) -> bool {
    let (mut parts, mut texts) = (pattern.split('/'), path.split('/'));
    loop {
        match (parts.next(), texts.next()) {
            (None, None) => return true,
            (Some(part), Some(text)) if part == text => {}
            (Some(part), Some(text)) if part.starts_with('{') && !text.is_empty() => {}
            _ => return false,
        }
    }
}
