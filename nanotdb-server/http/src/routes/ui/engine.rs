//! `/api/v1/ui/engine`: the process, the settings, times and counters, and what each database consists of.

use super::catalog::number;
use super::documents::document;
use super::host;
use super::numbers::millis;
use super::warnings::{WarningEntry, warnings};
use crate::app::App;
use crate::endpoint::{Endpoint, Group, Param, Request, submit};
use crate::error::ApiError;
use crate::rejections::{Refused, Rejections};
use crate::respond::blocking;
use crate::routes::catalog::{names, state_of};
use http::StatusCode;
use nanotdb_core::Error;
use nanotdb_core::config::{Choice, Setting};
use nanotdb_core::engine::{DatabaseDescription, INTERNAL_DATABASE, PartitionDescription};
use nanotdb_core::maintenance::inspect::{WalReport, read_catalog, wal_files};
use nanotdb_core::model::{Sample, Timestamp, Value};
use nanotdb_core::plugin::listing::Listed;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::stats::{Counter, Kind, Metric, Recorder, Times, Unit};
use nanotdb_core::storage::vfs::RealVfs;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use warp::reply::Response;

/// Partitions whose files are looked into, of each database.
pub(super) const MOST_PARTITIONS: usize = 400;
/// Largest log that is read for its tail.
const MAX_LOG: u64 = 8 << 20;
/// Records of the tail.
const TAIL: usize = 20;

submit! {
    Endpoint::get(
        "ui_engine",
        "/api/v1/ui/engine",
        "process, settings, times, counters, databases",
        |request| Box::pin(engine(request)),
    )
    .group(Group::WEB)
}

submit! {
    Endpoint::get(
        "ui_engine_database",
        "/api/v1/ui/engine/{db}",
        "manifest, partitions, open pages and log of a database",
        |request| Box::pin(database(request)),
    )
    .group(Group::WEB)
    .params(&[Param::path("db", "database", "demo", "database")])
    .counted_as("ui_engine")
}

#[derive(Serialize)]
struct EngineDocument {
    now_ms: i64,
    version: &'static str,
    format_versions: BTreeMap<&'static str, u32>,
    runtime: Runtime,
    settings: Vec<SettingEntry>,
    timings: Vec<Timing>,
    counters: Vec<CounterEntry>,
    databases: Vec<DatabaseRow>,
    warnings: Vec<WarningEntry>,
    /// Everything that is linked into the program.
    plugins: Vec<Listed>,
    rejections: Vec<RefusedEntry>,
}

/// A request with lines that were refused.
#[derive(Serialize)]
struct RefusedEntry {
    t_ms: i64,
    sender: Option<String>,
    accepted: u64,
    rejected: u64,
    lines: Vec<RefusedLine>,
}

#[derive(Serialize)]
struct RefusedLine {
    line: u64,
    error: String,
}

impl From<Refused> for RefusedEntry {
    fn from(refused: Refused) -> Self {
        let Refused { at, sender, accepted, rejected, lines } = refused;
        let lines = lines.into_iter().map(|(line, error)| RefusedLine { line, error }).collect();
        Self { t_ms: millis(at), sender, accepted, rejected, lines }
    }
}

#[derive(Serialize)]
struct Runtime {
    pid: u32,
    started_ms: i64,
    threads: Option<u64>,
    rss_bytes: Option<u64>,
    open_files: Option<u64>,
    cpu_seconds: Option<f64>,
    data_dir: String,
    disk_free_bytes: Option<u64>,
    disk_total_bytes: Option<u64>,
    os: &'static str,
    arch: &'static str,
}

#[derive(Serialize)]
struct SettingEntry {
    key: String,
    value: String,
    default: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    explain: String,
}

impl SettingEntry {
    fn new(setting: Setting, source: Option<&'static str>) -> Self {
        let Setting { key, value, default, explain } = setting;
        Self { key, value, default, source, explain }
    }
}

#[derive(Serialize)]
struct Timing {
    name: &'static str,
    count: u64,
    last_ms: Option<f64>,
    mean_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
    last_at_ms: Option<i64>,
}

