//! Options that several commands have.

use clap::ValueEnum;
use std::path::PathBuf;

/// How much the engine logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// Start, stop, recovery, errors
    Info,
    /// Also page flushes, WAL resets, file life cycle
    Debug,
    /// Also single samples and rejections
    Trace,
}

/// The option every command on a data directory has.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RootArg {
    /// Data directory
    #[arg(long, value_name = "DIR", default_value = "./nanotdb-data")]
    pub(crate) root: PathBuf,
}

/// The options of commands that look at one database or at all.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DatabasesArgs {
    #[command(flatten)]
    pub(crate) root: RootArg,

    /// Database (default: each one)
    #[arg(long, value_name = "NAME")]
    pub(crate) db: Option<String>,
}

/// The options of commands that read a stretch of time.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RangeArgs {
    /// First time (default: the oldest sample)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) start: Option<String>,

    /// Last time, itself included (default: the newest sample)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) end: Option<String>,
}
