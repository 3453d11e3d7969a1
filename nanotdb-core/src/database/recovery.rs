//! Which rows of the WAL are in a data file already.
//!
//! A crash between writing frames and resetting the WAL leaves rows in both. They are found by content and order, never
//! by comparing timestamps: a page may end inside a tick. The WAL rows of a partition start where a page started, and
//! each frame is a stable sort of the next rows, so the last `k` frames of the file hold exactly the first rows of the
//! WAL, for some `k` (0 when the crash came at another moment).

use crate::format::page::Rows;
use crate::model::{MetricId, Timestamp, ValueType};
use crate::storage::open_page::SortedRows;
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::VfsFile;
use crate::storage::{OpenPage, RawFile};
use crate::{Error, Result};
use std::time::Duration;

/// Number of leading rows of `page` that the last frames of `index` hold.
pub(super) fn rows_on_disk(
    page: &OpenPage,
    index: &RawFile,
    file: &dyn VfsFile,
    type_of: &dyn Fn(MetricId) -> ValueType,
) -> Result<usize> {
    let mut candidates = Vec::new();
    let mut rows = 0usize;
    for (back, frame) in index.frames.iter().rev().enumerate() {
        rows = rows.saturating_add(usize::from(frame.header.rows));
        if rows > page.len() {
            break;
        }
        candidates.push(back.saturating_add(1));
    }
    let mut reader = FrameReader::default();
    let mut sorted = SortedRows::default();
    for count in candidates.into_iter().rev() {
        if let Some(rows) = matches(page, index, count, file, type_of, &mut reader, &mut sorted)? {
            return Ok(rows);
        }
    }
    Ok(0)
}

/// The number of rows in the last `count` frames, if they are the first rows of `page`.
fn matches(
    page: &OpenPage,
    index: &RawFile,
    count: usize,
    file: &dyn VfsFile,
    type_of: &dyn Fn(MetricId) -> ValueType,
    reader: &mut FrameReader,
    sorted: &mut SortedRows,
) -> Result<Option<usize>> {
    let mut from = 0usize;
    let first = index.frames.len().saturating_sub(count);
    for frame in index.frames.get(first..).unwrap_or_default() {
        let to = from.saturating_add(usize::from(frame.header.rows));
        let expected = sorted.sort(page.rows(), from..to);
        if expected.timestamps.first() != Some(&frame.header.start)
            || expected.timestamps.last() != Some(&frame.header.end)
        {
            return Ok(None);
        }
        let decoded = match reader.read(file, &index.path, frame) {
            Ok(decoded) => decoded,
            Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => return Ok(None),
            Err(e) => return Err(e),
        };
        let same = (0..expected.ids.len()).all(|i| decoded.row(i, type_of) == row(expected, i));
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