impl Timing {
    fn new(name: &'static str, total: &Counter, times: &Times) -> Self {
        let in_millis = |took: Duration| took.as_micros() as f64 / 1e3;
        let found = times.summary();
        Self {
            name,
            count: found.map_or(0, |found| found.count),
            last_ms: found.map(|found| in_millis(found.last)),
            mean_ms: found.map(|found| (total.get() as f64 / found.count as f64).round() / 1e3),
            p99_ms: found.map(|found| in_millis(found.p99)),
            max_ms: found.map(|found| in_millis(found.longest)),
            last_at_ms: found.map(|found| millis(found.last_at)),
        }
    }
}

#[derive(Serialize)]
struct CounterEntry {
    name: String,
    value: u64,
    unit: &'static str,
}

#[derive(Serialize)]
struct DatabaseRow {
    name: String,
    internal: bool,
    state: &'static str,
    reason: Option<String>,
    metrics: u64,
    points: Option<u64>,
    data_bytes: u64,
    wal_bytes: u64,
    open_pages: u64,
    open_points: u64,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    partitions: u64,
}

impl DatabaseRow {
    fn read(app: &App, name: String, health: &[(String, String)]) -> Self {
        let (state, reason) = state_of(app, &name, health);
        let found = app.engine.describe(&name, MOST_PARTITIONS).ok();
        let size = found.as_ref().map(|found| found.size).unwrap_or_default();
        let partitions = || found.iter().flat_map(|found| &found.partitions);
        let times = || partitions().filter_map(|one| one.times);
        Self {
            internal: name == INTERNAL_DATABASE,
            state,
            reason,
            metrics: size.metrics,
            points: found.as_ref().and_then(|found| found.partitions.iter().map(|one| one.points).sum()),
            data_bytes: size.bytes,
            wal_bytes: size.wal_bytes,
            open_pages: found.as_ref().map_or(0, |found| found.pages.len() as u64),
            open_points: size.open_rows,
            first_ms: times().map(|(first, _)| millis(first)).min(),
            last_ms: times().map(|(_, last)| millis(last)).max(),
            partitions: size.partitions,
            name,
        }
    }
}

/// Takes the numbers of the process and of the engine out of those that the server counts.
#[derive(Default)]
struct Numbers {
    counters: Vec<CounterEntry>,
    process: BTreeMap<&'static str, u64>,
}

impl Recorder for Numbers {
    fn record(&mut self, metric: &'static Metric, labels: &[&str], value: u64) {
        if metric.name.starts_with("nanotdb.process.") {
            self.process.insert(metric.name, value);
        } else if labels.is_empty() && metric.kind == Kind::Counter {
            let unit = match metric.unit {
                Unit::Count => "",
                unit => unit.name(),
            };
            let name = metric.help.trim_end_matches('.').to_owned();
            self.counters.push(CounterEntry { name, value, unit });
        }
    }
}

/// `GET /api/v1/ui/engine`
async fn engine(request: Request) -> Result<Response, ApiError> {
    let shared = Arc::clone(request.app());
    let found = blocking(move || EngineDocument::read(&shared)).await?;
    document(request.exchange(), StatusCode::OK, &found)
}

impl EngineDocument {
    fn read(app: &App) -> Self {
        let health = app.engine.health();
        let mut numbers = Numbers::default();
        app.engine.collect_stats(&mut numbers);
        let counters = app.engine.counters();
        let databases = names(app, true, &health).into_iter().map(|name| DatabaseRow::read(app, name, &health));
        Self {
            now_ms: millis(app.clock.now()),
            version: env!("CARGO_PKG_VERSION"),
            format_versions: BTreeMap::from([("raw", 1), ("metric", 3)]),
            settings: app.engine.config().explained().into_iter().map(|s| SettingEntry::new(s, None)).collect(),
            timings: vec![
                Timing::new("page flush", &counters.flush_time, &counters.flush_times),
                Timing::new("log fsync", &counters.wal_sync_time, &counters.wal_sync_times),
                Timing::new("data fsync", &counters.data_sync_time, &counters.data_sync_times),
            ],
            databases: databases.collect(),
            plugins: registry().list(),
            rejections: app.state::<Rejections>().newest().into_iter().map(RefusedEntry::from).collect(),
            warnings: warnings(app, None),
            runtime: Runtime::read(app, &numbers.process),
            counters: numbers.counters,
        }
    }
}

