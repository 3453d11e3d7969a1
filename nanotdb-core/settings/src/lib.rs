//! Settings out of TOML: the one reader of engine.toml, manifest.toml, drip.toml and of what a plugin is told in
//! parentheses, as in `zstd(level=7)`.
//!
//! A [`Document`] is one text being read, a [`Section`] one table of it. The keys that are asked for are the known ones. A value
//! that is not accepted is noted, and the default is given instead, so that one reading finds every mistake.
//!
//! ```
//! use nanotdb_settings::Document;
//!
//! let (document, table) = Document::parse("listen = \":2003\"\nlines = 0\nfromat = \"graphite\"").unwrap();
//! let mut section = document.root(&table);
//! let listen = section.text("listen", "127.0.0.1:2003");
//! let lines = section.number("lines", 1_000_u32, 1..=1_000_000);
//! let format = section.text("format", "line_protocol");
//! section.finish();
//! assert_eq!((listen.as_str(), lines, format.as_str()), (":2003", 1_000, "line_protocol"));
//! let mistakes: Vec<String> = document.finish().mistakes.iter().map(ToString::to_string).collect();
//! assert_eq!(mistakes, [
//!     "lines: 0 is not usable; accepted: an integer, 1 to 1000000",
//!     "fromat: unknown key; accepted: listen, lines, format",
//! ]);
//! ```

mod call;
mod choice;
mod document;
pub mod duration;
mod key;
mod nearest;
mod patterns;
mod section;
mod size;

pub use call::{Call, canonical};
pub use choice::Choice;
pub use document::{Document, Mistake, Problem, Read};
pub use key::{Key, Kind, template};
pub use nearest::nearest;
pub use patterns::Patterns;
pub use section::{Number, Section};
pub use size::parse_size;
pub use toml::{Table, Value};

/// A text as it may stand in a message.
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
