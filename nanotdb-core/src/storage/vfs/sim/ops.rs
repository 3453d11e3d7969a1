//! The traits of the file system on top of the simulation.

use super::fault::{EBADF, EIO, EMFILE, ENOSPC, Stop, Verdict, crash_error, os_error};
use super::tree::Ino;
use super::{Handle, SimVfs, State};
use crate::storage::vfs::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock};
use std::io;
use std::path::Path;
use std::sync::MutexGuard;

/// Longest file; what lies beyond is EFBIG, as on a real file system, and keeps the page table small.
const MAX_LEN: u64 = 1 << 36;

struct SimFile {
    vfs: SimVfs,
    handle: u64,
    ino: Ino,
    writable: bool,
}

struct SimLock {
    file: SimFile,
}

impl VfsLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.file.vfs.state();
        if state.locks.get(&self.file.ino) == Some(&self.file.handle) {
            state.locks.remove(&self.file.ino);
        }
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        // Handle numbers are never used again, so that this is harmless for a handle that a crash closed.
        self.vfs.state().handles.remove(&self.handle);
    }
}

impl SimVfs {
    /// The state, for the simulated process: fails when that is dead.
    fn live(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.stopped {
            return Err(crash_error());
        }
        match self.life {
            Some(life) if life != state.life => {
                Err(io::Error::other("simulated crash: this handle belongs to a process that is gone"))
            }
            _ => Ok(state),
        }
    }

    /// Opens; the handle ends with the present process.
    fn open_file(&self, path: &Path, mode: OpenMode) -> io::Result<SimFile> {
        let mut state = self.live()?;
        if state.max_handles.is_some_and(|max| state.handles.len() >= max) {
            return Err(os_error(EMFILE));
        }
        let place = state.tree.place(path).map_err(|e| match e.kind() {
            // Only the root has no place.
            io::ErrorKind::InvalidInput => io::ErrorKind::IsADirectory.into(),
            _ => e,
        })?;
        let ino = match (state.tree.child(&place), mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(ino), _) if state.tree.is_dir(ino) => return Err(io::ErrorKind::IsADirectory.into()),
            (Some(ino), OpenMode::Truncate) => {
                let what = || format!("open truncate {}", path.display());
                state.whole(what, |state| state.tree.file_to_change(ino).map(|file| file.set_len(0)))??;
                ino
            }
            (Some(ino), _) => ino,
            (None, OpenMode::Read | OpenMode::Write) => return Err(io::ErrorKind::NotFound.into()),
            (None, _) => {
                let what = || format!("open create {}", path.display());
                state.whole(what, |state| state.tree.create(&place, false))?
            }
        };
        let handle = state.next_handle;
        state.next_handle += 1;
        state.handles.insert(handle, Handle { ino, path: path.to_path_buf() });
        let vfs = SimVfs { state: std::sync::Arc::clone(&self.state), life: Some(state.life) };
        Ok(SimFile { vfs, handle, ino, writable: mode != OpenMode::Read })
    }
}

impl State {
    fn path_of(&self, handle: u64) -> String {
        self.handles.get(&handle).map(|h| h.path.display().to_string()).unwrap_or_default()
    }

    /// How much of a write of `len` bytes fits on the disk.
    fn room(&self, ino: Ino, offset: u64, len: usize) -> io::Result<usize> {
        let Some(capacity) = self.capacity else { return Ok(len) };
        let own = self.tree.file(ino)?.visible().len();
        let others = self.tree.used(&self.open_inodes()) - own;
        let limit = capacity.saturating_sub(others).max(own);
        Ok(len.min(usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX)))
    }
}

