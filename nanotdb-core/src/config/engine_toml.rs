//! Reads engine.toml.

use super::manifest_toml::{check_plugin, database_name, read_manifest};
use super::reader::{Document, Read, Section};
use super::{Checked, EngineConfig, Loaded, LogLevel, LoggerConfig, Mixing, WebSection, read_text};
use crate::plugin::registry::registry;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

const ANY: std::ops::RangeInclusive<u64> = 1..=u64::MAX;
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
        let (document, table) = Document::parse(text, file)?;
        let root = document.root(&table);
        let value = read(&root);
        root.warn_of_the_rest();
        let Read { warnings, mistakes, known } = document.finish();
        Ok((Checked { value, warnings, mistakes }, known))
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

fn read(root: &Section<'_>) -> EngineConfig {
    let mut config = EngineConfig::default();

    let section = root.section("engine");
    section.text("listen", &mut config.engine.listen, check_listen);
    section.warn_of_the_rest();

    let section = root.section("access");
    section.texts("hosts", &mut config.access.hosts, check_host);
    section.warn_of_the_rest();

    let section = root.section("wal");
    section.size("max_segment_size", &mut config.wal.max_segment_size, 1);
    section.choice("fsync_policy", &mut config.wal.fsync_policy);
    section.duration("fsync_interval", &mut config.wal.fsync_interval, ABOVE_ZERO);
    section.warn_of_the_rest();

    let section = root.section("durability");
    section.choice("profile", &mut config.durability);
    section.warn_of_the_rest();

    let section = root.section("stats");
    section.bool("enabled", &mut config.stats.enabled);
    section.duration("interval", &mut config.stats.interval, ABOVE_ZERO);
    section.warn_of_the_rest();

    let section = root.section("values");
    section.choice("width", &mut config.values.width);
    // A new root has the key in the file that its first start makes, or no file at all.
    config.values.mixing = Mixing::Reject;
    section.choice("mixing", &mut config.values.mixing);
    section.warn_of_the_rest();

    read_limits(root.section("limits"), &mut config);

    let section = root.section("logging");
    if let Some(loggers) = section.sections("logger") {
        config.logging.loggers = loggers.into_iter().map(read_logger).collect();
    }
    section.warn_of_the_rest();

    // The original's other keys here belong to its events layer.
    root.section("internal_events").bool("enabled", &mut config.internal_events.enabled);

    let section = root.section("metrics");
    section.bool("enabled", &mut config.metrics.enabled);
    section.choice("format", &mut config.metrics.format);
    section.text("compression", &mut config.metrics.compression, |_| Ok(()));
    section.size("cache_bytes", &mut config.metrics.cache_bytes, 0);
    section.small("time_cache_slots", &mut config.metrics.time_cache_slots, 0..=65_535);
    section.choice("raw_ingest_action", &mut config.metrics.raw_ingest_action);
    section.warn_of_the_rest();

    let section = root.section("maintenance");
    section.duration("interval", &mut config.maintenance.interval, Duration::ZERO);
    section.warn_of_the_rest();

    read_web(root.section("web"), &mut config.web);

    let section = root.section("defaults");
    section.texts("databases", &mut config.default_databases, database_name);
    section.warn_of_the_rest();

    let section = root.section("manifest_defaults");
    config.manifest_defaults = read_manifest(&section, &config.manifest_defaults);
    section.warn_of_the_rest();
    config
}

fn read_limits(section: Section<'_>, config: &mut EngineConfig) {
    let limits = &mut config.limits;
    section.size("max_body_bytes", &mut limits.max_body_bytes, 1);
    section.size("max_decoded_body_bytes", &mut limits.max_decoded_body_bytes, 1);
    section.size("max_line_bytes", &mut limits.max_line_bytes, 1);
    section.integer("max_points_per_query", &mut limits.max_points_per_query, ANY);
    section.integer("max_series_per_query", &mut limits.max_series_per_query, ANY);
    section.size("max_request_memory", &mut limits.max_request_memory, 0);
    section.duration("max_query_time", &mut limits.max_query_time, ABOVE_ZERO);
    section.integer("max_concurrent_requests", &mut limits.max_concurrent_requests, ANY);
    section.integer("max_connections", &mut limits.max_connections, ANY);
    section.integer("max_connections_per_address", &mut limits.max_connections_per_address, 0..=u64::MAX);
    section.size("min_body_rate", &mut limits.min_body_rate, 0);
    section.duration("max_body_time", &mut limits.max_body_time, ABOVE_ZERO);
    section.integer("max_databases", &mut limits.max_databases, ANY);
    section.integer("max_metrics_per_database", &mut limits.max_metrics_per_database, 1..=65_535);
    section.duration("max_future", &mut limits.max_future, Duration::ZERO);
    section.warn_of_the_rest();
}

