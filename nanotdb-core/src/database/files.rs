//! What files a database had: `.files` in its directory.
//!
//! ```text
//! line     crc32 of what follows, 8 hex digits | is <bytes> <samples> <highest id> <name>
//!          crc32 of what follows, 8 hex digits | late <bytes> <samples> <highest id> <name>      begun beside a metric file
//!          crc32 of what follows, 8 hex digits | gone <name>
//!          crc32 of what follows, 8 hex digits | ids <highest id of all files that there ever were>
//!          crc32 of what follows, 8 hex digits | log ...       what the log was ([`super::known_log`])
//! ```
//!
//! The directory itself says what is there. This says what was: so that a start can tell which files are missing, and which
//! ids are taken without reading everything. Lines are appended when a file comes, goes, or gets a higher id, without
//! waiting for the device. The list may lag behind the directory, and lose its end: what it does not know is looked at,
//! and a file counts as missing only when samples do.

use super::known_log::KnownLog;
use super::names::{ids_of_metric_file, ids_of_raw_file};
use super::state::{RawKind, State};
use super::warnings::Warning;
use super::writer::Writer;
use super::{Database, ScanReport, part_of};
use crate::layout;

use crate::model::{MetricId, Timestamp, counted};
use crate::plugin::Partition;
use crate::storage::RawFile;
use crate::storage::vfs::{OpenMode, Vfs};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Largest list that is read.
const MAX_LIST: u64 = 64 << 20;
/// Lines of a list that say nothing any more, beyond as many as do, before it is written anew.
const SLACK: usize = 256;
/// Bytes that a data file may grow before its new length is noted: what it grew by is read at the next start.
const GROWTH: u64 = 8 << 20;
/// Most bytes of files that the list does not know, which one start reads; the rest is read before the first new name is given an id.
#[cfg(not(test))]
const MOST_READ: u64 = 512 << 20;
#[cfg(test)]
const MOST_READ: u64 = 4 << 10;

/// A file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Known {
    /// Its length, then; it may have grown.
    pub(super) len: u64,
    /// Its samples, then. Zero where a loss of power may take some.
    pub(super) rows: u64,
    /// The highest id in it.
    pub(super) highest: MetricId,
    /// Whether it was begun beside the partition's metric file, so that its samples are not in there.
    pub(super) late: bool,
}

/// The list of one database.
#[derive(Debug, Default)]
pub(super) struct FileList {
    path: PathBuf,
    inner: Mutex<Inner>,
    /// Whether there are files of which the ids are not known.
    unread: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<String, Known>,
    /// Length of the list on disk; `None` while there is none.
    len: Option<u64>,
    /// Lines of it.
    lines: usize,
    /// What is to be written when there is time for it.
    kept: BTreeMap<String, Known>,
    /// The highest id of all files that it ever had: archives may hold those that are gone.
    highest: MetricId,
    /// What the log was, and which one of this process that is.
    log: Option<KnownLog>,
    log_generation: Option<u64>,
    /// Lines that were damaged when it was read.
    damaged: usize,
    /// Whether there is a list on disk, whatever it is like.
    is_there: bool,
}

/// Whether a line begins with the checksum of the rest, letter for letter.
pub(super) fn is_checksum(crc: &str, rest: &str) -> bool {
    crc.len() == 8
        && !crc.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'+')
        && u32::from_str_radix(crc, 16) == Ok(crc32fast::hash(rest.as_bytes()))
}

pub(super) fn checked(rest: &str) -> String {
    format!("{:08x} {rest}\n", crc32fast::hash(rest.as_bytes()))
}

fn line_of(name: &str, known: Known) -> String {
    let what = if known.late { "late" } else { "is" };
    checked(&format!("{what} {} {} {} {name}", known.len, known.rows, known.highest))
}