impl Runtime {
    fn read(app: &App, process: &BTreeMap<&'static str, u64>) -> Self {
        let of = |name: &str| process.get(name).copied();
        let disk = host::disk(app.engine.root());
        let root = app.engine.root();
        Self {
            pid: std::process::id(),
            started_ms: millis(app.started),
            threads: of("nanotdb.process.threads"),
            rss_bytes: of("nanotdb.process.resident_memory_bytes"),
            open_files: of("nanotdb.process.open_files"),
            cpu_seconds: of("nanotdb.process.cpu").map(|micros| micros as f64 / 1e6),
            data_dir: std::path::absolute(root).unwrap_or_else(|_| root.to_owned()).display().to_string(),
            disk_free_bytes: disk.map(|disk| disk.free),
            disk_total_bytes: disk.map(|disk| disk.total),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
        }
    }
}

#[derive(Serialize)]
struct DatabaseDocument {
    name: String,
    state: &'static str,
    reason: Option<String>,
    warnings: Vec<WarningEntry>,
    manifest: Vec<SettingEntry>,
    partitions: Vec<PartitionEntry>,
    open_pages: Vec<PageEntry>,
    wal: Wal,
    wal_tail: Vec<TailEntry>,
}

#[derive(Serialize)]
struct PartitionEntry {
    key: String,
    start_ms: Option<i64>,
    end_ms: Option<i64>,
    points: Option<u64>,
    sealed: bool,
    files: Vec<FileEntry>,
    can_build: bool,
    can_compact: bool,
}

#[derive(Serialize)]
struct FileEntry {
    name: String,
    kind: &'static str,
    bytes: u64,
    pages: Option<u64>,
    points: Option<u64>,
    codec: Option<String>,
}

#[derive(Serialize)]
struct PageEntry {
    partition: String,
    points: u64,
    bytes: u64,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    opened_ms: i64,
}

#[derive(Serialize)]
struct Wal {
    enabled: bool,
    files: Vec<WalFileEntry>,
    records: Option<u64>,
    fsync_policy: &'static str,
    last_fsync_ms: Option<i64>,
    unsynced_batches: u64,
    tail: String,
}

#[derive(Serialize)]
struct WalFileEntry {
    name: String,
    bytes: u64,
}

#[derive(Serialize)]
struct TailEntry {
    metric: String,
    t_ms: i64,
    v: Option<Box<RawValue>>,
}

/// `GET /api/v1/ui/engine/{db}`
async fn database(request: Request) -> Result<Response, ApiError> {
    let (shared, wanted) = (Arc::clone(request.app()), request.path_param("db").to_owned());
    let found = blocking(move || DatabaseDocument::read(&shared, wanted)).await??;
    document(request.exchange(), StatusCode::OK, &found)
}

impl DatabaseDocument {
    fn read(app: &App, name: String) -> Result<Self, Error> {
        let health = app.engine.health();
        let (state, reason) = state_of(app, &name, &health);
        let found = match app.engine.describe(&name, MOST_PARTITIONS) {
            Err(Error::Unavailable { .. }) => None,
            found => Some(found?),
        };
        let config = app.engine.config();
        let now = app.clock.now();
        let mut document = Self {
            warnings: warnings(app, Some(&name)),
            name,
            state,
            reason,
            manifest: Vec::new(),
            partitions: Vec::new(),
            open_pages: Vec::new(),
            wal: Wal {
                enabled: false,
                files: Vec::new(),
                records: None,
                fsync_policy: config.wal.fsync_policy.name(),
                last_fsync_ms: None,
                unsynced_batches: 0,
                tail: "clean".to_owned(),
            },
            wal_tail: Vec::new(),
        };
        // One that could not be opened shows why, and nothing else.
        if let Some(found) = found {
            document.fill(app, found, now);
        }
        Ok(document)
    }

