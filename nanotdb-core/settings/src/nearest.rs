//! What a name that is not known may have been meant as.

/// The known name that is at most two edits away, one for the shortest.
pub fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let key = key.to_ascii_lowercase();
    let most = if key.len() < 4 { 1 } else { 2 };
    let close = known.iter().filter(|k| k.len().abs_diff(key.len()) <= most);
    close.map(|k| (edits(&key, k), *k)).filter(|(edits, _)| *edits <= most).min().map(|(_, k)| k)
}

/// Insertions, removals and replacements that turn one text into the other.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (b, above) in to.bytes().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(a != b)).min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance() {
        let cases = [("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0), ("flaw", "lawn", 2), ("ab", "ba", 2)];
        for (from, to, expected) in cases {
            assert_eq!(edits(from, to), expected);
            assert_eq!(edits(to, from), expected);
        }
        assert_eq!(nearest("listem", &["listen", "wal"]), Some("listen"));
        assert_eq!(nearest("xyz", &["listen", "wal"]), None);
    }
}
