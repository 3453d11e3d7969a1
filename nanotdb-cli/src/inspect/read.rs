//! From the engine's reports to what is shown. Reads files only, never writes.

use super::view::{
    DamageView, DataFileView, DatabaseView, FrameView, MetricFileView, MetricView, ProblemView, SeriesView, Span,
    TimesView, WalRecordView, WalView,
};
use crate::text;
use nanotdb_core::Result;
use nanotdb_core::config::{EngineConfig, Manifest};
use nanotdb_core::maintenance::inspect::{self, DataFileReport, WalReport};
use nanotdb_core::maintenance::metric_files::{self, MetricFileReport};
use nanotdb_core::maintenance::verify::Problem;
use nanotdb_core::model::{Value, ValueType};
use nanotdb_core::storage::vfs::RealVfs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The files of one database.
#[derive(Debug, Clone, Copy)]
pub struct DatabaseFiles<'a> {
    /// The data directory.
    pub root: &'a Path,
    /// The database.
    pub name: &'a str,
}

impl DatabaseFiles<'_> {
    /// Its raw files with all their frames.
    pub fn data_files(&self) -> Result<Vec<DataFileView>> {
        let paths = inspect::data_files(&RealVfs, &self.root.join(self.name))?;
        paths.iter().map(|path| Ok(data_file(self.root, inspect::data_file(&RealVfs, path)?))).collect()
    }

    /// Its metric files, with single metrics and time vectors when they are wanted; then every block is read, too.
    pub fn metric_files(&self, details: bool) -> Result<Vec<MetricFileView>> {
        let names: BTreeMap<u16, String> = self.catalog()?.into_iter().map(|m| (m.id, m.name)).collect();
        let mut views = Vec::new();
        for path in metric_files::metric_files(&RealVfs, &self.root.join(self.name))? {
            let mut report = metric_files::metric_file(&RealVfs, &path)?;
            if let Some(report) = report.as_mut().filter(|report| details && report.problem.is_none()) {
                report.problem = metric_files::check_blocks(&RealVfs, &path)?;
            }
            views.extend(report.map(|report| metric_file(self.root, report, &names, details)));
        }
        Ok(views)
    }

    /// Its write-ahead logs (there are two while pages are being flushed), with single records when they are wanted.
    pub fn wals(&self, entries: bool) -> Result<Vec<WalView>> {
        Ok(self.wal_reports()?.into_iter().map(|report| wal(self.root, report, entries)).collect())
    }

    fn wal_reports(&self) -> Result<Vec<WalReport>> {
        let directory = self.root.join(self.name);
        let catalog = inspect::read_catalog(&RealVfs, &directory)?;
        inspect::wal_files(&RealVfs, &directory, &catalog)
    }

    /// Its metrics by name: those of the catalog, and those that are in the WAL alone.
    pub fn catalog(&self) -> Result<Vec<MetricView>> {
        let directory = self.root.join(self.name);
        let known = inspect::read_catalog(&RealVfs, &directory)?.into_iter().map(|e| (e.id, e.name, e.value_type));
        let announced = self.wal_reports()?.into_iter().flat_map(|wal| wal.records).filter(|r| r.new_metric);
        let announced = announced.filter_map(|r| Some((r.id, r.name?, r.value_type)));
        // By id: a metric that the WAL announces again is one that widened.
        let metrics: BTreeMap<_, _> = known
            .chain(announced)
            .map(|(id, name, value_type)| (id, MetricView { id, name, value_type: value_type.to_string() }))
            .collect();
        let mut metrics: Vec<_> = metrics.into_values().collect();
        metrics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(metrics)
    }

    /// One line about it. `health` is why it could not be opened, if it could not.
    pub fn overview(&self, config: &EngineConfig, health: Option<&str>) -> Result<DatabaseView> {
        let files = self.data_files()?;
        let wals = self.wals(false)?;
        let directory = self.root.join(self.name);
        let metric_files = self.metric_files(false)?;
        let catalog = self.catalog()?;
        let mut problems: Vec<String> = health.map(str::to_owned).into_iter().collect();
        let manifest = directory.join("manifest.toml");
        let manifest = if manifest.exists() {
            Manifest::load(&RealVfs, &manifest, &config.manifest_defaults).map(|loaded| loaded.value)
        } else {
            Ok(config.manifest_defaults.clone())
        };
        let (partition, codec) = match manifest {
            Ok(manifest) => (manifest.retention.partition, manifest.page.codec),
            Err(e) => {
                // It may be why the database could not be opened.
                if !problems.contains(&e.to_string()) {
                    problems.push(e.to_string());
                }
                ("?".to_owned(), "?".to_owned())
            }
        };
        for file in files.iter().filter(|f| f.problems() > 0) {
            let found = text::counted(file.problems() as u64, "problem");
            problems.push(format!("{}: {found}; see inspect dat --verbose", file.file));
        }
        for file in &metric_files {
            problems.extend(file.problem.as_ref().map(|problem| format!("{}: {problem}", file.file)));
        }
        // A torn end is what a crash, or a server that is writing right now, leaves; recovery cuts it off.
        for wal in &wals {
            let damaged = wal.damaged.iter().filter(|d| !d.torn).count();
            if damaged > 0 {
                let found = text::counted(damaged as u64, "damaged range");
                problems.push(format!("{}: {found}; see inspect wal --verbose", wal.file));
            }
        }
        let raw = files.iter().flat_map(|f| f.frames.iter().map(|frame| &frame.span));
        let built = metric_files.iter().filter_map(|f| f.span.as_ref());
        let spans = raw.chain(built).chain(wals.iter().filter_map(|wal| wal.span.as_ref()));
        Ok(DatabaseView {
            name: self.name.to_owned(),
            metrics: names_of(&catalog),
            ids: catalog.len() as u64,
            raw_files: files.len() as u64,
            metric_files: metric_files.len() as u64,
            file_bytes: files.iter().map(|f| f.bytes).chain(metric_files.iter().map(|f| f.bytes)).sum(),
            rows: files.iter().map(|f| f.rows).sum(),
            metric_rows: metric_files.iter().map(|f| f.points).sum(),
            wal_bytes: wals.iter().map(|wal| wal.bytes).sum(),
            wal_records: wals.iter().map(|wal| wal.records).sum(),
            partition,
            codec,
            span: Span::hull(spans.map(|s| (s.start_ns, s.end_ns))),
            problems,
        })
    }
}

