//! The checkpoint log of a source database: lines `<job key>,<completed_ns>`, of which the last one of a key counts.
//!
//! What a crash can leave of it never says more than was written: a line without its end is not taken, and a lost line
//! means that buckets are computed again that are in the destination already, and found there.

use crate::model::Timestamp;
use crate::storage::vfs::{OpenMode, Vfs};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Size past which it is rewritten to one line per key.
const COMPACT_BYTES: u64 = 100_000;
/// Largest log that is read.
const MAX_BYTES: u64 = 256 << 20;

/// The log, and what it says.
pub(super) struct Checkpoints {
    path: PathBuf,
    completed: BTreeMap<String, Timestamp>,
    len: u64,
    /// Appending would put a line behind something that is none.
    rewrite: bool,
}

impl Checkpoints {
    /// Reads the log at `path`; a missing one is empty.
    pub(super) fn load(vfs: &dyn Vfs, path: &Path) -> Result<Self> {
        let mut this = Self { path: path.to_owned(), completed: BTreeMap::new(), len: 0, rewrite: false };
        let bytes = match vfs.read(path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(this),
            Err(e) => return Err(Error::io("read", path, e)),
        };
        this.len = bytes.len() as u64;
        for line in bytes.split_inclusive(|b| *b == b'\n').filter(|line| *line != b"\n") {
            match parse(line) {
                Some((key, completed)) => {
                    this.completed.insert(key.to_owned(), completed);
                }
                None => {
                    let line = String::from_utf8_lossy(line);
                    tracing::warn!(file = %path.display(), ?line, "not a checkpoint; left out");
                    this.rewrite = true;
                }
            }
        }
        Ok(this)
    }

    /// End of the last bucket that a job is known to have completed.
    pub(super) fn completed(&self, key: &str) -> Option<Timestamp> {
        self.completed.get(key).copied()
    }

    /// Adds lines, durably. What they speak of is durable already.
    pub(super) fn append(&mut self, vfs: &dyn Vfs, lines: &[(&str, Timestamp)]) -> Result<()> {
        let mut text = String::new();
        for (key, completed) in lines.iter().filter(|(key, completed)| self.completed.get(*key) != Some(completed)) {
            push_line(&mut text, key, *completed);
        }
        if text.is_empty() && !self.rewrite {
            return Ok(());
        }
        let appended = self.len.saturating_add(text.len() as u64);
        let mut completed = self.completed.clone();
        completed.extend(lines.iter().map(|(key, completed)| ((*key).to_owned(), *completed)));
        if self.rewrite || appended > COMPACT_BYTES {
            text.clear();
            completed.iter().for_each(|(key, completed)| push_line(&mut text, key, *completed));
            vfs.replace(&self.path, text.as_bytes()).map_err(|e| Error::io("write", &self.path, e))?;
            self.len = text.len() as u64;
            self.rewrite = false;
        } else {
            // Until it has succeeded, nobody knows what there is behind the last line.
            self.rewrite = true;
            self.write(vfs, text.as_bytes())?;
            self.len = appended;
            self.rewrite = false;
        }
        self.completed = completed;
        Ok(())
    }

    fn write(&self, vfs: &dyn Vfs, text: &[u8]) -> Result<()> {
        let file = vfs.open(&self.path, OpenMode::Create).map_err(|e| Error::io("open", &self.path, e))?;
        file.write_all_at(text, self.len).map_err(|e| Error::io("append to", &self.path, e))?;
        file.sync().map_err(|e| Error::io("fsync", &self.path, e))?;
        match self.path.parent().filter(|_| self.len == 0) {
            Some(directory) => vfs.sync_dir(directory).map_err(|e| Error::io("fsync", directory, e)),
            None => Ok(()),
        }
    }
}

fn push_line(text: &mut String, key: &str, completed: Timestamp) {
    text.push_str(key);
    text.push(',');
    text.push_str(&completed.to_string());
    text.push('\n');
}

/// A whole line. A torn one could have lost digits.
fn parse(line: &[u8]) -> Option<(&str, Timestamp)> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (key, completed) = line.rsplit_once(',')?;
    let is_key = !key.is_empty() && !key.contains(char::is_control);
    Some((key, completed.parse().ok()?)).filter(|_| is_key)
}

#[cfg(test)]
mod tests;