impl Inner {
    /// Reads all lines. A loss of power may take the end of the list, or blocks of what was appended: lines that are cut short, or
    /// have zeros in them, are no damage.
    fn take(&mut self, bytes: &[u8]) {
        let mut is_whole = true;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.lines = self.lines.saturating_add(1);
            let text = String::from_utf8_lossy(line);
            let content = text.strip_suffix('\n');
            if content.is_some_and(|content| self.take_line(content).is_some()) {
                continue;
            }
            is_whole = false;
            let zeros = line.iter().filter(|byte| **byte == 0).count();
            if content.is_some() && zeros < 2 {
                self.damaged = self.damaged.saturating_add(1);
            } else if content.is_none() {
                // The last one may lack its end alone.
                let mut chars = text.chars();
                let _ = self.take_line(&text).or_else(|| {
                    chars.next_back();
                    self.take_line(chars.as_str())
                });
            }
        }
        // Nothing is appended behind half a line, and what says nothing goes: it is written anew next time.
        self.len = is_whole.then_some(bytes.len() as u64);
        self.is_there = true;
    }

    fn take_line(&mut self, line: &str) -> Option<()> {
        let (crc, rest) = line.split_once(' ')?;
        if !is_checksum(crc, rest) {
            return None;
        }
        if let Some(name) = rest.strip_prefix("gone ") {
            self.files.remove(name);
            return Some(());
        }
        if let Some(highest) = rest.strip_prefix("ids ") {
            self.highest = self.highest.max(highest.parse().ok()?);
            return Some(());
        }
        if let Some(log) = rest.strip_prefix("log ") {
            self.log = KnownLog::parse(log)?;
            return Some(());
        }
        let (what, rest) = rest.split_once(' ')?;
        let mut fields = rest.splitn(4, ' ');
        let known = Known {
            len: fields.next()?.parse().ok()?,
            rows: fields.next()?.parse().ok()?,
            highest: fields.next()?.parse().ok()?,
            late: what == "late",
        };
        self.put(fields.next()?.to_owned(), known);
        Some(())
    }

    /// Whether that is news.
    fn put(&mut self, name: String, known: Known) -> bool {
        self.highest = self.highest.max(known.highest);
        self.files.insert(name, known) != Some(known)
    }
}