/// How many metrics these are: one that widened stands there with each id that it had.
pub fn names_of(catalog: &[MetricView]) -> u64 {
    catalog.iter().map(|metric| &metric.name).collect::<BTreeSet<_>>().len() as u64
}

/// A float32 as the number that its shortest decimal is, not as the one nearest to it in binary.
fn shortest(value_type: ValueType, value: f64) -> f64 {
    match value_type {
        ValueType::Float32 => (value as f32).to_string().parse().unwrap_or(value),
        _ => value,
    }
}

fn metric_file(root: &Path, report: MetricFileReport, names: &BTreeMap<u16, String>, details: bool) -> MetricFileView {
    let per_point = |bytes: u64, points: u64| (points > 0).then(|| bytes as f64 / points as f64);
    let codecs = report.series.iter().map(|s| &s.codec).chain(report.times.iter().map(|t| &t.codec));
    let points = report.series.iter().map(|s| s.rows).sum();
    MetricFileView {
        file: relative(root, &report.path),
        partition: metric_files::part_of(&report.path).unwrap_or_default().to_owned(),
        bytes: report.len,
        format: if report.version == 0 { "?".to_owned() } else { format!("v{}", report.version) },
        codecs: codecs.cloned().collect::<BTreeSet<_>>().into_iter().collect(),
        points,
        series: report.series.len() as u64,
        time_vectors: report.times.len() as u64,
        bytes_per_point: per_point(report.len, points),
        span: report.span.map(|(start, end)| Span::new(start, end)),
        metrics: report
            .series
            .into_iter()
            .filter(|_| details)
            .map(|s| SeriesView {
                id: s.id,
                metric: names.get(&s.id).cloned(),
                value_type: s.value_type.to_string(),
                codec: s.codec,
                blocks: s.blocks,
                points: s.rows,
                bytes: s.bytes,
                bytes_per_point: per_point(s.bytes, s.rows),
                min: s.extremes.map(|(min, _)| shortest(s.value_type, min)),
                max: s.extremes.map(|(_, max)| shortest(s.value_type, max)),
                span: Span::new(s.start, s.end),
            })
            .collect(),
        times: report
            .times
            .into_iter()
            .filter(|_| details)
            .map(|t| TimesView {
                offset: t.offset,
                bytes: t.len,
                codec: t.codec,
                timestamps: t.count,
                blocks: t.blocks,
                span: Span::new(t.start, t.end),
            })
            .collect(),
        blocks_checked: details,
        problem: report.problem,
    }
}

