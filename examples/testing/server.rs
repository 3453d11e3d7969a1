//! A server process and a plain HTTP client, for the tests of the example crates.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts `binary` on a free port with its data in `root`.
    pub fn start(binary: &str, root: &Path) -> Self {
        Self::start_with(binary, root, &[])
    }

    /// The same, with these variables in its environment.
    pub fn start_with(binary: &str, root: &Path, environment: &[(&str, &str)]) -> Self {
        let port_file = root.with_extension("port");
        let _ = std::fs::remove_file(&port_file);
        let mut child = Command::new(binary)
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(root)
            .arg("--port-file")
            .arg(&port_file)
            .envs(environment.iter().copied())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        let port = loop {
            if let Some(port) = std::fs::read_to_string(&port_file).ok().and_then(|text| text.parse().ok()) {
                break port;
            }
            assert!(child.try_wait().unwrap().is_none(), "{binary} ended at start");
            assert!(began.elapsed() < PATIENCE, "{binary} did not start");
            std::thread::sleep(Duration::from_millis(10));
        };
        Self { child, port }
    }

    pub fn get(&self, path: &str) -> (u16, serde_json::Value) {
        self.request(&format!("GET {path} HTTP/1.1\r\n"), "")
    }

    pub fn post(&self, path: &str, content_type: Option<&str>, body: &str) -> (u16, serde_json::Value) {
        let content_type = content_type.map_or(String::new(), |t| format!("Content-Type: {t}\r\n"));
        self.request(&format!("POST {path} HTTP/1.1\r\n{content_type}Content-Length: {}\r\n", body.len()), body)
    }

    /// Status, head and text of what need not be JSON.
    pub fn get_text(&self, path: &str) -> (u16, String, String) {
        self.exchange(&format!("GET {path} HTTP/1.1\r\n"), "")
    }

    fn request(&self, head: &str, body: &str) -> (u16, serde_json::Value) {
        let (status, _, body) = self.exchange(head, body);
        (status, serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e} in {body}")))
    }

    /// Status, head and body of one request on a connection of its own.
    fn exchange(&self, head: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{head}Host: localhost\r\nConnection: close\r\n\r\n{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            without_chunks(body)
        } else {
            body.to_owned()
        };
        (status, head.to_owned(), body)
    }

    /// Values of a series as written, with the whole answer.
    pub fn values(&self, series: &str) -> (Vec<String>, serde_json::Value) {
        let (status, answer) = self.get(&format!("/api/v1/query_range?query={series}&start=0&end=4000000000"));
        assert_eq!(status, 200, "{answer}");
        let rows = answer["data"]["result"][0]["values"].as_array().cloned().unwrap_or_default();
        (rows.iter().map(|row| row[1].as_str().unwrap().to_owned()).collect(), answer)
    }

    /// Stops it as an operator does, and waits.
    pub fn stop(mut self) -> ExitStatus {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "the server did not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn without_chunks(mut body: &str) -> String {
    let mut out = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n").unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return out;
        }
        out.push_str(&rest[..length]);
        body = rest[length..].strip_prefix("\r\n").unwrap();
    }
}

/// Runs a binary to its end: exit code, standard output, standard error.
pub fn run(binary: &str, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(binary).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
