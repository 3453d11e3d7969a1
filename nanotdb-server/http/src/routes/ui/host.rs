//! The disk, as the operating system shows it.

use std::path::Path;

/// Room on the disk of a directory, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Disk {
    /// For this process.
    pub(super) free: u64,
    /// In all.
    pub(super) total: u64,
}

/// Room on the disk that `directory` is on; `None` where it is not known.
#[cfg(unix)]
pub(super) fn disk(directory: &Path) -> Option<Disk> {
    let found = rustix::fs::statvfs(directory).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some(Disk { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
}

/// Room on the disk that `directory` is on; `None` where it is not known.
#[cfg(not(unix))]
pub(super) fn disk(_directory: &Path) -> Option<Disk> {
    None
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[test]
    fn a_disk_has_room() {
        let disk = super::disk(&std::env::temp_dir()).unwrap();
        assert!(disk.total > 0 && disk.free <= disk.total, "{disk:?}");
    }
}
