//! Which rows of the WAL are in a data file already.
//!
//! A crash between writing frames and resetting the WAL leaves rows in both. They are found by content and order, never
//! by comparing timestamps: a page may end inside a tick. The WAL rows of a partition start where a page started, and
//! each frame is a stable sort of the next rows, so the last `k` frames of the file hold exactly the first rows of the
//! WAL, for some `k` (0 when the crash came at another moment).

use crate::format::page::{MAX_ROWS, Rows};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::storage::open_page::SortedRows;
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::VfsFile;
use crate::storage::{FrameEntry, OpenPage};
use crate::{Error, Result};
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

/// Number of leading rows of `page` that the last frames hold.
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
                    Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => return Ok(None),
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

fn row(rows: Rows<'_>, at: usize) -> Option<(MetricId, Timestamp, u64)> {
    Some((*rows.ids.get(at)?, *rows.timestamps.get(at)?, *rows.bits.get(at)?))
}

/// The page without its first `count` rows.
pub(super) fn without_first(page: &OpenPage, count: usize, now: Duration) -> OpenPage {
    let mut rest = OpenPage::new(page.in_wal, now);
    rest.earliest = page.timestamps.iter().skip(count).copied().min().unwrap_or(Timestamp::MAX);
    rest.ids.extend(page.ids.iter().skip(count));
    rest.timestamps.extend(page.timestamps.iter().skip(count));
    rest.bits.extend(page.bits.iter().skip(count));
    rest
}
