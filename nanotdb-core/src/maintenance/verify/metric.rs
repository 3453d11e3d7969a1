//! Metric files: every checksum, every value, every statistic, and the raw files that they were built from.

use super::{Problem, VerifyReport};
use crate::database::{Digest, owner_of};
use crate::format::metric::{Block, MAX_SOURCES_LEN, Rows, Series, Source, check_records};
use crate::layout;
use crate::model::decimal::shortest;
use crate::model::{Column, MetricId, ValueType, Values, counted};
use crate::plugin::{BlockStatistics, Partition};
use crate::storage::vfs::Vfs;
use crate::storage::{BlockReader, MetricCache, MetricFile};
use crate::{Error, Result};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Memory for time vectors and statistics of one file.
const CACHE_BYTES: usize = 64 << 20;

/// What has to agree with the raw files of its partition.
pub(super) struct Built {
    path: PathBuf,
    /// Prefixes of raw files that are in it.
    pub(super) sources: Vec<Source>,
    /// Its rows.
    rows: BTreeMap<MetricId, Digest>,
    /// All of its rows could be read.
    whole: bool,
}

impl Built {
    /// Whether the rows of the raw files that it says it was built from are in it.
    pub(super) fn check_coverage(&self, raw: &BTreeMap<MetricId, Digest>, report: &mut VerifyReport) {
        if !self.whole {
            return;
        }
        for (id, raw) in raw {
            let built = self.rows.get(id).copied().unwrap_or_default();
            let what = match raw.rows().cmp(&built.rows()) {
                std::cmp::Ordering::Less => continue,
                std::cmp::Ordering::Equal if *raw == built => continue,
                std::cmp::Ordering::Equal => {
                    format!("samples of metric id {id} differ from those in the raw file that it was built from")
                }
                std::cmp::Ordering::Greater => format!(
                    "{} of metric id {id}, and {} in the part of the raw file that it was built from",
                    counted(built.rows(), "sample"),
                    raw.rows()
                ),
            };
            report.problems.push(Problem { file: self.path.clone(), offset: None, what });
        }
    }
}

/// Checks one metric file; `None` when nothing can be said of its rows.
pub(super) fn check(
    vfs: &dyn Vfs,
    path: &Path,
    types: &HashMap<MetricId, ValueType>,
    report: &mut VerifyReport,
) -> Result<Option<(Partition, Built)>> {
    let problem = |offset, what| Problem { file: path.to_owned(), offset, what };
    let (partitioner, partition) = owner_of(vfs, path)?;
    let cache = MetricCache::new(CACHE_BYTES);
    let file = match MetricFile::open(vfs, path, &cache) {
        Ok(file) => file,
        // A build replaces files, retention removes them.
        Err(error) if error.is_missing_file() => return Ok(None),
        Err(e) => {
            report.metric_files = report.metric_files.saturating_add(1);
            let (offset, what) = damage(e)?;
            report.problems.push(problem(offset, what));
            return Ok(None);
        }
    };
    let layout = file.layout();
    if let Some(partitioner) = partitioner.filter(|p| layout.partition_kind != p.kind_id()) {
        let what = format!(
            "its header says partition kind {}, its name {} ({})",
            layout.partition_kind,
            partitioner.kind_id(),
            partitioner.name()
        );
        report.problems.push(problem(None, what));
    }
    report.metric_files = report.metric_files.saturating_add(1);
    let mut check = Check {
        file: &file,
        cache: &cache,
        partition,
        types,
        report,
        bad_times: HashSet::new(),
        rows: BTreeMap::new(),
        whole: true,
    };
    check.times()?;
    for series in &layout.series {
        check.series(series)?;
    }
    let Check { rows, whole, .. } = check;
    Ok(Some((partition, Built { path: path.to_owned(), sources: layout.sources.clone(), rows, whole })))
}

/// Checks what is written beside metric files of versions 1 and 2 of their raw files. Queries do without one that is damaged.
pub(super) fn check_sources(vfs: &dyn Vfs, directory: &Path, report: &mut VerifyReport) -> Result<()> {
    let entries = vfs.read_dir(directory).map_err(|e| Error::io("list", directory, e))?;
    let is_record = |name: &str| name.starts_with(layout::BUILT) && name.ends_with(".sources");
    for entry in entries.into_iter().filter(|entry| !entry.is_dir && is_record(&entry.name)) {
        let path = directory.join(entry.name);
        let what = match vfs.read(&path, MAX_SOURCES_LEN) {
            // Every record is looked at, whichever file it is about.
            Ok(bytes) => match check_records(&bytes) {
                Ok(()) => continue,
                Err(e) => e.reason,
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) if e.kind() == std::io::ErrorKind::InvalidData => e.to_string(),
            Err(e) => return Err(Error::io("read", path, e)),
        };
        let what = format!("{what}; queries compare the metric file with its raw files instead");
        report.problems.push(Problem { file: path, offset: None, what });
    }
    Ok(())
}

/// Where and what, of an error that is about the file.
fn damage(error: Error) -> Result<(Option<u64>, String)> {
    match error {
        Error::Corrupt { offset, reason, .. } => Ok((Some(offset), reason)),
        Error::Incompatible { reason, .. } => Ok((None, reason)),
        e => Err(e),
    }
}

