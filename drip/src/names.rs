//! Parts of metric names for devices, interfaces and mounts: one of its own for each, and the same one in every run.

use crate::collector::Part;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Longest part: with `diskfs.` before it and `.inodes_used_pct` behind it, it is the longest name that the server takes.
const MOST_BYTES: usize = 232;
/// `-` and eight digits.
const MARK_BYTES: usize = 9;

/// The names that were given to what is there now.
#[derive(Debug)]
pub(crate) struct Names {
    known: BTreeMap<Vec<u8>, Entry>,
    /// Whether the release before told apart what collided, by numbers.
    numbered: bool,
}

#[derive(Debug)]
struct Entry {
    named: Named,
    seen: bool,
}

/// What a thing is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// What the release before called it, when that was another name. It goes with the next release.
    pub(crate) old: Option<String>,
}

impl Names {
    pub(crate) fn new(numbered: bool) -> Self {
        Self { known: BTreeMap::new(), numbered }
    }

    /// Gives a name to each of `all`, and forgets what is not among them. `base` says how it would be called if it were alone.
    ///
    /// What is new gets its name in an order that does not depend on the one it is listed in: plain names first.
    pub(crate) fn assign<'a>(&mut self, all: impl Iterator<Item = &'a [u8]>, base: fn(&str) -> String) {
        self.known.values_mut().for_each(|entry| entry.seen = false);
        let mut fresh: Vec<&[u8]> = Vec::new();
        for raw in all {
            match self.known.get_mut(raw) {
                Some(entry) => entry.seen = true,
                None => fresh.push(raw),
            }
        }
        self.known.retain(|_, entry| entry.seen);
        fresh.sort_by_key(|raw| (replaced(raw), *raw));
        fresh.dedup();
        for raw in fresh {
            let named = self.named(raw, base);
            self.known.insert(raw.to_owned(), Entry { named, seen: true });
        }
    }

    /// The name of one of those that were given to [`Self::assign`].
    pub(crate) fn get(&self, raw: &[u8]) -> Option<&Named> {
        self.known.get(raw).map(|entry| &entry.named)
    }

    fn is_taken(&self, name: &str) -> bool {
        self.known.values().any(|Entry { named, .. }| named.name == name || named.old.as_deref() == Some(name))
    }

    /// Letters that became `_` tell nothing, so a mark of the whole name stands behind them; also where the name is taken.
    fn named(&self, raw: &[u8], base: fn(&str) -> String) -> Named {
        let text = String::from_utf8_lossy(raw);
        let plain = base(&text);
        if text.is_ascii() && plain.len() <= MOST_BYTES && !self.is_taken(&plain) {
            return Named { name: plain, old: None };
        }
        let mark = crc32fast::hash(raw);
        let mut name = plain.clone();
        name.truncate(MOST_BYTES - MARK_BYTES);
        let _ = write!(name, "-{mark:08x}");
        // Two different things with one checksum: rarer than anything that it would be worth to say more about.
        while self.is_taken(&name) {
            name.push('_');
        }
        let had_name = std::str::from_utf8(raw).is_ok() && plain.len() <= MOST_BYTES;
        Named { name, old: had_name.then(|| self.old(plain)).flatten() }
    }

    fn old(&self, plain: String) -> Option<String> {
        if !self.is_taken(&plain) {
            return Some(plain);
        }
        let numbers = 2..if self.numbered { 100 } else { 2 };
        numbers.map(|n| format!("{plain}_{n}")).find(|name| !self.is_taken(name))
    }
}

/// How much of a name a part would not show.
fn replaced(raw: &[u8]) -> usize {
    raw.iter().filter(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'_' | b'-')).count()
}

/// The part that a device or interface has when it is alone.
pub(crate) fn plain(text: &str) -> String {
    Part(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(names: &mut Names, raw: &[&str]) -> Vec<(String, Option<String>)> {
        names.assign(raw.iter().map(|name| name.as_bytes()), plain);
        let each = raw.iter().map(|name| names.get(name.as_bytes()).unwrap().clone());
        each.map(|Named { name, old }| (name, old)).collect()
    }

    #[test]
    fn names_that_collide_are_told_apart_in_whatever_order_they_come() {
        let forwards = all(&mut Names::new(false), &["eth0_1", "eth0.1", "eth0:1", "wlan0"]);
        let mut backwards = all(&mut Names::new(false), &["wlan0", "eth0:1", "eth0.1", "eth0_1"]);
        backwards.reverse();
        assert_eq!(forwards, backwards);
        assert_eq!((forwards[0].0.as_str(), forwards[3].0.as_str()), ("eth0_1", "wlan0"));
        // CRC-32 of the two, as zlib has it.
        assert_eq!((forwards[1].0.as_str(), forwards[2].0.as_str()), ("eth0_1-65894a2f", "eth0_1-4b279d7a"));
        assert!(forwards.iter().all(|(_, old)| old.is_none()), "what shared a name has no old one: {forwards:?}");
    }

    #[test]
    fn a_name_is_kept_while_the_thing_is_there() {
        let mut names = Names::new(false);
        assert_eq!(all(&mut names, &["eth0.1"])[0].0, "eth0_1");
        let both = all(&mut names, &["eth0_1", "eth0.1"]);
        assert_eq!(both[1].0, "eth0_1");
        assert!(both[0].0.starts_with("eth0_1-"), "{both:?}");
    }

    #[test]
    fn letters_of_other_scripts_have_a_mark_and_their_old_name_for_a_release() {
        let both = all(&mut Names::new(true), &["кино", "фото"]);
        assert_eq!(both[0].0, format!("____-{:08x}", crc32fast::hash("кино".as_bytes())));
        assert_eq!((both[0].1.as_deref(), both[1].1.as_deref()), (Some("____"), Some("_____2")));
        assert_ne!(both[0].0, both[1].0);
        // The same without the other one.
        assert_eq!(all(&mut Names::new(true), &["фото"])[0].0, both[1].0);
    }

    #[test]
    fn a_name_is_never_too_long_for_the_server() {
        let long = "x".repeat(300);
        let named = all(&mut Names::new(true), &[&long, &"y".repeat(232)]);
        assert_eq!((named[0].0.len(), named[1].0.len()), (MOST_BYTES, MOST_BYTES));
        assert!(named[1].0.ends_with('y') && named[0].1.is_none());
        assert_eq!(format!("diskfs.{}.inodes_used_pct", named[0].0).len(), 255);
    }

    #[test]
    fn bytes_that_are_no_text_are_names_too() {
        let mut names = Names::new(true);
        let raw: [&[u8]; 2] = [b"caf\xe9", b"caf\xe8"];
        names.assign(raw.into_iter(), plain);
        let (a, b) = (names.get(raw[0]).unwrap(), names.get(raw[1]).unwrap());
        assert!(a.name.starts_with("caf_-") && b.name.starts_with("caf_-") && a != b, "{a:?} {b:?}");
    }
}
