//! Writes engine.toml and manifest.toml with a comment on every key.

use super::{Choice, ConfigSection, EngineConfig, Manifest, RollupJob, sections};
use crate::model::duration::format_short;
use std::fmt::Write;
use std::time::Duration;
use toml::Value;

impl EngineConfig {
    /// The configuration of a root that is made new: as [`EngineConfig::default`], and metric files are built. (A root that
    /// was there before may be read by the original, so there a missing key means that none are.)
    pub fn of_new_root() -> Self {
        let mut config = Self::default();
        config.metrics.enabled = true;
        config
    }

    /// What `--init` writes for a new root: every key, what it does and what is accepted. Keys without a default are
    /// there as comments: remove the `#` directly before a key to set it.
    pub fn default_toml() -> String {
        Self::of_new_root().to_toml()
    }

    /// engine.toml with a comment on every key. Only what `--init` may write differently is taken from `self`.
    pub fn to_toml(&self) -> String {
        let mut out = String::from(
            "# NanoTDB engine configuration. Every key is optional; the values below are the defaults.\n\
             # Durations: numbers with ns, us, ms, s, m, h, d, w (\"1h30m\", \"7d\"). Sizes: bytes, or text such as \"64MiB\".\n",
        );
        let is_own = |section: &&ConfigSection| PARTS.iter().any(|(_, name, _)| *name == section.name);
        let (parts, mut others): (Vec<_>, Vec<_>) = sections::registered().into_iter().partition(is_own);
        for (order, name, write) in PARTS {
            let (before, behind): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|other: &&ConfigSection| other.order <= order);
            sections_of_others(&mut out, &before, self);
            write(&mut out, self);
            let same = parts.iter().filter(|part| part.name == name);
            same.for_each(|part| sections::write(&mut out, part, self, false));
            others = behind;
        }
        sections_of_others(&mut out, &others, self);
        out
    }
}

/// One after the other; parts of one section share its heading.
fn sections_of_others(w: &mut String, others: &[&ConfigSection], config: &EngineConfig) {
    let mut before = "";
    for other in others {
        sections::write(w, other, config, other.name != before);
        before = other.name;
    }
}

/// Writes a section.
type Part = fn(&mut String, &EngineConfig);

/// The engine's own sections, in the order of the file.
const PARTS: [(u16, &str, Part); 12] = [
    (100, "engine", engine),
    (300, "wal", wal),
    (400, "durability", durability),
    (500, "stats", stats),
    (600, "values", values),
    (700, "limits", limits),
    (800, "logging", logging),
    (900, "internal_events", internal_events),
    (1000, "metrics", metrics),
    (1100, "maintenance", maintenance),
    (1300, "defaults", defaults),
    (1400, "manifest_defaults", manifest_defaults),
];

fn engine(w: &mut String, config: &EngineConfig) {
    head(w, "[engine]");
    key(
        w,
        "Address of the HTTP server, host:port; without a host every interface.",
        "listen",
        config.engine.listen.as_str(),
    );
}

fn wal(w: &mut String, config: &EngineConfig) {
    head(w, "[wal]");
    let note = "Size at which open pages are flushed so that the write-ahead log can start anew.";
    key(w, note, "max_segment_size", size(config.wal.max_segment_size));
    let note = "When the log is forced to the device: \"always\" before every acknowledgement, \"interval\" at least\n\
                every fsync_interval, \"segment\" when pages are flushed.";
    key(w, note, "fsync_policy", config.wal.fsync_policy.name());
    let note = "Longest time that \"interval\" leaves acknowledged samples unforced.";
    key(w, note, "fsync_interval", duration(config.wal.fsync_interval));
}

fn durability(w: &mut String, config: &EngineConfig) {
    head(w, "[durability]");
    let note = "What is forced to the device when a page is flushed: \"strict\" pages and catalog, \"balanced\" pages,\n\
                \"throughput\" neither.";
    key(w, note, "profile", config.durability.name());
}

fn stats(w: &mut String, config: &EngineConfig) {
    head(w, "[stats]");
    key(
        w,
        "Whether the engine writes metrics about itself to the database \"internal\".",
        "enabled",
        config.stats.enabled,
    );
    key(w, "How often it does.", "interval", duration(config.stats.interval));
}

