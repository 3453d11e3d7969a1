//! Patterns over metric names, in which `*` stands for any characters, also none.

/// Whether the whole `name` matches.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // What stands between two stars is taken where it is met first: that leaves the most for the rest.
    let middle = parts.try_fold(rest, |rest, part| rest.split_once(part).map(|(_, after)| after));
    middle.is_some_and(|rest| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::matches;
    use proptest::prelude::*;

    /// The definition, tried out.
    fn naive(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|n| naive(rest, &name[n..])),
            Some((first, rest)) => name.first() == Some(first) && naive(rest, &name[1..]),
        }
    }

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "cpu.busy", true),
            ("cpu.*", "cpu.busy", true),
            ("cpu.*", "cpu.", true),
            ("cpu.*", "cpu", false),
            ("*.debug", "disk.debug", true),
            ("*.debug", "disk.debug2", false),
            ("a*b*a", "aba", true),
            ("a*a", "a", false),
            ("temp", "temp", true),
            ("temp", "temperature", false),
            ("*grad*", "über.grad.außen", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(matches(&pattern, &name), naive(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
