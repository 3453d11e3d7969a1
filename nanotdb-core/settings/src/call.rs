//! A name with parameters, in one text: `zstd(level=7)`, `p(99.9)`.

use crate::{Key, quoted};
use std::fmt::Write;
use toml::{Table, Value};

/// Longest text with parameters, in bytes.
const LONGEST: usize = 256;

/// A name and its parameters, as written.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Call {
    /// The name before the parenthesis.
    pub name: String,
    /// What stands there without a key, in order.
    pub bare: Vec<Value>,
    /// What stands there as `key=value`.
    pub named: Table,
}

impl Call {
    /// Parses `name`, or `name(value, ..., key=value, ...)`. Values are TOML; a word needs no quotes. The error says what is
    /// wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((name, rest)) = text.split_once('(') else {
            return Ok(Self { name: text.to_owned(), bare: Vec::new(), named: Table::new() });
        };
        if text.len() > LONGEST {
            return Err(format!("{} is longer than {LONGEST} bytes", quoted(text)));
        }
        let inner = rest.strip_suffix(')').ok_or_else(|| format!("{} does not end with )", quoted(text)))?;
        let mut call = Self { name: name.to_owned(), bare: Vec::new(), named: Table::new() };
        for argument in arguments(inner).map_err(|reason| format!("{}: {reason}", quoted(text)))? {
            call.add(argument.trim()).map_err(|reason| format!("{}: {reason}", quoted(text)))?;
        }
        Ok(call)
    }

    fn add(&mut self, argument: &str) -> Result<(), String> {
        let is_key =
            |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        match argument.split_once('=').map(|(key, value)| (key.trim(), value)).filter(|(key, _)| is_key(key)) {
            Some((key, text)) => {
                if self.named.insert(key.to_owned(), value(text.trim())?).is_some() {
                    return Err(format!("{key} is there twice"));
                }
            }
            None if !self.named.is_empty() => {
                return Err(format!("{} stands behind a key=value", quoted(argument)));
            }
            None => self.bare.push(value(argument)?),
        }
        Ok(())
    }

    /// The parameters as a table: those without a key belong to the `keys` in their order.
    pub fn table(&self, keys: &[Key]) -> Result<Table, String> {
        let mut table = self.named.clone();
        if self.bare.len() > keys.len() {
            return Err(match keys {
                [] => format!("{} takes no parameters", self.name),
                _ => format!("{} takes {} at most: {}", self.name, keys.len(), names(keys)),
            });
        }
        for (key, value) in keys.iter().zip(&self.bare) {
            if table.insert(key.name.to_owned(), value.clone()).is_some() {
                return Err(format!("{} is there twice, once without its name", key.name));
            }
        }
        Ok(table)
    }
}

/// The one text for a name with these parameters: in the order of the `keys`, then by name.
pub fn canonical(name: &str, keys: &[Key], table: &Table) -> String {
    let mut out = name.to_owned();
    let mut separator = "(";
    let mut bare = true;
    let known = keys.iter().map(|key| (key.name, key.is_bare));
    let others = table.keys().map(String::as_str).filter(|name| keys.iter().all(|key| key.name != *name));
    for (key, is_bare) in known.chain(others.map(|name| (name, false))) {
        let Some(value) = table.get(key) else {
            bare = false;
            continue;
        };
        bare &= is_bare;
        let value = shown(value);
        let _ = match bare {
            true => write!(out, "{separator}{value}"),
            false => write!(out, "{separator}{key}={value}"),
        };
        separator = ",";
    }
    if separator == "," {
        out.push(')');
    }
    out
}

fn names(keys: &[Key]) -> String {
    keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
}

