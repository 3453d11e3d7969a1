//! Typed values of one table.

use crate::{Choice, Document, Mistake, Patterns, Problem, duration, nearest, size};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;
use toml::{Table, Value};

/// One table of a text. The keys that are asked for are the known ones.
///
/// A value that is not accepted is noted with its key and what would be accepted, and the default is given instead.
pub struct Section<'a> {
    document: &'a Document,
    table: &'a Table,
    /// Its dotted name with a trailing point, empty for the top level.
    path: String,
    known: Vec<String>,
}

/// A type of numbers: `u8` to `u64`, `i8` to `i64`, `usize`, `f32` and `f64`.
pub trait Number: Copy + PartialOrd + Display {
    /// The largest one.
    const MOST: Self;
    /// What messages call it.
    const CALLED: &'static str;

    /// The number that a value is, if it is one of this type.
    fn of(value: &Value) -> Option<Self>;
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Number for $type {
            const MOST: Self = Self::MAX;
            const CALLED: &'static str = "an integer";

            fn of(value: &Value) -> Option<Self> {
                value.as_integer().and_then(|n| Self::try_from(n).ok())
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 usize i8 i16 i32 i64);

impl Number for f64 {
    const MOST: Self = Self::MAX;
    const CALLED: &'static str = "a number";

    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(n) => Some(*n as f64),
            Value::Float(n) => Some(*n),
            _ => None,
        }
    }
}

impl Number for f32 {
    const MOST: Self = Self::MAX;
    const CALLED: &'static str = "a number";

    fn of(value: &Value) -> Option<Self> {
        f64::of(value).map(|n| n as f32)
    }
}

/// What an absent table reads as.
fn empty() -> &'static Table {
    static EMPTY: OnceLock<Table> = OnceLock::new();
    EMPTY.get_or_init(Table::new)
}

impl Document {
    /// The top level of a text.
    pub fn root<'d>(&'d self, table: &'d Table) -> Section<'d> {
        self.section("", Some(table))
    }

    /// A table by its dotted name. One that is not there reads as empty.
    pub fn section<'d>(&'d self, name: &str, table: Option<&'d Table>) -> Section<'d> {
        let path = if name.is_empty() { String::new() } else { format!("{name}.") };
        Section::new(self, table, path)
    }
}

impl<'a> Section<'a> {
    pub(crate) fn new(document: &'a Document, table: Option<&'a Table>, path: String) -> Self {
        Self { document, table: table.unwrap_or_else(|| empty()), path, known: Vec::new() }
    }

    /// Its dotted name, empty for the top level.
    pub fn name(&self) -> &str {
        self.path.trim_end_matches('.')
    }

    /// Notes a key as one that may be there.
    pub fn know(&mut self, key: &str) {
        if !self.known.iter().any(|known| known == key) {
            self.known.push(key.to_owned());
            self.document.know(format!("{}{key}", self.path));
        }
    }

