//! A simulated file system for tests of recovery: in memory, deterministic, with power cuts and faults.
//!
//! [`SimVfs`] keeps for each file what reads see and what is durable, with the writes between the two; the same for
//! the names in each directory. [`SimVfs::crash`] cuts the power: of what was not synced, any subset survives.
//!
//! - Data at a grain of 512-byte sectors of the file: of each write since the last sync, each sector is kept or not, on
//!   its own. So are changes of the length. A file that grew may have zeros where no data was kept.
//! - Names separately from data: a synced file may have lost its name, a durable name may belong to an empty file.
//!   [`CrashModel`] says whether names survive in order.
//! - A rename is kept whole or not at all.
//!
//! Everything that happens follows from the seed and the sequence of calls; a failing run is repeated with its seed.
//!
//! ```
//! use nanotdb_core::storage::vfs::sim::SimVfs;
//! use nanotdb_core::storage::vfs::{OpenMode, Vfs};
//! use std::path::Path;
//!
//! # fn main() -> std::io::Result<()> {
//! let vfs = SimVfs::new(42);
//! let file = vfs.open(Path::new("/wal"), OpenMode::CreateNew)?;
//! file.write_all_at(b"acknowledged", 0)?;
//! file.sync()?;
//! vfs.sync_dir(Path::new("/"))?;
//! vfs.crash();
//! assert!(file.len().is_err(), "handles die with the process");
//! assert_eq!(vfs.read(Path::new("/wal"), 100)?, b"acknowledged");
//! # Ok(())
//! # }
//! ```
//!
//! To stop at every operation of a run, count them once with [`SimVfs::operation_count`], then repeat the run with
//! [`SimVfs::fail_at`] for each; or run it once with [`SimVfs::record_forks`] and crash each fork, which is quicker.

mod content;
mod fault;
mod file;
mod ops;
mod rng;
mod tree;

#[cfg(test)]
mod behaviour;
#[cfg(test)]
mod tests;

pub use fault::{CrashModel, Fault};

use super::{OpenMode, RealVfs, Vfs};
use fault::{FaultPlan, Stop, Verdict, crash_error};
use rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tree::{Ino, Tree};

/// A file system in memory that crashes and fails on request. See the [module](self).
///
/// A clone is another handle of the same file system. Relative paths start at the root: `a` and `/a` are one file.
#[derive(Clone)]
pub struct SimVfs {
    state: Arc<Mutex<State>>,
    /// The process life that this handle belongs to; `None` belongs to the test and outlives every crash.
    life: Option<u64>,
}

impl fmt::Debug for SimVfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimVfs").field("life", &self.life).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
struct Handle {
    ino: Ino,
    path: PathBuf,
}

struct State {
    seed: u64,
    rng: Rng,
    tree: Tree,
    faults: FaultPlan,
    model: CrashModel,
    /// A crash fault struck: nothing works before `crash` or `kill`.
    stopped: bool,
    /// Counts processes; handles of an earlier one are stale.
    life: u64,
    handles: BTreeMap<u64, Handle>,
    next_handle: u64,
    /// Locked file, handle that has it.
    locks: BTreeMap<Ino, u64>,
    capacity: Option<u64>,
    max_handles: Option<usize>,
    trace: Option<Vec<String>>,
    forks: Option<Vec<SimVfs>>,
}

impl State {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            rng: Rng::new(seed),
            tree: Tree::default(),
            faults: FaultPlan::default(),
            model: CrashModel::default(),
            stopped: false,
            life: 1,
            handles: BTreeMap::new(),
            next_handle: 0,
            locks: BTreeMap::new(),
            capacity: None,
            max_handles: None,
            trace: None,
            forks: None,
        }
    }

    /// A copy without handles, locks and faults to come.
    fn fork(&self, seed: u64) -> Self {
        let mut faults = self.faults.clone();
        faults.clear();
        Self {
            tree: self.tree.clone(),
            faults,
            model: self.model,
            life: self.life + 1,
            next_handle: self.next_handle,
            capacity: self.capacity,
            max_handles: self.max_handles,
            trace: self.trace.clone(),
            ..Self::new(seed)
        }
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    /// Counts a mutating operation and says what becomes of it.
    fn begin(&mut self, what: impl FnOnce() -> String) -> Verdict {
        if self.forks.is_some() {
            // Its own seed, so that recording does not change the run.
            let state = self.fork(Rng::new(self.seed ^ self.faults.operations).next());
            let fork = SimVfs { state: Arc::new(Mutex::new(state)), life: None };
            self.forks.get_or_insert_default().push(fork);
        }
        let fault = self.faults.next_operation();
        let number = self.faults.operations;
        self.note(|| match &fault {
            Some((fault, _)) => format!("#{number} {}: {fault:?}", what()),
            None => format!("#{number} {}", what()),
        });
        let verdict = fault.map_or(Verdict::Run, |(_, verdict)| verdict);
        self.stopped |= matches!(verdict, Verdict::Crash(_));
        verdict
    }

    /// One mutating operation that happens as a whole or not at all.
    fn whole<T>(&mut self, what: impl FnOnce() -> String, apply: impl FnOnce(&mut Self) -> T) -> io::Result<T> {
        match self.begin(what) {
            Verdict::Run => Ok(apply(self)),
            Verdict::Fail(e) => Err(e),
            Verdict::Short => Err(fault::os_error(fault::EIO)),
            Verdict::Crash(stop) => {
                if stop == Stop::After || (stop == Stop::Mid && self.rng.coin()) {
                    apply(self);
                }
                Err(crash_error())
            }
        }
    }

    /// Begins the next process.
    fn restart(&mut self) {
        self.stopped = false;
        self.life += 1;
        self.handles.clear();
        self.locks.clear();
    }

    fn open_inodes(&self) -> BTreeSet<Ino> {
        self.handles.values().map(|handle| handle.ino).collect()
    }
}

