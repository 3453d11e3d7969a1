//! Reads engine.toml.

use super::manifest_toml::{check_plugin, database_name, read_manifest};
use super::problems::{parse, told};
use super::sections::{self, open};
use super::{Checked, EngineConfig, Loaded, LogLevel, LoggerConfig, Mixing, read_text};
use crate::plugin::registry::registry;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use nanotdb_settings::Section;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

const ANY: std::ops::RangeInclusive<u64> = 1..=u64::MAX;
/// The engine's own sections.
const OWN: [&str; 12] = [
    "engine",
    "wal",
    "durability",
    "stats",
    "values",
    "limits",
    "logging",
    "internal_events",
    "metrics",
    "maintenance",
    "defaults",
    "manifest_defaults",
];
const ABOVE_ZERO: Duration = Duration::from_nanos(1);

impl EngineConfig {
    /// Reads engine.toml from `path`.
    pub fn load(vfs: &dyn Vfs, path: &Path) -> Result<Loaded<Self>> {
        let file = vfs.resolve(path).map_err(|e| Error::io("read", path, e))?;
        Self::parse(&read_text(vfs, &file)?, path)
    }

    /// Reads the text of engine.toml; messages name `file`. Missing keys have their defaults. The first mistake is the error.
    pub fn parse(text: &str, file: &Path) -> Result<Loaded<Self>> {
        Self::read_keys(text, file).and_then(|(checked, _)| checked.loaded())
    }

    /// Reads the text of engine.toml and finds every mistake, also names that the registry does not know. An error is one of
    /// syntax, behind which nothing can be read.
    pub fn check(text: &str, file: &Path) -> Result<Checked<Self>> {
        let (mut checked, _) = Self::read_keys(text, file)?;
        checked.value.plugin_mistakes(file, &mut checked.mistakes);
        Ok(checked)
    }

    /// [`EngineConfig::check`] of the file at `path`.
    pub fn check_file(vfs: &dyn Vfs, path: &Path) -> Result<Checked<Self>> {
        let file = vfs.resolve(path).map_err(|e| Error::io("read", path, e))?;
        Self::check(&read_text(vfs, &file)?, path)
    }

    /// Reads it, with the dotted names of all keys that were looked for.
    pub(super) fn read_keys(text: &str, file: &Path) -> Result<(Checked<Self>, BTreeSet<String>)> {
        sections::check()?;
        let (document, table) = parse(text, file)?;
        let mut root = document.root(&table);
        let mut value = read(&mut root);
        value.sections = sections::read(&mut root, &OWN);
        root.finish();
        let found = document.finish();
        let (warnings, mistakes) = told(found.mistakes, file);
        Ok((Checked { value, warnings, mistakes }, found.known))
    }

    /// Checks the names of plugins against the registry: `[metrics] compression` and those of `[manifest_defaults]`.
    pub fn check_plugins(&self, file: &Path) -> Result<()> {
        let mut mistakes = Vec::new();
        self.plugin_mistakes(file, &mut mistakes);
        mistakes.into_iter().next().map_or(Ok(()), Err)
    }

    fn plugin_mistakes(&self, file: &Path, mistakes: &mut Vec<Error>) {
        let compression = &self.metrics.compression;
        if !compression.is_empty() {
            mistakes.extend(check_plugin(registry().codec(compression), file, "metrics.compression", compression));
        }
        self.manifest_defaults.plugin_mistakes("manifest_defaults.", file, mistakes);
    }
}

