//! Which operation fails, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// How an operation fails. Sent to [`SimVfs::fail_at`](super::SimVfs::fail_at).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An I/O error (EIO). Nothing happens; but a failed `sync` may have dropped dirty data for ever, as on Linux.
    Eio,
    /// No space left (ENOSPC). Nothing happens.
    Enospc,
    /// Too many open files (EMFILE). Nothing happens.
    Emfile,
    /// Read-only file system (EROFS). Nothing happens.
    Erofs,
    /// A random, possibly empty part from the start of a write is applied, then it fails with
    /// [`WriteZero`](io::ErrorKind::WriteZero). EIO for an operation that is no write.
    ShortWrite,
    /// The process stops before the operation.
    CrashBefore,
    /// The process stops during the operation: part of a write is applied; another operation is applied or not.
    CrashMid,
    /// The process stops after the operation, before it learns the result.
    CrashAfter,
}

/// What a crash may do to names that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CrashModel {
    /// Per directory, operations survive up to a point (a journaling file system).
    Ordered,
    /// Each operation survives or not, on its own (what POSIX promises).
    #[default]
    Arbitrary,
}

/// Where in an operation the simulated process stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Before,
    Mid,
    After,
}

/// What becomes of one operation.
#[derive(Debug)]
pub(super) enum Verdict {
    Run,
    Fail(io::Error),
    Short,
    Crash(Stop),
}

// The same numbers on every Unix.
pub(super) const EIO: i32 = 5;
pub(super) const EBADF: i32 = 9;
pub(super) const EMFILE: i32 = 24;
pub(super) const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

pub(super) fn os_error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

/// The error of every operation between a crash fault and the restart.
pub(super) fn crash_error() -> io::Error {
    io::Error::other("simulated crash")
}

impl Fault {
    fn verdict(self) -> Verdict {
        match self {
            Self::Eio => Verdict::Fail(os_error(EIO)),
            Self::Enospc => Verdict::Fail(os_error(ENOSPC)),
            Self::Emfile => Verdict::Fail(os_error(EMFILE)),
            Self::Erofs => Verdict::Fail(os_error(EROFS)),
            Self::ShortWrite => Verdict::Short,
            Self::CrashBefore => Verdict::Crash(Stop::Before),
            Self::CrashMid => Verdict::Crash(Stop::Mid),
            Self::CrashAfter => Verdict::Crash(Stop::After),
        }
    }
}

/// The faults still to come, by operation number.
#[derive(Debug, Clone, Default)]
pub(super) struct FaultPlan {
    pub(super) operations: u64,
    pub(super) reads: u64,
    at: BTreeMap<u64, Fault>,
    from: Option<(u64, Fault)>,
    reads_at: BTreeSet<u64>,
}

impl FaultPlan {
    pub(super) fn fail_at(&mut self, n: u64, fault: Fault) {
        self.at.insert(self.operations.saturating_add(n.max(1)), fault);
    }

    pub(super) fn fail_from(&mut self, n: u64, fault: Fault) {
        self.from = Some((self.operations.saturating_add(n.max(1)), fault));
    }

    pub(super) fn fail_read_at(&mut self, n: u64) {
        self.reads_at.insert(self.reads.saturating_add(n.max(1)));
    }

    pub(super) fn clear(&mut self) {
        self.at.clear();
        self.from = None;
        self.reads_at.clear();
    }

    /// Counts a mutating operation; the fault it meets, if any.
    pub(super) fn next_operation(&mut self) -> Option<(Fault, Verdict)> {
        self.operations += 1;
        let fault = self.at.remove(&self.operations).or_else(|| {
            let (first, fault) = self.from?;
            (self.operations >= first).then_some(fault)
        })?;
        Some((fault, fault.verdict()))
    }

    /// Counts a read; whether it fails.
    pub(super) fn next_read(&mut self) -> bool {
        self.reads += 1;
        !self.reads_at.is_empty() && self.reads_at.remove(&self.reads)
    }
}
