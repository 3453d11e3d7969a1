//! Names with `*` for any characters and `?` for one.

/// Names with `*` for any characters and `?` for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns(Vec<String>);

impl Patterns {
    /// Of these texts.
    pub fn new(texts: Vec<String>) -> Self {
        Self(texts)
    }

    /// Whether one of them matches all of `name`.
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, name))
    }
}

/// Whether a pattern, in which `*` is any characters and `?` one, matches all of `name`.
// Goes back to the last `*` where the rest does not fit: it takes no more steps than the product of the two lengths.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    let mut last_star = None;
    loop {
        match (pattern.next(), name.clone().next()) {
            (Some('*'), _) => {
                last_star = Some((pattern.clone(), name.clone()));
                continue;
            }
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                name.next();
                continue;
            }
            _ => {}
        }
        let Some((after_star, rest)) = &mut last_star else { return false };
        if rest.next().is_none() {
            return false;
        }
        (pattern, name) = (after_star.clone(), rest.clone());
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
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
    }
}
