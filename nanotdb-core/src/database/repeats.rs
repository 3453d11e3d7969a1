//! A page whose rows were all sent before.
//!
//! Recovery tells flushed rows of the WAL by content ([`super::recovery`]). So the rows of a page that was just flushed, sent
//! again exactly as they were, would be taken for the first sending after a crash, and lost. That can only happen to
//! small pages (each metric at one timestamp, or the second sending would be out of order), and it is made impossible by
//! flushing such a page before it is acknowledged: then both are frames, and the WAL is empty. A frozen page counts as
//! the frame that it becomes.

use super::Database;
use super::recovery::{Written, rows_on_disk};
use super::state::RawKind;
use crate::plugin::Partition;
use crate::storage::vfs::OpenMode;
use crate::{Error, Result};

impl Database {
    /// Marks pages that have just come to repeat the last frames of their file. `before` is how many rows they had.
    pub(super) fn find_repeated_pages(&self, before: &[(Partition, usize)]) -> bool {
        let mut found = false;
        for (partition, rows_before) in before {
            let repeats = self.repeats_disk(*partition, *rows_before).unwrap_or_else(|error| {
                // Flushed to be safe.
                tracing::warn!(database = self.name, %error, "a page could not be compared with its file");
                true
            });
            if repeats {
                if let Some(page) = self.write_state().pages.get_mut(partition) {
                    page.repeats_disk = true;
                }
                found = true;
            }
        }
        found
    }

    fn repeats_disk(&self, partition: Partition, rows_before: usize) -> Result<bool> {
        let unindexed = {
            let state = self.read_state();
            let data = state.files.get(&partition).and_then(|f| f.files.get(&RawKind::Data));
            data.filter(|f| f.index.is_none()).map(|f| f.path.clone())
        };
        if let Some(path) = unindexed {
            self.index_file(partition, RawKind::Data, &path)?;
        }
        let state = self.read_state();
        let Some(page) = state.pages.get(&partition) else { return Ok(false) };
        let data = state.files.get(&partition).and_then(|f| f.files.get(&RawKind::Data));
        let index = data.and_then(|f| f.index.as_deref());
        let frames = index.map(|index| index.frames.as_slice()).unwrap_or_default();
        let frozen = state.frozen.get(&partition).map(|page| &**page);
        // The usual case: everything in the page is younger than the file. A header that says less than its rows, which is damage,
        // is no frame that recovery could take these rows for.
        if frozen.is_none() && frames.last().is_none_or(|last| page.earliest > last.header.end) {
            return Ok(false);
        }
        // Only when the page has just grown to the rows of the last frames, or past them.
        let mut written = Written { frames, file: None, frozen };
        if !written.is_reached(rows_before, page.len()) {
            return Ok(false);
        }
        let vfs = &*self.environment.vfs;
        let file = match index.filter(|index| !index.frames.is_empty()) {
            Some(index) => Some((
                vfs.open(&index.path, OpenMode::Read).map_err(|e| Error::io("open", &index.path, e))?,
                index.path.as_path(),
            )),
            None => None,
        };
        written.file = file.as_ref().map(|(file, path)| (&**file, *path));
        Ok(rows_on_disk(page, &written, &|id| state.type_of(id))? > rows_before)
    }
}
