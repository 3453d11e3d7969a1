//! Removing a partition whose time is over by more than the retention: its files go together, or move into an archive.

use super::journal::{Journal, remove_all};
use super::{Database, Last, State};
use crate::config::RetentionAction;
use crate::layout;
use crate::model::Timestamp;
use crate::order;
use crate::plugin::Partition;
use crate::storage::Archive;
use crate::storage::archive::entry_name;
use crate::{Error, Result};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;
/// How the names of the files of a partition begin and end.
pub(crate) const FAMILY: [(&str, &str); 5] = [
    (layout::DATA, ".dat"),
    (layout::RAW, ".dat"),
    (layout::METRIC, ".dat"),
    ("events-", ".dat"),
    (layout::BUILT, ".sources"),
];
/// What stands between the name of a file and the place of damaged bytes that were found in it.
const DAMAGED: &str = ".damaged-";

/// A partition that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Its name, as in its file names.
    pub partition: String,
    /// Files that went.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Where they went; `None` when they are gone.
    pub archive: Option<PathBuf>,
}

/// Name and length of the files of a partition.
type Family = Vec<(String, u64)>;

/// The part of a file name that says which partition it is of.
pub(crate) fn part_of(name: &str) -> Option<&str> {
    let name = name.split_once(DAMAGED).map_or(name, |(file, _)| file);
    FAMILY.iter().find_map(|(prefix, suffix)| name.strip_prefix(prefix)?.strip_suffix(suffix))
}

impl Database {
    /// The time before which partitions are over for more than the retention, at `now`; `None` when they are kept for ever.
    pub(crate) fn retention_cutoff(&self, now: Timestamp) -> Option<Timestamp> {
        let retention = &self.manifest.retention;
        if retention.retention_action == RetentionAction::Keep {
            return None;
        }
        let grace = i64::try_from(retention.grace.as_nanos()).unwrap_or(i64::MAX);
        let kept = i64::from(retention.retention_days).saturating_mul(DAY).max(grace);
        now.checked_sub(kept)
    }

    /// Partitions that ended before the cutoff, oldest first.
    pub(crate) fn expired(&self, cutoff: Timestamp) -> Vec<Partition> {
        let state = self.read_state();
        let mut expired: Vec<_> = state.partitions().filter(|p| ends_before(*p, cutoff)).collect();
        order::sort_by_key(&mut expired, |p| (p.end, p.start));
        expired.dedup();
        expired
    }

    /// From now on samples of partitions that ended before the cutoff are refused: they would be removed at once.
    pub(crate) fn refuse_before(&self, cutoff: Timestamp) {
        self.cutoff.store(cutoff, Ordering::Relaxed);
    }

    /// Name and length of the files of a partition, damaged bytes that were kept included.
    pub(super) fn family(&self, part: &str) -> Result<Family> {
        let entries = self.vfs().read_dir(&self.directory).map_err(|e| Error::io("list", &self.directory, e))?;
        let of_part = entries.into_iter().filter(|e| !e.is_dir && part_of(&e.name) == Some(part));
        Ok(of_part.map(|e| (e.name, e.len)).collect())
    }

    /// Removes a partition, or moves it into its archive, as the manifest says: all of its files or, after a crash, none.
    /// Rows that are in no file yet are flushed first. `None` when rows came meanwhile: it is for the next time.
    pub(crate) fn remove_partition(&self, partition: Partition) -> Result<Option<Removed>> {
        // No metric file is built meanwhile.
        let _builds = self.lock_builds()?;
        self.check_writable()?;
        let is_flushing = self.lock_flush().generation.as_ref().is_some_and(|g| g.may_hold(partition));
        if is_flushing || self.has_open_page(partition) {
            self.flush()?;
        }
        let part = self.part_name(partition);
        let family = self.family(&part)?;
        let archived = match self.manifest.retention.retention_action {
            RetentionAction::Archive => {
                let path = self.archive_path(partition);
                Some((self.append_to_archive(&path, &family)?, path))
            }
            RetentionAction::Delete | RetentionAction::Keep => None,
        };
        let outcome = self.remove_family(partition, &part, &family, archived.is_some());
        if let Some((Some(end), path)) = archived.as_ref().filter(|_| !matches!(outcome, Ok(true))) {
            // Nothing went, so nothing is to be in the archive, or the next time it would be there twice.
            if self.failure().is_none() {
                let undo = Journal::Append { archive: file_name(path), end: *end };
                let undone = undo.mend(self.vfs(), &self.directory);
                undone.and_then(|()| Journal::remove(self.vfs(), &self.directory)).inspect_err(|e| self.poison(e))?;
            }
        }
        Ok(outcome?.then(|| removed(part, &family, archived.map(|(_, path)| path))))
    }

