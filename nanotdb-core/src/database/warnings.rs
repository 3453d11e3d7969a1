//! What was mended, and stays to be seen until somebody says that they have seen it: `.warnings` of a database's directory.
//!
//! ```text
//! line     crc32 of what follows, 8 hex digits | nanoseconds | lost or note | text
//! ```
//!
//! Plain lines, each with its checksum: what is damaged of the file itself costs a line, never the database.

use super::Database;
use super::files::is_checksum;
use crate::layout;
use crate::model::{Timestamp, counted};
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most lines that are kept: the oldest are those that tell most.
const MOST: usize = 100;
/// Largest file that is read.
const MAX_FILE: u64 = 1 << 20;
/// Longest text.
const MAX_TEXT: usize = 1_000;

/// Something that was found and dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    /// When.
    pub(crate) since: Timestamp,
    /// Whether samples may be missing for it, so that every answer says so.
    pub(crate) lost: bool,
    /// What.
    pub(crate) text: String,
}

/// Those of one database.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    path: PathBuf,
    entries: Mutex<Vec<Warning>>,
    /// Whether the first of them is of the file itself.
    is_damaged: bool,
}

fn line(warning: &Warning) -> String {
    let kind = if warning.lost { "lost" } else { "note" };
    let rest = format!("{} {kind} {}", warning.since, warning.text);
    format!("{:08x} {rest}\n", crc32fast::hash(rest.as_bytes()))
}

fn parse(line: &str) -> Option<Warning> {
    let (crc, rest) = line.split_once(' ')?;
    if !is_checksum(crc, rest) {
        return None;
    }
    let (since, rest) = rest.split_once(' ')?;
    let (kind, text) = rest.split_once(' ')?;
    Some(Warning { since: since.parse().ok()?, lost: kind == "lost", text: text.to_owned() })
}

impl Warnings {
    /// Those that a directory has.
    pub(super) fn load(vfs: &dyn Vfs, directory: &Path, now: Timestamp) -> Self {
        let path = directory.join(layout::WARNINGS);
        // A warning that cannot be read may have been of lost samples.
        let damage = |what: String| {
            let text = format!("{}: {what}: what it told of mended damage is not known any more", path.display());
            Warning { since: now, lost: true, text }
        };
        let bytes = match vfs.read(&path, MAX_FILE) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                let entries = Mutex::new(vec![damage(format!("it cannot be read ({error})"))]);
                return Self { path, entries, is_damaged: true };
            }
        };
        let text = String::from_utf8_lossy(&bytes);
        let mut damaged = 0usize;
        let mut entries = Vec::new();
        for line in text.lines() {
            match parse(line) {
                Some(warning) => entries.push(warning),
                None => damaged = damaged.saturating_add(1),
            }
        }
        if damaged > 0 {
            entries.insert(0, damage(counted(damaged as u64, "damaged line")));
        }
        entries.truncate(MOST);
        Self { path, entries: Mutex::new(entries), is_damaged: damaged > 0 }
    }

    /// What is told of lines that were damaged when they were read.
    pub(super) fn damage(&self) -> Option<String> {
        self.lock().first().filter(|_| self.is_damaged).map(|warning| warning.text.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Warning>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self, vfs: &dyn Vfs, entries: &[Warning]) -> Result<()> {
        let text: String = entries.iter().map(line).collect();
        vfs.replace(&self.path, text.as_bytes()).map_err(|e| Error::io("write", &self.path, e))
    }

    /// Adds some, durably if that can be. What says the same as one that is there is that one.
    pub(super) fn add(&self, vfs: &dyn Vfs, new: impl IntoIterator<Item = Warning>) {
        let mut entries = self.lock();
        let before = entries.len();
        for mut warning in new {
            warning.text = warning.text.replace(['\n', '\r'], " ").chars().take(MAX_TEXT).collect();
            if entries.len() < MOST && entries.iter().all(|known| known.text != warning.text) {
                entries.push(warning);
            }
        }
        if entries.len() > before
            && let Err(error) = self.save(vfs, &entries)
        {
            // It is in the log, and shown for as long as this process lives.
            tracing::error!(%error, "what was mended is not remembered beyond a restart");
        }
    }

    /// Those that nobody has acknowledged.
    pub(super) fn all(&self) -> Vec<Warning> {
        self.lock().clone()
    }

    /// Forgets them. Returns how many there were.
    pub(super) fn acknowledge(&self, vfs: &dyn Vfs) -> Result<usize> {
        let mut entries = self.lock();
        if entries.is_empty() {
            return Ok(0);
        }
        self.save(vfs, &[])?;
        Ok(std::mem::take(&mut *entries).len())
    }
}

