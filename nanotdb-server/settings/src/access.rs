//! `[access]`

use nanotdb_core::config::{ConfigSection, EngineConfig};
use nanotdb_core::plugin::inventory;
use nanotdb_core::settings::{Key, Kind, Section};

/// `[access]`: who may talk to the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AccessSection {
    /// Names under which the server may be asked for, beside those that nobody on the internet can own; `*.` stands for any name below.
    pub hosts: Vec<String>,
}

const KEYS: [Key; 1] = [Key::new(
    "hosts",
    Kind::Texts,
    "[]",
    "Names under which browsers and programs may ask for this server, such as [\"nanotdb.example.org\", \"*.lan\"].\n\
     Addresses, names without a dot, *.local and the machine's own names pass without being listed.",
)];

inventory::submit! {
    ConfigSection::new("access", "", &KEYS, |section| drop(AccessSection::read(section))).order(200)
}

impl AccessSection {
    /// As engine.toml has it.
    pub fn of(config: &EngineConfig) -> Self {
        config.section("access", Self::read)
    }

    fn read(section: &mut Section<'_>) -> Self {
        Self { hosts: section.checked_texts("hosts", check_host).unwrap_or_default() }
    }
}

/// Whether this is a name that a server can be asked for: no scheme, no port.
fn check_host(text: &str) -> Result<(), String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match !name.is_empty() && !name.starts_with('.') && name.chars().all(plain) {
        true => Ok(()),
        false => Err("names without scheme and port, such as [\"nanotdb.example.org\", \"*.lan\"]".into()),
    }
}
