//! The server under test: a real process on a scratch directory.

use crate::process::{terminate, wait_for_exit};
use crate::rng::Rng;
use crate::start::wait_until_ready;
use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Recovery of the small directories of this test takes milliseconds.
const LIMIT: Duration = Duration::from_secs(30);

/// A running server. Dropped, it is killed.
pub(super) struct Server {
    child: Child,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

impl Server {
    /// Starts the binary; returns before it answers.
    pub(super) fn spawn(binary: &Path, work: &Path, rng: &mut Rng) -> Result<Self> {
        let address = free_address(rng)?;
        let log = OpenOptions::new().create(true).append(true).open(log_file(work))?;
        let child = Command::new(binary)
            .arg("--data")
            .arg(data_dir(work))
            .args(["--listen", &address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::from(File::try_clone(&log)?))
            .stderr(Stdio::from(log))
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        Ok(Self { child, address })
    }

    /// Waits until it answers.
    pub(super) fn wait_until_ready(&mut self) -> Result<()> {
        wait_until_ready(&mut self.child, self.address, "/health", LIMIT)
    }

    /// SIGKILL.
    pub(super) fn kill(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the server had ended by itself with {status}");
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and everything that a clean end promises.
    pub(super) fn stop(mut self, work: &Path) -> Result<()> {
        terminate(&self.child)?;
        let status = wait_for_exit(&mut self.child, LIMIT)?;
        if !status.success() {
            bail!("the server ended with {status} after SIGTERM");
        }
        match non_empty_wal(&data_dir(work))? {
            Some((path, bytes)) => bail!("{} holds {bytes} bytes after a clean stop", path.display()),
            None => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails when it has ended, which is what is wanted here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The data directory inside a scratch directory.
pub(super) fn data_dir(work: &Path) -> PathBuf {
    work.join("data")
}

/// What the servers wrote to their standard streams.
pub(super) fn log_file(work: &Path) -> PathBuf {
    work.join("server.log")
}

/// A WAL file that is not empty, and its size.
fn non_empty_wal(root: &Path) -> Result<Option<(PathBuf, u64)>> {
    for database in std::fs::read_dir(root)? {
        let database = database?.path();
        if !database.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&database)? {
            let file = file?;
            let bytes = file.metadata()?.len();
            let path = file.path();
            let is = |wanted| path.extension().is_some_and(|extension| extension == wanted);
            // The second log of a flush is not there after a clean stop, not even an empty one.
            if (is("wal") && bytes > 0) || is("next") {
                return Ok(Some((file.path(), bytes)));
            }
        }
    }
    Ok(None)
}

/// A free port below the range that the kernel hands out to outgoing connections.
fn free_address(rng: &mut Rng) -> Result<SocketAddr> {
    for _ in 0..200 {
        let address = SocketAddr::from(([127, 0, 0, 1], rng.between(20_000, 32_000) as u16));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port found in 20000..=32000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wal_with_bytes_counts() {
        let root = std::env::temp_dir().join(format!("nanotdb-load-wal-{}", std::process::id()));
        std::fs::create_dir_all(root.join("db")).unwrap();
        std::fs::write(root.join("engine.toml"), "x").unwrap();
        std::fs::write(root.join("db/data-2026-05-01.dat"), "x").unwrap();
        std::fs::write(root.join("db/db.wal"), "").unwrap();
        let empty = non_empty_wal(&root).unwrap();
        std::fs::write(root.join("db/db.wal"), "xy").unwrap();
        let full = non_empty_wal(&root).unwrap();
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(empty, None);
        assert_eq!(full, Some((root.join("db/db.wal"), 2)));
    }
}
