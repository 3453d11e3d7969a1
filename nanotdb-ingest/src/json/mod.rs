//! Line protocol inside JSON: `{"lines":"..."}` or `{"lines":["...","..."]}`.
//!
//! Line numbers count the lines inside the string, or the elements of the array. Other keys are ignored. A document is
//! read as it arrives: what is kept of it is one line and the place in the grammar.

mod number;
mod string;

use crate::line_protocol::{Times, parse_lines};
use crate::lines::Lines;
use nanotdb_core::plugin::{IngestError, IngestFormat, IngestOptions, IngestParser, SampleSink};
use number::Number;
use string::{Step, StringState};

const EXPECTED: &str =
    r#"expected {"lines":"database/metric value [timestamp]\n..."} or {"lines":["database/metric value", ...]}"#;
/// Input that is unescaped before its lines are parsed.
const PIECE: usize = 16 << 10;
/// Arrays and objects inside each other.
const MAX_DEPTH: u32 = 120;
/// Bytes of a key that are looked at: one more than the key that counts has.
const KEY_BYTES: usize = 6;

/// The JSON wrapper around [`crate::LineProtocol`].
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonLines;

impl IngestFormat for JsonLines {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "line protocol inside JSON: {\"lines\":\"...\"}"
    }

    fn content_types(&self) -> &'static [&'static str] {
        &["application/json"]
    }

    fn parser(&self, options: &IngestOptions) -> Box<dyn IngestParser> {
        Box::new(JsonParser::new(options))
    }
}

/// What may come next, white space aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Document,
    Value,
    /// Behind `[`.
    ValueOrEnd,
    Key,
    /// Behind `{`.
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    Nothing,
}

/// What a string is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Key,
    /// All lines.
    Lines,
    /// One line of the array.
    Element,
    Ignored,
}

/// A token that has begun.
#[derive(Debug)]
enum Token {
    None,
    String(Role, StringState),
    Number(Number),
    /// What is left of `true`, `false` or `null`.
    Literal(&'static [u8]),
}

struct JsonParser {
    lines: Lines,
    times: Times,
    expect: Expect,
    token: Token,
    /// One bit for each open array (0) and object (1), the innermost lowest.
    open: u128,
    depth: u32,
    key: Vec<u8>,
    /// The value of `"lines"` is next, or the array behind it is open.
    at_lines: bool,
    in_lines: bool,
    found_lines: bool,
    elements: u64,
    /// Bytes of the document before the piece that is looked at.
    offset: u64,
    /// Unescaped text of lines that are not complete.
    text: Vec<u8>,
    /// Whether the text of the string so far ends with a newline.
    ends_line: bool,
    failed: Option<String>,
}

impl JsonParser {
    fn new(options: &IngestOptions) -> Self {
        Self {
            lines: Lines::new(options),
            times: Times::of(options),
            expect: Expect::Document,
            token: Token::None,
            open: 0,
            depth: 0,
            key: Vec::new(),
            at_lines: false,
            in_lines: false,
            found_lines: false,
            elements: 0,
            offset: 0,
            text: Vec::new(),
            ends_line: false,
            failed: None,
        }
    }

    /// Parses what is complete of the text.
    fn take_lines(&mut self, end: bool, sink: &mut dyn SampleSink) {
        let used = parse_lines(&mut self.lines, self.times, &self.text, end, sink);
        self.text.drain(..used.min(self.text.len()));
    }

    /// Goes through a piece of the document.
    fn piece(&mut self, input: &[u8], sink: &mut dyn SampleSink) -> Result<(), String> {
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            let used = match &mut self.token {
                Token::String(role, state) => {
                    let before = self.text.len();
                    let (used, step) = match role {
                        Role::Lines | Role::Element => state.read(rest, &mut self.text),
                        Role::Key => {
                            let read = state.read(rest, &mut self.key);
                            self.key.truncate(KEY_BYTES);
                            read
                        }
                        Role::Ignored => state.skip(rest),
                    };
                    let role = *role;
                    if self.text.len() > before {
                        self.ends_line = self.text.last() == Some(&b'\n');
                    }
                    match step {
                        Step::More => {}
                        Step::End => self.end_string(role, sink),
                        Step::Wrong(what) => return Err(self.wrong(what, at + used)),
                    }
                    used
                }
                Token::Number(number) => match number.read(rest) {
                    Ok((used, true)) => {
                        self.end_value();
                        used
                    }
                    Ok((used, false)) => used,
                    Err(used) => return Err(self.wrong("a number that is none", at + used)),
                },
                Token::Literal(left) => {
                    let expected: &'static [u8] = left;
                    let Some((byte, others)) = expected.split_first() else { return Err(self.wrong("a literal", at)) };
                    if rest.first() != Some(byte) {
                        return Err(self.wrong("an unknown literal", at));
                    }
                    *left = others;
                    if others.is_empty() {
                        self.end_value();
                    }
                    1
                }
                Token::None => self.between(rest, at)?,
            };
            at += used;
        }
        Ok(())
    }

