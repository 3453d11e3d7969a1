//! Keys as documentation, templates and checks know them.

use std::fmt::Write;

/// A key that a section or a plugin takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Its default, as TOML. Empty: there is none.
    pub default: &'static str,
    /// What it does and what is accepted, in one or more lines. Empty: it shares those of the key before it.
    pub about: &'static str,
    /// What a number counts, such as `bytes`; empty when it has no unit.
    pub unit: &'static str,
    /// Whether it is usually written without its name, as the 99.9 of `p(99.9)`.
    pub is_bare: bool,
    /// Whether a template shows it as a comment: its default is not a value that could be written there.
    pub is_commented: bool,
}

/// What the value of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// Text in quotes.
    Text,
    /// A duration, `"1h30m"`.
    Duration,
    /// A number of bytes, `"64MiB"`.
    Size,
    /// A path. In engine.toml it is relative to the root, where no database may take its name.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A table.
    Table,
}

impl Key {
    /// A key with its default as TOML, and what it does.
    pub const fn new(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Self {
        Self { name, kind, default, about, unit: "", is_bare: false, is_commented: false }
    }

    /// What a number counts.
    #[must_use]
    pub const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Usually written without its name.
    #[must_use]
    pub const fn bare(mut self) -> Self {
        self.is_bare = true;
        self
    }

    /// A comment in templates.
    #[must_use]
    pub const fn commented(mut self) -> Self {
        self.is_commented = true;
        self
    }
}

/// Appends keys with their defaults, each below what it does, as `--init` writes them. `value` may say what stands there instead of
/// a default.
pub fn template(out: &mut String, keys: &[Key], value: impl Fn(&Key) -> Option<String>) {
    for key in keys {
        for line in key.about.lines() {
            let _ = writeln!(out, "# {line}");
        }
        let set = value(key);
        let mark = if key.is_commented && set.is_none() { "#" } else { "" };
        let shown = set.unwrap_or_else(|| if key.default.is_empty() { "\"\"" } else { key.default }.to_owned());
        let _ = writeln!(out, "{mark}{} = {shown}", key.name);
    }
}
