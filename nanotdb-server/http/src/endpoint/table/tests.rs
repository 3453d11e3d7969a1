use super::*;
use crate::description::{Body, Param};
use crate::endpoint::{Request, Response, now};
use crate::error::ApiError;
use crate::params::check_names;
use std::fmt::Write;

fn document() -> String {
    let mut text = String::from("| method | path | who may | for |\n|---|---|---|---|\n");
    for Description { method, path, access, summary, .. } in table().endpoints() {
        let _ = writeln!(text, "| {method} | `{path}` | {} | {summary} |", access.name());
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
fn the_rows_make_sense_and_bodies_are_what_they_say() {
    table().check().unwrap();
    assert!(table().endpoints().count() > 20);
    for about in table().endpoints() {
        if let Some(body) = about.body.as_ref().filter(|body| body.content_type == "application/json") {
            serde_json::from_str::<serde_json::Value>(body.example).unwrap_or_else(|e| panic!("{}: {e}", about.id));
        }
        assert!(!about.place.file().is_empty());
    }
}

fn refused(path: &str, name: &str) -> Result<(), String> {
    let about = table().endpoints().find(|about| about.path == path).unwrap();
    check_names(&[name.as_bytes()], about).map_err(|e| e.message)
}

#[test]
fn unknown_parameters_are_told_the_known_ones() {
    let known = "known are query, db, start, end, step, aggregate, window, timestamp_unit";
    let range = "/api/v1/query_range";
    assert_eq!(refused(range, "setp"), Err(format!("unknown parameter \"setp\": did you mean step? {known}")));
    assert_eq!(refused(range, "limit"), Err(format!("unknown parameter \"limit\": {known}")));
    assert_eq!(refused(range, "step"), Ok(()));
    assert_eq!(refused("/api/v1/aggregates", "x"), Err("unknown parameter \"x\": there are none here".to_owned()));
    // Headers and parts of the path are no parameters of a query string.
    assert!(refused("/api/dashboard-config", "If-Match").is_err() && refused("/api/v1/ui/engine/{db}", "db").is_err());
    for about in table().endpoints() {
        assert!(check_names(&[b"_"], about).is_ok(), "{}", about.id);
        let lenient = ["import_prometheus", "health", "exposition"].contains(&about.id);
        assert_eq!(check_names(&[b"nonsense"], about).is_ok(), lenient, "{}", about.id);
    }
}

fn id(table: &'static Table, path: &str, method: &str) -> &'static str {
    match table.find(path, method) {
        Found::Endpoint(row) => row.endpoint.about.id,
        Found::OtherMethods(place) => &place.allow,
        Found::Nothing => "nothing",
    }
}

#[test]
fn paths_and_methods_are_found() {
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
        assert_eq!(id(table(), path, method), expected, "{method} {path}");
    }
    let about = |path, method| table().find(path, method).about().unwrap();
    assert_eq!(about("/api/v1/ui/engine/pi0", "GET").argument("db", "/api/v1/ui/engine/pi0"), "pi0");
    let changes = |path, method| about(path, method).access.changes();
    assert!(changes("/api/v1/import", "POST") && changes("/api/v1/ui/jobs/7", "DELETE"));
    assert!(!changes("/api/v1/query", "POST") && !changes("/api/v1/ui/batch", "POST"));
}

#[test]
fn every_row_counts_under_its_name() {
    for about in table().endpoints() {
        let Found::Endpoint(row) = table().find(about.path, about.method) else { panic!("{} is not found", about.id) };
        assert_eq!(table().names()[usize::from(row.slot)], about.counted_as, "{}", about.id);
    }
    assert_eq!((table().names()[usize::from(OTHER)], table().names()[usize::from(PAGE)]), ("other", "page"));
}

fn nothing(_: Request) -> crate::endpoint::Answer {
    let answer: Result<Response, ApiError> = Err(ApiError::internal());
    now(answer)
}

const fn row(method: &'static str, id: &'static str, path: &'static str) -> Endpoint {
    Endpoint::new(method, id, path, "for a test", nothing)
}

fn table_of(rows: impl IntoIterator<Item = Endpoint>) -> &'static Table {
    let rows = rows.into_iter().map(|row| -> &'static Endpoint { Box::leak(Box::new(row)) });
    Box::leak(Box::new(Table::of(rows.collect())))
}

#[test]
fn parts_in_braces_stand_anywhere_and_text_comes_before_them() {
    const NAME: &[Param] = &[Param::path("name", "text", "x", "x")];
    const BOTH: &[Param] = &[Param::path("a", "text", "x", "x"), Param::path("b", "text", "x", "x")];
    let table = table_of([
        row("GET", "values", "/api/v1/label/{name}/values").params(NAME),
        row("GET", "both", "/x/{a}/{b}").params(BOTH),
        row("GET", "half", "/x/{a}/y").params(&BOTH[..1]),
        row("GET", "plain", "/x/q/y"),
        row("POST", "posted", "/x/q/y").body(Body::json("{}", "x")),
    ]);
    table.check().unwrap();
    for (path, expected) in [
        ("/api/v1/label/job/values", "values"),
        ("/api/v1/label//values", "nothing"),
        ("/api/v1/label/job/valuesx", "nothing"),
        ("/api/v1/label/a/b/values", "nothing"),
        ("/x/1/2", "both"),
        ("/x/1/y", "half"),
        ("/x/q/y", "plain"),
        ("/x/1", "nothing"),
    ] {
        assert_eq!(id(table, path, "GET"), expected, "{path}");
    }
    let about = table.find("/x/1/2", "GET").about().unwrap();
    assert_eq!(
        (about.argument("a", "/x/1/2"), about.argument("b", "/x/1/2"), about.argument("c", "/x/1/2")),
        ("1", "2", "")
    );
    assert_eq!(id(table, "/x/q/y", "PUT"), "GET, HEAD, POST");
}

#[test]
fn two_of_the_same_are_refused_with_both_names() {
    const NAME: &[Param] = &[Param::path("name", "text", "x", "x")];
    const OTHER: &[Param] = &[Param::path("other", "text", "x", "x")];
    let says = |rows: [Endpoint; 2]| table_of(rows).check().map_err(|error| error.to_string());
    for (rows, what) in [
        ([row("GET", "one", "/x"), row("GET", "two", "/x")], "GET /x"),
        ([row("GET", "one", "/x").by_form(), row("POST", "two", "/x")], "POST /x"),
        ([row("GET", "one", "/x/{name}").params(NAME), row("GET", "two", "/x/{other}").params(OTHER)], "GET /x/{name}"),
    ] {
        let said = says(rows).unwrap_err();
        assert!(said.starts_with(&format!("two endpoints have {what}: \"one\" of ")), "{said}");
        assert!(said.contains("\"two\" of ") && said.matches("table/tests.rs:").count() == 2, "{said}");
    }
    let said = says([row("GET", "one", "/x"), row("GET", "one", "/y")]).unwrap_err();
    assert!(said.starts_with("two endpoints have the id \"one\""), "{said}");
    assert_eq!(says([row("GET", "one", "/x"), row("POST", "two", "/x")]), Ok(()));
}

#[test]
fn a_row_that_makes_no_sense_is_refused_by_name() {
    const NAME: &[Param] = &[Param::path("name", "text", "x", "x")];
    for (row, reason) in [
        (row("GET", "one", "x"), "begin with a slash"),
        (row("GET", "one", "/x//y"), "text between two"),
        (row("GET", "one", "/x/{name}"), "Param::path"),
        (row("GET", "one", "/x").params(NAME), "Param::path"),
        (row("GET", "one", "/x/a{name}").params(NAME), "braces"),
        (row("get", "one", "/x"), "capitals"),
        (row("HEAD", "one", "/x"), "HEAD"),
    ] {
        let said = table_of([row]).check().unwrap_err().to_string();
        assert!(said.contains("\"one\" of ") && said.contains(reason), "{said}");
    }
}