fn values(w: &mut String, config: &EngineConfig) {
    head(w, "[values]");
    let note = "Width of new metrics: \"auto\" 32 bits, and a metric widens when they do not hold a value as it was sent; \"32\"\n\
                refuses such an integer and rounds such a decimal; \"64\" 64 bits from the start.";
    key(w, note, "width", config.values.width.name());
    let note = "A decimal for a metric of whole numbers: \"widen\" makes it float64, \"reject\" refuses the sample, as the\n\
                original does (and as it is where this key is missing).";
    key(w, note, "mixing", config.values.mixing.name());
}

fn logging(w: &mut String, _: &EngineConfig) {
    w.push_str("\n# Log outputs; without any, the console at info. One [[logging.logger]] for each.\n");
    w.push_str("#[[logging.logger]]\n");
    commented(w, "\"console\" (standard error) or the path of a file.", "output", "console");
    commented(w, "\"info\", \"debug\" or \"trace\".", "level", "info");
    commented(w, "Size at which a file is rotated; 0 never.", "max_size", size(64 << 20));
    commented(w, "Rotated files that are kept.", "max_files", 3);
}

fn internal_events(w: &mut String, config: &EngineConfig) {
    head(w, "[internal_events]");
    let note = "Accepted for the original's files: true or false. There is no events layer yet.";
    key(w, note, "enabled", config.internal_events.enabled);
}

fn metrics(w: &mut String, config: &EngineConfig) {
    head(w, "[metrics]");
    let metrics = &config.metrics;
    let note = "Whether a metric file is built when a partition is sealed. Without this key none is.";
    key(w, note, "enabled", metrics.enabled);
    key(w, "Version of new metric files: \"v1\", \"v2\" or \"v3\".", "format", metrics.format.name());
    let note = "Codec of new metric files; \"\" is the format's default. `nanotdb --plugins` lists the codecs.";
    key(w, note, "compression", metrics.compression.as_str());
    let note = "Memory for what was decoded of metric files: directories, timestamps, statistics.";
    key(w, note, "cache_bytes", size(metrics.cache_bytes));
    let note = "Accepted for the original's files, 0 to 65535; cache_bytes is what bounds the cache.";
    key(w, note, "time_cache_slots", i64::from(metrics.time_cache_slots));
    let note = "What happens to the raw file once its metric file is built: \"keep\", \"rename\" or \"delete\".";
    key(w, note, "raw_ingest_action", metrics.raw_ingest_action.name());
}

fn maintenance(w: &mut String, config: &EngineConfig) {
    head(w, "[maintenance]");
    let note = "How often metric files to build and partitions that expired are looked for; \"0s\" never: see nanocli maintain.";
    key(w, note, "interval", duration(config.maintenance.interval));
}

fn defaults(w: &mut String, config: &EngineConfig) {
    head(w, "[defaults]");
    let note = "Databases that are created at start when missing: names of A-Z a-z 0-9 _ . -";
    key(w, note, "databases", list(&config.default_databases));
}

fn manifest_defaults(w: &mut String, config: &EngineConfig) {
    w.push_str("\n# manifest.toml of a new database is made from these.\n");
    w.push_str("#[manifest_defaults]\n");
    manifest(w, &config.manifest_defaults, "manifest_defaults.", true);
    w.push_str("\n# Kept as written for the original; there is no events layer yet.\n#[manifest_defaults.events]\n");
}

