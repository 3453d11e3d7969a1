//! What can be read of a damaged root, as a new root in which nothing is damaged; and exactly what could not.
//!
//! The source is read through [`overlay::Overlay`], which writes nothing, shows a catalog and a manifest that can be read where
//! the real ones cannot, and zeros where the device refuses. On it the engine opens as a reader, so that what is in several
//! files (a raw file, a metric file, the logs) comes once, as in every query. Only what the engine does not read is added
//! from single frames: metric files without a directory, and bytes kept beside damaged files. Of those a sample that is there with
//! the same time and value is left out.
//!
//! Rows are written in time order, so that memory is bounded by a window of them.

mod archives;
mod damage;
mod events;
mod evidence;
mod extras;
mod headers;
mod overlay;
mod survey;
mod write;

use super::target::{Target, put};
use super::verify::{Expected, Problem, verify};
use super::window::{self, Window};
use crate::config::{EngineConfig, Manifest};
use crate::database::Database;
use crate::engine::{Engine, EngineOptions, databases_on_disk};
use crate::format::catalog;
use crate::format::page::{MAX_ROWS, NARROW_ROW};
use crate::layout;
use crate::model::{MetricId, Timestamp, Value, ValueType, counted};
use crate::plugin::Partitioner;
use crate::plugin::registry::registry;
use crate::storage::check_directory;
use crate::storage::copy::copy_between;
use crate::storage::events::KnownEvents;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use extras::{Extra, Types};
use overlay::Overlay;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use write::{Buffers, DataWriter, Row, Written};

/// Rows that are merged in memory at a time.
const ROWS_IN_MEMORY: u64 = 1 << 20;
/// How often progress is told.
const PROGRESS_ROWS: u64 = 100_000;
/// Largest manifest, dashboard and so on.
const MAX_SMALL_FILE: u64 = 64 << 20;

/// A recovery.
#[derive(Debug, Clone, Copy)]
pub struct RecoverRequest<'a> {
    /// The damaged root, which is only read.
    pub root: &'a Path,
    /// The new one: missing or empty. It appears when it is whole.
    pub out: &'a Path,
    /// Only this database.
    pub database: Option<&'a str>,
}

/// Something that is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// The bytes, where that is known: first, and first behind.
    pub bytes: Option<(u64, u64)>,
    /// How many samples were there at most, where that is known.
    pub rows: Option<u64>,
    /// First and last time of them, where that is known.
    pub span: Option<(Timestamp, Timestamp)>,
    /// What is wrong.
    pub what: String,
}

/// One database of the new root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveredDatabase {
    /// Name.
    pub name: String,
    /// Metrics.
    pub metrics: u64,
    /// Those among them whose names are lost, by the names that they have now.
    pub unnamed: Vec<String>,
    /// Samples.
    pub samples: u64,
    /// Partitions with samples.
    pub partitions: u64,
    /// Bytes of their files.
    pub bytes: u64,
}

/// What a recovery found and saved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoverReport {
    /// By name.
    pub databases: Vec<RecoveredDatabase>,
    /// What is lost.
    pub lost: Vec<Damage>,
    /// What is damaged without a loss: the samples were somewhere else, too.
    pub harmless: Vec<Damage>,
    /// What a check of the new root found: nothing, unless this program is wrong.
    pub problems: Vec<Problem>,
}

