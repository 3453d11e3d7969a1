//! What a database consists of, for people who look at it.

use super::commit::CommitLog;
use super::{Database, MetricFiles, OpenPartition, OpenRaw, ScanReport, Snapshot};
use crate::Result;
use crate::format::page::Envelope;
use crate::model::Timestamp;
use crate::order;
use crate::plugin::Partition;
use crate::plugin::registry::registry;
use crate::storage::MetricFile;
use crate::storage::OpenPage;
use std::path::Path;
use std::time::Duration;

/// Bytes at the front of a payload that say which codec it is of.
const ENVELOPE: usize = 16;

/// A file of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDescription {
    /// Its name.
    pub name: String,
    /// Whether it is a metric file, and not a raw one.
    pub is_metric: bool,
    /// Its size.
    pub bytes: u64,
    /// Pages of a raw file, blocks of a metric file; `None` when it was not looked into.
    pub pages: Option<u64>,
    /// Samples in it; `None` when it was not looked into.
    pub points: Option<u64>,
    /// Codec of its newest page, or of its first block; `None` when it is not known.
    pub codec: Option<String>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDescription {
    /// Its name, as in its file names.
    pub name: String,
    /// Its time range.
    pub partition: Partition,
    /// Time of its first and last sample, as headers say; `None` when that is not known.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Its samples, each once; `None` when it was not looked into.
    pub points: Option<u64>,
    /// Whether its time ended more than the grace ago.
    pub is_sealed: bool,
    /// Its files.
    pub files: Vec<FileDescription>,
    /// Whether pages of its raw files could be merged into fewer.
    pub may_compact: bool,
}

/// A page that is in no file yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageDescription {
    /// Name of its partition.
    pub partition: String,
    /// Its rows.
    pub points: u64,
    /// Memory that the rows take.
    pub bytes: u64,
    /// Time of its first and last sample.
    pub times: Option<(Timestamp, Timestamp)>,
    /// How long ago its first row came.
    pub age: Duration,
}

impl Database {
    /// Pages that are in no file yet, oldest partition first.
    pub fn describe_pages(&self) -> Vec<PageDescription> {
        let now = self.now();
        let describe = |partition: &Partition, page: &OpenPage| {
            let times = page.timestamps.iter().min().copied().zip(page.timestamps.iter().max().copied());
            const ROW: u64 = 18;
            let points = page.len() as u64;
            let age = now.saturating_sub(page.opened);
            (
                *partition,
                PageDescription { partition: String::new(), points, bytes: points.saturating_mul(ROW), times, age },
            )
        };
        let mut pages: Vec<(Partition, PageDescription)> = {
            let state = self.read_state();
            let frozen = state.frozen.iter().map(|(partition, page)| describe(partition, page));
            frozen.chain(state.pages.iter().map(|(partition, page)| describe(partition, page))).collect()
        };
        pages.retain(|(_, page)| page.points > 0);
        order::sort_by_key(&mut pages, |(partition, _)| *partition);
        let named = |(partition, page)| PageDescription { partition: self.name_of(partition), ..page };
        pages.into_iter().map(named).collect()
    }

    /// When the WAL was forced to the device for the last time since the database was opened.
    pub fn last_wal_sync(&self) -> Option<Timestamp> {
        self.commit.as_ref().and_then(CommitLog::last_sync)
    }

    /// Batches that are in the WAL and not forced to the device yet.
    pub fn waiting_batches(&self) -> u64 {
        self.commit.as_ref().map_or(0, CommitLog::waiting)
    }

    fn name_of(&self, partition: Partition) -> String {
        self.part_name(partition)
    }

