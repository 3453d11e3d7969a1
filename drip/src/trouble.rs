//! Says on standard error when something goes wrong and when it is well again, and is silent in between.

use std::collections::BTreeMap;

/// Rounds without a trouble after which it is over: something that fails now and then is not told each time.
const QUIET_ROUNDS: u32 = 6;

/// Troubles that were told and are not over.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    active: BTreeMap<String, Trouble>,
}

#[derive(Debug)]
struct Trouble {
    seen: bool,
    quiet: u32,
}

impl Troubles {
    /// Notes a trouble of this round; `about` is the same in each round.
    pub(crate) fn report(&mut self, about: &str, reason: &str) {
        match self.active.get_mut(about) {
            Some(trouble) => trouble.seen = true,
            None => {
                log(format_args!("{about}: {reason}"));
                self.active.insert(about.to_owned(), Trouble { seen: true, quiet: 0 });
            }
        }
    }

    /// How many there are now.
    pub(crate) fn count(&self) -> u64 {
        self.active.len() as u64
    }

    /// Ends a round: what was not reported in the last few is over.
    pub(crate) fn end_round(&mut self) {
        self.active.retain(|about, trouble| {
            trouble.quiet = if trouble.seen { 0 } else { trouble.quiet + 1 };
            trouble.seen = false;
            let lasts = trouble.quiet < QUIET_ROUNDS;
            if !lasts {
                log(format_args!("{about}: works again"));
            }
            lasts
        });
    }
}

/// `1 sample`, `2 samples`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// One line on standard error.
pub(crate) fn log(message: std::fmt::Arguments<'_>) {
    eprintln!("drip: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_over_after_some_quiet_rounds() {
        let mut troubles = Troubles::default();
        for _ in 0..3 {
            troubles.report("sensor", "gone");
            troubles.end_round();
        }
        assert_eq!(troubles.active.len(), 1);
        for _ in 0..QUIET_ROUNDS - 1 {
            troubles.end_round();
        }
        assert_eq!(troubles.active.len(), 1);
        troubles.report("sensor", "gone");
        (0..QUIET_ROUNDS).for_each(|_| troubles.end_round());
        assert_eq!(troubles.active.len(), 1);
        troubles.end_round();
        assert_eq!(troubles.active.len(), 0);
    }
}
