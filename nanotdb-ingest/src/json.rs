//! Line protocol inside JSON: `{"lines":"..."}` or `{"lines":["...","..."]}`.
//!
//! Line numbers count the lines inside the string, or the elements of the array. Other keys are ignored.

use crate::line_protocol::{Times, parse_lines};
use crate::lines::Lines;
use nanotdb_core::plugin::{IngestError, IngestFormat, IngestOptions, IngestParser, SampleSink};
use serde_json::Value;

const EXPECTED: &str =
    r#"expected {"lines":"database/metric value [timestamp]\n..."} or {"lines":["database/metric value", ...]}"#;

/// The JSON wrapper around [`crate::LineProtocol`]. A document is parsed when it is complete, so until then its caller
/// keeps the bytes (and bounds them).
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
        Box::new(JsonParser { lines: Lines::new(options), times: Times::of(options) })
    }
}

struct JsonParser {
    lines: Lines,
    times: Times,
}

impl IngestParser for JsonParser {
    fn parse(&mut self, input: &[u8], end: bool, sink: &mut dyn SampleSink) -> Result<usize, IngestError> {
        if !end {
            return Ok(0);
        }
        let text = lines_of(input).map_err(|found| IngestError(format!("{found}; {EXPECTED}")))?;
        parse_lines(&mut self.lines, self.times, text.as_bytes(), true, sink);
        Ok(input.len())
    }
}

/// The text of all lines, or what was found instead.
fn lines_of(document: &[u8]) -> Result<String, String> {
    if document.trim_ascii().is_empty() {
        return Err("the document is empty".to_owned());
    }
    let document: Value = serde_json::from_slice(document).map_err(|e| format!("not a JSON document: {e}"))?;
    let Value::Object(mut object) = document else {
        return Err(format!("the JSON document is {}", kind(&document)));
    };
    match object.remove("lines") {
        Some(Value::String(text)) => Ok(text),
        Some(Value::Array(elements)) => {
            let mut text = String::new();
            for (i, element) in elements.iter().enumerate() {
                let Value::String(line) = element else {
                    return Err(format!("element {} of \"lines\" is {}", i + 1, kind(element)));
                };
                text.push_str(line.strip_suffix('\n').unwrap_or(line));
                text.push('\n');
            }
            Ok(text)
        }
        Some(other) => Err(format!("\"lines\" is {}", kind(&other))),
        None => Err("the JSON object has no \"lines\"".to_owned()),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