fn read_web(section: Section<'_>, web: &mut WebSection) {
    let any = |_: &str| Ok(());
    section.text("title", &mut web.title, any);
    let mut taken: Vec<String> = Vec::new();
    for (key, path) in [
        ("base_path", &mut web.base_path),
        ("explore_path", &mut web.explore_path),
        ("engine_path", &mut web.engine_path),
    ] {
        section.text(key, path, check_page);
        path.truncate(path.trim_end_matches('/').len());
        let collides = |other: &String| other == path || path.starts_with(&format!("{other}/"));
        if taken.iter().any(collides) {
            section.refuse(key, format!("{path:?}"), "an address that is not that of another page, or below it");
        }
        taken.push(path.clone());
    }
    section.small("refresh_seconds", &mut web.refresh_seconds, 1..=3_600);
    section.path("dashboard_config", &mut web.dashboard_config, false);
    section.text("api_base_url", &mut web.api_base_url, check_base_url);
    section.path("web_root", &mut web.web_root, true);
    section.optional_text("default_db", &mut web.default_db, database_name);
    section.bool("read_only", &mut web.read_only);
    section.warn_of_the_rest();
}

/// Whether pages may be at this address.
fn check_page(text: &str) -> std::result::Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    let first = text.split('/').nth(1).unwrap_or_default();
    let reserved = ["api", "assets", "metrics", "health", "api-tester", "index.html", ""].contains(&first);
    match text.starts_with('/') && !reserved && !text.contains("//") && text.chars().all(plain) {
        true => Ok(()),
        false => {
            Err("a path such as \"/dashboard\" that is not one of the API's (/api, /assets, /metrics, /health)".into())
        }
    }
}

fn check_base_url(text: &str) -> std::result::Result<(), String> {
    let is_url = text.starts_with("http://") || text.starts_with("https://");
    // It becomes part of a header.
    let is_plain = text.chars().all(|c| c.is_ascii_graphic() && !";,'\"<>\\".contains(c));
    match text.is_empty() || is_url && is_plain {
        true => Ok(()),
        false => Err("\"\" (this server) or the address of another, such as \"https://nanotdb.example.org\"".into()),
    }
}

fn read_logger(section: Section<'_>) -> LoggerConfig {
    // A log that nobody set up further must not fill a small disk.
    let mut logger =
        LoggerConfig { output: String::new(), level: LogLevel::default(), max_size: 64 << 20, max_files: 3 };
    let accepted = "\"console\" or the path of a file";
    section.text("output", &mut logger.output, |text| match text {
        "" => Err(accepted.into()),
        _ => Ok(()),
    });
    if logger.output.is_empty() {
        section.refuse("output", "(missing)", accepted);
    }
    section.choice("level", &mut logger.level);
    section.size("max_size", &mut logger.max_size, 0);
    section.small("max_files", &mut logger.max_files, 0..=10_000);
    section.warn_of_the_rest();
    logger
}

/// Whether this is a name that a server can be asked for: no scheme, no port.
fn check_host(text: &str) -> std::result::Result<(), String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match !name.is_empty() && !name.starts_with('.') && name.chars().all(plain) {
        true => Ok(()),
        false => Err("names without scheme and port, such as [\"nanotdb.example.org\", \"*.lan\"]".into()),
    }
}

/// Whether a server can be told to listen on this; the error says what is accepted.
pub fn check_listen(text: &str) -> std::result::Result<(), String> {
    match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.contains(char::is_whitespace) => Ok(()),
        _ => Err("host:port, such as \":8428\" (every interface), \"127.0.0.1:8428\" or \"[::1]:8428\"".into()),
    }
}