impl VfsFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.vfs.live()?;
        if state.faults.next_read() {
            let path = state.path_of(self.handle);
            state.note(|| format!("read {path} {offset}+{}: Eio", buf.len()));
            return Err(os_error(EIO));
        }
        Ok(state.tree.file(self.ino)?.visible().read(buf, offset))
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.vfs.live()?;
        if !self.writable {
            return Err(os_error(EBADF));
        }
        if offset.checked_add(buf.len() as u64).is_none_or(|end| end > MAX_LEN) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let room = state.room(self.ino, offset, buf.len())?;
        let path = if state.trace.is_some() { state.path_of(self.handle) } else { String::new() };
        let verdict = state.begin(|| format!("write {path} {offset}+{}", buf.len()));
        let (kept, result) = match verdict {
            Verdict::Run if room < buf.len() => (room, Err(os_error(ENOSPC))),
            Verdict::Run => (room, Ok(())),
            Verdict::Fail(e) => (0, Err(e)),
            Verdict::Short => (state.rng.below(buf.len()), Err(io::ErrorKind::WriteZero.into())),
            Verdict::Crash(Stop::Before) => (0, Err(crash_error())),
            Verdict::Crash(Stop::Mid) => (state.rng.below(buf.len()), Err(crash_error())),
            Verdict::Crash(Stop::After) => (room, Err(crash_error())),
        };
        let kept = buf.get(..kept.min(room)).unwrap_or_default();
        state.tree.file_to_change(self.ino)?.write(kept, offset);
        result
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.vfs.live()?.tree.file(self.ino)?.visible().len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.vfs.live()?;
        if !self.writable {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if len > MAX_LEN {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let own = state.tree.file(self.ino)?.visible().len();
        let grown = usize::try_from(len.saturating_sub(own)).unwrap_or(usize::MAX);
        let fits = state.room(self.ino, own, grown)? == grown;
        let path = if state.trace.is_some() { state.path_of(self.handle) } else { String::new() };
        state.whole(
            || format!("set_len {path} {len}"),
            |state| {
                if !fits {
                    return Err(os_error(ENOSPC));
                }
                state.tree.file_to_change(self.ino).map(|file| file.set_len(len))
            },
        )?
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.vfs.live()?;
        state.tree.file(self.ino)?;
        let path = if state.trace.is_some() { state.path_of(self.handle) } else { String::new() };
        let verdict = state.begin(|| format!("sync {path}"));
        let State { tree, rng, .. } = &mut *state;
        let file = tree.file_mut(self.ino)?;
        let failed = match verdict {
            Verdict::Run => {
                file.sync();
                return Ok(());
            }
            Verdict::Crash(stop) => {
                // Part of a sync is what the power cut makes of the pending writes anyway.
                if stop == Stop::After {
                    file.sync();
                }
                return Err(crash_error());
            }
            Verdict::Fail(e) => e,
            Verdict::Short => os_error(EIO),
        };
        file.fail_sync(rng);
        Err(failed)
    }
}

impl Vfs for SimVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(self.open_file(path, mode)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.live()?;
        let (source, target) = (state.tree.place(from)?, state.tree.place(to)?);
        if !state.tree.check_rename(&source, &target)? {
            return Ok(());
        }
        state.whole(
            || format!("rename {} {}", from.display(), to.display()),
            |state| state.tree.rename(&source, &target),
        )
    }

    /// The second name is a copy here, and a change of either is an error: what a real file system would make of it, no
    /// caller may rely on.
    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        let mut state = self.live()?;
        let source = state.tree.resolve(existing)?;
        state.tree.file(source)?;
        let place = state.tree.place(new)?;
        if state.tree.child(&place).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let what = || format!("hard_link {} {}", existing.display(), new.display());
        state.whole(what, |state| state.tree.link(source, &place))?
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.live()?;
        let ino = state.tree.resolve(path)?;
        state.tree.file(ino)?;
        let place = state.tree.place(path)?;
        state.whole(|| format!("remove_file {}", path.display()), |state| state.tree.remove(&place))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.live()?;
        if !state.tree.list(path)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let place = state.tree.place(path)?;
        state.whole(|| format!("remove_dir {}", path.display()), |state| state.tree.remove(&place))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.live()?;
        for dir in state.tree.missing_dirs(path)? {
            let place = state.tree.place(&dir)?;
            state.whole(|| format!("create_dir {}", dir.display()), |state| state.tree.create(&place, true))?;
        }
        Ok(())
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.live()?;
        let entry = |(name, ino): (std::sync::Arc<std::ffi::OsStr>, Ino)| {
            let len = state.tree.file(ino).map_or(0, |file| file.visible().len());
            Some(DirEntry { name: name.to_str()?.to_owned(), is_dir: state.tree.is_dir(ino), len, id: ino })
        };
        Ok(state.tree.list(path)?.into_iter().filter_map(entry).collect())
    }

    fn entry(&self, path: &Path) -> io::Result<Option<DirEntry>> {
        let state = self.live()?;
        match state.tree.resolve(path) {
            Ok(ino) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let len = state.tree.file(ino).map_or(0, |file| file.visible().len());
                Ok(Some(DirEntry { name, is_dir: state.tree.is_dir(ino), len, id: ino }))
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.live()?;
        let ino = state.tree.resolve(path)?;
        if !state.tree.is_dir(ino) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        state.whole(|| format!("sync_dir {}", path.display()), |state| state.tree.sync_dir(ino))?;
        let State { tree, handles, .. } = &mut *state;
        tree.sweep(|| handles.values().map(|handle| handle.ino).collect());
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        let file = self.open_file(path, OpenMode::Create)?;
        {
            let mut state = file.vfs.live()?;
            if state.locks.contains_key(&file.ino) {
                drop(state);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            state.locks.insert(file.ino, file.handle);
        }
        let lock = SimLock { file };
        lock.file.set_len(0)?;
        lock.file.write_all_at(self.process_id().to_string().as_bytes(), 0)?;
        Ok(Box::new(lock))
    }
}
