//! Where a demo's files are, and what it needs to know to go on: demo.json, engine.toml, the manifest with its rollups.

use super::days::STEP;
use super::names::COUNT;
use anyhow::{Context, Result};
use nanotdb_core::Error;
use nanotdb_core::model::Timestamp;
use nanotdb_core::model::time::DAY;
use nanotdb_core::storage::vfs::{OpenMode, Vfs};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Database of the samples: the one that the default dashboard shows.
pub(crate) const DATABASE: &str = "metrics";
pub(super) const PLAN_FILE: &str = "demo.json";

/// Used when the command line does not say otherwise.
const DEFAULT_DAYS: i64 = 30;
const DEFAULT_SEED: u64 = 1;

/// What decides all samples of a demo. Kept in its directory, so that a second start goes on with the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// Of the random numbers.
    pub(crate) seed: u64,
    /// Days of history before the first start.
    pub(crate) days: i64,
    /// Time of the first tick, nanoseconds.
    pub(crate) first: Timestamp,
}

impl Plan {
    /// The plan of the directory, or a new one when the directory is empty or missing, which makes it ready for the server.
    /// [`Error::BadInput`] when it holds something else, or a demo that was begun with another `days` or `seed`.
    pub(crate) fn of_directory(
        vfs: &dyn Vfs,
        root: &Path,
        days: Option<i64>,
        seed: Option<u64>,
        now: Timestamp,
    ) -> Result<Self> {
        if let Some(plan) = Self::load(vfs, root)? {
            plan.must_be_of("--days", plan.days, days, root)?;
            plan.must_be_of("--seed", plan.seed, seed, root)?;
            return Ok(plan);
        }
        must_be_empty(vfs, root)?;
        let days = days.unwrap_or(DEFAULT_DAYS);
        let first = now.saturating_sub(days.saturating_mul(DAY));
        let plan = Self { seed: seed.unwrap_or(DEFAULT_SEED), days, first: first - first.rem_euclid(STEP) };
        plan.prepare(vfs, root).with_context(|| format!("preparing {}", root.display()))?;
        Ok(plan)
    }

    /// Samples that the history has, those of the silent times included.
    pub(crate) fn history_samples(&self) -> u64 {
        (self.span() / STEP) as u64 * COUNT as u64
    }

    /// Nanoseconds of history.
    pub(crate) fn span(&self) -> i64 {
        self.days.saturating_mul(DAY)
    }

    fn load(vfs: &dyn Vfs, root: &Path) -> Result<Option<Self>> {
        let path = root.join(PLAN_FILE);
        if vfs.entry(&path).map_err(|e| Error::io("look up", &path, e))?.is_none() {
            return Ok(None);
        }
        let read = || {
            let file = vfs.open(&path, OpenMode::Read)?;
            let mut bytes = vec![0; file.len()?.min(4_096) as usize];
            file.read_exact_at(&mut bytes, 0).map(|()| bytes)
        };
        let bytes = read().map_err(|e| Error::io("read", &path, e))?;
        let plan = serde_json::from_slice(&bytes).map_err(|e| {
            Error::bad_input(format!(
                "{}: {e}; this is no directory of a demo: name an empty or new one",
                path.display()
            ))
        })?;
        Ok(Some(plan))
    }

    fn must_be_of<T: PartialEq + std::fmt::Display>(
        &self,
        flag: &str,
        had: T,
        wanted: Option<T>,
        root: &Path,
    ) -> Result<()> {
        match wanted {
            Some(wanted) if wanted != had => Err(Error::bad_input(format!(
                "{flag} {wanted}: the demo in {} was begun with {flag} {had} and goes on with it; leave {flag} out, or name \
                 another directory",
                root.display()
            ))
            .into()),
            _ => Ok(()),
        }
    }

    fn prepare(&self, vfs: &dyn Vfs, root: &Path) -> Result<()> {
        let write = |path: &Path, text: &str| {
            vfs.create_dir_all(path.parent().unwrap_or(root))?;
            vfs.replace(path, text.as_bytes())
        };
        let plan = serde_json::to_string_pretty(self)? + "\n";
        let files = [
            (root.join(PLAN_FILE), plan.as_str()),
            (root.join("engine.toml"), ENGINE),
            (root.join(DATABASE).join("manifest.toml"), MANIFEST),
        ];
        for (path, text) in &files {
            write(path, text).map_err(|e| Error::io("write", path, e))?;
        }
        Ok(())
    }
}

