//! A file that is replaced as a whole.

use super::{OpenMode, Vfs};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Files that a thread of this process is replacing now. They are written under one temporary name each, so that a crash leaves
/// one file behind at most; two threads in it at once would rename each other's half away.
static UNDER_WAY: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
static DONE: Condvar = Condvar::new();

fn under_way() -> MutexGuard<'static, Option<HashSet<PathBuf>>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to replace one file, until it is dropped.
struct Turn<'a>(&'a Path);

impl<'a> Turn<'a> {
    fn wait(path: &'a Path) -> Self {
        let mut files = under_way();
        while !files.get_or_insert_default().insert(path.to_owned()) {
            files = DONE.wait(files).unwrap_or_else(PoisonError::into_inner);
        }
        Self(path)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        under_way().get_or_insert_default().remove(self.0);
        DONE.notify_all();
    }
}

/// See [`Vfs::replace`].
pub(super) fn replace<V: Vfs + ?Sized>(vfs: &V, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let _turn = Turn::wait(path);
    let write = || {
        let file = vfs.open(&temporary, OpenMode::Truncate)?;
        file.write_all_at(content, 0)?;
        file.sync()?;
        vfs.rename(&temporary, path)
    };
    if let Err(e) = write() {
        let _ = vfs.remove_file(&temporary);
        return Err(e);
    }
    match path.parent() {
        Some(dir) => vfs.sync_dir(dir),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::vfs::RealVfs;
    use crate::storage::vfs::sim::SimVfs;

    /// Each of them succeeds, and the file is one of what they wrote, whole.
    fn two_threads_replace_one_file(vfs: &dyn Vfs, path: &Path) {
        const ROUNDS: usize = 300;
        let contents = [vec![b'a'; 3_000], vec![b'b'; 5_000]];
        std::thread::scope(|scope| {
            for content in &contents {
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        vfs.replace(path, content).unwrap_or_else(|e| panic!("round {round}: {e}"));
                        let found = vfs.read(path, 10_000).unwrap();
                        assert!(found.iter().all(|byte| Some(byte) == found.first()), "a mixture in round {round}");
                        assert!([3_000, 5_000].contains(&found.len()), "{} bytes in round {round}", found.len());
                    }
                });
            }
        });
        let names: Vec<_> = vfs.read_dir(path.parent().unwrap()).unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, [path.file_name().unwrap().to_str().unwrap()], "nothing is left over");
    }

    #[test]
    fn two_threads_replace_one_file_one_after_the_other() {
        let directory = tempfile::tempdir().unwrap();
        two_threads_replace_one_file(&RealVfs, &directory.path().join(".clock"));
        let vfs = SimVfs::new(3);
        vfs.create_dir_all(Path::new("/root")).unwrap();
        two_threads_replace_one_file(&vfs, Path::new("/root/.clock"));
    }

    #[test]
    fn after_an_error_the_next_has_its_turn() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gone/file");
        RealVfs.replace(&path, b"x").unwrap_err();
        std::fs::create_dir(directory.path().join("gone")).unwrap();
        RealVfs.replace(&path, b"y").unwrap();
        assert_eq!(RealVfs.read(&path, 10).unwrap(), b"y");
    }
}
