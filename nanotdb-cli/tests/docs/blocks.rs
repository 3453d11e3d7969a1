//! Fenced blocks of a Markdown page, and how an answer is compared with the one that is shown.

use regex::Regex;
use serde_json::Value;

/// A block of commands, marked "sh test", and the answer shown below it.
#[derive(Debug, PartialEq)]
pub(crate) struct Tested {
    /// Line of its first command.
    pub(crate) line: usize,
    /// The commands.
    pub(crate) script: String,
    /// Language (`text` or `json`) and text of the block that follows it directly.
    pub(crate) answer: Option<(String, String)>,
}

/// The tested blocks of a page, in order.
pub(crate) fn tested(page: &str) -> Vec<Tested> {
    let mut found: Vec<Tested> = Vec::new();
    let mut open: Option<(String, usize, Vec<&str>)> = None;
    // Whether nothing but blank lines stands between here and the last tested block.
    let mut follows = false;
    for (at, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some((language, first, content))) => {
                let text = content.join("\n");
                if language == "sh test" {
                    found.push(Tested { line: first, script: text, answer: None });
                    follows = true;
                } else {
                    if follows && (language == "text" || language == "json") {
                        found.last_mut().unwrap().answer = Some((language, text));
                    }
                    follows = false;
                }
            }
            (Some(language), None) => open = Some((language.trim().to_owned(), at + 2, Vec::new())),
            (None, Some((language, first, mut content))) => {
                content.push(line.trim_end());
                open = Some((language, first, content));
            }
            (None, None) => follows &= line.trim().is_empty(),
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// Compares an answer with the one shown. `…` stands for any text within a line, and as a line of its own for any lines;
/// in JSON, `"…"` stands for any value.
pub(crate) fn compare(language: &str, shown: &str, got: &str) -> Result<(), String> {
    let same = match language {
        "json" => {
            let shown: Value = serde_json::from_str(shown).map_err(|e| format!("what is shown is no JSON: {e}"))?;
            let got: Value = serde_json::from_str(got).map_err(|e| format!("the answer is no JSON: {e}: {got}"))?;
            json_matches(&shown, &got)
        }
        _ => pattern(shown).is_match(&normal(got)),
    };
    if same { Ok(()) } else { Err(format!("shown:\n{shown}\n\ngot:\n{got}")) }
}

fn json_matches(shown: &Value, got: &Value) -> bool {
    match (shown, got) {
        (Value::String(text), _) if text == "…" => true,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| json_matches(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| json_matches(a, b)))
        }
        _ => shown == got,
    }
}

fn normal(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n")
}

fn pattern(shown: &str) -> Regex {
    let mut pattern = String::from(r"\A");
    for (at, line) in normal(shown).lines().enumerate() {
        if line == "…" {
            pattern.push_str(if at == 0 { r"(?s:.*)" } else { r"(?s:\n.*)?" });
            continue;
        }
        if at > 0 {
            pattern.push_str(r"\n");
        }
        let parts: Vec<String> = line.split('…').map(regex::escape).collect();
        pattern.push_str(&parts.join(".*"));
    }
    pattern.push_str(r"\z");
    Regex::new(&pattern).unwrap()
}

#[test]
fn only_marked_blocks_are_tested_and_only_what_follows_directly_is_their_answer() {
    let page = "a\n```sh\nrm -r /\n```\n```sh test\necho 1\n```\n\n```text\n1\n```\n```sh test\necho 2\n```\nbut\n```text\n3\n```\n";
    let blocks = tested(page);
    let answer = Some(("text".to_owned(), "1".to_owned()));
    assert_eq!(blocks[0], Tested { line: 6, script: "echo 1".into(), answer });
    assert_eq!(blocks[1], Tested { line: 13, script: "echo 2".into(), answer: None });
    assert_eq!(blocks.len(), 2);
}

#[test]
fn an_answer_that_differs_is_told_and_wildcards_match_what_they_stand_for() {
    assert!(compare("text", "took … s\nend", "took 0.25 s\nend\n").is_ok());
    assert!(compare("text", "took … s", "took 0.25 s\nmore").is_err());
    assert!(compare("text", "a\n…\nz", "a\nb\nc\nz").is_ok());
    assert!(compare("text", "a\n…\nz", "a\nb\nc").is_err());
    assert!(compare("text", "48", "48.0").is_err());
    assert!(compare("json", r#"{"a": [1, "…"]}"#, r#"{"a":[1,{"b":2}]}"#).is_ok());
    assert!(compare("json", r#"{"a": [1]}"#, r#"{"a":[1,2]}"#).is_err());
    assert!(compare("json", r#"{"a": 1}"#, r#"{"a":1,"b":2}"#).is_err());
    assert!(compare("json", r#"{"a": 1}"#, "not json").is_err());
}
