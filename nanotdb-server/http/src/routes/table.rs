//! The one table of all endpoints: it routes every request, names what is counted, and makes the API tester and the table in
//! docs/HTTP_API.md. A new endpoint is one row.

use super::{catalog, health, import, metrics_text, query, query_range, rollup, ui};
use crate::app::App;
use crate::exchange::Exchange;
use crate::respond::{ApiError, compressed, json};
use bytes::Bytes;
use http::StatusCode;
use nanotdb_core::config::nearest;
use serde::Serialize;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use warp::reply::Response;

/// An answer on its way.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<Response, ApiError>> + Send>>;

/// Answers a request.
pub(super) type Handle = fn(Arc<App>, Arc<Exchange>) -> Answer;

/// An answer that is there at once.
pub(super) fn now(answer: Result<Response, ApiError>) -> Answer {
    Box::pin(ready(answer))
}

/// A parameter.
#[derive(Debug, Serialize)]
pub(crate) struct Param {
    name: &'static str,
    #[serde(rename = "in")]
    place: &'static str,
    /// text, number, time, duration, bool, database or metric.
    #[serde(rename = "type")]
    kind: &'static str,
    required: bool,
    default: Option<&'static str>,
    example: Option<&'static str>,
    options: Option<&'static [&'static str]>,
    explain: &'static str,
    /// Whether it may be there more than once.
    #[serde(skip)]
    many: bool,
}

impl Param {
    const fn query(name: &'static str, kind: &'static str, example: &'static str, explain: &'static str) -> Self {
        let (default, options, example) = (None, None, Some(example));
        Self { name, place: "query", kind, required: false, default, example, options, explain, many: false }
    }

    const fn path(name: &'static str, kind: &'static str, example: &'static str, explain: &'static str) -> Self {
        Self { place: "path", required: true, ..Self::query(name, kind, example, explain) }
    }