impl Database {
    /// What was mended, and nobody has acknowledged.
    pub(crate) fn mended(&self) -> Vec<Warning> {
        self.warnings.all()
    }

    /// Remembers that something was mended.
    pub(crate) fn note_mended(&self, lost: bool, text: String) {
        let since = self.environment.clock.now();
        self.warnings.add(self.vfs(), [Warning { since, lost, text }]);
    }

    /// Somebody has seen what was mended: it is told no more. Returns how many warnings that were.
    pub(crate) fn acknowledge(&self) -> Result<usize> {
        self.warnings.acknowledge(self.vfs())
    }

    /// What is damaged of what is remembered of the database: its warnings, and the list of its files.
    pub(crate) fn damaged_memory(&self) -> impl Iterator<Item = String> {
        self.warnings.damage().into_iter().chain(self.files.damage())
    }

    /// What is not as it should be with its files, now.
    pub(crate) fn doubts(&self) -> Vec<String> {
        self.read_state().doubts.clone()
    }

    /// What is not as it should be now, and goes away by itself when its cause does.
    pub(crate) fn current_warnings(&self) -> Vec<String> {
        let state = self.read_state();
        let limit = self.environment.config.limits.max_metrics_per_database.min(u64::from(u16::MAX));
        let ids = state.metrics.len().saturating_sub(1).max(usize::from(state.reserved)) as u64;
        let mut warnings = state.doubts.clone();
        drop(state);
        // Once it takes no more for that, health says so.
        warnings.extend(self.flush_trouble().filter(|_| !self.is_piled_up()));
        if ids.saturating_mul(5) >= limit.saturating_mul(4) {
            warnings.push(format!(
                "{ids} of {limit} ids for metrics are used (limits.max_metrics_per_database; one that widened takes another); lines with further \
                 metrics will be refused"
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::vfs::sim::SimVfs;

    fn warning(text: &str) -> Warning {
        Warning { since: 5, lost: true, text: text.to_owned() }
    }

    #[test]
    fn they_are_there_until_they_are_acknowledged() {
        let vfs = SimVfs::new(1);
        let directory = Path::new("/db");
        vfs.create_dir_all(directory).unwrap();
        let warnings = Warnings::load(&vfs, directory, 9);
        assert_eq!(warnings.all(), []);
        warnings.add(&vfs, [warning("a page\nis gone"), warning("a page is gone"), warning("b")]);
        let again = Warnings::load(&vfs, directory, 9);
        assert_eq!(again.all(), [warning("a page is gone"), warning("b")]);
        assert_eq!(again.acknowledge(&vfs).unwrap(), 2);
        assert_eq!(Warnings::load(&vfs, directory, 9).all(), []);
    }

    #[test]
    fn a_damaged_line_costs_that_line_and_is_told() {
        let vfs = SimVfs::new(1);
        let directory = Path::new("/db");
        vfs.create_dir_all(directory).unwrap();
        let text = format!("{}{}", line(&warning("first")), line(&warning("second")));
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            vfs.put(&directory.join(layout::WARNINGS), &bytes).unwrap();
            let loaded = Warnings::load(&vfs, directory, 9);
            let mut found = loaded.all();
            let told = found.remove(0);
            assert!(told.lost && told.since == 9 && told.text.contains("damaged line"), "bit {bit}: {told:?}");
            assert_eq!(loaded.damage(), Some(told.text));
            assert!(found.iter().all(|w| *w == warning("first") || *w == warning("second")), "bit {bit}: {found:?}");
            // A bit that makes a line end elsewhere costs two lines at most.
            let is_newline = bytes[bit / 8] == b'\n' || text.as_bytes()[bit / 8] == b'\n';
            assert!(is_newline || !found.is_empty(), "bit {bit}");
            // It stays until it is acknowledged, like the others.
            loaded.add(&vfs, [warning("third")]);
            assert_eq!(Warnings::load(&vfs, directory, 10).all(), loaded.all(), "bit {bit}");
            loaded.acknowledge(&vfs).unwrap();
            assert_eq!(Warnings::load(&vfs, directory, 10).all(), [], "bit {bit}");
        }
    }
}
