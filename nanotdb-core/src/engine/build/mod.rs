//! Building the metric file of a partition, and what happens to its raw files then.
//!
//! The order that makes a crash harmless: the new file is complete and durable under a temporary name, then it has been
//! read back and compared, then it gets its name, then raw files go. Between any two of these steps every row is in a
//! file that queries read, and in one of them only once: a metric file says which raw bytes it was built from.

mod source;

use crate::config::{MetricFileFormat, RawIngestAction};
use crate::database::{Database, MetricFiles, OpenPartition, RawKind, ScanReport, Snapshot, WholePartition};
use crate::format::metric::{Encoder, HEADER_LEN, SeriesRows, Source, encode_sources, v1, v2, v3};
use crate::model::{MetricId, ValueType};
use crate::plugin::registry::registry;
use crate::plugin::{Codec, Partition};
use crate::storage::metric_file::sources_path;
use crate::storage::vfs::{OpenMode, Vfs, VfsFile};
use crate::storage::{MetricCache, MetricFile};
use crate::{Error, Result};
use source::Rewritten;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Bytes that are written at once.
const WRITE_CHUNK: usize = 1 << 20;

/// How metric files are built.
#[derive(Clone, Copy)]
pub struct BuildOptions {
    /// Version of the file.
    pub format: MetricFileFormat,
    /// Codec of its columns.
    pub codec: &'static dyn Codec,
    /// What happens to the raw files.
    pub raw_ingest_action: RawIngestAction,
    /// Read the new file back and compare it with what it was built from even when no raw file is to go.
    pub verify: bool,
    /// Build again what is built with another codec; without it a file of the right version is left as it is.
    pub same_codec: bool,
    /// Build again what is built already.
    pub rebuild: bool,
}

impl BuildOptions {
    /// The codec that a format has when none is named.
    pub fn default_codec(format: MetricFileFormat) -> &'static str {
        match format {
            MetricFileFormat::V1 | MetricFileFormat::V2 => "zstd_fastest",
            MetricFileFormat::V3 => "columnar",
        }
    }

    /// As `[metrics]` in engine.toml says. An empty codec name is the format's default.
    pub fn new(format: MetricFileFormat, codec: &str, raw_ingest_action: RawIngestAction) -> Result<Self> {
        let name = if codec.is_empty() { Self::default_codec(format) } else { codec };
        let codec = registry().codec(name)?;
        Ok(Self { format, codec, raw_ingest_action, verify: false, same_codec: false, rebuild: false })
    }
}

/// What a build did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildReport {
    /// The partition, as in its file names.
    pub partition: String,
    /// The metric file.
    pub file: PathBuf,
    /// Metrics in it.
    pub series: u64,
    /// Samples in it.
    pub rows: u64,
    /// Bytes of the raw files and of the former metric file.
    pub bytes_before: u64,
    /// Bytes of the raw files alone; 0 when there were none.
    pub raw_bytes: u64,
    /// Bytes of the new metric file.
    pub bytes_after: u64,
    /// Whether the new file was read back and compared.
    pub verified: bool,
    /// What was done with the raw files; `Keep` also when late rows came meanwhile.
    pub raw_ingest_action: RawIngestAction,
}

/// Tells how many rows were written so far; `Break` gives up.
pub type BuildProgress<'c> = dyn FnMut(u64) -> ControlFlow<()> + 'c;

fn no_partitioner(part: &str) -> Error {
    Error::bad_input(format!(
        "partition {part}: no partitioner of this program gives files this name; they are read, and left as they are"
    ))
}

/// Builds metric files of one database.
pub(super) struct Builder<'a>(pub(super) &'a Database);

