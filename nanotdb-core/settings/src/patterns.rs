//! Names with `*` for any characters and `?` for one.

use wildmatch::WildMatch;

/// Names with `*` for any characters and `?` for one.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<WildMatch>);

impl Patterns {
    /// Of these texts.
    pub fn new(texts: Vec<String>) -> Self {
        Self(texts.iter().map(|text| WildMatch::new(text)).collect())
    }

    /// Whether one of them matches all of `name`.
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "\u{e9}t\u{e9}", true),
            ("?t?", "\u{e9}t\u{e9}", true),
            ("?", "", false),
            ("sd?", "sda", true),
            ("sd?", "sda1", false),
            ("veth*", "veth0a", true),
            ("veth*", "eth0", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*ab", "aab", true),
            ("**", "x", true),
            ("a*?", "a", false),
            ("a*?", "ab", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(Patterns::new(vec![pattern.to_owned()]).matches(name), expected, "{pattern} {name}");
        }
        assert!(!Patterns::new(vec!["*a".repeat(200)]).matches(&"a".repeat(199)));
    }
}
