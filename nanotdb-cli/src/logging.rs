//! Where the engine's log lines go: standard error, or a file.

use crate::options::LogLevel;
use anyhow::Context;
use std::path::Path;
use std::sync::Mutex;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What a query left out: in its answer, too.
const TOLD: [&str; 3] =
    ["nanotdb_core::query::scan::raw", "nanotdb_core::database::partition", "nanotdb_core::database::naming"];

/// Of which database cannot be opened, with the reason: a command that is about it, or about all, says so once itself.
const UNAVAILABLE: &str = nanotdb_core::engine::UNAVAILABLE;

/// Starts logging for this process. Standard output is left to data. A command that `tells` what its queries left out does so
/// itself, without the log.
pub(crate) fn start(file: Option<&Path>, level: Option<LogLevel>, tells: bool) -> anyhow::Result<()> {
    let is_usual = file.is_none() && level.is_none();
    let is_told = tells && is_usual;
    let level = match (level, file) {
        (Some(LogLevel::Trace), _) => LevelFilter::TRACE,
        (Some(LogLevel::Debug), _) => LevelFilter::DEBUG,
        (Some(LogLevel::Info), _) | (None, Some(_)) => LevelFilter::INFO,
        (None, None) => LevelFilter::WARN,
    };
    let told = TOLD.into_iter().filter(|_| is_told).map(|target| (target, LevelFilter::ERROR));
    let unavailable = is_usual.then_some((UNAVAILABLE, LevelFilter::OFF));
    let filter = Targets::new().with_default(level).with_targets(told).with_targets(unavailable);
    let builder = tracing_subscriber::fmt().with_max_level(level).with_target(false);
    // A subscriber that is already there belongs to a program that calls `run`; it keeps its own.
    let _ = match file {
        None => builder.with_writer(std::io::stderr).with_ansi(false).finish().with(filter).try_init(),
        Some(path) => {
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| format!("--log-file {}", path.display()))?;
            builder.with_writer(Mutex::new(file)).with_ansi(false).finish().with(filter).try_init()
        }
    };
    Ok(())
}