fn must_be_empty(vfs: &dyn Vfs, root: &Path) -> Result<()> {
    let is_there = vfs.entry(root).map_err(|e| Error::io("look up", root, e))?;
    if is_there.as_ref().is_some_and(|entry| !entry.is_dir) {
        return Err(Error::bad_input(format!("{} is a file; name an empty or new directory", root.display())).into());
    }
    let entries = match is_there {
        Some(_) => vfs.read_dir(root).map_err(|e| Error::io("list", root, e))?,
        None => Vec::new(),
    };
    let Some(entry) = entries.first() else { return Ok(()) };
    let (root, found) = (root.display(), &entry.name);
    Err(Error::bad_input(format!(
        "{root} is not a directory of a demo: it holds {found}; made-up samples are not mixed with other data: name an empty or \
         new directory, or leave --root out for a temporary one"
    ))
    .into())
}

/// The log is a file, so that the terminal stays readable.
const ENGINE: &str = "\
# Made by `nanotdb demo`. `nanotdb --data` serves this directory too, without new samples.
[metrics]
enabled = true

[web]
title = \"NanoTDB demo\"
default_db = \"metrics\"

[[logging.logger]]
output = \"nanotdb.log\"
level = \"info\"
max_size = \"1MiB\"
max_files = 1
";

/// History need not go through the log: what a killed demo lacks is made again.
const MANIFEST: &str = "\
# Made by `nanotdb demo`.
[wal]
skip_before = \"2h\"

[rollups]
enabled = true
default_interval = \"1h\"
default_grace = \"1m\"
default_destination_db = \"metrics_1h\"
default_aggregates = [\"min\", \"avg\", \"max\"]

[[rollups.jobs]]
id = \"busy_1h\"
source_metric = \"cpu.busy_pct\"

[[rollups.jobs]]
id = \"temperature_1h\"
source_metric = \"temp.cpu\"

[[rollups.jobs]]
id = \"memory_1h\"
source_metric = \"mem.available\"

[[rollups.jobs]]
id = \"load_1h\"
source_metric = \"sys.load1\"
";

#[cfg(test)]
mod tests {
    use super::*;
    use nanotdb_core::config::{EngineConfig, Manifest};
    use nanotdb_core::storage::vfs::RealVfs;

    const NOW: Timestamp = 1_777_593_607_000_000_000;

    #[test]
    fn a_new_directory_gets_what_the_server_takes_without_warnings() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("new/demo");
        let plan = Plan::of_directory(&RealVfs, &root, Some(3), None, NOW).unwrap();
        assert_eq!((plan.days, plan.seed, plan.first), (3, 1, NOW - 3 * DAY - 7_000_000_000));
        let engine = EngineConfig::load(&RealVfs, &root.join("engine.toml")).unwrap();
        assert_eq!(engine.warnings, Vec::<String>::new());
        let manifest = Manifest::load(&RealVfs, &root.join("metrics/manifest.toml"), &Manifest::default()).unwrap();
        assert_eq!(manifest.warnings, Vec::<String>::new());
        assert_eq!(manifest.value.rollups.jobs.len(), 4);
    }

    #[test]
    fn a_second_start_has_the_same_plan_and_says_so_when_asked_for_another() {
        let directory = tempfile::tempdir().unwrap();
        let of = |days, seed, now| Plan::of_directory(&RealVfs, directory.path(), days, seed, now);
        let first = of(Some(2), Some(9), NOW).unwrap();
        assert_eq!(of(None, None, NOW + DAY).unwrap(), first);
        assert_eq!(of(Some(2), Some(9), NOW + DAY).unwrap(), first);
        let error = of(Some(3), None, NOW).unwrap_err().to_string();
        assert!(error.contains("--days 3") && error.contains("--days 2"), "{error}");
        let error = of(None, Some(1), NOW).unwrap_err().to_string();
        assert!(error.contains("--seed 9"), "{error}");
    }

    #[test]
    fn other_data_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("engine.toml"), "# mine\n").unwrap();
        let error = Plan::of_directory(&RealVfs, directory.path(), None, None, NOW).unwrap_err();
        assert!(error.to_string().contains("it holds engine.toml"), "{error}");
        assert_eq!(error.downcast_ref::<Error>().map(Error::exit_code), Some(2));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        let file = directory.path().join("engine.toml");
        let error = Plan::of_directory(&RealVfs, &file, None, None, NOW).unwrap_err().to_string();
        assert!(error.contains("is a file"), "{error}");
        std::fs::write(directory.path().join("demo.json"), "{}").unwrap();
        let error = Plan::of_directory(&RealVfs, directory.path(), None, None, NOW).unwrap_err().to_string();
        assert!(error.contains("demo.json"), "{error}");
    }
}
