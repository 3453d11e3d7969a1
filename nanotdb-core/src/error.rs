//! The one error type of the engine, and what an operator can do about each kind.

use std::fmt;
use std::path::{Path, PathBuf};

/// `Result` with the engine's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Everything the engine can refuse or fail at.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Bytes on disk are not what was written. Run `nanocli verify`; the rest of the data stays readable.
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Offset of the first byte that cannot be trusted.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The file is whole, but of a version or a codec that this binary does not have.
    Incompatible {
        /// The file.
        file: PathBuf,
        /// What is not supported, and what would be.
        reason: String,
    },
    /// The disk (or a quota) is full. Nothing of the refused batch was stored; free space and send it again.
    Full {
        /// The file that could not grow.
        file: PathBuf,
    },
    /// A database stopped accepting writes after an I/O error. Mend the cause, then restart.
    ReadOnly {
        /// The database.
        database: String,
        /// The error that made it read-only.
        reason: String,
    },
    /// A database is there and cannot be opened: a mistake in its manifest.toml, or damage. Mend it, then restart.
    Unavailable {
        /// The database.
        database: String,
        /// The error that it met.
        reason: String,
    },
    /// Another process holds the data directory.
    Locked {
        /// The data directory.
        root: PathBuf,
        /// The holder's process id, when it could be read.
        pid: Option<u32>,
    },
    /// The same work is under way already. Try again when it is done.
    Busy(String),
    /// A configured limit was reached; the message names the key in engine.toml that sets it.
    Limit {
        /// Key in engine.toml, for example `limits.max_databases`.
        key: &'static str,
        /// Its value.
        limit: u64,
        /// What ran into it.
        detail: String,
    },
    /// The caller's input is wrong; the message says what would be accepted.
    BadInput(String),
    /// There is no such database, metric, file or plugin.
    NotFound(String),
    /// A configuration file holds a value that is not accepted.
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
    Io {
        /// What was attempted, for example `open`.
        op: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The operation was cancelled by its caller, or ran past its deadline.
    Cancelled(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Corrupt { file, offset, reason } => {
                write!(f, "{}: damaged at byte {offset}: {reason}", file.display())
            }
            Error::Incompatible { file, reason } => write!(f, "{}: {reason}", file.display()),
            Error::Full { file } => write!(f, "no space left on device while writing {}", file.display()),
            Error::ReadOnly { database, reason } => write!(f, "database {database:?} is read-only: {reason}"),
            Error::Unavailable { database, reason } => write!(f, "database {database:?} cannot be opened: {reason}"),
            Error::Locked { root, pid } => {
                write!(f, "{} is in use by another process", root.display())?;
                if let Some(pid) = pid {
                    write!(f, " (pid {pid})")?;
                }
                f.write_str("; stop it first, or use a reading command")
            }
            Error::Limit { key, limit, detail } => write!(f, "limit {key} = {limit} reached: {detail}"),
            Error::Busy(text) | Error::BadInput(text) | Error::NotFound(text) => f.write_str(text),
            Error::Config { file, key, value, accepted } => {
                write!(f, "{}: {key} = {value}: {accepted}", file.display())
            }
            Error::Io { op, path, source } => write!(f, "{op} {}: {source}", path.display()),
            Error::Cancelled(text) => write!(f, "cancelled: {text}"),
        }
    }
}

/// Without a source: the text says everything, and whoever prints a chain of errors would say it twice.
impl std::error::Error for Error {}

impl Error {
    /// Wraps an I/O error with what was attempted on which path. "No space" becomes [`Error::Full`].
    pub fn io(op: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::of_io(op, path.as_ref(), source)
    }

    /// Once for all the places that may meet one, instead of inside each of them.
    #[cold]
    #[inline(never)]
    fn of_io(op: &'static str, path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::Full { file: path },
            _ => Error::Io { op, path, source },
        }
    }

    /// A wrong argument or malformed input.
    #[cold]
    pub fn bad_input(message: impl Into<String>) -> Self {
        Error::BadInput(message.into())
    }

    /// Whether the same request, unchanged, may do later: trouble of the machine or of a database, not of the input.
    pub fn may_pass(&self) -> bool {
        !matches!(self, Error::BadInput(_) | Error::Limit { .. } | Error::NotFound(_) | Error::Config { .. })
    }

    /// Whether a file was not there: a process beside this one may have renamed or removed it.
    pub(crate) fn is_missing_file(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }

    /// Whether the machine lacked something for a moment, descriptors or memory or space: what failed may work later.
    pub(crate) fn is_passing(&self) -> bool {
        const ENOMEM: i32 = 12;
        match self {
            Error::Full { .. } => true,
            Error::Io { source, .. } => source.raw_os_error() == Some(ENOMEM) || self.is_out_of_files(),
            _ => false,
        }
    }

    /// Whether nothing was done because there was no descriptor to do it with. An fsync that was made never fails for that.
    pub(crate) fn is_out_of_files(&self) -> bool {
        matches!(self, Error::Io { source, .. } if is_out_of_files(source))
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

/// Whether there was no descriptor to open something with, in this process or in the system.
pub fn is_out_of_files(error: &std::io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    // They have no kind of their own; the numbers are the same everywhere but on Windows.
    cfg!(unix) && matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