impl FileList {
    /// The list of a directory; an empty one where there is none.
    pub(super) fn load(vfs: &dyn Vfs, directory: &Path) -> Self {
        let path = directory.join(layout::FILES);
        let mut inner = Inner::default();
        match vfs.read(&path, MAX_LIST) {
            Ok(bytes) => inner.take(&bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(file = %path.display(), %error, "not known which files there were"),
        }
        Self { path, inner: Mutex::new(inner), unread: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, name: &str) -> Option<Known> {
        let inner = self.lock();
        inner.kept.get(name).or_else(|| inner.files.get(name)).copied()
    }

    /// Keeps what a file is now for the next time that the list is written: nobody waits for that.
    fn keep(&self, name: String, known: Known) {
        self.lock().kept.insert(name, known);
    }

    /// Files of a partition that were begun beside its metric file, as files that were not.
    fn late_files(&self, part: &str) -> Vec<(String, Known)> {
        let inner = self.lock();
        let all = inner.files.iter().chain(&inner.kept);
        let late = all.filter(|(name, known)| known.late && part_of(name) == Some(part));
        late.map(|(name, known)| (name.clone(), Known { late: false, ..*known })).collect()
    }

    /// Notes what files are now. Nothing is written where there is no list yet: that begins with the first file that this
    /// program makes ([`FileList::note`]).
    fn learn(&self, vfs: &dyn Vfs, learned: Vec<(String, Known)>) {
        if self.lock().is_there {
            self.note(vfs, &learned, &[]);
        } else {
            let mut inner = self.lock();
            learned.into_iter().for_each(|(name, known)| {
                inner.put(name, known);
            });
        }
    }

    /// Notes what a file is now, and that others are gone, on disk. It is a help: an error is no trouble.
    pub(super) fn note(&self, vfs: &dyn Vfs, now: &[(String, Known)], gone: &[String]) {
        let mut inner = self.lock();
        let mut text = String::new();
        for (name, known) in now {
            inner.kept.remove(name);
            if inner.put(name.clone(), *known) {
                text.push_str(&line_of(name, *known));
            }
        }
        for name in gone {
            inner.kept.remove(name);
            if inner.files.remove(name).is_some() {
                text.push_str(&checked(&format!("gone {name}")));
            }
        }
        if text.is_empty() && inner.len.is_some() {
            return;
        }
        self.write(vfs, &mut inner, &text);
    }

    /// What the log was when the list was told of it for the last time.
    pub(super) fn log(&self) -> Option<KnownLog> {
        self.lock().log
    }

    /// The same of a log of this process.
    pub(super) fn noted_log(&self, generation: u64) -> Option<KnownLog> {
        let inner = self.lock();
        inner.log.filter(|_| inner.log_generation == Some(generation))
    }

    /// Notes what the log is now, on disk; `None` when it is empty.
    pub(super) fn note_log(&self, vfs: &dyn Vfs, generation: u64, log: Option<KnownLog>) {
        let mut inner = self.lock();
        inner.log_generation = Some(generation);
        if inner.log != log {
            inner.log = log;
            self.write(vfs, &mut inner, &KnownLog::line(log));
        }
    }

    /// What is told of lines that were damaged when the list was read.
    pub(super) fn damage(&self) -> Option<String> {
        let damaged = self.lock().damaged;
        (damaged > 0).then(|| {
            let lines = counted(damaged as u64, "damaged line");
            format!("{}: {lines}: a file that they named would not be missed", self.path.display())
        })
    }

    fn write(&self, vfs: &dyn Vfs, inner: &mut Inner, text: &str) {
        if let Err(error) = self.append(vfs, inner, text) {
            tracing::debug!(file = %self.path.display(), %error, "the list of files lags");
            // Written anew next time.
            inner.len = None;
        }
    }

    fn sync(&self, vfs: &dyn Vfs) -> std::io::Result<()> {
        let is_there = self.lock().is_there;
        if is_there { vfs.open(&self.path, OpenMode::Write)?.sync() } else { Ok(()) }
    }

    fn append(&self, vfs: &dyn Vfs, inner: &mut Inner, text: &str) -> Result<()> {
        let io = |e| Error::io("write", &self.path, e);
        let is_long = inner.lines > inner.files.len().saturating_mul(2).saturating_add(SLACK);
        let Some(len) = inner.len.filter(|_| !is_long) else {
            let mut all = checked(&format!("ids {}", inner.highest));
            for (name, known) in &inner.files {
                let _ = write!(all, "{}", line_of(name, *known));
            }
            all.extend(inner.log.is_some().then(|| KnownLog::line(inner.log)));
            if inner.is_there {
                // The old one or the new one: half of each would look damaged.
                vfs.replace(&self.path, all.as_bytes()).map_err(io)?;
            } else {
                // A crash may leave a part of it, or nothing: then it is not known which files there were.
                vfs.open(&self.path, OpenMode::Truncate).and_then(|f| f.write_all_at(all.as_bytes(), 0)).map_err(io)?;
                inner.is_there = true;
            }
            inner.len = Some(all.len() as u64);
            inner.lines = inner.files.len();
            return Ok(());
        };
        let file = vfs.open(&self.path, OpenMode::Create).map_err(io)?;
        file.write_all_at(text.as_bytes(), len).map_err(io)?;
        inner.len = Some(len.saturating_add(text.len() as u64));
        inner.lines = inner.lines.saturating_add(text.lines().count());
        Ok(())
    }

    /// Files of the list that are not among these, or shorter than they were: by partition, with what is left of it.
    fn missing(&self, there: &BTreeMap<String, u64>) -> BTreeMap<String, Vec<String>> {
        let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, known) in &self.lock().files {
            if there.get(name).is_none_or(|len| *len < known.len)
                && let Some(part) = part_of(name)
            {
                missing.entry(part.to_owned()).or_default().push(name.clone());
            }
        }
        missing
    }

    /// The samples that a partition had at least, by what was known of its files. Two raw files may be one that had two names.
    fn rows_of(&self, part: &str) -> u64 {
        let (mut metric, mut late, mut most) = (0u64, 0u64, 0u64);
        for (name, known) in self.lock().files.iter().filter(|(name, _)| part_of(name) == Some(part)) {
            most = most.max(known.rows);
            if name.starts_with(layout::METRIC) {
                metric = known.rows;
            } else if known.late {
                late = late.max(known.rows);
            }
        }
        most.max(metric.saturating_add(late))
    }
}

pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What a start found out about the files that it listed.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Partitions of which nothing is left.
    removed: Vec<String>,
    /// Partitions of which some files are missing, with these.
    incomplete: Vec<(String, Vec<String>)>,
}

impl Survey {
    /// What is said, once, of partitions of which nothing is left. The list of files lies in the directory of the database.
    fn removed_texts(&self, list: &Path) -> Vec<String> {
        let directory = list.parent().unwrap_or(list).display();
        let text = |part: &String| {
            format!(
                "{directory}: all files of partition {part} are gone: removed by hand, or by a removal that was cut short; that \
                 is accepted"
            )
        };
        self.removed.iter().map(text).collect()
    }
}

