//! drip.toml: what it may say, its defaults, and every mistake in it.

mod original;
mod template;
mod url;

pub(crate) use nanotdb_settings::Section;

pub(crate) use template::template;
pub(crate) use url::ServerUrl;

use crate::collector::{Collector, plugins};
use crate::identity;
use nanotdb_settings::{Document, Mistake, Problem, Table};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where drip.toml is looked for without `--config`.
pub(crate) const USUAL_PLACES: [&str; 2] = ["/etc/nanotdb/drip.toml", "/etc/drip.toml"];

const DEFAULT_SERVER: &str = "http://127.0.0.1:8428";
const DEFAULT_DATABASE: &str = "metrics";
const DEFAULT_INTERVAL_MS: u64 = 10_000;
const DEFAULT_TIMEOUT_MS: u64 = 5_000;
const DEFAULT_SPOOL_BYTES: u64 = 256 << 20;
const DEFAULT_SPOOL_HOURS: u64 = 168;
const DEFAULT_FSYNC_MS: u64 = 60_000;
/// Metrics of one collector: a large server has some hundred disks and interfaces, a container host makes new ones all day.
pub(crate) const DEFAULT_SERIES: u64 = 500;
const DAY_MS: u64 = 86_400_000;

/// Everything that a run needs.
pub(crate) struct Config {
    pub(crate) server: ServerUrl,
    pub(crate) database: String,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) root: PathBuf,
    pub(crate) spool: SpoolConfig,
    pub(crate) collectors: Vec<Configured>,
    /// What the file says that does nothing here, or something else: sentences with its name.
    pub(crate) notes: Vec<String>,
}

/// `[spool]`.
#[derive(Debug, Clone)]
pub(crate) struct SpoolConfig {
    pub(crate) enabled: bool,
    pub(crate) dir: PathBuf,
    pub(crate) max_bytes: u64,
    pub(crate) max_age: Duration,
    /// Longest time that spooled cycles stay unforced; zero forces each.
    pub(crate) fsync: Duration,
}

/// A collector with its settings.
pub(crate) struct Configured {
    pub(crate) name: &'static str,
    pub(crate) timeout: Duration,
    pub(crate) enabled: bool,
    /// Most different metrics that it may send.
    pub(crate) max_series: usize,
    pub(crate) collector: Box<dyn Collector>,
}

/// What the command line says instead of the file.
#[derive(Debug, Default, Clone)]
pub(crate) struct Overrides {
    pub(crate) server: Option<ServerUrl>,
    pub(crate) database: Option<String>,
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) root: Option<PathBuf>,
}

impl Config {
    /// Reads `file`, or the first of the usual places that there is, or takes the defaults. The second value is the
    /// file that was read. The errors are whole sentences with the file's name.
    pub(crate) fn load(file: Option<&Path>, overrides: Overrides) -> Result<(Self, Option<PathBuf>), Vec<String>> {
        let usual = || USUAL_PLACES.iter().map(Path::new).find(|path| path.exists()).map(Path::to_owned);
        let file = file.map(Path::to_owned).or_else(usual);
        let Some(path) = &file else {
            return Self::parse("", "drip.toml", overrides).map(|config| (config, None));
        };
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| vec![format!("{shown}: {e}; `drip --init --config {shown}` writes one")])?;
        Self::parse(&text, &shown, overrides).map(|config| (config, file))
    }

    /// Reads a file's text. All mistakes are told, not only the first.
    pub(crate) fn parse(text: &str, file: &str, overrides: Overrides) -> Result<Self, Vec<String>> {
        let (document, mut table) = Document::parse(text).map_err(|reason| vec![format!("{file}: {reason}")])?;
        let mut notes = Vec::new();
        if original::is_one(&table) {
            (table, notes) = original::translated(table, file);
        }
        let config = Self::read(&document, &table, overrides);
        let mistakes = document.finish().mistakes;
        if !mistakes.is_empty() {
            return Err(mistakes.iter().map(|mistake| format!("{file}: {}", told(mistake))).collect());
        }
        config.map(|config| Self { notes, ..config }).map_err(|e| vec![e])
    }

    fn read(document: &Document, table: &Table, overrides: Overrides) -> Result<Self, String> {
        let mut top = document.root(table);
        let plain = |accepted: String| accepted.trim_start_matches("accepted: ").to_owned();
        let server = top.parsed("server_url", |text| text.parse::<ServerUrl>().map_err(plain));
        let named = top.parsed("database", |text| database(text).map_err(plain));
        let interval = Duration::from_millis(top.number("collection_interval_ms", DEFAULT_INTERVAL_MS, 100..=DAY_MS));
        let timeout = Duration::from_millis(top.number("timeout_ms", DEFAULT_TIMEOUT_MS, 10..=600_000));
        let root = top.text("root", "/");
        let spool = spool(top.section("spool"));
        let collectors = collectors(top.section("collectors"));
        top.finish();
        let server = overrides.server.or(server).map_or_else(|| DEFAULT_SERVER.parse(), Ok)?;
        let root = overrides.root.unwrap_or_else(|| PathBuf::from(root));
        Ok(Self {
            database: overrides.database.or(named).unwrap_or_else(|| default_database(&server, &root)),
            server,
            interval: overrides.interval.unwrap_or(interval),
            timeout: overrides.timeout.unwrap_or(timeout),
            root,
            spool,
            collectors: collectors?,
            notes: Vec::new(),
        })
    }
}

