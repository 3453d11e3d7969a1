//! Settings that are one of a few words.

use crate::quoted;

/// A setting that is one of a few words, in files and on the command line.
pub trait Choice: Copy + PartialEq + Sized + 'static {
    /// Every word and what it means.
    const CHOICES: &'static [(&'static str, Self)];

    /// The word for this choice.
    fn name(self) -> &'static str {
        Self::CHOICES.iter().find(|(_, choice)| *choice == self).map_or("", |(name, _)| name)
    }

    /// The words, as an error or a help text lists them.
    fn accepted() -> String {
        Self::CHOICES.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>().join(", ")
    }

    /// The choice with this name. The error is a sentence that lists the words.
    fn parse(text: &str) -> Result<Self, String> {
        let found = Self::CHOICES.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        found.ok_or_else(|| format!("unknown choice {}; accepted are {}", quoted(text), Self::accepted()))
    }
}
