//! How rejected input is quoted in reasons.

/// Characters of a quotation.
const MAX_CHARS: usize = 60;

/// `bytes` in quotes, escaped, lossily as UTF-8, and cut after 60 characters.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    // No more than these bytes can matter: a character takes at most four.
    let head = bytes.get(..4 * MAX_CHARS + 4).unwrap_or(bytes);
    let text = String::from_utf8_lossy(head);
    let mut chars = text.chars();
    let shown: String = chars.by_ref().take(MAX_CHARS).collect();
    let more = if chars.next().is_some() { "..." } else { "" };
    format!("{shown:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn short_text_is_quoted_whole_and_long_text_is_cut() {
        assert_eq!(excerpt(b"a\tb"), r#""a\tb""#);
        assert_eq!(excerpt("é".repeat(60).as_bytes()), format!("\"{}\"", "é".repeat(60)));
        assert_eq!(excerpt("é".repeat(61).as_bytes()), format!("\"{}\"...", "é".repeat(60)));
        assert_eq!(excerpt(&[b'x'; 100_000]), format!("\"{}\"...", "x".repeat(60)));
        assert_eq!(excerpt(b"\xff"), "\"\u{fffd}\"");
    }
}
