//! Reads typed values out of TOML tables. The keys that are asked for are the known ones; what is left over is warned of. A
//! wrong value is noted and left out, so that one reading finds every mistake.

use super::{Choice, size};
use crate::model::duration;
use crate::{Error, Result};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::{Table, Value};

/// Wrong values, by the order in which they were read; of one key the first.
#[derive(Default)]
struct Mistakes {
    errors: Vec<Error>,
    keys: BTreeSet<String>,
}

/// What reading a file came to.
pub(super) struct Read {
    /// One sentence for each unknown key.
    pub(super) warnings: Vec<String>,
    /// Wrong values.
    pub(super) mistakes: Vec<Error>,
    /// The dotted names of all keys that were asked for.
    pub(super) known: BTreeSet<String>,
}

/// One file being read.
pub(super) struct Document<'a> {
    file: &'a Path,
    warnings: RefCell<Vec<String>>,
    mistakes: RefCell<Mistakes>,
    known: RefCell<BTreeSet<String>>,
}

impl<'a> Document<'a> {
    /// Parses the syntax. An error names the file, the line and the column.
    pub(super) fn parse(text: &str, file: &'a Path) -> Result<(Self, Table)> {
        let table = text.parse::<Table>().map_err(|e| {
            let start = e.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            let message = e.message().trim().replace('\n', " ");
            Error::bad_input(format!("{}: line {line}, column {column}: {message}", file.display()))
        })?;
        let (warnings, mistakes, known) = (RefCell::default(), RefCell::default(), RefCell::default());
        Ok((Self { file, warnings, mistakes, known }, table))
    }

    /// The file's top level.
    pub(super) fn root<'d>(&'d self, table: &'d Table) -> Section<'d> {
        Section { document: self, table, path: String::new(), known: RefCell::default() }
    }

    /// What it came to.
    pub(super) fn finish(self) -> Read {
        let mistakes = self.mistakes.into_inner().errors;
        Read { warnings: self.warnings.into_inner(), mistakes, known: self.known.into_inner() }
    }
}

/// One table of a file. `path` is its dotted name with a trailing point, empty for the top level.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    table: &'a Table,
    path: String,
    known: RefCell<Vec<&'static str>>,
}

/// What an absent table reads as.
fn empty() -> &'static Table {
    static EMPTY: std::sync::OnceLock<Table> = std::sync::OnceLock::new();
    EMPTY.get_or_init(Table::new)
}

