//! Reads manifest.toml, and `[manifest_defaults]` of engine.toml, which has the same sections.

use super::reader::{Document, Read, Section};
use super::{Checked, Loaded, Manifest, RetentionAction, RollupJob, RollupsManifest, read_text};
use crate::database::{JOURNAL_FILE, MANIFEST_FILE};
use crate::model::name::{check_database_name, check_metric_name};
use crate::plugin::registry::registry;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
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
        let (document, table) = Document::parse(text, file)?;
        let root = document.root(&table);
        let value = read_manifest(&root, defaults);
        root.warn_of_the_rest();
        let Read { warnings, mistakes, .. } = document.finish();
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
pub(super) fn read_manifest(root: &Section<'_>, defaults: &Manifest) -> Manifest {
    let mut manifest = defaults.clone();

    let section = root.section("retention");
    let retention = &mut manifest.retention;
    section.duration("grace", &mut retention.grace, Duration::ZERO);
    section.small("retention_days", &mut retention.retention_days, 0..=MAX_DAYS);
    section.choice("retention_action", &mut retention.retention_action);
    if retention.retention_days == 0 && retention.retention_action != RetentionAction::Keep {
        let accepted = "1 to 106751 days, or retention_action = \"keep\" (0 would remove what was just written)";
        section.refuse("retention_days", 0, accepted);
    }
    section.small("max_active_days", &mut retention.max_active_days, 1..=65_535);
    section.text("partition", &mut retention.partition, not_empty("the name of a partitioner, such as \"day\""));
    section.warn_of_the_rest();

    let section = root.section("wal");
    section.bool("enabled", &mut manifest.wal.enabled);
    section.duration("skip_before", &mut manifest.wal.skip_before, ABOVE_ZERO);
    section.warn_of_the_rest();

    let section = root.section("page");
    section.small("max_records", &mut manifest.page.max_records, 1..=65_535);
    section.size("max_bytes", &mut manifest.page.max_bytes, 14);
    section.duration("max_age", &mut manifest.page.max_age, ABOVE_ZERO);
    section.text("codec", &mut manifest.page.codec, not_empty("the name of a codec, such as \"s2\""));
    section.warn_of_the_rest();

    read_rollups(root.section("rollups"), &mut manifest.rollups);
    root.table("events", &mut manifest.events.table);
    manifest
}

fn read_rollups(section: Section<'_>, rollups: &mut RollupsManifest) {
    section.bool("enabled", &mut rollups.enabled);
    section.text("checkpoint_file", &mut rollups.checkpoint_file, file_name);
    section.optional_duration("default_grace", &mut rollups.default_grace, Duration::ZERO);
    section.optional_duration("default_interval", &mut rollups.default_interval, ABOVE_ZERO);
    section.optional_text("default_destination_db", &mut rollups.default_destination_db, database_name);
    section.texts("default_aggregates", &mut rollups.default_aggregates, aggregate);
    section.texts("global_exclude_patterns", &mut rollups.global_exclude_patterns, pattern);
    if let Some(jobs) = section.sections("jobs") {
        let mut ids = BTreeSet::new();
        let enabled = rollups.enabled;
        // A default that is wrong is one mistake, not one of each job.
        let has_interval = rollups.default_interval.is_some() || section.is_wrong("default_interval");
        let has_destination = rollups.default_destination_db.is_some() || section.is_wrong("default_destination_db");
        rollups.jobs.clear();
        for job_section in jobs {
            let job = read_job(&job_section);
            if !job.id.is_empty() && !ids.insert(job.id.clone()) {
                job_section.refuse("id", format!("{:?}", job.id), "an id that no other job has");
            }
            // A job that cannot run is harmless as long as none does.
            if enabled && job.interval.is_none() && !has_interval {
                let accepted = "an interval such as \"1h\", here or as rollups.default_interval";
                job_section.refuse("interval", "(missing)", accepted);
            }
            if enabled && job.destination_db.is_none() && !has_destination {
                let accepted = "a database, here or as rollups.default_destination_db";
                job_section.refuse("destination_db", "(missing)", accepted);
            }
            job_section.warn_of_the_rest();
            rollups.jobs.push(job);
        }
    }
    section.warn_of_the_rest();
}

fn read_job(section: &Section<'_>) -> RollupJob {
    let mut job = RollupJob::default();
    let id = "text that is not empty, has no control characters, and is unique in this file";
    // A line break would make two lines of one in the checkpoint log.
    let is_id = |text: &str| if text.contains(char::is_control) { Err(id.into()) } else { not_empty(id)(text) };
    section.text("id", &mut job.id, is_id);
    if job.id.is_empty() {
        section.refuse("id", "(missing)", id);
    }
    section.optional_text("source_metric", &mut job.source_metric, metric_name);
    section.optional_text("source_pattern", &mut job.source_pattern, pattern);
    match (&job.source_metric, &job.source_pattern) {
        (Some(_), None) | (None, Some(_)) => {}
        (None, None) if section.is_wrong("source_pattern") => {}
        (None, None) => {
            let accepted = "a metric name, or a pattern as source_pattern; a job needs exactly one of the two";
            section.refuse("source_metric", "(missing)", accepted);
        }
        (Some(_), Some(pattern)) => {
            let accepted = "exactly one of source_metric and source_pattern, but both are set";
            section.refuse("source_pattern", format!("{pattern:?}"), accepted);
        }
    }
    section.texts("exclude_patterns", &mut job.exclude_patterns, pattern);
    section.optional_duration("interval", &mut job.interval, ABOVE_ZERO);
    section.texts("aggregates", &mut job.aggregates, aggregate);
    section.optional_text("destination_db", &mut job.destination_db, database_name);
    section.optional_text("destination_metric_prefix", &mut job.destination_metric_prefix, metric_name);
    section.optional_duration("grace", &mut job.grace, Duration::ZERO);
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
    if is_own_file(&text.to_ascii_lowercase()) {
        return Err(format!(
            "{accepted}, but none that the database's own files have (.*, *.wal*, *.tmp, *.damaged-*, *.partial, catalog.json, manifest.toml, retention.journal, data-*, raw-*, metric-*, built-*, archive-*, events-*, events.*, *.dat, *.tar, *.sources, *.journal, *.events.log, series.log)"
        ));
    }
    Ok(())
}

/// Whether a database's own files have such names.
fn is_own_file(name: &str) -> bool {
    let prefixes = [".", "data-", "raw-", "metric-", "built-", "archive-", "events-", "events."];
    let suffixes = [".tmp", ".partial", ".dat", ".tar", ".sources", ".journal", ".events.log"];
    [MANIFEST_FILE, "catalog.json", JOURNAL_FILE, "series.log"].contains(&name)
        || prefixes.iter().any(|own| name.starts_with(own))
        || suffixes.iter().any(|own| name.ends_with(own))
        || [".wal", ".damaged-"].iter().any(|own| name.contains(own))
}
