//! Cycles that wait on disk while the server is away: small segments, sent and removed in order.
//!
//! A segment is a request. It is written to until it is large enough or until it is sent; a segment of an earlier run is
//! never appended to, so that a torn end stays an end. What is in a file that was sent and not yet removed when drip
//! ended is told by asking the server for its newest sample, not by a file of positions.

mod record;

pub(crate) use record::CycleText;

use crate::config::SpoolConfig;
use record::Found;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes after which the next segment is begun; also about the largest request. Small, because a segment is in memory
/// while it is sent, and what drip may use of that is small.
const SEGMENT_BYTES: u64 = 64 << 10;
/// Smallest part of the spool that is dropped at once: with a small spool, segments are smaller.
const LEAST_SEGMENTS: u64 = 8;
const SUFFIX: &str = ".lp";
/// Instead of it, for what the server cannot take because of another host.
const SET_ASIDE: &str = "lp-other-host";

/// The spool of one drip.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
    max_bytes: u64,
    max_age_ns: i64,
    fsync: Duration,
    segment_bytes: u64,
    segments: VecDeque<Segment>,
    next: u64,
    bytes: u64,
    /// The last segment, while it is appended to.
    open: Option<Open>,
    /// The segment that is being sent.
    sending: Option<u64>,
    buffer: Vec<u8>,
    /// Held as long as this is.
    _lock: File,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    bytes: u64,
    /// Time of its first cycle.
    first_ns: i64,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
    forced: Instant,
}

/// Samples and cycles that are lost, and why.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) too_old: Amount,
    pub(crate) no_room: Amount,
    /// Damaged bytes; how many cycles they were is not known.
    pub(crate) damaged_bytes: u64,
}

/// Cycles, and the samples in them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) cycles: u64,
    pub(crate) samples: u64,
}

impl Amount {
    pub(crate) fn add(&mut self, samples: u64) {
        self.cycles += 1;
        self.samples += samples;
    }
}

/// The oldest segment, to be sent as one request.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) number: u64,
    pub(crate) cycles: Vec<CycleText>,
}

impl Spool {
    /// Opens the directory, or makes it. An error says why it cannot be used.
    pub(crate) fn open(config: &SpoolConfig) -> Result<Self, String> {
        let dir = &config.dir;
        let failed = |e: io::Error| format!("{}: {e}", dir.display());
        std::fs::create_dir_all(dir).map_err(failed)?;
        let lock = lock_file(&dir.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!("{}: another drip uses this spool; give each its own spool.dir", dir.display()));
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        let mut spool = Self {
            dir: dir.clone(),
            max_bytes: config.max_bytes,
            max_age_ns: i64::try_from(config.max_age.as_nanos()).unwrap_or(i64::MAX),
            fsync: config.fsync,
            segment_bytes: SEGMENT_BYTES.min(config.max_bytes / LEAST_SEGMENTS),
            segments: VecDeque::new(),
            next: 1,
            bytes: 0,
            open: None,
            sending: None,
            buffer: Vec::new(),
            _lock: lock,
        };
        spool.list().map_err(failed)?;
        Ok(spool)
    }