impl Builder<'_> {
    /// Builds the metric file of one partition. `None` when there is nothing to do.
    ///
    /// Rows of an open page of the partition are flushed first. Damage in what it would be built from is an error: a file
    /// that lacks rows must not hide that.
    pub(super) fn build(
        &self,
        partition: Partition,
        options: BuildOptions,
        progress: &mut BuildProgress<'_>,
    ) -> Result<Option<BuildReport>> {
        let outcome = self.build_now(partition, options, progress);
        if let Err(error) = &outcome
            && !matches!(error, Error::Cancelled(_))
        {
            self.0.counters().build_failures.add(1);
        }
        outcome
    }

    fn build_now(
        &self,
        partition: Partition,
        options: BuildOptions,
        progress: &mut BuildProgress<'_>,
    ) -> Result<Option<BuildReport>> {
        let database = self.0;
        let began = database.now();
        let _one_at_a_time = database.lock_builds()?;
        database.check_writable()?;
        if database.has_open_page(partition) {
            database.flush()?;
        }
        let mut report = ScanReport::default();
        let whole = database.open_whole_partition(partition, &mut report)?;
        let Some(WholePartition { mut open, metrics }) = whole else { return Ok(None) };
        // Rows that came since the flush are of the next build: they are in no raw file yet.
        open.snapshot.open.clear();
        refuse_damage(&report)?;
        let sources = database.sources(&open)?;
        if !options.rebuild && self.is_up_to_date(&open, options)? {
            return self.act_on_raw_files(&open, &metrics, options);
        }
        let path = database.metric_path(partition);
        let temporary = temporary(&path);
        let written = self.write_metric_file(&open, &metrics, options, &sources, &temporary, progress);
        let outcome = written.and_then(|written| match written {
            None => Ok(None),
            Some((rows, series, len)) => {
                let verified = options.verify || options.raw_ingest_action != RawIngestAction::Keep;
                if verified {
                    self.compare_with_source(&open, &metrics, &temporary)?;
                }
                let bytes_before = self.bytes_of(&open);
                let raw_bytes = raw_bytes(&open);
                if options.format != MetricFileFormat::V3 {
                    let beside = sources_path(&path);
                    let identity = MetricFile::open(database.vfs(), &temporary, &MetricCache::new(0))?.identity();
                    let mut records = Vec::new();
                    encode_sources(&identity, &sources, &mut records);
                    // Until the new file has taken its place, the one that is there must be known, too.
                    if let Some(old) = open.metric.as_ref().filter(|old| old.layout().version < 3) {
                        encode_sources(&old.identity(), &old.layout().sources, &mut records);
                    }
                    database.vfs().replace(&beside, &records).map_err(|e| Error::io("write", &beside, e))?;
                }
                database.install_metric_file(partition, &temporary, &path, rows)?;
                if options.format == MetricFileFormat::V3 {
                    // What it says is about a file that is gone. Left behind, it would be passed over.
                    let _ = database.vfs().remove_file(&sources_path(&path));
                }
                let raw_ingest_action = database.retire_raw_files(partition, &open, options.raw_ingest_action)?;
                let counters = database.counters();
                counters.build_files.add(1);
                counters.build_samples.add(rows);
                counters.build_bytes.add(len);
                counters.build_time.add_time(database.now().saturating_sub(began));
                let report = BuildReport {
                    partition: self.part_name(partition),
                    file: path,
                    series,
                    rows,
                    bytes_before,
                    raw_bytes,
                    bytes_after: len,
                    verified,
                    raw_ingest_action,
                };
                tracing::info!(
                    database = database.name(),
                    file = %report.file.display(),
                    rows,
                    bytes = len,
                    "built a metric file"
                );
                Ok(Some(report))
            }
        });
        if !matches!(outcome, Ok(Some(_))) {
            // Also after an error: a half-written file is of no use, and open() would remove it.
            let _ = database.vfs().remove_file(&temporary);
        }
        outcome
    }

    /// Whether [`Builder::build`] would write a file. Reads directories, no samples.
    pub(super) fn is_due(&self, partition: Partition, options: BuildOptions) -> Result<bool> {
        let range = partition.bounds();
        let Snapshot { partitions, .. } = self.0.snapshot(&[], range.0, range.1)?;
        let Some(snapshot) = partitions.into_iter().find(|p| p.partition == partition) else { return Ok(false) };
        let mut report = ScanReport::default();
        let open = self.0.open_partition(snapshot, &[], range, MetricFiles::Preferred, &mut report)?;
        Ok(self.0.has_open_page(partition) || !self.is_up_to_date(&open, options)?)
    }

    fn part_name(&self, partition: Partition) -> String {
        self.0.part_name(partition)
    }

    fn is_up_to_date(&self, open: &OpenPartition, options: BuildOptions) -> Result<bool> {
        let version = match options.format {
            MetricFileFormat::V1 => 1,
            MetricFileFormat::V2 => 2,
            MetricFileFormat::V3 => 3,
        };
        let Some(file) = open.metric.as_ref().filter(|file| file.layout().version == version) else { return Ok(false) };
        if options.same_codec && file.codecs()?.iter().any(|id| *id != options.codec.id()) {
            return Ok(false);
        }
        Ok(open.raw.iter().all(|raw| raw.index.frames.iter().all(|f| f.offset < open.covered.of(raw.kind))))
    }

    /// Does with the raw files of a metric file that is there what an interrupted build had still to do.
    fn act_on_raw_files(
        &self,
        open: &OpenPartition,
        metrics: &[(MetricId, ValueType)],
        options: BuildOptions,
    ) -> Result<Option<BuildReport>> {
        let partition = open.snapshot.partition;
        let Some(file) = open.metric.as_ref().filter(|_| !open.raw.is_empty()) else { return Ok(None) };
        let to_rename = open.raw.iter().any(|raw| raw.kind == RawKind::Data) && open.raw.len() == 1;
        match options.raw_ingest_action {
            RawIngestAction::Keep => return Ok(None),
            RawIngestAction::Rename if !to_rename => return Ok(None),
            RawIngestAction::Rename | RawIngestAction::Delete => {}
        }
        let range = partition.bounds();
        // That not all of the metric file is in raw files is no reason to keep them: only they must be in it.
        let mut ignored = ScanReport::default();
        let snapshot = open.snapshot.clone();
        let mut raw_only = self.0.open_partition(snapshot, metrics, range, MetricFiles::Ignored, &mut ignored)?;
        raw_only.snapshot.open.clear();
        if raw_bytes(&raw_only) != raw_bytes(open) {
            return Ok(None);
        }
        self.check_contains(&raw_only, metrics, file)?;
        let bytes_before = self.bytes_of(open);
        let layout = file.layout();
        let rows = file.rows();
        let len = self.0.vfs().entry(file.path()).ok().flatten().map_or(0, |e| e.len);
        let raw_ingest_action = self.0.retire_raw_files(partition, open, options.raw_ingest_action)?;
        Ok(Some(BuildReport {
            partition: self.part_name(partition),
            file: file.path().to_owned(),
            series: layout.series.len() as u64,
            rows,
            bytes_before,
            raw_bytes: raw_bytes(open),
            bytes_after: len,
            verified: true,
            raw_ingest_action,
        }))
    }

    fn bytes_of(&self, open: &OpenPartition) -> u64 {
        let metric = open.metric.as_ref().and_then(|file| self.0.vfs().entry(file.path()).ok().flatten());
        raw_bytes(open).saturating_add(metric.map_or(0, |entry| entry.len))
    }

    /// Writes rows, series and length of the new file; `None` when there are no rows.
    fn write_metric_file(
        &self,
        open: &OpenPartition,
        metrics: &[(MetricId, ValueType)],
        options: BuildOptions,
        sources: &[Source],
        path: &Path,
        progress: &mut BuildProgress<'_>,
    ) -> Result<Option<(u64, u64, u64)>> {
        let named = self.0.named(open.snapshot.partition);
        let Some(kind) = named.partitioner.map(|p| p.kind_id()) else { return Err(no_partitioner(&named.part)) };
        let mut encoder: Box<dyn Encoder> = match options.format {
            MetricFileFormat::V1 => Box::new(v1::Writer::new(kind, options.codec)),
            MetricFileFormat::V2 => Box::new(v2::Writer::new(kind, options.codec)),
            MetricFileFormat::V3 => Box::new(v3::Writer::new(kind, options.codec, sources.to_vec())),
        };
        let mut rewritten = Rewritten::new(self.0, open, metrics)?;
        if rewritten.rows() == 0 {
            return Ok(None);
        }
        let mut out = Appender::create(self.0.vfs(), path)?;
        rewritten.by_size(&mut |id, rows| {
            encoder.plan(id, &rows.timestamps, &mut out.buffer).map_err(|e| out.refused(&e))?;
            out.write_if_full()
        })?;
        encoder.begin(&mut out.buffer).map_err(|e| out.refused(&e))?;
        let (mut rows_written, mut series) = (0u64, 0u64);
        rewritten.by_id(&mut |id, rows| {
            let values = rows.values.values();
            let one = SeriesRows { id, timestamps: &rows.timestamps, values, decimals: !self.0.is_typed(id) };
            encoder.series(one, &mut out.buffer).map_err(|e| out.refused(&e))?;
            rows_written = rows_written.saturating_add(rows.timestamps.len() as u64);
            series = series.saturating_add(1);
            if progress(rows_written).is_break() || self.0.check_open().is_err() {
                return Err(Error::Cancelled("building a metric file".into()));
            }
            out.write_if_full()
        })?;
        let header = encoder.finish(&mut out.buffer).map_err(|e| out.refused(&e))?;
        Ok(Some((rows_written, series, out.complete(&header)?)))
    }
}

