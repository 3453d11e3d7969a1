//! `<db>.events.wal`: events that are in no frame yet, and often some that are.
//!
//! ```text
//! | uvarint len | id u16 | ts i64 | flags u8 | [name_len u8 | name | type u8] | [value 4] | uvarint payload_len | payload |
//!               0        2        10         11
//! ```
//!
//! `len` counts everything behind itself; bit 7 of the flags says that name and type follow. There is no checksum.

use super::frame::decode_tail;
use super::{EventName, EventNames, EventRow, EventType};
use crate::format::{DecodeError, get_i64, get_u16, get_uvarint};

const NAME_FOLLOWS: u8 = 0x80;

/// One event of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Offset of its length.
    pub offset: usize,
    /// The event.
    pub row: EventRow,
}

/// What a log holds.
#[derive(Debug, Default)]
pub struct Log {
    /// Events, in the order in which they came.
    pub records: Vec<LogRecord>,
    /// Where the last whole record ends. What follows was being written, or is damaged.
    pub end: usize,
    /// What is wrong there. `None` for a record that is cut off: that is where a log ends which was being written.
    pub damage: Option<DecodeError>,
}

/// Decodes a log up to its end or the first record that is wrong, behind which nothing can be found. Names that it announces
/// come into `names`.
pub fn decode(bytes: &[u8], names: &mut EventNames) -> Log {
    let mut log = Log::default();
    while let Some((len, prefix)) = get_uvarint(bytes.get(log.end..).unwrap_or_default()) {
        let from = log.end.saturating_add(prefix);
        let to = from.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        let Some(record) = bytes.get(from..to) else { break };
        match decode_record(record, names) {
            Ok(row) => log.records.push(LogRecord { offset: log.end, row }),
            Err(reason) => {
                log.damage = Some(DecodeError::new(log.end, reason));
                return log;
            }
        }
        log.end = to;
    }
    log
}

fn decode_record(record: &[u8], names: &mut EventNames) -> Result<EventRow, String> {
    let cut = || "no event: too short".to_owned();
    let (id, timestamp) = (get_u16(record, 0).ok_or_else(cut)?, get_i64(record, 2).ok_or_else(cut)?);
    let flags = *record.get(10).ok_or_else(cut)?;
    let mut at = 11usize;
    match flags {
        0 => {}
        NAME_FOLLOWS => {
            let len = usize::from(*record.get(at).ok_or_else(cut)?);
            let end = at.saturating_add(1).saturating_add(len);
            let name = record.get(at.saturating_add(1)..end).ok_or_else(cut)?;
            let code = *record.get(end).ok_or_else(cut)?;
            let value_type = EventType::from_code(code).ok_or_else(|| format!("type {code} is not known"))?;
            announce(id, name, value_type, names)?;
            at = end.saturating_add(1);
        }
        other => return Err(format!("flags 0x{other:02x} are not known")),
    }
    let name = names.get(&id).ok_or_else(|| format!("event id {id} is in no catalog"))?;
    let tail = record.get(at..).unwrap_or_default();
    let (row, len) = decode_tail(tail, (id, timestamp), name.value_type.len()).ok_or_else(cut)?;
    if at.saturating_add(len) != record.len() {
        return Err("bytes behind the payload".to_owned());
    }
    Ok(row)
}

fn announce(id: u16, name: &[u8], value_type: EventType, names: &mut EventNames) -> Result<(), String> {
    let name = std::str::from_utf8(name).map_err(|_| format!("the name of event id {id} is not UTF-8"))?;
    let announced = EventName { name: name.to_owned(), value_type };
    match names.get(&id) {
        Some(known) if *known != announced => {
            Err(format!("event id {id} is {:?} here, and {:?} before", announced.name, known.name))
        }
        Some(_) => Ok(()),
        None if id == 0 || id > super::MAX_ID || name.is_empty() => Err(format!("an event cannot have id {id}")),
        None => {
            names.insert(id, announced);
            Ok(())
        }
    }
}
