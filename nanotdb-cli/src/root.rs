//! Opening a data directory, and errors that say which databases it holds.

use crate::text;
use nanotdb_core::config::{EngineConfig, Manifest};
use nanotdb_core::engine::{Engine, MetricInfo};
use nanotdb_core::model::duration::format_duration;
use nanotdb_core::storage::lock::LOCK_FILE;
use nanotdb_core::storage::vfs::{RealVfs, foreign_owner};
use nanotdb_core::{Error, Result};
use regex::Regex;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Name of the engine's configuration file in a root.
pub(crate) const CONFIG_FILE: &str = "engine.toml";

/// Opens a root without lock and without a single write. `NotFound` when there is none.
pub(crate) fn open_for_reading(root: &Path) -> Result<Engine> {
    require_directory(root)?;
    let engine = Engine::open_read_only(root, config_for_reading(root))?;
    for note in engine.log_notes() {
        eprintln!("nanocli: note: {note}");
    }
    Ok(engine)
}

/// engine.toml, for what only reads: one that cannot be used is told of, and the defaults do.
pub(crate) fn config_for_reading(root: &Path) -> EngineConfig {
    load_config(root).unwrap_or_else(|error| {
        eprintln!("nanocli: {error}; reading with defaults");
        EngineConfig::default()
    })
}

/// Says on standard error when a running server may have samples of a database that no file has yet: without a write-ahead log, as destinations of
/// rollups are made, they are in its memory alone until a page is written.
pub(crate) fn tell_unwritten(root: &Path, database: &str) {
    let path = root.join(database).join("manifest.toml");
    let defaults = load_config(root).unwrap_or_default().manifest_defaults;
    let manifest = Manifest::load(&RealVfs, &path, &defaults).map_or(defaults, |loaded| loaded.value);
    if manifest.wal.enabled || !has_server(root) {
        return;
    }
    let most = format_duration(i64::try_from(manifest.page.max_age.as_nanos()).unwrap_or(i64::MAX));
    eprintln!(
        "nanocli: note: {database} has no write-ahead log: what the running server has of the last {most} (page.max_age), and has not written to a \
         file yet, is not seen from here; the server answers with it"
    );
}

/// Whether a process has this root open for writing, as far as its lock file tells without being touched.
fn has_server(root: &Path) -> bool {
    let holder = std::fs::read_to_string(root.join(LOCK_FILE)).unwrap_or_default();
    holder.trim().parse::<u32>().is_ok_and(|pid| Path::new("/proc").join(pid.to_string()).exists())
}

/// Says on standard error what becomes of files when root writes into a directory of somebody else.
pub(crate) fn tell_owner(root: &Path) {
    if let Some(user) = foreign_owner(root) {
        eprintln!(
            "nanocli: running as root in {}, which belongs to user {user}: what is made belongs to that user, and links of others \
             are not followed",
            root.display()
        );
    }
}

/// Opens a root for writing, made when missing. This process is no server: the engine's own metrics stay off, nothing is built
/// or removed beside what the command does, and samples may be of any time.
pub(crate) fn open_for_writing(root: &Path) -> Result<Engine> {
    open_with(root, load_config(root)?)
}

/// The same with this configuration.
pub(crate) fn open_with(root: &Path, mut config: EngineConfig) -> Result<Engine> {
    config.stats.enabled = false;
    config.maintenance.interval = Duration::ZERO;
    config.limits.max_future = Duration::ZERO;
    tell_owner(root);
    Engine::open(root, config)
}

/// Whether engine.toml sets anything in this section.
pub(crate) fn has_section(root: &Path, section: &str) -> Result<bool> {
    let path = root.join(CONFIG_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(Error::io("read", path, e)),
    };
    // The engine's own reader refuses what is no TOML, with a better message.
    Ok(text.parse::<toml::Table>().is_ok_and(|table| table.contains_key(section)))
}

/// Fails with `NotFound` unless `root` is a directory.
pub(crate) fn require_directory(root: &Path) -> Result<()> {
    match std::fs::metadata(root) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(Error::NotFound(format!("{} is a file; --root takes a data directory", root.display()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::NotFound(format!("no data directory {}; name one with --root DIR", root.display())))
        }
        Err(e) => Err(Error::io("open", root, e)),
    }
}