/// Recovers a root, or one database of it. Takes no lock. `progress` is called with the database and the samples written so far.
///
/// [`Error::BadInput`] when the target is not empty or lies within the root, [`Error::NotFound`] for an unknown database.
/// After an error nothing is left of the new root.
pub fn recover(
    request: RecoverRequest<'_>,
    config: EngineConfig,
    options: &EngineOptions,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<RecoverReport> {
    let overlay = Arc::new(Overlay::new(Arc::clone(&options.vfs)));
    let mut databases = databases_on_disk(&*overlay, request.root)?;
    if let Some(wanted) = request.database {
        super::target::only(&mut databases, wanted, request.root)?;
    }
    let vfs = &*options.vfs;
    let target = Target::create(vfs, request.root, request.out)?;
    let mut report = RecoverReport::default();
    let mut found = Vec::new();
    for (name, directory) in databases {
        if let Err(e) = check_directory(vfs, &directory) {
            report.lost.push(Damage::of(&directory, None, e.to_string()));
            continue;
        }
        found.push(Found::look(&overlay, name, directory, &config.manifest_defaults, &mut report)?);
    }
    let reading = EngineOptions { vfs: Arc::clone(&overlay) as Arc<dyn Vfs>, background: false, ..options.clone() };
    let source = Engine::open_read_only_with(request.root, config.clone(), reading)?;
    for database in found {
        match source.known_database(&database.name) {
            Ok(opened) => {
                let salvage =
                    Salvage { overlay: &overlay, vfs, source: &source, target: target.path(), report: &mut report };
                salvage.database(&opened, database, progress)?;
            }
            Err(e) => {
                report.lost.push(Damage::of(&database.directory, None, e.to_string()));
            }
        }
    }
    root_files(&*overlay, vfs, request.root, target.path(), &mut report)?;
    for (file, from, to) in overlay.unreadable() {
        report.lost.push(Damage::of(&file, Some((from, to)), "the device does not give these bytes"));
    }
    report.problems = verify(target.path(), None, config, options.clone())?.problems;
    for problem in &mut report.problems {
        problem.file = target.final_path(&problem.file);
    }
    target.finish()?;
    Ok(report)
}

/// engine.toml and dashboard.json, when they can be read.
fn root_files(source: &dyn Vfs, vfs: &dyn Vfs, root: &Path, to: &Path, report: &mut RecoverReport) -> Result<()> {
    let is_engine_toml = |bytes: &[u8], path: &Path| {
        let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
        EngineConfig::parse(text, path).map(drop).map_err(|e| e.to_string())
    };
    let is_json = |bytes: &[u8], _: &Path| {
        serde_json::from_slice::<serde_json::Value>(bytes).map(drop).map_err(|e| format!("not JSON: {e}"))
    };
    let files: [(&str, &CheckFile<'_>); 2] = [(layout::ENGINE_TOML, &is_engine_toml), (layout::DASHBOARD, &is_json)];
    for (name, check) in files {
        let path = root.join(name);
        let file = source.resolve(&path).map_err(|e| Error::io("read", &path, e))?;
        let bytes = match source.read(&file, MAX_SMALL_FILE) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(Error::io("read", path, e)),
        };
        match check(&bytes, &path) {
            Ok(()) => put(vfs, &to.join(name), &bytes)?,
            Err(what) => report.lost.push(Damage::of(&path, None, format!("left out: {what}"))),
        }
    }
    Ok(())
}

type CheckFile<'c> = dyn Fn(&[u8], &Path) -> std::result::Result<(), String> + 'c;

/// A database whose catalog and manifest can be read now, on the overlay.
struct Found {
    name: String,
    directory: PathBuf,
    /// manifest.toml as it will be.
    manifest: Vec<u8>,
    entries: Vec<catalog::CatalogEntry>,
    unnamed: Vec<String>,
}

impl Found {
    fn look(
        overlay: &Overlay,
        name: String,
        directory: PathBuf,
        defaults: &Manifest,
        report: &mut RecoverReport,
    ) -> Result<Self> {
        let path = directory.join(layout::MANIFEST);
        let manifest = match Manifest::load(overlay, &path, defaults) {
            Ok(loaded) => loaded.value.check_plugins(&path),
            Err(e) => Err(e),
        };
        let bytes = match manifest {
            Ok(()) => overlay.read(&path, MAX_SMALL_FILE).map_err(|e| Error::io("read", &path, e))?,
            Err(e) => {
                let what = match e {
                    Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                        "there is none".to_owned()
                    }
                    other => other.to_string(),
                };
                report.lost.push(Damage::of(&path, None, format!("written anew with defaults: {what}")));
                let mut manifest = defaults.clone();
                if let Some(partitioner) = partitioner_of_files(overlay, &directory)? {
                    partitioner.name().clone_into(&mut manifest.retention.partition);
                }
                let bytes = manifest.to_toml().into_bytes();
                overlay.replace(path, bytes.clone());
                bytes
            }
        };
        headers::mend(overlay, &directory, report)?;
        let survey::Catalog { entries, unnamed, damage } = survey::catalog(overlay, &directory, &name)?;
        let path = directory.join(layout::CATALOG);
        if let Some(what) = damage {
            report.lost.push(Damage::of(&path, None, what));
        }
        if !unnamed.is_empty() {
            let what = format!("names of {}: {} now", counted(unnamed.len() as u64, "metric"), unnamed.join(", "));
            report.lost.push(Damage::of(&path, None, what));
        }
        overlay.replace(path, catalog::encode_marked(entries.iter().map(marked)));
        Ok(Self { name, directory, manifest: bytes, entries, unnamed })
    }
}

/// Who named most of the data files.
fn partitioner_of_files(vfs: &dyn Vfs, directory: &Path) -> Result<Option<&'static dyn Partitioner>> {
    let mut named: BTreeMap<&str, (usize, &'static dyn Partitioner)> = BTreeMap::new();
    for entry in vfs.read_dir(directory).map_err(|e| Error::io("list", directory, e))? {
        let stem = entry.name.strip_suffix(".dat").unwrap_or_default();
        let part = layout::part_of_samples(stem).unwrap_or_default();
        if let Some((partitioner, _)) = registry().named_by(part).first().copied() {
            let count = named.entry(partitioner.name()).or_insert((0, partitioner));
            count.0 = count.0.saturating_add(1);
        }
    }
    Ok(named.into_values().max_by_key(|(count, _)| *count).map(|(_, partitioner)| partitioner))
}

/// What the recovery of one database needs.
struct Salvage<'a> {
    overlay: &'a Overlay,
    vfs: &'a dyn Vfs,
    source: &'a Engine,
    target: &'a Path,
    report: &'a mut RecoverReport,
}

