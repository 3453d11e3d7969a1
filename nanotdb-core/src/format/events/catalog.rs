//! events.json: the names of a database's events.

use super::{EventName, EventNames, EventType, MAX_ID};
use crate::format::DecodeError;
use serde::Deserialize;
use std::collections::HashSet;
use std::fmt::Write;

/// Longest name in bytes.
const MAX_NAME: usize = 255;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    events: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    id: u16,
    #[serde(default)]
    value_type: String,
}

/// Decodes events.json. An empty file is a catalog without names; what stands behind the document is left out, as in the original.
pub fn decode(bytes: &[u8]) -> Result<EventNames, DecodeError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(EventNames::new());
    }
    let not_a_catalog = |reason: String| DecodeError::new(0, format!("not a catalog of events: {reason}"));
    let mut documents = serde_json::Deserializer::from_slice(bytes).into_iter::<Document>();
    let document = match documents.next() {
        Some(document) => document.map_err(|e| not_a_catalog(e.to_string()))?,
        None => return Err(not_a_catalog("it is empty".to_owned())),
    };
    let mut found = EventNames::new();
    let mut names = HashSet::new();
    for Entry { name, id, value_type } in document.events.unwrap_or_default() {
        let wrong = |what: &str| Err(DecodeError::new(0, format!("event {name:?} (id {id}): {what}")));
        let Some(value_type) = EventType::from_name(&value_type) else {
            return wrong(&format!("type {value_type:?} is not known; none, int32 and float32 are"));
        };
        if name.is_empty() || name.len() > MAX_NAME {
            return wrong("a name has 1 to 255 bytes");
        }
        if id == 0 || id > MAX_ID {
            return wrong("ids are 1 to 1023");
        }
        if !names.insert(name.clone()) {
            return wrong("the name is used twice");
        }
        if found.contains_key(&id) {
            return wrong("the id is used twice");
        }
        found.insert(id, EventName { name, value_type });
    }
    Ok(found)
}

/// The first id that no name has although a later one has: the original gives the number of names and one more to the next name,
/// which is then in use already.
pub fn missing_id(names: &EventNames) -> Option<u16> {
    (1u16..).zip(names.keys()).find(|(expected, id)| expected != *id).map(|(expected, _)| expected)
}

/// The document as the original writes it: by name, with Go's escapes.
pub fn encode(names: &EventNames) -> Vec<u8> {
    let mut entries: Vec<_> = names.iter().collect();
    entries.sort_by(|(_, a), (_, b)| a.name.as_bytes().cmp(b.name.as_bytes()));
    if entries.is_empty() {
        return b"{\n  \"events\": []\n}\n".to_vec();
    }
    let mut out = String::from("{\n  \"events\": [");
    for (at, (id, EventName { name, value_type })) in entries.into_iter().enumerate() {
        out.push_str(if at == 0 { "\n" } else { ",\n" });
        out.push_str("    {\n      \"name\": ");
        push_quoted(name, &mut out);
        let _ = write!(out, ",\n      \"id\": {id},\n      \"value_type\": \"{}\"\n    }}", value_type.name());
    }
    out.push_str("\n  ]\n}\n");
    out.into_bytes()
}

fn push_quoted(text: &str, out: &mut String) {
    let quoted = serde_json::Value::from(text).to_string();
    for c in quoted.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            other => out.push(other),
        }
    }
}
