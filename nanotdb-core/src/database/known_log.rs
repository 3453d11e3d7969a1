//! Whether a log is what it was: a line of the list of files ([`super::files`]) says how long it had become.
//!
//! A log is written with each batch, the list is not: a round of maintenance tells it of a log that has something, and again when that
//! has grown, without waiting for the device. So what came since is not known to have been there. The line names the log by its first
//! bytes, and says which data files there were then: once one of them has grown, the log may be gone because it was flushed, and the
//! line says nothing any more. A list that lost its end, in a loss of power, does no harm for the same reason.

use super::files::{checked, name_of};
use super::logs::Logs;
use super::open::Wals;
use super::state::{RawKind, State};
use super::{Database, Environment};
use crate::storage::vfs::{OpenMode, VfsFile};
use crate::{Error, Result};
use std::path::Path;

/// Bytes by which a log is known: no longer than its first batch, which has one record.
const HEAD: usize = 24;
/// Bytes that a log may grow before its new length is noted.
const GROWTH: u64 = 256 << 10;

/// What a log was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownLog {
    /// Its length then.
    len: u64,
    /// Checksum of its first bytes.
    head: u32,
    /// Checksum of names and lengths of the data files then.
    data: u32,
    /// Whether that length was on the device.
    synced: bool,
}

impl KnownLog {
    /// A line of the list; `None` says that the log is empty.
    pub(super) fn line(log: Option<Self>) -> String {
        match log {
            None => checked("log none"),
            Some(Self { len, head, data, synced }) => {
                checked(&format!("log {} {len} {head:08x} {data:08x}", if synced { "synced" } else { "written" }))
            }
        }
    }

    /// What stands behind `log ` in a line; the inner `None` says that the log is empty.
    pub(super) fn parse(text: &str) -> Option<Option<Self>> {
        let mut fields = text.split(' ');
        let synced = match fields.next()? {
            "none" => return Some(None),
            what => what == "synced",
        };
        let len = fields.next()?.parse().ok()?;
        let mut hex = || u32::from_str_radix(fields.next()?, 16).ok();
        Some(Some(Self { len, head: hex()?, data: hex()?, synced }))
    }
}

/// Names and lengths of the files that flushes append to, as one number.
fn data_files(state: &State) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for file in state.files.values().filter_map(|files| files.files.get(&RawKind::Data)) {
        let listed = || state.listed.get(&file.path).copied().unwrap_or_default();
        let len = file.index.as_ref().map_or_else(listed, |index| index.len);
        hasher.update(name_of(&file.path).as_bytes());
        hasher.update(&len.to_le_bytes());
    }
    hasher.finalize()
}

fn head_of(file: &dyn VfsFile) -> std::io::Result<u32> {
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, 0)?;
    Ok(crc32fast::hash(&head))
}

/// Something that a log lacks.
pub(super) struct Lack {
    /// Whether that was on the device, so that no loss of power explains it.
    pub(super) lost: bool,
    pub(super) text: String,
}

/// A log as it is now.
#[derive(Clone, Copy)]
struct Found {
    /// `None` when there is none.
    len: Option<u64>,
    head: Option<u32>,
}

/// What the logs lack, by what is known of them. `known` is [`super::files::FileList::log`].
fn lacks(logs: &Logs, state: &State, known: Option<KnownLog>, wal: Found, has_next: bool) -> Option<Lack> {
    let file = logs.wal.display();
    let is_there = |len: u64| format!("it had {len} bytes at least; the samples in them are missing");
    if let Some(known) = known.filter(|known| known.data == data_files(state)) {
        let what = match wal.len {
            None => Some("it is gone".to_owned()),
            Some(0) => Some("it is empty".to_owned()),
            Some(len) if len < known.len && (wal.head == Some(known.head) || len < HEAD as u64) => {
                Some(format!("it has {len} bytes"))
            }
            Some(_) => None,
        };
        if let Some(what) = what {
            let text = format!("{file}: {what}, but {}", is_there(known.len));
            return Some(Lack { lost: known.synced, text: if known.synced { text } else { power(&text) } });
        }
    }
    // A flush begins the second log when the first one has something, and lets it take that one's place at its end.
    let next = logs.next.display();
    let because = "had samples; they are missing, unless data files have them";
    match wal.len.filter(|_| has_next) {
        None if has_next => {
            Some(Lack { lost: true, text: format!("{file}: it is gone, but when {next} was begun it {because}") })
        }
        Some(0) => {
            let text = format!("{file}: it is empty, but when {next} was begun it {because}");
            Some(Lack { lost: false, text: power(&text) })
        }
        _ => None,
    }
}

