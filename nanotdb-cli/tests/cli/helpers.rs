//! A data directory of its own per test, and the binary run on it.

use assert_cmd::Command;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) struct Bench {
    dir: TempDir,
}

/// What a finished process left.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output of a run that must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout
    }

    /// The one JSON document of a run that must have succeeded.
    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"))
    }

    /// Standard error of a run that must have ended with this code.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stderr
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs `nanocli` in the bench's directory, so that the default root is inside it.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_with_input(args, "")
    }

    pub(crate) fn run_with_input(&self, args: &[&str], input: &str) -> Run {
        let output = Command::cargo_bin("nanocli")
            .unwrap()
            .current_dir(self.dir.path())
            .args(args)
            .write_stdin(input)
            .timeout(std::time::Duration::from_secs(60))
            .output()
            .unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Imports line protocol into `root`, all of it accepted. Bare times are nanoseconds, also those of 1970.
    #[track_caller]
    pub(crate) fn import(&self, root: &str, lines: &str) {
        let path = self.file("input.lp", lines);
        self.run(&["import", "--root", root, "--in", &path, "--timestamp-unit", "ns"]).ok();
    }
}

/// A real server on a directory of the bench.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(bench: &Bench, root: &str) -> Self {
        let port_file = bench.path(&format!("{root}.port"));
        let mut child = std::process::Command::new(server_binary())
            .args(["--data", root, "--listen", "127.0.0.1:0", "--port-file"])
            .arg(&port_file)
            .current_dir(bench.path(""))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        let port = loop {
            if let Some(port) = std::fs::read_to_string(&port_file).ok().and_then(|text| text.parse().ok()) {
                break port;
            }
            assert!(child.try_wait().unwrap().is_none(), "the server ended at start");
            assert!(began.elapsed() < Duration::from_secs(120), "the server did not start");
            std::thread::sleep(Duration::from_millis(10));
        };
        std::fs::remove_file(port_file).unwrap();
        Self { child, port }
    }

    /// Stops it as an operator does, and waits.
    pub(crate) fn stop(mut self) {
        let status = std::process::Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Cargo builds the server's binary for its own tests only, so it is built here when this crate is tested alone.
fn server_binary() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_nanocli")).with_file_name("nanotdb");
    if !path.exists() {
        let mut build = std::process::Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "nanotdb-server"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if path.parent().unwrap().ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "nanotdb cannot be built");
    }
    path
}
