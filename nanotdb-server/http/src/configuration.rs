//! engine.toml of a root: read, made, or told what is wrong with it.

use crate::location::Location;
use anyhow::{Context, Result, bail};
use nanotdb_core::config::EngineConfig;
use nanotdb_core::storage::vfs::Vfs;

/// `--init`
pub(crate) fn initialise(vfs: &dyn Vfs, location: &Location) -> Result<()> {
    let path = &location.config;
    if vfs.entry(path).with_context(|| format!("looking at {}", path.display()))?.is_some() {
        bail!("{} exists already and is left as it is; remove it first, or start without --init", path.display());
    }
    write_default(vfs, location)?;
    println!("wrote {}; start with: nanotdb --config {}", path.display(), path.display());
    Ok(())
}

fn write_default(vfs: &dyn Vfs, location: &Location) -> Result<()> {
    let path = &location.config;
    let config = default_configuration(vfs, location)?;
    vfs.create_dir_all(&location.root).with_context(|| format!("making {}", location.root.display()))?;
    vfs.replace(path, config.to_toml().as_bytes()).with_context(|| format!("writing {}", path.display()))
}

/// What the configuration of a root is to be that has none.
fn default_configuration(vfs: &dyn Vfs, location: &Location) -> Result<EngineConfig> {
    let root = &location.root;
    let listed = match vfs.read_dir(root) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        listed => listed.with_context(|| format!("looking at {}", root.display()))?,
    };
    // The original may read what is there already; it knows our metric files only in part.
    let is_new = !listed.iter().any(|entry| entry.is_dir);
    Ok(if is_new { EngineConfig::of_new_root() } else { EngineConfig::default() })
}

/// Whether there is no space for something.
fn is_full(error: &anyhow::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind.is_some_and(|kind| matches!(kind, StorageFull | QuotaExceeded))
}

/// The configuration of a root.
pub(crate) struct Configuration {
    pub(crate) config: EngineConfig,
    /// What is odd about it and does no harm.
    pub(crate) warnings: Vec<String>,
    /// Whether there is no file, so that these are defaults which are to be written.
    pub(crate) is_missing: bool,
}

/// Reads it. A root without one has the default one; nothing is written yet.
pub(crate) fn configuration(vfs: &dyn Vfs, location: &Location) -> Result<Configuration> {
    let path = &location.config;
    if vfs.entry(path).with_context(|| format!("looking at {}", path.display()))?.is_none() {
        if location.must_exist {
            let path = path.display();
            let missing = format!("{path} does not exist; make it with: nanotdb --init --config {path}");
            return Err(nanotdb_core::Error::NotFound(missing).into());
        }
        let config = default_configuration(vfs, location)?;
        return Ok(Configuration { config, warnings: Vec::new(), is_missing: true });
    }
    // Plugins that this binary does not have are found now, not when a database is made one day.
    let checked = EngineConfig::check_file(vfs, path)?;
    let mut mistakes = checked.mistakes.into_iter();
    match (mistakes.next(), mistakes.len()) {
        (None, _) => Ok(Configuration { config: checked.value, warnings: checked.warnings, is_missing: false }),
        (Some(only), 0) => Err(only.into()),
        (Some(first), more) => {
            let all: Vec<String> = std::iter::once(first).chain(mistakes).map(|mistake| mistake.to_string()).collect();
            let text = format!("{} mistakes:\n  {}", more + 1, all.join("\n  "));
            Err(nanotdb_core::Error::bad_input(text).into())
        }
    }
}

/// Writes the default one. A full disk is a warning: what is there can be read, and retention may make room.
pub(crate) fn write_missing(vfs: &dyn Vfs, location: &Location) -> Result<Option<String>> {
    match write_default(vfs, location) {
        Err(error) if is_full(&error) => {
            Ok(Some(format!("{error:#}; the defaults are in force, and the next start writes it")))
        }
        written => written.map(|()| None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_full_disk_does_not_keep_a_root_without_configuration_from_being_served() {
        use nanotdb_core::storage::vfs::sim::SimVfs;
        let location = Location::of_root(PathBuf::from("/root"));
        for has_database in [false, true] {
            let vfs = SimVfs::new(1);
            vfs.create_dir_all(&location.root).unwrap();
            if has_database {
                vfs.create_dir_all(&location.root.join("home")).unwrap();
            }
            vfs.set_capacity(Some(vfs.used()));
            let Configuration { config, warnings, is_missing } = configuration(&vfs, &location).unwrap();
            assert!(is_missing && warnings.is_empty(), "{warnings:?}");
            let warning = write_missing(&vfs, &location).unwrap().unwrap();
            assert!(warning.contains("the defaults are in force"), "{warning}");
            let wanted = if has_database { EngineConfig::default() } else { EngineConfig::of_new_root() };
            assert_eq!(config.to_toml(), wanted.to_toml());
            assert!(vfs.entry(&location.config).unwrap().is_none());
            vfs.set_capacity(None);
            assert_eq!(write_missing(&vfs, &location).unwrap(), None);
            assert!(vfs.entry(&location.config).unwrap().is_some());
            assert!(!configuration(&vfs, &location).unwrap().is_missing);
        }
    }
}