    /// What [`Database::remove_partition`] would remove.
    pub(crate) fn removal_of(&self, partition: Partition) -> Result<Removed> {
        let part = self.part_name(partition);
        let family = self.family(&part)?;
        let archive = self.manifest.retention.retention_action == RetentionAction::Archive;
        Ok(removed(part, &family, archive.then(|| self.archive_path(partition))))
    }

    fn archive_path(&self, partition: Partition) -> PathBuf {
        let bucket = self.named(partition).partitioner.unwrap_or(self.partitioner).archive_bucket(partition);
        self.directory.join(format!("archive-{bucket}.tar"))
    }

    /// Copies files into an archive. Returns where it ended before, `None` when they were all in it already; then there
    /// is no journal.
    fn append_to_archive(&self, path: &std::path::Path, family: &Family) -> Result<Option<u64>> {
        let vfs = self.vfs();
        let archive = match Archive::read(vfs, path) {
            Ok(archive) => archive,
            Err(Error::NotFound(_)) => Archive { path: path.to_owned(), ..Archive::default() },
            Err(e) => return Err(e),
        };
        let known =
            |name: &str| archive.files.iter().filter(|f| f.name == name).map(|f| f.generation).collect::<Vec<_>>();
        let generations = family.iter().flat_map(|(name, _)| known(name)).max().unwrap_or(0);
        for generation in 1..=generations {
            let same = family.iter().map(|(name, _)| {
                let entry = archive.files.iter().find(|f| f.generation == generation && f.name == *name);
                entry.map_or(Ok(false), |entry| archive.is_same(vfs, entry, &self.directory.join(name)))
            });
            if same.collect::<Result<Vec<_>>>()?.iter().all(|same| *same) {
                return Ok(None);
            }
        }
        let journal = Journal::Append { archive: file_name(path), end: archive.end };
        self.write_journal(&journal)?;
        let entry = |name: &String| (entry_name(generations.saturating_add(1), name), name.clone());
        let files: Vec<_> = family.iter().map(|(name, _)| entry(name)).collect();
        let appended = archive.append(vfs, &self.directory, &files, self.environment.clock.now());
        // What the archive holds is looked at before the originals go: a write may say that it was done and was not.
        if let Err(error) = appended.and_then(|()| self.read_back(path, &files)) {
            // Without a mended archive, or with a journal that says so, nothing may be written to the directory.
            let undone = journal.mend(vfs, &self.directory).and_then(|()| Journal::remove(vfs, &self.directory));
            undone.inspect_err(|e| self.poison(e))?;
            return Err(error);
        }
        Ok(Some(archive.end))
    }

    /// Whether an archive holds what was appended to it, byte for byte. [`Error::Corrupt`] when it does not.
    fn read_back(&self, path: &std::path::Path, appended: &[(String, String)]) -> Result<()> {
        let vfs = self.vfs();
        let archive = Archive::read(vfs, path)?;
        for (entry, name) in appended {
            let found = archive.files.iter().find(|file| file.entry == *entry);
            let is_same = match found {
                Some(file) => archive.is_same(vfs, file, &self.directory.join(name))?,
                None => false,
            };
            if !is_same {
                let offset = found.map_or(archive.end, |file| file.offset);
                let reason = format!("{entry} reads otherwise than it was written; the partition stays where it is");
                return Err(Error::Corrupt { file: path.to_owned(), offset, reason });
            }
        }
        Ok(())
    }