fn limits(w: &mut String, config: &EngineConfig) {
    let limits = &config.limits;
    let count = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    head(w, "[limits]");
    key(w, "Largest request body as sent.", "max_body_bytes", size(limits.max_body_bytes));
    key(w, "Largest request body after decompression.", "max_decoded_body_bytes", size(limits.max_decoded_body_bytes));
    key(w, "Longest line of a request or an imported file.", "max_line_bytes", size(limits.max_line_bytes));
    key(w, "Most points that one query may return.", "max_points_per_query", count(limits.max_points_per_query));
    key(w, "Most series that one query may return.", "max_series_per_query", count(limits.max_series_per_query));
    let note = "Most bytes of all requests in flight; 0 is a quarter of the memory that the server may use.";
    key(w, note, "max_request_memory", size(limits.max_request_memory));
    key(w, "Longest run time of one query.", "max_query_time", duration(limits.max_query_time));
    let note = "Most requests worked on at once; more are refused (429, writes 503).";
    key(w, note, "max_concurrent_requests", count(limits.max_concurrent_requests));
    let note = "Most open connections; beyond it idle ones are closed for new ones.";
    key(w, note, "max_connections", count(limits.max_connections));
    let note =
        "Most open connections of one public address; 0 is any number. Loopback and private addresses may be proxies.";
    key(w, note, "max_connections_per_address", count(limits.max_connections_per_address));
    let note = "Least bytes a second of a request body while it is waited for; 0 is none.";
    key(w, note, "min_body_rate", size(limits.min_body_rate));
    key(w, "Longest time spent waiting for one request body.", "max_body_time", duration(limits.max_body_time));
    key(w, "Most databases.", "max_databases", count(limits.max_databases));
    let note = "Most metrics in one database, 1 to 65535.";
    key(w, note, "max_metrics_per_database", count(limits.max_metrics_per_database));
    let note = "How far ahead of the clock a live sample may be; \"0s\" is any distance.";
    key(w, note, "max_future", duration(limits.max_future));
}

impl Manifest {
    /// manifest.toml of a new database, with a comment on every key. The original reads it too, unless the codec is
    /// one that it does not know.
    pub fn to_toml(&self) -> String {
        let mut out = String::from(
            "# Settings of this database. A missing key is taken from engine.toml, [manifest_defaults].\n",
        );
        manifest(&mut out, self, "", false);
        out.push_str("\n# Kept as written for the original; there is no events layer yet.\n");
        let events = toml::Table::from_iter([("events".to_owned(), Value::Table(self.events.table.clone()))]);
        out.push_str(&events.to_string());
        out
    }
}

/// The sections that a manifest and `[manifest_defaults]` share. In engine.toml (`in_engine`) every key is set,
/// and a commented example shows the keys of a job.
fn manifest(w: &mut String, manifest: &Manifest, prefix: &str, in_engine: bool) {
    let retention = &manifest.retention;
    head(w, &format!("[{prefix}retention]"));
    key(w, "How long after its end a partition stays open for late samples.", "grace", duration(retention.grace));
    let note = "Days after its end at which a partition expires, up to 106751.";
    key(w, note, "retention_days", i64::from(retention.retention_days));
    let note =
        "What happens then: \"keep\" nothing, \"delete\" its files go, \"archive\" they move into a tar archive.";
    key(w, note, "retention_action", retention.retention_action.name());
    let note = "Most partitions with an open page, 1 to 65535.";
    key(w, note, "max_active_days", i64::from(retention.max_active_days));
    let note = "Time that one data file covers: \"day\", \"month\", \"year\", \"forever\", or a plugin's name.";
    key(w, note, "partition", retention.partition.as_str());

    head(w, &format!("[{prefix}wal]"));
    let note = "Whether samples go through the write-ahead log, and so survive a crash before their page is flushed.";
    key(w, note, "enabled", manifest.wal.enabled);
    key(w, "Samples older than this do not.", "skip_before", duration(manifest.wal.skip_before));

    let page = &manifest.page;
    head(w, &format!("[{prefix}page]"));
    key(w, "Rows after which a page is flushed, 1 to 65535.", "max_records", i64::from(page.max_records));
    key(w, "Bytes (14 a row) after which it is, 14 or more.", "max_bytes", size(page.max_bytes));
    key(w, "Age of its first row after which it is.", "max_age", duration(page.max_age));
    let note = "Codec of new pages; `nanotdb --plugins` lists them. The original reads \"s2\" only.";
    match page.codec.as_str() {
        // The original may refuse a key of a manifest that it does not know.
        "s2" if !in_engine => commented(w, note, "codec", "s2"),
        codec => key(w, note, "codec", codec),
    }

    rollups(w, manifest, prefix, in_engine);
}