    /// Finds the segments of earlier runs.
    fn list(&mut self) -> io::Result<()> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).and_then(|n| n.parse::<u64>().ok());
            if let Some(number) = number {
                let first_ns = first_time(&entry.path()).unwrap_or(i64::MAX);
                found.push(Segment { number, bytes: entry.metadata()?.len(), first_ns });
            }
        }
        found.sort_unstable_by_key(|segment| segment.number);
        self.bytes = found.iter().map(|segment| segment.bytes).sum();
        self.next = found.last().map_or(1, |last| last.number + 1);
        self.segments = found.into();
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:016}{SUFFIX}"))
    }

    /// Adds a cycle behind the others. Makes room by dropping the oldest, which is added to `lost`.
    pub(crate) fn append(&mut self, cycle: &CycleText, lost: &mut Lost) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.clear();
        record::write(cycle, &mut bytes);
        let length = bytes.len() as u64;
        self.drop_old(cycle.timestamp_ns, lost);
        while self.bytes + length > self.max_bytes && self.drop_oldest(|lost| &mut lost.no_room, lost) {}
        let mut result = self.write(cycle.timestamp_ns, &bytes);
        // A full disk: what is older gives way, as it does in a full spool.
        while result.as_ref().is_err_and(is_full) && self.drop_oldest(|lost| &mut lost.no_room, lost) {
            result = self.write(cycle.timestamp_ns, &bytes);
        }
        self.buffer = bytes;
        result
    }

    fn write(&mut self, timestamp_ns: i64, bytes: &[u8]) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|open| open.bytes + bytes.len() as u64 > self.segment_bytes) {
            self.close()?;
        }
        if self.open.is_none() {
            let number = self.next;
            let file = OpenOptions::new().append(true).create_new(true).open(self.path(number))?;
            self.next += 1;
            self.segments.push_back(Segment { number, bytes: 0, first_ns: timestamp_ns });
            self.open = Some(Open { file, bytes: 0, forced: Instant::now() });
            // The name is as durable as what is in the file, or it was for nothing.
            File::open(&self.dir)?.sync_all()?;
        }
        let (Some(open), Some(segment)) = (&mut self.open, self.segments.back_mut()) else { return Ok(()) };
        if let Err(e) = open.file.write_all(bytes) {
            // No half cycle stays before the next one.
            open.file.set_len(open.bytes)?;
            return Err(e);
        }
        open.bytes += bytes.len() as u64;
        segment.bytes = open.bytes;
        self.bytes += bytes.len() as u64;
        if open.forced.elapsed() >= self.fsync {
            open.file.sync_data()?;
            open.forced = Instant::now();
        }
        Ok(())
    }

    /// Forces what was appended to the device, and begins a new segment with the next cycle.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        match self.open.take() {
            Some(open) => open.file.sync_data(),
            None => Ok(()),
        }
    }

    /// Drops segments in which everything is too old: those before one whose first cycle is.
    fn drop_old(&mut self, now_ns: i64, lost: &mut Lost) {
        let too_old = now_ns.saturating_sub(self.max_age_ns);
        while self.segments.get(1).is_some_and(|second| second.first_ns < too_old) {
            if !self.drop_oldest(|lost| &mut lost.too_old, lost) {
                break;
            }
        }
    }

    /// Drops the oldest segment that is not being sent. Returns whether there was one.
    fn drop_oldest(&mut self, reason: fn(&mut Lost) -> &mut Amount, lost: &mut Lost) -> bool {
        let Some(at) = self.segments.iter().position(|segment| Some(segment.number) != self.sending) else {
            return false;
        };
        let Some(segment) = self.segments.remove(at) else { return false };
        if at == self.segments.len() {
            // It was the last one, which may be open.
            self.open = None;
        }
        let path = self.path(segment.number);
        let content = std::fs::read(&path).unwrap_or_default();
        record::read(&content, |found| match found {
            Found::Cycle { lines, .. } => reason(lost).add(lines),
            Found::Damage(bytes) => lost.damaged_bytes += bytes as u64,
        });
        self.bytes = self.bytes.saturating_sub(segment.bytes);
        // When it cannot be removed, the next start finds it; there is nothing better to do.
        let _ = std::fs::remove_file(path);
        true
    }

    /// The oldest cycles, to be sent. `None` when there are none. Segments with nothing usable in them are removed; one
    /// that the device does not give back counts as damaged, so that it does not stand in the way of the others.
    pub(crate) fn next_batch(&mut self, now_ns: i64, lost: &mut Lost) -> Option<Batch> {
        let too_old = now_ns.saturating_sub(self.max_age_ns);
        while let Some(Segment { number, bytes, .. }) = self.segments.front() {
            let (number, bytes) = (*number, *bytes);
            if self.segments.len() == 1 {
                // What cannot be forced can be read all the same.
                let _ = self.close();
            }
            let content = std::fs::read(self.path(number)).unwrap_or_else(|_| {
                lost.damaged_bytes += bytes;
                Vec::new()
            });
            let mut cycles = Vec::new();
            record::read(&content, |found| match found {
                Found::Cycle { timestamp_ns, lines, .. } if timestamp_ns < too_old => lost.too_old.add(lines),
                Found::Cycle { timestamp_ns, lines, text } => {
                    cycles.push(CycleText { timestamp_ns, lines, text: text.to_owned() });
                }
                Found::Damage(bytes) => lost.damaged_bytes += bytes as u64,
            });
            if !cycles.is_empty() {
                self.sending = Some(number);
                return Some(Batch { number, cycles });
            }
            self.remove(number);
        }
        None
    }

    /// The batch was not taken; it stays the oldest.
    pub(crate) fn keep(&mut self) {
        self.sending = None;
    }

    /// The batch is with the server, or refused for good.
    pub(crate) fn done(&mut self, number: u64) {
        self.sending = None;
        self.remove(number);
    }

    /// The batch leaves the spool under another name, which it gives.
    pub(crate) fn set_aside(&mut self, number: u64) -> PathBuf {
        let from = self.path(number);
        let to = from.with_extension(SET_ASIDE);
        // When that cannot be done it is sent again by the next run.
        let _ = std::fs::rename(&from, &to);
        self.done(number);
        to
    }

    /// A file that stays because it cannot be removed is found by the next start; the server is asked then what it has.
    fn remove(&mut self, number: u64) {
        if let Some(at) = self.segments.iter().position(|segment| segment.number == number)
            && let Some(segment) = self.segments.remove(at)
        {
            self.bytes = self.bytes.saturating_sub(segment.bytes);
            let _ = std::fs::remove_file(self.path(number));
        }
    }
}

/// Read only where it is there: `sudo drip --check` may have made it, and locking takes no right to write.
fn lock_file(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => File::create(path),
        opened => opened,
    }
}

fn is_full(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// The time in the first header of a segment.
fn first_time(path: &Path) -> Option<i64> {
    use std::io::Read;
    let mut head = Vec::new();
    File::open(path).ok()?.take(64).read_to_end(&mut head).ok()?;
    let text = std::str::from_utf8(head.get(..head.iter().position(|b| *b == b'\n')?)?).ok()?;
    text.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests;
