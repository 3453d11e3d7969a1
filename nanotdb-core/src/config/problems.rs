//! What reading a file came to, in the words of the engine's errors.

use crate::{Error, Result};
use nanotdb_settings::{Document, Mistake, Problem, Table};
use std::path::Path;

/// Parses the syntax of a file. An error names it, the line and the column.
pub(super) fn parse(text: &str, file: &Path) -> Result<(Document, Table)> {
    Document::parse(text).map_err(|reason| Error::bad_input(format!("{}: {reason}", file.display())))
}

/// A sentence for each unknown key, which is ignored, and the wrong values.
pub(super) fn told(found: Vec<Mistake>, file: &Path) -> (Vec<String>, Vec<Error>) {
    let (mut warnings, mut mistakes) = (Vec::new(), Vec::new());
    for Mistake { key, problem, accepted, .. } in found {
        let (value, accepted) = match problem {
            Problem::Unknown { table, nearest, .. } => {
                let hint = match nearest {
                    Some(near) => format!("did you mean {table}{near}?"),
                    None => format!("known here are {accepted}"),
                };
                warnings.push(format!("{}: unknown key {key} is ignored; {hint}", file.display()));
                continue;
            }
            Problem::Value(value) => (value, format!("accepted: {accepted}")),
            Problem::Reason(reason) => ("(not usable)".to_owned(), format!("{reason}; accepted: {accepted}")),
            _ => ("(not usable)".to_owned(), format!("accepted: {accepted}")),
        };
        mistakes.push(Error::Config { file: file.to_owned(), key, value, accepted });
    }
    (warnings, mistakes)
}
