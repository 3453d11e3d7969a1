//! Every damage of a database, and whether its samples are somewhere else, too.

use super::extras::{self, Extra, Types};
use super::{Damage, Found, RecoverReport};
use crate::Result;
use crate::database::{Database, Logs, OpenPartition, OpenRaw, ScanReport, WholePartition, owner_of};
use crate::error::Error;
use crate::format::frame::{FrameHeader, MAX_HEADER_LEN};
use crate::format::metric::salvage::Salvage;
use crate::format::metric::{FOOTER_LEN, HEADER_LEN, Series, Tail};
use crate::layout;
use crate::maintenance::inspect;
use crate::model::{MetricId, Timestamp, counted};
use crate::plugin::Partition;
use crate::storage::metric_file::MetricFile;
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::{OpenMode, Vfs};
use crate::storage::{BlockReader, MetricCache};
use std::collections::BTreeMap;
use std::path::Path;

/// Memory for time vectors of a metric file without a directory.
const CACHE_BYTES: usize = 16 << 20;

impl Damage {
    pub(super) fn of(file: &Path, bytes: Option<(u64, u64)>, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), bytes, rows: None, span: None, what: what.into() }
    }
}

/// Looks at every file, and returns what of them the engine will not read.
pub(super) fn look(
    vfs: &dyn Vfs,
    database: &Database,
    found: &Found,
    types: &Types,
    report: &mut RecoverReport,
) -> Result<Vec<Extra>> {
    let directory = database.directory();
    logs(vfs, directory, found, report)?;
    let mut extras = Vec::new();
    for (partition, _) in database.partitions() {
        // Said again here, file by file.
        let mut ignored = ScanReport::default();
        if let Some(WholePartition { open, .. }) = database.open_whole_partition(partition, &mut ignored)? {
            let mut look = Look { vfs, partition, open: &open, extras: &mut extras, report };
            look.partition()?;
        }
    }
    for entry in vfs.read_dir(directory).map_err(|e| Error::io("list", directory, e))? {
        let Some((file, _)) = entry.name.split_once(".damaged-").filter(|_| !entry.is_dir) else { continue };
        let path = directory.join(&entry.name);
        if entry.len > extras::MAX_KEPT {
            let what = format!("not looked at: of kept bytes at most {} are", extras::MAX_KEPT);
            report.lost.push(Damage::of(&path, None, what));
        } else if file.ends_with(".dat") && !file.starts_with(layout::METRIC) {
            let (_, partition) = owner_of(vfs, &directory.join(file))?;
            extras.push(Extra::Rows(extras::kept_frames(vfs, &path, partition, types)?));
        } else if file.contains(".wal") {
            let bytes = vfs.read(&path, extras::MAX_KEPT).map_err(|e| Error::io("read", &path, e))?;
            extras.push(Extra::Rows(extras::kept_batches(&bytes, types)));
        }
    }
    Ok(extras)
}

fn logs(vfs: &dyn Vfs, directory: &Path, found: &Found, report: &mut RecoverReport) -> Result<()> {
    for stranger in Logs::of(vfs, directory, &found.name)?.strangers {
        let what = "a log of another name beside one of this database or a third: nothing tells which rows came first";
        report.lost.push(Damage::of(&stranger, None, what));
    }
    for log in inspect::wal_files(vfs, directory, &found.entries)? {
        for damage in &log.summary.damaged {
            report.lost.push(Damage::of(&log.path, Some((damage.from, damage.to)), damage.reason.clone()));
        }
        if let Some(tail) = &log.summary.tail {
            let bytes = Some((tail.from, tail.from.saturating_add(tail.len)));
            let what = match tail.torn {
                // Or damage that looks like it: nothing tells the two apart.
                true => format!("{}: not acknowledged yet, if it was being written", tail.reason),
                false => tail.reason.clone(),
            };
            report.lost.push(Damage::of(&log.path, bytes, what));
        }
    }
    Ok(())
}

/// One partition.
struct Look<'a> {
    vfs: &'a dyn Vfs,
    partition: Partition,
    open: &'a OpenPartition,
    extras: &'a mut Vec<Extra>,
    report: &'a mut RecoverReport,
}

