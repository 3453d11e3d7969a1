//! Merging small frames, by hand.

use super::Engine;
use super::metric_files::named;
use crate::Result;
use crate::database::Compaction;

impl Engine {
    /// Merges the small frames of one partition's raw files into full pages, crash-safe and compared before the old file goes.
    /// May be called while samples come; a partition that they come for is skipped. `dry_run` writes nothing.
    ///
    /// [`crate::Error::NotFound`] for an unknown database or partition, [`crate::Error::BadInput`] for one with damage.
    pub fn compact(&self, database: &str, partition: &str, dry_run: bool) -> Result<Compaction> {
        let database = self.known_database(database)?;
        let compacted = database.compact(named(&database, partition)?, dry_run)?;
        if let Compaction::Done(files) = &compacted
            && !dry_run
        {
            for file in files {
                let (path, before, after) = (file.file.display(), file.frames_before, file.frames_after);
                tracing::info!(database = database.name(), file = %path, before, after, "merged frames");
            }
        }
        Ok(compacted)
    }
}
