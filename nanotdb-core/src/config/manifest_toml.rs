//! Reads manifest.toml, and `[manifest_defaults]` of engine.toml, which has the same sections.

use super::reader::{Document, Section};
use super::{Loaded, Manifest, RetentionAction, RollupJob, RollupsManifest, read_text};
use crate::model::name::{check_database_name, check_metric_name};
use crate::plugin::registry::registry;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Component, Path};
use std::time::Duration;

const ABOVE_ZERO: Duration = Duration::from_nanos(1);
/// Days in all the time that timestamps reach, so that a time plus these days is easily kept in range.
const MAX_DAYS: u32 = 106_751;

type Check = std::result::Result<(), String>;

impl Manifest {
    /// Reads manifest.toml from `path`.
    pub fn load(vfs: &dyn Vfs, path: &Path, defaults: &Manifest) -> Result<Loaded<Self>> {
        Self::parse(&read_text(vfs, path)?, path, defaults)
    }

    /// Reads the text of manifest.toml; messages name `file`. Missing keys are taken from `defaults`.
    pub fn parse(text: &str, file: &Path, defaults: &Manifest) -> Result<Loaded<Self>> {
        let (document, table) = Document::parse(text, file)?;
        let root = document.root(&table);
        let value = read_manifest(&root, defaults)?;
        root.warn_of_the_rest();
        Ok(Loaded { value, warnings: document.finish().0 })
    }

    /// Checks the names of codec, partition and aggregates against the registry. The error lists the known ones.
    pub fn check_plugins(&self, file: &Path) -> Result<()> {
        self.check_plugins_under("", file)
    }

    pub(super) fn check_plugins_under(&self, prefix: &str, file: &Path) -> Result<()> {
        let key = |key: &str| format!("{prefix}{key}");
        let (codec, partition) = (&self.page.codec, &self.retention.partition);
        check_plugin(registry().codec(codec), file, &key("page.codec"), codec)?;
        check_plugin(registry().partitioner(partition), file, &key("retention.partition"), partition)?;
        for name in &self.rollups.default_aggregates {
            check_plugin(registry().aggregator(name), file, &key("rollups.default_aggregates"), name)?;
        }
        for (i, job) in self.rollups.jobs.iter().enumerate() {
            for name in &job.aggregates {
                check_plugin(registry().aggregator(name), file, &key(&format!("rollups.jobs[{i}].aggregates")), name)?;
            }
        }
        Ok(())
    }
}

/// Turns the registry's error, which lists what is known, into one about a key.
pub(super) fn check_plugin<P>(found: Result<P>, file: &Path, key: &str, name: &str) -> Result<()> {
    found.map(drop).map_err(|e| Error::Config {
        file: file.to_owned(),
        key: key.to_owned(),
        value: format!("{name:?}"),
        accepted: e.to_string(),
    })
}

/// Reads the sections of a manifest. The caller warns of what else stands in `root`.
pub(super) fn read_manifest(root: &Section<'_>, defaults: &Manifest) -> Result<Manifest> {
    let mut manifest = defaults.clone();

    let section = root.section("retention")?;
    let retention = &mut manifest.retention;
    section.duration("grace", &mut retention.grace, Duration::ZERO)?;
    section.small("retention_days", &mut retention.retention_days, 0..=MAX_DAYS)?;
    section.choice("retention_action", &mut retention.retention_action)?;
    if retention.retention_days == 0 && retention.retention_action != RetentionAction::Keep {
        let accepted = "1 to 106751 days, or retention_action = \"keep\" (0 would remove what was just written)";
        return Err(section.refuse("retention_days", 0, accepted));
    }
    section.small("max_active_days", &mut retention.max_active_days, 1..=65_535)?;
    section.text("partition", &mut retention.partition, not_empty("the name of a partitioner, such as \"day\""))?;
    section.warn_of_the_rest();

    let section = root.section("wal")?;
    section.bool("enabled", &mut manifest.wal.enabled)?;
    section.duration("skip_before", &mut manifest.wal.skip_before, ABOVE_ZERO)?;
    section.warn_of_the_rest();

    let section = root.section("page")?;
    section.small("max_records", &mut manifest.page.max_records, 1..=65_535)?;
    section.size("max_bytes", &mut manifest.page.max_bytes, 14)?;
    section.duration("max_age", &mut manifest.page.max_age, ABOVE_ZERO)?;
    section.text("codec", &mut manifest.page.codec, not_empty("the name of a codec, such as \"s2\""))?;
    section.warn_of_the_rest();

    read_rollups(root.section("rollups")?, &mut manifest.rollups)?;
    root.table("events", &mut manifest.events.table)?;
    Ok(manifest)
}