fn spool(mut section: Section<'_>) -> SpoolConfig {
    let enabled = section.bool("enabled", true);
    let dir = section.text("dir", "");
    let max_bytes = section.number("max_bytes", DEFAULT_SPOOL_BYTES, 65_536..=1 << 40);
    let hours = section.number("max_age_hours", DEFAULT_SPOOL_HOURS, 1..=87_600);
    let fsync = section.number("fsync_ms", DEFAULT_FSYNC_MS, 0..=DAY_MS);
    section.finish();
    SpoolConfig {
        enabled,
        dir: if dir.is_empty() { state_directory() } else { PathBuf::from(dir) },
        max_bytes,
        max_age: Duration::from_secs(hours * 3_600),
        fsync: Duration::from_millis(fsync),
    }
}

/// What systemd's `StateDirectory=` gives; else the usual place of root or of a user.
fn state_directory() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = variable("STATE_DIRECTORY") {
        // systemd separates several with colons; the first is ours.
        return dir.to_str().and_then(|text| text.split(':').next()).map_or(dir.clone(), PathBuf::from);
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/drip");
    }
    let state = variable("XDG_STATE_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(std::env::temp_dir).join("drip")
}

fn collectors(mut section: Section<'_>) -> Result<Vec<Configured>, String> {
    let mut configured = Vec::new();
    for plugin in plugins()? {
        let mut own = section.section(plugin.name);
        let enabled = own.bool("enabled", true);
        let timeout = own.number("timeout_ms", plugin.timeout_ms, 10..=DAY_MS);
        let max_series = own.number("max_series", DEFAULT_SERIES, 1..=65_535);
        let max_series = usize::try_from(max_series).unwrap_or(usize::MAX);
        let collector = (plugin.build)(&mut own);
        own.finish();
        let timeout = Duration::from_millis(timeout);
        configured.push(Configured { name: plugin.name, timeout, enabled, max_series, collector });
    }
    section.finish();
    Ok(configured)
}

/// Several hosts send to a server elsewhere, and metrics do not say which one they are of: there, each has a database by its
/// name. To the server on this machine it is the only one.
pub(crate) fn default_database(server: &ServerUrl, root: &Path) -> String {
    if server.is_loopback() { DEFAULT_DATABASE.to_owned() } else { identity::database(root) }
}

/// The server checks names too; a bad one here would make every line of every cycle a rejected one.
pub(crate) fn database(text: &str) -> Result<String, String> {
    let usable = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if (1..=64).contains(&text.len()) && text.bytes().all(usable) && !text.starts_with(['.', '-']) {
        return Ok(text.to_owned());
    }
    Err("accepted: 1 to 64 letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`".into())
}

/// A mistake in the words of drip.
pub(crate) fn told(mistake: &Mistake) -> String {
    match &mistake.problem {
        Problem::Unknown { table, .. } if table == "collectors." => {
            format!("{}: there is no such collector; accepted: {}", mistake.key, mistake.accepted)
        }
        _ => mistake.to_string(),
    }
}

#[cfg(test)]
mod tests;
