//! Endpoints of a third party: devices report in a JSON of their own, and can be asked for.
//!
//! ```text
//! curl -X POST 'http://localhost:8428/devices/porch/report' -H 'Content-Type: application/json' -d '{"temperature":70.7,"unit":"F"}'
//! curl 'http://localhost:8428/devices'
//! curl 'http://localhost:8428/devices/porch/history?since=-1h'
//! ```
//!
//! The rows below are all that the server needs to know: unknown parameters are refused, other methods are 405, requests are counted, and the
//! API tester shows them, without another line anywhere.

#![deny(unsafe_code)]

use nanotdb_core::config::ConfigSection;
use nanotdb_core::engine::{Batch, Engine};
use nanotdb_core::model::Value;
use nanotdb_core::model::name::check_database_name;
use nanotdb_core::model::time::parse_time;
use nanotdb_core::settings::{Key, Kind, Section};
use nanotdb_server::endpoint::{
    Access, ApiError, App, Body, Endpoint, Group, Param, Params, Request, Response, State, now, submit,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

const DEVICES: Group = Group::named("Devices");
const DEVICE: Param = Param::path("device", "text", "porch", "name of the device");
const DB: Param = Param::query("db", "database", "devices", "database; without it devices.database of engine.toml");

/// `[devices]` of engine.toml, which `--init` writes and every start checks.
struct Settings {
    database: String,
}

const KEYS: [Key; 1] =
    [Key::new("database", Kind::Text, "\"devices\"", "Database of reports that name none: letters, digits, _ . -")];

submit! {
    ConfigSection::new("devices", "Devices that report in a JSON of their own.", &KEYS, |section| drop(Settings::read(section)))
}

impl Settings {
    fn read(section: &mut Section<'_>) -> Self {
        let is_name = |name: &str| check_database_name(name.as_bytes()).map(drop);
        Self { database: section.checked("database", "devices", is_name) }
    }
}

impl State for Settings {
    fn new(app: &App) -> Self {
        app.engine().config().section("devices", Self::read)
    }
}

/// The database that a request means.
fn database(request: &Request, params: &Params) -> String {
    params.get("db").unwrap_or(&request.state::<Settings>().database).to_owned()
}

submit! {
    Endpoint::post(
        "device_report",
        "/devices/{device}/report",
        "stores what a device measured",
        Body::json(r#"{"temperature":21.5}"#, "temperature, and unit C or F"),
        |request| Box::pin(report(request)),
    )
    .group(DEVICES)
    .access(Access::Write)
    .params(&[DEVICE, DB])
}

submit! {
    Endpoint::get("devices", "/devices", "how often each device has reported", |request| now(Ok(list(&request))))
        .group(DEVICES)
}

submit! {
    Endpoint::get(
        "device_history",
        "/devices/{device}/history",
        "its temperatures as text",
        |request| Box::pin(history(request)),
    )
    .group(DEVICES)
    .params(&[DEVICE, DB, Param::query("since", "time", "-1h", "first time").standard("-1h")])
    .answer("one line per sample: time in nanoseconds, value")
}

submit! {
    Endpoint::post(
        "device_readings",
        "/devices/{device}/readings",
        "stores many temperatures, one a line",
        Body::new("text/plain", "21.5\n21.75\n", "numbers, the newest last; a nanosecond apart"),
        |request| Box::pin(readings(request)),
    )
    .group(DEVICES)
    .access(Access::Write)
    .params(&[DEVICE, DB])
}

/// Reports of each device since the server started.
struct Reports(Mutex<BTreeMap<String, u64>>);

impl State for Reports {
    fn new(_: &App) -> Self {
        Self(Mutex::default())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    temperature: f64,
    #[serde(default)]
    unit: Unit,
}

#[derive(Default, Deserialize)]
enum Unit {
    #[default]
    C,
    F,
}

async fn report(request: Request) -> Result<Response, ApiError> {
    let params = request.query()?;
    let database = database(&request, &params);
    let device = request.path_param("device").to_owned();
    let accepted = r#"send {"temperature":number}, and perhaps "unit":"C" or "F""#;
    let Report { temperature, unit } = request.body_json(4_096, accepted).await?;
    let celsius = match unit {
        Unit::C => temperature,
        Unit::F => (temperature - 32.0) / 1.8,
    };
    let (engine, metric) = (request.engine().clone(), format!("{device}.temp"));
    // It may wait for the disk.
    let write = move || engine.add_sample(&database, &metric, Value::Float64(celsius), None);
    Request::blocking(write).await?.map_err(ApiError::of_write)?;
    let mut reports = request.state::<Reports>().0.lock().unwrap_or_else(PoisonError::into_inner);
    *reports.entry(device).or_default() += 1;
    Ok(request.success(&Stored { celsius }))
}

#[derive(Serialize)]
struct Stored {
    celsius: f64,
}

/// A body of any length, taken piece by piece; a line may be in two of them.
async fn readings(request: Request) -> Result<Response, ApiError> {
    let params = request.query()?;
    let (database, metric) = (database(&request, &params), format!("{}.temp", request.path_param("device")));
    let mut pieces = request.pieces()?;
    let (mut rest, mut celsius) = (Vec::new(), Vec::new());
    while let Some(piece) = pieces.next().await? {
        rest.extend_from_slice(&piece);
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in rest.drain(..whole).as_slice().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let number = std::str::from_utf8(line).ok().and_then(|line| line.trim().parse::<f64>().ok());
            celsius.push(number.ok_or_else(|| ApiError::bad("send a number a line"))?);
        }
    }
    // A million of them takes more than a request may take unasked.
    let _memory = request.memory(celsius.len() as u64 * 64).await?;
    let mut batch = Batch::from_outside();
    let newest = request.now();
    for (celsius, before) in celsius.iter().zip((0..celsius.len() as i64).rev()) {
        batch.push(&database, &metric, Value::Float64(*celsius), Some(newest - before));
    }
    let engine = request.engine().clone();
    let outcome = Request::blocking(move || engine.write_batch(&mut batch)).await?.map_err(ApiError::of_write)?;
    Ok(request.success(&outcome.accepted))
}

fn list(request: &Request) -> Response {
    let reports = request.state::<Reports>().0.lock().unwrap_or_else(PoisonError::into_inner);
    request.success(&*reports)
}

async fn history(request: Request) -> Result<Response, ApiError> {
    let params = request.query()?;
    let database = database(&request, &params);
    let since = params.get("since").unwrap_or("-1h");
    let (from, to) = (parse_time(since, None, request.now()), request.now());
    let from = from.map_err(|error| ApiError::parameter("since", since, error))?;
    let (engine, metric) = (request.engine().clone(), format!("{}.temp", request.path_param("device")));
    if engine.metric(&database, &metric)?.is_none() {
        return Err(ApiError::not_found(format!("no device has reported as {:?}", request.path_param("device"))));
    }
    let app = Arc::clone(request.app());
    let answer = request.stream("text/plain; charset=utf-8", move |out| {
        write_history(&engine, (&database, &metric), (from, to), || app.is_stopping(), out)
    });
    Ok(answer.await)
}

/// Ends early when the client has gone, or the server stops.
fn write_history(
    engine: &Engine,
    (database, metric): (&str, &str),
    (from, to): (i64, i64),
    is_stopping: impl Fn() -> bool,
    out: &mut impl Write,
) -> Result<(), ApiError> {
    let found = engine.query_range(database, metric, from, to, 1, |sample| {
        let written = writeln!(out, "{} {}", sample.timestamp, sample.value);
        if written.is_err() || is_stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    for warning in found.warnings {
        let _ = writeln!(out, "# {warning}");
    }
    Ok(())
}
