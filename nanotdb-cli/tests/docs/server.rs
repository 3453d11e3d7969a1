//! A place where the commands of a page run: an empty directory with a server on its `nanotdb-data`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The real server, on a free port.
pub(crate) struct Place {
    directory: TempDir,
    server: Child,
    port: u16,
    path: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let binaries = binaries();
        let directory = tempfile::tempdir().unwrap();
        let port_file = directory.path().join(".port");
        let server = Command::new(binaries.join("nanotdb"))
            .args(["--data", "nanotdb-data", "--listen", "127.0.0.1:0", "--port-file"])
            .arg(&port_file)
            .current_dir(directory.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap_or_default());
        let mut place = Self { directory, server, port: 0, path };
        let began = Instant::now();
        while place.port == 0 {
            assert!(began.elapsed() < Duration::from_secs(120), "the server does not start");
            std::thread::sleep(Duration::from_millis(20));
            let text = std::fs::read_to_string(&port_file).unwrap_or_default();
            place.port = text.parse().unwrap_or(0);
        }
        std::fs::remove_file(port_file).unwrap();
        place
    }

    /// Runs commands as a user would, with this server in the place of the one on port 8428. Standard output, or what
    /// went wrong.
    pub(crate) fn run(&self, script: &str) -> Result<String, String> {
        let script = script
            .replace("localhost:8428", &format!("127.0.0.1:{}", self.port))
            .replace("localhost:8429", &format!("127.0.0.1:{}", free_port(self.directory.path())))
            .replace("target/release/", "");
        let output = Command::new("bash")
            .args(["-e", "-u", "-o", "pipefail", "-c", &script])
            .current_dir(self.directory.path())
            .env("PATH", &self.path)
            .env("HOME", self.directory.path())
            .stdin(Stdio::null())
            .output()
            .map_err(|e| e.to_string())?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() {
            true => Ok(stdout),
            false => Err(format!("{}\n{stdout}{}", output.status, String::from_utf8_lossy(&output.stderr))),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The port for a page that starts a second server: chosen once per place, so that later commands find it.
fn free_port(directory: &Path) -> u16 {
    let file = directory.join(".second-port");
    if let Some(port) = std::fs::read_to_string(&file).ok().and_then(|text| text.parse().ok()) {
        return port;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map(|a| a.port());
    let port = port.unwrap_or_else(|e: io::Error| panic!("no free port: {e}"));
    std::fs::write(file, port.to_string()).unwrap();
    port
}

/// Directory of `nanocli`, `nanotdb` and `drip`. Cargo builds a package's binary for its own tests only, so the others are
/// built here when this crate is tested alone.
fn binaries() -> PathBuf {
    let directory = Path::new(env!("CARGO_BIN_EXE_nanocli")).parent().unwrap().to_path_buf();
    for (binary, package) in [("nanotdb", "nanotdb-server"), ("drip", "drip")] {
        if !directory.join(binary).exists() {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--quiet", "-p", package]).current_dir(crate::repository());
            if directory.ends_with("release") {
                build.arg("--release");
            }
            assert!(build.status().unwrap().success(), "{binary} cannot be built");
        }
    }
    directory
}