    /// `false` when the family is not what it was.
    fn remove_family(&self, partition: Partition, part: &str, family: &Family, archived: bool) -> Result<bool> {
        // No page is flushed while this is held. What a flush has written and not taken out of the WAL yet must stay: after
        // a crash it is by these frames that recovery knows the rows to be on disk.
        let flush = self.lock_flush();
        self.check_writable()?;
        if flush.generation.as_ref().is_some_and(|g| g.may_hold(partition)) || self.family(part)? != *family {
            return Ok(false);
        }
        let files: Vec<String> = family.iter().map(|(name, _)| name.clone()).collect();
        let has_journal = match self.write_journal(&Journal::Remove { files: files.clone() }) {
            Ok(()) => true,
            // To remove files is what makes room. A crash may then leave some of them for the next time.
            Err(Error::Full { .. }) if !archived => false,
            Err(e) => return Err(e),
        };
        self.note_partition_gone(&files);
        self.forget_partition(partition)?;
        let remove = || {
            remove_all(self.vfs(), &self.directory, &files)?;
            self.sync_directory()?;
            // From now on a file of the partition may be made again, and the journal must not come back to take it.
            if has_journal { Journal::remove(self.vfs(), &self.directory) } else { Ok(()) }
        };
        remove().inspect_err(|e| self.poison(e))?;
        tracing::info!(
            database = self.name,
            partition = part,
            files = files.len(),
            archived,
            "removed an expired partition"
        );
        Ok(true)
    }

    pub(super) fn write_journal(&self, journal: &Journal) -> Result<()> {
        journal.write(self.vfs(), &self.directory).inspect_err(|_| {
            // It may be there all the same, and must not be.
            if let Err(error) = Journal::remove(self.vfs(), &self.directory) {
                self.poison(&error);
            }
        })
    }

    /// Queries and writers know its files no more. Metrics keep their ids, and have no newest sample if it was in there.
    fn forget_partition(&self, partition: Partition) -> Result<()> {
        let mut writer = self.lock_writer()?;
        let mut state = self.write_state();
        let metric_file = state.metric_files.remove(&partition);
        state.files.remove(&partition);
        state.built.remove(&partition);
        state.forget_changes(partition);
        if let Some(slot) = metric_file {
            self.metric_cache().forget(&slot.path);
        }
        let oldest = state.partitions().map(|p| p.start).min();
        for (id, metric) in (0u16..=u16::MAX).zip(state.metrics.iter_mut()) {
            let Some(metric) = metric else { continue };
            let Last::At(last, _) = metric.last else { continue };
            if !partition.contains(last) {
                continue;
            }
            let nothing_left = oldest.is_none_or(|oldest| oldest > last);
            metric.last = if nothing_left { Last::Never } else { Last::Unknown };
            // While something is left, the writer goes on from the newest that there was: a metric's samples stay in order.
            if nothing_left && let Some(Some(written)) = writer.metrics.get_mut(usize::from(id)) {
                written.last = Last::Never;
            }
        }
        Ok(())
    }
}

impl State {
    /// Partitions that have files or pages; some of them several times.
    pub(super) fn partitions(&self) -> impl Iterator<Item = Partition> {
        let files = self.files.keys().chain(self.metric_files.keys());
        files.chain(self.frozen.keys()).chain(self.pages.keys()).copied()
    }
}

fn removed(partition: String, family: &Family, archive: Option<PathBuf>) -> Removed {
    let bytes = family.iter().map(|(_, len)| len).sum();
    Removed { partition, files: family.len() as u64, bytes, archive }
}

/// Whether a partition ended before a time. The one without an end never does.
pub(super) fn ends_before(partition: Partition, cutoff: Timestamp) -> bool {
    partition.end <= cutoff && partition.end != Timestamp::MAX
}

fn file_name(path: &std::path::Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