pub(crate) fn load_config(root: &Path) -> Result<EngineConfig> {
    let path = root.join(CONFIG_FILE);
    if !path.exists() {
        return Ok(EngineConfig::default());
    }
    let loaded = EngineConfig::load(&RealVfs, &path)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(loaded.value)
}

/// The names of all databases or of one, with the reason for each that cannot be opened. Inspection reads their files
/// all the same.
pub(crate) fn databases(engine: &Engine, root: &Path, one: Option<&str>) -> Result<Vec<(String, Option<String>)>> {
    let mut all: BTreeMap<String, Option<String>> =
        engine.database_names(true).into_iter().map(|name| (name, None)).collect();
    all.extend(engine.health().into_iter().map(|(name, reason)| (name, Some(reason))));
    let Some(one) = one else { return Ok(all.into_iter().collect()) };
    match all.remove_entry(one) {
        Some(found) => Ok(vec![found]),
        None => Err(Error::NotFound(no_database(root, one, &all.into_keys().collect::<Vec<_>>()))),
    }
}

/// The databases that cannot be opened, with the reasons; none when the command is about one database alone, which says so
/// itself.
pub(crate) fn unusable(engine: &Engine, one: Option<&str>) -> Vec<String> {
    match one {
        Some(_) => Vec::new(),
        None => engine.health().into_iter().map(|(name, reason)| format!("database {name:?}: {reason}")).collect(),
    }
}

/// Fails with `NotFound`, naming the databases there are, unless `name` is one of them.
pub(crate) fn require_database(engine: &Engine, root: &Path, name: &str) -> Result<()> {
    if engine.has_database(name) {
        return Ok(());
    }
    // A database that is there and cannot be opened says why.
    match engine.metrics(name) {
        Err(Error::NotFound(_)) | Ok(_) => {}
        Err(e) => return Err(e),
    }
    Err(Error::NotFound(no_database(root, name, &engine.database_names(true))))
}

fn no_database(root: &Path, name: &str, known: &[String]) -> String {
    let known = match known {
        [] => "it holds no databases".to_owned(),
        names => format!("it holds {}", names.join(", ")),
    };
    format!("no database {name:?} in {}: {known}", root.display())
}

/// The metrics whose name matches `pattern` anywhere (all without one), sorted by name. `NotFound` when none does.
pub(crate) fn select_metrics(engine: &Engine, database: &str, pattern: Option<&str>) -> Result<Vec<MetricInfo>> {
    let mut metrics = engine.metrics(database)?;
    let Some(pattern) = pattern else { return Ok(metrics) };
    let regex = compile(pattern)?;
    let all = metrics.len();
    metrics.retain(|m| regex.is_match(&m.name));
    if metrics.is_empty() {
        return Err(Error::NotFound(format!(
            "--metric {pattern:?} matches none of {} of database {database:?}; `nanocli inspect catalog` lists them",
            text::counted(all as u64, "metric"),
        )));
    }
    Ok(metrics)
}

fn compile(pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|e| {
        Error::bad_input(format!("--metric {pattern:?} is not a regular expression (a name alone is one): {e}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_root_is_not_found_and_names_the_flag() {
        let e = require_directory(Path::new("/nonexistent/nanotdb")).unwrap_err();
        assert_eq!(e.exit_code(), 3);
        assert!(e.to_string().contains("--root"), "{e}");
    }

    #[test]
    fn a_missing_database_names_those_that_exist() {
        let text = no_database(Path::new("data"), "nope", &["a".into(), "b".into()]);
        assert_eq!(text, "no database \"nope\" in data: it holds a, b");
        assert_eq!(no_database(Path::new("data"), "nope", &[]), "no database \"nope\" in data: it holds no databases");
    }

    #[test]
    fn a_bad_pattern_is_bad_input() {
        assert_eq!(compile("temp[").unwrap_err().exit_code(), 2);
        assert!(compile(r"^temp\.out$").unwrap().is_match("temp.out"));
    }
}