fn read_rollups(section: Section<'_>, rollups: &mut RollupsManifest) -> Result<()> {
    section.bool("enabled", &mut rollups.enabled)?;
    section.text("checkpoint_file", &mut rollups.checkpoint_file, inside_directory)?;
    section.optional_duration("default_grace", &mut rollups.default_grace, Duration::ZERO)?;
    section.optional_duration("default_interval", &mut rollups.default_interval, ABOVE_ZERO)?;
    section.optional_text("default_destination_db", &mut rollups.default_destination_db, database_name)?;
    section.texts("default_aggregates", &mut rollups.default_aggregates, aggregate)?;
    section.texts("global_exclude_patterns", &mut rollups.global_exclude_patterns, pattern)?;
    if let Some(jobs) = section.sections("jobs")? {
        let mut ids = BTreeSet::new();
        let enabled = rollups.enabled;
        rollups.jobs.clear();
        for job_section in jobs {
            let job = read_job(&job_section)?;
            if !ids.insert(job.id.clone()) {
                return Err(job_section.refuse("id", format!("{:?}", job.id), "an id that no other job has"));
            }
            // A job that cannot run is harmless as long as none does.
            if enabled && job.interval.is_none() && rollups.default_interval.is_none() {
                let accepted = "an interval such as \"1h\", here or as rollups.default_interval";
                return Err(job_section.refuse("interval", "(missing)", accepted));
            }
            if enabled && job.destination_db.is_none() && rollups.default_destination_db.is_none() {
                let accepted = "a database, here or as rollups.default_destination_db";
                return Err(job_section.refuse("destination_db", "(missing)", accepted));
            }
            job_section.warn_of_the_rest();
            rollups.jobs.push(job);
        }
    }
    section.warn_of_the_rest();
    Ok(())
}

fn read_job(section: &Section<'_>) -> Result<RollupJob> {
    let mut job = RollupJob::default();
    let id = "text that is not empty, has no control characters, and is unique in this file";
    // A line break would make two lines of one in the checkpoint log.
    let is_id = |text: &str| if text.contains(char::is_control) { Err(id.into()) } else { not_empty(id)(text) };
    section.text("id", &mut job.id, is_id)?;
    if job.id.is_empty() {
        return Err(section.refuse("id", "(missing)", id));
    }
    section.optional_text("source_metric", &mut job.source_metric, metric_name)?;
    section.optional_text("source_pattern", &mut job.source_pattern, pattern)?;
    match (&job.source_metric, &job.source_pattern) {
        (Some(_), None) | (None, Some(_)) => {}
        (None, None) => {
            let accepted = "a metric name, or a pattern as source_pattern; a job needs exactly one of the two";
            return Err(section.refuse("source_metric", "(missing)", accepted));
        }
        (Some(_), Some(pattern)) => {
            let accepted = "exactly one of source_metric and source_pattern, but both are set";
            return Err(section.refuse("source_pattern", format!("{pattern:?}"), accepted));
        }
    }
    section.texts("exclude_patterns", &mut job.exclude_patterns, pattern)?;
    section.optional_duration("interval", &mut job.interval, ABOVE_ZERO)?;
    section.texts("aggregates", &mut job.aggregates, aggregate)?;
    section.optional_text("destination_db", &mut job.destination_db, database_name)?;
    section.optional_text("destination_metric_prefix", &mut job.destination_metric_prefix, metric_name)?;
    section.optional_duration("grace", &mut job.grace, Duration::ZERO)?;
    Ok(job)
}

fn not_empty(accepted: &'static str) -> impl Fn(&str) -> Check {
    move |text| if text.is_empty() { Err(accepted.into()) } else { Ok(()) }
}

pub(super) fn database_name(text: &str) -> Check {
    check_database_name(text.as_bytes()).map(drop)
}

fn metric_name(text: &str) -> Check {
    check_metric_name(text.as_bytes()).map(drop)
}

fn aggregate(text: &str) -> Check {
    not_empty("names of aggregates, such as \"avg\"")(text)
}

fn pattern(text: &str) -> Check {
    match text.contains(char::is_whitespace) || text.is_empty() {
        true => Err("a metric name in which * stands for any characters, such as \"disk.*\"".into()),
        false => Ok(()),
    }
}

/// A relative path that cannot lead out of the database's directory.
fn inside_directory(text: &str) -> Check {
    let plain = Path::new(text).components().all(|part| matches!(part, Component::Normal(_)));
    match plain && !text.is_empty() && !text.contains('\0') {
        true => Ok(()),
        false => Err("a path inside the database's directory, such as \"rollup.checkpoints.log\"".into()),
    }
}
