//! catalog.json: the metrics of a database.

use super::DecodeError;
use crate::model::{MetricId, ValueType, name};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// One metric of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// Name.
    pub name: String,
    /// Id, 1..=65535.
    pub id: MetricId,
    /// Type.
    pub value_type: ValueType,
}

#[derive(Serialize, Deserialize)]
struct Document {
    // The original writes null for a catalog without metrics.
    #[serde(default)]
    metrics: Option<Vec<Entry>>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    id: u16,
    #[serde(rename = "type")]
    value_type: u8,
}

/// Decodes catalog.json. An empty file is a catalog without metrics: the original leaves one when it is killed early.
pub fn decode(bytes: &[u8]) -> Result<Vec<CatalogEntry>, DecodeError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let document: Document =
        serde_json::from_slice(bytes).map_err(|e| DecodeError::new(0, format!("not a catalog: {e}")))?;
    let mut names = HashSet::new();
    let mut ids = HashSet::new();
    let mut entries = Vec::new();
    for entry in document.metrics.unwrap_or_default() {
        let wrong = |what: &str| DecodeError::new(0, format!("metric {:?} (id {}): {what}", entry.name, entry.id));
        name::check_metric_name(entry.name.as_bytes()).map_err(|e| wrong(&e))?;
        let value_type = ValueType::from_code(entry.value_type)
            .ok_or_else(|| wrong(&format!("type {} is not known; 1 to 4 are", entry.value_type)))?;
        if entry.id == 0 {
            return Err(wrong("ids start at 1"));
        }
        if !ids.insert(entry.id) {
            return Err(wrong("the id is used twice"));
        }
        if !names.insert(entry.name.clone()) {
            return Err(wrong("the name is used twice"));
        }
        entries.push(CatalogEntry { name: entry.name, id: entry.id, value_type });
    }
    Ok(entries)
}

/// Encodes catalog.json: sorted by name, two spaces of indentation.
pub fn encode<'a>(entries: impl Iterator<Item = (&'a str, MetricId, ValueType)>) -> Vec<u8> {
    let mut metrics: Vec<_> = entries
        .map(|(name, id, value_type)| Entry { name: name.to_owned(), id, value_type: value_type.code() })
        .collect();
    metrics.sort_by(|a, b| a.name.cmp(&b.name));
    // Serialising strings and integers into memory cannot fail.
    let mut bytes = serde_json::to_vec_pretty(&Document { metrics: Some(metrics) }).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