impl FileList {
    /// Compares the list with the files that are there.
    pub(super) fn compare(&self, state: &State) -> Survey {
        let mut there = BTreeMap::new();
        for path in files_of(state).map(|(path, _)| path) {
            there.insert(name_of(path), state.listed.get(path).copied().unwrap_or(0));
        }
        let parts: BTreeSet<&str> = there.keys().filter_map(|name| part_of(name)).collect();
        let mut survey = Survey::default();
        for (part, files) in self.missing(&there) {
            match parts.contains(part.as_str()) {
                true => survey.incomplete.push((part, files)),
                false => survey.removed.push(part),
            }
        }
        survey
    }

    /// The same as warnings, which stay to be seen.
    pub(super) fn removed(&self, survey: &Survey, since: Timestamp) -> Vec<Warning> {
        let texts = survey.removed_texts(&self.path).into_iter();
        texts.map(|text| Warning { since, lost: false, text }).collect()
    }

    /// Accepts that partitions are gone as a whole: by hand, or by a removal that a crash interrupted. Durably, before anything
    /// is written: a file that later comes in their place is none of theirs cut short.
    pub(super) fn accept_removed(&self, vfs: &dyn Vfs, database: &str, survey: &Survey) {
        if survey.removed.is_empty() {
            return;
        }
        for text in survey.removed_texts(&self.path) {
            tracing::warn!(database, "{text}");
        }
        let is_gone = |name: &&String| survey.removed.iter().any(|removed| part_of(name) == Some(removed.as_str()));
        let gone: Vec<String> = self.lock().files.keys().filter(is_gone).cloned().collect();
        self.note(vfs, &[], &gone);
        if let Err(error) = self.sync(vfs) {
            tracing::debug!(database, %error, "the list of files lags");
        }
    }

    /// The highest id that any file has, as far as a start looks: those that the list does not know are read, the youngest first, and
    /// so many bytes of them at most.
    pub(super) fn highest_id(&self, vfs: &dyn Vfs, state: &State) -> Result<MetricId> {
        self.read_ids(vfs, listed_files(state), MOST_READ)
    }

    /// Reads files for their ids. What is left unread for being too much is noted.
    fn read_ids(&self, vfs: &dyn Vfs, files: Vec<Listed>, most: u64) -> Result<MetricId> {
        let mut left = most;
        let mut learned = Vec::new();
        let mut is_unread = false;
        for (path, partition, len) in files {
            let known = self.get(&name_of(&path));
            if known.is_some_and(|known| known.len == len) {
                continue;
            }
            // Of a raw file that has grown, what was there before is known.
            let before = known.filter(|known| known.len < len && partition.is_some()).unwrap_or_default();
            let Some(rest) = left.checked_sub(len.saturating_sub(before.len)) else {
                is_unread = true;
                continue;
            };
            left = rest;
            let read = match partition {
                Some(partition) => ids_of_raw_file(vfs, &path, partition, before.len),
                None => ids_of_metric_file(vfs, &path),
            };
            let (ids, rows) = match read {
                // It was built in, or expired, since it was listed.
                Err(error) if error.is_missing_file() => continue,
                read => read?,
            };
            let highest = ids.last().copied().unwrap_or(0).max(before.highest);
            learned.push((name_of(&path), Known { len, rows, highest, late: before.late }));
        }
        self.learn(vfs, learned);
        self.unread.store(is_unread, Ordering::Release);
        Ok(self.lock().highest)
    }

    /// The highest id that is known to have been in a file.
    pub(super) fn highest(&self) -> MetricId {
        self.lock().highest
    }

    fn note_highest(&self, vfs: &dyn Vfs) {
        let mut inner = self.lock();
        let line = checked(&format!("ids {}", inner.highest));
        self.write(vfs, &mut inner, &line);
    }

    /// No id up to this one is given to another name.
    pub(super) fn reserve(&self, highest: MetricId) {
        let mut inner = self.lock();
        inner.highest = inner.highest.max(highest);
    }
}

/// A file with its partition, if it is a raw one, and its length.
type Listed = (PathBuf, Option<Partition>, u64);

