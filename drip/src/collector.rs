//! What a collector is, and how one is added.
//!
//! A collector is a type that implements [`Collector`] and a [`CollectorPlugin`] that names it, registered with
//! [`inventory::submit!`]. This is a whole one; `examples/collector` in the repository is a crate with one:
//!
//! ```
//! use drip::collector::{async_trait, inventory, Collector, CollectorPlugin, CollectError, Cycle, Samples};
//!
//! /// Entropy that the kernel has ready.
//! struct Entropy;
//!
//! #[async_trait]
//! impl Collector for Entropy {
//!     async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
//!         let text = cycle.read("proc/sys/kernel/random/entropy_avail")?;
//!         let bits = text.trim().parse().map_err(|_| CollectError::Failed(format!("{text:?} is no number")))?;
//!         out.integer("sys.entropy_bits", bits);
//!         Ok(())
//!     }
//! }
//!
//! inventory::submit! {
//!     CollectorPlugin::new("entropy", "entropy of the kernel's random numbers", &[], |_section| Box::new(Entropy))
//! }
//!
//! // Its section of drip.toml is [collectors.entropy]; a test reads a recorded tree, or this host:
//! use drip::trial::Trial;
//! let mut trial = Trial::new("entropy", "").unwrap();
//! let lines = trial.cycle(std::path::Path::new("/"), 0).unwrap();
//! assert!(lines.starts_with("sys.entropy_bits "), "{lines}");
//! ```
//!
//! The crate becomes part of a program of its own, which is drip and the collector:
//!
//! ```no_run
//! # mod my_collectors {}
//! use my_collectors as _;
//!
//! fn main() -> std::process::ExitCode {
//!     drip::run()
//! }
//! ```

pub use crate::samples::{Part, Samples};
pub use crate::source::{MountUse, ReadError};
pub use async_trait::async_trait;
pub use inventory;
pub use nanotdb_settings::{Key, Kind, Patterns, Section};

use crate::source::Source;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Gathers some metrics, once per cycle.
///
/// `collect` runs on a thread of its own, so it may block, as files of /proc and sensors do. When it has not come back
/// after its timeout, what it awaits is given up, or, when it blocks, it is left alone and asked again once it has come
/// back; the other collectors go on meanwhile.
#[async_trait]
pub trait Collector: Send {
    /// Adds this cycle's samples to `out`. What it added counts also when it ends with an error.
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError>;
}

/// Why a collector has nothing, or not everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// This host does not have what it reads. No error unless it was there before.
    #[error("{0}")]
    NotHere(String),
    /// It is there and cannot be read.
    #[error("{0}")]
    Failed(String),
}

impl From<ReadError> for CollectError {
    fn from(e: ReadError) -> Self {
        match e.is_missing() {
            true => Self::NotHere(format!("there is no {}", e.path)),
            false => Self::Failed(e.to_string()),
        }
    }
}

