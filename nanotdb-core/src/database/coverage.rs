//! Which frames of a partition's raw files are in its metric file already.
//!
//! A partition can have a metric file, the raw files it was built from, and rows that came later. What was built in is a
//! prefix of the raw files, and everything behind it is read besides the metric file. Our files say how long that prefix was
//! and how it ended; for one of the original the rows are counted and compared, once per process.

use super::state::RawKind;
use super::{Database, OpenRaw, PartitionSnapshot};
use crate::format::metric::Source;
use crate::model::{Column, MetricId, Timestamp, Value};
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::VfsFile;
use crate::storage::{BlockReader, FrameEntry, MetricFile, RawFile};
use crate::{Error, Result};
use std::hash::{BuildHasher, Hasher};

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

/// What a metric file remembers of a raw file of which so much was built in.
pub(crate) fn source_of(index: &RawFile, file: &dyn VfsFile, len: u64) -> Result<Option<Source>> {
    let Some(last) = index.frames.iter().rev().find(|f| f.end_offset() == len) else { return Ok(None) };
    let mut bytes = vec![0; usize::try_from(len.saturating_sub(last.offset)).unwrap_or(usize::MAX)];
    match file.read_exact_at(&mut bytes, last.offset) {
        Ok(()) => Ok(Some(Source { len, crc: crc32fast::hash(&bytes) })),
        // Another file by now: whoever opened it looks again.
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(Error::io("read", &index.path, e)),
    }
}

/// Where the damage starts that keeps a raw file from showing whether this much of it was built in.
fn damage_at(raw: &OpenRaw, len: u64) -> Option<u64> {
    if let Some(damage) = raw.index.damaged.iter().find(|d| d.from < len && len <= d.to) {
        return Some(damage.from);
    }
    let last = raw.index.frames.iter().rev().find(|f| f.end_offset() == len)?;
    let unverified = FrameEntry { verified: false, ..*last };
    let read = FrameReader::default().read(&*raw.handle, &raw.index.path, &unverified).map(|_| ());
    matches!(read, Err(Error::Corrupt { .. })).then_some(last.offset)
}

/// Whether damage may have moved frames of a raw file, or keeps one of these lengths from showing what ended there.
fn is_doubtful(raw: &OpenRaw, unmatched: &[u64]) -> bool {
    !unmatched.is_empty()
        && (!raw.index.damaged.is_empty() || unmatched.iter().any(|len| damage_at(raw, *len).is_some()))
}

/// Behind the last frame that can be seen to be built in: the end of the damage there, which was the rest of that part.
fn through_damage(raw: &OpenRaw, to: u64, likely: u64) -> u64 {
    let rest = raw.index.damaged.iter().find(|damage| damage.from == to && damage.from < likely);
    rest.map_or(to, |damage| damage.to)
}

/// Whether so much of a raw file ends where a frame does.
fn ends_frame(raw: &OpenRaw, len: u64) -> bool {
    len == 0 || raw.index.frames.iter().rev().any(|f| f.end_offset() == len)
}

/// What is known of the raw files of a partition beside its metric file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coverage {
    pub(crate) covered: Covered,
    /// Whether the metric file was seen to be built from raw files as they are known here, so that nothing else that is
    /// known here can be in it.
    pub(crate) proven: bool,
    /// Whether damage had a say. What is damaged may be cut off, with other frames in its place then.
    damaged: bool,
    /// A raw file whose first frames are damaged, so that nothing tells whether they were built in.
    pub(crate) uncertain: Option<RawKind>,
}

impl Database {
    /// What of the raw files is in `file`. Remembered for as long as the same metric file is there.
    pub(crate) fn coverage(
        &self,
        snapshot: &PartitionSnapshot,
        file: &MetricFile,
        raw: &[OpenRaw],
    ) -> Result<Coverage> {
        if raw.iter().all(|raw| raw.index.frames.is_empty()) {
            return Ok(Coverage { covered: Covered::default(), proven: false, damaged: false, uncertain: None });
        }
        let identity = file.identity();
        let known = self.read_state().metric_files.get(&snapshot.partition).and_then(|slot| slot.covered);
        if self.writer.is_some()
            && let Some((known, covered)) = known
            && known == identity
            && raw.iter().all(|raw| ends_frame(raw, covered.of(raw.kind)))
        {
            return Ok(Coverage { covered, proven: true, damaged: false, uncertain: None });
        }
        let coverage = self.work_out(file, raw)?;
        let mut state = self.write_state();
        // What was open here may have been replaced meanwhile.
        if !coverage.damaged
            && (coverage.proven || file.layout().sources.is_empty())
            && state.changes_of(snapshot.partition) == snapshot.changes
            && let Some(slot) = state.metric_files.get_mut(&snapshot.partition)
        {
            slot.covered = Some((identity, coverage.covered));
        }
        Ok(coverage)
    }

