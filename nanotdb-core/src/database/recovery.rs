//! Which rows of the WAL are in a data file already.
//!
//! A crash between writing frames and resetting the WAL leaves rows in both. They are found by content and order, never
//! by comparing timestamps: a page may end inside a tick. The WAL rows of a partition start where a page started, and
//! each frame is a stable sort of the next rows, so the last `k` frames of the file hold exactly the first rows of the
//! WAL, for some `k` (0 when the crash came at another moment).
//!
//! A log that lost something, to a flipped bit or at its end, does not hold exactly these rows any more. What is left of it is told
//! row by row then ([`rows_in_frames`]).

use crate::format::page::{MAX_ROWS, Rows};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::storage::open_page::SortedRows;
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::VfsFile;
use crate::storage::{FrameEntry, OpenPage};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// What was written of a partition before the rows of its open page: frames, then those that its frozen page becomes.
pub(super) struct Written<'a> {
    pub(super) frames: &'a [FrameEntry],
    /// Their file.
    pub(super) file: Option<(&'a dyn VfsFile, &'a Path)>,
    pub(super) frozen: Option<&'a OpenPage>,
}

/// The rows of one frame.
enum Block<'a> {
    Frame(&'a FrameEntry),
    Frozen(&'a OpenPage, Range<usize>),
}

impl Block<'_> {
    fn rows(&self) -> usize {
        match self {
            Block::Frame(frame) => usize::from(frame.header.rows),
            Block::Frozen(_, range) => range.len(),
        }
    }
}

impl<'a> Written<'a> {
    /// From the newest to the oldest, each with the number of rows from there to the end; as long as these are no more
    /// than `most`.
    fn back(&self, most: usize) -> impl Iterator<Item = (Block<'a>, usize)> {
        let frozen = self.frozen.into_iter().flat_map(|page| {
            let starts = (0..page.len()).step_by(MAX_ROWS);
            starts.map(move |from| Block::Frozen(page, from..from.saturating_add(MAX_ROWS).min(page.len())))
        });
        let frozen: Vec<_> = frozen.collect();
        let mut rows = 0usize;
        frozen.into_iter().rev().chain(self.frames.iter().rev().map(Block::Frame)).map_while(move |block| {
            rows = rows.saturating_add(block.rows());
            (rows <= most).then_some((block, rows))
        })
    }

    /// Whether a page that had `before` rows and has `after` now grew to, or past, the rows of the last frames.
    pub(super) fn is_reached(&self, before: usize, after: usize) -> bool {
        self.back(after).any(|(_, rows)| before < rows)
    }
}

/// Number of leading rows of `page` that the last frames hold. [`Error::Incompatible`] when nobody can say: a frame that is whole, and looks as
/// if it did, is of a codec that fails or is not there.
pub(super) fn rows_on_disk(
    page: &OpenPage,
    written: &Written<'_>,
    type_of: &dyn Fn(MetricId) -> ValueType,
) -> Result<usize> {
    let mut blocks: Vec<_> = written.back(page.len()).map(|(block, _)| block).collect();
    blocks.reverse();
    let mut reader = FrameReader::default();
    let mut sorted = [SortedRows::default(), SortedRows::default()];
    // The most rows first.
    for first in 0..blocks.len() {
        let last = blocks.get(first..).unwrap_or_default();
        if let Some(rows) = matches(page, written.file, last, type_of, &mut reader, &mut sorted)? {
            return Ok(rows);
        }
    }
    Ok(0)
}

/// The number of rows in these frames, if they are the first rows of `page`.
fn matches(
    page: &OpenPage,
    file: Option<(&dyn VfsFile, &Path)>,
    blocks: &[Block<'_>],
    type_of: &dyn Fn(MetricId) -> ValueType,
    reader: &mut FrameReader,
    [sorted, sorted_block]: &mut [SortedRows; 2],
) -> Result<Option<usize>> {
    let mut from = 0usize;
    for block in blocks {
        let to = from.saturating_add(block.rows());
        let expected = sorted.sort(page.rows(), from..to);
        let same = match block {
            Block::Frozen(frozen, range) => {
                let rows = sorted_block.sort(frozen.rows(), range.clone());
                (rows.ids, rows.timestamps, rows.bits) == (expected.ids, expected.timestamps, expected.bits)
            }
            Block::Frame(frame)
                if expected.timestamps.first() != Some(&frame.header.start)
                    || expected.timestamps.last() != Some(&frame.header.end) =>
            {
                false
            }
            Block::Frame(frame) => {
                let Some((file, path)) = file else { return Ok(None) };
                let decoded = match reader.read(file, path, frame) {
                    Ok(decoded) => decoded,
                    Err(Error::Corrupt { .. }) => return Ok(None),
                    Err(e) => return Err(e),
                };
                (0..expected.ids.len()).all(|i| decoded.row(i, type_of) == row(expected, i))
            }
        };
        if !same {
            return Ok(None);
        }
        from = to;
    }
    Ok(Some(from))
}

/// What may be missing of a log.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogGap {
    /// Rows that its damaged bytes held at most.
    pub(super) rows: u64,
    /// Whether it is one of the original, which has no checksums: what it lacks does not show.
    pub(super) is_unchecked: bool,
}

