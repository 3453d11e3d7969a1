//! `nanotdb demo`: a server with a month of a made-up host and live samples, to look at before anything is set up.

mod days;
mod feed;
mod host;
mod names;
mod plan;

pub(crate) use feed::Feed;
use plan::{PLAN_FILE, Plan};

use anyhow::{Context, Result};
use nanotdb_core::clock::{Clock, SystemClock};
use nanotdb_core::model::counted;
use nanotdb_core::storage::DirectoryLock;
use nanotdb_core::storage::lock::LOCK_FILE;
use nanotdb_core::storage::vfs::{RealVfs, Vfs};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Arguments of `nanotdb demo`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DemoArgs {
    /// Keep the data in this directory, which must be new, empty or of an earlier demo, which then goes on [default: a
    /// temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Days of history before now [default: 30]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=366))]
    days: Option<i64>,

    /// Address to serve on, for example 127.0.0.1:8500; `:8428` means every interface [default: :8428]
    #[arg(long, value_name = "ADDR", value_parser = crate::location::address)]
    pub(crate) listen: Option<String>,

    /// Other numbers, other samples; the same number, the same samples [default: 1]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Write the port that is served on to this file (for scripts that pass port 0)
    #[arg(long, value_name = "PATH", hide = true)]
    pub(crate) port_file: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  nanotdb demo
  nanotdb demo --root ./demo --days 7
  nanotdb demo --listen :8500

The samples are of a host that does not exist: 83 metrics every 10 seconds in the database `metrics`, \
with working hours, a nightly backup, a reboot, a gap, a hot day; averages by the hour in `metrics_1h`. \
Ctrl-C stops it.";

/// How the names of temporary directories begin.
const TEMPORARY: &str = "nanotdb-demo-";

/// Removes what demos left that were killed: temporary directories of this user whose lock nobody has.
fn remove_left(directory: &Path) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(TEMPORARY)) {
        let path = entry.path();
        // A directory of somebody else, or a link, is left alone; so is one that is only being made.
        let is_ours = is_own_directory(&path) && path.join(PLAN_FILE).is_file() && path.join(LOCK_FILE).is_file();
        if is_ours && let Ok(lock) = DirectoryLock::acquire(&RealVfs, &path) {
            let _ = std::fs::remove_dir_all(&path);
            drop(lock);
        }
    }
}

/// Whether this is a directory that this user made.
fn is_own_directory(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(found) = std::fs::symlink_metadata(path) else { return false };
    found.is_dir() && found.uid() == rustix::process::geteuid().as_raw()
}

/// A demo's directory, and what goes into it.
pub(crate) struct Demo {
    /// What is written.
    pub(crate) plan: Plan,
    directory: Directory,
}

enum Directory {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Demo {
    /// Prepares the directory.
    pub(crate) fn prepare(args: &DemoArgs, vfs: &dyn Vfs) -> Result<Self> {
        let directory = match &args.root {
            Some(root) => Directory::Kept(root.clone()),
            None => {
                remove_left(&std::env::temp_dir());
                let made = tempfile::Builder::new().prefix(TEMPORARY).tempdir();
                Directory::Temporary(made.context("making a temporary directory (--root DIR names another)")?)
            }
        };
        let plan = Plan::of_directory(vfs, directory.path(), args.days, args.seed, SystemClock::default().now())?;
        Ok(Self { plan, directory })
    }

    /// The data directory.
    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Tells the user where to look.
    pub(crate) fn announce(&self, url: &str) {
        let root = self.root().display();
        let fate = match self.directory {
            Directory::Temporary(_) => "removed when the demo stops",
            Directory::Kept(_) => "kept",
        };
        eprintln!("NanoTDB demo: open {url} in a browser. Ctrl-C stops it.");
        let days = counted(self.plan.days.unsigned_abs(), "day");
        eprintln!("{days} of a made-up host, 83 metrics every 10 s; data and log in {root}, {fate}.");
    }

    /// After the engine was closed: removes what is temporary, and says what became of the data.
    /// `listen` is where it was told to serve.
    pub(crate) fn finish(self, listen: Option<&str>) -> Result<()> {
        match self.directory {
            Directory::Temporary(directory) => {
                let path = directory.path().display().to_string();
                directory.close().with_context(|| format!("removing {path}"))?;
                eprintln!("Stopped; {path} is removed.");
            }
            Directory::Kept(root) => {
                let root = root.display();
                // As it was called: after `cargo run` there is no nanotdb on the path.
                let program = std::env::args().next().unwrap_or_else(|| "nanotdb".to_owned());
                let listen = listen.map(|address| format!(" --listen {address}")).unwrap_or_default();
                eprintln!("Stopped; the data is in {root}, and goes on with: {program} demo --root {root}{listen}");
            }
        }
        Ok(())
    }
}

impl Directory {
    fn path(&self) -> &Path {
        match self {
            Directory::Temporary(directory) => directory.path(),
            Directory::Kept(root) => root,
        }
    }
}
