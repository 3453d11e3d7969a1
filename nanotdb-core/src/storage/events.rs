//! The files of a database's events, read whole and in order: to be checked, and carried along.

use super::vfs::Vfs;
use crate::format::DecodeError;
use crate::format::events::{
    self, CATALOG_FILE, EventNames, Frame, HEADER_LEN, Log, decode_catalog, decode_log, log_name,
};
use crate::model::Timestamp;
use crate::plugin::registry::registry;
use crate::plugin::{Codec, Partition};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Largest file that is read. The original's log has no limit, and is some hundred kilobytes usually.
pub(crate) const MAX_FILE: u64 = 256 << 20;

/// What a database knows of its events beside their frames.
#[derive(Default)]
pub(crate) struct KnownEvents {
    /// Names of the catalog, and those that the log alone has.
    pub(crate) names: EventNames,
    /// The catalog as it lies there, and what is wrong with it.
    pub(crate) catalog: Option<(Vec<u8>, Option<DecodeError>)>,
    /// The log as it lies there, and what it holds.
    pub(crate) log: Option<(Vec<u8>, Log)>,
    /// Logs of databases with other names: nobody reads them.
    pub(crate) foreign_logs: Vec<PathBuf>,
}

impl KnownEvents {
    /// Reads catalog and log. Without any it is empty.
    pub(crate) fn read(vfs: &dyn Vfs, directory: &Path, database: &str) -> Result<Self> {
        let mut known = Self::default();
        if let Some(bytes) = read_file(vfs, &directory.join(CATALOG_FILE))? {
            let decoded = decode_catalog(&bytes);
            let damage = decoded.as_ref().err().cloned();
            known.names = decoded.unwrap_or_default();
            known.catalog = Some((bytes, damage));
        }
        let (own, foreign_logs) = logs(vfs, directory, database)?;
        known.foreign_logs = foreign_logs;
        if let Some(bytes) = read_file(vfs, &own)? {
            let log = decode_log(&bytes, &mut known.names);
            known.log = Some((bytes, log));
        }
        Ok(known)
    }

    /// Events of the log within these times.
    fn in_log(&self, from: Timestamp, to: Timestamp) -> u64 {
        let rows = self.log.iter().flat_map(|(_, log)| &log.records).map(|record| record.row.timestamp);
        rows.filter(|at| (from..=to).contains(at)).count() as u64
    }
}

/// The log of a database, and those of databases with other names that have something in them. Where it has none itself, or an
/// empty one, and there is one of another name, its directory was renamed or moved, and that one is its own.
fn logs(vfs: &dyn Vfs, directory: &Path, database: &str) -> Result<(PathBuf, Vec<PathBuf>)> {
    let own = log_name(database);
    let entries = vfs.read_dir(directory).map_err(|e| Error::io("list", directory, e))?;
    let (mine, others): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .filter(|e| !e.is_dir && e.len > 0 && e.name.ends_with(events::LOG_SUFFIX))
        .partition(|e| e.name == own);
    let mut others: Vec<_> = others.into_iter().map(|entry| (entry.len, directory.join(entry.name))).collect();
    if let Some(own) = mine.first() {
        // A rename that was interrupted leaves the same under both names.
        let own = (own.len, directory.join(&own.name));
        let mut left = Vec::new();
        for other in others {
            if other.0 != own.0 || read_file(vfs, &other.1)? != read_file(vfs, &own.1)? {
                left.push(other);
            }
        }
        others = left;
    }
    let mut others: Vec<PathBuf> = others.into_iter().map(|(_, path)| path).collect();
    if mine.is_empty() && others.len() == 1 {
        return Ok((others.remove(0), Vec::new()));
    }
    Ok((directory.join(own), others))
}

