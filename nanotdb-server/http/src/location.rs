//! Where a server's files are, and where it listens.

use nanotdb_core::config::check_listen;
use std::path::PathBuf;

/// Name of the configuration file in a root.
const CONFIG_NAME: &str = "engine.toml";

/// An address as `engine.listen` has it.
pub(crate) fn address(text: &str) -> Result<String, String> {
    check_listen(text).map(|()| text.to_owned()).map_err(|accepted| format!("accepted is {accepted}"))
}

/// Where a server's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    /// Directory of the databases.
    pub(crate) root: PathBuf,
    /// The configuration file.
    pub(crate) config: PathBuf,
    /// Whether the user named the file, so that it must exist.
    pub(crate) must_exist: bool,
}

impl Location {
    /// A directory with an engine.toml of its own, made when it is missing.
    pub(crate) fn of_root(root: PathBuf) -> Self {
        Self { config: root.join(CONFIG_NAME), root, must_exist: false }
    }
}
