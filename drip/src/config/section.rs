//! Reads typed values out of TOML tables. Mistakes are collected, so that all of them can be told at once.

use super::shown;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use toml::{Table, Value};
use wildmatch::WildMatch;

/// One file being read: its name, and the mistakes found so far.
pub(crate) struct Document {
    file: String,
    errors: RefCell<Vec<String>>,
}

impl Document {
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), errors: RefCell::default() }
    }

    pub(crate) fn finish(self) -> Result<(), Vec<String>> {
        let errors = self.errors.into_inner();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// One table of drip.toml. The keys that are asked for are the known ones.
///
/// A value that is not accepted is noted with its key, the reason and what would be accepted, and the default is given
/// instead; drip does not start then.
pub struct Section<'a> {
    document: &'a Document,
    /// `None` when the file does not have it.
    table: Option<&'a Table>,
    /// Its dotted name with a trailing point, empty for the top level.
    path: String,
    known: Vec<String>,
}

/// Names with `*` for any characters and `?` for one.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<WildMatch>);

impl Patterns {
    /// Whether one of them matches all of `name`.
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }
}

impl<'a> Section<'a> {
    pub(crate) fn new(document: &'a Document, table: Option<&'a Table>, path: String) -> Self {
        Self { document, table, path, known: Vec::new() }
    }

    /// Notes a key as one that may be there.
    pub(crate) fn know(&mut self, key: &str) {
        if !self.known.iter().any(|known| known == key) {
            self.known.push(key.to_owned());
        }
    }

    /// The value of a key, which is known from here on.
    fn get(&mut self, key: &str) -> Option<&'a Value> {
        self.known.push(key.to_owned());
        self.table.and_then(|table| table.get(key))
    }

    /// Notes a mistake; `accepted` says what would be right.
    pub fn refuse(&self, key: &str, reason: &str, accepted: &str) {
        let Document { file, errors } = self.document;
        errors.borrow_mut().push(format!("{file}: {}{key}: {reason}; accepted: {accepted}", self.path));
    }

    fn refuse_value(&self, key: &str, value: &Value, accepted: &str) {
        self.refuse(key, &format!("{} is not usable", shown(value)), accepted);
    }

    /// A table in this one; one that is not there reads as empty.
    pub(crate) fn section(&mut self, key: &str) -> Section<'a> {
        let table = match self.get(key) {
            None => None,
            Some(Value::Table(table)) => Some(table),
            Some(other) => {
                self.refuse_value(key, other, &format!("a table, [{}{key}]", self.path));
                None
            }
        };
        Section::new(self.document, table, format!("{}{key}.", self.path))
    }

    /// `true` or `false`.
    pub fn bool(&mut self, key: &str, default: bool) -> bool {
        let Some(value) = self.get(key) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.refuse_value(key, value, "true or false");
            default
        })
    }

    /// An integer in a range.
    pub fn integer(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(value) = self.get(key) else { return default };
        let found = value.as_integer().and_then(|n| u64::try_from(n).ok()).filter(|n| range.contains(n));
        found.unwrap_or_else(|| {
            self.refuse_value(key, value, &format!("an integer, {} to {}", range.start(), range.end()));
            default
        })
    }

    /// An integer in a range that may begin below zero.
    pub fn signed(&mut self, key: &str, default: i64, range: RangeInclusive<i64>) -> i64 {
        let Some(value) = self.get(key) else { return default };
        value.as_integer().filter(|n| range.contains(n)).unwrap_or_else(|| {
            self.refuse_value(key, value, &format!("an integer, {} to {}", range.start(), range.end()));
            default
        })
    }

    /// Text in quotes.
    pub fn text(&mut self, key: &str, default: &str) -> String {
        let Some(value) = self.get(key) else { return default.to_owned() };
        value.as_str().map_or_else(
            || {
                self.refuse_value(key, value, "text in quotes");
                default.to_owned()
            },
            str::to_owned,
        )
    }

    /// Text that `check` takes; its error says what is accepted. `None` after a mistake.
    pub(crate) fn checked<T>(
        &mut self,
        key: &str,
        default: &str,
        check: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(key, default);
        match check(&text) {
            Ok(value) => Some(value),
            Err(accepted) => {
                let accepted = accepted.trim_start_matches("accepted: ");
                self.refuse(key, &format!("{text:?} is not usable"), accepted);
                None
            }
        }
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &str, default: &[&str]) -> Vec<String> {
        let owned = || default.iter().map(|text| (*text).to_owned()).collect();
        let Some(value) = self.get(key) else { return owned() };
        let list: Option<Vec<String>> =
            value.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
        list.unwrap_or_else(|| {
            self.refuse_value(key, value, "a list of texts, [\"one\", \"two\"]");
            owned()
        })
    }

    /// A list of names with `*` for any characters and `?` for one.
    pub fn patterns(&mut self, key: &str, default: &[&str]) -> Patterns {
        Patterns(self.texts(key, default).iter().map(|text| WildMatch::new(text)).collect())
    }

    /// A table of texts by names that are not known beforehand.
    pub fn names(&mut self, key: &str) -> BTreeMap<String, String> {
        let Some(value) = self.get(key) else { return BTreeMap::new() };
        let pairs = value.as_table().and_then(|table| {
            table.iter().map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned()))).collect()
        });
        pairs.unwrap_or_else(|| {
            self.refuse_value(key, value, "a table of texts, { \"28-0316a2791aff\" = \"boiler\" }");
            BTreeMap::new()
        })
    }

    /// Notes the keys that nobody asked for.
    pub(crate) fn finish(&self) {
        for key in self.table.into_iter().flat_map(Table::keys).filter(|key| !self.known.contains(key)) {
            let accepted = match self.known.is_empty() {
                true => "none".to_owned(),
                false => self.known.join(", "),
            };
            let what = if self.path == "collectors." { "there is no such collector" } else { "unknown key" };
            self.refuse(key, what, &accepted);
        }
    }
}