impl Salvage<'_> {
    fn database(mut self, database: &Database, found: Found, progress: &mut dyn FnMut(&str, u64)) -> Result<()> {
        let types: Types = found.entries.iter().map(|e| (e.id, e.value_type)).collect();
        let extras = damage::look(self.overlay, database, &found, &types, self.report)?;
        let directory = self.target.join(&found.name);
        self.vfs.create_dir_all(&directory).map_err(|e| Error::io("create", &directory, e))?;
        let manifest = database.manifest();
        let page_rows = (manifest.page.max_records as usize)
            .min(usize::try_from(manifest.page.max_bytes).unwrap_or(usize::MAX) / NARROW_ROW)
            .clamp(1, MAX_ROWS);
        let mut writer = DataWriter {
            vfs: self.vfs,
            directory: &directory,
            partitioner: registry().partitioner(&manifest.retention.partition)?,
            codec: registry().codec(&manifest.page.codec)?,
            types: &types,
            page_rows,
            written: Written::default(),
            open: None,
            buffers: Buffers::default(),
        };
        let mut next_told = 0;
        self.rows(&found.name, database, &types, &extras, &mut |row| {
            writer.push(row)?;
            if writer.written.rows >= next_told {
                next_told = writer.written.rows.saturating_add(PROGRESS_ROWS);
                progress(&found.name, writer.written.rows);
            }
            Ok(())
        })?;
        writer.close()?;
        let written = writer.written;
        let entries = found.entries.iter().map(marked);
        put(self.vfs, &directory.join(layout::CATALOG), &catalog::encode_marked(entries))?;
        put(self.vfs, &directory.join(layout::MANIFEST), &found.manifest)?;
        self.other_files(database, &directory, &types)?;
        self.vfs.sync_dir(&directory).map_err(|e| Error::io("fsync", &directory, e))?;
        self.report.databases.push(RecoveredDatabase {
            name: found.name,
            metrics: found.entries.iter().map(|entry| &entry.name).collect::<BTreeSet<_>>().len() as u64,
            unnamed: found.unnamed,
            samples: written.rows,
            partitions: written.partitions,
            bytes: written.bytes,
        });
        Ok(())
    }

    /// Every row that can be read, in time order.
    fn rows(
        &self,
        name: &str,
        database: &Database,
        types: &Types,
        extras: &[Extra],
        each: &mut dyn FnMut(Row) -> Result<()>,
    ) -> Result<()> {
        let metrics = database.metrics();
        let names: Vec<&str> = metrics.iter().map(|m| m.name.as_str()).collect();
        let ids: Vec<MetricId> = metrics.iter().map(|m| m.id).collect();
        let groups = database.with_former(&ids).unwrap_or_default();
        let mut current: BTreeMap<MetricId, (MetricId, ValueType)> = BTreeMap::new();
        for group in &groups {
            if let Some((now, former)) = group.split_last() {
                current.extend(former.iter().map(|(id, _)| (*id, *now)));
            }
        }
        let mut count = |window: Window, grain, histogram: &mut BTreeMap<i64, u64>| {
            extras.iter().for_each(|extra| extra.count(window, grain, histogram));
            window::count(self.source, name, &names, window, grain, histogram)
        };
        let (windows, _) = window::plan_by(&mut count, Timestamp::MIN, Timestamp::MAX, ROWS_IN_MEMORY)?;
        let mut rows: Vec<Row> = Vec::new();
        for window in windows {
            rows.clear();
            self.source.scan(name, &names, window.from, window.to, &mut |slice| {
                if let Some(id) = ids.get(slice.metric) {
                    let samples = (0..slice.len()).filter_map(|at| slice.sample(at));
                    rows.extend(samples.map(|sample| (sample.timestamp, *id, sample.value.to_bits())));
                }
                Ok(ControlFlow::Continue(()))
            })?;
            let read = rows.len();
            for extra in extras {
                extra.add(window, types, &mut rows)?;
            }
            for (_, id, bits) in rows.iter_mut().skip(read) {
                // What is read has the ids and types that metrics have now.
                if let Some((now, value_type)) = current.get(id)
                    && let Some(former) = types.get(id)
                {
                    let former = (*former, database.is_typed(*id));
                    (*id, *bits) = (*now, Value::became_bits(former, *value_type, *bits));
                }
            }
            rows.sort_by_key(|(timestamp, ..)| *timestamp);
            rows.iter().try_for_each(|row| each(*row))?;
        }
        Ok(())
    }

    /// Checkpoints of rollups as they are; of events and archives what is whole.
    fn other_files(&mut self, database: &Database, directory: &Path, types: &Types) -> Result<()> {
        let checkpoints = &database.manifest().rollups.checkpoint_file;
        let from = database.directory();
        if self.overlay.entry(&from.join(checkpoints)).is_ok_and(|entry| entry.is_some_and(|entry| !entry.is_dir)) {
            copy_between(self.overlay, &from.join(checkpoints), self.vfs, &directory.join(checkpoints))?;
        }
        events::copy(self.overlay, from, database.name(), (self.vfs, directory), self.report)?;
        let events = KnownEvents::read(self.vfs, directory, database.name())?;
        let types = types.iter().map(|(id, value_type)| (*id, *value_type)).collect();
        let expected = Expected { types: &types, events: &events };
        archives::copy(self.overlay, from, (self.vfs, directory), expected, self.report)
    }
}

/// A metric as catalog.json takes it.
fn marked(entry: &catalog::CatalogEntry) -> (&str, MetricId, ValueType, bool) {
    (&entry.name, entry.id, entry.value_type, entry.typed)
}