fn rollups(w: &mut String, manifest: &Manifest, prefix: &str, in_engine: bool) {
    let rollups = &manifest.rollups;
    let optional = |d: Option<Duration>| d.map_or_else(|| Value::from(""), duration);
    let empty = |text: &Option<String>| text.clone().unwrap_or_default();
    head(w, &format!("[{prefix}rollups]"));
    key(w, "Whether the jobs below run.", "enabled", rollups.enabled);
    let note = "Log of how far each job came, relative to the database's directory.";
    key(w, note, "checkpoint_file", rollups.checkpoint_file.as_str());
    let note = "For jobs without their own (\"\" is none): wait after a bucket's end, width of a bucket, destination.";
    key(w, note, "default_grace", optional(rollups.default_grace));
    key(w, "", "default_interval", optional(rollups.default_interval));
    key(w, "", "default_destination_db", empty(&rollups.default_destination_db));
    let note = "Aggregates of jobs without their own, such as [\"min\", \"max\", \"avg\", \"count\"].";
    let aggregates = list(&rollups.default_aggregates);
    match rollups.default_aggregates.is_empty() && !in_engine {
        true => commented(w, note, "default_aggregates", aggregates),
        false => key(w, note, "default_aggregates", aggregates),
    }
    let note = "Metrics that no pattern takes; * stands for any characters.";
    let excluded = list(&rollups.global_exclude_patterns);
    match rollups.global_exclude_patterns.is_empty() && !in_engine {
        true => commented(w, note, "global_exclude_patterns", excluded),
        false => key(w, note, "global_exclude_patterns", excluded),
    }
    for rollup in &rollups.jobs {
        job(w, rollup, prefix);
    }
    if in_engine {
        let _ = write!(w, "\n# A rollup job.\n#[[{prefix}rollups.jobs]]\n");
        commented(w, "Unique in this file.", "id", "all_1h");
        commented(w, "Exactly one of source_metric and source_pattern; \"\" is none.", "source_metric", "");
        commented(w, "", "source_pattern", "*");
        commented(w, "Metrics that the pattern does not take.", "exclude_patterns", list(&["debug.*".to_owned()]));
        commented(w, "Width of a bucket, more than zero.", "interval", "1h");
        commented(
            w,
            "Aggregates to store.",
            "aggregates",
            list(&["min".to_owned(), "max".to_owned(), "avg".to_owned()]),
        );
        commented(w, "Database that takes the results.", "destination_db", "sensors_1h");
        let note = "Results are called <prefix>.<aggregate>; \"\" is the metric's name.";
        commented(w, note, "destination_metric_prefix", "");
        commented(w, "Wait after a bucket's end.", "grace", "5m");
    }
}

fn job(w: &mut String, job: &RollupJob, prefix: &str) {
    head(w, &format!("[[{prefix}rollups.jobs]]"));
    key(w, "", "id", job.id.as_str());
    let texts = [
        ("source_metric", &job.source_metric),
        ("source_pattern", &job.source_pattern),
        ("destination_db", &job.destination_db),
        ("destination_metric_prefix", &job.destination_metric_prefix),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            key(w, "", name, text.as_str());
        }
    }
    for (name, texts) in [("exclude_patterns", &job.exclude_patterns), ("aggregates", &job.aggregates)] {
        if !texts.is_empty() {
            key(w, "", name, list(texts));
        }
    }
    for (name, time) in [("interval", job.interval), ("grace", job.grace)] {
        if let Some(time) = time {
            key(w, "", name, duration(time));
        }
    }
}

fn head(w: &mut String, head: &str) {
    let _ = write!(w, "\n{head}\n");
}

/// A key with its comment, which may have several lines.
fn key<V: Into<Value>>(w: &mut String, note: &str, key: &str, value: V) {
    for line in note.lines() {
        let _ = writeln!(w, "# {line}");
    }
    let _ = writeln!(w, "{key} = {}", value.into());
}

/// A key that is not set: the `#` stands directly before it.
fn commented<V: Into<Value>>(w: &mut String, note: &str, name: &str, value: V) {
    for line in note.lines() {
        let _ = writeln!(w, "# {line}");
    }
    w.push('#');
    key(w, "", name, value);
}

fn duration(duration: Duration) -> Value {
    Value::String(format_short(duration))
}

fn size(bytes: u64) -> Value {
    // As an integer: the original does not read "64MiB".
    Value::Integer(i64::try_from(bytes).unwrap_or(i64::MAX))
}

fn list(texts: &[String]) -> Value {
    Value::Array(texts.iter().cloned().map(Value::String).collect())
}

#[cfg(test)]
mod tests;
