//! Out of an archive into the database again.

use super::directory::list_files;
use super::journal::Journal;
use super::{Database, Last, State};
use crate::plugin::Partition;
use crate::plugin::registry::registry;
use crate::storage::{Archive, ArchivedFile};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

impl Database {
    /// Moves one generation of a partition out of an archive: after a crash it is here or there, whole. Nothing is
    /// overwritten: [`Error::BadInput`] when there are files of the partition. The caller has checked what is in the archive.
    pub(crate) fn restore_partition(&self, path: &Path, part: &str, generation: u32) -> Result<()> {
        let _builds = self.lock_builds()?;
        self.check_writable()?;
        // Rows of the partition that are in no file yet make one.
        self.flush()?;
        let flush = self.lock_flush();
        self.check_writable()?;
        let existing = self.family(part)?;
        if let Some((name, _)) = existing.first() {
            return Err(Error::bad_input(format!(
                "{} is there already, and is not overwritten; partition {part} stays in {}",
                self.directory.join(name).display(),
                path.display()
            )));
        }
        if flush.generation.is_some() {
            return Err(Error::bad_input("pages could not be flushed; nothing is restored until they are"));
        }
        let partition = registry().named_by(part).first().map(|(_, partition)| *partition);
        let partition = partition.ok_or_else(|| Error::bad_input(format!("no partitioner knows the name {part:?}")))?;
        let archive = Archive::read(self.vfs(), path)?;
        let is_wanted = |file: &&ArchivedFile| {
            file.generation == generation && super::part_of(&file.name) == Some(part) && !file.name.contains('/')
        };
        let files: Vec<&ArchivedFile> = archive.files.iter().filter(is_wanted).collect();
        let journal = Journal::Restore {
            archive: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            entries: files.iter().map(|file| file.entry.clone()).collect(),
            files: files.iter().map(|file| file.name.clone()).collect(),
        };
        self.write_journal(&journal)?;
        let without = match self.take_out(&archive, &files) {
            Ok(without) => without,
            Err(error) => {
                let undone = journal.mend(self.vfs(), &self.directory);
                undone.and_then(|()| Journal::remove(self.vfs(), &self.directory)).inspect_err(|e| self.poison(e))?;
                return Err(error);
            }
        };
        let replace = || {
            match &without {
                Some(without) => self.vfs().rename(without, path).map_err(|e| Error::io("replace", path, e))?,
                None => self.vfs().remove_file(path).map_err(|e| Error::io("remove", path, e))?,
            }
            self.sync_directory()?;
            Journal::remove(self.vfs(), &self.directory)
        };
        // What an error leaves is for the next start to finish or to undo.
        replace().inspect_err(|e| self.poison(e))?;
        self.remember_partition(partition)?;
        tracing::info!(database = self.name, partition = part, files = files.len(), "restored a partition");
        Ok(())
    }

    /// Puts files in their place, and writes the archive that lacks them; `None` when nothing is left for one.
    fn take_out(&self, archive: &Archive, files: &[&ArchivedFile]) -> Result<Option<PathBuf>> {
        for file in files {
            archive.extract(self.vfs(), file, &self.directory.join(&file.name))?;
        }
        self.sync_directory()?;
        let entries: Vec<String> = files.iter().map(|file| file.entry.clone()).collect();
        let mut temporary = archive.path.clone().into_os_string();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let left: Vec<&ArchivedFile> = archive.files.iter().filter(|file| !entries.contains(&file.entry)).collect();
        if left.is_empty() {
            return Ok(None);
        }
        if let Err(error) = archive.copy_of(self.vfs(), &left, (self.vfs(), &temporary)) {
            let _ = self.vfs().remove_file(&temporary);
            return Err(error);
        }
        Ok(Some(temporary))
    }

    /// Queries and writers know the files of a partition that are there now.
    fn remember_partition(&self, partition: Partition) -> Result<()> {
        let mut found = State::default();
        list_files(&self.environment, &self.directory, self.partitioner, &mut found)?;
        let mut writer = self.lock_writer()?;
        let mut state = self.write_state();
        state.files.extend(found.files.remove_entry(&partition));
        state.metric_files.extend(found.metric_files.remove_entry(&partition));
        state.note_change(partition);
        // What is newest may be in there.
        writer.disk_end = writer.disk_end.max(Some(partition.bounds().1));
        let may_be_newer = |last: Last| match last {
            Last::At(last, _) => last < partition.end,
            Last::Never | Last::Unknown => true,
        };
        for metric in state.metrics.iter_mut().flatten().filter(|metric| may_be_newer(metric.last)) {
            metric.last = Last::Unknown;
        }
        for metric in writer.metrics.iter_mut().flatten().filter(|metric| may_be_newer(metric.last)) {
            metric.last = Last::Unknown;
        }
        Ok(())
    }
}