fn raw_bytes(open: &OpenPartition) -> u64 {
    open.raw.iter().map(|raw| raw.index.len).sum()
}

/// A build must not make the loss permanent that a query would only report.
fn refuse_damage(report: &ScanReport) -> Result<()> {
    match report.warnings.first() {
        None => Ok(()),
        Some(warning) => Err(Error::BadInput(format!(
            "no metric file was built, because not everything that it would be built from can be read: {warning}"
        ))),
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    path.with_file_name(name)
}

/// A file that is written from front to end.
struct Appender {
    path: PathBuf,
    file: Box<dyn VfsFile>,
    buffer: Vec<u8>,
    at: u64,
}

impl Appender {
    fn create(vfs: &dyn Vfs, path: &Path) -> Result<Self> {
        let file = vfs.open(path, OpenMode::Truncate).map_err(|e| Error::io("create", path, e))?;
        Ok(Self { path: path.to_owned(), file, buffer: vec![0; HEADER_LEN], at: 0 })
    }

    fn refused(&self, error: &crate::plugin::CodecError) -> Error {
        Error::bad_input(format!("{}: {error}", self.path.display()))
    }

    fn write_if_full(&mut self) -> Result<()> {
        if self.buffer.len() >= WRITE_CHUNK { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        self.file.write_all_at(&self.buffer, self.at).map_err(|e| Error::io("write", &self.path, e))?;
        self.at = self.at.saturating_add(self.buffer.len() as u64);
        self.buffer.clear();
        Ok(())
    }

    /// Writes the header and makes the file durable. Returns its length.
    fn complete(mut self, header: &[u8; HEADER_LEN]) -> Result<u64> {
        self.write()?;
        self.file.write_all_at(header, 0).map_err(|e| Error::io("write", &self.path, e))?;
        self.file.sync().map_err(|e| Error::io("fsync", &self.path, e))?;
        Ok(self.at)
    }
}
