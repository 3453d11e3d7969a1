//! Sections of engine.toml that others than the engine own: the server, a plugin, a program of one's own.
//!
//! ```
//! use nanotdb_core::config::{ConfigSection, EngineConfig};
//! use nanotdb_core::plugin::inventory;
//! use nanotdb_core::settings::{Key, Kind, Section};
//!
//! struct Greeting { text: String, times: u32 }
//!
//! fn read(section: &mut Section<'_>) -> Greeting {
//!     Greeting { text: section.text("text", "hello"), times: section.number("times", 1, 1..=10) }
//! }
//!
//! const KEYS: [Key; 2] = [
//!     Key::new("text", Kind::Text, "\"hello\"", "What is said."),
//!     Key::new("times", Kind::Integer, "1", "How often, 1 to 10."),
//! ];
//! inventory::submit! { ConfigSection::new("greeting", "What the server says at its start.", &KEYS, |section| drop(read(section))) }
//!
//! let config = EngineConfig::parse("[greeting]\ntimes = 3", "engine.toml".as_ref()).unwrap().value;
//! let greeting = config.section("greeting", read);
//! assert_eq!((greeting.text.as_str(), greeting.times), ("hello", 3));
//! assert!(EngineConfig::default_toml().contains("# How often, 1 to 10.\ntimes = 1\n"));
//!
//! let wrong = EngineConfig::parse("[greeting]\ntimes = 0", "engine.toml".as_ref()).unwrap_err();
//! assert_eq!(wrong.to_string(), "engine.toml: greeting.times = 0: accepted: an integer, 1 to 10");
//! ```

use super::EngineConfig;
use crate::{Error, Result};
use nanotdb_settings::{Document, Key, Kind, Section, Table, Value, template};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

/// A section of engine.toml, or some keys of one that has several owners.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ConfigSection {
    /// Its name: `[name]`.
    pub name: &'static str,
    /// What it is for, as a comment above it; empty for none.
    pub about: &'static str,
    /// Its keys, in the order in which `--init` writes them.
    pub keys: &'static [Key],
    /// Reads it, so that its mistakes are told with the others of the file. It must ask for all of the keys.
    pub check: fn(&mut Section<'_>),
    /// Where `--init` writes it: the engine's own are at 100 (`[engine]`), 200 and so on, others at the end.
    pub order: u16,
}

inventory::collect!(ConfigSection);

impl ConfigSection {
    /// A section with its keys, and what reads it.
    pub const fn new(
        name: &'static str,
        about: &'static str,
        keys: &'static [Key],
        check: fn(&mut Section<'_>),
    ) -> Self {
        Self { name, about, keys, check, order: u16::MAX }
    }

    /// Where `--init` writes it.
    #[must_use]
    pub const fn order(mut self, order: u16) -> Self {
        self.order = order;
        self
    }

    /// What is wrong with it, for tests: its template must be read without a mistake, and its keys be those that are asked for.
    pub fn laws(&self) -> std::result::Result<(), String> {
        let mut text = String::new();
        template(&mut text, self.keys, |_| None);
        let (document, table) = Document::parse(&text)?;
        let mut section = document.root(&table);
        (self.check)(&mut section);
        section.finish();
        let read = document.finish();
        if let Some(mistake) = read.mistakes.first() {
            return Err(format!("[{}]: its defaults are refused: {mistake}", self.name));
        }
        let declared: BTreeSet<String> = self.keys.iter().map(|key| key.name.to_owned()).collect();
        match read.known.symmetric_difference(&declared).find(|key| !key.contains('.')) {
            Some(key) => Err(format!("[{}]: {key} is declared or asked for, but not both", self.name)),
            None => Ok(()),
        }
    }
}

impl EngineConfig {
    /// Reads a registered section. Its mistakes were told when the file was read.
    pub fn section<T>(&self, name: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let document = Document::new();
        read(&mut document.section(name, self.sections.get(name).and_then(Value::as_table)))
    }
}

/// All that are registered, by order and name.
pub(super) fn registered() -> Vec<&'static ConfigSection> {
    let mut all: Vec<_> = inventory::iter::<ConfigSection>.into_iter().collect();
    all.sort_by_key(|section| (section.order, section.name));
    all
}

/// Fails when two register the same key.
pub(super) fn check() -> Result<()> {
    check_that_none_is_doubled(&registered())
}