fn read(root: &mut Section<'_>) -> EngineConfig {
    let mut config = EngineConfig::default();

    let mut section = open(root, "engine");
    config.engine.listen = section.checked("listen", &config.engine.listen, check_listen);
    section.finish();

    let mut section = open(root, "wal");
    config.wal.max_segment_size = section.size("max_segment_size", config.wal.max_segment_size, 1);
    config.wal.fsync_policy = section.choice("fsync_policy", config.wal.fsync_policy);
    config.wal.fsync_interval = section.duration("fsync_interval", config.wal.fsync_interval, ABOVE_ZERO);
    section.finish();

    let mut section = open(root, "durability");
    config.durability = section.choice("profile", config.durability);
    section.finish();

    let mut section = open(root, "stats");
    config.stats.enabled = section.bool("enabled", config.stats.enabled);
    config.stats.interval = section.duration("interval", config.stats.interval, ABOVE_ZERO);
    section.finish();

    let mut section = open(root, "values");
    config.values.width = section.choice("width", config.values.width);
    // A new root has the key in the file that its first start makes, or no file at all.
    config.values.mixing = section.choice("mixing", Mixing::Reject);
    section.finish();

    read_limits(open(root, "limits"), &mut config);

    let mut section = open(root, "logging");
    if let Some(loggers) = section.sections("logger") {
        config.logging.loggers = loggers.into_iter().map(read_logger).collect();
    }
    section.finish();

    // The original's other keys here belong to its events layer.
    config.internal_events.enabled = open(root, "internal_events").bool("enabled", config.internal_events.enabled);

    let mut section = open(root, "metrics");
    config.metrics.enabled = section.bool("enabled", config.metrics.enabled);
    config.metrics.format = section.choice("format", config.metrics.format);
    config.metrics.compression = section.checked("compression", &config.metrics.compression, |_| Ok(()));
    config.metrics.cache_bytes = section.size("cache_bytes", config.metrics.cache_bytes, 0);
    config.metrics.time_cache_slots = section.number("time_cache_slots", config.metrics.time_cache_slots, 0..=65_535);
    config.metrics.raw_ingest_action = section.choice("raw_ingest_action", config.metrics.raw_ingest_action);
    section.finish();

    let mut section = open(root, "maintenance");
    config.maintenance.interval = section.duration("interval", config.maintenance.interval, Duration::ZERO);
    section.finish();

    let mut section = open(root, "defaults");
    if let Some(found) = section.checked_texts("databases", database_name) {
        config.default_databases = found;
    }
    section.finish();

    let mut section = open(root, "manifest_defaults");
    config.manifest_defaults = read_manifest(&mut section, &config.manifest_defaults);
    section.finish();
    config
}

fn read_limits(mut section: Section<'_>, config: &mut EngineConfig) {
    let limits = &mut config.limits;
    limits.max_body_bytes = section.size("max_body_bytes", limits.max_body_bytes, 1);
    limits.max_decoded_body_bytes = section.size("max_decoded_body_bytes", limits.max_decoded_body_bytes, 1);
    limits.max_line_bytes = section.size("max_line_bytes", limits.max_line_bytes, 1);
    limits.max_points_per_query = section.number("max_points_per_query", limits.max_points_per_query, ANY);
    limits.max_series_per_query = section.number("max_series_per_query", limits.max_series_per_query, ANY);
    limits.max_request_memory = section.size("max_request_memory", limits.max_request_memory, 0);
    limits.max_query_time = section.duration("max_query_time", limits.max_query_time, ABOVE_ZERO);
    limits.max_concurrent_requests = section.number("max_concurrent_requests", limits.max_concurrent_requests, ANY);
    limits.max_connections = section.number("max_connections", limits.max_connections, ANY);
    limits.max_connections_per_address =
        section.number("max_connections_per_address", limits.max_connections_per_address, 0..=u64::MAX);
    limits.min_body_rate = section.size("min_body_rate", limits.min_body_rate, 0);
    limits.max_body_time = section.duration("max_body_time", limits.max_body_time, ABOVE_ZERO);
    limits.max_databases = section.number("max_databases", limits.max_databases, ANY);
    limits.max_metrics_per_database =
        section.number("max_metrics_per_database", limits.max_metrics_per_database, 1..=65_535);
    limits.max_future = section.duration("max_future", limits.max_future, Duration::ZERO);
    section.finish();
}

fn read_logger(mut section: Section<'_>) -> LoggerConfig {
    // A log that nobody set up further must not fill a small disk.
    let mut logger =
        LoggerConfig { output: String::new(), level: LogLevel::default(), max_size: 64 << 20, max_files: 3 };
    let accepted = "\"console\" or the path of a file";
    logger.output = section.checked("output", "", |text| match text {
        "" => Err(accepted.into()),
        _ => Ok(()),
    });
    if logger.output.is_empty() {
        section.missing("output", accepted);
    }
    logger.level = section.choice("level", logger.level);
    logger.max_size = section.size("max_size", logger.max_size, 0);
    logger.max_files = section.number("max_files", logger.max_files, 0..=10_000);
    section.finish();
    logger
}

/// Whether a server can be told to listen on this; the error says what is accepted.
pub fn check_listen(text: &str) -> std::result::Result<(), String> {
    match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.contains(char::is_whitespace) => Ok(()),
        _ => Err("host:port, such as \":8428\" (every interface), \"127.0.0.1:8428\" or \"[::1]:8428\"".into()),
    }
}