impl<'a> Section<'a> {
    /// The value of a key, which is known from here on.
    pub(super) fn get(&self, key: &'static str) -> Option<&'a Value> {
        self.known.borrow_mut().push(key);
        self.document.known.borrow_mut().insert(format!("{}{key}", self.path));
        self.table.get(key)
    }

    /// Whether a key is in the table.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether the value of a key was refused.
    pub(super) fn is_wrong(&self, key: &str) -> bool {
        self.document.mistakes.borrow().keys.contains(&format!("{}{key}", self.path))
    }

    /// Notes that a key has a wrong value. What follows from the first mistake of a key is none of its own.
    pub(super) fn refuse(&self, key: &str, value: impl std::fmt::Display, accepted: impl Into<String>) {
        let mut mistakes = self.document.mistakes.borrow_mut();
        if !mistakes.keys.insert(format!("{}{key}", self.path)) {
            return;
        }
        const LONGEST: usize = 80;
        let mut value = value.to_string();
        if let Some((end, _)) = value.char_indices().nth(LONGEST) {
            value.truncate(end);
            value.push_str("...");
        }
        mistakes.errors.push(Error::Config {
            file: self.document.file.to_owned(),
            key: format!("{}{key}", self.path),
            value,
            accepted: format!("accepted: {}", accepted.into()),
        });
    }

    /// A subtable; an absent one reads as empty.
    pub(super) fn section(&self, key: &'static str) -> Section<'a> {
        let table = match self.get(key) {
            None => empty(),
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.refuse(key, other, format!("a table, [{}{key}]", self.path));
                empty()
            }
        };
        Section { document: self.document, table, path: format!("{}{key}.", self.path), known: RefCell::default() }
    }

    /// An array of tables, or `None` when absent.
    pub(super) fn sections(&self, key: &'static str) -> Option<Vec<Section<'a>>> {
        let value = self.get(key)?;
        let refuse = || self.refuse(key, value, format!("tables, [[{}{key}]]", self.path));
        let Some(items) = value.as_array() else {
            refuse();
            return None;
        };
        let sections = items.iter().enumerate().filter_map(|(i, item)| {
            let Some(table) = item.as_table() else {
                refuse();
                return None;
            };
            let path = format!("{}{key}[{i}].", self.path);
            Some(Section { document: self.document, table, path, known: RefCell::default() })
        });
        Some(sections.collect())
    }

    pub(super) fn bool(&self, key: &'static str, field: &mut bool) {
        if let Some(value) = self.get(key) {
            match value.as_bool() {
                Some(found) => *field = found,
                None => self.refuse(key, value, "true or false"),
            }
        }
    }

    /// An integer in `range`.
    pub(super) fn integer(&self, key: &'static str, field: &mut u64, range: RangeInclusive<u64>) {
        if let Some(value) = self.get(key) {
            let accepted = || match *range.end() {
                u64::MAX => format!("an integer of at least {}", range.start()),
                end => format!("an integer, {} to {end}", range.start()),
            };
            match value.as_integer().and_then(|n| u64::try_from(n).ok()).filter(|n| range.contains(n)) {
                Some(found) => *field = found,
                None => self.refuse(key, value, accepted()),
            }
        }
    }

    /// As `integer`, for a field of 32 bits.
    pub(super) fn small(&self, key: &'static str, field: &mut u32, range: RangeInclusive<u32>) {
        let mut wide = u64::from(*field);
        self.integer(key, &mut wide, u64::from(*range.start())..=u64::from(*range.end()));
        *field = u32::try_from(wide).unwrap_or(*field);
    }

    /// Bytes as an integer or as text such as "64MiB".
    pub(super) fn size(&self, key: &'static str, field: &mut u64, least: u64) {
        if let Some(value) = self.get(key) {
            let found = match value {
                Value::Integer(n) => u64::try_from(*n).ok(),
                Value::String(text) => size::parse_size(text).ok(),
                _ => None,
            };
            match found.filter(|n| *n >= least) {
                Some(found) => *field = found,
                None => self.refuse(key, value, format!("at least {least} {}", size::ACCEPTED)),
            }
        }
    }

    /// A duration of at least `least`; empty text leaves the field as it is.
    pub(super) fn duration(&self, key: &'static str, field: &mut Duration, least: Duration) {
        let mut found = Some(*field);
        self.optional_duration(key, &mut found, least);
        if let Some(found) = found {
            *field = found;
        }
    }

    /// As `duration`; empty text means none.
    pub(super) fn optional_duration(&self, key: &'static str, field: &mut Option<Duration>, least: Duration) {
        let Some(value) = self.get(key) else { return };
        let parse = |text: &str| duration::parse_non_negative(text).ok().filter(|found| *found >= least);
        match value.as_str() {
            Some("") => *field = None,
            text => match text.and_then(parse) {
                Some(found) => *field = Some(found),
                None => {
                    let least = match least {
                        Duration::ZERO => "zero or more",
                        _ => "more than zero",
                    };
                    self.refuse(key, value, format!("a duration in quotes, {least}: {}", duration::ACCEPTED));
                }
            },
        }
    }

    /// One of a few words.
    pub(super) fn choice<C: Choice>(&self, key: &'static str, field: &mut C) {
        if let Some(value) = self.get(key) {
            match value.as_str().and_then(|text| C::parse(text).ok()) {
                Some(found) => *field = found,
                None => self.refuse(key, value, C::accepted()),
            }
        }
    }

    /// Text that `check` takes.
    pub(super) fn text(
        &self,
        key: &'static str,
        field: &mut String,
        check: impl Fn(&str) -> std::result::Result<(), String>,
    ) {
        let Some(value) = self.get(key) else { return };
        match value.as_str().map(|text| check(text).map(|()| text)) {
            None => self.refuse(key, value, "text in quotes"),
            Some(Err(accepted)) => self.refuse(key, value, accepted),
            Some(Ok(text)) => text.clone_into(field),
        }
    }

    /// As `text`; empty text means none.
    pub(super) fn optional_text(
        &self,
        key: &'static str,
        field: &mut Option<String>,
        check: impl Fn(&str) -> std::result::Result<(), String>,
    ) {
        let mut text = field.take().unwrap_or_default();
        self.text(key, &mut text, |text| if text.is_empty() { Ok(()) } else { check(text) });
        *field = Some(text).filter(|text| !text.is_empty());
    }

    /// A list of texts that `check` takes.
    pub(super) fn texts(
        &self,
        key: &'static str,
        field: &mut Vec<String>,
        check: impl Fn(&str) -> std::result::Result<(), String>,
    ) {
        let Some(value) = self.get(key) else { return };
        let texts = value.as_array().and_then(|items| items.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        let Some(texts) = texts else { return self.refuse(key, value, "a list of texts, such as [\"a\", \"b\"]") };
        for text in &texts {
            if let Err(accepted) = check(text) {
                return self.refuse(key, Value::from(*text), accepted);
            }
        }
        *field = texts.into_iter().map(str::to_owned).collect();
    }

    /// A path; empty only where that has a meaning.
    pub(super) fn path(&self, key: &'static str, field: &mut PathBuf, may_be_empty: bool) {
        let mut text = None;
        self.optional_text(key, &mut text, |text| match text.contains('\0') {
            true => Err("a path".into()),
            false => Ok(()),
        });
        match text {
            Some(text) => *field = text.into(),
            None if may_be_empty || !self.has(key) => {}
            None => self.refuse(key, "\"\"", "the path of a file"),
        }
    }

    /// Takes a whole subtable as written; its keys are not looked at.
    pub(super) fn table(&self, key: &'static str, field: &mut Table) {
        let section = self.section(key);
        if self.has(key) {
            *field = section.table.clone();
        }
    }

    /// Warns of the keys that nothing asked for.
    pub(super) fn warn_of_the_rest(self) {
        let known = self.known.into_inner();
        for key in self.table.keys().filter(|key| !known.contains(&key.as_str())) {
            let shown = match key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                true => key.clone(),
                false => format!("{key:?}"),
            };
            let hint = match nearest(key, &known) {
                Some(near) => format!("did you mean {}{near}?", self.path),
                None => format!("known here are {}", known.join(", ")),
            };
            self.document.warnings.borrow_mut().push(format!(
                "{}: unknown key {}{shown} is ignored; {hint}",
                self.document.file.display(),
                self.path
            ));
        }
    }
}

/// The known name that is at most two edits away, one for the shortest.
pub fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let key = key.to_ascii_lowercase();
    let most = if key.len() < 4 { 1 } else { 2 };
    let close = known.iter().filter(|k| k.len().abs_diff(key.len()) <= most);
    close.map(|k| (edits(&key, k), *k)).filter(|(edits, _)| *edits <= most).min().map(|(_, k)| k)
}

/// Insertions, removals and replacements that turn one text into the other.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (b, above) in to.bytes().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(a != b)).min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance() {
        let cases = [("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0), ("flaw", "lawn", 2), ("ab", "ba", 2)];
        for (from, to, expected) in cases {
            assert_eq!(edits(from, to), expected);
            assert_eq!(edits(to, from), expected);
        }
        assert_eq!(nearest("listem", &["listen", "wal"]), Some("listen"));
        assert_eq!(nearest("xyz", &["listen", "wal"]), None);
    }
}