    /// White space, punctuation, and the first byte of a token.
    fn between(&mut self, rest: &[u8], at: usize) -> Result<usize, String> {
        let Some(byte) = rest.first().copied() else { return Ok(0) };
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return Ok(1);
        }
        match (self.expect, byte) {
            (Expect::Document, b'{') => self.push(true, at)?,
            (Expect::Document, _) => {
                return Err(match kind(byte) {
                    Some(kind) => format!("the JSON document is {kind}"),
                    None => self.wrong("no object", at),
                });
            }
            (Expect::KeyOrEnd, b'}') | (Expect::ValueOrEnd, b']') => self.pop(),
            (Expect::CommaOrEnd, b'}') if self.in_object() => self.pop(),
            (Expect::CommaOrEnd, b']') if !self.in_object() => self.pop(),
            (Expect::CommaOrEnd, b',') => self.expect = if self.in_object() { Expect::Key } else { Expect::Value },
            (Expect::Key | Expect::KeyOrEnd, b'"') => {
                self.key.clear();
                self.token = Token::String(Role::Key, StringState::default());
            }
            (Expect::Colon, b':') => self.expect = Expect::Value,
            (Expect::Value | Expect::ValueOrEnd, _) => self.begin_value(byte, at)?,
            _ => return Err(self.wrong("an unexpected character", at)),
        }
        Ok(1)
    }

    fn begin_value(&mut self, byte: u8, at: usize) -> Result<(), String> {
        if self.at_lines {
            if self.found_lines {
                return Err("the JSON object has two \"lines\"".to_owned());
            }
            match byte {
                b'"' => {
                    self.token = Token::String(Role::Lines, StringState::default());
                    return Ok(());
                }
                b'[' => {
                    (self.at_lines, self.in_lines) = (false, true);
                    return self.push(false, at);
                }
                _ => {
                    return Err(match kind(byte) {
                        Some(kind) => format!("\"lines\" is {kind}"),
                        None => self.wrong("an unexpected character", at),
                    });
                }
            }
        }
        if self.in_lines {
            self.elements += 1;
            if byte == b'"' {
                self.ends_line = false;
                self.token = Token::String(Role::Element, StringState::default());
                return Ok(());
            }
            return Err(match kind(byte) {
                Some(kind) => format!("element {} of \"lines\" is {kind}", self.elements),
                None => self.wrong("an unexpected character", at),
            });
        }
        self.token = match byte {
            b'"' => Token::String(Role::Ignored, StringState::default()),
            b'{' | b'[' => return self.push(byte == b'{', at),
            b't' => Token::Literal(b"rue"),
            b'f' => Token::Literal(b"alse"),
            b'n' => Token::Literal(b"ull"),
            b'-' | b'0'..=b'9' => Token::Number(Number::begin(byte)),
            _ => return Err(self.wrong("an unexpected character", at)),
        };
        Ok(())
    }

    fn end_string(&mut self, role: Role, sink: &mut dyn SampleSink) {
        match role {
            Role::Key => {
                self.token = Token::None;
                self.expect = Expect::Colon;
                self.at_lines = self.depth == 1 && self.key == b"lines";
                return;
            }
            Role::Lines => {
                self.take_lines(true, sink);
                (self.at_lines, self.found_lines) = (false, true);
            }
            Role::Element => {
                if !self.ends_line {
                    self.text.push(b'\n');
                }
            }
            Role::Ignored => {}
        }
        self.end_value();
    }

    fn end_value(&mut self) {
        self.token = Token::None;
        self.expect = if self.depth == 0 { Expect::Nothing } else { Expect::CommaOrEnd };
    }

    fn in_object(&self) -> bool {
        self.open & 1 == 1
    }

    fn push(&mut self, object: bool, at: usize) -> Result<(), String> {
        if self.depth >= MAX_DEPTH {
            return Err(self.wrong("too many arrays and objects inside each other", at));
        }
        self.open = (self.open << 1) | u128::from(object);
        self.depth += 1;
        self.expect = if object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
        Ok(())
    }

    fn pop(&mut self) {
        if self.in_lines && self.depth == 2 {
            (self.in_lines, self.found_lines) = (false, true);
        }
        self.open >>= 1;
        self.depth = self.depth.saturating_sub(1);
        self.end_value();
    }

    #[cold]
    fn wrong(&self, what: &str, at: usize) -> String {
        format!("not a JSON document: {what} at byte {}", self.offset.saturating_add(at as u64) + 1)
    }

    /// What is missing at the end.
    fn check_end(&self) -> Result<(), String> {
        match self.expect {
            Expect::Document => Err("the document is empty".to_owned()),
            Expect::Nothing if self.found_lines => Ok(()),
            Expect::Nothing => Err("the JSON object has no \"lines\"".to_owned()),
            _ => Err(self.wrong("its end", 0)),
        }
    }
}

impl IngestParser for JsonParser {
    fn parse(&mut self, input: &[u8], end: bool, sink: &mut dyn SampleSink) -> Result<usize, IngestError> {
        let told = |found: &String| IngestError(format!("{found}; {EXPECTED}"));
        if let Some(found) = &self.failed {
            return Err(told(found));
        }
        let mut outcome = Ok(());
        for piece in input.chunks(PIECE) {
            outcome = self.piece(piece, sink);
            // Also before an error: which lines were complete does not depend on how the document arrives.
            self.take_lines(false, sink);
            if outcome.is_err() {
                break;
            }
            self.offset = self.offset.saturating_add(piece.len() as u64);
        }
        if end && outcome.is_ok() {
            outcome = self.check_end();
        }
        match outcome {
            Ok(()) => Ok(input.len()),
            Err(found) => Err(told(self.failed.insert(found))),
        }
    }
}

/// What a value is, by its first byte.
fn kind(byte: u8) -> Option<&'static str> {
    match byte {
        b'n' => Some("null"),
        b't' | b'f' => Some("a boolean"),
        b'-' | b'0'..=b'9' => Some("a number"),
        b'"' => Some("a string"),
        b'[' => Some("an array"),
        b'{' => Some("an object"),
        _ => None,
    }
}