    fn work_out(&self, file: &MetricFile, raw: &[OpenRaw]) -> Result<Coverage> {
        let sources = &file.layout().sources;
        if sources.is_empty() && file.layout().version < 3 {
            let (covered, damaged) = self.compare(file, raw)?;
            return Ok(Coverage { covered, proven: covered != Covered::default(), damaged, uncertain: None });
        }
        let mut covered = Covered::default();
        let mut unmatched = Vec::new();
        // The longest parts first: where one is found, it holds those before it.
        for source in sources.iter().rev() {
            let mut matched = false;
            for raw in raw {
                if source.len > covered.of(raw.kind)
                    && source_of(&raw.index, &*raw.handle, source.len)? == Some(*source)
                {
                    covered.set(raw.kind, source.len);
                    matched = true;
                }
            }
            if !matched && raw.iter().all(|raw| source.len > covered.of(raw.kind)) {
                unmatched.push(source.len);
            }
        }
        let exact = covered;
        // Where something is lost, or has come in between, frames are not where they were.
        let likely = unmatched.iter().copied().max().unwrap_or(0);
        for raw in raw.iter().filter(|raw| is_doubtful(raw, &unmatched)) {
            let known = covered.of(raw.kind);
            if let Some(to) = self.built_in_by_content(file, raw, known, likely)? {
                covered.set(raw.kind, through_damage(raw, to, likely));
            }
        }
        let by_content = covered;
        let mut uncertain = None;
        // What is damaged where a part would end is taken to be that part, if what comes before was built in: it is whole in
        // the metric file, and read from both it would come twice. Behind frames that were not, it is damage of another file.
        unmatched.retain(|len| {
            let damaged = raw.iter().filter(|raw| covered.of(raw.kind) < *len).find_map(|raw| {
                let from = damage_at(raw, *len)?;
                let follows = by_content.of(raw.kind) > 0;
                (follows || from == 0).then_some((raw.kind, follows))
            });
            if let Some((kind, follows)) = damaged {
                covered.set(kind, *len);
                uncertain = uncertain.or((!follows).then_some(kind));
            }
            damaged.is_none()
        });
        let proven = !sources.is_empty() && unmatched.is_empty();
        Ok(Coverage { covered, proven, damaged: covered != exact, uncertain })
    }

    /// The prefix of the raw files that has exactly the rows of the metric file, if there is one; and whether damage keeps that
    /// from being certain.
    fn compare(&self, file: &MetricFile, raw: &[OpenRaw]) -> Result<(Covered, bool)> {
        let wanted = file.rows();
        let mut covered = Covered::default();
        let mut rows = 0u64;
        let mut frames = Vec::new();
        for raw in raw {
            for frame in &raw.index.frames {
                if rows >= wanted {
                    break;
                }
                rows = rows.saturating_add(u64::from(frame.header.rows));
                covered.set(raw.kind, frame.end_offset());
                frames.push((raw.kind, *frame));
            }
        }
        let mut is_damaged = raw.iter().any(|raw| !raw.index.damaged.is_empty());
        if rows == wanted {
            match self.digest_of_frames(&frames, raw)? {
                None => is_damaged = true,
                Some(digest) if digest == self.digest_of_file(file)? => return Ok((covered, false)),
                Some(_) => {}
            }
        }
        // A raw file that lost frames to damage, or got some twice, still is what the metric file was built from: frame by frame.
        let mut found = Covered::default();
        for raw in raw.iter().filter(|_| is_damaged) {
            let likely = covered.of(raw.kind);
            if let Some(to) = self.built_in_by_content(file, raw, 0, likely)? {
                found.set(raw.kind, through_damage(raw, to, likely));
            }
        }
        Ok((found, is_damaged && found != Covered::default()))
    }

    /// `None` when a frame cannot be read.
    fn digest_of_frames(&self, frames: &[(RawKind, FrameEntry)], raw: &[OpenRaw]) -> Result<Option<Digest>> {
        let mut reader = FrameReader::default();
        let mut digest = Digest::default();
        for raw in raw {
            for (_, frame) in frames.iter().filter(|(of, _)| *of == raw.kind) {
                let page = match reader.read(&*raw.handle, &raw.index.path, frame) {
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