/// Cuts at the commas that are in no quotes, brackets or braces.
fn arguments(text: &str) -> Result<Vec<&str>, String> {
    let mut found = Vec::new();
    let (mut start, mut depth, mut quote, mut escaped) = (0, 0_usize, None, false);
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None => match c {
                '"' | '\'' => quote = Some(c),
                '[' | '{' => depth += 1,
                ']' | '}' => depth = depth.checked_sub(1).ok_or_else(|| format!("{c} without its beginning"))?,
                ',' if depth == 0 => {
                    found.extend(text.get(start..at));
                    start = at + 1;
                }
                _ => {}
            },
        }
    }
    if quote.is_some() || depth > 0 {
        return Err("a quote or a bracket is not closed".into());
    }
    let last = text.get(start..).unwrap_or_default();
    if !found.is_empty() || !last.trim().is_empty() {
        found.push(last);
    }
    Ok(found)
}

fn is_word(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'+' | b':' | b'/' | b'*');
    !text.is_empty() && text.bytes().all(plain)
}

/// A TOML value, or a word.
fn value(text: &str) -> Result<Value, String> {
    let refuse = || format!("{} is no value; text that is not one word stands in quotes", quoted(text));
    if text.contains(['\n', '\r', '#']) {
        return Err(refuse());
    }
    let parsed = format!("v = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("v"));
    // A date is text to whoever takes one here.
    match parsed.filter(|value| !matches!(value, Value::Datetime(_))) {
        Some(value) => Ok(value),
        None if is_word(text) => Ok(Value::String(text.to_owned())),
        None => Err(refuse()),
    }
}

fn shown(value: &Value) -> String {
    match value {
        // A float that is a whole number is the same parameter as the integer.
        Value::Float(n) if n.fract() == 0.0 && n.abs() < 1e15 => format!("{n:.0}"),
        Value::Float(n) => n.to_string(),
        Value::String(text) if is_word(text) && matches!(self::value(text), Ok(Value::String(_))) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    const KEYS: [Key; 2] = [
        Key::new("quantile", Kind::Number, "50", "").bare(),
        Key::new("method", Kind::Choice(&["linear", "nearest"]), "\"linear\"", ""),
    ];

    fn canonical_of(text: &str) -> Result<String, String> {
        let call = Call::parse(text)?;
        Ok(canonical(&call.name, &KEYS, &call.table(&KEYS)?))
    }

    #[test]
    fn one_text_for_what_is_the_same() {
        let cases = [
            ("p", "p"),
            ("p()", "p"),
            ("p( )", "p"),
            ("p(99.9)", "p(99.9)"),
            ("p( quantile = 99.9 )", "p(99.9)"),
            ("p(99)", "p(99)"),
            ("p(99.0)", "p(99)"),
            ("p(99, linear)", "p(99,method=linear)"),
            ("p(method=\"linear\", quantile=99)", "p(99,method=linear)"),
            ("p(method='nearest')", "p(method=nearest)"),
            ("p(a=[1, 2], b=\"x, y\")", "p(a=[1, 2],b=\"x, y\")"),
            ("p(a=\"true\")", "p(a=\"true\")"),
            ("p(a=\"\\\")\")", "p(a='\")')"),
            ("p(a=6h)", "p(a=6h)"),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical_of(text).as_deref(), Ok(expected), "{text}");
            assert_eq!(canonical_of(expected).as_deref(), Ok(expected), "{expected}");
        }
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        let cases = [
            ("p(99", "does not end with )"),
            ("p(99)x", "does not end with )"),
            ("p(1, 2, 3)", "takes 2 at most: quantile, method"),
            ("p(1, quantile=2)", "quantile is there twice"),
            ("p(a=1, a=2)", "a is there twice"),
            ("p(a=1, 2)", "\"2\" stands behind a key=value"),
            ("p(a=[1)", "is not closed"),
            ("p(a=1])", "without its beginning"),
            ("p(a=\"x)", "is not closed"),
            ("p(x y)", "is no value"),
            ("p(1,)", "is no value"),
            ("p(a=1\nb=2)", "is no value"),
            ("p(a=1 # b)", "is no value"),
        ];
        for (text, expected) in cases {
            let told = canonical_of(text).unwrap_err();
            assert!(told.contains(expected), "{text}: {told}");
        }
        assert!(Call::parse(&format!("p({})", "1".repeat(300))).is_err());
        assert_eq!(Call::parse("p(1)").unwrap().table(&[]), Err("p takes no parameters".to_owned()));
    }
}
