//! catalog.json: the metrics of a database.
//!
//! A metric that has widened has an entry for each type that it had, with an id of its own and `then`, the id that its name went on
//! with. Entries of other metrics are those of the original.

use super::DecodeError;
use crate::model::{MetricId, ValueType, name};
use crate::order;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// One metric of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// Name.
    pub name: String,
    /// Id, 1..=65535.
    pub id: MetricId,
    /// Type.
    pub value_type: ValueType,
    /// Its values are a program's float32, which mean themselves and no decimals.
    pub typed: bool,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    then: Option<u16>,
    #[serde(default, skip_serializing_if = "is_false")]
    typed: bool,
}

/// For serde, which hands a reference over.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(mark: &bool) -> bool {
    !*mark
}

/// Decodes catalog.json. An empty file is a catalog without metrics: the original leaves one when it is killed early.
pub fn decode(bytes: &[u8]) -> Result<Vec<CatalogEntry>, DecodeError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let document: Document =
        serde_json::from_slice(bytes).map_err(|e| DecodeError::new(0, format!("not a catalog: {e}")))?;
    let mut names: HashMap<String, Vec<Named>> = HashMap::new();
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
        names.entry(entry.name.clone()).or_default().push((entry.id, value_type, entry.then));
        if entry.typed && value_type != ValueType::Float32 {
            return Err(DecodeError::new(0, format!("metric {:?}: only float32 is marked as typed", entry.name)));
        }
        entries.push(CatalogEntry { name: entry.name, id: entry.id, value_type, typed: entry.typed });
    }
    for (name, ids) in &mut names {
        ids.sort_unstable_by_key(|(id, ..)| *id);
        if !goes_on(ids) {
            return Err(DecodeError::new(
                0,
                format!("metric {name:?}: the name is used twice, or goes on with an id that is not its own"),
            ));
        }
    }
    Ok(entries)
}

/// Id, type, and the id with which the name went on.
type Named = (MetricId, ValueType, Option<MetricId>);

/// Whether the entries of one name, by id, each say that the next one is what it went on with.
fn goes_on(ids: &[Named]) -> bool {
    let linked = ids.windows(2).all(|pair| match pair {
        [(_, former, then), (id, later, _)] => *then == Some(*id) && former.may_become(*later),
        _ => false,
    });
    linked && ids.last().is_none_or(|(_, _, then)| then.is_none())
}

/// [`encode_marked`] of metrics that are all text or of other types than float32.
pub fn encode<'a>(entries: impl Iterator<Item = (&'a str, MetricId, ValueType)>) -> Vec<u8> {
    encode_marked(entries.map(|(name, id, value_type)| (name, id, value_type, false)))
}

/// Encodes catalog.json: sorted by name, two spaces of indentation. Of several ids with one name, each went on with the next. The last item
/// of an entry is [`CatalogEntry::typed`].
pub fn encode_marked<'a>(entries: impl Iterator<Item = (&'a str, MetricId, ValueType, bool)>) -> Vec<u8> {
    let entry = |(name, id, value_type, typed): (&str, MetricId, ValueType, bool)| Entry {
        name: name.to_owned(),
        id,
        value_type: value_type.code(),
        then: None,
        typed: typed && value_type == ValueType::Float32,
    };
    let mut metrics: Vec<_> = entries.map(entry).collect();
    order::sort_by(&mut metrics, |a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    let next = metrics.iter().skip(1).map(Some).chain([None]);
    let same_name =
        |(entry, next): (&Entry, Option<&Entry>)| next.filter(|next| next.name == entry.name).map(|next| next.id);
    let then: Vec<Option<MetricId>> = metrics.iter().zip(next).map(same_name).collect();
    for (entry, then) in metrics.iter_mut().zip(then) {
        entry.then = then;
    }
    // Serialising strings and integers into memory cannot fail.
    let mut bytes = serde_json::to_vec_pretty(&Document { metrics: Some(metrics) }).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
