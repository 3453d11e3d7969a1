//! engine.toml and manifest.toml: typed, with defaults, and warnings for unknown keys.

mod choice;
mod engine;
mod explain;
mod manifest;
mod problems;
mod reserved;
mod sections;
mod template;

mod engine_toml;
mod manifest_toml;

pub use engine::{
    DurabilityProfile, EngineConfig, EngineSection, FsyncPolicy, InternalEventsSection, LimitsSection, LogLevel,
    LoggerConfig, LoggingSection, MetricFileFormat, MetricsSection, Mixing, RawIngestAction, StatsSection, ValueWidth,
    ValuesSection, WalSection,
};
pub use engine_toml::check_listen;
pub use explain::Setting;
pub use manifest::{
    EventsManifest, Manifest, PageManifest, RetentionAction, RetentionManifest, RollupJob, RollupsManifest, WalManifest,
};
pub use nanotdb_settings::{Choice, nearest, parse_size};
pub use reserved::check_new_database_name;
pub use sections::ConfigSection;

use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use std::path::Path;

/// Longest configuration file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// A configuration and what was odd about its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded<T> {
    /// The configuration.
    pub value: T,
    /// One sentence for each unknown key, which is ignored. Show them to the operator.
    pub warnings: Vec<String>,
}

/// A configuration file with everything that is wrong in it.
#[derive(Debug)]
pub struct Checked<T> {
    /// The configuration, with defaults in the place of wrong values.
    pub value: T,
    /// One sentence for each unknown key.
    pub warnings: Vec<String>,
    /// Wrong values, as [`Error::Config`], in the order in which they are read.
    pub mistakes: Vec<Error>,
}

impl<T> Checked<T> {
    /// The configuration, or its first mistake.
    fn loaded(self) -> Result<Loaded<T>> {
        match self.mistakes.into_iter().next() {
            Some(mistake) => Err(mistake),
            None => Ok(Loaded { value: self.value, warnings: self.warnings }),
        }
    }
}

/// Reads a whole configuration file as text.
fn read_text(vfs: &dyn Vfs, path: &Path) -> Result<String> {
    let bytes = vfs.read(path, MAX_FILE).map_err(|e| Error::io("read", path, e))?;
    String::from_utf8(bytes).map_err(|e| {
        let valid = e.as_bytes().get(..e.utf8_error().valid_up_to()).unwrap_or_default();
        let line = valid.iter().filter(|b| **b == b'\n').count() + 1;
        Error::bad_input(format!("{}: line {line}: not UTF-8; accepted is TOML in UTF-8", path.display()))
    })
}
