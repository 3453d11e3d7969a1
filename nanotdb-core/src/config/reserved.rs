//! Names that no new database gets: each database is a directory of the root, and other things lie there, too.

use super::{EngineConfig, sections};
use std::path::PathBuf;

/// Names in a root that are no databases: ours, and what the original keeps there.
const IN_A_ROOT: [&str; 3] = ["tokens", "dashboard_backups", "engine"];
/// How the names of our files end, and of theirs.
const ENDINGS: [&str; 13] = [
    ".toml", ".json", ".dat", ".tar", ".wal", ".next", ".log", ".sources", ".journal", ".tmp", ".partial", ".lock",
    ".clock",
];
/// What Windows takes for a device, whatever follows after a dot.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
/// The same with a digit behind.
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

/// Says why a database that does not exist yet must not get this name. Those that are there keep theirs.
///
/// A directory called like a file of the root would take that file's place for ever, and one called like a device of
/// Windows could not be copied there. File systems of both kinds may not tell capitals apart.
pub fn check_new_database_name(name: &str, config: &EngineConfig) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    let refused = |why: &str| {
        Err(format!(
            "database name {name:?}: {why}, and no new database is called so; choose another one, as {}",
            like(&lower)
        ))
    };
    if is_device(&lower) {
        return refused("on Windows a device has that name");
    }
    if lower.ends_with('.') {
        return refused("Windows leaves out a dot at the end");
    }
    if IN_A_ROOT.contains(&lower.as_str()) {
        return refused("a data directory keeps something else under that name");
    }
    if let Some(ending) = ENDINGS.iter().find(|ending| lower.ends_with(**ending)) {
        return refused(&format!("files of a data directory end in {ending}"));
    }
    match config.files_in_root().find(|(file, _)| file.eq_ignore_ascii_case(name)) {
        Some((_, key)) => refused(&format!("{key} of engine.toml has that name")),
        None => Ok(()),
    }
}

/// A name that is free of what was refused.
fn like(lower: &str) -> String {
    let plain: String = lower.chars().map(|c| if c == '.' { '_' } else { c }).collect();
    let plain = plain.trim_end_matches('_');
    format!("{plain}_db")
}

impl EngineConfig {
    /// What of its own the configuration puts into the root, by the name that it has there, with the key.
    fn files_in_root(&self) -> impl Iterator<Item = (String, String)> {
        let logs = self.logging.loggers.iter().filter(|logger| logger.output != "console");
        let logs = logs.map(|logger| (PathBuf::from(&logger.output), "logging.logger output".to_owned()));
        sections::paths(self).chain(logs).filter_map(|(path, key)| match path.components().next()? {
            std::path::Component::Normal(first) => Some((first.to_str()?.to_owned(), key)),
            _ => None,
        })
    }
}

fn is_device(lower: &str) -> bool {
    let stem = lower.split('.').next().unwrap_or_default();
    let is_numbered = |device: &str| {
        stem.strip_prefix(device).is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    DEVICES.contains(&stem) || NUMBERED_DEVICES.iter().any(|device| is_numbered(device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LogLevel, LoggerConfig};

    #[test]
    fn names_of_files_and_devices_are_refused_and_ordinary_ones_are_not() {
        let config = EngineConfig::default();
        let files = [
            "engine.toml",
            "dashboard.json",
            "Dashboard.JSON",
            "tokens",
            "x.wal",
            "x.wal.next",
            "a.dat",
            "b.tar",
            "c.log",
        ];
        for name in files {
            let reason = check_new_database_name(name, &config).unwrap_err();
            assert!(reason.contains(name) && reason.contains("choose another"), "{reason}");
        }
        for name in ["CON", "nul", "Aux.data", "com1", "COM9.x", "lpt0", "PRN.txt.gz", "pi."] {
            let reason = check_new_database_name(name, &config).unwrap_err();
            assert!(reason.contains("Windows"), "{reason}");
        }
        for name in
            ["pi", "pi_1h", "console", "com", "com10", "nullable", "wal", "json", "house.2024", "internal", "tokens2"]
        {
            assert_eq!(check_new_database_name(name, &config), Ok(()));
        }
    }

    #[test]
    fn the_name_that_is_proposed_is_taken() {
        let config = EngineConfig::default();
        for name in ["engine.toml", "CON", "con.x", "tokens", "pi.", "a.wal.next"] {
            let proposed = like(&name.to_ascii_lowercase());
            assert_eq!(check_new_database_name(&proposed, &config), Ok(()), "{name}");
        }
    }

    #[test]
    fn configured_files_of_the_root_are_refused_and_files_elsewhere_are_nobodys() {
        let mut config = EngineConfig::default();
        let logger =
            |output: &str| LoggerConfig { output: output.into(), level: LogLevel::Info, max_size: 0, max_files: 0 };
        config.logging.loggers =
            vec![logger("messages"), logger("/var/log/nano"), logger("logs/today"), logger("console")];
        for (name, key) in [("messages", "logging.logger"), ("logs", "logging.logger")] {
            let reason = check_new_database_name(name, &config).unwrap_err();
            assert!(reason.contains(key), "{reason}");
        }
        for name in ["nano", "today", "console", "var"] {
            assert_eq!(check_new_database_name(name, &config), Ok(()));
        }
        assert!(config.files_in_root().all(|(file, _)| std::path::Path::new(&file).components().count() == 1));
    }
}
