//! What is being done to several files at once, so that a crash leaves all of it done or none.
//!
//! Retention removes the files of a partition together, and moves them into an archive; a restore moves them back. Before
//! the first of them is touched, `retention.journal` says which they are; whoever opens the database next finishes what it
//! says, or undoes it.

use crate::layout;
use crate::storage::Archive;
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

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
        let path = directory.join(layout::JOURNAL);
        let mut text = serde_json::to_vec(self).map_err(|e| Error::bad_input(format!("{}: {e}", path.display())))?;
        let crc = crc32fast::hash(&text);
        text.extend_from_slice(format!("\n{crc:08x}\n").as_bytes());
        vfs.replace(&path, &text).map_err(|e| Error::io("write", &path, e))
    }

    /// The one that a crash left.
    pub(crate) fn read(vfs: &dyn Vfs, directory: &Path) -> Result<Option<Self>> {
        let path = directory.join(layout::JOURNAL);
        let bytes = match vfs.read(&path, MAX_JOURNAL) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", path, e)),
        };
        let journal = decode(&bytes).filter(|journal| journal.names().all(|name| is_plain(name)));
        if journal.is_none() {
            // What it was about is expired, or in an archive, or both: nothing is lost by leaving it as it is.
            tracing::error!(file = %path.display(), "no journal of retention, or damaged; it is not followed");
        }
        Ok(journal)
    }

    /// Removes it, durably: from now on its files may be made again.
    pub(crate) fn remove(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
        remove_if_there(vfs, &directory.join(layout::JOURNAL))?;
        sync(vfs, directory)
    }

    /// Finishes or undoes what a crash interrupted. Nothing in the directory is open.
    pub(crate) fn recover(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
        let Some(journal) = Self::read(vfs, directory)? else {
            return remove_if_there(vfs, &directory.join(layout::JOURNAL));
        };
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

/// JSON, and on a line of its own its checksum: a flipped bit must not name another file.
fn decode(bytes: &[u8]) -> Option<Journal> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let (json, crc) = text.rsplit_once('\n')?;
    (format!("{:08x}", crc32fast::hash(json.as_bytes())) == crc).then(|| serde_json::from_str(json).ok())?
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::vfs::sim::SimVfs;

    fn journals() -> [Journal; 3] {
        let file = |name: &str| vec![name.to_owned()];
        [
            Journal::Append { archive: "archive-2026-05.tar".into(), end: 512 },
            Journal::Remove { files: file("data-2026-05-20.dat") },
            Journal::Restore { archive: "a.tar".into(), entries: file("2/x"), files: file("x") },
        ]
    }

    #[test]
    fn what_is_written_is_read_and_a_flipped_bit_names_no_other_file() {
        let vfs = SimVfs::new(1);
        let directory = Path::new("/db");
        vfs.create_dir_all(directory).unwrap();
        for journal in journals() {
            journal.write(&vfs, directory).unwrap();
            assert_eq!(Journal::read(&vfs, directory).unwrap().as_ref(), Some(&journal));
            let path = directory.join(layout::JOURNAL);
            let bytes = vfs.read(&path, 1_000).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                vfs.replace(&path, &flipped).unwrap();
                assert_eq!(Journal::read(&vfs, directory).unwrap(), None, "{journal:?}, bit {bit}");
            }
            for len in 0..bytes.len() {
                vfs.replace(&path, &bytes[..len]).unwrap();
                assert_eq!(Journal::read(&vfs, directory).unwrap(), None, "{journal:?}, cut to {len}");
            }
            Journal::recover(&vfs, directory).unwrap();
            assert_eq!(vfs.entry(&path).unwrap(), None);
        }
    }

    #[test]
    fn no_file_outside_of_the_directory_is_touched() {
        let vfs = SimVfs::new(1);
        let directory = Path::new("/root/db");
        vfs.create_dir_all(directory).unwrap();
        vfs.put(Path::new("/root/engine.toml"), b"x").unwrap();
        for name in ["../engine.toml", "/root/engine.toml", "..", "."] {
            Journal::Remove { files: vec![name.to_owned()] }.write(&vfs, directory).unwrap();
            Journal::recover(&vfs, directory).unwrap();
            assert!(vfs.entry(Path::new("/root/engine.toml")).unwrap().is_some(), "{name}");
        }
    }
}
