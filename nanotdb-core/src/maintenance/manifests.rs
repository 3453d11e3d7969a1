//! Every mistake in engine.toml and the manifests of a root, not only the first.

use crate::config::{Checked, EngineConfig, Manifest, RetentionAction, RollupJob};
use crate::engine::databases_on_disk;
use crate::layout;
use crate::maintenance::inspect;
use crate::model::counted;
use crate::plugin::registry::registry;
use crate::rollup;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest configuration file.
const MAX_FILE: u64 = 4 << 20;

/// Something about a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Dotted key, where there is one.
    pub key: Option<String>,
    /// What is wrong, and what is accepted.
    pub what: String,
    /// Whether the server would refuse it, or do other than it says.
    pub is_error: bool,
}

/// What was looked at and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManifestReport {
    /// Files that were read.
    pub files: Vec<PathBuf>,
    /// In the order of the files.
    pub findings: Vec<Finding>,
}

impl ManifestReport {
    /// Number of errors.
    pub fn errors(&self) -> u64 {
        self.findings.iter().filter(|finding| finding.is_error).count() as u64
    }
}

/// Checks engine.toml and the manifest of every database, or of one. Reads only.
pub fn check(vfs: &dyn Vfs, root: &Path, database: Option<&str>) -> Result<ManifestReport> {
    let mut report = ManifestReport::default();
    let mut databases = databases_on_disk(vfs, root)?;
    if let Some(wanted) = database {
        super::target::only(&mut databases, wanted, root)?;
    }
    let path = root.join(layout::ENGINE_TOML);
    let mut config = EngineConfig::default();
    if let Some(text) = read(vfs, &path, &mut report)?
        && let Some(value) = note(EngineConfig::check(&text, &path), &path, &mut report)
    {
        config = value;
    }
    let mut feeds = BTreeMap::new();
    for (name, directory) in databases {
        let path = directory.join(layout::MANIFEST);
        let Some(text) = read(vfs, &path, &mut report)? else {
            report.findings.push(Finding {
                file: path,
                key: None,
                what: "there is none; the defaults of engine.toml are used".to_owned(),
                is_error: false,
            });
            continue;
        };
        let errors = report.errors();
        let checked = Manifest::check(&text, &path, &config.manifest_defaults);
        if let Some(manifest) = note(checked, &path, &mut report)
            && report.errors() == errors
        {
            contradictions(vfs, &directory, &path, &manifest, &mut report)?;
            let rollups = &manifest.rollups;
            let destination = |job: &RollupJob| job.destination_db.clone().or(rollups.default_destination_db.clone());
            if rollups.enabled {
                feeds.insert(name, rollups.jobs.iter().filter_map(destination).collect());
            }
        }
    }
    for (first, ring) in rollup::rings(&feeds) {
        report.findings.push(Finding {
            file: root.join(first).join(layout::MANIFEST),
            key: Some("rollups.jobs.destination_db".to_owned()),
            what: format!("{ring}: a destination must not lead back to its source"),
            is_error: true,
        });
    }
    Ok(report)
}

/// `None` when there is none, or it is no text, which is told.
fn read(vfs: &dyn Vfs, path: &Path, report: &mut ManifestReport) -> Result<Option<String>> {
    let file = vfs.resolve(path).map_err(|e| Error::io("read", path, e))?;
    let bytes = match vfs.read(&file, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("read", path, e)),
    };
    report.files.push(path.to_owned());
    let text = String::from_utf8(bytes);
    if text.is_err() {
        let what = "not UTF-8; accepted is TOML in UTF-8".to_owned();
        report.findings.push(Finding { file: path.to_owned(), key: None, what, is_error: true });
    }
    Ok(text.ok())
}

/// Tells what was found in a file. `None` when nothing could be read.
fn note<T>(checked: Result<Checked<T>>, path: &Path, report: &mut ManifestReport) -> Option<T> {
    let mut add = |key: Option<String>, text: &str, is_error: bool| {
        let what = text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(text).to_owned();
        report.findings.push(Finding { file: path.to_owned(), key, what, is_error });
    };
    match checked {
        Ok(Checked { value, warnings, mistakes }) => {
            for mistake in mistakes {
                match mistake {
                    Error::Config { key, value, accepted, .. } => add(Some(key), &format!("{value}: {accepted}"), true),
                    other => add(None, &other.to_string(), true),
                }
            }
            warnings.iter().for_each(|warning| add(None, warning, false));
            Some(value)
        }
        Err(e) => {
            add(None, &e.to_string(), true);
            None
        }
    }
}

/// What is accepted key by key and makes no sense together, or not with the files that are there.
fn contradictions(
    vfs: &dyn Vfs,
    directory: &Path,
    path: &Path,
    manifest: &Manifest,
    report: &mut ManifestReport,
) -> Result<()> {
    let mut note = |key: &str, what: String, is_error: bool| {
        report.findings.push(Finding { file: path.to_owned(), key: Some(key.to_owned()), what, is_error });
    };
    let rollups = &manifest.rollups;
    if rollups.enabled && rollups.jobs.is_empty() {
        note("rollups.enabled", "true, but there are no [[rollups.jobs]]".to_owned(), false);
    }
    if !rollups.enabled && !rollups.jobs.is_empty() {
        let what = format!("false, so that none of {} runs", counted(rollups.jobs.len() as u64, "job"));
        note("rollups.enabled", what, false);
    }
    let retention = &manifest.retention;
    let kept = Duration::from_secs(u64::from(retention.retention_days).saturating_mul(86_400));
    for (at, job) in rollups.jobs.iter().enumerate().filter(|_| rollups.enabled) {
        let interval = job.interval.or(rollups.default_interval).unwrap_or_default();
        let grace = job.grace.or(rollups.default_grace).unwrap_or_default();
        if retention.retention_action != RetentionAction::Keep && interval.saturating_add(grace) > kept {
            let what = format!(
                "a bucket and its grace are longer than the {} that samples are kept: they are gone before it ends",
                counted(u64::from(retention.retention_days), "day")
            );
            note(&format!("rollups.jobs[{at}].interval"), what, true);
        }
    }
    if manifest.page.max_bytes < u64::from(manifest.page.max_records).saturating_mul(14) {
        let rows = manifest.page.max_bytes.checked_div(14).unwrap_or_default();
        let what = format!("a page of max_records rows does not fit; pages have {rows} rows");
        note("page.max_bytes", what, false);
    }
    let configured = registry().partitioner(&retention.partition)?;
    let files = inspect::data_files(vfs, directory)?;
    let foreign = files.iter().filter(|file| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let stem = name.strip_suffix(".dat").unwrap_or(name);
        let part = stem.strip_prefix(layout::DATA).or_else(|| stem.strip_prefix(layout::RAW)).unwrap_or(stem);
        registry().named_by(part).first().is_none_or(|(owner, _)| owner.name() != configured.name())
    });
    let foreign = foreign.count();
    if foreign > 0 {
        let what =
            format!("{:?}, but {foreign} data files are cut otherwise; they stay as they are", retention.partition);
        note("retention.partition", what, false);
    }
    Ok(())
}
