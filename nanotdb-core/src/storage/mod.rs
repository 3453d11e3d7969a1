//! Files: the file system the engine sees, and each kind of file it keeps.

pub(crate) mod archive;
pub(crate) mod copy;
pub mod lock;
pub mod metric_cache;
pub mod metric_file;
pub mod open_page;
pub mod raw_file;
pub mod vfs;
pub mod wal_file;

pub use archive::{Archive, ArchivedFile};
pub use lock::DirectoryLock;
pub use metric_cache::MetricCache;
pub use metric_file::{BlockReader, Identity, MetricFile};
pub use open_page::OpenPage;
pub use raw_file::{FrameEntry, RawFile, TailPolicy};
pub use wal_file::WalFile;

use crate::{Error, Result};
use std::path::Path;
use vfs::{OpenMode, Vfs};

/// Puts bytes that could not be decoded beside their file, as `<file>.damaged-<offset>`, durably. An existing copy is kept.
pub fn keep_damaged(vfs: &dyn Vfs, file: &Path, offset: u64, bytes: &[u8]) -> Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".damaged-{offset}"));
    let path = file.with_file_name(name);
    let write = || {
        if vfs.entry(&path)?.is_some_and(|e| e.len == bytes.len() as u64) {
            return Ok(());
        }
        let copy = vfs.open(&path, OpenMode::Truncate)?;
        copy.write_all_at(bytes, 0)?;
        copy.sync()?;
        vfs.sync_dir(path.parent().unwrap_or(Path::new(".")))
    };
    write().map_err(|e| Error::io("keep damaged bytes in", &path, e))
}