    fn fill(&mut self, app: &App, found: DatabaseDescription, now: Timestamp) {
        let written = app.engine.root().join(&self.name).join("manifest.toml");
        let written = std::fs::read_to_string(written).ok().and_then(|text| text.parse::<toml::Table>().ok());
        let source = |key: &str| {
            let in_manifest = written.as_ref().is_some_and(|table| has_key(table, key));
            if in_manifest { "manifest" } else { "default" }
        };
        let entry = |setting: Setting| {
            let from = match source(&setting.key) {
                "default" if setting.value != setting.default => "engine",
                from => from,
            };
            SettingEntry::new(setting, Some(from))
        };
        self.manifest = found.manifest.into_iter().map(entry).collect();
        let due = found.due;
        let is_open = |name: &str| found.pages.iter().any(|page| page.partition == name);
        let entry = |one: PartitionDescription| PartitionEntry::new(&due, is_open(&one.name), one);
        self.partitions = found.partitions.into_iter().map(entry).collect();
        self.open_pages = found
            .pages
            .iter()
            .map(|page| PageEntry {
                partition: page.partition.clone(),
                points: page.points,
                bytes: page.bytes,
                first_ms: page.times.map(|(first, _)| millis(first)),
                last_ms: page.times.map(|(_, last)| millis(last)),
                opened_ms: millis(now).saturating_sub(i64::try_from(page.age.as_millis()).unwrap_or(i64::MAX)),
            })
            .collect();
        self.wal.enabled = found.has_wal;
        self.wal.last_fsync_ms = found.last_wal_sync.map(millis);
        self.wal.unsynced_batches = found.waiting_batches;
        if found.size.wal_bytes > MAX_LOG {
            let text = format!("clean: not read, since it is larger than {} MiB", MAX_LOG >> 20);
            self.wal.tail = text;
        } else {
            self.read_log(app);
        }
    }

    /// The log as it is in the files; a batch that is just being written shows as torn.
    fn read_log(&mut self, app: &App) {
        let directory = app.engine.root().join(&self.name);
        let reports = read_catalog(&RealVfs, &directory).and_then(|catalog| wal_files(&RealVfs, &directory, &catalog));
        let reports = match reports {
            Ok(reports) => reports,
            Err(error) => {
                self.wal.tail = format!("damaged: {error}");
                return;
            }
        };
        let name = |report: &WalReport| report.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let existing = || reports.iter().filter(|report| report.path.exists());
        self.wal.files = existing().map(|report| WalFileEntry { name: name(report), bytes: report.len }).collect();
        self.wal.records = Some(reports.iter().map(|report| report.summary.records).sum());
        for report in &reports {
            if let Some(damage) = report.summary.damaged.first() {
                self.wal.tail = format!("damaged: byte {}: {}", damage.from, damage.reason);
            } else if let Some(tail) = &report.summary.tail {
                let word = if tail.torn { "torn" } else { "damaged" };
                self.wal.tail = format!("{word}: byte {}: {}", tail.from, tail.reason);
            }
        }
        let newest = reports.iter().rev().flat_map(|report| report.records.iter().rev()).take(TAIL);
        self.wal_tail = newest
            .map(|record| {
                let value = Value::from_bits(record.value_type, record.bits);
                let sample = Sample { timestamp: record.timestamp, value };
                let metric = record.name.clone().unwrap_or_else(|| format!("#{}", record.id));
                TailEntry { metric, t_ms: millis(record.timestamp), v: number(&sample) }
            })
            .collect();
    }
}

/// Whether a dotted key is in a TOML table.
fn has_key(table: &toml::Table, key: &str) -> bool {
    match key.split_once('.') {
        None => table.contains_key(key),
        Some((first, rest)) => {
            table.get(first).and_then(toml::Value::as_table).is_some_and(|table| has_key(table, rest))
        }
    }
}

impl PartitionEntry {
    fn new(due: &[String], is_open: bool, found: PartitionDescription) -> Self {
        let partition = found.partition;
        // "forever" has no beginning and no end; what is in it has.
        let bounds = match (partition.start, partition.end) {
            (Timestamp::MIN, _) | (_, Timestamp::MAX) => found.times,
            bounds => Some(bounds),
        };
        let file = |file: nanotdb_core::engine::FileDescription| FileEntry {
            kind: if file.is_metric { "metric" } else { "raw" },
            name: file.name,
            bytes: file.bytes,
            pages: file.pages,
            points: file.points,
            codec: file.codec,
        };
        Self {
            start_ms: bounds.map(|(start, _)| millis(start)),
            end_ms: bounds.map(|(_, end)| millis(end)),
            points: found.points,
            sealed: found.is_sealed,
            can_build: due.contains(&found.name),
            can_compact: found.may_compact && !is_open,
            files: found.files.into_iter().map(file).collect(),
            key: found.name,
        }
    }
}