fn listed_files(state: &State) -> Vec<Listed> {
    let len = |path: &Path| state.listed.get(path).copied().unwrap_or(0);
    files_of(state).map(|(path, partition)| (path.to_owned(), partition, len(path))).collect()
}

/// Raw files with their partitions, and metric files, of the youngest partitions first.
fn files_of(state: &State) -> impl Iterator<Item = (&Path, Option<Partition>)> {
    let raw = state.files.iter().rev();
    let raw = raw.flat_map(|(partition, f)| f.files.values().map(|f| (f.path.as_path(), Some(*partition))));
    raw.chain(state.metric_files.values().rev().map(|slot| (slot.path.as_path(), None)))
}

impl Database {
    /// Before a new name is given an id: the ids of files that a start has not read, so that it is none of theirs. Writers of this
    /// database wait for it, once.
    pub(super) fn read_rest_of_ids(&self, writer: &mut Writer) -> Result<()> {
        if !self.files.unread.load(Ordering::Acquire) {
            return Ok(());
        }
        tracing::info!(database = self.name, "reading the ids in all files before the first new name");
        let mut files = listed_files(&self.read_state());
        // Of what this process has appended, all ids have names.
        files.retain(|(path, _, len)| self.files.get(&name_of(path)).is_none_or(|known| known.len < *len));
        let highest = self.files.read_ids(self.vfs(), files, u64::MAX)?;
        self.reserve_ids(writer, highest);
        Ok(())
    }

    /// The next id lies behind this one.
    pub(super) fn reserve_ids(&self, writer: &mut Writer, highest: MetricId) {
        self.files.reserve(highest);
        let mut state = self.write_state();
        state.reserved = state.reserved.max(highest);
        let least = usize::from(highest).saturating_add(1);
        if writer.metrics.len() < least {
            writer.metrics.resize(least, None);
        }
    }

    /// The highest id that a name has, or had, or that any file of it held: what archives hold, too.
    pub(crate) fn highest_id(&self) -> MetricId {
        let state = self.read_state();
        let named = MetricId::try_from(state.metrics.len().saturating_sub(1)).unwrap_or(MetricId::MAX);
        named.max(state.reserved).max(self.files.highest())
    }

    /// No name gets an id up to this one from now on, here and after a restart.
    pub(crate) fn reserve(&self, highest: MetricId) -> Result<()> {
        let mut writer = self.lock_writer()?;
        self.reserve_ids(&mut writer, highest);
        self.files.note_highest(self.vfs());
        Ok(())
    }

    /// Knows the ids in all of its files from now on.
    pub(crate) fn read_all_ids(&self) -> Result<()> {
        let mut writer = self.lock_writer()?;
        self.read_rest_of_ids(&mut writer)
    }

    /// Notes a raw file to which frames with ids up to `highest` were appended.
    pub(super) fn note_raw_file(&self, partition: Partition, index: &RawFile, highest: MetricId, is_durable: bool) {
        let name = name_of(&index.path);
        let before = self.files.get(&name);
        let highest = before.map_or(highest, |before| before.highest.max(highest));
        if before.is_some_and(|before| {
            before.highest == highest && before.len <= index.len && index.len.saturating_sub(before.len) < GROWTH
        }) {
            return;
        }
        let late = before.map_or_else(|| self.read_state().metric_files.contains_key(&partition), |before| before.late);
        self.note_file(index, highest, is_durable, late);
    }

    fn note_file(&self, index: &RawFile, highest: MetricId, is_durable: bool, late: bool) {
        let rows = index.frames.iter().map(|frame| u64::from(frame.header.rows)).sum();
        let rows = if is_durable { rows } else { 0 };
        self.files.keep(name_of(&index.path), Known { len: index.len, rows, highest, late });
    }

    /// Notes a new metric file.
    pub(super) fn note_metric_file(&self, path: &Path, known: Known) {
        let name = name_of(path);
        // What came late is in it now. Said first, and durably: a list that lacks a part must not count it twice.
        let late = self.files.late_files(part_of(&name).unwrap_or_default());
        if !late.is_empty() {
            self.files.note(self.vfs(), &late, &[]);
            if let Err(error) = self.files.sync(self.vfs()) {
                tracing::debug!(database = self.name, %error, "the list of files lags");
                return;
            }
        }
        self.files.note(self.vfs(), &[(name, known)], &[]);
    }

