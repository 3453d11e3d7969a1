//! Which frames of a partition's raw files are in its metric file already.
//!
//! A partition can have a metric file, the raw files it was built from, and rows that came later. What was built in is a
//! prefix of the raw files, and everything behind it is read besides the metric file. A file of version 3 says how long
//! that prefix was and how it ended; for one of version 1 or 2 the rows are counted and compared, once per process.

use super::Database;
use super::state::RawKind;
use crate::Error;
use crate::Result;
use crate::format::metric::{Layout, Source};
use crate::model::{Column, MetricId, Timestamp, Value};
use crate::plugin::Partition;
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::OpenMode;
use crate::storage::{BlockReader, MetricFile, RawFile};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// Per raw file, the length of the prefix whose rows are in the metric file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Covered {
    raw: u64,
    data: u64,
}

impl Covered {
    /// Everything in raw files.
    pub fn all() -> Self {
        Self { raw: u64::MAX, data: u64::MAX }
    }

    /// Where the frames of one file begin that are not in the metric file.
    pub fn of(&self, kind: RawKind) -> u64 {
        match kind {
            RawKind::Raw => self.raw,
            RawKind::Data => self.data,
        }
    }

    fn set(&mut self, kind: RawKind, to: u64) {
        match kind {
            RawKind::Raw => self.raw = to,
            RawKind::Data => self.data = to,
        }
    }
}

/// What a version 3 file remembers of a raw file that it was built from.
pub(crate) fn source_of(vfs: &dyn crate::storage::vfs::Vfs, index: &RawFile, len: u64) -> Result<Option<Source>> {
    let Some(last) = index.frames.iter().rev().find(|f| f.end_offset() == len) else { return Ok(None) };
    let file = match vfs.open(&index.path, OpenMode::Read) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("open", &index.path, e)),
    };
    let mut bytes = vec![0; usize::try_from(len.saturating_sub(last.offset)).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, last.offset).map_err(|e| Error::io("read", &index.path, e))?;
    Ok(Some(Source { len, crc: crc32fast::hash(&bytes) }))
}

impl Database {
    /// What of the raw files `indexes` is in `file`. Remembered for as long as the same metric file is there.
    pub(crate) fn covered(
        &self,
        partition: Partition,
        file: &MetricFile,
        indexes: &[(RawKind, Arc<RawFile>)],
    ) -> Result<Covered> {
        if indexes.iter().all(|(_, index)| index.frames.is_empty()) {
            return Ok(Covered::default());
        }
        let identity = file.identity();
        if let Some((known, covered)) = self.read_state().metric_files.get(&partition).and_then(|slot| slot.covered)
            && known == identity
        {
            return Ok(covered);
        }
        let covered = self.work_out(file, indexes)?;
        if let Some(slot) = self.write_state().metric_files.get_mut(&partition) {
            slot.covered = Some((identity, covered));
        }
        Ok(covered)
    }

    fn work_out(&self, file: &MetricFile, indexes: &[(RawKind, Arc<RawFile>)]) -> Result<Covered> {
        let mut covered = Covered::default();
        let layout = file.layout();
        if layout.version >= 3 {
            for (kind, index) in indexes {
                for source in &layout.sources {
                    if source_of(self.vfs(), index, source.len)? == Some(*source) {
                        covered.set(*kind, source.len);
                    }
                }
            }
            return Ok(covered);
        }
        self.compare(file, indexes)
    }

    /// The prefix of the raw files that has exactly the rows of the metric file, if there is one.
    fn compare(&self, file: &MetricFile, indexes: &[(RawKind, Arc<RawFile>)]) -> Result<Covered> {
        let wanted = rows_of(file.layout());
        let mut covered = Covered::default();
        let mut rows = 0u64;
        let mut frames = Vec::new();
        for (kind, index) in indexes {
            for frame in &index.frames {
                if rows >= wanted {
                    break;
                }
                rows = rows.saturating_add(u64::from(frame.header.rows));
                covered.set(*kind, frame.end_offset());
                frames.push((*kind, *frame));
            }
        }
        if rows == wanted {
            let digest = self.digest_of_frames(&frames, indexes)?;
            return Ok(if digest.is_some() && digest == Some(self.digest_of_file(file)?) {
                covered
            } else {
                Covered::default()
            });
        }
        // A raw file that lost frames to damage still is what the metric file was built from.
        let is_damaged = indexes.iter().any(|(_, index)| !index.damaged.is_empty());
        Ok(if is_damaged && rows < wanted { covered } else { Covered::default() })
    }

    /// `None` when a frame cannot be read.
    fn digest_of_frames(
        &self,
        frames: &[(RawKind, crate::storage::FrameEntry)],
        indexes: &[(RawKind, Arc<RawFile>)],
    ) -> Result<Option<Digest>> {
        let mut reader = FrameReader::default();
        let mut digest = Digest::default();
        for (kind, index) in indexes {
            let mut these = frames.iter().filter(|(of, _)| of == kind).peekable();
            if these.peek().is_none() {
                continue;
            }
            let handle = self.vfs().open(&index.path, OpenMode::Read).map_err(|e| Error::io("open", &index.path, e))?;
            for (_, frame) in these {
                let page = match reader.read(&*handle, &index.path, frame) {
                    Ok(page) => page,
                    Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => return Ok(None),
                    Err(e) => return Err(e),
                };
                let state = self.read_state();
                for at in 0..page.rows() {
                    if let Some((id, timestamp, bits)) = page.row(at, |id| state.type_of(id)) {
                        digest.add(id, timestamp, Value::from_bits(state.type_of(id), bits));
                    }
                }
            }
        }
        Ok(Some(digest))
    }

    fn digest_of_file(&self, file: &MetricFile) -> Result<Digest> {
        let mut reader = BlockReader::default();
        let mut digest = Digest::default();
        let cache = &self.environment.metric_cache;
        for series in &file.layout().series {
            let value_type = self.read_state().type_of(series.id);
            for block in &series.blocks {
                let rows = file.block(cache, series, block, &mut reader)?;
                let mut values = Column::new(value_type);
                if !values.extend(rows.values.values()) {
                    return Ok(Digest::default());
                }
                for (at, timestamp) in rows.timestamps.iter().enumerate() {
                    if let Some(value) = values.values().get(at) {
                        digest.add(series.id, *timestamp, value);
                    }
                }
            }
        }
        Ok(digest)
    }
}

fn rows_of(layout: &Layout) -> u64 {
    layout.series.iter().flat_map(|s| &s.blocks).map(|b| u64::from(b.count)).sum()
}

/// Number and sum of hashes of rows: equal for equal rows in whatever order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Digest {
    rows: u64,
    sum: u64,
}

impl Digest {
    /// Number of rows.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, id: MetricId, timestamp: Timestamp, value: Value) {
        let mut hasher = foldhash::quality::FixedState::with_seed(0).build_hasher();
        hasher.write_u16(id);
        hasher.write_i64(timestamp);
        hasher.write_u64(value.to_bits());
        self.rows = self.rows.saturating_add(1);
        self.sum = self.sum.wrapping_add(hasher.finish());
    }
}
