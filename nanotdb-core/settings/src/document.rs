//! One text being read, and what is wrong in it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use toml::Table;

/// One text being read: the mistakes found so far, and the keys that were asked for.
#[derive(Debug, Default)]
pub struct Document {
    mistakes: RefCell<Vec<Mistake>>,
    known: RefCell<BTreeSet<String>>,
}

/// What reading a text came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Read {
    /// In the order in which they were read; of one key the first.
    pub mistakes: Vec<Mistake>,
    /// The dotted names of all keys that were asked for.
    pub known: BTreeSet<String>,
}

/// Something in a text that is not accepted. Shown without the name of the file, which whoever read it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// Dotted name of the key.
    pub key: String,
    /// What is wrong with it.
    pub problem: Problem,
    /// What would be right.
    pub accepted: String,
}

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Its value, as written.
    Value(String),
    /// Something that is more than a wrong value.
    Reason(String),
    /// Nobody asked for it. What is accepted are the keys that were asked for.
    Unknown {
        /// Dotted name of the table that it stands in, with a trailing point; empty for the top level.
        table: String,
        /// The key that it may have been meant as.
        nearest: Option<String>,
    },
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, problem, accepted } = self;
        match problem {
            Problem::Value(value) => write!(f, "{key}: {value} is not usable; accepted: {accepted}"),
            Problem::Reason(reason) => write!(f, "{key}: {reason}; accepted: {accepted}"),
            Problem::Unknown { .. } => write!(f, "{key}: unknown key; accepted: {accepted}"),
        }
    }
}

impl Document {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses the syntax. The error says line, column and reason.
    pub fn parse(text: &str) -> Result<(Self, Table), String> {
        let table = text.parse::<Table>().map_err(|e| {
            let start = e.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            format!("line {line}, column {column}: {}", e.message().trim().replace('\n', " "))
        })?;
        Ok((Self::default(), table))
    }

    /// What it came to.
    pub fn finish(self) -> Read {
        Read { mistakes: self.mistakes.into_inner(), known: self.known.into_inner() }
    }

    /// Whether a key, by its dotted name, was refused.
    pub(crate) fn is_wrong(&self, key: &str) -> bool {
        self.mistakes.borrow().iter().any(|mistake| mistake.key == key)
    }

    /// What follows from the first mistake of a key is none of its own.
    pub(crate) fn note(&self, mistake: Mistake) {
        if !self.is_wrong(&mistake.key) {
            self.mistakes.borrow_mut().push(mistake);
        }
    }

    pub(crate) fn know(&self, key: String) {
        self.known.borrow_mut().insert(key);
    }
}