fn check_that_none_is_doubled(all: &[&ConfigSection]) -> Result<()> {
    let mut taken = BTreeSet::new();
    for section in all {
        if let Some(key) = section.keys.iter().find(|key| !taken.insert((section.name, key.name))) {
            let key = format!("{}.{}", section.name, key.name);
            return Err(Error::bad_input(format!("two crates register the setting {key}; remove one of them")));
        }
    }
    Ok(())
}

/// A section of the engine, in which what others have registered is read.
pub(super) fn open<'a>(root: &mut Section<'a>, name: &str) -> Section<'a> {
    let mut section = root.section(name);
    for other in inventory::iter::<ConfigSection>.into_iter().filter(|other| other.name == name) {
        (other.check)(&mut section);
    }
    section
}

/// Reads those that the engine does not have; what stands in all that are registered is kept as written.
pub(super) fn read(root: &mut Section<'_>, own: &[&str]) -> Table {
    let mut kept = Table::new();
    let names: BTreeSet<&str> = inventory::iter::<ConfigSection>.into_iter().map(|section| section.name).collect();
    for name in names {
        if !own.contains(&name) {
            open(root, name).finish();
        }
        if let Some(Value::Table(table)) = root.value(name) {
            kept.insert(name.to_owned(), Value::Table(table.clone()));
        }
    }
    kept
}

/// What the paths of registered sections name in the root, each with its key.
pub(super) fn paths(config: &EngineConfig) -> impl Iterator<Item = (PathBuf, String)> {
    let paths = |section: &'static ConfigSection| {
        let set = config.sections.get(section.name).and_then(Value::as_table);
        section.keys.iter().filter(|key| key.kind == Kind::Path).map(move |key| {
            let set = set.and_then(|table| table.get(key.name)).and_then(Value::as_str);
            let path = set.unwrap_or_else(|| key.default.trim_matches('"'));
            (PathBuf::from(path), format!("{}.{}", section.name, key.name))
        })
    };
    inventory::iter::<ConfigSection>.into_iter().flat_map(paths)
}

/// Appends the keys of a section, with the values that were set. It has a heading of its own unless it is a part of the one before.
pub(super) fn write(w: &mut String, section: &ConfigSection, config: &EngineConfig, with_heading: bool) {
    if with_heading {
        let about = if section.about.is_empty() { String::new() } else { format!("# {}\n", section.about) };
        let _ = write!(w, "\n{about}[{}]\n", section.name);
    }
    let set = config.sections.get(section.name).and_then(Value::as_table);
    template(w, section.keys, |key| set.and_then(|table| table.get(key.name)).map(Value::to_string));
}

#[cfg(test)]
mod tests {
    use super::*;
    use nanotdb_settings::Kind;

    const KEYS: [Key; 1] = [Key::new("times", Kind::Integer, "1", "How often.")];

    fn laws(check: fn(&mut Section<'_>)) -> std::result::Result<(), String> {
        ConfigSection::new("greeting", "", &KEYS, check).laws()
    }

    #[test]
    fn two_owners_of_one_key_are_refused_and_of_one_section_are_not() {
        const OTHER: [Key; 1] = [Key::new("loud", Kind::Bool, "false", "In capitals.")];
        let section = |keys| ConfigSection::new("greeting", "", keys, |_| {});
        let (one, same, other) = (section(&KEYS), section(&KEYS), section(&OTHER));
        assert!(check_that_none_is_doubled(&[&one, &other]).is_ok());
        let told = check_that_none_is_doubled(&[&one, &other, &same]).unwrap_err().to_string();
        assert!(told.contains("two crates register the setting greeting.times"), "{told}");
    }

    #[test]
    fn keys_are_those_that_are_asked_for_and_defaults_are_taken() {
        assert_eq!(laws(|section| _ = section.number("times", 1, 1..=9)), Ok(()));
        let wrong: [fn(&mut Section<'_>); 3] = [
            |section| _ = section.number("times", 3, 3..=9),
            |section| _ = (section.number("times", 1, 1..=9), section.text("text", "")),
            |_| {},
        ];
        let told = wrong.map(|check| laws(check).unwrap_err());
        assert!(told[0].contains("times: 1 is not usable; accepted: an integer, 3 to 9"), "{told:?}");
        assert!(told[1].contains("text is declared or asked for"), "{told:?}");
        assert!(told[2].contains("times: unknown key"), "{told:?}");
    }
}