    const fn header(name: &'static str, example: &'static str, explain: &'static str) -> Self {
        Self { place: "header", ..Self::query(name, "text", example, explain) }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn many(self) -> Self {
        Self { many: true, ..self }
    }

    const fn standard(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn of(self, options: &'static [&'static str]) -> Self {
        Self { options: Some(options), ..self }
    }
}

/// A request body.
#[derive(Debug, Serialize)]
pub(crate) struct Body {
    content_type: &'static str,
    example: &'static str,
    explain: &'static str,
}

/// An endpoint: one path with one method. Methods that are alike (HEAD, and POST where GET is shown) are left out.
#[derive(Debug, Serialize)]
pub(crate) struct Endpoint {
    /// Unique.
    pub(crate) id: &'static str,
    group: &'static str,
    /// Method.
    pub(crate) method: &'static str,
    /// Path; a part in braces stands for any text without a slash.
    pub(crate) path: &'static str,
    /// What it is for.
    pub(crate) summary: &'static str,
    /// Whether it changes something.
    pub(crate) changes: bool,
    params: &'static [Param],
    body: Option<Body>,
    answer: &'static str,
    /// Whether parameters that are not in `params` are ignored, as clients of other protocols and probes expect.
    #[serde(skip)]
    lenient: bool,
    /// Whether POST does the same, with the parameters as a form.
    #[serde(skip)]
    by_form: bool,
    /// Under which name the server's own metrics count it.
    #[serde(skip)]
    pub(crate) counted_as: &'static str,
    /// What answers.
    #[serde(skip)]
    pub(super) handle: Handle,
}

const DB: Param = Param::query("db", "database", "demo", "database; without it the series is written database/metric");
const QUERY: Param =
    Param::query("query", "metric", "demo/room.temp", "database/metric, or a metric of the database in db").required();
const UNIT: Param =
    Param::query("timestamp_unit", "text", "s", "unit of bare numbers among the times").of(&["ns", "us", "ms", "s"]);
const WRITE_UNIT: Param =
    Param::query("timestamp_unit", "text", "s", "unit of times that are bare numbers; without it what the format says")
        .of(&["ns", "us", "ms", "s"]);
const PRECISION: Param =
    Param::query("precision", "text", "s", "the same, as others call it").of(&["ns", "us", "ms", "s"]);
const UI_DB: Param = Param::path("db", "database", "demo", "database");
const BACKUP: Param =
    Param::path("name", "text", "dashboard-20260501T000000.000Z.json", "name of a backup, as in the list");
const IF_MATCH: Param = Param::header(
    "If-Match",
    "\"0123456789abcdef\"",
    "ETag of the document that was changed: 412 when it is another now",
);
const ANSWER: Param = Param::query("answer", "status", "200", "status of the answer about a document with errors")
    .of(&["400", "200"])
    .standard("400");
const DASHBOARD: Body = Body {
    content_type: "application/json",
    example: r#"{"title":"Home","groups":[{"id":"overview","widgets":[]}],"widgets":{}}"#,
    explain: "the dashboard document",
};

const fn get(
    id: &'static str,
    group: &'static str,
    path: &'static str,
    summary: &'static str,
    handle: Handle,
) -> Endpoint {
    let (method, changes, params, body, answer) = ("GET", false, &[], None, "JSON");
    let (lenient, by_form, counted_as) = (false, false, id);
    Endpoint { id, group, method, path, summary, changes, params, body, answer, lenient, by_form, counted_as, handle }
}

const fn post(
    id: &'static str,
    group: &'static str,
    path: &'static str,
    summary: &'static str,
    body: Body,
    handle: Handle,
) -> Endpoint {
    Endpoint { method: "POST", changes: true, body: Some(body), ..get(id, group, path, summary, handle) }
}

/// All endpoints, in the order of the documentation.
pub(crate) static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        params: &[
            Param::query("format", "text", "line_protocol", "ingest format; without it the Content-Type decides"),
            Param::query("db", "database", "demo", "database for formats whose lines name none"),
            WRITE_UNIT,
            PRECISION,
        ],
        answer: "count of samples",
        ..post(
            "import",
            "Write",
            "/api/v1/import",
            "writes samples",
            Body {
                content_type: "text/plain",
                example: "demo/room.temp 21.5",
                explain: "one line per sample: database/metric value [timestamp]",
            },
            |app, x| Box::pin(async move { import::import(&app, &x).await }),
        )
    },
    Endpoint {
        params: &[
            Param::query("db", "database", "prometheus", "database").standard("prometheus"),
            Param::query("format", "text", "prometheus", "ingest format; without it the first bytes decide"),
            WRITE_UNIT,
            PRECISION,
        ],
        answer: "204",
        lenient: true,
        ..post(
            "import_prometheus",
            "Write",
            "/api/v1/import/prometheus",
            "writes samples of Prometheus text",
            Body {
                content_type: "text/plain",
                example: "node_load1{host=\"pi\"} 0.25",
                explain: "Prometheus text exposition",
            },
            |app, x| Box::pin(async move { import::import_prometheus(&app, &x).await }),
        )
    },
    Endpoint {
        params: &[
            QUERY,
            DB,
            Param::query("time", "time", "-5m", "the newest value at or before this time; without it now"),
            UNIT,
        ],
        answer: "vector",
        by_form: true,
        ..get("query", "Query", "/api/v1/query", "the newest value, now or at a time", |app, x| {
            Box::pin(async move { query::query(&app, &x).await })
        })
    },
    Endpoint {
        params: &[
            QUERY,
            DB,
            Param::query("start", "time", "-1h", "first time").required(),
            Param::query("end", "time", "now", "last time").standard("now"),
            Param::query("step", "duration", "1m", "averages of windows of this width"),
            Param::query("aggregate", "text", "avg,max", "names of aggregates, with window"),
            Param::query("window", "duration", "5m", "width of the windows, with aggregate"),
            UNIT,
        ],
        answer: "matrix",
        by_form: true,
        ..get("query_range", "Query", "/api/v1/query_range", "samples or aggregates of a range", |app, x| {
            Box::pin(async move { query_range::query_range(&app, &x).await })
        })
    },
    get("aggregates", "Catalog", "/api/v1/aggregates", "names of the aggregates", |_, x| now(catalog::aggregates(&x))),
    Endpoint {
        params: &[
            Param::query("include_internal", "bool", "true", "with the database of the engine's own metrics")
                .standard("false"),
            Param::query("details", "bool", "true", "with the state of each, and the reason").standard("false"),
        ],
        ..get("databases", "Catalog", "/api/v1/databases", "names of the databases", |app, x| {
            now(catalog::databases(&app, &x))
        })
    },
    Endpoint {
        params: &[
            Param::query("db", "database", "demo", "database").required(),
            Param::query("details", "bool", "true", "with ids and types").standard("false"),
            Param::query("lineage", "text", "rollups", "with what rollups make of each metric").of(&["rollups"]),
            Param::query("max_hops", "number", "1", "rollups of rollups that are followed, 1 to 5").standard("1"),
        ],
        ..get("metrics", "Catalog", "/api/v1/metrics", "metrics of a database", |app, x| {
            now(catalog::metrics(&app, &x))
        })
    },
    post(
        "rollup_backfill",
        "Operation",
        "/api/v1/rollup/backfill",
        "computes destinations of rollups anew",
        Body {
            content_type: "application/json",
            example: r#"{"source_db":"demo"}"#,
            explain: "source_db, source_dbs, or {} for all",
        },
        |app, x| Box::pin(async move { rollup::backfill(&app, &x).await }),
    ),
    Endpoint {
        lenient: true,
        ..get("health", "Operation", "/health", "whether everything can be written", |app, _| {
            now(Ok(health::health(&app)))
        })
    },
    Endpoint {
        answer: "Prometheus text",
        lenient: true,
        ..get("exposition", "Operation", "/metrics", "the server's numbers about itself", |app, x| {
            now(Ok(metrics_text::metrics_text(&app, &x)))
        })
    },
    Endpoint {
        changes: false,
        answer: "columns",
        ..post(
            "ui_batch",
            "Web interface",
            "/api/v1/ui/batch",
            "many series at once: samples, or minimum, average and maximum per bucket",
            Body {
                content_type: "application/json",
                example: r#"{"ranges":[{"start_ms":1777593600000,"end_ms":1777597200000,"buckets":600}],"series":[{"db":"demo","metric":"room.temp"}]}"#,
                explain: "ranges of time with the columns of the screen, and series; each series names its range by index",
            },
            |app, x| Box::pin(async move { ui::batch::batch(&app, &x).await }),
        )
    },
    Endpoint {
        params: &[
            Param::query("s", "text", "demo/room.temp", "a series; may be given up to 1,000 times").many(),
            Param::query("since_ms", "number", "1777597200000", "begins with the points after this time"),
            Param::query("every_ms", "number", "1000", "shortest time between two events of points, 250 to 60000")
                .standard("1000"),
        ],
        answer: "server-sent events",
        ..get(
            "ui_stream",
            "Web interface",
            "/api/v1/ui/stream",
            "new points, state and progress as they come",
            |app, x| Box::pin(async move { ui::stream::stream(&app, &x).await }),
        )
    },
    Endpoint {
        params: &[
            Param::query("internal", "bool", "true", "with the database of the engine's own metrics").standard("false")
        ],
        ..get(
            "ui_catalog",
            "Web interface",
            "/api/v1/ui/catalog",
            "databases and metrics with their newest values",
            |app, x| Box::pin(async move { ui::catalog::catalog(&app, &x).await }),
        )
    },
    get("ui_settings", "Web interface", "/api/v1/ui/settings", "settings of the pages", |app, x| {
        now(ui::catalog::settings(&app, &x))
    }),
    get("ui_endpoints", "Web interface", "/api/v1/ui/endpoints", "this table as JSON", |_, x| now(endpoints(&x))),
    get(
        "ui_engine",
        "Web interface",
        "/api/v1/ui/engine",
        "process, settings, times, counters, databases",
        |app, x| Box::pin(async move { ui::engine::engine(&app, &x).await }),
    ),
    Endpoint {
        params: &[UI_DB],
        counted_as: "ui_engine",
        ..get(
            "ui_engine_database",
            "Web interface",
            "/api/v1/ui/engine/{db}",
            "manifest, partitions, open pages and log of a database",
            |app, x| Box::pin(async move { ui::engine::database(&app, &x, argument(&x)).await }),
        )
    },
    post(
        "ui_acknowledge",
        "Web interface",
        "/api/v1/ui/acknowledge",
        "what was mended has been seen: health and answers tell it no more",
        Body {
            content_type: "application/json",
            example: r#"{"db":null}"#,
            explain: "db is a database, or null for all",
        },
        |app, x| Box::pin(async move { ui::warnings::acknowledge(&app, &x).await }),
    ),
    get("ui_jobs", "Web interface", "/api/v1/ui/jobs", "actions that run or ran", |app, x| {
        now(ui::jobs::list(&app, &x))
    }),
    Endpoint {
        counted_as: "ui_jobs",
        ..post(
            "ui_job_start",
            "Web interface",
            "/api/v1/ui/jobs",
            "builds metric files, or compacts raw files",
            Body {
                content_type: "application/json",
                example: r#"{"kind":"build_metric","db":"demo","partition":null}"#,
                explain: "kind is build_metric or compact; partition null means all sealed ones",
            },
            |app, x| Box::pin(async move { ui::jobs::start(&app, &x).await }),
        )
    },
    Endpoint {
        params: &[Param::path("id", "number", "1", "id of the job")],
        counted_as: "ui_jobs",
        ..get("ui_job", "Web interface", "/api/v1/ui/jobs/{id}", "one of them", |app, x| {
            now(ui::jobs::one(&app, &x, argument(&x)))
        })
    },
    Endpoint {
        method: "DELETE",
        changes: true,
        params: &[Param::path("id", "number", "1", "id of the job")],
        counted_as: "ui_jobs",
        ..get("ui_job_stop", "Web interface", "/api/v1/ui/jobs/{id}", "asks it to stop", |app, x| {
            now(ui::jobs::stop(&app, &x, argument(&x)))
        })
    },
    Endpoint {
        answer: "the document",
        counted_as: "dashboard_config",
        ..get("dashboard", "Dashboard", "/api/dashboard-config", "the dashboard document", |app, x| {
            Box::pin(async move { ui::dashboard::get(&app, &x).await })
        })
    },
    Endpoint {
        method: "PUT",
        params: &[IF_MATCH],
        counted_as: "dashboard_config",
        ..post(
            "dashboard_save",
            "Dashboard",
            "/api/dashboard-config",
            "saves it; the one before becomes a backup",
            DASHBOARD,
            |app, x| Box::pin(async move { ui::dashboard::put(&app, &x).await }),
        )
    },
    Endpoint {
        changes: false,
        params: &[ANSWER],
        counted_as: "dashboard_config",
        ..post(
            "dashboard_validate",
            "Dashboard",
            "/api/dashboard-config/validate",
            "checks it without saving",
            DASHBOARD,
            |app, x| Box::pin(async move { ui::dashboard::validate(&app, &x).await }),
        )
    },
    Endpoint {
        counted_as: "dashboard_config",
        ..get(
            "dashboard_backups",
            "Dashboard",
            "/api/dashboard-config/backups",
            "the backups, newest first",
            |app, x| Box::pin(async move { ui::dashboard::backups(&app, &x).await }),
        )
    },
    Endpoint {
        params: &[BACKUP],
        answer: "the document",
        counted_as: "dashboard_config",
        ..get("dashboard_backup", "Dashboard", "/api/dashboard-config/backups/{name}", "one of them", |app, x| {
            Box::pin(async move { ui::dashboard::backup(&app, &x, argument(&x)).await })
        })
    },
    Endpoint {
        params: &[IF_MATCH],
        counted_as: "dashboard_config",
        ..post(
            "dashboard_restore",
            "Dashboard",
            "/api/dashboard-config/restore",
            "saves a backup as the document",
            Body {
                content_type: "application/json",
                example: r#"{"name":"dashboard-20260501T000000.000Z.json"}"#,
                explain: "name of a backup",
            },
            |app, x| Box::pin(async move { ui::dashboard::restore(&app, &x).await }),
        )
    },
];

