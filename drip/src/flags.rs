//! Options with one dash, as the original's programs take them: unit files and scripts that were written for it go on.

use clap::Command;
use std::ffi::OsString;

/// Makes `--once` of `-once` where the program has such an option, also of `-config=drip.toml`. What stands behind `--` is left
/// as it is.
pub(crate) fn with_two_dashes(command: &Command, arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut is_over = false;
    arguments
        .map(|argument| {
            is_over |= argument == "--";
            let name = argument.to_str().and_then(|text| text.strip_prefix('-')?.split('=').next());
            if is_over || !name.is_some_and(|name| name.len() > 1 && has_option(command, name)) {
                return argument;
            }
            let mut doubled = OsString::from("-");
            doubled.push(argument);
            doubled
        })
        .collect()
}

fn has_option(command: &Command, name: &str) -> bool {
    let mut options = command.get_arguments();
    matches!(name, "help" | "version")
        || options.any(|option| {
            option.get_long() == Some(name) || option.get_all_aliases().is_some_and(|a| a.contains(&name))
        })
        || command.get_subcommands().any(|below| has_option(below, name))
}
