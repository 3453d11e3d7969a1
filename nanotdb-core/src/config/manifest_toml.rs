//! Reads manifest.toml, and `[manifest_defaults]` of engine.toml, which has the same sections.

use super::problems::{parse, told};
use super::{Checked, Loaded, Manifest, RetentionAction, RollupJob, RollupsManifest, read_text};
use crate::layout;
use crate::model::name::{check_database_name, check_metric_name};
use crate::plugin::registry::registry;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use nanotdb_settings::Section;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

const ABOVE_ZERO: Duration = Duration::from_nanos(1);
/// Days in all the time that timestamps reach, so that a time plus these days is easily kept in range.
const MAX_DAYS: u32 = 106_751;
/// Longest name of a file, with room for what is put behind it while it is replaced.
const LONGEST_FILE_NAME: usize = 200;

type Check = std::result::Result<(), String>;

impl Manifest {
    /// Reads manifest.toml from `path`.
    pub fn load(vfs: &dyn Vfs, path: &Path, defaults: &Manifest) -> Result<Loaded<Self>> {
        Self::parse(&read_text(vfs, path)?, path, defaults)
    }

    /// Reads the text of manifest.toml; messages name `file`. Missing keys are taken from `defaults`. The first mistake is the
    /// error.
    pub fn parse(text: &str, file: &Path, defaults: &Manifest) -> Result<Loaded<Self>> {
        Self::read(text, file, defaults)?.loaded()
    }

    /// Reads the text of manifest.toml and finds every mistake, also names that the registry does not know. An error is one of
    /// syntax, behind which nothing can be read.
    pub fn check(text: &str, file: &Path, defaults: &Manifest) -> Result<Checked<Self>> {
        let mut checked = Self::read(text, file, defaults)?;
        checked.value.plugin_mistakes("", file, &mut checked.mistakes);
        Ok(checked)
    }

    fn read(text: &str, file: &Path, defaults: &Manifest) -> Result<Checked<Self>> {
        let (document, table) = parse(text, file)?;
        let mut root = document.root(&table);
        let value = read_manifest(&mut root, defaults);
        root.finish();
        let (warnings, mistakes) = told(document.finish().mistakes, file);
        Ok(Checked { value, warnings, mistakes })
    }

    /// Checks the names of codec, partition and aggregates against the registry. The error lists the known ones.
    pub fn check_plugins(&self, file: &Path) -> Result<()> {
        let mut mistakes = Vec::new();
        self.plugin_mistakes("", file, &mut mistakes);
        mistakes.into_iter().next().map_or(Ok(()), Err)
    }

    pub(super) fn plugin_mistakes(&self, prefix: &str, file: &Path, mistakes: &mut Vec<Error>) {
        let key = |key: &str| format!("{prefix}{key}");
        let (codec, partition) = (&self.page.codec, &self.retention.partition);
        mistakes.extend(check_plugin(registry().codec(codec), file, &key("page.codec"), codec));
        mistakes.extend(check_plugin(registry().partitioner(partition), file, &key("retention.partition"), partition));
        let mut aggregators = |names: &[String], key: &str| {
            let check = |name: &String| check_plugin(registry().aggregator(name), file, key, name);
            mistakes.extend(names.iter().filter_map(check));
        };
        aggregators(&self.rollups.default_aggregates, &key("rollups.default_aggregates"));
        for (i, job) in self.rollups.jobs.iter().enumerate() {
            aggregators(&job.aggregates, &key(&format!("rollups.jobs[{i}].aggregates")));
        }
    }
}

/// Turns the registry's error, which lists what is known, into one about a key.
pub(super) fn check_plugin<P>(found: Result<P>, file: &Path, key: &str, name: &str) -> Option<Error> {
    let accepted = found.err()?.to_string();
    Some(Error::Config { file: file.to_owned(), key: key.to_owned(), value: format!("{name:?}"), accepted })
}

/// Reads the sections of a manifest. The caller warns of what else stands in `root`.
pub(super) fn read_manifest(root: &mut Section<'_>, defaults: &Manifest) -> Manifest {
    let mut manifest = defaults.clone();

    let mut section = root.section("retention");
    let retention = &mut manifest.retention;
    retention.grace = section.duration("grace", retention.grace, Duration::ZERO);
    retention.retention_days = section.number("retention_days", retention.retention_days, 0..=MAX_DAYS);
    retention.retention_action = section.choice("retention_action", retention.retention_action);
    if retention.retention_days == 0 && retention.retention_action != RetentionAction::Keep {
        let accepted = "1 to 106751 days, or retention_action = \"keep\" (0 would remove what was just written)";
        section.refuse_value("retention_days", 0, accepted);
    }
    retention.max_active_days = section.number("max_active_days", retention.max_active_days, 1..=65_535);
    retention.partition =
        section.checked("partition", &retention.partition, not_empty("the name of a partitioner, such as \"day\""));
    section.finish();

    let mut section = root.section("wal");
    manifest.wal.enabled = section.bool("enabled", manifest.wal.enabled);
    manifest.wal.skip_before = section.duration("skip_before", manifest.wal.skip_before, ABOVE_ZERO);
    section.finish();

    let mut section = root.section("page");
    manifest.page.max_records = section.number("max_records", manifest.page.max_records, 1..=65_535);
    manifest.page.max_bytes = section.size("max_bytes", manifest.page.max_bytes, 14);
    manifest.page.max_age = section.duration("max_age", manifest.page.max_age, ABOVE_ZERO);
    manifest.page.codec =
        section.checked("codec", &manifest.page.codec, not_empty("the name of a codec, such as \"s2\""));
    section.finish();

    read_rollups(root.section("rollups"), &mut manifest.rollups);
    if let Some(events) = root.table("events") {
        manifest.events.table = events;
    }
    manifest
}