/// A collector by name: what `inventory` knows of it.
#[non_exhaustive]
pub struct CollectorPlugin {
    /// Name, also of its section in drip.toml.
    pub name: &'static str,
    /// What it collects, in a few words, for `--check` and `--init`.
    pub about: &'static str,
    /// Its keys in drip.toml, as `--init` writes them below `enabled` and `timeout_ms`.
    pub keys: &'static [Key],
    /// Its timeout in ms, unless drip.toml says otherwise.
    pub timeout_ms: u64,
    /// Makes it. Mistakes in its section are noted there, and no program starts then.
    pub build: fn(&mut Section<'_>) -> Box<dyn Collector>,
}

inventory::collect!(CollectorPlugin);

impl CollectorPlugin {
    /// A collector with its keys, and what makes it. It has 2 s for a cycle.
    pub const fn new(
        name: &'static str,
        about: &'static str,
        keys: &'static [Key],
        build: fn(&mut Section<'_>) -> Box<dyn Collector>,
    ) -> Self {
        Self { name, about, keys, timeout_ms: 2_000, build }
    }

    /// Another timeout than 2 s, for what is slow.
    #[must_use]
    pub const fn timeout_ms(mut self, timeout_ms: u64) -> Self {
        self.timeout_ms = timeout_ms;
        self
    }
}

/// All collectors of this program by name, or the name that two of them have.
pub(crate) fn plugins() -> Result<Vec<&'static CollectorPlugin>, String> {
    let mut all: Vec<_> = inventory::iter::<CollectorPlugin>.into_iter().collect();
    all.sort_by_key(|plugin| plugin.name);
    match all.windows(2).find_map(|pair| pair.first().zip(pair.get(1)).filter(|(a, b)| a.name == b.name)) {
        Some((twice, _)) => {
            Err(format!("two collectors are named {:?}: one of them must get another name", twice.name))
        }
        None => Ok(all),
    }
}

/// One cycle of one collector: where it reads, and when.
#[derive(Debug)]
pub struct Cycle {
    source: Source,
    number: u64,
    /// The moment of a test; of a real cycle, the clock.
    fixed: Option<Instant>,
    state_dir: PathBuf,
}

impl Cycle {
    pub(crate) fn new(root: &Path, state_dir: &Path) -> Self {
        Self { source: Source::new(root), number: 0, fixed: None, state_dir: state_dir.to_owned() }
    }

    pub(crate) fn begin(&mut self, number: u64) {
        self.number = number;
    }

    pub(crate) fn begin_fixed(&mut self, root: &Path, number: u64, at: Instant) {
        self.source.set_root(root);
        self.number = number;
        self.fixed = Some(at);
    }

    /// Which cycle it is. Cycle 0 is the first reading, whose samples are not sent: rates need two.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The monotonic clock: rates are over the time between two readings.
    pub fn now(&self) -> Instant {
        self.fixed.unwrap_or_else(Instant::now)
    }

    /// A directory that drip may write to. Not below the root.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The root that paths are below: `/`, unless drip.toml says otherwise.
    pub fn root(&self) -> &Path {
        self.source.root()
    }

    /// A whole file of text, in a buffer that the next reading uses again. `path` is below the root: `proc/stat`.
    pub fn read(&mut self, path: &str) -> Result<&str, ReadError> {
        self.source.text(path, usize::MAX)
    }

    /// As [`Self::read`], at most so many bytes of it.
    pub fn read_start(&mut self, path: &str, bytes: usize) -> Result<&str, ReadError> {
        self.source.text(path, bytes)
    }

    /// As [`Self::read`], for files that need not be UTF-8.
    pub fn read_bytes(&mut self, path: &str) -> Result<&[u8], ReadError> {
        self.source.bytes(path, usize::MAX)
    }

    /// Calls `each` with the names in a directory, in no order.
    pub fn names(&mut self, path: &str, each: impl FnMut(&str)) -> Result<(), ReadError> {
        self.source.names(path, each)
    }

    /// Whether there is such a file or directory.
    pub fn exists(&mut self, path: &str) -> bool {
        self.source.exists(path)
    }

    /// Whether the host is below the root, seen from a container: what is of `proc/self` there is the container's.
    pub(crate) fn is_host_elsewhere(&self) -> bool {
        self.source.is_host_elsewhere()
    }

    /// Whether the root is a recorded tree that has the use of its mounts in a file.
    pub(crate) fn records_mounts(&mut self) -> bool {
        self.source.records_mounts()
    }

    /// Use of the file system mounted at `mount`.
    pub fn mount_use(&mut self, mount: &str) -> Result<MountUse, ReadError> {
        self.source.mount_use(mount)
    }

    /// Bytes of a memory page, and clock ticks per second.
    pub fn units(&mut self) -> (u64, u64) {
        self.source.units()
    }
}

/// Time between two readings that is too short to make a rate of.
const SHORTEST: Duration = Duration::from_millis(50);

/// Seconds from one reading to the next; `None` when they are too close for a rate.
pub fn seconds_between(before: Instant, now: Instant) -> Option<f64> {
    let elapsed = now.saturating_duration_since(before);
    (elapsed >= SHORTEST).then_some(elapsed.as_secs_f64())
}