/// A finding of `verify`, its file relative to the root.
pub fn problem(root: &Path, problem: Problem) -> ProblemView {
    ProblemView { file: relative(root, &problem.file), offset: problem.offset, problem: problem.what }
}

fn data_file(root: &Path, report: DataFileReport) -> DataFileView {
    let frames: Vec<_> = report
        .frames
        .into_iter()
        .map(|f| FrameView {
            offset: f.offset,
            span: Span::new(f.start, f.end),
            rows: u64::from(f.rows),
            metrics: f.metrics,
            payload_bytes: u64::from(f.payload_len),
            decoded_bytes: f.decoded_len,
            codec: f.codec,
            problem: f.problem,
        })
        .collect();
    let whole = || frames.iter().filter(|f| f.problem.is_none());
    DataFileView {
        file: relative(root, &report.path),
        bytes: report.len,
        rows: whole().map(|f| f.rows).sum(),
        decoded_bytes: whole().map(|f| f.decoded_bytes).sum(),
        damaged: report.damaged.into_iter().map(|d| damage(d.from, d.to, d.reason, d.torn_tail)).collect(),
        frames,
    }
}

fn wal(root: &Path, report: WalReport, entries: bool) -> WalView {
    // By their names, where they are known: a metric that widened in this log has two ids.
    let metrics: BTreeSet<_> =
        report.records.iter().map(|r| (r.name.as_deref(), if r.name.is_some() { 0 } else { r.id })).collect();
    let metrics = metrics.len() as u64;
    let mut damaged: Vec<_> =
        report.summary.damaged.into_iter().map(|d| damage(d.from, d.to, d.reason, false)).collect();
    damaged.extend(report.summary.tail.map(|t| damage(t.from, t.from.saturating_add(t.len), t.reason, t.torn)));
    WalView {
        file: relative(root, &report.path),
        bytes: report.len,
        checksummed: report.summary.checksummed,
        batches: report.summary.batches,
        records: report.summary.records,
        metrics,
        span: Span::hull(report.records.iter().map(|r| (r.timestamp, r.timestamp))),
        damaged,
        entries: report
            .records
            .into_iter()
            .filter(|_| entries)
            .map(|r| WalRecordView {
                offset: r.offset,
                id: r.id,
                metric: r.name,
                timestamp_ns: r.timestamp,
                value: Value::from_bits(r.value_type, r.bits).to_string(),
                new_baseline: r.new_baseline,
                new_metric: r.new_metric,
                checksummed: r.checksummed,
            })
            .collect(),
    }
}

fn damage(from: u64, to: u64, reason: String, torn: bool) -> DamageView {
    DamageView { offset: from, bytes: to.saturating_sub(from), reason, torn }
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