impl Endpoint {
    /// Refuses a name that is no parameter of the query string or the form, with those that are. `_` is what some clients add to get past caches.
    /// `seen` has a bit for each that was there before; one that comes again is refused as well.
    pub(crate) fn check_parameter(&self, name: &str, seen: &mut u64) -> Result<(), ApiError> {
        let query = || self.params.iter().filter(|param| param.place == "query").map(|param| param.name);
        let place = self.params.iter().position(|param| param.place == "query" && param.name == name);
        if let Some((param, bit)) = place.and_then(|at| Some((self.params.get(at)?, 1u64.checked_shl(at as u32)?))) {
            let again = *seen & bit != 0 && !param.many;
            *seen |= bit;
            let reason = || format!("parameter {name} is there more than once: give one of them");
            return if again { Err(ApiError::bad(reason())) } else { Ok(()) };
        }
        if self.lenient || name == "_" {
            return Ok(());
        }
        let known: Vec<&str> = query().collect();
        let hint = match nearest(name, &known) {
            Some(near) => format!("did you mean {near}? known are {}", known.join(", ")),
            None if known.is_empty() => "there are none here".to_owned(),
            None => format!("known are {}", known.join(", ")),
        };
        Err(ApiError::bad(format!("unknown parameter {name:?}: {hint}")))
    }
}