impl SimVfs {
    /// An empty file system. The seed decides every random choice.
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed))), life: None }
    }

    /// The state, for the test: works also while stopped. A panic elsewhere does not matter to it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle that belongs to the present process: it fails after the next [`crash`](Self::crash) or
    /// [`kill`](Self::kill). Give it to an engine whose threads or `Drop` may outlive the crash, so that a dead engine
    /// cannot write to the disk of its successor.
    pub fn process(&self) -> Self {
        let life = self.state().life;
        Self { state: Arc::clone(&self.state), life: Some(life) }
    }

    /// The process id that lock files show; another one after each crash or kill.
    pub fn process_id(&self) -> u64 {
        self.state().life
    }

    /// Cuts the power and starts again: of what was not synced a random subset is left, and that is durable. Handles
    /// are stale, locks released, operations work again. Faults that have not struck yet stay planned.
    pub fn crash(&self) {
        let mut state = self.state();
        let State { tree, rng, model, .. } = &mut *state;
        tree.crash(*model, rng);
        state.restart();
        state.note(|| "crash".into());
    }

    /// Ends the process without a power cut and starts again: what was written stays, what was not synced is still
    /// not durable. Handles are stale, locks released, operations work again.
    pub fn kill(&self) {
        let mut state = self.state();
        state.restart();
        state.note(|| "kill".into());
    }

    /// Stops the process as a crash fault does: every operation fails until [`crash`](Self::crash) or
    /// [`kill`](Self::kill).
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.note(|| "stop".into());
    }

    /// Whether a crash fault struck, or [`stop`](Self::stop) was called, and nothing was restarted since.
    pub fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// What a crash may do to unsynced names. [`CrashModel::Arbitrary`] unless set.
    pub fn set_crash_model(&self, model: CrashModel) {
        self.state().model = model;
    }

    /// Lets the `n`-th mutating operation from now fail; 1 is the next one, and 0 means 1. Several may be planned.
    ///
    /// Mutating operations are: a write, `set_len`, `sync`, an open that makes or truncates a file, `rename`,
    /// `remove_file`, `remove_dir`, `sync_dir`, each directory that `create_dir_all` makes; and those that `lock`
    /// consists of (make the file if missing, `set_len`, write). A call that fails by its own arguments does not count.
    pub fn fail_at(&self, n: u64, fault: Fault) {
        self.state().faults.fail_at(n, fault);
    }

    /// Lets every mutating operation fail from the `n`-th on, until [`clear_faults`](Self::clear_faults).
    pub fn fail_from(&self, n: u64, fault: Fault) {
        self.state().faults.fail_from(n, fault);
    }

    /// Lets the `n`-th `read_at` from now fail with EIO; 1 is the next one, and 0 means 1.
    pub fn fail_read_at(&self, n: u64) {
        self.state().faults.fail_read_at(n);
    }

    /// Forgets the faults that have not struck yet.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Mutating operations so far, failed ones included; see [`fail_at`](Self::fail_at) for what counts.
    pub fn operation_count(&self) -> u64 {
        self.state().faults.operations
    }

    /// Calls of `read_at` so far.
    pub fn read_count(&self) -> u64 {
        self.state().faults.reads
    }

    /// Size of the disk in bytes, `None` for no limit. A write that does not fit is applied as far as it does and fails
    /// with ENOSPC. The lengths of all named or open files count, holes included.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Bytes that count against the capacity.
    pub fn used(&self) -> u64 {
        let state = self.state();
        state.tree.used(&state.open_inodes())
    }

    /// How many handles (locks included) may be open; opening one more fails with EMFILE. `None` for no limit.
    pub fn set_max_handles(&self, handles: Option<usize>) {
        self.state().max_handles = handles;
    }

    /// Paths under which the open handles and held locks were opened, sorted; a path appears once per handle.
    pub fn open_handles(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self.state().handles.values().map(|handle| handle.path.clone()).collect();
        paths.sort();
        paths
    }

    /// Starts (anew) or stops recording the mutating operations.
    pub fn set_trace(&self, on: bool) {
        self.state().trace = on.then(Vec::new);
    }

    /// The recorded operations, one line each: number, operation, path, and the fault that struck.
    pub fn trace(&self) -> Vec<String> {
        self.state().trace.clone().unwrap_or_default()
    }

    /// A file system of its own in the same state, pending changes included; later choices follow `seed`. It has no
    /// open handles, no locks and no planned faults. Contents are shared until changed, so this is cheap.
    pub fn fork(&self, seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(self.state().fork(seed))), life: None }
    }

    /// Starts (anew) or stops keeping a [`fork`](Self::fork) of the state before each mutating operation.
    pub fn record_forks(&self, on: bool) {
        self.state().forks = on.then(Vec::new);
    }

    /// The forks so far, and recording ends. Each has the [`operation_count`](Self::operation_count) of its moment:
    /// what was acknowledged up to that count must survive its [`crash`](Self::crash).
    pub fn take_forks(&self) -> Vec<Self> {
        self.state().forks.take().unwrap_or_default()
    }

    /// Path and content of each file as reads see it. Paths are absolute.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.state().tree.visible_files()
    }

    /// Path and content of each file as a crash that loses all unsynced changes would leave it.
    pub fn durable_snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.state().tree.durable_files()
    }

    /// Makes everything durable, as sync(1) does; counts as no operation.
    pub fn settle(&self) {
        self.state().tree.settle();
    }

    /// Makes or replaces a file, with the directories above it, and [settles](Self::settle). Counts as no operation
    /// and meets no fault.
    pub fn put(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let tree = &mut state.tree;
        if let Some(parent) = path.parent() {
            for dir in tree.missing_dirs(parent)? {
                let place = tree.place(&dir)?;
                tree.create(&place, true);
            }
        }
        let place = tree.place(path)?;
        let ino = match tree.child(&place) {
            Some(ino) => ino,
            None => tree.create(&place, false),
        };
        let file = tree.file_mut(ino)?;
        file.set_len(0);
        file.write(content, 0);
        tree.settle();
        Ok(())
    }

    /// Copies the files and directories below the real directory `from` to `to` and [settles](Self::settle).
    pub fn load_tree(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        for dir in state.tree.missing_dirs(to)? {
            let place = state.tree.place(&dir)?;
            state.tree.create(&place, true);
        }
        state.tree.settle();
        drop(state);
        for entry in RealVfs.read_dir(from)? {
            let (from, to) = (from.join(&entry.name), to.join(&entry.name));
            if entry.is_dir {
                self.load_tree(&from, &to)?;
            } else {
                self.put(&to, &RealVfs.read(&from, u64::MAX)?)?;
            }
        }
        Ok(())
    }

    /// Writes what reads see into the real directory `to`, to look at a failure with other tools.
    pub fn save_tree(&self, to: &Path) -> io::Result<()> {
        for (path, content) in self.snapshot() {
            let target = to.join(path.strip_prefix("/").unwrap_or(&path));
            if let Some(parent) = target.parent() {
                RealVfs.create_dir_all(parent)?;
            }
            RealVfs.open(&target, OpenMode::Truncate)?.write_all_at(&content, 0)?;
        }
        Ok(())
    }

    /// Flips the bits `xor` of the byte at `offset`, as a failing disk does: visible and durable at once, no operation.
    pub fn corrupt(&self, path: &Path, offset: u64, xor: u8) -> io::Result<()> {
        self.damage(path, |content| {
            let mut byte = [0];
            if content.read(&mut byte, offset) == 1 {
                content.write(&[byte[0] ^ xor], offset);
            }
        })
        .and_then(|len| match offset < len {
            true => Ok(()),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("cannot corrupt byte {offset} of {}: it has {len} bytes", path.display()),
            )),
        })
    }

    /// Sets the length of a file, visible and durable at once, no operation.
    pub fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        self.damage(path, |content| content.set_len(len)).map(drop)
    }

    /// Returns the visible length before the change.
    fn damage(&self, path: &Path, change: impl Fn(&mut content::Content)) -> io::Result<u64> {
        let mut state = self.state();
        let ino = state.tree.resolve(path)?;
        let file = state.tree.file_mut(ino)?;
        let len = file.visible().len();
        file.damage(change);
        Ok(len)
    }
}
