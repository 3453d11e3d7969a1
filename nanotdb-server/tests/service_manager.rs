//! What systemd is told (sd_notify): the test binds the socket that a service manager would.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::BINARY;
use std::io::{BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Manager {
    socket: UnixDatagram,
    directory: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        Self { socket, directory }
    }

    fn start(&self, watchdog: Option<Duration>) -> Child {
        let mut command = Command::new(BINARY);
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(self.data());
        command.arg("--port-file").arg(self.directory.path().join("port"));
        command.env("NOTIFY_SOCKET", self.directory.path().join("notify")).stderr(Stdio::null());
        if let Some(limit) = watchdog {
            command.env("WATCHDOG_USEC", limit.as_micros().to_string());
        }
        command.spawn().unwrap()
    }

    fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    /// The next message, line by line.
    fn message(&self) -> Vec<String> {
        let mut buffer = [0; 4_096];
        let length = self.socket.recv(&mut buffer).expect("the server tells the service manager nothing");
        String::from_utf8(buffer[..length].to_vec()).unwrap().lines().map(str::to_owned).collect()
    }

    /// On a busy machine it is alive for some time before it is ready.
    fn wait_until_ready(&self) {
        loop {
            let message = self.message();
            if has(&message, "READY=1") {
                return;
            }
            assert_eq!(message, ["WATCHDOG=1"]);
        }
    }

    fn is_answering(&self) -> bool {
        let port: u16 = std::fs::read_to_string(self.directory.path().join("port")).unwrap().parse().unwrap();
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        common::Client { reader: BufReader::new(stream) }.answer(false).status == 200
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn has(message: &[String], line: &str) -> bool {
    message.iter().any(|known| known == line)
}

#[test]
fn it_is_told_when_requests_are_answered_and_when_a_stop_begins() {
    let manager = Manager::new();
    let mut child = manager.start(None);
    let message = manager.message();
    assert!(has(&message, "READY=1"), "{message:?}");
    let status = message.iter().find_map(|line| line.strip_prefix("STATUS=")).unwrap();
    assert!(status.contains("http://127.0.0.1:") && status.contains("data"), "{status}");
    assert!(manager.is_answering());
    signal(&child, "TERM");
    let message = manager.message();
    assert!(has(&message, "STOPPING=1"), "{message:?}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_live_server_says_so_and_a_stopped_one_does_not() {
    let manager = Manager::new();
    let mut child = manager.start(Some(Duration::from_millis(600)));
    manager.wait_until_ready();
    for _ in 0..5 {
        assert_eq!(manager.message(), ["WATCHDOG=1"]);
    }
    // A process that hangs as a whole, as far as the service manager can see.
    signal(&child, "STOP");
    std::thread::sleep(Duration::from_millis(100));
    manager.socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 64];
    while manager.socket.recv(&mut buffer).is_ok() {}
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(manager.socket.recv(&mut buffer).is_err(), "a message came from a stopped process");
    signal(&child, "CONT");
    manager.socket.set_nonblocking(false).unwrap();
    assert_eq!(manager.message(), ["WATCHDOG=1"]);
    signal(&child, "KILL");
    child.wait().unwrap();
}

#[test]
fn a_manager_that_reads_nothing_holds_up_no_request() {
    let manager = Manager::new();
    let mut child = manager.start(Some(Duration::from_millis(20)));
    manager.wait_until_ready();
    // The queue of the socket holds some ten messages; one comes every 10 ms.
    std::thread::sleep(Duration::from_secs(1));
    assert!(manager.is_answering());
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn nobody_is_told_that_a_server_is_ready_which_cannot_start() {
    let manager = Manager::new();
    std::fs::create_dir_all(manager.data()).unwrap();
    std::fs::write(manager.data().join("engine.toml"), "[wal]\nfsync_policy = \"often\"\n").unwrap();
    let code = manager.start(None).wait().unwrap().code();
    assert_eq!(code, Some(2));
    manager.socket.set_nonblocking(true).unwrap();
    assert!(manager.socket.recv(&mut [0; 64]).is_err());
    assert!(Path::new(&manager.data()).join("engine.toml").exists());
}