/// What takes a request.
pub(super) enum Found {
    /// This one, with its index.
    Endpoint(usize, &'static Endpoint),
    /// The path is there with other methods, as they stand in `Allow`.
    OtherMethods(&'static str),
    /// Nothing is at the path.
    Nothing,
}

/// The endpoint for a path and a method. HEAD is GET whose body hyper leaves out.
pub(super) fn find(path: &str, method: &str) -> Found {
    let method = if method == "HEAD" { "GET" } else { method };
    let there = || ENDPOINTS.iter().enumerate().filter(|(_, endpoint)| matches(endpoint.path, path).is_some());
    let takes = |endpoint: &Endpoint| endpoint.method == method || endpoint.by_form && method == "POST";
    if let Some((at, endpoint)) = there().find(|(_, endpoint)| takes(endpoint)) {
        return Found::Endpoint(at, endpoint);
    }
    let mut methods: Vec<&str> = there().map(|(_, endpoint)| endpoint.method).collect();
    methods.extend(there().filter(|(_, endpoint)| endpoint.by_form).map(|_| "POST"));
    match methods.as_slice() {
        [] => Found::Nothing,
        ["GET"] => Found::OtherMethods(ONLY_GET),
        ["POST"] => Found::OtherMethods("POST"),
        ["GET", "POST"] => Found::OtherMethods("GET, HEAD, POST"),
        ["GET", "PUT"] => Found::OtherMethods("GET, HEAD, PUT"),
        _ => Found::OtherMethods("GET, HEAD, DELETE"),
    }
}

/// `Allow` of what can be read alone.
pub(super) const ONLY_GET: &str = "GET, HEAD";

/// 405 that names the methods there are.
pub(super) fn other_methods(exchange: &Exchange, allow: &'static str) -> ApiError {
    let (method, path) = (&exchange.method, exchange.uri.path());
    let message = format!("{method} {path}: the method must be {allow}");
    ApiError { allow: Some(allow), ..ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message) }
}

/// Whether what answers here changes something.
pub(super) fn changes(path: &str, method: &str) -> bool {
    matches!(find(path, method), Found::Endpoint(_, endpoint) if endpoint.changes)
}

/// Whether a path is of a pattern, and the text for its braces.
fn matches<'p>(pattern: &str, path: &'p str) -> Option<Option<&'p str>> {
    match pattern.split_once('{') {
        None => (pattern == path).then_some(None),
        Some((before, _)) => {
            let argument = path.strip_prefix(before)?;
            (!argument.is_empty() && !argument.contains('/')).then_some(Some(argument))
        }
    }
}

