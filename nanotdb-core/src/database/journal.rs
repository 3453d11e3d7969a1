//! What is being done to several files at once, so that a crash leaves all of it done or none.
//!
//! Retention removes the files of a partition together, and moves them into an archive; a restore moves them back. Before
//! the first of them is touched, `retention.journal` says which they are; whoever opens the database next finishes what it
//! says, or undoes it.

use crate::storage::Archive;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Name of the journal within a database's directory; there only while something is being done.
pub(crate) const JOURNAL_FILE: &str = "retention.journal";
/// Largest journal that is read.
const MAX_JOURNAL: u64 = 1 << 20;

/// What is being done. Names are of files in the database's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "doing")]
pub(crate) enum Journal {
    /// Files are being appended to an archive whose entries end at `end` (0: it is being made). Undone: cut off again.
    Append {
        /// The archive.
        archive: String,
        /// Where its entries ended before.
        end: u64,
    },
    /// The partition is expired, and in its archive if there is one. Finished: these files go.
    Remove {
        /// The files.
        files: Vec<String>,
    },
    /// Files are being taken out of an archive. Undone while the archive still has the entries: the files go again.
    Restore {
        /// The archive.
        archive: String,
        /// Its entries.
        entries: Vec<String>,
        /// The files that they become, in the same order.
        files: Vec<String>,
    },
}

impl Journal {
    /// Writes it, durably. After an error it is not there.
    pub(crate) fn write(&self, vfs: &dyn Vfs, directory: &Path) -> Result<()> {
        let path = directory.join(JOURNAL_FILE);
        let text = serde_json::to_vec(self).map_err(|e| Error::bad_input(format!("{}: {e}", path.display())))?;
        vfs.replace(&path, &text).map_err(|e| Error::io("write", &path, e))
    }

    /// The one that a crash left.
    pub(crate) fn read(vfs: &dyn Vfs, directory: &Path) -> Result<Option<Self>> {
        let path = directory.join(JOURNAL_FILE);
        let bytes = match vfs.read(&path, MAX_JOURNAL) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", path, e)),
        };
        let journal: Self = serde_json::from_slice(&bytes).map_err(|e| Error::Corrupt {
            file: path.clone(),
            offset: 0,
            reason: format!("no journal of retention: {e}; what it was about can be seen with nanocli verify"),
        })?;
        if journal.names().any(|name| !is_plain(name)) {
            let reason = "it names a file outside of the database's directory".to_owned();
            return Err(Error::Corrupt { file: path, offset: 0, reason });
        }
        Ok(Some(journal))
    }

    /// Removes it, durably: from now on its files may be made again.
    pub(crate) fn remove(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
        remove_if_there(vfs, &directory.join(JOURNAL_FILE))?;
        sync(vfs, directory)
    }

    /// Finishes or undoes what a crash interrupted. Nothing in the directory is open.
    pub(crate) fn recover(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
        let Some(journal) = Self::read(vfs, directory)? else { return Ok(()) };
        tracing::info!(directory = %directory.display(), ?journal, "retention was interrupted and is mended");
        journal.mend(vfs, directory)?;
        Self::remove(vfs, directory)
    }

    /// Files that no reader should look at, because they are on their way out or in.
    pub(crate) fn hidden(&self) -> &[String] {
        match self {
            Self::Append { .. } => &[],
            Self::Remove { files } | Self::Restore { files, .. } => files,
        }
    }

    /// Brings files and archive to where they are without the journal.
    pub(crate) fn mend(&self, vfs: &dyn Vfs, directory: &Path) -> Result<()> {
        match self {
            Self::Append { archive, end } => Archive::cut(vfs, &directory.join(archive), *end)?,
            Self::Remove { files } => remove_all(vfs, directory, files)?,
            Self::Restore { archive, entries, files } => {
                let path = directory.join(archive);
                let has_entries = match Archive::read(vfs, &path) {
                    Ok(archive) => archive.files.iter().any(|file| entries.contains(&file.entry)),
                    Err(Error::NotFound(_)) => false,
                    Err(e) => return Err(e),
                };
                if has_entries {
                    remove_all(vfs, directory, files)?;
                }
            }
        }
        sync(vfs, directory)
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        let archive = match self {
            Self::Append { archive, .. } | Self::Restore { archive, .. } => Some(archive),
            Self::Remove { .. } => None,
        };
        archive.into_iter().chain(self.hidden())
    }
}

/// Removes files of a directory, as far as they are there.
pub(crate) fn remove_all(vfs: &dyn Vfs, directory: &Path, files: &[String]) -> Result<()> {
    files.iter().try_for_each(|name| remove_if_there(vfs, &directory.join(name)))
}

fn remove_if_there(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    match vfs.remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

fn sync(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
    vfs.sync_dir(directory).map_err(|e| Error::io("fsync", directory, e))
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}
