//! What a metric file holds, from its directory, without its values.

use crate::format::metric::{Extent, Series};
use crate::layout;
use crate::model::{MetricId, Timestamp, ValueType};
use crate::plugin::registry::registry;
use crate::storage::vfs::Vfs;
use crate::storage::{BlockReader, MetricCache, MetricFile};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Memory for statistics while one file is looked at.
const CACHE_BYTES: usize = 4 << 20;

/// A metric file.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricFileReport {
    /// Path.
    pub path: PathBuf,
    /// Bytes.
    pub len: u64,
    /// 1, 2 or 3; 0 when it cannot be opened.
    pub version: u16,
    /// Oldest and newest timestamp; `None` in a file without samples.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Shared time vectors; none in version 1.
    pub times: Vec<TimesReport>,
    /// Metrics, by id.
    pub series: Vec<SeriesReport>,
    /// Why nothing of it can be read.
    pub problem: Option<String>,
}

/// A time vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimesReport {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// Codec name, or `codec <id>` when it is not here.
    pub codec: String,
    /// First timestamp.
    pub start: Timestamp,
    /// Last timestamp.
    pub end: Timestamp,
    /// Number of timestamps.
    pub count: u64,
    /// Blocks of values that refer to it.
    pub blocks: u64,
}

/// One metric in a metric file.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesReport {
    /// Metric id.
    pub id: MetricId,
    /// Type as written.
    pub value_type: ValueType,
    /// Codec name, or `codec <id>` when it is not here.
    pub codec: String,
    /// Blocks.
    pub blocks: u64,
    /// Samples.
    pub rows: u64,
    /// Bytes of its blocks; of version 1 with their timestamps.
    pub bytes: u64,
    /// Smallest and largest value, where the file has statistics of every sample.
    pub extremes: Option<(f64, f64)>,
    /// First timestamp.
    pub start: Timestamp,
    /// Last timestamp.
    pub end: Timestamp,
}

/// Metric files of a database, by name.
pub fn metric_files(vfs: &dyn Vfs, directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = vfs.read_dir(directory).map_err(|e| Error::io("list", directory, e))?;
    let is_metric = |name: &str| name.starts_with(layout::METRIC) && name.ends_with(".dat");
    Ok(entries.into_iter().filter(|e| !e.is_dir && is_metric(&e.name)).map(|e| directory.join(e.name)).collect())
}

/// The partition that a metric file is named for, as in its name.
pub fn part_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_prefix(layout::METRIC)?.strip_suffix(".dat")
}

/// Reads the directory of a metric file. `None` when there is none (any more); damage is in the report.
pub fn metric_file(vfs: &dyn Vfs, path: &Path) -> Result<Option<MetricFileReport>> {
    let Some(entry) = vfs.entry(path).map_err(|e| Error::io("look up", path, e))? else { return Ok(None) };
    let mut report = MetricFileReport {
        path: path.to_owned(),
        len: entry.len,
        version: 0,
        span: None,
        times: Vec::new(),
        series: Vec::new(),
        problem: None,
    };
    let cache = MetricCache::new(CACHE_BYTES);
    match MetricFile::open(vfs, path, &cache).and_then(|file| fill(&file, &cache, &mut report)) {
        Ok(()) => {}
        Err(error) if error.is_missing_file() => return Ok(None),
        Err(error) => report.problem = Some(problem(error)?),
    }
    Ok(Some(report))
}

/// Reads every time vector and block of a metric file. Says what is wrong with the first that is, and how many are; `None` when
/// nothing is, or there is no such file (any more).
pub fn check_blocks(vfs: &dyn Vfs, path: &Path) -> Result<Option<String>> {
    let cache = MetricCache::new(CACHE_BYTES);
    let file = match MetricFile::open(vfs, path, &cache) {
        Ok(file) => file,
        Err(error) if error.is_missing_file() => return Ok(None),
        Err(e) => return problem(e).map(Some),
    };
    let layout = file.layout();
    let mut reader = BlockReader::default();
    let (mut first, mut count) = (None, 0u64);
    let blocks = layout.series.iter().flat_map(|series| series.blocks.iter().map(move |block| (series, block)));
    for (series, block) in blocks {
        if let Err(error) = file.block(&cache, series, block, &mut reader) {
            let text = problem(error)?;
            first.get_or_insert(text);
            count = count.saturating_add(1);
        }
    }
    Ok(first.map(|first| if count == 1 { first } else { format!("{first}; {count} blocks cannot be read") }))
}

/// What an error says of a file.
fn problem(error: Error) -> Result<String> {
    match error {
        Error::Corrupt { offset, reason, .. } => Ok(format!("damaged at byte {offset}: {reason}")),
        Error::Incompatible { reason, .. } => Ok(reason),
        e => Err(e),
    }
}

fn fill(file: &MetricFile, cache: &MetricCache, report: &mut MetricFileReport) -> Result<()> {
    let layout = file.layout();
    report.version = layout.version;
    let mut uses = vec![0u64; layout.times.len()];
    for block in layout.series.iter().flat_map(|s| &s.blocks) {
        if let Some(uses) = block.time.and_then(|at| uses.get_mut(at as usize)) {
            *uses = uses.saturating_add(1);
        }
    }
    for (time, blocks) in layout.times.iter().zip(uses) {
        report.times.push(TimesReport {
            offset: time.extent.offset,
            len: u64::from(time.extent.len),
            codec: codec_name(file, time.extent)?,
            start: time.start,
            end: time.end,
            count: u64::from(time.count),
            blocks,
        });
    }
    for series in &layout.series {
        report.series.extend(one_series(file, cache, series)?);
    }
    report.span = (!report.series.is_empty()).then_some((layout.start, layout.end));
    Ok(())
}

fn one_series(file: &MetricFile, cache: &MetricCache, series: &Series) -> Result<Option<SeriesReport>> {
    let (Some(first), Some(last)) = (series.blocks.first(), series.blocks.last()) else { return Ok(None) };
    Ok(Some(SeriesReport {
        id: series.id,
        value_type: series.value_type,
        codec: codec_name(file, first.extent)?,
        blocks: series.blocks.len() as u64,
        rows: series.blocks.iter().map(|b| u64::from(b.count)).sum(),
        bytes: series.blocks.iter().map(|b| u64::from(b.extent.len)).sum(),
        extremes: extremes(file, cache, series)?,
        start: first.start,
        end: last.end,
    }))
}

fn extremes(file: &MetricFile, cache: &MetricCache, series: &Series) -> Result<Option<(f64, f64)>> {
    let mut found: Option<(f64, f64)> = None;
    let mut add = |statistics: Option<crate::plugin::BlockStatistics>| {
        let known = statistics.map(|s| found.map_or((s.min, s.max), |(min, max)| (min.min(s.min), max.max(s.max))));
        found = known;
        known.is_some()
    };
    for block in &series.blocks {
        let known = match block.parts {
            None => add(block.statistics),
            Some(_) => file.parts(cache, series, block)?.iter().filter(|p| p.count > 0).all(|p| add(p.statistics)),
        };
        if !known {
            return Ok(None);
        }
    }
    Ok(found)
}

fn codec_name(file: &MetricFile, extent: Extent) -> Result<String> {
    let id = file.codec_at(extent)?;
    Ok(registry().codec_by_id(id).map_or_else(|| format!("codec {id}"), |codec| codec.name().to_owned()))
}