/// Gives the log of a database whose directory was renamed or moved the name that belongs to it. The directory is open to nobody.
pub(crate) fn adopt_log(vfs: &dyn Vfs, directory: &Path, database: &str) -> Result<()> {
    let (log, _) = logs(vfs, directory, database)?;
    let own = directory.join(log_name(database));
    if log == own {
        return Ok(());
    }
    tracing::info!(database, log = %log.display(), "the log of events of a directory that was renamed gets its name");
    vfs.rename(&log, &own).map_err(|e| Error::io("rename", &log, e))?;
    vfs.sync_dir(directory).map_err(|e| Error::io("fsync", directory, e))
}

/// The codec of frames; this program may come without.
pub(crate) fn frame_codec() -> Option<&'static dyn Codec> {
    registry().codec("s2").ok()
}

/// The partition that a file of frames is of, by its name.
pub(crate) fn partition_of(path: &Path) -> Option<Partition> {
    let part = events::part_of_file(path.file_name()?.to_str()?)?;
    registry().partitioners().iter().find_map(|partitioner| partitioner.parse_part(part))
}

/// A file, if it is there.
pub(crate) fn read_file(vfs: &dyn Vfs, path: &Path) -> Result<Option<Vec<u8>>> {
    match vfs.read(path, MAX_FILE) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// A part of a file of frames: one frame, or bytes that are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// First byte.
    pub(crate) from: usize,
    /// First byte behind.
    pub(crate) to: usize,
    /// Events in it, by its header, where that can be read.
    pub(crate) rows: Option<u32>,
    /// First and last time of them.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    /// What is wrong with it; `None` for a whole frame.
    pub(crate) damage: Option<String>,
    /// Whether it is the start of a frame at the end of the file whose events are in the log, or in another frame: that is what
    /// a kill leaves.
    pub(crate) is_unfinished: bool,
}

/// Cuts a file into frames and what is between them.
pub(crate) fn pieces(bytes: &[u8], partition: Option<Partition>, known: &KnownEvents) -> Vec<Piece> {
    let codec = frame_codec();
    let mut pieces = Vec::new();
    let mut at = 0usize;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let (rows, span) = match Frame::decode_header(rest) {
            Ok(Some((start, end, rows))) if is_within(partition, start) && is_within(partition, end) => {
                (Some(rows), Some((start, end)))
            }
            _ => (None, None),
        };
        let piece = |to: usize, damage: Option<String>, is_unfinished: bool| Piece {
            from: at,
            to,
            rows,
            span,
            damage,
            is_unfinished,
        };
        let next = |from: usize| events::next_frame(bytes, from, partition).unwrap_or(bytes.len());
        let found = match Frame::decode(rest) {
            Ok(Some(frame)) => {
                let damage = match codec {
                    Some(codec) => frame.rows(codec, &known.names).err().map(|e| e.reason),
                    None => None,
                };
                let outside = (!is_within(partition, frame.start) || !is_within(partition, frame.end))
                    .then(|| "its events are of another partition than its name says".to_owned());
                piece(at.saturating_add(frame.len()), damage.or(outside), false)
            }
            Ok(None) => {
                let to = next(at.saturating_add(1));
                let in_log = span.map_or(0, |(start, end)| known.in_log(start, end));
                let is_in_log = rows.is_some_and(|rows| in_log >= u64::from(rows));
                let is_unfinished = to == bytes.len() && (is_in_log || is_repeated(bytes, &pieces, rest));
                let what = if rest.len() < HEADER_LEN { "a part of a frame header" } else { "a part of a frame" };
                piece(to, Some(what.to_owned()), is_unfinished)
            }
            Err(e) => piece(next(at.saturating_add(1)), Some(e.reason), false),
        };
        at = found.to;
        pieces.push(found);
    }
    pieces
}

/// Whether a whole frame begins with these bytes: then nothing is missing that is not there.
fn is_repeated(bytes: &[u8], before: &[Piece], part: &[u8]) -> bool {
    let mut whole = before.iter().filter(|piece| piece.damage.is_none());
    part.len() >= HEADER_LEN
        && whole.any(|piece| bytes.get(piece.from..piece.to).is_some_and(|frame| frame.starts_with(part)))
}

fn is_within(partition: Option<Partition>, at: Timestamp) -> bool {
    partition.is_none_or(|partition| partition.contains(at))
}