    /// Its partitions, oldest first. Files of the newest `most` are looked into, those of the others listed.
    pub fn describe_partitions(&self, most: usize) -> Result<Vec<PartitionDescription>> {
        let Snapshot { partitions, .. } = self.snapshot(&[], Timestamp::MIN, Timestamp::MAX)?;
        let listed = partitions.len().saturating_sub(most);
        let mut found = Vec::with_capacity(partitions.len());
        for (at, snapshot) in partitions.into_iter().enumerate() {
            let partition = snapshot.partition;
            let mut description = PartitionDescription {
                name: self.name_of(partition),
                partition,
                times: None,
                points: None,
                is_sealed: self.is_sealed(partition),
                files: Vec::new(),
                may_compact: false,
            };
            if at < listed {
                let raw = snapshot.files.iter().map(|(_, raw)| (raw.path.as_path(), raw.len, false));
                let metric = snapshot.metric_file.iter().map(|path| (path.as_path(), self.listed_len(path), true));
                description.files.extend(raw.chain(metric).map(|(path, bytes, is_metric)| FileDescription {
                    name: file_name(path),
                    is_metric,
                    bytes,
                    pages: None,
                    points: None,
                    codec: None,
                }));
            } else {
                let range = (Timestamp::MIN, Timestamp::MAX);
                let mut report = ScanReport::default();
                let open = self.open_partition(snapshot, &[], range, MetricFiles::Preferred, &mut report)?;
                self.look_into(&open, &mut description);
            }
            found.push(description);
        }
        Ok(found)
    }

    fn listed_len(&self, path: &Path) -> u64 {
        self.read_state().listed.get(path).copied().unwrap_or_default()
    }

    fn look_into(&self, open: &OpenPartition, found: &mut PartitionDescription) {
        let mut note = |start: Timestamp, end: Timestamp| {
            let (first, last) = found.times.unwrap_or((start, end));
            found.times = Some((first.min(start), last.max(end)));
        };
        for raw in &open.raw {
            let frames = &raw.index.frames;
            let rows = frames.iter().map(|frame| u64::from(frame.header.rows)).sum::<u64>();
            let full = u64::from(self.manifest().page.max_records.max(1));
            found.may_compact |= frames.len() as u64 > rows.div_ceil(full).max(1);
            frames.iter().for_each(|frame| note(frame.header.start, frame.header.end));
            found.files.push(FileDescription {
                name: file_name(&raw.index.path),
                is_metric: false,
                bytes: raw.index.len,
                pages: Some(frames.len() as u64),
                points: Some(rows),
                codec: codec_of_raw(raw),
            });
        }
        if let Some(file) = &open.metric {
            let blocks = || file.layout().series.iter().flat_map(|series| &series.blocks);
            blocks().for_each(|block| note(block.start, block.end));
            found.files.push(FileDescription {
                name: file_name(file.path()),
                is_metric: true,
                bytes: self.listed_len(file.path()),
                pages: Some(blocks().count() as u64),
                points: Some(file.rows()),
                codec: codec_of_metric(file),
            });
        }
        let state = self.read_state();
        let mut unflushed = 0u64;
        for page in state.unflushed(found.partition) {
            unflushed = unflushed.saturating_add(page.len() as u64);
            if let Some((first, last)) = page.timestamps.iter().min().zip(page.timestamps.iter().max()) {
                note(*first, *last);
            }
        }
        found.points = Some(open.rows().saturating_add(unflushed));
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn codec_name(id: u16) -> String {
    registry().codec_by_id(id).map_or_else(|| format!("codec {id}"), |codec| codec.name().to_owned())
}

fn codec_of_raw(raw: &OpenRaw) -> Option<String> {
    let frame = raw.index.frames.last()?;
    let mut prefix = [0; ENVELOPE];
    let prefix = prefix.get_mut(..ENVELOPE.min(frame.header.payload_len as usize))?;
    let at = frame.offset.saturating_add(u64::from(frame.header.header_len));
    raw.handle.read_exact_at(prefix, at).ok()?;
    Envelope::decode(prefix, frame.header.rows).ok().map(|envelope| codec_name(envelope.codec_id))
}

fn codec_of_metric(file: &MetricFile) -> Option<String> {
    let block = file.layout().series.iter().flat_map(|series| &series.blocks).next()?;
    file.codec_at(block.extent).ok().map(codec_name)
}