impl Look<'_> {
    fn partition(&mut self) -> Result<()> {
        let open = self.open;
        let mut raw = Vec::new();
        for file in &open.raw {
            self.raw_file(file, &mut raw)?;
        }
        let is_covered_whole = raw.iter().all(|(_, is_covered)| !is_covered);
        let metric = match &open.metric {
            Some(file) => blocks(file)?,
            None => Vec::new(),
        };
        if let (Some(path), None) = (&open.snapshot.metric_file, &open.metric) {
            self.without_directory(path, raw.is_empty())?;
        }
        let report = &mut self.report;
        for (damage, is_covered) in raw {
            // What the metric file holds is whole there.
            let to = if is_covered && metric.is_empty() { &mut report.harmless } else { &mut report.lost };
            to.push(damage);
        }
        let to = if open.has_all_raw && is_covered_whole { &mut report.harmless } else { &mut report.lost };
        to.extend(metric);
        Ok(())
    }

    /// What cannot be read of a raw file, and whether it is in the metric file.
    fn raw_file(&mut self, file: &OpenRaw, found: &mut Vec<(Damage, bool)>) -> Result<()> {
        let path = &file.index.path;
        let covered = self.open.covered.of(file.kind);
        for bytes in &file.index.damaged {
            let mut damage = Damage::of(path, Some((bytes.from, bytes.to)), bytes.reason.clone());
            let mut head = [0; MAX_HEADER_LEN];
            let count = file.handle.read_at(&mut head, bytes.from).map_err(|e| Error::io("read", path, e))?;
            if let Ok(Some(header)) = FrameHeader::decode(head.get(..count).unwrap_or_default())
                && self.partition.contains(header.start)
                && self.partition.contains(header.end)
            {
                damage.rows = Some(u64::from(header.rows));
                damage.span = Some((header.start, header.end));
            }
            found.push((damage, bytes.from < covered));
        }
        if let Some(bytes) = &file.index.unfinished {
            let what = format!("{}: its rows are in the write-ahead log", bytes.reason);
            self.report.harmless.push(Damage::of(path, Some((bytes.from, bytes.to)), what));
        }
        let mut reader = FrameReader::default();
        for frame in &file.index.frames {
            let reason = match reader.read(&*file.handle, path, frame) {
                Ok(_) => continue,
                Err(Error::Corrupt { reason, .. } | Error::Incompatible { reason, .. }) => reason,
                Err(e) => return Err(e),
            };
            let mut damage = Damage::of(path, Some((frame.offset, frame.end_offset())), reason);
            let is_covered = frame.offset < covered;
            damage.rows = Some(u64::from(frame.header.rows));
            damage.span = Some((frame.header.start, frame.header.end));
            found.push((damage, is_covered));
        }
        Ok(())
    }

    /// A metric file that the engine does not read: its whole frames, if they are what it should hold.
    fn without_directory(&mut self, path: &Path, is_raw_whole: bool) -> Result<()> {
        let vfs = self.vfs;
        let (offset, reason) = match MetricFile::open(vfs, path, &MetricCache::new(CACHE_BYTES)) {
            Err(Error::Corrupt { offset, reason, .. }) => (offset, reason),
            Err(Error::Incompatible { reason, .. }) => {
                self.report.lost.push(Damage::of(path, None, reason));
                return Ok(());
            }
            Ok(_) => {
                let what = "its samples are not of this partition, or not of the metrics of this database";
                self.report.lost.push(Damage::of(path, None, what));
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        let cache = MetricCache::new(CACHE_BYTES);
        let (file, salvage) = MetricFile::salvage(vfs, path, &cache)?;
        let mut damages = Vec::new();
        for (from, to) in &salvage.gaps {
            damages.push(Damage::of(path, Some((*from, *to)), "no whole frame"));
        }
        for orphan in &salvage.orphans {
            let end = orphan.extent.offset.saturating_add(u64::from(orphan.extent.len));
            let what = format!("metric id {}: its timestamps are lost", orphan.id);
            let mut damage = Damage::of(path, Some((orphan.extent.offset, end)), what);
            damage.rows = Some(u64::from(orphan.rows));
            damages.push(damage);
        }
        let len = vfs.entry(path).map_err(|e| Error::io("look up", path, e))?.map_or(0, |entry| entry.len);
        match directory_at(vfs, path, len, &salvage)? {
            Some(at) if salvage.end < at => damages.push(Damage::of(path, Some((salvage.end, at)), "no whole frame")),
            Some(_) => {}
            None => {
                let what = "its directory is lost, and nothing says what was there";
                damages.push(Damage::of(path, Some((salvage.end.min(len), len)), what));
            }
        }
        if is_raw_whole && self.is_built_from_raw(&file)? {
            self.report.harmless.extend(damages);
        } else {
            self.report.lost.extend(damages);
        }
        let what = format!("{reason}; found frame by frame: {}", counted(file.rows(), "sample"));
        self.report.harmless.push(Damage::of(path, Some((offset, offset)), what));
        self.extras.push(Extra::File { file: Box::new(file), cache });
        Ok(())
    }

    /// Whether the raw files that are there are what a metric file was built from, and not samples that came later: of every
    /// metric that is in it, they go back as far and have as many.
    fn is_built_from_raw(&self, file: &MetricFile) -> Result<bool> {
        let mut raw: BTreeMap<MetricId, (Timestamp, u64)> = BTreeMap::new();
        let mut reader = FrameReader::default();
        for file in &self.open.raw {
            for frame in &file.index.frames {
                let page = reader.read(&*file.handle, &file.index.path, frame)?;
                for (id, at) in page.ids().iter().zip(page.timestamps()) {
                    let at = i64::from_le_bytes(*at);
                    let (first, count) = raw.entry(u16::from_le_bytes(*id)).or_insert((at, 0));
                    *first = at.min(*first);
                    *count = count.saturating_add(1);
                }
            }
        }
        let series = &file.layout().series;
        let is_there = |series: &Series| {
            let start = series.blocks.iter().map(|block| block.start).min();
            let rows: u64 = series.blocks.iter().map(|block| u64::from(block.count)).sum();
            raw.get(&series.id).is_some_and(|(first, count)| Some(*first) <= start && *count >= rows)
        };
        Ok(!series.is_empty() && series.iter().all(is_there))
    }
}

/// Blocks of a metric file that cannot be read.
fn blocks(file: &MetricFile) -> Result<Vec<Damage>> {
    let cache = MetricCache::new(CACHE_BYTES);
    let mut reader = BlockReader::default();
    let mut found = Vec::new();
    for series in &file.layout().series {
        for block in &series.blocks {
            let reason = match file.block(&cache, series, block, &mut reader) {
                Ok(_) => continue,
                Err(Error::Corrupt { reason, .. } | Error::Incompatible { reason, .. }) => reason,
                Err(e) => return Err(e),
            };
            let end = block.extent.offset.saturating_add(u64::from(block.extent.len));
            let what = format!("metric id {}: {reason}", series.id);
            let mut damage = Damage::of(file.path(), Some((block.extent.offset, end)), what);
            damage.rows = Some(u64::from(block.count));
            damage.span = Some((block.start, block.end));
            found.push(damage);
        }
    }
    Ok(found)
}

/// Where the directory starts, if header and footer say, or if what follows the last frame is as long as the directory of
/// these frames.
fn directory_at(vfs: &dyn Vfs, path: &Path, len: u64, salvage: &Salvage) -> Result<Option<u64>> {
    const TIME_ENTRY: u64 = 40;
    const BLOCK_ENTRY: u64 = 44;
    let io = |e| Error::io("read", path, e);
    let (mut header, mut footer) = ([0; HEADER_LEN], [0; FOOTER_LEN]);
    let Some(at) = len.checked_sub(FOOTER_LEN as u64).filter(|at| *at >= HEADER_LEN as u64) else { return Ok(None) };
    let file = vfs.open(path, OpenMode::Read).map_err(io)?;
    file.read_exact_at(&mut header, 0).map_err(io)?;
    file.read_exact_at(&mut footer, at).map_err(io)?;
    if let Ok(tail) = Tail::decode(&header, &footer, len) {
        return Ok(Some(tail.directory_at));
    }
    let blocks: usize = salvage.layout.series.iter().map(|s| s.blocks.len()).sum();
    let blocks = blocks.saturating_add(salvage.orphans.len()) as u64;
    let times = salvage.layout.times.len() as u64;
    let directory = times.saturating_mul(TIME_ENTRY).saturating_add(blocks.saturating_mul(BLOCK_ENTRY));
    let is_framed = salvage.layout.version < 3 && blocks > 0;
    Ok((is_framed && at.checked_sub(directory) == Some(salvage.end)).then_some(salvage.end))
}