    /// Notes that files are about to go.
    pub(super) fn note_gone(&self, names: &[String]) {
        self.files.note(self.vfs(), &[], names);
    }

    /// The same of a whole partition, durably: a file that later comes in the place of one of them is not that one cut short.
    pub(super) fn note_partition_gone(&self, names: &[String]) {
        self.note_gone(names);
        if let Err(error) = self.files.sync(self.vfs()) {
            tracing::debug!(database = self.name, %error, "the list of files lags");
        }
    }

    /// Notes that a raw file has another name now.
    pub(super) fn note_renamed(&self, from: &Path, to: &Path) {
        if let Some(known) = self.files.get(&name_of(from)) {
            self.files.note(self.vfs(), &[(name_of(to), known)], &[name_of(from)]);
        }
    }

    /// Notes how long the files are to which this process appended.
    pub(crate) fn note_lengths(&self) {
        let grown: Vec<_> = {
            let state = self.read_state();
            let data = state.files.values().filter_map(|files| files.files.get(&RawKind::Data));
            data.filter_map(|file| file.index.clone()).filter(|index| index.appendable).collect()
        };
        for index in grown {
            let name = name_of(&index.path);
            if let Some(before) = self.files.get(&name).filter(|before| before.len < index.len) {
                self.note_file(&index, before.highest, before.rows > 0, before.late);
            }
        }
        self.save_list();
    }

    /// Writes what was kept of the list, and what the log is.
    pub(crate) fn save_list(&self) {
        self.note_log();
        let kept = std::mem::take(&mut self.files.lock().kept);
        if !kept.is_empty() && self.failure().is_none() {
            self.files.note(self.vfs(), &kept.into_iter().collect::<Vec<_>>(), &[]);
        }
    }

    /// What is missing of a database that was opened for reading, by the list of its files: one text each.
    pub(crate) fn missing_now(&self) -> Result<Vec<String>> {
        let survey = self.files.compare(&self.read_state());
        self.missing_files(&survey)
    }

    /// What was removed of it as a whole, and no start has accepted yet: no damage.
    pub(crate) fn removed_now(&self) -> Vec<String> {
        self.files.compare(&self.read_state()).removed_texts(&self.files.path)
    }