/// Fewest bytes of a row in the log.
const MIN_ROW: u64 = 11;

impl LogGap {
    /// What a log lacks of which so many bytes are no whole batches.
    pub(super) fn of(damaged: u64, is_unchecked: bool) -> Self {
        Self { rows: damaged.div_ceil(MIN_ROW), is_unchecked }
    }
}

/// Which rows of `page` the last frames hold, though they do not hold exactly its first rows. `None` when nothing says that
/// they were written from this log.
///
/// A metric's samples come in time order. So a row of the log that a frame holds, with a younger one of the same metric behind it,
/// cannot have come after that frame: the frame is of this log, and what it holds is in it. Where each row is the newest of its
/// metric, it may have been sent again as well; then the rows that the frame holds besides have to fit into what the log lost.
pub(super) fn rows_in_frames(
    page: &OpenPage,
    frames: &[FrameEntry],
    (file, path): (&dyn VfsFile, &Path),
    type_of: &dyn Fn(MetricId) -> ValueType,
    gap: LogGap,
) -> Result<Option<Vec<bool>>> {
    if gap.is_unchecked && gap.rows == 0 {
        return Ok(None);
    }
    // A page becomes one frame, or full ones and one behind them.
    let is_full = |frame: &FrameEntry| usize::from(frame.header.rows) == MAX_ROWS;
    let full = frames.iter().rev().skip(1).take_while(|frame| is_full(frame)).count();
    let first = frames.len().saturating_sub(full.saturating_add(1));
    let mut written: BTreeMap<MetricId, Vec<(Timestamp, u64)>> = BTreeMap::new();
    let mut count = 0u64;
    let mut reader = FrameReader::default();
    for frame in frames.get(first..).unwrap_or_default() {
        let decoded = match reader.read(file, path, frame) {
            Ok(decoded) => decoded,
            Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => continue,
            Err(e) => return Err(e),
        };
        for (id, timestamp, bits) in (0..decoded.rows()).filter_map(|at| decoded.row(at, type_of)) {
            written.entry(id).or_default().push((timestamp, bits));
            count = count.saturating_add(1);
        }
    }
    let mut next: BTreeMap<MetricId, usize> = BTreeMap::new();
    let mut is_written = vec![false; page.len()];
    let (mut found, mut is_proven) = (0u64, false);
    for (at, is_written) in is_written.iter_mut().enumerate() {
        let Some((id, timestamp, bits)) = row(page.rows(), at) else { continue };
        let Some(rows) = written.get(&id) else { continue };
        let from = next.entry(id).or_default();
        let mut candidates = rows.iter().enumerate().skip(*from).skip_while(|(_, row)| row.0 < timestamp);
        let same = candidates.by_ref().take_while(|(_, row)| row.0 == timestamp).find(|(_, row)| row.1 == bits);
        if let Some((place, _)) = same {
            *from = place.saturating_add(1);
            *is_written = true;
            found = found.saturating_add(1);
            is_proven |= rows.last().is_some_and(|(newest, _)| timestamp < *newest);
        }
    }
    let fits = found == page.len() as u64 && count.saturating_sub(found) <= gap.rows && gap.rows > 0;
    Ok((found > 0 && (is_proven || fits)).then_some(is_written))
}

fn row(rows: Rows<'_>, at: usize) -> Option<(MetricId, Timestamp, u64)> {
    Some((*rows.ids.get(at)?, *rows.timestamps.get(at)?, *rows.bits.get(at)?))
}

/// The page without its first `count` rows.
pub(super) fn without_first(page: &OpenPage, count: usize, now: Duration) -> OpenPage {
    let is_left = |at: &usize| *at >= count;
    only(page, now, is_left)
}

/// The page without these of its rows.
pub(super) fn without(page: &OpenPage, rows: &[bool], now: Duration) -> OpenPage {
    only(page, now, |at| rows.get(*at).is_none_or(|is_gone| !is_gone))
}

fn only(page: &OpenPage, now: Duration, is_left: impl Fn(&usize) -> bool) -> OpenPage {
    let mut rest = OpenPage::new(page.in_wal, now);
    for (id, timestamp, bits) in (0..page.len()).filter(is_left).filter_map(|at| row(page.rows(), at)) {
        rest.push(id, timestamp, bits);
    }
    rest
}
