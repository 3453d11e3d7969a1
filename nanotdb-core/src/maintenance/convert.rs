//! A root as a new one in another form: the original's, or today's.
//!
//! The source is only read. Raw pages are written anew, one for one; then an engine on the new root builds the metric
//! files, which compares each with the rows it was built from.

mod narrow;
mod pages;
mod recut;

use super::target::check_target;
use crate::config::{EngineConfig, Manifest, MetricFileFormat, RawIngestAction};
use crate::database::{Database, OpenPartition, RawKind, WholePartition};
use crate::engine::{BuildOptions, Engine, EngineOptions, INTERNAL_DATABASE, Selection};
use crate::format::catalog;
use crate::format::events::is_events_file;
use crate::layout;
use crate::model::{Timestamp, Value, ValueType};
use crate::plugin::Partition;
use crate::plugin::registry::registry;
use crate::query::scan::ScanReport;
use crate::storage::copy::copy_file;
use crate::storage::metric_file::sources_path;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use narrow::Types;
use pages::{PageWriter, Written};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

/// Aggregates that rollups of the original know.
const AGGREGATES_OF_THE_ORIGINAL: [&str; 5] = ["min", "max", "sum", "avg", "count"];

/// What a root becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// What the original NanoTDB reads: s2 pages and metric files v2, of 32-bit values.
    Original,
    /// Today's defaults: metric files v3 with columns.
    Nanotdb,
}

/// A conversion.
#[derive(Debug, Clone, Copy)]
pub struct ConvertRequest<'a> {
    /// The root that is read.
    pub root: &'a Path,
    /// The new one: missing or empty.
    pub out: &'a Path,
    /// Only this database.
    pub database: Option<&'a str>,
    /// Its form.
    pub target: Target,
    /// Round float64 values that are no float32 instead of leaving their metric out.
    pub lossy: bool,
}

/// What a conversion did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConvertReport {
    /// By name.
    pub databases: Vec<ConvertedDatabase>,
    /// Metrics that the new root does not have, with the first value that stands in the way.
    pub left_out: Vec<Loss>,
    /// Metrics whose values were rounded, with the first one.
    pub rounded: Vec<Loss>,
    /// What could not be read, and so is missing.
    pub warnings: Vec<String>,
    /// What is otherwise than in the source, or left to do.
    pub notes: Vec<String>,
}

/// One database of the new root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConvertedDatabase {
    /// Name.
    pub name: String,
    /// Metrics.
    pub metrics: u64,
    /// Those that had 64 bits and have 32 now.
    pub narrowed: u64,
    /// Partitions with samples.
    pub partitions: u64,
    /// Samples.
    pub rows: u64,
    /// Bytes of raw files.
    pub raw_bytes: u64,
    /// Metric files.
    pub metric_files: u64,
    /// Their bytes.
    pub metric_bytes: u64,
}

impl ConvertedDatabase {
    /// Adds a partition.
    fn add(&mut self, written: Written) {
        self.partitions = self.partitions.saturating_add(u64::from(written.rows > 0));
        self.rows = self.rows.saturating_add(written.rows);
        self.raw_bytes = self.raw_bytes.saturating_add(written.bytes);
    }
}

/// A metric with a value that the target cannot hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// Database.
    pub database: String,
    /// Metric.
    pub metric: String,
    /// Its type in the source.
    pub value_type: ValueType,
    /// What is the matter with the value.
    pub reason: String,
    /// When.
    pub timestamp: Timestamp,
    /// The first such value.
    pub value: Value,
}

/// A partition whose metric file is still to be built.
struct Planned {
    database: usize,
    part: String,
    raw_ingest_action: RawIngestAction,
}

/// Converts a root. `progress` is called with the database and the partition before each.
///
/// [`Error::BadInput`] when the new root is not empty, lies within the source, or the source has something for which the
/// target has no form at all. After any other error the new root is incomplete.
pub fn convert(
    request: ConvertRequest<'_>,
    config: EngineConfig,
    options: &EngineOptions,
    progress: &mut dyn FnMut(&str, &str),
) -> Result<ConvertReport> {
    let vfs = &*options.vfs;
    let source = Engine::open_read_only_with(request.root, config, options.clone())?;
    let mut report = ConvertReport::default();
    let names = wanted(&source, &request, &mut report)?;
    check_target(vfs, request.root, request.out)?;
    vfs.create_dir_all(request.out).map_err(|e| Error::io("create", request.out, e))?;
    let mut converter = Converter { request, vfs, source: &source, report, planned: Vec::new() };
    for name in &names {
        converter.database(name, progress)?;
    }
    converter.root_files()?;
    converter.build(options, progress)?;
    let Converter { mut report, .. } = converter;
    let mut seen = std::collections::BTreeSet::new();
    report.warnings.retain(|warning| seen.insert(warning.clone()));
    Ok(report)
}