    fn missing_files(&self, survey: &Survey) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for (part, files) in &survey.incomplete {
            let partition = self.partitions().into_iter().find(|(_, name)| name == part);
            let mut ignored = ScanReport::default();
            let there = match partition {
                Some((partition, _)) => {
                    self.open_whole_partition(partition, &mut ignored)?.map_or(0, |w| w.open.rows())
                }
                None => 0,
            };
            let lost = self.files.rows_of(part).saturating_sub(there);
            if lost > 0 {
                let files = files.join(", ");
                texts.push(format!(
                    "{}: {files}: missing, or shorter than it was; at least {} of partition {part} with it",
                    self.directory.display(),
                    counted(lost, "sample")
                ));
            }
        }
        Ok(texts)
    }

    /// What a start has to say of files that are missing out of a partition; it says it once.
    pub(super) fn tell_missing_files(&self, survey: &Survey) -> Result<()> {
        if survey.incomplete.is_empty() {
            return Ok(());
        }
        for text in self.missing_files(survey)? {
            tracing::error!(database = self.name, "{text}");
            self.note_mended(true, text);
        }
        let gone: Vec<String> = survey.incomplete.iter().flat_map(|(_, files)| files).cloned().collect();
        self.files.note(self.vfs(), &[], &gone);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::vfs::sim::SimVfs;

    fn list() -> (SimVfs, FileList) {
        let vfs = SimVfs::new(1);
        vfs.create_dir_all(Path::new("/db")).unwrap();
        let list = FileList::load(&vfs, Path::new("/db"));
        (vfs, list)
    }

    fn known(len: u64) -> Known {
        Known { len, rows: len / 2, highest: 3, late: len.is_multiple_of(3) }
    }

    #[test]
    fn lines_are_appended_and_read_back() {
        let (vfs, list) = list();
        list.learn(&vfs, vec![("data-2026-05-21.dat".into(), known(8))]);
        assert!(vfs.snapshot().is_empty(), "nothing is written before this program makes a file");
        list.note(&vfs, &[("data-2026-05-22.dat".into(), known(10))], &[]);
        list.note(&vfs, &[("data-2026-05-22.dat".into(), known(20))], &["data-2026-05-21.dat".into()]);
        let again = FileList::load(&vfs, Path::new("/db"));
        assert_eq!(again.get("data-2026-05-22.dat"), Some(known(20)));
        assert_eq!(again.get("data-2026-05-21.dat"), None);
        // It does not grow for ever.
        for round in 0..2_000 {
            again.note(&vfs, &[("data-2026-05-22.dat".into(), known(round))], &[]);
        }
        let bytes = vfs.snapshot().remove(Path::new("/db/.files")).unwrap();
        assert!(bytes.len() < 30_000, "{}", bytes.len());
        assert_eq!(FileList::load(&vfs, Path::new("/db")).get("data-2026-05-22.dat"), Some(known(1_999)));
    }

    #[test]
    fn a_damaged_line_is_left_out_and_told() {
        let (vfs, list) = list();
        list.note(&vfs, &[("data-2026-05-22.dat".into(), known(10))], &[]);
        list.note(&vfs, &[("data-2026-05-23.dat".into(), known(20))], &[]);
        let whole = vfs.snapshot().remove(Path::new("/db/.files")).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            vfs.put(Path::new("/db/.files"), &damaged).unwrap();
            let found = FileList::load(&vfs, Path::new("/db"));
            let mut is_whole = true;
            for (name, len) in [("data-2026-05-22.dat", 10), ("data-2026-05-23.dat", 20)] {
                assert!([None, Some(known(len))].contains(&found.get(name)), "bit {bit}: {name}");
                is_whole &= found.get(name).is_some();
            }
            assert!(is_whole || found.damage().is_some(), "bit {bit}");
            assert!(found.lock().files.len() <= 2, "bit {bit}");
        }
    }
    #[test]
    fn a_list_that_a_loss_of_power_cut_is_not_damaged_and_goes_on() {
        let (vfs, list) = list();
        list.note(&vfs, &[("data-2026-05-22.dat".into(), known(10))], &[]);
        list.note(&vfs, &[("data-2026-05-23.dat".into(), known(20))], &[]);
        let whole = vfs.snapshot().remove(Path::new("/db/.files")).unwrap();
        for at in 0..whole.len() {
            for zeros in [0, 512] {
                let mut cut = whole.get(..at).unwrap().to_vec();
                cut.resize(at + zeros, 0);
                vfs.put(Path::new("/db/.files"), &cut).unwrap();
                let found = FileList::load(&vfs, Path::new("/db"));
                assert_eq!(found.damage(), None, "{at} {zeros}");
                // What is appended is read back, whatever it came behind.
                found.note(&vfs, &[("data-2026-05-24.dat".into(), known(30))], &[]);
                let again = FileList::load(&vfs, Path::new("/db"));
                assert_eq!((again.get("data-2026-05-24.dat"), again.damage()), (Some(known(30)), None), "{at} {zeros}");
            }
        }
    }

    /// A start reads so much of what it does not know, and no more; before a new name is given an id, all of it is read.
    #[test]
    fn what_a_start_leaves_unread_is_known_to_be_so() {
        let (vfs, list) = list();
        let file = |name: &str, len: u64| -> Listed {
            let path = Path::new("/db").join(name);
            vfs.put(&path, &vec![7; len as usize]).unwrap();
            (path, None, len)
        };
        let files = vec![file("metric-3.dat", 3_000), file("metric-2.dat", 5_000), file("metric-1.dat", 900)];
        list.read_ids(&vfs, files.clone(), MOST_READ).unwrap();
        assert!(list.unread.load(Ordering::Acquire));
        let known =
            |list: &FileList| files.iter().map(|(path, ..)| list.get(&name_of(path)).is_some()).collect::<Vec<_>>();
        assert_eq!(known(&list), [true, false, true]);
        list.read_ids(&vfs, files.clone(), u64::MAX).unwrap();
        assert!(!list.unread.load(Ordering::Acquire));
        assert_eq!(known(&list), [true, true, true]);
        // A file that went meanwhile holds no ids any more.
        list.read_ids(&vfs, vec![(PathBuf::from("/db/metric-0.dat"), None, 9)], u64::MAX).unwrap();
        list.reserve(40);
        list.note_highest(&vfs);
        assert_eq!(FileList::load(&vfs, Path::new("/db")).highest(), 40);
    }
}
