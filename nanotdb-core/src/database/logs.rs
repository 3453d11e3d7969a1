//! Which log belongs to a database's directory.
//!
//! A log bears the name of its database. A directory that was renamed, or copied to another name, holds one of the old name,
//! and that one is read: a log that is the only one with something in it is the database's, whatever it is called.

use super::flush::{next_wal_name, wal_name};
use crate::model::name::check_database_name;
use crate::storage::vfs::{DirEntry, Vfs};
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The logs of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logs {
    /// Where its log is, or belongs.
    pub(crate) wal: PathBuf,
    /// The same of the log of what came since a flush began.
    pub(crate) next: PathBuf,
    /// Logs of other names that hold something and are not read: nothing tells which rows came first.
    pub(crate) strangers: Vec<PathBuf>,
}

/// The database for which a log is named, and whether it is the log of what came since a flush began. Logs of events, which the
/// original has beside the others, are none.
fn named_for<'a>(file: &'a str, database: &str) -> Option<(&'a str, bool)> {
    let (name, is_next) = match file.strip_suffix(".wal.next") {
        Some(name) => (name, true),
        None => (file.strip_suffix(".wal")?, false),
    };
    let is_events = name.ends_with(".events") && name != database;
    (!is_events && check_database_name(name.as_bytes()).is_ok()).then_some((name, is_next))
}

impl Logs {
    /// Those of the database `name` among the files of its directory.
    pub(crate) fn among(entries: &[DirEntry], directory: &Path, name: &str) -> Self {
        let of = |database: &str, is_next: bool| if is_next { next_wal_name(database) } else { wal_name(database) };
        let mut found = BTreeSet::new();
        for entry in entries.iter().filter(|entry| !entry.is_dir && entry.len > 0) {
            found.extend(named_for(&entry.name, name));
        }
        let others: BTreeSet<&str> = found.iter().map(|(database, _)| *database).filter(|of| *of != name).collect();
        // One other name. Half of its logs may have the right name already, when a crash interrupted the change.
        let other = others.first().copied().filter(|_| others.len() == 1);
        let which = |is_next| match other {
            Some(other) if found.contains(&(other, is_next)) && !found.contains(&(name, is_next)) => {
                directory.join(of(other, is_next))
            }
            _ => directory.join(of(name, is_next)),
        };
        let (wal, next) = (which(false), which(true));
        let strangers = found
            .iter()
            .filter(|(database, _)| *database != name)
            .map(|(database, is_next)| directory.join(of(database, *is_next)));
        let strangers = strangers.filter(|path| *path != wal && *path != next).collect();
        Self { wal, next, strangers }
    }

    /// Those of a directory, which need not be there.
    pub(crate) fn of(vfs: &dyn Vfs, directory: &Path, name: &str) -> Result<Self> {
        match vfs.read_dir(directory) {
            Ok(entries) => Ok(Self::among(&entries, directory, name)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::among(&[], directory, name)),
            Err(e) => Err(Error::io("list", directory, e)),
        }
    }

    /// Gives them the name of the database, durably, the older one first: a crash in between leaves what [`Logs::among`] knows.
    pub(super) fn adopt(self, vfs: &dyn Vfs, directory: &Path, name: &str) -> Result<Self> {
        let own = Self { wal: directory.join(wal_name(name)), next: directory.join(next_wal_name(name)), ..self };
        for (from, to) in [(&self.wal, &own.wal), (&self.next, &own.next)] {
            if from != to {
                vfs.rename(from, to).map_err(|e| Error::io("rename", from, e))?;
                vfs.sync_dir(directory).map_err(|e| Error::io("fsync", directory, e))?;
                tracing::warn!(
                    database = name, log = %from.display(),
                    "the directory was renamed or copied; its log has the name of the database now"
                );
            }
        }
        Ok(own)
    }

    /// Whether the names have changed.
    pub(super) fn is_not(&self, other: &Self) -> bool {
        (&self.wal, &self.next) != (&other.wal, &other.next)
    }

    /// What there is to say of logs that are not read.
    pub(crate) fn doubts(&self) -> impl Iterator<Item = String> {
        self.strangers.iter().map(|path| {
            format!(
                "{}: a log of another name, beside one of this database or a third: its samples are not read; see docs/RECOVERY.md",
                path.display()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(files: &[(&str, u64)]) -> (String, String, Vec<String>) {
        let entry = |(name, len): &(&str, u64)| DirEntry { name: (*name).to_owned(), is_dir: false, len: *len, id: 0 };
        let entries: Vec<_> = files.iter().map(entry).collect();
        let logs = Logs::among(&entries, Path::new("/r/house"), "house");
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        (name(&logs.wal), name(&logs.next), logs.strangers.iter().map(name).collect())
    }

    fn found(wal: &str, next: &str, strangers: &[&str]) -> (String, String, Vec<String>) {
        (wal.to_owned(), next.to_owned(), strangers.iter().map(|s| (*s).to_owned()).collect())
    }

    #[test]
    fn the_only_log_with_something_in_it_is_the_databases() {
        let own = found("house.wal", "house.wal.next", &[]);
        assert_eq!(look(&[]), own);
        assert_eq!(look(&[("house.wal", 9), ("h.wal", 0)]), own);
        assert_eq!(look(&[("h.wal", 9)]), found("h.wal", "house.wal.next", &[]));
        assert_eq!(look(&[("h.wal", 9), ("house.wal", 0)]), found("h.wal", "house.wal.next", &[]));
        assert_eq!(look(&[("h.wal", 9), ("h.wal.next", 9)]), found("h.wal", "h.wal.next", &[]));
        // A crash between the two renames.
        assert_eq!(look(&[("house.wal", 9), ("h.wal.next", 9)]), found("house.wal", "h.wal.next", &[]));
    }

    #[test]
    fn of_several_none_but_the_own_is_read() {
        assert_eq!(look(&[("h.wal", 9), ("house.wal", 9)]), found("house.wal", "house.wal.next", &["h.wal"]));
        assert_eq!(look(&[("h.wal", 9), ("i.wal", 9)]), found("house.wal", "house.wal.next", &["h.wal", "i.wal"]));
    }

    #[test]
    fn logs_of_events_are_of_no_database() {
        assert_eq!(look(&[("h.wal", 9), ("h.events.wal", 9)]), found("h.wal", "house.wal.next", &[]));
        assert_eq!(look(&[("h.wal", 0), ("h.events.wal", 9)]), found("house.wal", "house.wal.next", &[]));
        assert_eq!(look(&[("house.wal", 0), ("house.events.wal", 9)]), found("house.wal", "house.wal.next", &[]));
        // Also when the other log is not beside it any more: nothing but its content would tell.
        assert_eq!(look(&[("h.events.wal", 9)]), found("house.wal", "house.wal.next", &[]));
    }
}