/// The databases that are converted. One that cannot be opened is named and left out, unless it was asked for or there is no other.
fn wanted(source: &Engine, request: &ConvertRequest<'_>, report: &mut ConvertReport) -> Result<Vec<String>> {
    let mut names = source.database_names(true);
    if let Some(one) = request.database {
        let known = source.known_database(one)?;
        return Ok(vec![known.name().to_owned()]);
    }
    let broken = source.health();
    names.retain(|name| broken.iter().all(|(broken, _)| broken != name));
    let others = names.iter().any(|name| name != INTERNAL_DATABASE);
    if let Some((database, reason)) = broken.first().filter(|_| !others) {
        return Err(Error::Unavailable { database: database.clone(), reason: reason.clone() });
    }
    for (name, reason) in broken {
        report.warnings.push(format!("database {name:?} cannot be read and is not converted: {reason}"));
    }
    Ok(names)
}

struct Converter<'a> {
    request: ConvertRequest<'a>,
    vfs: &'a dyn Vfs,
    source: &'a Engine,
    report: ConvertReport,
    planned: Vec<Planned>,
}

impl Converter<'_> {
    fn database(&mut self, name: &str, progress: &mut dyn FnMut(&str, &str)) -> Result<()> {
        let database = self.source.known_database(name)?;
        self.report.warnings.extend(database.log_damage());
        let types = match self.request.target {
            Target::Original => Types::narrow(self.source, name, self.request.lossy, &mut self.report.warnings)?,
            Target::Nanotdb => Types::unchanged(self.source, name)?,
        };
        let directory = self.request.out.join(name);
        self.vfs.create_dir_all(&directory).map_err(|e| Error::io("create", &directory, e))?;
        let recut = match self.request.target {
            Target::Original => recut::unknown_kind(&database)?,
            Target::Nanotdb => None,
        };
        let mut manifest = self.manifest(&database);
        if let Some(kind) = &recut {
            manifest.retention.partition = recut::DAY.to_owned();
            let text = "the original does not know: it is cut into days";
            self.report.notes.push(format!("{name}: it has partitions of kind {kind:?}, which {text}"));
        }
        let metrics: Vec<_> = database.ids();
        let own = metrics.iter().filter(|m| !types.renamed.contains_key(&m.id));
        // The original knows no mark, and would keep none.
        let is_typed = |id| self.request.target == Target::Nanotdb && types.typed.contains(&id);
        let kept = own.filter_map(|m| Some((m.name.as_str(), m.id, types.types.get(&m.id)?.1, is_typed(m.id))));
        self.replace(&directory.join(layout::CATALOG), &catalog::encode_marked(kept))?;
        self.replace(&directory.join(layout::MANIFEST), manifest.to_toml().as_bytes())?;
        self.other_files(&database, &directory)?;

        let page_rows =
            usize::try_from(manifest.page.max_records).unwrap_or(usize::MAX).clamp(1, usize::from(u16::MAX));
        let codec = registry().codec(&manifest.page.codec)?;
        let pages = PageWriter { vfs: self.vfs, codec, types: &types, page_rows };
        let mut converted = ConvertedDatabase {
            name: name.to_owned(),
            metrics: database.metrics().iter().filter(|m| types.types.contains_key(&m.id)).count() as u64,
            narrowed: types.narrowed,
            ..ConvertedDatabase::default()
        };
        if recut.is_some() {
            let has_metric_files = database.has_metric_files();
            for (part, written) in self.recut(&database, &pages, progress)? {
                converted.add(written);
                if has_metric_files && written.rows > 0 {
                    let (database, raw_ingest_action) = (self.report.databases.len(), RawIngestAction::Keep);
                    self.planned.push(Planned { database, part, raw_ingest_action });
                }
            }
        } else {
            for (partition, part) in database.partitions() {
                progress(name, &part);
                converted.add(self.partition(&database, partition, &part, &pages)?);
            }
        }
        self.report.databases.push(converted);
        self.report.rounded.extend(types.rounded);
        self.report.left_out.extend(types.left_out);
        self.vfs.sync_dir(&directory).map_err(|e| Error::io("fsync", &directory, e))
    }

    /// Writes the raw pages of one partition, and plans its metric file.
    fn partition(
        &mut self,
        database: &Database,
        partition: Partition,
        part: &str,
        pages: &PageWriter<'_>,
    ) -> Result<Written> {
        let mut report = ScanReport::default();
        let Some(WholePartition { open, metrics }) = database.open_whole_partition(partition, &mut report)? else {
            return Ok(Written::default());
        };
        self.report.warnings.append(&mut report.warnings);
        let directory = self.request.out.join(database.name());
        let path = |kind: RawKind| directory.join(format!("{}{part}.dat", kind.prefix()));
        let mut damage = Vec::new();
        let mut copied = None;
        if is_whole_in_raw(&open) {
            let written = pages.copy(&open, &metrics, &path, &mut damage)?;
            // What cannot be read in a raw file may be whole in the metric file.
            if damage.is_empty() || open.metric.is_none() {
                copied = Some(written);
            } else {
                self.remove(&[path(RawKind::Raw), path(RawKind::Data)])?;
            }
        }
        let (written, raw_ingest_action) = match copied {
            Some(written) => (written, RawIngestAction::Keep),
            None => {
                // What the raw files lack is in the metric file alone. A new one of everything needs no raw file.
                damage.clear();
                let path = path(RawKind::Data);
                (pages.rewrite(database, &open, &metrics, path, &mut damage)?, RawIngestAction::Delete)
            }
        };
        self.report.warnings.append(&mut damage);
        if open.metric.is_some() && written.rows > 0 {
            let database = self.report.databases.len();
            self.planned.push(Planned { database, part: part.to_owned(), raw_ingest_action });
        }
        let gone = raw_ingest_action == RawIngestAction::Delete;
        Ok(Written { bytes: if gone { 0 } else { written.bytes }, ..written })
    }

    /// The manifest in force, with what the target does not know taken out.
    fn manifest(&mut self, database: &Database) -> Manifest {
        let mut manifest = database.manifest().clone();
        manifest.page.codec = match self.request.target {
            Target::Nanotdb => Manifest::default().page.codec,
            Target::Original => "s2".to_owned(),
        };
        if self.request.target == Target::Nanotdb {
            return manifest;
        }
        let mut dropped: Vec<String> = Vec::new();
        let mut keep_known = |aggregates: &mut Vec<String>| {
            aggregates.retain(|aggregate| {
                let known = AGGREGATES_OF_THE_ORIGINAL.contains(&aggregate.as_str());
                if !known {
                    dropped.push(aggregate.clone());
                }
                known
            });
        };
        let rollups = &mut manifest.rollups;
        keep_known(&mut rollups.default_aggregates);
        let mut emptied = Vec::new();
        rollups.jobs.retain_mut(|job| {
            let had_some = !job.aggregates.is_empty();
            keep_known(&mut job.aggregates);
            let keep = !had_some || !job.aggregates.is_empty();
            if !keep {
                emptied.push(job.id.clone());
            }
            keep
        });
        dropped.sort();
        dropped.dedup();
        if !dropped.is_empty() {
            let what = dropped.join(", ");
            self.report.notes.push(format!(
                "{}: rollups lose the aggregates {what}, which the original does not know",
                database.name()
            ));
        }
        for id in emptied {
            self.report
                .notes
                .push(format!("{}: rollup job {id:?} has no other aggregates and is gone", database.name()));
        }
        manifest
    }

    /// Checkpoints, archives, and what there is of events.
    fn other_files(&mut self, database: &Database, directory: &Path) -> Result<()> {
        let from = database.directory();
        let checkpoints = &database.manifest().rollups.checkpoint_file;
        for entry in self.vfs.read_dir(from).map_err(|e| Error::io("list", from, e))? {
            let is_archive = entry.name.starts_with(layout::ARCHIVE) && entry.name.ends_with(".tar");
            let path = from.join(&entry.name);
            // Events are the same files in both forms.
            if entry.is_dir || !(is_archive || entry.name == *checkpoints || is_events_file(&entry.name)) {
                continue;
            }
            if is_archive && self.request.target == Target::Original {
                let text = "archives are not converted; unpack it into the source and convert again";
                self.report.notes.push(format!("{}: {text}", path.display()));
                continue;
            }
            copy_file(self.vfs, &path, &directory.join(&entry.name))?;
        }
        Ok(())
    }

    fn root_files(&mut self) -> Result<()> {
        let dashboard = self.request.root.join(layout::DASHBOARD);
        if self.vfs.entry(&dashboard).map_err(|e| Error::io("look up", &dashboard, e))?.is_some() {
            copy_file(self.vfs, &dashboard, &self.request.out.join(layout::DASHBOARD))?;
        }
        let engine = self.request.root.join(layout::ENGINE_TOML);
        if self.vfs.entry(&engine).map_err(|e| Error::io("look up", &engine, e))?.is_some() {
            let text = "is not converted: make a new engine.toml with --init of the server that will read the new root";
            self.report.notes.push(format!("{} {text}", engine.display()));
        }
        Ok(())
    }

    /// Builds metric files where the source has them, and leaves nothing else of an engine behind.
    fn build(&mut self, options: &EngineOptions, progress: &mut dyn FnMut(&str, &str)) -> Result<()> {
        let out = self.request.out;
        let mut config = EngineConfig::default();
        config.stats.enabled = false;
        config.limits.max_future = Duration::ZERO;
        let engine = Engine::open_with(out, config, EngineOptions { background: false, ..options.clone() })?;
        let mut superfluous = Vec::new();
        let built = self.planned.iter().try_for_each(|planned| {
            let Some(database) = self.report.databases.get_mut(planned.database) else { return Ok(()) };
            progress(&database.name, &planned.part);
            let format = match self.request.target {
                Target::Original => MetricFileFormat::V2,
                Target::Nanotdb => MetricFileFormat::V3,
            };
            let mut build = BuildOptions::new(format, "", planned.raw_ingest_action)?;
            build.verify = true;
            let selection = Selection::Named(&planned.part);
            for report in
                engine.build_metric_files(&database.name, selection, build, &mut |_| ControlFlow::Continue(()))?
            {
                database.metric_files = database.metric_files.saturating_add(1);
                database.metric_bytes = database.metric_bytes.saturating_add(report.bytes_after);
                superfluous.push(sources_path(&report.file));
            }
            Ok(())
        });
        engine.close()?;
        built?;
        if self.request.target == Target::Original {
            // Of no use to the original; without it, rows are compared.
            self.remove(&superfluous)?;
        }
        let lock = out.join(layout::LOCK);
        if self.vfs.entry(&lock).map_err(|e| Error::io("look up", &lock, e))?.is_some() {
            self.vfs.remove_file(&lock).map_err(|e| Error::io("remove", &lock, e))?;
        }
        self.vfs.sync_dir(out).map_err(|e| Error::io("fsync", out, e))
    }

    fn remove(&self, paths: &[std::path::PathBuf]) -> Result<()> {
        for path in paths {
            if self.vfs.entry(path).map_err(|e| Error::io("look up", path, e))?.is_some() {
                self.vfs.remove_file(path).map_err(|e| Error::io("remove", path, e))?;
            }
        }
        Ok(())
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.vfs.replace(path, bytes).map_err(|e| Error::io("write", path, e))
    }
}

/// Whether every row is in a raw file or in the log, so that these can be copied page for page.
fn is_whole_in_raw(open: &OpenPartition) -> bool {
    let Some(file) = &open.metric else { return true };
    let built: u64 = file.layout().series.iter().flat_map(|s| &s.blocks).map(|b| u64::from(b.count)).sum();
    let covered = open.raw.iter().flat_map(|raw| {
        let to = open.covered.of(raw.kind);
        raw.index.frames.iter().filter(move |f| f.offset < to).map(|f| u64::from(f.header.rows))
    });
    let is_damaged = open.raw.iter().any(|raw| !raw.index.damaged.is_empty());
    !is_damaged && covered.sum::<u64>() == built
}