fn power(text: &str) -> String {
    format!("{text} (a loss of power explains that, where fsync_policy lets it)")
}

/// The same at a start, before anything is made.
pub(super) fn lacks_at_start(
    environment: &Environment,
    logs: &Logs,
    state: &State,
    known: Option<KnownLog>,
) -> Result<Option<Lack>> {
    let vfs = &*environment.vfs;
    let len = |path: &Path| -> Result<Option<u64>> {
        Ok(vfs.entry(path).map_err(|e| Error::io("look up", path, e))?.map(|entry| entry.len))
    };
    let (wal, next) = (len(&logs.wal)?, len(&logs.next)?);
    // Nearly always there is nothing to be read for it.
    let is_shorter = known.is_some_and(|known| wal.is_some_and(|len| len > 0 && len < known.len));
    let head = match is_shorter {
        true => vfs.open(&logs.wal, OpenMode::Read).and_then(|file| head_of(&*file)).ok(),
        false => None,
    };
    Ok(lacks(logs, state, known, Found { len: wal, head }, next.is_some()))
}

/// The same of logs that were read.
pub(super) fn lacks_now(logs: &Logs, state: &State, known: Option<KnownLog>, wals: &Wals) -> Option<Lack> {
    let head = wals.wal.as_ref().and_then(|bytes| bytes.get(..HEAD)).map(crc32fast::hash);
    let found = Found { len: wals.wal.as_ref().map(|bytes| bytes.len() as u64), head };
    lacks(logs, state, known, found, wals.next.is_some())
}

impl Database {
    /// Notes how long the log is, now and then: see [`self`]. Not while a flush is under way.
    pub(crate) fn note_log(&self) {
        let Some(commit) = &self.commit else { return };
        let path = self.wal_path();
        let Ok((generation, len, synced)) = self.lock_writer().map(|writer| {
            let len = if writer.wal.path() == path { Some(writer.wal.len()) } else { None };
            (commit.generation(), len, !commit.is_dirty())
        }) else {
            return;
        };
        let Some(len) = len.filter(|_| self.failure().is_none()) else { return };
        if len == 0 {
            return self.files.note_log(self.vfs(), generation, None);
        }
        let is_news = match self.files.noted_log(generation) {
            None => true,
            Some(noted) => len >= noted.len.saturating_add(GROWTH) || (synced && !noted.synced),
        };
        if is_news {
            self.put_log(&path, generation, len, synced);
        }
    }

    fn put_log(&self, path: &Path, generation: u64, len: u64, synced: bool) {
        // Too short for its first batch, it is none of ours.
        let Ok(head) = self.vfs().open(path, OpenMode::Read).and_then(|file| head_of(&*file)) else { return };
        let data = data_files(&self.read_state());
        self.files.note_log(self.vfs(), generation, Some(KnownLog { len, head, data, synced }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back() {
        for log in [None, Some(KnownLog { len: 300, head: 7, data: u32::MAX, synced: true })] {
            let line = KnownLog::line(log);
            let rest = line.trim_end().split_once(' ').and_then(|(_, rest)| rest.strip_prefix("log ")).unwrap();
            assert_eq!(KnownLog::parse(rest), Some(log), "{line}");
        }
        for wrong in ["", "synced", "synced x 1 2", "written 5 0000000g 1"] {
            assert_eq!(KnownLog::parse(wrong), None, "{wrong}");
        }
    }
}
