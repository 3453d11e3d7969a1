//! The real programs: drip, and the server it sends to.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test support: a failure here is a failed test")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

pub const DRIP: &str = env!("CARGO_BIN_EXE_drip");
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until `test` gives something.
#[track_caller]
pub fn until<T>(what: &str, mut test: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = test() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A recorded tree: `tree("pi3", "a")`.
pub fn tree(machine: &str, snapshot: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees").join(machine).join(snapshot)
}

/// The server's program; built here when this crate is tested alone, because Cargo builds it for its own tests only.
fn nanotdb() -> PathBuf {
    let directory = Path::new(DRIP).parent().unwrap();
    let binary = directory.join("nanotdb");
    if !binary.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "nanotdb-server"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if directory.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "nanotdb cannot be built");
    }
    binary
}

/// A server with a directory and a port that it keeps when it is started again.
pub struct Server {
    child: Option<Child>,
    pub port: u16,
    pub dir: tempfile::TempDir,
}

impl Server {
    pub fn new() -> Self {
        Self::with_config("")
    }

    /// With an engine.toml.
    pub fn with_config(toml: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        if !toml.is_empty() {
            std::fs::write(dir.path().join("engine.toml"), toml).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { child: None, port, dir };
        server.start();
        server
    }

    pub fn start(&mut self) {
        let mut child = Command::new(nanotdb())
            .args(["--listen", &format!("127.0.0.1:{}", self.port), "--data"])
            .arg(self.dir.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the server starts", || {
            assert!(child.try_wait().unwrap().is_none(), "the server ended at start");
            (self.try_get("/health")?.0 == 200).then_some(())
        });
        self.child = Some(child);
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Stops it as a service manager does.
    pub fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        signal(child.id(), "TERM");
        assert!(child.wait().unwrap().success());
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn try_get(&self, path: &str) -> Option<(u16, String)> {
        request(self.port, &format!("GET {path} HTTP/1.1\r\n"), "")
    }

    pub fn post(&self, lines: &str) -> (u16, String) {
        let head = format!("POST /api/v1/import HTTP/1.1\r\nContent-Length: {}\r\n", lines.len());
        request(self.port, &head, lines).unwrap()
    }

    /// All samples of a metric: Unix milliseconds and values, in order.
    pub fn samples(&self, metric: &str) -> Vec<(i64, f64)> {
        let path = format!("/api/v1/query_range?query={metric}&start=2000-01-01&end=2100-01-01");
        let (status, body) = self.try_get(&path).unwrap();
        assert_eq!(status, 200, "{body}");
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        let Some(values) = answer["data"]["result"][0]["values"].as_array() else { return Vec::new() };
        values
            .iter()
            .map(|pair| {
                let ms = (pair[0].as_f64().unwrap() * 1e3).round() as i64;
                (ms, pair[1].as_str().unwrap().parse().unwrap())
            })
            .collect()
    }

    /// Names of the metrics of a database.
    pub fn metrics(&self, database: &str) -> Vec<String> {
        let (status, body) = self.try_get(&format!("/api/v1/metrics?db={database}")).unwrap();
        assert_eq!(status, 200, "{body}");
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        answer["data"]["result"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// The numbers of the cycles that arrived, as drip counted them.
    pub fn cycles(&self) -> Vec<u64> {
        self.samples("metrics/drip.cycles").iter().map(|(_, n)| *n as u64).collect()
    }

    pub fn wait_for_cycles(&self, more_than: usize) {
        until("cycles arrive", || (self.cycles().len() > more_than).then_some(()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn request(port: u16, head: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{head}Host: localhost\r\nConnection: close\r\n\r\n{body}").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return Some((status, body.to_owned()));
    }
    let mut whole = String::new();
    let mut rest = body;
    while let Some((length, tail)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&tail[..length]);
        rest = tail.get(length + 2..).unwrap_or_default();
    }
    Some((status, whole))
}

pub fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// A drip with a directory of its own: drip.toml, spool, log.
pub struct Drip {
    child: Option<Child>,
    pub dir: PathBuf,
}

impl Drip {
    /// Writes drip.toml and starts. It collects from a recorded tree, four times a second, and sends to `port`.
    pub fn start(dir: &Path, port: u16, more: &str) -> Self {
        Self::start_every(250, dir, port, more)
    }

    pub fn start_every(interval_ms: u32, dir: &Path, port: u16, more: &str) -> Self {
        let toml = format!(
            "server_url = \"http://127.0.0.1:{port}\"\ncollection_interval_ms = {interval_ms}\ntimeout_ms = 2000\nroot = \"{}\"\n{more}\n\
             [collectors.sd_write_probe]\nenabled = false\n",
            tree("pi3", "b").display()
        );
        std::fs::write(dir.join("drip.toml"), toml).unwrap();
        Self::start_again(dir)
    }

    /// Starts with the files that are there.
    pub fn start_again(dir: &Path) -> Self {
        let log = std::fs::OpenOptions::new().append(true).create(true).open(dir.join("log")).unwrap();
        let child = Command::new(DRIP)
            .arg("--config")
            .arg(dir.join("drip.toml"))
            .env("STATE_DIRECTORY", dir.join("state"))
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child: Some(child), dir: dir.to_owned() }
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// How it ended, when it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().unwrap().try_wait().unwrap()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap()
    }

    pub fn wait_for_log(&self, part: &str) {
        until(part, || self.log().contains(part).then_some(()));
    }

    /// Stops it as a service manager does.
    pub fn stop(mut self) -> ExitStatus {
        signal(self.pid(), "TERM");
        let mut child = self.child.take().unwrap();
        until("drip ends", || child.try_wait().unwrap())
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Files of the spool, oldest first.
    pub fn segments(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.dir.join("state")) else { return Vec::new() };
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        found.retain(|path| path.extension().is_some_and(|e| e == "lp"));
        found.sort();
        found
    }

    /// Times of the spooled cycles in Unix milliseconds, in order.
    pub fn spooled(&self) -> Vec<i64> {
        let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let headers = |text: String| {
            let times =
                text.lines().filter_map(|line| line.strip_prefix("#drip ")?.split(' ').next()?.parse::<i64>().ok());
            times.map(|ns| ns / 1_000_000).collect::<Vec<_>>()
        };
        self.segments().iter().flat_map(|path| headers(text(path))).collect()
    }

    pub fn wait_for_spooled(&self, at_least: usize) {
        until("cycles are spooled", || (self.spooled().len() >= at_least).then_some(()));
    }
}

impl Drop for Drip {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