    /// The value of a key as written. It is known from here on.
    pub fn value(&mut self, key: &str) -> Option<&'a Value> {
        self.know(key);
        self.table.get(key)
    }

    /// Whether a key is in the table.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The keys that are in the table.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.table.keys().map(String::as_str)
    }

    /// Whether the value of a key was refused.
    pub fn is_wrong(&self, key: &str) -> bool {
        self.document.is_wrong(&format!("{}{key}", self.path))
    }

    /// Notes a mistake that is more than a wrong value; `accepted` says what would be right.
    pub fn refuse(&self, key: &str, reason: &str, accepted: &str) {
        self.note(key, Problem::Reason(reason.to_owned()), accepted);
    }

    /// Notes that a key has a wrong value.
    pub fn refuse_value(&self, key: &str, value: impl Display, accepted: impl AsRef<str>) {
        const LONGEST: usize = 80;
        let mut value = value.to_string();
        if let Some((end, _)) = value.char_indices().nth(LONGEST) {
            value.truncate(end);
            value.push_str("...");
        }
        self.note(key, Problem::Value(value), accepted.as_ref());
    }

    /// Notes that a key is not there and has to be.
    pub fn missing(&self, key: &str, accepted: impl AsRef<str>) {
        self.refuse_value(key, "(missing)", accepted);
    }

    fn note(&self, key: &str, problem: Problem, accepted: &str) {
        self.document.note(Mistake { key: format!("{}{key}", self.path), problem, accepted: accepted.to_owned() });
    }

    /// A table in this one; one that is not there reads as empty.
    pub fn section(&mut self, key: &str) -> Section<'a> {
        let table = match self.value(key) {
            None => None,
            Some(Value::Table(table)) => Some(table),
            Some(other) => {
                self.refuse_value(key, other, format!("a table, [{}{key}]", self.path));
                None
            }
        };
        Section::new(self.document, table, format!("{}{key}.", self.path))
    }

    /// An array of tables, or `None` when absent.
    pub fn sections(&mut self, key: &str) -> Option<Vec<Section<'a>>> {
        let value = self.value(key)?;
        let refuse = || self.refuse_value(key, value, format!("tables, [[{}{key}]]", self.path));
        let Some(items) = value.as_array() else {
            refuse();
            return None;
        };
        let sections = items.iter().enumerate().filter_map(|(i, item)| {
            let Some(table) = item.as_table() else {
                refuse();
                return None;
            };
            Some(Section::new(self.document, Some(table), format!("{}{key}[{i}].", self.path)))
        });
        Some(sections.collect())
    }

    /// A whole table as written, whose keys are not looked at; `None` when absent.
    pub fn table(&mut self, key: &str) -> Option<Table> {
        let section = self.section(key);
        self.has(key).then(|| section.table.clone())
    }

    /// `true` or `false`.
    pub fn bool(&mut self, key: &str, default: bool) -> bool {
        let Some(value) = self.value(key) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.refuse_value(key, value, "true or false");
            default
        })
    }

    /// A number in a range.
    pub fn number<N: Number>(&mut self, key: &str, default: N, range: RangeInclusive<N>) -> N {
        let Some(value) = self.value(key) else { return default };
        N::of(value).filter(|n| range.contains(n)).unwrap_or_else(|| {
            let accepted = match *range.end() == N::MOST {
                true => format!("{} of at least {}", N::CALLED, range.start()),
                false => format!("{}, {} to {}", N::CALLED, range.start(), range.end()),
            };
            self.refuse_value(key, value, accepted);
            default
        })
    }

    /// Bytes as an integer or as text such as `"64MiB"`.
    pub fn size(&mut self, key: &str, default: u64, least: u64) -> u64 {
        let Some(value) = self.value(key) else { return default };
        let found = match value {
            Value::Integer(n) => u64::try_from(*n).ok(),
            Value::String(text) => size::parse_size(text).ok(),
            _ => None,
        };
        found.filter(|n| *n >= least).unwrap_or_else(|| {
            self.refuse_value(key, value, format!("at least {least} {}", size::ACCEPTED));
            default
        })
    }

    /// A duration of at least `least`; empty text means the default.
    pub fn duration(&mut self, key: &str, default: Duration, least: Duration) -> Duration {
        self.optional_duration(key, Some(default), least).unwrap_or(default)
    }

    /// As [`Section::duration`]; empty text means none.
    pub fn optional_duration(&mut self, key: &str, default: Option<Duration>, least: Duration) -> Option<Duration> {
        let Some(value) = self.value(key) else { return default };
        let parse = |text: &str| {
            let nanos = u64::try_from(duration::parse(text).ok()?).ok()?;
            Some(Duration::from_nanos(nanos)).filter(|found| *found >= least)
        };
        match value.as_str() {
            Some("") => None,
            text => text.and_then(parse).or_else(|| {
                let least = match least {
                    Duration::ZERO => "zero or more",
                    _ => "more than zero",
                };
                self.refuse_value(key, value, format!("a duration in quotes, {least}: {}", duration::ACCEPTED));
                default
            }),
        }
    }

    /// One of a few words.
    pub fn choice<C: Choice>(&mut self, key: &str, default: C) -> C {
        let Some(value) = self.value(key) else { return default };
        value.as_str().and_then(|text| C::parse(text).ok()).unwrap_or_else(|| {
            self.refuse_value(key, value, C::accepted());
            default
        })
    }

    /// Text in quotes.
    pub fn text(&mut self, key: &str, default: &str) -> String {
        self.checked(key, default, |_| Ok(()))
    }

    /// Text that `check` takes; its error says what is accepted. The default is not checked.
    pub fn checked(&mut self, key: &str, default: &str, check: impl Fn(&str) -> Result<(), String>) -> String {
        let found = self.parsed(key, |text| check(text).map(|()| text.to_owned()));
        found.unwrap_or_else(|| default.to_owned())
    }

    /// What `parse` makes of a text; its error says what is accepted. `None` when absent, or after a mistake.
    pub fn parsed<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let value = self.value(key)?;
        match value.as_str().map(parse) {
            None => self.refuse_value(key, value, "text in quotes"),
            Some(Err(accepted)) => self.refuse_value(key, value, accepted),
            Some(Ok(found)) => return Some(found),
        }
        None
    }

    /// As [`Section::checked`]; empty text means none.
    pub fn optional_text(
        &mut self,
        key: &str,
        default: Option<&str>,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        let check = |text: &str| if text.is_empty() { Ok(()) } else { check(text) };
        Some(self.checked(key, default.unwrap_or_default(), check)).filter(|text| !text.is_empty())
    }

    /// A path; empty only where that has a meaning.
    pub fn path(&mut self, key: &str, default: &Path, may_be_empty: bool) -> PathBuf {
        let is_path = |text: &str| if text.contains('\0') { Err("a path".into()) } else { Ok(()) };
        match self.optional_text(key, None, is_path) {
            Some(text) => text.into(),
            None => {
                if !may_be_empty && self.has(key) {
                    self.refuse_value(key, "\"\"", "the path of a file");
                }
                default.to_owned()
            }
        }
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &str, default: &[&str]) -> Vec<String> {
        self.checked_texts(key, |_| Ok(())).unwrap_or_else(|| default.iter().map(|text| (*text).to_owned()).collect())
    }

    /// A list of texts that `check` takes. `None` when absent, or after a mistake.
    pub fn checked_texts(&mut self, key: &str, check: impl Fn(&str) -> Result<(), String>) -> Option<Vec<String>> {
        let value = self.value(key)?;
        let texts = value.as_array().and_then(|items| items.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        let Some(texts) = texts else {
            self.refuse_value(key, value, "a list of texts, such as [\"a\", \"b\"]");
            return None;
        };
        for text in &texts {
            if let Err(accepted) = check(text) {
                self.refuse_value(key, Value::from(*text), accepted);
                return None;
            }
        }
        Some(texts.into_iter().map(str::to_owned).collect())
    }

    /// A list of names with `*` for any characters and `?` for one.
    pub fn patterns(&mut self, key: &str, default: &[&str]) -> Patterns {
        Patterns::new(self.texts(key, default))
    }

    /// A table of texts by names that are not known beforehand.
    pub fn names(&mut self, key: &str) -> BTreeMap<String, String> {
        let Some(value) = self.value(key) else { return BTreeMap::new() };
        let pairs = value.as_table().and_then(|table| {
            table.iter().map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned()))).collect()
        });
        pairs.unwrap_or_else(|| {
            self.refuse_value(key, value, "a table of texts, { \"28-0316a2791aff\" = \"boiler\" }");
            BTreeMap::new()
        })
    }

    /// Notes the keys that nobody asked for.
    pub fn finish(self) {
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        for key in self.table.keys().filter(|key| !known.contains(&key.as_str())) {
            let shown = match key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                true => key.clone(),
                false => format!("{key:?}"),
            };
            let nearest = nearest(key, &known).map(str::to_owned);
            let accepted = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            self.note(&shown, Problem::Unknown { table: self.path.clone(), nearest }, &accepted);
        }
    }
}