struct Check<'a> {
    file: &'a MetricFile,
    cache: &'a MetricCache,
    partition: Partition,
    types: &'a HashMap<MetricId, ValueType>,
    report: &'a mut VerifyReport,
    bad_times: HashSet<u32>,
    rows: BTreeMap<MetricId, Digest>,
    whole: bool,
}

impl Check<'_> {
    fn problem(&mut self, offset: u64, what: String) {
        self.report.problems.push(Problem { file: self.file.path().to_owned(), offset: Some(offset), what });
    }

    fn damaged(&mut self, error: Error, at: u64) -> Result<()> {
        let (offset, what) = damage(error)?;
        self.whole = false;
        self.problem(offset.unwrap_or(at), what);
        Ok(())
    }

    fn times(&mut self) -> Result<()> {
        for (at, time) in (0u32..).zip(&self.file.layout().times) {
            self.report.metric_blocks = self.report.metric_blocks.saturating_add(1);
            if let Err(e) = self.file.times(self.cache, at) {
                self.bad_times.insert(at);
                self.damaged(e, time.extent.offset)?;
            }
        }
        Ok(())
    }

    fn series(&mut self, series: &Series) -> Result<()> {
        let first = series.blocks.first().map_or(0, |b| b.extent.offset);
        let known = self.types.get(&series.id).copied();
        let same_kind = known.is_some_and(|known| {
            known == series.value_type
                || (known.is_wide()
                    && !series.value_type.is_wide()
                    && known.is_integer() == series.value_type.is_integer())
        });
        match known {
            None => self.problem(first, format!("metric id {} is in no catalog", series.id)),
            Some(_) if same_kind => {}
            Some(known) => {
                let what = format!("metric id {} is {known}, and {} in this file", series.id, series.value_type);
                self.problem(first, what);
            }
        }
        let mut digest = Digest::default();
        let mut widened = Column::new(known.filter(|_| same_kind).unwrap_or(series.value_type));
        let mut reader = BlockReader::default();
        for block in &series.blocks {
            self.report.metric_blocks = self.report.metric_blocks.saturating_add(1);
            if block.time.is_some_and(|at| self.bad_times.contains(&at)) {
                // Said of the time vector already.
                continue;
            }
            match self.file.block(self.cache, series, block, &mut reader) {
                Ok(rows) => {
                    self.report.metric_rows = self.report.metric_rows.saturating_add(rows.timestamps.len() as u64);
                    self.block(series, block, rows)?;
                    widened.truncate(0);
                    widened.extend(rows.values.values());
                    for (at, timestamp) in rows.timestamps.iter().enumerate() {
                        if let Some(value) = widened.values().get(at) {
                            digest.add(series.id, *timestamp, value);
                        }
                    }
                }
                Err(e) => self.damaged(e, block.extent.offset)?,
            }
        }
        self.rows.insert(series.id, digest);
        Ok(())
    }

    fn block(&mut self, series: &Series, block: &Block, rows: &Rows) -> Result<()> {
        let at = block.extent.offset;
        let id = series.id;
        let outside = rows.timestamps.iter().find(|t| !self.partition.contains(**t));
        if let Some(outside) = outside {
            self.problem(at, format!("metric id {id} has a sample at {outside}, outside of the file's partition"));
        }
        if let Some(said) = block.statistics
            && statistics_of(rows.values.values(), block.decimal_sums) != Some(said)
        {
            self.problem(at, format!("statistics of metric id {id} are not those of its values"));
        }
        let parts = match self.file.parts(self.cache, series, block) {
            Ok(parts) => parts,
            Err(e) => return self.damaged(e, at),
        };
        let mut from = 0usize;
        for part in parts {
            let to = from.saturating_add(part.count as usize);
            let within = rows.timestamps.get(from..to).unwrap_or_default();
            let inside = within.iter().all(|t| (part.start..=part.end).contains(t));
            let values = rows.values.values().slice(from..to.min(rows.timestamps.len()));
            let right = part.statistics.is_none_or(|said| statistics_of(values, block.decimal_sums) == Some(said));
            if !inside || !right {
                let first = block.parts.map_or(at, |p| p.chunk.offset);
                let what = format!("statistics of metric id {id}, rows {from} to {to} of its block at {at}, are wrong");
                self.problem(first, what);
            }
            from = to;
        }
        Ok(())
    }
}

/// Computed anew from the values, and not with the writer's code. Sums are of the decimals of float32 values, or of these themselves.
fn statistics_of(values: Values<'_>, decimal_sums: bool) -> Option<BlockStatistics> {
    let mut all = Vec::with_capacity(values.len());
    values.extend_f64(&mut all);
    let sum = match values {
        Values::Float32(singles) if decimal_sums => singles.iter().map(|v| shortest(*v)).sum(),
        _ => all.iter().sum(),
    };
    let (first, last) = (*all.first()?, *all.last()?);
    Some(BlockStatistics {
        count: all.len() as u64,
        min: all.iter().copied().fold(f64::INFINITY, f64::min),
        max: all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        sum,
        first,
        last,
    })
}
