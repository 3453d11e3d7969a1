//! The one error type of the engine, and what an operator can do about each kind.

use std::path::PathBuf;

/// `Result` with the engine's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Everything the engine can refuse or fail at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes on disk are not what was written. Run `nanocli verify`; the rest of the data stays readable.
    #[error("{file}: damaged at byte {offset}: {reason}", file = file.display())]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Offset of the first byte that cannot be trusted.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The file is whole, but of a version or a codec that this binary does not have.
    #[error("{file}: {reason}", file = file.display())]
    Incompatible {
        /// The file.
        file: PathBuf,
        /// What is not supported, and what would be.
        reason: String,
    },
    /// The disk (or a quota) is full. Nothing of the refused batch was stored; free space and send it again.
    #[error("no space left on device while writing {file}", file = file.display())]
    Full {
        /// The file that could not grow.
        file: PathBuf,
    },
    /// A database stopped accepting writes after an I/O error. Mend the cause, then restart.
    #[error("database {database:?} is read-only: {reason}")]
    ReadOnly {
        /// The database.
        database: String,
        /// The error that made it read-only.
        reason: String,
    },
    /// Another process holds the data directory.
    #[error("{root} is in use by another process{}; stop it first, or use a reading command", pid.map(|p| format!(" (pid {p})")).unwrap_or_default(), root = root.display())]
    Locked {
        /// The data directory.
        root: PathBuf,
        /// The holder's process id, when it could be read.
        pid: Option<u32>,
    },
    /// The same work is under way already. Try again when it is done.
    #[error("{0}")]
    Busy(String),
    /// A configured limit was reached; the message names the key in engine.toml that sets it.
    #[error("limit {key} = {limit} reached: {detail}")]
    Limit {
        /// Key in engine.toml, for example `limits.max_databases`.
        key: &'static str,
        /// Its value.
        limit: u64,
        /// What ran into it.
        detail: String,
    },
    /// The caller's input is wrong; the message says what would be accepted.
    #[error("{0}")]
    BadInput(String),
    /// There is no such database, metric, file or plugin.
    #[error("{0}")]
    NotFound(String),
    /// A configuration file holds a value that is not accepted.
    #[error("{file}: {key} = {value}: {accepted}", file = file.display())]
    Config {
        /// The configuration file.
        file: PathBuf,
        /// Dotted key, for example `retention.partition`.
        key: String,
        /// The value as written.
        value: String,
        /// What is accepted.
        accepted: String,
    },
    /// The operating system refused an operation on a file.
    #[error("{op} {path}: {source}", path = path.display())]
    Io {
        /// What was attempted, for example `open`.
        op: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The operation was cancelled by its caller, or ran past its deadline.
    #[error("cancelled: {0}")]
    Cancelled(String),
}

impl Error {
    /// Wraps an I/O error with what was attempted on which path. "No space" becomes [`Error::Full`].
    pub fn io(op: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::Full { file: path },
            _ => Error::Io { op, path, source },
        }
    }

    /// A wrong argument or malformed input.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Error::BadInput(message.into())
    }

    /// Whether a file was not there: a process beside this one may have renamed or removed it.
    pub(crate) fn is_missing_file(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }

    /// The process exit code that the command line tools use for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::BadInput(_) | Error::Config { .. } => 2,
            Error::NotFound(_) => 3,
            Error::Locked { .. } => 4,
            _ => 1,
        }
    }
}
