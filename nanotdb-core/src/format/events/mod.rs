//! Events of the original: a catalog of names, a log, and frames in one file per partition.
//!
//! They are read to be checked and carried along; nothing is served of them yet. Their layout is the original's, to the byte:
//! see `docs/FORMATS.md`.

mod catalog;
mod frame;
mod log;

pub use catalog::{decode as decode_catalog, encode as encode_catalog, missing_id};
pub use frame::{Frame, HEADER_LEN, MAX_PAYLOAD, decode_rows, next_frame};
pub use log::{Log, LogRecord, decode as decode_log};

use crate::model::Timestamp;
use std::collections::BTreeMap;

/// The catalog of events in a database's directory.
pub const CATALOG_FILE: &str = "events.json";
/// How the names of files with frames begin and end.
pub const FILE: (&str, &str) = ("events-", ".dat");
/// How the name of the log ends; before it stands the name of the database.
pub const LOG_SUFFIX: &str = ".events.wal";
/// Largest id of a name.
pub const MAX_ID: u16 = 1_023;

/// Name of the log of a database.
pub fn log_name(database: &str) -> String {
    format!("{database}{LOG_SUFFIX}")
}

/// Whether a file belongs to the events of a database, whole or as bytes that were kept of a damaged one.
pub fn is_events_file(name: &str) -> bool {
    let name = name.split_once(".damaged-").map_or(name, |(file, _)| file);
    name == CATALOG_FILE || name.ends_with(LOG_SUFFIX) || part_of_file(name).is_some()
}

/// The partition in the name of a file with frames.
pub fn part_of_file(name: &str) -> Option<&str> {
    name.strip_prefix(FILE.0)?.strip_suffix(FILE.1)
}

/// What the value of an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// There is none.
    None,
    /// A whole number of 32 bits.
    Int32,
    /// A float of 32 bits.
    Float32,
}

impl EventType {
    /// Its name in the catalog.
    pub fn name(self) -> &'static str {
        match self {
            EventType::None => "none",
            EventType::Int32 => "int32",
            EventType::Float32 => "float32",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "none" | "" => Some(EventType::None),
            "int32" => Some(EventType::Int32),
            "float32" => Some(EventType::Float32),
            _ => None,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(EventType::None),
            1 => Some(EventType::Int32),
            2 => Some(EventType::Float32),
            _ => None,
        }
    }

    /// Bytes of the value.
    fn len(self) -> usize {
        if self == EventType::None { 0 } else { 4 }
    }
}

/// What an event is called, and what its value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventName {
    /// The name.
    pub name: String,
    /// What its values are.
    pub value_type: EventType,
}

/// Names by id.
pub type EventNames = BTreeMap<u16, EventName>;

/// One event, as it lies in a frame or in the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventRow {
    /// Id of its name.
    pub id: u16,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Bits of the value; `None` for a name without values.
    pub value: Option<u32>,
    /// The payload; usually JSON.
    pub payload: Vec<u8>,
}

#[cfg(test)]
mod tests;