fn read_rollups(mut section: Section<'_>, rollups: &mut RollupsManifest) {
    rollups.enabled = section.bool("enabled", rollups.enabled);
    rollups.checkpoint_file = section.checked("checkpoint_file", &rollups.checkpoint_file, file_name);
    rollups.default_grace = section.optional_duration("default_grace", rollups.default_grace, Duration::ZERO);
    rollups.default_interval = section.optional_duration("default_interval", rollups.default_interval, ABOVE_ZERO);
    rollups.default_destination_db =
        section.optional_text("default_destination_db", rollups.default_destination_db.as_deref(), database_name);
    if let Some(found) = section.checked_texts("default_aggregates", aggregate) {
        rollups.default_aggregates = found;
    }
    if let Some(found) = section.checked_texts("global_exclude_patterns", pattern) {
        rollups.global_exclude_patterns = found;
    }
    if let Some(jobs) = section.sections("jobs") {
        let mut ids = BTreeSet::new();
        let enabled = rollups.enabled;
        // A default that is wrong is one mistake, not one of each job.
        let has_interval = rollups.default_interval.is_some() || section.is_wrong("default_interval");
        let has_destination = rollups.default_destination_db.is_some() || section.is_wrong("default_destination_db");
        rollups.jobs.clear();
        for mut job_section in jobs {
            let job = read_job(&mut job_section);
            if !job.id.is_empty() && !ids.insert(job.id.clone()) {
                job_section.refuse_value("id", format!("{:?}", job.id), "an id that no other job has");
            }
            // A job that cannot run is harmless as long as none does.
            if enabled && job.interval.is_none() && !has_interval {
                let accepted = "an interval such as \"1h\", here or as rollups.default_interval";
                job_section.missing("interval", accepted);
            }
            if enabled && job.destination_db.is_none() && !has_destination {
                let accepted = "a database, here or as rollups.default_destination_db";
                job_section.missing("destination_db", accepted);
            }
            job_section.finish();
            rollups.jobs.push(job);
        }
    }
    section.finish();
}

fn read_job(section: &mut Section<'_>) -> RollupJob {
    let mut job = RollupJob::default();
    let id = "text that is not empty, has no control characters, and is unique in this file";
    // A line break would make two lines of one in the checkpoint log.
    let is_id = |text: &str| if text.contains(char::is_control) { Err(id.into()) } else { not_empty(id)(text) };
    job.id = section.checked("id", &job.id, is_id);
    if job.id.is_empty() {
        section.missing("id", id);
    }
    job.source_metric = section.optional_text("source_metric", job.source_metric.as_deref(), metric_name);
    job.source_pattern = section.optional_text("source_pattern", job.source_pattern.as_deref(), pattern);
    match (&job.source_metric, &job.source_pattern) {
        (Some(_), None) | (None, Some(_)) => {}
        (None, None) if section.is_wrong("source_pattern") => {}
        (None, None) => {
            let accepted = "a metric name, or a pattern as source_pattern; a job needs exactly one of the two";
            section.missing("source_metric", accepted);
        }
        (Some(_), Some(pattern)) => {
            let accepted = "exactly one of source_metric and source_pattern, but both are set";
            section.refuse_value("source_pattern", format!("{pattern:?}"), accepted);
        }
    }
    if let Some(found) = section.checked_texts("exclude_patterns", pattern) {
        job.exclude_patterns = found;
    }
    job.interval = section.optional_duration("interval", job.interval, ABOVE_ZERO);
    if let Some(found) = section.checked_texts("aggregates", aggregate) {
        job.aggregates = found;
    }
    job.destination_db = section.optional_text("destination_db", job.destination_db.as_deref(), database_name);
    job.destination_metric_prefix =
        section.optional_text("destination_metric_prefix", job.destination_metric_prefix.as_deref(), metric_name);
    job.grace = section.optional_duration("grace", job.grace, Duration::ZERO);
    job
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

/// A file of the database's directory that is none of its own: what is written over it is lost.
fn file_name(text: &str) -> Check {
    let accepted =
        "the name of a file, without directories, in the database's directory, such as \"rollup.checkpoints.log\"";
    let is_name = Path::new(text).file_name().is_some_and(|name| name == text) && !text.contains(char::is_control);
    if !is_name || text.len() > LONGEST_FILE_NAME {
        return Err(accepted.into());
    }
    if layout::is_own(&text.to_ascii_lowercase()) {
        return Err(format!(
            "{accepted}, but none that the database's own files have (.*, *.wal*, *.tmp, *.damaged-*, *.partial, catalog.json, manifest.toml, retention.journal, data-*, raw-*, metric-*, built-*, archive-*, events-*, events.*, *.dat, *.tar, *.sources, *.journal, *.events.log, series.log)"
        ));
    }
    Ok(())
}