/// What stands in the path where the pattern of its endpoint has braces.
fn argument(exchange: &Exchange) -> &str {
    let pattern = exchange.row().map_or("", |endpoint| endpoint.path);
    matches(pattern, exchange.uri.path()).flatten().unwrap_or_default()
}

/// `GET /api/v1/ui/endpoints`
pub(crate) fn endpoints(exchange: &Exchange) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Document {
        endpoints: &'static [Endpoint],
    }
    let body = serde_json::to_vec(&Document { endpoints: ENDPOINTS }).map_err(|_| ApiError::internal())?;
    Ok(compressed(exchange, json(StatusCode::OK, Bytes::new()), body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fmt::Write;

    fn document() -> String {
        let mut text = String::from("| method | path | for |\n|---|---|---|\n");
        for Endpoint { method, path, summary, .. } in ENDPOINTS {
            let _ = writeln!(text, "| {method} | `{path}` | {summary} |");
        }
        text
    }

    #[test]
    fn the_document_has_this_table() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/HTTP_API.md");
        let page = std::fs::read_to_string(page).unwrap();
        let table = document();
        assert!(page.contains(&table), "docs/HTTP_API.md must hold this table:\n\n{table}");
    }

    #[test]
    fn ids_are_unique_and_bodies_are_what_they_say() {
        let ids: BTreeSet<_> = ENDPOINTS.iter().map(|endpoint| endpoint.id).collect();
        assert_eq!(ids.len(), ENDPOINTS.len());
        for endpoint in ENDPOINTS {
            if let Some(body) = endpoint.body.as_ref().filter(|body| body.content_type == "application/json") {
                serde_json::from_str::<serde_json::Value>(body.example)
                    .unwrap_or_else(|e| panic!("{}: {e}", endpoint.id));
            }
            let braces = endpoint.path.contains('{');
            assert_eq!(endpoint.params.iter().any(|param| param.place == "path"), braces, "{}", endpoint.id);
        }
    }

    #[test]
    fn unknown_parameters_are_told_the_known_ones() {
        let at = |path: &str| ENDPOINTS.iter().find(|endpoint| endpoint.path == path).unwrap();
        let refused = |path: &str, name: &str| at(path).check_parameter(name, &mut 0).map_err(|e| e.message);
        let known = "known are query, db, start, end, step, aggregate, window, timestamp_unit";
        let range = "/api/v1/query_range";
        assert_eq!(refused(range, "setp"), Err(format!("unknown parameter \"setp\": did you mean step? {known}")));
        assert_eq!(refused(range, "limit"), Err(format!("unknown parameter \"limit\": {known}")));
        assert_eq!(refused(range, "step"), Ok(()));
        assert_eq!(refused("/api/v1/aggregates", "x"), Err("unknown parameter \"x\": there are none here".to_owned()));
        // Headers and parts of the path are no parameters of a query string.
        assert!(
            refused("/api/dashboard-config", "If-Match").is_err() && refused("/api/v1/ui/engine/{db}", "db").is_err()
        );
        for endpoint in ENDPOINTS {
            assert!(endpoint.check_parameter("_", &mut 0).is_ok(), "{}", endpoint.id);
            let lenient = ["import_prometheus", "health", "exposition"].contains(&endpoint.id);
            assert_eq!(endpoint.check_parameter("nonsense", &mut 0).is_ok(), lenient, "{}", endpoint.id);
        }
    }

    #[test]
    fn paths_and_methods_are_found() {
        let id = |path, method| match find(path, method) {
            Found::Endpoint(at, endpoint) => {
                assert_eq!(ENDPOINTS[at].id, endpoint.id);
                endpoint.id
            }
            Found::OtherMethods(allow) => allow,
            Found::Nothing => "nothing",
        };
        for (path, method, expected) in [
            ("/api/v1/ui/engine/pi0", "GET", "ui_engine_database"),
            ("/api/v1/ui/engine", "HEAD", "ui_engine"),
            ("/api/dashboard-config", "PUT", "dashboard_save"),
            ("/api/v1/query", "POST", "query"),
            ("/api/v1/query_range", "DELETE", "GET, HEAD, POST"),
            ("/api/v1/import", "GET", "POST"),
            ("/health", "POST", "GET, HEAD"),
            ("/api/v1/ui/engine/a/b", "GET", "nothing"),
            ("/api/v1/ui/engine/", "GET", "nothing"),
            ("/api/v1/import/", "POST", "nothing"),
            ("/api/dashboard-config", "POST", "GET, HEAD, PUT"),
            ("/api/v1/ui/jobs/7", "PUT", "GET, HEAD, DELETE"),
            ("/api/v1/ui/jobs", "DELETE", "GET, HEAD, POST"),
        ] {
            assert_eq!(id(path, method), expected, "{method} {path}");
        }
        assert_eq!(matches("/api/v1/ui/engine/{db}", "/api/v1/ui/engine/pi0"), Some(Some("pi0")));
        assert!(changes("/api/v1/import", "POST") && changes("/api/v1/ui/jobs/7", "DELETE"));
        assert!(!changes("/api/v1/query", "POST") && !changes("/api/v1/ui/batch", "POST"));
    }
}
